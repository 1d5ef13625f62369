/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The way into the B2BUA, and the reading of requests and SDP that the other
 * files of it share.
 */
#ifndef CPM_B2B_IN_H
#define CPM_B2B_IN_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_rcpts.h"
#include "cpm_session.h"
#include "proto/icsi.h"
#include "proto/sdp.h"

/* What the checks have found; texts are borrowed from the request. */
typedef struct cpm_invite
{
	cpm_timer_hdr_t timer;
	enum icsi service;
	struct sdp sdp;
	struct slice sdp_text;
	cpm_rcpts_t *rcpts; /* of a list, or clients, for cpm_rcpts_free(); NULL: no
						   list */
	bool term;          /* the recipients are clients of one user */
	bool to_isf;        /* the destination is neither sip nor tel (OL-18) */
	const char *detail; /* for the Warning of a refusal */
} cpm_invite_t;

/* Parse what every function here relies on: all headers, From with a tag, To,
 * Call-ID, CSeq: 0 or -1. */
int cpm_b2b_parse(sip_msg_t *msg);

/* A large-message INVITE of the originating role; as ki_cpm_originating(). */
int cpm_b2b_invite(sip_msg_t *msg);

/**
 * Check an INVITE (cpm_b2b_check.c).
 *
 * @param in filled; its list is the caller's in every case
 *
 * @return NULL all is well; else the name of the refusal
 */
const char *cpm_invite_check(sip_msg_t *msg, cpm_invite_t *in);

/* The same in the terminating role, behind cpm_term_check(): session timer,
 * service, offer. */
const char *cpm_invite_check_term(sip_msg_t *msg, cpm_invite_t *in);

/* Of it what is said of Contact and offer alone. */
const char *cpm_invite_check_media(sip_msg_t *msg, cpm_invite_t *in);

/**
 * A session for an INVITE that has been checked, for cpm_b2b_begin().
 *
 * @param in   its list is taken over, also on failure
 * @param dest whom it is for, where there is no list
 *
 * @return NULL without memory
 */
cpm_session_t *cpm_invite_build(
		sip_msg_t *msg, uint64_t id, cpm_invite_t *in, str dest);

/* t_newtran for a request to any address, also one that tm does not know, for
 * which it then sees the ISF's: as t_newtran. What is needed of the Request-URI
 * must have been copied. */
int cpm_b2b_newtran(sip_msg_t *msg);

/**
 * Begin a session whose request has a transaction (t_newtran) and whose id is
 * that transaction's: put it into the table, suspend the transaction, ask the
 * relay. From here on everything is answered through the session, also what
 * fails here.
 *
 * @param s       taken over, also on failure; its id, kind, msg and leg 0 are
 *                set, and its rcpts or content
 * @param wait_ms what the request's transaction may take in all
 *
 * @return 0; -1 without memory: the session is freed, nothing was answered
 */
int cpm_b2b_begin(sip_msg_t *msg, cpm_session_t *s, unsigned wait_ms);

/* What outbound legs begin with, under the lock or before there is one: MSRP
 * transport, session timer, socket (else that of leg 0). */
void cpm_b2b_legs_init(cpm_session_t *s);

/* A peer's SDP becomes CPM_P_* (shared memory) and the leg's plain values;
 * NULL without memory. */
cpm_strs_t *cpm_peer_read(cpm_leg_t *l, const struct sdp *sdp);

#endif
