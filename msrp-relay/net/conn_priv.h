/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shared by conn.c (life, reading), conn_out.c (writing) and tls.c only.
 */
#ifndef NET_CONN_PRIV_H
#define NET_CONN_PRIV_H

#include "net/conn.h"

/* Tell libuv what the connection waits for now. */
void conn_events(struct conn *c);

/* The connection can carry the owner's bytes. */
void conn_opened(struct conn *c);

/* Room behind what has been read; the caller adds to c->in->used. */
char *conn_in_room(struct conn *c, size_t *n);

/* Hand what has been read to the owner. */
void conn_in_deliver(struct conn *c);

/* The set-up, or the last writing, took too long. */
void conn_on_timeout(struct wheel_timer *t);

/* Drop what is queued. */
void conn_out_drop(struct conn *c);

/* The first n bytes of the queue are written. */
void conn_out_done(struct conn *c, size_t n);

#endif
