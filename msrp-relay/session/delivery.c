/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deliveries: one message on its way to one leg, as a queue of borrowed
 * segments. A leg takes them from the head (outbound.c), the message adds them
 * at the tail (message.c); this is the wall behind which a spool can stand
 * later. Also what a decided delivery leaves behind: the event, and the wait
 * for a success REPORT.
 */
#include "session/session.h"

#include <stdlib.h>

#include "log/log.h"

#define SPARE_MAX 512 /* segments and deliveries a worker keeps for reuse */

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
	if(w->n_spare_deliveries >= SPARE_MAX) {
		free(d);
		return;
	}
	d->next = w->spare_deliveries;
	w->spare_deliveries = d;
	w->n_spare_deliveries++;
}

static struct segment *segment_new(struct worker *w)
{
	struct segment *s = w->spare_segments;

	if(s == NULL)
		return xmalloc(sizeof(*s));
	w->spare_segments = s->next;
	w->n_spare_segments--;
	return s;
}

static void segment_free(struct worker *w, struct segment *s)
{
	buf_unref(&s->b);
	if(w->n_spare_segments >= SPARE_MAX) {
		free(s);
		return;
	}
	s->next = w->spare_segments;
	w->spare_segments = s;
	w->n_spare_segments++;
}

/* The first segment has been handed on; frees it and returns the next. */
struct segment *segment_take(struct delivery *d)
{
	struct segment *s = d->head;

	d->head = s->next;
	if(d->head == NULL)
		d->tail = NULL;
	d->leg->queued -= s->n + SEGMENT_COST;
	segment_free(d->leg->session->w, s);
	return d->head;
}

void delivery_start(struct message *m, struct leg *l)
{
	struct delivery *d = delivery_new(l->session->w);

	d->m = m;
	d->leg = l;
	m->had_leg = true;
	d->sibling = m->deliveries;
	m->deliveries = d;
	m->n_open++;
	if(l->queue_tail)
		l->queue_tail->next = d;
	else
		l->queue = d;
	l->queue_tail = d;
}

/* What cannot be written at once and is little is copied, so that it does not
 * hold the whole read buffer. */
void delivery_add(struct delivery *d, struct buf *b, const char *p, size_t n)
{
	struct leg *l = d->leg;
	bool waits = !l->bound || l->mc->net.blocked || l->n_txns >= LEG_TXNS_MAX
			|| l->queue != d;
	struct segment *s = d->tail;

	l->queued += n;
	if(s && !s->chunk_end && s->b == b && s->p + s->n == p) {
		s->n += n;
		return;
	}
	if(waits && n < b->cap / BUF_COPY_PART) {
		/* Behind the segment's own end only: a read buffer that nobody else
		 * holds any more may end in bytes that were not handed on yet. */
		if(s && !s->chunk_end && s->b->refs == 1
				&& s->p + s->n == s->b->data + s->b->used
				&& s->b->cap - s->b->used >= n) {
			memcpy(s->b->data + s->b->used, p, n);
			s->b->used += (uint32_t)n;
			s->n += n;
			return;
		}
		s = segment_new(l->session->w);
		s->b = buf_new(b->pool,
				n < 2048 && d->tail && !d->tail->chunk_end ? 4096
														   : (uint32_t)n);
		memcpy(s->b->data, p, n);
		s->b->used = (uint32_t)n;
		s->p = s->b->data;
	} else {
		s = segment_new(l->session->w);
		s->b = buf_ref(b);
		s->p = p;
	}
	l->queued += SEGMENT_COST;
	s->n = n;
	s->chunk_end = false;
	s->next = NULL;
	if(d->tail)
		d->tail->next = s;
	else
		d->head = s;
	d->tail = s;
}

