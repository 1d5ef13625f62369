/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay as main sees it (relay.h): a directory of sessions that knows
 * which worker has which, commands on their way there, answers and events on
 * their way back, drain and stop. Runs on the main thread alone, but for
 * relay_post.
 */
#include "session/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "log/log.h"
#include "net/tls.h"
#include "session/job.h"
#include "session/spool.h"
#include "session/worker.h"

#define WORKERS_MAX 64

struct entry
{
	UT_hash_handle hh;
	char name[RELAY_ID_MAX + 1];
	char owner[RELAY_ID_MAX + 1];
	struct worker *w;
	int creating; /* commands on their way that make or find it */
};

struct relay
{
	struct relay_conf conf;
	uv_loop_t *loop;
	struct job_queue back; /* from the workers */
	uv_timer_t drain_timer;
	int handles; /* of ours on the main loop */
	relay_event_cb *on_event;
	void *event_arg;
	struct entry *entries;
	unsigned n_entries[WORKERS_MAX]; /* of each worker */
	struct tls_ctx *tls;
	bool draining;
	void (*on_empty)(void *arg);
	void *empty_arg;
	int n_workers;
	struct worker workers[];
};

/* A page of a list, gathered from the workers. */
struct listing
{
	struct job *first; /* holds the memory of the page until all are here */
	int pending, n;
	uint64_t total;
	struct relay_session_info *infos; /* by place; session NULL = gone */
	struct job **jobs;
	int n_jobs;
	relay_list_cb *cb;
	void *arg;
};

void relay_post(struct relay *r, struct item *first, struct item *last)
{
	job_queue_put(&r->back, first, last);
}

static struct entry *find(struct relay *r, const char *name)
{
	struct entry *e;

	HASH_FIND_STR(r->entries, name, e);
	return e;
}

static void drained(struct relay *r)
{
	void (*on_empty)(void *arg) = r->on_empty;

	if(!r->draining || r->entries || on_empty == NULL)
		return;
	r->on_empty = NULL;
	uv_timer_stop(&r->drain_timer);
	on_empty(r->empty_arg);
}

static void entry_remove(struct relay *r, struct entry *e)
{
	HASH_DEL(r->entries, e);
	r->n_entries[e->w->index]--;
	free(e);
}

static void list_done(struct relay *r, struct job *j)
{
	struct listing *l = j->listing;
	int n = 0;

	(void)r;
	for(int i = 0; i < j->n_infos; i++)
		l->infos[j->places[i]] = j->infos[i];
	l->jobs[l->n_jobs++] = j;
	if(--l->pending > 0)
		return;
	for(int i = 0; i < l->n; i++)
		if(l->infos[i].session)
			l->infos[n++] = l->infos[i];
	l->cb(l->arg, n, l->infos, l->total);
	for(int i = 0; i < l->n_jobs; i++)
		job_free(l->jobs[i]);
	free(l->jobs);
	free(l->infos);
	free(l);
}

static void job_done(struct relay *r, struct job *j)
{
	struct entry *e;

	switch(j->item.kind) {
		case JOB_ENDED:
			e = find(r, j->session);
			/* With a create on its way there a new one of that name exists. */
			if(e && e->creating == 0)
				entry_remove(r, e);
			drained(r);
			break;
		case JOB_LIST:
			list_done(r, j);
			return;
		case JOB_CREATE:
			e = find(r, j->session);
			if(e)
				e->creating--;
			if(e && e->creating == 0 && j->rc != RELAY_OK
					&& j->rc != RELAY_CONFLICT)
				entry_remove(r, e);
			/* fall through */
		default:
			if(j->cb)
				j->cb(j->arg, j->rc, j->n_infos > 0 ? j->infos : NULL);
	}
	job_free(j);
}

static void tell(struct relay *r, const struct notes *all)
{
	for(size_t at = 0; at < all->used;) {
		const struct note *note = (const struct note *)(all->data + at);

		r->on_event(r->event_arg, &note->event);
		at += note->size;
	}
}

static void on_back(uv_async_t *async)
{
	struct relay *r = async->data;
	struct item *i = job_queue_take(&r->back), *next;

	for(; i; i = next) {
		next = i->next;
		if(i->kind == JOB_EVENTS) {
			tell(r, (const struct notes *)i);
			free(i);
		} else {
			job_done(r, (struct job *)i);
		}
	}
}

/* Answer without a worker, but not before the caller has returned. */
static void refuse(struct relay *r, struct job *j, int rc)
{
	j->rc = rc;
	if(j->item.kind == JOB_CREATE)
		j->item.kind = JOB_SHOW; /* nothing was created */
	relay_post(r, &j->item, &j->item);
}

