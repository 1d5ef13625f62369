/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One message to many recipients, against the real daemon: what the sender is
 * told and when, recipients that fail or come late, senders that give up, how
 * long such a session lives, and a thousand legs.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "relay_legs.h"

E2E_SUITE(relay_fanout);

static struct rig *rig;
static int ctl, events;
static struct pair pair;
static struct raw *in;

static void begin(const char *more)
{
	rig = rig_start("");
	ctl = ctl_hello_fd(rig);
	events = ctl_hello_fd(rig);
	pair = keep_open(ctl, "s1", more);
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, pair.in_peer);
}

static void say(const char *tid, const char *text)
{
	raw_send(in, pair.in_path, pair.in_peer, tid, "msg1",
			fmt("1-%zu/%zu", strlen(text), strlen(text)), text, strlen(text),
			'$');
}

/* Is the sender still without an answer after so long? */
static bool unanswered(int ms)
{
	return poll(&(struct pollfd){in->fd, POLLIN, 0}, 1, ms) == 0;
}

static void leg_event(const char *type, const char *leg, int status)
{
	json_t *e = ctl_event(events, type, 5000);

	cr_assert_str_eq(event_text(e, "leg"), leg);
	if(status >= 0)
		cr_assert_eq(event_number(e, "status"), status, "%s of %s: %lld", type,
				leg, event_number(e, "status"));
}

E2E_TEST(relay_fanout, first_answers_when_one_has_all_and_the_others_go_on, "")
{
	struct out one, two, unknown;

	begin("'answer':'first',");
	one = out_add(rig, ctl, "s1", "1");
	two = out_new(ctl, "s1", "2");
	unknown = out_new(ctl, "s1", "3");
	say("tid1", "to all of you");
	cr_assert(unanswered(200));
	out_takes(&one, "to all of you", 13);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	leg_event("leg.delivered", "1", -1);
	raw_close(in);
	out_start(ctl, "s1", &two, "");
	out_connect(rig, &two);
	out_takes(&two, "to all of you", 13);
	leg_event("leg.delivered", "2", -1);
	out_start(ctl, "s1", &unknown, "");
	out_connect(rig, &unknown);
	out_takes(&unknown, "to all of you", 13);
	leg_event("leg.delivered", "3", -1);
}

E2E_TEST(relay_fanout, all_answers_when_every_leg_has_decided, "")
{
	struct out one, two;

	begin("");
	one = out_add(rig, ctl, "s1", "1");
	two = out_new(ctl, "s1", "2");
	say("tid1", "hello");
	out_takes(&one, "hello", 5);
	cr_assert(unanswered(200));
	out_start(ctl, "s1", &two, "");
	out_connect(rig, &two);
	out_takes(&two, "hello", 5);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
}

E2E_TEST(relay_fanout, failure_is_told_when_nobody_is_left_who_may_take_it, "")
{
	struct out one, two, three;
	const struct frame *f;

	begin("'answer':'first',");
	one = out_add(rig, ctl, "s1", "1");
	two = out_new(ctl, "s1", "2");
	three = out_new(ctl, "s1", "3");
	say("tid1", "hello");
	f = raw_request(one.c, 5000);
	raw_answer(one.c, f, 413);
	leg_event("leg.failed", "1", 413);
	cr_assert(unanswered(200), "two legs are undecided");
	out_start(ctl, "s1", &two, ",'accept_types':['image/png']");
	leg_event("leg.failed", "2", 415);
	cr_assert(unanswered(200), "a leg that was not started is undecided");
	/* One more takes the place of the last before that is closed. */
	struct out four = out_new(ctl, "s1", "4");
	ctl_call(ctl, "leg.close", "{'session':'s1','leg':'3'}");
	cr_assert(unanswered(200));
	out_start(ctl, "s1", &four, ",'max_bytes':4");
	leg_event("leg.failed", "4", 413);
	cr_assert_eq(raw_status(in, "tid1", 5000), 413);
	(void)three;
}

