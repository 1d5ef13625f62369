/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The clock of deferred messages: once a second it asks the store what is due
 * and what has expired, by indexed queries of a bounded number of rows, and
 * tells those who serve deferred messages. All of them hear of users, for one
 * alone may know their clients; of an expired message one hears, of the next
 * one the next. What is not taken care of is told again after a while.
 * A message that waits for a registration is never due: when a notice of it may
 * have been missed, all users who have one are told.
 */
#include "ctl_deferred.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "log/log.h"

#define TICK_MS 1000
#define EVENTS_MAX 200  /* in one tick */
#define AGAIN_MS 5000   /* the same is told again after */
#define TOLD_MAX 10000  /* users and refs that are remembered */
#define EXPIRE_MAX 200  /* rows of one look at what has expired */
#define USERS_PAGE 200  /* of one look at those who have messages */
#define WAITING_MAX 100 /* of them told in one tick */

/* A user, or the ref of an expired message. */
struct told
{
	UT_hash_handle hh; /* in the order in which they came */
	uint64_t at;       /* ms of the loop: when it was told; 0 = not yet */
	char name[];
};

struct ctl_watch
{
	struct ctl_server *server;
	uv_timer_t timer;
	struct told *all;
	struct told *news;    /* users whose messages have changed */
	unsigned budget;      /* events that are left in this tick */
	unsigned news_budget; /* of them, deferred.changed */
	unsigned last_client; /* number of the connection that had the last one */
	bool due_asked, expired_asked;
	struct
	{
		bool missed; /* a notice, perhaps: to be done, once more */
		bool under_way, asked;
		unsigned budget;                /* events, as above */
		char after[STORE_TEXT_MAX + 1]; /* the user looked at last */
	} waiting;
};

static bool serves(const struct ctl_client *c)
{
	return c->deferred && !c->ending
			&& !uv_is_closing((const uv_handle_t *)&c->pipe);
}

/* The next connection that serves deferred messages; NULL: there is none. */
static struct ctl_client *next_client(struct ctl_watch *w)
{
	struct ctl_client *first = NULL, *next = NULL;

	for(struct ctl_client *c = w->server->clients; c; c = c->next) {
		if(!serves(c))
			continue;
		if(first == NULL || c->number < first->number)
			first = c;
		if(c->number > w->last_client
				&& (next == NULL || c->number < next->number))
			next = c;
	}
	return next ? next : first;
}

/* Takes the object. False: nobody is there, or enough was said for now. */
static bool say(struct ctl_watch *w, json_t *o)
{
	struct ctl_client *c = w->budget > 0 ? next_client(w) : NULL;
	size_t n = 0;
	char *line;

	if(c) {
		json_object_set_new(o, "seq", json_integer((json_int_t)++c->seq));
		line = ctl_encode_event("event", o, &n);
		w->budget--;
		w->last_client = c->number;
		ctl_client_send(c, line, n);
	}
	json_decref(o);
	return c != NULL;
}

/* False: nobody is there. */
static bool say_all(struct ctl_watch *w, const char *type, const char *user)
{
	bool anybody = false;

	for(struct ctl_client *c = w->server->clients; c; c = c->next) {
		json_t *o;
		size_t n = 0;
		char *line;

		if(!serves(c))
			continue;
		o = json_pack("{s:I, s:s, s:o}", "seq", (json_int_t)++c->seq, "type",
				type, "user", deferred_string(user));
		line = ctl_encode_event("event", o, &n);
		json_decref(o);
		ctl_client_send(c, line, n);
		anybody = true;
	}
	return anybody;
}

static void forget_in(struct told **all, struct told *t)
{
	HASH_DEL(*all, t);
	free(t);
}

static void forget(struct ctl_watch *w, struct told *t)
{
	forget_in(&w->all, t);
}

/* NULL: there are too many. */
static struct told *remember_in(struct told **all, const char *name)
{
	struct told *t;
	size_t n = strlen(name) + 1;

