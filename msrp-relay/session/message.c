/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message between its inbound leg and its outbound legs: what has arrived is
 * queued by reference for each leg (a delivery), the sender's reader is
 * stopped while a leg has too much of it, and the sender gets the answer for
 * his last chunk when every leg has decided. This file is the wall behind
 * which a spool can stand later: legs only ever ask a delivery for its next
 * segment. RFC 4975 sections 5.1, 7.1.2, 7.3.
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

static void delivery_free(struct worker *w, struct delivery *d)
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

/* Media type without parameters against a blank-separated list. */
static bool type_accepted(const char *list, struct slice type)
{
	struct slice rest = slice_str(list), one;

	type = slice_trim(slice_cut(type, ';', NULL));
	if(list == NULL)
		return true;
	while(rest.n > 0) {
		one = slice_trim(slice_cut(rest, ' ', &rest));
		if(one.n == 0)
			continue;
		if(slice_eq(one, SLICE("*")) || slice_eq(one, SLICE("*/*"))
				|| slice_ieq(one, type))
			return true;
		if(one.n > 2 && one.p[one.n - 1] == '*' && one.p[one.n - 2] == '/'
				&& slice_istarts(type, slice_of(one.p, one.n - 1)))
			return true;
	}
	return false;
}

static void delivery_start(struct message *m, struct leg *l)
{
	struct delivery *d = delivery_new(l->session->w);

	d->m = m;
	d->leg = l;
	d->sibling = m->deliveries;
	m->deliveries = d;
	m->n_open++;
	if(l->queue_tail)
		l->queue_tail->next = d;
	else
		l->queue = d;
	l->queue_tail = d;
}

static enum report_want report_want(struct slice v)
{
	if(slice_ieq(v, SLICE("no")))
		return REPORT_NO;
	return slice_ieq(v, SLICE("partial")) ? REPORT_PARTIAL : REPORT_YES;
}

struct message *message_find(struct leg *in, struct slice id)
{
	struct message *m = in->messages_list;

	while(m && (m->complete || m->aborted || !slice_eq(slice_str(m->id), id)))
		m = m->next;
	return m;
}

struct message *message_new(struct leg *in, const struct msrp_head *h)
{
	struct message *m = xcalloc(sizeof(*m));
	struct leg *l;
	int refused = 0, none = 0;

	m->in = in;
	m->next = in->messages_list;
	in->messages_list = m;
	in->n_messages++;
	in->n_unfinished++;
	memcpy(m->id, h->message_id.p, h->message_id.n);
	m->content_type = xstrndup(h->content_type.p, h->content_type.n);
	m->failure_report = report_want(h->failure_report);
	m->success_report = slice_ieq(h->success_report, SLICE("yes"));
	in->report_failures = m->failure_report != REPORT_NO;
	for(l = in->session->legs; l; l = l->next) {
		if(l->direction != RELAY_SEND)
			continue;
		if(l->state == RELAY_LEG_CLOSED) {
			none = none ? none : 481;
		} else if(l->state == RELAY_LEG_FAILED && !l->bound) {
			none = l->status > 200 ? l->status : 408;
		} else if(!type_accepted(l->accept_types, h->content_type)) {
			refused = 415;
			l->status = 415;
		} else {
			delivery_start(m, l);
		}
	}
	if(m->n_open == 0)
		m->status = refused ? refused : none ? none : 481;
	return m;
}

/* The sender is stopped while a leg has too much, or answers are missing. */
static void reader_stop(struct leg *in)
{
	if(in->stopped || in->mc == NULL)
		return;
	in->stopped = true;
	conn_pause(&in->mc->net);
	in->session->w->stats.reader_stops_total++;
}

void outbound_wait_less(struct leg *l)
{
	struct leg *in = l->session->in;
	size_t low = l->session->w->conf->leg_buffer_bytes / 2;

	if(in == NULL || !in->stopped || in->n_messages > LEG_PENDING_MAX / 2)
		return;
	for(l = in->session->legs; l; l = l->next)
		if(l->queued > low)
			return;
	in->stopped = false;
	if(in->mc)
		conn_resume(&in->mc->net);
}

/* What cannot be written at once and is little is copied, so that it does not
 * hold the whole read buffer. */
