/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store of deferred messages. Jobs are submitted from any loop and run on
 * one store thread, which takes all that wait, commits them together and then
 * answers each on the loop it came from. An answer with rc 0 is a promise: what
 * it says is on stable storage. Two backends behind the same functions: SQLite
 * (one node) and PostgreSQL (several). docs/deferral-store.md is for operators.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#define STORE_REF_LEN 34                 /* "d-" and 32 hex digits */
#define STORE_ENVELOPE_MAX (16 * 1024)   /* bytes */
#define STORE_TEXT_MAX 1024              /* bytes of any other text */
#define STORE_MEMORY_MAX (1024 * 1024)   /* bytes of a body in memory */
#define STORE_USERS_MAX 64               /* users of one claim or count */
#define STORE_ROWS_MAX 1000              /* rows of one answer */
#define STORE_READ_MAX (1024 * 1024)     /* bytes of one read */
#define STORE_QUEUE_MAX 20000            /* jobs that wait */
#define STORE_LEASE_MAX_MS (3600 * 1000) /* of one claim or renewal */

struct store;
struct store_port;
struct store_body;

enum store_backend
{
	STORE_NONE,
	STORE_SQLITE,
	STORE_PGSQL
};

/* Filled by conf/, borrowed for the life of the store. */
struct store_conf
{
	int backend;           /* enum store_backend */
	const char *dir;       /* SQLite: database and bodies */
	const char *url;       /* PostgreSQL: connection string or URI */
	const char *node;      /* PostgreSQL: our name; NULL = host name */
	uint64_t inline_bytes; /* larger bodies are files or chunk rows */
	int user_messages;     /* quota of a user; 0 = none */
	uint64_t user_bytes;   /* likewise */
	uint64_t max_bytes;    /* of all bodies; 0 = no limit */
	uint64_t min_free;     /* bytes that stay free on the disk of dir */
	int lifetime_s;        /* of a message that names none */
	int lifetime_max_s;    /* no message lives longer */
	int statement_ms;      /* PostgreSQL: longest statement */
};

/* Life of a deferred message; store_state.c holds the legal moves. */
enum store_state
{
	STORE_STORED,     /* on stable storage, nobody works on it */
	STORE_DELIVERING, /* leased to one node until lease_until */
	STORE_HELD,       /* by an operator: neither delivered nor expired */
	STORE_EXPIRING,   /* leased to one node that tells the sender */
	STORE_DELIVERED,  /* a client has all of it; final: the row is gone */
	STORE_EXPIRED,    /* final */
	STORE_FAILED,     /* refused for good, and the sender told; final */
	STORE_DELETED,    /* by an operator; final */
	STORE_N_STATES
};

enum store_kind
{
	STORE_PAGER,
	STORE_LARGE
};

/* Times are ms since the epoch by the store's clock (PostgreSQL: that of the
 * server, the same for all nodes). */
#define STORE_NEVER INT64_C(-1)

/* A stored message without its body. Texts are never NULL unless it says so. */
struct store_message
{
	const char *ref;
	const char *user, *sender;
	const char *key;        /* idempotency */
	const char *envelope;   /* JSON of the module, opaque */
	const char *type;       /* Content-Type */
	const char *message_id; /* MSRP; "" for pager */
	const char *imdn_id;    /* "" when it has none */
	const char *cpim_from, *cpim_to, *cpim_date, *subject; /* "" = none */
	const char *node; /* that works on it; "" = nobody */
	enum store_kind kind;
	enum store_state state;
	bool imdn_negative; /* negative-delivery was asked for */
	uint64_t size;      /* of the body */
	int64_t received_at, expires_at;
	int64_t next_at;     /* STORE_NEVER: waits for a registration */
	int64_t lease_until; /* 0: no lease */
	uint64_t fence;      /* of the latest claim; 0: never claimed */
	int attempts;        /* claims that did not deliver */
	int permanent;       /* of them, refused for good */
	int last_code;       /* SIP or MSRP status of the last one; 0 = none */
	bool in_row; /* the body is `data`: only in answers to claim and show */
	const void *data;
};

