/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What all tests of the B2BUA begin and end with.
 */
#ifndef E2E_B2B_FLOW_H
#define E2E_B2B_FLOW_H

#include "b2b_ua.h"
#include "harness.h"

/**
 * A lab without core and ISF, and a test peer on the core's address.
 *
 * @param cfg lines added to the PF's configuration, or NULL
 */
struct lab *flow_lab(struct ua **ua, const char *cfg);

/* INVITE sent, and taken on the other side. opt NULL: a plain one. */
struct call *flow_invite(
		struct ua *ua, const struct invite_opt *opt, struct call **callee);

/* The same, and a 180 of the callee has reached the originator. */
struct call *flow_ring(struct ua *ua, struct call **callee);

/* The callee answers, the originator gets his 200 (returned) and sends ACK. */
struct sip *flow_connect(struct call *a, struct call *b);

/* The callee answers with this failure; the originator's copy of it. */
struct sip *flow_refuse(struct call *a, struct call *b, int code);

/* The callee takes the CANCEL: 200 to it, 487 to the INVITE. */
void flow_cancel_comes(struct call *b);

/* The originator hangs up in the early dialog that his 180 has made: 200 to the
 * BYE, 487 to the INVITE (RFC 3261 section 15). */
void flow_early_bye(struct lab *lab, struct call *a);

/* INVITE, 180, 200, ACK on both sides: both dialogs stand. */
struct call *flow_establish(struct ua *ua, struct call **callee);

/* The same with further header lines in the callee's 200. */
struct call *flow_establish_with(
		struct ua *ua, struct call **callee, const char *headers);

/* BYE of one side, with a Reason, reaches the other. */
void flow_hang_up(struct call *who, struct call *other);

/* Take the PF's BYE on that side and answer it; its Reason. */
const char *flow_bye_comes(struct call *c, int timeout_ms);

#endif
