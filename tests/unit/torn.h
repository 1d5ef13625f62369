/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Torn and damaged input for parsers: each call gets a copy of exactly its
 * size, so that a sanitizer sees a read beyond its end.
 */
#ifndef TESTS_TORN_H
#define TESTS_TORN_H

#include <stdlib.h>

#include "slice.h"

typedef void torn_parse(struct slice in);

static inline void torn_feed(struct slice in, torn_parse *parse)
{
	char *copy = malloc(in.n ? in.n : 1);

	if(copy == NULL)
		abort();
	if(in.n)
		memcpy(copy, in.p, in.n);
	parse(slice_of(copy, in.n));
	free(copy);
}

/* Every prefix and every suffix of the text. */
static inline void torn_everywhere(struct slice text, torn_parse *parse)
{
	for(size_t n = 0; n <= text.n; n++) {
		torn_feed(slice_of(text.p, n), parse);
		torn_feed(slice_skip(text, n), parse);
	}
}

/* Bytes changed, removed, doubled at random; the same in every run. */
static inline void torn_mutations(
		struct slice text, int rounds, torn_parse *parse)
{
	static const char odd[] = "\0\r\n :;,=<>\"'-/.%*09aZ\xff\x80\t";
	uint64_t x = 0x9e3779b97f4a7c15u;
	char *copy = malloc(text.n * 2 + 8);

	if(copy == NULL)
		abort();
	while(rounds-- > 0) {
		size_t n = text.n;

		memcpy(copy, text.p, n);
		for(int k = 0; k < 4 && n > 1; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			size_t at = (size_t)(x >> 20) % n, len = (x >> 8) % 16;

			if(at + len > n)
				len = n - at;
			switch(x & 7) {
				case 0: /* remove */
					memmove(copy + at, copy + at + len, n - at - len);
					n -= len;
					break;
				case 1: /* double */
					if(n + len <= text.n * 2) {
						memmove(copy + at + len, copy + at, n - at);
						n += len;
					}
					break;
				default:
					copy[at] = odd[(x >> 40) % (sizeof(odd) - 1)];
			}
		}
		torn_feed(slice_of(copy, n), parse);
	}
	free(copy);
}

#endif
