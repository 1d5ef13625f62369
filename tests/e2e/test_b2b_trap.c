/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The B2BUA where SIP stacks go wrong: CANCEL at each stage and crossing the
 * 200, ACKs lost or ignored, forked 200s (RFC 3261 9, 13.2.2.4, 13.3.1.4).
 */
#include <string.h>

#include "b2b_flow.h"

E2E_SUITE(b2b_trap);

static struct lab *lab;
static struct ua *ua;

static void begin(void)
{
	lab = flow_lab(&ua, NULL);
}

static void end(void)
{
	lab_idle(lab, 8000);
}

/* The originator's side of a CANCEL. */
static void cancelled(struct call *a)
{
	ua_wait(ua, "200/CANCEL", a->call_id, 6000);
	ua_wait(ua, "487/INVITE", a->call_id, 6000);
}

E2E_TEST(b2b_trap, cancel_while_ringing, "OL-24: CANCEL answered and sent on")
{
	struct call *a, *b;

	begin();
	a = flow_ring(ua, &b);
	call_cancel(a);
	cancelled(a);
	flow_cancel_comes(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	end();
}

E2E_TEST(b2b_trap, cancel_before_any_1xx,
		"OL-24: CANCEL waits for the first 1xx (RFC 3261 9.1)")
{
	struct call *a, *b;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_cancel(a);
	cancelled(a);
	ua_idle(ua, 1500);
	cr_assert_eq(ua_count(ua, "CANCEL", b->call_id), 0);
	call_reply(b, 100, NULL, "", "");
	flow_cancel_comes(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	end();
}

E2E_TEST(b2b_trap, cancel_and_200_cross,
		"OL-24: the 200 of a cancelled INVITE gets ACK and BYE")
{
	struct call *a, *b;

	begin();
	a = flow_ring(ua, &b);
	call_cancel(a);
	cancelled(a);
	ua_wait(ua, "CANCEL", b->call_id, 6000);
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	flow_bye_comes(b, 6000);
	cr_assert_eq(ua_count(ua, "2xx/INVITE", a->call_id), 0);
	end();
}

E2E_TEST(b2b_trap, cancel_after_the_answer_is_too_late,
		"OL-24: CANCEL after our 200 changes nothing")
{
	struct call *a, *b;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_accept(b);
	call_answered(a, 6000);
	call_cancel(a);
	ua_wait(ua, "200/CANCEL", a->call_id, 6000);
	call_ack(a);
	ua_idle(ua, 500);
	cr_assert_eq(ua_count(ua, "487/INVITE", a->call_id), 0);
	cr_assert_eq(ua_count(ua, "BYE", NULL), 0);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_trap, bye_before_the_answer_is_a_cancel,
		"OL-24: BYE within the early dialog (RFC 3261 15)")
{
	struct call *a, *b;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 180, NULL, "", "");
	flow_early_bye(lab, a);
	flow_cancel_comes(b);
	end();
}

E2E_TEST(b2b_trap, cancelled_callee_that_stays_silent,
		"OL-24: no answer at all to the INVITE: tm's timer ends it")
{
	struct call *a;

	lab = flow_lab(&ua, "modparam(\"tm\", \"fr_timer\", 4000)");
	a = call_invite(ua, NULL);
	ua_wait(ua, "INVITE", NULL, 6000);
	call_cancel(a);
	cancelled(a);
	lab_idle(lab, 12000);
}

E2E_TEST(b2b_trap, cancel_without_a_487_is_no_reason_to_wait,
		"OL-24: CANCEL answered, INVITE never: given up after 64*T1, a later "
		"200 gets ACK and BYE (RFC 3261 9.1)")
{
	struct call *a, *b;

	begin();
	a = flow_ring(ua, &b);
	call_cancel(a);
	cancelled(a);
	ua_answer(ua, ua_wait(ua, "CANCEL", b->call_id, 6000), 200, "");
	lab_idle(lab, 45000);
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	flow_bye_comes(b, 6000);
}

E2E_TEST(b2b_trap, callee_that_never_answers_is_408,
		"OL-06: no reply to the INVITE")
{
	struct call *a;

	lab = flow_lab(&ua, "modparam(\"tm\", \"fr_timer\", 4000)");
	a = call_invite(ua, NULL);
	ua_wait(ua, "408/INVITE", a->call_id, 8000);
	end();
}

E2E_TEST(b2b_trap, ringing_too_long_is_408,
		"OL-06: ring_timeout: 408 to the originator, CANCEL to the callee")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"ring_timeout\", 3000)");
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 180, NULL, "", "");
	ua_wait(ua, "408/INVITE", a->call_id, 6000);
	flow_cancel_comes(b);
	end();
}

