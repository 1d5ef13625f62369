/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 200 that the peer of the inbound leg gets: made of a recipient's 200
 * (cpm_b2b_answer.c), or without one, where we take the message ourselves
 * (cpm_term_defer.c) or send a stored one (cpm_term_fetch.c).
 */
#ifndef CPM_B2B_OK_H
#define CPM_B2B_OK_H

#include "../../core/parser/msg_parser.h"
#include "cpm_session.h"
#include "proto/sdp.h"

/* What it is made of, copied under the session's lock. */
typedef struct cpm_ok
{
	uint64_t id;
	cpm_strs_t *local; /* CPM_M_* of the inbound leg, private copy */
	cpm_strs_t *msg;   /* CPM_T_*, likewise */
	uint64_t bytes;    /* size of the message that we send, 0 none */
	int max_bytes;     /* that we take, 0 any */
	uint16_t port;
	uint8_t offer_setup;
	enum sdp_dir dir; /* of ours */
	bool tls, cema, timer, asks_us;
	uint32_t expires_s;
} cpm_ok_t;

/* Copy what is needed: 0 or -ENOMEM; for cpm_ok_drop() in both cases. */
int cpm_ok_take(const cpm_session_t *s, cpm_ok_t *o);
void cpm_ok_drop(cpm_ok_t *o);

/* The inbound leg's session interval, s: what its peer wants, not over what
 * the other side has agreed to (0: there is none), within our limits. */
uint32_t cpm_ok_interval(const cpm_ok_t *o, uint32_t other_s);

/**
 * The whole answer (OL-19, OL-20; TL-08, TL-09).
 *
 * @param rpl       the recipient's 200, or NULL
 * @param theirs    its SDP, or NULL
 * @param expires_s of cpm_ok_interval()
 *
 * @return CPM_A_* in shared memory; NULL without memory
 */
cpm_strs_t *cpm_ok_answer(const cpm_ok_t *o, sip_msg_t *rpl,
		const struct sdp *theirs, uint32_t expires_s);

/* The answer is ready: it is kept, and the inbound leg described by it. Under
 * the lock; what is taken over is cleared. local: CPM_M_* with its SDP. */
void cpm_ok_adopt(cpm_session_t *s, cpm_strs_t **answer, cpm_strs_t **local,
		uint32_t expires_s);

/* Answer the inbound INVITE ourselves, as soon as the relay listens: what
 * nobody has taken, or what is fetched. */
void cpm_ok_self(uint64_t id);

#endif
