/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP URIs and paths: RFC 4975 sections 6 and 9.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "msrp_uri.h"
#include "torn.h"

Test(msrp_uri, reads_all_parts_of_a_uri)
{
	struct msrp_uri u;

	cr_assert_eq(msrp_uri_parse(
						 SLICE("msrps://biloxi.example.com:12763/kjhd37s2s20w2a"
							   ";tcp;foo=bar;x"),
						 &u),
			0);
	cr_assert(u.secure && !u.ipv6);
	cr_assert(slice_eq(u.host, SLICE("biloxi.example.com")));
	cr_assert_eq(u.port, 12763);
	cr_assert(slice_eq(u.session, SLICE("kjhd37s2s20w2a")));
	cr_assert(slice_eq(u.transport, SLICE("tcp")));
	cr_assert(slice_eq(u.params, SLICE(";foo=bar;x")));
	cr_assert_eq(
			msrp_uri_parse(SLICE("msrp://[2001:db8::1]:2855/s/+=;tcp"), &u), 0);
	cr_assert(u.ipv6 && slice_eq(u.host, SLICE("2001:db8::1")));
	cr_assert(slice_eq(u.session, SLICE("s/+=")));
	cr_assert_eq(msrp_uri_parse(SLICE("MSRP://a.b;tcp"), &u), 0);
	cr_assert(u.port == 0 && u.session.n == 0 && msrp_uri_port(&u) == 2855);
}

Test(msrp_uri, refuses_what_the_grammar_refuses)
{
	static const char *const bad[] = {
			"", "msrp:", "msrp://", "msrp:///s;tcp", "http://a/s;tcp",
			"msrp://a/s",                       /* no transport */
			"msrp://a/s;",                      /* empty transport */
			"msrp://a/;tcp",                    /* empty session id */
			"msrp://a:/s;tcp",                  /* empty port */
			"msrp://a:0/s;tcp",                 /* port 0 */
			"msrp://a:65536/s;tcp",             /* port too big */
			"msrp://a:000001/s;tcp",            /* port too long */
			"msrp://a:1x/s;tcp",                /* no number */
			"msrp://alice@a/s;tcp",             /* userinfo has no place here */
			"msrp://alice:pw@a/s;tcp",          /* */
			"msrp://a/s;tcp ",                  /* blank */
			"msrp://a b/s;tcp",                 /* */
			"msrp://a/s s;tcp",                 /* */
			"msrp://a/s\r\n;tcp",               /* header injection */
			"msrp://a/s;tcp\r\nTo-Path: x",     /* */
			"msrp://[::1/s;tcp",                /* open bracket */
			"msrp://[zz]/s;tcp",                /* no address */
			"msrp://[1::2::3]/s;tcp",           /* */
			"msrp://[1:2:3:4:5:6:7:8:9]/s;tcp", /* */
			"msrp://a/s;tcp;",                  /* empty parameter */
			"msrp://a/s;tcp;;x",                /* */
	};

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct msrp_uri u = {.port = 4711};

		cr_assert_eq(
				msrp_uri_parse(slice_str(bad[i]), &u), -EBADMSG, "%s", bad[i]);
		cr_assert_eq(u.port, 4711, "untouched after %s", bad[i]);
	}
}

Test(msrp_uri, length_is_bounded)
{
	char text[MSRP_URI_MAX + 64];
	struct msrp_uri u;

	int n = snprintf(text, sizeof(text), "msrp://a/%0*d;tcp", MSRP_URI_MAX, 1);
	cr_assert_eq(msrp_uri_parse(slice_of(text, (size_t)n), &u), -E2BIG);
}

