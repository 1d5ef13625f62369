/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who a message goes to: new messages and replies, to one recipient, a group
 * or a list (OMA CPM 7.2.1.1 #8-11, 7.2.1.2 #9-12, 7.2.1.3 #2). Pure.
 */
#ifndef CL_REPLY_H
#define CL_REPLY_H

#include "slice.h"

/* What is known of the message that is replied to; NULL = not there. */
struct cl_received
{
	const char *reply_to; /* address of Reply-To */
	const char *asserted; /* authenticated originator's address */
	const char *conversation_id, *contribution_id;
};

/* What the user asks for. */
struct cl_wish
{
	const char *const *to; /* addresses he gives */
	int n_to;
	const char *reply_address; /* instead of the one the rules name */
	const char *exploder;      /* 1-to-many: EXPLODER-URI */
	const char *conference;    /* ad-hoc group: Controlling Function */
	bool group;                /* the one address is a pre-defined group's */
	const struct cl_received *reply; /* NULL = no reply */
};

#define CL_TARGETS_MAX 257

struct cl_target
{
	const char *ruri;                 /* Request-URI and CPIM To; borrowed */
	bool group;                       /* service is the .group one */
	const char *list[CL_TARGETS_MAX]; /* resource list; borrowed */
	int n_list;                       /* 0 = no list body */
};

/**
 * Apply the rules.
 *
 * @return 0; -EDESTADDRREQ nobody is named and the received message does not
 *         say who sent it; -E2BIG; -EINVAL several addresses without
 *         EXPLODER-URI or Controlling Function
 */
int cl_target_choose(const struct cl_wish *w, struct cl_target *out);

#endif