/* Errors of jobs, as negative errno:
 *  -EDQUOT    the user's quota (messages or bytes)
 *  -ENOSPC    max_bytes, min_free, or the disk is full
 *  -EIO       the disk or the database failed; nothing has changed
 *  -ENOTCONN  no store, or it cannot be reached now
 *  -EAGAIN    too many jobs wait
 *  -ESTALE    the fence is not the message's, or the state does not allow it
 *  -ENOENT    no message has this ref
 *  -EMSGSIZE  a text or the body is longer than the store takes
 *  -ECANCELED the store was closed first */
const char *store_strerror(int rc);

/* What a job brought; valid until the callback returns. */
struct store_result
{
	int n; /* of messages */
	const struct store_message *messages;
	bool duplicate; /* put: was there already; messages[0] is that one */
	enum store_state state; /* after settle, hold, release, requeue, delete */
	uint64_t count, bytes;  /* count: messages of the users and their bodies;
							 * claim: count of those that are left;
							 * flush: count of those that were touched */
	bool busy; /* claim that got nothing: one of theirs is being delivered,
				* or another node looks for one at this moment */
	int64_t next_at; /* claim that got nothing: when one is due, or when busy
					  * may be over; STORE_NEVER: not known */
};

/* Runs on the loop of the port, never before the call has returned. */
typedef void store_done_cb(
		void *arg, int rc, const struct store_result *result);

/* Told on the main loop. */
struct store_events
{
	/* This user's messages have changed, by this node or (PostgreSQL) by
	 * another. `due`: were stored, put back to wait, released,
	 * requeued or flushed; else there are fewer of them, or one is held. */
	void (*changed)(void *arg, const char *user, bool due);
	/* The store can be used again, or not any more. */
	void (*available)(void *arg, bool yes);
	void *arg;
};

/**
 * Open the store: make or migrate the schema, release what an earlier life of
 * this node had claimed, start the thread. Returns when the store can be used.
 * PostgreSQL that cannot be reached is no error: jobs get -ENOTCONN until it
 * can.
 *
 * @param loop the main loop
 * @param ev   copied; may be NULL
 * @return 0; -EBUSY another daemon has it; -EPROTONOSUPPORT the schema is of a
 *         newer version; -EINVAL, -EACCES, -EIO, ... (the log says what)
 */
int store_open(uv_loop_t *loop, const struct store_conf *conf,
		const struct store_events *ev, struct store **out)
		__attribute__((warn_unused_result));

/* Run what waits, stop the thread, free. Ports must be closed. *s becomes
 * NULL. */
void store_close(struct store **s);

/* Can jobs succeed at the moment? Any thread. */
bool store_is_available(const struct store *s);

/* The clock by which the times of messages are meant, ms since the epoch: ours,
 * or that of the server. Any thread. */
int64_t store_now(const struct store *s);

/* One for each loop that submits jobs. Every call with a port is made on its
 * loop's thread. */
int store_port_open(struct store *s, uv_loop_t *loop, struct store_port **out);
/* Jobs that have not answered will not call back any more; they are done all
 * the same. Frees itself on the loop. *p becomes NULL. */
void store_port_close(struct store_port **p);

/* ---- putting ----------------------------------------------------------- */

/* A body: the first fd_bytes of a file, then n parts of memory. */
struct store_source
{
	int fd; /* -1: memory only. Duplicated; nobody may change the first
			 * fd_bytes of it any more, and the store may write the parts
			 * behind them (the file becomes the stored body, when dir is on
			 * the same file system and the file may be linked) */
	uint64_t fd_bytes;
	const struct iovec *parts; /* copied; STORE_MEMORY_MAX in all */
	int n_parts;
};