E2E_TEST(relay_fanout, a_leg_that_fails_midway_disturbs_nobody, "")
{
	size_t n = 2000000, chunk = 100000;
	char *body = content_make(n);
	struct out good, refuses, breaks;
	const struct frame *f;

	begin("'answer':'first',");
	good = out_add(rig, ctl, "s1", "good");
	refuses = out_add(rig, ctl, "s1", "refuses");
	breaks = out_add(rig, ctl, "s1", "breaks");
	for(size_t at = 0; at < n; at += chunk) {
		raw_send(in, pair.in_path, pair.in_peer, "tid1", "msg1",
				fmt("%zu-%zu/%zu", at + 1, at + chunk, n), body + at, chunk,
				at + chunk == n ? '$' : '+');
		if(at == 3 * chunk) { /* the n-th chunk */
			out_take(&refuses, at);
			f = raw_request(refuses.c, 5000);
			raw_answer(refuses.c, f, 413);
			leg_event("leg.failed", "refuses", 413);
		} else if(at == 5 * chunk) {
			out_take(&breaks, at);
			raw_close(breaks.c);
			leg_event("leg.failed", "breaks", 0);
		}
		if(at + chunk == n)
			out_takes(&good, body, n);
		else
			out_take(&good, at + chunk);
		cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	}
	leg_event("leg.delivered", "good", -1);
	free(body);
}

E2E_TEST(relay_fanout, a_sender_that_gives_up_is_told_to_all, "")
{
	struct out one, two, late;
	json_t *e;

	begin("'answer':'first',");
	one = out_add(rig, ctl, "s1", "1");
	two = out_add(rig, ctl, "s1", "2");
	late = out_new(ctl, "s1", "3");
	raw_send(in, pair.in_path, pair.in_peer, "tid1", "msg1", "1-5/20", "hello",
			5, '+');
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	out_take(&one, 5);
	out_take(&two, 5);
	raw_send(in, pair.in_path, pair.in_peer, "tid2", "msg1", "6-10/20", " worl",
			5, '#');
	cr_assert_eq(raw_status(in, "tid2", 5000), 200);
	e = ctl_event(events, "message.aborted", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "in");
	cr_assert_str_eq(event_text(e, "message_id"), "msg1");
	cr_assert_eq(event_number(e, "status"), 0);
	out_take(&one, 0);
	cr_assert_eq(one.flag, '#');
	out_take(&two, 0);
	cr_assert_eq(two.flag, '#');
	/* Nobody is sent a part of it any more. */
	out_start(ctl, "s1", &late, "");
	late.c = raw_connect(rig->ip, late.port);
	pair_bind(late.c, late.path, late.peer);
	cr_assert_eq(poll(&(struct pollfd){late.c->fd, POLLIN, 0}, 1, 200), 0);
}

E2E_TEST(relay_fanout, a_sender_that_is_lost_is_told_to_all, "")
{
	struct out one;

	begin("");
	one = out_add(rig, ctl, "s1", "1");
	raw_send(in, pair.in_path, pair.in_peer, "tid1", "msg1", "1-5/20", "hello",
			5, '+');
	out_take(&one, 5);
	raw_close(in);
	leg_event("message.aborted", "in", 0);
	leg_event("leg.failed", "in", 0);
	out_take(&one, 0);
	cr_assert_eq(one.flag, '#');
}

E2E_TEST(relay_fanout, a_sender_before_any_recipient_is_kept_waiting, "")
{
	struct out one;

	begin("'answer':'first',");
	say("tid1", "too early");
	cr_assert(unanswered(300));
	one = out_add(rig, ctl, "s1", "1");
	out_takes(&one, "too early", 9);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
}

