/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message and the interworking function, with test peers as core and
 * as ISF: OMA-TS-CPM_Conv_Fnct 8.2.1.2 #8 and "Upon receiving an error
 * response". The real gateway is in test_explode_large.c.
 */
#include <stdlib.h>
#include <string.h>

#include "b2b_many.h"

E2E_SUITE(isf_large);

static struct lab *lab;
static struct ua *ua, *isf;

static void begin(const char *cfg)
{
	lab = flow_lab(&ua, cfg);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
}

static void end(void)
{
	lab_idle(lab, 8000);
}

/* The core's side refuses, the ISF is asked. */
static struct call *handed_on(struct call *b, int code)
{
	call_reply(b, code, NULL, "", "");
	return call_incoming(isf, 6000);
}

E2E_TEST(isf_large, what_the_core_refuses_goes_to_the_isf,
		"OL-23 OL-24/part OL-31/part: 404: the same INVITE in a dialog of its "
		"own, its 200 is the sender's, it gets the message and the BYE")
{
	char *body = content_make(60000);
	struct call *a, *b, *c;
	struct out media;
	struct raw *in;
	struct pair p;

	begin(NULL);
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 180, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	c = handed_on(b, 404);
	cr_assert(strncmp(c->in->text, "INVITE sip:bob@cpm.test ", 24) == 0);
	cr_assert_str_eq(sip_hdr(c->in, "To"), "<sip:bob@cpm.test>");
	cr_assert(strstr(sip_hdr(c->in, "Route"), lab->isf_ip) != NULL);
	cr_assert(strstr(sip_hdr(c->in, "Route"), "sip:mark@") == NULL);
	cr_assert_str_eq(sip_hdr(c->in, "CSeq"), "1 INVITE");
	cr_assert_str_neq(c->call_id, b->call_id);
	cr_assert_str_neq(sip_hdr(c->in, "From"), sip_hdr(b->in, "From"));
	cr_assert_str_eq(sip_hdr(c->in, "Contribution-ID"),
			sip_hdr(b->in, "Contribution-ID"));
	cr_assert_str_eq(
			sip_hdr(c->in, "Accept-Contact"), sip_hdr(b->in, "Accept-Contact"));
	many_accept(c);
	in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	media = many_media(lab, c);
	many_send(in, &p, body, 0, 60000, 60000);
	out_takes(&media, body, 60000);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 6000);
	flow_bye_comes(c, 6000);
	cr_assert_eq(ua_count(ua, "404/INVITE", NULL), 0);
	cr_assert_eq(lab_stat(lab, "isf_tried"), 1);
	cr_assert_eq(lab_stat(lab, "isf_answered_ok"), 1);
	raw_close(in);
	out_free(&media);
	free(body);
	end();
}

E2E_TEST(isf_large, each_of_the_codes_and_no_other,
		"OL-23: 404 405 410 414 415 416 488 606 go to the ISF, whose failure "
		"is "
		"the sender's; others are his as they are")
{
	static const int to_isf[] = {404, 405, 410, 414, 415, 416, 488, 606},
					 back[] = {400, 403, 408, 480, 486, 500, 503, 600, 603};

	begin(NULL);
	for(size_t i = 0; i < sizeof(to_isf) / sizeof(*to_isf); i++) {
		struct call *b, *a = flow_invite(ua, NULL, &b);
		struct call *c = handed_on(b, to_isf[i]);

		/* once: the ISF's own 404 is the end */
		call_reply(c, i % 2 ? 404 : 486, NULL, "Warning: 399 isf \"no\"\n", "");
		cr_assert_str_eq(
				sip_hdr(ua_wait(ua, i % 2 ? "404/INVITE" : "486/INVITE",
								a->call_id, 6000),
						"Warning"),
				"399 isf \"no\"");
	}
	for(size_t i = 0; i < sizeof(back) / sizeof(*back); i++) {
		struct call *b, *a = flow_invite(ua, NULL, &b);

		call_reply(b, back[i], NULL, "", "");
		ua_wait(ua, fmt("%d/INVITE", back[i]), a->call_id, 6000);
	}
	end();
	cr_assert_eq(ua_count(isf, "INVITE", NULL),
			(int)(sizeof(to_isf) / sizeof(*to_isf)));
}

E2E_TEST(isf_large, not_where_policy_forbids_it,
		"OL-23 OL-18: interworking 0: the code is the sender's; mailto: is 416")
{
	static const int codes[] = {404, 415, 488, 606};
	struct call *a;

	begin("modparam(\"cpm\", \"interworking\", 0)");
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct call *b;

		a = flow_invite(ua, NULL, &b);
		call_reply(b, codes[i], NULL, "", "");
		ua_wait(ua, fmt("%d/INVITE", codes[i]), a->call_id, 6000);
	}
	a = call_invite(
			ua, &(struct invite_opt){.to = "mailto:bob@legacy.example"});
	ua_wait(ua, "416/INVITE", a->call_id, 6000);
	end();
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 0);
}

