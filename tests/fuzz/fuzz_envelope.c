/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer harness: an envelope from a store has no text that would become
 * another header, and what is read is written and read again the same.
 */
#include <stdlib.h>

#include "envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char buf[ENVELOPE_MAX], again[ENVELOPE_MAX];
	json_t *o = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL), *b;
	struct envelope e, f;

	if(o == NULL)
		return 0;
	if(envelope_read(o, buf, sizeof(buf), &e) == 0) {
		for(size_t i = 0; i < e.from.n; i++)
			if(e.from.p[i] == '\n' || e.from.p[i] == '\r')
				abort();
		b = envelope_json(&e);
		if(b
				&& (envelope_read(b, again, sizeof(again), &f) < 0
						|| !slice_eq(e.from, f.from)
						|| !slice_eq(e.headers, f.headers)))
			abort();
		json_decref(b);
	}
	json_decref(o);
	return 0;
}
