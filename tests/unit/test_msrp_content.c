/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the content of an MSRP frame ends: RFC 4975 sections 5.1 and 7.1.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "msrp/parse.h"
#include "torn.h"

static const struct slice tid = {"a786hjs2", 8};

/* Feed in steps of `step` bytes as a connection does: what is not taken comes
 * again. Content goes to out; bytes used with the end-line, 0 = no end. */
static size_t feed(struct slice in, size_t step, struct slice id, char *out,
		size_t *out_n, char *flag)
{
	size_t used = 0, have = step < in.n ? step : in.n, n;
	bool first = true;

	*out_n = 0;
	for(;;) {
		int rc = msrp_content_scan(
				in.p + used, have - used, id, first, &n, flag);

		cr_assert(n <= have - used);
		memcpy(out + *out_n, in.p + used, n);
		*out_n += n;
		used += n;
		if(n > 0)
			first = false;
		if(rc > 0)
			return used + (size_t)rc;
		if(have == in.n)
			return 0;
		have = in.n - have > step ? have + step : in.n;
	}
}

static void ends(struct slice in, struct slice content, char want)
{
	char out[4096], flag;
	size_t n;

	for(size_t step = 1; step <= in.n; step++) {
		flag = 0;
		cr_assert_eq(
				feed(in, step, tid, out, &n, &flag), in.n, "step %zu", step);
		cr_assert(slice_eq(slice_of(out, n), content), "step %zu: %.*s", step,
				(int)n, out);
		cr_assert_eq(flag, want);
	}
}

Test(msrp_content, ends_at_the_end_line_however_it_is_torn)
{
	ends(SLICE("Hey Bob\r\n-------a786hjs2$\r\n"), SLICE("Hey Bob"), '$');
	ends(SLICE("x\r\n-------a786hjs2+\r\n"), SLICE("x"), '+');
	ends(SLICE("\r\n\r\n\r\n-------a786hjs2#\r\n"), SLICE("\r\n\r\n"), '#');
}

Test(msrp_content, may_be_empty)
{
	ends(SLICE("\r\n-------a786hjs2$\r\n"), SLICE(""), '$');
	/* the blank line's CRLF used twice, as some clients do */
	ends(SLICE("-------a786hjs2$\r\n"), SLICE(""), '$');
}

Test(msrp_content, keeps_lines_that_only_look_like_the_end)
{
#define LOOKS                                                                  \
	"\r\n-------a786hjs2%\r\n" /* no such flag */                              \
	"\r\n-------a786hjs3$\r\n" /* another transaction */                       \
	"\r\n-------a786hjs2$x\r\n"                                                \
	"\r\n-------a786hjs2$\n"                                                   \
	"\n-------a786hjs2$\r\n" /* LF alone before it */                          \
	"\r-------a786hjs2$\r\n"                                                   \
	"\r\n--------a786hjs2$\r\n"                                                \
	"\r\n------a786hjs2$\r\n"                                                  \
	"\r\n-------A786HJS2$\r\n"                                                 \
	"\r\n-------a786hjs\r\n\r\r\n"
	ends(SLICE(LOOKS "\r\n-------a786hjs2$\r\n"), SLICE(LOOKS), '$');
	ends(SLICE("-------a786hjs2" LOOKS "\r\n-------a786hjs2+\r\n"),
			SLICE("-------a786hjs2" LOOKS), '+');
}

Test(msrp_content, keeps_a_byte_back_for_the_end_line)
{
	char out[64], flag = 0;
	const char *text = "0123456789012345678901234567890123456789";
	size_t n = 99;

	(void)out;
	cr_assert_eq(msrp_content_scan(text, 40, tid, true, &n, &flag), 0);
	cr_assert(n > 0 && n < 40);
	/* nothing but what may be an end-line: all of it waits */
	cr_assert_eq(
			msrp_content_scan("x\r\n-------a7", 12, tid, true, &n, &flag), 0);
	cr_assert_eq(n, 0);
}

Test(msrp_content, is_found_where_the_range_says)
{
	static const char text[] = "ab\r\n-------a786hjs2$\r\n"
							   "cd\r\n-------a786hjs2$\r\n";
	char flag = 0;
	size_t n = sizeof(text) - 1;

	cr_assert_eq(msrp_content_at(text, n, tid, 2, &flag), 20);
	/* content that holds an end-line of its own */
	cr_assert_eq(msrp_content_at(text, n, tid, 24, &flag), 20);
	cr_assert_eq(flag, '$');
	cr_assert_eq(msrp_content_at(text, n, tid, 3, &flag), -EBADMSG);
	cr_assert_eq(msrp_content_at(text, n - 1, tid, 24, &flag), 0);
	cr_assert_eq(msrp_content_at(text, n, tid, 1000, &flag), 0);
	cr_assert_eq(msrp_content_at(text, 0, tid, 0, &flag), 0);
}

static void scan_any(struct slice in)
{
	size_t n = 0;
	char flag;

	(void)!msrp_content_scan(in.p, in.n, tid, true, &n, &flag);
	cr_assert(n <= in.n);
	(void)!msrp_content_scan(in.p, in.n, tid, false, &n, &flag);
	(void)!msrp_content_at(in.p, in.n, tid, 7, &flag);
}

Test(msrp_content, survives_torn_and_damaged_content)
{
	torn_everywhere(SLICE(LOOKS), scan_any);
	torn_mutations(SLICE(LOOKS "\r\n-------a786hjs2$\r\n"), 20000, scan_any);
}
