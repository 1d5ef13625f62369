/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users are told of what is kept for them: OMA-TS-CPM_Conv_Fnct 8.3.2.1.1
 * errors 2, RFC 6665. The PF is the registrar, relay and store are real; the
 * test plays the core, the sender and the recipient's clients.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_defer.h"
#include "subscribe_flow.h"

E2E_SUITE(notice);

#define PHONE "urn:uuid:00000000-0000-4000-8000-000000000001"
#define TABLET "urn:uuid:00000000-0000-4000-8000-000000000002"

static struct own own;

static void start(const char *params)
{
	own_start(&own,
			fmt("modparam(\"cpm\", \"deferred_uri\", "
				"\"sip:deferred@cpm.test\")\n"
				"modparam(\"cpm\", \"push_settle\", 100)\n%s",
					params),
			"");
}

/* bob's message to alice whom nobody reaches: 202, it is stored. */
static void deferred(const char *id, const char *subject)
{
	const char *call_id;
	struct req r = {.ruri = "sip:alice@cpm.test",
			.from = "<sip:bob@cpm.test>",
			.headers = "P-Asserted-Identity: <sip:bob@cpm.test>\n"};

	r.route = fmt("<sip:term@%s:5060;lr>, <sip:mark@%s:5060;lr>",
			own.lab->pf_ip, own.lab->core_ip);
	r.body = fmt("From: <sip:bob@cpm.test>\nTo: <sip:alice@cpm.test>\n"
				 "Subject: %s\nDateTime: 2026-11-21T10:00:00Z\n"
				 "NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: %s\n\n"
				 "Content-Type: text/plain\n\nhello\n",
			subject, id);
	ua_send(own.ua, req_text(own.ua, &r, &call_id));
	ua_wait(own.ua, "202/MESSAGE", call_id, 10000);
}

static int items(const struct sip *m)
{
	int n = 0;

	for(const char *p = sip_body(m); (p = strstr(p, "<history ")) != NULL; p++)
		n++;
	return n;
}

static void is_list(const struct sip *m)
{
	cr_assert_str_eq(sip_hdr(m, "Content-Type"), SUB_TYPE, "%s", m->text);
	cr_assert(strstr(sip_body(m),
					  "<history-list xmlns=\"urn:oma:xml:im:"
					  "history-list\">"),
			"%s", m->text);
}

/* NOTIFYs until one has a list of so many; each is answered. */
static struct sip *notify_of(const struct sub *s, int n)
{
	for(int i = 0; i < 20; i++) {
		struct sip *m = sub_notify(&own, s, 12000);

		ua_answer(own.ua, m, 200, "");
		if(sip_hdr(m, "Content-Type")[0] && items(m) == n)
			return m;
	}
	cr_assert_fail("no list of %d", n);
	return NULL;
}

E2E_TEST(notice, subscriber_is_told_of_each_change,
		"TL-18: NOTIFY with the list when he subscribes, when a message is "
		"deferred, and when it has been delivered")
{
	struct sub s;
	struct sip *m;

	start("");
	sub_begin(&own, &s, &(struct sub_opt){.ruri = "sip:deferred@cpm.test"});
	m = notify_of(&s, 0);
	is_list(m);
	cr_assert_str_eq(sip_hdr(m, "Event"), "deferred-messages");
	cr_assert(strncmp(sip_hdr(m, "Subscription-State"), "active;expires=", 15)
					== 0,
			"%s", m->text);
	cr_assert_eq(items(m), 0);
	deferred("m-1", "a <b> & \"c\"");
	m = notify_of(&s, 1);
	is_list(m);
	cr_assert(strstr(sip_body(m), "<history history-reference=\"d-"));
	cr_assert(strstr(sip_body(m), "<subject>a &lt;b&gt; &amp; &quot;c&quot;"));
	cr_assert(strstr(sip_body(m),
			"<from>sip:bob@cpm.test</from>"
			"<to>sip:alice@cpm.test</to>"));
	cr_assert(strstr(sip_body(m), "<expiry>20"));
	/* a client comes and takes it */
	own_register(&own, "alice", 100, PHONE, "msg", 600);
	m = ua_wait(
			own.ua, fmt("MESSAGE %s", own_gruu("alice", PHONE)), NULL, 12000);
	ua_answer(own.ua, m, 200, "");
	notify_of(&s, 0);
}

