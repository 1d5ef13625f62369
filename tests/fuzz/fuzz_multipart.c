/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: multipart bodies: the first line is the Content-Type, the
 * rest the body.
 */
#include <stdlib.h>

#include "multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	struct slice type, body;
	struct multipart it;
	struct multipart_part p;
	size_t bytes = 0;

	type = slice_trim(slice_cut(in, 0x0a, &body));
	(void)!multipart_find(type, body, SLICE("application/sdp"), &p);
	if(multipart_init(&it, type, body) != 0)
		return 0;
	while(multipart_next(&it, &p) == 1) {
		bytes += p.headers.n + p.body.n;
		if(bytes > size)
			abort();
	}
	return 0;
}
