/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPIM wrappers: RFC 3862, RFC 5438, and the way clients write them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "cpim.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

/* RFC 3862 section 5.1, cut short, and RFC 5438 section 6. */
#define EXAMPLE                                                                \
	"From: MR SANDERS <im:piglet@100akerwood.com>\r\n"                         \
	"To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n"                     \
	"To: <im:pooh@100akerwood.com>\r\n"                                        \
	"DateTime: 2000-12-13T13:40:00-08:00\r\n"                                  \
	"Subject: the weather will be fine today\r\n"                              \
	"Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n"                   \
	"NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"                      \
	"Require: MyFeatures.VitalMessageOption\r\n"                               \
	"MyFeatures.VitalMessageOption: Confirmation-requested\r\n"                \
	"NS: i <urn:ietf:params:imdn>\r\n"                                         \
	"i.Message-ID: 34jk324j\r\n"                                               \
	"i.Disposition-Notification: positive-delivery, display\r\n"               \
	"i.Disposition-Notification: interworking\r\n"                             \
	"NS: cpm <http://www.openmobilealliance.org/cpm/>\r\n"                     \
	"cpm.Payload-Type: text/plain, image/jpeg\r\n"                             \
	"\r\n"                                                                     \
	"Content-type: text/xml; charset=utf-8\r\n"                                \
	"Content-ID: <1234567890@foo.com>\r\n"                                     \
	"Content-Length: 10\r\n"                                                   \
	"\r\n"                                                                     \
	"<body>\r\n<>"

static int parse_str(const char *text, struct cpim *c)
{
	return cpim_parse(slice_str(text), c);
}

Test(cpim, reads_the_rfc_example)
{
	struct cpim c;

	cr_assert_eq(parse_str(EXAMPLE, &c), 0);
	cr_assert(is(c.from, "MR SANDERS <im:piglet@100akerwood.com>"));
	cr_assert(is(cpim_uri(c.from), "im:piglet@100akerwood.com"));
	cr_assert(is(cpim_uri(c.to), "im:eeyore@100akerwood.com"));
	cr_assert_eq(c.n_to, 2);
	cr_assert(is(c.datetime, "2000-12-13T13:40:00-08:00"));
	cr_assert(is(c.subject, "the weather will be fine today"));
	cr_assert(is(c.imdn_message_id, "34jk324j"));
	cr_assert_eq(c.disposition,
			CPIM_DN_POSITIVE_DELIVERY | CPIM_DN_DISPLAY | CPIM_DN_INTERWORKING);
	cr_assert(is(c.payload_type, "text/plain, image/jpeg"));
	cr_assert(is(c.content_type, "text/xml; charset=utf-8"));
	cr_assert(is(c.content_id, "<1234567890@foo.com>"));
	cr_assert(c.has_content_length && c.content_length == 10);
	cr_assert(is(c.body, "<body>\r\n<>"));
	cr_assert_eq(c.body_offset, strlen(EXAMPLE) - 10);
}

Test(cpim, iterator_hands_out_every_header_in_order)
{
	struct cpim c;
	struct cpim_hdr h;
	struct slice rest;
	size_t bytes = 0;
	int n = 0;
	bool seen = false;

	cr_assert_eq(parse_str(EXAMPLE, &c), 0);
	rest = c.headers;
	while(cpim_next(&c, &rest, &h)) {
		n++;
		bytes += h.raw.n;
		if(is(h.ns, "mid:MessageFeatures@id.foo.com")) {
			cr_assert(is(h.name, "VitalMessageOption"));
			cr_assert(is(h.value, "Confirmation-requested"));
			seen = true;
		}
		if(n == 6)
			cr_assert(is(h.value, "beau temps prevu pour aujourd'hui"),
					"parameters are not of the value");
	}
	cr_assert_eq(n, 15);
	cr_assert(seen);
	cr_assert_eq(bytes, c.headers.n, "nothing is lost between the headers");
}

