/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Service identifiers in feature parameters, and product tokens.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "icsi.h"
#include "product.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))
#define URN "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ENC "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

Test(icsi, the_eight_services_have_their_names)
{
	static const char *const names[] = {"msg", "msg.group", "largemsg",
			"largemsg.group", "session", "session.group", "filetransfer",
			"filetransfer.group"};

	cr_assert_eq(ICSI_N, 9);
	for(int i = 1; i < ICSI_N; i++) {
		struct slice urn = icsi_urn((enum icsi)i);

		cr_assert(slice_starts(urn, SLICE(URN)));
		cr_assert(is(slice_skip(urn, sizeof(URN) - 1), names[i - 1]));
		cr_assert(
				is(slice_skip(icsi_urn_encoded((enum icsi)i), sizeof(ENC) - 1),
						names[i - 1]));
		cr_assert_eq(icsi_from_urn(urn), (enum icsi)i);
		cr_assert_eq(icsi_is_group((enum icsi)i), i % 2 == 0);
		cr_assert_eq(icsi_base((enum icsi)i), (enum icsi)((i - 1) / 2 * 2 + 1));
	}
	cr_assert_eq(icsi_from_urn(SLICE(" URN:urn-7:3gpp-service.ims.icsi.oma.cpm."
									 "msg\r\n")),
			ICSI_MSG);
	cr_assert_eq(icsi_from_urn(SLICE(URN "deferred")), ICSI_NONE);
	cr_assert_eq(icsi_from_urn(SLICE("")), ICSI_NONE);
	cr_assert_eq(icsi_urn(ICSI_NONE).n, 0);
}

/* notes on real clients: percent-encoding, quotes, separators */
Test(icsi, feature_parameters_are_found_as_clients_write_them)
{
	static const struct
	{
		const char *header;
		bool msg, large;
	} cases[] = {
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg\"", true, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg\";require;explicit", true, false},
			{"*;require;explicit;+G.3GPP.ICSI-REF=\"" ENC "largemsg\"", false,
					true},
			{"*;g.3gpp.icsi-ref=\"" ENC "msg\"", true, false},
			{"*; +g.3gpp.icsi-ref = \"" URN "msg\"", true, false},
			{"*;+g.3gpp.icsi-ref='" ENC "largemsg'", false, true},
			{"*;+g.3gpp.icsi-ref='" ENC "msg," ENC "largemsg'", true, true},
			{"*;+g.3gpp.icsi-ref=" ENC "msg", true, false},
			{"*;+g.3gpp.icsi-ref=" ENC "session," ENC "largemsg", false, true},
			{"*;+g.3gpp.icsi-ref=\"" ENC "session," ENC "msg\"", true, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "session; " ENC "msg \"", true, false},
			{"*;+g.3gpp.icsi-ref=\"<" ENC "msg>\"", true, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg.group\"", true, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "msggroup\"", false, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "session\",*;+g.3gpp.icsi-ref=\"" ENC
			 "msg\"",
					true, false},
			{"*;+sip.instance=\"<urn:gsma:imei:1>\", *;+g.3gpp.icsi-ref=\"" ENC
			 "largemsg\"",
					false, true},
			{"<sip:a@b;x=1>;+g.3gpp.icsi-ref=\"" ENC "largemsg\";expires=5",
					false, true},
			{"\"a;+g.3gpp.icsi-ref=x\" <sip:a@b>", false, false},
			{"<sip:a@b;+g.3gpp.icsi-ref=\"" ENC "msg\">", false, false},
			{"*;+g.3gpp.iari-ref=\"" ENC "msg\"", false, false},
			{"*;+g.oma.sip-im", false, false},
			{"*;+g.3gpp.icsi-ref", false, false},
			{"*;+g.3gpp.icsi-ref=", false, false},
			{"*;+g.3gpp.icsi-ref=\"\"", false, false},
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg", false, false},
			{"", false, false},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice h = slice_str(cases[i].header);

		cr_assert_eq(icsi_in_header(h, icsi_urn(ICSI_MSG)), cases[i].msg, "%s",
				cases[i].header);
		cr_assert_eq(icsi_in_header(h, icsi_urn(ICSI_LARGEMSG)), cases[i].large,
				"%s", cases[i].header);
	}
}

