/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Heads of MSRP frames: RFC 4975 sections 4, 7 and 9.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "msrp/parse.h"
#include "torn.h"

/* RFC 4975 section 4, figure 2 */
static const char send[] =
		"MSRP a786hjs2 SEND\r\n"
		"To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
		"From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
		"Message-ID: 87652491\r\n"
		"Byte-Range: 1-25/25\r\n"
		"Content-Type: text/plain\r\n"
		"\r\n"
		"Hey Bob, are you there?\r\n"
		"-------a786hjs2$\r\n";

static const char response[] =
		"MSRP a786hjs2 200 OK\r\n"
		"To-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n"
		"From-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n"
		"-------a786hjs2$\r\n";

/* RFC 4975 section 7.1.3 */
static const char report[] =
		"MSRP dkei38sd REPORT\r\n"
		"To-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n"
		"From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n"
		"Message-ID: 12339sdqwer\r\n"
		"Byte-Range: 1-106/106\r\n"
		"Status: 000 200 OK\r\n"
		"-------dkei38sd$\r\n";

#define HEAD(text) text, sizeof(text) - 1

static int parse_str(const char *s, struct msrp_head *h)
{
	return msrp_head_parse(s, strlen(s), h);
}

Test(msrp_parse, reads_the_send_of_rfc_4975)
{
	struct msrp_head h;
	int n = msrp_head_parse(HEAD(send), &h);

	cr_assert_eq(n, (int)(strstr(send, "Hey") - send));
	cr_assert(h.content && h.flag == MSRP_FLAG_NONE && !h.twice);
	cr_assert_eq(h.method, MSRP_SEND);
	cr_assert(slice_eq(h.tid, SLICE("a786hjs2")));
	cr_assert(slice_eq(h.message_id, SLICE("87652491")));
	cr_assert(slice_eq(h.byte_range, SLICE("1-25/25")));
	cr_assert(slice_eq(h.content_type, SLICE("text/plain")));
	cr_assert(slice_eq(h.to_path,
			SLICE("msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp")));
	cr_assert_null(h.success_report.p);
}

Test(msrp_parse, reads_a_response)
{
	struct msrp_head h;

	cr_assert_eq(
			msrp_head_parse(HEAD(response), &h), (int)sizeof(response) - 1);
	cr_assert(h.method == MSRP_RESPONSE && h.status == 200);
	cr_assert(!h.content && h.flag == MSRP_FLAG_END);
}

Test(msrp_parse, reads_a_report)
{
	struct msrp_head h;
	int status = 0;

	cr_assert_eq(msrp_head_parse(HEAD(report), &h), (int)sizeof(report) - 1);
	cr_assert_eq(h.method, MSRP_REPORT);
	cr_assert_eq(msrp_status_parse(h.report_status, &status), 0);
	cr_assert_eq(status, 200);
}

Test(msrp_parse, wants_more_until_the_last_byte)
{
	struct msrp_head h;
	int whole = msrp_head_parse(HEAD(send), &h);

	for(int n = 0; n < whole; n++)
		cr_assert_eq(msrp_head_parse(send, (size_t)n, &h), 0, "%d", n);
	for(size_t n = 0; n < sizeof(response) - 1; n++)
		cr_assert_eq(msrp_head_parse(response, n, &h), 0, "%zu", n);
}

Test(msrp_parse, stops_where_the_frame_ends)
{
	char two[2 * sizeof(response)];
	struct msrp_head h;

	snprintf(two, sizeof(two), "%s%s", response, response);
	cr_assert_eq(parse_str(two, &h), (int)sizeof(response) - 1);
}

Test(msrp_parse, takes_field_names_in_any_case_and_loose_blanks)
{
	struct msrp_head h;

	cr_assert_gt(parse_str("MSRP n02s00i2t0+1937 SEND\r\n"
						   "TO-PATH:msrp://a/b;tcp  \r\n"
						   "from-path:   msrp://c/d;tcp\r\n"
						   "message-ID: empty\r\n"
						   "X-Unknown:\r\n"
						   "-------n02s00i2t0+1937$\r\n",
						 &h),
			0);
	cr_assert(slice_eq(h.to_path, SLICE("msrp://a/b;tcp")));
	cr_assert(slice_eq(h.from_path, SLICE("msrp://c/d;tcp")));
	cr_assert(slice_eq(h.message_id, SLICE("empty")));
}

Test(msrp_parse, accepts_ids_of_4_to_32_characters)
{
	static const struct
	{
		const char *id;
		bool ok;
	} cases[] = {{"abcd", true}, {"0.-+%=", true},
			{"0123456789abcdef0123456789abcdef", true}, {"abc", false},
			{"0123456789abcdef0123456789abcdef0", false}, {"-abc", false},
			{"ab d", false}, {"ab/de", false}, {"", false}};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(msrp_ident_ok(slice_str(cases[i].id)), cases[i].ok, "%s",
				cases[i].id);
}

