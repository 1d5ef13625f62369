/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Legs that do not count for the sender (copy), and wrappers that get a header
 * more on one leg (cpim_add), against the real daemon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_legs.h"

E2E_SUITE(relay_copy);

#define HEAD "From: <sip:a@x>\r\nTo: <sip:b@x>\r\n"
#define TAIL "\r\nContent-type: text/plain\r\n\r\n"
#define SENT ",'cpim_add':'Message-Direction: sent'"
#define DIRECTION "Message-Direction: sent\r\n"

/* A passive leg that is started, bound and will take the message. */
static struct out leg_with(
		const struct rig *r, int ctl, const char *leg, const char *more)
{
	struct out o = out_new_with(ctl, "k1", leg, more);

	out_start(ctl, "k1", &o, "");
	out_connect(r, &o);
	return o;
}

/* A session that keeps its message, its sender connected and bound. */
static struct raw *open_bound(
		const struct rig *r, int ctl, const char *more, struct pair *p)
{
	struct raw *in;

	*p = keep_open(ctl, "k1", more);
	in = raw_connect(r->ip, p->in_port);
	pair_bind(in, p->in_path, p->in_peer);
	return in;
}

/* A wrapper with n letters in it; of malloc. */
static char *wrapped(size_t n, const char *more)
{
	char *body = malloc(n + 1), *text;

	for(size_t i = 0; i < n; i++)
		body[i] = (char)('a' + i * 7 % 26);
	body[n] = '\0';
	if(asprintf(&text, HEAD "%s" TAIL "%s", more, body) < 0)
		abort();
	free(body);
	return text;
}

/* The whole as one frame of a type; its transaction id is "last0". */
static void send_typed(struct raw *in, const struct pair *p, const char *type,
		const char *text, const char *more)
{
	raw_say(in,
			"MSRP last0 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: mid1\r\n%sByte-Range: 1-%zu/%zu\r\n"
			"Content-Type: %s\r\n\r\n",
			p->in_path, p->in_peer, more, strlen(text), strlen(text), type);
	raw_put(in, text, strlen(text));
	raw_say(in, "\r\n-------last0$\r\n");
}

E2E_TEST(relay_copy, a_copy_does_not_hold_up_the_senders_answer, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *text = wrapped(2000, ""), *copied = wrapped(2000, DIRECTION);
	struct pair p;
	struct raw *in = open_bound(r, ctl, "", &p);
	struct out first = leg_with(r, ctl, "1", "");
	struct out copy = leg_with(r, ctl, "c", ",'copy':true" SENT);

	send_typed(in, &p, "message/cpim", text, "Success-Report: yes\r\n");
	out_takes(&first, text, strlen(text));
	cr_assert(first.success_report);
	/* The copy has not been taken yet. */
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	out_takes(&copy, copied, strlen(copied));
	cr_assert(!copy.success_report);
	json_t *e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "1");
	e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "c");
	ctl_call(ctl, "session.close", "{'session':'k1'}");
	rig_stat_wait(r, "sessions", 0);
	out_free(&first);
	out_free(&copy);
	free(text);
	free(copied);
}

E2E_TEST(relay_copy, a_copy_that_is_taken_is_no_delivery, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r);
	char *text = wrapped(500, ""), *copied = wrapped(500, DIRECTION);
	struct pair p;
	struct raw *in = open_bound(r, ctl, "'answer':'first',", &p);
	struct out copy = leg_with(r, ctl, "c", ",'copy':true" SENT);
	struct out first;

	send_typed(in, &p, "message/cpim", text, "");
	out_takes(&copy, copied, strlen(copied));
	/* Nobody who counts has it: the answer waits for a leg. */
	first = leg_with(r, ctl, "1", "");
	const struct frame *f = raw_request(first.c, 5000);
	cr_assert(f != NULL);
	raw_answer(first.c, f, 403);
	cr_assert_eq(raw_status(in, "last0", 5000), 403);
	out_free(&first);
	out_free(&copy);
	free(text);
	free(copied);
}

