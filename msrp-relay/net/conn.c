/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Life of a connection and its reading half: accept, connect, read into
 * pooled buffers, stop and go on, close. Its writing half is conn_out.c.
 * Called by the MSRP layer (session/), one thread for each worker.
 */
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/conn_priv.h"
#include "net/tls.h"

/* A read buffer with less room than this is replaced before reading. */
#define READ_ROOM_MIN (24 * 1024)

/* Reads of one connection before the others have their turn. */
#define READS_PER_EVENT 4

/* Smallest buffer for the rest of an unfinished frame. */
#define REST_MIN 512

static void on_poll(uv_poll_t *poll, int status, int events);

static void addr_print(char *out, size_t size, const struct sockaddr *sa)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if(sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)sa;
		inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof(ip));
		snprintf(out, size, "[%s]:%u", ip, ntohs(a->sin6_port));
	} else {
		const struct sockaddr_in *a = (const void *)sa;
		inet_ntop(AF_INET, &a->sin_addr, ip, sizeof(ip));
		snprintf(out, size, "%s:%u", ip, ntohs(a->sin_port));
	}
}

void conn_events(struct conn *c)
{
	int ev = 0;

	if(c->closing)
		return;
	if(c->connecting) {
		ev = UV_WRITABLE;
	} else {
		if(c->paused == 0 && !c->stop_full && !c->eof)
			ev |= UV_READABLE;
		if(c->blocked)
			ev |= UV_WRITABLE;
	}
	if(ev == c->events)
		return;
	c->events = ev;
	if(ev)
		uv_poll_start(&c->poll, ev, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static void conn_setup(struct conn *c, struct net *net,
		const struct conn_ops *ops, int fd, const struct sockaddr *peer)
{
	int one = 1;

	c->net = net;
	c->ops = ops;
	c->fd = fd;
	addr_print(c->addr, sizeof(c->addr), peer);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	uv_poll_init(net->loop, &c->poll, fd);
	c->poll.data = c;
	stat_add(net->stats, connections, 1);
}

void conn_on_timeout(struct wheel_timer *t)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));

	conn_close(c, -ETIMEDOUT);
}

void conn_opened(struct conn *c)
{
	c->open = true;
	wheel_disarm(&c->net->wheel, &c->timer);
	c->ops->open(c);
	conn_wake(c);
}

void conn_accepted(struct conn *c, struct net *net, const struct conn_ops *ops,
		int fd, const struct sockaddr *peer, bool tls)
{
	conn_setup(c, net, ops, fd, peer);
	c->accepted = true;
	stat_add(net->stats, connections_accepted_total, 1);
	if(!tls) {
		conn_opened(c);
	} else {
		wheel_arm(&net->wheel, &c->timer, (uint64_t)net->connect_ms,
				conn_on_timeout);
		c->tls = tls_new(net->tls, true);
		if(c->tls == NULL)
			conn_close(c, -ENOMEM);
	}
	conn_events(c);
}

