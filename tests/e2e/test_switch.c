/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message over the limit goes on as a large one: the INVITE that takes
 * its place, the transfer, the BYE and the final answer to the MESSAGE.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 8B (OP-25 to OP-46).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switch_flow.h"

E2E_SUITE(switch);

#define URN "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ENC "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."
#define SIZE 2000 /* bytes of a usual message here */

static struct lab *lab;
static struct ua *ua;

/* Send, take the INVITE. */
static struct call *invited(struct big **b, const char *headers)
{
	*b = big_send(ua, &(struct big_opt){.headers = headers, .n = SIZE});
	return call_incoming(ua, 6000);
}

/* Refuse the INVITE: the quick end of a test that looks at it only. */
static void refuse(struct call *c, struct big *b)
{
	call_reply(c, 486, NULL, "", "");
	ua_wait(ua, "ACK", c->call_id, 6000);
	big_ends(b, 486, 6000);
}

/* How many header lines of that name. */
static int lines_of(const struct sip *m, const char *name)
{
	const char *mark = fmt("\n%s:", name), *end = strstr(m->text, "\r\n\r\n");
	int n = 0;

	for(const char *p = m->text; (p = strcasestr(p, mark)) != NULL && p < end;
			p++)
		n++;
	return n;
}

E2E_TEST(switch, one_byte_over_the_limit_makes_it_large,
		"OP-11 OP-25: 1300 bytes are relayed as they are, 1301 become an "
		"INVITE")
{
	struct big *b;
	struct call *c;
	struct sip *m;

	lab = switch_lab(&ua, NULL);
	b = big_send(ua, &(struct big_opt){.n = 1300});
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_body(m), b->body);
	ua_answer(ua, m, 200, "");
	big_ends(b, 200, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	b = big_send(ua, &(struct big_opt){.n = 1301});
	c = call_incoming(ua, 6000);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1);
	cr_assert(strstr(sip_body(c->in), "size:1301") != NULL);
	refuse(c, b);
	switch_clean(lab, 8000);
}

E2E_TEST(switch, limit_is_one_of_the_policy, "OP-11: pager_limit by modparam")
{
	struct big *b;
	struct sip *m;

	lab = switch_lab(&ua, "modparam(\"cpm\", \"pager_limit\", 3000)");
	b = big_send(ua, &(struct big_opt){.n = 3000});
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	ua_answer(ua, m, 200, "");
	big_ends(b, 200, 6000);
	b = big_send(ua, &(struct big_opt){.n = 3001});
	refuse(call_incoming(ua, 6000), b);
}

