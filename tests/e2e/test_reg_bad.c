/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registration information from a core that does not behave, or has trouble:
 * refused subscriptions, NOTIFYs that come too early, twice, out of order, torn
 * or far too large. RFC 3680, RFC 6665.
 */
#include <stdlib.h>
#include <string.h>

#include "keep_flow.h"
#include "reg_flow.h"

E2E_SUITE(reg_bad);

#define BOB "sip:bob@cpm.test"
#define URI1 "sip:bob@127.0.0.1:6001"
#define URI2 "sip:bob@127.0.0.1:6002"
#define BAD_BODY "NOTIFY of [0-9]+ bytes refused"

static struct lab *lab;
static struct ua *ua;

static const char *one(void)
{
	return reg_contact("1", "active", "registered", URI1, "urn:x:1", "msg");
}

/* bob is registered, and the PF knows of one client. */
static struct watch known(void)
{
	struct watch w;

	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	reg_clients(lab, BOB, 1);
	return w;
}

E2E_TEST(reg_bad, notify_before_the_200_is_taken,
		"TL-07/part: the dialog begins with whatever comes first")
{
	struct watch w;
	struct sip *again;

	lab = reg_lab(&ua, NULL);
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	reg_notify(&w, "active;expires=6", reg_doc(0, "full", one()), 200);
	reg_clients(lab, BOB, 1);
	reg_accept(&w, w.sub, 6);
	/* the refresh is in that dialog */
	again = ua_wait(ua, "SUBSCRIBE", sip_hdr(w.sub, "Call-ID"), 20000);
	cr_assert(strstr(sip_hdr(again, "To"), w.tag) != NULL, "%s", again->text);
	reg_accept(&w, again, 600);
}

E2E_TEST(reg_bad, message_waits_for_the_first_notify_but_not_for_ever,
		"TL-06/part TL-17/part: nothing is known of its user: after reg_wait "
		"it is stored and pushed when he is known; in time, it goes to him")
{
	struct own o;
	struct watch w;
	const char *id;

	setenv("LAB_SETTLE_MS", "200", 1);
	lab = reg_lab(&ua, NULL);
	o = (struct own){.lab = lab, .ua = ua};
	keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 202);
	keep_count(&o, 1);
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	ua_answer(ua, ua_wait(ua, "MESSAGE " BOB, NULL, 8000), 200, "");
	keep_count(&o, 0);
	lab_part(lab, "kill", "cpm");
	lab_part(lab, "start", "cpm");
	id = keep_send(&o, NULL, keep_body("m2", NULL));
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	ua_answer(ua, ua_wait(ua, "MESSAGE " BOB, NULL, 8000), 200, "");
	keep_answer(&o, id, 200);
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 2);
}

E2E_TEST(reg_bad, who_is_known_again_gets_what_came_meanwhile,
		"TL-18/part: the core has ended the subscription; a message is stored, "
		"for nobody knows where he is; the next one tells of the same client "
		"as before")
{
	struct own o;
	struct watch w;

	setenv("LAB_SETTLE_MS", "200", 1);
	lab = reg_lab(&ua, "modparam(\"cpm\", \"reg_wait\", 200)");
	o = (struct own){.lab = lab, .ua = ua};
	w = known();
	own_stat_wait(&o, "push_users", 0);
	reg_notify(&w, "terminated;reason=rejected", "", 200);
	keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 202);
	keep_count(&o, 1);
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	own_stat_wait(&o, "push_users", 0);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	ua_answer(ua, ua_wait(ua, "MESSAGE " BOB, NULL, 8000), 200, "");
	keep_count(&o, 0);
}

E2E_TEST(reg_bad, core_that_is_away_is_asked_until_it_is_back,
		"TL-18/part: for a user of whom nothing is known but that a message "
		"waits for him")
{
	struct own o;
	struct watch w;

	setenv("LAB_SETTLE_MS", "200", 1);
	lab = reg_lab(&ua, "modparam(\"cpm\", \"reg_wait\", 100)");
	o = (struct own){.lab = lab, .ua = ua};
	keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 202);
	for(int i = 0; i < 2; i++) {
		w = reg_subscribe(ua, BOB, 6000);
		ua_answer(ua, w.sub, 503, "Retry-After: 1\n");
	}
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	ua_answer(ua, ua_wait(ua, "MESSAGE " BOB, NULL, 8000), 200, "");
	keep_count(&o, 0);
}

