/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of statistics (cpm_stats.h) and its registration with Kamailio's
 * counters. Two further names are gauges that are read when somebody asks.
 */
#include "cpm_stats.h"

#include "../../core/counters.h"
#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_link.h"
#include "cpm_notice.h"
#include "cpm_pace.h"
#include "cpm_push.h"
#include "cpm_sip.h"

static counter_handle_t handles[CPM_STAT_N];

#define STAT(id, name, text) [id] = {&handles[id], name, 0, NULL, NULL, text}

static counter_val_t read_sessions(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return (counter_val_t)cpm_session_count();
}

static counter_val_t read_in_flight(counter_handle_t h, void *param)
{
	unsigned in_flight, waiting;

	(void)h;
	(void)param;
	cpm_pace_load(&in_flight, &waiting);
	return (counter_val_t)in_flight;
}

static counter_val_t read_waiting(counter_handle_t h, void *param)
{
	unsigned in_flight, waiting;

	(void)h;
	(void)param;
	cpm_pace_load(&in_flight, &waiting);
	return (counter_val_t)waiting;
}

static counter_val_t read_push(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return (counter_val_t)cpm_push_count();
}

static counter_val_t read_subscriptions(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return (counter_val_t)cpm_notice_count();
}

static counter_val_t read_link_up(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return cpm_link_is_up();
}

static counter_val_t read_link_pending(counter_handle_t h, void *param)
{
	(void)h;
	(void)param;
	return cpm_link_pending();
}

