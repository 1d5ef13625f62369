/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages that come over the control socket (content.put), and the commands
 * around sessions that keep their message, against the real daemon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_legs.h"

E2E_SUITE(relay_content);

E2E_TEST(relay_content, pieces_become_one_message_to_every_leg, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *body = content_make(100000);
	struct out early, late;

	cr_assert_eq(ctl_code(content_open(ctl, "c1", 100000, "")), 0);
	early = out_add(r, ctl, "c1", "early");
	content_put_all(ctl, "c1", body, 100000, 32768);
	json_t *e = ctl_event(events, "message.received", 5000);
	cr_assert_eq(event_number(e, "bytes"), 100000);
	cr_assert_str_eq(event_text(e, "message_id"), "mid-c1");
	cr_assert(json_object_get(e, "leg") == NULL);
	out_takes(&early, body, 100000);
	cr_assert_str_eq(early.type, "message/cpim");
	cr_assert_str_eq(early.message_id, "mid-c1");
	cr_assert(!early.success_report);
	e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "early");
	late = out_add(r, ctl, "c1", "late");
	out_takes(&late, body, 100000);
	e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "late");
	ctl_call(ctl, "session.close", "{'session':'c1'}");
	rig_stat_wait(r, "sessions", 0);
	out_free(&early);
	out_free(&late);
	free(body);
}

/* leg.add with an address of its own; the answer. */
static json_t *add_to(int ctl, const char *leg, const char *to)
{
	return ctl_call(ctl, "leg.add",
			fmt("{'session':'c1','leg':{'leg':'%s','direction':'send',"
				"'transport':'tcp','cpim_to':'%s'}}",
					leg, to));
}

/* Start such a leg with this largest chunk, take all: it must be this. */
static void takes_own(const struct rig *r, int ctl, const char *leg,
		const char *to, int chunk, const char *text)
{
	struct out o = {
			.leg = leg, .peer = fmt("msrp://127.0.0.1:7002/%s;tcp", leg)};
	json_t *a = add_to(ctl, leg, to);

	o.path = event_text(a, "result.path");
	o.port = (int)event_number(a, "result.port");
	a = ctl_call(ctl, "leg.start",
			fmt("{'session':'c1','leg':'%s','connect':false,"
				"'chunk_bytes':%d,'peer':{'path':'%s'}}",
					leg, chunk, o.peer));
	cr_assert_eq(ctl_code(a), 0);
	out_connect(r, &o);
	out_takes(&o, text, strlen(text));
	out_free(&o);
}

E2E_TEST(relay_content, each_leg_may_have_a_cpim_to_of_its_own, "")
{
	struct rig *r = rig_start("spool_memory = 64KiB\n");
	int ctl = ctl_hello_fd(r);
	const char *head = "From: <sip:a@x>\r\nTo: <sip:list@x>\r\n";
	char *body = content_make(300000);
	const char *whole, *tail;

	for(int i = 0; i < 300000; i++)
		body[i] = (char)('a' + (unsigned char)body[i] % 26);
	tail = fmt("Subject: %0300d\r\nTo: <sip:b@x>\r\n\r\n"
			   "Content-type: text/plain\r\n\r\n%.300000s",
			1, body);
	whole = fmt("%s%s", head, tail);
	cr_assert_eq(ctl_code(content_open(ctl, "c1", strlen(whole), "")), 0);
	cr_assert_eq(
			ctl_code(add_to(ctl, "bad1", "sip:b@x>\\r\\nEvil: 1")), -32602);
	cr_assert_eq(ctl_code(add_to(ctl, "bad2", "<sip:b@x>")), -32602);
	cr_assert_eq(ctl_code(add_to(ctl, "1", "tel:+15550102")), 0);
	cr_assert_eq(ctl_code(add_to(ctl, "1", "tel:+15550103")), -32001);
	content_put_all(ctl, "c1", whole, strlen(whole), 32768);
	tail = fmt("Subject: %0300d\r\n\r\nContent-type: text/plain\r\n\r\n"
			   "%.300000s",
			1, body);
	/* chunks larger and smaller than the wrapper, and one who comes late */
	takes_own(r, ctl, "1", "tel:+15550102", 65536,
			fmt("From: <sip:a@x>\r\nTo: <tel:+15550102>\r\n%s", tail));
	cr_assert_eq(ctl_code(add_to(ctl, "2", "sip:somebody@example.com")), 0);
	takes_own(r, ctl, "2", "sip:somebody@example.com", 256,
			fmt("From: <sip:a@x>\r\nTo: <sip:somebody@example.com>\r\n%s",
					tail));
	struct out plain = out_add(r, ctl, "c1", "3");
	out_takes(&plain, whole, strlen(whole));
	ctl_call(ctl, "session.close", "{'session':'c1'}");
	rig_stat_wait(r, "sessions", 0);
	free(body);
}

