/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message for a user with several clients: whose answer counts, and
 * what becomes of it when there is no good one (cpm_term_msg.c,
 * cpm_term_keep.c).
 */
#include <stdlib.h>
#include <string.h>

#include "keep_flow.h"

E2E_SUITE(term_pager);
E2E_SUITE(term_defer_pager);

#define NO_DEFER "modparam(\"cpm\", \"defer\", 0)\n"

static struct own o;

/* ---- with clients ---- */

E2E_TEST(term_pager, every_client_gets_it_and_the_first_2xx_answers,
		"TL-06/part TL-07/part: Request-URI is the public GRUU, To as "
		"received, headers and wrapper kept; later answers change nothing")
{
	static const char *const same[][2] = {{"To", "<sip:bob@cpm.test>"},
			{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
			{"Conversation-ID", "conv-1"}, {"Subject", "news"},
			{"P-Asserted-Service",
					"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"},
			{"Content-Type", "message/cpim"}};
	const char *body = keep_body("m1", NULL), *id;
	struct sip *phone, *tablet;

	keep_start(&o, NULL);
	term_register_both(&o);
	own_register(&o, "bob", 103, "urn:uuid:no-cpm", "session", 600);
	id = keep_send(&o, "Subject: news\n", body);
	phone = keep_at(&o, PHONE);
	tablet = keep_at(&o, TABLET);
	for(size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		cr_expect_str_eq(sip_hdr(phone, same[i][0]), same[i][1]);
	cr_assert(keep_same(phone, body) && keep_same(tablet, body));
	cr_assert_str_neq(sip_hdr(phone, "Call-ID"), id);
	cr_assert_str_neq(sip_hdr(phone, "Call-ID"), sip_hdr(tablet, "Call-ID"));
	cr_assert(strstr(sip_hdr(phone, "Route"), "sip:mark@") != NULL);
	ua_answer(o.ua, phone, 486, "");
	ua_answer(o.ua, tablet, 200, "");
	keep_answer(&o, id, 200);
	cr_assert_eq(keep_sent(&o), 2);
	keep_count(&o, 0);
}

E2E_TEST(term_pager, what_is_no_pager_message_is_refused,
		"415, 400; nothing sent on, nothing kept, no memory lost")
{
	static const struct
	{
		const char *type, *body;
		int code;
	} bad[] = {{"text/plain", "hello", 415}, {"", "", 415},
			{"message/cpim", "this is no CPIM", 400},
			{"message/cpim", "NS: broken\n\nContent-Type: text/plain\n\nx",
					400},
			{"multipart/mixed;boundary=x", "--x\n\na\n--x--", 415}};
	long long before;

	keep_start(&o, NULL);
	term_register_both(&o);
	before = lab_shm_used(o.lab);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		keep_answer(&o,
				keep_send_req(
						&o, REQ(.type = bad[i].type, .body = bad[i].body)),
				bad[i].code);
	cr_assert_eq(keep_sent(&o), 0);
	keep_count(&o, 0);
	lab_shm_back(o.lab, before);
}

E2E_TEST(term_pager, policy_against_keeping_gives_the_clients_error,
		"the clients' own status; 480 when there is none; nothing is stored")
{
	const char *id;

	keep_start(&o, NO_DEFER);
	keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 480);
	term_register_both(&o);
	id = keep_send(&o, NULL, keep_body("m2", NULL));
	ua_answer(o.ua, keep_at(&o, PHONE), 603, "");
	ua_answer(o.ua, keep_at(&o, TABLET), 486, "");
	keep_answer(&o, id, 486);
	keep_count(&o, 0);
}

E2E_TEST(term_pager, expires_0_is_now_or_never,
		"delivered to who is there, never stored")
{
	const char *id;

	keep_start(&o, NULL);
	keep_answer(&o, keep_send(&o, "Expires: 0\n", keep_body("m1", NULL)), 480);
	term_register(&o, PHONE);
	id = keep_send(&o, "Expires: 0\n", keep_body("m2", NULL));
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	keep_answer(&o, id, 200);
	keep_count(&o, 0);
}

/* ---- kept ---- */

E2E_TEST(term_defer_pager, nobody_is_registered,
		"TL-17/part: stored, then 202; cpm:deferred tells")
{
	keep_start(&o,
			"event_route[cpm:deferred] {\n	xlog(\"L_WARN\", "
			"\"kept: $cpm(deferred_user) $cpm(deferred_sender) "
			"$cpm(deferred_kind) $cpm(deferred_code)\\n\");\n}\n");
	keep_stored(&o, "m1", NULL);
	keep_count(&o, 1);
	cr_assert_eq(keep_sent(&o), 0);
	own_stat_wait(&o, "deferred_stored", 1);
	cr_assert(strstr(proc_stderr(o.pf),
					  "kept: sip:bob@cpm.test sip:alice@cpm.test pager 0")
			!= NULL);
}

E2E_TEST(term_defer_pager, all_clients_refuse,
		"TL-17/part: SIP errors from all: stored, 202 and no error")
{
	const char *id;

	keep_start(&o, "modparam(\"cpm\", \"fork_wait\", 20000)\n");
	term_register_both(&o);
	id = keep_send(&o, NULL, keep_body("m1", NULL));
	ua_answer(o.ua, keep_at(&o, PHONE), 486, "");
	cr_assert(ua_poll(o.ua, "202/MESSAGE", id, 200) == NULL);
	ua_answer(o.ua, keep_at(&o, TABLET), 480, "");
	keep_answer(&o, id, 202);
	keep_count(&o, 1);
}

E2E_TEST(term_defer_pager, slow_client_takes_the_stored_copy_back,
		"TL-17/part: 202 after fork_wait; his 200 settles it, once")
{
	struct sip *phone;
	const char *id;

	keep_start(&o, NULL);
	term_register(&o, PHONE);
	id = keep_send(&o, NULL, keep_body("m1", NULL));
	phone = keep_at(&o, PHONE);
	keep_answer(&o, id, 202);
	keep_count(&o, 1);
	ua_answer(o.ua, phone, 200, "");
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 1);
	ua_idle(o.ua, 1500);
	cr_assert_eq(keep_sent(&o), 1);
}

