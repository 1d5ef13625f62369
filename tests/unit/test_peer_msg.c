/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The frames of the tests' own MSRP endpoint (tests/msrp/peer_msg.h), with the
 * examples of RFC 4975 section 4, whole and torn.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_msg.h"
#include "peer_recv.h"

static const char *const stream =
		"MSRP d93kswow SEND\r\n"
		"To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n"
		"From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n"
		"Message-ID: 12339sdqwer\r\nByte-Range: 1-137/148\r\n"
		"Content-Type: text/plain\r\n\r\n"
		"abcd\r\n-------d93ksw\r\n\r\n-------d93kswow!\r\nEFGH\r\n"
		"-------d93kswow+\r\n"
		"MSRP d93kswow 200 OK\r\nTo-Path: msrp://a/x;tcp\r\n"
		"From-Path: msrp://b/y;tcp\r\n-------d93kswow$\r\n"
		"MSRP abc SEND\r\nto-path: msrp://a/x;tcp\r\n"
		"From-Path: msrp://b/y;tcp\r\nMessage-ID: 1\r\n"
		"Content-Type: a/b\r\n\r\n-------abc$\r\n"
		"MSRP abcd REPORT\r\nTo-Path: msrp://a/x;tcp\r\n"
		"From-Path: msrp://b/y;tcp\r\nMessage-ID: 1\r\n"
		"Byte-Range: 1-*/9\r\nStatus: 000 200 OK\r\n-------abcd$\r\n";

/* Reads the stream in pieces of at most `piece` bytes into one description. */
static char *read_in_pieces(size_t piece)
{
	struct peer_frame f = {0};
	struct peer_item it;
	size_t from = 0, to = 0, total = strlen(stream), len;
	char *out = NULL;
	FILE *o = open_memstream(&out, &len);

	while(from < total) {
		ssize_t n =
				peer_frame_next(&f, slice_of(stream + from, to - from), &it);
		cr_assert_geq(n, 0, "at %zu: %zd", from, n);
		from += (size_t)n;
		if(it.type == PEER_HEAD && it.msg.response)
			fprintf(o, "[%d]", it.msg.status);
		else if(it.type == PEER_HEAD)
			fprintf(o, "[%.*s %.*s %d]", SLICE_ARG(it.msg.method),
					SLICE_ARG(it.msg.message_id), it.msg.has_body);
		else if(it.type == PEER_BODY)
			fprintf(o, "%.*s", SLICE_ARG(it.body));
		else if(it.type == PEER_END)
			fprintf(o, "{%c}", it.flag);
		else if(to < total)
			to = to + piece > total ? total : to + piece;
		else
			break;
	}
	cr_assert_eq(from, total);
	fclose(o);
	return out;
}

Test(peer_msg, stream_reads_the_same_in_pieces_of_every_size)
{
	const char *want = "[SEND 12339sdqwer 1]"
					   "abcd\r\n-------d93ksw\r\n\r\n-------d93kswow!\r\nEFGH"
					   "{+}[200]{$}[SEND 1 1]{$}[REPORT 1 0]{$}";

	for(size_t piece = 1; piece < 700; piece++) {
		char *got = read_in_pieces(piece);
		cr_assert_str_eq(got, want, "pieces of %zu", piece);
		free(got);
	}
}

Test(peer_msg, damaged_heads_are_refused)
{
	static const char *const bad[] = {"HTTP/1.1 200 OK\r\n\r\n",
			"MSRP a SEND\nTo-Path: msrp://a/x;tcp\n\n",
			"MSRP a/b SEND\r\nTo-Path: a\r\nFrom-Path: b\r\n-------a/b$\r\n",
			"MSRP abcd SEND\r\nFrom-Path: b\r\n-------abcd$\r\n",
			"MSRP abcd send\r\nTo-Path: a\r\nFrom-Path: b\r\n-------abcd$\r\n",
			"MSRP abcd SEND\r\nTo-Path: a\r\nFrom-Path: b\r\n-------abce$\r\n",
			("MSRP abcd SEND\r\nTo-Path: a\r\nFrom-Path: b\r\n"
			 "Byte-Range: 5-3/9\r\n-------abcd$\r\n")};

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct peer_frame f = {0};
		struct peer_item it;
		struct slice in = slice_str(bad[i]);
		ssize_t n;

		do {
			n = peer_frame_next(&f, in, &it);
			if(n > 0)
				in = slice_skip(in, (size_t)n);
		} while(n > 0 || (n == 0 && it.type != PEER_MORE));
		cr_assert_eq(n, -EBADMSG, "case %zu: %zd", i, n);
	}
}

