/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owns one MSRP connection: connect or accept, TLS handshake, reading into one
 * buffer, a queue of pieces to write. Called by peer_session.c. The callbacks
 * may close the connection; it is freed when the outermost call returns.
 */
#include "peer_conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peer_tls.h"

#define READ_BUFFER (256 * 1024)
#define WRITE_PIECES 64 /* in one writev */
#define DRAIN_ROUNDS 8  /* refills of the queue in one turn */

enum conn_state
{
	CONNECTING,
	HANDSHAKE,
	OPEN,
	DEAD
};

struct piece
{
	const char *p;
	size_t n;
	char *own; /* freed when written; NULL = borrowed */
};

struct peer_conn
{
	struct peer_loop *loop;
	const struct peer_conn_ops *ops;
	void *arg;
	int fd;
	enum conn_state state;
	short events;    /* what the loop watches now */
	short tls_wants; /* while a TLS call waits for the other direction */
	SSL *ssl;
	char *fingerprint;
	char error[160];
	bool paused, closing, more; /* more: owner has more to write */
	int depth;                  /* calls into ops that have not returned */

	char *in;
	size_t in_len, read_limit;
	struct peer_frame frame;

	struct piece *q; /* pieces [q_head, q_len) wait */
	size_t q_head, q_len, q_cap, q_bytes;
};

static void conn_free(struct peer_conn *c)
{
	for(size_t i = c->q_head; i < c->q_len; i++)
		free(c->q[i].own);
	if(c->fd >= 0) {
		if(c->events)
			c->loop->watch(c->loop, c->fd, 0, NULL, NULL);
		close(c->fd);
	}
	SSL_free(c->ssl);
	free(c->fingerprint);
	free(c->q);
	free(c->in);
	free(c);
}

void peer_conn_close(struct peer_conn **cp)
{
	struct peer_conn *c = *cp;

	if(!c)
		return;
	*cp = NULL;
	c->closing = true;
	if(c->ssl && c->state == OPEN)
		SSL_shutdown(c->ssl);
	c->state = DEAD;
	if(c->depth == 0)
		conn_free(c);
}

static void enter(struct peer_conn *c)
{
	c->depth++;
}

/* Returns true while the connection still lives. */
static bool leave(struct peer_conn *c)
{
	c->depth--;
	if(c->depth == 0 && c->closing) {
		conn_free(c);
		return false;
	}
	return !c->closing;
}

static void conn_ready(void *obj, short revents);

static void watch(struct peer_conn *c)
{
	short ev = 0;

	if(c->closing)
		return;
	if(c->state == CONNECTING)
		ev = POLLOUT;
	else if(c->state == HANDSHAKE)
		ev = c->tls_wants ? c->tls_wants : POLLIN;
	else if(c->state == OPEN)
		ev = (short)((c->paused ? 0 : POLLIN)
				| (c->q_bytes || c->more ? POLLOUT : 0) | c->tls_wants);
	if(ev == c->events)
		return;
	c->events = ev;
	c->loop->watch(c->loop, c->fd, ev, conn_ready, c);
}

/* The connection is over: tell the owner, once. */
static void fail(struct peer_conn *c, int rc)
{
	if(c->state == DEAD)
		return;
	c->state = DEAD;
	watch(c);
	enter(c);
	c->ops->closed(c->arg, rc);
	leave(c);
}

static void tls_error(struct peer_conn *c)
{
	unsigned long e = ERR_get_error();

	ERR_error_string_n(e, c->error, sizeof(c->error));
	ERR_clear_error();
}

static void opened(struct peer_conn *c)
{
	c->state = OPEN;
	if(c->ops->open)
		c->ops->open(c->arg);
}

static void handshake(struct peer_conn *c)
{
	int n = SSL_do_handshake(c->ssl), e, rc;

	c->tls_wants = 0;
	if(n == 1) {
		rc = c->fingerprint ? peer_tls_check(c->ssl, c->fingerprint) : 0;
		if(rc != 0) {
			snprintf(c->error, sizeof(c->error),
					"the certificate does not match a=fingerprint");
			fail(c, rc);
			return;
		}
		opened(c);
		return;
	}
	e = SSL_get_error(c->ssl, n);
	if(e == SSL_ERROR_WANT_READ)
		c->tls_wants = POLLIN;
	else if(e == SSL_ERROR_WANT_WRITE)
		c->tls_wants = POLLOUT;
	else {
		tls_error(c);
		fail(c, -EPROTO);
	}
}

static void connected(struct peer_conn *c)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	if(err) {
		fail(c, -err);
	} else if(c->ssl) {
		c->state = HANDSHAKE;
		handshake(c);
	} else {
		opened(c);
	}
}

