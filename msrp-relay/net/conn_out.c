/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The writing half of a connection: a ring of borrowed slices that goes out
 * with one sendmsg at the end of each callback. When the socket takes no more,
 * small slices are gathered in a buffer of their own, so that a slow peer
 * never holds large buffers for little data.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/conn_priv.h"
#include "net/tls.h"

#define OUT_RING_MIN 8              /* slices; a power of two */
#define OUT_RING_KEEP 256           /* a larger ring is freed when empty */
#define OUT_IOV_MAX 256             /* slices of one sendmsg */
#define OUT_WRITE_MAX (1024 * 1024) /* bytes before others have their turn */
#define HEAD_BYTES (32 * 1024)

static struct conn_out *out_at(struct conn *c, uint32_t i)
{
	return &c->out[(c->out_head + i) & (c->out_cap - 1)];
}

static void ring_grow(struct conn *c)
{
	struct net *net = c->net;
	uint32_t cap = c->out_cap ? c->out_cap * 2 : OUT_RING_MIN;
	struct conn_out *ring;

	if(c->out_cap == 0 && net->ring) {
		c->out = net->ring;
		c->out_cap = net->ring_cap;
		c->out_head = 0;
		net->ring = NULL;
		return;
	}
	ring = xmalloc(cap * sizeof(*ring));
	for(uint32_t i = 0; i < c->out_count; i++)
		ring[i] = *out_at(c, i);
	free(c->out);
	c->out = ring;
	c->out_cap = cap;
	c->out_head = 0;
}

/* Mostly one connection after the other has something to write: they share
 * one ring, and an idle connection has none. */
static void ring_leave(struct conn *c)
{
	struct net *net = c->net;

	if(net->ring == NULL && c->out_cap <= OUT_RING_KEEP) {
		net->ring = c->out;
		net->ring_cap = c->out_cap;
	} else {
		free(c->out);
	}
	c->out = NULL;
	c->out_cap = c->out_head = 0;
}

void conn_wake(struct conn *c)
{
	if(c->is_dirty || c->closing)
		return;
	c->is_dirty = true;
	c->dirty_next = c->net->dirty;
	c->net->dirty = c;
}

void conn_write(struct conn *c, struct buf *b, const char *p, size_t n)
{
	struct conn_out *o;

	if(c->closing || n == 0)
		return;
	conn_wake(c);
	c->out_bytes += n;
	if(c->out_count > 0) {
		o = out_at(c, c->out_count - 1);
		if(o->b == b && o->p + o->n == p) {
			o->n += n;
			return;
		}
	}
	if(c->out_count == c->out_cap)
		ring_grow(c);
	*out_at(c, c->out_count++) = (struct conn_out){buf_ref(b), p, n};
}

char *conn_room(struct conn *c, size_t n)
{
	struct net *net = c->net;

	if(net->head && net->head->cap - net->head->used < n) {
		if(net->head->refs == 1)
			net->head->used = 0;
		else
			buf_unref(&net->head);
	}
	if(net->head == NULL)
		net->head = buf_new(&net->pool, HEAD_BYTES);
	return net->head->data + net->head->used;
}

void conn_commit(struct conn *c, size_t used)
{
	struct buf *b = c->net->head;

	conn_write(c, b, b->data + b->used, used);
	b->used += (uint32_t)used;
}

void conn_out_done(struct conn *c, size_t n)
{
	c->out_bytes -= n;
	while(n > 0) {
		struct conn_out *o = out_at(c, 0);
		if(n < o->n) {
			o->p += n;
			o->n -= n;
			return;
		}
		n -= o->n;
		buf_unref(&o->b);
		c->out_head = (c->out_head + 1) & (c->out_cap - 1);
		c->out_count--;
	}
	if(c->out_count == 0)
		ring_leave(c);
}

void conn_out_drop(struct conn *c)
{
	while(c->out_count > 0) {
		buf_unref(&out_at(c, 0)->b);
		c->out_head = (c->out_head + 1) & (c->out_cap - 1);
		c->out_count--;
	}
	ring_leave(c);
	c->out_bytes = 0;
}

static bool is_small(const struct conn_out *o)
{
	return o->n < o->b->cap / BUF_COPY_PART && !o->b->shared;
}

