/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is read of a message before it is stored, and wrappers changed for one
 * recipient.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "cpim.h"
#include "deferred_head.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))
#define CPIM SLICE("message/cpim")
#define BOB "From: <sip:a@x>\r\nTo: Bob <sip:b@x>\r\n"

static struct deferred_head read_head(const char *text)
{
	struct deferred_head h;

	cr_assert_eq(deferred_head_read(CPIM, slice_str(text), &h), 0, "%s", text);
	return h;
}

Test(deferred_head, the_wrapper_says_who_and_what)
{
	struct deferred_head h = read_head(
			BOB "DateTime: 2026-11-21T11:00:00Z\r\nSubject: lunch\r\n"
				"NS: q <urn:ietf:params:imdn>\r\nq.Message-ID: Xa8f\r\n"
				"q.Disposition-Notification: positive-delivery, "
				"negative-delivery\r\n\r\nContent-type: text/plain\r\n\r\nhi");

	cr_assert(is(h.from, "<sip:a@x>"));
	cr_assert(is(h.to, "Bob <sip:b@x>"));
	cr_assert(is(h.date, "2026-11-21T11:00:00Z"));
	cr_assert(is(h.subject, "lunch"));
	cr_assert(is(h.imdn_id, "Xa8f"));
	cr_assert(h.negative);
	cr_assert(!h.is_imdn);
}

/* RFC 5438 section 6.3: the prefix is the sender's choice, and one that means
 * something else is not ours. */
Test(deferred_head, an_id_counts_by_its_namespace)
{
	cr_assert(
			is(read_head(BOB "imdn.Message-ID: 7\r\n\r\n\r\nhi").imdn_id, "7"));
	cr_assert_eq(read_head(BOB "NS: imdn <urn:other>\r\n"
							   "imdn.Message-ID: 7\r\n\r\n\r\nhi")
						 .imdn_id.n,
			0);
	cr_assert_eq(read_head(BOB "Message-ID: 7\r\n\r\n\r\nhi").imdn_id.n, 0);
	cr_assert(!read_head(BOB "imdn.Disposition-Notification: display\r\n"
							 "\r\n\r\nhi")
					   .negative);
}

Test(deferred_head, a_notification_is_known_by_type_or_disposition)
{
	static const struct
	{
		const char *mime;
		bool is;
	} cases[] = {
			{"Content-type: message/imdn+xml\r\n", true},
			{"Content-Type: Message/IMDN+XML; charset=utf-8\r\n", true},
			{"Content-type: text/xml\r\nContent-Disposition: notification\r\n",
					true},
			{"Content-type: text/plain\r\nContent-Disposition: attachment\r\n",
					false},
			{"Content-type: message/imdn\r\n", false},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text), BOB "\r\n%s\r\n<x/>", cases[i].mime);
		cr_assert_eq(read_head(text).is_imdn, cases[i].is, "%s", text);
	}
}

Test(deferred_head, what_is_no_wrapper_has_no_head)
{
	struct deferred_head h;

	cr_assert(
			deferred_head_read(SLICE("text/plain"), SLICE(BOB "\r\n\r\nhi"), &h)
			< 0);
	cr_assert_eq(h.from.n, 0);
	cr_assert(deferred_head_read(CPIM, SLICE("hello"), &h) < 0);
	cr_assert(deferred_head_read(CPIM, SLICE(""), &h) < 0);
	cr_assert_eq(h.from.n, 0);
	/* of a large message only the beginning is looked at */
	cr_assert_eq(
			deferred_head_read(SLICE("Message/CPIM; x=y"),
					SLICE(BOB "\r\nContent-type: image/png\r\n\r\n\x89P"), &h),
			0);
}

static void reads(struct slice in)
{
	char text[DEFERRED_TEXT_MAX];
	struct deferred_head h;

	(void)deferred_head_read(CPIM, in, &h);
	deferred_text(h.subject, text);
	deferred_text(in, text);
	cr_assert(strlen(text) < sizeof(text));
}