/* RFC 4975 section 6.1 */
Test(msrp_uri, comparison_follows_section_6_1)
{
	static const struct
	{
		const char *a, *b;
		bool full, session;
	} cases[] = {
			{"msrp://Host.example:1/s;tcp", "msrp://host.EXAMPLE:1/s;TCP", true,
					true},
			{"msrp://h:1/s;tcp", "msrp://h:1/S;tcp", false, false},
			{"msrp://h:1/s;tcp", "msrps://h:1/s;tcp", false, false},
			{"msrp://h:1/s;tcp", "msrp://h:2/s;tcp", false, true},
			{"msrp://h/s;tcp", "msrp://h:2855/s;tcp", false, true},
			{"msrp://h:1/s;tcp", "msrp://g:1/s;tcp", false, true},
			{"msrp://h:1/s;tcp", "msrp://h:1/s;ws", false, false},
			{"msrp://h:1/s;tcp;a=b", "msrp://h:1/s;tcp", true, true},
			{"msrp://h:1;tcp", "msrp://h:1/s;tcp", false, false},
			{"msrp://[2001:DB8:0::1]:1/s;tcp", "msrp://[2001:db8::1]:1/s;tcp",
					true, true},
			{"msrp://[::1]:1/s;tcp", "msrp://[::2]:1/s;tcp", false, true},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msrp_uri a, b;

		cr_assert_eq(msrp_uri_parse(slice_str(cases[i].a), &a), 0);
		cr_assert_eq(msrp_uri_parse(slice_str(cases[i].b), &b), 0);
		cr_assert_eq(msrp_uri_eq(&a, &b), cases[i].full, "%s %s", cases[i].a,
				cases[i].b);
		cr_assert_eq(msrp_uri_eq(&b, &a), cases[i].full);
		cr_assert_eq(msrp_uri_eq_session(&a, &b), cases[i].session, "%s %s",
				cases[i].a, cases[i].b);
	}
}

Test(msrp_uri, path_is_read_from_the_left)
{
	struct msrp_uri first, last;
	struct slice path = SLICE(
			"msrps://relay.example:2855/r1;tcp  msrp://h:1/a;tcp\tmsrp://h:2/b"
			";tcp ");

	cr_assert_eq(msrp_path_parse(path, &first, &last), 3);
	cr_assert(slice_eq(first.session, SLICE("r1")));
	cr_assert(slice_eq(last.session, SLICE("b")));
	cr_assert_eq(msrp_path_parse(SLICE(""), NULL, NULL), -EBADMSG);
	cr_assert_eq(msrp_path_parse(SLICE("  "), NULL, NULL), -EBADMSG);
	cr_assert_eq(
			msrp_path_parse(SLICE("msrp://h/a;tcp x"), NULL, NULL), -EBADMSG);
}

Test(msrp_uri, path_has_a_bounded_number_of_hops)
{
	char text[2048];
	size_t n = 0;

	for(int i = 0; i < MSRP_PATH_HOPS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "msrp://h/a;tcp ");
	cr_assert_eq(
			msrp_path_parse(slice_of(text, n), NULL, NULL), MSRP_PATH_HOPS_MAX);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "msrp://h/a;tcp ");
	cr_assert_eq(msrp_path_parse(slice_of(text, n), NULL, NULL), -E2BIG);
}

Test(msrp_uri, what_is_printed_is_read_back)
{
	char text[128];
	struct msrp_uri u;
	int n = msrp_uri_print(
			text, sizeof(text), true, SLICE("2001:db8::7"), 2855, SLICE("abc"));

	cr_assert_str_eq(text, "msrps://[2001:db8::7]:2855/abc;tcp");
	cr_assert_eq(msrp_uri_parse(slice_of(text, (size_t)n), &u), 0);
	cr_assert(u.ipv6 && u.secure);
	n = msrp_uri_print(text, 10, false, SLICE("10.0.0.1"), 0, SLICE("abc"));
	cr_assert(n >= 10 && strlen(text) == 9, "cut and terminated");
}

static void parse(struct slice in)
{
	struct msrp_uri first, last;

	if(msrp_path_parse(in, &first, &last) > 0)
		cr_assert(
				first.all.p >= in.p && last.all.p + last.all.n <= in.p + in.n);
}

Test(msrp_uri, damaged_paths_do_no_harm)
{
	struct slice text = SLICE("msrps://[2001:db8::1]:2855/a+b/c=;tcp;x=y "
							  "msrp://h.example:1/s;tcp");

	torn_everywhere(text, parse);
	torn_mutations(text, 20000, parse);
}
