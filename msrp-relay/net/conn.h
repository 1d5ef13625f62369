/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One TCP connection, with or without TLS. Reading hands the bytes of a
 * reference-counted buffer to the owner, who says how many he has taken;
 * writing takes slices of such buffers and sends them together with writev.
 * The queue towards the peer is filled by the owner only as far as asked
 * (pull), so it stays small whatever is waiting behind it.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/net.h"

/* The owner is asked for more until so many bytes are queued. */
#define CONN_OUT_FULL (256 * 1024)

/* Over this, which only answers can cause that the peer does not read, the
 * connection is not read any more. */
#define CONN_OUT_STOP (CONN_OUT_FULL + 128 * 1024)

/* Text of the peer's address, "[2001:db8::1]:65535" and NUL. */
#define CONN_ADDR_MAX 56

struct conn;
struct tls;

struct conn_ops
{
	/* The connection (and its TLS) is up. Also for accepted ones. */
	void (*open)(struct conn *c);

	/* Bytes p..p+n of b have arrived or are still there. Returns how many are
	 * taken; the rest comes again with what follows. Keeps b by buf_ref. */
	size_t (*data)(struct conn *c, struct buf *b, const char *p, size_t n);

	/* There is room: queue what you have, at most until conn_full(). */
	void (*pull)(struct conn *c);

	/* It is gone, for this reason (0 or a negative errno); never called from
	 * within another call of the owner. c is freed on return. */
	void (*closed)(struct conn *c, int err);
};

struct conn_out
{
	struct buf *b;
	const char *p;
	size_t n;
};

struct conn
{
	const struct conn_ops *ops;
	struct net *net;
	uv_poll_t poll;
	int fd;
	int err; /* why it was closed */
	int events;
	bool connecting, open, closing, eof, is_dirty, finish;
	bool resumed; /* what is in `in` waits to be handed over */
	bool accepted;
	bool midway;     /* set by the owner: more of the same must follow */
	bool blocked;    /* the socket takes no more */
	bool stop_full;  /* not read: CONN_OUT_STOP */
	uint32_t paused; /* not read: conn_pause */
	struct conn *dirty_next;
	struct tls *tls; /* NULL for plain TCP */
	struct buf *in;  /* what is not taken yet: in_pos to in->used */
	uint32_t in_pos;
	uint32_t out_head, out_count, out_cap; /* ring of slices to write */
	struct conn_out *out;
	size_t out_bytes;
	uint64_t written;         /* bytes given to the socket */
	struct wheel_timer timer; /* connection set-up, then the owner's */
	char addr[CONN_ADDR_MAX];
};

/**
 * Take over an accepted socket.
 *
 * @param c   zeroed, first member of the owner's allocation from malloc
 * @param tls speak TLS as server
 */
void conn_accepted(struct conn *c, struct net *net, const struct conn_ops *ops,
		int fd, const struct sockaddr *peer, bool tls);

/**
 * Open a connection; open() or closed() follows.
 *
 * @return 0, or a negative errno (then closed() is not called)
 */
int conn_connect(struct conn *c, struct net *net, const struct conn_ops *ops,
		const struct sockaddr *peer, bool tls);

/* Room of n bytes to write a message head to; conn_commit queues the first
 * used bytes of it. n is at most CONN_ROOM_MAX. */
#define CONN_ROOM_MAX 16384
char *conn_room(struct conn *c, size_t n);
void conn_commit(struct conn *c, size_t used);

/* Queue a slice of b, which gets a reference. */
void conn_write(struct conn *c, struct buf *b, const char *p, size_t n);

/* There is something to pull: see to it at the next net_flush. */
void conn_wake(struct conn *c);

static inline bool conn_full(const struct conn *c)
{
	return c->out_bytes >= CONN_OUT_FULL;
}

/* Stop and go on reading; pauses are counted. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/**
 * How far the peer's kernel has taken what was written.
 *
 * @param acked bytes that it has acknowledged since the connection began
 * @return bytes that it has not, with what is still queued here
 */
uint64_t conn_progress(const struct conn *c, uint64_t *acked);

/* The only way out; safe to call twice. What is queued is dropped. */
void conn_close(struct conn *c, int err);

/* Close when all that is queued has been written, or cannot be. */
void conn_finish(struct conn *c);

#endif
