/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message that no peer sends: its bytes come over the control socket, piece
 * by piece, each named by its offset so that a repetition does no harm
 * (content.put of docs/control-protocol.md). To its legs it is a message like
 * any other.
 */
#include "session/session.h"

/* Chunks of a message that no sender has cut, bytes: what handsets do. */
#define CONTENT_CHUNK 10240

void content_begin(struct session *s, const struct relay_content *c)
{
	struct msrp_head h = {.message_id = slice_str(c->message_id),
			.content_type = slice_str(c->type),
			.failure_report = SLICE("no")};
	struct message *m;

	s->content = true;
	s->in = leg_source(s);
	m = message_new(s->in, &h);
	m->chunk_n = CONTENT_CHUNK;
	m->total = c->bytes;
	m->total_known = true;
	if(c->ref)
		stored_begin(s, c);
}

bool content_same(const struct session *s, const struct relay_content *c)
{
	const struct message *m = s->content ? s->in->messages_list : NULL;

	if(c == NULL || m == NULL)
		return c == NULL && m == NULL;
	if((c->ref != NULL) != (s->claim != NULL)
			|| (c->ref
					&& (strcmp(c->ref, s->claim->ref) != 0
							|| c->fence != s->claim->fence
							|| c->lease_ms != s->claim->lease_ms)))
		return false;
	return m->total == c->bytes && strcmp(m->id, c->message_id) == 0
			&& strcmp(m->content_type, c->type) == 0;
}

int content_put(struct session *s, const struct relay_put *put, bool *full)
{
	struct message *m = s->content ? s->in->messages_list : NULL;
	uint64_t end = put->offset + put->n;
	struct buf *b;

	if(s->content && s->in->failed_status != 0)
		return RELAY_LIMIT; /* it could not be kept */
	if(m == NULL || s->closing || m->aborted || s->stored)
		return RELAY_STATE;
	if(end > m->total || put->last != (end == m->total)
			|| (put->offset != m->received && end > m->received))
		return RELAY_OFFSET;
	session_activity(s);
	/* A repetition: the answer was lost. */
	if(m->complete || (put->offset != m->received && end <= m->received))
		return RELAY_OK;
	if(put->n > 0) {
		b = buf_new(&s->w->net.pool, (uint32_t)put->n);
		memcpy(b->data, put->data, put->n);
		b->used = (uint32_t)put->n;
		message_append(m, b, b->data, put->n);
		buf_unref(&b);
	}
	if(m->aborted) {
		message_settle(m);
		return RELAY_LIMIT;
	}
	if(put->last)
		message_complete(m);
	*full = message_full(m);
	message_settle(m);
	return RELAY_OK;
}
