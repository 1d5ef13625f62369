/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Envelopes of deferred messages: what is kept comes back as it was, and what
 * comes from a store is not believed.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "envelope.h"

static char buf[ENVELOPE_MAX];

static const struct envelope whole = {.from = SLICE("\"Alice\" <sip:alice@x>"),
		.to = SLICE("<sip:bob@x>"),
		.headers = SLICE("Conversation-ID: abc\r\n"
						 "Contribution-ID: def\r\n"
						 "P-Asserted-Identity: <sip:alice@x>\r\n"),
		.types = SLICE("message/cpim"),
		.wrapped = SLICE("*")};

/* By way of text, as over the control connection. */
static int back(const struct envelope *e, struct envelope *out)
{
	json_t *o = envelope_json(e), *again;
	char *text;
	int rc;

	cr_assert_not_null(o);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	again = json_loads(text, 0, NULL);
	free(text);
	rc = envelope_read(again, buf, sizeof(buf), out);
	json_decref(again);
	return rc;
}

Test(envelope, every_text_comes_back_as_it_was)
{
	struct envelope e;

	cr_assert_eq(back(&whole, &e), 0);
	cr_assert(slice_eq(e.from, whole.from));
	cr_assert(slice_eq(e.to, whole.to));
	cr_assert(slice_eq(e.headers, whole.headers));
	cr_assert(slice_eq(e.types, whole.types));
	cr_assert(slice_eq(e.wrapped, whole.wrapped));
}

Test(envelope, text_that_is_no_utf8_comes_back_byte_by_byte)
{
	struct envelope in = whole, e;

	in.headers = SLICE("Subject: gr\xfc\xdf\x65\r\n");
	cr_assert_eq(back(&in, &e), 0);
	cr_assert(slice_eq(e.headers, in.headers));
}

Test(envelope, line_of_one_transaction_is_left_out)
{
	static const char *const left[] = {"Date", "Expires", "Max-Forwards",
			"P-Charging-Vector", "P-Access-Network-Info", "Content-Type",
			"Content-Length", "Route", "Via", "CSeq", "X-CPM-PF"};
	struct envelope in = whole, e;

	for(size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		cr_expect(!envelope_keeps(slice_str(left[i])), "%s", left[i]);
	in.headers = SLICE("Date: x\r\nSubject: a\r\nexpires: 5\r\nPRIVACY: id\r\n"
					   "P-Charging-Vector: icid-value=1");
	cr_assert_eq(back(&in, &e), 0);
	cr_assert(slice_eq(e.headers, SLICE("Subject: a\r\nPRIVACY: id\r\n")));
}

Test(envelope, without_the_sender_or_the_recipient_there_is_none)
{
	struct envelope in = whole;

	in.from = slice_of(NULL, 0);
	cr_assert_null(envelope_json(&in));
	cr_assert_eq(errno, EINVAL);
	in = whole;
	in.to = slice_of(NULL, 0);
	cr_assert_null(envelope_json(&in));
}

Test(envelope, one_that_is_too_long_is_refused)
{
	static char lines[ENVELOPE_MAX + 64];
	struct envelope in = whole;

	memset(lines, 'x', sizeof(lines));
	memcpy(lines, "Subject: ", 9);
	memcpy(lines + sizeof(lines) - 2, "\r\n", 2);
	in.headers = slice_of(lines, sizeof(lines));
	cr_assert_null(envelope_json(&in));
	cr_assert_eq(errno, E2BIG);
}

Test(envelope, text_of_a_store_that_would_become_a_header_is_refused)
{
	static const char *const bad[] = {"[]", "{}", "{\"from\":1,\"to\":\"b\"}",
			"{\"from\":\"a\"}", "{\"from\":\"a\",\"to\":\"\"}",
			"{\"from\":\"a\\r\\nRoute: <sip:x>\",\"to\":\"b\"}",
			"{\"from\":\"a\",\"to\":\"b\\n\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"Route: "
			"<sip:x>\\r\\n\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"Subject: x\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"Subject: x\\n\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"Subject\\r\\n\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"\\r\\n\"}",
			"{\"from\":\"a\",\"to\":\"b\",\"headers\":\"Subject: "
			"a\\rb\\r\\n\"}",
			"{\"from\":{\"base64\":\"a\"},\"to\":\"b\"}",
			"{\"from\":{\"base64\":\"DQo=\"},\"to\":\"b\"}",
			"{\"from\":{\"base64\":7},\"to\":\"b\"}"};
	struct envelope e;

	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *o = json_loads(bad[i], 0, NULL);

		cr_assert_not_null(o, "%s", bad[i]);
		cr_expect_eq(
				envelope_read(o, buf, sizeof(buf), &e), -EBADMSG, "%s", bad[i]);
		json_decref(o);
	}
}

Test(envelope, small_room_is_no_overrun)
{
	json_t *o = envelope_json(&whole);
	struct envelope e;

	for(size_t n = 0; n < 60; n++)
		cr_assert_eq(envelope_read(o, buf, n, &e), -E2BIG);
	json_decref(o);
}
