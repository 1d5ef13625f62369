/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MIME fields and multipart bodies: RFC 2045, RFC 2046 section 5.1.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "multipart.h"
#include "torn.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

#define TYPE "multipart/mixed; boundary=\"boundary 1\""
#define BODY                                                                   \
	"preamble, to be ignored\r\n"                                              \
	"--boundary 1\r\n"                                                         \
	"Content-Type: application/sdp\r\n"                                        \
	"\r\n"                                                                     \
	"v=0\r\n"                                                                  \
	"\r\n"                                                                     \
	"--boundary 1  \r\n"                                                       \
	"content-type: application/resource-lists+xml\r\n"                         \
	"Content-Disposition: recipient-list\r\n"                                  \
	"Content-ID: <list@x>\r\n"                                                 \
	"Content-Transfer-Encoding: 8bit\r\n"                                      \
	"Content-Length: 7\r\n"                                                    \
	"\r\n"                                                                     \
	"<a>--boundary 1</a>\r\n"                                                  \
	"--boundary 12\r\n"                                                        \
	"--boundary 1\r\n"                                                         \
	"\r\n"                                                                     \
	"plain"                                                                    \
	"\r\n--boundary 1--\r\n"                                                   \
	"epilogue\r\n--boundary 1\r\n"

Test(multipart, parts_come_one_by_one)
{
	struct multipart it;
	struct multipart_part p;

	cr_assert_eq(multipart_init(&it, SLICE(TYPE), SLICE(BODY)), 0);
	cr_assert_eq(multipart_next(&it, &p), 1);
	cr_assert(is(p.content_type, "application/sdp"));
	cr_assert(is(p.headers, "Content-Type: application/sdp\r\n"));
	cr_assert(is(p.body, "v=0\r\n"), "the last line end is the boundary's");
	cr_assert_eq(multipart_next(&it, &p), 1);
	cr_assert(is(p.content_type, "application/resource-lists+xml"));
	cr_assert(is(p.content_disposition, "recipient-list"));
	cr_assert(is(p.content_id, "list@x"));
	cr_assert(is(p.content_transfer_encoding, "8bit"));
	cr_assert(is(p.content_length, "7"));
	cr_assert(is(p.body, "<a>--boundary 1</a>\r\n--boundary 12"));
	cr_assert_eq(multipart_next(&it, &p), 1);
	cr_assert(is(p.body, "plain") && p.headers.n == 0);
	cr_assert_eq(multipart_next(&it, &p), 0);
	cr_assert_eq(multipart_next(&it, &p), 0, "and it stays so");
}

Test(multipart, accepts_lf_alone_and_no_part_at_all)
{
	struct multipart it;
	struct multipart_part p;

	cr_assert_eq(multipart_init(&it, SLICE("Multipart/Related;Boundary=b"),
						 SLICE("--b\nContent-Type: a/b\n\nx\n--b\n\n\n--b--")),
			0);
	cr_assert_eq(multipart_next(&it, &p), 1);
	cr_assert(is(p.content_type, "a/b") && is(p.body, "x"));
	cr_assert_eq(multipart_next(&it, &p), 1);
	cr_assert(p.body.n == 0);
	cr_assert_eq(multipart_next(&it, &p), 0);
	cr_assert_eq(multipart_init(&it, SLICE("multipart/mixed;boundary=b"),
						 SLICE("--b--")),
			0);
	cr_assert_eq(multipart_next(&it, &p), 0);
}

Test(multipart, torn_bodies_are_told)
{
	struct multipart it;
	struct multipart_part p;

	cr_assert_eq(multipart_init(&it, SLICE("text/plain"), SLICE("x")), -EINVAL);
	cr_assert_eq(multipart_init(&it, SLICE("multipart/mixed"), SLICE("x")),
			-EBADMSG);
	cr_assert_eq(
			multipart_init(&it, SLICE("multipart/mixed;boundary="), SLICE("x")),
			-EBADMSG);
	cr_assert_eq(
			multipart_init(&it,
					SLICE("multipart/mixed;boundary="
						  "12345678901234567890123456789012345678901234567890"
						  "123456789012345678901"),
					SLICE("x")),
			-EBADMSG, "71 bytes");
	cr_assert_eq(multipart_init(&it, SLICE("multipart/mixed;boundary=b"),
						 SLICE("no boundary here")),
			0);
	cr_assert_eq(multipart_next(&it, &p), -EBADMSG);
	cr_assert_eq(multipart_init(&it, SLICE("multipart/mixed;boundary=b"),
						 SLICE("--b\r\n\r\nhalf a par")),
			0);
	cr_assert_eq(multipart_next(&it, &p), -EBADMSG);
	cr_assert_eq(multipart_init(&it, SLICE("multipart/mixed;boundary=b"),
						 SLICE("--b\r\nno header\r\n\r\nx\r\n--b--")),
			0);
	cr_assert_eq(multipart_next(&it, &p), -EBADMSG);
}

