/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reassembly bookkeeping: sorted, disjoint stretches of the bytes that have
 * arrived. Called by peer_session.c. RFC 4975 section 7.3.1.
 */
#include "peer_recv.h"

#include <errno.h>

void peer_recv_init(struct peer_recv *r)
{
	*r = (struct peer_recv){.total = PEER_ANY};
}

int peer_recv_add(struct peer_recv *r, uint64_t offset, uint64_t n)
{
	uint64_t from = offset, to = offset + n;
	int i = 0, j;

	if(to < from || (r->total != PEER_ANY && to > r->total))
		return -EFBIG;
	if(n == 0)
		return 0;
	while(i < r->n && r->have[i].to < from)
		i++;
	/* Stretches [i, j) touch the new one and are merged into it. */
	for(j = i; j < r->n && r->have[j].from <= to; j++) {
		if(r->have[j].from < from)
			from = r->have[j].from;
		if(r->have[j].to > to)
			to = r->have[j].to;
	}
	if(i == j && r->n == PEER_RECV_HOLES)
		return -ENOSPC;
	memmove(&r->have[i + 1], &r->have[j],
			(size_t)(r->n - j) * sizeof(r->have[0]));
	r->n += 1 - (j - i);
	r->have[i].from = from;
	r->have[i].to = to;
	return 0;
}

void peer_recv_chunk(
		struct peer_recv *r, uint64_t total, char flag, uint64_t end)
{
	if(total != PEER_ANY)
		r->total = total;
	if(flag != '$')
		return;
	r->last_seen = true;
	if(r->total == PEER_ANY)
		r->total = end;
}

bool peer_recv_complete(const struct peer_recv *r)
{
	return r->total != PEER_ANY && peer_recv_prefix(r) >= r->total
			&& (r->total > 0 || r->last_seen);
}

uint64_t peer_recv_prefix(const struct peer_recv *r)
{
	return r->n > 0 && r->have[0].from == 0 ? r->have[0].to : 0;
}
