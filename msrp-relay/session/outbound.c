/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SENDs towards a leg's peer: cut from what has arrived when the connection
 * asks for more, with exact byte ranges, one message after the other, each
 * chunk under a fresh random transaction id. Transactions wait in the order of
 * sending, so one timer for each leg watches the oldest. RFC 4975 sections
 * 7.1.1 and 7.2, RFC 6135 section 4 (binding SEND).
 */
#include "session/session.h"

#include <stdlib.h>

#include "log/log.h"
#include "msrp/write.h"

#define SPARE_TXNS_MAX 4096

static struct txn *txn_new(struct leg *l, struct delivery *d, uint64_t n)
{
	struct worker *w = l->session->w;
	struct txn *t = w->spare_txns;

	if(t) {
		w->spare_txns = t->next;
		w->n_spare_txns--;
	} else {
		t = xmalloc(sizeof(*t));
	}
	*t = (struct txn){.d = d, .n = n, .sent_at = worker_now(w)};
	worker_random_id(w, t->tid, TID_LEN);
	if(l->txns_tail)
		l->txns_tail->next = t;
	else
		l->txns = t;
	l->txns_tail = t;
	l->n_txns++;
	if(d)
		d->n_txns++;
	return t;
}

static void txn_remove(struct leg *l, struct txn *t, struct txn *prev)
{
	struct worker *w = l->session->w;

	if(prev)
		prev->next = t->next;
	else
		l->txns = t->next;
	if(l->txns_tail == t)
		l->txns_tail = prev;
	l->n_txns--;
	if(t->d)
		t->d->n_txns--;
	if(w->n_spare_txns >= SPARE_TXNS_MAX) {
		free(t);
		return;
	}
	t->next = w->spare_txns;
	w->spare_txns = t;
	w->n_spare_txns++;
}

void outbound_forget(struct leg *l)
{
	while(l->txns)
		txn_remove(l, l->txns, NULL);
	wheel_disarm(&l->session->w->net.wheel, &l->timer);
}

/* The oldest transaction has had its time. As long as bytes still flow into
 * the peer's connection he is slow, not silent. */
static void on_transaction_time(struct wheel_timer *timer)
{
	struct leg *l = (struct leg *)((char *)timer - offsetof(struct leg, timer));
	struct worker *w = l->session->w;
	uint64_t wait = (uint64_t)w->conf->transaction_ms;
	uint64_t now = worker_now(w), unsent, acked;
	struct txn *t = l->txns;

	if(t == NULL || l->mc == NULL)
		return;
	unsent = conn_progress(&l->mc->net, &acked);
	if(now - t->sent_at < wait) {
		wheel_arm(&w->net.wheel, &l->timer, wait - (now - t->sent_at),
				on_transaction_time);
		l->acked = acked;
		return;
	}
	if(unsent > 0 && acked > l->acked) {
		l->acked = acked;
		wheel_arm(&w->net.wheel, &l->timer, wait, on_transaction_time);
		return;
	}
	stat_add(&w->stats, transaction_timeouts_total, 1);
	log_info("session %s leg %s: no response from %s within %llu ms",
			l->session->name, l->name, l->mc->net.addr,
			(unsigned long long)wait);
	leg_fail(l, 408, "no response");
}

static void txn_watch(struct leg *l)
{
	struct worker *w = l->session->w;

	if(wheel_armed(&l->timer))
		return;
	l->acked = 0;
	wheel_arm(&w->net.wheel, &l->timer, (uint64_t)w->conf->transaction_ms,
			on_transaction_time);
}

static void count_sent(struct leg *l)
{
	stat_add(&l->session->w->stats, sends_sent_total, 1);
	session_activity(l->session);
	txn_watch(l);
}

/* RFC 6135: the side that connects binds the connection with a SEND. */
void outbound_bind(struct leg *l)
{
	struct conn *c = &l->mc->net;
	struct txn *t = txn_new(l, NULL, 0);
	char mid[TID_LEN];
	size_t room = l->paths_n + MSRP_WRITE_OVERHEAD, n;
	char *to = conn_room(c, room);
	struct msrp_send s = {.tid = slice_of(t->tid, TID_LEN),
			.paths = slice_of(l->paths, l->paths_n),
			.message_id = slice_of(mid, TID_LEN)};

	t->bind = true;
	worker_random_id(l->session->w, mid, TID_LEN);
	n = msrp_write_send(to, room, &s);
	n += msrp_write_end(to + n, room - n, s.tid, MSRP_FLAG_END, false);
	conn_commit(c, n);
	count_sent(l);
}