E2E_TEST(switch, invite_says_what_the_message_said,
		"OP-28 OP-30 OP-31 OP-32 OP-33 OP-35: identity, Reply-To, Privacy, "
		"lifetime, ids, Request-URI; own agent, own session timer")
{
	struct big *b;
	struct call *c;
	struct sip *m;

	lab = switch_lab(&ua, NULL);
	c = invited(&b,
			"Reply-To: <sip:home@cpm.test>\nPrivacy: id\n"
			"Expires: 3600\nDate: Sat, 21 Nov 2099 08:00:00 GMT\n"
			"InReplyTo-Contribution-ID: before-1\nSubject: of interest\n"
			"P-Charging-Vector: icid-value=4711\n");
	m = c->in;
	cr_assert_eq(
			strncmp(m->text, "INVITE sip:bob@cpm.test SIP/2.0\r\n", 33), 0);
	cr_assert(strstr(sip_hdr(m, "To"), "<sip:bob@cpm.test>") != NULL);
	cr_assert(strstr(sip_hdr(m, "From"), "\"Alice\" <sip:alice@cpm.test>"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"),
			"<sip:alice@cpm.test>, <tel:+15550101>");
	cr_assert_str_eq(sip_hdr(m, "Reply-To"), "<sip:home@cpm.test>");
	cr_assert_str_eq(sip_hdr(m, "Privacy"), "id");
	cr_assert_str_eq(sip_hdr(m, "Message-Expires"), "3600");
	cr_assert_str_eq(sip_hdr(m, "Date"), "Sat, 21 Nov 2099 08:00:00 GMT");
	cr_assert_eq(lines_of(m, "Expires"), 0);
	cr_assert_str_eq(sip_hdr(m, "Conversation-ID"), "conv-1");
	cr_assert_str_eq(sip_hdr(m, "Contribution-ID"), "contrib-1");
	cr_assert_str_eq(sip_hdr(m, "InReplyTo-Contribution-ID"), "before-1");
	cr_assert_str_eq(sip_hdr(m, "Subject"), "of interest");
	cr_assert_str_eq(sip_hdr(m, "P-Charging-Vector"), "icid-value=4711");
	cr_assert_eq(strncmp(sip_hdr(m, "User-Agent"), "CPM-serv/OMA", 12), 0);
	cr_assert_eq(lines_of(m, "User-Agent"), 1);
	cr_assert_str_eq(sip_hdr(m, "Supported"), "timer");
	cr_assert_str_eq(sip_hdr(m, "Session-Expires"), "900;refresher=uac");
	cr_assert_eq(lines_of(m, "Min-SE"), 0);
	cr_assert_lt(strtol(sip_hdr(m, "Max-Forwards"), NULL, 10), 69);
	cr_assert(strstr(sip_hdr(m, "Contact"), ENC "largemsg") != NULL);
	/* own dialog; the core's Route for what comes next is kept */
	cr_assert_str_neq(c->call_id, b->call_id);
	cr_assert(strstr(sip_hdr(m, "Route"), "sip:mark@") != NULL);
	cr_assert(strstr(sip_hdr(m, "Route"), "sip:orig@") == NULL);
	refuse(c, b);
	/* what was not there does not appear; ids that lack are made */
	c = invited(&b, "Contribution-ID:\nConversation-ID:\n");
	m = c->in;
	cr_assert_eq(lines_of(m, "Reply-To"), 0);
	cr_assert_eq(lines_of(m, "Privacy"), 0);
	cr_assert_eq(lines_of(m, "Message-Expires"), 0);
	cr_assert_eq(lines_of(m, "InReplyTo-Contribution-ID"), 0);
	cr_assert_eq(strlen(sip_hdr(m, "Conversation-ID")), 32);
	cr_assert_eq(strlen(sip_hdr(m, "Contribution-ID")), 32);
	refuse(c, b);
}

E2E_TEST(switch, session_interval_is_the_operator_s,
		"OP-31: modparam session_expires, never 1800 or more")
{
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, "modparam(\"cpm\", \"session_expires\", 1799)");
	c = invited(&b, NULL);
	cr_assert_str_eq(sip_hdr(c->in, "Session-Expires"), "1799;refresher=uac");
	refuse(c, b);
}

E2E_TEST(switch, service_of_the_message_becomes_that_of_the_large_one,
		"OP-26: ...msg in Accept-Contact becomes ...largemsg, percent-encoded; "
		"the rest of it stays; what names one device does not go on")
{
	static const char *const cases[][2] = {
			{"Accept-Contact: *;+g.3gpp.icsi-ref=\"" ENC
			 "msg\";require;explicit\n",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\";require;explicit"},
			{"a: *;+g.3gpp.icsi-ref=\"" URN "msg\"\n",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\""},
			{"Accept-Contact: *;+g.3gpp.icsi-ref=\"" ENC
			 "msg.group\";+g.x=\"y\"\n",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg.group\";+g.x=\"y\""},
			/* the service and a device in one */
			{"Accept-Contact: *;+sip.instance=\"<urn:gsma:imei:1-2-3>\";"
			 "+g.3gpp.icsi-ref=\"" ENC "msg\"\n",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\""}};
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		c = invited(&b,
				cases[i][0][0] == 'a'
						? fmt("%sAccept-Contact: *;video\n", cases[i][0])
						: cases[i][0]);
		cr_assert_str_eq(sip_hdr(c->in, "Accept-Contact"), cases[i][1]);
		refuse(c, b);
	}
	c = invited(&b,
			"Accept-Contact: *;+sip.instance=\"<urn:gsma:imei:1-2-3>\";"
			"explicit;require\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"" ENC "msg\"\n");
	cr_assert_eq(lines_of(c->in, "Accept-Contact"), 1);
	cr_assert_str_eq(sip_hdr(c->in, "Accept-Contact"),
			"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\"");
	refuse(c, b);
}

