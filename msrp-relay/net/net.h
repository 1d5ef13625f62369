/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What all connections of one worker thread share: its loop, buffers, timers,
 * limits and counters, and the list of connections that have something to
 * write at the end of the current callback.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <uv.h>

#include "net/buf.h"
#include "net/wheel.h"
#include "stats/stats.h"

struct conn;
struct conn_out;
struct tls_ctx;

/* Bytes read at once from a TLS connection before they are deciphered. All of
 * them must fit behind an unfinished frame in one read buffer. */
#define NET_SCRATCH_BYTES (32 * 1024)

struct net
{
	uv_loop_t *loop;
	struct stats *stats;
	struct buf_pool pool;
	struct wheel wheel;
	struct conn *dirty;    /* connections to flush */
	struct conn_out *ring; /* an empty queue for the next that needs one */
	uint32_t ring_cap;
	struct buf *head;    /* where message heads are written, see conn_room */
	struct tls_ctx *tls; /* NULL without TLS */
	char *scratch;       /* NET_SCRATCH_BYTES, with TLS only */
	int max_connections;
	int connect_ms;
	struct sockaddr_storage source; /* to connect from; AF_UNSPEC = any */
};

/* loop, stats, limits and tls must be set. */
void net_init(struct net *net);
void net_destroy(struct net *net);

/* Write what the callbacks of this round have queued. To be called at the end
 * of each entry from the loop that may have queued something. */
void net_flush(struct net *net);

#endif
