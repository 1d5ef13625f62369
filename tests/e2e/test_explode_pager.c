/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One pager message to many recipients, read from the wire:
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 #8A.ii. The test plays the core, and the ISF
 * where it is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list_flow.h"

E2E_SUITE(explode_pager);

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."

static struct lab *lab;
static struct ua *ua;

static struct sip *to_whom(struct sip **got, int n, const char *uri)
{
	for(int i = 0; i < n; i++)
		if(strcmp(sip_ruri(got[i]), uri) == 0)
			return got[i];
	cr_assert_fail("nothing was sent to %s", uri);
	return NULL;
}

static int times(const char *text, const char *what)
{
	int n = 0;

	for(const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

static void same(const struct sip *m, const char *name, const char *value)
{
	cr_assert_str_eq(
			sip_hdr(m, name), value, "%s is \"%s\"", name, sip_hdr(m, name));
}

E2E_TEST(explode_pager, each_recipient_gets_a_message_of_his_own,
		"OP-16 OP-17 OP-20 OP-21 OP-22: one new MESSAGE for each entry, with "
		"the headers of the one received, by way of the core")
{
	static const char *const uris[] = {
			"sip:bob@cpm.test", "sips:carol@cpm.test", "tel:+15550104"};
	static const char *const copied[][2] = {
			{"Accept-Contact",
					"*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi."
					"oma.cpm.msg\";require"},
			{"Conversation-ID", "conv-7"}, {"Contribution-ID", "contr-7"},
			{"InReplyTo-Contribution-ID", "contr-6"},
			{"Reply-To", "<sip:desk@cpm.test>"}, {"Expires", "3600"},
			{"Subject", "lunch"}, {"Privacy", "id"},
			{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
			{"P-Charging-Vector", "icid-value=1234;orig-ioi=home"}};
	struct sip *got[3], *answer;
	const char *headers = "", *sent;
	char *call_id[3];

	lab = flow_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++)
		headers = fmt("%s%s: %s\n", headers, copied[i][0], copied[i][1]);
	sent = list_to(ua, headers, fmt("%s %s %s", uris[0], uris[1], uris[2]));
	ua_send(ua, sent);
	answer = ua_wait(ua, "202/MESSAGE", NULL, 6000);
	same(answer, "Server", "CPM-serv/OMA2.2");
	list_take(ua, 3, 200, got);
	for(int i = 0; i < 3; i++) {
		struct sip *m = to_whom(got, 3, uris[i]);

		for(size_t j = 0; j < sizeof(copied) / sizeof(*copied); j++)
			same(m, copied[j][0], copied[j][1]);
		same(m, "To", fmt("<%s>", uris[i]));
		cr_assert_lt(strtol(sip_hdr(m, "Max-Forwards"), NULL, 10), 69);
		cr_assert_gt(strtol(sip_hdr(m, "Max-Forwards"), NULL, 10), 60);
		same(m, "Route", fmt("<sip:mark@%s:5060;lr>", lab->core_ip));
		cr_assert(strstr(sip_hdr(m, "From"), "<sip:alice@cpm.test>;tag="));
		cr_assert(strstr(sip_hdr(m, "From"), ";tag=m") == NULL);
		call_id[i] = strdup(sip_hdr(m, "Call-ID"));
		cr_assert(strstr(sent, call_id[i]) == NULL);
		for(int j = 0; j < i; j++)
			cr_assert_str_neq(call_id[i], call_id[j]);
	}
	ua_idle(ua, 300);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 3);
}

E2E_TEST(explode_pager, body_is_the_message_alone_to_the_recipient,
		"OP-18: no list and no history of recipients; the wrapper is to him "
		"(RFC 5365 section 7.3)")
{
	struct sip *got[2];

	lab = flow_lab(&ua, NULL);
	ua_send(ua, list_message(ua, NULL, NULL));
	list_take(ua, 2, 200, got);
	for(int i = 0; i < 2; i++) {
		const char *body = sip_body(got[i]);

		same(got[i], "Content-Type", "message/cpim");
		same(got[i], "Content-Length", fmt("%zu", strlen(body)));
		same(got[i], "Require", "");
		cr_assert(strstr(got[i]->text, "resource-lists") == NULL);
		cr_assert(strstr(got[i]->text, "recipient-list") == NULL);
		cr_assert_eq(times(body, "\nTo:"), 1);
		cr_assert(strstr(body, fmt("\r\nTo: <%s>\r\n", sip_ruri(got[i]))));
		cr_assert(strstr(body, "\r\nimdn.Message-ID: msg-1\r\n"));
		cr_assert(strstr(body, "From: <sip:alice@cpm.test>\r\n") == body);
		cr_assert(strstr(body, "\r\n\r\nhello all"));
	}
}

E2E_TEST(explode_pager, sender_is_told_that_it_was_the_pf,
		"OP-19 OP-09: User-Agent is the PF's release token, P-Asserted-Service "
		"the client's choice")
{
	static const struct
	{
		const char *preferred, *asserted;
	} cases[] = {{ICSI "msg.group", ICSI "msg.group"}, {ICSI "msg", ICSI "msg"},
			/* some clients name another service: Accept-Contact counts */
			{ICSI "filetransfer.group", ICSI "msg"}};
	struct sip *got[2];

	lab = flow_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ua_send(ua,
				list_message(ua,
						fmt("P-Preferred-Service: %s\n"
							"User-Agent: CPM-client/OMA2.2 x\n",
								cases[i].preferred),
						NULL));
		list_take(ua, 2, 200, got);
		for(int j = 0; j < 2; j++) {
			same(got[j], "User-Agent", "CPM-serv/OMA2.2");
			same(got[j], "P-Asserted-Service", cases[i].asserted);
			same(got[j], "P-Preferred-Service", "");
		}
		ua_wait(ua, "202/MESSAGE", NULL, 6000);
	}
}

