/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message that became large and meets resistance: refused by SIP or by
 * MSRP, handed on to the gateway, no answer, a late one, a relay that goes
 * away. The sender always gets one answer, and nothing is left behind.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 8B.b and 8B.d.vii (OP-37, OP-43, OP-44).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "switch_flow.h"

E2E_SUITE(switch_fail);

#define SIZE 2000
#define ALONE "modparam(\"cpm\", \"interworking\", 0)\n"

static struct lab *lab;
static struct ua *ua, *isf;

static struct big *send_one(void)
{
	return big_send(ua, &(struct big_opt){.n = SIZE});
}

/* With the gateway's address played by the test too. */
static void lab_with_isf(const char *cfg)
{
	lab = switch_lab(&ua, cfg);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
}

/* The recipient says no. */
static struct call *refuses(int code, const char *headers)
{
	struct call *c = call_incoming(ua, 6000);

	call_reply(c, code, NULL, headers, "");
	ua_wait(ua, "ACK", c->call_id, 6000);
	return c;
}

/* The recipient takes the call and refuses the content. */
static struct call *refuses_content(struct sink *s, int status)
{
	struct call *c = call_incoming(ua, 6000);
	const struct frame *f;

	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	f = sink_next(s, 6000);
	cr_assert_not_null(f);
	raw_answer(s->c, f, status);
	return c;
}

