/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reference-counted byte buffers. What a connection reads stays where it was
 * read until the last leg has written it. Buffers belong to one worker thread;
 * the count is not atomic.
 */
#ifndef NET_BUF_H
#define NET_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/stats.h"

/* Bytes of a read buffer: more than the largest frame that is taken as a
 * whole (MSRP_WHOLE_MAX and its head), and one read of a fast sender. */
#define BUF_BYTES (128 * 1024)

/* Read buffers a worker keeps when nobody uses them. */
#define BUF_SPARE_MAX 4

/* A slice that is to wait and is smaller than this part of its buffer is
 * copied, so that little data never holds much memory. */
#define BUF_COPY_PART 4

struct buf
{
	uint32_t refs;
	uint32_t cap;  /* bytes of data[] */
	uint32_t used; /* bytes of data[] that are filled */
	bool shared;   /* by several legs: not to be copied, however little of it */
	struct buf_pool *pool;
	struct buf *next; /* in the pool */
	char data[];
};

struct buf_pool
{
	struct buf *spare;
	unsigned n_spare;
	uint64_t *bytes; /* gauge: bytes of all buffers */
	uint64_t *kept;  /* gauge: of them, those that kept messages hold */
};

void buf_pool_init(
		struct buf_pool *pool, uint64_t *bytes_gauge, uint64_t *kept_gauge);
void buf_pool_destroy(struct buf_pool *pool);

/* A read buffer of BUF_BYTES with one reference; never NULL (aborts). */
struct buf *buf_get(struct buf_pool *pool);

/* A buffer of exactly cap bytes with one reference; never NULL (aborts). */
struct buf *buf_new(struct buf_pool *pool, uint32_t cap);

static inline struct buf *buf_ref(struct buf *b)
{
	b->refs++;
	return b;
}

/* Drop one reference; *b becomes NULL. NULL is allowed. */
void buf_unref(struct buf **b);

/* malloc and calloc of small fixed structures: abort when there is no memory */
void *xmalloc(size_t n);
void *xcalloc(size_t n);
char *xstrndup(const char *p, size_t n);

#endif
