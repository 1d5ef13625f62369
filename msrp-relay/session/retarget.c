/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A wrapper of a leg's own: one message to many, whose wrapper names the list's
 * address, reaches each recipient as if it were to him alone; a copy for the
 * sender's other clients says that he sent it. The message headers are written
 * anew for the delivery and sent in place of the content's first bytes; what
 * follows is the content that all share. Only where the message is kept.
 * Called by outbound.c.
 */
#include "session/session.h"

#include "cpim.h"

static int too_large(const struct delivery *d)
{
	const struct message *m = d->m;
	uint64_t max = d->leg->peer_max_bytes;
	uint64_t size = m->total_known && !m->complete ? m->total : m->received;

	return max && (int64_t)size + retarget_extra(d) > (int64_t)max ? 413 : 0;
}

int retarget_begin(struct delivery *d)
{
	const struct message *m = d->m;
	const struct leg *l = d->leg;
	const struct cpim_edit edit = {
			.to = slice_str(l->cpim_to), .add = slice_str(l->cpim_add)};
	struct cpim wrapper;
	size_t before;

	if((l->cpim_to == NULL && l->cpim_add == NULL) || d->begun || d->head)
		return 0;
	if(!m->wrapper_known)
		return 1;
	/* What is in no wrapper has no To; but it cannot say that it is a copy. */
	if(m->wrapper == NULL
			|| cpim_parse(slice_of(m->wrapper, m->wrapper_n), &wrapper) != 0)
		return l->cpim_add ? 415 : 0;
	before = (size_t)(wrapper.headers.p - m->wrapper);
	d->head = buf_new(&l->session->w->net.pool,
			(uint32_t)(before + cpim_edit_max(&wrapper, &edit)));
	memcpy(d->head->data, m->wrapper, before);
	d->head->used = (uint32_t)(before
			+ cpim_edit(&wrapper, &edit, d->head->data + before));
	d->head_for = before + wrapper.headers.n;
	return too_large(d);
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