	HASH_FIND_STR(*all, name, t);
	if(t || HASH_COUNT(*all) >= TOLD_MAX)
		return t;
	t = calloc(1, sizeof(*t) + n);
	if(t == NULL)
		abort();
	memcpy(t->name, name, n);
	HASH_ADD_STR(*all, name, t);
	return t;
}

static struct told *remember(struct ctl_watch *w, const char *name)
{
	return remember_in(&w->all, name);
}

static void say_due(struct ctl_watch *w, struct told *t)
{
	if(t->at != 0 || w->budget == 0 || !say_all(w, "deferred.due", t->name))
		return;
	w->budget--;
	t->at = uv_now(w->server->loop);
}

static void due(void *arg, int rc, const struct store_result *res)
{
	struct ctl_watch *w = arg;

	w->due_asked = false;
	for(int i = 0; rc == 0 && i < res->n && w->budget > 0; i++) {
		struct told *t = remember(w, res->messages[i].user);
		if(t)
			say_due(w, t);
	}
}

static json_t *expired_event(const struct store_message *m, bool claim)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:I, s:b}", "type",
			"deferred.expired", "ref", deferred_string(m->ref), "user",
			deferred_string(m->user), "sender", deferred_string(m->sender),
			"kind", m->kind == STORE_LARGE ? "large" : "pager", "bytes",
			(json_int_t)m->size, "claim", claim);
}

/* Their senders want to know: the module has to take them. */
static void to_claim(void *arg, int rc, const struct store_result *res)
{
	struct ctl_watch *w = arg;

	w->expired_asked = false;
	for(int i = 0; rc == 0 && i < res->n && w->budget > 0; i++) {
		const struct store_message *m = &res->messages[i];
		struct told *t = m->imdn_negative ? remember(w, m->ref) : NULL;

		if(t && t->at == 0 && say(w, expired_event(m, true)))
			t->at = uv_now(w->server->loop);
	}
}

/* Gone for good, and nobody asked to be told. */
static void removed(void *arg, int rc, const struct store_result *res)
{
	struct ctl_watch *w = arg;

	for(int i = 0; rc == 0 && i < res->n; i++) {
		const struct store_message *m = &res->messages[i];

		log_info("deferred message %s to %s: its lifetime is over, removed",
				m->ref, m->user);
		say(w, expired_event(m, false));
	}
	if(w->server->store_port)
		store_expired(w->server->store_port, EXPIRE_MAX, to_claim, w);
}

/* ---- notices that were missed ------------------------------------------ */

static void users(void *arg, int rc, const struct store_result *res);

static void ask_users(struct ctl_watch *w)
{
	w->waiting.asked = true;
	store_users(w->server->store_port, w->waiting.after, USERS_PAGE, users, w);
}

static void users(void *arg, int rc, const struct store_result *res)
{
	struct ctl_watch *w = arg;
	int i;

	w->waiting.asked = false;
	if(rc != 0)
		return; /* the next tick */
	for(i = 0; i < res->n && w->waiting.budget > 0; i++) {
		const struct store_message *m = &res->messages[i];

		if(m->next_at == STORE_NEVER) {
			if(!say_all(w, "deferred.due", m->user))
				break;
			w->waiting.budget--;
		}
		snprintf(w->waiting.after, sizeof(w->waiting.after), "%s", m->user);
	}
	if(i < res->n)
		return;
	if(res->n < USERS_PAGE)
		w->waiting.under_way = false;
	else if(w->server->store_port)
		ask_users(w);
}

static void go_through_waiting(struct ctl_watch *w)
{
	if(w->waiting.missed && !w->waiting.under_way) {
		w->waiting.missed = false;
		w->waiting.under_way = true;
		w->waiting.after[0] = '\0';
	}
	if(w->waiting.under_way && !w->waiting.asked)
		ask_users(w);
}

void ctl_watch_missed(struct ctl_server *s)
{
	struct ctl_watch *w = s->watch;

	if(w == NULL)
		return;
	w->waiting.missed = true;
	if(store_is_available(s->store) && next_client(w) != NULL)
		go_through_waiting(w); /* what comes from now on is told anyway */
}

