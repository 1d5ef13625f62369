/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: session descriptions, and what is written is read back the
 * same.
 */
#include <stdlib.h>

#include "sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	static char text[2 * SDP_MAX];
	struct sdp s, again;
	int n;

	if(sdp_parse(in, &s) != SDP_OK)
		return 0;
	n = sdp_print(text, sizeof(text), &s, in);
	if(n < 0 || (size_t)n >= sizeof(text))
		abort();
	if(sdp_parse(slice_of(text, (size_t)n), &again) != SDP_OK
			|| !slice_eq(again.path, s.path) || again.port != s.port
			|| again.setup != s.setup || again.dir != s.dir
			|| again.file_size != s.file_size || again.cema != s.cema)
		abort();
	return 0;
}
