/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store as an object: opening and closing, the queue of jobs, the store
 * thread and what it does when no job waits, what the main loop is told.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "net/buf.h"
#include "store/store_priv.h"

#define IDLE_MS 1000 /* between looks at what is not told */
#define SWEEP_MS 2   /* between two steps of the clean-up */

uint64_t store_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t store_now(const struct store *s)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000
			+ __atomic_load_n(&s->skew, __ATOMIC_RELAXED);
}

bool store_is_available(const struct store *s)
{
	return __atomic_load_n(&s->available, __ATOMIC_RELAXED);
}

const char *store_strerror(int rc)
{
	switch(rc) {
		case 0:
			return "done";
		case -EDQUOT:
			return "the user's quota is used up";
		case -ENOSPC:
			return "the store is full";
		case -ENOTCONN:
			return "the store cannot be reached";
		case -EAGAIN:
			return "too many jobs wait for the store";
		case -ESTALE:
			return "not claimed by this fence, or not in this state";
		case -ENOENT:
			return "no such message";
		case -EMSGSIZE:
			return "too long for the store";
		case -ECANCELED:
			return "the store is closing";
		default:
			return "the store has failed";
	}
}

void store_stats_read(const struct store *s, struct store_stats *out)
{
	const uint64_t *from = (const uint64_t *)&s->stats;
	uint64_t *to = (uint64_t *)out;
	int64_t oldest = __atomic_load_n(&s->oldest_at, __ATOMIC_RELAXED);
	int64_t age = oldest > 0 ? store_now(s) - oldest : 0;

	for(size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	out->messages = __atomic_load_n(&s->messages, __ATOMIC_RELAXED);
	out->bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED);
	out->oldest_seconds = age > 0 ? (uint64_t)age / 1000 : 0;
	out->queue = (uint64_t)__atomic_load_n(&s->n_queue, __ATOMIC_RELAXED);
	out->available = store_is_available(s);
}

/* ---- the queue --------------------------------------------------------- */

static void wake(struct store *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->wake, &one, sizeof(one));

	(void)n; /* full: it is awake */
}

void store_requeue(struct store *s, struct store_job *j)
{
	j->next = NULL;
	if(s->queue_tail)
		s->queue_tail->next = j;
	else
		s->queue = j;
	s->queue_tail = j;
	s->n_queue++;
}

int store_enqueue(struct store *s, struct store_job *j)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if(s->stopping)
		rc = -ECANCELED;
	else if(!store_is_available(s))
		rc = -ENOTCONN; /* at once, and not when an attempt to connect ends */
	else if(s->n_queue >= STORE_QUEUE_MAX)
		rc = -EAGAIN;
	else
		store_requeue(s, j);
	pthread_mutex_unlock(&s->lock);
	if(rc == 0)
		wake(s);
	return rc;
}

/* All that one commit can take. */
static struct store_job *take(struct store *s, bool *stop)
{
	struct store_job *first, *last;
	int n = 1;

	pthread_mutex_lock(&s->lock);
	first = last = s->queue;
	while(last && last->next && n < STORE_BATCH_MAX) {
		last = last->next;
		n++;
	}
	if(first) {
		s->queue = last->next;
		last->next = NULL;
		s->n_queue -= n;
		if(s->queue == NULL)
			s->queue_tail = NULL;
	}
	*stop = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return first;
}

/* ---- what the main loop is told ---------------------------------------- */