static struct job *command(struct relay *r, enum job_kind kind,
		const char *session, relay_done_cb *cb, void *arg)
{
	struct job *j = job_new(kind);

	(void)r;
	j->session = job_str(j, session);
	j->cb = cb;
	j->arg = arg;
	return j;
}

static void send_to(struct entry *e, struct job *j)
{
	job_queue_put(&e->w->queue, &j->item, &j->item);
}

static struct worker *least_used(struct relay *r)
{
	int best = 0;

	for(int i = 1; i < r->n_workers; i++)
		if(r->n_entries[i] < r->n_entries[best])
			best = i;
	return &r->workers[best];
}

void relay_session_create(struct relay *r, const struct relay_session_params *p,
		relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_CREATE, p->session, cb, arg);
	struct relay_leg_params *legs =
			job_alloc(j, (size_t)p->n_legs * sizeof(*legs));
	struct entry *e = find(r, p->session);

	j->create = *p;
	j->create.session = j->session;
	j->create.owner = job_str(j, p->owner ? p->owner : "");
	j->create.legs = legs;
	for(int i = 0; i < p->n_legs; i++)
		job_copy_leg(j, &legs[i], &p->legs[i]);
	if(p->content)
		job_copy_content(j, p->content);
	if(e == NULL) {
		if(r->draining) {
			refuse(r, j, RELAY_DRAINING);
			return;
		}
		if(HASH_COUNT(r->entries) >= (unsigned)r->conf.max_sessions) {
			refuse(r, j, RELAY_LIMIT);
			return;
		}
		e = calloc(1, sizeof(*e));
		if(e == NULL) {
			refuse(r, j, RELAY_LIMIT);
			return;
		}
		snprintf(e->name, sizeof(e->name), "%s", p->session);
		snprintf(e->owner, sizeof(e->owner), "%s", p->owner ? p->owner : "");
		e->w = least_used(r);
		r->n_entries[e->w->index]++;
		HASH_ADD_STR(r->entries, name, e);
	}
	e->creating++;
	send_to(e, j);
}

/* Hand a command on a session to its worker; rc is the answer without one. */
static void forward(struct relay *r, struct job *j, int rc)
{
	struct entry *e = find(r, j->session);

	if(e)
		send_to(e, j);
	else
		refuse(r, j, rc);
}

void relay_leg_add(struct relay *r, const char *session,
		const struct relay_leg_params *p, relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_LEG_ADD, session, cb, arg);

	job_copy_leg(j, &j->add, p);
	forward(r, j, RELAY_UNKNOWN);
}

void relay_content_put(struct relay *r, const char *session,
		const struct relay_put *put, relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_PUT, session, cb, arg);
	char *data = job_alloc(j, put->n);

	j->put = *put;
	if(put->n > 0)
		memcpy(data, put->data, put->n);
	j->put.data = data;
	forward(r, j, RELAY_UNKNOWN);
}

void relay_session_defer(struct relay *r, const char *session,
		const struct relay_defer *p, relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_DEFER, session, cb, arg);

	j->defer = *p;
	j->defer.user = job_str(j, p->user);
	j->defer.sender = job_str(j, p->sender);
	j->defer.key = job_str(j, p->key);
	j->defer.envelope = job_str(j, p->envelope);
	forward(r, j, RELAY_UNKNOWN);
}

void relay_leg_start(struct relay *r, const char *session, const char *leg,
		const struct relay_peer *peer, relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_LEG_START, session, cb, arg);

	j->leg = job_str(j, leg);
	job_copy_peer(j, &j->peer, peer);
	forward(r, j, RELAY_UNKNOWN);
}

void relay_leg_close(struct relay *r, const char *session, const char *leg,
		relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_LEG_CLOSE, session, cb, arg);

	j->leg = job_str(j, leg);
	forward(r, j, RELAY_OK);
}

void relay_session_close(struct relay *r, const char *session, bool abort,
		relay_done_cb *cb, void *arg)
{
	struct job *j = command(r, JOB_CLOSE, session, cb, arg);

	j->abort = abort;
	forward(r, j, RELAY_OK);
}

void relay_session_show(
		struct relay *r, const char *session, relay_done_cb *cb, void *arg)
{
	forward(r, command(r, JOB_SHOW, session, cb, arg), RELAY_UNKNOWN);
}

