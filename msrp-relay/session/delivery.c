/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deliveries: one message on its way to one leg. The content is the message's
 * (spool.c), a delivery is a place in it: message.c says what has arrived, the
 * leg takes it when its connection has room (outbound.c), from memory or, when
 * it is behind, from the spool's file. Also what a decided delivery leaves
 * behind: the event, and the wait for a success REPORT.
 */
#include "session/session.h"

#include <stdlib.h>

#include "log/log.h"

#define SPARE_MAX 4096 /* deliveries a worker keeps for reuse */

static struct delivery *delivery_new(struct worker *w)
{
	struct delivery *d = w->spare_deliveries;

	if(d == NULL)
		return xcalloc(sizeof(*d));
	w->spare_deliveries = d->next;
	w->n_spare_deliveries--;
	memset(d, 0, sizeof(*d));
	return d;
}

void delivery_free(struct worker *w, struct delivery *d)
{
	if(d->head)
		buf_unref(&d->head);
	if(w->n_spare_deliveries >= SPARE_MAX) {
		free(d);
		return;
	}
	d->next = w->spare_deliveries;
	w->spare_deliveries = d;
	w->n_spare_deliveries++;
}

void delivery_start(struct message *m, struct leg *l)
{
	struct delivery *d = delivery_new(l->session->w);

	d->m = m;
	d->leg = l;
	m->had_leg = m->had_leg || !l->copy;
	m->n_copy += l->copy;
	d->sibling = m->deliveries;
	m->deliveries = d;
	m->n_open++;
	if(l->queue_tail)
		l->queue_tail->next = d;
	else
		l->queue = d;
	l->queue_tail = d;
}

void delivery_arrived(struct delivery *d, size_t n, bool piece)
{
	n += piece ? SPOOL_PIECE_COST : 0;
	d->queued += n;
	d->leg->queued += n;
}

bool delivery_waits(const struct delivery *d)
{
	const struct leg *l = d->leg;

	return !l->bound || l->mc->net.blocked || l->n_txns >= LEG_TXNS_MAX
			|| l->queue != d;
}

bool delivery_view(struct delivery *d, uint64_t at, struct spool_view *v)
{
	return spool_view(&d->m->spool, &d->reader, at, v);
}

void delivery_sent(struct delivery *d, size_t n)
{
	unsigned passed =
			spool_pass(&d->m->spool, &d->reader, d->sent, d->sent + n);

	d->sent += n;
	d->leg->bytes += n;
	if(spool_keeps(&d->m->spool))
		return;
	n += passed * SPOOL_PIECE_COST;
	d->queued -= n;
	d->leg->queued -= n;
}

void delivery_block(struct spool_reader *r, int err)
{
	struct delivery *d =
			(struct delivery *)((char *)r - offsetof(struct delivery, reader));

	if(err != 0)
		d->broken = true;
	leg_ready(d->leg);
}

void delivery_fetch(struct delivery *d)
{
	struct spool *sp = &d->m->spool;
	struct spool_view v;
	uint64_t at = d->sent;
	int free_slots = 0;

	if(!spool_is_old(sp, at) || d->reader.waits)
		return;
	for(int i = 0; i < SPOOL_AHEAD; i++)
		free_slots += d->reader.ahead[i].b == NULL;
	while(free_slots > 0) {
		while(spool_view(sp, &d->reader, at, &v))
			at += v.n;
		if(!spool_is_old(sp, at) || !spool_file_read(sp, &d->reader, at))
			return;
		free_slots--;
	}
}

/* A leg takes part in a message from its first byte. */
static int join(struct message *m, struct leg *l)
{
	struct delivery *d;
	uint64_t bytes;
	unsigned pieces;

	if(spool_join(&m->spool, &bytes, &pieces) != 0)
		return -1;
	delivery_start(m, l);
	d = l->queue_tail;
	if(bytes > 0) {
		delivery_arrived(d, bytes, false);
		delivery_arrived(d, (size_t)pieces * SPOOL_PIECE_COST, false);
	}
	return 0;
}

/* All that is kept, the oldest first; the list has the newest first. */
static int join_kept(struct leg *l)
{
	struct message *const first = l->session->in->messages_list;
	struct message *m, *last = NULL;

	if(first && first->aborted)
		return -1;
	while(last != first) {
		for(m = first; m->next != last; m = m->next)
			;
		last = m;
		if(!m->aborted && join(m, l) != 0)
			return -1;
	}
	return 0;
}