E2E_TEST(isf_large, neither_sip_nor_tel_goes_there_at_once,
		"OL-18: mailto: and im: to the ISF, the address whole in the "
		"Request-URI and in To; nothing to the core")
{
	struct call *a, *c;

	begin(NULL);
	a = call_invite(
			ua, &(struct invite_opt){.to = "mailto:bob@legacy.example"});
	c = call_incoming(isf, 6000);
	cr_assert(strncmp(c->in->text,
					  fmt("INVITE sip:mailto%%3Abob%%40legacy.example@%s",
							  lab->isf_ip),
					  44)
					== 0,
			"%s", c->in->text);
	cr_assert_str_eq(sip_hdr(c->in, "To"), "<mailto:bob@legacy.example>");
	many_accept(c);
	call_answered(a, 6000);
	call_ack(a);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 6000);
	flow_bye_comes(c, 6000);
	a = call_invite(ua, &(struct invite_opt){.to = "im:bob@legacy.example"});
	c = call_incoming(isf, 6000);
	call_reply(c, 404, NULL, "", "");
	ua_wait(ua, "404/INVITE", a->call_id, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	end();
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 2);
}

E2E_TEST(isf_large, by_way_of_the_core_where_it_is_configured,
		"OL-23 OL-18: isf_mode core: the core's own Route stays in front")
{
	struct call *a, *b, *c;

	begin("modparam(\"cpm\", \"isf_mode\", \"core\")");
	a = flow_invite(ua, NULL, &b);
	call_reply(b, 404, NULL, "", "");
	c = call_incoming(ua, 6000);
	cr_assert(strstr(sip_hdr(c->in, "Route"), "sip:mark@") != NULL);
	cr_assert(strstr(sip_hdr(c->in, "Route"), lab->isf_ip) != NULL);
	call_reply(c, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 6000);
	end();
}

E2E_TEST(isf_large, cancel_follows_to_the_isf,
		"OL-24 OL-23: the ISF rings, the sender gives up")
{
	struct call *a, *b, *c;

	begin(NULL);
	a = flow_invite(ua, NULL, &b);
	c = handed_on(b, 404);
	call_reply(c, 180, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	call_cancel(a);
	ua_wait(ua, "200/CANCEL", a->call_id, 6000);
	ua_wait(ua, "487/INVITE", a->call_id, 6000);
	ua_answer(isf, ua_wait(isf, "CANCEL", c->call_id, 6000), 200, "");
	call_reply(c, 487, NULL, "", "");
	end();
	cr_assert_eq(ua_count(ua, "CANCEL", NULL), 0);
}

E2E_TEST(isf_large, each_recipient_of_a_list_has_his_own_try,
		"OL-23 OL-18 OL-10: one 404, one mailto:, one 486, one who answers; "
		"the sender's 200 is the first one's, whoever it is")
{
	char *body = content_make(30000);
	struct call *a, *b, *c, *d, *e;
	struct out media[3];
	struct raw *in;
	struct pair p;

	begin(NULL);
	a = many_invite(ua,
			"sip:bob@cpm.test sip:carol@cpm.test sip:dave@cpm.test "
			"mailto:erin@legacy.example",
			NULL);
	b = many_incoming(ua, "sip:bob@cpm.test");
	c = many_incoming(ua, "sip:carol@cpm.test");
	d = many_incoming(ua, "sip:dave@cpm.test");
	e = call_incoming(isf, 6000);
	cr_assert_str_eq(sip_hdr(e->in, "To"), "<mailto:erin@legacy.example>");
	call_reply(c, 486, NULL, "", "");
	b = handed_on(b, 404);
	cr_assert_str_eq(sip_hdr(b->in, "To"), "<sip:bob@cpm.test>");
	many_accept(b);
	in = many_sender(lab, call_answered(a, 6000), &p);
	call_ack(a);
	media[0] = many_media(lab, b);
	many_send(in, &p, body, 0, 30000, 30000);
	out_takes(&media[0], body, 30000);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	flow_bye_comes(b, 5000);
	call_request(a, "BYE", "", "");
	ua_wait(ua, "200/BYE", a->call_id, 5000);
	many_accept(d);
	media[1] = many_media(lab, d);
	out_takes(&media[1], body, 30000);
	flow_bye_comes(d, 5000);
	many_accept(e);
	media[2] = many_media(lab, e);
	out_takes(&media[2], body, 30000);
	flow_bye_comes(e, 5000);
	raw_close(in);
	for(int i = 0; i < 3; i++)
		out_free(&media[i]);
	free(body);
	end();
	cr_assert_eq(lab_stat(lab, "isf_tried"), 2);
	cr_assert_eq(lab_stat(lab, "exploder_failed"), 1);
}
