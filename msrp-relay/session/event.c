/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events on their way from a worker to the main thread: copied with their texts
 * into notes, which wait for the end of the round. Called by all of session/.
 */
#include "session/session.h"

#include "session/job.h"

static const char *note_str(char **at, const char *s, size_t n)
{
	char *to = *at;

	memcpy(to, s, n);
	to[n] = '\0';
	*at += n + 1;
	return to;
}

/* Room for one more note behind those that wait for the end of the round. */
static struct note *note_new(struct worker *w, size_t n)
{
	struct notes *all = NULL;
	struct note *note;

	n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if(w->out_tail && w->out_tail->kind == JOB_EVENTS)
		all = (struct notes *)w->out_tail;
	if(all == NULL || all->used + n > NOTES_BYTES) {
		all = xmalloc(sizeof(*all));
		all->item.kind = JOB_EVENTS;
		all->used = 0;
		worker_post(w, &all->item);
	}
	note = (struct note *)(all->data + all->used);
	note->size = n;
	all->used += n;
	return note;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static const char *note_text(char **at, const char *s)
{
	return s ? note_str(at, s, strlen(s)) : NULL;
}

void worker_event(struct worker *w, const struct relay_event *ev)
{
	size_t n = sizeof(struct note) + text_size(ev->session)
			+ text_size(ev->owner) + text_size(ev->leg)
			+ text_size(ev->message_id) + text_size(ev->ref);
	struct note *note = note_new(w, n);
	char *at = note->text;

	note->event = *ev;
	note->event.session = note_text(&at, ev->session);
	note->event.owner = note_text(&at, ev->owner);
	note->event.leg = note_text(&at, ev->leg);
	note->event.message_id = note_text(&at, ev->message_id);
	note->event.ref = note_text(&at, ev->ref);
}

void session_event(struct session *s, enum relay_event_type type,
		struct leg *leg, const char *message_id, uint64_t bytes, int status,
		const char *error)
{
	worker_event(s->w,
			&(struct relay_event){.type = type,
					.session = s->name,
					.owner = s->owner,
					.leg = leg ? leg->name : NULL,
					.message_id = message_id,
					.bytes = bytes,
					.status = status,
					.error = error});
}