E2E_TEST(relay_fanout, what_is_not_kept_is_gone_for_those_who_come_late, "")
{
	struct raw *out;
	json_t *a;

	rig = rig_start("");
	ctl = ctl_hello_fd(rig);
	pair = pair_open(ctl, "s1", "", "");
	pair_connect(rig, &pair, &in, &out);
	say("tid1", "hello");
	raw_answer(out, raw_request(out, 5000), 200);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	a = ctl_call(ctl, "leg.add",
			"{'session':'s1','leg':{'leg':'x','direction':'send',"
			"'transport':'tcp'}}");
	cr_assert_eq(ctl_code(a), -32006);
}

E2E_TEST(relay_fanout, nine_messages_are_one_too_many_and_sizes_add_up, "")
{
	struct out one;

	begin("'answer':'first','max_bytes':40,");
	one = out_add(rig, ctl, "s1", "1");
	for(int i = 0; i < 8; i++) {
		const char *tid = fmt("tid%d", i);
		raw_send(in, pair.in_path, pair.in_peer, tid, fmt("msg%d", i), "1-4/4",
				"abcd", 4, '$');
		one.n = 0;
		out_takes(&one, "abcd", 4);
		cr_assert_eq(raw_status(in, tid, 5000), 200);
	}
	raw_send(in, pair.in_path, pair.in_peer, "tid9", "msg9", "1-4/4", "abcd", 4,
			'$');
	cr_assert_eq(raw_status(in, "tid9", 5000), 413);
	/* Who comes last gets all eight, the oldest first. */
	one = out_add(rig, ctl, "s1", "2");
	for(int i = 0; i < 8; i++) {
		one.n = 0;
		out_takes(&one, "abcd", 4);
		cr_assert_str_eq(one.message_id, fmt("msg%d", i));
	}
	pair = keep_open(ctl, "s2", "'max_bytes':10,");
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, pair.in_peer);
	one = out_add(rig, ctl, "s2", "1");
	say("tid1", "123456");
	out_takes(&one, "123456", 6);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	raw_send(in, pair.in_path, pair.in_peer, "tid2", "msg2", "1-5/5", "12345",
			5, '$');
	cr_assert_eq(raw_status(in, "tid2", 5000), 413);
	raw_send(in, pair.in_path, pair.in_peer, "tid3", "msg3", "1-*/*", "12345",
			5, '$');
	cr_assert_eq(raw_status(in, "tid3", 5000), 413);
}

E2E_TEST(relay_fanout, the_session_lives_as_long_as_it_is_needed, "")
{
	struct out one, two;

	begin("'answer':'first','idle_ms':1000,");
	/* Longer than idle_ms: a leg that rings, then a silent one. */
	one = out_add(rig, ctl, "s1", "1");
	two = out_new(ctl, "s1", "2");
	say("tid1", "hello");
	out_takes(&one, "hello", 5);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	raw_close(in);
	sleep_ms(2000);
	cr_assert_eq(rig_stat(rig, "sessions"), 1);
	/* Its peer does not come: it fails, and the other goes on a while. */
	out_start(ctl, "s1", &two, "");
	leg_event("leg.delivered", "1", -1);
	leg_event("leg.failed", "2", 408);
	one = out_add(rig, ctl, "s1", "3");
	out_takes(&one, "hello", 5);
	leg_event("leg.delivered", "3", -1);
	/* All have decided: it ends by itself. */
	ctl_event(events, "session.idle", 5000);
	rig_stat_wait(rig, "sessions", 0);
}

E2E_TEST(relay_fanout, a_leg_that_is_never_started_ends_it_after_setup_ms, "")
{
	begin("'setup_ms':1500,'idle_ms':1000,");
	sleep_ms(1000);
	out_new(ctl, "s1", "1"); /* counted from the latest leg */
	sleep_ms(1000);
	cr_assert_eq(rig_stat(rig, "sessions"), 1);
	ctl_event(events, "session.idle", 5000);
	rig_stat_wait(rig, "sessions", 0);
}

