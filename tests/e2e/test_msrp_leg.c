/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Legs of a session against the real daemon: who is recognised as the peer,
 * peers that come before their leg is started, chunk sizes, one message to
 * several recipients, many sessions at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay_rig.h"

E2E_SUITE(msrp_leg);

static struct rig *rig;
static int ctl;
static struct pair pair;
static struct raw *in, *out;

static void begin(const char *more, const char *peer)
{
	rig = rig_start("");
	ctl = ctl_hello_fd(rig);
	pair = pair_open(ctl, "s1", more, peer);
}

/* leg.start of a passive leg; the answer. */
static json_t *start(const char *leg, const char *peer, const char *more)
{
	return ctl_call(ctl, "leg.start",
			fmt("{'session':'s1','leg':'%s','connect':false%s,"
				"'peer':{'path':'%s'}}",
					leg, more, peer));
}

/* A session of which no leg has been started. */
static void begin_unstarted(void)
{
	json_t *legs;

	rig = rig_start("bind_timeout = 2s\n");
	ctl = ctl_hello_fd(rig);
	legs = json_object_get(
			json_object_get(ctl_call(ctl, "session.create",
									"{'session':'s1','legs':[{'leg':'in',"
									"'direction':'recv','transport':'tcp'},"
									"{'leg':'out','direction':'send',"
									"'transport':'tcp'}]}"),
					"result"),
			"legs");
	pair = (struct pair){.id = "s1",
			.in_path = event_text(json_array_get(legs, 0), "path"),
			.out_path = event_text(json_array_get(legs, 1), "path"),
			.in_peer = "msrp://127.0.0.1:7001/sender;tcp",
			.out_peer = "msrp://127.0.0.1:7002/recipient;tcp",
			.in_port = (int)event_number(json_array_get(legs, 0), "port"),
			.out_port = (int)event_number(json_array_get(legs, 1), "port")};
}

E2E_TEST(msrp_leg, behind_a_nat_the_session_id_is_what_counts, "")
{
	begin("", "");
	/* An ALG has rewritten host and port of the path (sessmatch). */
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, "msrp://203.0.113.9:1234/s1-sender;tcp");
}

E2E_TEST(msrp_leg, match_full_wants_the_whole_path, "")
{
	int status;

	begin_unstarted();
	cr_assert_eq(ctl_code(start("in", pair.in_peer, ",'match':'full'")), 0);
	in = raw_connect(rig->ip, pair.in_port);
	raw_send(in, pair.in_path, "msrp://203.0.113.9:1234/sender;tcp", "nat1",
			"msg1", NULL, NULL, 0, '$');
	status = raw_status(in, "nat1", 5000);
	cr_assert(status == 481 || status == 403, "%d", status);
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, pair.in_peer);
}

E2E_TEST(msrp_leg, a_peer_that_comes_before_its_leg_is_started_waits, "")
{
	const struct frame *f;

	/* The client connects as soon as it has sent its answer, which may be
	 * before the module has told the relay. */
	begin_unstarted();
	in = raw_connect(rig->ip, pair.in_port);
	raw_send(in, pair.in_path, pair.in_peer, "early", "early", NULL, NULL, 0,
			'$');
	cr_assert_null(raw_ready(in, 300));
	cr_assert_eq(ctl_code(start("in", pair.in_peer, "")), 0);
	f = raw_frame(in, 5000);
	cr_assert_str_eq(f->tid, "early");
	cr_assert_eq(f->status, 200);
}

E2E_TEST(msrp_leg, a_leg_that_is_never_started_refuses_in_the_end, "")
{
	int status;

	begin_unstarted();
	in = raw_connect(rig->ip, pair.in_port);
	raw_send(in, pair.in_path, pair.in_peer, "early", "early", NULL, NULL, 0,
			'$');
	status = raw_status(in, "early", 5000);
	cr_assert(status >= 400 || status == -1, "%d", status);
}