Test(cpim, accepts_what_clients_really_send)
{
	struct cpim c;

	/* LF alone, no blank in NS, lower-case Content-length */
	cr_assert_eq(parse_str("From: <sip:a@x>\nTo: <sip:b@x>\n"
						   "NS: imdn<urn:ietf:params:imdn>\n"
						   "imdn.Message-ID: q1\n\n"
						   "Content-length: 5\nContent-type: text/plain\n\n"
						   "helloXX",
						 &c),
			0);
	cr_assert(is(c.imdn_message_id, "q1"));
	cr_assert(is(c.body, "hello"), "cut to the declared length");
	/* no NS at all for the two usual prefixes */
	cr_assert_eq(parse_str("From: <sip:a@x>\r\nimdn.Message-ID: q2\r\n"
						   "cpm.Payload-Type: text/plain\r\n\r\n\r\nhi",
						 &c),
			0);
	cr_assert(is(c.imdn_message_id, "q2") && is(c.payload_type, "text/plain"));
	cr_assert(c.content_type.n == 0 && is(c.body, "hi"), "no MIME headers");
	/* a blank before the colon, other case, an empty line too many */
	cr_assert_eq(parse_str("from : <sip:a@x>\r\nTO: <sip:b@x>\r\n\r\n\r\n"
						   "Content-Type : text/plain\r\n\r\nhi",
						 &c),
			0);
	cr_assert(is(c.from, "<sip:a@x>") && is(c.to, "<sip:b@x>"));
	cr_assert(is(c.content_type, "text/plain") && is(c.body, "hi"));
	/* wrong length: what is there counts */
	cr_assert_eq(parse_str("From: <sip:a@x>\r\n\r\nContent-Type: text/plain\r\n"
						   "Content-Length: 500\r\n\r\nhi",
						 &c),
			0);
	cr_assert(is(c.body, "hi") && c.content_length == 500);
	/* a wrapper with nothing in it */
	cr_assert_eq(
			parse_str(
					"From: <sip:a@x>\r\n\r\nContent-Type: text/plain\r\n", &c),
			0);
	cr_assert(c.body.n == 0);
	/* folded header, empty lines in front */
	cr_assert_eq(parse_str("\r\n\r\nFrom: <sip:a@x>\r\nSubject: a\r\n b\r\n"
						   "\r\n\r\nx",
						 &c),
			0);
	cr_assert(is(c.subject, "a\r\n b"));
}

Test(cpim, prefixes_count_by_their_namespace_alone)
{
	struct cpim c;

	cr_assert_eq(parse_str("From: <sip:a@x>\r\nNS: imdn <urn:other>\r\n"
						   "imdn.Message-ID: no\r\nfoo.Message-ID: no\r\n\r\n"
						   "\r\nx",
						 &c),
			0);
	cr_assert(c.imdn_message_id.p == NULL);
	cr_assert_eq(parse_str("NS: <urn:other>\r\nFrom: no\r\n\r\n\r\nx", &c), 0);
	cr_assert(c.from.p == NULL, "another default namespace");
}

Test(cpim, refuses_what_is_no_cpim)
{
	static const struct
	{
		const char *text;
		int rc;
	} cases[] = {
			{"", -EBADMSG},
			{"hello", -EBADMSG},
			{"hello world\r\n\r\n\r\n", -EBADMSG},
			{"From: <sip:a@x>\r\n", -EBADMSG},
			{"\r\n\r\nhello", -EBADMSG},
			{": x\r\n\r\n\r\nbody", -EBADMSG},
			{"NS: x urn:no-brackets\r\n\r\n\r\nb", -EBADMSG},
			{"NS: x <>\r\n\r\n\r\nb", -EBADMSG},
			{"From: a\x01\r\n\r\n\r\nb", -EBADMSG},
			{"From: a\r\n\r\nContent-Length: x\r\n\r\nb", -EBADMSG},
			{"From: a\r\n\r\nContent-Length: -1\r\n\r\nb", -EBADMSG},
			{"From: a\r\n\r\nno header\r\n\r\nb", -EBADMSG},
			{"NS: a <u>\r\nNS: b <u>\r\nNS: c <u>\r\nNS: d <u>\r\nNS: e <u>\r\n"
			 "NS: f <u>\r\nNS: g <u>\r\nNS: h <u>\r\nNS: i <u>\r\n\r\n\r\nb",
					-E2BIG},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpim c = {.n_to = 77};

		cr_assert_eq(parse_str(cases[i].text, &c), cases[i].rc, "case %zu", i);
		cr_assert_eq(c.n_to, 77, "untouched on failure");
	}
}

