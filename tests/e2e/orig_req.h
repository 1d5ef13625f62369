/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests to the originating PF as a core sends them, MESSAGE or INVITE, with
 * any part of them changed; over the test peer of b2b_ua.h. What the PF makes
 * of one is either a refusal, with nothing sent on, or a request that goes on.
 */
#ifndef E2E_ORIG_REQ_H
#define E2E_ORIG_REQ_H

#include "b2b_flow.h"

/* What differs from a plain request of alice to bob; NULL is plain. */
struct req
{
	bool large;          /* an INVITE for a large message */
	const char *ruri;    /* "sip:bob@cpm.test" */
	const char *to;      /* value of To, "<R-URI>" */
	const char *from;    /* value of From without its tag */
	const char *route;   /* value of Route; "" none */
	const char *headers; /* further lines, in place of the usual ones */
	const char *without; /* names of usual headers to leave out, blanks between
						  * them */
	const char *type;    /* Content-Type; "" none */
	const char *body;    /* "" none */
};

/* The request as text for ua_send(), with the Call-ID it has. */
const char *req_text(struct ua *ua, const struct req *r, const char **call_id);

/* Send it and take the refusal with that status: nothing may be sent on.
 * warning: NULL no Warning, "*" any or none. */
struct sip *req_refused(struct ua *ua, const char *what, int code,
		const char *warning, struct req r);

/* Send it and take what the PF sends on; both sides are brought to an end. */
struct sip *req_passed(struct ua *ua, const char *what, struct req r);

#define URN "urn:urn-7:3gpp-service.ims.icsi.oma.cpm." /* and the service */

/* What the PF asserts is this service, nothing else, and nothing is preferred
 * any more. */
void req_asserts(const struct sip *m, const char *what, const char *service);

/* The nth value (from 0) of all fields of that name; NULL: there are fewer. */
const char *sip_hdr_nth(const struct sip *m, const char *name, int nth);

/* RFC 3261 date of so many seconds from now. */
const char *sip_date(long seconds);

/**
 * Start a Kamailio of the test's own, pager messages alone: all that comes in
 * goes through cpm_originating(), whoever sends it; a lab without anything else
 * and a test peer on the core's address.
 *
 * @param params lines of configuration
 * @param before lines of the request route before cpm_originating()
 * @param code   its answer to a MESSAGE that asks for no CPM service
 */
struct proc *req_own_pf(struct lab **lab, struct ua **ua, const char *params,
		const char *before, int code);

/* Stop it and start it again: all that it has drawn at random is new. */
struct proc *req_own_pf_again(
		struct lab *lab, struct ua *ua, struct proc *pf, int code);

#define REQ(...) ((struct req){__VA_ARGS__})

#endif
