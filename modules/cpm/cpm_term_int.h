/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminating role, inside: what cpm_term*.c and the B2BUA call of each
 * other. As in cpm_b2b.h, all functions that take a session's id may be called
 * in any process, hold no lock on entry or return, and do nothing when the
 * session is gone.
 */
#ifndef CPM_TERM_INT_H
#define CPM_TERM_INT_H

#include <jansson.h>

#include "cpm_session.h"
#include "cpm_term.h"

/* ---- clients (cpm_term_choose.c) ---- */

/* Whom a message is for. */
typedef struct cpm_term_whom
{
	str user;      /* canonical */
	str ruri;      /* Request-URI as received: a GRUU is one client's */
	unsigned what; /* CPM_CAN_* */
	product_version version; /* the oldest that may be chosen; 0 any */
} cpm_term_whom_t;

/**
 * Choose the clients.
 *
 * @param out filled on 0; NULL: there is none
 *
 * @return 0; -EAGAIN they are not known yet; -ENOMEM
 */
int cpm_term_choose(const cpm_term_whom_t *w, cpm_rcpts_t **out);

/* ---- deferral of a session's message (cpm_term_defer.c) ---- */

/* Is that refusal of the relay's for want of a store, not of room in it? */
bool cpm_defer_is_away(int code);

/* session.create has been answered: session.defer, where it is wanted. */
void cpm_defer_ask(uint64_t id);

/* message.deferred and message.refused, in the link process. */
void cpm_defer_event(uint64_t id, const char *type, const json_t *params);

/* ---- push (cpm_term_push.c) ---- */

/* A session of CPM_UAS_STORE ends, or its first client has all of it: whoever
 * pushes is told. */
void cpm_push_tell(uint64_t id, bool over);

/* ---- fetching (cpm_term_fetch.c) ---- */

/* Read modparam deferred_uri; in mod_init: 0 or -1. */
int cpm_fetch_init(void);

/* Is this INVITE for the function that has the stored messages? */
bool cpm_fetch_wanted(sip_msg_t *msg);

/* Serve it. As ki_cpm_terminating(). */
int cpm_fetch(sip_msg_t *msg);

/* A session of CPM_UAS_FETCH begins: the message is claimed. 0, or the caller
 * ends the session. */
int cpm_fetch_claim(uint64_t id);

/* It ends: what has not been fetched goes back to the store. */
void cpm_fetch_over(uint64_t id);

#endif
