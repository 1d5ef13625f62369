/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What travels between the main thread and the workers: a command with copies
 * of its parameters, which returns as its own answer, and events. A job is
 * owned by whoever holds it; its strings live in its arena.
 */
#ifndef SESSION_JOB_H
#define SESSION_JOB_H

#include <stddef.h>

#include "session/relay.h"
#include "session/worker.h"

struct session;
struct leg;

enum job_kind
{
	JOB_CREATE,
	JOB_LEG_ADD,
	JOB_PUT,
	JOB_DEFER,
	JOB_LEG_START,
	JOB_LEG_CLOSE,
	JOB_CLOSE,
	JOB_SHOW,
	JOB_LIST,
	JOB_STOP,   /* end the thread */
	JOB_EVENTS, /* to the main thread: an event */
	JOB_ENDED   /* to the main thread: a session is gone */
};

/* What a queue carries: first member of a job and of a note. */
struct item
{
	struct item *next;
	enum job_kind kind;
};

/* An event on its way to the main thread; its strings stand behind it. */
struct note
{
	size_t size; /* of all of it; the next one follows */
	struct relay_event event;
	char text[];
};

#define NOTES_BYTES 4096 /* more than any single note */

/* Events of one round, in the order in which they happened. */
struct notes
{
	struct item item; /* JOB_EVENTS */
	size_t used;
	_Alignas(max_align_t) char data[NOTES_BYTES];
};

struct job_block
{
	struct job_block *next;
	size_t used, cap;
	char data[];
};

struct listing; /* relay.c: a page that is being put together */

struct job
{
	struct item item;
	struct job *next; /* of the commands that wait for a session's end */
	struct job_block *mem;

	/* parameters */
	const char *session, *leg;
	struct relay_session_params create;
	struct relay_leg_params add;
	struct relay_peer peer;
	struct relay_put put;
	struct relay_defer defer;
	bool abort;
	const char **names; /* of a listing */
	int n_names, *places;
	struct listing *listing;

	/* answer */
	int rc;
	struct relay_session_info *infos;
	int n_infos;
	relay_done_cb *cb;
	void *arg;
};

struct job *job_new(enum job_kind kind);
void item_free(struct item *i);
void job_free(struct job *j);

/* Zeroed memory that lives as long as the job; never NULL. */
void *job_alloc(struct job *j, size_t n);
/* NULL stays NULL. */
const char *job_str(struct job *j, const char *s);

void job_copy_peer(
		struct job *j, struct relay_peer *to, const struct relay_peer *from);
void job_copy_leg(struct job *j, struct relay_leg_params *to,
		const struct relay_leg_params *from);

/* Into j->create. */
void job_copy_content(struct job *j, const struct relay_content *from);

/* Describe a session, or one leg of it, in the job's memory. */
void job_describe(struct job *j, struct relay_session_info *to,
		const struct session *s, const struct leg *only);

/* cb runs on the loop's thread when jobs have been put into the queue. */
int job_queue_init(struct job_queue *q, uv_loop_t *loop, uv_async_cb cb);
/* A list of items, first to last. */
void job_queue_put(struct job_queue *q, struct item *first, struct item *last);
/* All that is queued, first come first; NULL = empty. */
struct item *job_queue_take(struct job_queue *q);

/* session.c: do a command in its worker. True: the job is to go back now. */
bool session_command(struct worker *w, struct job *j);

/* relay.c: hand a list of items to the main thread. */
void relay_post(struct relay *r, struct item *first, struct item *last);

/* worker.c: hand an item to the main thread at the end of this round. */
void worker_post(struct worker *w, struct item *i);

#endif
