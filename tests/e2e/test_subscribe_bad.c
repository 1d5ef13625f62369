/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SUBSCRIBE to deferred messages that is refused, or whose subscription ends in
 * another way than its subscriber wants: RFC 6665 sections 4.2.1 and 4.2.2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "direct_flow.h"
#include "subscribe_flow.h"

E2E_SUITE(subscribe_bad);

static struct own own;

static void refused(const char *what, int code, struct sub_opt o)
{
	const char *call_id;
	struct sip *m;

	ua_send(own.ua, sub_text(&own, &o, &call_id));
	m = ua_poll(own.ua, fmt("%d/SUBSCRIBE", code), call_id, 6000);
	if(m == NULL) {
		m = ua_poll(own.ua, "xxx/SUBSCRIBE", call_id, 0);
		cr_assert_fail("%s: not %d but %s", what, code, m ? m->text : "none");
	}
	if(code == 423)
		cr_assert_str_eq(sip_hdr(m, "Min-Expires"), "60");
	if(code == 489)
		cr_assert_str_eq(sip_hdr(m, "Allow-Events"), "deferred-messages");
	if(code == 406)
		cr_assert_str_eq(sip_hdr(m, "Accept"), SUB_TYPE);
}

E2E_TEST(subscribe_bad, what_is_wrong_has_its_own_answer,
		"a SUBSCRIBE that is not for its sender's own messages, or asks for "
		"what there is not, is refused and leaves nothing behind")
{
	long long before;

	own_start(&own,
			"modparam(\"cpm\", \"deferred_uri\", "
			"\"sip:deferred@cpm.test\")",
			"");
	before = lab_shm_used(own.lab);
	refused("another package", 489, (struct sub_opt){.event = "presence"});
	refused("no package", 489, (struct sub_opt){.event = ""});
	refused("another's messages", 403,
			(struct sub_opt){.ruri = "sip:bob@cpm.test"});
	refused("by nobody", 403, (struct sub_opt){.identity = ""});
	refused("another format", 406,
			(struct sub_opt){.accept = "application/simple-message-summary"});
	refused("too short", 423, (struct sub_opt){.expires = "5"});
	refused("no number", 400, (struct sub_opt){.expires = "soon"});
	refused("no Contact", 400, (struct sub_opt){.contact = ""});
	cr_assert_eq(ua_count(own.ua, "NOTIFY", NULL), 0);
	cr_assert_eq(lab_stat(own.lab, "subscriptions"), 0);
	lab_shm_back(own.lab, before);
}

E2E_TEST(subscribe_bad, strangers_do_not_subscribe,
		"an identity that is not asserted by the core is none")
{
	own_start(&own, "modparam(\"cpm\", \"trusted_peers\", \"192.0.2.1\")", "");
	refused("from a stranger", 403, (struct sub_opt){.event = NULL});
	cr_assert_eq(lab_stat(own.lab, "subscriptions"), 0);
}

E2E_TEST(subscribe_bad, who_has_forgotten_it_is_asked_no_more,
		"RFC 6665 4.2.2: 481 to a NOTIFY ends the subscription; its dialog is "
		"unknown then")
{
	struct sub s;

	own_start(&own, "", "");
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	ua_answer(own.ua, sub_notify(&own, &s, 6000), 481, "");
	own_stat_wait(&own, "subscriptions", 0);
	sub_refresh(&own, &s, "600", NULL);
	ua_wait(own.ua, "481/SUBSCRIBE", s.call_id, 6000);
}

E2E_TEST(subscribe_bad, restart_is_noticed_at_the_next_refresh,
		"subscriptions live in memory: 481 after a restart, so that clients "
		"subscribe anew")
{
	struct sub s;

	own_start(&own, "", "");
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	ua_answer(own.ua, sub_notify(&own, &s, 6000), 200, "");
	own_restart(&own);
	sub_refresh(&own, &s, "600", NULL);
	ua_wait(own.ua, "481/SUBSCRIBE", s.call_id, 6000);
}

E2E_TEST(subscribe_bad, odd_requests_within_the_dialog,
		"out of order 500, another method 405, a short refresh 423, another's "
		"tags 481; the subscription stays")
{
	struct sub s;

	own_start(&own, "", "");
	sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	ua_answer(own.ua, sub_notify(&own, &s, 6000), 200, "");
	s.cseq -= 2;
	sub_refresh(&own, &s, "600", NULL);
	ua_wait(own.ua, "500/SUBSCRIBE", s.call_id, 6000);
	s.cseq += 2;
	sub_refresh(&own, &s, "5", NULL);
	ua_wait(own.ua, "423/SUBSCRIBE", s.call_id, 6000);
	sub_refresh(&own, &s, "600", "OPTIONS");
	ua_wait(own.ua, "405/OPTIONS", s.call_id, 6000);
	const char *tag = s.from;
	s.from = "<sip:alice@cpm.test>;tag=other";
	sub_refresh(&own, &s, "600", NULL);
	ua_wait(own.ua, "481/SUBSCRIBE", s.call_id, 6000);
	s.from = tag;
	cr_assert_eq(lab_stat(own.lab, "subscriptions"), 1);
}

E2E_TEST(subscribe_bad, seventeenth_is_one_too_many,
		"one user has at most 16 subscriptions")
{
	const char *call_id;

	own_start(&own, "", "");
	for(int i = 0; i < 16; i++) {
		struct sub s;

		sub_begin(&own, &s, &(struct sub_opt){.event = NULL});
	}
	ua_send(own.ua, sub_text(&own, &(struct sub_opt){.event = NULL}, &call_id));
	ua_wait(own.ua, "503/SUBSCRIBE", call_id, 6000);
	cr_assert_eq(lab_stat(own.lab, "subscriptions"), 16);
}
