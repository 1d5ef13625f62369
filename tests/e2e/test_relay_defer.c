/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.defer: a message that no leg takes is stored before its sender's last
 * chunk is answered, against the real daemon, which is killed too.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_defer.h"

E2E_SUITE(relay_defer);

/* The session "k1", its sender connected and bound. */
static struct raw *sender(
		const struct rig *r, int ctl, const char *more, struct pair *p)
{
	struct raw *in;

	*p = keep_open(ctl, "k1", more);
	in = raw_connect(r->ip, p->in_port);
	pair_bind(in, p->in_path, p->in_peer);
	return in;
}

static void restart(struct rig *r, int signum, const char *options)
{
	kill(proc_pid(r->relay), signum);
	proc_wait(r->relay, 10000);
	rig_write_conf(r, options);
	rig_spawn(r);
}

static void defer_ok(int ctl, const char *more, const char *state)
{
	json_t *a = defer(ctl, more);

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	cr_assert_str_eq(event_text(a, "result.state"), state);
}

/* The next event of the type; nothing of it may have been stored before. */
static const char *deferred(int ctl, size_t n)
{
	json_t *e = ctl_event(ctl, "message.deferred", 10000);

	cr_assert_eq(event_number(e, "bytes"), (long long)n);
	return event_text(e, "ref");
}

E2E_TEST(relay_defer, a_message_to_nobody_is_stored_and_survives_a_kill, "")
{
	struct rig *r = rig_start("spool_memory = 64KiB\n");
	const size_t n = 3000000;
	int ctl = ctl_serving(r);
	char *text = large_make(n, "Subject: big\r\n");
	const char *ref;
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	json_t *a;

	defer_ok(ctl, "", "armed");
	large_send(in, &p, "mid1", text, 200000);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	/* From here on it is a promise. */
	restart(r, SIGKILL, "spool_memory = 64KiB\n");
	raw_close(in);
	ctl = ctl_serving(r);
	a = ctl_call(ctl, "deferred.list", "{}");
	ref = event_text(a, "result.messages.0.ref");
	cr_assert_str_eq(event_text(a, "result.messages.0.kind"), "large");
	cr_assert_str_eq(event_text(a, "result.messages.0.message_id"), "mid1");
	cr_assert_str_eq(event_text(a, "result.messages.0.cpim.subject"), "big");
	a = ctl_call(ctl, "deferred.show", fmt("{'ref':'%s'}", ref));
	cr_assert_eq(event_number(a, "result.envelope.n"), 7);
	long long before = rig_rss(r);
	fetch_large(r, ctl, BOB, text, n);
	cr_assert_lt(rig_rss(r), before + rig_growth());
	free(text);
}

E2E_TEST(relay_defer, what_all_legs_refuse_midway_is_still_taken, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 300000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	struct out one = out_add(r, ctl, "k1", "1");
	struct out two = out_add(r, ctl, "k1", "2");
	const struct frame *f;

	defer_ok(ctl, "", "armed");
	raw_say(in,
			"MSRP tid1 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: mid1\r\nByte-Range: 1-1000/%zu\r\n"
			"Content-Type: message/cpim\r\n\r\n%.1000s\r\n-------tid1+\r\n",
			p.in_path, p.in_peer, n, text);
	cr_assert_eq(raw_status(in, "tid1", 5000), 200);
	/* One refuses, one goes. */
	f = raw_request(one.c, 5000);
	cr_assert(f != NULL);
	raw_answer(one.c, f, 413);
	raw_close(two.c);
	two.c = NULL;
	ctl_event(ctl, "leg.failed", 5000);
	ctl_event(ctl, "leg.failed", 5000);
	raw_say(in,
			"MSRP last0 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: mid1\r\nByte-Range: 1001-%zu/%zu\r\n"
			"Content-Type: message/cpim\r\n\r\n",
			p.in_path, p.in_peer, n, n);
	raw_put(in, text + 1000, n - 1000);
	raw_say(in, "\r\n-------last0$\r\n");
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	deferred(ctl, n);
	/* The session has no leg left that may take it: there is nothing to wait
	 * for, and nobody may come any more. */
	json_t *a = ctl_call(ctl, "leg.add",
			"{'session':'k1','leg':{'leg':'3','direction':'send',"
			"'transport':'tcp'}}");
	cr_assert_eq(ctl_code(a), -32006);
	fetch_large(r, ctl, BOB, text, n);
	out_free(&one);
	free(text);
}

