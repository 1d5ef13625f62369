/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Slices (modules/cpm/proto/slice.h): the ground that every parser stands on.
 */
#include <criterion/criterion.h>

#include "slice.h"

Test(slice, cut_gives_both_sides_of_the_separator)
{
	struct slice rest, a = slice_cut(SLICE("ab,cd,"), ',', &rest);

	cr_assert(slice_eq(a, SLICE("ab")));
	cr_assert(slice_eq(rest, SLICE("cd,")));
	a = slice_cut(rest, ',', &rest);
	cr_assert(slice_eq(a, SLICE("cd")));
	cr_assert(rest.n == 0 && rest.p != NULL);
	a = slice_cut(SLICE("ab"), ',', &rest);
	cr_assert(slice_eq(a, SLICE("ab")));
	cr_assert(rest.n == 0 && rest.p == NULL);
}

Test(slice, trim_leaves_inner_blanks_and_nul_bytes)
{
	cr_assert(slice_eq(slice_trim(SLICE(" \t a b\r\n")), SLICE("a b")));
	cr_assert(slice_eq(slice_trim(SLICE("\0 a")), SLICE("\0 a")));
	cr_assert(slice_trim(SLICE(" \r\n\t")).n == 0);
	cr_assert(slice_trim(slice_of(NULL, 0)).n == 0);
}

Test(slice, numbers_are_digits_only_and_bounded)
{
	static const struct
	{
		const char *text;
		uint64_t max, value;
		bool ok;
	} cases[] = {
			{"0", 10, 0, true},
			{"10", 10, 10, true},
			{"11", 10, 0, false},
			{"", 10, 0, false},
			{"-1", 10, 0, false},
			{"+1", 10, 0, false},
			{"1 ", 10, 0, false},
			{"0x1", 10, 0, false},
			{"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
			{"18446744073709551616", UINT64_MAX, 0, false},
			{"99999999999999999999999", UINT64_MAX, 0, false},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t v = 77;
		bool ok = slice_u64(slice_str(cases[i].text), cases[i].max, &v);

		cr_assert(ok == cases[i].ok, "%s", cases[i].text);
		cr_assert(v == (ok ? cases[i].value : 77), "%s", cases[i].text);
	}
}

Test(slice, comparison_knows_case_and_prefixes)
{
	cr_assert(slice_ieq(SLICE("To-Path"), SLICE("to-path")));
	cr_assert(!slice_eq(SLICE("To-Path"), SLICE("to-path")));
	cr_assert(!slice_ieq(SLICE("To"), SLICE("To-Path")));
	cr_assert(slice_starts(SLICE("msrps://"), SLICE("msrp")));
	cr_assert(!slice_starts(SLICE("ms"), SLICE("msrp")));
	cr_assert(slice_istarts(SLICE("MSRP://"), SLICE("msrp:")));
	cr_assert(slice_eq(slice_skip(SLICE("abc"), 9), SLICE("")));
}
