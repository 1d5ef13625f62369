/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reference-counted buffers of one worker thread with a small store of spare
 * read buffers. Called by connections (reading, writing) and by the legs that
 * borrow slices of what was read.
 */
#include "net/buf.h"

#include <stdlib.h>
#include <string.h>

void *xmalloc(size_t n)
{
	void *p = malloc(n);

	if(p == NULL)
		abort();
	return p;
}

void *xcalloc(size_t n)
{
	void *p = calloc(1, n);

	if(p == NULL)
		abort();
	return p;
}

char *xstrndup(const char *p, size_t n)
{
	char *s = xmalloc(n + 1);

	if(n > 0)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

void buf_pool_init(
		struct buf_pool *pool, uint64_t *bytes_gauge, uint64_t *kept_gauge)
{
	*pool = (struct buf_pool){.bytes = bytes_gauge, .kept = kept_gauge};
}

void buf_pool_destroy(struct buf_pool *pool)
{
	struct buf *b;

	while((b = pool->spare) != NULL) {
		pool->spare = b->next;
		stat_put(pool->bytes, *pool->bytes - b->cap);
		free(b);
	}
	pool->n_spare = 0;
}

struct buf *buf_new(struct buf_pool *pool, uint32_t cap)
{
	struct buf *b = xmalloc(sizeof(*b) + cap);

	*b = (struct buf){.refs = 1, .cap = cap, .pool = pool};
	stat_put(pool->bytes, *pool->bytes + cap);
	return b;
}

struct buf *buf_get(struct buf_pool *pool)
{
	struct buf *b = pool->spare;

	if(b == NULL)
		return buf_new(pool, BUF_BYTES);
	pool->spare = b->next;
	pool->n_spare--;
	b->refs = 1;
	b->used = 0;
	b->next = NULL;
	return b;
}

void buf_unref(struct buf **bp)
{
	struct buf *b = *bp;
	struct buf_pool *pool;

	*bp = NULL;
	if(b == NULL || --b->refs > 0)
		return;
	pool = b->pool;
	if(b->cap == BUF_BYTES && pool->n_spare < BUF_SPARE_MAX) {
		b->next = pool->spare;
		pool->spare = b;
		pool->n_spare++;
		return;
	}
	stat_put(pool->bytes, *pool->bytes - b->cap);
	free(b);
}
