/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Jobs: memory, copies of parameters, descriptions of sessions for answers,
 * and the queues that carry them from thread to thread.
 */
#include "session/job.h"

#include <stdlib.h>

#include "net/tls.h"
#include "session/session.h"

#define BLOCK_BYTES 1024

struct job *job_new(enum job_kind kind)
{
	struct job *j = xcalloc(sizeof(*j));

	j->item.kind = kind;
	return j;
}

void job_free(struct job *j)
{
	struct job_block *b;

	if(j == NULL)
		return;
	while((b = j->mem) != NULL) {
		j->mem = b->next;
		free(b);
	}
	free(j);
}

void *job_alloc(struct job *j, size_t n)
{
	struct job_block *b = j->mem;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if(b == NULL || b->cap - b->used < n) {
		size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		b = xmalloc(sizeof(*b) + cap);
		b->cap = cap;
		b->used = 0;
		b->next = j->mem;
		j->mem = b;
	}
	p = b->data + b->used;
	b->used += n;
	memset(p, 0, n);
	return p;
}

const char *job_str(struct job *j, const char *s)
{
	size_t n;
	char *p;

	if(s == NULL)
		return NULL;
	n = strlen(s);
	p = job_alloc(j, n + 1);
	memcpy(p, s, n);
	return p;
}

void job_copy_peer(
		struct job *j, struct relay_peer *to, const struct relay_peer *from)
{
	*to = *from;
	to->path = job_str(j, from->path);
	to->host = job_str(j, from->host);
	to->accept_types = job_str(j, from->accept_types);
	to->accept_wrapped_types = job_str(j, from->accept_wrapped_types);
	to->fingerprint = job_str(j, from->fingerprint);
}

void job_copy_leg(struct job *j, struct relay_leg_params *to,
		const struct relay_leg_params *from)
{
	struct relay_peer *peer;

	*to = *from;
	to->leg = job_str(j, from->leg);
	to->cpim_to = job_str(j, from->cpim_to);
	to->cpim_add = job_str(j, from->cpim_add);
	if(from->peer) {
		peer = job_alloc(j, sizeof(*peer));
		job_copy_peer(j, peer, from->peer);
		to->peer = peer;
	}
}

void job_copy_content(struct job *j, const struct relay_content *from)
{
	struct relay_content *to = job_alloc(j, sizeof(*to));

	*to = *from;
	to->type = job_str(j, from->type);
	to->message_id = job_str(j, from->message_id);
	to->ref = job_str(j, from->ref);
	j->create.content = to;
}

static void describe_leg(
		struct job *j, struct relay_leg_info *to, const struct leg *l)
{
	const struct worker *w = l->session->w;
	const struct relay_conf *conf = w->conf;
	char print[TLS_FINGERPRINT_MAX];
	bool tls = l->transport == RELAY_TLS;

	to->leg = job_str(j, l->name);
	to->direction = l->direction;
	to->transport = l->transport;
	to->state = l->state;
	to->path = job_str(j, l->path);
	to->host = job_str(
			j, conf->advertise_host ? conf->advertise_host : conf->listen_host);
	to->port = tls ? w->tls.port : w->tcp.port;
	if(tls && w->net.tls) {
		tls_ctx_fingerprint(w->net.tls, print);
		to->fingerprint = job_str(j, print);
	}
	to->peer_path = job_str(j, l->peer_path);
	to->bytes = l->bytes;
	to->messages = l->messages;
	for(const struct delivery *d = l->queue; d; d = d->next)
		to->queued += d->m->received > d->acked ? d->m->received - d->acked : 0;
	to->status = l->status;
	to->error = job_str(j, l->error);
}

void job_describe(struct job *j, struct relay_session_info *to,
		const struct session *s, const struct leg *only)
{
	uint64_t now = worker_now(s->w);
	struct relay_leg_info *legs =
			job_alloc(j, (size_t)(only ? 1 : s->n_legs) * sizeof(*legs));
	int n = 0;

	to->session = job_str(j, s->name);
	to->owner = job_str(j, s->owner);
	to->state = s->closing ? "closing" : "open";
	to->age_ms = now - s->created_at;
	to->idle_ms = now - s->active_at;
	to->worker = s->w->index;
	to->keep = s->keep;
	to->received = s->in ? s->in->bytes : 0;
	defer_describe(s, to);
	to->ref = job_str(j, to->ref);
	for(const struct leg *l = s->legs; l; l = l->next)
		if(only == NULL || only == l)
			describe_leg(j, &legs[n++], l);
	to->n_legs = n;
	to->legs = legs;
}

int job_queue_init(struct job_queue *q, uv_loop_t *loop, uv_async_cb cb)
{
	q->head = q->tail = NULL;
	uv_mutex_init(&q->lock);
	return uv_async_init(loop, &q->async, cb);
}

void job_queue_put(struct job_queue *q, struct item *first, struct item *last)
{
	last->next = NULL;
	uv_mutex_lock(&q->lock);
	if(q->tail)
		q->tail->next = first;
	else
		q->head = first;
	q->tail = last;
	uv_mutex_unlock(&q->lock);
	uv_async_send(&q->async);
}

struct item *job_queue_take(struct job_queue *q)
{
	struct item *i;

	uv_mutex_lock(&q->lock);
	i = q->head;
	q->head = q->tail = NULL;
	uv_mutex_unlock(&q->lock);
	return i;
}

void item_free(struct item *i)
{
	if(i->kind == JOB_EVENTS)
		free(i);
	else
		job_free((struct job *)i);
}