E2E_TEST(msrp_leg, a_recipient_that_comes_late_gets_all_of_the_message, "")
{
	const struct frame *f;

	begin("", "");
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, pair.in_peer);
	raw_send(in, pair.in_path, pair.in_peer, "first", "msg1", "1-5/5", "hello",
			5, '$');
	sleep_ms(300);
	out = raw_connect(rig->ip, pair.out_port);
	pair_bind(out, pair.out_path, pair.out_peer);
	f = raw_request(out, 5000);
	cr_assert_str_eq(f->body, "hello");
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, "first", 5000), 200);
}

/* One request of the relay to the recipient: its own transaction and paths on
 * this side, the sender's message. */
static void check_own(const struct frame *f, const char *mid, const char *body)
{
	cr_assert_str_eq(f->method, "SEND");
	cr_assert_str_eq(frame_header(f, "To-Path"), pair.out_peer);
	cr_assert_str_eq(frame_header(f, "From-Path"), pair.out_path);
	cr_assert_str_eq(frame_header(f, "Message-ID"), mid);
	cr_assert_str_neq(f->tid, "begin");
	cr_assert_str_neq(f->tid, "last");
	cr_assert_str_eq(f->body, body);
}

E2E_TEST(msrp_leg, the_relay_is_the_peer_of_both_sides,
		"OP-47: own paths and transactions on each side, chunks acknowledged "
		"as they come, the last one with what the recipient has said")
{
	static const int said[] = {200, 413};
	const struct frame *f;

	begin("", "");
	pair_connect(rig, &pair, &in, &out);
	for(int i = 0; i < 2; i++) {
		const char *mid = fmt("msg%d", i), *body = "hello";

		raw_send(in, pair.in_path, pair.in_peer, "begin", mid, "1-5/10", body,
				5, '+');
		f = raw_frame(in, 5000);
		cr_assert_str_eq(f->tid, "begin");
		cr_assert_eq(f->status, 200);
		cr_assert_str_eq(frame_header(f, "To-Path"), pair.in_peer);
		cr_assert_str_eq(frame_header(f, "From-Path"), pair.in_path);
		f = raw_request(out, 5000);
		check_own(f, mid, body);
		raw_answer(out, f, 200);
		raw_send(in, pair.in_path, pair.in_peer, "last", mid, "6-10/10",
				"world", 5, '$');
		f = raw_request(out, 5000);
		check_own(f, mid, "world");
		/* who has not been heard cannot have been quoted */
		cr_assert_null(raw_ready(in, 300));
		raw_answer(out, f, said[i]);
		cr_assert_eq(raw_status(in, "last", 5000), said[i]);
	}
}

E2E_TEST(msrp_leg, chunks_are_as_small_as_the_peer_needs_them, "")
{
	const size_t n = 100000;
	char *body = some_bytes(n);

	begin_unstarted();
	start("in", pair.in_peer, "");
	start("out", pair.out_peer, ",'chunk_bytes':10240");
	pair_connect(rig, &pair, &in, &out);
	raw_send(in, pair.in_path, pair.in_peer, "whole", "msg1",
			fmt("1-%zu/%zu", n, n), body, n, '$');
	raw_take_message(out, body, n, 10240);
	cr_assert_eq(raw_status(in, "whole", 5000), 200);
	free(body);
}

E2E_TEST(msrp_leg, a_send_without_byte_range_and_with_every_header_passes, "")
{
	const struct frame *f;

	begin("", "");
	pair_connect(rig, &pair, &in, &out);
	raw_say(in,
			"MSRP head SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: msg1\r\nSuccess-Report: no\r\nFailure-Report: yes\r\n"
			"X-Unknown: value\r\nContent-Type: message/cpim\r\n\r\n"
			"From: <sip:a@b>\r\nNS: MD <mailto:x@y>\r\n\r\n"
			"Content-length: 2\r\n\r\nhi\r\n-------head$\r\n",
			pair.in_path, pair.in_peer);
	f = raw_request(out, 5000);
	cr_assert_str_eq(frame_header(f, "Content-Type"), "message/cpim");
	cr_assert_str_eq(f->body,
			"From: <sip:a@b>\r\nNS: MD <mailto:x@y>\r\n\r\n"
			"Content-length: 2\r\n\r\nhi");
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, "head", 5000), 200);
}