E2E_TEST(b2b_trap, answer_after_the_time_is_hung_up,
		"OL-06: tm has given up (fr_inv_timer): a late 200 gets ACK and BYE")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"tm\", \"fr_inv_timer\", 3000)");
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 180, NULL, "", "");
	ua_wait(ua, "408/INVITE", a->call_id, 6000);
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	flow_bye_comes(b, 6000);
	end();
}

E2E_TEST(b2b_trap, lost_ack_of_the_originator,
		"OL-21: our 200 is retransmitted for 32 s, then BYE to both")
{
	struct call *a, *b;
	struct sip *ok, *bye;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_accept(b);
	ok = call_answered(a, 6000);
	bye = ua_wait(ua, "BYE", a->call_id, 40000);
	cr_assert_geq(bye->at - ok->at, 31000);
	ua_answer(ua, bye, 200, "");
	flow_bye_comes(b, 6000);
	/* .5, 1.5, 3.5, then each 4 s */
	cr_assert_geq(ua_count_all(ua, "200/INVITE", a->call_id), 9, "%d times",
			ua_count_all(ua, "200/INVITE", a->call_id));
	end();
}

E2E_TEST(b2b_trap, callee_that_is_deaf_for_acks,
		"OL-25: every 200 is acknowledged, for as long as they come")
{
	struct call *a, *b;

	begin();
	a = flow_establish(ua, &b);
	for(int i = 0; i < 9; i++) {
		ua_idle(ua, 1000);
		call_accept(b);
		ua_wait(ua, "ACK", b->call_id, 1000);
	}
	flow_hang_up(a, b);
	/* even when the session is over */
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 1000);
	end();
}

E2E_TEST(b2b_trap, forked_second_200_is_hung_up,
		"OL-25: ACK and BYE with the second dialog's tag (RFC 3261 13.2.2.4)")
{
	struct call *a, *b;
	struct sip *ack, *bye;

	begin();
	a = flow_establish(ua, &b);
	call_reply(b, 200, "fork2", "", sdp_answer("active"));
	ack = ua_wait(ua, "ACK", b->call_id, 6000);
	cr_assert(strstr(sip_hdr(ack, "To"), "tag=fork2") != NULL);
	bye = ua_wait(ua, "BYE", b->call_id, 6000);
	cr_assert(strstr(sip_hdr(bye, "To"), "tag=fork2") != NULL);
	ua_answer(ua, bye, 200, "");
	/* again: ACK, no second BYE */
	call_reply(b, 200, "fork2", "", sdp_answer("active"));
	ua_wait(ua, "ACK", b->call_id, 6000);
	ua_idle(ua, 300);
	cr_assert_eq(ua_count(ua, "BYE", b->call_id), 1);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_trap, two_200s_in_one_burst,
		"OL-25: forked answers at the same moment, 50 times")
{
	begin();
	for(int i = 0; i < 50; i++) {
		struct call *b, *a = flow_invite(ua, NULL, &b);
		struct sip *bye;
		const char *lost;

		call_reply(b, 180, NULL, "", "");
		call_reply(b, 200, "one", "", sdp_answer("active"));
		call_reply(b, 200, "two", "", sdp_answer("active"));
		call_answered(a, 6000);
		call_ack(a);
		ua_wait(ua, "ACK", b->call_id, 6000);
		ua_wait(ua, "ACK", b->call_id, 6000);
		bye = ua_wait(ua, "BYE", b->call_id, 6000);
		ua_answer(ua, bye, 200, "");
		lost = sip_hdr(bye, "To");
		call_request(a, "BYE", "", "");
		bye = ua_wait(ua, "BYE", b->call_id, 6000);
		cr_assert_str_neq(sip_hdr(bye, "To"), lost);
		ua_answer(ua, bye, 200, "");
	}
	end();
}

E2E_TEST(b2b_trap, callee_hangs_up_before_the_ack,
		"OL-31: BYE to the originator waits for his ACK (RFC 3261 15); his own "
		"BYE does as well as one")
{
	struct call *a, *b;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	call_answered(a, 6000);
	call_request(b, "BYE", "", "");
	ua_wait(ua, "200/BYE", b->call_id, 6000);
	ua_idle(ua, 500);
	cr_assert_eq(ua_count(ua, "BYE", a->call_id), 0);
	call_ack(a);
	flow_bye_comes(a, 6000);
	a = flow_invite(ua, NULL, &b);
	call_accept(b);
	ua_wait(ua, "ACK", b->call_id, 6000);
	call_answered(a, 6000);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_trap, vanished_side_is_given_up,
		"OL-30/part: nobody answers our BYE: the session ends all the same")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"tm\", \"fr_timer\", 4000)");
	a = flow_establish(ua, &b);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 6000);
	ua_wait(ua, "BYE", b->call_id, 6000);
	lab_idle(lab, 12000);
}
