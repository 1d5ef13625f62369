/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message between its inbound leg and its outbound legs: what has arrived is
 * given to a delivery for each leg (delivery.c), the sender's reader is stopped
 * while a leg has too much of it, and the sender gets the answer for his last
 * chunk when every leg has decided. RFC 4975 sections 5.1, 7.1.2, 7.3.
 */
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>

#include "log/log.h"

#define SPARE_MAX 1024    /* messages a worker keeps for reuse */
#define KEPT_TYPE_MAX 127 /* bytes of a Content-Type kept with them */

/* A spare message keeps its Content-Type, as the next one mostly has the same,
 * and the room for heads. */
static struct message *message_alloc(struct worker *w, struct slice type)
{
	struct message *m = w->spare_messages;
	struct head_rest *rest = NULL;
	char *kept = NULL;

	if(m == NULL) {
		m = xmalloc(sizeof(*m));
	} else {
		w->spare_messages = m->next;
		w->n_spare_messages--;
		kept = m->content_type;
		rest = m->rest;
	}
	if(kept && !slice_eq(slice_str(kept), type)) {
		free(kept);
		kept = NULL;
	}
	if(rest)
		rest->range.start = 0;
	*m = (struct message){.rest = rest,
			.content_type = kept ? kept : xstrndup(type.p, type.n)};
	return m;
}

static void message_spare(struct worker *w, struct message *m)
{
	if(w->n_spare_messages >= SPARE_MAX) {
		free(m->content_type);
		free(m->rest);
		free(m);
		return;
	}
	if(strlen(m->content_type) > KEPT_TYPE_MAX) {
		free(m->content_type);
		m->content_type = NULL;
	}
	m->next = w->spare_messages;
	w->spare_messages = m;
	w->n_spare_messages++;
}

static enum report_want report_want(struct slice v)
{
	if(slice_ieq(v, SLICE("no")))
		return REPORT_NO;
	return slice_ieq(v, SLICE("partial")) ? REPORT_PARTIAL : REPORT_YES;
}

struct message *message_find(struct leg *in, struct slice id)
{
	struct message *m = in->n_unfinished > 0 ? in->messages_list : NULL;

	while(m && (m->complete || m->aborted || !slice_eq(slice_str(m->id), id)))
		m = m->next;
	return m;
}

struct message *message_new(struct leg *in, const struct msrp_head *h)
{
	struct message *m = message_alloc(in->session->w, h->content_type);
	struct leg *l;
	int refused = 0, none = 0;
	bool keep = in->session->keep;

	m->in = in;
	spool_init(
			&m->spool, keep ? (size_t)in->session->w->conf->spool_memory : 0);
	m->next = in->messages_list;
	if(m->next)
		m->next->pprev = &m->next;
	m->pprev = &in->messages_list;
	in->messages_list = m;
	in->n_messages++;
	in->n_unfinished++;
	memcpy(m->id, h->message_id.p, h->message_id.n);
	m->failure_report = report_want(h->failure_report);
	m->success_report = slice_ieq(h->success_report, SLICE("yes"));
	in->report_failures = m->failure_report != REPORT_NO;
	for(l = in->session->legs; l; l = l->next) {
		if(l->direction != RELAY_SEND)
			continue;
		if(l->copy
				&& (l->state == RELAY_LEG_CLOSED
						|| (l->state == RELAY_LEG_FAILED && !l->bound)))
			continue;
		if(l->state == RELAY_LEG_CLOSED) {
			none = none ? none : 481;
		} else if(l->state == RELAY_LEG_FAILED && !l->bound) {
			none = l->status > 200 ? l->status : 408;
		} else if(!message_type_accepted(l->accept_types, h->content_type)) {
			refused = l->copy ? refused : 415;
			l->status = 415;
		} else {
			delivery_start(m, l);
		}
	}
	m->had_leg = message_hopes(m) > 0 || refused || none;
	/* For a kept message a leg may still come. */
	if(message_hopes(m) == 0 && (m->had_leg || !keep)
			&& in->session->deferral == NULL)
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
	stat_add(&in->session->w->stats, reader_stops_total, 1);
}

bool message_full(const struct message *m)
{
	return m->spool.file && !m->aborted
			&& spool_weight(&m->spool) > 2 * m->spool.memory;
}

static void on_spool(void *arg, int err)
{
	struct message *m = arg;
	struct leg *in = m->in;

	/* What has arrived completely is in memory as far as it is not in the
	 * file; of what comes there would be no end. */
	if(err != 0 && !m->complete && !m->aborted) {
		in->status = 413;
		log_warning("session %s: message %s cannot be kept: %s",
				in->session->name, m->id, strerrordesc_np(-err));
		message_fail(m, 413);
		message_settle(m);
	}
	defer_spooled(m);
	session_put_more(in->session);
	outbound_wait_less(in);
}

bool message_spool(struct message *m)
{
	struct worker *w = m->in->session->w;

	if(w->conf->spool_dir == NULL)
		return false;
	spool_file_open(&m->spool, w, w->conf->spool_dir,
			&(struct spool_events){on_spool, m, delivery_block});
	return true;
}

/* More than memory may hold of a kept message: to disk with it. */
static void keep_more(struct message *m)
{
	m->spool.memory = spool_memory_now(m->in->session->w);
	if(m->spool.file == NULL && spool_weight(&m->spool) > m->spool.memory
			&& !message_spool(m)) {
		message_fail(m, 413);
		return;
	}
	spool_file_write(&m->spool);
	if(message_full(m))
		reader_stop(m->in);
}

