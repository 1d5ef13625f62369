/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A subscriber to deferred messages, as text through the core that the test
 * plays.
 */
#ifndef E2E_SUBSCRIBE_FLOW_H
#define E2E_SUBSCRIBE_FLOW_H

#include "direct_flow.h"

#define SUB_TYPE "application/vnd.oma.im.deferred-list+xml"

/* What differs from alice's usual SUBSCRIBE; NULL is usual, "" leaves out. */
struct sub_opt
{
	const char *ruri;     /* sip:alice@cpm.test */
	const char *identity; /* P-Asserted-Identity */
	const char *event;    /* deferred-messages */
	const char *accept;   /* SUB_TYPE */
	const char *expires;  /* 600 */
	const char *contact;  /* <sip:alice@CORE:5060> */
};

/* One subscription. */
struct sub
{
	const char *call_id, *from, *to; /* ours, and the PF's with its tag */
	int cseq;
};

/* The request as text for ua_send(), with the Call-ID it has. */
const char *sub_text(
		const struct own *o, const struct sub_opt *opt, const char **call_id);

/* Send it and take its 200; the 200. */
struct sip *sub_begin(struct own *o, struct sub *s, const struct sub_opt *opt);

/* A further request in its dialog, SUBSCRIBE unless method says another. */
void sub_refresh(
		struct own *o, struct sub *s, const char *expires, const char *method);

/* Its next NOTIFY, not answered. */
struct sip *sub_notify(struct own *o, const struct sub *s, int timeout_ms);

#endif