static void segment_add(
		struct delivery *d, struct buf *b, const char *p, size_t n)
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
		if(s && !s->chunk_end && s->b->refs == 1
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

void message_append(struct message *m, struct buf *b, const char *p, size_t n)
{
	size_t limit = m->in->session->w->conf->leg_buffer_bytes;
	struct delivery *d, *next;

	m->received += n;
	m->in->bytes += n;
	m->in->session->w->stats.content_bytes_total += n;
	for(d = m->deliveries; d; d = next) {
		next = d->sibling;
		if(d->closed)
			continue;
		if(d->leg->peer_max_bytes && m->received > d->leg->peer_max_bytes) {
			delivery_close(d, 413, "the message is larger than its max-size");
			continue;
		}
		segment_add(d, b, p, n);
		leg_ready(d->leg);
		if(d->leg->queued <= limit)
			continue;
		/* A message that another one of the same sender holds up would stop
		 * him for good: he sends the end of the first on this connection. */
		if(d != d->leg->queue && !d->leg->queue->m->complete
				&& !d->leg->queue->m->aborted && d->leg->queue->m != m)
			delivery_close(d, 413, "interleaved with an unfinished message");
		else
			reader_stop(m->in);
	}
}

void message_chunk_end(struct message *m)
{
	if(m->in->n_messages > LEG_PENDING_MAX)
		reader_stop(m->in);
	for(struct delivery *d = m->deliveries; d; d = d->sibling) {
		if(d->closed)
			continue;
		if(d->tail)
			d->tail->chunk_end = true;
		leg_ready(d->leg);
	}
}

/* Take a delivery out of its leg's queue. */
static void queue_remove(struct delivery *d)
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
	for(struct txn *t = l->txns; t; t = t->next)
		if(t->d == d)
			t->d = NULL;
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
	queue_remove(d);
	if(status == 200) {
		m->n_ok++;
		l->status = 200;
		l->messages++;
		l->state = RELAY_LEG_DONE;
		st->messages_delivered_total++;
		session_event(l->session, RELAY_EV_LEG_DELIVERED, l, m->id, m->received,
				200, NULL);
		if(m->success_report && d->reported < m->received)
			await_add(d);
	} else if(error == NULL) {
		st->messages_failed_total++; /* leg_fail tells the rest */
	} else if(!m->aborted) {
		l->status = status;
		l->state = RELAY_LEG_FAILED;
		l->error = error;
		st->messages_failed_total++;
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

void message_fail(struct message *m, int status)
{
	m->status = status;
	message_abort(m);
}

/* The rest will not come: legs that have seen a part are told (flag #). */
void message_abort(struct message *m)
{
	struct delivery *d, *next;

	if(m->complete || m->aborted)
		return;
	m->aborted = true;
	m->in->n_unfinished--;
	m->in->session->w->stats.messages_aborted_total++;
	for(d = m->deliveries; d; d = next) {
		next = d->sibling;
		if(d->closed)
			continue;
		if(!d->begun)
			delivery_close(d, m->status ? m->status : 408, "aborted");
		else
			leg_ready(d->leg);
	}
}

void message_free(struct message *m)
{
	struct leg *in = m->in;
	struct message **at = &in->messages_list;
	struct worker *w = in->session->w;
	struct delivery *d;

	while(*at && *at != m)
		at = &(*at)->next;
	if(*at)
		*at = m->next;
	while((d = m->deliveries) != NULL) {
		m->deliveries = d->sibling;
		if(!d->closed) {
			d->closed = true;
			m->n_open--;
			queue_remove(d);
		}
		delivery_await_end(d);
		delivery_free(w, d);
	}
	if(in->mc && in->mc->chunk.m == m)
		in->mc->chunk.m = NULL;
	if(m->status != 0 && !m->complete) {
		memcpy(in->failed_id, m->id, sizeof(in->failed_id));
		in->failed_status = m->status;
	}
	in->n_messages--;
	if(!m->complete && !m->aborted)
		in->n_unfinished--;
	free(m->content_type);
	free(m);
	outbound_wait_less(in);
}

void message_settle(struct message *m)
{
	bool ended = m->complete || m->aborted;
	struct leg *in = m->in;

	if(m->n_open > 0 || m->in_chunk)
		return;
	if(m->complete && !m->answered) {
		m->answered = true;
		if(m->n_ok > 0)
			m->status = 200;
		/* A 200 is a promise: every byte has been acknowledged by a peer. */
		if(m->held[0] != '\0' && m->failure_report != REPORT_NO
				&& (m->failure_report == REPORT_YES || m->status != 200))
			leg_answer(in, slice_str(m->held), m->status);
		in->status = m->status;
		if(m->status == 200) {
			in->messages++;
			in->state = RELAY_LEG_DONE;
		}
	}
	if(m->success_report && m->n_ok > 0 && m->n_await == 0 && !m->reported
			&& m->complete) {
		m->reported = true;
		report_send(m, 200, m->received);
	}
	if(ended && m->n_await == 0)
		message_free(m);
}
