/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Fan-out of a pager message: one MESSAGE for each recipient of a list
 * (OMA-TS-CPM_Conv_Fnct 8.2.1.1 #8A.ii.6-13), or for each client of a user, of
 * a message that comes in (8.3.1) or one that had been deferred. The table of
 * those under way lives in shared memory, a lock for each slot; a fan-out is
 * named by the place of its MESSAGE in tm's table, as a session is; one without
 * a MESSAGE by a number of its own.
 *
 * Rules: a cpm_fanout_t pointer is good between cpm_fanout_lock() and
 * cpm_fanout_unlock() and nowhere else; under the lock nothing of tm is
 * called. A fan-out of which all is decided and answered is freed by
 * cpm_fanout_unlock().
 */
#ifndef CPM_FANOUT_H
#define CPM_FANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/ip_addr.h"
#include "../../core/parser/msg_parser.h"
#include "../tm/h_table.h"
#include "cpm_id.h"
#include "cpm_rcpts.h"
#include "cpm_strs.h"
#include "proto/cpim.h"
#include "proto/icsi.h"
#include "proto/product.h"

/* Life of the message to one recipient. */
typedef enum cpm_fan_state
{
	CPM_FAN_WAITING, /* its turn has not come */
	CPM_FAN_SENT,    /* on its way */
	CPM_FAN_ISF,     /* on its way to the ISF */
	CPM_FAN_OK,      /* 2xx; final */
	CPM_FAN_FAILED,  /* final */
	CPM_FAN_NSTATES
} cpm_fan_state_t;

/* Whose the fan-out is, and so what its recipients' answers mean. */
typedef enum cpm_fan_kind
{
	CPM_FAN_LIST, /* recipients of a list: cpm_fanout_in.c */
	CPM_FAN_TERM, /* clients of the user a message is for: cpm_term_msg.c */
	CPM_FAN_PUSH, /* clients of the user a stored one is for: cpm_push_send.c */
	CPM_FAN_IMDN, /* the sender who is to be told: cpm_imdn.c */
	CPM_FAN_KINDS
} cpm_fan_kind_t;

/* Texts that every request of a fan-out has: cpm_fanout_t.texts. */
enum
{
	CPM_F_CALL_ID,  /* of the MESSAGE received, for the log */
	CPM_F_FROM,     /* From value without the tag */
	CPM_F_ROUTES,   /* the core's own Route entries, in order */
	CPM_F_NEXT_HOP, /* where there are none; may be empty */
	CPM_F_HEADERS,  /* complete lines */
	CPM_F_TO,       /* To value without a tag; empty: the recipient */
	CPM_F_RURI,     /* CPM_FAN_TERM: Request-URI as received, */
	CPM_F_USER,     /* the user it is for, */
	CPM_F_SENDER,   /* who has sent it; of CPM_FAN_LIST, too */
	CPM_F_TYPE,     /* Content-Type of the body, */
	CPM_F_KEY,      /* its key for the store */
	CPM_F_HEAD,     /* body up to where the recipient's CPIM To is written */
	CPM_F_TAIL,     /* body from there on */
	CPM_F_N
};

typedef struct cpm_fan_rcpt
{
	uint16_t code;     /* last final answer, 0 none */
	uint8_t state;     /* cpm_fan_state_t */
	uint8_t isf_tried; /* the message has been to the ISF */
} cpm_fan_rcpt_t;

/* A message that its user's clients do not take: on its way to the store. */
typedef enum cpm_fan_keep
{
	CPM_KEEP_NOT,    /* no reason to, yet */
	CPM_KEEP_ASKED,  /* deferred.put is at the relay */
	CPM_KEEP_STORED, /* it is on stable storage, claimed by us where there is a
					  * fence */
	CPM_KEEP_OVER    /* settled, or refused */
} cpm_fan_keep_t;

/* Of a fan-out of kind CPM_FAN_TERM. */
typedef struct cpm_fan_term
{
	uint8_t keep;            /* cpm_fan_keep_t */
	bool may;                /* it may be stored */
	bool imdn;               /* it is a disposition notification */
	bool unknown;            /* his clients are being asked for */
	product_version version; /* the oldest that may be chosen */
	uint64_t expires_at;     /* cpm_now_ms() */
	uint64_t fence;          /* with CPM_KEEP_STORED; 0 not claimed by us */
	char ref[40];            /* likewise */
} cpm_fan_term_t;

typedef struct cpm_fanout
{
	struct cpm_fanout *next; /* in the slot */
	uint64_t id;
	uint64_t tag; /* of whoever waits for it; CPM_FAN_PUSH */
	uint64_t created_ms;
	uint64_t moved_ms;  /* last request or answer */
	uint64_t answer_at; /* ms: the sender is answered whatever has come */
	cpm_rcpts_t *rcpts; /* owned */
	cpm_strs_t *texts;  /* CPM_F_*, owned */
	struct cpm_direct *direct; /* copies for the sender's other clients, not
								* sent yet; owned; may be NULL */
	struct socket_info *sock;
	uint32_t out;        /* requests on their way */
	uint32_t ok, failed; /* recipients decided */
	uint16_t lowest;     /* status of a failure, 0 none */
	uint32_t lasting;    /* of failed: refusals of the message itself */
	uint32_t hold;       /* answers that are waited for before it may go */
	uint8_t kind;        /* cpm_fan_kind_t */
	cpm_fan_term_t term; /* with CPM_FAN_TERM */
	bool interworking;   /* the ISF may be tried */
	bool rewrite_to;     /* CPIM To is written for each recipient */
	bool answered;       /* the sender has his final answer */
	cpm_fan_rcpt_t r[];  /* one for each of rcpts */
} cpm_fanout_t;

/* ---- table (cpm_fanout.c) ---- */

/* Make the table, name our sender to the pace; in mod_init: 0 or -1. */
int cpm_fanout_init(void);

/* In mod_destroy: tm ends its transactions after it, and their callbacks find
 * nothing more. The memory goes with the process. */
void cpm_fanout_exit(void);

/* A fan-out in no table yet; it takes rcpts over, on success only. *rcpts may
 * be NULL: nobody to send to, or room for so many who are not known yet. */
cpm_fanout_t *cpm_fanout_new(uint64_t id, cpm_rcpts_t **rcpts, unsigned room);

/* Its recipients. */
static inline unsigned cpm_fanout_n(const cpm_fanout_t *f)
{
	return f->rcpts ? f->rcpts->n : 0;
}
void cpm_fanout_free(cpm_fanout_t *f);

/* Hand it to the table. */
void cpm_fanout_add(cpm_fanout_t *f);

/* The fan-out, its slot locked; NULL: none (nothing locked). */
cpm_fanout_t *cpm_fanout_lock(uint64_t id);
void cpm_fanout_unlock(cpm_fanout_t *f);

#define CPM_FANOUT_LOST_MS (3 * 60000) /* no answer for so long: none comes */

/* Ids of fan-outs whose sender has to be answered by now, or whose requests
 * are lost; as cpm_session_due(). */
unsigned cpm_fanout_due(
		uint64_t now, unsigned *slot, uint64_t *ids, unsigned max);

/* Ids of all, in the same manner. */
unsigned cpm_fanout_ids(unsigned *slot, uint64_t *ids, unsigned max);

/* Fan-outs in the table now. */
unsigned cpm_fanout_count(void);

const char *cpm_fan_state_name(unsigned state);

/* ---- in (cpm_fanout_in.c) ---- */

/* What the checks have found in a MESSAGE to the EXPLODER-URI. */
typedef struct cpm_list_message
{
	cpm_rcpts_t *rcpts; /* owned */
	struct slice text;  /* the message/cpim body */
	struct cpim cpim;   /* parsed */
	enum icsi service;  /* to be asserted */
} cpm_list_message_t;

/**
 * Send it to all recipients and answer the sender, now or later. The headers
 * must have been parsed, every check made.
 *
 * @param m its rcpts are taken over
 *
 * @return 0 handled, refusals too
 */
int cpm_fanout_message(sip_msg_t *msg, cpm_list_message_t *m);

/* ---- out (cpm_fanout_out.c) ---- */

/* Send to recipient n; a cpm_pace_send_f. */
int cpm_fanout_send(uint64_t id, unsigned n);

/* Where a fan-out of clients stands. */
typedef struct cpm_fan_news
{
	uint64_t id, tag;
	uint32_t n, ok, failed; /* recipients, and those decided */
	uint32_t lasting;       /* of failed: refusals of the message itself */
	int code;               /* lowest failure, 0 none */
	bool due;               /* the sender has waited long enough */
	bool held;              /* cpm_fanout_t.hold counts it: the receiver's */
} cpm_fan_news_t;

/* The first client has taken it, or all have been decided, or the sender is to
 * be answered: any process, no lock held, in any order. */
typedef void (*cpm_fanout_news_f)(const cpm_fan_news_t *news);

/* Who is told of a kind; in mod_init. */
void cpm_fanout_register(cpm_fan_kind_t kind, cpm_fanout_news_f f);

/**
 * Begin a fan-out without a request (cpm_fanout_own.c).
 *
 * @param tag   handed back with the news
 * @param rcpts taken over on success only
 * @param v     texts, copied
 *
 * @return 0: news will come, possibly before this returns; -ENOMEM
 */
int cpm_fanout_begin(cpm_fan_kind_t kind, uint64_t tag, cpm_rcpts_t **rcpts,
		const str v[CPM_F_N]) __attribute__((warn_unused_result));

/* Is this status a refusal of the message itself, whoever is asked, and not of
 * one client at one moment? 400 413 415 488 606 */
bool cpm_fanout_lasting(int code);

/**
 * The final answer to the sender, of a transaction that was suspended.
 *
 * @param answer CPM_A_*, freed; NULL: phrase alone
 */
void cpm_fanout_answer(uint64_t id, int code, cpm_strs_t *answer);

/* Once a second, in the timer process: answers that are due. */
void cpm_fanout_tick(void);

/* The recipient for whom event_route[cpm:recipient-failed] is run by this
 * process now; false: it is not. Borrowed. */
typedef struct cpm_fan_failure
{
	str uri;     /* the recipient */
	int code;    /* his last final answer */
	str call_id; /* of the request received; of an INVITE or a MESSAGE */
} cpm_fan_failure_t;
bool cpm_fanout_failure(cpm_fan_failure_t *out);

/* A recipient of a list was not reached, of a large message too: count it and
 * run event_route[cpm:recipient-failed]. No lock may be held. */
void cpm_fanout_tell(const cpm_fan_failure_t *f);

#endif
