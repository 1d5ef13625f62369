/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery of pager messages to the sender's other clients, read from
 * the wire: OMA-TS-CPM_Conv_Fnct 8.2.1.1 "direct delivery". The PF is the
 * registrar; the test plays the core between it and everybody else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "direct_flow.h"
#include "list_flow.h"

E2E_SUITE(direct_pager);

#define PHONE "urn:uuid:00000000-0000-4000-8000-000000000001"
#define TABLET "urn:uuid:00000000-0000-4000-8000-000000000002"
#define LAPTOP "urn:uuid:00000000-0000-4000-8000-000000000003"
#define NONE_MS 400 /* nothing comes for so long: nothing will */

static struct own own;

/* alice with a phone (100), a tablet (101) and a laptop (102). */
static void start(const char *params, const char *before)
{
	own_start(&own, params, before);
	own_register(&own, "alice", 100, PHONE, "msg largemsg", 600);
	own_register(&own, "alice", 101, TABLET, "msg largemsg", 600);
	own_register(&own, "alice", 102, LAPTOP, "msg largemsg", 600);
}

/* alice's phone sends; bob answers; she gets his answer. */
static struct sip *send_to_bob(struct req r, int code)
{
	const char *call_id, *text;
	struct sip *on;

	r.headers = fmt("%s%s", own_via(&own, 100), r.headers ? r.headers : "");
	text = req_text(own.ua, &r, &call_id);
	ua_send(own.ua, text);
	on = ua_wait(own.ua, "MESSAGE sip:bob@cpm.test", NULL, 6000);
	ua_answer(own.ua, on, code, "");
	ua_wait(own.ua, fmt("%d/MESSAGE", code), call_id, 6000);
	return on;
}

static struct sip *copy_to(const char *urn)
{
	const char *what = fmt("MESSAGE %s", own_gruu("alice", urn));

	return ua_wait(own.ua, what, NULL, 6000);
}

static void no_copies(const char *why)
{
	static const char *const all[] = {PHONE, TABLET, LAPTOP};

	ua_idle(own.ua, NONE_MS);
	for(int i = 0; i < 3; i++) {
		const char *what = fmt("MESSAGE %s", own_gruu("alice", all[i]));

		cr_assert_null(ua_poll(own.ua, what, NULL, 0), "%s: to %s", why, what);
	}
}

static void same(const struct sip *m, const char *name, const char *value)
{
	cr_assert_str_eq(
			sip_hdr(m, name), value, "%s is \"%s\"", name, sip_hdr(m, name));
}