E2E_TEST(term_defer_pager, slow_client_that_refuses_gets_it_again,
		"TL-17/part TL-18/part: the stored copy is tried after push_retries")
{
	struct sip *phone;
	const char *id;

	keep_start(&o, NULL);
	term_register(&o, PHONE);
	id = keep_send(&o, NULL, keep_body("m1", NULL));
	phone = keep_at(&o, PHONE);
	keep_answer(&o, id, 202);
	ua_answer(o.ua, phone, 480, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	keep_count(&o, 0);
}

E2E_TEST(term_defer_pager, repeated_message_is_kept_once,
		"the sender's repeat, another request with the same imdn.Message-ID")
{
	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	keep_count(&o, 2);
}

/* A wrapper of some 180 bytes and n more. */
static const char *long_body(const char *id, int n)
{
	return fmt("%s%0*d", keep_body(id, NULL), n, 0);
}

E2E_TEST(term_defer_pager, no_room_is_a_clear_refusal_until_there_is_some,
		"TL-17/part: 413 for the user's quota, of messages and of bytes, 503 "
		"with Retry-After for the store; what was there is delivered, and "
		"makes "
		"room")
{
	struct req carol = {.ruri = "sip:carol@cpm.test"};
	struct sip *m;
	const char *id;

	setenv("LAB_RELAY_CONF_EXTRA",
			"defer_user_messages = 2\ndefer_user_bytes = 2000\n"
			"defer_max_bytes = 2200\n",
			1);
	keep_start(&o, NULL);
	keep_stored(&o, "m1", NULL);
	keep_stored(&o, "m2", NULL);
	m = keep_answer(&o, keep_send(&o, NULL, keep_body("m3", NULL)), 413);
	cr_assert(*sip_hdr(m, "Retry-After") != '\0');
	keep_stored(&o, "m2", NULL); /* no new one */
	carol.body = long_body("c1", 1700);
	keep_answer(&o, keep_send_req(&o, carol), 503);
	keep_count(&o, 2);
	term_register(&o, PHONE);
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	keep_count(&o, 0);
	id = keep_send(&o, NULL, long_body("m4", 1900));
	ua_answer(o.ua, keep_at(&o, PHONE), 486, "");
	keep_answer(&o, id, 413);
	keep_answer(&o, keep_send_req(&o, carol), 202);
	id = keep_send(&o, NULL, long_body("m5", 500));
	ua_answer(o.ua, keep_at(&o, PHONE), 486, "");
	m = keep_answer(&o, id, 503);
	cr_assert(*sip_hdr(m, "Retry-After") != '\0');
	keep_count(&o, 1);
	own_register(&o, "carol", 103, PHONE, "msg", 600);
	ua_answer(o.ua,
			ua_wait(o.ua, fmt("MESSAGE %s", own_gruu("carol", PHONE)), NULL,
					15000),
			200, "");
	keep_count(&o, 0);
	id = keep_send(&o, NULL, long_body("m5", 500));
	ua_answer(o.ua, keep_at(&o, PHONE), 486, "");
	keep_answer(&o, id, 202);
}

E2E_TEST(term_defer_pager, without_a_store_there_is_no_202,
		"TL-17/part: 503 with Retry-After, never a promise")
{
	struct sip *m;

	keep_start(&o, NULL);
	lab_part(o.lab, "kill", "relay");
	lab_expect_log(o.lab, "cpm", "relay");
	m = keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 503);
	cr_assert(*sip_hdr(m, "Retry-After") != '\0');
	lab_part(o.lab, "start", "relay");
	for(int i = 0; lab_rpc_number(o.lab, "cpm.relays", "version") < 1; i++) {
		cr_assert_lt(i, 100);
		sleep_ms(100);
	}
	keep_stored(&o, "m2", NULL);
}