E2E_TEST(explode_pager, ids_are_made_where_there_are_none,
		"OP-17: recipients insist on Conversation-ID and Contribution-ID")
{
	struct sip *got[2];
	char *text, *line;

	lab = flow_lab(&ua, NULL);
	text = strdup(list_message(ua, NULL, NULL));
	line = strstr(text, "Conversation-ID:");
	memcpy(line, "X-Was-There-Bef", 15);
	ua_send(ua, text);
	list_take(ua, 2, 200, got);
	cr_assert_eq(strlen(sip_hdr(got[0], "Conversation-ID")), 32);
	cr_assert_eq(strlen(sip_hdr(got[0], "Contribution-ID")), 32);
	same(got[1], "Conversation-ID", sip_hdr(got[0], "Conversation-ID"));
	same(got[1], "Contribution-ID", sip_hdr(got[0], "Contribution-ID"));
	same(got[0], "InReplyTo-Contribution-ID", "");
	same(got[0], "Reply-To", "");
}

E2E_TEST(explode_pager, wrapper_stays_as_it_is_when_told,
		"OP-17: modparam rewrite_cpim_to")
{
	struct sip *got[2];

	lab = flow_lab(&ua, "modparam(\"cpm\", \"rewrite_cpim_to\", 0)");
	ua_send(ua, list_message(ua, NULL, NULL));
	list_take(ua, 2, 200, got);
	for(int i = 0; i < 2; i++) {
		cr_assert(strstr(sip_body(got[i]), "\r\nTo: <" EXPLODER ">\r\n"));
		cr_assert_eq(strlen(sip_body(got[i])), sdp_length(list_cpim()),
				"nothing is added");
	}
}

