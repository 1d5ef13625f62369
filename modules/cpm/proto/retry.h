/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Tables of pauses between attempts, "60 300 900 3600": read from the
 * configuration, and walked. No allocation.
 */
#ifndef CPM_RETRY_H
#define CPM_RETRY_H

#include <stdint.h>

#include "slice.h"

#define RETRY_MAX 16       /* entries of a table */
#define RETRY_MAX_S 604800 /* seconds of one, and the longest pause */

struct retry_table
{
	unsigned n;
	uint32_t ms[RETRY_MAX];
};

/**
 * Read 1 to RETRY_MAX numbers of seconds, 1 to RETRY_MAX_S each, with blanks
 * between them.
 *
 * @param out filled on success only
 *
 * @return 0 or -EBADMSG
 */
int retry_parse(struct slice text, struct retry_table *out);

/**
 * The pause before an attempt, a quarter more or less, so that all who failed
 * together do not come back together.
 *
 * @param attempt failures so far, from 1; behind the last entry that one goes
 *                on for ever
 * @param random  any number
 *
 * @return milliseconds, at most RETRY_MAX_S * 1000
 */
uint32_t retry_ms(
		const struct retry_table *t, unsigned attempt, uint32_t random);

#endif
