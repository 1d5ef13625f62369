/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message for a user with several clients: who gets it, who answers the
 * sender, and how each of them ends (cpm_term.c, cpm_term_large.c,
 * cpm_b2b_dlv.c). What nobody takes is in test_term_defer.c.
 */
#include <stdlib.h>
#include <string.h>

#include "term_flow.h"

E2E_SUITE(term_large);

#define SIZE 20000
#define AOR "sip:bob@cpm.test"
#define NO_DEFER "modparam(\"cpm\", \"defer\", 0)\n"

static struct own o;

static void end(void)
{
	lab_idle(o.lab, 8000);
}

/* ---- clients ---- */

E2E_TEST(term_large, every_chosen_client_gets_an_invite_of_its_own,
		"TL-05 TL-06 TL-07: Request-URI is the public GRUU; To as received; "
		"own "
		"dialog; clients that cannot take it are left out")
{
	static const char *const copied[] = {
			"P-Asserted-Identity", "Conversation-ID", "Contribution-ID"};
	struct call *a, *b, *c;
	const char *offer;

	term_start(&o,
			NO_DEFER "modparam(\"cpm\", \"min_client_version\", \"2.0\")\n");
	term_register_both(&o);
	own_register(&o, "bob", 103,
			"urn:uuid:00000000-0000-1000-8000-0000000000a3", "msg", 600);
	own_register_ua(&o, "bob", 104,
			"urn:uuid:00000000-0000-1000-8000-0000000000a4", "msg largemsg",
			600, "CPM-client/OMA1.0");
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	cr_assert_str_eq(sip_hdr(b->in, "To"), "<" AOR ">");
	cr_assert(strstr(sip_hdr(b->in, "From"), "<sip:alice@cpm.test>;tag=")
			!= NULL);
	cr_assert(strstr(a->local, strstr(sip_hdr(b->in, "From"), "tag=")) == NULL);
	cr_assert_str_neq(b->call_id, a->call_id);
	cr_assert_str_neq(b->call_id, c->call_id);
	cr_assert(strstr(sip_hdr(b->in, "Contact"), o.lab->pf_ip) != NULL);
	cr_assert(strstr(sip_hdr(b->in, "Route"), o.lab->core_ip) != NULL);
	for(size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++)
		cr_assert(strstr(a->invite, sip_hdr(b->in, copied[i])) != NULL);
	cr_assert(strstr(sip_hdr(b->in, "P-Asserted-Service"), "largemsg") != NULL);
	cr_assert(strstr(sip_hdr(b->in, "Accept-Contact"), "largemsg") != NULL);
	offer = sip_body(b->in);
	cr_assert(strstr(offer, "a=sendonly") != NULL);
	cr_assert(strstr(offer, "a=file-selector:size:2048") != NULL);
	call_reply(b, 180, NULL, "", "");
	ua_wait(o.ua, "180/INVITE", a->call_id, 6000);
	term_refuse(b, 486);
	term_refuse(c, 480);
	ua_wait(o.ua, "480/INVITE", a->call_id, 6000);
	term_invites(&o, 2);
	end();
}

