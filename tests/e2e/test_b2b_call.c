/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The B2BUA call by call, with a test peer on the core's address: what goes
 * out, who hangs up, refusals, retransmissions. OMA-TS-CPM_Conv_Fnct 8.2.1.2,
 * RFC 3261.
 */
#include <stdio.h>
#include <string.h>

#include "b2b_flow.h"
#include "harness.h"

E2E_SUITE(b2b_call);

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

E2E_TEST(b2b_call, invite_out_is_our_own,
		"OL-06 OL-10/part OL-11 OL-12 OL-13 OL-14 OL-16 OL-17: own dialog, "
		"headers "
		"of the originator, own offer")
{
	static const char *const copied[] = {"Accept-Contact", "Conversation-ID",
			"Contribution-ID", "P-Asserted-Identity", "Subject", "Reply-To",
			"Privacy", "Message-Expires", "InReplyTo-Contribution-ID"};
	static const char *const lines[] = {"a=sendonly", "a=setup:actpass",
			"a=msrp-cema", "a=file-selector:size:2048",
			"a=accept-types:message/cpim", "a=accept-wrapped-types:*"};
	struct call *a, *b;
	const char *out;

	begin();
	a = flow_invite(ua,
			&(struct invite_opt){
					.headers = "Subject: photo\nReply-To: "
							   "<sip:alice2@cpm.test>\nPrivacy: "
							   "none\nMessage-Expires: "
							   "3600\nInReplyTo-Contribution-ID: 1234\n"},
			&b);
	out = b->in->text;
	cr_assert_str_neq(b->call_id, a->call_id);
	cr_assert(strstr(sip_hdr(b->in, "From"), "tag=a") == NULL);
	cr_assert(strstr(sip_hdr(b->in, "From"), "sip:alice@cpm.test") != NULL);
	cr_assert(strncmp(out, "INVITE sip:bob@cpm.test ", 24) == 0);
	for(size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++)
		cr_assert(
				strstr(a->invite,
						fmt("\n%s: %s\n", copied[i], sip_hdr(b->in, copied[i])))
						!= NULL,
				"%s is \"%s\"", copied[i], sip_hdr(b->in, copied[i]));
	cr_assert_str_eq(sip_hdr(b->in, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg");
	cr_assert_str_eq(sip_hdr(b->in, "P-Preferred-Service"), "");
	cr_assert(strstr(sip_hdr(b->in, "Contact"), lab->pf_ip) != NULL);
	cr_assert(strstr(sip_hdr(b->in, "Contact"), "cpm.largemsg") != NULL);
	cr_assert(strstr(sip_hdr(b->in, "Session-Expires"), ";refresher=uac")
			!= NULL);
	cr_assert_str_eq(sip_hdr(b->in, "Min-SE"), "");
	cr_assert_str_eq(sip_hdr(b->in, "Supported"), "timer");
	cr_assert(strstr(sip_hdr(b->in, "User-Agent"), "CPM-serv/OMA2.2") != NULL);
	/* the core's entry is what remains of Route */
	cr_assert(strstr(sip_hdr(b->in, "Route"), "sip:mark@") != NULL);
	cr_assert(strstr(sip_hdr(b->in, "Route"), "sip:orig@") == NULL);
	for(size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		cr_assert(strstr(sip_body(b->in), lines[i]) != NULL, "no %s", lines[i]);
	cr_assert(strstr(sip_body(b->in), "a=path:msrp://") != NULL);
	cr_assert(strstr(sip_body(b->in), "s1a2b3c4d5") == NULL);
	flow_refuse(a, b, 486);
	end();
}

E2E_TEST(b2b_call, missing_ids_are_made, "OL-10/part: ids of an older sender")
{
	struct call *a, *b;

	begin();
	a = flow_invite(ua, &(struct invite_opt){.without = "Contribution-ID"}, &b);
	cr_assert(strlen(sip_hdr(b->in, "Contribution-ID")) >= 16);
	flow_refuse(a, b, 480);
	end();
}

E2E_TEST(b2b_call, answer_is_our_own,
		"OL-19 OL-20 OL-21: 200 with own path, recvonly, passive, CEMA, "
		"Server, Session-Expires; the recipient's identity, charging, largest "
		"message and types go on")
{
	struct call *a, *b;
	const char *sdp = sdp_answer("active"), *wrapped = strstr(sdp, "types:*");
	struct sip *ok;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 200, NULL,
			"Allow: UPDATE\nSupported: timer\nP-Charging-Vector: icid-value=1\n"
			"P-Asserted-Identity: <tel:+15550102>\n",
			fmt("%.*stypes:image/x%sa=max-size:12345\n", (int)(wrapped - sdp),
					sdp, wrapped + 7));
	ok = call_answered(a, 6000);
	cr_assert_str_eq(sip_hdr(ok, "P-Asserted-Identity"), "<tel:+15550102>");
	cr_assert_str_eq(sip_hdr(ok, "P-Charging-Vector"), "icid-value=1");
	cr_assert(strstr(sip_body(ok), "a=max-size:12345") != NULL);
	cr_assert(strstr(sip_body(ok), "a=accept-wrapped-types:image/x") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Contact"), lab->pf_ip) != NULL);
	cr_assert(strstr(sip_hdr(ok, "Server"), "CPM-serv/OMA2.2") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Session-Expires"), ";refresher=uac") != NULL);
	cr_assert_str_eq(sip_hdr(ok, "Require"), "timer");
	cr_assert(strstr(sip_hdr(ok, "Allow"), "UPDATE") != NULL);
	cr_assert(strstr(sip_body(ok), "a=recvonly") != NULL);
	cr_assert(strstr(sip_body(ok), "a=setup:passive") != NULL);
	cr_assert(strstr(sip_body(ok), "a=msrp-cema") != NULL);
	cr_assert(strstr(sip_body(ok), "r1a2b3c4d5") == NULL);
	call_ack(a);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_call, focus_stays_one_at_our_address,
		"OL-19: isfocus of the recipient's Contact; its address is ours")
{
	struct call *a, *b;
	struct sip *ok;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 200, NULL,
			fmt("Contact: <sip:room@%s:5060>;isfocus\n", lab->core_ip),
			sdp_answer("active"));
	ok = call_answered(a, 6000);
	cr_assert(strstr(sip_hdr(ok, "Contact"), ";isfocus") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Contact"), lab->pf_ip) != NULL);
	call_ack(a);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_call, setup_and_cema_follow_the_offer,
		"OL-20: passive offer gets active, no CEMA unless offered")
{
	struct call *a, *b;
	struct sip *ok;
	char sdp[1024];

	begin();
	/* an active relay would call the sender: give it somebody to call */
	snprintf(sdp, sizeof(sdp), "%s", sdp_offer("passive"));
	*strstr(sdp, "a=msrp-cema") = '\0';
	a = flow_invite(ua, &(struct invite_opt){.sdp = sdp}, &b);
	ok = flow_connect(a, b);
	cr_assert(strstr(sip_body(ok), "a=setup:active") != NULL);
	cr_assert(strstr(sip_body(ok), "a=msrp-cema") == NULL);
	flow_hang_up(b, a);
	end();
}

E2E_TEST(b2b_call, offer_without_setup_is_legacy,
		"OL-20: no a=setup: the offerer connects (RFC 4975)")
{
	struct call *a, *b;
	struct sip *ok;

	begin();
	a = flow_invite(ua, &(struct invite_opt){.sdp = sdp_offer(NULL)}, &b);
	ok = flow_connect(a, b);
	cr_assert(strstr(sip_body(ok), "a=setup:active") == NULL);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_call, tls_offer_gets_a_tls_answer,
		"OL-20: TCP/TLS/MSRP with the relay's fingerprint")
{
	struct call *a, *b;
	struct sip *ok;
	const char *sdp = fmt(
			"v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
			"m=audio 9 RTP/AVP 0\n"
			"m=message 40000 TCP/TLS/MSRP *\n"
			"a=path:msrps://127.0.0.1:40000/s1a2b3c4d5;tcp\n"
			"a=accept-types:message/cpim\na=setup:actpass\na=sendonly\n"
			"a=fingerprint:SHA-256 %s\n",
			"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:"
			"55:66:77:88:99:AA:BB:CC:DD:EE:FF");

	begin();
	a = flow_invite(ua, &(struct invite_opt){.sdp = sdp}, &b);
	/* each leg for itself: the outbound one is as configured */
	cr_assert(strstr(sip_body(b->in), " TCP/MSRP ") != NULL);
	ok = flow_connect(a, b);
	cr_assert(strstr(sip_body(ok), " TCP/TLS/MSRP *") != NULL);
	cr_assert(strstr(sip_body(ok), "a=path:msrps://") != NULL);
	cr_assert(strstr(sip_body(ok), "a=fingerprint:SHA-256 ") != NULL);
	/* the other media are refused, in their place */
	cr_assert(strstr(sip_body(ok), "m=audio 0 ") != NULL);
	cr_assert(strstr(sip_body(ok), "m=audio")
			< strstr(sip_body(ok), "m=message"));
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_call, sdp_within_multipart_is_found, "OL-16: multipart/mixed")
{
	const char *body = fmt("--b1\nContent-Type: application/sdp\n\n%s\n--b1\n"
						   "Content-Type: text/plain\n\nhello\n--b1--\n",
			sdp_offer("actpass"));
	struct call *a, *b;

	begin();
	a = call_invite(ua,
			&(struct invite_opt){
					.sdp = body, .type = "multipart/mixed;boundary=b1"});
	b = call_incoming(ua, 6000);
	flow_refuse(a, b, 603);
	end();
}

E2E_TEST(b2b_call, bye_from_either_side_goes_through,
		"OL-30/part OL-31: BYE answered and sent on")
{
	struct call *a, *b;

	begin();
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	a = flow_establish(ua, &b);
	flow_hang_up(b, a);
	end();
}

E2E_TEST(b2b_call, bye_from_both_sides_at_once, "OL-30/part: BYE and BYE cross")
{
	struct call *a, *b;
	struct sip *bye;

	begin();
	a = flow_establish(ua, &b);
	call_request(a, "BYE", "", "");
	call_request(b, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 6000);
	ua_wait(ua, "200/BYE", b->call_id, 6000);
	/* whoever was second may have been sent one as well */
	while((bye = ua_poll(ua, "BYE", NULL, 300)) != NULL)
		ua_answer(ua, bye, 481, "");
	end();
}

E2E_TEST(b2b_call, refusals_are_passed_on,
		"OL-06: failure answers, their headers")
{
	static const int codes[] = {400, 403, 480, 486, 500, 504, 603};

	begin();
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct call *b, *a = flow_invite(ua, NULL, &b);
		struct sip *no;

		call_reply(b, codes[i], NULL, "Warning: 399 x \"reason\"\n", "");
		no = ua_wait(ua, fmt("%d/INVITE", codes[i]), a->call_id, 6000);
		cr_assert_str_eq(sip_hdr(no, "Warning"), "399 x \"reason\"");
		ua_wait(ua, "ACK", b->call_id, 6000);
	}
	/* a challenge is ours, not the originator's */
	struct call *b, *a = flow_invite(ua, NULL, &b);
	call_reply(b, 407, NULL, "", "");
	ua_wait(ua, "500/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(b2b_call, interval_too_small_is_tried_again,
		"OL-14: 422, then with Min-SE (RFC 4028 7.4)")
{
	struct call *a, *b, *c;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 422, NULL, "Min-SE: 1200\n", "");
	c = call_incoming(ua, 6000);
	cr_assert_str_eq(c->call_id, b->call_id);
	cr_assert_str_eq(sip_hdr(c->in, "CSeq"), "2 INVITE");
	cr_assert_str_eq(sip_hdr(c->in, "Min-SE"), "1200");
	cr_assert_str_eq(sip_hdr(c->in, "Session-Expires"), "1200;refresher=uac");
	call_accept(c);
	call_answered(a, 6000);
	call_ack(a);
	flow_hang_up(a, c);
	end();
}

E2E_TEST(b2b_call, unusable_answer_is_hung_up,
		"OL-20: 200 without a usable SDP: ACK, BYE, 488 to the originator")
{
	struct call *a, *b;
	struct sip *bye;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 200, NULL, "", "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nt=0 0\n");
	ua_wait(ua, "ACK", b->call_id, 6000);
	bye = ua_wait(ua, "BYE", b->call_id, 6000);
	ua_answer(ua, bye, 200, "");
	ua_wait(ua, "488/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(b2b_call, retransmissions_are_absorbed,
		"OL-06: INVITE, 200, BYE sent again change nothing")
{
	struct call *a, *b;
	struct sip *bye;

	begin();
	a = flow_invite(ua, NULL, &b);
	call_invite_again(a);
	call_reply(b, 180, NULL, "", "");
	call_invite_again(a);
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	call_accept(b);
	call_accept(b);
	call_answered(a, 6000);
	call_invite_again(a); /* before our ACK: the 200 comes again */
	call_ack(a);
	call_ack(a);
	ua_idle(ua, 700);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1, "INVITE out: %d",
			ua_count(ua, "INVITE", NULL));
	cr_assert_geq(ua_count_all(ua, "ACK", b->call_id), 2);
	cr_assert_geq(ua_count_all(ua, "200/INVITE", a->call_id), 2);
	call_request(a, "BYE", "", "");
	bye = ua_wait(ua, "BYE", b->call_id, 6000);
	/* its answer is lost: it comes again */
	bye = ua_wait(ua, "BYE", b->call_id, 6000);
	ua_answer(ua, bye, 200, "");
	ua_wait(ua, "200/BYE", a->call_id, 6000);
	end();
}

E2E_TEST(b2b_call, ringing_outlasts_fr_timer,
		"OL-06: fr_timer 4 s, the callee rings for 6 s")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"tm\", \"fr_timer\", 4000)");
	a = flow_ring(ua, &b);
	ua_idle(ua, 6000);
	cr_assert_eq(ua_count(ua, "408/INVITE", a->call_id), 0);
	flow_connect(a, b);
	flow_hang_up(a, b);
	end();
}

