/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A CPIM To of a leg's own: one message to many, whose wrapper names the list's
 * address, reaches each recipient as if it were to him alone. The message
 * headers are written anew for the delivery and sent in place of the content's
 * first bytes; what follows is the content that all share. Only for content
 * from the control socket, whose size towards each peer the module announces.
 * Called by outbound.c.
 */
#include "session/session.h"

#include "cpim.h"

void retarget_begin(struct delivery *d)
{
	const struct message *m = d->m;
	struct slice uri = slice_str(d->leg->cpim_to);
	struct cpim wrapper;
	size_t before;

	if(d->leg->cpim_to == NULL || d->begun || d->head || m->wrapper == NULL
			|| cpim_parse_head(slice_of(m->wrapper, m->wrapper_n), &wrapper)
					!= 0)
		return;
	before = (size_t)(wrapper.headers.p - m->wrapper);
	d->head = buf_new(&d->leg->session->w->net.pool,
			(uint32_t)(before + cpim_retarget_size(&wrapper, uri)));
	memcpy(d->head->data, m->wrapper, before);
	d->head->used = (uint32_t)(before
			+ cpim_retarget(&wrapper, uri, d->head->data + before));
	d->head_for = before + wrapper.headers.n;
}

bool retarget_pending(const struct delivery *d)
{
	return d->head && d->head_sent < d->head->used;
}

uint64_t retarget_sent(const struct delivery *d)
{
	if(d->head == NULL)
		return d->sent;
	return retarget_pending(d) ? d->head_sent
							   : d->sent - d->head_for + d->head->used;
}

int64_t retarget_extra(const struct delivery *d)
{
	return d->head ? (int64_t)d->head->used - (int64_t)d->head_for : 0;
}

void retarget_write(struct delivery *d, struct conn *c, size_t n)
{
	conn_write(c, d->head, d->head->data + d->head_sent, n);
	d->head_sent += n;
	if(!retarget_pending(d))
		delivery_sent(d, d->head_for);
}
