/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of the store share: jobs and their memory, the thread, ports.
 * A job is owned by whoever holds it: the port that makes it, the queue, the
 * store thread, the port's list of answers.
 */
#ifndef STORE_STORE_PRIV_H
#define STORE_STORE_PRIV_H

#include <pthread.h>
#include <string.h>
#include <uv.h>

#include "store/store.h"
#include "store/store_point.h"
#include "store/store_sql.h"

#define STORE_BATCH_MAX 256          /* jobs of one commit */
#define STORE_CHUNK (256 * 1024)     /* bytes of a chunk row */
#define STORE_STEP_BYTES STORE_CHUNK /* of a large body in one commit */
#define STORE_TRIES 3                /* of a job that met a deadlock */

/* Where a body is: column `filed`. */
enum store_place
{
	STORE_IN_ROW,   /* one row of bodies */
	STORE_IN_FILE,  /* SQLite: a file */
	STORE_IN_CHUNKS /* PostgreSQL: rows of STORE_CHUNK bytes */
};

struct store_job;

/* More to do: the job goes on in a later transaction. */
#define STORE_MORE 1

struct store_op
{
	const char *name;
	bool writes; /* in a transaction with others */
	/* 0, STORE_MORE or a negative errno, with which nothing has changed. May
	 * run again from the start when the transaction failed. */
	int (*run)(struct store *s, struct store_job *j);
};

struct store_mem
{
	struct store_mem *next;
	size_t used, cap;
	_Alignas(16) char data[];
};

/* A user whose messages have changed: as text "+user", something may be due, or
 * "-user". In that form other nodes hear of it, too. */
struct store_change
{
	struct store_change *next;
	char text[];
};

struct store_job
{
	struct store_job *next;
	struct store_port *port; /* NULL: the store's own */
	const struct store_op *op;
	struct store_mem *mem;
	uv_work_t work; /* body of a put; reading of a file */

	/* parameters; strings in mem */
	struct store_put put;
	struct store_claim claim;
	struct store_settle settle;
	struct store_list list;
	const char *ref;
	enum store_order order;
	char new_ref[STORE_REF_LEN + 1];
	int fd; /* a copy of put.body.fd; -1 */
	uint64_t size;
	enum store_place place; /* of the body of a put */
	uint64_t at;            /* how far a job of several steps is committed */
	uint64_t reached;       /* how far when the step under way is committed */
	uint64_t more;  /* what that adds to size: messages flushed so far */
	uint64_t fence; /* of what a first, uncertain try has claimed */
	const char *claimed;
	bool again;  /* an earlier try may have been committed */
	bool listed; /* in store.pending */
	struct store_job *pending_next, **pending_at;

	/* reading */
	struct store_body *body;
	uint64_t offset;
	char *to;
	size_t n;

	/* answer */
	int rc;
	struct store_result res;
	store_done_cb *cb;
	store_body_cb *body_cb;
	store_read_cb *read_cb;
	void *arg;

	/* what the commit brings; cleared before each try */
	const char **unlink; /* refs whose files go; in mem */
	int n_unlink;
	struct store_change *changed; /* users to tell about; in mem */
	uint64_t *tally;              /* counter that goes up, by so many */
	int n_tally;
	int64_t d_messages, d_bytes;
};

struct store_port
{
	struct store *s;
	uv_async_t async;
	uv_mutex_t lock;
	struct store_job *done, *done_tail; /* under lock */
	int pending;                        /* jobs that have not come back */
	bool closing;
};

/* A body open for reading. */
struct store_body
{
	struct store_port *port;
	char ref[STORE_REF_LEN + 1];
	uint64_t size;
	int fd;     /* of its file; -1 */
	char *data; /* all of it; NULL */
};

struct store
{
	const struct store_conf *conf;
	struct store_events ev;
	struct store_db db; /* of the store thread once that runs */
	char node[256];
	int refs; /* atomic: owner, ports, event handle */
	pthread_t thread;
	bool running;
	int wake; /* eventfd */

	pthread_mutex_t lock; /* for what follows */
	struct store_job *queue, *queue_tail;
	int n_queue;
	bool stopping;
	struct store_job *pending; /* puts whose file may be without a row */
	char **users;              /* struct store_change.text, for the main loop */
	int n_users, cap_users;
	bool tell_available;

	bool available; /* atomic */
	int lock_fd;    /* of the file `lock` in dir */
	int dir_fd;     /* dir/bodies */
	uv_async_t async;
	struct store_stats stats;

	/* the store thread's own */
	bool recovered; /* leases of an earlier life are released */
	int backoff_ms;
	uint64_t retry_at, skew_at, totals_at; /* monotonic ms */
	int64_t skew, oldest_at;
	uint64_t messages, bytes; /* of all nodes */
	uint64_t free_at, free_bytes;
	bool broken; /* the database has to be opened again */
	bool names;  /* bodies has new names that are not synced */
	int64_t due_at, due_id;
	struct store_sweep *sweep;
};

