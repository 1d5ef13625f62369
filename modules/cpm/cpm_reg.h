/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients as an application server knows them: a third-party
 * REGISTER of the core, or the first message for a user, makes us subscribe to
 * his registration state; NOTIFYs keep it current (3GPP TS 24.229 5.7.1.1 and
 * 5.7.1.2, RFC 3680, RFC 5628, RFC 6665). One record for each user in a table
 * in shared memory, a lock for each slot.
 *
 *   cpm_reg_in      third-party REGISTER in
 *   cpm_reg         what is known, for cpm_clients.h; who waits for it; clock
 *   cpm_reg_sub     SUBSCRIBE out, its answers
 *   cpm_reg_notify  NOTIFY in
 *   cpm_reg_table   the records
 *
 * Rules: a cpm_reg_t pointer is good between cpm_reg_lock*() and
 * cpm_reg_unlock() and nowhere else; under the lock nothing of tm is called.
 */
#ifndef CPM_REG_H
#define CPM_REG_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/parser/msg_parser.h"
#include "cpm_clients.h"
#include "cpm_session.h"
#include "cpm_strs.h"
#include "cpm_tags.h"
#include "proto/regstate.h"

#define CPM_REG_LEG 0xffff /* in our tag: no leg, a subscription */

/* Life of a subscription. */
typedef enum cpm_reg_state
{
	CPM_REG_NEW,    /* nothing was asked yet */
	CPM_REG_ASKING, /* the first SUBSCRIBE of a dialog is out */
	CPM_REG_ACTIVE, /* answered by 2xx or NOTIFY */
	CPM_REG_RETRY,  /* failed or ended; again at due_at */
	CPM_REG_OVER,   /* ended for good: again when somebody asks */
	CPM_REG_NSTATES
} cpm_reg_state_t;

/* What the third-party REGISTER has told: cpm_reg_t.ims. */
enum
{
	CPM_REG_SCSCF,    /* URI of its Contact */
	CPM_REG_CHARGING, /* P-Charging-Function-Addresses, a complete line */
	CPM_REG_ICID,     /* P-Charging-Vector, a complete line */
	CPM_REG_PATH,     /* Path value, as a Route */
	CPM_REG_IMS_N
};

/* Somebody who waits to know. */
typedef struct cpm_reg_waiter
{
	struct cpm_reg_waiter *next;
	cpm_clients_known_f f;
	uint64_t arg;
} cpm_reg_waiter_t;

typedef struct cpm_reg
{
	struct cpm_reg *next; /* in the slot */
	uint64_t id;          /* of the present dialog; in our tag */
	uint8_t state;        /* cpm_reg_state_t */
	bool out;             /* a SUBSCRIBE waits for its answer */
	bool known;           /* what is in `regs` is true now */
	uint8_t failures;     /* in a row */
	bool unheard;         /* no answer or 5xx, no NOTIFY: the core is away */
	uint16_t try_n;       /* number of the last SUBSCRIBE */
	uint32_t cseq;        /* of the last SUBSCRIBE */
	uint32_t peer_cseq;   /* of the last NOTIFY */
	bool notified;        /* peer_cseq is set */
	uint32_t expires_s;   /* to ask for */
	uint32_t granted_s;   /* */
	uint64_t wanted_ms;   /* registered until then, by the word of the core */
	uint64_t since_ms;    /* the dialog began */
	uint64_t due_at;      /* refresh, retry, or end of the record; 0: none */
	uint64_t until_ms;    /* the subscription ends without a refresh */
	uint64_t wait_until;  /* waiters are told; 0: none */
	struct socket_info *sock;
	cpm_strs_t *dlg;           /* CPM_D_*, owned */
	cpm_strs_t *ims;           /* CPM_REG_*, owned; may be NULL */
	cpm_tags_t *tags;          /* of the REGISTER in its body, owned */
	struct regstate *regs;     /* owned; NULL: no NOTIFY yet */
	uint32_t gen;              /* counts the changes of regs */
	cpm_reg_waiter_t *waiters; /* owned */
	uint16_t len;
	char name[]; /* canonical */
} cpm_reg_t;

static inline str cpm_reg_name(cpm_reg_t *r)
{
	return (str){r->name, r->len};
}

/* ---- table ---- */

/* Before the fork: 0 or -1. */
int cpm_reg_table_init(void);

/* In mod_destroy, as cpm_fanout_exit(). */
void cpm_reg_table_exit(void);

/**
 * The record of that name or of one that it is a further identity of, its slot
 * locked.
 *
 * @param make true: it is made when there is none
 *
 * @return NULL: there is none, or no more room (logged)
 */
cpm_reg_t *cpm_reg_lock(const str *name, bool make);

/* The record whose present dialog has this id; NULL. */
cpm_reg_t *cpm_reg_lock_id(uint64_t id);

/* An id for a new dialog of the record with this id; no lock needed. */
uint64_t cpm_reg_next_id(uint64_t id);

void cpm_reg_unlock(cpm_reg_t *r);

/* Unlock and free it. */
void cpm_reg_remove(cpm_reg_t *r);

/* Ids of records with something due; as cpm_session_due(). */
unsigned cpm_reg_due(uint64_t now, unsigned *slot, uint64_t *ids, unsigned max);

/* Records; how many of them have a subscription; contacts they know. */
typedef struct cpm_reg_counts
{
	unsigned users, active;
} cpm_reg_counts_t;
void cpm_reg_count(cpm_reg_counts_t *out);

/* Names of all records, one after the other: f with a copy, no lock held;
 * false of f ends it. */
void cpm_reg_each(bool (*f)(const str *name, void *arg), void *arg);

/* ---- what is done with a record; no lock held ---- */

/* Ask the core: the first SUBSCRIBE, a refresh, a new dialog after the old
 * one's end, whatever the record's state calls for. */
void cpm_reg_ask(uint64_t id);

/* It is known, or will not be: those who wait are told. Takes the lock's
 * place: the record is unlocked. */
void cpm_reg_tell(cpm_reg_t *r);

/* The next attempt, later each time; under the lock. */
void cpm_reg_fail(cpm_reg_t *r, uint32_t after_s);

/* Nothing more is asked until somebody wants to know; under the lock. */
void cpm_reg_over(cpm_reg_t *r, bool known);

/* NOTIFY in a dialog of ours: 0 handled, -1 it is none of these. The message
 * was parsed by cpm_b2b_parse(). */
int cpm_reg_notify(sip_msg_t *msg);

/* For RPC: state's name. */
const char *cpm_reg_state_name(unsigned state);

#endif
