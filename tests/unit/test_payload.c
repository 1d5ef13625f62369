/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Types of a CPIM payload, and what goes into the wrapper for them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "payload.h"

#define HEAD "From: <sip:a@x>\r\nTo: <sip:b@x>\r\n"
#define TWO                                                                    \
	"--b\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nhello\r\n"           \
	"--b\r\nContent-Type: image/jpeg\r\n\r\njpeg\r\n--b--\r\n"

static struct cpim parsed(const char *text)
{
	struct cpim c;

	cr_assert_eq(cpim_parse(slice_str(text), &c), 0, "%s", text);
	return c;
}

static const char *types(const char *text)
{
	static char buf[PAYLOAD_TEXT_MAX + 1];
	struct cpim c = parsed(text);
	int n = payload_types(&c, ", ", buf, PAYLOAD_TEXT_MAX);

	cr_assert_geq(n, 0, "%s: %d", text, n);
	buf[n] = '\0';
	return buf;
}

static const char *wrapped(const char *text)
{
	static char buf[PAYLOAD_TEXT_MAX + 1];
	struct cpim c = parsed(text);
	int n = payload_wrapped(&c, buf, PAYLOAD_TEXT_MAX);

	cr_assert_geq(n, 0, "%s: %d", text, n);
	buf[n] = '\0';
	return buf;
}

static int error(const char *text)
{
	char buf[PAYLOAD_TEXT_MAX];
	struct cpim c = parsed(text);

	return payload_types(&c, ", ", buf, sizeof(buf));
}

/* What the text becomes. */
static const char *with_lines(const char *text)
{
	static char out[8192];
	char buf[PAYLOAD_TEXT_MAX];
	struct cpim c = parsed(text);
	size_t at = 0;
	int n = payload_type_lines(slice_str(text), &c, &at, buf, sizeof(buf));

	cr_assert_geq(n, 0, "%s: %d", text, n);
	snprintf(out, sizeof(out), "%.*s%.*s%s", (int)at, text, n, buf, text + at);
	return out;
}

Test(payload, types_are_listed_in_the_order_of_the_text)
{
	cr_assert_str_eq(types(HEAD "\r\nContent-Type: image/png;name=a\r\n\r\nx"),
			"image/png");
	cr_assert_str_eq(types(HEAD "\r\n\r\nx"), "text/plain");
	cr_assert_str_eq(
			types(HEAD
					"\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" TWO),
			"text/plain, image/jpeg");
	cr_assert_str_eq(
			types(HEAD "\r\nContent-Type: "
					   "multipart/mixed;boundary=o\r\n\r\n--o\r\n"
					   "Content-Type: multipart/related;boundary=b\r\n\r\n" TWO
					   "\r\n--o\r\n\r\nno type\r\n--o--\r\n"),
			"text/plain, image/jpeg, text/plain");
}

Test(payload, wrapped_types_name_the_multipart_and_each_type_once)
{
	cr_assert_str_eq(wrapped(HEAD "\r\nContent-Type: TEXT/html;x=y\r\n\r\nx"),
			"TEXT/html");
	cr_assert_str_eq(
			wrapped(HEAD "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
						 "--b\r\nContent-Type: text/plain\r\n\r\n1\r\n"
						 "--b\r\nContent-Type: Text/Plain\r\n\r\n2\r\n--b--"),
			"multipart/mixed text/plain");
}

