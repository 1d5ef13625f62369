/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the push (cpm_push.h): cpm_push.c owns the table and the clock,
 * cpm_push_run.c takes one user through asking, sending and settling,
 * cpm_push_send.c finds his clients and sends,
 * cpm_push_linger.c says when the next message goes out without a client that
 * is slow, cpm_push_end.c tells senders what was given up or has expired.
 */
#ifndef CPM_PUSH_INT_H
#define CPM_PUSH_INT_H

#include "cpm_clients.h"
#include "cpm_deferred.h"
#include "cpm_push.h"
#include "cpm_session.h"
#include "cpm_strs.h"

/* Where a user's round stands. */
typedef enum cpm_push_state
{
	CPM_PU_WAITING,  /* begins at `at` */
	CPM_PU_ASKING,   /* his clients are being found, deferred.next is out */
	CPM_PU_SENDING,  /* at his clients; the claim is renewed at `at` */
	CPM_PU_TELLING,  /* its sender is being told that it is given up */
	CPM_PU_SETTLING, /* deferred.settle is out; again at `at` if it was lost */
	CPM_PU_LINGERING /* settled; slower clients are waited for until `at`, then
					  * as cpm_push_linger_over() says */
} cpm_push_state_t;

/* Texts of the message under way: cpm_push_t.texts. */
enum
{
	CPM_PU_USER, /* as the message names him */
	CPM_PU_SENDER,
	CPM_PU_IMDN_ID,
	CPM_PU_TO,   /* CPIM */
	CPM_PU_DATE, /* CPIM */
	CPM_PU_HEADERS,
	CPM_PU_N
};

/* One user. */
typedef struct cpm_push
{
	struct cpm_push *next; /* in the slot */
	uint64_t tag;          /* another one for each message */
	uint64_t at;           /* cpm_now_ms() */
	unsigned tries;        /* in a row that came to nothing */
	uint8_t state;         /* cpm_push_state_t */
	bool any;              /* also what waits for a registration */
	bool known;            /* his clients were asked for and are known by now */
	bool slow; /* in this round a client has been waited for in vain */
	/* large messages that were left to clients who did not answer, since all
	 * have answered one, or were given up */
	unsigned n_left;
	bool again, again_any; /* another round follows, at: */
	uint64_t again_at;     /* cpm_now_ms() */
	/* what has failed too often to hold up the others: they follow; "" none */
	char after[CPM_DEFERRED_REF_BUF];
	/* the message under way */
	bool large, negative, imdn, over;
	bool reclaimed; /* a lost claim was made good once */
	cpm_outcome_t outcome;
	bool permanent;
	uint32_t retry_ms;
	int code;
	unsigned attempts, permanents; /* of earlier pushes */
	uint64_t fence, size;
	uint64_t session; /* of a large one of which a client has all; 0 none */
	char ref[CPM_DEFERRED_REF_BUF];
	cpm_strs_t *texts; /* CPM_PU_*, owned */
	char user[CPM_USER_BUF];
} cpm_push_t;

/* ---- table (cpm_push.c) ---- */

/* The entry, its slot locked; NULL: gone (nothing locked). */
cpm_push_t *cpm_push_lock(uint64_t tag);
void cpm_push_unlock(cpm_push_t *p);

/* A message is under way now: what is still to come of the one before, as the
 * answer of a slow client, no longer finds the entry. Under the lock; its new
 * tag. */
uint64_t cpm_push_retag(cpm_push_t *p);

/* The round is over: another one, or the entry goes. Takes the lock. */
void cpm_push_end(uint64_t tag);

/* It came to nothing for the moment: again a little later, the first time after
 * soon_ms when that is known (0: not) and less. For as long as it takes: what
 * waits for a registration has no other clock. */
void cpm_push_later(uint64_t tag, unsigned soon_ms);

/* ---- a round (cpm_push_run.c) ---- */

void cpm_push_run_init(void);

/* Find his clients and claim his oldest message; state is CPM_PU_ASKING. */
void cpm_push_ask(uint64_t tag);

/* Send deferred.settle as the entry says; state is CPM_PU_SETTLING. */
void cpm_push_settle(uint64_t tag);

/* What is to be said at the relay of the message under way; the entry is
 * CPM_PU_SETTLING then. Under the lock; cpm_push_settle() follows. */
void cpm_push_settle_as(cpm_push_t *p, cpm_outcome_t outcome, int code);

/* ---- sending (cpm_push_send.c) ---- */

int cpm_push_send_init(void);

/* Is a client registered that could take a message of that kind? */
bool cpm_push_reachable(const str *user, bool large);

/* Send this message, which was claimed by the entry's round; when it cannot be
 * sent, or there is nobody, it is settled so. */
void cpm_push_send(const cpm_deferred_msg_t *m, uint64_t tag);

/* ---- slow clients (cpm_push_linger.c) ---- */

int cpm_push_linger_init(void);

/* How long a client may take for one message before the next one goes out: one
 * that is gone shall not hold up the others' messages for long, each time. */
uint64_t cpm_push_linger_ms(const cpm_push_t *p);

/* That time is over: the next message, or it is asked again by the clock, for
 * a client receives this one, or too many are left to clients like that. */
void cpm_push_linger_over(uint64_t tag);

/* The session of a message that was left has ended. */
void cpm_push_left_over(void);

/* ---- the end of messages (cpm_push_end.c) ---- */

/* Tell its sender where he wants to know, then settle; CPM_PU_TELLING. */
void cpm_push_give_up(uint64_t tag);

/* deferred.expired. */
void cpm_push_expired(const json_t *params);

#endif