Test(peer_msg, byte_ranges_are_checked)
{
	static const struct
	{
		const char *text;
		int rc;
	} cases[] = {{"1-10/20", 0}, {"1-*/*", 0}, {"1-0/0", 0}, {"21-20/20", 0},
			{"5-4/4", 0}, {"0-4/4", -EBADMSG}, {"5-3/9", -EBADMSG},
			{"1-10/9", -EBADMSG}, {"1-10", -EBADMSG}, {"-/", -EBADMSG},
			{"1-2/3/4", -EBADMSG}, {"a-2/3", -EBADMSG}};
	struct peer_range r;

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(peer_range_parse(slice_str(cases[i].text), &r),
				cases[i].rc, "%s", cases[i].text);
}

Test(peer_msg, uris_are_taken_apart)
{
	struct peer_uri u;

	cr_assert_eq(
			peer_uri_parse(SLICE("msrps://u@[2001:db8::1]:77/a+b;tcp"), &u), 0);
	cr_assert(u.tls && u.port == 77);
	cr_assert(slice_eq(u.host, SLICE("2001:db8::1")));
	cr_assert(slice_eq(u.session, SLICE("a+b")));
	cr_assert_eq(peer_uri_parse(SLICE("http://a/b"), &u), -EBADMSG);
	cr_assert_eq(peer_uri_parse(SLICE("msrp://:7/b"), &u), -EBADMSG);
	cr_assert(peer_uri_same_session(
			SLICE("msrp://a:1/xY;tcp"), SLICE("msrp://b:2/xY;tcp")));
	cr_assert(!peer_uri_same_session(
			SLICE("msrp://a:1/xY;tcp"), SLICE("msrp://a:1/xy;tcp")));
	cr_assert(!peer_uri_same_session(
			SLICE("msrp://a:1/xY;tcp"), SLICE("msrps://a:1/xY;tcp")));
}

Test(peer_msg, response_goes_to_the_first_uri_of_the_path)
{
	struct peer_msg m;
	char out[512];
	const char *head =
			"MSRP t1t1 SEND\r\nTo-Path: msrp://r/1;tcp msrp://b/2;tcp"
			"\r\nFrom-Path: msrp://q/3;tcp msrp://a/4;tcp\r\n";

	cr_assert_eq(peer_head_parse(slice_str(head), &m), 0);
	cr_assert_gt(peer_write_response(out, sizeof(out), &m, 200, "OK"), 0);
	cr_assert_str_eq(out,
			"MSRP t1t1 200 OK\r\nTo-Path: msrp://q/3;tcp\r\n"
			"From-Path: msrp://r/1;tcp\r\n-------t1t1$\r\n");
	cr_assert_eq(peer_write_response(out, 20, &m, 200, "OK"), -E2BIG);
}

Test(peer_recv, chunks_in_any_order_make_a_whole)
{
	struct peer_recv r;

	peer_recv_init(&r);
	cr_assert_eq(peer_recv_add(&r, 10, 10), 0);
	cr_assert_eq(peer_recv_add(&r, 30, 10), 0);
	cr_assert_eq(peer_recv_prefix(&r), 0);
	peer_recv_chunk(&r, PEER_ANY, '$', 40);
	cr_assert(!peer_recv_complete(&r));
	cr_assert_eq(peer_recv_add(&r, 15, 20), 0);
	cr_assert_eq(r.n, 1);
	cr_assert_eq(peer_recv_add(&r, 0, 12), 0);
	cr_assert(peer_recv_complete(&r));
	cr_assert_eq(peer_recv_prefix(&r), 40);
	cr_assert_eq(peer_recv_add(&r, 39, 2), -EFBIG, "beyond the total");
	for(uint64_t i = 0; i < PEER_RECV_HOLES; i++)
		cr_assert_eq(
				peer_recv_add(&(struct peer_recv){.total = PEER_ANY}, 2 * i, 1),
				0);
}

Test(peer_recv, too_many_holes_are_refused)
{
	struct peer_recv r;

	peer_recv_init(&r);
	for(uint64_t i = 0; i < PEER_RECV_HOLES; i++)
		cr_assert_eq(peer_recv_add(&r, 2 * i, 1), 0);
	cr_assert_eq(peer_recv_add(&r, 1000, 1), -ENOSPC);
	cr_assert_eq(peer_recv_add(&r, 1, 1), 0, "closing a hole is fine");
}
