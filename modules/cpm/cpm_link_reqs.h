/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands on their way to the relay, as the link process keeps them: found by
 * id when an answer comes, taken by deadline when none does, and kept in the
 * order of their arrival, in which they are sent, and sent again after a
 * reconnection. Pure C, no I/O, nothing of Kamailio; the caller owns the
 * requests and embeds cpm_link_req_t in them.
 */
#ifndef CPM_LINK_REQS_H
#define CPM_LINK_REQS_H

#include <stdint.h>

/* One request; fields other than the first two belong to the table. */
typedef struct cpm_req
{
	uint64_t id;         /* unique in the table; set before adding */
	int64_t deadline_ms; /* on the caller's clock; set before adding */
	uint32_t heap_i;
	uint8_t sent;
	struct cpm_req *prev, *next;
	struct cpm_req *hash_next;
} cpm_link_req_t;

typedef struct cpm_reqs
{
	uint32_t max, n; /* requests at most, and now */
	uint32_t mask;   /* buckets - 1 */
	cpm_link_req_t **buckets;
	cpm_link_req_t **heap; /* by deadline, earliest first */
	cpm_link_req_t *first, *last;
	cpm_link_req_t *unsent; /* first of those not yet sent */
} cpm_reqs_t;

/* An empty table for at most max requests: 0 or -ENOMEM. */
int cpm_reqs_init(cpm_reqs_t *t, uint32_t max);

/* Release the table, not the requests. Safe to call twice. */
void cpm_reqs_free(cpm_reqs_t *t);

/* Add as the last, unsent: 0; -ENOSPC full; -EEXIST the id is taken. */
int cpm_reqs_add(cpm_reqs_t *t, cpm_link_req_t *r);

/* The request with this id, or NULL. */
cpm_link_req_t *cpm_reqs_find(const cpm_reqs_t *t, uint64_t id);

/* Take a request of the table out of it. */
void cpm_reqs_remove(cpm_reqs_t *t, cpm_link_req_t *r);

/* The request with the earliest deadline, or NULL. */
cpm_link_req_t *cpm_reqs_earliest(const cpm_reqs_t *t);

/* The first request has been sent; t->unsent moves on. */
void cpm_reqs_mark_sent(cpm_reqs_t *t);

/* All requests are unsent again; the number of those that were sent. */
uint32_t cpm_reqs_rewind(cpm_reqs_t *t);

/**
 * How long to wait before reconnection number `attempt` (from 0): doubling
 * from min_ms to max_ms, and of that between half and all, so that several
 * servers do not come back in step.
 *
 * @param random any 32 random bits
 * @return milliseconds, min_ms / 2 to max_ms
 */
int cpm_backoff_ms(unsigned attempt, int min_ms, int max_ms, uint32_t random);

#endif