E2E_TEST(relay_copy, a_copy_that_fails_is_no_failure, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *text = wrapped(500, "");
	struct pair p;
	struct raw *in = open_bound(r, ctl, "", &p);
	struct out first = leg_with(r, ctl, "1", "");
	struct out copy = leg_with(r, ctl, "c", ",'copy':true" SENT);

	send_typed(in, &p, "message/cpim", text, "");
	const struct frame *f = raw_request(copy.c, 5000);
	cr_assert(f != NULL);
	raw_answer(copy.c, f, 481);
	json_t *e = ctl_event(events, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "c");
	out_takes(&first, text, strlen(text));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	out_free(&first);
	out_free(&copy);
	free(text);
}

E2E_TEST(relay_copy, the_wrapper_may_come_in_pieces_and_the_leg_late, "")
{
	struct rig *r = rig_start("spool_memory = 64KiB\n");
	int ctl = ctl_hello_fd(r);
	const char *subject = fmt("Subject: %0600d\r\n", 1);
	char *text = wrapped(300000, subject);
	char *copied = wrapped(300000, fmt("%s" DIRECTION, subject));
	struct pair p;
	struct raw *in = open_bound(r, ctl, "", &p);
	struct out early = leg_with(r, ctl, "e", SENT), late;
	size_t n = strlen(text), at = 0;

	/* The headers over several chunks, then all the rest. */
	for(int i = 0; i < 9; i++, at += 100) {
		raw_say(in,
				"MSRP tid%d SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				"Message-ID: mid1\r\nByte-Range: %zu-%zu/%zu\r\n"
				"Content-Type: message/cpim\r\n\r\n%.100s"
				"\r\n-------tid%d+\r\n",
				i, p.in_path, p.in_peer, at + 1, at + 100, n, text + at, i);
		cr_assert_eq(raw_status(in, fmt("tid%d", i), 5000), 200);
	}
	raw_say(in,
			"MSRP last0 SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: mid1\r\nByte-Range: %zu-%zu/%zu\r\n"
			"Content-Type: message/cpim\r\n\r\n",
			p.in_path, p.in_peer, at + 1, n, n);
	raw_put(in, text + at, n - at);
	raw_say(in, "\r\n-------last0$\r\n");
	out_takes(&early, copied, strlen(copied));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	late = leg_with(r, ctl, "l", ",'copy':true" SENT);
	out_takes(&late, copied, strlen(copied));
	out_free(&early);
	out_free(&late);
	free(text);
	free(copied);
}

E2E_TEST(relay_copy, without_a_wrapper_that_leg_alone_fails, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	const char *huge = fmt(HEAD "Subject: %020000d\r\n" TAIL "hi", 1);
	struct pair p;
	struct raw *in = open_bound(r, ctl, "'answer':'first',", &p);
	struct out plain = leg_with(r, ctl, "1", "");
	struct out added = leg_with(r, ctl, "2", SENT);

	send_typed(in, &p, "text/plain", "hello", "");
	json_t *e = ctl_event(events, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "2");
	cr_assert_eq(event_number(e, "status"), 415);
	out_takes(&plain, "hello", 5);
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	/* Headers of more than 16 KiB are not looked for any further. */
	ctl_call(ctl, "session.close", "{'session':'k1','abort':true}");
	rig_stat_wait(r, "sessions", 0);
	raw_close(in);
	out_free(&plain);
	out_free(&added);
	in = open_bound(r, ctl, "", &p);
	plain = leg_with(r, ctl, "1", "");
	added = leg_with(r, ctl, "2", SENT);
	send_typed(in, &p, "message/cpim", huge, "");
	e = ctl_event(events, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "2");
	out_takes(&plain, huge, strlen(huge));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	out_free(&plain);
	out_free(&added);
}

