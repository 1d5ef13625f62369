/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a client hears of the messages that wait for it: the event package
 * deferred-messages (SUBSCRIBE, NOTIFY; RFC 6665), and MESSAGEs with the same
 * list. Called by cl_register.c, cl_receive.c and cl_sip.c.
 */
#include <sofia-sip/sip_header.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define LIST_TYPE "application/vnd.oma.im.deferred-list+xml"

static struct cl_handle watch = {.kind = CL_H_WATCH};
static nua_handle_t *watch_nh;

bool cl_watch_is_list(const sip_t *sip)
{
	return sip->sip_content_type && sip->sip_content_type->c_type
			&& strcasecmp(sip->sip_content_type->c_type, LIST_TYPE) == 0;
}

void cl_watch_list(json_t *event, const sip_t *sip)
{
	static const char attr[] = "history-reference=\"";
	json_t *refs = json_array();
	struct slice s = {0}, ref;
	const char *p;

	if(sip && sip->sip_payload)
		s = slice_of(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
	cl_event_str(event, "list", s);
	while(s.n > 0 && (p = memmem(s.p, s.n, attr, sizeof(attr) - 1)) != NULL) {
		s = slice_skip(s, (size_t)(p - s.p) + sizeof(attr) - 1);
		ref = slice_cut(s, '"', &s);
		json_array_append_new(refs, json_stringn(ref.p, ref.n));
	}
	json_object_set_new(event, "refs", refs);
}

void cl_watch_start(struct client *c)
{
	char *contact, *to;

	if(!c->o.subscribe || watch_nh)
		return;
	contact = cl_sip_contact(
			c, "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred");
	if(asprintf(&to, "<%s>", c->o.subscribe) < 0)
		abort();
	watch_nh = nua_handle(c->nua, (nua_hmagic_t *)&watch,
			NUTAG_URL(c->o.subscribe), SIPTAG_TO_STR(to),
			SIPTAG_FROM_STR(c->aor), TAG_END());
	nua_subscribe(watch_nh, SIPTAG_CONTACT_STR(contact),
			SIPTAG_EVENT_STR("deferred-messages"), SIPTAG_ACCEPT_STR(LIST_TYPE),
			SIPTAG_EXPIRES_STR("600"), TAG_END());
	free(contact);
	free(to);
}

void cl_watch_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip)
{
	json_t *e;

	if(event == nua_r_subscribe && status >= 200) {
		if((status == 401 || status == 407)
				&& cl_sip_authenticate(c, watch_nh, h, sip))
			return;
		e = cl_event_new("subscribed");
		cl_event_status(e, status, phrase, sip);
		cl_event_print(e);
	} else if(event == nua_i_notify && sip) {
		e = cl_event_new("notify");
		cl_event_sip(e, sip);
		if(sip->sip_subscription_state)
			cl_event_text(e, "state", sip->sip_subscription_state->ss_substate);
		cl_watch_list(e, sip);
		cl_event_print(e);
	}
}
