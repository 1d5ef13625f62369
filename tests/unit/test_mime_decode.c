/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Content-Transfer-Encoding of parts: RFC 2045 section 6.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "mime.h"

static char out[256];

static int decode(const char *encoding, const char *text, size_t size)
{
	memset(out, 0, sizeof(out));
	return mime_decode(slice_str(encoding), slice_str(text), out, size);
}

Test(mime_decode, base64_is_undone)
{
	cr_assert_eq(decode("base64", "aGVsbG8=", 255), 5);
	cr_assert_str_eq(out, "hello");
	cr_assert_eq(decode("BASE64", " aGVs\r\nbG8h\r\n", 255), 6);
	cr_assert_str_eq(out, "hello!");
	cr_assert_eq(decode("base64", "aGk", 255), 2, "padding left out");
	cr_assert_eq(decode("base64", "", 255), 0);
}

Test(mime_decode, broken_base64_is_refused)
{
	cr_assert_eq(decode("base64", "a", 255), -EBADMSG);
	cr_assert_eq(decode("base64", "aG*s", 255), -EBADMSG);
	cr_assert_eq(decode("base64", "aG==bG8=", 255), -EBADMSG);
	cr_assert_eq(decode("base64", "aGk===", 255), -EBADMSG);
}

Test(mime_decode, quoted_printable_is_undone)
{
	cr_assert_eq(decode("quoted-printable", "a=3Db=\r\nc= \nd", 255), 5);
	cr_assert_str_eq(out, "a=bcd");
	cr_assert_eq(decode("quoted-printable", "x=", 255), 1, "at the end");
	cr_assert_eq(decode("quoted-printable", "=4", 255), -EBADMSG);
	cr_assert_eq(decode("quoted-printable", "=zz", 255), -EBADMSG);
}

Test(mime_decode, other_encodings)
{
	cr_assert(mime_is_identity(slice_of(NULL, 0)));
	cr_assert(mime_is_identity(SLICE("Binary")));
	cr_assert(!mime_is_identity(SLICE("base64")));
	cr_assert_eq(decode("8bit", "as it is", 255), 8);
	cr_assert_str_eq(out, "as it is");
	cr_assert_eq(decode("gzip", "x", 255), -ENOTSUP);
}

Test(mime_decode, room_has_an_end)
{
	cr_assert_eq(decode("base64", "aGVsbG8=", 4), -E2BIG);
	cr_assert_eq(decode("quoted-printable", "hello", 4), -E2BIG);
	cr_assert_eq(decode("binary", "hello", 4), -E2BIG);
}
