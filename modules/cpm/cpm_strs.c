/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocks of texts (cpm_strs.h): one allocation for a set of strings of a
 * dialog, an SDP or a reply, relocatable by memcpy.
 */
#include "cpm_strs.h"

#include <string.h>

#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"

cpm_strs_t *cpm_strs_new(const str *v, unsigned n)
{
	size_t bytes = 0, head = sizeof(cpm_strs_t) + n * sizeof(uint32_t);
	cpm_strs_t *b;
	char *text;

	if(n > CPM_STRS_MAX)
		return NULL;
	for(unsigned i = 0; i < n; i++)
		bytes += (size_t)v[i].len;
	if(head + bytes > CPM_STRS_BYTES_MAX)
		return NULL;
	b = shm_malloc(head + bytes);
	if(b == NULL)
		return NULL;
	b->size = (uint32_t)(head + bytes);
	b->n = n;
	text = (char *)b + head;
	bytes = 0;
	for(unsigned i = 0; i < n; i++) {
		if(v[i].len > 0)
			memcpy(text + bytes, v[i].s, (size_t)v[i].len);
		bytes += (size_t)v[i].len;
		b->end[i] = (uint32_t)bytes;
	}
	return b;
}

cpm_strs_t *cpm_strs_copy(const cpm_strs_t *b)
{
	cpm_strs_t *c = b ? pkg_malloc(b->size) : NULL;

	if(c)
		memcpy(c, b, b->size);
	return c;
}

void cpm_strs_drop(cpm_strs_t *copy)
{
	if(copy)
		pkg_free(copy);
}

void cpm_strs_free(cpm_strs_t **b)
{
	if(*b)
		shm_free(*b);
	*b = NULL;
}

str cpm_strs_get(const cpm_strs_t *b, unsigned i)
{
	uint32_t from;
	str v = {NULL, 0};

	if(b == NULL || i >= b->n)
		return v;
	from = i ? b->end[i - 1] : 0;
	v.len = (int)(b->end[i] - from);
	if(v.len > 0)
		v.s = (char *)&b->end[b->n] + from;
	return v;
}
