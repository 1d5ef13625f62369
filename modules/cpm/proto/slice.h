/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A borrowed piece of text: pointer and length, never NUL-terminated, never
 * owned. Every parser of the project takes slices and hands out slices into
 * the caller's buffer. Used by the Kamailio module, the MSRP relay and the
 * tests; pure C, no allocation.
 */
#ifndef CPM_SLICE_H
#define CPM_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice
{
	const char *p; /* first byte; may be NULL when n is 0 */
	size_t n;      /* bytes */
};

/* A string literal as a slice; a compile-time constant. */
#define SLICE(lit) ((struct slice){(lit), sizeof(lit) - 1})

/* For printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct slice slice_of(const void *p, size_t n)
{
	return (struct slice){(const char *)p, n};
}

static inline struct slice slice_str(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Equal but for the case of ASCII letters (header names, tokens). */
static inline bool slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n
			&& (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_istarts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n
			&& (prefix.n == 0 || strncasecmp(s.p, prefix.p, prefix.n) == 0);
}

/* What follows the first n bytes; empty when there is nothing. */
static inline struct slice slice_skip(struct slice s, size_t n)
{
	if(n > s.n)
		n = s.n;
	return (struct slice){s.p ? s.p + n : NULL, s.n - n};
}

/* Without blanks, tabs, CR and LF at both ends. */
static inline struct slice slice_trim(struct slice s)
{
	while(s.n > 0 && strchr(" \t\r\n", s.p[0]) && s.p[0] != '\0') {
		s.p++;
		s.n--;
	}
	while(s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1] != '\0')
		s.n--;
	return s;
}

/**
 * Take what stands before the first `sep`; *rest becomes what follows it.
 *
 * @param s    text to cut; borrowed
 * @param sep  the separator
 * @param rest what follows the separator, empty with p == NULL when there is
 *             no separator; may be NULL
 *
 * @return the part before the separator, or the whole of s
 */
static inline struct slice slice_cut(
		struct slice s, char sep, struct slice *rest)
{
	const char *q = s.n ? memchr(s.p, sep, s.n) : NULL;

	if(rest)
		*rest = q ? slice_of(q + 1, s.n - (size_t)(q + 1 - s.p))
				  : slice_of(NULL, 0);
	return q ? slice_of(s.p, (size_t)(q - s.p)) : s;
}

/**
 * Read an unsigned decimal number that is the whole slice.
 *
 * @param s    digits only
 * @param max  largest value that is accepted
 * @param out  filled on success only
 *
 * @return true when s is a number not over max
 */
static inline bool slice_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if(s.n == 0)
		return false;
	for(size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)((unsigned char)s.p[i] - '0');
		if(d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if(v > max)
		return false;
	*out = v;
	return true;
}

#endif