/* All complete items of the input buffer go to the owner. */
static void deliver(struct peer_conn *c)
{
	size_t off = 0;
	struct peer_item item;
	ssize_t n;

	while(!c->closing && c->state == OPEN) {
		n = peer_frame_next(
				&c->frame, slice_of(c->in + off, c->in_len - off), &item);
		if(n < 0) {
			fail(c, (int)n);
			return;
		}
		if(item.type == PEER_MORE)
			break;
		if(item.type == PEER_HEAD)
			c->ops->head(c->arg, &item.msg);
		else if(item.type == PEER_BODY)
			c->ops->body(c->arg, item.body);
		else
			c->ops->end(c->arg, item.flag);
		off += (size_t)n;
	}
	if(c->closing)
		return;
	if(off > 0)
		memmove(c->in, c->in + off, c->in_len - off);
	c->in_len -= off;
}

static void readable(struct peer_conn *c)
{
	size_t room = READ_BUFFER - c->in_len;
	ssize_t n;

	if(c->read_limit && room > c->read_limit)
		room = c->read_limit;
	if(c->ssl) {
		int r = SSL_read(c->ssl, c->in + c->in_len, (int)room);
		int e = r > 0 ? 0 : SSL_get_error(c->ssl, r);

		if(e == SSL_ERROR_WANT_READ)
			return;
		if(e == SSL_ERROR_WANT_WRITE) {
			c->tls_wants = POLLOUT;
			return;
		}
		if(e && e != SSL_ERROR_ZERO_RETURN)
			tls_error(c);
		n = r > 0 ? r : 0;
	} else {
		n = recv(c->fd, c->in + c->in_len, room, 0);
		if(n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
	}
	if(n <= 0) {
		fail(c, n < 0 ? -errno : 0);
		return;
	}
	c->in_len += (size_t)n;
	deliver(c);
	/* TLS may hold more that poll does not know of. */
	if(!c->closing && c->state == OPEN && !c->paused && c->ssl
			&& SSL_pending(c->ssl) > 0)
		readable(c);
}

static ssize_t write_some(struct peer_conn *c)
{
	struct iovec iov[WRITE_PIECES];
	size_t k = 0;
	int n, e;

	if(c->ssl) {
		struct piece *f = &c->q[c->q_head];

		n = SSL_write(c->ssl, f->p, f->n > 1 << 20 ? 1 << 20 : (int)f->n);
		if(n > 0)
			return n;
		e = SSL_get_error(c->ssl, n);
		if(e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) {
			c->tls_wants = e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
			return -EAGAIN;
		}
		tls_error(c);
		return -EPROTO;
	}
	for(; k < WRITE_PIECES && c->q_head + k < c->q_len; k++)
		iov[k] = (struct iovec){
				(void *)c->q[c->q_head + k].p, c->q[c->q_head + k].n};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = k};
	ssize_t w = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	return w < 0 ? -errno : w;
}

static void written(struct peer_conn *c, size_t n)
{
	c->q_bytes -= n;
	while(n > 0 && c->q_head < c->q_len) {
		struct piece *f = &c->q[c->q_head];

		if(n < f->n) {
			f->p += n;
			f->n -= n;
			return;
		}
		n -= f->n;
		free(f->own);
		c->q_head++;
	}
	if(c->q_head == c->q_len)
		c->q_head = c->q_len = 0;
}

/* Write until the kernel has enough. Returns true when something went out. */
static bool write_all(struct peer_conn *c)
{
	bool some = false;
	ssize_t n;

	while(c->state == OPEN && c->q_bytes > 0) {
		n = write_some(c);
		if(n == -EAGAIN || n == -EINTR)
			return some;
		if(n < 0) {
			fail(c, (int)n);
			return false;
		}
		written(c, (size_t)n);
		some = true;
	}
	return some;
}

/* Write, and let the owner queue more when all is written: a few rounds, so
 * that other connections get their turn too. */
static void drain(struct peer_conn *c)
{
	c->more = false;
	for(int i = 0; i < DRAIN_ROUNDS && c->state == OPEN; i++) {
		write_all(c);
		if(c->state != OPEN || c->q_bytes > 0 || !c->ops->drained)
			break;
		c->ops->drained(c->arg);
		c->more = c->state == OPEN && c->q_bytes > 0;
		if(!c->more)
			break;
	}
}

static void conn_ready(void *obj, short revents)
{
	struct peer_conn *c = obj;

	enter(c);
	if(c->state == CONNECTING) {
		connected(c);
	} else if(c->state == HANDSHAKE) {
		handshake(c);
	} else if(c->state == OPEN) {
		c->tls_wants = 0;
		if(revents & POLLOUT)
			write_all(c);
		if(c->state == OPEN && (revents & (POLLIN | POLLHUP | POLLERR)))
			readable(c);
	}
	drain(c);
	if(leave(c))
		watch(c);
}

