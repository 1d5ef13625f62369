/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tables of pauses between attempts: what is read, what is refused, and how
 * one is walked.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "retry.h"

Test(retry, tables_are_read)
{
	struct retry_table t;

	cr_assert_eq(retry_parse(slice_str("60 300 900 3600"), &t), 0);
	cr_assert_eq(t.n, 4);
	cr_assert_eq(t.ms[0], 60000);
	cr_assert_eq(t.ms[3], 3600000);
	cr_assert_eq(retry_parse(slice_str("  1\t  604800 "), &t), 0);
	cr_assert_eq(t.n, 2);
	cr_assert_eq(t.ms[1], 604800000);
	cr_assert_eq(
			retry_parse(
					slice_str("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), &t),
			0);
	cr_assert_eq(t.n, RETRY_MAX);
}

Test(retry, what_is_no_table_is_refused_and_changes_nothing)
{
	static const char *const bad[] = {"", "   ", "0", "5 0", "-5", "5 ten",
			"5,10", "1.5", "5s", "604801", "99999999999999999999",
			"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"};
	struct retry_table t = {.n = 7};

	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_expect_eq(
				retry_parse(slice_str(bad[i]), &t), -EBADMSG, "\"%s\"", bad[i]);
		cr_expect_eq(t.n, 7);
	}
}

Test(retry, pauses_follow_the_table_and_the_last_one_goes_on)
{
	static const uint32_t random[] = {0, 1, 12345, 1u << 31, UINT32_MAX};
	static const unsigned entry[] = {0, 0, 1, 2, 2, 2}; /* of each attempt */
	struct retry_table t;

	cr_assert_eq(retry_parse(slice_str("1 10 604800"), &t), 0);
	for(unsigned attempt = 0; attempt < 6; attempt++)
		for(size_t i = 0; i < sizeof(random) / sizeof(*random); i++) {
			uint32_t ms = t.ms[entry[attempt]];
			uint32_t is = retry_ms(&t, attempt, random[i]);

			cr_expect_geq(is, ms - ms / 4);
			cr_expect_leq(is, ms + ms / 4);
			/* what the relay takes: docs/control-protocol.md */
			cr_expect_leq(is, 604800000u);
		}
	cr_assert_eq(retry_ms(&t, 1, 0), 750);
	cr_assert_eq(retry_ms(&t, 1, 500), 1250);
	cr_assert_eq(retry_ms(&t, UINT32_MAX, 0), t.ms[2] - t.ms[2] / 4);
}