E2E_TEST(relay_fanout, drain_lets_late_recipients_finish, "")
{
	struct out one, two;

	begin("'answer':'first',");
	one = out_add(rig, ctl, "s1", "1");
	two = out_add(rig, ctl, "s1", "2");
	say("tid1", "hello");
	out_takes(&one, "hello", 5);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	ctl_call(ctl, "drain", "{}");
	out_takes(&two, "hello", 5);
	leg_event("leg.delivered", "1", -1);
	leg_event("leg.delivered", "2", -1);
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	cr_assert_eq(proc_wait(rig->relay, 5000), 0);
}

#define MANY 1000

E2E_TEST(relay_fanout, a_thousand_recipients_get_it, "", .timeout = 180)
{
	struct rlimit files = {4096, 4096};
	size_t n = 700000; /* more than what stays in memory */
	char *body = content_make(n);
	struct out *legs = calloc(MANY, sizeof(*legs));
	json_t *a;

	setrlimit(RLIMIT_NOFILE, &files);
	begin("'answer':'first',");
	for(int i = 0; i < MANY; i++)
		legs[i] = out_add(rig, ctl, "s1", fmt("%d", i + 1));
	in_send(in, &pair, "msg1", body, n, 100000);
	for(int i = 0; i < MANY; i++) {
		out_takes(&legs[i], body, n);
		out_free(&legs[i]);
	}
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	rig_stat_wait(rig, "messages_delivered_total", MANY);
	/* What is shown of it fits into a line, and the rest can be asked for. */
	a = ctl_call(ctl, "session.show", "{'session':'s1'}");
	cr_assert_eq(ctl_code(a), 0);
	cr_assert_eq(event_number(a, "result.n_legs"), MANY + 1);
	size_t k = 0;
	while(k < MANY + 1) {
		json_t *list;

		a = ctl_call(
				ctl, "session.show", fmt("{'session':'s1','offset':%zu}", k));
		list = json_object_get(json_object_get(a, "result"), "legs");
		cr_assert_gt(json_array_size(list), 0);
		cr_assert_str_eq(event_text(json_array_get(list, 0), "leg"),
				k == 0 ? "in" : fmt("%zu", k));
		k += json_array_size(list);
	}
	a = lab_relayctl(rig->lab, "show", "s1", NULL);
	cr_assert_eq(json_array_size(json_object_get(a, "legs")), MANY + 1);
	a = ctl_call(ctl, "session.list", "{}");
	cr_assert_eq(json_array_size(json_object_get(
						 json_object_get(a, "result"), "sessions")),
			1);
	a = ctl_call(ctl, "session.close", "{'session':'s1'}");
	cr_assert_eq(ctl_code(a), 0);
	cr_assert_eq(event_number(a, "result.n_legs"), MANY + 1);
	rig_stat_wait(rig, "legs", 0);
	free(legs);
	free(body);
}

E2E_TEST(relay_fanout, legs_are_limited_to_4096, "")
{
	json_t *a = NULL;

	begin("");
	for(int i = 1; i < 4096; i++) {
		a = ctl_call(ctl, "leg.add",
				fmt("{'session':'s1','leg':{'leg':'%d','direction':'send',"
					"'transport':'tcp'}}",
						i));
		cr_assert_eq(ctl_code(a), 0, "leg %d", i);
	}
	a = ctl_call(ctl, "leg.add",
			"{'session':'s1','leg':{'leg':'x','direction':'send',"
			"'transport':'tcp'}}");
	cr_assert_eq(ctl_code(a), -32003);
	/* the same again is no further leg */
	a = ctl_call(ctl, "leg.add",
			"{'session':'s1','leg':{'leg':'1','direction':'send',"
			"'transport':'tcp'}}");
	cr_assert_eq(ctl_code(a), 0);
	a = ctl_call(ctl, "session.close", "{'session':'s1'}");
	cr_assert_eq(event_number(a, "result.n_legs"), 4096);
}