Test(payload, torn_and_odd_payloads_are_errors)
{
	char deep[4096] = HEAD "\r\n",
		 many[8192] =
				 HEAD "\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n";

	cr_assert_eq(error(HEAD "\r\nContent-Type: "
							"multipart/mixed;boundary=b\r\n\r\n--b\r\n"
							"\r\nx\r\n"),
			-EBADMSG);
	cr_assert_eq(error(HEAD "\r\nContent-Type: multipart/mixed\r\n\r\n" TWO),
			-EBADMSG);
	cr_assert_eq(error(HEAD "\r\nContent-Type: nothing\r\n\r\nx"), -EBADMSG);
	cr_assert_eq(error(HEAD "\r\nContent-Type: a/b/c\r\n\r\nx"), -EBADMSG);
	/* folded into the middle of a type: a line of its own in SDP */
	cr_assert_eq(error(HEAD "\r\nContent-Type: text/\r\n a=path:x\r\n\r\nx"),
			-EBADMSG);
	for(int i = 0; i < PAYLOAD_DEPTH_MAX + 1; i++) {
		size_t n = strlen(deep);

		snprintf(deep + n, sizeof(deep) - n,
				"Content-Type: multipart/mixed;boundary=b%d\r\n\r\n--b%d\r\n",
				i, i);
	}
	for(int i = PAYLOAD_DEPTH_MAX; i >= 0; i--) {
		size_t n = strlen(deep);

		snprintf(deep + n, sizeof(deep) - n, "\r\n--b%d--\r\n", i);
	}
	cr_assert_eq(error(deep), -E2BIG);
	for(int i = 0; i < PAYLOAD_PARTS_MAX + 1; i++) {
		size_t n = strlen(many);

		snprintf(many + n, sizeof(many) - n, "--b\r\n\r\nx\r\n");
	}
	memcpy(many + strlen(many), "--b--", 6);
	cr_assert_eq(error(many), -E2BIG);
}

/* OMA-TS-CPM_Conv_Fnct 8.2.1.1 8B.d.vi.2.i */
Test(payload, the_wrapper_of_a_multipart_gets_its_types)
{
	static const char *const mixed =
			"\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" TWO;
	char text[4096], want[4096];

	snprintf(text, sizeof(text), HEAD "%s", mixed);
	snprintf(want, sizeof(want),
			HEAD "NS: cpm <http://www.openmobilealliance.org/cpm/>\r\n"
				 "cpm.Payload-Type: text/plain, image/jpeg\r\n%s",
			mixed);
	cr_assert_str_eq(with_lines(text), want);
	/* and what comes out reads back, and needs nothing more */
	cr_assert(slice_eq(
			parsed(want).payload_type, SLICE("text/plain, image/jpeg")));
	cr_assert_str_eq(with_lines(want), want);
}

Test(payload, what_is_not_multipart_or_has_them_stays)
{
	static const char *const plain =
			HEAD "\r\nContent-Type: text/plain\r\n\r\nx";

	cr_assert_str_eq(with_lines(plain), plain);
}

Test(payload, a_declared_prefix_is_used_and_a_taken_one_avoided)
{
	static const char *const mixed =
			"\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" TWO;
	char text[4096];

	snprintf(text, sizeof(text),
			HEAD "NS: c <http://www.openmobilealliance.org/cpm>\r\n%s", mixed);
	cr_assert(strstr(with_lines(text),
			"\r\nc.Payload-Type: text/plain, image/jpeg\r\n\r\n"));
	snprintf(text, sizeof(text), HEAD "NS: cpm <urn:other>\r\n%s", mixed);
	cr_assert(strstr(with_lines(text),
			"\r\nNS: cpm1 <http://www.openmobilealliance.org/cpm/>\r\n"
			"cpm1.Payload-Type: text/plain, image/jpeg\r\n\r\n"));
	cr_assert(slice_eq(parsed(with_lines(text)).payload_type,
			SLICE("text/plain, image/jpeg")));
}

Test(payload, lines_end_as_the_wrapper_s_own)
{
	static const char *const lf =
			"From: <sip:a@x>\n\nContent-Type: "
			"multipart/mixed;boundary=b\n\n--b\n\nx\n--b--\n";

	cr_assert(strstr(with_lines(lf),
			"From: <sip:a@x>\nNS: cpm "
			"<http://www.openmobilealliance.org/cpm/>\n"
			"cpm.Payload-Type: text/plain\n\nContent-Type"));
}
