/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminating half by hand: a PF that knows its users' clients, and a test
 * peer that is the core, the sender and every client. Beside b2b_many.h.
 */
#ifndef E2E_TERM_FLOW_H
#define E2E_TERM_FLOW_H

#include "b2b_many.h"
#include "direct_flow.h"

#define PHONE "urn:uuid:00000000-0000-1000-8000-0000000000a1"
#define TABLET "urn:uuid:00000000-0000-1000-8000-0000000000a2"

/* Start it; params: further lines of its configuration, or NULL. */
void term_start(struct own *o, const char *params);

/* Register bob's phone and tablet, both for all services. */
void term_register(struct own *o, const char *urn);
void term_register_both(struct own *o);

/* A large-message INVITE to bob as his core sends it; opt may be NULL. */
struct call *term_invite(struct own *o, const struct invite_opt *opt);

/* The INVITE for the client with that instance. */
struct call *term_incoming(struct own *o, const char *urn);

/* That no further INVITE has come than these. */
void term_invites(struct own *o, int n);

/* Refuse an INVITE; the PF's ACK is taken. */
void term_refuse(struct call *b, int code);

/* A refused INVITE: that status for the sender, nothing sent on. */
struct sip *term_refused(struct own *o, const struct invite_opt *opt, int code);

/* The sender's part: his connection, all of the message, in one go; the MSRP
 * status of its end. */
struct raw *term_send(struct own *o, struct call *a, const struct sip *ok,
		const char *body, size_t n, int status);

/* The sender hangs up and is answered. */
void term_bye(struct call *a);

#endif
