/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Base64 of the control protocol: RFC 4648 section 10, and what is refused.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base64.h"

static const struct
{
	const char *plain, *coded;
} rfc[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
		{"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

Test(base64, rfc_examples_both_ways)
{
	char to[32];
	size_t n;

	for(size_t i = 0; i < sizeof(rfc) / sizeof(rfc[0]); i++) {
		n = base64_encode(to, rfc[i].plain, strlen(rfc[i].plain));
		cr_expect_eq(n, strlen(rfc[i].coded));
		cr_expect_eq(n, BASE64_LEN(strlen(rfc[i].plain)));
		cr_expect_str_eq(to, rfc[i].coded);
		cr_expect_eq(base64_decode(to, rfc[i].coded, n, &n), 0);
		cr_expect_eq(n, strlen(rfc[i].plain));
		cr_expect_arr_eq(to, rfc[i].plain, n);
	}
}

Test(base64, every_byte_survives)
{
	unsigned char all[256], back[256];
	char text[BASE64_LEN(256) + 1];
	size_t n;

	for(int i = 0; i < 256; i++)
		all[i] = (unsigned char)(255 - i);
	for(size_t k = 0; k <= 256; k++) {
		size_t len = base64_encode(text, all, k);

		cr_assert_eq(base64_decode((char *)back, text, len, &n), 0);
		cr_assert_eq(n, k);
		cr_assert_arr_eq(back, all, k);
	}
}

Test(base64, what_is_no_base64_is_refused)
{
	static const char *const bad[] = {"Z", "Zg",
			"Zg=", "Zg==Zg==", "Z===", "====", "=", "Zh==", "Zm9=", "Zm 9",
			"Zm9\n", "Zm9v\r\n\r\n", "Zm-_", "Z=g=", "Zm\xc3\xa4"};
	char to[32];
	size_t n = 77;

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(base64_decode(to, bad[i], strlen(bad[i]), &n), -EBADMSG,
				"%s", bad[i]);
	cr_expect_eq(n, 77, "outputs are written on success only");
}