E2E_TEST(relay_defer, a_late_leg_takes_the_stored_copy_out_again, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 100000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "'answer':'first',", &p);
	struct out late = out_new(ctl, "k1", "1");
	const char *ref;
	json_t *a, *e;

	defer_ok(ctl, ",'wait_ms':300", "armed");
	out_start(ctl, "k1", &late, "");
	out_connect(r, &late);
	large_send(in, &p, "mid1", text, n);
	/* The leg does not answer yet: the sender is told all the same. */
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	ref = deferred(ctl, n);
	defer_ok(ctl, "", "deferred");
	/* It may still come, so it is nobody else's. */
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
	out_takes(&late, text, n);
	e = ctl_event(ctl, "leg.delivered", 10000);
	cr_assert_str_eq(event_text(e, "ref"), ref);
	cr_assert(json_object_get(e, "settled") == NULL);
	/* It was out of the store before that was told. */
	cr_assert_eq(stored_count(ctl), 0);
	out_free(&late);
	free(text);
}

E2E_TEST(relay_defer, the_claim_ends_with_the_session, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 100000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	struct out silent = out_add(r, ctl, "k1", "1");

	large_send(in, &p, "mid1", text, n);
	cr_assert(raw_request(silent.c, 5000) != NULL);
	/* Said only now, and at once. */
	defer(ctl, ",'when':'now','next_ms':0");
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	deferred(ctl, n);
	ctl_call(ctl, "session.close", "{'session':'k1','abort':true}");
	rig_stat_wait(r, "sessions", 0);
	/* It is due at once, and told. */
	ctl_event(ctl, "deferred.due", 10000);
	fetch_large(r, ctl, BOB, text, n);
	out_free(&silent);
	free(text);
}

E2E_TEST(relay_defer, one_leg_that_takes_it_is_enough, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 100000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "'answer':'first',", &p);
	struct out one = out_add(r, ctl, "k1", "1");
	struct out two = out_add(r, ctl, "k1", "2");
	const struct frame *f;

	defer_ok(ctl, ",'wait_ms':25000", "armed");
	large_send(in, &p, "mid1", text, n);
	f = raw_request(one.c, 5000);
	cr_assert(f != NULL);
	raw_answer(one.c, f, 403);
	out_takes(&two, text, n);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	json_t *e = ctl_event(ctl, "leg.delivered", 5000);
	cr_assert(json_object_get(e, "ref") == NULL);
	defer_ok(ctl, ",'when':'now'", "delivered");
	ctl_call(ctl, "session.close", "{'session':'k1'}");
	cr_assert_eq(stored_count(ctl), 0);
	out_free(&one);
	out_free(&two);
	free(text);
}

E2E_TEST(relay_defer, a_copy_that_is_taken_keeps_nothing_out_of_the_store, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 50000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	struct out copy = out_new_with(ctl, "k1", "c", ",'copy':true");

	out_start(ctl, "k1", &copy, "");
	out_connect(r, &copy);
	defer_ok(ctl, "", "armed");
	large_send(in, &p, "mid1", text, n);
	out_takes(&copy, text, n);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	deferred(ctl, n);
	fetch_large(r, ctl, BOB, text, n);
	out_free(&copy);
	free(text);
}

