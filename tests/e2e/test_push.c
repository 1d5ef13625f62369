/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Stored pager messages go out when their owner can be reached (cpm_push*.c),
 * or they end, and their senders are told (cpm_imdn.c).
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "keep_flow.h"
#include "list_flow.h"

E2E_SUITE(push);
E2E_SUITE(expiry);

static struct own o;

E2E_TEST(push, oldest_first_one_at_a_time_as_they_were_sent,
		"TL-18: identity, ids and wrapper of the sender; lifetime that is "
		"left")
{
	const char *body = keep_body("m1", NULL);
	struct sip *m;

	keep_start(&o, NULL);
	keep_answer(&o,
			keep_send(&o,
					"Contribution-ID: contrib-1\nSubject: first\nDate: "
					"Thu, 01 Jan 2026 00:00:00 GMT\n"
					"InReplyTo-Contribution-ID: other-1\n",
					body),
			202);
	keep_stored(&o, "m2", NULL);
	keep_stored(&o, "m3", NULL);
	cr_assert_eq(keep_sent(&o), 0);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	cr_assert(keep_same(m, body), "%s", m->text);
	cr_assert_str_eq(sip_hdr(m, "Subject"), "first");
	cr_assert_str_eq(sip_hdr(m, "Conversation-ID"), "conv-1");
	cr_assert_str_eq(sip_hdr(m, "Contribution-ID"), "contrib-1");
	cr_assert_str_eq(sip_hdr(m, "InReplyTo-Contribution-ID"), "other-1");
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:alice@cpm.test>");
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg");
	cr_assert(strstr(sip_hdr(m, "Accept-Contact"), "oma.cpm.msg") != NULL);
	cr_assert(strstr(sip_hdr(m, "From"), "<sip:alice@cpm.test>") != NULL);
	cr_assert(strstr(sip_hdr(m, "Date"), "2026 00:00:00") == NULL);
	cr_assert(strtol(sip_hdr(m, "Expires"), NULL, 10) > 600000);
	ua_idle(o.ua, 500);
	cr_assert_eq(keep_sent(&o), 1);
	ua_answer(o.ua, m, 200, "");
	m = keep_at(&o, PHONE);
	cr_assert(strstr(sip_body(m), "hello m2") != NULL);
	ua_answer(o.ua, m, 200, "");
	m = keep_at(&o, PHONE);
	cr_assert(strstr(sip_body(m), "hello m3") != NULL);
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_delivered", 3);
}

E2E_TEST(push, two_clients_that_register_together_get_it_once_each,
		"TL-18: one settle time that nothing cuts short; one request for each; "
		"the first 2xx removes")
{
	struct sip *phone, *tablet;
	const char *ref;

	keep_start(&o, "modparam(\"cpm\", \"push_settle\", 1500)\n");
	keep_stored(&o, "m1", NULL);
	ref = event_text(
			lab_relayctl(o.lab, "deferred", "list", "-n", "1", NULL), "ref");
	term_register(&o, PHONE);
	lab_relayctl(o.lab, "deferred", "requeue", ref, NULL); /* due at once */
	cr_assert(ua_poll(o.ua, "MESSAGE", NULL, 300) == NULL);
	term_register(&o, TABLET);
	phone = keep_at(&o, PHONE);
	tablet = keep_at(&o, TABLET);
	ua_answer(o.ua, phone, 200, "");
	keep_count(&o, 0);
	ua_answer(o.ua, tablet, 200, "");
	ua_idle(o.ua, 500);
	cr_assert_eq(keep_sent(&o), 2);
}

E2E_TEST(push, unreachable_client_is_tried_again,
		"TL-18: kept until a client has taken it; retries")
{
	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	term_register(&o, PHONE);
	ua_answer(o.ua, keep_at(&o, PHONE), 480, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 503, "");
	keep_count(&o, 1);
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_retries", 2);
}

/* The next MESSAGE for the phone is that one; answered. */
static void phone_answers(const char *id, int code)
{
	struct sip *m = keep_at(&o, PHONE);

	cr_assert(strstr(sip_body(m), fmt("hello %s", id)) != NULL, "%s not %s",
			sip_body(m), id);
	ua_answer(o.ua, m, code, "");
}

E2E_TEST(push, message_that_keeps_failing_does_not_hold_up_the_others,
		"TL-18: order is kept for one retry; then those behind it go out; one "
		"that nobody answers waits with it, but not in front of the others")
{
	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	keep_stored(&o, "m3", NULL);
	term_register(&o, PHONE);
	phone_answers("m1", 500);
	phone_answers("m1", 500);
	phone_answers("m2", 480);
	phone_answers("m1", 500);
	phone_answers("m2", 480);
	phone_answers("m1", 500);
	phone_answers("m3", 200);
	phone_answers("m2", 200);
	keep_count(&o, 1);
	cr_assert_eq(keep_sent(&o), 8);
}