E2E_TEST(term_large, what_names_another_device_is_left_out,
		"TL-07: Accept-Contact of the service goes on, one with +sip.instance "
		"does not; a client without an instance is reached at its Contact")
{
	static const char two[] =
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
			"ims.icsi.oma.cpm.largemsg\"\n"
			"Accept-Contact: *;+sip.instance=\"<urn:x:y>\";explicit;require\n";
	struct call *a, *b;

	term_start(&o, NO_DEFER);
	own_register(&o, "bob", 101, NULL, "largemsg", 600);
	a = term_invite(&o, &(struct invite_opt){.headers = two});
	b = call_incoming_as(
			o.ua, fmt("INVITE sip:bob@%s:5060", lab_addr(o.lab, 101)), 6000);
	cr_assert(strstr(sip_hdr(b->in, "Accept-Contact"), "largemsg") != NULL);
	cr_assert(sip_hdr_nth(b->in, "Accept-Contact", 1) == NULL);
	cr_assert_str_eq(sip_hdr(b->in, "To"), "<" AOR ">");
	term_refuse(b, 480);
	ua_wait(o.ua, "480/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(term_large, message_for_one_device_goes_to_that_one,
		"TL-07 TL-06: Request-URI with gr: no other client, and no store")
{
	struct call *a, *b;

	term_start(&o, NULL);
	term_register_both(&o);
	a = term_invite(&o, &(struct invite_opt){.to = own_gruu("bob", TABLET)});
	b = term_incoming(&o, TABLET);
	term_refuse(b, 486);
	ua_wait(o.ua, "486/INVITE", a->call_id, 6000);
	term_invites(&o, 1);
	term_refused(&o,
			&(struct invite_opt){
					.to = own_gruu("bob", "urn:uuid:nobody-has-it")},
			480);
	end();
}

/* ---- the way of a message ---- */

E2E_TEST(term_large, first_200_answers_the_sender,
		"TL-08 TL-09 TL-10/part: own path, recvonly, passive, message/cpim; "
		"Server, Allow "
		"and Contact are ours; a later 200 changes nothing")
{
	struct call *a, *b, *c;
	struct sip *ok;
	const char *sdp;

	term_start(&o, NO_DEFER);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	many_accept(c);
	ok = call_answered(a, 6000);
	call_ack(a);
	sdp = sip_body(ok);
	cr_assert(strstr(sdp, fmt("a=path:msrp://%s:", o.lab->pf_ip)) != NULL);
	cr_assert(strstr(sdp, "a=recvonly") != NULL);
	cr_assert(strstr(sdp, "a=setup:passive") != NULL);
	cr_assert(strstr(sdp, "a=accept-types:message/cpim") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Server"), "CPM-serv/OMA") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Contact"), o.lab->pf_ip) != NULL);
	for(const char *m = "INVITE\0ACK\0BYE\0CANCEL\0UPDATE\0OPTIONS\0MESSAGE\0";
			*m; m += strlen(m) + 1)
		cr_assert(strstr(sip_hdr(ok, "Allow"), m) != NULL, "%s", m);
	many_accept(b);
	cr_assert_eq(ua_count(o.ua, "200/INVITE", a->call_id), 1);
	term_bye(a);
	flow_bye_comes(b, 6000);
	flow_bye_comes(c, 6000);
	end();
}

E2E_TEST(term_large, every_client_gets_all_and_is_hung_up_by_itself,
		"TL-05 TL-13/part TL-14 TL-15 TL-16: the sender is answered for the "
		"first one; "
		"BYE "
		"to each when his own copy is through; the second has not even begun "
		"when the sender hangs up")
{
	struct call *a, *b, *c;
	struct out phone, tablet;
	char *body = content_make(SIZE);
	struct raw *in;
	struct sip *ok;
	struct pair p;

	term_start(&o, NO_DEFER);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	many_accept(b);
	ok = call_answered(a, 6000);
	call_ack(a);
	many_accept(c);
	phone = many_media(o.lab, b);
	tablet = many_media(o.lab, c);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE, SIZE);
	out_takes(&phone, body, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	flow_bye_comes(b, 6000);
	term_bye(a);
	cr_assert_eq(ua_count(o.ua, "BYE", c->call_id), 0);
	out_takes(&tablet, body, SIZE);
	cr_assert(strstr(flow_bye_comes(c, 6000), "cause=200") != NULL);
	raw_close(in);
	out_free(&phone);
	out_free(&tablet);
	free(body);
	end();
}

E2E_TEST(term_large, client_that_answers_late_gets_all_of_it,
		"TL-14 TL-16: a 200 after the sender has sent and gone")
{
	struct call *a, *b, *c;
	struct out phone, tablet;
	char *body = content_make(SIZE);
	struct raw *in;

	term_start(&o, NO_DEFER);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	call_reply(c, 180, NULL, "", "");
	many_accept(b);
	phone = many_media(o.lab, b);
	struct sip *ok = call_answered(a, 6000);
	struct pair p;

	call_ack(a);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE, SIZE);
	out_takes(&phone, body, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	flow_bye_comes(b, 6000);
	term_bye(a);
	many_accept(c);
	tablet = many_media(o.lab, c);
	out_takes(&tablet, body, SIZE);
	flow_bye_comes(c, 6000);
	raw_close(in);
	out_free(&phone);
	out_free(&tablet);
	free(body);
	end();
}

E2E_TEST(term_large, refusal_of_one_client_is_his_own,
		"TL-05 TL-06: 603 of one, the other one takes it")
{
	struct call *a, *b, *c;

	term_start(&o, NO_DEFER);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	term_refuse(b, 603);
	many_accept(c);
	call_answered(a, 6000);
	call_ack(a);
	term_bye(a);
	cr_assert(strstr(flow_bye_comes(c, 6000), "cause=480") != NULL);
	end();
}

