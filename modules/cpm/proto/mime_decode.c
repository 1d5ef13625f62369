/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Content-Transfer-Encoding of a part (RFC 2045 section 6). SIP bodies are
 * binary and need none; some clients' list parts have one all the same.
 */
#include "mime.h"

#include <errno.h>
#include <limits.h>

bool mime_is_identity(struct slice encoding)
{
	return encoding.n == 0 || slice_ieq(encoding, SLICE("7bit"))
			|| slice_ieq(encoding, SLICE("8bit"))
			|| slice_ieq(encoding, SLICE("binary"));
}

static int base64_digit(char c)
{
	if(c >= 'A' && c <= 'Z')
		return c - 'A';
	if(c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if(c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int decode_base64(struct slice in, char *out, size_t size)
{
	unsigned bits = 0, n_bits = 0, digits = 0, pad = 0;
	size_t n = 0;

	for(size_t i = 0; i < in.n; i++) {
		int d = base64_digit(in.p[i]);

		if(blank(in.p[i]))
			continue;
		if(in.p[i] == '=') {
			pad++;
			continue;
		}
		if(d < 0 || pad > 0)
			return -EBADMSG;
		digits++;
		bits = (bits << 6 | (unsigned)d) & 0xffffff;
		n_bits += 6;
		if(n_bits < 8)
			continue;
		n_bits -= 8;
		if(n == size)
			return -E2BIG;
		out[n++] = (char)(bits >> n_bits & 0xff);
	}
	return digits % 4 == 1 || pad > 2 ? -EBADMSG : (int)n;
}

static int hex_digit(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_quoted(struct slice in, char *out, size_t size)
{
	size_t n = 0;

	for(size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if(c == '=') {
			struct slice rest = slice_skip(in, i + 1), line;
			size_t j = 0;

			/* a soft line break, blanks before its end allowed */
			while(j < rest.n && (rest.p[j] == ' ' || rest.p[j] == '\t'))
				j++;
			line = slice_skip(rest, j);
			if(line.n == 0 || line.p[0] == '\n'
					|| slice_starts(line, SLICE("\r\n"))) {
				i += j + (line.n == 0 ? 0 : line.p[0] == '\n' ? 1 : 2);
				continue;
			}
			if(rest.n < 2 || hex_digit(rest.p[0]) < 0
					|| hex_digit(rest.p[1]) < 0)
				return -EBADMSG;
			c = (char)(hex_digit(rest.p[0]) * 16 + hex_digit(rest.p[1]));
			i += 2;
		}
		if(n == size)
			return -E2BIG;
		out[n++] = c;
	}
	return (int)n;
}

int mime_decode(struct slice encoding, struct slice in, char *out, size_t size)
{
	if(in.n > INT_MAX)
		return -E2BIG;
	if(slice_ieq(encoding, SLICE("base64")))
		return decode_base64(in, out, size);
	if(slice_ieq(encoding, SLICE("quoted-printable")))
		return decode_quoted(in, out, size);
	if(!mime_is_identity(encoding))
		return -ENOTSUP;
	if(in.n > size)
		return -E2BIG;
	if(in.n > 0)
		memcpy(out, in.p, in.n);
	return (int)in.n;
}
