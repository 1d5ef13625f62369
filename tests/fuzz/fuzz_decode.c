/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: encoded parts and recipients' URIs. Decoding never makes
 * longer, and what is a URI stays the same when it is read again.
 */
#include <stdlib.h>

#include "mime.h"
#include "rcpt_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void uri_again(struct slice in)
{
	static char a[RCPT_URI_ROOM(RCPT_URI_MAX)], b[RCPT_URI_ROOM(RCPT_URI_MAX)];
	struct rcpt_uri u, v;

	if(rcpt_uri_parse(in, a, sizeof(a), &u) < 0)
		return;
	if(rcpt_uri_parse(u.uri, b, sizeof(b), &v) < 0 || !slice_eq(u.uri, v.uri)
			|| !slice_eq(u.key, v.key))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	char *out = malloc(size + 1);

	if(mime_decode(SLICE("base64"), in, out, size) > (int)size
			|| mime_decode(SLICE("quoted-printable"), in, out, size)
					> (int)size)
		abort();
	uri_again(in);
	free(out);
	return 0;
}