/* The socket is full: runs of small slices move to a buffer of their own. */
static void out_compact(struct conn *c)
{
	uint32_t from = 0, to = 0, count = c->out_count;

	while(from < count) {
		struct conn_out run = *out_at(c, from);
		uint32_t k = from;
		size_t sum = 0;

		while(k < count && is_small(out_at(c, k))
				&& sum + out_at(c, k)->n <= CONN_OUT_FULL)
			sum += out_at(c, k++)->n;
		if(k > from) {
			struct buf *b = buf_new(&c->net->pool, (uint32_t)sum);
			for(; from < k; from++) {
				struct conn_out *o = out_at(c, from);
				memcpy(b->data + b->used, o->p, o->n);
				b->used += (uint32_t)o->n;
				buf_unref(&o->b);
			}
			run = (struct conn_out){b, b->data, sum};
		} else {
			from++;
		}
		*out_at(c, to++) = run;
	}
	c->out_count = to;
}

/* Send from the queue: 1 go on, 0 the socket is full or nothing is left. */
static int write_plain(struct conn *c)
{
	struct iovec iov[OUT_IOV_MAX];
	struct msghdr msg = {.msg_iov = iov};
	size_t want = 0;
	ssize_t n;
	uint32_t i;

	for(i = 0; i < c->out_count && i < OUT_IOV_MAX; i++) {
		struct conn_out *o = out_at(c, i);
		iov[i] = (struct iovec){(void *)o->p, o->n};
		want += o->n;
	}
	if(i == 0)
		return 0;
	msg.msg_iovlen = i;
	n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	if(n < 0) {
		if(errno == EAGAIN || errno == EINTR)
			c->blocked = true;
		else
			conn_close(c, -errno);
		return 0;
	}
	c->written += (uint64_t)n;
	stat_add(c->net->stats, sent_bytes_total, (uint64_t)n);
	conn_out_done(c, (size_t)n);
	if((size_t)n < want) {
		c->blocked = true;
		return 0;
	}
	return 1;
}

static int write_tls(struct conn *c)
{
	struct iovec iov[OUT_IOV_MAX];
	int n = 0;

	for(uint32_t i = 0; i < c->out_count && i < OUT_IOV_MAX; i++) {
		struct conn_out *o = out_at(c, i);
		iov[n++] = (struct iovec){(void *)o->p, o->n};
	}
	n = tls_write(c, iov, n);
	if(n < 0) {
		conn_close(c, n);
		return 0;
	}
	conn_out_done(c, (size_t)n);
	return n > 0;
}

static void conn_flush(struct conn *c)
{
	size_t budget = OUT_WRITE_MAX;

	if(c->closing)
		return;
	while(c->open && !c->blocked && !c->closing) {
		size_t before;

		if(!conn_full(c))
			c->ops->pull(c);
		if(c->closing)
			return;
		before = c->out_bytes;
		if(before == 0 && (c->tls == NULL || tls_pending(c->tls) == 0))
			break;
		if((c->tls ? write_tls(c) : write_plain(c)) == 0)
			break;
		budget -=
				before - c->out_bytes < budget ? before - c->out_bytes : budget;
		if(budget == 0) {
			/* The kernel says at once that it can go on. */
			c->blocked = true;
		}
	}
	if(!c->open && c->tls && !c->blocked && !c->closing)
		write_tls(c);
	if(c->closing)
		return;
	if(c->blocked && c->out_count > 0)
		out_compact(c);
	c->stop_full = c->out_bytes > CONN_OUT_STOP;
	if(c->finish && c->out_bytes == 0
			&& (c->tls == NULL || tls_pending(c->tls) == 0)) {
		conn_close(c, 0);
		return;
	}
	if(c->resumed && c->paused == 0)
		conn_in_deliver(c);
	conn_events(c);
}

void net_flush(struct net *net)
{
	struct conn *c;

	while((c = net->dirty) != NULL) {
		net->dirty = c->dirty_next;
		c->is_dirty = false;
		conn_flush(c);
	}
}

void conn_finish(struct conn *c)
{
	if(c->closing || c->finish)
		return;
	c->finish = true;
	wheel_arm(&c->net->wheel, &c->timer, (uint64_t)c->net->connect_ms,
			conn_on_timeout);
	conn_wake(c);
}

void net_init(struct net *net)
{
	buf_pool_init(&net->pool, &net->stats->buffer_bytes,
			&net->stats->spool_memory_bytes);
	wheel_init(&net->wheel, net->loop, (void (*)(void *))net_flush, net);
	net->dirty = NULL;
	net->head = NULL;
	if(net->tls)
		net->scratch = xmalloc(NET_SCRATCH_BYTES);
}

void net_destroy(struct net *net)
{
	buf_unref(&net->head);
	free(net->ring);
	buf_pool_destroy(&net->pool);
	free(net->scratch);
	net->scratch = NULL;
}
