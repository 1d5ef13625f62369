/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: types of a payload; a wrapper that got them reads back
 * with the same payload.
 */
#include <stdlib.h>

#include "payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	char buf[PAYLOAD_TEXT_MAX], *out;
	struct cpim c, again;
	size_t at = 0;
	int n;

	if(cpim_parse(in, &c) != 0)
		return 0;
	(void)!payload_types(&c, ", ", buf, sizeof(buf));
	(void)!payload_wrapped(&c, buf, sizeof(buf));
	n = payload_type_lines(in, &c, &at, buf, sizeof(buf));
	if(n <= 0)
		return 0;
	if(at > size)
		abort();
	out = malloc(size + (size_t)n);
	if(out == NULL)
		return 0;
	memcpy(out, data, at);
	memcpy(out + at, buf, (size_t)n);
	memcpy(out + at + n, data + at, size - at);
	if(cpim_parse(slice_of(out, size + (size_t)n), &again) == 0
			&& (!slice_eq(again.body, c.body) || again.payload_type.n == 0))
		abort();
	free(out);
	return 0;
}
