/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Habits of MSRP clients in the field, against the real daemon over raw
 * sockets: what RCS handsets, operators' load kits and other stacks do beside
 * or against RFC 4975, each of which has to work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

E2E_SUITE(msrp_habit);

static struct rig *rig;
static int ctl;
static struct pair pair;
static struct raw *in, *out;

static void begin(const char *options, const char *more, const char *peer)
{
	rig = rig_start(options);
	ctl = ctl_hello_fd(rig);
	pair = pair_open(ctl, "s1", more, peer);
	pair_connect(rig, &pair, &in, &out);
}

/* One message of one chunk, checked at both ends. */
static void pass(const char *tid, const char *mid, const char *text)
{
	size_t n = strlen(text);
	const struct frame *f;

	raw_send(in, pair.in_path, pair.in_peer, tid, mid, fmt("1-%zu/%zu", n, n),
			text, n, '$');
	f = raw_request(out, 5000);
	cr_assert(f != NULL);
	cr_assert_str_eq(f->method, "SEND");
	cr_assert_str_eq(f->body, text);
	cr_assert_str_eq(frame_header(f, "Message-ID"), mid);
	cr_assert_str_neq(f->tid, tid, "each hop has transaction ids of its own");
	cr_assert_str_eq(frame_header(f, "To-Path"), pair.out_peer);
	cr_assert_str_eq(frame_header(f, "From-Path"), pair.out_path);
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, tid, 5000), 200);
}

E2E_TEST(msrp_habit, a_message_passes_and_is_told, "")
{
	begin("", "", "");
	pass("abcd", "msg1", "hello");
	json_t *e = ctl_event(ctl, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "out");
	cr_assert_eq(event_number(e, "bytes"), 5);
	cr_assert_str_eq(event_text(e, "message_id"), "msg1");
}

E2E_TEST(msrp_habit, bodiless_send_with_and_without_byte_range_is_answered, "")
{
	begin("", "", "");
	raw_send(
			in, pair.in_path, pair.in_peer, "b001", "emp1", NULL, NULL, 0, '$');
	cr_assert_eq(raw_status(in, "b001", 5000), 200);
	raw_send(in, pair.in_path, pair.in_peer, "b002", "emp2", "1-0/0", NULL, 0,
			'$');
	cr_assert_eq(raw_status(in, "b002", 5000), 200);
	raw_send(in, pair.in_path, pair.in_peer, "b003", "emp3", "1-*/*", NULL, 0,
			'$');
	cr_assert_eq(raw_status(in, "b003", 5000), 200);
	/* An empty body with its Content-Type and blank line. */
	raw_say(in,
			"MSRP b004 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: emp4\r\nByte-Range: 1-0/0\r\n"
			"Content-Type: text/plain\r\n\r\n\r\n-------b004$\r\n",
			pair.in_path, pair.in_peer);
	cr_assert_eq(raw_status(in, "b004", 5000), 200);
	pass("b005", "msg1", "still works");
}

E2E_TEST(msrp_habit, the_same_ids_every_time_are_no_mistake, "")
{
	begin("", "", "");
	/* A load kit binds with transaction and message id "empty" always. */
	for(int i = 0; i < 3; i++) {
		raw_send(in, pair.in_path, pair.in_peer, "empty", "empty", NULL, NULL,
				0, '$');
		cr_assert_eq(raw_status(in, "empty", 5000), 200);
	}
	pass("tid1", "msg1", "and a message");
}

E2E_TEST(msrp_habit, ids_of_4_and_of_32_characters_pass, "")
{
	begin("", "", "");
	pass("a1b2", "0123456789abcdef0123456789abcdef", "long message id");
	pass("0123456789abcdef0123456789abcdef", "abcd", "long transaction id");
	pass("a.-+%=Z9", "n02s00i2t0+1937", "odd characters");
}

E2E_TEST(msrp_habit, one_chunk_of_1_MB_arrives_intact, "")
{
	size_t n = 1022000;
	char *body = some_bytes(n);

	begin("", "", "");
	raw_send(in, pair.in_path, pair.in_peer, "big1", "msg1",
			fmt("1-%zu/%zu", n, n), body, n, '$');
	raw_take_message(out, body, n, n);
	cr_assert_eq(raw_status(in, "big1", 5000), 200);
	free(body);
}

E2E_TEST(msrp_habit, ranges_are_exact_for_clients_that_append, "")
{
	static const char *const parts[] = {"one ", "two ", "three"};
	static const char *const in_ranges[] = {"1-*/13", "5-8/13", "9-*/*"};
	size_t got = 0;
	char text[64] = "";

	/* A client that only appends reads just what the range says: every chunk
	 * has to follow on the one before. */
	begin("", "", "");
	for(int i = 0; i < 3; i++) {
		raw_send(in, pair.in_path, pair.in_peer, fmt("part%d", i), "msg1",
				in_ranges[i], parts[i], strlen(parts[i]), i < 2 ? '+' : '$');
	}
	for(char flag = '+'; flag == '+';) {
		const struct frame *f = raw_request(out, 5000);
		const char *range = frame_header(f, "Byte-Range");
		unsigned long long a = 0, b = 0;

		cr_assert(sscanf(range, "%llu-", &a) == 1);
		cr_assert_eq(a, got + 1, "%s", range);
		if(sscanf(range, "%llu-%llu/", &a, &b) == 2)
			cr_assert_eq(b, got + f->n, "%s holds %zu", range, f->n);
		strncat(text, f->body, sizeof(text) - strlen(text) - 1);
		got += f->n;
		flag = f->flag;
		raw_answer(out, f, 200);
	}
	cr_assert_str_eq(text, "one two three");
	for(int i = 0; i < 3; i++)
		cr_assert_eq(raw_status(in, fmt("part%d", i), 5000), 200);
}

