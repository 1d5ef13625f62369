/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random numbers that are the same for the same seed: a failure can be had
 * again. splitmix64.
 */
#ifndef CRASH_RNG_H
#define CRASH_RNG_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t rng_next(uint64_t *r)
{
	uint64_t z = (*r += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to n - 1. */
static inline uint64_t rng_below(uint64_t *r, uint64_t n)
{
	return rng_next(r) % n;
}

static inline bool rng_chance(uint64_t *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

#endif
