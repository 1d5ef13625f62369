/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one connection to the relay's control socket: connect, hello, lines in
 * and out, keep-alive, and reconnection with backoff. Runs in the link process
 * only, driven by the loop in cpm_link.c. Memory is fixed: one line of input,
 * and the rest of at most one line of output; what waits to be sent stays in
 * the table of commands.
 */
#include "cpm_link_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../core/dprint.h"
#include "../../core/rand/kam_rand.h"
#include "cpm_conf.h"
#include "cpm_stats.h"
#include "proto/ctl.h"

#define KEEPALIVE_MS 5000 /* silence after which the relay is pinged */
#define BATCH 64          /* lines in one writev */

static struct
{
	int epfd, fd;
	cpm_link_state_t state;
	unsigned attempts; /* failed ones since it was last up for long */
	int64_t up_ms;     /* in service since */
	int64_t retry_ms;  /* when waiting: the next attempt */
	int64_t answer_ms; /* hello or ping must be answered by then; 0 none */
	int64_t heard_ms;  /* last input */
	uint64_t own_id;   /* of the hello or ping under way; 0 none */
	bool want_out;     /* EPOLLOUT is asked for */
	size_t in_n, out_n, out_off;
	char logged[96];        /* why it is out of service, as logged */
	char boot[40];          /* of the relay we last spoke to */
	char in[CTL_LINE_MAX];  /* input up to the end of a line */
	char out[CTL_LINE_MAX]; /* rest of a line that is partly sent */
} conn = {.epfd = -1, .fd = -1};

int cpm_link_conn_fd(void)
{
	return conn.fd;
}

bool cpm_link_conn_is_up(void)
{
	return conn.state == CPM_LINK_S_UP;
}

/* ---- state in shared memory --------------------------------------------- */

static void publish(const char *error)
{
	cpm_link_info_t *i = &cpm_link_shared->info;

	lock_get(&cpm_link_shared->lock);
	i->state = conn.state;
	i->retry_ms = conn.state == CPM_LINK_S_WAITING ? conn.retry_ms : 0;
	i->attempts = conn.attempts;
	if(error != NULL)
		snprintf(i->error, sizeof(i->error), "%s", error);
	lock_release(&cpm_link_shared->lock);
}

static void publish_up(const json_t *hello, int version)
{
	cpm_link_info_t *i = &cpm_link_shared->info;
	const char *server = json_string_value(json_object_get(hello, "server"));

	lock_get(&cpm_link_shared->lock);
	i->since_ms = conn.heard_ms;
	i->version = version;
	i->workers = (int)json_integer_value(json_object_get(hello, "workers"));
	snprintf(i->server, sizeof(i->server), "%s", server ? server : "");
	snprintf(i->boot, sizeof(i->boot), "%s", conn.boot);
	lock_release(&cpm_link_shared->lock);
	__atomic_store_n(&cpm_link_shared->down_ms, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&cpm_link_shared->up, 1, __ATOMIC_RELEASE);
}

static void publish_down(void)
{
	lock_get(&cpm_link_shared->lock);
	cpm_link_shared->info.since_ms = cpm_link_now_ms();
	lock_release(&cpm_link_shared->lock);
	__atomic_store_n(&cpm_link_shared->up, 0, __ATOMIC_RELEASE);
	__atomic_store_n(
			&cpm_link_shared->down_ms, cpm_link_now_ms(), __ATOMIC_RELEASE);
}

/* ---- the end of a connection --------------------------------------------- */

/* The only way out: close, log once, and try again after the backoff. */
static void conn_end(const char *fmt, ...)
		__attribute__((format(printf, 1, 2)));