E2E_TEST(explode_pager, every_to_of_the_wrapper_becomes_one,
		"OP-17: no recipient learns of the others from the wrapper")
{
	static const char cpim[] =
			"From: <sip:alice@cpm.test>\nTo: <sip:bob@cpm.test>\n"
			"Subject: x\nTo: <sip:carol@cpm.test>\n"
			"NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: msg-1\n\n"
			"Content-Type: text/plain\n\nTo: all";
	static const char bare[] = "From: <sip:alice@cpm.test>\nSubject: x\n\n"
							   "Content-Type: text/plain\n\nTo: all";
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	ua_send(ua,
			list_message(ua, NULL,
					list_body(list_part(list_xml(
									  list_entries("sip:dave@cpm.test"))),
							cpim_part(cpim), NULL)));
	list_take(ua, 1, 200, &m);
	cr_assert_str_eq(sip_body(m),
			"From: <sip:alice@cpm.test>\r\nTo: <sip:dave@cpm.test>\r\n"
			"Subject: x\r\n"
			"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: msg-1\r\n\r\n"
			"Content-Type: text/plain\r\n\r\nTo: all");
	ua_send(ua,
			list_message(ua, NULL,
					list_body(list_part(list_xml(
									  list_entries("sip:dave@cpm.test"))),
							cpim_part(bare), NULL)));
	list_take(ua, 1, 200, &m);
	cr_assert_str_eq(sip_body(m),
			"From: <sip:alice@cpm.test>\r\nSubject: x\r\n"
			"To: <sip:dave@cpm.test>\r\n\r\n"
			"Content-Type: text/plain\r\n\r\nTo: all");
}

E2E_TEST(explode_pager, retransmission_makes_no_second_round,
		"OP-17: RFC 3261 17.2.2")
{
	const char *text;

	lab = flow_lab(&ua, NULL);
	text = list_message(ua, NULL, NULL);
	ua_send(ua, text);
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	list_take(ua, 2, 200, NULL);
	ua_send(ua, text);
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	ua_idle(ua, 200);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 2);
}

/* One message to bob and carol, who answer so; what the sender gets. */
static void aggregate(int first, int second, int all)
{
	ua_send(ua, list_message(ua, NULL, NULL));
	list_take(ua, 1, first, NULL);
	ua_idle(ua, 100);
	cr_assert_eq(ua_count(ua, fmt("%d/MESSAGE", all), NULL), 0,
			"answered before all recipients have");
	list_take(ua, 1, second, NULL);
	ua_wait(ua, fmt("%d/MESSAGE", all), NULL, 6000);
	for(struct sip *m; (m = ua_poll(ua, "MESSAGE", NULL, 0)) != NULL;)
		cr_assert_fail("%s was sent", sip_ruri(m));
}

E2E_TEST(explode_pager, sender_may_wait_for_all_answers,
		"OP-24/part: exploder_answer aggregate: 200, 202 or the lowest failure")
{
	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"exploder_answer\", \"aggregate\")\n"
			"modparam(\"cpm\", \"interworking\", 0)\n"
			"modparam(\"cpm\", \"exploder_wait\", 1500)");
	aggregate(200, 200, 200);
	aggregate(486, 404, 404);
	aggregate(480, 486, 480);
	aggregate(200, 480, 202);
	/* one does not answer */
	ua_send(ua, list_message(ua, NULL, NULL));
	list_take(ua, 1, 200, NULL);
	ua_wait(ua, "202/MESSAGE", NULL, 4000);
}

E2E_TEST(explode_pager, failed_recipient_goes_to_the_isf_once,
		"OP-12 OP-23 OP-24/part: the same MESSAGE to the ISF, whose answer "
		"stands")
{
	static const int codes[] = {404, 405, 410, 414, 415, 416, 488, 606};
	struct ua *isf;
	struct sip *m, *n;

	lab = flow_lab(&ua, NULL);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		ua_send(ua, list_to(ua, NULL, "sip:bob@cpm.test"));
		list_take(ua, 1, codes[i], &m);
		n = ua_wait(isf, "MESSAGE", NULL, 6000);
		cr_assert_str_eq(sip_ruri(n), "sip:bob@cpm.test");
		same(n, "Route", fmt("<sip:%s:5060;lr>", lab->isf_ip));
		cr_assert_str_eq(sip_body(n), sip_body(m));
		same(n, "P-Asserted-Identity", sip_hdr(m, "P-Asserted-Identity"));
		same(n, "Conversation-ID", sip_hdr(m, "Conversation-ID"));
		ua_answer(isf, n, i % 2 ? 404 : 200, "");
	}
	lab_log_wait(lab, "cpm", "sip:bob@cpm.test failed with 404", 3000);
	ua_send(ua, list_to(ua, NULL, "sip:bob@cpm.test"));
	list_take(ua, 1, 480, NULL);
	lab_log_wait(lab, "cpm", "sip:bob@cpm.test failed with 480", 3000);
	ua_idle(ua, 200);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 8);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 9);
	cr_assert_eq(lab_stat(lab, "isf_tried"), 8);
	cr_assert_eq(lab_stat(lab, "isf_answered_ok"), 4);
	cr_assert_eq(lab_stat(lab, "exploder_failed"), 5);
}