/* A leg that has too much of a message to send stops its sender. */
static void hold_up(struct delivery *d)
{
	struct message *m = d->m;
	const struct message *first = d->leg->queue->m;

	/* A message that another one of the same sender holds up would stop
	 * him for good: he sends the end of the first on this connection. */
	if(first != m && !first->complete && !first->aborted)
		delivery_close(d, 413, "interleaved with an unfinished message");
	else
		reader_stop(m->in);
}

void message_append(struct message *m, struct buf *b, const char *p, size_t n)
{
	size_t limit = m->in->session->w->conf->leg_buffer_bytes;
	bool keep = m->in->session->keep, wait = keep, piece;
	struct delivery *d, *next;

	if(!m->wrapper_known)
		message_learn(m, p, n);
	m->received += n;
	m->in->bytes += n;
	stat_add(&m->in->session->w->stats, content_bytes_total, n);
	for(d = m->deliveries; d; d = next) {
		next = d->sibling;
		if(d->closed)
			continue;
		if(d->leg->peer_max_bytes && m->received > d->leg->peer_max_bytes)
			delivery_close(d, 413, "the message is larger than its max-size");
		else
			wait = wait || delivery_waits(d);
	}
	/* What cannot be written at once and is little is copied, so that it does
	 * not hold the whole read buffer. */
	piece = spool_add(&m->spool, b, p, n, wait && n < b->cap / BUF_COPY_PART,
			(uint32_t)m->n_open);
	for(d = m->deliveries; d; d = next) {
		next = d->sibling;
		if(d->closed)
			continue;
		leg_ready(d->leg);
		if(keep)
			continue;
		delivery_arrived(d, n, piece);
		if(d->leg->queued > limit)
			hold_up(d);
	}
	if(keep)
		keep_more(m);
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
	for(struct message *m = in->messages_list; m && in->session->keep;
			m = m->next)
		if(message_full(m))
			return;
	in->stopped = false;
	if(in->mc)
		conn_resume(&in->mc->net);
}

void message_chunk_end(struct message *m)
{
	if(m->in->n_messages > LEG_PENDING_MAX)
		reader_stop(m->in);
	if(m->chunk_n == 0 && !m->complete)
		m->chunk_n = m->received - m->chunk_from;
	spool_chunk_end(&m->spool);
	for(struct delivery *d = m->deliveries; d; d = d->sibling)
		if(!d->closed)
			leg_ready(d->leg);
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
	if(m->status != 0) {
		memcpy(m->in->failed_id, m->id, sizeof(m->id));
		m->in->failed_status = m->status;
	}
	stat_add(&m->in->session->w->stats, messages_aborted_total, 1);
	if(!m->in->session->closing && m->in->state != RELAY_LEG_CLOSED)
		session_event(m->in->session, RELAY_EV_MESSAGE_ABORTED,
				m->in->session->content ? NULL : m->in, m->id, m->received,
				m->status, NULL);
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
	struct worker *w = in->session->w;
	struct delivery *d;

	*m->pprev = m->next;
	if(m->next)
		m->next->pprev = m->pprev;
	while((d = m->deliveries) != NULL) {
		m->deliveries = d->sibling;
		if(!d->closed) {
			d->closed = true;
			m->n_open--;
			m->n_copy -= d->leg->copy;
			delivery_unqueue(d);
		}
		delivery_await_end(d);
		delivery_free(w, d);
	}
	if(in->mc && in->mc->chunk.m == m)
		in->mc->chunk.m = NULL;
	if(m->claim)
		claim_leave(m->claim);
	spool_free(&m->spool);
	free(m->wrapped);
	free(m->wrapper);
	in->n_messages--;
	if(!m->complete && !m->aborted)
		in->n_unfinished--;
	message_spare(w, m);
	outbound_wait_less(in);
}

void message_complete(struct message *m)
{
	struct session *s = m->in->session;

	m->complete = true;
	m->complete_at = worker_now(s->w);
	message_learn_end(m);
	m->in->n_unfinished--;
	stat_add(&s->w->stats, messages_received_total, 1);
	session_event(s, RELAY_EV_MESSAGE_RECEIVED, s->content ? NULL : m->in,
			m->id, m->received, 0, NULL);
	message_chunk_end(m);
}

/* Can the sender be told how it ended? */
static bool decided(const struct message *m)
{
	const struct session *s = m->in->session;

	/* Nobody has it: it has to be stored first. */
	if(s->deferral && m->n_ok == 0)
		return claim_is_decided(m->claim);
	if(s->answer == RELAY_ANSWER_FIRST && m->n_ok > 0)
		return true;
	return message_hopes(m) == 0 && (m->had_leg || !s->keep);
}

void message_settle(struct message *m)
{
	bool ended = m->complete || m->aborted;
	struct leg *in = m->in;

	if(m->in_chunk)
		return;
	defer_check(m);
	if(m->complete && !m->answered && decided(m)) {
		m->answered = true;
		if(m->n_ok > 0)
			m->status = 200;
		else if(m->claim)
			m->status = m->claim->state == CLAIM_REFUSED ? 413 : 200;
		/* A 200 is a promise: every byte has been acknowledged by a peer, or
		 * is on stable storage (defer.c). */
		if(m->held[0] != '\0' && m->failure_report != REPORT_NO
				&& (m->failure_report == REPORT_YES || m->status != 200))
			leg_answer(in, slice_str(m->held), m->status);
		in->status = m->status;
		if(m->status == 200) {
			in->messages++;
			in->state = RELAY_LEG_DONE;
		}
	}
	if(message_hopes(m) > 0)
		return;
	if(m->success_report && m->n_ok > 0 && m->n_await == 0 && !m->reported
			&& m->complete) {
		m->reported = true;
		report_send(m, 200, m->received);
	}
	if(ended && m->n_open == 0 && m->n_await == 0
			&& (m->aborted || !in->session->keep))
		message_free(m);
}