void delivery_keep(struct message *m, struct buf *b, const char *p, size_t n)
{
	struct worker *w = m->in->session->w;
	struct segment *s = segment_new(w);

	if(n < b->cap / BUF_COPY_PART) {
		s->b = buf_new(b->pool, (uint32_t)n);
		memcpy(s->b->data, p, n);
		s->b->used = (uint32_t)n;
		s->p = s->b->data;
	} else {
		s->b = buf_ref(b);
		s->p = p;
	}
	s->n = n;
	s->chunk_end = false;
	s->next = NULL;
	if(m->kept_tail)
		m->kept_tail->next = s;
	else
		m->kept = s;
	m->kept_tail = s;
}

void delivery_keep_end(struct message *m)
{
	if(m->kept_tail)
		m->kept_tail->chunk_end = true;
}

void delivery_keep_drop(struct message *m)
{
	struct segment *s;

	while((s = m->kept) != NULL) {
		m->kept = s->next;
		segment_free(m->in->session->w, s);
	}
	m->kept_tail = NULL;
}

/* A kept message from its first byte. */
static void join_kept(struct message *m, struct leg *l)
{
	struct delivery *d;

	delivery_start(m, l);
	d = l->queue_tail;
	for(const struct segment *s = m->kept; s; s = s->next) {
		delivery_add(d, s->b, s->p, s->n);
		d->tail->chunk_end = s->chunk_end;
	}
}

static int join_keeping(struct leg *l)
{
	struct message *m = l->session->in->messages_list, *last = NULL;

	if(m && m->aborted)
		return -1;
	/* The list has the newest first. */
	while(last != l->session->in->messages_list) {
		for(m = l->session->in->messages_list; m->next != last; m = m->next)
			;
		last = m;
		if(!m->aborted)
			join_kept(m, l);
	}
	return 0;
}

/* Another delivery of the message that has not sent anything yet. */
static const struct delivery *untouched(const struct message *m)
{
	const struct delivery *d = m->deliveries;

	while(d && (d->begun || d->closed))
		d = d->sibling;
	return d;
}

int delivery_join(struct leg *l)
{
	struct leg *in = l->session->in;
	struct message *m;
	struct delivery *d;
	const struct segment *s;

	if(in && l->session->keep)
		return join_keeping(l);
	if(in == NULL || in->messages > 0
			|| (in->messages_list && in->messages_list->next))
		return -1;
	for(m = in->messages_list; m; m = m->next)
		if(m->aborted || (m->received > 0 && untouched(m) == NULL))
			return -1;
	for(m = in->messages_list; m; m = m->next) {
		const struct delivery *from = untouched(m);
		if(from == NULL && m->status != 0)
			return -1;
		delivery_start(m, l);
		d = l->queue_tail;
		for(s = from ? from->head : NULL; s; s = s->next) {
			delivery_add(d, s->b, s->p, s->n);
			d->tail->chunk_end = s->chunk_end;
		}
	}
	return 0;
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
	while(d->head)
		segment_take(d);
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

void delivery_close(struct delivery *d, int status, const char *error)
{
	struct message *m = d->m;
	struct leg *l = d->leg;
	struct stats *st = &l->session->w->stats;

	if(d->closed)
		return;
	d->closed = true;
	m->n_open--;
	if(l->session->keep)
		session_activity(l->session);
	delivery_unqueue(d);
	if(status == 200) {
		m->n_ok++;
		l->status = 200;
		l->messages++;
		l->state = RELAY_LEG_DONE;
		stat_add(st, messages_delivered_total, 1);
		session_event(l->session, RELAY_EV_LEG_DELIVERED, l, m->id, m->received,
				200, NULL);
		if(m->success_report && d->reported < m->received)
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
	if(m->n_open == 0 && m->n_ok == 0 && m->status == 0)
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
		if(!message_type_accepted(l->accept_types, slice_str(m->content_type)))
			delivery_close(d, 415, "media type not accepted");
		else if(l->peer_max_bytes && size > l->peer_max_bytes)
			delivery_close(d, 413, "the message is larger than its max-size");
		else
			continue;
		message_settle(m);
	}
}
