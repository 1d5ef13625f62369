/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A core that sends back to us what we have sent: a filter criterion matches
 * a second time because the core did not know the request for the one that it
 * had already sent here. Everything that leaves in one session case carries a
 * mark; what comes back with it in the same case is passed on as it is.
 *
 * The mark is a keyed hash over what makes the message what it is, and is good
 * for a minute: who has received one cannot use it for a message of his own
 * that would then go unchecked.
 */
#ifndef CPM_LOOP_H
#define CPM_LOOP_H

#include "cpm_hdr.h"
#include "cpm_req.h"

#define CPM_LOOP_VALID_S 60 /* how long a mark is good */

/* Work out our name and key from the modparams; in mod_init: 0 or -1. */
int cpm_loop_init(void);

/* Our name in the mark. */
str cpm_loop_instance(void);

/**
 * Write the mark's line for a request that we send.
 *
 * @param b       gets "X-CPM-PF: ...\r\n", or nothing without loop_header
 * @param c       the case in which we act
 * @param headers the request's other headers: its first P-Asserted-Identity
 *                and Privacy are part of the mark
 * @param call_id of the request to be sent
 * @param body    of a MESSAGE; empty for an INVITE, whose offer the core may
 *                change
 */
void cpm_loop_add(
		cpm_buf_t *b, cpm_case_t c, str headers, str call_id, str body);

/* The same for a request that is relayed, as a lump: 0 or -1. */
int cpm_loop_mark(sip_msg_t *msg, cpm_case_t c);

/* Has this request been here in that case? From a trusted peer only. All
 * headers must have been parsed. */
bool cpm_loop_seen(sip_msg_t *msg, cpm_case_t c);

/* Pass on a request that has been here, as it is; refuse it when that fails.
 * As a script function: 0. */
int cpm_loop_relay(sip_msg_t *msg);

#endif