Test(deferred_head, damaged_messages_do_no_harm)
{
	const struct slice text = SLICE(BOB "Subject: \xc3\xa9t\xc3\xa9\r\n"
										"imdn.Message-ID: 7\r\n\r\n"
										"Content-type: text/plain\r\n\r\nhi");

	torn_everywhere(text, reads);
	torn_mutations(text, 20000, reads);
}

Test(deferred_head, text_is_one_line_of_utf8)
{
	static const struct
	{
		const char *in, *out;
	} cases[] = {
			{"plain", "plain"},
			{"\xc3\xa9t\xc3\xa9 \xf0\x9f\x98\x80",
					"\xc3\xa9t\xc3\xa9 "
					"\xf0\x9f\x98\x80"},
			{"a\xff\xc3", "a??"},
			{"\xc0\xaf\xed\xa0\x80", "?????"}, /* overlong, surrogate */
			{"\xf4\x90\x80\x80", "????"},      /* above U+10FFFF */
			{"folded\r\n here\x7f", "folded   here "},
	};
	char out[DEFERRED_TEXT_MAX], big[2000];

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		deferred_text(slice_str(cases[i].in), out);
		cr_assert_str_eq(out, cases[i].out);
	}
	/* never cut within a character */
	for(size_t i = 0; i < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa9", 2);
	deferred_text(slice_of(big, sizeof(big)), out);
	cr_assert_eq(strlen(out), DEFERRED_TEXT_MAX - 2);
}

static void edited(
		const char *text, const char *to, const char *add, const char *wanted)
{
	struct cpim_edit e = {.to = slice_str(to), .add = slice_str(add)};
	char out[512];
	struct cpim c;
	size_t n;

	cr_assert_eq(cpim_parse(slice_str(text), &c), 0);
	n = cpim_edit(&c, &e, out);
	cr_assert(n <= cpim_edit_max(&c, &e));
	cr_assert(
			slice_eq(slice_of(out, n), slice_str(wanted)), "%.*s", (int)n, out);
}

Test(cpim_edit, a_line_comes_behind_the_headers)
{
	const char *line = "Message-Direction: sent";

	edited(BOB "\r\n\r\nhi", "", line, BOB "Message-Direction: sent\r\n");
	/* what the sender said of it does not stay */
	edited("message-direction: received\r\n" BOB
		   "Message-Direction : x\r\n\r\n\r\nhi",
			"", line, BOB "Message-Direction: sent\r\n");
	edited(BOB "To: <sip:c@x>\r\nSubject: s\r\n\r\n\r\nhi", "tel:+1", line,
			"From: <sip:a@x>\r\nTo: <tel:+1>\r\nSubject: s\r\n"
			"Message-Direction: sent\r\n");
	edited("From: <sip:a@x>\r\n\r\n\r\nhi", "tel:+1", "",
			"From: <sip:a@x>\r\nTo: <tel:+1>\r\n");
	edited("From: <sip:a@x>\n\n\nhi", "", line,
			"From: <sip:a@x>\nMessage-Direction: sent\r\n");
}

Test(cpim_edit, only_a_header_line_is_one)
{
	cr_assert(cpim_line_ok(SLICE("Message-Direction: sent")));
	cr_assert(cpim_line_ok(SLICE("cpm.Payload-Type: text/plain")));
	cr_assert(!cpim_line_ok(SLICE("Message-Direction")));
	cr_assert(!cpim_line_ok(SLICE("Message-Direction: ")));
	cr_assert(!cpim_line_ok(SLICE(": sent")));
	cr_assert(!cpim_line_ok(SLICE("A B: sent")));
	cr_assert(!cpim_line_ok(SLICE("A: b\r\nC: d")));
	cr_assert(!cpim_line_ok(SLICE("")));
}