Test(icsi, large_is_no_subclass_of_msg)
{
	cr_assert(icsi_is_a(SLICE(URN "msg.group"), icsi_urn(ICSI_MSG)));
	cr_assert(!icsi_is_a(SLICE(URN "msg"), icsi_urn(ICSI_MSG_GROUP)));
	cr_assert(!icsi_is_a(SLICE(URN "largemsg"), icsi_urn(ICSI_MSG)));
	cr_assert(icsi_in_header(SLICE("*;+g.3gpp.icsi-ref=\"" ENC "deferred\""),
			ICSI_URN_DEFERRED));
}

Test(icsi, parameters_are_those_of_the_header)
{
	struct slice v;
	struct slice h =
			SLICE("\"x;isfocus\" <sip:a@b;isfocus>;Expires=5 ; "
				  "+sip.instance=\"<urn:uuid:1;2>\", <sip:c@d>;isfocus");

	cr_assert(icsi_param(h, SLICE("+sip.instance"), &v));
	cr_assert(is(v, "<urn:uuid:1;2>"));
	cr_assert(icsi_param(h, SLICE("expires"), &v) && is(v, "5"));
	cr_assert(icsi_param(h, SLICE("isfocus"), &v) && v.n == 0);
	cr_assert(!icsi_param(
			SLICE("<sip:a@b;isfocus>;x=y"), SLICE("isfocus"), NULL));
	cr_assert(!icsi_param(SLICE("isfocus"), SLICE("isfocus"), NULL));
}

Test(product, release_is_found_among_other_tokens)
{
	static const struct
	{
		const char *ua;
		int rc;
		product_version v;
	} cases[] = {
			{"CPM-client/OMA2.2 RCS-client/UP_2.4 term-Vendor/Model", 0, 2002},
			{"RCS-client/UP_2.4 cpm-client/oma1.0", 0, 1000},
			{"(CPM-client/OMA2.10)", 0, 2010},
			{"IM-client/OMA1.0 rcs", -ENOENT, 0},
			{"XCPM-client/OMA2.2", -ENOENT, 0},
			{"CPM-client", -ENOENT, 0},
			{"CPM-client/2.2", -ENOENT, 0},
			{"CPM-client/OMA", -EBADMSG, 0},
			{"CPM-client/OMA2", -EBADMSG, 0},
			{"CPM-client/OMA2.", -EBADMSG, 0},
			{"CPM-client/OMA99999.1", -EBADMSG, 0},
			{"", -ENOENT, 0},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		product_version v = 0;

		cr_assert_eq(
				product_find(slice_str(cases[i].ua), PRODUCT_CPM_CLIENT, &v),
				cases[i].rc, "%s", cases[i].ua);
		cr_assert_eq(v, cases[i].v, "%s", cases[i].ua);
	}
}

Test(product, versions_compare_as_numbers)
{
	product_version a, b;

	cr_assert_eq(product_version_parse(SLICE("2.10"), &a), 0);
	cr_assert_eq(product_version_parse(SLICE("2.9"), &b), 0);
	cr_assert(a > b);
	cr_assert_eq(product_version_parse(SLICE("2.0x"), &a), -EBADMSG);
	cr_assert_eq(product_version_parse(SLICE("2"), &a), -EBADMSG);
	cr_assert_eq(product_version_parse(SLICE(""), &a), -EBADMSG);
}

static void parse(struct slice in)
{
	struct slice v;
	product_version pv;

	(void)icsi_in_header(in, icsi_urn(ICSI_MSG));
	(void)icsi_from_urn(in);
	if(icsi_param(in, SLICE("+sip.instance"), &v) && v.n)
		cr_assert(v.p >= in.p && v.p + v.n <= in.p + in.n);
	(void)!product_find(in, PRODUCT_CPM_CLIENT, &pv);
}