static counter_def_t defs[] = {
		STAT(CPM_STAT_PAGER, "messages_pager", "pager messages passed on"),
		STAT(CPM_STAT_LARGE, "messages_large",
				"large-message INVITEs that became sessions"),
		STAT(CPM_STAT_SWITCHED, "messages_switched",
				"pager messages that went on as large ones"),
		STAT(CPM_STAT_REFUSED, "messages_refused",
				"requests refused by a check"),
		STAT(CPM_STAT_LOOPED, "messages_looped",
				"requests of ours that came back and were passed on"),
		STAT(CPM_STAT_EXPLODED, "exploded_messages",
				"messages to many recipients taken"),
		STAT(CPM_STAT_EXPLODED_RCPTS, "exploded_recipients",
				"recipients of these messages"),
		STAT(CPM_STAT_EXPLODER_FAILED, "exploder_failed",
				"recipients of these messages that were not reached"),
		STAT(CPM_STAT_ISF_TRIED, "isf_tried", "messages sent to the ISF"),
		STAT(CPM_STAT_ISF_OK, "isf_answered_ok",
				"messages that the ISF has taken"),
		STAT(CPM_STAT_DIRECT, "direct_copies",
				"copies sent to senders' other clients"),
		STAT(CPM_STAT_DIRECT_OK, "direct_taken", "such copies that were taken"),
		STAT(CPM_STAT_DIRECT_FAILED, "direct_failed",
				"such copies that were not taken"),
		STAT(CPM_STAT_NOTIFIED, "notifications",
				"notifications of deferred messages sent"),
		STAT(CPM_STAT_DELIVERED, "messages_delivered",
				"large messages acknowledged by the recipient"),
		STAT(CPM_STAT_TERM_PAGER, "messages_term_pager",
				"pager messages for users of this server"),
		STAT(CPM_STAT_DEFERRED, "deferred_stored", "messages deferred"),
		STAT(CPM_STAT_DEFER_REFUSED, "deferred_refused",
				"pager messages that no client took and that were not kept"),
		STAT(CPM_STAT_PUSHED, "deferred_delivered",
				"deferred messages that a client has taken"),
		STAT(CPM_STAT_PUSH_RETRIES, "deferred_retries",
				"pushes of deferred messages that no client took"),
		STAT(CPM_STAT_PUSH_FAILED, "deferred_failed",
				"deferred messages given up"),
		STAT(CPM_STAT_EXPIRED, "deferred_expired",
				"deferred messages whose lifetime has ended"),
		STAT(CPM_STAT_IMDN_SENT, "imdn_sent",
				"notifications of failure sent to senders"),
		STAT(CPM_STAT_BYTES, "bytes_delivered",
				"bytes of delivered large messages"),
		STAT(CPM_STAT_RETRANSMITS, "invite_retransmissions",
				"retransmitted INVITEs of sessions"),
		STAT(CPM_STAT_REACKED, "acks_repeated",
				"retransmitted 2xx acknowledged again"),
		STAT(CPM_STAT_FORKED, "forks_ended",
				"further 2xx of a forked INVITE, ended by BYE"),
		STAT(CPM_STAT_REFRESHES, "session_refreshes",
				"session timer refreshes sent"),
		STAT(CPM_STAT_F_CANCELLED, "failed_cancelled",
				"sessions cancelled by the originator"),
		STAT(CPM_STAT_F_RECIPIENT, "failed_recipient",
				"sessions refused by the recipient's side"),
		STAT(CPM_STAT_F_RING, "failed_ring",
				"sessions nobody answered in ring_timeout"),
		STAT(CPM_STAT_F_ACK, "failed_ack", "sessions without an ACK"),
		STAT(CPM_STAT_F_TIMER, "failed_timer",
				"sessions whose session timer expired"),
		STAT(CPM_STAT_F_RELAY, "failed_relay",
				"sessions the relay refused or lost"),
		STAT(CPM_STAT_F_MEDIA, "failed_media",
				"sessions with a failed MSRP leg"),
		STAT(CPM_STAT_F_SDP, "failed_sdp",
				"sessions with an unusable offer or answer"),
		STAT(CPM_STAT_F_MEMORY, "failed_memory",
				"sessions refused for want of shared memory"),
		STAT(CPM_STAT_F_OTHER, "failed_other",
				"sessions that failed otherwise"),
		STAT(CPM_STAT_REG_REGISTERS, "reg_registers",
				"third-party REGISTERs taken"),
		STAT(CPM_STAT_REG_SUBSCRIBES, "reg_subscribes",
				"SUBSCRIBEs sent for registration state"),
		STAT(CPM_STAT_REG_FAILED, "reg_subscribes_failed",
				"SUBSCRIBEs refused or not answered"),
		STAT(CPM_STAT_REG_NOTIFIES, "reg_notifies",
				"NOTIFYs of registration state"),
		STAT(CPM_STAT_REG_BAD, "reg_notifies_bad",
				"NOTIFYs that could not be read or were too large"),
		STAT(CPM_STAT_LINK_COMMANDS, "link_commands",
				"commands queued for the relay"),
		STAT(CPM_STAT_LINK_RESULTS, "link_results",
				"commands answered with a result"),
		STAT(CPM_STAT_LINK_ERRORS, "link_errors",
				"commands answered with an error"),
		STAT(CPM_STAT_LINK_TIMEOUTS, "link_timeouts",
				"commands not answered in time"),
		STAT(CPM_STAT_LINK_DOWN, "link_down",
				"commands that found no connection in time"),
		STAT(CPM_STAT_LINK_REFUSED, "link_refused",
				"commands not queued: queue full, no memory, relay away"),
		STAT(CPM_STAT_LINK_RESENT, "link_resent",
				"commands sent again after a reconnection"),
		STAT(CPM_STAT_LINK_EVENTS, "link_events",
				"events received from the relay"),
		STAT(CPM_STAT_LINK_STRAY, "link_stray",
				"answers nobody waited for any more"),
		STAT(CPM_STAT_LINK_GARBAGE, "link_garbage",
				"connections ended for unreadable input"),
		STAT(CPM_STAT_LINK_CONNECTS, "link_connects",
				"connections to the relay established"),
		STAT(CPM_STAT_LINK_RESTARTS, "link_restarts",
				"restarts of the relay noticed"),
		STAT(CPM_STAT_LINK_WAIT_US, "link_wait_us",
				"microseconds from command to answer, summed"),
		{NULL, "sessions", CNT_F_NO_RESET, read_sessions, NULL, "sessions now"},
		{NULL, "exploder_in_flight", CNT_F_NO_RESET, read_in_flight, NULL,
				"requests to recipients of lists that wait for their answers"},
		{NULL, "exploder_waiting", CNT_F_NO_RESET, read_waiting, NULL,
				"recipients of lists whose turn has not come"},
		{NULL, "push_users", CNT_F_NO_RESET, read_push, NULL,
				"users with deferred messages that are being pushed"},
		{NULL, "subscriptions", CNT_F_NO_RESET, read_subscriptions, NULL,
				"subscriptions to deferred messages now"},
		{NULL, "link_up", CNT_F_NO_RESET, read_link_up, NULL,
				"1 when the relay is connected"},
		{NULL, "link_pending", CNT_F_NO_RESET, read_link_pending, NULL,
				"commands queued or waiting for their answer"},
		{NULL, NULL, 0, NULL, NULL, NULL}};

int cpm_stats_register(void)
{
	if(counter_register_array("cpm", defs) == 0 && cpm_reject_register() == 0)
		return 0;
	LM_ERR("the statistics could not be registered\n");
	return -1;
}

void cpm_stat_inc(cpm_stat_t s)
{
	counter_inc(handles[s]);
}

void cpm_stat_add(cpm_stat_t s, int n)
{
	counter_add(handles[s], n);
}

long cpm_stat_get(cpm_stat_t s)
{
	return counter_get_val(handles[s]);
}

const char *cpm_stat_name(cpm_stat_t s)
{
	return defs[s].name;
}
