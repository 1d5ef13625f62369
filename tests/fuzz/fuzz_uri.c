/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: MSRP paths, and what is printed is read back.
 */
#include <stdlib.h>

#include "msrp_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	struct msrp_uri a, b, again;
	char text[MSRP_URI_MAX + 64];
	int n;

	if(msrp_path_parse(in, &a, &b) < 1)
		return 0;
	if(!msrp_uri_eq(&a, &a) || msrp_uri_eq(&a, &b) != msrp_uri_eq(&b, &a))
		abort();
	n = msrp_uri_print(text, sizeof(text), a.secure, a.host, a.port, a.session);
	if(msrp_uri_parse(slice_of(text, (size_t)n), &again) != 0
			|| !slice_eq(again.session, a.session) || again.port != a.port)
		abort();
	return 0;
}
