/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Event routes of the module, run with a made-up request:
 * event_route[cpm:relay-up] and event_route[cpm:relay-down] in the link
 * process, event_route[cpm:recipient-failed] in the process that got the
 * answer, event_route[cpm:deferred], [cpm:delivered] and [cpm:expired] in any.
 */
#ifndef CPM_EVROUTE_H
#define CPM_EVROUTE_H

typedef enum cpm_ev
{
	CPM_EV_RELAY_UP,
	CPM_EV_RELAY_DOWN,
	CPM_EV_RECIPIENT_FAILED,
	CPM_EV_DEFERRED,
	CPM_EV_DELIVERED,
	CPM_EV_EXPIRED,
	CPM_EV_N
} cpm_ev_t;

/* Look the routes up; in mod_init. */
void cpm_evroute_init(void);

/* Run the route, when the configuration has one. */
void cpm_evroute_run(cpm_ev_t ev);

#endif