int delivery_join(struct leg *l)
{
	struct leg *in = l->session->in;
	struct message *m;

	if(in && l->session->keep)
		return join_kept(l);
	if(in == NULL || in->messages > 0)
		return -1;
	m = in->messages_list;
	if(m == NULL)
		return 0;
	if(m->next || m->aborted || m->status != 0)
		return -1;
	return join(m, l);
}

/* Take a delivery out of its leg's queue. */
void delivery_unqueue(struct delivery *d)
{
	struct leg *l = d->leg;
	struct delivery **at = &l->queue, *prev = NULL;

	while(*at && *at != d) {
		prev = *at;
		at = &(*at)->next;
	}
	if(*at == NULL)
		return;
	*at = d->next;
	if(l->queue_tail == d)
		l->queue_tail = prev;
	d->next = NULL;
	spool_leave(&d->m->spool, &d->reader, d->sent);
	l->queued -= d->queued;
	d->queued = 0;
	for(struct txn *t = d->n_txns > 0 ? l->txns : NULL; t; t = t->next)
		if(t->d == d)
			t->d = NULL;
	d->n_txns = 0;
}

/* Wait for the success REPORT of a delivered message. */
static void await_add(struct delivery *d)
{
	struct leg *l = d->leg;

	if(l->n_await >= LEG_REPORTS_MAX) {
		struct message *m = l->await->m;
		delivery_await_end(l->await);
		message_settle(m);
	}
	d->await = true;
	d->next = NULL;
	if(l->await_tail)
		l->await_tail->next = d;
	else
		l->await = d;
	l->await_tail = d;
	l->n_await++;
	d->m->n_await++;
}

void delivery_await_end(struct delivery *d)
{
	struct leg *l = d->leg;
	struct delivery **at = &l->await, *prev = NULL;

	if(!d->await)
		return;
	while(*at != d) {
		prev = *at;
		at = &(*at)->next;
	}
	*at = d->next;
	if(l->await_tail == d)
		l->await_tail = prev;
	d->next = NULL;
	d->await = false;
	l->n_await--;
	d->m->n_await--;
}

/* What is stored is out of the store before anybody is told. */
static void delivered(const struct message *m, struct leg *l)
{
	struct claim *c = m->claim ? m->claim : l->session->claim;

	if(c && !l->copy)
		claim_delivered(c, l, m);
	else
		session_event(l->session, RELAY_EV_LEG_DELIVERED, l, m->id, m->received,
				200, NULL);
}

void delivery_close(struct delivery *d, int status, const char *error)
{
	struct message *m = d->m;
	struct leg *l = d->leg;
	struct stats *st = &l->session->w->stats;

	if(d->closed)
		return;
	d->closed = true;
	m->n_open--;
	m->n_copy -= l->copy;
	if(l->session->keep)
		session_activity(l->session);
	delivery_unqueue(d);
	if(status == 200) {
		m->n_ok += !l->copy;
		l->status = 200;
		l->messages++;
		l->state = RELAY_LEG_DONE;
		stat_add(st, messages_delivered_total, 1);
		delivered(m, l);
		if(m->success_report && !l->copy && d->reported < m->received)
			await_add(d);
	} else if(error == NULL) {
		stat_add(st, messages_failed_total, 1); /* leg_fail tells the rest */
	} else if(!m->aborted) {
		l->status = status;
		l->state = RELAY_LEG_FAILED;
		l->error = error;
		stat_add(st, messages_failed_total, 1);
		log_info("session %s leg %s: message %s failed with %d (%s)",
				l->session->name, l->name, m->id, status, error);
		session_event(l->session, RELAY_EV_LEG_FAILED, l, m->id, d->acked,
				status, error);
	}
	if(!l->copy && message_hopes(m) == 0 && m->n_ok == 0 && m->status == 0
			&& l->session->deferral == NULL)
		m->status = status ? status : 408;
	leg_ready(l);
	outbound_wait_less(l);
	session_check_end(l->session);
}

void delivery_recheck(struct leg *l)
{
	struct delivery *d, *next;

	for(d = l->queue; d; d = next) {
		struct message *m = d->m;
		next = d->next;
		uint64_t size = m->total_known ? m->total : m->received;
		if(!message_accepted(m, l))
			delivery_close(d, 415, "media type not accepted");
		else if(l->peer_max_bytes && size > l->peer_max_bytes)
			delivery_close(d, 413, "the message is larger than its max-size");
		else
			continue;
		message_settle(m);
	}
}
