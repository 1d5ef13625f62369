/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens to single legs of a large message to many: one that rings too
 * long, one whose session timer runs out, one that the relay has no room for,
 * forks, odd answers. Each is that recipient's own affair.
 */
#include <stdlib.h>
#include <string.h>

#include "b2b_many.h"
#include "fake_relay.h"

E2E_SUITE(explode_leg);

#define BOB "sip:bob@cpm.test"
#define CAROL "sip:carol@cpm.test"
#define DAVE "sip:dave@cpm.test"

static struct lab *lab;
static struct ua *ua;

static void end(void)
{
	lab_idle(lab, 8000);
}

/* Sender and first recipient, who has it; content is 20,000 bytes. */
static char *first_has_it(
		struct call *a, struct call *b, struct raw **in, struct out *out)
{
	char *body = content_make(20000);
	struct pair p;

	many_accept(b);
	*in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	*out = many_media(lab, b);
	many_send(*in, &p, body, 0, 20000, 20000);
	out_takes(out, body, 20000);
	cr_assert_eq(raw_status(*in, "last0", 5000), 200);
	flow_bye_comes(b, 5000);
	return body;
}

E2E_TEST(explode_leg, one_that_rings_too_long_is_cancelled_alone,
		"OL-10 OL-24/part: ring_timeout for each leg, after the sender has "
		"gone; the event route is told who")
{
	struct call *a, *b, *c;
	struct raw *in;
	struct out out;
	char *body;

	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"ring_timeout\", 4000)\n"
			"event_route[cpm:recipient-failed] { xlog(\"L_NOTICE\", \"event: "
			"$cpm(recipient) $cpm(recipient_code) $cpm(recipient_call_id)\\n\")"
			"; }");
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(c, 180, NULL, "", "");
	body = first_has_it(a, b, &in, &out);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	ua_answer(ua, ua_wait(ua, "CANCEL", c->call_id, 8000), 200, "");
	call_reply(c, 487, NULL, "", "");
	lab_log_wait(lab, "cpm", fmt("event: " CAROL " 408 %s", a->call_id), 3000);
	raw_close(in);
	out_free(&out);
	free(body);
	end();
}

E2E_TEST(explode_leg, list_of_one_is_a_message_to_one,
		"OL-10: Request-URI and To of the recipient; failure and BYE as ever")
{
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	a = many_invite(ua, BOB, NULL);
	b = many_incoming(ua, BOB);
	cr_assert_str_eq(sip_hdr(b->in, "To"), "<" BOB ">");
	many_accept(b);
	call_answered(a, 6000);
	call_ack(a);
	flow_hang_up(a, b);
	a = many_invite(ua, BOB, NULL);
	b = many_incoming(ua, BOB);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(explode_leg, session_timer_of_one_ends_his_leg_alone,
		"OL-14 OL-10: 481 to the refresh of one, the other's goes on, and the "
		"sender's")
{
	static const char timer[] = "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\n"
								"Supported: timer\nRequire: timer\n"
								"Session-Expires: 90;refresher=uac\n";
	struct call *a, *b, *c;
	struct sip *m;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"msrp_idle\", 60000)");
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(b, 200, NULL,
			"Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n"
			"Require: timer\nSession-Expires: 4;refresher=uac\n",
			sdp_answer("active"));
	call_reply(c, 200, NULL, timer, sdp_answer("active"));
	call_answered(a, 6000);
	call_ack(a);
	m = ua_wait(ua, "UPDATE", b->call_id, 8000);
	ua_answer(ua, m, 481, "");
	flow_bye_comes(b, 5000);
	cr_assert_eq(ua_count(ua, "BYE", c->call_id), 0);
	cr_assert_eq(ua_count(ua, "BYE", a->call_id), 0);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	flow_bye_comes(c, 5000);
	end();
}

