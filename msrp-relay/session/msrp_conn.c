/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An MSRP connection: takes the byte stream of net/ apart into frames and
 * hands them to the legs they are for (inbound.c, outbound.c, report.c), and
 * offers the connection's room to its legs in turn. One connection may carry
 * any number of sessions, one after the other or at once (RFC 4975 section
 * 5.4).
 */
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>

#include "log/log.h"
#include "msrp/write.h"
#include "msrp_uri.h"
#include "net/tls.h"

static void count_status(struct stats *st, int status)
{
	switch(status) {
		case 200:
			break;
		case 400:
			stat_add(st, rejected_400_total, 1);
			break;
		case 403:
			stat_add(st, rejected_403_total, 1);
			break;
		case 408:
			stat_add(st, rejected_408_total, 1);
			break;
		case 413:
			stat_add(st, rejected_413_total, 1);
			break;
		case 415:
			stat_add(st, rejected_415_total, 1);
			break;
		case 481:
			stat_add(st, rejected_481_total, 1);
			break;
		case 501:
			stat_add(st, rejected_501_total, 1);
			break;
		case 506:
			stat_add(st, rejected_506_total, 1);
			break;
		default:
			stat_add(st, rejected_other_total, 1);
	}
}

static void answer(
		struct msrp_conn *mc, struct slice tid, int status, struct slice paths)
{
	struct slice text = msrp_status_text(status);
	size_t room = paths.n + MSRP_WRITE_OVERHEAD, n;
	char *to;

	if(mc->net.closing)
		return;
	to = conn_room(&mc->net, room);
	n = msrp_write_response(to, room, tid, status, text, paths);
	conn_commit(&mc->net, n);
	stat_add(&mc->w->stats, responses_sent_total, 1);
	count_status(&mc->w->stats, status);
}

void leg_answer(struct leg *l, struct slice tid, int status)
{
	if(l->mc)
		answer(l->mc, tid, status, slice_of(l->reply, l->reply_n));
}

/* For requests that belong to no leg. Other methods than SEND are answered
 * along the whole path (RFC 4975 section 7.2). */
void msrp_conn_answer(
		struct msrp_conn *mc, const struct msrp_head *h, int status)
{
	char paths[2 * PATHS_MAX + 64];
	struct slice to = h->from_path;
	size_t n;

	if(h->from_path.n == 0 || h->to_path.n == 0 || h->from_path.n > PATHS_MAX
			|| h->to_path.n > PATHS_MAX)
		return;
	if(h->method == MSRP_SEND)
		to = slice_cut(to, ' ', NULL);
	n = msrp_write_paths(
			paths, sizeof(paths), to, slice_cut(h->to_path, ' ', NULL));
	log_limited(LOG_L_INFO, "request %.*s of %s: %d for %.*s",
			SLICE_ARG(h->tid), mc->net.addr, status, SLICE_ARG(h->to_path));
	answer(mc, h->tid, status, slice_of(paths, n));
}

static void response_received(struct msrp_conn *mc, const struct msrp_head *h)
{
	struct msrp_uri to;
	struct leg *l;

	stat_add(&mc->w->stats, responses_received_total, 1);
	/* Nearly always the connection's only leg, spelt as we spelt it. */
	l = mc->legs;
	if(l == NULL || !slice_eq(h->to_path, slice_str(l->path))) {
		if(msrp_path_parse(h->to_path, &to, NULL) < 1)
			return;
		l = leg_find(mc->w, to.session);
	}
	if(l && l->mc == mc) {
		session_activity(l->session);
		outbound_response(l, h->tid, h->status);
	}
}

static void report_head(struct msrp_conn *mc, const struct msrp_head *h)
{
	struct msrp_uri to;
	struct leg *l;

	stat_add(&mc->w->stats, reports_received_total, 1);
	if(h->twice || msrp_path_parse(h->to_path, &to, NULL) < 1)
		return;
	l = leg_find(mc->w, to.session);
	if(l && l->mc == mc) {
		session_activity(l->session);
		report_received(l, h);
	}
}

/* 0, or 1: the connection waits for a leg to be started. */
static int head_received(struct msrp_conn *mc, const struct msrp_head *h)
{
	mc->chunk = (struct chunk){.answered = true};
	switch(h->method) {
		case MSRP_RESPONSE:
			response_received(mc, h);
			return 0;
		case MSRP_SEND:
			stat_add(&mc->w->stats, sends_received_total, 1);
			return inbound_begin(mc, h);
		case MSRP_REPORT:
			report_head(mc, h);
			return 0;
		case MSRP_AUTH:
		case MSRP_NICKNAME:
		case MSRP_OTHER:
			msrp_conn_answer(mc, h, 501);
			return 0;
	}
	return 0;
}

/* Is all of a frame of limited, announced length here? 1 yes, or it is no
 * such frame: take it as it is; 0 not yet. */
