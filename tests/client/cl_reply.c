/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reply and addressing rules of OMA CPM 7.2.1.1 #8-11, 7.2.1.2 #9-12 and
 * 7.2.1.3 #2. Called by cl_message.c.
 */
#include "cl_reply.h"

#include <errno.h>

/* Reply-To of the received message, else its authenticated originator, unless
 * the user gives another address. */
static const char *reply_address(const struct cl_wish *w)
{
	if(w->reply_address)
		return w->reply_address;
	if(!w->reply)
		return NULL;
	return w->reply->reply_to ? w->reply->reply_to : w->reply->asserted;
}

static int list_add(struct cl_target *t, const char *uri)
{
	for(int i = 0; i < t->n_list; i++)
		if(slice_eq(slice_str(t->list[i]), slice_str(uri)))
			return 0;
	if(t->n_list == CL_TARGETS_MAX)
		return -E2BIG;
	t->list[t->n_list++] = uri;
	return 0;
}

int cl_target_choose(const struct cl_wish *w, struct cl_target *out)
{
	const char *answer_to = reply_address(w);
	int rc = 0;

	*out = (struct cl_target){0};
	if(w->exploder || w->conference) {
		out->ruri = w->exploder ? w->exploder : w->conference;
		out->group = true;
		/* A reply's list holds at least the one who is answered. */
		if(w->reply && !answer_to)
			return -EDESTADDRREQ;
		if(answer_to)
			rc = list_add(out, answer_to);
		for(int i = 0; i < w->n_to && rc == 0; i++)
			rc = list_add(out, w->to[i]);
		if(rc == 0 && out->n_list == 0)
			rc = -EDESTADDRREQ;
		return rc;
	}
	if(w->n_to > 1)
		return -EINVAL;
	out->group = w->group;
	out->ruri = w->n_to == 1 ? w->to[0] : answer_to;
	return out->ruri ? 0 : -EDESTADDRREQ;
}