E2E_TEST(msrp_leg, one_message_reaches_three_recipients, "")
{
	enum
	{
		LEGS = 3
	};
	const size_t n = 50000;
	char *body = malloc(n);
	struct raw *to[LEGS];
	json_t *a, *legs;

	rig = rig_start("");
	ctl = ctl_hello_fd(rig);
	a = ctl_call(ctl, "session.create",
			"{'session':'s1','legs':[{'leg':'in','direction':'recv',"
			"'transport':'tcp','connect':false,'peer':{'path':"
			"'msrp://127.0.0.1:7/sender;tcp'}},"
			"{'leg':'1','direction':'send','transport':'tcp','connect':false,"
			"'peer':{'path':'msrp://127.0.0.1:7/rcpt1;tcp'}},"
			"{'leg':'2','direction':'send','transport':'tcp','connect':false,"
			"'peer':{'path':'msrp://127.0.0.1:7/rcpt2;tcp'}},"
			"{'leg':'3','direction':'send','transport':'tcp','connect':false,"
			"'peer':{'path':'msrp://127.0.0.1:7/rcpt3;tcp'}}]}");
	cr_assert_eq(ctl_code(a), 0);
	legs = json_object_get(json_object_get(a, "result"), "legs");
	for(int i = 0; i < LEGS; i++) {
		to[i] = raw_connect(rig->ip, 2855);
		pair_bind(to[i],
				event_text(json_array_get(legs, (size_t)i + 1), "path"),
				fmt("msrp://127.0.0.1:7/rcpt%d;tcp", i + 1));
	}
	in = raw_connect(rig->ip, 2855);
	pair_bind(in, event_text(json_array_get(legs, 0), "path"),
			"msrp://127.0.0.1:7/sender;tcp");
	for(size_t i = 0; i < n; i++)
		body[i] = (char)('a' + i % 26);
	raw_send(in, event_text(json_array_get(legs, 0), "path"),
			"msrp://127.0.0.1:7/sender;tcp", "fan1", "msg1",
			fmt("1-%zu/%zu", n, n), body, n, '$');
	for(int i = 0; i < LEGS; i++) {
		size_t got = 0;

		while(got < n) {
			const struct frame *f = raw_request(to[i], 5000);

			cr_assert(f != NULL && got + f->n <= n);
			cr_assert_eq(memcmp(f->body, body + got, f->n), 0);
			got += f->n;
			/* One of them refuses: the others do not care. */
			raw_answer(to[i], f, i == 1 ? 413 : 200);
		}
	}
	cr_assert_eq(raw_status(in, "fan1", 5000), 200);
	free(body);
}

E2E_TEST(msrp_leg, two_hundred_sessions_over_two_workers_do_not_mix, "")
{
	enum
	{
		N = 200
	};
	struct pair p[N];
	struct raw *a[N], *b[N];

	rig = rig_start("workers = 2\n");
	ctl = ctl_hello_fd(rig);
	for(int i = 0; i < N; i++) {
		p[i] = pair_open(ctl, fmt("s%d", i), "", "");
		pair_connect(rig, &p[i], &a[i], &b[i]);
	}
	for(int i = 0; i < N; i++) {
		const char *text = fmt("message of %d", i);

		raw_send(a[i], p[i].in_path, p[i].in_peer, fmt("tid%d", i), "msg1",
				fmt("1-%zu/%zu", strlen(text), strlen(text)), text,
				strlen(text), '$');
	}
	for(int i = N - 1; i >= 0; i--) {
		const struct frame *f = raw_request(b[i], 5000);

		cr_assert_str_eq(f->body, fmt("message of %d", i));
		raw_answer(b[i], f, 200);
	}
	for(int i = 0; i < N; i++)
		cr_assert_eq(raw_status(a[i], fmt("tid%d", i), 5000), 200);
	cr_assert_eq(rig_stat(rig, "messages_delivered_total"), N);
	for(int i = 0; i < N; i++)
		ctl_call(ctl, "session.close", fmt("{'session':'s%d'}", i));
	rig_stat_wait(rig, "sessions", 0);
}