E2E_TEST(b2b_call, ringing_and_answer_in_one_burst,
		"OL-06: 180, 182, 180 and 200 at once, in several workers, 200 times")
{
	begin();
	for(int i = 0; i < 200; i++) {
		struct call *b, *a = flow_invite(ua, NULL, &b);
		struct sip *bye;

		call_reply(b, 180, NULL, "", "");
		call_reply(b, 182, NULL, "", "");
		call_reply(b, 180, NULL, "", "");
		call_accept(b);
		call_answered(a, 6000);
		call_ack(a);
		call_request(a, "BYE", "", "");
		bye = ua_wait(ua, "BYE", b->call_id, 6000);
		ua_answer(ua, bye, 200, "");
		ua_wait(ua, "200/BYE", a->call_id, 6000);
	}
	end();
}

E2E_TEST(b2b_call, strangers_get_481, "OL-06: wrong tags, wrong Call-ID")
{
	struct call *a, *b, wrong;

	begin();
	a = flow_establish(ua, &b);
	wrong = *a;
	wrong.call_id = "other@test";
	call_request(&wrong, "BYE", "", "");
	ua_wait(ua, "481/BYE", "other@test", 6000);
	wrong = *a;
	wrong.local = "<sip:mallory@cpm.test>;tag=zzz";
	wrong.cseq = 50;
	call_request(&wrong, "UPDATE", "", "");
	ua_wait(ua, "481/UPDATE", a->call_id, 6000);
	call_request(a, "INFO", "", "");
	ua_wait(ua, "405/INFO", a->call_id, 6000);
	call_request(a, "OPTIONS", "", "");
	ua_wait(ua, "200/OPTIONS", a->call_id, 6000);
	flow_hang_up(a, b);
	end();
}
