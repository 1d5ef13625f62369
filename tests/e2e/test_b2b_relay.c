/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The B2BUA and its relay: relay away, relay restarted under a waiting
 * Kamailio, Kamailio restarted under a running relay, many sessions at once,
 * shared memory back where it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b2b_flow.h"

E2E_SUITE(b2b_relay);

#define PARALLEL 200

static struct lab *lab;
static struct ua *ua;

static struct sip *expect_503(struct call *a, int timeout_ms)
{
	struct sip *no = ua_wait(ua, "503/INVITE", a->call_id, timeout_ms);

	cr_assert(*sip_hdr(no, "Retry-After") != '\0');
	cr_assert(strstr(sip_hdr(no, "Warning"), "relay") != NULL, "Warning: %s",
			sip_hdr(no, "Warning"));
	return no;
}

E2E_TEST(b2b_relay, without_a_relay_there_is_503_and_no_silence,
		"OL-06: 503 with Retry-After and Warning; service when it is back")
{
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	lab_part(lab, "stop", "relay");
	sleep_ms(300);
	a = call_invite(ua, NULL);
	expect_503(a, 8000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	lab_part(lab, "start", "relay");
	for(int i = 0; i < 50 && lab_rpc_number(lab, "cpm.stats", "link_up") != 1;
			i++)
		sleep_ms(100);
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	lab_idle(lab, 8000);
}

E2E_TEST(b2b_relay, pager_messages_flow_without_a_relay,
		"OP-22/part: a MESSAGE needs nothing of it")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	lab_part(lab, "stop", "relay");
	ua_send(ua, pager_text(ua, NULL, NULL));
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
}

E2E_TEST(b2b_relay, restarted_relay_ends_its_sessions,
		"OL-06: BYE to both with a Reason; a ringing call gets 503, CANCEL")
{
	struct call *a, *b, *c, *d;

	lab = flow_lab(&ua, NULL);
	a = flow_establish(ua, &b);
	c = flow_ring(ua, &d);
	lab_part(lab, "kill", "relay");
	lab_part(lab, "start", "relay");
	cr_assert(strstr(flow_bye_comes(a, 10000), "cause=503") != NULL);
	cr_assert(strstr(flow_bye_comes(b, 6000), "cause=503") != NULL);
	expect_503(c, 5000);
	flow_cancel_comes(d);
	lab_idle(lab, 8000);
}

E2E_TEST(b2b_relay, restarted_kamailio_leaves_no_session_at_the_relay,
		"OL-06: 481 for the old dialogs, the relay's sessions are closed")
{
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	a = flow_establish(ua, &b);
	lab_part(lab, "kill", "cpm");
	lab_part(lab, "start", "cpm");
	call_request(a, "BYE", "", "");
	ua_wait(ua, "481/BYE", a->call_id, 6000);
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	lab_idle(lab, 8000);
}

E2E_TEST(b2b_relay, two_hundred_sessions_at_once,
		"OL-06: 200 parallel sessions, shared memory back at its baseline")
{
	struct call *a[PARALLEL], *b[PARALLEL];
	long long before;

	lab = flow_lab(&ua, NULL);
	before = lab_shm_used(lab);
	for(int i = 0; i < PARALLEL; i++) {
		a[i] = call_invite(ua, NULL);
		b[i] = call_incoming(ua, 6000);
		call_reply(b[i], 180, NULL, "", "");
	}
	cr_assert_eq(lab_rpc_number(lab, "cpm.stats", "sessions"), PARALLEL);
	for(int i = 0; i < PARALLEL; i++)
		call_accept(b[i]);
	for(int i = 0; i < PARALLEL; i++) {
		call_answered(a[i], 5000);
		call_ack(a[i]);
	}
	cr_assert_eq(lab_rpc_number(lab, "cpm.stats", "sessions"), PARALLEL);
	for(int i = 0; i < PARALLEL; i++) {
		struct call *who = i % 2 ? a[i] : b[i];

		call_request(who, "BYE", "", "");
		flow_bye_comes(i % 2 ? b[i] : a[i], 5000);
	}
	lab_idle(lab, 10000);
	lab_shm_back(lab, before);
}

E2E_TEST(b2b_relay, silent_sides_are_hung_up,
		"OL-30/part: not a byte for msrp_idle: BYE to both")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"msrp_idle\", 2000)");
	a = flow_establish(ua, &b);
	cr_assert(strstr(flow_bye_comes(a, 8000), "cause=480") != NULL);
	flow_bye_comes(b, 6000);
	lab_idle(lab, 5000);
}

E2E_TEST(b2b_relay, media_that_cannot_be_set_up_ends_the_session,
		"OL-30/part: nobody listens at the callee's path: BYE to both")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"msrp_idle\", 60000)");
	a = flow_invite(ua, NULL, &b);
	/* passive: the relay connects, and is refused */
	call_reply(b, 200, NULL, "", sdp_answer("passive"));
	call_answered(a, 6000);
	call_ack(a);
	cr_assert(strstr(flow_bye_comes(a, 25000), "cause=480") != NULL);
	flow_bye_comes(b, 6000);
	lab_idle(lab, 5000);
}
