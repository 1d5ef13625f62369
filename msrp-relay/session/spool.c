/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pieces of one message in memory: a ring in the order of arrival, found
 * by their number or by offset. Called by message.c, which adds, and by
 * delivery.c, which reads; spool_io.c takes from here what goes to disk.
 */
#include "session/spool.h"

#include <stdlib.h>
#include <string.h>

/* Room of a buffer that gathers small pieces. */
#define FILL_BYTES (16 * 1024)

void spool_init(struct spool *sp, size_t memory)
{
	sp->ring = sp->few;
	sp->cap = SPOOL_FEW;
	sp->head = sp->count = 0;
	sp->first = sp->end = 0;
	sp->memory = memory;
	sp->fill = NULL;
	sp->file = NULL;
}

static struct piece *nth(const struct spool *sp, uint64_t number)
{
	uint32_t i = sp->head + (uint32_t)(number - sp->first);

	return &sp->ring[i & (sp->cap - 1)];
}

/* Pieces of one buffer lie behind each other: it is held by the last. */
static void drop_first(struct spool *sp)
{
	const struct buf *b = sp->ring[sp->head].b;

	if(spool_keeps(sp) && (sp->count == 1 || nth(sp, sp->first + 1)->b != b))
		spool_lets_go(b);
	buf_unref(&sp->ring[sp->head].b);
	sp->head = (sp->head + 1) & (sp->cap - 1);
	sp->first++;
	sp->count--;
}

void spool_free(struct spool *sp)
{
	while(sp->count > 0)
		drop_first(sp);
	buf_unref(&sp->fill);
	if(sp->ring != sp->few)
		free(sp->ring);
	sp->ring = sp->few;
	sp->cap = SPOOL_FEW;
	if(sp->file)
		spool_file_leave(sp);
}

static void grow(struct spool *sp)
{
	uint32_t cap = sp->cap * 2;
	struct piece *ring = xmalloc(cap * sizeof(*ring));

	for(uint32_t i = 0; i < sp->count; i++)
		ring[i] = *nth(sp, sp->first + i);
	if(sp->ring != sp->few)
		free(sp->ring);
	sp->ring = ring;
	sp->cap = cap;
	sp->head = 0;
}

/* Where the bytes are copied to; a reference for the piece. */
static struct buf *copied(
		struct spool *sp, struct buf_pool *pool, const char **p, size_t n)
{
	struct buf *b = sp->fill;
	uint32_t room = FILL_BYTES;

	if(b == NULL || b->cap - b->used < n) {
		buf_unref(&sp->fill);
		/* The only piece of a small message needs no more than itself. */
		if(sp->end == 0 || n > room)
			room = (uint32_t)n;
		b = sp->fill = buf_new(pool, room);
	}
	memcpy(b->data + b->used, *p, n);
	*p = b->data + b->used;
	b->used += (uint32_t)n;
	buf_ref(b);
	if(b->used == b->cap) {
		sp->fill = NULL;
		buf_unref(&(struct buf *){b});
	}
	return b;
}

bool spool_add(struct spool *sp, struct buf *b, const char *p, size_t n,
		bool copy, uint32_t users)
{
	struct piece *last =
			sp->count > 0 ? nth(sp, sp->first + sp->count - 1) : NULL;
	uint64_t at = sp->end;

	if(users == 0 && !spool_keeps(sp)) {
		sp->end += n;
		return false;
	}
	b = copy ? copied(sp, b->pool, &p, n) : buf_ref(b);
	sp->end += n;
	if(last && !last->chunk_end && !last->passed && last->b == b
			&& last->p + last->n == p && last->users == users) {
		last->n += (uint32_t)n;
		buf_unref(&b);
		return false;
	}
	if(spool_keeps(sp) && (last == NULL || last->b != b))
		spool_holds(b);
	if(sp->count == sp->cap)
		grow(sp);
	*nth(sp, sp->first + sp->count++) = (struct piece){
			.b = b, .p = p, .at = at, .n = (uint32_t)n, .users = users};
	return true;
}

void spool_chunk_end(struct spool *sp)
{
	if(sp->count > 0)
		nth(sp, sp->first + sp->count - 1)->chunk_end = true;
}