static void conn_end(const char *fmt, ...)
{
	bool was_up = conn.state == CPM_LINK_S_UP;
	int64_t now = cpm_link_now_ms();
	char why[96];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);

	if(conn.fd >= 0)
		close(conn.fd); /* leaves the epoll set by itself */
	conn.fd = -1;
	conn.in_n = conn.out_n = conn.out_off = 0;
	conn.want_out = false;
	conn.own_id = 0;
	conn.answer_ms = 0;
	conn.state = CPM_LINK_S_WAITING;
	/* A relay that keeps failing right after hello earns a backoff too. */
	if(was_up && now - conn.up_ms >= cpm_conf.relay_reconnect_max)
		conn.attempts = 0;
	conn.retry_ms = now
			+ cpm_backoff_ms(conn.attempts, cpm_conf.relay_reconnect_min,
					cpm_conf.relay_reconnect_max, (uint32_t)kam_rand());
	conn.attempts++;

	if(was_up) {
		publish_down();
		LM_WARN("relay %.*s: connection lost (%s), reconnecting\n",
				cpm_conf.relay_socket.len, cpm_conf.relay_socket.s, why);
	} else if(strcmp(conn.logged, why) != 0) { /* news */
		snprintf(conn.logged, sizeof(conn.logged), "%s", why);
		LM_WARN("relay %.*s: not in service (%s), trying again\n",
				cpm_conf.relay_socket.len, cpm_conf.relay_socket.s, why);
	}
	publish(why);
	cpm_link_went_down(was_up);
}

/* ---- output ------------------------------------------------------------- */

static void watch_out(bool on)
{
	struct epoll_event ev = {
			.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.fd = conn.fd};

	if(conn.want_out == on)
		return;
	conn.want_out = on;
	if(epoll_ctl(conn.epfd, EPOLL_CTL_MOD, conn.fd, &ev) < 0)
		LM_ERR("epoll_ctl: %s\n", strerror(errno));
}

/* What the socket takes now: bytes; 0 later, -1 the connection ended. */
static ssize_t send_some(struct iovec *iov, size_t n_iov)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n_iov};
	ssize_t n;

	do
		n = sendmsg(conn.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while(n < 0 && errno == EINTR);
	if(n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		watch_out(true);
		return 0;
	}
	if(n < 0)
		conn_end("write: %s", strerror(errno));
	return n;
}

/* Write what is left of a line: 1 done, 0 later, -1 the connection ended. */
static int flush_rest(void)
{
	while(conn.out_off < conn.out_n) {
		struct iovec iov = {conn.out + conn.out_off, conn.out_n - conn.out_off};
		ssize_t n = send_some(&iov, 1);

		if(n <= 0)
			return (int)n;
		conn.out_off += (size_t)n;
	}
	conn.out_n = conn.out_off = 0;
	return 1;
}

/* One writev of unsent commands: as flush_rest. */
static int flush_batch(void)
{
	struct iovec iov[BATCH];
	size_t n_iov = 0;
	ssize_t n;

	for(cpm_link_req_t *r = cpm_link_reqs.unsent; r != NULL && n_iov < BATCH;
			r = r->next) {
		cpm_link_task_t *t = (cpm_link_task_t *)r;

		iov[n_iov++] = (struct iovec){t->line, t->n};
	}
	n = send_some(iov, n_iov);
	if(n <= 0)
		return (int)n;
	while(n > 0) {
		cpm_link_task_t *t = (cpm_link_task_t *)cpm_link_reqs.unsent;

		if((size_t)n < t->n) { /* the rest may outlive the task */
			conn.out_n = t->n - (size_t)n;
			memcpy(conn.out, t->line + n, conn.out_n);
			n = t->n;
		}
		n -= t->n;
		cpm_reqs_mark_sent(&cpm_link_reqs);
	}
	return 1;
}

void cpm_link_conn_flush(void)
{
	if(conn.fd < 0 || conn.want_out)
		return;
	do {
		if(flush_rest() < 1)
			return;
	} while(conn.state == CPM_LINK_S_UP && cpm_link_reqs.unsent != NULL
			&& flush_batch() > 0);
}

/* Queue a request of the connection's own; only when nothing is half sent. */
static void send_own(const char *method, json_t *params)
{
	size_t n;
	char *line;

	conn.own_id =
			__atomic_fetch_add(&cpm_link_shared->next_id, 1, __ATOMIC_RELAXED);
	line = ctl_encode_request(conn.own_id, method, params, &n);
	json_decref(params);
	if(line == NULL) {
		conn_end("no memory");
		return;
	}
	memcpy(conn.out, line, n);
	conn.out_n = n;
	free(line);
	conn.answer_ms = cpm_link_now_ms() + cpm_conf.relay_timeout;
	cpm_link_conn_flush();
}