/* The operator's order for alice's only message. */
static void ordered(int ctl, const char *order)
{
	json_t *all = json_object_get(
			ctl_call(ctl, "deferred.list", "{'user':'sip:alice@cpm.test'}"),
			"result");
	json_t *one = json_array_get(json_object_get(all, "messages"), 0);

	ctl_call(ctl, fmt("deferred.%s", order),
			fmt("{'ref':'%s'}", event_text(one, "ref")));
}

E2E_TEST(notice, what_the_operator_does_is_told_at_once,
		"TL-18/part: a message that is held is not in the list, one that is "
		"released is there again, one that is deleted is gone")
{
	struct rig relay;
	struct sub s;
	int ctl;

	start("");
	relay = (struct rig){.ip = own.lab->pf_ip, .sock = own.lab->relay_sock};
	ctl = ctl_hello_fd(&relay);
	deferred("m-1", "one");
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	notify_of(&s, 1);
	ordered(ctl, "hold");
	notify_of(&s, 0);
	ordered(ctl, "release");
	notify_of(&s, 1);
	ordered(ctl, "delete");
	notify_of(&s, 0);
}

E2E_TEST(notice, client_with_the_tag_gets_a_message,
		"TL-18: a registered client with the tag that could not take the "
		"message gets a MESSAGE with the list; one without it gets nothing")
{
	const char *phone = fmt("MESSAGE %s", own_gruu("alice", PHONE));
	struct sip *m;

	start("");
	own_register(&own, "alice", 100, PHONE, "deferred", 600);
	own_register(&own, "alice", 101, TABLET, "largemsg", 600);
	deferred("m-1", "one");
	m = ua_wait(own.ua, phone, NULL, 12000);
	is_list(m);
	cr_assert_eq(items(m), 1);
	cr_assert(strstr(sip_body(m), "<subject>one</subject>"));
	cr_assert(strstr(sip_hdr(m, "From"), "<sip:deferred@cpm.test>;tag="));
	cr_assert_str_eq(
			sip_hdr(m, "P-Asserted-Identity"), "<sip:deferred@cpm.test>");
	cr_assert(strstr(sip_hdr(m, "Accept-Contact"),
					  "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred"),
			"%s", m->text);
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.deferred");
	ua_answer(own.ua, m, 415, ""); /* nothing depends on it */
	deferred("m-2", "two");
	m = ua_wait(own.ua, phone, NULL, 12000);
	cr_assert_eq(items(m), 2);
	ua_answer(own.ua, m, 200, "");
	cr_assert_null(ua_poll(
			own.ua, fmt("MESSAGE %s", own_gruu("alice", TABLET)), NULL, 300));
}

E2E_TEST(notice, push_that_fails_is_told,
		"TL-18: a client that could not take what was kept for it has the "
		"list, by the way that the message took")
{
	const char *phone = fmt("MESSAGE %s", own_gruu("alice", PHONE)), *route;
	struct sip *m;

	start("modparam(\"cpm\", \"push_route\", \"<sip:CORE_IP:5060;lr>\")\n");
	deferred("m-1", "one");
	own_register(&own, "alice", 100, PHONE, "msg deferred", 600);
	m = ua_wait(own.ua, phone, NULL, 12000);
	cr_assert_str_eq(sip_hdr(m, "Content-Type"), "message/cpim");
	route = sip_hdr(m, "Route");
	cr_assert(strstr(route, ":5060;lr>") != NULL, "%s", m->text);
	ua_answer(own.ua, m, 480, "");
	m = ua_wait(own.ua, phone, NULL, 4000);
	is_list(m);
	cr_assert_str_eq(sip_hdr(m, "Route"), route);
	cr_assert_eq(items(m), 1);
	ua_answer(own.ua, m, 200, "");
}