E2E_TEST(switch, asserted_service_is_the_large_one,
		"OP-27: P-Preferred-Service goes, P-Asserted-Service says largemsg or "
		"largemsg.group")
{
	static const char *const cases[][2] = {
			{"P-Preferred-Service: " URN "msg\n", URN "largemsg"},
			{"P-Preferred-Service: " URN "msg.group\n", URN "largemsg.group"},
			{"P-Preferred-Service:\nP-Asserted-Service: " URN "msg\n",
					URN "largemsg"},
			{"P-Preferred-Service:\nP-Asserted-Service: " URN "msg.group\n",
					URN "largemsg.group"}};
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		c = invited(&b, cases[i][0]);
		cr_assert_eq(lines_of(c->in, "P-Preferred-Service"), 0);
		cr_assert_eq(lines_of(c->in, "P-Asserted-Service"), 1);
		cr_assert_str_eq(sip_hdr(c->in, "P-Asserted-Service"), cases[i][1]);
		refuse(c, b);
	}
}

E2E_TEST(switch, offer_is_what_the_text_asks_for,
		"OP-36: sendonly, message/cpim, own path, size of the wrapper, actpass")
{
	struct big *b;
	struct call *c;
	const char *sdp;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	sdp = sip_body(c->in);
	cr_assert_str_eq(sip_hdr(c->in, "Content-Type"), "application/sdp");
	cr_assert(strstr(sdp, "\r\na=sendonly\r\n") != NULL);
	cr_assert_str_eq(sdp_attr(sdp, "accept-types"), "message/cpim");
	cr_assert_str_eq(sdp_attr(sdp, "accept-wrapped-types"), "text/plain");
	cr_assert_eq(
			strncmp(sdp_attr(sdp, "path"), fmt("msrp://%s:", lab->pf_ip), 20),
			0);
	cr_assert_str_eq(
			sdp_attr(sdp, "file-selector"), fmt("size:%zu", b->body_n));
	cr_assert_str_eq(sdp_attr(sdp, "setup"), "actpass");
	refuse(c, b);
}

E2E_TEST(switch, message_is_delivered_then_bye_then_the_answer,
		"OP-40 OP-41/part OP-42 OP-43 OP-46: ACK, the wrapper over MSRP byte "
		"for "
		"byte, BYE when it has been acknowledged and only then 200")
{
	struct sink *s = sink_open();
	const struct frame *f;
	struct big *b;
	struct call *c;
	struct sip *bye, *ok;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	f = sink_next(s, 6000);
	cr_assert_str_eq(s->type, "message/cpim");
	cr_assert_str_eq(
			s->to_path, fmt("msrp://127.0.0.1:%d/%s;tcp", s->port, s->id));
	cr_assert(*frame_header(f, "Message-ID") != '\0');
	cr_assert(s->complete);
	/* nothing is over before the recipient has said so */
	ua_idle(ua, 600);
	cr_assert_eq(ua_count(ua, "BYE", NULL), 0);
	cr_assert_eq(ua_count(ua, "200/MESSAGE", NULL), 0);
	raw_answer(s->c, f, 200);
	bye = ua_wait(ua, "BYE", c->call_id, 6000);
	cr_assert(strstr(sip_hdr(bye, "Reason"), "cause=200") != NULL);
	ua_idle(ua, 300);
	cr_assert_eq(ua_count(ua, "200/MESSAGE", NULL), 0);
	ua_answer(ua, bye, 200, "");
	ok = big_ends(b, 200, 6000);
	cr_assert_leq(bye->at, ok->at);
	cr_assert_eq(strncmp(sip_hdr(ok, "Server"), "CPM-serv/OMA", 12), 0);
	cr_assert_eq(s->n, b->body_n);
	cr_assert_str_eq(s->got, b->body);
	/* what the client asked to be told is asked for still */
	cr_assert_str_eq(cpim_hdr(s->got, "imdn.Disposition-Notification"),
			"positive-delivery, display");
	switch_clean(lab, 8000);
}