/* A connecting socket, or a negative errno. */
static int socket_to(const struct sockaddr *peer, const struct sockaddr *from)
{
	socklen_t len = peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
												: sizeof(struct sockaddr_in);
	int one = 1, err;
	int fd = socket(
			peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if(fd < 0)
		return -errno;
	if(from) {
		/* The port is chosen in connect, where it need not be unique. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if(bind(fd, from, len) != 0) {
			err = -errno;
			close(fd);
			return err;
		}
	}
	if(connect(fd, peer, len) == 0 || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int conn_connect(struct conn *c, struct net *net, const struct conn_ops *ops,
		const struct sockaddr *peer, bool tls)
{
	const struct sockaddr *from = (const struct sockaddr *)&net->source;
	int fd = -EINVAL;

	if(from->sa_family == peer->sa_family)
		fd = socket_to(peer, from);
	/* The peer may not be reachable from there: an address of this host. */
	if(fd < 0 && fd != -ECONNREFUSED)
		fd = socket_to(peer, NULL);
	if(fd < 0)
		return fd;
	if(tls && (c->tls = tls_new(net->tls, false)) == NULL) {
		close(fd);
		return -ENOMEM;
	}
	conn_setup(c, net, ops, fd, peer);
	c->connecting = true;
	stat_add(net->stats, connections_opened_total, 1);
	wheel_arm(
			&net->wheel, &c->timer, (uint64_t)net->connect_ms, conn_on_timeout);
	conn_events(c);
	return 0;
}

/* The socket's pending error as a negative errno, or dflt. */
static int socket_error(const struct conn *c, int dflt)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	return err ? -err : dflt;
}

static void on_connected(struct conn *c)
{
	int err = socket_error(c, 0);

	if(err != 0) {
		conn_close(c, err);
		return;
	}
	c->connecting = false;
	if(c->tls) {
		err = tls_start(c);
		if(err != 0)
			conn_close(c, err);
	} else {
		conn_opened(c);
	}
	conn_events(c);
}

/* Make room for a read: behind what is there, or in a new buffer. */
static void in_room(struct conn *c)
{
	struct buf *b = c->in, *fresh;
	uint32_t rest;

	if(b && c->in_pos == b->used && b->refs == 1 && b->cap == BUF_BYTES) {
		b->used = 0;
		c->in_pos = 0;
	}
	if(b && b->cap - b->used >= READ_ROOM_MIN)
		return;
	fresh = buf_get(&c->net->pool);
	if(b) {
		rest = b->used - c->in_pos;
		memcpy(fresh->data, b->data + c->in_pos, rest);
		fresh->used = rest;
		buf_unref(&c->in);
	}
	c->in = fresh;
	c->in_pos = 0;
}

char *conn_in_room(struct conn *c, size_t *n)
{
	in_room(c);
	*n = c->in->cap - c->in->used;
	return c->in->data + c->in->used;
}

/* Hand over what is there. */
void conn_in_deliver(struct conn *c)
{
	size_t n, taken;

	c->resumed = false;
	while(!c->closing && c->paused == 0 && c->in
			&& (n = c->in->used - c->in_pos) > 0) {
		taken = c->ops->data(c, c->in, c->in->data + c->in_pos, n);
		c->in_pos += (uint32_t)taken;
		if(taken == 0)
			break;
	}
}

/* At the end of an event: an idle connection holds no read buffer, and an
 * unfinished frame holds no more than it needs. */
static void in_trim(struct conn *c)
{
	struct buf *b = c->in, *small;
	uint32_t rest, cap = REST_MIN;

	if(b == NULL)
		return;
	rest = b->used - c->in_pos;
	if(rest == 0) {
		buf_unref(&c->in);
		c->in_pos = 0;
	} else if(b->cap == BUF_BYTES && rest < BUF_BYTES / BUF_COPY_PART) {
		while(cap < rest)
			cap *= 2;
		small = buf_new(&c->net->pool, cap);
		memcpy(small->data, b->data + c->in_pos, rest);
		small->used = rest;
		buf_unref(&c->in);
		c->in = small;
		c->in_pos = 0;
	}
}

/* A peer that writes head, content and end-line one by one, without
 * TCP_NODELAY, waits for our ACK before it sends the last of them; a delayed
 * one would cost 40 ms a frame. */
static void ack_now(const struct conn *c)
{
	int one = 1;

	if(c->midway && !c->closing)
		setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

static void on_eof(struct conn *c)
{
	c->eof = true;
	conn_close(c, 0);
}

/* One recv into p; the bytes, 0 or less when there are none or it is over. */
static ssize_t receive(struct conn *c, void *p, size_t room)
{
	ssize_t n = recv(c->fd, p, room, 0);

	if(n < 0 && errno != EAGAIN && errno != EINTR)
		conn_close(c, -errno);
	if(n == 0)
		on_eof(c);
	if(n > 0)
		stat_add(c->net->stats, received_bytes_total, (uint64_t)n);
	return n;
}

/* Read once; what it says about going on: 1 more may be there, 0 not. */
static int read_plain(struct conn *c)
{
	size_t room;
	char *p = conn_in_room(c, &room);
	ssize_t n = receive(c, p, room);

	if(n <= 0)
		return 0;
	c->in->used += (uint32_t)n;
	conn_in_deliver(c);
	return (size_t)n == room;
}

static int read_tls(struct conn *c)
{
	ssize_t n = receive(c, c->net->scratch, NET_SCRATCH_BYTES);
	int err;

	if(n <= 0)
		return 0;
	err = tls_received(c, c->net->scratch, (size_t)n);
	if(err != 0)
		conn_close(c, err);
	return n == NET_SCRATCH_BYTES;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;
	struct net *net = c->net;

	if(status < 0) {
		/* libuv reports any EPOLLERR as EBADF; the socket knows better. */
		conn_close(c, socket_error(c, status));
		net_flush(net);
		return;
	}
	if(c->connecting) {
		on_connected(c);
		net_flush(net);
		return;
	}
	if(events & UV_WRITABLE) {
		c->blocked = false;
		conn_wake(c);
		net_flush(net);
	}
	if(events & UV_READABLE) {
		for(int i = 0; i < READS_PER_EVENT && !c->closing && c->paused == 0
				&& !c->stop_full;
				i++) {
			int more = c->tls ? read_tls(c) : read_plain(c);
			net_flush(net);
			if(!more)
				break;
		}
		in_trim(c);
		ack_now(c);
	}
	conn_events(c);
}

void conn_pause(struct conn *c)
{
	c->paused++;
	conn_wake(c);
}

void conn_resume(struct conn *c)
{
	c->paused--;
	c->resumed = c->in != NULL;
	conn_wake(c);
}

uint64_t conn_progress(const struct conn *c, uint64_t *acked)
{
	int n = 0;

	if(ioctl(c->fd, SIOCOUTQ, &n) != 0)
		n = 0;
	*acked = c->written - (uint64_t)n;
	return (uint64_t)n + c->out_bytes + (c->tls ? tls_pending(c->tls) : 0);
}

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;
	struct net *net = c->net;

	c->ops->closed(c, c->err);
	free(c);
	net_flush(net);
}

void conn_close(struct conn *c, int err)
{
	if(c->closing)
		return;
	c->closing = true;
	c->err = err;
	if(err != 0)
		stat_add(c->net->stats, connections_failed_total, 1);
	stat_sub(c->net->stats, connections, 1);
	wheel_disarm(&c->net->wheel, &c->timer);
	conn_out_drop(c);
	if(c->tls && err == 0)
		tls_bye(c);
	buf_unref(&c->in);
	if(c->tls)
		tls_free(&c->tls);
	uv_poll_stop(&c->poll);
	close(c->fd);
	c->fd = -1;
	uv_close((uv_handle_t *)&c->poll, on_closed);
}
