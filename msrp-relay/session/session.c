/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sessions in their worker: the commands of docs/control-protocol.md, the
 * inactivity time, and the end, which waits for what is still queued unless
 * told otherwise. Commands arrive as jobs; the same command again finds the
 * same state and gives the same answer.
 */
#include "session/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "session/job.h"

static void on_session_time(struct wheel_timer *t);

void session_activity(struct session *s)
{
	s->active_at = worker_now(s->w);
}

static struct session *find(struct worker *w, const char *name)
{
	struct session *s;

	HASH_FIND_STR(w->sessions, name, s);
	return s;
}

static struct leg *find_leg(const struct session *s, const char *name)
{
	struct leg *l = s->legs;

	while(l && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

/* Inactivity counts once every leg has been started; a call may ring. What is
 * kept is kept for legs, so the first of them is waited for likewise. */
static uint64_t time_left(const struct session *s)
{
	uint64_t now = worker_now(s->w), end;
	bool waits = s->keep && s->n_legs <= (s->content ? 0 : 1);

	for(const struct leg *l = s->legs; l; l = l->next)
		waits = waits || l->state == RELAY_LEG_NEW;
	end = waits ? s->leg_at + (uint64_t)s->setup_ms
				: s->active_at + (uint64_t)s->idle_ms;
	if(s->closing)
		end = s->close_by;
	return end > now ? end - now : 0;
}

static void session_watch(struct session *s)
{
	wheel_arm(&s->w->net.wheel, &s->timer, time_left(s), on_session_time);
}

static struct job *take_closers(struct session *s)
{
	struct job *j = s->closers;

	s->closers = NULL;
	return j;
}

/* Content that still waits for the disk is not wanted any more. */
static void session_puts_end(struct session *s)
{
	struct job *j;

	while((j = s->puts) != NULL) {
		s->puts = j->next;
		j->rc = RELAY_STATE;
		worker_post(s->w, &j->item);
	}
}

/* The only way out of a session. */
void session_end(struct session *s)
{
	struct worker *w = s->w;
	struct job *j, *next;
	struct leg *l;

	for(j = s->closers; j; j = j->next) {
		j->infos = job_alloc(j, sizeof(*j->infos));
		j->n_infos = 1;
		job_describe(j, j->infos, s, NULL);
		j->infos->state = "closing";
	}
	wheel_disarm(&w->net.wheel, &s->timer);
	HASH_DEL(w->sessions, s);
	session_puts_end(s);
	stored_end(s);
	stat_sub(&w->stats, sessions, 1);
	/* Messages first: they know their legs. */
	while(s->in && s->in->messages_list)
		message_free(s->in->messages_list);
	if(s->content)
		leg_free(s->in);
	s->in = NULL;
	defer_free(s);
	while((l = s->legs) != NULL) {
		s->legs = l->next;
		leg_free(l);
	}
	log_debug("session %s: ended", s->name);
	for(j = take_closers(s); j; j = next) {
		next = j->next;
		worker_post(w, &j->item);
	}
	j = job_new(JOB_ENDED);
	j->session = job_str(j, s->name);
	worker_post(w, &j->item);
	free(s);
}

static bool session_quiet(const struct session *s)
{
	for(const struct leg *l = s->legs; l; l = l->next)
		if(l->queue && l->state != RELAY_LEG_CLOSED)
			return false;
	return !defer_is_under_way(s);
}

/* May be called from within a leg's work: the end comes by the timer. */
void session_check_end(struct session *s)
{
	if(!s->closing || !session_quiet(s))
		return;
	s->ending = true;
	wheel_arm(&s->w->net.wheel, &s->timer, 0, on_session_time);
}

/* Bytes that drain slowly from a full socket are no silence. */
static bool still_writing(struct session *s)
{
	bool moved = false;

	for(struct leg *l = s->legs; l; l = l->next) {
		uint64_t acked;
		if(l->mc == NULL)
			continue;
		if(conn_progress(&l->mc->net, &acked) > 0 && acked > l->idle_acked)
			moved = true;
		l->idle_acked = acked;
	}
	return moved;
}

static void on_session_time(struct wheel_timer *t)
{
	struct session *s =
			(struct session *)((char *)t - offsetof(struct session, timer));

	/* A message may have gone to the store since nothing was left. */
	if(s->ending && session_quiet(s)) {
		session_end(s);
		return;
	}
	s->ending = false;
	if(!s->closing && still_writing(s))
		session_activity(s);
	if(time_left(s) > 0) {
		session_watch(s);
		return;
	}
	if(!s->closing) {
		stat_add(&s->w->stats, sessions_idle_total, 1);
		log_info("session %s: no byte for %d ms, closed", s->name, s->idle_ms);
		session_event(s, RELAY_EV_SESSION_IDLE, NULL, NULL, 0, 0, NULL);
	}
	session_end(s);
}

static uint64_t create_max_bytes(
		const struct worker *w, const struct relay_session_params *p)
{
	return p->max_bytes ? p->max_bytes : w->conf->max_message_bytes;
}

static int create_idle_ms(
		const struct worker *w, const struct relay_session_params *p)
{
	return p->idle_ms > 0 ? p->idle_ms : w->conf->inactivity_ms;
}

static int create_setup_ms(const struct relay_session_params *p)
{
	return p->setup_ms > 0 ? p->setup_ms : SESSION_SETUP_MS;
}

static bool create_keep(const struct relay_session_params *p)
{
	return p->keep || p->content;
}

static bool same_create(const struct session *s, const struct job *j)
{
	const struct relay_session_params *p = &j->create;
	const struct leg *l = s->legs;

	if(strcmp(s->owner, p->owner) != 0
			|| s->max_bytes != create_max_bytes(s->w, p)
			|| s->idle_ms != create_idle_ms(s->w, p)
			|| s->setup_ms != create_setup_ms(p) || s->keep != create_keep(p)
			|| s->answer != p->answer || !content_same(s, p->content))
		return false;
	/* Legs may have been added since. */
	for(int i = 0; i < p->n_legs; i++, l = l->next) {
		if(l == NULL || !leg_same(l, &p->legs[i]))
			return false;
	}
	return true;
}

static int check_leg(const struct worker *w, const struct relay_leg_params *p)
{
	if(p->transport == RELAY_TLS && w->net.tls == NULL)
		return RELAY_INTERNAL;
	if(p->peer && !leg_peer_ok(p->peer))
		return RELAY_INTERNAL;
	return RELAY_OK;
}

static int do_create(struct worker *w, struct job *j, struct session **out)
{
	const struct relay_session_params *p = &j->create;
	struct session *s = find(w, p->session);
	struct leg *l;

	if(s) {
		*out = s;
		return same_create(s, j) ? RELAY_OK : RELAY_CONFLICT;
	}
	for(int i = 0; i < p->n_legs; i++)
		if(check_leg(w, &p->legs[i]) != RELAY_OK)
			return RELAY_INTERNAL;
	if(p->content && p->content->ref && w->store == NULL)
		return RELAY_NO_STORE;
	if(p->content && create_max_bytes(w, p) > 0
			&& p->content->bytes > create_max_bytes(w, p))
		return RELAY_LIMIT;
	s = xcalloc(sizeof(*s));
	s->w = w;
	s->name_n = (uint8_t)snprintf(s->name, sizeof(s->name), "%s", p->session);
	s->owner_n = (uint8_t)snprintf(
			s->owner, sizeof(s->owner), "%s", p->owner ? p->owner : "");
	s->max_bytes = create_max_bytes(w, p);
	s->idle_ms = create_idle_ms(w, p);
	s->setup_ms = create_setup_ms(p);
	s->keep = create_keep(p);
	s->answer = p->answer;
	s->created_at = s->active_at = s->leg_at = worker_now(w);
	HASH_ADD_STR(w->sessions, name, s);
	stat_add(&w->stats, sessions, 1);
	stat_add(&w->stats, sessions_total, 1);
	for(int i = 0; i < p->n_legs; i++)
		leg_new(s, &p->legs[i]);
	if(p->content)
		content_begin(s, p->content);
	l = s->legs;
	for(int i = 0; i < p->n_legs; i++, l = l->next)
		if(p->legs[i].peer)
			leg_start(l, p->legs[i].peer);
	session_watch(s);
	*out = s;
	return RELAY_OK;
}

/* The newest leg was not wanted after all. */
static void leg_drop(struct session *s, struct leg *l)
{
	struct leg **at = &s->legs;

	while(*at != l)
		at = &(*at)->next;
	*at = l->next;
	s->n_legs--;
	leg_free(l);
}

static int do_leg_add(struct session *s, struct job *j, struct leg **out)
{
	const struct relay_leg_params *p = &j->add;
	struct leg *l = find_leg(s, p->leg);
	int rc = check_leg(s->w, p);

	if(l) {
		*out = l;
		return leg_same(l, p) ? RELAY_OK : RELAY_CONFLICT;
	}
	if(rc != RELAY_OK)
		return rc;
	if(s->closing || p->direction != RELAY_SEND
			|| ((p->cpim_to || p->cpim_add || p->copy) && !s->keep))
		return RELAY_STATE;
	if(defer_is_over(s))
		return RELAY_LATE;
	if(s->n_legs >= RELAY_LEGS_LIMIT)
		return RELAY_LIMIT;
	l = leg_new(s, p);
	s->leg_at = worker_now(s->w);
	if(delivery_join(l) != 0) {
		leg_drop(s, l);
		return RELAY_LATE;
	}
	if(p->peer)
		leg_start(l, p->peer);
	session_watch(s);
	*out = l;
	return RELAY_OK;
}

static int do_leg_start(struct session *s, struct job *j, struct leg **out)
{
	struct leg *l = find_leg(s, j->leg);

	if(l == NULL)
		return RELAY_UNKNOWN;
	*out = l;
	if(l->peer_path)
		return leg_peer_same(l, &j->peer) ? RELAY_OK : RELAY_CONFLICT;
	if(l->state != RELAY_LEG_NEW || s->closing)
		return RELAY_STATE;
	if(!leg_peer_ok(&j->peer))
		return RELAY_INTERNAL;
	leg_start(l, &j->peer);
	session_watch(s);
	return RELAY_OK;
}

/* True: answered at once; false: session_end answers. */
static bool do_close(struct session *s, struct job *j)
{
	struct message *m, *next;

	j->next = s->closers;
	s->closers = j;
	if(j->abort) {
		session_end(s);
		return false;
	}
	if(!s->closing) {
		s->closing = true;
		s->close_by = worker_now(s->w) + (uint64_t)s->w->conf->drain_ms;
	}
	for(m = s->in ? s->in->messages_list : NULL; m; m = next) {
		next = m->next;
		m->in_chunk = false;
		if(s->in->mc && s->in->mc->chunk.m == m)
			s->in->mc->chunk.m = NULL;
		message_abort(m);
		message_settle(m);
	}
	for(struct leg *l = s->legs; l; l = l->next)
		leg_give_up(l);
	if(session_quiet(s))
		session_end(s);
	else
		session_watch(s);
	return false;
}

/* True: answered at once; false: when the disk has caught up. */
static bool do_put(struct session *s, struct job *j)
{
	bool full = false;

	j->rc = s ? content_put(s, &j->put, &full) : RELAY_UNKNOWN;
	if(!full)
		return true;
	j->next = s->puts;
	s->puts = j;
	return false;
}

void session_put_more(struct session *s)
{
	const struct message *m = s->content ? s->in->messages_list : NULL;
	struct job *j, *next;

	if(m && message_full(m))
		return;
	stored_more(s);
	for(j = s->puts, s->puts = NULL; j; j = next) {
		next = j->next;
		j->infos = job_alloc(j, sizeof(*j->infos));
		j->n_infos = 1;
		job_describe(j, j->infos, s, NULL);
		worker_post(s->w, &j->item);
	}
}

static void do_list(struct worker *w, struct job *j)
{
	int n = 0;

	j->infos = job_alloc(j, (size_t)j->n_names * sizeof(*j->infos));
	for(int i = 0; i < j->n_names; i++) {
		struct session *s = find(w, j->names[i]);
		if(s == NULL)
			continue;
		j->places[n] = j->places[i];
		job_describe(j, &j->infos[n++], s, NULL);
	}
	j->n_infos = n;
}

bool session_command(struct worker *w, struct job *j)
{
	struct session *s = j->session ? find(w, j->session) : NULL;
	struct leg *l = NULL;

	j->rc = RELAY_OK;
	switch(j->item.kind) {
		case JOB_CREATE:
			j->rc = do_create(w, j, &s);
			break;
		case JOB_LEG_ADD:
			j->rc = s ? do_leg_add(s, j, &l) : RELAY_UNKNOWN;
			break;
		case JOB_PUT:
			if(!do_put(s, j))
				return false;
			break;
		case JOB_DEFER:
			j->rc = s ? session_defer(s, &j->defer) : RELAY_UNKNOWN;
			break;
		case JOB_LEG_START:
			j->rc = s ? do_leg_start(s, j, &l) : RELAY_UNKNOWN;
			break;
		case JOB_LEG_CLOSE:
			l = s ? find_leg(s, j->leg) : NULL;
			if(l == NULL)
				return true;
			leg_close(l);
			break;
		case JOB_CLOSE:
			return s == NULL || do_close(s, j);
		case JOB_SHOW:
			j->rc = s ? RELAY_OK : RELAY_UNKNOWN;
			break;
		case JOB_LIST:
			do_list(w, j);
			return true;
		default:
			return true;
	}
	if(j->rc == RELAY_OK && s) {
		j->infos = job_alloc(j, sizeof(*j->infos));
		j->n_infos = 1;
		job_describe(j, j->infos, s, l);
	}
	return true;
}
