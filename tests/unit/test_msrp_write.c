/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Written frames are what RFC 4975 section 9 says, and our own parser reads
 * them back.
 */
#include <criterion/criterion.h>

#include "msrp/write.h"

static const struct slice paths = {
		"To-Path: msrp://b/2;tcp\r\nFrom-Path: msrp://a/1;tcp\r\n", 52};

Test(msrp_write, writes_a_chunk)
{
	char out[512];
	struct msrp_send s = {.tid = SLICE("abcd1234"),
			.paths = paths,
			.message_id = SLICE("8822"),
			.content_type = SLICE("message/cpim"),
			.range = {.start = 11, .end = 20, .total = 30},
			.failure_report = true};
	size_t n = msrp_write_send(out, sizeof(out), &s);

	cr_assert(slice_eq(slice_of(out, n),
			SLICE("MSRP abcd1234 SEND\r\n"
				  "To-Path: msrp://b/2;tcp\r\nFrom-Path: msrp://a/1;tcp\r\n"
				  "Message-ID: 8822\r\n"
				  "Byte-Range: 11-20/30\r\n"
				  "Failure-Report: yes\r\n"
				  "Content-Type: message/cpim\r\n"
				  "\r\n")));
	n = msrp_write_end(out, sizeof(out), s.tid, MSRP_FLAG_MORE, true);
	cr_assert(slice_eq(slice_of(out, n), SLICE("\r\n-------abcd1234+\r\n")));
}

Test(msrp_write, writes_open_ranges)
{
	char out[512];
	struct msrp_send s = {.tid = SLICE("abcd"),
			.paths = paths,
			.message_id = SLICE("8822"),
			.content_type = SLICE("a/b"),
			.range = {.start = 1, .end_any = true, .total_any = true}};
	size_t n = msrp_write_send(out, sizeof(out) - 1, &s);

	out[n] = '\0';
	cr_assert(strstr(out, "Byte-Range: 1-*/*\r\n"));
}

Test(msrp_write, writes_a_binding_send_without_a_blank_line)
{
	char out[512];
	struct msrp_send s = {
			.tid = SLICE("abcd"), .paths = paths, .message_id = SLICE("8822")};
	struct msrp_head h;
	size_t n = msrp_write_send(out, sizeof(out), &s);

	n += msrp_write_end(out + n, sizeof(out) - n, s.tid, MSRP_FLAG_END, false);
	cr_assert_eq(msrp_head_parse(out, n, &h), (int)n);
	cr_assert(!h.content && h.byte_range.p == NULL);
}

Test(msrp_write, writes_responses_and_reports)
{
	char out[512];
	struct msrp_head h;
	struct msrp_range r = {.start = 1, .end = 7, .total = 7};
	size_t n = msrp_write_response(
			out, sizeof(out), SLICE("abcd"), 413, msrp_status_text(413), paths);

	cr_assert_eq(msrp_head_parse(out, n, &h), (int)n);
	cr_assert_eq(h.status, 413);
	n = msrp_write_response(
			out, sizeof(out), SLICE("abcd"), 99, slice_of(NULL, 0), paths);
	cr_assert(slice_starts(slice_of(out, n), SLICE("MSRP abcd 099\r\n")));
	n = msrp_write_report(out, sizeof(out), SLICE("abcd"), paths, SLICE("8822"),
			r, 200, SLICE("OK"));
	cr_assert_eq(msrp_head_parse(out, n, &h), (int)n);
	cr_assert(slice_eq(h.report_status, SLICE("000 200 OK")));
	cr_assert(slice_eq(h.byte_range, SLICE("1-7/7")));
}

Test(msrp_write, writes_nothing_without_room)
{
	char out[512];
	struct msrp_send s = {.tid = SLICE("abcd"),
			.paths = paths,
			.message_id = SLICE("8822"),
			.content_type = SLICE("a/b")};
	size_t n = msrp_write_send(out, sizeof(out), &s);

	cr_assert_gt(n, 0u);
	for(size_t room = 0; room < n; room++)
		cr_assert_eq(msrp_write_send(out, room, &s), 0u);
	cr_assert_eq(msrp_write_send(out, n, &s), n);
}