bool spool_is_old(const struct spool *sp, uint64_t at)
{
	return at < (sp->count > 0 ? sp->ring[sp->head].at : sp->end);
}

/* The piece with byte `at`, near the one that was looked at last. */
static struct piece *find(const struct spool *sp, uint64_t at, uint64_t *hint)
{
	uint64_t low = sp->first, high = sp->first + sp->count, k = *hint;
	struct piece *p;

	if(at >= sp->end || spool_is_old(sp, at))
		return NULL;
	if(k >= low && k < high) {
		p = nth(sp, k);
		if(at >= p->at && at - p->at < p->n)
			return p;
		if(k + 1 < high && at == p->at + p->n) {
			*hint = k + 1;
			return nth(sp, k + 1);
		}
	}
	while(high - low > 1) {
		k = low + (high - low) / 2;
		if(nth(sp, k)->at <= at)
			low = k;
		else
			high = k;
	}
	*hint = low;
	return nth(sp, low);
}

bool spool_view(struct spool *sp, struct spool_reader *r, uint64_t at,
		struct spool_view *out)
{
	const struct piece *p = find(sp, at, &r->hint);

	if(p) {
		size_t skip = (size_t)(at - p->at);
		*out = (struct spool_view){
				p->b, p->p + skip, p->n - skip, p->chunk_end, false};
		return true;
	}
	for(int i = 0; i < SPOOL_AHEAD; i++) {
		const struct spool_ahead *a = &r->ahead[i];
		if(a->b == NULL || at < a->at || at - a->at >= a->b->used)
			continue;
		*out = (struct spool_view){a->b, a->b->data + (at - a->at),
				a->b->used - (size_t)(at - a->at), false, true};
		return true;
	}
	return false;
}

uint64_t spool_weight(const struct spool *sp)
{
	if(sp->count == 0)
		return 0;
	return sp->end - sp->ring[sp->head].at
			+ (uint64_t)sp->count * SPOOL_PIECE_COST;
}

void spool_shed(struct spool *sp)
{
	if(!spool_keeps(sp)) {
		while(sp->count > 0 && sp->ring[sp->head].users == 0)
			drop_first(sp);
		if(sp->count == 0)
			buf_unref(&sp->fill);
		return;
	}
	while(spool_weight(sp) > sp->memory
			&& sp->ring[sp->head].at + sp->ring[sp->head].n
					<= spool_file_written(sp))
		drop_first(sp);
}

unsigned spool_pass(
		struct spool *sp, struct spool_reader *r, uint64_t from, uint64_t to)
{
	unsigned passed = 0;
	struct piece *p;

	for(int i = 0; i < SPOOL_AHEAD; i++)
		if(r->ahead[i].b && r->ahead[i].at + r->ahead[i].b->used <= to)
			buf_unref(&r->ahead[i].b);
	if(spool_keeps(sp))
		return 0;
	while(from < to && (p = find(sp, from, &r->hint)) != NULL
			&& p->at + p->n <= to) {
		from = p->at + p->n;
		p->passed = true;
		p->users--;
		passed++;
	}
	if(passed > 0)
		spool_shed(sp);
	return passed;
}

void spool_leave(struct spool *sp, struct spool_reader *r, uint64_t at)
{
	struct piece *p;

	if(r->waits)
		spool_file_forget(r);
	for(int i = 0; i < SPOOL_AHEAD; i++)
		buf_unref(&r->ahead[i].b);
	if(spool_keeps(sp)) {
		spool_file_trim(sp);
		return;
	}
	while((p = find(sp, at, &r->hint)) != NULL) {
		at = p->at + p->n;
		p->users--;
	}
	spool_shed(sp);
}

int spool_join(struct spool *sp, uint64_t *bytes, unsigned *pieces)
{
	*bytes = 0;
	*pieces = 0;
	if(spool_keeps(sp))
		return 0;
	if(sp->end > 0 && (sp->first > 0 || sp->count == 0))
		return -1;
	for(uint32_t i = 0; i < sp->count; i++)
		nth(sp, sp->first + i)->users++;
	*bytes = sp->end;
	*pieces = sp->count;
	return 0;
}