Test(cpim, headers_are_bounded)
{
	size_t n = CPIM_HEADER_MAX + 100;
	char *text = malloc(n + 1);
	struct cpim c;

	memset(text, 'x', n);
	memcpy(text, "From: ", 6);
	text[n] = '\0';
	cr_assert_eq(cpim_parse(slice_of(text, n), &c), -E2BIG);
	cr_assert_eq(cpim_parse_head(slice_of(text, n), &c), -E2BIG);
	/* a long body is none of that */
	memcpy(text, "From: a\r\n\r\nContent-Type: t/p\r\n\r\n", 32);
	cr_assert_eq(cpim_parse(slice_of(text, n), &c), 0);
	free(text);
}

Test(cpim, head_is_known_as_soon_as_it_is_there_and_not_before)
{
	const struct slice text = SLICE(EXAMPLE);
	struct cpim whole, c;

	cr_assert_eq(cpim_parse(text, &whole), 0);
	for(size_t n = 0; n <= text.n; n++) {
		int rc = cpim_parse_head(slice_of(text.p, n), &c);

		cr_assert_eq(
				rc, n < whole.body_offset ? -EAGAIN : 0, "at %zu: %d", n, rc);
	}
}

/* What the head says never changes when more of the text comes. */
Test(cpim, head_does_not_change_its_mind)
{
	static const char *const texts[] = {
			"From: <sip:a@x>\r\n\r\n\r\nContent-Type: text/plain\r\n\r\nhi",
			"From: <sip:a@x>\r\n\r\n\r\nContent is a word",
			"From: <sip:a@x>\n\nContent-Type: a/b\n\nhi",
			EXAMPLE,
	};

	for(size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slice text = slice_str(texts[i]);
		struct cpim whole, c;

		cr_assert_eq(cpim_parse(text, &whole), 0);
		for(size_t n = 0; n <= text.n; n++) {
			if(cpim_parse_head(slice_of(text.p, n), &c) != 0)
				continue;
			cr_assert_eq(
					c.body_offset, whole.body_offset, "text %zu at %zu", i, n);
			cr_assert(slice_eq(c.content_type, whole.content_type));
		}
	}
}

static void parse(struct slice in)
{
	struct cpim c;
	struct cpim_hdr h;
	struct slice rest;

	if(cpim_parse_head(in, &c) != 0)
		(void)c;
	if(cpim_parse(in, &c) != 0)
		return;
	cr_assert(c.body_offset <= in.n && c.body.n <= in.n - c.body_offset);
	rest = c.headers;
	while(cpim_next(&c, &rest, &h))
		cr_assert(h.raw.n > 0);
	cpim_uri(c.from);
}

Test(cpim, damaged_wrappers_do_no_harm)
{
	torn_everywhere(SLICE(EXAMPLE), parse);
	torn_mutations(SLICE(EXAMPLE), 20000, parse);
}

static void retargeted(const char *text, const char *wanted)
{
	char out[512];
	struct slice uri = SLICE("tel:+15550102");
	struct cpim c;
	size_t n;

	cr_assert_eq(parse_str(text, &c), 0);
	n = cpim_retarget(&c, uri, out);
	cr_assert_eq(n, cpim_retarget_size(&c, uri));
	cr_assert_eq(n, c.headers.n - cpim_to_bytes(&c) + CPIM_TO_SIZE(uri.n));
	cr_assert(
			slice_eq(slice_of(out, n), slice_str(wanted)), "%.*s", (int)n, out);
}

Test(cpim, one_recipient_takes_the_place_of_all)
{
	retargeted("From: <sip:a@x>\r\nTo: List <sip:l@x>\r\nSubject: s\r\n"
			   "to: <sip:b@x>\r\nNS: i <urn:ietf:params:imdn>\r\n"
			   "i.Message-ID: 1\r\n\r\nContent-type: text/plain\r\n\r\nhi",
			"From: <sip:a@x>\r\nTo: <tel:+15550102>\r\nSubject: s\r\n"
			"NS: i <urn:ietf:params:imdn>\r\ni.Message-ID: 1\r\n");
	/* folded, with LF alone */
	retargeted("To: <sip:l@x>,\n <sip:m@x>\nFrom: <sip:a@x>\n\n\nhi",
			"To: <tel:+15550102>\r\nFrom: <sip:a@x>\n");
	/* nobody was named */
	retargeted("From: <sip:a@x>\r\n\r\n\r\nhi",
			"From: <sip:a@x>\r\nTo: <tel:+15550102>\r\n");
}
