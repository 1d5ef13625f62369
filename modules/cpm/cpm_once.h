/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One request of ours outside any dialog, with a Call-ID and a tag of its own:
 * copies, notifications. What becomes of it is told to tm's callback.
 */
#ifndef CPM_ONCE_H
#define CPM_ONCE_H

#include "../tm/tm_load.h"
#include "cpm_hdr.h"

/* All texts are borrowed for the call. */
typedef struct cpm_once
{
	const char *method;
	str ruri;
	str from, to;             /* values without tags */
	str routes;               /* one header value; may be empty */
	str next_hop;             /* where there are none; may be empty */
	struct socket_info *sock; /* to send from; NULL: the core's choice */
	str headers;              /* complete lines */
	str body;                 /* may be empty */
	bool marked; /* it may come by here again, in any session case: then it is
				  * passed on as it is (cpm_loop.h) */
} cpm_once_t;

/**
 * Send it. No lock may be held.
 *
 * @param cb    called with TMCB_LOCAL_COMPLETED; NULL: nobody wants to know
 * @param param handed to cb
 *
 * @return 0 it is on its way; negative errno: it is not, and cb will not be
 *         called
 */
int cpm_once_send(const cpm_once_t *o, transaction_cb cb, void *param)
		__attribute__((warn_unused_result));

#endif
