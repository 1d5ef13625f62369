/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tap in the control connection between a PF and its relay: it can keep the
 * relay's answers back from the moment that a command has passed. So a test
 * has the time between what the relay did and what the PF knows of it.
 */
#ifndef E2E_CTL_TAP_H
#define E2E_CTL_TAP_H

#include "harness.h"

struct tap;

/* Take the place of the lab's control socket, for connections from now on;
 * lab_relayctl() goes past it. */
struct tap *tap_start(struct lab *lab);

/* From the next command of that method on no answer comes through. */
void tap_hold(struct tap *t, const char *method);

/* What was kept back is lost: close the connection and give the place back to
 * the relay; before that is started again. Safe to call twice. */
void tap_stop(struct tap *t);

#endif
