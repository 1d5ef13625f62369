/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: base64 of content.put; what is taken has one spelling.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *plain = malloc(size / 4 * 3 + 1), *again = malloc(size + 8);
	size_t n = 0;

	if(plain && again && base64_decode(plain, (const char *)data, size, &n) == 0
			&& (base64_encode(again, plain, n) != size
					|| memcmp(again, data, size) != 0))
		abort();
	free(plain);
	free(again);
	return 0;
}
