/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients in shared memory (cpm_rcpts.h).
 */
#include "cpm_rcpts.h"

#include <string.h>

#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"

cpm_rcpts_t *cpm_rcpts_new(const struct rlist *l)
{
	size_t head = sizeof(cpm_rcpts_t) + l->n * sizeof(cpm_rcpt_t), bytes = 0;
	cpm_rcpts_t *r;
	char *text;

	for(size_t i = 0; i < l->n; i++)
		bytes += l->v[i].uri.uri.n;
	r = shm_malloc(head + bytes);
	if(r == NULL)
		return NULL;
	r->n = (uint32_t)l->n;
	r->size = (uint32_t)(head + bytes);
	text = (char *)&r->v[r->n];
	bytes = 0;
	for(size_t i = 0; i < l->n; i++) {
		const struct rlist_entry *e = &l->v[i];

		memcpy(text + bytes, e->uri.uri.p, e->uri.uri.n);
		r->v[i] = (cpm_rcpt_t){.at = (uint32_t)bytes,
				.len = (uint16_t)e->uri.uri.n,
				.kind = (uint8_t)e->uri.kind,
				.copy = (uint8_t)e->copy};
		bytes += e->uri.uri.n;
	}
	return r;
}

void cpm_rcpts_free(cpm_rcpts_t **r)
{
	if(*r)
		shm_free(*r);
	*r = NULL;
}
