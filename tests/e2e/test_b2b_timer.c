/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session timers of the B2BUA, each leg for itself: refreshes of ours by
 * UPDATE or re-INVITE, refreshes of the peers answered, expiry. RFC 4028.
 */
#include <string.h>

#include "b2b_flow.h"

#define ALLOW "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n"

E2E_SUITE(b2b_timer);

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

E2E_TEST(b2b_timer, we_refresh_by_update,
		"OL-14: UPDATE at half the interval, again and again")
{
	struct call *a, *b;
	struct sip *update;
	unsigned long first;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 6;refresher=uac\n");
	update = ua_wait(ua, "UPDATE", b->call_id, 5000);
	cr_assert_str_eq(sip_hdr(update, "Session-Expires"), "6;refresher=uac");
	cr_assert_str_eq(sip_body(update), "");
	first = update->at;
	ua_answer(ua, update, 200, "Session-Expires: 6;refresher=uac\n");
	update = ua_wait(ua, "UPDATE", b->call_id, 5000);
	cr_assert_geq(update->at - first, 2500);
	ua_answer(ua, update, 200, "Session-Expires: 6;refresher=uac\n");
	ua_idle(ua, 1500);
	cr_assert_eq(ua_count(ua, "BYE", NULL), 0);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_timer, refresh_that_gets_481_ends_the_session,
		"OL-14: 481 to our UPDATE: BYE to both")
{
	struct call *a, *b;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 6;refresher=uac\n");
	ua_answer(ua, ua_wait(ua, "UPDATE", b->call_id, 5000), 481, "");
	flow_bye_comes(a, 6000);
	flow_bye_comes(b, 6000);
	end();
}

E2E_TEST(b2b_timer, refresh_without_an_answer_ends_the_session,
		"OL-14: silence to our UPDATE: BYE to both before the time is over")
{
	struct call *a, *b;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 9;refresher=uac\n");
	ua_wait(ua, "UPDATE", b->call_id, 7000);
	flow_bye_comes(a, 7000);
	flow_bye_comes(b, 6000);
	end();
}

E2E_TEST(b2b_timer, peer_without_update_gets_a_reinvite,
		"OL-14: re-INVITE with the same description, acknowledged")
{
	struct call *a, *b;
	struct sip *again;

	begin();
	a = flow_establish_with(ua, &b,
			"Allow: INVITE, ACK, BYE\nSession-Expires: 6;refresher=uac\n");
	again = ua_wait(ua, "INVITE", b->call_id, 5000);
	cr_assert_str_eq(sip_body(again), sip_body(b->in));
	b->in = again;
	b->tag = ""; /* it is in To already */
	ua_send(ua,
			fmt("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\n"
				"CSeq: %s\nContact: <sip:bob@%s:5060>\n"
				"Session-Expires: 6;refresher=uac\n"
				"Content-Type: application/sdp\nContent-Length: %zu\n\n%s",
					sip_hdr(again, "Via"), sip_hdr(again, "From"),
					sip_hdr(again, "To"), b->call_id, sip_hdr(again, "CSeq"),
					lab->core_ip, sdp_length(sdp_answer("active")),
					sdp_answer("active")));
	ua_wait(ua, "ACK", b->call_id, 6000);
	ua_idle(ua, 500);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_timer, refused_update_becomes_a_reinvite,
		"OL-14: 405 to our UPDATE: by re-INVITE from now on")
{
	struct call *a, *b;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 9;refresher=uac\n");
	ua_answer(ua, ua_wait(ua, "UPDATE", b->call_id, 7000), 405, "");
	ua_wait(ua, "INVITE", b->call_id, 6000);
	flow_bye_comes(a, 7000);
	flow_bye_comes(b, 6000);
	end();
}

E2E_TEST(b2b_timer, peer_that_does_not_refresh_is_given_up,
		"OL-14: the recipient was to refresh and did not: BYE to both")
{
	struct call *a, *b;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 6;refresher=uas\n");
	cr_assert(strstr(flow_bye_comes(a, 8000), "cause=408") != NULL);
	flow_bye_comes(b, 6000);
	end();
}

E2E_TEST(b2b_timer, peers_refreshes_are_answered_here,
		"OL-05 OL-14: UPDATE and re-INVITE of either side stay on their leg")
{
	struct call *a, *b;
	struct sip *ok;

	begin();
	a = flow_establish_with(ua, &b, ALLOW "Session-Expires: 6;refresher=uas\n");
	for(int i = 0; i < 3; i++) {
		ua_idle(ua, 2500);
		call_request(
				b, "UPDATE", "Supported: timer\nSession-Expires: 90\n", "");
		ok = ua_wait(ua, "200/UPDATE", b->call_id, 6000);
		cr_assert_str_eq(sip_hdr(ok, "Session-Expires"), "90;refresher=uac");
	}
	call_request(a, "UPDATE",
			"Supported: timer\nSession-Expires: 1200;refresher=uac\n", "");
	ok = ua_wait(ua, "200/UPDATE", a->call_id, 6000);
	cr_assert_str_eq(sip_hdr(ok, "Session-Expires"), "1200;refresher=uac");
	cr_assert_str_eq(sip_hdr(ok, "Require"), "timer");
	/* re-INVITE with the known offer: our answer as before */
	call_request(a, "INVITE",
			"Contact: <sip:alice@127.0.0.101:5060>\nSupported: timer\n",
			sdp_offer("actpass"));
	ok = ua_wait(ua, "200/INVITE", a->call_id, 6000);
	cr_assert(strstr(sip_body(ok), "a=recvonly") != NULL);
	a->cseq--;
	call_request(a, "ACK", "", "");
	/* a moved path cannot be followed */
	call_request(a, "INVITE", "", sdp_offer_path("elsewhere"));
	ua_wait(ua, "488/INVITE", a->call_id, 6000);
	/* too small */
	call_request(a, "UPDATE", "Session-Expires: 10\n", "");
	ok = ua_wait(ua, "422/UPDATE", a->call_id, 6000);
	cr_assert_str_eq(sip_hdr(ok, "Min-SE"), "90");
	cr_assert_eq(ua_count(ua, "INVITE", b->call_id), 1);
	cr_assert_eq(ua_count(ua, "UPDATE", NULL), 0);
	cr_assert_eq(ua_count(ua, "BYE", NULL), 0);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_timer, requests_out_of_order_are_refused,
		"OL-06: lower CSeq: 500 (RFC 3261 12.2.2)")
{
	struct call *a, *b;

	begin();
	a = flow_establish(ua, &b);
	b->cseq = 500;
	call_request(b, "UPDATE", "", "");
	ua_wait(ua, "200/UPDATE", b->call_id, 6000);
	b->cseq = 400;
	call_request(b, "UPDATE", "", "");
	ua_wait(ua, "500/UPDATE", b->call_id, 6000);
	b->cseq = 501;
	flow_hang_up(b, a);
	end();
}