E2E_TEST(switch_fail, refused_by_sip_it_goes_to_the_gateway,
		"OP-44: each of 404 405 410 414 415 416 488 606 leads to the ISF, "
		"which "
		"gets the same content; its 200 is the sender's")
{
	static const int codes[] = {404, 405, 410, 414, 415, 416, 488, 606};

	lab_with_isf(NULL);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct sink *s = sink_open();
		struct big *b = send_one();
		struct call *c = refuses(codes[i], ""), *d;

		d = call_incoming(isf, 6000);
		cr_assert_str_neq(c->call_id, d->call_id);
		cr_assert_eq(
				strncmp(d->in->text, "INVITE sip:bob@cpm.test SIP/2.0", 31), 0);
		cr_assert(strstr(sip_hdr(d->in, "Route"), lab->isf_ip) != NULL);
		cr_assert_str_eq(sip_hdr(d->in, "P-Asserted-Identity"),
				"<sip:alice@cpm.test>, <tel:+15550101>");
		cr_assert_str_eq(sdp_attr(sip_body(d->in), "file-selector"),
				fmt("size:%d", SIZE));
		sink_all(s, d, b);
		raw_close(s->c);
		big_ends(b, 200, 6000);
		cr_assert_eq(ua_count(ua, "INVITE", NULL), (int)i + 1);
		cr_assert_eq(ua_count(isf, "INVITE", NULL), (int)i + 1);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, refused_by_msrp_it_goes_to_the_gateway,
		"OP-44: an error response to a SEND; the recipient gets BYE, the ISF "
		"the whole message")
{
	static const int codes[] = {400, 403, 413, 415, 481, 506};

	lab_with_isf(NULL);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct sink *s = sink_open(), *t = sink_open();
		struct big *b = send_one();
		struct call *c = refuses_content(s, codes[i]), *d;

		d = call_incoming(isf, 6000);
		flow_bye_comes(c, 6000);
		sink_all(t, d, b);
		big_ends(b, 200, 6000);
		raw_close(s->c);
		raw_close(t->c);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, gateway_s_answer_is_the_last,
		"OP-44: interworking is attempted once; its failure is the sender's")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *d;

	lab_with_isf(NULL);
	b = send_one();
	refuses(404, "");
	d = call_incoming(isf, 6000);
	call_reply(d, 488, NULL, "Warning: 399 isf \"no way\"\n", "");
	ua_wait(isf, "ACK", d->call_id, 6000);
	cr_assert_str_eq(
			sip_hdr(big_ends(b, 488, 6000), "Warning"), "399 isf \"no way\"");
	/* the same after MSRP has failed, and when it fails at the gateway */
	b = send_one();
	refuses_content(s, 415);
	d = call_incoming(isf, 6000);
	s = sink_open();
	sink_answer(s, d, "passive", NULL);
	sink_accept(s, 6000);
	raw_answer(s->c, sink_next(s, 6000), 413);
	big_ends(b, 413, 6000);
	flow_bye_comes(d, 6000);
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 2);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 2);
	ua_answer(ua, ua_wait(ua, "BYE", NULL, 6000), 200, "");
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, other_refusals_are_the_sender_s,
		"OP-43 OP-44: 486, 480, 603, 500 as they are; a challenge is 500, what "
		"concerns an INVITE alone 480")
{
	static const int codes[][2] = {{486, 486}, {480, 480}, {603, 603},
			{500, 500}, {403, 403}, {401, 500}, {407, 500}, {422, 480},
			{487, 480}, {491, 480}};
	struct big *b;
	struct sip *m;

	lab_with_isf(NULL);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		b = send_one();
		refuses(codes[i][0], "Warning: 399 x \"y\"\n");
		m = big_ends(b, codes[i][1], 6000);
		if(codes[i][0] == codes[i][1])
			cr_assert_str_eq(sip_hdr(m, "Warning"), "399 x \"y\"");
	}
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 0);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, without_interworking_the_code_is_the_sender_s,
		"OP-44: 404 and 488, no INVITE to the ISF; OP-37: 416 for mailto:")
{
	struct big *b;

	lab_with_isf(ALONE);
	b = send_one();
	refuses(404, "");
	big_ends(b, 404, 6000);
	b = send_one();
	refuses(488, "");
	big_ends(b, 488, 6000);
	b = big_send(
			ua, &(struct big_opt){.to = "mailto:joe@example.com", .n = SIZE});
	big_ends(b, 416, 6000);
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 0);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, status_of_a_send_is_told_by_the_table,
		"OP-43 OP-44: 400, 403, 413 and 415 keep their number, others are 480")
{
	static const struct
	{
		int msrp, sip;
		const char *warning;
	} cases[] = {{400, 400, "MSRP 400"}, {403, 403, "122 Function not allowed"},
			{413, 413, "133 Size exceeded"}, {415, 415, "MSRP 415"},
			{408, 480, "MSRP"}, {423, 480, "MSRP"}, {481, 480, "MSRP"},
			{501, 480, "MSRP"}, {506, 480, "MSRP"}};

	lab = switch_lab(&ua, ALONE);
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sink *s = sink_open();
		struct big *b = send_one();
		struct call *c = refuses_content(s, cases[i].msrp);
		struct sip *m;

		flow_bye_comes(c, 6000);
		m = big_ends(b, cases[i].sip, 6000);
		cr_assert(strstr(sip_hdr(m, "Warning"), cases[i].warning) != NULL,
				"%d: %s", cases[i].msrp, sip_hdr(m, "Warning"));
		raw_close(s->c);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, connection_refused_or_lost_is_480,
		"OP-43 OP-44: nobody listens; the connection ends within the message")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, ALONE);
	close(s->listener);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	flow_bye_comes(c, 6000);
	big_ends(b, 480, 6000);
	s = sink_open();
	b = big_send(ua, &(struct big_opt){.n = 60000});
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_next(s, 6000);
	raw_close(s->c);
	flow_bye_comes(c, 6000);
	big_ends(b, 480, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, nobody_answers_in_time,
		"OP-44: 408 after switch_timeout, CANCEL; an answer that comes late is "
		"hung up")
{
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, ALONE "modparam(\"cpm\", \"switch_timeout\", 2000)");
	b = send_one();
	c = call_incoming(ua, 6000);
	call_reply(c, 180, NULL, "", "");
	big_ends(b, 408, 4500);
	ua_answer(ua, ua_wait(ua, "CANCEL", c->call_id, 6000), 200, "");
	call_accept(c);
	ua_wait(ua, "ACK", c->call_id, 6000);
	flow_bye_comes(c, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, content_is_not_taken_in_time,
		"OP-43: 408 after switch_timeout, BYE to a recipient who is silent on "
		"MSRP, or does not connect")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, ALONE "modparam(\"cpm\", \"switch_timeout\", 2000)");
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_next(s, 6000);
	big_ends(b, 408, 4500);
	flow_bye_comes(c, 6000);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "active", NULL);
	big_ends(b, 408, 4500);
	flow_bye_comes(c, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, recipient_hangs_up_early,
		"OP-43 OP-44: BYE before all was acknowledged is a failure")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, ALONE);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_next(s, 6000);
	call_request(c, "BYE", "", "");
	ua_wait(ua, "200/BYE", c->call_id, 6000);
	big_ends(b, 480, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, recipient_who_hangs_up_first_has_it,
		"OP-43: his BYE crosses ours: 200")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, ALONE);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	raw_answer(s->c, sink_next(s, 6000), 200);
	call_request(c, "BYE", "", "");
	ua_wait(ua, "200/BYE", c->call_id, 6000);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

/* All is well but for the answer to the PF's BYE. */
static struct big *bye_answered(int code)
{
	struct sink *s = sink_open();
	struct big *b = send_one();
	struct call *c = call_incoming(ua, 6000);

	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	ua_answer(ua, ua_wait(ua, "BYE", c->call_id, 6000), code, "");
	raw_close(s->c);
	return b;
}

