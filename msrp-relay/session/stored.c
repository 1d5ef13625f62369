/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message that comes out of the store: its body is read block by block, the
 * next one when the disk has caught up with the last, and is to its legs a
 * message like any other. The session holds the claim on it (claim.c). Called
 * by session.c and content.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "log/log.h"
#include "session/session.h"

#define BLOCK (64 * 1024)

struct stored
{
	struct session *s; /* NULL: it has ended */
	struct worker *w;
	struct stored *next, **pprev; /* of the worker */
	struct store_body *body;
	struct buf *b; /* is being filled */
	bool busy;     /* the store will call back */
};

static void stored_free(struct stored *st)
{
	*st->pprev = st->next;
	if(st->next)
		st->next->pprev = st->pprev;
	if(st->body)
		store_body_close(&st->body);
	if(st->b)
		buf_unref(&st->b);
	free(st);
}

void stored_free_all(struct worker *w)
{
	while(w->stored) {
		w->stored->body = NULL; /* the port has closed it */
		stored_free(w->stored);
	}
}

static void failed(struct stored *st, int rc)
{
	struct session *s = st->s;
	struct message *m = s->in->messages_list;

	log_warning("session %s: stored message %s cannot be read: %s", s->name,
			s->claim->ref, store_strerror(rc));
	s->in->failed_status = 413;
	if(m && !m->complete && !m->aborted) {
		message_fail(m, 413);
		message_settle(m);
	}
}

static void on_read(void *arg, int rc, size_t n)
{
	struct stored *st = arg;
	struct worker *w = st->w;
	struct message *m = st->s ? st->s->in->messages_list : NULL;
	struct buf *b = st->b;

	st->busy = false;
	if(st->s == NULL) {
		stored_free(st);
		return;
	}
	st->b = NULL;
	if(rc != 0) {
		failed(st, rc);
	} else if(m && !m->aborted && !m->complete) {
		b->used = (uint32_t)n;
		session_activity(st->s);
		message_append(m, b, b->data, n);
		if(!m->aborted && m->received == m->total)
			message_complete(m);
		message_settle(m);
	}
	buf_unref(&b);
	stored_more(st->s);
	net_flush(&w->net);
}

void stored_more(struct session *s)
{
	struct stored *st = s->stored;
	struct message *m = s->in ? s->in->messages_list : NULL;
	uint64_t left;

	if(st == NULL || st->body == NULL || st->busy || s->closing || m == NULL
			|| m->aborted || m->complete || message_full(m))
		return;
	left = m->total - m->received;
	st->b = buf_new(&s->w->net.pool, BLOCK);
	st->busy = true;
	store_body_read(st->body, m->received, st->b->data,
			left < BLOCK ? (size_t)left : BLOCK, on_read, st);
}

static void on_open(void *arg, int rc, struct store_body *body, uint64_t size)
{
	struct stored *st = arg;
	struct worker *w = st->w;
	struct message *m = st->s ? st->s->in->messages_list : NULL;

	st->busy = false;
	st->body = body;
	if(st->s == NULL) {
		stored_free(st);
		return;
	}
	if(rc == 0 && m && size != m->total)
		rc = -EIO;
	if(rc != 0)
		failed(st, rc);
	else
		stored_more(st->s);
	net_flush(&w->net);
}

void stored_begin(struct session *s, const struct relay_content *c)
{
	struct stored *st = xcalloc(sizeof(*st));

	st->s = s;
	st->w = s->w;
	st->next = s->w->stored;
	if(st->next)
		st->next->pprev = &st->next;
	st->pprev = &s->w->stored;
	s->w->stored = st;
	s->stored = st;
	s->claim = claim_hold(s, c->ref, c->fence, c->lease_ms);
	st->busy = true;
	store_body_open(s->w->store, c->ref, on_open, st);
}

void stored_lost(struct session *s)
{
	struct leg *l, *next;

	for(l = s->legs; l; l = next) {
		next = l->next;
		if(l->state != RELAY_LEG_DONE && l->state != RELAY_LEG_FAILED)
			leg_fail(l, 0, "the claim on the stored message is lost");
	}
}

void stored_end(struct session *s)
{
	struct stored *st = s->stored;

	s->stored = NULL;
	if(st) {
		st->s = NULL;
		if(!st->busy)
			stored_free(st);
	}
	if(s->claim)
		claim_leave(s->claim);
	s->claim = NULL;
}