E2E_TEST(relay_defer, what_is_not_complete_is_not_stored, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	char *text = large_make(5000, "");
	struct pair p;
	struct raw *in;

	for(int i = 0; i < 3; i++) {
		in = sender(r, ctl, "", &p);
		defer_ok(ctl, ",'when':'now'", "armed");
		raw_say(in,
				"MSRP tid1 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				"Message-ID: mid1\r\nByte-Range: 1-1000/5000\r\n"
				"Content-Type: message/cpim\r\n\r\n%.1000s"
				"\r\n-------tid1+\r\n",
				p.in_path, p.in_peer, text);
		cr_assert_eq(raw_status(in, "tid1", 5000), 200);
		if(i == 0) /* he says so */
			raw_send(in, p.in_path, p.in_peer, "tid2", "mid1", "1001-*/5000",
					"x", 1, '#');
		else if(i == 1) /* he is gone */
			raw_close(in);
		else /* his dialog has ended */
			ctl_call(ctl, "session.close", "{'session':'k1'}");
		if(i < 2)
			ctl_event(ctl, "message.aborted", 5000);
		ctl_call(ctl, "session.close", "{'session':'k1'}");
		rig_stat_wait(r, "sessions", 0);
	}
	cr_assert_eq(stored_count(ctl), 0);
	free(text);
}

E2E_TEST(relay_defer, a_session_that_closes_stores_first, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 400000;
	char *text = large_make(n, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	struct out o = out_new(ctl, "k1", "1");
	json_t *a;

	defer_ok(ctl, "", "armed");
	large_send(in, &p, "mid1", text, n);
	ctl_event(ctl, "message.received", 10000);
	/* The leg was never started, so its peer cannot come. */
	a = ctl_call(ctl, "session.close", "{'session':'k1'}");
	cr_assert_str_eq(event_text(a, "result.session"), "k1");
	cr_assert_eq(stored_count(ctl), 1);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	fetch_large(r, ctl, BOB, text, n);
	out_free(&o);
	free(text);
}

E2E_TEST(relay_defer, what_cannot_be_stored_is_refused_with_413, "")
{
	static const struct
	{
		const char *options;
		int code;
	} cases[] = {
			{"defer_user_bytes = 100kB\n", -32020},
			{"defer_max_bytes = 100kB\n", -32021},
			{"defer_min_free = 1000GiB\n", -32021},
	};
	struct rig *r = rig_start("");
	char *text = large_make(150000, "");

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		restart(r, SIGINT, cases[i].options);
		int ctl = ctl_serving(r);
		struct pair p;
		struct raw *in = sender(r, ctl, "", &p);

		defer_ok(ctl, "", "armed");
		large_send(in, &p, "mid1", text, 50000);
		cr_assert_eq(
				raw_status(in, "last0", 10000), 413, "%s", cases[i].options);
		json_t *e = ctl_event(ctl, "message.refused", 5000);
		cr_assert_eq(
				event_number(e, "code"), cases[i].code, "%s", cases[i].options);
		defer_ok(ctl, "", "refused");
		cr_assert_eq(stored_count(ctl), 0);
		raw_close(in);
	}
	free(text);
}

/* More than may be on its way to the store at a time: they wait their turn. */
E2E_TEST(relay_defer, many_at_a_time_are_all_stored, "")
{
	enum
	{
		N = 50
	};
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 250000;
	char *text = large_make(n, "");
	struct raw *in[N];
	struct pair p[N];

	for(int i = 0; i < N; i++) {
		const char *id = fmt("m%d", i);
		json_t *a;

		p[i] = keep_open(ctl, id, "");
		a = ctl_call(ctl, "session.defer",
				fmt("{'session':'%s','user':'" BOB "','sender':'" ALICE
					"','key':'%s'}",
						id, id));
		cr_assert_eq(ctl_code(a), 0);
		in[i] = raw_connect(r->ip, p[i].in_port);
		pair_bind(in[i], p[i].in_path, p[i].in_peer);
	}
	for(int i = 0; i < N; i++)
		large_send(in[i], &p[i], fmt("mid%d", i), text, n);
	for(int i = 0; i < N; i++)
		cr_assert_eq(raw_status(in[i], "last0", 20000), 200, "%d", i);
	cr_assert_eq(stored_count(ctl), N);
	for(int i = 0; i < N; i++) {
		ctl_call(ctl, "session.close", fmt("{'session':'m%d'}", i));
		raw_close(in[i]);
	}
	fetch_large(r, ctl, BOB, text, n);
	free(text);
}

