/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Leg and peer objects of the control protocol, as parameters for relay.h.
 */
#ifndef CTL_LEG_H
#define CTL_LEG_H

#include "ctl_param.h"
#include "session/relay.h"

/* What relay_leg_params points to; must live as long as that is used. */
struct ctl_leg_args
{
	struct relay_peer peer;
	char *accept_types, *accept_wrapped_types; /* owned */
};

/**
 * Read a leg object: leg, direction, transport, and peer, connect, match,
 * chunk_bytes when the leg is to start at once.
 *
 * @param object borrowed; *out borrows its strings
 * @param tls    the daemon has a certificate
 * @param fault  set when something is wrong
 */
void ctl_leg_read(json_t *object, const char *prefix, bool tls,
		struct param_fault *fault, struct ctl_leg_args *args,
		struct relay_leg_params *out);

void ctl_leg_args_free(struct ctl_leg_args *args);

#endif
