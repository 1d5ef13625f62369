/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message to many recipients, INVITE by INVITE, with test peers on all
 * sides: OMA-TS-CPM_Conv_Fnct 8.2.1.2 #7.a to #7.l, RFC 5366. What refuses,
 * breaks off and hangs up early is here; real clients are in
 * test_explode_large.c.
 */
#include <stdlib.h>
#include <string.h>

#include "b2b_many.h"

E2E_SUITE(explode_invite);

#define BOB "sip:bob@cpm.test"
#define CAROL "sip:carol@cpm.test"
#define TEL "tel:+15550103"

static struct lab *lab;
static struct ua *ua;

static void begin(const char *cfg)
{
	lab = flow_lab(&ua, cfg);
}

static void end(void)
{
	lab_idle(lab, 8000);
}

static void refused_with(struct call *a, const char *code, const char *warning)
{
	struct sip *no = ua_wait(ua, fmt("%s/INVITE", code), a->call_id, 6000);

	if(warning)
		cr_assert(strstr(sip_hdr(no, "Warning"), warning) != NULL, "%s",
				sip_hdr(no, "Warning"));
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0, "something was sent on");
}

/* ---- what goes out ---------------------------------------------------------
 */

static void check_out(struct call *a, struct call *b, const char *uri)
{
	static const char *const same[] = {"Accept-Contact", "Conversation-ID",
			"Contribution-ID", "P-Asserted-Identity", "Subject"};
	static const char *const lines[] = {"a=sendonly", "a=setup:actpass",
			"a=msrp-cema", "a=file-selector:size:2048", "a=path:msrp://"};

	cr_assert(
			strncmp(b->in->text, fmt("INVITE %s ", uri), strlen(uri) + 8) == 0);
	cr_assert_str_eq(sip_hdr(b->in, "To"), fmt("<%s>", uri));
	cr_assert(strstr(sip_hdr(b->in, "From"), "sip:alice@cpm.test") != NULL);
	for(size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		cr_assert(strstr(a->invite,
						  fmt("\n%s: %s\n", same[i], sip_hdr(b->in, same[i])))
						!= NULL,
				"%s is \"%s\"", same[i], sip_hdr(b->in, same[i]));
	for(size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		cr_assert(strstr(sip_body(b->in), lines[i]) != NULL, "no %s", lines[i]);
	cr_assert_str_eq(sip_hdr(b->in, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg");
	cr_assert_str_eq(sip_hdr(b->in, "Content-Type"), "application/sdp");
	cr_assert_str_eq(sip_hdr(b->in, "Require"), "");
	cr_assert_str_eq(sip_hdr(b->in, "Min-SE"), "");
	cr_assert(strstr(sip_hdr(b->in, "Session-Expires"), ";refresher=uac")
			!= NULL);
	/* To is another one now */
	cr_assert_str_eq(sip_hdr(b->in, "Identity"), "");
	/* neither list nor history of it */
	cr_assert(strcasestr(b->in->text, "resource-lists") == NULL);
	cr_assert(strcasestr(b->in->text, "recipient-list") == NULL);
	cr_assert(strstr(b->in->text, strcmp(uri, CAROL) ? CAROL : BOB) == NULL,
			"one recipient is told of another");
}

static void two_invites(enum list_order order)
{
	struct call *a, *b, *c;
	int before = ua_count(ua, "INVITE", NULL);

	/* one of them twice */
	a = call_invite(ua,
			&(struct invite_opt){.to = EXPLODER,
					.headers = "Require: recipient-list-invite\n"
							   "Subject: to you all\n"
							   "Identity: eyJhbGciOi.x\n",
					.type = many_type,
					.sdp = many_body(list_xml(list_entries(
											 BOB " " TEL " sip:bob@CPM.test")),
							order)});
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, TEL);
	check_out(a, b, BOB);
	check_out(a, c, TEL);
	cr_assert_str_neq(b->call_id, c->call_id);
	cr_assert_str_neq(b->call_id, a->call_id);
	cr_assert_str_neq(strstr(sip_body(b->in), "a=path:"),
			strstr(sip_body(c->in), "a=path:"));
	call_reply(b, 486, NULL, "", "");
	call_reply(c, 603, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), before + 2);
}

E2E_TEST(explode_invite, each_recipient_has_an_invite_of_his_own,
		"OL-10 OL-11 OL-14 OL-15 OL-16: Request-URI and To, headers copied, "
		"own "
		"offer, no list, no history, no Require; the lowest code at the end")
{
	begin(NULL);
	two_invites(SDP_FIRST);
	two_invites(LIST_FIRST);
	two_invites(WITH_MESSAGE);
	end();
}

/* Four dialogs are four: names of one are not those of another. */
static void check_dialogs(struct call *const calls[], int n)
{
	for(int i = 0; i < n; i++)
		for(int j = 0; j < i; j++) {
			cr_assert_str_neq(calls[i]->call_id, calls[j]->call_id);
			if(j > 0)
				cr_assert_str_neq(calls[i]->remote, calls[j]->remote);
		}
}

E2E_TEST(explode_invite, first_200_is_the_senders_and_the_rest_are_served,
		"OL-06 OL-10 OL-19 OL-20 OL-25: one 180, one 200, ACK to each; each "
		"gets all "
		"and is hung up; the sender's MSRP 200 does not wait")
{
	char *body = content_make(90000);
	struct call *a, *b, *c, *d;
	struct out ob, oc, od;
	struct raw *in;
	struct sip *ok;
	struct pair p;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL " " TEL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	d = many_incoming(ua, TEL);
	check_dialogs((struct call *const[]){a, b, c, d}, 4);
	call_reply(b, 180, NULL, "", "");
	call_reply(c, 180, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	many_accept(c);
	ok = call_answered(a, 6000);
	call_ack(a);
	in = many_sender(lab, ok, &p);
	many_send(in, &p, body, 0, 40000, 90000);
	many_send(in, &p, body, 40000, 90000, 90000);
	oc = many_media(lab, c);
	out_takes(&oc, body, 90000);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	cr_assert(strstr(flow_bye_comes(c, 5000), "cause=200") != NULL);
	/* the next one while the sender is there, the last one after he has gone */
	many_accept(b);
	ob = many_media(lab, b);
	out_takes(&ob, body, 90000);
	flow_bye_comes(b, 5000);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	cr_assert_eq(lab_rpc_number(lab, "cpm.sessions", "delivered"), 2);
	many_accept(d);
	od = many_media(lab, d);
	out_takes(&od, body, 90000);
	flow_bye_comes(d, 5000);
	cr_assert_eq(ua_count(ua, "180/INVITE", a->call_id), 1);
	cr_assert_eq(ua_count(ua, "200/INVITE", a->call_id), 1);
	raw_close(in);
	out_free(&ob);
	out_free(&oc);
	out_free(&od);
	free(body);
	end();
}

/* ---- what is refused -------------------------------------------------------
 */

E2E_TEST(explode_invite, lists_that_are_refused,
		"OL-08 OL-09: 486 with Warning 102, 403 with 129, 400; nothing is sent")
{
	static const char *const bad[] = {"", "not xml at all",
			"<!DOCTYPE x [<!ENTITY a \"b\">]>\n<resource-lists/>",
			"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"
			"<list><entry uri=\"sip:bob@x&#13;&#10;Evil: 1\"/></list>"
			"</resource-lists>"};
	struct call *a;

	begin("modparam(\"cpm\", \"max_recipients\", 2)");
	a = many_invite(ua, BOB " " CAROL " " TEL, NULL);
	refused_with(a, "486", "102 Too many recipients");
	a = many_invite(ua, "", NULL);
	refused_with(a, "403", "129 No destinations");
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		a = call_invite(ua,
				&(struct invite_opt){.to = EXPLODER,
						.type = many_type,
						.sdp = many_body(bad[i], SDP_FIRST)});
		refused_with(a, "400", NULL);
	}
	/* no list at all */
	a = call_invite(ua, &(struct invite_opt){.to = EXPLODER});
	refused_with(a, "400", NULL);
	end();
}

E2E_TEST(explode_invite, anonymous_to_many_only_where_allowed,
		"OL-07: 403 with Warning 119, though to one recipient it is allowed")
{
	struct call *a, *b;

	begin("modparam(\"cpm\", \"list_anonymity\", 0)");
	a = many_invite(ua, BOB " " CAROL, "Privacy: id\n");
	refused_with(a, "403", "119 Anonymity not allowed");
	a = call_invite(ua, &(struct invite_opt){.headers = "Privacy: id\n"});
	b = call_incoming(ua, 6000);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 6000);
	end();
}

/* ---- what breaks -----------------------------------------------------------
 */

E2E_TEST(explode_invite, one_that_breaks_off_disturbs_nobody,
		"OL-10 OL-30/part: MSRP lost half-way for one, 480 to him alone; "
		"another hangs up; the third gets all of it")
{
	size_t n = 400000;
	char *body = content_make(n);
	struct call *a, *b, *c, *d;
	struct out ob, oc, od;
	struct raw *in;
	struct pair p;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL " " TEL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	d = many_incoming(ua, TEL);
	many_accept(b);
	many_accept(c);
	many_accept(d);
	in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	ob = many_media(lab, b);
	oc = many_media(lab, c);
	od = many_media(lab, d);
	many_send(in, &p, body, 0, 200000, n);
	out_take(&oc, 1000);
	raw_close(oc.c);
	oc.c = NULL;
	cr_assert(strstr(flow_bye_comes(c, 8000), "cause=480") != NULL);
	out_take(&ob, 1000);
	call_request(b, "BYE", "", "");
	ua_wait(ua, "200/BYE", b->call_id, 5000);
	many_send(in, &p, body, 200000, n, n);
	out_takes(&od, body, n);
	flow_bye_comes(d, 5000);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	raw_close(in);
	out_free(&ob);
	out_free(&oc);
	out_free(&od);
	free(body);
	end();
}

E2E_TEST(explode_invite, sender_who_leaves_early_takes_it_with_him,
		"OL-30/part OL-31: BYE before all was received: BYE with 480 to those "
		"who stand, CANCEL to those who ring")
{
	char *body = content_make(50000);
	struct call *a, *b, *c;
	struct raw *in;
	struct pair p;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(c, 180, NULL, "", "");
	many_accept(b);
	in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	many_send(in, &p, body, 0, 25000, 50000);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	cr_assert(strstr(flow_bye_comes(b, 5000), "cause=480") != NULL);
	ua_answer(ua, ua_wait(ua, "CANCEL", c->call_id, 5000), 200, "");
	call_reply(c, 487, NULL, "", "");
	raw_close(in);
	free(body);
	end();
}

E2E_TEST(explode_invite, bye_again_ends_nobody,
		"OL-30/part OL-10: a BYE of a sender who has left is answered and "
		"changes nothing; he who rings still gets all of it")
{
	char *body = content_make(5000);
	struct call *a, *b, *c;
	struct out ob, oc;
	struct raw *in;
	struct pair p;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	many_accept(b);
	in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	ob = many_media(lab, b);
	many_send(in, &p, body, 0, 5000, 5000);
	out_takes(&ob, body, 5000);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	raw_close(in);
	for(int i = 0; i < 2; i++) {
		call_request(a, "BYE", "", "");
		ua_wait(ua, "200/BYE", a->call_id, 5000);
	}
	flow_bye_comes(b, 5000);
	many_accept(c);
	oc = many_media(lab, c);
	out_takes(&oc, body, 5000);
	flow_bye_comes(c, 5000);
	out_free(&ob);
	out_free(&oc);
	free(body);
	end();
}

E2E_TEST(explode_invite, cancel_reaches_all,
		"OL-24: those who ring, those who have said nothing yet, and not those "
		"who have refused; so does a BYE in front of the answer")
{
	struct call *a, *b, *c, *d;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL " " TEL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	d = many_incoming(ua, TEL);
	call_reply(b, 180, NULL, "", "");
	call_reply(c, 100, NULL, "", "");
	call_reply(d, 486, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	ua_wait(ua, "ACK", d->call_id, 6000);
	call_cancel(a);
	ua_wait(ua, "200/CANCEL", a->call_id, 6000);
	ua_wait(ua, "487/INVITE", a->call_id, 6000);
	flow_cancel_comes(b);
	flow_cancel_comes(c);
	cr_assert_eq(ua_count(ua, "CANCEL", d->call_id), 0);
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(c, 100, NULL, "", "");
	call_reply(b, 180, NULL, "", "");
	flow_early_bye(lab, a);
	flow_cancel_comes(b);
	flow_cancel_comes(c);
	end();
}

E2E_TEST(explode_invite, restarted_relay_ends_it_for_all,
		"OL-10 OL-06: BYE to sender and recipients, CANCEL to who rings")
{
	struct call *a, *b, *c;

	begin(NULL);
	a = many_invite(ua, BOB " " CAROL, NULL);
	b = many_incoming(ua, BOB);
	c = many_incoming(ua, CAROL);
	call_reply(c, 180, NULL, "", "");
	many_accept(b);
	call_answered(a, 6000);
	call_ack(a);
	lab_part(lab, "kill", "relay");
	lab_part(lab, "start", "relay");
	cr_assert(strstr(flow_bye_comes(a, 10000), "cause=503") != NULL);
	flow_bye_comes(b, 6000);
	ua_answer(ua, ua_wait(ua, "CANCEL", c->call_id, 6000), 200, "");
	call_reply(c, 487, NULL, "", "");
	end();
}
