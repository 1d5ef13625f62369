/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Refusals and hostile input against the real daemon over raw sockets: each
 * gets the status that RFC 4975 names, and none disturbs another session.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay_rig.h"

E2E_SUITE(msrp_hostile);

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

/* The session of begin() still carries a message. */
static void still_works(void)
{
	static int n;
	const char *tid = fmt("good%d", ++n);
	const struct frame *f;

	raw_send(
			in, pair.in_path, pair.in_peer, tid, tid, "1-5/5", "hello", 5, '$');
	do {
		f = raw_request(out, 5000);
		cr_assert(f != NULL);
		raw_answer(out, f, 200);
	} while(strcmp(frame_header(f, "Message-ID"), tid) != 0);
	cr_assert_eq(raw_status(in, tid, 5000), 200);
	cr_assert(!proc_ended(rig->relay));
}

E2E_TEST(msrp_hostile, more_than_max_bytes_is_413, "")
{
	char body[1000];

	memset(body, 'x', sizeof(body));
	begin("", "'max_bytes':500,", "");
	/* Known from the total before a byte has come. */
	raw_send(in, pair.in_path, pair.in_peer, "tot1", "msg1", "1-1000/1000",
			body, 1000, '$');
	cr_assert_eq(raw_status(in, "tot1", 5000), 413);
	/* Known only as it comes. */
	raw_send(in, pair.in_path, pair.in_peer, "tot2", "msg2", "1-*/*", body,
			1000, '$');
	cr_assert_eq(raw_status(in, "tot2", 5000), 413);
	cr_assert_geq(rig_stat(rig, "rejected_413_total"), 2);
	still_works();
}

E2E_TEST(msrp_hostile, more_than_the_peer_takes_is_413, "")
{
	char body[1000];

	memset(body, 'x', sizeof(body));
	begin("", "", ",'max_bytes':600");
	raw_send(in, pair.in_path, pair.in_peer, "tot1", "msg1", "1-1000/1000",
			body, 1000, '$');
	cr_assert_eq(raw_status(in, "tot1", 5000), 413);
}

E2E_TEST(msrp_hostile, a_media_type_that_is_not_accepted_is_415, "")
{
	begin("", "",
			",'accept_types':['message/cpim'],"
			"'accept_wrapped_types':['text/plain']");
	raw_send(in, pair.in_path, pair.in_peer, "typ1", "msg1", "1-2/2", "hi", 2,
			'$');
	cr_assert_eq(raw_status(in, "typ1", 5000), 415);
	cr_assert_geq(rig_stat(rig, "rejected_415_total"), 1);
}

static void send_wrapped(const char *tid, const char *mime)
{
	const char *body = fmt("From: <sip:a@b>\r\n\r\n%s\r\nhi", mime);

	raw_say(in,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: m-%s\r\nByte-Range: 1-%zu/%zu\r\n"
			"Content-Type: message/cpim; x=y\r\n\r\n%s\r\n-------%s$\r\n",
			tid, pair.in_path, pair.in_peer, tid, strlen(body), strlen(body),
			body, tid);
}

E2E_TEST(msrp_hostile, a_wrapped_type_that_is_not_accepted_is_415, "")
{
	static const struct
	{
		const char *mime;
		int status;
	} cases[] = {{"Content-Type: text/plain;charset=utf-8\r\n", 200},
			{"Content-Type: image/png\r\n", 415}, {"", 200},
			{"Content-Type: message/imdn+xml\r\n", 200},
			{"Content-Type: multipart/mixed;boundary=x\r\n", 200},
			{"Content-Type: TEXT/Plain\r\n", 200},
			{"Content-Type: text/plainer\r\n", 415}};

	begin("", "",
			",'accept_types':['message/cpim','message/imdn+xml'],"
			"'accept_wrapped_types':['text/plain']");
	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *tid = fmt("wrap%zu", i);

		send_wrapped(tid, cases[i].mime);
		if(cases[i].status == 200) {
			const struct frame *f = raw_request(out, 5000);
			raw_answer(out, f, 200);
		}
		cr_assert_eq(raw_status(in, tid, 5000), cases[i].status, "%s",
				cases[i].mime);
	}
}

E2E_TEST(msrp_hostile, an_unknown_session_is_481, "")
{
	struct raw *c;

	begin("", "", "");
	c = raw_connect(rig->ip, pair.in_port);
	raw_send(c, fmt("msrp://%s:%d/nobodyknowsme;tcp", rig->ip, pair.in_port),
			"msrp://127.0.0.1:7/abcd;tcp", "unk1", "msg1", "1-2/2", "hi", 2,
			'$');
	cr_assert_eq(raw_status(c, "unk1", 5000), 481);
	still_works();
}

