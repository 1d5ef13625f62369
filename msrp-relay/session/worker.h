/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A worker: one thread, one event loop, its own listening ports, and all that
 * lives there. Commands reach it as jobs through a queue; answers and events
 * go back to the main loop the same way.
 */
#ifndef SESSION_WORKER_H
#define SESSION_WORKER_H

#include <uv.h>

#include "net/net.h"
#include "session/relay.h"

struct session;
struct leg;
struct delivery;
struct txn;
struct msrp_conn;
struct job;
struct item;
struct store;
struct store_port;
struct claim;
struct stored;

/* Fetched from the kernel at once; eight of them make twelve characters. */
#define RANDOM_BYTES 2048
#define RANDOM_WORD_CHARS 12

struct listener
{
	uv_poll_t poll;
	struct wheel_timer pause;
	struct worker *w;
	int fd; /* -1 = none */
	int port;
	bool tls;
};

/* Jobs on their way to a thread. */
struct job_queue
{
	uv_mutex_t lock;
	uv_async_t async;
	struct item *head, *tail;
};

struct worker
{
	struct relay *relay;
	const struct relay_conf *conf;
	int index;
	uv_thread_t thread;
	bool started;
	uv_loop_t loop;
	struct job_queue queue;
	struct item *out, *out_tail; /* for the main thread, sent once a round */
	uv_prepare_t send_out;
	struct net net;
	struct stats stats;
	struct listener tcp, tls;
	struct session *sessions;  /* by name */
	struct leg *legs;          /* by id */
	struct msrp_conn *waiting; /* for a leg to be started */
	struct store_port *store;  /* of deferred messages; NULL: there is none */
	struct claim *claims;      /* on them, oldest first */
	struct claim **claims_end; /* where the next one goes */
	struct claim *turns;       /* that wait for less of `putting` */
	struct claim **turns_end;  /* likewise */
	uint64_t putting;          /* bytes in memory that are with the store */
	struct stored *stored;     /* that are being read */
	struct delivery *spare_deliveries;
	struct txn *spare_txns;
	struct message *spare_messages;
	unsigned n_spare_deliveries, n_spare_txns;
	unsigned n_spare_messages;
	unsigned random_at;
	unsigned char random[RANDOM_BYTES];
	bool stopping;
};

/* Listen and start the thread. 0 or a negative errno (logged). */
int worker_start(struct worker *w, struct relay *relay, int index,
		const struct relay_conf *conf, struct tls_ctx *tls,
		struct store *store);
/* Ask the thread to end, and wait for it. */
void worker_stop(struct worker *w);

/* n random characters of a base32 alphabet, not terminated. */
void worker_random_id(struct worker *w, char *to, unsigned n);

static inline uint64_t worker_now(const struct worker *w)
{
	return uv_now(&w->loop);
}

#endif