E2E_TEST(push, those_behind_one_that_is_taken_away_go_out,
		"TL-18: the only one with a time is deleted by an operator; who waits "
		"behind it waits for no registration")
{
	keep_start(&o, "modparam(\"cpm\", \"push_retries\", \"1 60\")\n");
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	term_register(&o, PHONE);
	phone_answers("m1", 500);
	phone_answers("m1", 500);
	phone_answers("m2", 480);
	own_stat_wait(&o, "push_users", 0);
	lab_relayctl(o.lab, "deferred", "delete",
			event_text(lab_relayctl(o.lab, "deferred", "list", "-n", "1", NULL),
					"ref"),
			NULL);
	phone_answers("m2", 200);
	keep_count(&o, 0);
}

E2E_TEST(push, late_answer_says_nothing_of_the_next_message,
		"TL-18: a slow client's answer to one message neither removes nor "
		"fails "
		"the one that is under way by then")
{
	struct sip *slow;

	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	term_register_both(&o);
	slow = keep_at(&o, TABLET);
	phone_answers("m1", 200);
	keep_count(&o, 1);
	ua_answer(o.ua, keep_at(&o, TABLET), 480, "");
	ua_answer(o.ua, slow, 480, "");
	phone_answers("m2", 480);
	phone_answers("m2", 200);
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_retries", 1);
}

E2E_TEST(push, client_that_is_gone_does_not_slow_down_the_other,
		"TL-18: it is waited for once, then hardly")
{
	unsigned long at;
	struct sip *m;

	keep_start(&o, "modparam(\"cpm\", \"fork_wait\", 2500)\n");
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	keep_stored(&o, "m3", NULL);
	term_register_both(&o);
	phone_answers("m1", 200);
	m = keep_at(&o, PHONE);
	at = m->at;
	ua_answer(o.ua, m, 200, "");
	m = keep_at(&o, PHONE);
	cr_assert_lt(m->at - at, 2000, "%lu ms", m->at - at);
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
}

E2E_TEST(push, refused_message_ends_with_a_report,
		"permanent refusals are counted; IMDN failed to the sender, on behalf "
		"of the recipient; then it is gone, and the next one goes out; of a "
		"notification nobody is told")
{
	struct sip *m;

	keep_start(&o, NULL);
	keep_stored(&o, "m1", "negative-delivery");
	keep_stored(&o, "m2", "negative-delivery");
	keep_answer(&o, keep_send(&o, NULL, keep_imdn("m3")), 202);
	term_register(&o, PHONE);
	ua_answer(o.ua, keep_at(&o, PHONE), 488, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 415, "");
	m = keep_at_sender(&o);
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:bob@cpm.test>");
	cr_assert_str_eq(sip_hdr(m, "Conversation-ID"), "conv-1");
	cr_assert_str_eq(sip_hdr(m, "Content-Type"), "message/cpim");
	cr_assert(strstr(sip_body(m), "Content-Type: message/imdn+xml") != NULL);
	cr_assert(strstr(sip_body(m), "<message-id>m1</message-id>") != NULL);
	cr_assert(strstr(sip_body(m), "<datetime>2026-01-02T03:04:05Z</datetime>")
			!= NULL);
	cr_assert(strstr(sip_body(m), "<status><failed/></status>") != NULL);
	cr_assert(strstr(sip_body(m), "Disposition-Notification") == NULL);
	keep_count(&o, 3); /* until the sender knows */
	ua_answer(o.ua, m, 200, "");
	m = keep_at(&o, PHONE);
	cr_assert(strstr(sip_body(m), "hello m2") != NULL);
	ua_answer(o.ua, m, 200, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 488, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 488, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_failed", 2);
	own_stat_wait(&o, "imdn_sent", 1);
	cr_assert_eq(keep_sent(&o), 6);
}

E2E_TEST(push, core_that_sends_it_back_gets_it_as_it_is,
		"what is pushed is no new message of the terminating half")
{
	struct sip *m, *again;
	const char *text, *line;

	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	line = strchr(m->text, '\n') + 1;
	text = fmt("%.*sVia: SIP/2.0/UDP %s:5060;branch=z9hG4bKback\r\n"
			   "Route: <sip:term@%s:5060;lr>, <sip:mark@%s:5060;lr>\r\n%s",
			(int)(line - m->text), m->text, o.lab->core_ip, o.lab->pf_ip,
			o.lab->core_ip, line);
	ua_put(o.ua, text, strlen(text));
	again = ua_wait(o.ua, "MESSAGE", sip_hdr(m, "Call-ID"), 6000);
	cr_assert_str_eq(sip_body(again), sip_body(m));
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
}

E2E_TEST(push, killed_pf_pushes_again,
		"TL-18: kill -9 of Kamailio while a client has it: nothing lost")
{
	const char *body;
	struct sip *m;

	keep_start(&o, NULL);
	body = keep_stored(&o, "m1", NULL);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	kill(-proc_pid(o.pf), SIGKILL);
	proc_wait(o.pf, 5000);
	own_again(&o);
	keep_count(&o, 1);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	cr_assert(keep_same(m, body));
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
}

E2E_TEST(push, stopped_pf_ends_cleanly_with_work_under_way,
		"the other modules' ends, as usrloc's, come after ours: a push, a "
		"pager message and an INVITE at the client")
{
	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	term_register(&o, PHONE);
	keep_at(&o, PHONE);
	keep_send(&o, NULL, keep_body("m2", NULL));
	keep_at(&o, PHONE);
	term_invite(&o, NULL);
	term_incoming(&o, PHONE);
	cr_assert_eq(lab_stop_kamailio(o.lab, o.pf, "CPM PUSH", 8000), 0);
	keep_count(&o, 1);
}

E2E_TEST(push, killed_relay_is_told_afterwards,
		"TL-18: kill -9 of the relay while a client has it: settled when it "
		"is back")
{
	struct sip *m;

	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	lab_part(o.lab, "kill", "relay");
	ua_answer(o.ua, m, 200, "");
	lab_part(o.lab, "start", "relay");
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 1);
}