Test(msrp_parse, refuses_what_leaves_the_frame_unclear)
{
	static const char *const bad[] = {
			"GET / HTTP/1.1\r\n",
			"msrp abcd SEND\r\n",
			"MSRP abc SEND\r\n",             /* tid too short */
			"MSRP abcd\r\n",                 /* no method */
			"MSRP abcd send\r\n",            /* method = 1*UPALPHA */
			"MSRP abcd SEND more\r\n",       /* a request has no comment */
			"MSRP abcd SEND\nTo-Path",       /* LF alone */
			"MSRP abcd SEND\rTo-Path: ",     /* CR alone */
			"MSRP abcd SEND\r\nTo-Path\r\n", /* no colon */
			"MSRP abcd SEND\r\n: x\r\n",
			"MSRP abcd SEND\r\n1x: x\r\n",
			"MSRP abcd SEND\r\n folded: x\r\n",
			"MSRP abcd SEND\r\n-------abcd%\r\n", /* no such flag */
			"MSRP abcd SEND\r\n-------abce$\r\n", /* another transaction */
			"MSRP abcd SEND\r\n-------abcd$x\r\n",
	};
	struct msrp_head h;

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(parse_str(bad[i], &h), -EBADMSG, "%s", bad[i]);
	cr_assert_eq(
			msrp_head_parse("MSRP abcd SEND\r\nA: \0\r\n", 22, &h), -EBADMSG);
}

Test(msrp_parse, marks_a_field_that_is_there_twice)
{
	struct msrp_head h;

	cr_assert_gt(parse_str("MSRP abcd SEND\r\nTo-Path: a\r\nto-path: b\r\n"
						   "-------abcd$\r\n",
						 &h),
			0);
	cr_assert(h.twice && slice_eq(h.to_path, SLICE("a")));
}

Test(msrp_parse, knows_methods_it_does_not_serve)
{
	struct msrp_head h;

	cr_assert_gt(parse_str("MSRP abcd NICKNAME\r\n-------abcd$\r\n", &h), 0);
	cr_assert_eq(h.method, MSRP_NICKNAME);
	cr_assert_gt(parse_str("MSRP abcd AUTH\r\n-------abcd$\r\n", &h), 0);
	cr_assert_eq(h.method, MSRP_AUTH);
	cr_assert_gt(parse_str("MSRP abcd FOO\r\n-------abcd#\r\n", &h), 0);
	cr_assert(h.method == MSRP_OTHER && h.flag == MSRP_FLAG_ABORT);
}

Test(msrp_parse, gives_up_on_an_endless_head)
{
	size_t n = MSRP_HEAD_MAX + 100;
	char *p = malloc(n);
	struct msrp_head h;

	cr_assert(p != NULL);
	memset(p, 'x', n);
	memcpy(p, "MSRP abcd SEND\r\nX: ", 19);
	cr_assert_eq(msrp_head_parse(p, MSRP_HEAD_MAX - 1, &h), 0);
	cr_assert_eq(msrp_head_parse(p, n, &h), -E2BIG);
	for(size_t i = 16; i + 4 <= n; i += 4)
		memcpy(p + i, "a:\r\n", 4);
	cr_assert_eq(msrp_head_parse(p, n, &h), -E2BIG);
	free(p);
}

Test(msrp_parse, reads_byte_ranges)
{
	struct msrp_range r;

	cr_assert_eq(msrp_range_parse(SLICE("1-25/25"), &r), 0);
	cr_assert(r.start == 1 && r.end == 25 && r.total == 25);
	cr_assert_eq(msrp_range_parse(SLICE("26-*/*"), &r), 0);
	cr_assert(r.start == 26 && r.end_any && r.total_any);
	cr_assert_eq(msrp_range_parse(SLICE("1-0/0"), &r), 0);
	cr_assert(r.end == 0 && r.total == 0 && !r.end_any);
	cr_assert_eq(msrp_range_parse(SLICE("11-10/10"), &r), 0);
	cr_assert_eq(msrp_range_parse(SLICE("1-*/9223372036854775807"), &r), 0);
}

Test(msrp_parse, refuses_ranges_that_contradict_themselves)
{
	static const char *const bad[] = {"", "1", "1-", "1-2", "1-2/", "/", "-",
			"0-5/5", "5-3/9", "1-9/5", "7-*/5", "1-2/3/4", "a-b/c", "+1-2/3",
			" 1-2/3", "1-2/3 ", "-1-2/3", "*-2/3", "99999999999999999999-*/*",
			"1-*/9223372036854775808"};
	struct msrp_range r;

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(msrp_range_parse(slice_str(bad[i]), &r), -EBADMSG, "%s",
				bad[i]);
}

Test(msrp_parse, reads_the_status_of_a_report)
{
	int s = 0;

	/* seen in the field: the code again as comment */
	cr_assert_eq(msrp_status_parse(SLICE("000 413 413"), &s), 0);
	cr_assert_eq(s, 413);
	cr_assert_eq(msrp_status_parse(SLICE("000 200"), &s), 0);
	cr_assert_eq(msrp_status_parse(SLICE("001 200 OK"), &s), -ENOTSUP);
	cr_assert_eq(msrp_status_parse(SLICE("200 OK"), &s), -EBADMSG);
	cr_assert_eq(msrp_status_parse(SLICE(""), &s), -EBADMSG);
}

static void parse_any(struct slice in)
{
	struct msrp_head h;
	struct msrp_range r;
	int rc = msrp_head_parse(in.p, in.n, &h);

	cr_assert(rc <= (int)in.n);
	if(rc > 0 && h.byte_range.p)
		(void)!msrp_range_parse(h.byte_range, &r);
}

Test(msrp_parse, survives_torn_and_damaged_heads)
{
	torn_everywhere(SLICE(send), parse_any);
	torn_everywhere(SLICE(report), parse_any);
	torn_mutations(SLICE(send), 20000, parse_any);
	torn_mutations(SLICE(response), 20000, parse_any);
}