struct store_put
{
	const char *user, *sender, *envelope, *type;
	const char *key; /* NULL: every put is another message */
	const char *message_id, *imdn_id, *cpim_from, *cpim_to, *cpim_date,
			*subject; /* NULL = "" */
	enum store_kind kind;
	bool imdn_negative;
	int64_t lifetime_ms; /* 0 = configuration, which caps it too */
	int64_t next_ms;     /* first try after so long; STORE_NEVER: waits for a
						  * registration */
	int64_t lease_ms;    /* > 0: born delivering, and this long ours */
	struct store_source body;
};

/**
 * Store a message. The answer, rc 0, comes after the commit: from then on the
 * sender may be told so. messages[0] has ref, state, expires_at and, when it
 * was born delivering, the fence. A put of the same user with the same key, or
 * with the same sender and imdn_id, finds the first one: `duplicate`.
 */
void store_put(struct store_port *p, const struct store_put *m,
		store_done_cb *cb, void *arg);

/* ---- delivering -------------------------------------------------------- */

/* Of which kind a claimed message may be that is not due. */
enum store_only
{
	STORE_BOTH_KINDS,
	STORE_ONLY_PAGER,
	STORE_ONLY_LARGE
};

struct store_claim
{
	const char *const *users; /* any of them; or */
	int n_users;
	const char *ref;      /* this one; NULL */
	const char *after;    /* users: those behind this one alone; NULL all */
	int64_t lease_ms;     /* ours for so long */
	bool any;             /* users: whether due or not; with `after`: also what
						   * waits for its user, not for its next attempt */
	bool waiting;         /* users: also what waits for a registration, unless
						   * another one of the user's waits for its next attempt */
	enum store_only only; /* users: his clients take no other kind */
};

/**
 * Claim a message: the oldest that is due of these users, unless one of theirs
 * is under a live lease. A claim by ref takes it whether due or not; when its
 * lifetime is over its state becomes STORE_EXPIRING; with users too it must be
 * of one of them, else -ENOENT. n is 0 when there is
 * none; a ref under a live lease or held gets -ESTALE.
 */
void store_claim(struct store_port *p, const struct store_claim *c,
		store_done_cb *cb, void *arg);

/* Make the lease end lease_ms from now. */
void store_renew(struct store_port *p, const char *ref, uint64_t fence,
		int64_t lease_ms, store_done_cb *cb, void *arg);

enum store_outcome
{
	STORE_O_DELIVERED,
	STORE_O_RETRY, /* again after retry_ms */
	STORE_O_WAIT,  /* for a registration */
	STORE_O_FAILED,
	STORE_O_EXPIRED
};

struct store_settle
{
	const char *ref;
	uint64_t fence;
	enum store_outcome outcome;
	int64_t retry_ms;
	int code;       /* last_code; 0 leaves it */
	bool permanent; /* count it as refused for good */
};

/* The end of a claim. Final outcomes remove the message, durably, before the
 * answer. */
void store_settle(struct store_port *p, const struct store_settle *s,
		store_done_cb *cb, void *arg);

/* ---- reading the body -------------------------------------------------- */

/* body is NULL when rc is not 0; else store_body_close is due. */
typedef void store_body_cb(
		void *arg, int rc, struct store_body *body, uint64_t size);
typedef void store_read_cb(void *arg, int rc, size_t n);

/* Open the body of a message for reading. With SQLite it can be read to the
 * end even when the message is removed meanwhile; with PostgreSQL reading gets
 * -ENOENT then. */
void store_body_open(
		struct store_port *p, const char *ref, store_body_cb *cb, void *arg);

/**
 * Read n bytes (at most STORE_READ_MAX, not beyond the end) from offset.
 * One read of a body at a time.
 *
 * @param to  stays valid until the callback; all n bytes are there when rc is 0
 */
void store_body_read(struct store_body *b, uint64_t offset, void *to, size_t n,
		store_read_cb *cb, void *arg);

/* Not while a read is under way. *b becomes NULL. */
void store_body_close(struct store_body **b);

/* ---- lists, clock, operators ------------------------------------------- */

struct store_list
{
	const char *user;  /* NULL = all */
	int state;         /* -1 = all */
	const char *after; /* ref of the last one of the page before; NULL */
	int limit;         /* at most STORE_ROWS_MAX */
	bool envelope;     /* with it; else it is "" */
};

