/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SEND requests of peers: which leg they are for, whether they are allowed,
 * and their content on its way into a message. RFC 4975 sections 5.4, 7.3 and
 * 10 (statuses), RFC 6135 section 4.2 (binding). Called by msrp_conn.c with
 * the head, the content as it arrives, and the end.
 */
#include "session/session.h"

#include "log/log.h"
#include "msrp_uri.h"
#include "net/tls.h"

/* From-Path as the SDP has it, or at least its session id. */
static bool from_matches(const struct leg *l, struct slice from)
{
	struct msrp_uri a, b;
	struct slice ours = slice_str(l->peer_path);

	if(slice_eq(ours, from))
		return true;
	if(msrp_path_parse(from, NULL, &a) < 1
			|| msrp_path_parse(ours, NULL, &b) < 1)
		return false;
	return l->match_full ? msrp_uri_eq(&a, &b) : msrp_uri_eq_session(&a, &b);
}

bool leg_certified(const struct leg *l, const struct msrp_conn *mc)
{
	char have[TLS_FINGERPRINT_MAX];

	if(l->fingerprint == NULL)
		return true;
	return mc->net.tls && tls_peer_fingerprint(mc->net.tls, have) == 0
			&& slice_ieq(slice_str(have), slice_str(l->fingerprint));
}

/* May this connection speak for the leg? 0, or the status that says no. */
static int leg_check(
		struct leg *l, struct msrp_conn *mc, const struct msrp_head *h)
{
	if(l->state == RELAY_LEG_CLOSED || l->session->closing)
		return 481;
	if(l->mc && l->mc != mc)
		return 506;
	if(!from_matches(l, h->from_path))
		return 481;
	if(l->transport == RELAY_TLS
			&& (mc->net.tls == NULL || !leg_certified(l, mc)))
		return 403;
	return 0;
}

/* The leg of a request. 0; a status; -1 its peer is not known yet. */
static int leg_of(
		struct msrp_conn *mc, const struct msrp_head *h, struct leg **out)
{
	struct leg *l = mc->last;
	struct msrp_uri to;
	int n, status;

	if(l && slice_eq(h->to_path, slice_of(l->req_to, l->req_to_n))
			&& slice_eq(h->from_path, slice_of(l->req_from, l->req_from_n))
			&& !l->session->closing) {
		*out = l;
		return 0;
	}
	if(h->to_path.n > PATHS_MAX || h->from_path.n > PATHS_MAX
			|| msrp_path_parse(h->from_path, NULL, NULL) < 1)
		return 400;
	n = msrp_path_parse(h->to_path, &to, NULL);
	if(n < 1)
		return 400;
	l = n == 1 ? leg_find(mc->w, to.session) : NULL;
	if(l == NULL)
		return 481;
	if(l->peer_path == NULL && l->state == RELAY_LEG_NEW && !l->session->closing
			&& !mc->waited) {
		*out = l;
		return -1;
	}
	status = leg_check(l, mc, h);
	if(status != 0)
		return status;
	leg_paths_seen(l, h->to_path, h->from_path);
	mc->last = l;
	mc->valid = true;
	if(l->mc == NULL) {
		leg_attach(l, mc);
		leg_bound(l);
	}
	*out = l;
	return 0;
}

static bool is_heartbeat(struct slice type)
{
	return slice_istarts(type, SLICE("text/x-msrp-heartbeat"));
}

/* A new message begins: unfinished ones that failed, or that their sender has
 * dropped without saying so, shall not hold it up. */
static void forget_stale(struct leg *l)
{
	struct worker *w = l->session->w;
	uint64_t now = worker_now(w);
	struct message *m, *next;

	if(l->n_unfinished == 0)
		return;
	for(m = l->messages_list; m; m = next) {
		next = m->next;
		if(m->complete || m->aborted || m->in_chunk
				|| (m->status == 0
						&& now - m->chunk_at
								< (uint64_t)w->conf->transaction_ms))
			continue;
		message_abort(m);
		message_settle(m);
	}
}

/* What may still come of this message, NULL: of a new one; all that is kept of
 * a sender is within max_bytes. */
static uint64_t bytes_left(const struct leg *l, const struct message *m)
{
	uint64_t max = l->session->max_bytes, used = 0;

	if(max == 0)
		return UINT64_MAX;
	for(const struct message *o = l->messages_list; o && l->session->keep;
			o = o->next)
		if(o != m)
			used += o->received;
	return max > used ? max - used : 0;
}

/* The message that a chunk belongs to: 0 and *out, or a status. */
static int message_of(struct leg *l, const struct msrp_head *h,
		const struct msrp_range *r, struct message **out)
{
	struct message *m;

	if(l->direction != RELAY_RECV)
		return 403;
	m = message_find(l, h->message_id);
	if(m == NULL) {
		if(r->start != 1)
			return slice_eq(slice_str(l->failed_id), h->message_id)
					? l->failed_status
					: 400;
		if(!r->total_any && r->total > bytes_left(l, NULL))
			return 413;
		forget_stale(l);
		if(l->n_unfinished >= LEG_MESSAGES_MAX
				|| (l->session->keep && l->n_messages >= SESSION_KEPT_MAX))
			return 413;
		m = message_new(l, h);
	} else if(r->start > m->received + 1) {
		/* Bytes are missing that TCP cannot have lost. */
		message_fail(m, 400);
		message_settle(m);
		return 400;
	}
	if(!r->total_any) {
		if(m->total_known && m->total != r->total) {
			message_fail(m, 400);
			message_settle(m);
			return 400;
		}
		m->total_known = true;
		m->total = r->total;
	}
	*out = m;
	return 0;
}