/* How many bytes the next chunk has; *whole: the sender's chunk ends there. */
static uint64_t chunk_measure(struct delivery *d, bool *to_end)
{
	const struct message *m = d->m;
	uint64_t limit =
			d->leg->chunk_bytes ? d->leg->chunk_bytes : CHUNK_STREAM_MAX;
	uint64_t n = 0;
	struct spool_view v = {0};
	bool cut = m->in->session->content;

	if(limit > CHUNK_STREAM_MAX)
		limit = CHUNK_STREAM_MAX;
	if(retarget_pending(d)) {
		n = d->head->used - d->head_sent;
		*to_end = n <= limit && d->head_for == m->received;
		return n < limit ? n : limit;
	}
	while(n < limit && !v.chunk_end && delivery_view(d, d->sent + n, &v)) {
		/* Where the sender's own chunks are not known, ones of their size. */
		if(v.old || cut) {
			if(m->chunk_n && limit > m->chunk_n)
				limit = m->chunk_n;
			if(limit > SPOOL_BLOCK)
				limit = SPOOL_BLOCK;
			v.chunk_end = false;
		}
		n += v.n;
	}
	if(n > limit)
		n = limit;
	*to_end = d->sent + n == m->received;
	/* What is being read belongs to it. */
	return n < limit && d->reader.waits ? 0 : n;
}

/* Queue n bytes of content without copying. */
static void chunk_content(struct delivery *d, struct conn *c, uint64_t n)
{
	uint64_t at = d->sent, end = d->sent + n;
	struct spool_view v;

	if(retarget_pending(d)) {
		retarget_write(d, c, (size_t)n);
		return;
	}
	while(at < end && delivery_view(d, at, &v)) {
		size_t k = v.n < end - at ? v.n : (size_t)(end - at);
		conn_write(c, v.b, v.p, k);
		at += k;
	}
	delivery_sent(d, (size_t)n);
}

static bool same_range(const struct msrp_range *a, const struct msrp_range *b)
{
	return a->start == b->start && a->end == b->end && a->total == b->total
			&& a->end_any == b->end_any && a->total_any == b->total_any;
}

/* Range and all that is no peer's own, at `to`; bytes. */
static size_t chunk_rest(
		struct message *m, const struct msrp_send *s, char *to, size_t room)
{
	struct head_rest *h = m->rest;

	if(m->n_open < 2 || s->success_report != m->success_report)
		return msrp_write_send_rest(to, room, s);
	if(h == NULL)
		h = m->rest = xcalloc(sizeof(*h));
	if(!same_range(&h->range, &s->range)) {
		h->n = msrp_write_send_rest(h->text, sizeof(h->text), s);
		h->range = s->range;
		h->range.start = h->n > 0 ? s->range.start : 0;
		if(h->n == 0)
			return msrp_write_send_rest(to, room, s);
	}
	memcpy(to, h->text, h->n);
	return h->n;
}

static void chunk_send(struct delivery *d, uint64_t n, char flag)
{
	struct leg *l = d->leg;
	struct message *m = d->m;
	struct conn *c = &l->mc->net;
	struct txn *t = txn_new(l, d, n);
	struct slice tid = slice_of(t->tid, TID_LEN),
				 type = slice_str(m->content_type);
	size_t room = l->paths_n + type.n + MSRP_WRITE_OVERHEAD, used;
	char *to = conn_room(c, room);
	struct msrp_send s = {.message_id = slice_str(m->id),
			.content_type = type,
			.success_report = m->success_report && !l->copy,
			.failure_report = true};

	s.range.start = retarget_sent(d) + 1;
	s.range.end = retarget_sent(d) + n;
	/* No number for an end before the start: clients take it for a length. */
	s.range.end_any = n == 0;
	s.range.total = (uint64_t)((int64_t)(m->complete ? m->received : m->total)
			+ retarget_extra(d));
	s.range.total_any = !m->complete && !m->total_known;
	used = msrp_write_send_start(to, room, tid, slice_of(l->paths, l->paths_n));
	used += chunk_rest(m, &s, to + used, room - used);
	conn_commit(c, used);
	chunk_content(d, c, n);
	/* End-line and flag are one piece of one buffer. */
	to = conn_room(c, MSRP_END_MAX);
	used = msrp_write_end(to, MSRP_END_MAX, tid, flag, true);
	conn_commit(c, used);
	d->begun = true;
	d->last = flag != MSRP_FLAG_MORE;
	count_sent(l);
}