E2E_TEST(notice, operator_may_want_none,
		"TL-18/part: defer_notify none: no MESSAGE, SUBSCRIBE gets 489")
{
	const char *call_id;

	start("modparam(\"cpm\", \"defer_notify\", \"none\")");
	own_register(&own, "alice", 100, PHONE, "deferred", 600);
	ua_send(own.ua, sub_text(&own, &(struct sub_opt){.event = NULL}, &call_id));
	ua_wait(own.ua, "489/SUBSCRIBE", call_id, 6000);
	deferred("m-1", "one");
	cr_assert_null(ua_poll(
			own.ua, fmt("MESSAGE %s", own_gruu("alice", PHONE)), NULL, 1500));
	cr_assert_eq(lab_stat(own.lab, "notifications"), 0);
}

E2E_TEST(notice, operator_may_want_messages_alone,
		"TL-18/part: defer_notify message: SUBSCRIBE gets 489, the client with "
		"the tag its MESSAGE")
{
	const char *call_id;
	struct sip *m;

	start("modparam(\"cpm\", \"defer_notify\", \"message\")");
	own_register(&own, "alice", 100, PHONE, "deferred", 600);
	ua_send(own.ua, sub_text(&own, &(struct sub_opt){.event = NULL}, &call_id));
	ua_wait(own.ua, "489/SUBSCRIBE", call_id, 6000);
	deferred("m-1", "one");
	m = ua_wait(
			own.ua, fmt("MESSAGE %s", own_gruu("alice", PHONE)), NULL, 12000);
	is_list(m);
	ua_answer(own.ua, m, 200, "");
}

E2E_TEST(notice, operator_may_want_notify_alone,
		"TL-18/part: defer_notify notify: who has subscribed gets the list, a "
		"client with the tag no MESSAGE")
{
	struct sub s = {.call_id = NULL};

	start("modparam(\"cpm\", \"defer_notify\", \"notify\")");
	own_register(&own, "alice", 100, PHONE, "deferred", 600);
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	notify_of(&s, 0);
	deferred("m-1", "one");
	notify_of(&s, 1);
	cr_assert_null(ua_poll(
			own.ua, fmt("MESSAGE %s", own_gruu("alice", PHONE)), NULL, 300));
}

E2E_TEST(notice, a_single_look_an_end_and_an_expiry,
		"TL-18/part: Expires 0 gets one NOTIFY, with the list, that says it is "
		"the last; so do the end of a subscription and its expiry")
{
	struct sub look, s, t;
	struct sip *m;

	start("modparam(\"cpm\", \"subscribe_min\", 1)");
	deferred("m-1", "one");
	sub_begin(&own, &look, &(struct sub_opt){.expires = "0"});
	m = notify_of(&look, 1);
	cr_assert_str_eq(
			sip_hdr(m, "Subscription-State"), "terminated;reason=timeout");
	own_stat_wait(&own, "subscriptions", 0);
	sub_begin(&own, &s, &(struct sub_opt){.expires = "600"});
	notify_of(&s, 1);
	sub_refresh(&own, &s, "0", NULL);
	ua_wait(own.ua, "200/SUBSCRIBE", s.call_id, 6000);
	m = notify_of(&s, 1);
	cr_assert_str_eq(
			sip_hdr(m, "Subscription-State"), "terminated;reason=timeout");
	own_stat_wait(&own, "subscriptions", 0);
	sub_begin(&own, &t, &(struct sub_opt){.expires = "1"});
	notify_of(&t, 1);
	m = notify_of(&t, 1);
	cr_assert_str_eq(
			sip_hdr(m, "Subscription-State"), "terminated;reason=timeout");
	own_stat_wait(&own, "subscriptions", 0);
}

E2E_TEST(notice, many_changes_are_few_notifications,
		"TL-18/part: a burst of messages is told at most once a second, and "
		"the last list has all of them")
{
	struct sub s;

	start("");
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	notify_of(&s, 0);
	for(int i = 0; i < 10; i++)
		deferred(fmt("m-%d", i), "burst");
	notify_of(&s, 10);
	cr_assert_lt(ua_count(own.ua, "NOTIFY", s.call_id), 9);
}
