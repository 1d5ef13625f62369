/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: lists of addresses. An address that was taken is taken
 * again from what can be written of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice list = slice_of(data, size), v;
	struct addr a, again;
	size_t left = size + 1;

	while(addr_next(&list, &a) == 1) {
		char text[1024];
		struct slice copy;
		int n;

		if(list.n >= left)
			abort(); /* it must come to an end */
		left = list.n;
		(void)addr_param(a.params, SLICE("tag"), &v);
		n = snprintf(text, sizeof(text), "<%.*s>", SLICE_ARG(a.uri));
		if(n < 0 || n >= (int)sizeof(text))
			continue;
		copy = slice_of(text, (size_t)n);
		if(addr_next(&copy, &again) != 1 || !slice_eq(again.uri, a.uri))
			abort();
	}
	return 0;
}