#define REG_MODE "modparam(\"cpm\", \"contacts\", \"reg\")\n"

/* The core's REGISTER for bob, to a PF of own_start(). */
static void third(struct own *o)
{
	ua_send(o->ua,
			fmt("REGISTER sip:as@%s:5060 SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKthird\n"
				"Max-Forwards: 70\nFrom: <sip:%s:5060>;tag=t\nTo: <" BOB ">\n"
				"Call-ID: third@test\nCSeq: 1 REGISTER\n"
				"Contact: <sip:%s:5060>\nExpires: 600\n"
				"Content-Length: 0\n\n",
					o->lab->pf_ip, ua_ip(o->ua), ua_ip(o->ua), ua_ip(o->ua)));
}

E2E_TEST(reg_bad, stranger_tells_nothing_of_a_user,
		"TL-07/part: a third-party REGISTER of whoever is no trusted peer; his "
		"Contact would be asked where the user's clients are")
{
	struct own o;

	own_start(&o,
			REG_MODE "modparam(\"cpm\", \"trusted_peers\", \"192.0.2.1\")\n",
			"");
	third(&o);
	ua_wait(o.ua, "403/REGISTER", "third@test", 6000);
	cr_assert_eq(lab_stat(o.lab, "reg_subscribes"), 0);
}

E2E_TEST(reg_bad, stopped_pf_ends_cleanly_while_it_asks,
		"a SUBSCRIBE without an answer, and a message that waits for it")
{
	struct own o;

	own_start(&o, REG_MODE "modparam(\"cpm\", \"reg_wait\", 10000)\n", "");
	third(&o);
	ua_wait(o.ua, "SUBSCRIBE " BOB, NULL, 6000);
	keep_send(&o, NULL, keep_body("m1", NULL));
	own_stat_wait(&o, "messages_term_pager", 1);
	cr_assert_eq(lab_stop_kamailio(o.lab, o.pf, "CPM PUSH", 8000), 0);
}

E2E_TEST(reg_bad, fork_of_a_subscription_is_not_wanted,
		"TL-07/part: a NOTIFY of another dialog gets 481")
{
	struct watch w, other;

	lab = reg_lab(&ua, NULL);
	w = other = known();
	other.tag = "another";
	reg_notify(&other, "active;expires=600", reg_doc(0, "full", ""), 481);
	reg_clients(lab, BOB, 1);
	w.cseq = 0;
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", ""), 500);
	reg_clients(lab, BOB, 1);
}

E2E_TEST(reg_bad, gap_in_the_versions_asks_for_everything,
		"TL-07/part: full and partial state by version")
{
	struct sip *again;
	struct watch w;

	lab = reg_lab(&ua, NULL);
	w = known();
	reg_notify(&w, "active;expires=600",
			reg_doc(2, "partial",
					reg_contact("2", "active", "registered", URI2, "urn:x:2",
							"msg")),
			200);
	again = ua_wait(ua, "SUBSCRIBE", sip_hdr(w.sub, "Call-ID"), 6000);
	reg_clients(lab, BOB, 1);
	reg_accept(&w, again, 600);
	reg_notify(&w, "active;expires=600",
			reg_doc(3, "full",
					fmt("%s%s", one(),
							reg_contact("2", "active", "registered", URI2,
									"urn:x:2", "msg"))),
			200);
	reg_clients(lab, BOB, 2);
	/* the next part fits */
	reg_notify(&w, "active;expires=600",
			reg_doc(4, "partial",
					reg_contact("1", "terminated", "expired", URI1, "urn:x:1",
							NULL)),
			200);
	reg_clients(lab, BOB, 1);
	reg_says(lab, BOB, URI2);
}

/* A NOTIFY that must be refused changes nothing. */
static void refused(struct watch *w, const char *body, int code)
{
	reg_notify(w, "active;expires=600", body, code);
	reg_clients(lab, BOB, 1);
}