void relay_session_list(struct relay *r, const char *owner, uint64_t offset,
		int limit, relay_list_cb *cb, void *arg)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct job *jobs[WORKERS_MAX];
	uint64_t seen = 0;

	if(l)
		l->infos = calloc((size_t)limit + 1, sizeof(*l->infos));
	if(l)
		l->jobs = calloc((size_t)r->n_workers, sizeof(*l->jobs));
	if(l == NULL || l->infos == NULL || l->jobs == NULL)
		abort();
	l->cb = cb;
	l->arg = arg;
	for(int i = 0; i < r->n_workers; i++) {
		jobs[i] = command(r, JOB_LIST, NULL, NULL, NULL);
		jobs[i]->listing = l;
		jobs[i]->names =
				job_alloc(jobs[i], (size_t)limit * sizeof(*jobs[i]->names));
		jobs[i]->places =
				job_alloc(jobs[i], (size_t)limit * sizeof(*jobs[i]->places));
	}
	/* uthash keeps the order in which entries were added. */
	for(struct entry *e = r->entries; e; e = e->hh.next) {
		struct job *j = jobs[e->w->index];
		if(owner && strcmp(owner, e->owner) != 0)
			continue;
		l->total++;
		if(seen++ < offset || l->n >= limit)
			continue;
		j->names[j->n_names] = job_str(j, e->name);
		j->places[j->n_names++] = l->n++;
	}
	l->pending = r->n_workers;
	for(int i = 0; i < r->n_workers; i++)
		job_queue_put(&r->workers[i].queue, &jobs[i]->item, &jobs[i]->item);
}

int relay_tls_reload(struct relay *r)
{
	return r->tls ? tls_ctx_reload(r->tls) : 0;
}

static void on_drain_time(uv_timer_t *t)
{
	struct relay *r = t->data;
	struct entry *e, *next;

	HASH_ITER(hh, r->entries, e, next)
	relay_session_close(r, e->name, true, NULL, NULL);
	drained(r);
}

void relay_drain(struct relay *r, void (*on_empty)(void *arg), void *arg)
{
	if(r->draining)
		return;
	r->draining = true;
	r->on_empty = on_empty;
	r->empty_arg = arg;
	uv_timer_start(&r->drain_timer, on_drain_time,
			r->entries ? (uint64_t)r->conf.drain_ms : 0, 0);
}

void relay_stats_sum(struct relay *r, struct stats *sum)
{
	uint64_t *to = (uint64_t *)sum;

	memset(sum, 0, sizeof(*sum));
	for(int i = 0; i < r->n_workers; i++) {
		const uint64_t *from = (const uint64_t *)&r->workers[i].stats;
		for(size_t k = 0; k < sizeof(*sum) / sizeof(*to); k++)
			to[k] += __atomic_load_n(&from[k], __ATOMIC_RELAXED);
	}
}

static void on_handle_closed(uv_handle_t *h)
{
	struct relay *r = h->data;

	if(--r->handles == 0)
		free(r);
}

void relay_stop(struct relay **rp)
{
	struct relay *r = *rp;
	struct entry *e, *next;
	struct item *i;

	*rp = NULL;
	if(r == NULL)
		return;
	for(int k = 0; k < r->n_workers; k++)
		worker_stop(&r->workers[k]);
	while((i = r->back.head) != NULL) {
		r->back.head = i->next;
		item_free(i);
	}
	HASH_ITER(hh, r->entries, e, next)
	entry_remove(r, e);
	tls_ctx_free(&r->tls);
	uv_mutex_destroy(&r->back.lock);
	r->handles = 2;
	uv_close((uv_handle_t *)&r->drain_timer, on_handle_closed);
	uv_close((uv_handle_t *)&r->back.async, on_handle_closed);
}

int relay_start(uv_loop_t *loop, const struct relay_conf *conf,
		struct store *store, relay_event_cb *on_event, void *arg,
		struct relay **out)
{
	struct relay *r;
	int err = 0;

	if(conf->workers < 1 || conf->workers > WORKERS_MAX)
		return -EINVAL;
	if(conf->spool_dir)
		err = spool_dir_prepare(conf->spool_dir);
	if(err != 0)
		return err;
	r = calloc(1, sizeof(*r) + (size_t)conf->workers * sizeof(r->workers[0]));
	if(r == NULL)
		return -ENOMEM;
	r->conf = *conf;
	r->loop = loop;
	r->on_event = on_event;
	r->event_arg = arg;
	if(conf->tls_port > 0)
		err = tls_ctx_new(&r->tls, conf->tls_cert, conf->tls_key, conf->tls_ca,
				conf->tls_verify);
	if(err == 0)
		err = job_queue_init(&r->back, loop, on_back);
	if(err != 0) {
		tls_ctx_free(&r->tls);
		free(r);
		return err;
	}
	r->back.async.data = r;
	uv_timer_init(loop, &r->drain_timer);
	r->drain_timer.data = r;
	for(int i = 0; i < conf->workers && err == 0; i++) {
		err = worker_start(&r->workers[i], r, i, &r->conf, r->tls, store);
		if(err == 0)
			r->n_workers++;
	}
	if(err != 0) {
		relay_stop(&r);
		return err;
	}
	*out = r;
	return 0;
}