E2E_TEST(relay_defer, after_the_sender_was_told_it_is_too_late, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	char *text = large_make(1000, "");
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	struct out o = out_add(r, ctl, "k1", "1");
	const struct frame *f;

	large_send(in, &p, "mid1", text, 1000);
	f = raw_request(o.c, 5000);
	cr_assert(f != NULL);
	raw_answer(o.c, f, 403);
	cr_assert_eq(raw_status(in, "last0", 5000), 403);
	defer_ok(ctl, ",'when':'now'", "refused");
	cr_assert_eq(stored_count(ctl), 0);
	out_free(&o);
	free(text);
}

E2E_TEST(relay_defer, the_same_message_again_is_one_message, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const size_t n = 100000;
	char *text = large_make(n, "imdn.Message-ID: Xb2\r\n");
	const char *first;
	struct pair p;
	struct raw *in = sender(r, ctl, "", &p);
	json_t *e;

	defer_ok(ctl, "", "armed");
	large_send(in, &p, "mid1", text, n);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	first = deferred(ctl, n);
	/* His answer was lost with the daemon: he sends it again, in another
	 * session under another Message-ID of MSRP. */
	restart(r, SIGKILL, "");
	raw_close(in);
	ctl = ctl_serving(r);
	in = sender(r, ctl, "", &p);
	cr_assert_eq(ctl_code(ctl_call(ctl, "session.defer",
						 "{'session':'k1','user':'" BOB "','sender':'" ALICE
						 "','key':'call2'}")),
			0);
	large_send(in, &p, "mid2", text, n);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	e = ctl_event(ctl, "message.deferred", 10000);
	cr_assert_str_eq(event_text(e, "ref"), first);
	cr_assert(json_is_true(json_object_get(e, "duplicate")));
	cr_assert_eq(stored_count(ctl), 1);
	fetch_large(r, ctl, BOB, text, n);
	free(text);
}

E2E_TEST(relay_defer, a_kill_before_the_answer_leaves_all_or_nothing, "")
{
	struct rig *r = rig_start("spool_memory = 64KiB\n");
	const size_t n = 2000000;
	int ctl = ctl_serving(r);
	char *text = large_make(n, "");

	for(int i = 0; i < 4; i++) {
		struct pair p;
		struct raw *in = sender(r, ctl, "", &p);
		long long count;

		defer_ok(ctl, "", "armed");
		large_send(in, &p, "mid1", text, 500000);
		sleep_ms(i * 4);
		restart(r, SIGKILL, "spool_memory = 64KiB\n");
		int status = raw_status(in, "last0", 10000);
		raw_close(in);
		ctl = ctl_serving(r);
		count = stored_count(ctl);
		cr_assert(count == 1 || (count == 0 && status != 200),
				"answered %d, %lld stored", status, count);
		if(count == 1)
			fetch_large(r, ctl, BOB, text, n);
	}
	free(text);
}

E2E_TEST(relay_defer, where_it_cannot_be_it_is_refused_by_name, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	json_t *a;

	cr_assert_eq(ctl_code(defer(ctl, "")), -32002);
	pair_open(ctl, "k1", "", "");
	cr_assert_eq(ctl_code(defer(ctl, "")), -32005);
	ctl_call(ctl, "session.close", "{'session':'k1','abort':true}");
	cr_assert_eq(ctl_code(content_open(ctl, "k1", 10, "")), 0);
	cr_assert_eq(ctl_code(defer(ctl, "")), -32005);
	ctl_call(ctl, "session.close", "{'session':'k1','abort':true}");
	keep_open(ctl, "k1", "");
	defer_ok(ctl, "", "armed");
	a = ctl_call(ctl, "session.defer",
			"{'session':'k1','user':'" BOB "','sender':'" ALICE
			"','key':'another'}");
	cr_assert_eq(ctl_code(a), -32001);
	static const char *const bad[] = {",'when':'later'", ",'wait_ms':25001",
			",'next_ms':-1", ",'lifetime_s':0", ",'nonsense':1"};
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(ctl_code(defer(ctl, bad[i])), -32602, "%s", bad[i]);
	restart(r, SIGINT, "store = none\n");
	ctl = ctl_serving(r);
	keep_open(ctl, "k1", "");
	cr_assert_eq(ctl_code(defer(ctl, "")), -32022);
}
