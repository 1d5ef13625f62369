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