/* Oldest first. */
void store_list(struct store_port *p, const struct store_list *l,
		store_done_cb *cb, void *arg);
void store_show(
		struct store_port *p, const char *ref, store_done_cb *cb, void *arg);

/* Messages of these users and the bytes of their bodies. */
void store_count(struct store_port *p, const char *const *users, int n_users,
		store_done_cb *cb, void *arg);

/* Messages that are due and unclaimed, the longest due first: a message of
 * each user. Fields ref, user, next_at. */
void store_due(struct store_port *p, int limit, store_done_cb *cb, void *arg);

/* Users with messages, in the order of their names, after that one ("": from
 * the first). Fields user, next_at: STORE_NEVER when one of his messages waits
 * for a registration, else 0. */
void store_users(struct store_port *p, const char *after, int limit,
		store_done_cb *cb, void *arg);

/* Messages whose lifetime is over and that nobody works on. Without the
 * envelope. */
void store_expired(
		struct store_port *p, int limit, store_done_cb *cb, void *arg);

/* Remove expired messages that need no word to their sender (no
 * negative-delivery); the answer lists what was removed, durably. */
void store_expire(
		struct store_port *p, int limit, store_done_cb *cb, void *arg);

enum store_order
{
	STORE_HOLD,
	STORE_RELEASE, /* held -> stored, due now */
	STORE_REQUEUE, /* as new: attempts 0, due now; ends a claim */
	STORE_DELETE
};
/* An operator's order. -ESTALE: not in this state. */
void store_order(struct store_port *p, const char *ref, enum store_order what,
		store_done_cb *cb, void *arg);

/* All stored messages of a user (NULL: of everybody) are due now. */
void store_flush(
		struct store_port *p, const char *user, store_done_cb *cb, void *arg);

/* ---- figures ----------------------------------------------------------- */

/* STORE_STAT(name, counter|gauge, help); `deferred_` comes before the name. */
#define STORE_STATS(STAT)                                                      \
	STAT(stored_total, counter, "messages stored")                             \
	STAT(duplicates_total, counter, "puts of a message that was there")        \
	STAT(delivered_total, counter, "messages delivered and removed")           \
	STAT(expired_total, counter, "messages expired and removed")               \
	STAT(failed_total, counter, "messages refused for good and removed")       \
	STAT(deleted_total, counter, "messages deleted by an operator")            \
	STAT(refused_quota_total, counter, "puts refused by a user's quota")       \
	STAT(refused_full_total, counter, "puts refused because of space")         \
	STAT(refused_error_total, counter, "puts that failed")                     \
	STAT(claims_total, counter, "claims")                                      \
	STAT(retries_total, counter, "claims that ended without delivery")         \
	STAT(stale_total, counter, "jobs refused by fence or state")               \
	STAT(commits_total, counter, "transactions committed")                     \
	STAT(commit_jobs_total, counter, "jobs in them")                           \
	STAT(commit_us_total, counter, "microseconds they took")                   \
	STAT(errors_total, counter, "errors of disk or database")                  \
	STAT(reconnects_total, counter, "connections made to PostgreSQL")          \
	STAT(orphans_total, counter, "files without a message removed")            \
	STAT(lost_bodies_total, counter, "messages whose body is missing; held")   \
	STAT(messages, gauge, "messages in the store")                             \
	STAT(bytes, gauge, "bytes of their bodies")                                \
	STAT(oldest_seconds, gauge, "age of the oldest message")                   \
	STAT(queue, gauge, "jobs that wait for the store thread")                  \
	STAT(available, gauge, "1 when the store can be used")

struct store_stats
{
#define STORE_FIELD(name, type, help) uint64_t name;
	STORE_STATS(STORE_FIELD)
#undef STORE_FIELD
};

/* Any thread. */
void store_stats_read(const struct store *s, struct store_stats *out);

/* "stored", "delivering", ...; and back: -1 for anything else. */
const char *store_state_name(enum store_state state);
int store_state_of(const char *name);

#endif