/* ---- input -------------------------------------------------------------- */

static void on_hello(const struct ctl_msg *m)
{
	const char *boot = json_string_value(json_object_get(m->result, "boot"));
	json_int_t version =
			json_integer_value(json_object_get(m->result, "version"));
	bool new_boot;
	uint32_t again;

	if(m->kind == CTL_ERROR) {
		conn_end("hello refused: %.60s", m->message ? m->message : "?");
		return;
	}
	if(version != CTL_VERSION || boot == NULL || *boot == '\0') {
		conn_end("hello answered with version %d, %s boot", (int)version,
				boot ? "a" : "no");
		return;
	}
	new_boot = conn.boot[0] != '\0'
			&& strncmp(boot, conn.boot, sizeof(conn.boot) - 1) != 0;
	snprintf(conn.boot, sizeof(conn.boot), "%s", boot);
	conn.state = CPM_LINK_S_UP;
	conn.up_ms = conn.heard_ms;
	conn.logged[0] = '\0';
	publish_up(m->result, (int)version);
	publish(NULL);
	cpm_stat_inc(CPM_STAT_LINK_CONNECTS);
	if(new_boot)
		cpm_stat_inc(CPM_STAT_LINK_RESTARTS);
	again = cpm_reqs_rewind(&cpm_link_reqs);
	cpm_stat_add(CPM_STAT_LINK_RESENT, (int)again);
	LM_NOTICE("relay %.*s: in service%s\n", cpm_conf.relay_socket.len,
			cpm_conf.relay_socket.s, new_boot ? ", it was restarted" : "");
	cpm_link_came_up(new_boot);
}

static void on_answer(const struct ctl_msg *m)
{
	cpm_link_task_t *t = NULL;
	uint64_t id = 0;

	if(json_is_integer(m->id))
		id = (uint64_t)json_integer_value(m->id);
	if(id != 0 && id == conn.own_id) {
		conn.own_id = 0;
		conn.answer_ms = 0;
		if(conn.state == CPM_LINK_S_HELLO)
			on_hello(m);
		return;
	}
	if(id != 0)
		t = (cpm_link_task_t *)cpm_reqs_find(&cpm_link_reqs, id);
	/* Late answers, and ids that are not ours or not yet sent. */
	if(t == NULL || !t->req.sent) {
		cpm_stat_inc(CPM_STAT_LINK_STRAY);
		return;
	}
	if(m->kind == CTL_RESULT)
		cpm_link_task_done(t, CPM_LINK_OK, 0, m->result);
	else
		cpm_link_task_done(t, CPM_LINK_ERROR, m->code, NULL);
}

/* 0, or -1 when the connection ended. */
static int on_line(const char *line, size_t n)
{
	struct ctl_msg m = {0};
	const char *type;
	int rc = ctl_decode(line, n, &m);
	int fd = conn.fd;

	if(rc != 0) {
		cpm_stat_inc(CPM_STAT_LINK_GARBAGE);
		conn_end("input of %zu bytes: %s", n, ctl_code_text(rc));
	} else if(m.kind == CTL_RESULT || m.kind == CTL_ERROR) {
		on_answer(&m);
	} else if(m.kind == CTL_EVENT && strcmp(m.method, "event") == 0) {
		type = json_string_value(json_object_get(m.params, "type"));
		cpm_stat_inc(CPM_STAT_LINK_EVENTS);
		if(type != NULL)
			cpm_link_event(type, m.params);
	} else {
		cpm_stat_inc(CPM_STAT_LINK_STRAY);
	}
	ctl_msg_clear(&m);
	return conn.fd == fd && fd >= 0 ? 0 : -1;
}

