/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One MSRP session of the tests' own endpoint: opens or awaits its connection
 * (RFC 6135), binds it with an empty SEND, sends one message, receives any
 * number. RFC 4975, RFC 6714.
 */
#ifndef PEER_SESSION_H
#define PEER_SESSION_H

#include "peer_send.h"

#define PEER_MESSAGE_ID_MAX 128
#define PEER_MUTE (-1) /* of peer_session_ops.accept: never answer */

/* A message that is being received. */
struct peer_incoming
{
	char id[PEER_MESSAGE_ID_MAX + 1];
	uint64_t bytes; /* from the start, without a hole */
	uint64_t total; /* PEER_ANY while unknown */
	int chunks;
};

struct peer_session_ops
{
	/* The connection is up and bound to the session. */
	void (*bound)(void *arg);
	/* More of our message was acknowledged. */
	void (*progress)(void *arg, uint64_t acked, uint64_t total);
	/* Our message is over: 200, the MSRP status that ended it, or 408. */
	void (*sent)(void *arg, int status);
	/* A chunk with content begins: the status it shall get, or PEER_MUTE. */
	int (*accept)(void *arg, const struct peer_msg *m);
	/* Bytes of a message, offset counted from 0. < 0: answer 413. */
	int (*data)(void *arg, const char *id, uint64_t offset, struct slice d);
	/* All of a message is there, its last chunk about to be answered: the
	 * status for that (200 when it is safe). */
	int (*received)(void *arg, const struct peer_incoming *m);
	/* The sender broke a message off with "#". */
	void (*aborted)(void *arg, const char *id);
	/* A REPORT. */
	void (*report)(void *arg, const struct peer_msg *m);
	/* The session is over before its time; why is for people. rc 0: the other
	 * side closed the connection. */
	void (*failed)(void *arg, int rc, const char *why);
};

struct peer_session_conf
{
	struct peer_loop *loop;
	const char *local_path;  /* one URI; copied */
	const char *remote_path; /* the peer's a=path; copied */
	bool active;             /* we open the connection */
	const char *host;        /* where to; copied by connect */
	int port;
	const char *bind_host;   /* local address to connect from, or NULL */
	int listen_fd;           /* passive: owned by the session from now on */
	SSL_CTX *tls;            /* NULL = TCP */
	const char *fingerprint; /* of the peer's certificate, or NULL */
	bool no_bind;            /* active, but send no empty SEND (for tests) */
	int timeout_ms;          /* connection and binding; 0 = 30,000 */
	const struct peer_session_ops *ops;
	void *arg;
};

struct peer_session;

/**
 * Start. On an error nothing is called back and listen_fd is closed.
 *
 * @return 0; negative errno
 */
int peer_session_start(
		const struct peer_session_conf *conf, struct peer_session **out);

/** Send a message; it leaves as soon as the session is bound. Once only. */
void peer_session_send(struct peer_session *s, const struct peer_source *src,
		const struct peer_send_conf *conf);

/** Break the message off: "#" and no further chunk. */
void peer_session_abort(struct peer_session *s);

/** Look at the clock; to be called a few times a second. */
void peer_session_tick(struct peer_session *s);

/** Limit reading to so many bytes a second; 0 = no limit. */
void peer_session_read_rate(struct peer_session *s, uint64_t bytes_per_s);

/** Of the message that is sent; NULL before peer_session_send. */
const struct peer_send *peer_session_sender(const struct peer_session *s);

/** The only way out, from any callback too. */
void peer_session_close(struct peer_session **s);

#endif