E2E_TEST(reg_bad, documents_that_cannot_be_read_change_nothing,
		"TL-07/part: torn, hostile and foreign bodies")
{
	struct watch w;
	char *big = malloc(50001);

	lab = reg_lab(&ua, NULL);
	w = known();
	refused(&w, "<reginfo", 400);
	refused(&w,
			"<!DOCTYPE a [<!ENTITY b SYSTEM "
			"\"file:///etc/passwd\">]><a>&b;</a>",
			400);
	refused(&w, "<other/>", 400);
	refused(&w, reg_doc(-1, "full", one()), 400);
	memset(big, 'x', 50000);
	big[50000] = '\0';
	refused(&w, big, 400);
	reg_notify_with(&w, "Event: presence\n", "active", "", 489);
	reg_notify_with(&w, "Event: reg\n", "", "", 400);
	reg_notify_with(&w, "Event: reg\nContent-Type: text/plain\n", "active",
			"bob is here\n", 415);
	reg_clients(lab, BOB, 1);
	cr_assert_eq(lab_stat(lab, "reg_notifies_bad"), 5);
	/* and it goes on */
	reg_notify(&w, "active;expires=600",
			reg_doc(1, "partial",
					reg_contact("2", "active", "registered", URI2, "urn:x:2",
							"msg")),
			200);
	reg_clients(lab, BOB, 2);
	free(big);
}

E2E_TEST(reg_bad, too_many_contacts_are_refused_quickly,
		"TL-07/part: a flood of contacts is bounded")
{
	struct watch w;
	const char *contacts = "";
	size_t n = 0, room = 300 * 100;
	char *many = malloc(room);

	lab = reg_lab(&ua, NULL);
	w = known();
	for(int i = 0; i < 300; i++)
		n += (size_t)snprintf(many + n, room - n,
				"<contact id=\"%d\" state=\"active\"><uri>sip:b@h%d</uri>"
				"</contact>",
				i, i);
	contacts = many;
	/* 600 with both identities: over the parser's limit; 300 over modparam */
	refused(&w, reg_doc(1, "full", contacts), 413);
	many[(size_t)(strstr(many, "<contact id=\"100\"") - many)] = '\0';
	refused(&w, reg_doc(1, "full", contacts), 413);
	free(many);
}

E2E_TEST(reg_bad, interval_too_brief_is_asked_longer,
		"TL-07/part: 423 to SUBSCRIBE")
{
	struct watch w, again;

	lab = reg_lab(&ua, "modparam(\"cpm\", \"reg_expires\", 60)");
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	cr_assert_str_eq(sip_hdr(w.sub, "Expires"), "60");
	ua_answer(ua, w.sub, 423, "Min-Expires: 3600\n");
	again = reg_subscribe(ua, BOB, 6000);
	cr_assert_str_eq(sip_hdr(again.sub, "Expires"), "3600");
	reg_accept(&again, again.sub, 3600);
	reg_notify(&again, "active;expires=3600", reg_doc(0, "full", one()), 200);
	reg_clients(lab, BOB, 1);
}

E2E_TEST(reg_bad, refused_subscription_is_tried_again_later,
		"TL-07/part: 403 and 503 to SUBSCRIBE, with a pause")
{
	struct watch w;

	lab = reg_lab(&ua, "modparam(\"cpm\", \"reg_retry\", 1)");
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	ua_answer(ua, w.sub, 403, "");
	reg_says(lab, BOB, "subscription: retry");
	w = reg_subscribe(ua, BOB, 15000);
	ua_answer(ua, w.sub, 503, "Retry-After: 1\n");
	w = reg_subscribe(ua, BOB, 15000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	reg_clients(lab, BOB, 1);
	cr_assert_eq(lab_stat(lab, "reg_subscribes_failed"), 2);
	cr_assert_eq(lab_log_count(lab, "cpm", "SUBSCRIBE failed with 403"), 1);
}

E2E_TEST(reg_bad, lost_dialog_is_begun_anew,
		"TL-07/part: 481 to a refresh; what was known stays until then")
{
	struct sip *again;
	struct watch w;

	lab = reg_lab(&ua, NULL);
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 4);
	reg_notify(&w, "active;expires=4", reg_doc(0, "full", one()), 200);
	again = ua_wait(ua, "SUBSCRIBE", sip_hdr(w.sub, "Call-ID"), 10000);
	ua_answer(ua, again, 481, "");
	w = reg_subscribe(ua, BOB, 10000);
	cr_assert_str_neq(sip_hdr(w.sub, "Call-ID"), sip_hdr(again, "Call-ID"));
	reg_clients(lab, BOB, 1);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", ""), 200);
	reg_clients(lab, BOB, 0);
}