E2E_TEST(msrp_habit, a_report_answered_with_200_does_no_harm, "")
{
	const struct frame *f;
	char tid[64];

	begin("", "", "");
	raw_say(in,
			"MSRP rep1 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: msg1\r\nByte-Range: 1-2/2\r\nSuccess-Report: yes\r\n"
			"Content-Type: text/plain\r\n\r\nhi\r\n-------rep1$\r\n",
			pair.in_path, pair.in_peer);
	f = raw_request(out, 5000);
	raw_answer(out, f, 200);
	if(strcmp(frame_header(f, "Success-Report"), "yes") == 0)
		raw_say(out,
				"MSRP rr01 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				"Message-ID: msg1\r\nByte-Range: 1-2/2\r\n"
				"Status: 000 200 OK\r\n-------rr01$\r\n",
				pair.out_path, pair.out_peer);
	cr_assert_eq(raw_status(in, "rep1", 5000), 200);
	f = raw_request(in, 5000);
	cr_assert_str_eq(f->method, "REPORT");
	cr_assert_str_eq(frame_header(f, "Byte-Range"), "1-2/2");
	snprintf(tid, sizeof(tid), "%s", f->tid);
	raw_answer(in, f, 200); /* RFC 4975: no response to REPORT; they do it */
	pass("next", "msg2", "and it goes on");
}

E2E_TEST(msrp_habit, a_connection_is_used_again_for_a_later_session, "")
{
	begin("", "", "");
	pass("aaaa", "msg1", "first");
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	struct pair next = pair_open(ctl, "s2", "", "");

	/* The same two connections, if the relay keeps them; a client that finds
	 * one closed opens another. */
	if(raw_closed(in, 200)) {
		raw_close(in);
		raw_close(out);
		pair_connect(rig, &next, &in, &out);
	} else {
		pair_bind(in, next.in_path, next.in_peer);
		pair_bind(out, next.out_path, next.out_peer);
	}
	pair = next;
	pass("bbbb", "msg2", "second");
}

E2E_TEST(msrp_habit, two_sessions_share_a_connection, "")
{
	begin("", "", "");
	struct pair two = pair_open(ctl, "s2", "", "");

	pair_bind(in, two.in_path, two.in_peer);
	pair_bind(out, two.out_path, two.out_peer);
	pass("aaaa", "msg1", "in the first");
	pair = two;
	pass("bbbb", "msg2", "in the second");
	/* The end of one leaves the other its connection. */
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	pass("cccc", "msg3", "again in the second");
}

E2E_TEST(msrp_habit, failure_report_no_and_partial_are_obeyed, "")
{
	const struct frame *f;

	begin("", "", "");
	raw_say(in,
			"MSRP frno SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: msg1\r\nByte-Range: 1-2/2\r\nFailure-Report: no\r\n"
			"Content-Type: text/plain\r\n\r\nhi\r\n-------frno$\r\n",
			pair.in_path, pair.in_peer);
	f = raw_request(out, 5000);
	cr_assert_str_eq(f->body, "hi");
	raw_answer(out, f, 200);
	/* No response to that one: the next that comes is of the next request. */
	raw_send(in, pair.in_path, pair.in_peer, "next", "msg2", "1-2/2", "ho", 2,
			'$');
	f = raw_request(out, 5000);
	cr_assert_str_eq(f->body, "ho");
	raw_answer(out, f, 200);
	f = raw_frame(in, 5000);
	cr_assert_str_eq(f->tid, "next");
	cr_assert_eq(f->status, 200);
}

E2E_TEST(msrp_habit, the_relay_connects_when_asked_and_binds_with_an_empty_send,
		"")
{
	const struct frame *f;
	struct raw *c;
	json_t *a;
	int port, fd;

	rig = rig_start("");
	ctl = ctl_hello_fd(rig);
	fd = raw_listen("127.0.0.1", &port);
	a = ctl_call(ctl, "session.create",
			fmt("{'session':'s1','legs':[{'leg':'in','direction':'recv',"
				"'transport':'tcp'},{'leg':'out','direction':'send',"
				"'transport':'tcp','connect':true,'peer':{'path':"
				"'msrp://10.9.8.7:1/xyz;tcp','host':'127.0.0.1','port':%d}}]}",
					port));
	cr_assert_eq(ctl_code(a), 0);
	/* To the c= and m= address, not that of the path (RFC 6714). */
	c = raw_accept(fd, 5000);
	f = raw_frame(c, 5000);
	cr_assert_str_eq(f->method, "SEND");
	cr_assert_eq(f->n, 0);
	cr_assert_str_eq(frame_header(f, "To-Path"), "msrp://10.9.8.7:1/xyz;tcp");
	raw_answer(c, f, 200);
	ctl_event(ctl, "leg.bound", 5000);
}
