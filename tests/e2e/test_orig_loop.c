/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the PF has sent comes back to it, by a core whose filter criterion
 * matches again: known by its mark and passed on as it is; what bears another's
 * mark, or none, is checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "orig_req.h"

E2E_SUITE(orig_loop);

#define EXPLODER "sip:exploder@cpm.test"

static struct lab *lab;
static struct ua *ua;
static struct proc *pf; /* req_own_pf() */

/* Send what the PF has sent to the PF once more, as a core does whose filter
 * criterion matches again. */
static void again(struct sip *m)
{
	const char *rest = strstr(m->text, "\r\n") + 2;

	ua_send(ua,
			fmt("%.*sVia: SIP/2.0/UDP %s:5060;branch=z9hG4bKagain%lu\r\n"
				"Route: <sip:orig@%s:5060;lr>\r\n%s",
					(int)(rest - m->text), m->text, ua_ip(ua), m->at,
					ua_pf_ip(ua), rest));
}

E2E_TEST(orig_loop, what_comes_back_is_passed_on_as_it_is,
		"OP-22: a second pass through the originating trigger, in which the "
		"checks would refuse it")
{
	const char *call_id, *text;
	struct sip *m, *m2;

	/* a limit that shrinks meanwhile shows whether it is checked again */
	lab = flow_lab(&ua, NULL);
	text = req_text(
			ua, &REQ(.headers = "User-Agent: CPM-client/OMA2.2\n"), &call_id);
	ua_send(ua, text);
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	cr_assert_str_neq(sip_hdr(m, "X-CPM-PF"), "");
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:alice@cpm.test max_message=10");
	again(m);
	m2 = ua_wait(ua, "MESSAGE", call_id, 6000);
	cr_assert_str_eq(sip_hdr(m2, "X-CPM-PF"), sip_hdr(m, "X-CPM-PF"));
	cr_assert_null(sip_hdr_nth(m2, "X-CPM-PF", 1));
	cr_assert_str_eq(sip_body(m2), sip_body(m));
	cr_assert_eq(lab_stat(lab, "messages_looped"), 1);
	cr_assert_eq(lab_stat(lab, "messages_pager"), 1);
	ua_answer(ua, m2, 200, "");
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 6000);
}

E2E_TEST(orig_loop, forged_mark_is_none,
		"OP-01 OP-03: another message, another sender, another wish, "
		"another time: all are checked")
{
	const char *call_id, *mark, *id, *body = pager_cpim();
	struct sip *m;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"anonymity\", 0)");
	ua_send(ua, req_text(ua, &REQ(.headers = "Subject: x\n"), &call_id));
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	mark = fmt("X-CPM-PF: %s\n", sip_hdr(m, "X-CPM-PF"));
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 6000);
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:alice@cpm.test "
			"authorised=0");
	/* the text's last Call-ID is replaced by that of the marked message */
	for(int i = 0; i < 5; i++) {
		static const char *const headers[] = {"",
				"P-Asserted-Identity: <sip:mallory@cpm.test>\n",
				"Privacy: id\n", "", ""};
		const char *h = fmt("%s%s", headers[i], mark), *text, *at;

		if(i == 4) {
			/* its time is part of it */
			at = strstr(mark, ";t=");
			h = fmt("%.*s;t=%ld%s", (int)(at - mark), mark,
					strtol(at + 3, NULL, 10) - 3600, strchr(at + 1, ';'));
		}
		text = req_text(ua,
				&REQ(.headers = h, .body = i == 3 ? fmt("%sX", body) : body),
				&id);
		if(i > 0) {
			at = strstr(text, id);
			text = fmt("%.*s%s%s", (int)(at - text), text, call_id,
					at + strlen(id));
			id = call_id;
		}
		ua_send(ua, text);
		m = ua_poll(ua, "403/MESSAGE", id, 6000);
		cr_assert(m != NULL, "forgery %d", i);
	}
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1);
	cr_assert_eq(lab_stat(lab, "messages_looped"), 0);
}

/* A message of one life of the PF comes back to the next one, as it would to
 * another node: is it known there? */
static bool known_to_another(const char *params)
{
	const char *call_id;
	struct sip *m;

	pf = req_own_pf(&lab, &ua, params, "", 404);
	ua_send(ua, req_text(ua, &REQ(.headers = "Subject: x\n"), &call_id));
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 6000);
	pf = req_own_pf_again(lab, ua, pf, 404);
	again(m);
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	ua_answer(ua, m, 200, "");
	return lab_stat(lab, "messages_looped") == 1;
}

E2E_TEST(orig_loop, nodes_with_one_secret_know_each_others_requests,
		"OP-22: loop_secret and instance")
{
	cr_assert(known_to_another("modparam(\"cpm\", \"instance\", \"pf\")\n"
							   "modparam(\"cpm\", \"loop_secret\", \"s3\")"));
}

E2E_TEST(orig_loop, nodes_without_a_secret_do_not, "OP-22: checked again")
{
	cr_assert(!known_to_another("modparam(\"cpm\", \"instance\", \"pf\")"));
}

E2E_TEST(orig_loop, header_of_the_mark_is_the_operators_choice,
		"OP-22: loop_header")
{
	struct sip *m;

	pf = req_own_pf(
			&lab, &ua, "modparam(\"cpm\", \"loop_header\", \"X-Op\")", "", 404);
	m = req_passed(ua, "name", REQ(.headers = "Subject: x\n"));
	cr_assert_str_neq(sip_hdr(m, "X-Op"), "");
	cr_assert_str_eq(sip_hdr(m, "X-CPM-PF"), "");
}

E2E_TEST(orig_loop, core_that_triggers_twice_does_no_harm,
		"OP-22 OL-06 OL-18/part: MESSAGE, INVITE and lists through a core "
		"whose "
		"filter criterion is too wide")
{
	const char *file = test_file("x", 20000, false);
	struct proc *bob, *carol;

	lab = lab_own("LAB_TRIGGERS=orig", "LAB_TRIGGER_AGAIN=1", NULL);
	bob = client_receive(lab, "bob", NULL);
	sender_ends(client_send(lab, "alice", "--to", BOB, "--text", "hello", NULL),
			SENT, 15000);
	sender_ends(client_send(lab, "alice", "--to", BOB, "--file", file, NULL),
			SENT, 15000);
	cr_assert_str_eq(file_sha256(received_file(bob, 1)), file_sha256(file));
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 2);
	cr_assert_eq(lab_stat(lab, "messages_looped"), 2);
	cr_assert_eq(lab_stat(lab, "messages_pager"), 1);
	cr_assert_eq(lab_stat(lab, "messages_large"), 1);
	/* each copy for a list comes back, too */
	carol = client_receive(lab, "carol", NULL);
	sender_ends(client_send(lab, "alice", "--exploder", EXPLODER, "--to", BOB,
						"--to", CAROL, "--text", "all", NULL),
			SENT, 15000);
	sender_ends(client_send(lab, "alice", "--exploder", EXPLODER, "--to", BOB,
						"--to", CAROL, "--file", file, NULL),
			SENT, 15000);
	received(carol, 1);
	received(bob, 3);
	lab_idle(lab, 10000);
	cr_assert_eq(lab_stat(lab, "messages_looped"), 6);
	cr_assert_eq(json_array_size(proc_events(carol, "received")), 2);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 4);
}
