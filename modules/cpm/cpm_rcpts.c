/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients in shared memory (cpm_rcpts.h).
 */
#include "cpm_rcpts.h"

#include <string.h>

#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"

/* Room for n recipients and that many bytes of text. */
static cpm_rcpts_t *make(size_t n, size_t bytes)
{
	size_t head = sizeof(cpm_rcpts_t) + n * sizeof(cpm_rcpt_t);
	cpm_rcpts_t *r = shm_malloc(head + bytes);

	if(r == NULL)
		return NULL;
	memset(r, 0, head);
	r->n = (uint32_t)n;
	r->size = (uint32_t)(head + bytes);
	return r;
}

static cpm_rcpt_text_t put(
		cpm_rcpts_t *r, uint32_t *at, const char *p, size_t n)
{
	cpm_rcpt_text_t t = {.at = *at, .n = (uint32_t)n};

	if(n > 0)
		memcpy((char *)&r->v[r->n] + *at, p, n);
	*at += t.n;
	return t;
}

cpm_rcpts_t *cpm_rcpts_new(const struct rlist *l)
{
	size_t bytes = 0;
	uint32_t at = 0;
	cpm_rcpts_t *r;

	for(size_t i = 0; i < l->n; i++)
		bytes += l->v[i].uri.uri.n;
	r = make(l->n, bytes);
	for(size_t i = 0; r && i < l->n; i++) {
		const struct rlist_entry *e = &l->v[i];

		r->v[i].uri = put(r, &at, e->uri.uri.p, e->uri.uri.n);
		r->v[i].kind = (uint8_t)e->uri.kind;
		r->v[i].copy = (uint8_t)e->copy;
	}
	return r;
}

static cpm_rcpt_text_t put_str(cpm_rcpts_t *r, uint32_t *at, str s)
{
	return put(r, at, s.s, s.len > 0 ? (size_t)s.len : 0);
}

static size_t bytes_of(const cpm_rcpt_in_t *in)
{
	const str v[] = {in->uri, in->headers, in->routes, in->next_hop};
	size_t n = 0;

	for(size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		n += v[i].len > 0 ? (size_t)v[i].len : 0;
	return n;
}

cpm_rcpts_t *cpm_rcpts_make(const cpm_rcpt_in_t *v, unsigned n)
{
	size_t bytes = 0;
	uint32_t at = 0;
	cpm_rcpts_t *r;

	for(unsigned i = 0; i < n; i++)
		bytes += bytes_of(&v[i]);
	r = make(n, bytes);
	for(unsigned i = 0; r && i < n; i++) {
		r->v[i].uri = put_str(r, &at, v[i].uri);
		r->v[i].headers = put_str(r, &at, v[i].headers);
		r->v[i].routes = put_str(r, &at, v[i].routes);
		r->v[i].next_hop = put_str(r, &at, v[i].next_hop);
		r->v[i].sock = v[i].sock;
		r->v[i].kind = RCPT_SIP;
	}
	return r;
}

void cpm_rcpts_free(cpm_rcpts_t **r)
{
	if(*r)
		shm_free(*r);
	*r = NULL;
}
