/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: CPIM wrappers; a head once known does not change with more
 * text.
 */
#include <stdlib.h>

#include "cpim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	struct cpim whole, head;
	struct cpim_hdr h;
	struct slice rest;

	if(cpim_parse(in, &whole) != 0)
		return 0;
	rest = whole.headers;
	while(cpim_next(&whole, &rest, &h))
		if(h.raw.n == 0)
			abort();
	for(size_t n = 0; n < size && n < 512; n++)
		if(cpim_parse_head(slice_of(in.p, n), &head) == 0
				&& head.body_offset != whole.body_offset)
			abort();
	cpim_uri(whole.from);
	return 0;
}
