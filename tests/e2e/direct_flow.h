/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PF that is the registrar of its users itself, with a relay and a test peer
 * on the core's address: who has which clients is what the test registers.
 */
#ifndef E2E_DIRECT_FLOW_H
#define E2E_DIRECT_FLOW_H

#include "orig_req.h"

/* A PF of the test's own. */
struct own
{
	struct lab *lab; /* with the relay, without core, ISF and the usual PF */
	struct ua *ua;   /* on the core's address */
	struct proc *pf;
};

/**
 * Start it: REGISTER is saved, every other request goes its way through the
 * module.
 *
 * @param params further lines of configuration, modparams and event routes;
 *               CORE_IP in them is the test peer's address
 * @param before lines of the request route for a MESSAGE or INVITE
 */
void own_start(struct own *o, const char *params, const char *before);

/* Kill it and start it again; the second when it is dead already. */
void own_restart(struct own *o);
void own_again(struct own *o);

/**
 * Register a client.
 *
 * @param user    "alice"
 * @param host    last number of its address; its port is 5060
 * @param urn     +sip.instance without < and >; NULL none
 * @param icsi    services of its feature tag, "msg largemsg"; NULL no tag
 * @param expires seconds; 0: it goes
 */
void own_register(struct own *o, const char *user, int host, const char *urn,
		const char *icsi, int expires);

/* The same with a User-Agent. */
void own_register_ua(struct own *o, const char *user, int host, const char *urn,
		const char *icsi, int expires, const char *agent);

/* A Via line of the client at that address: the lowest one of what it sends. */
const char *own_via(const struct own *o, int host);

/* "sip:alice@cpm.test;gr=urn:uuid:..." */
const char *own_gruu(const char *user, const char *urn);

/* Wait until a counter of the module has the value. */
void own_stat_wait(struct own *o, const char *name, long long value);

#endif
