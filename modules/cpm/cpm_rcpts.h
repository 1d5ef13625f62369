/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The recipients of one message, in order, in one block of shared memory that
 * is never changed: the addresses of a list, each once, made by
 * cpm_exploder_check(); or the chosen clients of one user, each with what only
 * his request carries. Kept by whoever sends one request for each of them.
 */
#ifndef CPM_RCPTS_H
#define CPM_RCPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/ip_addr.h"
#include "../../core/str.h"
#include "proto/rlist.h"

/* A text in the bytes behind v[]. */
typedef struct cpm_rcpt_text
{
	uint32_t at;
	uint32_t n;
} cpm_rcpt_text_t;

typedef struct cpm_rcpt
{
	cpm_rcpt_text_t uri;      /* Request-URI */
	cpm_rcpt_text_t headers;  /* further complete lines; mostly none */
	cpm_rcpt_text_t routes;   /* route set of his own, one header value */
	cpm_rcpt_text_t next_hop; /* where to send without one, a URI */
	struct socket_info *sock; /* to send from; NULL: that of the request */
	uint8_t kind;             /* enum rcpt_kind */
	uint8_t copy;             /* enum rlist_copy */
} cpm_rcpt_t;

typedef struct cpm_rcpts
{
	uint32_t n;
	uint32_t size;  /* of the block */
	cpm_rcpt_t v[]; /* n; the texts follow */
} cpm_rcpts_t;

/* One recipient as cpm_rcpts_make() is told; empty texts: none. */
typedef struct cpm_rcpt_in
{
	str uri, headers, routes, next_hop;
	struct socket_info *sock;
} cpm_rcpt_in_t;

/* Copy a list to shared memory; NULL without memory. */
cpm_rcpts_t *cpm_rcpts_new(const struct rlist *l);

/**
 * The same of addresses that each come with something of their own.
 *
 * @param v SIP or TEL URIs and the rest, all copied
 * @param n how many, 1 and up
 *
 * @return the block for cpm_rcpts_free(); NULL without memory
 */
cpm_rcpts_t *cpm_rcpts_make(const cpm_rcpt_in_t *v, unsigned n);

/* Free and clear the pointer; NULL is fine. */
void cpm_rcpts_free(cpm_rcpts_t **r);

/* A text of it; borrowed. */
static inline str cpm_rcpts_text(const cpm_rcpts_t *r, cpm_rcpt_text_t t)
{
	return (str){(char *)&r->v[r->n] + t.at, (int)t.n};
}

/* The i-th URI, as it becomes a Request-URI; borrowed, as are those below. */
static inline str cpm_rcpts_uri(const cpm_rcpts_t *r, unsigned i)
{
	return cpm_rcpts_text(r, r->v[i].uri);
}

static inline str cpm_rcpts_headers(const cpm_rcpts_t *r, unsigned i)
{
	return cpm_rcpts_text(r, r->v[i].headers);
}

static inline str cpm_rcpts_routes(const cpm_rcpts_t *r, unsigned i)
{
	return cpm_rcpts_text(r, r->v[i].routes);
}

static inline str cpm_rcpts_next_hop(const cpm_rcpts_t *r, unsigned i)
{
	return cpm_rcpts_text(r, r->v[i].next_hop);
}

/* Is its scheme neither sip(s) nor tel: only the ISF reaches it (OP-12). */
static inline bool cpm_rcpts_is_legacy(const cpm_rcpts_t *r, unsigned i)
{
	return r->v[i].kind == RCPT_OTHER;
}

#endif