Test(icsi, damaged_headers_do_no_harm)
{
	struct slice text = SLICE(
			"*;+g.3gpp.icsi-ref=\"" ENC "msg," ENC
			"largemsg\";require;explicit,*;+sip.instance=\"<urn:uuid:1>\"");
	struct slice ua = SLICE("x CPM-client/OMA2.2 y");

	torn_everywhere(text, parse);
	torn_mutations(text, 20000, parse);
	torn_everywhere(ua, parse);
	torn_mutations(ua, 5000, parse);
}

static const char *swapped(const char *header)
{
	static char buf[1024];
	int n = icsi_header_swap(slice_str(header), ICSI_MSG, ICSI_LARGEMSG,
			SLICE("+sip.instance"), buf, sizeof(buf) - 1);

	cr_assert_geq(n, 0, "%s", header);
	buf[n] = '\0';
	return buf;
}

/* OMA-TS-CPM_Conv_Fnct 8.2.1.1 8B.a.i, 3GPP TS 24.229 7.2A.8.2 */
Test(icsi, a_service_is_exchanged_and_the_rest_kept)
{
	static const struct
	{
		const char *from, *to;
	} cases[] = {
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg\"",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\""},
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg\";require;explicit;x=\"a,b;c\"",
					"*;+g.3gpp.icsi-ref=\"" ENC
					"largemsg\";require;explicit;x=\"a,b;c\""},
			/* not encoded, or in capitals: the result is encoded */
			{"* ; g.3gpp.icsi-ref = \"" URN "msg\"",
					"* ; g.3gpp.icsi-ref = \"" ENC "largemsg\""},
			{"*;+g.3gpp.icsi-ref=\"URN%3aurn-7%3a3gpp-service.ims.icsi.oma.cpm."
			 "MSG\"",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\""},
			/* subclasses stay, others are not touched */
			{"*;+g.3gpp.icsi-ref=\"" ENC "msg.group, " ENC "session;" ENC
			 "largemsg\"",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg.group, " ENC
					"session;" ENC "largemsg\""},
			{"*;+g.3gpp.icsi-ref='" ENC "msg'",
					"*;+g.3gpp.icsi-ref='" ENC "largemsg'"},
			{"*;+g.3gpp.icsi-ref=\"<" ENC "msg>\";+g.x=\"<" ENC "msg>\"",
					"*;+g.3gpp.icsi-ref=\"<" ENC "largemsg>\";+g.x=\"<" ENC
					"msg>\""},
			{"*;+g.3gpp.icsi-ref=" ENC "session," ENC "msg;require",
					"*;+g.3gpp.icsi-ref=" ENC "session," ENC
					"largemsg;require"},
			/* what names one device is left out, in a list too */
			{"*;+sip.instance=\"<urn:gsma:imei:1>\";explicit;require", ""},
			{"*;+sip.instance=\"<urn:gsma:imei:1>\", *;+g.3gpp.icsi-ref=\"" ENC
			 "msg\"",
					"*;+g.3gpp.icsi-ref=\"" ENC "largemsg\""},
			{"*;+g.a, *;+SIP.INSTANCE=x ,*;+g.b,", "*;+g.a, *;+g.b"},
			{"*;audio", "*;audio"},
			{"", ""},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_str_eq(swapped(cases[i].from), cases[i].to);
}

Test(icsi, an_exchange_that_does_not_fit_is_an_error)
{
	const struct slice in = SLICE("*;+g.3gpp.icsi-ref=\"" ENC "msg\"");
	char buf[256];

	for(size_t size = 0; size < in.n + 5; size++)
		cr_assert_eq(icsi_header_swap(
							 in, ICSI_MSG, ICSI_LARGEMSG, SLICE(""), buf, size),
				-E2BIG);
	cr_assert_eq(icsi_header_swap(
						 in, ICSI_MSG, ICSI_LARGEMSG, SLICE(""), buf, in.n + 5),
			(int)in.n + 5);
}