static int split_lines(void)
{
	char *line = conn.in, *end = conn.in + conn.in_n, *nl;

	while((nl = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if(on_line(line, (size_t)(nl - line)) < 0)
			return -1;
		line = nl + 1;
	}
	conn.in_n = (size_t)(end - line);
	memmove(conn.in, line, conn.in_n);
	if(conn.in_n < sizeof(conn.in))
		return 0;
	cpm_stat_inc(CPM_STAT_LINK_GARBAGE);
	conn_end("line of more than %d bytes", CTL_LINE_MAX);
	return -1;
}

static void on_readable(void)
{
	ssize_t n = recv(conn.fd, conn.in + conn.in_n, sizeof(conn.in) - conn.in_n,
			MSG_DONTWAIT);

	if(n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if(n < 0) {
		conn_end("read: %s", strerror(errno));
		return;
	}
	if(n == 0) {
		conn_end("closed by the relay");
		return;
	}
	conn.heard_ms = cpm_link_now_ms();
	__atomic_store_n(
			&cpm_link_shared->heard_ms, conn.heard_ms, __ATOMIC_RELAXED);
	conn.in_n += (size_t)n;
	split_lines();
}

void cpm_link_conn_ready(uint32_t events)
{
	if(conn.fd >= 0 && events & EPOLLOUT) {
		watch_out(false);
		cpm_link_conn_flush();
	}
	if(conn.fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_readable();
}

/* ---- attempts and timers --------------------------------------------------
 */

static void conn_open(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct epoll_event ev = {.events = EPOLLIN};

	memcpy(a.sun_path, cpm_conf.relay_socket.s,
			(size_t)cpm_conf.relay_socket.len);
	conn.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if(conn.fd < 0) {
		conn_end("socket: %s", strerror(errno));
		return;
	}
	/* A Unix socket connects at once or not at all. */
	if(connect(conn.fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		conn_end("%s", strerror(errno));
		return;
	}
	ev.data.fd = conn.fd;
	if(epoll_ctl(conn.epfd, EPOLL_CTL_ADD, conn.fd, &ev) < 0) {
		conn_end("epoll_ctl: %s", strerror(errno));
		return;
	}
	conn.state = CPM_LINK_S_HELLO;
	publish(NULL);
	send_own("hello",
			json_pack("{s:i,s:s#,s:b,s:b}", "version", CTL_VERSION, "owner",
					cpm_conf.relay_owner.s, cpm_conf.relay_owner.len, "events",
					1, "deferred", 1));
}

void cpm_link_conn_tick(int64_t now)
{
	switch(conn.state) {
		case CPM_LINK_S_WAITING:
			if(now >= conn.retry_ms)
				conn_open();
			break;
		case CPM_LINK_S_HELLO:
			if(now >= conn.answer_ms)
				conn_end("hello not answered in %d ms", cpm_conf.relay_timeout);
			break;
		case CPM_LINK_S_UP:
			if(conn.answer_ms != 0) {
				if(now >= conn.answer_ms
						&& conn.heard_ms
								< conn.answer_ms - cpm_conf.relay_timeout)
					conn_end("silent for %d ms", (int)(now - conn.heard_ms));
				else if(now >= conn.answer_ms)
					conn.answer_ms = 0; /* busy, but it speaks */
			} else if(now - conn.heard_ms >= KEEPALIVE_MS && conn.out_n == 0
					&& !conn.want_out) {
				send_own("ping", json_object());
			}
			break;
	}
}

int64_t cpm_link_conn_next_ms(void)
{
	switch(conn.state) {
		case CPM_LINK_S_WAITING:
			return conn.retry_ms;
		case CPM_LINK_S_HELLO:
			return conn.answer_ms;
		default:
			return conn.answer_ms ? conn.answer_ms
								  : conn.heard_ms + KEEPALIVE_MS;
	}
}

void cpm_link_conn_suspect(int64_t queued_ms)
{
	if(conn.state == CPM_LINK_S_UP && conn.heard_ms < queued_ms)
		conn_end("silent for %d ms", (int)(cpm_link_now_ms() - conn.heard_ms));
}

int cpm_link_conn_init(int epfd)
{
	conn.epfd = epfd;
	conn.retry_ms = cpm_link_now_ms();
	return 0;
}