E2E_TEST(explode_pager, address_of_another_kind_goes_to_the_isf_at_once,
		"OP-12: neither SIP nor TEL within a list")
{
	struct ua *isf;
	struct sip *n;

	lab = flow_lab(&ua, NULL);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
	ua_send(ua, list_to(ua, NULL, "mailto:dan@example.com sip:bob@cpm.test"));
	list_take(ua, 1, 200, NULL);
	n = ua_wait(isf, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_ruri(n),
			fmt("sip:mailto%%3Adan%%40example.com@%s:5060", lab->isf_ip));
	same(n, "To", "<mailto:dan@example.com>");
	cr_assert(strstr(sip_body(n), "\r\nTo: <mailto:dan@example.com>\r\n"));
	ua_answer(isf, n, 415, "");
	lab_log_wait(lab, "cpm", "mailto:dan@example.com failed with 415", 3000);
	ua_idle(ua, 100);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 1);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1);
}

E2E_TEST(explode_pager, policy_and_mode_of_interworking,
		"OP-23 OP-12: not where policy forbids it; by way of the core where it "
		"is to go so")
{
	struct sip *m;

	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"isf_mode\", \"core\")\n"
			"event_route[cpm:recipient-failed] { xlog(\"L_NOTICE\", \"event: "
			"$cpm(recipient) $cpm(recipient_code) "
			"$cpm(recipient_call_id)\\n\");"
			" }");
	ua_send(ua, list_to(ua, NULL, "sip:bob@cpm.test"));
	list_take(ua, 1, 404, NULL);
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	same(m, "Route",
			fmt("<sip:mark@%s:5060;lr>, <sip:%s:5060;lr>", lab->core_ip,
					lab->isf_ip));
	ua_answer(ua, m, 404, "");
	lab_log_wait(lab, "cpm",
			"event: sip:bob@cpm.test 404 m[0-9]+-[0-9]+-[0-9]+@test", 3000);
	ua_idle(ua, 100);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 2);
}

E2E_TEST(explode_pager, nothing_is_interworked_against_the_policy,
		"OP-23: interworking 0")
{
	lab = flow_lab(&ua, "modparam(\"cpm\", \"interworking\", 0)");
	ua_send(ua, list_to(ua, NULL, "mailto:dan@example.com sip:bob@cpm.test"));
	list_take(ua, 1, 404, NULL);
	lab_log_wait(lab, "cpm", "sip:bob@cpm.test failed with 404", 3000);
	lab_log_wait(lab, "cpm", "mailto:dan@example.com failed with 416", 3000);
	ua_idle(ua, 100);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1);
}

/* Take and answer MESSAGEs until n recipients have theirs, retransmissions too;
 * the most that were under way at once. */
static int take_all(int n)
{
	char *seen = calloc((size_t)n + 1, 1);
	int most = 0;

	for(int i = 0; i < n;) {
		struct sip *m = ua_wait(ua, "MESSAGE", NULL, 6000);
		long who = strtol(sip_ruri(m) + strlen("sip:user"), NULL, 10);

		cr_assert(who >= 1 && who <= n, "%s", sip_ruri(m));
		ua_answer(ua, m, 200, "");
		if(seen[who])
			continue;
		seen[who] = 1;
		if(i++ % 100 == 0) {
			int open = (int)lab_stat(lab, "exploder_in_flight");

			most = open > most ? open : most;
		}
	}
	free(seen);
	return most;
}

