/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Table of commands on their way to the relay (cpm_link_reqs.h): chained hash
 * by id, binary heap by deadline, doubly linked list by arrival. All memory is
 * taken once; no operation allocates.
 */
#include "cpm_link_reqs.h"

#include <errno.h>
#include <stdlib.h>

int cpm_reqs_init(cpm_reqs_t *t, uint32_t max)
{
	uint32_t buckets = 16;

	while(buckets < max && buckets < 1U << 20)
		buckets *= 2;
	*t = (cpm_reqs_t){.max = max, .mask = buckets - 1};
	t->buckets = calloc(buckets, sizeof(cpm_link_req_t *));
	t->heap = calloc(max ? max : 1, sizeof(cpm_link_req_t *));
	if(t->buckets != NULL && t->heap != NULL)
		return 0;
	cpm_reqs_free(t);
	return -ENOMEM;
}

void cpm_reqs_free(cpm_reqs_t *t)
{
	free(t->buckets);
	free(t->heap);
	*t = (cpm_reqs_t){0};
}

/* ---- heap --------------------------------------------------------------- */

static void heap_set(cpm_reqs_t *t, uint32_t i, cpm_link_req_t *r)
{
	t->heap[i] = r;
	r->heap_i = i;
}

static void heap_up(cpm_reqs_t *t, uint32_t i, cpm_link_req_t *r)
{
	while(i > 0 && t->heap[(i - 1) / 2]->deadline_ms > r->deadline_ms) {
		heap_set(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(t, i, r);
}

static void heap_down(cpm_reqs_t *t, uint32_t i, cpm_link_req_t *r)
{
	for(;;) {
		uint32_t child = 2 * i + 1;

		if(child >= t->n)
			break;
		if(child + 1 < t->n
				&& t->heap[child + 1]->deadline_ms
						< t->heap[child]->deadline_ms)
			child++;
		if(t->heap[child]->deadline_ms >= r->deadline_ms)
			break;
		heap_set(t, i, t->heap[child]);
		i = child;
	}
	heap_set(t, i, r);
}

/* ---- the table ----------------------------------------------------------- */

static cpm_link_req_t **bucket_of(const cpm_reqs_t *t, uint64_t id)
{
	return &t->buckets[(uint32_t)id & t->mask];
}

int cpm_reqs_add(cpm_reqs_t *t, cpm_link_req_t *r)
{
	cpm_link_req_t **b = bucket_of(t, r->id);

	if(t->n >= t->max)
		return -ENOSPC;
	if(cpm_reqs_find(t, r->id) != NULL)
		return -EEXIST;
	r->sent = 0;
	r->hash_next = *b;
	*b = r;
	r->prev = t->last;
	r->next = NULL;
	*(t->last ? &t->last->next : &t->first) = r;
	t->last = r;
	if(t->unsent == NULL)
		t->unsent = r;
	t->n++;
	heap_up(t, t->n - 1, r);
	return 0;
}

cpm_link_req_t *cpm_reqs_find(const cpm_reqs_t *t, uint64_t id)
{
	cpm_link_req_t *r = *bucket_of(t, id);

	while(r != NULL && r->id != id)
		r = r->hash_next;
	return r;
}

void cpm_reqs_remove(cpm_reqs_t *t, cpm_link_req_t *r)
{
	cpm_link_req_t **b = bucket_of(t, r->id);
	cpm_link_req_t *moved;
	uint32_t i = r->heap_i;

	while(*b != r)
		b = &(*b)->hash_next;
	*b = r->hash_next;

	if(t->unsent == r)
		t->unsent = r->next;
	*(r->prev ? &r->prev->next : &t->first) = r->next;
	*(r->next ? &r->next->prev : &t->last) = r->prev;

	moved = t->heap[--t->n];
	if(moved != r) {
		if(i > 0 && t->heap[(i - 1) / 2]->deadline_ms > moved->deadline_ms)
			heap_up(t, i, moved);
		else
			heap_down(t, i, moved);
	}
	r->prev = r->next = r->hash_next = NULL;
}

cpm_link_req_t *cpm_reqs_earliest(const cpm_reqs_t *t)
{
	return t->n > 0 ? t->heap[0] : NULL;
}

void cpm_reqs_mark_sent(cpm_reqs_t *t)
{
	if(t->unsent == NULL)
		return;
	t->unsent->sent = 1;
	t->unsent = t->unsent->next;
}

uint32_t cpm_reqs_rewind(cpm_reqs_t *t)
{
	uint32_t n = 0;

	for(cpm_link_req_t *r = t->first; r != t->unsent; r = r->next) {
		r->sent = 0;
		n++;
	}
	t->unsent = t->first;
	return n;
}

int cpm_backoff_ms(unsigned attempt, int min_ms, int max_ms, uint32_t random)
{
	int64_t ms = min_ms;

	while(attempt-- > 0 && ms < max_ms)
		ms *= 2;
	if(ms > max_ms)
		ms = max_ms;
	return (int)(ms - (int64_t)(random % (uint32_t)(ms / 2 + 1)));
}
