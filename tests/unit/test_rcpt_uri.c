/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients' URIs: RFC 3261 sections 19.1 and 25.1, RFC 3966, RFC 6068.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "rcpt_uri.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

static char buf[RCPT_URI_ROOM(RCPT_URI_MAX)];

static const struct
{
	const char *text, *uri, *key;
	enum rcpt_kind kind;
} good[] = {
		{"sip:bob@x", "sip:bob@x", "sip:bob@x", RCPT_SIP},
		{" SIPS:Bob@X.Y:5061 ", "sips:Bob@X.Y:5061", "sips:Bob@x.y:5061",
				RCPT_SIPS},
		{"sip:x.example", "sip:x.example", "sip:x.example", RCPT_SIP},
		{"sip:b%6Fb%2f@x", "sip:b%6Fb%2f@x", "sip:bob%2F@x", RCPT_SIP},
		{"sip:bob:pw@x;transport=TCP;lr", "sip:bob:pw@x;transport=TCP;lr",
				"sip:bob:pw@x;lr;transport=tcp", RCPT_SIP},
		{"sip:bob;x=y?z@h", "sip:bob;x=y?z@h", "sip:bob;x=y?z@h", RCPT_SIP},
		{"sip:bob@x;method=BYE?Subject=a&b=c", "sip:bob@x", "sip:bob@x",
				RCPT_SIP},
		{"sip:+1-555@x;user=phone", "sip:+1-555@x;user=phone", "tel:+1555",
				RCPT_SIP},
		{"sip:bob@[2001:DB8::1]:5060", "sip:bob@[2001:DB8::1]:5060",
				"sip:bob@[2001:db8::1]:5060", RCPT_SIP},
		{"TEL:+1-(555).01", "tel:+155501", "tel:+155501", RCPT_TEL},
		{"tel:7042;phone-context=Example.com",
				"tel:7042;phone-context=Example.com",
				"tel:7042;phone-context=example.com", RCPT_TEL},
		{"tel:*21#;isub=2;ext=1", "tel:*21#;isub=2;ext=1",
				"tel:*21#;ext=1;isub=2", RCPT_TEL},
		{"mailto:Dan@Example.COM?bcc=all@x", "mailto:Dan@Example.COM",
				"mailto:Dan@example.com", RCPT_OTHER},
		{"im:d%41n@x", "im:d%41n@x", "im:dAn@x", RCPT_OTHER},
};

Test(rcpt_uri, what_is_sent_and_what_is_compared)
{
	for(size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct rcpt_uri u;

		cr_assert_eq(
				rcpt_uri_parse(slice_str(good[i].text), buf, sizeof(buf), &u),
				0, "%s", good[i].text);
		cr_assert(is(u.uri, good[i].uri), "%s: %.*s", good[i].text,
				SLICE_ARG(u.uri));
		cr_assert(is(u.key, good[i].key), "%s: %.*s", good[i].text,
				SLICE_ARG(u.key));
		cr_assert_eq(u.kind, good[i].kind);
	}
}

Test(rcpt_uri, smallest_room_is_enough)
{
	for(size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct slice text = slice_trim(slice_str(good[i].text));
		size_t size = RCPT_URI_ROOM(text.n);
		char *tight = malloc(size);
		struct rcpt_uri u;

		cr_assert_eq(rcpt_uri_parse(text, tight, size, &u), 0);
		cr_assert_eq(rcpt_uri_parse(text, tight, size - 1, &u), -E2BIG);
		free(tight);
	}
}

Test(rcpt_uri, length_has_a_limit)
{
	static char text[RCPT_URI_MAX + 2] = "sip:";
	struct rcpt_uri u;

	memset(text + 4, 'a', RCPT_URI_MAX - 3);
	cr_assert_eq(rcpt_uri_parse(slice_of(text, RCPT_URI_MAX + 1), buf,
						 sizeof(buf), &u),
			-E2BIG);
	cr_assert_eq(
			rcpt_uri_parse(slice_of(text, RCPT_URI_MAX), buf, sizeof(buf), &u),
			0);
}

Test(rcpt_uri, no_uri)
{
	static const char *const bad[] = {"", ":", "sip", "sip:", ":bob", "s p:a",
			"sip:a b@x", "sip:<a@x>", "sip:\"a\"@x", "sip:a@x\r\nX: y",
			"sip:a%0a@x", "sip:a%7f@x", "sip:a%1@x", "sip:a@x;;b", "sip:a@x;=b",
			"sip:a@x;", "sip:a@x:", "sip:a@x:0", "sip:a@x:1a", "sip::p@x",
			"sip:a@x y", "sip:a@[::1", "sip:a@x/y", "tel:", "tel:+", "tel:-",
			"tel:+12a", "tel:12g", "tel:12?x", "tel:12@x",
			"mailto:", "mailto:?x=y", "\xe2\x82\xac:x", "sip:a{b}@x",
			"sip:a\\b@x"};

	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct rcpt_uri u;

		cr_assert_eq(rcpt_uri_parse(slice_str(bad[i]), buf, sizeof(buf), &u),
				-EBADMSG, "%s", bad[i]);
	}
}

Test(rcpt_uri, parameters_do_not_make_another_user)
{
	cr_assert(rcpt_key_same_user(
			SLICE("sip:exploder@x"), SLICE("sip:exploder@x;transport=tcp")));
	cr_assert(!rcpt_key_same_user(
			SLICE("sip:exploder@x"), SLICE("sip:exploder@y")));
}