static int whole(struct msrp_conn *mc, const struct msrp_head *h, const char *p,
		size_t n)
{
	struct msrp_range r;
	size_t from, content;
	uint64_t len;
	char flag;

	if(h->byte_range.p == NULL || msrp_range_parse(h->byte_range, &r) != 0
			|| r.end_any)
		return 1;
	len = r.end + 1 - r.start;
	if(len > MSRP_WHOLE_MAX || msrp_content_at(p, n, h->tid, len, &flag) != 0)
		return 1;
	/* It may have been interrupted before its announced end. */
	from = mc->scanned > MSRP_END_MAX ? mc->scanned - MSRP_END_MAX : 0;
	if(from < n
			&& msrp_content_scan(
					   p + from, n - from, h->tid, from == 0, &content, &flag)
					> 0)
		return 1;
	mc->scanned = n;
	return 0;
}

/* The content's end: at its announced place, or found by looking. */
static int content_end(struct msrp_conn *mc, const char *p, size_t n,
		size_t *content, char *flag)
{
	struct slice tid = slice_of(mc->tid, mc->tid_n);
	const struct chunk *c = &mc->chunk;
	uint64_t len;
	int rc;

	if(c->definite && mc->first && c->end + 1 >= c->at) {
		len = c->end + 1 - c->at;
		rc = msrp_content_at(p, n, tid, len, flag);
		if(rc > 0) {
			*content = (size_t)len;
			return rc;
		}
	}
	return msrp_content_scan(p, n, tid, mc->first, content, flag);
}

/* Content at p: bytes taken. */
static size_t on_content(
		struct msrp_conn *mc, struct buf *b, const char *p, size_t n)
{
	size_t content = 0;
	char flag = MSRP_FLAG_NONE;
	int end = content_end(mc, p, n, &content, &flag);

	if(content > 0) {
		mc->first = false;
		inbound_content(mc, b, p, content);
	}
	if(end > 0) {
		mc->in_content = false;
		inbound_end(mc, slice_of(mc->tid, mc->tid_n), flag);
		return content + (size_t)end;
	}
	return content;
}

static size_t malformed(struct msrp_conn *mc, int err)
{
	stat_add(&mc->w->stats, malformed_total, 1);
	log_limited(LOG_L_INFO, "%s: %s, connection closed", mc->net.addr,
			err == -E2BIG ? "header section too long" : "no MSRP frame");
	conn_close(&mc->net, -EBADMSG);
	return 0;
}

/* What comes most on a connection towards a recipient: the whole 200 for the
 * oldest SEND of its only leg, spelt as we would. Bytes taken, or 0: to be
 * looked at in full. */
static size_t on_usual_answer(struct msrp_conn *mc, const char *p, size_t n)
{
	struct leg *l = mc->legs;
	const char *at = p, *end = p + n;
	char tid[TID_LEN];

	if(l == NULL || l->mc_next || l->txns == NULL
			|| n < 5 + TID_LEN + 6 + l->answer_n + 7 + TID_LEN + 3)
		return 0;
	memcpy(tid, l->txns->tid, TID_LEN);
	if(memcmp(at, "MSRP ", 5) != 0 || memcmp(at + 5, tid, TID_LEN) != 0
			|| memcmp(at + 5 + TID_LEN, " 200", 4) != 0)
		return 0;
	at += 5 + TID_LEN + 4;
	if(*at == ' ') {
		at = memchr(at, '\r', (size_t)(end - at));
		if(at == NULL)
			return 0;
	}
	if((size_t)(end - at) < 2 + l->answer_n + 7 + TID_LEN + 3
			|| memcmp(at, "\r\n", 2) != 0
			|| memcmp(at + 2, l->answer, l->answer_n) != 0)
		return 0;
	at += 2 + l->answer_n;
	if(memcmp(at, "-------", 7) != 0 || memcmp(at + 7, tid, TID_LEN) != 0
			|| memcmp(at + 7 + TID_LEN, "$\r\n", 3) != 0)
		return 0;
	stat_add(&mc->w->stats, responses_received_total, 1);
	session_activity(l->session);
	outbound_response(l, slice_of(tid, TID_LEN), 200);
	return (size_t)(at - p) + 7 + TID_LEN + 3;
}

/* A frame's head at p: bytes taken, 0 with more to come. */
static size_t on_head(struct msrp_conn *mc, const char *p, size_t n)
{
	struct msrp_head h;
	size_t usual = on_usual_answer(mc, p, n);
	int rc;

	if(usual > 0)
		return usual;
	rc = msrp_head_parse(p, n, &h);
	if(rc < 0)
		return malformed(mc, rc);
	if(rc == 0)
		return 0;
	if(h.content && h.method != MSRP_RESPONSE
			&& !whole(mc, &h, p + rc, n - (size_t)rc))
		return 0;
	mc->scanned = 0;
	memcpy(mc->tid, h.tid.p, h.tid.n);
	mc->tid_n = (uint8_t)h.tid.n;
	if(head_received(mc, &h) != 0) {
		mc->waits_next = mc->w->waiting;
		mc->w->waiting = mc;
		conn_pause(&mc->net);
		return 0;
	}
	if(h.content) {
		mc->in_content = true;
		mc->first = true;
	} else if(h.method == MSRP_SEND) {
		inbound_end(mc, h.tid, h.flag);
	}
	return (size_t)rc;
}

