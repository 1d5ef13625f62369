/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SIP messages as bodies: header fields one by one (RFC 3261 section 7.3).
 */
#include <criterion/criterion.h>

#include "sipfrag.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

static const char message[] = "REGISTER sip:x SIP/2.0\r\n"
							  "Via : SIP/2.0/UDP h\r\n"
							  "Contact: <sip:b@h>\r\n"
							  " ;+sip.instance=\"<urn:x>\"\r\n"
							  "\t;q=1\r\n"
							  "no field\r\n"
							  "m:<sip:c@h>\n"
							  "Empty:\r\n"
							  "\r\n"
							  "Contact: <sip:body@h>\r\n";

Test(sipfrag, fields_come_in_their_order_and_end_at_the_empty_line)
{
	struct slice rest = slice_str(message);
	struct sipfrag_field f;

	cr_assert(is(sipfrag_start(&rest), "REGISTER sip:x SIP/2.0"));
	cr_assert(sipfrag_next(&rest, &f));
	cr_assert(is(f.name, "Via") && is(f.value, "SIP/2.0/UDP h"));
	cr_assert(sipfrag_next(&rest, &f));
	cr_assert(is(f.name, "Contact"));
	cr_assert(
			is(f.value, "<sip:b@h>\r\n ;+sip.instance=\"<urn:x>\"\r\n\t;q=1"));
	cr_assert(sipfrag_next(&rest, &f));
	cr_assert(is(f.name, "m") && is(f.value, "<sip:c@h>"));
	cr_assert(sipfrag_next(&rest, &f));
	cr_assert(is(f.name, "Empty") && f.value.n == 0);
	cr_assert(!sipfrag_next(&rest, &f));
}

static void feed(struct slice in)
{
	struct sipfrag_field f;

	sipfrag_start(&in);
	while(sipfrag_next(&in, &f))
		cr_assert_gt(f.name.n, 0);
}

Test(sipfrag, torn_and_damaged_messages_do_no_harm)
{
	torn_everywhere(slice_str(message), feed);
	torn_mutations(slice_str(message), 5000, feed);
}
