/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lists of addresses in header values.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "addr.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

Test(addr, name_addr_and_addr_spec_with_parameters)
{
	static const struct
	{
		const char *text, *display, *uri, *params;
	} cases[] = {
			{"<sip:a@x>", "", "sip:a@x", ""},
			{" <sip:a@x;lr?h=1,2> ", "", "sip:a@x;lr?h=1,2", ""},
			{"sip:a@x;sescase=orig", "", "sip:a@x", "sescase=orig"},
			{"<sip:a@x;orig> ; sescase = term", "", "sip:a@x;orig",
					"sescase = term"},
			/* RFC 3261 20.10: a quoted display name may hold anything */
			{"\"A, \\\"B\\\" <x>;\" <sip:a@x>;tag=1", "\"A, \\\"B\\\" <x>;\"",
					"sip:a@x", "tag=1"},
			{"Alice Smith\r\n <tel:+15550101>", "Alice Smith", "tel:+15550101",
					""},
			{",, <sip:a@x>", "", "sip:a@x", ""},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct slice list = slice_str(cases[i].text);
		struct addr a;

		cr_assert_eq(addr_next(&list, &a), 1, "%s", cases[i].text);
		cr_assert(is(a.display, cases[i].display), "%s", cases[i].text);
		cr_assert(is(a.uri, cases[i].uri), "%s", cases[i].text);
		cr_assert(is(a.params, cases[i].params), "%s", cases[i].text);
		cr_assert_eq(addr_next(&list, &a), 0, "%s", cases[i].text);
	}
}

Test(addr, two_identities_as_rfc_3325_9_1)
{
	struct slice list = SLICE("\"Cullen Jennings\" <sip:fluffy@cisco.com>,\r\n "
							  "<tel:+14085264000>");
	struct addr a;

	cr_assert_eq(addr_next(&list, &a), 1);
	cr_assert(is(a.uri, "sip:fluffy@cisco.com"));
	cr_assert_eq(addr_next(&list, &a), 1);
	cr_assert(is(a.uri, "tel:+14085264000"));
	cr_assert_eq(addr_next(&list, &a), 0);
}

Test(addr, what_is_no_address_ends_the_list)
{
	static const char *const bad[] = {"<sip:a@x", "<>", ";x", "<sip:a b@x>",
			"<sip:a@x>y", "<sip:a\r\nX: y@x>", "sip:a@x\tb", "\"x\"",
			"a <sip:\"@x>"};

	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct slice list = slice_str(bad[i]);
		struct addr a;

		cr_assert_eq(addr_next(&list, &a), -EBADMSG, "%s", bad[i]);
		cr_assert_eq(addr_next(&list, &a), 0, "%s", bad[i]);
	}
}

Test(addr, parameters_are_found_outside_of_quotes)
{
	struct slice params =
			SLICE("a=\"x;sescase=term\"; SesCase = \"orig\" ;lr;e=");
	struct slice v;

	cr_assert(addr_param(params, SLICE("sescase"), &v));
	cr_assert(is(v, "orig"));
	cr_assert(addr_param(params, SLICE("LR"), &v));
	cr_assert(is(v, ""));
	cr_assert(addr_param(params, SLICE("e"), NULL));
	cr_assert(!addr_param(params, SLICE("r"), &v));
	cr_assert(!addr_param(slice_of(NULL, 0), SLICE("r"), &v));
}

static void parse(struct slice in)
{
	struct slice list = in, v;
	struct addr a;
	int n = 0;

	while(addr_next(&list, &a) == 1) {
		cr_assert(++n <= (int)in.n);
		(void)addr_param(a.params, SLICE("tag"), &v);
	}
}

Test(addr, torn_and_damaged_lists_do_no_harm)
{
	struct slice text = SLICE("\"A, \\\"B\" <sip:a@x;lr>;tag=\"q\\\"\";b, "
							  "<tel:+1555>;x , sip:c@y;z=1");

	torn_everywhere(text, parse);
	torn_mutations(text, 20000, parse);
}