static size_t on_data(struct conn *c, struct buf *b, const char *p, size_t n)
{
	struct msrp_conn *mc = (struct msrp_conn *)c;
	size_t at = 0, taken;

	do {
		taken = mc->in_content ? on_content(mc, b, p + at, n - at)
							   : on_head(mc, p + at, n - at);
		at += taken;
	} while(taken > 0 && at < n && !c->closing && mc->waits == NULL);
	c->midway = at < n || mc->in_content || (mc->legs && mc->legs->txns);
	return at;
}

static void on_pull(struct conn *c)
{
	struct msrp_conn *mc = (struct msrp_conn *)c;
	struct leg *l;

	while(!conn_full(c) && (l = mc->ready) != NULL) {
		mc->ready = l->ready_next;
		if(mc->ready == NULL)
			mc->ready_tail = NULL;
		l->ready = false;
		if(outbound_emit(l))
			leg_ready(l);
	}
}

static void wait_end(struct msrp_conn *mc)
{
	struct msrp_conn **at = &mc->w->waiting;

	if(mc->waits == NULL)
		return;
	while(*at != mc)
		at = &(*at)->waits_next;
	*at = mc->waits_next;
	mc->waits = NULL;
	if(!mc->net.closing)
		conn_resume(&mc->net);
}

static void on_time(struct wheel_timer *t)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));
	struct msrp_conn *mc = (struct msrp_conn *)c;

	if(mc->legs)
		return;
	if(mc->waits) {
		/* Nobody has started the leg: say so, and give it a last chance. */
		mc->waited = true;
		wait_end(mc);
	} else {
		if(!mc->valid)
			stat_add(&mc->w->stats, connections_unbound_total, 1);
		conn_close(c, 0);
		return;
	}
	wheel_arm(&mc->w->net.wheel, t, (uint64_t)mc->w->conf->bind_ms, on_time);
}

static void on_open(struct conn *c)
{
	struct msrp_conn *mc = (struct msrp_conn *)c;
	struct leg *l = mc->legs;

	if(c->accepted)
		wheel_arm(&mc->w->net.wheel, &c->timer, (uint64_t)mc->w->conf->bind_ms,
				on_time);
	else if(l && !leg_certified(l, mc))
		leg_fail(l, 0, "the peer's certificate does not match");
	else if(l)
		outbound_bind(l);
}

/* Static text: uv_strerror allocates for what it does not know. */
static const char *reason(int err)
{
	const char *text = strerrordesc_np(-err);

	if(err == -EBADMSG)
		return "no MSRP frame";
	if(err == -EPROTO)
		return "TLS failed";
	return text ? text : "connection lost";
}

static void leg_lost(struct leg *l, int err)
{
	bool busy = l->queue || l->n_unfinished || l->txns;

	if(l->state == RELAY_LEG_DONE && !busy) {
		leg_detach(l);
		return;
	}
	leg_fail(l, 0, err != 0 ? reason(err) : "connection closed by the peer");
}

static void on_closed(struct conn *c, int err)
{
	struct msrp_conn *mc = (struct msrp_conn *)c;

	wait_end(mc);
	while(mc->legs)
		leg_lost(mc->legs, err);
}

static const struct conn_ops ops = {on_open, on_data, on_pull, on_closed};

void msrp_conn_accept(
		struct worker *w, int fd, const struct sockaddr *peer, bool tls)
{
	struct msrp_conn *mc = xcalloc(sizeof(*mc));

	mc->w = w;
	conn_accepted(&mc->net, &w->net, &ops, fd, peer, tls);
}

struct msrp_conn *msrp_conn_open(
		struct worker *w, const struct sockaddr *peer, bool tls, int *err)
{
	struct msrp_conn *mc = xcalloc(sizeof(*mc));

	mc->w = w;
	*err = conn_connect(&mc->net, &w->net, &ops, peer, tls);
	if(*err != 0) {
		free(mc);
		return NULL;
	}
	return mc;
}

/* A peer may use its connection for a later session; ours has had its use. */
void msrp_conn_unused(struct msrp_conn *mc)
{
	struct conn *c = &mc->net;

	if(c->closing)
		return;
	if(!c->accepted)
		conn_finish(c);
	else
		wheel_arm(&mc->w->net.wheel, &c->timer,
				(uint64_t)mc->w->conf->inactivity_ms, on_time);
}

void msrp_conn_leg_changed(struct worker *w, struct leg *l)
{
	struct msrp_conn *mc, *next;

	for(mc = w->waiting; mc; mc = next) {
		next = mc->waits_next;
		if(mc->waits == l)
			wait_end(mc);
	}
}
