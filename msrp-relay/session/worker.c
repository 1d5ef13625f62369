/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A worker thread: its event loop, its listening ports, the queue of commands
 * and the random identifiers. Started and stopped by relay.c; after
 * worker_start only its own thread touches what it owns.
 */
#include "session/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log/log.h"
#include "session/job.h"
#include "session/session.h"

#define LISTEN_BACKLOG 1024
#define ACCEPTS_PER_EVENT 64

/* Pause when the process has no descriptor left for a connection. */
#define ACCEPT_PAUSE_MS 200

void worker_random_id(struct worker *w, char *to, unsigned n)
{
	static const char alphabet[] = "abcdefghijkmnopqrstuvwxyz2345678";

	uint64_t bits;

	if(w->random_at + (n / RANDOM_WORD_CHARS + 1) * sizeof(bits)
			> RANDOM_BYTES) {
		size_t got = 0;
		while(got < RANDOM_BYTES) {
			ssize_t k = getrandom(w->random + got, RANDOM_BYTES - got, 0);
			if(k < 0 && errno != EINTR)
				abort();
			got += k > 0 ? (size_t)k : 0;
		}
		w->random_at = 0;
	}
	while(n > 0) {
		unsigned k = n < RANDOM_WORD_CHARS ? n : RANDOM_WORD_CHARS;

		memcpy(&bits, w->random + w->random_at, sizeof(bits));
		w->random_at += sizeof(bits);
		n -= k;
		for(; k > 0; k--, bits >>= 5)
			*to++ = alphabet[bits & 31];
	}
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_accept_pause(struct wheel_timer *t)
{
	struct listener *l =
			(struct listener *)((char *)t - offsetof(struct listener, pause));

	uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	struct worker *w = l->w;

	(void)status;
	(void)events;
	for(int i = 0; i < ACCEPTS_PER_EVENT; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
				SOCK_NONBLOCK | SOCK_CLOEXEC);
		if(fd < 0) {
			if(errno == EMFILE || errno == ENFILE || errno == ENOBUFS
					|| errno == ENOMEM) {
				log_limited(LOG_L_ERROR, "accept: %s", strerror(errno));
				uv_poll_stop(&l->poll);
				wheel_arm(&w->net.wheel, &l->pause, ACCEPT_PAUSE_MS,
						on_accept_pause);
			}
			break;
		}
		if(w->stats.connections >= (uint64_t)w->net.max_connections) {
			stat_add(&w->stats, connections_refused_total, 1);
			log_limited(LOG_L_WARNING, "max_connections reached");
			close(fd);
			continue;
		}
		msrp_conn_accept(w, fd, (struct sockaddr *)&peer, l->tls);
	}
	net_flush(&w->net);
}

static int listen_on(struct listener *l, const char *host, int port)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(struct sockaddr_in);
	int one = 1, err;

	memset(&sa, 0, sizeof(sa));
	if(uv_ip4_addr(host, port, (struct sockaddr_in *)&sa) != 0) {
		len = sizeof(struct sockaddr_in6);
		err = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&sa);
		if(err != 0)
			return err;
	}
	l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if(l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if(bind(l->fd, (struct sockaddr *)&sa, len) != 0
			|| listen(l->fd, LISTEN_BACKLOG) != 0
			|| getsockname(l->fd, (struct sockaddr *)&sa, &len) != 0) {
		err = -errno;
		close(l->fd);
		l->fd = -1;
		return err;
	}
	l->port = ntohs(sa.ss_family == AF_INET6
					? ((struct sockaddr_in6 *)&sa)->sin6_port
					: ((struct sockaddr_in *)&sa)->sin_port);
	return 0;
}

static int listener_start(
		struct worker *w, struct listener *l, int port, bool tls)
{
	const char *host = w->conf->listen_host;
	int err = listen_on(l, host, port);

	l->w = w;
	l->tls = tls;
	if(err == 0)
		err = uv_poll_init(&w->loop, &l->poll, l->fd);
	if(err != 0) {
		log_error("cannot listen on %s port %d: %s", host, port,
				uv_strerror(err));
		return err;
	}
	l->poll.data = l;
	return uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void listener_stop(struct worker *w, struct listener *l)
{
	if(l->fd < 0)
		return;
	wheel_disarm(&w->net.wheel, &l->pause);
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, NULL);
	close(l->fd);
	l->fd = -1;
}

static void close_conn(uv_handle_t *h, void *arg)
{
	(void)arg;
	if(h->type == UV_POLL && !uv_is_closing(h))
		conn_close(h->data, 0);
}

/* The loop ends when its last handle is closed. */
static void worker_shut(struct worker *w)
{
	struct session *s, *next;

	listener_stop(w, &w->tcp);
	listener_stop(w, &w->tls);
	HASH_ITER(hh, w->sessions, s, next)
	session_end(s);
	/* What was handed to it is done; nothing calls back any more. */
	if(w->store)
		store_port_close(&w->store);
	net_flush(&w->net);
	uv_walk(&w->loop, close_conn, NULL);
	wheel_close(&w->net.wheel);
	uv_close((uv_handle_t *)&w->queue.async, NULL);
	uv_close((uv_handle_t *)&w->send_out, NULL);
}