E2E_TEST(switch_fail, bye_that_the_recipient_does_not_know_changes_nothing,
		"OP-43: all was acknowledged, he has hung up already: 200")
{
	lab_with_isf(NULL);
	big_ends(bye_answered(481), 200, 6000);
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 0);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, bye_that_the_core_refuses_leads_to_the_gateway,
		"OP-44: an error response of the list to the BYE, by the letter of the "
		"text; without interworking it is the sender's")
{
	static const int codes[] = {404, 488, 606};
	struct big *b;

	lab_with_isf(NULL);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct sink *t = sink_open();

		b = bye_answered(codes[i]);
		sink_all(t, call_incoming(isf, 6000), b);
		raw_close(t->c);
		big_ends(b, 200, 6000);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, answer_without_a_usable_description,
		"OP-44: BYE to who gave it; as a 488: to the gateway, or the sender's")
{
	static const char *const bad =
			"v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n";
	struct big *b;
	struct call *c, *d;
	struct sip *m;

	lab_with_isf(NULL);
	b = send_one();
	c = call_incoming(ua, 6000);
	call_reply(c, 200, NULL, "", bad);
	ua_wait(ua, "ACK", c->call_id, 6000);
	d = call_incoming(isf, 6000);
	flow_bye_comes(c, 6000);
	call_reply(d, 200, NULL, "", bad);
	ua_wait(isf, "ACK", d->call_id, 6000);
	flow_bye_comes(d, 6000);
	m = big_ends(b, 488, 6000);
	cr_assert(*sip_hdr(m, "Warning") != '\0');
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, address_that_is_neither_sip_nor_tel_goes_to_the_gateway,
		"OP-37: mailto: straight to the ISF, To as it was; sip: to the core")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *d;

	lab_with_isf(NULL);
	b = big_send(
			ua, &(struct big_opt){.to = "mailto:joe@example.com", .n = SIZE});
	d = call_incoming(isf, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	cr_assert(strstr(sip_hdr(d->in, "To"), "mailto:joe@example.com") != NULL);
	cr_assert_eq(
			strncmp(d->in->text, "INVITE sip:mailto%3Ajoe%40example.com@", 38),
			0, "%.80s", d->in->text);
	sink_all(s, d, b);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, without_a_relay_there_is_503,
		"OP-25: Retry-After and Warning, no INVITE; service when it is back")
{
	struct big *b;
	struct sip *m;

	lab_with_isf(NULL);
	lab_part(lab, "stop", "relay");
	sleep_ms(300);
	b = send_one();
	m = big_ends(b, 503, 8000);
	cr_assert(*sip_hdr(m, "Retry-After") != '\0');
	cr_assert(strstr(sip_hdr(m, "Warning"), "relay") != NULL);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	lab_part(lab, "start", "relay");
	for(int i = 0; i < 50 && lab_rpc_number(lab, "cpm.stats", "link_up") != 1;
			i++)
		sleep_ms(100);
	b = send_one();
	sink_all(sink_open(), call_incoming(ua, 6000), b);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, relay_that_dies_under_it,
		"OP-43: 503 while it rings and while it is sent; CANCEL and BYE")
{
	struct sink *s = sink_open();
	struct big *b, *e;
	struct call *c, *d;

	lab_with_isf(NULL);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_next(s, 6000);
	e = send_one();
	d = call_incoming(ua, 6000);
	call_reply(d, 180, NULL, "", "");
	lab_part(lab, "kill", "relay");
	lab_part(lab, "start", "relay");
	big_ends(b, 503, 8000);
	big_ends(e, 503, 8000);
	flow_bye_comes(c, 6000);
	ua_answer(ua, ua_wait(ua, "CANCEL", d->call_id, 6000), 200, "");
	call_reply(d, 487, NULL, "", "");
	switch_clean(lab, 8000);
}

E2E_TEST(switch_fail, kamailio_that_dies_leaves_nothing_at_the_relay,
		"OP-43: the sender's retransmission begins anew, the session of before "
		"is closed")
{
	struct sink *s = sink_open(), *t = sink_open();
	struct big *b;
	struct call *c;

	lab_with_isf(NULL);
	b = send_one();
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_next(s, 6000);
	lab_part(lab, "kill", "cpm");
	lab_part(lab, "start", "cpm");
	for(int i = 0; i < 50 && lab_rpc_number(lab, "cpm.stats", "link_up") != 1;
			i++)
		sleep_ms(100);
	big_again(b);
	c = call_incoming(ua, 6000);
	sink_all(t, c, b);
	big_ends(b, 200, 6000);
	cr_assert(raw_closed(s->c, 6000));
	lab_idle(lab, 8000);
}