static enum report_want want_of(struct slice v)
{
	if(v.n == 0)
		return REPORT_YES;
	if(slice_ieq(v, SLICE("no")))
		return REPORT_NO;
	return slice_ieq(v, SLICE("partial")) ? REPORT_PARTIAL : REPORT_YES;
}

/* The response to the chunk in progress; once, and only where it is wanted. */
static void chunk_answer(struct msrp_conn *mc, struct slice tid, int status)
{
	struct chunk *c = &mc->chunk;

	if(c->answered)
		return;
	c->answered = true;
	if(c->leg == NULL || c->failure_report == REPORT_NO
			|| (c->failure_report == REPORT_PARTIAL && status == 200))
		return;
	leg_answer(c->leg, tid, status);
}

/* A keep-alive, the binding SEND, or the end of a message without content. */
static bool is_empty(const struct msrp_head *h, const struct message *m)
{
	return (!h->content && m == NULL) || is_heartbeat(h->content_type);
}

int inbound_begin(struct msrp_conn *mc, const struct msrp_head *h)
{
	struct chunk *c = &mc->chunk;
	struct msrp_range r = {.start = 1, .end_any = true, .total_any = true};
	struct leg *l = NULL;
	struct message *m = NULL;
	int status;

	*c = (struct chunk){.failure_report = want_of(h->failure_report)};
	status = h->twice ? 400 : leg_of(mc, h, &l);
	if(status < 0) {
		mc->waits = l;
		return 1;
	}
	if(status == 0 && h->byte_range.p
			&& msrp_range_parse(h->byte_range, &r) != 0)
		status = 400;
	if(status != 0) {
		c->answered = true;
		if(c->failure_report != REPORT_NO)
			msrp_conn_answer(mc, h, status);
		return 0;
	}
	session_activity(l->session);
	c->leg = l;
	if(l->direction == RELAY_RECV && msrp_ident_ok(h->message_id))
		m = message_find(l, h->message_id);
	if(is_empty(h, m))
		return 0;
	if(!msrp_ident_ok(h->message_id)
			|| (h->content && h->content_type.n == 0)) {
		chunk_answer(mc, h->tid, 400);
		return 0;
	}
	status = message_of(l, h, &r, &m);
	if(status != 0) {
		log_info("session %s leg %s: SEND of %s refused with %d",
				l->session->name, l->name, mc->net.addr, status);
		l->status = status;
		chunk_answer(mc, h->tid, status);
		return 0;
	}
	c->m = m;
	m->chunk_from = m->received;
	c->at = r.start;
	c->definite = !r.end_any;
	c->end = r.end;
	m->in_chunk = true;
	m->chunk_at = worker_now(l->session->w);
	return 0;
}

/* The chunk's message has failed: say so at once, drop what follows. */
static void chunk_failed(struct msrp_conn *mc, int status)
{
	struct message *m = mc->chunk.m;

	if(status != m->status) {
		m->in->status = status;
		message_fail(m, status);
	}
	chunk_answer(mc, slice_of(mc->tid, mc->tid_n), status);
	m->answered = true;
	m->in_chunk = false;
	mc->chunk.m = NULL;
	message_abort(m);
	message_settle(m);
}

void inbound_content(
		struct msrp_conn *mc, struct buf *b, const char *p, size_t n)
{
	struct chunk *c = &mc->chunk;
	struct message *m = c->m;
	uint64_t skip, last;

	c->any = true;
	if(c->leg)
		session_activity(c->leg->session);
	if(m == NULL)
		return;
	last = c->at + n - 1;
	if(m->status == 0
			&& ((c->definite && last > c->end)
					|| (m->total_known && last > m->total)
					|| last > bytes_left(c->leg, m))) {
		chunk_failed(mc, 413);
		return;
	}
	if(m->status != 0) {
		chunk_failed(mc, m->status);
		return;
	}
	/* Bytes that were here before are not sent twice. */
	skip = c->at <= m->received ? m->received + 1 - c->at : 0;
	c->at += n;
	if(skip < n)
		message_append(m, b, p + skip, n - (size_t)skip);
}

static void message_completed(struct msrp_conn *mc, struct slice tid)
{
	struct message *m = mc->chunk.m;

	memcpy(m->held, tid.p, tid.n);
	m->failure_report = mc->chunk.failure_report;
	mc->chunk.answered = true; /* message_settle does it */
	message_complete(m);
}

void inbound_end(struct msrp_conn *mc, struct slice tid, char flag)
{
	struct chunk *c = &mc->chunk;
	struct message *m = c->m;

	if(m == NULL) {
		chunk_answer(mc, tid, 200);
		return;
	}
	m->in_chunk = false;
	c->m = NULL;
	if(m->received == 0 && !c->any && m->status == 0) {
		/* Nothing in it and nothing before: like a bodiless SEND. */
		chunk_answer(mc, tid, 200);
		message_free(m);
		return;
	}
	if(m->status != 0) {
		chunk_answer(mc, tid, m->status);
		m->answered = true;
		message_abort(m);
	} else if(flag == MSRP_FLAG_ABORT) {
		message_abort(m);
		chunk_answer(mc, tid, 200);
	} else if(flag == MSRP_FLAG_MORE) {
		message_chunk_end(m);
		chunk_answer(mc, tid, 200);
	} else if(m->total_known && m->received != m->total) {
		message_fail(m, 400);
		chunk_answer(mc, tid, 400);
	} else {
		c->m = m;
		message_completed(mc, tid);
		c->m = NULL;
	}
	message_settle(m);
}