/* The first delivery whose end has not been sent. */
static struct delivery *current(struct leg *l)
{
	struct delivery *d = l->queue;

	while(d && d->last)
		d = d->next;
	return d;
}

/* Send the next chunk. True: there may be another one. */
bool outbound_emit(struct leg *l)
{
	struct delivery *d = current(l);
	uint64_t n;
	bool to_end;
	int status;

	if(d == NULL || !l->bound || l->mc == NULL || l->mc->net.closing
			|| l->n_txns >= LEG_TXNS_MAX)
		return false;
	if(d->broken && !d->m->aborted) {
		struct message *m = d->m;
		if(d->begun)
			chunk_send(d, 0, MSRP_FLAG_ABORT);
		delivery_close(d, 0, "the spool cannot be read");
		message_settle(m);
		return true;
	}
	if(d->m->aborted) {
		struct message *m = d->m;
		chunk_send(d, 0, MSRP_FLAG_ABORT);
		delivery_close(d, m->status ? m->status : 408, "aborted");
		message_settle(m);
		return true;
	}
	delivery_fetch(d);
	status = retarget_begin(d);
	if(status == 1)
		return false;
	if(status != 0) {
		struct message *m = d->m;
		delivery_close(d, status,
				status == 413 ? "the message is larger than its max-size"
							  : "no wrapper that could be changed");
		message_settle(m);
		return true;
	}
	n = chunk_measure(d, &to_end);
	if(n == 0 && !(d->m->complete && to_end))
		return false;
	chunk_send(d, n, to_end && d->m->complete ? MSRP_FLAG_END : MSRP_FLAG_MORE);
	outbound_wait_less(l);
	return true;
}

static void bind_answered(struct leg *l, int status)
{
	if(status == 200) {
		leg_bound(l);
		return;
	}
	log_info("session %s leg %s: binding SEND answered %d", l->session->name,
			l->name, status);
	leg_fail(l, status, "binding SEND refused");
}

/* Whoever adds legs to a message on its way waits for this. */
static void first_acked(struct leg *l, const struct delivery *d)
{
	struct session *s = l->session;

	if(s->started || !s->keep || d->acked == 0)
		return;
	s->started = true;
	session_event(
			s, RELAY_EV_MESSAGE_STARTED, l, d->m->id, d->acked, 200, NULL);
}

void outbound_response(struct leg *l, struct slice tid, int status)
{
	struct txn *t = l->txns, *prev = NULL;
	struct delivery *d;
	uint64_t n;
	bool bind, was_full = l->n_txns >= LEG_TXNS_MAX;

	while(t && (tid.n != TID_LEN || memcmp(t->tid, tid.p, TID_LEN) != 0)) {
		prev = t;
		t = t->next;
	}
	if(t == NULL) /* late, or for a REPORT, which has no response */
		return;
	d = t->d;
	n = t->n;
	bind = t->bind;
	txn_remove(l, t, prev);
	if(was_full)
		leg_ready(l);
	if(bind) {
		bind_answered(l, status);
		return;
	}
	if(d == NULL) {
		session_check_end(l->session);
		return;
	}
	if(status != 200) {
		struct message *m = d->m;
		delivery_close(d, status, "refused by the peer");
		message_settle(m);
		return;
	}
	d->acked += n;
	first_acked(l, d);
	if(d->last && d->n_txns == 0) {
		struct message *m = d->m;
		delivery_close(d, 200, NULL);
		message_settle(m);
	}
}
