/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs the module's event routes (cpm_evroute.h), in the native script or, with
 * modparam event_callback, in a KEMI script.
 */
#include "cpm_evroute.h"

#include <string.h>

#include "../../core/dprint.h"
#include "../../core/fmsg.h"
#include "../../core/kemi.h"
#include "../../core/receive.h"
#include "../../core/route.h"
#include "../../core/action.h"
#include "../../core/usr_avp.h"
#include "../../core/xavp.h"
#include "../tm/h_table.h"
#include "cpm_conf.h"

static str names[CPM_EV_N] = {
		[CPM_EV_RELAY_UP] = str_init("cpm:relay-up"),
		[CPM_EV_RELAY_DOWN] = str_init("cpm:relay-down"),
		[CPM_EV_RECIPIENT_FAILED] = str_init("cpm:recipient-failed"),
		[CPM_EV_DEFERRED] = str_init("cpm:deferred"),
		[CPM_EV_DELIVERED] = str_init("cpm:delivered"),
		[CPM_EV_EXPIRED] = str_init("cpm:expired"),
};

static int routes[CPM_EV_N];

void cpm_evroute_init(void)
{
	for(int i = 0; i < CPM_EV_N; i++) {
		routes[i] = route_lookup(&event_rt, names[i].s);
		if(routes[i] >= 0 && event_rt.rlist[routes[i]] == NULL)
			routes[i] = -1;
	}
}

/* A route may run while a request or reply is being worked on: its AVPs are
 * another's. */
static void lists_take(tm_xdata_t *own, tm_xlinks_t *saved)
{
	memset(own, 0, sizeof(*own));
	saved->uri_avps_from =
			set_avp_list(AVP_TRACK_FROM | AVP_CLASS_URI, &own->uri_avps_from);
	saved->uri_avps_to =
			set_avp_list(AVP_TRACK_TO | AVP_CLASS_URI, &own->uri_avps_to);
	saved->user_avps_from =
			set_avp_list(AVP_TRACK_FROM | AVP_CLASS_USER, &own->user_avps_from);
	saved->user_avps_to =
			set_avp_list(AVP_TRACK_TO | AVP_CLASS_USER, &own->user_avps_to);
	saved->domain_avps_from = set_avp_list(
			AVP_TRACK_FROM | AVP_CLASS_DOMAIN, &own->domain_avps_from);
	saved->domain_avps_to =
			set_avp_list(AVP_TRACK_TO | AVP_CLASS_DOMAIN, &own->domain_avps_to);
	saved->xavps_list = xavp_set_list(&own->xavps_list);
	saved->xavus_list = xavu_set_list(&own->xavus_list);
	saved->xavis_list = xavi_set_list(&own->xavis_list);
}

static void lists_back(const tm_xlinks_t *saved)
{
	set_avp_list(AVP_TRACK_FROM | AVP_CLASS_URI, saved->uri_avps_from);
	set_avp_list(AVP_TRACK_TO | AVP_CLASS_URI, saved->uri_avps_to);
	set_avp_list(AVP_TRACK_FROM | AVP_CLASS_USER, saved->user_avps_from);
	set_avp_list(AVP_TRACK_TO | AVP_CLASS_USER, saved->user_avps_to);
	set_avp_list(AVP_TRACK_FROM | AVP_CLASS_DOMAIN, saved->domain_avps_from);
	set_avp_list(AVP_TRACK_TO | AVP_CLASS_DOMAIN, saved->domain_avps_to);
	xavp_set_list(saved->xavps_list);
	xavu_set_list(saved->xavus_list);
	xavi_set_list(saved->xavis_list);
}

void cpm_evroute_run(cpm_ev_t ev)
{
	sr_kemi_eng_t *engine = sr_kemi_eng_get();
	struct run_act_ctx ctx;
	tm_xlinks_t saved;
	tm_xdata_t own;
	sip_msg_t msg;
	int backup;

	if(routes[ev] < 0 && (engine == NULL || cpm_conf.event_callback.len < 1))
		return;
	if(faked_msg_get_new(&msg) < 0) {
		LM_ERR("no memory for event_route[%s]\n", names[ev].s);
		return;
	}
	lists_take(&own, &saved);
	backup = get_route_type();
	set_route_type(EVENT_ROUTE);
	init_run_actions_ctx(&ctx);
	if(routes[ev] >= 0)
		run_top_route(event_rt.rlist[routes[ev]], &msg, &ctx);
	else if(sr_kemi_route(engine, &msg, EVENT_ROUTE, &cpm_conf.event_callback,
					&names[ev])
			< 0)
		LM_ERR("event_callback %.*s failed for %s\n",
				cpm_conf.event_callback.len, cpm_conf.event_callback.s,
				names[ev].s);
	set_route_type(backup);
	free_sip_msg(&msg);
	ksr_msg_env_reset();
	lists_back(&saved);
}