E2E_TEST(reg_bad, end_of_a_subscription_by_its_reason,
		"TL-07/part: deactivated, probation, noresource")
{
	struct watch w;

	lab = reg_lab(&ua, "modparam(\"cpm\", \"reg_retry\", 1)");
	w = known();
	/* asked again soon, and what was known is used meanwhile */
	reg_notify(&w, "terminated;reason=deactivated", "", 200);
	reg_clients(lab, BOB, 1);
	w = reg_subscribe(ua, BOB, 10000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	reg_notify(&w, "terminated;reason=probation;retry-after=1", "", 200);
	w = reg_subscribe(ua, BOB, 10000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600", reg_doc(0, "full", one()), 200);
	/* nothing to come: nobody is asked until somebody wants to know */
	reg_notify(&w, "terminated;reason=noresource", reg_doc(1, "full", ""), 200);
	reg_says(lab, BOB, "subscription: over");
	reg_clients(lab, BOB, 0);
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	ua_answer(ua, w.sub, 404, "");
	reg_says(lab, BOB, "subscription: over");
}

E2E_TEST(reg_bad, tags_come_from_the_body_of_the_register,
		"TL-06/part: IncludeRegisterRequest; a REGISTER that is none says "
		"nothing")
{
	static const char inner[] =
			"REGISTER sip:cpm.test SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1\n"
			"User-Agent: CPM-client/OMA2.2 test\n"
			"Contact: <sip:bob@127.0.0.1:6001>;+sip.instance=\"<urn:x:1>\"\n"
			" ;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."
			"largemsg\";expires=600\n\n";
	struct watch w;

	lab = reg_lab(&ua, NULL);
	reg_register(ua, BOB, 600, "Content-Type: message/sip\n", inner);
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600",
			reg_doc(0, "full",
					reg_contact("1", "active", "registered", URI1, NULL, NULL)),
			200);
	reg_says(lab, BOB, "tags_known: 1");
	reg_says(lab, BOB, "largemsg: 1");
	reg_says(lab, BOB, "user_agent: CPM-client/OMA2.2 test");
	/* at another address it is the same client, by its instance */
	reg_notify(&w, "active;expires=600",
			reg_doc(1, "full",
					reg_contact("1", "active", "registered", URI2, NULL, NULL)),
			200);
	reg_says(lab, BOB, "tags_known: 0");
	reg_notify(&w, "active;expires=600",
			reg_doc(2, "full",
					fmt("<contact id=\"1\" state=\"active\"><uri>%s</uri>"
						"<unknown-param "
						"name=\"+sip.instance\">\"&lt;urn:x:1&gt;"
						"\"</unknown-param></contact>",
							URI2)),
			200);
	reg_says(lab, BOB, "instance: urn:x:1");
	/* rubbish in its place is answered as well, and changes nothing */
	reg_register(ua, BOB, 600, "Content-Type: message/sip\n", "\n\n:\n");
	reg_register(ua, BOB, 600, "Content-Type: message/sip\n",
			"SIP/2.0 200 OK\nContact: "
			"<sip:eve@h>;+sip.instance=\"<urn:x:1>\"\n\n");
	reg_says(lab, BOB, "instance: urn:x:1");
	reg_notify(&w, "active;expires=600",
			reg_doc(3, "full",
					reg_contact("1", "active", "registered", URI1, NULL, NULL)),
			200);
	reg_says(lab, BOB, "largemsg: 1");
}

E2E_TEST(reg_bad, table_is_bounded_and_given_back,
		"TL-07/part: more users than contacts_max_users")
{
	struct watch w;

	lab = reg_lab(&ua, "modparam(\"cpm\", \"contacts_max_users\", 1)");
	w = known();
	(void)w;
	reg_register(ua, "sip:carol@cpm.test", 600, "", "");
	lab_log_wait(lab, "cpm", "more users than contacts_max_users", 6000);
	cr_assert(ua_poll(ua, "SUBSCRIBE sip:carol@cpm.test", NULL, 500) == NULL);
	/* the core takes nothing back from Expires 0 alone */
	reg_register(ua, BOB, 0, "", "");
	reg_clients(lab, BOB, 1);
}
