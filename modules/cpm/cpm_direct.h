/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery: what a user has sent goes to his other registered clients
 * too, so that all of them show it (OMA-TS-CPM_Conv_Fnct 8.2.1.1 "direct
 * delivery" 1-3, 8.2.1.2 steps A to E; docs/direct-delivery.md). A pager
 * message goes as one MESSAGE to each of them when it has been taken, a large
 * one as one INVITE each when its first part has been acknowledged.
 */
#ifndef CPM_DIRECT_H
#define CPM_DIRECT_H

#include "cpm_b2b.h"
#include "cpm_hdr.h"
#include "cpm_rcpts.h"
#include "proto/icsi.h"

/* Copies that wait until the message has been taken; shared memory. */
typedef struct cpm_direct cpm_direct_t;

/* Make the line that says what a copy is; in mod_init: 0 or -1. */
int cpm_direct_init(void);

/* It, without the end of its last line; and as the relay is told ("cpim_add"):
 * without the declaration of a prefix. */
str cpm_direct_cpim_line(void);
str cpm_direct_relay_line(void);

/* ---- to whom (cpm_direct.c) ---- */

/* Whose other clients, and which one is not meant; shared memory. */
typedef struct cpm_direct_who cpm_direct_who_t;

/**
 * Is there, or may there be, a client besides the one that has sent this
 * request? Cheap when there is none.
 *
 * @param msg  headers parsed to the end
 * @param what CPM_CAN_MSG or CPM_CAN_LARGE
 *
 * @return for cpm_direct_who_free(); NULL: no, or policy forbids it
 *         ($cpm(direct_delivery)), or no memory
 */
cpm_direct_who_t *cpm_direct_who(sip_msg_t *msg, unsigned what);

/* NULL is fine. */
void cpm_direct_who_free(cpm_direct_who_t *w);

/**
 * The sender's other clients as they are now: those that are registered, have
 * the service's feature tag, meet $cpm(min_version), and are not the one that
 * has sent the request (OP-49, OL-26), each with its address and what only its
 * request carries (OP-51, OL-27).
 *
 * @return for cpm_rcpts_free(); NULL: there is none, or no memory
 */
cpm_rcpts_t *cpm_direct_choose(const cpm_direct_who_t *w);

/* ---- pager (cpm_direct_msg.c) ---- */

/**
 * Everything that the copies of a MESSAGE will need.
 *
 * @param text    its message/cpim body
 * @param service to be asserted
 * @param ids     complete lines, among them the Conversation-ID and
 *                Contribution-ID that were made for a message without
 *
 * @return NULL: there will be none
 */
cpm_direct_t *cpm_direct_new(
		sip_msg_t *msg, struct slice text, enum icsi service, str ids);

/* Send them and free. */
void cpm_direct_send(cpm_direct_t *d);

/* NULL is fine. */
void cpm_direct_free(cpm_direct_t *d);

/* A MESSAGE that is about to be relayed: the copies go when it is answered
 * with 2xx (OP-48). */
void cpm_direct_on_answer(sip_msg_t *msg, struct slice text, str ids);

/* ---- large (cpm_direct_large.c) ---- */

/* A session that is being built: it gets copies, and keeps its message. */
void cpm_direct_prepare(cpm_session_t *s, sip_msg_t *msg);

/* The first part of its message has been acknowledged, or all of it: the
 * copies begin, once (OL-26). */
void cpm_direct_begin(uint64_t id);

#endif