E2E_TEST(msrp_hostile, a_to_path_that_is_not_ours_is_no_open_relay, "")
{
	struct raw *c;
	int status;

	begin("", "", "");
	c = raw_connect(rig->ip, pair.in_port);
	raw_send(c, "msrp://198.51.100.9:2855/abcd;tcp",
			"msrp://127.0.0.1:7/abcd;tcp", "rel1", "msg1", "1-2/2", "hi", 2,
			'$');
	status = raw_status(c, "rel1", 5000);
	cr_assert(status == 481 || status == 403, "%d", status);
	/* Two hops, the second somebody else's. */
	c = raw_connect(rig->ip, pair.in_port);
	raw_send(c, fmt("%s msrp://198.51.100.9:2855/abcd;tcp", pair.in_path),
			pair.in_peer, "rel2", "msg1", "1-2/2", "hi", 2, '$');
	status = raw_status(c, "rel2", 5000);
	cr_assert(status == 481 || status == 403 || status == 400, "%d", status);
	still_works();
}

E2E_TEST(msrp_hostile, a_stranger_with_the_right_path_is_refused, "")
{
	struct raw *c;
	int status;

	begin("", "", "");
	struct pair waiting = pair_open(ctl, "s2", "", "");

	c = raw_connect(rig->ip, waiting.in_port);
	raw_send(c, waiting.in_path, "msrp://127.0.0.1:7/not-the-peer;tcp", "str1",
			"msg1", "1-2/2", "hi", 2, '$');
	status = raw_status(c, "str1", 5000);
	cr_assert(status == 481 || status == 403, "%d", status);
	still_works();
}

E2E_TEST(msrp_hostile, a_second_connection_for_a_bound_session_is_506, "")
{
	struct raw *c;

	begin("", "", "");
	c = raw_connect(rig->ip, pair.in_port);
	raw_send(c, pair.in_path, pair.in_peer, "sec1", "msg1", NULL, NULL, 0, '$');
	cr_assert_eq(raw_status(c, "sec1", 5000), 506);
	still_works();
}

E2E_TEST(msrp_hostile, an_unknown_method_is_501, "")
{
	begin("", "", "");
	raw_say(in,
			"MSRP met1 AUTH\r\nTo-Path: %s\r\nFrom-Path: "
			"%s\r\n-------met1$\r\n",
			pair.in_path, pair.in_peer);
	cr_assert_eq(raw_status(in, "met1", 5000), 501);
	raw_say(in,
			"MSRP met2 FROBNICATE\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"-------met2$\r\n",
			pair.in_path, pair.in_peer);
	cr_assert_eq(raw_status(in, "met2", 5000), 501);
	still_works();
}

E2E_TEST(msrp_hostile, ranges_that_contradict_themselves_are_400, "")
{
	static const char *const ranges[] = {"5-2/9", "0-2/2", "1-3/2", "x", "1-2",
			"1-2/-1", "99999999999999999999999-*/*"};

	begin("", "", "");
	for(size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const char *tid = fmt("rng%zu", i);

		raw_send(in, pair.in_path, pair.in_peer, tid, "msg1", ranges[i], "hi",
				2, '$');
		cr_expect_eq(raw_status(in, tid, 5000), 400, "%s", ranges[i]);
	}
	still_works();
}

/* What breaks the framing ends that connection; nothing else. */
static const char *const garbage[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /* TLS on the TCP port
														 */
		"MSRP\r\n\r\n",
		"MSRP a SEND\r\n-------a$\r\n",
		"MSRP toolongatransactionidforthegrammarofrfc4975 SEND\r\n",
		"MSRP abcd 20x OK\r\n",
		"MSRP abcd SEND\r\nno colon\r\n\r\n",
		"\r\n\r\n\r\n\r\n",
		"MSRP abcd SEND\nTo-Path: x\n-------abcd$\n",
};

E2E_TEST(msrp_hostile, garbage_ends_its_connection_and_no_other, "")
{
	begin("bind_timeout = 2s\n", "", "");
	for(size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct raw *c = raw_connect(rig->ip, pair.in_port);

		raw_put(c, garbage[i], strlen(garbage[i]));
		cr_expect(raw_closed(c, 4000), "%s", garbage[i]);
		raw_close(c);
	}
	still_works();
	rig_stat_wait(rig, "connections", 2);
}

