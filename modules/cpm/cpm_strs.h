/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fixed set of texts in one block of memory, made once and never changed:
 * to change one text, a new block takes the old one's place. Offsets instead
 * of pointers, so that a copy is one memcpy and may live in another kind of
 * memory. Sessions keep theirs in shared memory; what has to be used outside
 * the slot's lock is copied to private memory under it.
 */
#ifndef CPM_STRS_H
#define CPM_STRS_H

#include <stdint.h>

#include "../../core/str.h"

#define CPM_STRS_MAX 16          /* texts in one block */
#define CPM_STRS_BYTES_MAX 65536 /* bytes of one block */

typedef struct cpm_strs
{
	uint32_t size;  /* of the whole block */
	uint32_t n;     /* texts */
	uint32_t end[]; /* where each text ends in the bytes behind end[n] */
} cpm_strs_t;

/**
 * Make a block in shared memory.
 *
 * @param v the texts, copied; an empty one may have s == NULL
 * @param n how many, at most CPM_STRS_MAX
 *
 * @return the block for shm_free(); NULL: no memory, or over the maximum
 */
cpm_strs_t *cpm_strs_new(const str *v, unsigned n);

/* A copy in private memory for cpm_strs_drop(); NULL when b is or no memory. */
cpm_strs_t *cpm_strs_copy(const cpm_strs_t *b);

/* Free a copy in private memory; NULL is fine. */
void cpm_strs_drop(cpm_strs_t *copy);

/* Free a block in shared memory and clear the pointer; NULL is fine. */
void cpm_strs_free(cpm_strs_t **b);

/* Text i, borrowed from b; empty when b is NULL. */
str cpm_strs_get(const cpm_strs_t *b, unsigned i);

#endif
