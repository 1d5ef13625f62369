/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: recipient lists. What is accepted holds no byte that has
 * no place in a header, and no recipient twice.
 */
#include <stdlib.h>

#include "rlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice self = SLICE("sip:exploder@x");
	struct rlist l;

	rlist_init();
	if(rlist_parse(slice_of(data, size), &self, 1, &l) != RLIST_OK)
		return 0;
	for(size_t i = 0; i < l.n; i++) {
		struct slice u = l.v[i].uri.uri;

		if(u.n < 3)
			abort();
		for(size_t j = 0; j < u.n; j++)
			if((unsigned char)u.p[j] <= ' ' || (unsigned char)u.p[j] > 126
					|| u.p[j] == '<' || u.p[j] == '>' || u.p[j] == '"')
				abort();
		if(i > 0 && slice_eq(l.v[i].uri.key, l.v[i - 1].uri.key))
			abort();
	}
	rlist_free(&l);
	return 0;
}