/* ---- expiry ---- */

E2E_TEST(expiry, sender_who_asked_is_told,
		"lifetime of the sender; IMDN failed, then it is gone; cpm:expired")
{
	struct sip *m;

	keep_start(&o,
			"event_route[cpm:expired] {\n	xlog(\"L_WARN\", \"gone: "
			"$cpm(deferred_user) $cpm(deferred_code)\\n\");\n}\n");
	keep_answer(&o,
			keep_send(&o, "Expires: 1\n",
					keep_body("m1", "positive-delivery, negative-delivery")),
			202);
	m = keep_at_sender(&o);
	cr_assert(strstr(sip_body(m), "<message-id>m1</message-id>") != NULL);
	cr_assert(strstr(sip_body(m), "<failed/>") != NULL);
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_expired", 1);
	cr_assert(strstr(proc_stderr(o.pf), "gone: sip:bob@cpm.test 0") != NULL);
}

E2E_TEST(expiry, sender_who_did_not_ask_and_a_notification_end_in_silence,
		"never a notification about a notification")
{
	keep_start(&o, NULL);
	keep_answer(&o,
			keep_send(&o, "Expires: 1\n", keep_body("m1", "positive-delivery")),
			202);
	keep_answer(&o, keep_send(&o, "Expires: 1\n", keep_imdn("m2")), 202);
	own_stat_wait(&o, "deferred_expired", 2);
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 0);
}

E2E_TEST(expiry, notification_waits_for_a_shorter_time,
		"imdn_lifetime, whatever its sender says")
{
	keep_start(&o, "modparam(\"cpm\", \"imdn_lifetime\", 1)\n");
	keep_stored(&o, "m1", NULL);
	keep_answer(&o, keep_send(&o, NULL, keep_imdn("m2")), 202);
	own_stat_wait(&o, "deferred_expired", 1);
	keep_count(&o, 1);
}

E2E_TEST(expiry, recipient_of_a_list_who_failed_after_the_202,
		"IMDN failed for him alone, only where it was asked for, and never of "
		"a notification")
{
	const char *const bodies[] = {keep_body("l1", "display"), keep_imdn("l2"),
			keep_body("l3", "negative-delivery")};
	struct sip *m;

	keep_start(&o, NULL);
	for(int i = 0; i < 3; i++) {
		ua_send(o.ua,
				list_message(o.ua, NULL,
						list_body(list_part(list_xml(list_entries(
										  "sip:x@cpm.test sip:y@cpm.test"))),
								cpim_part(bodies[i]), NULL)));
		ua_wait(o.ua, "202/MESSAGE", NULL, 6000);
		ua_answer(o.ua, ua_wait(o.ua, "MESSAGE sip:x@cpm.test", NULL, 6000),
				200, "");
		ua_answer(o.ua, ua_wait(o.ua, "MESSAGE sip:y@cpm.test", NULL, 6000),
				480, "");
	}
	m = keep_at_sender(&o);
	cr_assert(strstr(sip_body(m), "<message-id>l3</message-id>") != NULL);
	cr_assert(strstr(sip_body(m), "<recipient-uri>sip:y@cpm.test</") != NULL);
	ua_answer(o.ua, m, 200, "");
	own_stat_wait(&o, "imdn_sent", 1);
	cr_assert_eq(keep_sent(&o), 7);
}