E2E_TEST(relay_copy, a_wrapper_made_longer_keeps_to_the_peers_limit, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), events = ctl_hello_fd(r);
	char *text = wrapped(100, "");
	struct pair p;
	struct raw *in = open_bound(r, ctl, "", &p);
	struct out plain = out_new(ctl, "k1", "1");
	struct out added = out_new_with(ctl, "k1", "2", SENT);
	const char *limit = fmt(",'max_bytes':%zu", strlen(text));

	out_start(ctl, "k1", &plain, limit);
	out_start(ctl, "k1", &added, limit);
	out_connect(r, &plain);
	out_connect(r, &added);
	send_typed(in, &p, "message/cpim", text, "");
	json_t *e = ctl_event(events, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "2");
	cr_assert_eq(event_number(e, "status"), 413);
	out_takes(&plain, text, strlen(text));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	out_free(&plain);
	out_free(&added);
	free(text);
}

/* The success REPORT of a peer counts the bytes that he has seen. */
E2E_TEST(relay_copy, a_report_of_a_changed_message_counts_for_the_whole, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r);
	char *text = wrapped(1000, ""), *copied = wrapped(1000, DIRECTION);
	struct pair p;
	struct raw *in = open_bound(r, ctl, "", &p);
	struct out o = leg_with(r, ctl, "1", SENT);
	const struct frame *f;

	send_typed(in, &p, "message/cpim", text, "Success-Report: yes\r\n");
	out_takes(&o, copied, strlen(copied));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	raw_say(o.c,
			"MSRP rep1 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: %s\r\nByte-Range: 1-%zu/%zu\r\nStatus: 000 200 OK\r\n"
			"-------rep1$\r\n",
			o.path, o.peer, o.message_id, strlen(copied), strlen(copied));
	f = raw_request(in, 5000);
	cr_assert(f != NULL);
	cr_assert_str_eq(f->method, "REPORT");
	cr_assert_str_eq(frame_header(f, "Byte-Range"),
			fmt("1-%zu/%zu", strlen(text), strlen(text)));
	out_free(&o);
	free(text);
	free(copied);
}

E2E_TEST(relay_copy, what_cannot_be_is_refused_by_name, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r);
	static const struct
	{
		const char *leg, *data;
	} bad[] = {
			{"'cpim_add':'no header'", "cpim_add"},
			{"'cpim_add':'A: b\\r\\nC: d'", "cpim_add"},
			{"'cpim_add':''", "cpim_add"},
			{"'cpim_add':7", "cpim_add"},
			{"'copy':'yes'", "copy"},
	};

	cr_assert_eq(ctl_code(content_open(ctl, "k1", 10, "")), 0);
	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *a = ctl_call(ctl, "leg.add",
				fmt("{'session':'k1','leg':{'leg':'x','direction':'send',"
					"'transport':'tcp',%s}}",
						bad[i].leg));
		cr_assert_eq(ctl_code(a), -32602, "%s", bad[i].leg);
		cr_assert(strstr(event_text(a, "error.data"), bad[i].data));
	}
	/* Nothing of it without a message that is held. */
	json_t *a = ctl_call(ctl, "session.create",
			"{'session':'k2','legs':["
			"{'leg':'in','direction':'recv','transport':'tcp'},"
			"{'leg':'1','direction':'send','transport':'tcp','copy':true}]}");
	cr_assert_eq(ctl_code(a), -32602);
	cr_assert_str_eq(event_text(a, "error.data"), "legs[1].copy");
	pair_open(ctl, "k3", "", "");
	a = ctl_call(ctl, "leg.add",
			"{'session':'k3','leg':{'leg':'x','direction':'send',"
			"'transport':'tcp','copy':true}}");
	cr_assert_eq(ctl_code(a), -32005);
	/* the same again is no conflict, another is */
	out_new_with(ctl, "k1", "c", ",'copy':true");
	out_new_with(ctl, "k1", "c", ",'copy':true");
	a = ctl_call(ctl, "leg.add",
			"{'session':'k1','leg':{'leg':'c','direction':'send',"
			"'transport':'tcp'}}");
	cr_assert_eq(ctl_code(a), -32001);
}
