/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: HTTP requests to the relay's monitoring pages; a request
 * that is taken whole is not taken before its last byte is there.
 */
#include <stdlib.h>

#include "http/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request rq, again;
	long n = http_request_parse(slice_of(data, size), &rq);

	if(n <= 0)
		return 0;
	if((size_t)n > size || (size_t)n > HTTP_REQUEST_MAX || rq.path.n == 0
			|| http_request_parse(slice_of(data, (size_t)n - 1), &again) != 0)
		abort();
	return 0;
}
