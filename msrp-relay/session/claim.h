/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a worker has to do with the store of deferred messages: a message that
 * is being stored because no leg has taken it, and the claim on one that is
 * stored while a session may still deliver it. Private to session/.
 */
#ifndef SESSION_CLAIM_H
#define SESSION_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "net/wheel.h"
#include "store/store.h"

struct worker;
struct message;
struct session;
struct leg;

/* A claim of ours is for so long, and renewed after a third of it; ms. */
#define CLAIM_LEASE_MS 60000
#define CLAIM_SETTLE_MS 5000 /* of the module, when its session has ended */

enum claim_state
{
	CLAIM_WAITING,  /* the message is complete, a leg may still take it */
	CLAIM_FILING,   /* to the spool's file first, or waits for its turn */
	CLAIM_PUTTING,  /* with the store */
	CLAIM_HELD,     /* stored, and ours as long as legs may take it */
	CLAIM_SETTLING, /* a leg has taken it: on its way out of the store */
	CLAIM_STORED,   /* stored, and not ours (any more) */
	CLAIM_SETTLED,  /* removed */
	CLAIM_REFUSED,  /* it could not be stored */
	CLAIM_LOST      /* somebody else has it */
};

/* An event leg.delivered that waits for the store. */
struct delivered;

struct claim
{
	struct worker *w;
	struct claim *next, **pprev; /* of the worker, oldest first */
	struct message *m; /* NULL: the session has ended, or the claim is that of
						* its source */
	struct session *s; /* of a claim that is a session's source; NULL */
	enum claim_state state;
	char ref[STORE_REF_LEN + 1]; /* "" until it is stored */
	uint64_t fence;
	int lease_ms;      /* each time it is renewed */
	bool leased;       /* born ours */
	bool duplicate;    /* it was there before */
	bool left;         /* its owner has gone */
	int code;          /* CLAIM_REFUSED: negative errno */
	uint64_t again_at; /* of the loop: not stored before; 0 */
	int64_t next_ms;   /* when it is due once we leave it; STORE_NEVER */
	uint64_t putting;  /* bytes in memory that are with the store */
	int n_jobs;        /* with the store, that call back */
	int n_tries;       /* to settle what is delivered, without a store */
	struct claim *turn_next, **turn_at; /* waits for its turn to be stored */
	struct wheel_timer timer;
	struct delivered *waiting; /* oldest first */
};

struct claim *claim_new(struct worker *w, enum claim_state state);
/* The claim on a stored message by the one who reads it; renewed at once. */
struct claim *claim_hold(
		struct session *s, const char *ref, uint64_t fence, int lease_ms);
/* Stored and ours: keep it so. */
void claim_keep(struct claim *c);
/* A leg has taken all of the message: settle, then tell. */
void claim_delivered(struct claim *c, struct leg *l, const struct message *m);
/* Stored, and no leg is left that may take it: others may have it. */
void claim_release(struct claim *c);
/* It has been stored while legs were at work: settle, when one has taken it. */
void claim_settle_waiting(struct claim *c);
/* Does its sender get his answer? */
static inline bool claim_is_decided(const struct claim *c)
{
	return c && (c->ref[0] != '\0' || c->state == CLAIM_REFUSED);
}
/* Tell the events that have waited. */
void claim_tell(struct claim *c, bool settled);
/* Its owner has gone. Frees it when nothing is under way. */
void claim_leave(struct claim *c);
/* Too much is with the store: this one comes later, in its turn. */
void claim_wait_turn(struct claim *c);
/* The next one whose turn it is, NULL: nobody waits. */
struct claim *claim_take_turn(struct worker *w);
/* After a callback: free what has been left. */
void claim_done(struct claim *c);
/* The worker ends: free all; nothing calls back any more. */
void claims_free(struct worker *w);

#endif