Test(multipart, find_takes_single_bodies_too)
{
	struct multipart_part p;

	cr_assert_eq(multipart_find(SLICE(TYPE), SLICE(BODY),
						 SLICE("application/resource-lists+xml"), &p),
			0);
	cr_assert(is(p.content_disposition, "recipient-list"));
	cr_assert_eq(multipart_find(SLICE("Application/SDP ;x=y"), SLICE("v=0"),
						 SLICE("application/sdp"), &p),
			0);
	cr_assert(is(p.body, "v=0"));
	cr_assert_eq(multipart_find(SLICE("text/plain"), SLICE("v=0"),
						 SLICE("application/sdp"), &p),
			-ENOENT);
	cr_assert_eq(
			multipart_find(SLICE(TYPE), SLICE(BODY), SLICE("message/cpim"), &p),
			-ENOENT);
}

Test(mime, parameters_respect_quotes)
{
	struct slice v;
	struct slice value =
			SLICE("a/b; Name=\"x; charset=no\"; charset = utf-8 ;flag");

	cr_assert(mime_param(value, SLICE("charset"), &v) && is(v, "utf-8"));
	cr_assert(mime_param(value, SLICE("name"), &v) && is(v, "x; charset=no"));
	cr_assert(!mime_param(value, SLICE("flag"), &v), "no value");
	cr_assert(!mime_param(value, SLICE("a/b"), &v));
	cr_assert(!mime_param(SLICE("a/b;x=\"open"), SLICE("x"), &v));
	cr_assert(is(mime_type(value), "a/b"));
	cr_assert(mime_type_is(
			SLICE("Message/CPIM; charset=x"), SLICE("message/cpim")));
}

/* RFC 4975 section 8.6: accept-types */
Test(mime, accept_lists_know_wildcards)
{
	cr_assert(mime_type_accepted(SLICE("*"), SLICE("a/b")));
	cr_assert(mime_type_accepted(
			SLICE("text/plain message/cpim"), SLICE("Message/CPIM;x=y")));
	cr_assert(mime_type_accepted(SLICE("image/*"), SLICE("image/jpeg")));
	cr_assert(!mime_type_accepted(SLICE("image/*"), SLICE("imagex/jpeg")));
	cr_assert(!mime_type_accepted(SLICE("text/plain"), SLICE("text/html")));
	cr_assert(!mime_type_accepted(SLICE(""), SLICE("text/html")));
}

static void parse(struct slice in)
{
	struct multipart it;
	struct multipart_part p;

	cr_assert_eq(multipart_init(&it, SLICE(TYPE), in), 0);
	for(int i = 0; multipart_next(&it, &p) == 1; i++) {
		cr_assert(i < 1000);
		cr_assert(p.body.n == 0
				|| (p.body.p >= in.p && p.body.p + p.body.n <= in.p + in.n));
	}
}

static void parse_type(struct slice in)
{
	struct multipart_part p;
	struct slice v;

	(void)!multipart_find(in, SLICE(BODY), SLICE("application/sdp"), &p);
	(void)mime_param(in, SLICE("boundary"), &v);
	(void)mime_type_accepted(in, SLICE("a/b"));
}

Test(multipart, damaged_bodies_do_no_harm)
{
	torn_everywhere(SLICE(BODY), parse);
	torn_mutations(SLICE(BODY), 20000, parse);
	torn_everywhere(SLICE(TYPE), parse_type);
	torn_mutations(SLICE(TYPE), 5000, parse_type);
}