void store_tell(struct store *s, const char *change)
{
	bool known = false;

	if(s->ev.changed == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	known = s->n_users > 0 && strcmp(s->users[s->n_users - 1], change) == 0;
	if(!known && s->n_users == s->cap_users) {
		s->cap_users = s->cap_users ? 2 * s->cap_users : 64;
		s->users = realloc(s->users, (size_t)s->cap_users * sizeof(*s->users));
		if(s->users == NULL)
			abort();
	}
	if(!known)
		s->users[s->n_users++] = strdup(change);
	pthread_mutex_unlock(&s->lock);
	uv_async_send(&s->async);
}

static void on_tell(uv_async_t *async)
{
	struct store *s = async->data;
	char **users;
	bool available;
	int n;

	pthread_mutex_lock(&s->lock);
	users = s->users;
	n = s->n_users;
	available = s->tell_available;
	s->tell_available = false;
	s->users = NULL;
	s->n_users = s->cap_users = 0;
	pthread_mutex_unlock(&s->lock);
	if(available && s->ev.available)
		s->ev.available(s->ev.arg, store_is_available(s));
	for(int i = 0; i < n; i++) {
		if(s->ev.changed)
			s->ev.changed(s->ev.arg, users[i] + 1, users[i][0] == '+');
		free(users[i]);
	}
	free(users);
}

static void hear(struct store *s)
{
	const char *p;

	if(s->db.driver->notified == NULL || !store_is_available(s))
		return;
	while((p = s->db.driver->notified(&s->db)) != NULL)
		if(*p == '+' || *p == '-')
			store_tell(s, p);
	if(s->db.failed == -ENOTCONN)
		store_reconnect(s, -ENOTCONN);
}

/* ---- the thread -------------------------------------------------------- */

static void sleep_until_needed(struct store *s, int ms)
{
	struct pollfd fds[2] = {
			{.fd = s->wake, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	uint64_t n, now = store_mono();

	if(!store_is_available(s) && s->retry_at < now + IDLE_MS)
		ms = s->retry_at > now ? (int)(s->retry_at - now) : 0;
	if(s->db.driver->fd && store_is_available(s))
		fds[1].fd = s->db.driver->fd(&s->db);
	if(poll(fds, 2, ms) > 0 && (fds[0].revents & POLLIN)) {
		ssize_t k = read(s->wake, &n, sizeof(n));

		(void)k;
	}
}

static void *run(void *arg)
{
	struct store *s = arg;
	struct store_job *first;
	bool stop = false, busy = false;

	pthread_setname_np(pthread_self(), "store");
	for(;;) {
		first = take(s, &stop);
		if(first == NULL && stop)
			break;
		if(!store_is_available(s) && store_mono() >= s->retry_at)
			store_connect(s);
		if(first)
			store_batch_run(s, first);
		store_upkeep(s); /* also when there is always a job */
		hear(s);
		if(first)
			continue;
		busy = store_is_available(s) && store_sweep_step(s);
		sleep_until_needed(s, busy ? SWEEP_MS : IDLE_MS);
	}
	store_sweep_end(s);
	return NULL;
}

/* ---- opening and closing ----------------------------------------------- */

void store_unref(struct store *s)
{
	if(__atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	close(s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void on_closed(uv_handle_t *h)
{
	store_unref(h->data);
}

static int first_open(struct store *s)
{
	int rc = s->db.driver->shared ? 0 : store_dir_open(s);

	if(rc == 0)
		rc = store_connect(s);
	/* It may come yet. */
	if(rc == -ENOTCONN)
		rc = 0;
	return rc;
}

int store_open(uv_loop_t *loop, const struct store_conf *conf,
		const struct store_events *ev, struct store **out)
{
	struct store *s = xcalloc(sizeof(*s));
	int rc;

	s->conf = conf;
	if(ev)
		s->ev = *ev;
	s->lock_fd = s->dir_fd = -1;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	if(conf->node)
		snprintf(s->node, sizeof(s->node), "%s", conf->node);
	else if(gethostname(s->node, sizeof(s->node) - 1) < 0)
		snprintf(s->node, sizeof(s->node), "localhost");
	s->db.driver = conf->backend == STORE_PGSQL ? &store_pgsql : &store_sqlite;
	s->db.conf = conf;
	s->db.node = s->node;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = s->wake < 0 ? -errno : uv_async_init(loop, &s->async, on_tell);
	if(rc < 0) {
		store_unref(s);
		return rc;
	}
	s->async.data = s;
	rc = first_open(s);
	if(rc == 0)
		rc = -pthread_create(&s->thread, NULL, run, s);
	s->running = rc == 0;
	if(rc < 0)
		store_close(&s);
	else
		*out = s;
	return rc;
}

void store_close(struct store **at)
{
	struct store *s = *at;

	if(s == NULL)
		return;
	*at = NULL;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
	if(s->running)
		pthread_join(s->thread, NULL);
	s->db.driver->close(&s->db);
	store_dir_close(s);
	s->ev = (struct store_events){0};
	on_tell(&s->async);
	uv_close((uv_handle_t *)&s->async, on_closed);
}