#define tally(counter, n)                                                      \
	__atomic_add_fetch((counter), (uint64_t)(n), __ATOMIC_RELAXED)

/* ---- store_port.c ------------------------------------------------------ */

struct store_job *store_job_new(
		struct store_port *p, const struct store_op *op);
void store_job_free(struct store_job *j);
/* Zeroed, lives as long as the job. */
void *store_job_alloc(struct store_job *j, size_t n);
const char *store_job_str(struct store_job *j, const char *s); /* NULL: "" */
/* With the commit: the user's messages have changed; see struct store_change.
 */
void store_job_changed(struct store_job *j, const char *user, bool due);
/* Queue it; when that cannot be it is answered. */
void store_job_submit(struct store_job *j);
/* Hand it back to its port, from any thread. */
void store_job_answer(struct store_job *j, int rc);

/* ---- store.c ----------------------------------------------------------- */

void store_unref(struct store *s);
/* 0 or a negative errno; the job is the store's when 0. */
int store_enqueue(struct store *s, struct store_job *j);
/* A job of several steps goes to the end of the queue. */
void store_requeue(struct store *s, struct store_job *j);
uint64_t store_mono(void); /* ms */
/* For the main loop: text of a struct store_change. Takes lock. */
void store_tell(struct store *s, const char *change);

/* ---- store_batch.c ----------------------------------------------------- */

/* Run a list of jobs, commit, answer. */
void store_batch_run(struct store *s, struct store_job *first);

/* ---- store_open.c: on the store thread, and once before it runs -------- */

/* Open the database and make it fit for use. On success it is available. */
int store_connect(struct store *s);
/* It has failed, for the reason why (-errno): open it anew. When that fails,
 * and for as long as it lasts after -ETIMEDOUT, it is not available. */
void store_reconnect(struct store *s, int why);
/* Figures of the whole store, when it is time. */
void store_upkeep(struct store *s);

/* ---- store_put.c, store_claim.c, store_order.c, store_read.c ----------- */

extern const struct store_op store_op_put, store_op_claim, store_op_renew,
		store_op_settle, store_op_list, store_op_show, store_op_count,
		store_op_due, store_op_expired, store_op_expire, store_op_order,
		store_op_flush, store_op_users, store_op_body, store_op_chunk;

/* A message as it lies in its row. */
struct store_row
{
	struct store_message m;
	int64_t id;
	enum store_place place;
};

/* One text of the row under the cursor, copied into the job's memory. */
const char *store_row_text(struct store *s, struct store_job *j, int column);
/* The row under the cursor, copied into the job's memory. */
void store_row_read(struct store *s, struct store_job *j, struct store_row *row,
		bool envelope);
/* By its ref, for a change: 0, -ENOENT or an error. */
int store_row_lock(struct store *s, struct store_job *j, const char *ref,
		struct store_row *row);
/* Row and body go with this job's commit. taken: whoever pushed it goes on; if
 * not, others of the user may have waited for its time, and are told. */
int store_row_remove(struct store *s, struct store_job *j,
		const struct store_row *row, bool taken);
/* Fill in data, when the body is in a row. */
int store_row_body(struct store *s, struct store_job *j, struct store_row *row);
/* The answer is this one message. */
void store_answer_one(struct store_job *j, const struct store_message *m);

/* ---- store_state.c ----------------------------------------------------- */

/* Is the move legal? An illegal one is told to the log. */
bool store_state_may(
		const char *ref, enum store_state from, enum store_state to);

/* ---- store_body.c ------------------------------------------------------ */

int store_dir_open(struct store *s);
void store_dir_close(struct store *s);
/* Names in the folder survive a loss of power: 0 or a negative errno. */
int store_dir_sync(const char *path);
/* "d-", time, and what nobody can guess. */
void store_ref_make(char ref[STORE_REF_LEN + 1], int64_t now);
/* Thread pool: make the body of a put a file, synced, under its name; or read
 * a small one into memory. 0 or a negative errno. */
int store_body_prepare(struct store *s, struct store_job *j);
/* Remove the file of a body. */
void store_body_unlink(struct store *s, const char *ref);
int store_body_fd(struct store *s, const char *ref);
/* Names made so far survive a crash. */
int store_body_sync(struct store *s);
/* All n bytes at offset, or a negative errno. */
int store_pread(int fd, void *to, size_t n, uint64_t offset);
/* Would `size` more bytes leave min_free, and stay within max_bytes?
 * written: they are on the disk already. */
int store_space_check(struct store *s, uint64_t size, bool written);

/* ---- store_sweep.c ----------------------------------------------------- */

/* A little of the clean-up after an earlier life; false: done. */
bool store_sweep_step(struct store *s);
void store_sweep_end(struct store *s);

#endif
