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