void peer_conn_flush(struct peer_conn *c)
{
	/* Inside a callback the outermost call flushes. */
	if(c->depth > 0)
		return;
	enter(c);
	drain(c);
	if(leave(c))
		watch(c);
}

static void push(struct peer_conn *c, struct piece piece)
{
	if(c->q_head > 0 && c->q_len == c->q_cap) {
		memmove(c->q, c->q + c->q_head, (c->q_len - c->q_head) * sizeof(*c->q));
		c->q_len -= c->q_head;
		c->q_head = 0;
	}
	if(c->q_len == c->q_cap) {
		c->q_cap = c->q_cap ? c->q_cap * 2 : 16;
		c->q = reallocarray(c->q, c->q_cap, sizeof(*c->q));
		if(!c->q)
			abort();
	}
	c->q[c->q_len++] = piece;
	c->q_bytes += piece.n;
}

void peer_conn_put(struct peer_conn *c, const void *p, size_t n)
{
	char *own;

	if(n == 0 || c->closing)
		return;
	own = malloc(n);
	if(!own)
		abort();
	memcpy(own, p, n);
	push(c, (struct piece){own, n, own});
}

void peer_conn_ref(struct peer_conn *c, const void *p, size_t n)
{
	if(n > 0 && !c->closing)
		push(c, (struct piece){p, n, NULL});
}

size_t peer_conn_queued(const struct peer_conn *c)
{
	return c->q_bytes;
}

void peer_conn_pause(struct peer_conn *c, bool pause)
{
	c->paused = pause;
	if(c->depth == 0)
		watch(c);
}

void peer_conn_read_limit(struct peer_conn *c, size_t n)
{
	c->read_limit = n;
}

const char *peer_conn_error(const struct peer_conn *c)
{
	return c->error;
}

static struct peer_conn *conn_new(const struct peer_conn_conf *conf, int fd)
{
	struct peer_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if(!c || !(c->in = malloc(READ_BUFFER)))
		abort();
	c->loop = conf->loop;
	c->ops = conf->ops;
	c->arg = conf->arg;
	c->fd = fd;
	if(conf->fingerprint && !(c->fingerprint = strdup(conf->fingerprint)))
		abort();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if(conf->tls) {
		c->ssl = SSL_new(conf->tls);
		if(!c->ssl || !SSL_set_fd(c->ssl, fd))
			abort();
	}
	return c;
}

static int resolve(const char *host, int port, int flags, struct addrinfo **ai)
{
	struct addrinfo hints = {
			.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
	char service[8];

	snprintf(service, sizeof(service), "%u", (unsigned)port & 0xffff);
	return getaddrinfo(host, service, &hints, ai) == 0 ? 0 : -EADDRNOTAVAIL;
}

int peer_conn_connect(const struct peer_conn_conf *conf, struct peer_conn **out)
{
	struct addrinfo *ai, *local;
	struct peer_conn *c;
	int fd, rc = resolve(conf->host, conf->port, 0, &ai);

	if(rc != 0)
		return rc;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if(fd < 0) {
		rc = -errno;
	} else if(conf->bind_host
			&& resolve(conf->bind_host, 0, AI_NUMERICHOST, &local) == 0) {
		if(local->ai_family == ai->ai_family
				&& bind(fd, local->ai_addr, local->ai_addrlen) != 0)
			rc = -errno;
		freeaddrinfo(local);
	}
	if(rc == 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) != 0
			&& errno != EINPROGRESS)
		rc = -errno;
	freeaddrinfo(ai);
	if(rc != 0) {
		if(fd >= 0)
			close(fd);
		return rc;
	}
	c = conn_new(conf, fd);
	if(c->ssl)
		SSL_set_connect_state(c->ssl);
	watch(c);
	*out = c;
	return 0;
}

int peer_conn_accept(
		const struct peer_conn_conf *conf, int fd, struct peer_conn **out)
{
	struct peer_conn *c = conn_new(conf, fd);

	c->state = OPEN;
	if(c->ssl) {
		SSL_set_accept_state(c->ssl);
		c->state = HANDSHAKE;
	}
	watch(c);
	*out = c;
	return 0;
}

int peer_listen(const char *host, int *port)
{
	struct addrinfo *ai;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd, one = 1, rc = resolve(host, *port, AI_NUMERICHOST, &ai);

	if(rc != 0)
		return rc;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if(fd < 0) {
		freeaddrinfo(ai);
		return -errno;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if(bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 64) != 0
			|| getsockname(fd, (struct sockaddr *)&ss, &len) != 0) {
		rc = -errno;
		freeaddrinfo(ai);
		close(fd);
		return rc;
	}
	freeaddrinfo(ai);
	*port = ntohs(ss.ss_family == AF_INET6
					? ((struct sockaddr_in6 *)&ss)->sin6_port
					: ((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}