E2E_TEST(direct_pager, other_clients_get_what_was_sent,
		"OP-48 OP-49 OP-50 OP-51: after the 200 one MESSAGE to the GRUU of "
		"each "
		"other client, with the headers of the original and Message-Direction")
{
	static const char *const copied[][2] = {
			{"Accept-Contact",
					"*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
					"ims.icsi.oma.cpm.msg\""},
			{"Conversation-ID", "conv-7"}, {"Contribution-ID", "contr-7"},
			{"InReplyTo-Contribution-ID", "contr-6"},
			{"Reply-To", "<sip:desk@cpm.test>"}, {"Expires", "3600"},
			{"Subject", "lunch"}, {"Privacy", "id"},
			{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
			{"P-Charging-Vector", "icid-value=1234;orig-ioi=home"}};
	static const char cpim[] =
			"From: <sip:alice@cpm.test>\nTo: <sip:bob@cpm.test>\n"
			"DateTime: 2026-11-21T10:00:00Z\n"
			"NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: m-1\n"
			"NS: cpm <http://www.openmobilealliance.org/cpm/>\n"
			"cpm.Payload-Type: text/plain\n";
	static const char payload[] = "\nContent-Type: text/plain\n\nhello\n";
	const char *headers = "";
	struct sip *got[2];

	start("", "");
	for(size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++)
		headers = fmt("%s%s: %s\n", headers, copied[i][0], copied[i][1]);
	send_to_bob(
			REQ(.headers = headers, .body = fmt("%s%s", cpim, payload)), 200);
	got[0] = copy_to(TABLET);
	got[1] = copy_to(LAPTOP);
	for(int i = 0; i < 2; i++) {
		struct sip *m = got[i];
		const char *want = fmt("%sMessage-Direction: sent\n%s", cpim, payload);

		for(size_t j = 0; j < sizeof(copied) / sizeof(*copied); j++)
			same(m, copied[j][0], copied[j][1]);
		same(m, "To", "<sip:bob@cpm.test>");
		cr_assert(strstr(sip_hdr(m, "From"), "<sip:alice@cpm.test>;tag="));
		same(m, "Content-Type", "message/cpim");
		same(m, "P-Asserted-Service",
				"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg");
		same(m, "P-Preferred-Service", "");
		same(m, "User-Agent", "CPM-serv/OMA2.2");
		same(m, "Route", fmt("<sip:mark@%s:5060;lr>", own.lab->core_ip));
		cr_assert_eq(strlen(sip_body(m)), sdp_length(want));
		for(const char *a = sip_body(m), *b = want; *b; a++) {
			if(*a == '\r')
				continue;
			cr_assert_eq(*a, *b, "body is %s", sip_body(m));
			b++;
		}
		ua_answer(own.ua, m, 200, "");
	}
	no_copies("and nobody else");
	own_stat_wait(&own, "direct_copies", 2);
	own_stat_wait(&own, "direct_taken", 2);
}

E2E_TEST(direct_pager, only_what_has_arrived_is_copied,
		"OP-48: no copies before the 200, none of a message that was refused; "
		"202 of a recipient's server that keeps it is as good as 200")
{
	const char *call_id, *text;
	struct sip *on;

	start("modparam(\"cpm\", \"interworking\", 0)", "");
	text = req_text(own.ua, &REQ(.headers = own_via(&own, 100)), &call_id);
	ua_send(own.ua, text);
	on = ua_wait(own.ua, "MESSAGE sip:bob@cpm.test", NULL, 6000);
	no_copies("before the answer");
	ua_answer(own.ua, on, 486, "");
	ua_wait(own.ua, "486/MESSAGE", call_id, 6000);
	no_copies("of what was refused");
	send_to_bob(REQ(.headers = NULL), 202);
	ua_answer(own.ua, copy_to(TABLET), 200, "");
	ua_answer(own.ua, copy_to(LAPTOP), 480, "");
	own_stat_wait(&own, "direct_taken", 1);
	own_stat_wait(&own, "direct_failed", 1);
}

E2E_TEST(direct_pager, policy_says_whether_there_are_copies,
		"OP-48: off by modparam, on and off again for a single request")
{
	start("modparam(\"cpm\", \"direct_delivery\", 0)",
			"if($hdr(X-Direct) != $null) $cpm(direct_delivery) = "
			"$hdr(X-Direct);");
	send_to_bob(REQ(.headers = NULL), 200);
	no_copies("direct_delivery is 0");
	send_to_bob(REQ(.headers = "X-Direct: yes\n"), 200);
	ua_answer(own.ua, copy_to(TABLET), 200, "");
	ua_answer(own.ua, copy_to(LAPTOP), 200, "");
	send_to_bob(REQ(.headers = "X-Direct: no\n"), 200);
	no_copies("$cpm(direct_delivery) is no");
}

E2E_TEST(direct_pager, clients_that_do_not_suit_get_nothing,
		"OP-49: an old client and one without the service get no copy; none "
		"left: skipped")
{
	own_start(&own, "modparam(\"cpm\", \"min_client_version\", \"2.0\")", "");
	own_register(&own, "alice", 100, PHONE, "msg largemsg", 600);
	own_register_ua(&own, "alice", 101, TABLET, "msg largemsg", 600,
			"CPM-client/OMA1.0");
	own_register(&own, "alice", 102, LAPTOP, "largemsg", 600);
	send_to_bob(REQ(.headers = NULL), 200);
	no_copies("the tablet is too old, the laptop takes no pager messages");
	own_register(&own, "alice", 102, LAPTOP, "msg largemsg", 600);
	send_to_bob(REQ(.headers = NULL), 200);
	ua_answer(own.ua, copy_to(LAPTOP), 200, "");
	own_register(&own, "alice", 102, LAPTOP, "msg largemsg", 0);
	send_to_bob(REQ(.headers = NULL), 200);
	no_copies("the laptop is gone");
	cr_assert_eq(lab_stat(own.lab, "direct_copies"), 1);
}

E2E_TEST(direct_pager, copies_that_come_back_are_no_new_messages,
		"OP-51: a core that sends a copy through either half of the PF gets it "
		"back as it is, and there are no copies of copies")
{
	static const char *const cases[] = {"orig", "term"};
	struct sip *m, *again;

	start("", "");
	own_register(&own, "alice", 102, LAPTOP, "msg", 0);
	send_to_bob(REQ(.headers = NULL), 200);
	m = copy_to(TABLET);
	for(int i = 0; i < 2; i++) {
		const char *lines = strstr(m->text, "\r\n") + 2;
		const char *rest = strstr(lines, "\r\nFrom:") + 2;
		const char *ruri = own_gruu("alice", TABLET);
		const char *text = fmt("MESSAGE %s SIP/2.0\r\n"
							   "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKb%d\r\n"
							   "Route: <sip:%s@%s:5060;lr>, "
							   "<sip:mark@%s:5060;lr>\r\n",
				ruri, own.lab->core_ip, i, cases[i], own.lab->pf_ip,
				own.lab->core_ip);
		char *whole = NULL;
		size_t n;
		FILE *f = open_memstream(&whole, &n);

		fprintf(f, "%s", text);
		/* all lines but Via and Route */
		for(const char *p = lines; p < rest + strlen(rest);) {
			const char *end = strstr(p, "\r\n");

			if(end == p) {
				fputs(p, f);
				break;
			}
			if(strncmp(p, "Via:", 4) != 0 && strncmp(p, "Route:", 6) != 0)
				fprintf(f, "%.*s\r\n", (int)(end - p), p);
			p = end + 2;
		}
		fclose(f);
		ua_put(own.ua, whole, n);
		again = ua_wait(own.ua, fmt("MESSAGE %s", ruri), NULL, 6000);
		same(again, "Call-ID", sip_hdr(m, "Call-ID"));
		cr_assert_str_eq(sip_body(again), sip_body(m));
		ua_answer(own.ua, again, 200, "");
		ua_wait(own.ua, "200/MESSAGE", sip_hdr(m, "Call-ID"), 6000);
		free(whole);
	}
	ua_answer(own.ua, m, 200, "");
	no_copies("of copies");
	cr_assert_eq(lab_stat(own.lab, "direct_copies"), 1);
}

E2E_TEST(direct_pager, one_copy_of_a_message_to_many,
		"OP-48 OP-49 OP-50: a message to a list is copied once, when the first "
		"recipient has taken it, with the ids that its recipients see")
{
	struct sip *got[3], *copy = NULL;
	const char *text, *at;

	own_start(&own, "", "");
	own_register(&own, "alice", 100, PHONE, "msg", 600);
	own_register(&own, "alice", 101, TABLET, "msg", 600);
	text = list_to(own.ua, "",
			"sip:bob@cpm.test sip:carol@cpm.test sip:dave@cpm.test");
	at = strstr(text, "From:");
	ua_send(own.ua,
			fmt("%.*s%s%s", (int)(at - text), text, own_via(&own, 100), at));
	ua_wait(own.ua, "202/MESSAGE", NULL, 6000);
	for(int i = 0; i < 3; i++)
		got[i] = ua_wait(own.ua, "MESSAGE", NULL, 6000);
	no_copies("before anybody has it");
	ua_answer(own.ua, got[0], 403, "");
	no_copies("of what was refused");
	ua_answer(own.ua, got[1], 200, "");
	copy = copy_to(TABLET);
	ua_answer(own.ua, copy, 200, "");
	ua_answer(own.ua, got[2], 200, "");
	no_copies("again");
	same(copy, "Conversation-ID", sip_hdr(got[0], "Conversation-ID"));
	same(copy, "Contribution-ID", sip_hdr(got[0], "Contribution-ID"));
	same(copy, "To", "<sip:bob@cpm.test>"); /* as the sender wrote it */
	cr_assert(strstr(sip_body(copy), "\r\nMessage-Direction: sent\r\n"));
	cr_assert(strstr(sip_body(copy), "To: <" EXPLODER ">"));
}

E2E_TEST(direct_pager, reports_have_no_copies,
		"OP-50/part: a disposition notification is nothing that a client shows")
{
	start("", "");
	send_to_bob(REQ(.body = "From: <sip:alice@cpm.test>\n"
							"To: <sip:bob@cpm.test>\n"
							"NS: imdn <urn:ietf:params:imdn>\n"
							"imdn.Message-ID: r-1\n\n"
							"Content-Type: message/imdn+xml\n"
							"Content-Disposition: notification\n\n<imdn/>\n"),
			200);
	no_copies("of a report");
}

E2E_TEST(direct_pager, wrapper_line_may_have_a_prefix,
		"OP-50: Message-Direction under the namespace of the operator's "
		"choice, "
		"in place of one that the sender has written")
{
	struct sip *m;

	own_start(&own, "modparam(\"cpm\", \"direction_prefix\", \"cpm\")", "");
	own_register(&own, "alice", 100, PHONE, "msg", 600);
	own_register(&own, "alice", 101, TABLET, "msg", 600);
	send_to_bob(REQ(.body = "From: <sip:alice@cpm.test>\n"
							"Message-Direction: received\n"
							"To: <sip:bob@cpm.test>\n\n"
							"Content-Type: text/plain\n\nhello\n"),
			200);
	m = copy_to(TABLET);
	ua_answer(own.ua, m, 200, "");
	cr_assert(strstr(sip_body(m),
					  "\r\nNS: cpm <http://www.openmobilealliance.org/cpm/>\r\n"
					  "cpm.Message-Direction: sent\r\n\r\n"),
			"%s", sip_body(m));
	cr_assert(strstr(sip_body(m), "received") == NULL);
}
