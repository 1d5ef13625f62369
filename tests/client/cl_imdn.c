/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers requests for disposition notifications: "delivered" when the payload
 * is on disk, "displayed" since a command-line client shows it by writing it.
 * Called by cl_receive.c. RFC 5438 sections 7.2 and 9.
 */
#include "cl_imdn.h"

#include <stdlib.h>

#include "cl_message.h"

static void report(struct client *c, json_t *e, const struct cl_cpim *cpim,
		const char *kind, struct slice about)
{
	const char *to = json_string_value(json_object_get(e, "originator"));
	struct slice recipient = cl_address(cl_cpim_get(cpim, "", "To"));
	struct slice via = cl_cpim_get(cpim, CL_NS_IMDN, "IMDN-Record-Route");
	char *id = strndup(about.p, about.n);
	char *who = strndup(recipient.p ? recipient.p : "", recipient.n);
	char *route = via.n > 0 ? strndup(via.p, via.n) : NULL;
	struct cl_message *m;

	if(!id || !who)
		abort();
	m = cl_message_imdn(c, to, id, kind, who,
			json_string_value(json_object_get(e, "conversation_id")),
			json_string_value(json_object_get(e, "contribution_id")), route);
	cl_send_message(c, m, false);
	free(id);
	free(who);
	free(route);
}

/* What its user has sent with another client (OMA-TS-CPM_Conv_Fnct, direct
 * delivery), whatever namespace the line is of. */
static bool is_own_copy(const struct cl_cpim *cpim)
{
	for(int i = 0; i < cpim->n; i++)
		if(slice_ieq(cpim->h[i].name, SLICE("Message-Direction"))
				&& slice_ieq(cpim->h[i].value, SLICE("sent")))
			return true;
	return false;
}

void cl_imdn_answer(struct client *c, json_t *e, const struct cl_cpim *cpim)
{
	struct slice about = cl_cpim_get(cpim, CL_NS_IMDN, "Message-ID");
	const char *to = json_string_value(json_object_get(e, "originator"));
	bool delivered = false, displayed = false;

	if(c->o.no_imdn || about.n == 0 || !to
			|| slice_starts(slice_str(to), SLICE("sip:anonymous@"))
			|| is_own_copy(cpim))
		return;
	for(int i = 0; i < cpim->n; i++) {
		const struct cl_cpim_header *h = &cpim->h[i];

		if(h->mime || !slice_eq(h->ns, SLICE(CL_NS_IMDN))
				|| !slice_ieq(h->name, SLICE("Disposition-Notification")))
			continue;
		delivered |= cl_list_has(h->value, "positive-delivery");
		displayed |= cl_list_has(h->value, "display");
	}
	if(delivered)
		report(c, e, cpim, "delivered", about);
	if(displayed && !c->o.no_display)
		report(c, e, cpim, "displayed", about);
}