E2E_TEST(explode_pager, large_lists_do_not_hold_up_small_ones,
		"OP-17: messages take turns when the window is full")
{
	struct sip *first;
	int large = 0, small = 0;

	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"max_recipients\", 200)\n"
			"modparam(\"cpm\", \"exploder_parallel\", 20)\n"
			"modparam(\"cpm\", \"exploder_window\", 20)");
	ua_send(ua,
			list_message(ua, NULL,
					list_body(list_part(list_xml(list_of(200))),
							cpim_part(list_cpim()), NULL)));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	first = ua_wait(ua, "MESSAGE", NULL, 6000);
	ua_send(ua, list_to(ua, NULL, "sip:bob@cpm.test sip:carol@cpm.test"));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	/* the window is that of all lists together */
	cr_assert_leq(lab_stat(lab, "exploder_in_flight"), 20);
	/* each answer lets one go: half of the first ones are the small list's */
	ua_answer(ua, first, 200, "");
	while(small < 2) {
		struct sip *m = ua_wait(ua, "MESSAGE", NULL, 6000);

		ua_answer(ua, m, 200, "");
		if(strncmp(sip_ruri(m), "sip:user", 8) == 0)
			large++;
		else
			small++;
		cr_assert_lt(large, 100, "the small list waits for the large one");
	}
	while(lab_stat(lab, "exploder_in_flight") > 0)
		for(struct sip *m; (m = ua_poll(ua, "MESSAGE", NULL, 100)) != NULL;)
			ua_answer(ua, m, 200, "");
	lab_log_wait(lab, "cpm", "ends: 200 taken, 0 failed", 5000);
}

E2E_TEST(explode_pager, want_of_memory_makes_recipients_wait,
		"OP-17: no recipient is dropped because tm's memory is used up; a new "
		"list gets 503 meanwhile")
{
	struct sip *m;

	lab = lab_own("LAB_WITHOUT=core isf", "LAB_CPM_SHM=6",
			"LAB_MAX_RECIPIENTS=1000",
			"LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"exploder_parallel\", 1000)\n"
			"modparam(\"cpm\", \"exploder_window\", 1000)",
			NULL);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	ua_send(ua,
			list_message(ua, NULL,
					list_body(list_part(list_xml(list_of(1000))),
							cpim_part(list_cpim()), NULL)));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	lab_expect_log(lab, "cpm", "no fan-out for Call-ID .*: out of memory");
	lab_log_wait(lab, "cpm", "shared memory is short: [0-9]+ recipients", 5000);
	ua_send(ua, list_message(ua, NULL, NULL));
	m = ua_wait(ua, "503/MESSAGE", NULL, 3000);
	cr_assert(sip_hdr(m, "Retry-After")[0]);
	take_all(1000);
	lab_log_wait(lab, "cpm", "ends: 1000 taken, 0 failed", 5000);
}

E2E_TEST(explode_pager, thousand_recipients_get_it_at_a_pace,
		"OP-17 OP-22: exploder_parallel requests at a time, nothing left "
		"behind")
{
	long long before;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"max_recipients\", 1000)");
	before = lab_shm_used(lab);
	ua_send(ua,
			list_message(ua, NULL,
					list_body(list_part(list_xml(list_of(1000))),
							cpim_part(list_cpim()), NULL)));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	/* nobody answers: it stops, at the latest with the clock's next tick */
	ua_idle(ua, 1500);
	cr_assert_eq(lab_stat(lab, "exploder_in_flight"), 50);
	cr_assert_eq(lab_stat(lab, "exploder_waiting"), 950);
	cr_assert_eq(lab_rpc_number(lab, "cpm.fanouts", "recipients"), 1000);
	cr_assert_eq(lab_rpc_number(lab, "cpm.fanouts", "sent"), 50);
	cr_assert_leq(take_all(1000), 50);
	lab_log_wait(lab, "cpm", "ends: 1000 taken, 0 failed", 5000);
	cr_assert_eq(lab_stat(lab, "exploder_in_flight"), 0);
	cr_assert_eq(lab_stat(lab, "exploder_waiting"), 0);
	cr_assert_eq(lab_stat(lab, "exploded_recipients"), 1000);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.fanouts"), "total: 0"));
	lab_shm_back(lab, before);
}