/* ---- news for all ------------------------------------------------------ */

static void say_news(struct ctl_watch *w, struct told *t)
{
	if(w->news_budget == 0)
		return; /* the next tick */
	w->news_budget--;
	t->at = uv_now(w->server->loop);
	say_all(w, "deferred.changed", t->name);
}

static void tick_news(struct ctl_watch *w)
{
	struct told *t, *next;

	w->news_budget = EVENTS_MAX;
	HASH_ITER(hh, w->news, t, next)
	{
		if(t->at == 0)
			say_news(w, t);
		else
			forget_in(&w->news, t);
	}
}

void ctl_watch_changed(struct ctl_server *s, const char *user)
{
	struct ctl_watch *w = s->watch;
	struct told *t;
	bool first;

	if(w == NULL || next_client(w) == NULL)
		return;
	HASH_FIND_STR(w->news, user, t);
	first = t == NULL;
	if(first)
		t = remember_in(&w->news, user);
	if(t == NULL)
		return; /* subscribers' lists are compared now and then, too */
	t->at = 0;
	if(first)
		say_news(w, t);
}

/* ---- life -------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	struct ctl_watch *w = timer->data;
	struct ctl_server *s = w->server;
	uint64_t now = uv_now(s->loop);
	struct told *t, *next;
	bool anybody = next_client(w) != NULL;

	w->budget = EVENTS_MAX;
	w->waiting.budget = WAITING_MAX;
	tick_news(w);
	if(s->store_port == NULL || !store_is_available(s->store))
		return;
	HASH_ITER(hh, w->all, t, next)
	{
		if(t->at == 0 && t->name[0] != 'd')
			say_due(w, t);
		else if(now - t->at >= AGAIN_MS)
			forget(w, t);
	}
	if(!w->expired_asked) {
		w->expired_asked = true;
		store_expire(s->store_port, EXPIRE_MAX, removed, w);
	}
	if(anybody && !w->due_asked) {
		w->due_asked = true;
		store_due(s->store_port, STORE_ROWS_MAX, due, w);
	}
	if(anybody)
		go_through_waiting(w);
}

void ctl_watch_user(struct ctl_server *s, const char *user)
{
	struct ctl_watch *w = s->watch;
	struct told *t;

	if(w == NULL || next_client(w) == NULL)
		return; /* who comes is told of all */
	t = remember(w, user);
	if(t == NULL) {
		ctl_watch_missed(s);
		return;
	}
	t->at = 0;
	say_due(w, t);
	if(t->at != 0) /* one that gets due in a moment is told then, too */
		forget(w, t);
}

void ctl_watch_taken(struct ctl_server *s, const char *user)
{
	struct told *t = NULL;

	if(s->watch)
		HASH_FIND_STR(s->watch->all, user, t);
	if(t && t->at != 0)
		forget(s->watch, t);
}

void ctl_watch_flushed(struct ctl_server *s)
{
	struct told *t, *next;

	if(s->watch == NULL)
		return;
	HASH_ITER(hh, s->watch->all, t, next)
	{
		if(t->at != 0 && t->name[0] != 'd')
			forget(s->watch, t);
	}
}

void ctl_watch_start(struct ctl_server *s)
{
	struct ctl_watch *w = calloc(1, sizeof(*w));

	if(w == NULL)
		abort();
	w->server = s;
	w->budget = w->news_budget = EVENTS_MAX;
	w->waiting.budget = WAITING_MAX;
	s->watch = w;
	uv_timer_init(s->loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_tick, TICK_MS, TICK_MS);
}

static void timer_closed(uv_handle_t *h)
{
	struct ctl_watch *w = h->data;
	struct told *t, *next;

	HASH_ITER(hh, w->all, t, next)
	forget(w, t);
	HASH_ITER(hh, w->news, t, next)
	forget_in(&w->news, t);
	free(w);
}

void ctl_watch_stop(struct ctl_server *s)
{
	struct ctl_watch *w = s->watch;

	s->watch = NULL;
	if(w)
		uv_close((uv_handle_t *)&w->timer, timer_closed);
}