void worker_post(struct worker *w, struct item *i)
{
	i->next = NULL;
	if(w->out_tail)
		w->out_tail->next = i;
	else
		w->out = i;
	w->out_tail = i;
}

static void on_send_out(uv_prepare_t *prepare)
{
	struct worker *w = prepare->data;

	if(w->out == NULL)
		return;
	relay_post(w->relay, w->out, w->out_tail);
	w->out = w->out_tail = NULL;
}

static void on_jobs(uv_async_t *async)
{
	struct worker *w = async->data;
	struct item *i = job_queue_take(&w->queue), *next;

	uv_update_time(&w->loop);
	for(; i; i = next) {
		next = i->next;
		if(i->kind == JOB_STOP)
			w->stopping = true;
		if(w->stopping)
			item_free(i);
		else if(session_command(w, (struct job *)i))
			worker_post(w, i);
	}
	net_flush(&w->net);
	if(w->stopping && !uv_is_closing((uv_handle_t *)async))
		worker_shut(w);
}

static void worker_main(void *arg)
{
	struct worker *w = arg;

	pthread_setname_np(pthread_self(), "worker");
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void spares_free(struct worker *w)
{
	struct message *m;
	struct delivery *d;
	struct txn *t;

	while((d = w->spare_deliveries) != NULL) {
		w->spare_deliveries = d->next;
		free(d);
	}
	while((t = w->spare_txns) != NULL) {
		w->spare_txns = t->next;
		free(t);
	}
	while((m = w->spare_messages) != NULL) {
		w->spare_messages = m->next;
		free(m->content_type);
		free(m->rest);
		free(m);
	}
}

static void worker_free(struct worker *w)
{
	struct item *i;

	on_send_out(&w->send_out);
	while((i = w->queue.head) != NULL) {
		w->queue.head = i->next;
		item_free(i);
	}
	claims_free(w);
	stored_free_all(w);
	uv_loop_close(&w->loop);
	uv_mutex_destroy(&w->queue.lock);
	net_destroy(&w->net);
	spares_free(w);
}

/* The thread never started: what it would have done at its end. */
static void worker_undo(struct worker *w)
{
	worker_shut(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	worker_free(w);
}

/* Connections leave from the address that our paths name, so that firewalls
 * and peers see one host; with a wildcard the kernel chooses. */
static void source_set(struct worker *w)
{
	const char *host = w->conf->listen_host;
	struct sockaddr_storage *sa = &w->net.source;

	if(uv_ip4_addr(host, 0, (struct sockaddr_in *)sa) == 0) {
		if(((struct sockaddr_in *)sa)->sin_addr.s_addr == INADDR_ANY)
			sa->ss_family = AF_UNSPEC;
	} else if(uv_ip6_addr(host, 0, (struct sockaddr_in6 *)sa) != 0
			|| IN6_IS_ADDR_UNSPECIFIED(
					&((struct sockaddr_in6 *)sa)->sin6_addr)) {
		sa->ss_family = AF_UNSPEC;
	}
}

int worker_start(struct worker *w, struct relay *relay, int index,
		const struct relay_conf *conf, struct tls_ctx *tls, struct store *store)
{
	sigset_t all, old;
	int err;

	memset(w, 0, sizeof(*w));
	w->relay = relay;
	w->conf = conf;
	w->index = index;
	w->random_at = RANDOM_BYTES;
	w->tcp.fd = w->tls.fd = -1;
	err = uv_loop_init(&w->loop);
	if(err != 0)
		return err;
	w->net = (struct net){.loop = &w->loop,
			.stats = &w->stats,
			.tls = tls,
			.connect_ms = conf->connect_ms,
			.max_connections = conf->max_connections / conf->workers};
	if(w->net.max_connections < 1)
		w->net.max_connections = 1;
	source_set(w);
	net_init(&w->net);
	err = job_queue_init(&w->queue, &w->loop, on_jobs);
	w->queue.async.data = w;
	uv_prepare_init(&w->loop, &w->send_out);
	w->send_out.data = w;
	uv_prepare_start(&w->send_out, on_send_out);
	if(err == 0 && store)
		err = store_port_open(store, &w->loop, &w->store);
	if(err == 0)
		err = listener_start(w, &w->tcp, conf->listen_port + index, false);
	if(err == 0 && tls)
		err = listener_start(w, &w->tls, conf->tls_port + index, true);
	if(err == 0) {
		/* Signals are the main thread's. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = uv_thread_create(&w->thread, worker_main, w);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if(err != 0) {
		worker_undo(w);
		return err;
	}
	w->started = true;
	return 0;
}

void worker_stop(struct worker *w)
{
	struct job *j;

	if(!w->started)
		return;
	j = job_new(JOB_STOP);
	job_queue_put(&w->queue, &j->item, &j->item);
	uv_thread_join(&w->thread);
	w->started = false;
	worker_free(w);
}
