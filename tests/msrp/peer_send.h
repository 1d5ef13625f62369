/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sends one message as chunks: keeps a few chunks in flight, counts what was
 * acknowledged, stops at the first error. RFC 4975 section 7.1.
 */
#ifndef PEER_SEND_H
#define PEER_SEND_H

#include <sys/uio.h>

#include "peer_conn.h"

#define PEER_PARTS_MAX 40

/* The message to send: borrowed memory that stays until the session ends. */
struct peer_source
{
	struct iovec part[PEER_PARTS_MAX];
	int parts;
	const char *content_type;
	const char *message_id; /* NULL: a random one */
};

/* How to cut and mark it. */
struct peer_send_conf
{
	uint64_t chunk_bytes; /* most in one chunk; 0 = all in one */
	int window;           /* chunks without a response; 0 = 64 */
	bool exact_range;     /* "1-2048/..." also for long chunks, else "1-*" */
	int timeout_ms; /* for a response; 0 = 30,000 (RFC 4975 section 7.1.1) */
	const char *success_report, *failure_report; /* NULL: "no", "yes" */
};

struct peer_send;

/** Nothing is sent before peer_send_push. Paths and source are borrowed. */
struct peer_send *peer_send_new(const struct peer_source *src,
		const struct peer_send_conf *conf, const char *to_path,
		const char *from_path);

/** Give the connection as much as it should have now. */
void peer_send_push(struct peer_send *s, struct peer_conn *c);

/**
 * A response has come.
 *
 * @return 0 it was not for a chunk of this message; 1 it was; 2 it was, and
 *         the message is over: peer_send_status says how
 */
int peer_send_response(
		struct peer_send *s, struct peer_conn *c, struct slice tid, int status);

/** True when a chunk waits for longer than timeout_ms: status becomes 408. */
bool peer_send_expired(struct peer_send *s);

/** Another frame must go out now: end the chunk under way with "+". */
void peer_send_interrupt(struct peer_send *s, struct peer_conn *c);

/** A failure REPORT: stop. */
void peer_send_stop(struct peer_send *s, struct peer_conn *c, int status);

int peer_send_status(const struct peer_send *s); /* 0 while under way */
uint64_t peer_send_acked(const struct peer_send *s);
uint64_t peer_send_total(const struct peer_send *s);
int peer_send_chunks(const struct peer_send *s); /* begun so far */
const char *peer_send_message_id(const struct peer_send *s);
void peer_send_free(struct peer_send **s);

/** Milliseconds of the monotonic clock. */
int64_t peer_now_ms(void);

#endif
