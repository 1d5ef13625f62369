/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The recipients of one message: each once, in the order of the list, in one
 * block of shared memory that is never changed. Made by cpm_exploder_check();
 * kept by whoever sends one request for each of them.
 */
#ifndef CPM_RCPTS_H
#define CPM_RCPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/str.h"
#include "proto/rlist.h"

typedef struct cpm_rcpt
{
	uint32_t at;  /* of the URI in the text behind v[] */
	uint16_t len; /* bytes */
	uint8_t kind; /* enum rcpt_kind */
	uint8_t copy; /* enum rlist_copy */
} cpm_rcpt_t;

typedef struct cpm_rcpts
{
	uint32_t n;
	uint32_t size;  /* of the block */
	cpm_rcpt_t v[]; /* n; the URIs follow */
} cpm_rcpts_t;

/* Copy a list to shared memory; NULL without memory. */
cpm_rcpts_t *cpm_rcpts_new(const struct rlist *l);

/* Free and clear the pointer; NULL is fine. */
void cpm_rcpts_free(cpm_rcpts_t **r);

/* The i-th URI, as it becomes a Request-URI; borrowed. */
static inline str cpm_rcpts_uri(const cpm_rcpts_t *r, unsigned i)
{
	return (str){(char *)&r->v[r->n] + r->v[i].at, r->v[i].len};
}

/* Is its scheme neither sip(s) nor tel: only the ISF reaches it (OP-12). */
static inline bool cpm_rcpts_is_legacy(const cpm_rcpts_t *r, unsigned i)
{
	return r->v[i].kind == RCPT_OTHER;
}

#endif
