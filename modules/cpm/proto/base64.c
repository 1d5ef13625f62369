/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Base64 for the control protocol's content.put (docs/control-protocol.md):
 * the module encodes, msrp-relay decodes. RFC 4648 section 4.
 */
#include "base64.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *to, const void *from, size_t n)
{
	const unsigned char *p = from;
	char *at = to;

	for(; n > 2; n -= 3, p += 3) {
		*at++ = alphabet[p[0] >> 2];
		*at++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*at++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*at++ = alphabet[p[2] & 63];
	}
	if(n > 0) {
		unsigned second = n > 1 ? p[1] : 0;

		*at++ = alphabet[p[0] >> 2];
		*at++ = alphabet[(p[0] & 3) << 4 | second >> 4];
		*at++ = n > 1 ? alphabet[(second & 15) << 2] : '=';
		*at++ = '=';
	}
	*at = '\0';
	return (size_t)(at - to);
}

/* 0 to 63, or 64 for what is none. */
static unsigned value(char c)
{
	if(c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if(c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if(c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int base64_decode(char *to, const char *from, size_t n, size_t *out)
{
	size_t pad, len;
	char *at = to;

	if(n % 4 != 0)
		return -EBADMSG;
	pad = n == 0 || from[n - 1] != '=' ? 0 : from[n - 2] != '=' ? 1 : 2;
	len = n / 4 * 3 - pad;
	for(size_t i = 0; i < n; i += 4) {
		size_t chars = i + 4 == n ? 4 - pad : 4;
		uint32_t bits = 0;

		for(size_t k = 0; k < 4; k++) {
			unsigned v = k < chars ? value(from[i + k]) : 0;

			if(v > 63)
				return -EBADMSG;
			bits = bits << 6 | v;
		}
		/* Bits behind the last byte are zero, so that there is one spelling. */
		if((chars == 3 && (bits & 0xff) != 0)
				|| (chars == 2 && (bits & 0xffff) != 0))
			return -EBADMSG;
		*at++ = (char)(bits >> 16);
		if(chars > 2)
			*at++ = (char)(bits >> 8);
		if(chars > 3)
			*at++ = (char)bits;
	}
	*out = len;
	return 0;
}
