/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One TCP or TLS connection that carries MSRP: non-blocking, reads frames in
 * pieces as they come, writes borrowed memory without copying it.
 */
#ifndef PEER_CONN_H
#define PEER_CONN_H

#include <openssl/ssl.h>

#include "peer_loop.h"
#include "peer_msg.h"

struct peer_conn;

/* What the owner is told. Any of them may call peer_conn_close. */
struct peer_conn_ops
{
	void (*open)(void *arg); /* TCP, and TLS, is up */
	void (*head)(void *arg, const struct peer_msg *msg);
	void (*body)(void *arg, struct slice piece); /* 0 or more for a frame */
	void (*end)(void *arg, char flag);
	void (*drained)(void *arg);        /* nothing is left to be written */
	void (*closed)(void *arg, int rc); /* 0: by the other side; negative errno.
										  Nothing follows but the close */
};

/* How to connect. */
struct peer_conn_conf
{
	struct peer_loop *loop;
	const char *host; /* numeric address or name */
	int port;
	const char *bind_host;   /* numeric address to connect from; NULL = any */
	SSL_CTX *tls;            /* NULL = TCP */
	const char *fingerprint; /* the other side's certificate; NULL = any */
	const struct peer_conn_ops *ops;
	void *arg;
};

/** Start to connect. @return 0; negative errno, then nothing is called back */
int peer_conn_connect(
		const struct peer_conn_conf *conf, struct peer_conn **out);

/** Take a connection that was accepted; host and port of conf are not used. */
int peer_conn_accept(
		const struct peer_conn_conf *conf, int fd, struct peer_conn **out);

/** Listen on host:*port (0: any free one, which is filled in). @return fd */
int peer_listen(const char *host, int *port);

/** Queue a copy of n bytes. */
void peer_conn_put(struct peer_conn *c, const void *p, size_t n);

/** Queue n borrowed bytes, which stay until they are written or the close. */
void peer_conn_ref(struct peer_conn *c, const void *p, size_t n);

/** Bytes that are queued and not yet given to the kernel. */
size_t peer_conn_queued(const struct peer_conn *c);

/** Write what can be written now; called once after a group of puts. */
void peer_conn_flush(struct peer_conn *c);

/** Stop or resume reading. */
void peer_conn_pause(struct peer_conn *c, bool pause);

/** At most n bytes in one read; 0 = the whole buffer. */
void peer_conn_read_limit(struct peer_conn *c, size_t n);

/** Why TLS failed, for people; "" when it did not. */
const char *peer_conn_error(const struct peer_conn *c);

/** The only way out; *c becomes NULL. What is queued is lost. */
void peer_conn_close(struct peer_conn **c);

#endif