E2E_TEST(explode_leg, fork_of_one_recipient_is_hung_up,
		"OL-25 OL-10: two 200s of one recipient: ACK to both, BYE to the "
		"second")
{
	struct call *a, *b, *c;
	struct raw *in;
	struct out out;
	char *body;

	lab = flow_lab(&ua, NULL);
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	body = first_has_it(a, b, &in, &out);
	call_reply(c, 200, "one", "", sdp_answer("active"));
	call_reply(c, 200, "two", "", sdp_answer("active"));
	ua_wait(ua, "ACK", c->call_id, 5000);
	ua_wait(ua, "ACK", c->call_id, 5000);
	cr_assert(strstr(flow_bye_comes(c, 5000), "elsewhere") != NULL);
	out_free(&out);
	out = many_media(lab, c);
	out_takes(&out, body, 20000);
	flow_bye_comes(c, 5000);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	raw_close(in);
	out_free(&out);
	free(body);
	end();
}

E2E_TEST(explode_leg, answers_that_cannot_be_used_are_hung_up_alone,
		"OL-10 OL-20/part: no SDP, SDP of something else: BYE to him, the "
		"sender "
		"gets the third one's 200")
{
	struct call *a, *b, *c, *d;
	struct raw *in;
	struct out out;
	char *body;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"interworking\", 0)");
	a = many_invite(ua, BOB " " CAROL " " DAVE, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	d = many_incoming(ua, DAVE);
	call_reply(c, 200, NULL, "", "");
	ua_wait(ua, "ACK", c->call_id, 5000);
	flow_bye_comes(c, 5000);
	call_reply(d, 200, NULL, "",
			"v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
			"m=audio 4000 RTP/AVP 0\n");
	ua_wait(ua, "ACK", d->call_id, 5000);
	flow_bye_comes(d, 5000);
	cr_assert_eq(ua_count(ua, "2xx/INVITE", a->call_id), 0);
	body = first_has_it(a, b, &in, &out);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	raw_close(in);
	out_free(&out);
	free(body);
	end();
}

E2E_TEST(explode_leg, sender_whose_ack_is_lost_is_served_all_the_same,
		"OL-25 OL-10: BYE to him after 64*T1, who rings still gets all of it")
{
	struct call *a, *b, *c;
	struct raw *in;
	struct out out;
	struct pair p;
	char *body = content_make(20000);

	lab = flow_lab(&ua, "modparam(\"cpm\", \"ring_timeout\", 60000)");
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(c, 180, NULL, "", "");
	many_accept(b);
	in = many_sender(lab, call_answered(a, 6000), &p);
	out = many_media(lab, b);
	many_send(in, &p, body, 0, 20000, 20000);
	out_takes(&out, body, 20000);
	flow_bye_comes(b, 5000);
	flow_bye_comes(a, 36000);
	out_free(&out);
	many_accept(c);
	out = many_media(lab, c);
	out_takes(&out, body, 20000);
	flow_bye_comes(c, 5000);
	raw_close(in);
	out_free(&out);
	free(body);
	end();
}

E2E_TEST(explode_leg, what_the_sender_is_told_when_all_fail,
		"OL-10 OL-18: a redirection of one counts as 480, an address that only "
		"a gateway reaches as 416 where there is none")
{
	struct call *a, *b, *c;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"interworking\", 0)");
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(b, 302, NULL, "", "");
	call_reply(c, 603, NULL, "", "");
	ua_wait(ua, "480/INVITE", a->call_id, 6000);
	a = many_invite(
			ua, "mailto:bob@legacy.example im:carol@legacy.example", NULL);
	ua_wait(ua, "416/INVITE", a->call_id, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 2);
	end();
}

E2E_TEST(explode_leg, relay_without_room_for_more_legs,
		"OL-10 OL-06: leg.add refused: those recipients fail, the first is "
		"asked; when he refuses too the sender has his lowest code")
{
	struct call *a, *b;
	struct fake *f;

	lab = lab_own("LAB_WITHOUT=core isf relay", NULL);
	f = fake_start(lab, NULL);
	fake_set(f, "leg.add", FAKE_ERROR);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	for(int i = 0; i < 50 && lab_rpc_number(lab, "cpm.stats", "link_up") != 1;
			i++)
		sleep_ms(100);
	a = many_invite(ua, BOB " " CAROL " " DAVE, NULL);
	b = many_incoming(ua, BOB);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1);
	for(int i = 0; i < 50 && lab_stat(lab, "sessions") != 0; i++)
		sleep_ms(100);
	cr_assert_eq(lab_stat(lab, "sessions"), 0);
	fake_stop(f);
}
