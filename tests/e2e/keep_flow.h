/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager messages for a user of the PF, by hand: the test peer is the core, the
 * sender and every client; what is kept is in the relay's store. Beside
 * term_flow.h.
 */
#ifndef E2E_KEEP_FLOW_H
#define E2E_KEEP_FLOW_H

#include "term_flow.h"

/* Short times: fork_wait 1 s, push_settle 0.2 s, retries after 1 s, claims of
 * 3 s, two refusals; more: further lines of configuration, or NULL. */
void keep_start(struct own *o, const char *more);

/* A wrapper with that imdn.Message-ID; wish: value of Disposition-Notification,
 * NULL none. */
const char *keep_body(const char *id, const char *wish);

/* A disposition notification in its wrapper. */
const char *keep_imdn(const char *id);

/* Send alice's MESSAGE for bob to the terminating half; its Call-ID. */
const char *keep_send(struct own *o, const char *headers, const char *body);
const char *keep_send_req(struct own *o, struct req r);

/* The sender's answer. */
struct sip *keep_answer(struct own *o, const char *call_id, int code);

/* A message that is stored, bob being away; its body. */
const char *keep_stored(struct own *o, const char *id, const char *wish);

/* The next MESSAGE for that device of bob's. */
struct sip *keep_at(struct own *o, const char *urn);

/* The next MESSAGE for alice. */
struct sip *keep_at_sender(struct own *o);

/* Wait until so many messages are in the store. */
void keep_count(struct own *o, int n);

/* MESSAGEs that the PF has sent so far, retransmissions not counted. */
int keep_sent(struct own *o);

/* Is the body the same, byte by byte? Written with \n alone. */
bool keep_same(const struct sip *m, const char *body);

#endif