E2E_TEST(msrp_hostile, oversized_headers_end_the_connection_early, "")
{
	char *line = malloc(1 << 20);
	long long before;

	begin("", "", "");
	before = rig_rss(rig);
	memset(line, 'a', 1 << 20);
	for(int i = 0; i < 3; i++) {
		struct raw *c = raw_connect(rig->ip, pair.in_port);

		/* One long line, one long header, many headers. */
		raw_say(c, "MSRP abcd SEND\r\n");
		if(i == 1)
			raw_say(c, "X-Long: ");
		if(i < 2)
			for(int k = 0; k < 8; k++)
				raw_put(c, line, 1 << 20);
		for(int k = 0; i == 2 && k < 100000; k++)
			raw_say(c, "X-Header-%d: value\r\n", k);
		cr_expect(raw_closed(c, 3000), "%d", i);
		raw_close(c);
	}
	cr_assert_lt(rig_rss(rig) - before, rig_growth());
	free(line);
	still_works();
}

E2E_TEST(msrp_hostile, the_end_line_inside_a_body_is_content, "")
{
	const char *body = "-------good\r\n-------othe$\r\n\r\n-------endl%\r\n"
					   "MSRP abcd SEND\r\n-------";
	const struct frame *f;

	begin("", "", "");
	raw_send(in, pair.in_path, pair.in_peer, "endl", "msg1",
			fmt("1-%zu/%zu", strlen(body), strlen(body)), body, strlen(body),
			'$');
	f = raw_request(out, 5000);
	cr_assert(f != NULL);
	cr_assert_eq(f->n, strlen(body));
	cr_assert_eq(memcmp(f->body, body, f->n), 0);
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, "endl", 5000), 200);
	still_works();
}

E2E_TEST(msrp_hostile, everything_in_single_bytes_still_arrives, "")
{
	char *text = NULL;
	const struct frame *f;
	int n;

	begin("", "", "");
	n = asprintf(&text,
			"MSRP slow SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: msg1\r\nByte-Range: 1-4/4\r\n"
			"Content-Type: text/plain\r\n\r\n\r\n-\r\r\n-------slow$\r\n",
			pair.in_path, pair.in_peer);
	for(int i = 0; i < n; i++) {
		raw_put(in, text + i, 1);
		if(i % 4 == 0)
			sleep_ms(1);
	}
	f = raw_request(out, 5000);
	cr_assert_eq(f->n, 4);
	cr_assert_eq(memcmp(f->body, "\r\n-\r", 4), 0);
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, "slow", 5000), 200);
	free(text);
}

E2E_TEST(msrp_hostile, an_error_of_the_recipient_reaches_the_sender, "")
{
	const struct frame *f;
	json_t *e;

	begin("", "", "");
	raw_send(in, pair.in_path, pair.in_peer, "err1", "msg1", "1-2/2", "hi", 2,
			'$');
	f = raw_request(out, 5000);
	raw_answer(out, f, 413);
	e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_eq(event_number(e, "status"), 413);
	/* As the response, or as a REPORT after a 200: never a 200 forgotten. */
	for(;;) {
		f = raw_frame(in, 5000);
		cr_assert(f != NULL);
		if(f->status == 413)
			break;
		if(strcmp(f->method, "REPORT") == 0) {
			cr_assert(strstr(frame_header(f, "Status"), "413"));
			break;
		}
	}
}

E2E_TEST(msrp_hostile, a_silent_recipient_is_408_and_a_silent_client_is_closed,
		"")
{
	const struct frame *f;
	struct raw *mute;
	json_t *e;

	begin("transaction_timeout = 1s\nbind_timeout = 1s\n", "", "");
	mute = raw_connect(rig->ip, pair.in_port);
	raw_send(in, pair.in_path, pair.in_peer, "sil1", "msg1", "1-2/2", "hi", 2,
			'$');
	f = raw_request(out, 5000); /* and no answer */
	cr_assert(f != NULL);
	e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_eq(event_number(e, "status"), 408);
	cr_assert(raw_closed(mute, 5000));
}

E2E_TEST(msrp_hostile, a_session_without_a_byte_is_ended, "")
{
	begin("inactivity_timeout = 1s\n", "", "");
	ctl_event(ctl, "session.idle", 5000);
	/* The peers' connections could be used again, for as long once more. */
	cr_assert(raw_closed(in, 5000));
	cr_assert(raw_closed(out, 5000));
	rig_stat_wait(rig, "sessions", 0);
	rig_stat_wait(rig, "connections", 0);
}