/* ---- who is passive ---- */

E2E_TEST(term_large, active_towards_another_service_alone,
		"TL-11 TL-12: a client connects to us; to the gateway, once no client "
		"can take it, we connect ourselves")
{
	struct call *a, *b, *c, *isf;
	char *body = content_make(SIZE);
	int port, listener;
	struct raw *in, *out;
	struct sip *ok;
	struct pair p;

	o.lab = NULL;
	term_start(&o,
			NO_DEFER "modparam(\"cpm\", \"isf_uri\", "
					 "\"sip:isf.cpm.test:5070\")\n"
					 "modparam(\"cpm\", \"isf_mode\", \"core\")\n");
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	cr_assert(strstr(sip_body(b->in), "a=setup:passive") != NULL);
	term_refuse(b, 486);
	term_invites(&o, 2);
	term_refuse(c, 488);
	isf = call_incoming_as(o.ua, "INVITE " AOR, 6000);
	cr_assert(strstr(sip_hdr(isf->in, "Route"), "isf.cpm.test") != NULL
			|| strstr(isf->in->text, "isf.cpm.test") != NULL);
	cr_assert(strstr(sip_body(isf->in), "a=setup:active") != NULL);
	listener = raw_listen("127.0.0.1", &port);
	call_reply(isf, 200, NULL, "", sdp_answer_at(port, "gw1a2b3c4d5"));
	ua_wait(o.ua, "ACK", isf->call_id, 6000);
	ok = call_answered(a, 6000);
	call_ack(a);
	out = raw_accept(listener, 6000);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE / 2, SIZE);
	many_send(in, &p, body, SIZE / 2, SIZE, SIZE);
	raw_take_message(out, body, SIZE, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	flow_bye_comes(isf, 6000);
	term_bye(a);
	raw_close(in);
	raw_close(out);
	free(body);
	end();
}

/* ---- ends before the message is through ---- */

E2E_TEST(term_large, sender_who_cancels_cancels_all,
		"TL-05: CANCEL to each client, 487 to the sender")
{
	struct call *a, *b, *c;

	term_start(&o, NULL);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	call_reply(b, 180, NULL, "", "");
	call_reply(c, 180, NULL, "", "");
	ua_wait(o.ua, "180/INVITE", a->call_id, 6000);
	call_cancel(a);
	flow_cancel_comes(b);
	flow_cancel_comes(c);
	ua_wait(o.ua, "487/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(term_large, sender_who_hangs_up_early_leaves_nothing,
		"TL-16 TL-17: an incomplete message is for nobody: BYE with 480 to the "
		"clients, nothing is stored")
{
	struct call *a, *b, *c;
	char *body = content_make(SIZE);
	struct out phone;
	struct raw *in;
	struct sip *ok;
	struct pair p;

	term_start(&o, NULL);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	many_accept(b);
	ok = call_answered(a, 6000);
	call_ack(a);
	many_accept(c);
	phone = many_media(o.lab, b);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE / 2, SIZE);
	term_bye(a);
	cr_assert(strstr(flow_bye_comes(b, 6000), "cause=480") != NULL);
	cr_assert(strstr(flow_bye_comes(c, 6000), "cause=480") != NULL);
	raw_close(in);
	out_free(&phone);
	free(body);
	end();
	cr_assert_eq(lab_log_count(o.lab, "relay", "deferred"), 0);
}

E2E_TEST(term_large, without_a_store_the_sender_learns_it,
		"TL-17/part: the lowest status when all fail; 480 when nobody is "
		"there, "
		"or nobody answers")
{
	struct call *a, *b, *c;

	term_start(&o, NO_DEFER "modparam(\"cpm\", \"ring_timeout\", 1500)\n");
	term_refused(&o, NULL, 480);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	call_reply(b, 603, NULL, "", "");
	call_reply(c, 486, NULL, "Warning: 399 tablet \"busy\"\n", "");
	cr_assert(strstr(sip_hdr(ua_wait(o.ua, "486/INVITE", a->call_id, 6000),
							 "Warning"),
					  "busy")
			!= NULL);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	call_reply(b, 180, NULL, "", "");
	call_reply(c, 180, NULL, "", "");
	flow_cancel_comes(b);
	flow_cancel_comes(c);
	ua_wait(o.ua, "480/INVITE", a->call_id, 6000);
	end();
}
