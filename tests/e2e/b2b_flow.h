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