E2E_TEST(switch, active_recipient_is_waited_for,
		"OP-39: answer with setup:active, the PF is passive")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	sink_answer(s, c, "active", NULL);
	sink_connect(s, c);
	sink_take(s, 6000);
	cr_assert_str_eq(s->got, b->body);
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch, recipient_without_setup_is_connected_to,
		"OP-39: anything but setup:active, the PF is active")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	sink_answer(s, c, NULL, NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
	c = invited(&b, NULL);
	s = sink_open();
	sink_all(s, c, b);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch, session_timer_of_the_answer_is_in_force,
		"OP-38: refreshed by UPDATE at half the interval")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;
	struct sip *m;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	sink_answer(s, c, "active",
			"Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n"
			"Session-Expires: 4;refresher=uac\n");
	m = ua_wait(ua, "UPDATE", c->call_id, 4000);
	cr_assert_str_eq(sip_hdr(m, "Session-Expires"), "4;refresher=uac");
	ua_answer(ua, m, 200, "Session-Expires: 300;refresher=uac\n");
	sink_connect(s, c);
	sink_take(s, 6000);
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
}

E2E_TEST(switch, slow_recipient_is_waited_for,
		"OP-25 OP-43: longer than tm's fr_timer, while the client repeats its "
		"MESSAGE")
{
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, "modparam(\"tm\", \"fr_timer\", 3000)");
	c = invited(&b, NULL);
	call_reply(c, 180, NULL, "", "");
	for(int i = 0; i < 3; i++) {
		ua_idle(ua, 2500);
		big_again(b);
	}
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1);
	cr_assert_eq(ua_count(ua, "408/MESSAGE", NULL), 0);
	sink_all(sink_open(), c, b);
	big_ends(b, 200, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch, retransmissions_are_absorbed,
		"OP-25: one INVITE, and the answer again for a late repetition")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua, NULL);
	c = invited(&b, NULL);
	big_again(b);
	big_again(b);
	ua_idle(ua, 300);
	cr_assert_eq(ua_count(ua, "INVITE", c->call_id), 1);
	sink_all(s, c, b);
	big_ends(b, 200, 6000);
	big_again(b);
	big_ends(b, 200, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1);
	switch_clean(lab, 8000);
}

E2E_TEST(switch, copies_in_one_burst_make_one_invite,
		"OP-25: several workers see the same MESSAGE at the same time")
{
	enum
	{
		TIMES = 25
	};

	lab = switch_lab(&ua, NULL);
	for(int i = 0; i < TIMES; i++) {
		struct big *b = big_send(ua, &(struct big_opt){.n = SIZE});
		struct call *c;

		for(int j = 0; j < 3; j++)
			big_again(b);
		c = call_incoming(ua, 6000);
		refuse(c, b);
		cr_assert_eq(ua_count(ua, "INVITE", NULL), i + 1);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch, many_at_once, "OP-25 OP-43: forty messages, each its own way")
{
	enum
	{
		MANY = 40
	};
	struct big *b[MANY];

	lab = switch_lab(&ua, NULL);
	for(int i = 0; i < MANY; i++)
		b[i] = big_send(ua, &(struct big_opt){.n = (size_t)(1400 + 37 * i)});
	for(int i = 0; i < MANY; i++) {
		struct sink *s = sink_open();
		struct call *c = call_incoming(ua, 6000);

		sink_answer(s, c, "passive", NULL);
		sink_accept(s, 6000);
		sink_take(s, 6000);
		raw_close(s->c);
		flow_bye_comes(c, 6000);
	}
	for(int i = 0; i < MANY; i++)
		big_ends(b[i], 200, 8000);
	switch_clean(lab, 8000);
}