E2E_TEST(relay_content, a_piece_in_the_wrong_place_is_refused_and_harmless, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r);
	char *body = content_make(1000);
	struct out o;
	json_t *a;

	cr_assert_eq(ctl_code(content_open(ctl, "c1", 1000, "")), 0);
	cr_assert_eq(ctl_code(content_put(ctl, "c1", 1, body, 10, false)), -32007);
	cr_assert_eq(ctl_code(content_put(ctl, "c1", 0, body, 500, true)), -32007);
	cr_assert_eq(ctl_code(content_put(ctl, "c1", 0, body, 600, false)), 0);
	/* again, a part of it again, across what is there, behind it, too long */
	a = content_put(ctl, "c1", 0, body, 600, false);
	cr_assert_eq(event_number(a, "result.received"), 600);
	a = content_put(ctl, "c1", 100, body + 100, 50, false);
	cr_assert_eq(event_number(a, "result.received"), 600);
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 500, body, 200, false)), -32007);
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 700, body, 300, true)), -32007);
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 600, body, 401, true)), -32007);
	/* its end without `last` */
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 600, body, 400, false)), -32007);
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 600, body + 600, 400, true)), 0);
	a = content_put(ctl, "c1", 600, body + 600, 400, true);
	cr_assert_eq(event_number(a, "result.received"), 1000);
	cr_assert_eq(ctl_code(content_put(ctl, "c1", 1000, body, 1, true)), -32007);
	o = out_add(r, ctl, "c1", "1");
	out_takes(&o, body, 1000);
	pair_open(ctl, "other", "", "");
	cr_assert_eq(
			ctl_code(content_put(ctl, "other", 0, body, 1, false)), -32005);
	cr_assert_eq(ctl_code(content_put(ctl, "none", 0, body, 1, false)), -32002);
	out_free(&o);
	free(body);
}

E2E_TEST(relay_content, a_peer_that_is_slow_to_bind_is_waited_for, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), port = 0;
	int listener = raw_listen("127.0.0.1", &port);
	char *body = content_make(50000);
	struct out o = {
			.leg = "1", .peer = fmt("msrp://127.0.0.1:%d/abcd;tcp", port)};
	const struct frame *bind;
	json_t *a;

	cr_assert_eq(
			ctl_code(content_open(ctl, "c1", 50000, "'idle_ms':5000,")), 0);
	content_put_all(ctl, "c1", body, 50000, 20000);
	a = ctl_call(ctl, "leg.add",
			fmt("{'session':'c1','leg':{'leg':'1','direction':'send',"
				"'transport':'tcp','connect':true,'peer':{'path':'%s'}}}",
					o.peer));
	cr_assert_eq(ctl_code(a), 0);
	o.c = raw_accept(listener, 5000);
	bind = raw_frame(o.c, 5000);
	cr_assert_str_eq(bind->method, "SEND");
	cr_assert_eq(bind->n, 0);
	sleep_ms(1500);
	cr_assert(raw_ready(o.c, 0) == NULL,
			"nothing before the binding is answered");
	raw_answer(o.c, bind, 200);
	out_takes(&o, body, 50000);
	rig_stat_wait(r, "messages_delivered_total", 1);
	out_free(&o);
	free(body);
}

E2E_TEST(relay_content, a_leg_that_fails_is_followed_by_another, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *body = content_make(50000);
	struct out one, two;
	const struct frame *f;
	json_t *e;

	cr_assert_eq(ctl_code(content_open(ctl, "c1", 50000, "")), 0);
	one = out_add(r, ctl, "c1", "1");
	cr_assert_eq(ctl_code(content_put(ctl, "c1", 0, body, 20000, false)), 0);
	f = raw_request(one.c, 5000);
	raw_answer(one.c, f, 413);
	e = ctl_event(events, "leg.failed", 5000);
	cr_assert_eq(event_number(e, "status"), 413);
	/* Its place is taken, by one that gets what was there and what comes. */
	two = out_add(r, ctl, "c1", "2");
	cr_assert_eq(
			ctl_code(content_put(ctl, "c1", 20000, body + 20000, 30000, true)),
			0);
	out_takes(&two, body, 50000);
	e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "2");
	out_free(&one);
	out_free(&two);
	free(body);
}

/* A first part has been acknowledged: told once, before the end of it. */
E2E_TEST(relay_content, first_acknowledged_part_is_told_once, "")
{
	struct rig *r = rig_start("chunk_bytes = 4096\n");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *body = content_make(20000);
	struct out one, two;
	const char *started = NULL;
	int n_started = 0, n_delivered = 0;

	cr_assert_eq(ctl_code(content_open(ctl, "c1", 20000, "")), 0);
	one = out_add(r, ctl, "c1", "one");
	two = out_add(r, ctl, "c1", "two");
	content_put_all(ctl, "c1", body, 20000, 20000);
	out_takes(&one, body, 20000);
	out_takes(&two, body, 20000);
	while(n_delivered < 2) {
		json_t *e = ctl_line(events, 5000);
		const char *type;

		cr_assert_not_null(e);
		e = json_object_get(e, "params");
		type = event_text(e, "type");
		n_started += strcmp(type, "message.started") == 0;
		n_delivered += strcmp(type, "leg.delivered") == 0;
		if(n_started == 1 && started == NULL) {
			started = event_text(e, "leg");
			cr_assert_eq(n_delivered, 0);
			cr_assert_str_eq(event_text(e, "message_id"), "mid-c1");
		}
	}
	cr_assert_eq(n_started, 1);
	cr_assert_str_eq(started, "one");
	ctl_call(ctl, "session.close", "{'session':'c1'}");
	rig_stat_wait(r, "sessions", 0);
	out_free(&one);
	out_free(&two);
	free(body);
}
