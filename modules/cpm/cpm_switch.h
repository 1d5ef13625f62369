/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message over the limit goes on as a large message: an INVITE in its
 * place, its content over MSRP, and then the answer to the MESSAGE
 * (OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 8B). docs/pager-to-large.md tells the
 * whole way.
 */
#ifndef CPM_SWITCH_H
#define CPM_SWITCH_H

#include "cpm_hdr.h"
#include "cpm_rcpts.h"
#include "proto/slice.h"

/**
 * Take a MESSAGE that has passed all checks and is over the pager limit. It is
 * answered through its session from then on, at the latest after modparam
 * switch_timeout.
 *
 * @param cpim   its message/cpim part, borrowed from msg
 * @param rcpts  to whom, when it came to the EXPLODER-URI; taken over in every
 *               case. NULL: to the Request-URI
 * @param detail may be set to a text for the Warning of the refusal
 *
 * @return NULL it was taken (or is a retransmission, which is absorbed); else
 *         the name of the refusal
 */
const char *cpm_switch(sip_msg_t *msg, struct slice cpim, cpm_rcpts_t *rcpts,
		const char **detail);

/* Header lines of its INVITE but for the session timer and the body's
 * (cpm_switch_headers.c). */
void cpm_switch_headers(cpm_buf_t *b, sip_msg_t *msg);

/* The relay has all of a message: a sender to many may be told so, where policy
 * is to accept at once. */
void cpm_switch_received(uint64_t id);

/* The sender's time is over. True: he was told that his message to many has
 * been accepted, and the session goes on; false: that is not so. */
bool cpm_switch_waited(uint64_t id);

/**
 * What the sender of a MESSAGE is told when its content was not taken by MSRP
 * (cpm_switch_fail.c; OP-43, OP-44).
 *
 * @param msrp status of the SEND; 0: the connection was refused or lost
 *
 * @return name of a row of cpm_reject.c
 */
const char *cpm_switch_refusal(int msrp);

#endif
