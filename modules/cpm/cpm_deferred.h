/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands to msrp-relay about deferred messages (docs/control-protocol.md,
 * "Deferred messages"): put, next, claim, settle, renew. The daemon keeps the
 * messages; the module says who is registered and pushes.
 *
 * All of them are asynchronous and never wait. A call that returns 0 has its
 * callback called exactly once, in the LINK PROCESS, also when the relay is
 * away or does not answer (modparam relay_timeout). What a callback may do:
 * use tm (t_uac, t_reply on a transaction looked up by index and label), send
 * further commands, take locks of shared tables for a moment. What it may not:
 * wait, resolve names that are not cached, keep a pointer to what it was
 * handed (all texts are borrowed for the call). A call that returns a negative
 * errno has no callback, now or later.
 *
 * `id` and `n` are the caller's, handed back as they are; no pointers to
 * private memory, since the callback runs in another process.
 */
#ifndef CPM_DEFERRED_H
#define CPM_DEFERRED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../core/str.h"
#include "cpm_envelope.h"

#define CPM_DEFERRED_REF_BUF 40     /* bytes for a ref with its NUL */
#define CPM_DEFERRED_KEY_BUF 40     /* bytes for a key with its NUL */
#define CPM_DEFERRED_DATA_MAX 32768 /* bytes of a pager message's body */
#define CPM_DEFERRED_USERS_MAX 16   /* identities of one user */

/* How a command ended: 0, or a negative errno:
 *   -EDQUOT    the user's quota is used up (-32020)
 *   -ENOSPC    the store is full (-32021)
 *   -ENOTCONN  no store, or it or the relay cannot be reached (-32022), or no
 *              answer in time: for put it is then not known whether the
 *              message was stored; the same key again tells
 *   -ESTALE    the claim is lost (-32023)
 *   -ENOENT    no such message (-32002)
 *   -EPROTO    anything else; the log has it */

/* ---- put ---- */

/* A pager message for the store. Texts are copied. */
typedef struct cpm_deferred_put
{
	str key;          /* from cpm_deferred_key() */
	str user, sender; /* canonical (cpm_user_name()) */
	const cpm_envelope_t *envelope;
	str type; /* Content-Type of data */
	str data; /* at most CPM_DEFERRED_DATA_MAX bytes */
	uint32_t lifetime_s;
	int64_t next_ms;   /* due so much later; negative: waits for the user */
	unsigned lease_ms; /* claimed by us for so long; 0: not claimed */
} cpm_deferred_put_t;

/* The message is on stable storage (rc 0): only now may a 202 go out. */
typedef struct cpm_deferred_stored
{
	int rc;
	str ref;
	uint64_t fence; /* with lease_ms, else 0 */
	bool duplicate; /* it was there: another copy of it was not made */
} cpm_deferred_stored_t;

typedef void (*cpm_deferred_put_f)(
		const cpm_deferred_stored_t *r, uint64_t id, int n);

/**
 * Store a pager message.
 *
 * @return 0; -EMSGSIZE data or envelope are too long for the store; else as
 *         cpm_link_send()
 */
int cpm_deferred_put(const cpm_deferred_put_t *p, cpm_deferred_put_f f,
		uint64_t id, int n) __attribute__((warn_unused_result));

/* The key of a message: the same for a request that its sender sends again
 * (Call-ID, tag, CSeq) and for nobody else's. */
void cpm_deferred_key(str user, str sender, str call_id, str tag, str cseq,
		char out[CPM_DEFERRED_KEY_BUF]);

/* ---- next ---- */

/* A claimed message; all texts are borrowed for the call. */
typedef struct cpm_deferred_msg
{
	str ref, user, sender;
	uint64_t fence;
	bool large;          /* else pager: data is there */
	str type;            /* Content-Type */
	str message_id;      /* of MSRP, large ones */
	uint64_t size;       /* bytes */
	uint32_t lifetime_s; /* what remains */
	unsigned attempts, permanent;
	const json_t *envelope; /* for cpm_envelope_read() */
	str data;               /* body of a pager message */
	str imdn_id;            /* imdn.Message-ID; empty: none */
	bool imdn_negative;     /* the sender wants to know of a failure */
	bool imdn_is;           /* it is a disposition notification itself */
	str cpim_from, cpim_to, cpim_date;
} cpm_deferred_msg_t;

typedef struct cpm_deferred_found
{
	int rc;
	const cpm_deferred_msg_t *msg; /* NULL: there is nothing to claim */
	bool busy; /* somebody delivers one of the user's, or looks for one */
	unsigned free_ms; /* busy: that may be over so much later; 0: not known */
	unsigned pending; /* others of these users */
} cpm_deferred_found_t;

typedef void (*cpm_deferred_next_f)(
		const cpm_deferred_found_t *r, uint64_t id, int n);

typedef enum cpm_next
{
	CPM_NEXT_DUE,
	CPM_NEXT_WAITING, /* also what waits for a registration */
	CPM_NEXT_ANY      /* also what is not due yet */
} cpm_next_t;

typedef struct cpm_deferred_ask
{
	const str *users; /* his identities, 1 to CPM_DEFERRED_USERS_MAX */
	unsigned n_users;
	cpm_next_t what;   /* which of them */
	bool pager, large; /* his clients take it; with CPM_NEXT_DUE, and when
						* neither is set, either kind comes */
	str after; /* ref; not empty: only what is behind that message, and of
				* that not what waits for its next attempt */
	unsigned lease_ms; /* length of the claim */
} cpm_deferred_ask_t;

/* Claim his oldest message. */
int cpm_deferred_next(const cpm_deferred_ask_t *a, cpm_deferred_next_f f,
		uint64_t id, int n) __attribute__((warn_unused_result));

/* Claim this one, due or not; one that is expiring too. */
int cpm_deferred_claim(str ref, unsigned lease_ms, cpm_deferred_next_f f,
		uint64_t id, int n) __attribute__((warn_unused_result));

/* ---- settle ---- */

typedef enum cpm_outcome
{
	CPM_OUT_DELIVERED, /* a client has acknowledged all of it */
	CPM_OUT_RETRY,     /* not now: again after retry_ms */
	CPM_OUT_WAIT,      /* nobody is registered */
	CPM_OUT_FAILED,    /* given up, the sender has been told */
	CPM_OUT_EXPIRED    /* its lifetime is over, likewise */
} cpm_outcome_t;

typedef struct cpm_deferred_settle
{
	str ref;
	uint64_t fence;
	cpm_outcome_t outcome;
	uint32_t retry_ms; /* with CPM_OUT_RETRY */
	int code;          /* SIP status of the failure, 0 none */
	bool permanent;    /* count it as a refusal of the message itself */
} cpm_deferred_settle_t;

/* rc 0 also when the message is gone already. */
typedef void (*cpm_deferred_done_f)(int rc, uint64_t id, int n);

/* What became of a claim. @param f may be NULL */
int cpm_deferred_settle(const cpm_deferred_settle_t *s, cpm_deferred_done_f f,
		uint64_t id, int n) __attribute__((warn_unused_result));

/* Lengthen a claim to lease_ms from now. @param f may be NULL */
int cpm_deferred_renew(str ref, uint64_t fence, unsigned lease_ms,
		cpm_deferred_done_f f, uint64_t id, int n)
		__attribute__((warn_unused_result));

/* ---- what the operator's script is told ---- */

/* For event_route[cpm:deferred], [cpm:delivered] and [cpm:expired]; borrowed.
 * delivered is for messages that had been stored, expired for those whose
 * lifetime ended and those that were given up. */
typedef struct cpm_deferred_news
{
	str ref, user, sender;
	const char *kind; /* "pager" or "large" */
	uint64_t size;    /* bytes */
	bool imdn;        /* it is a disposition notification itself */
	int code;         /* expired: 0 its time was over; else why given up */
} cpm_deferred_news_t;

typedef enum cpm_deferred_event
{
	CPM_DEFERRED_STORED,
	CPM_DEFERRED_DELIVERED,
	CPM_DEFERRED_EXPIRED
} cpm_deferred_event_t;

/* Count it and run the event route. Any process, no lock held. */
void cpm_deferred_tell(cpm_deferred_event_t ev, const cpm_deferred_news_t *n);

/* The news for which an event route is run by this process now; false: none. */
bool cpm_deferred_news(cpm_deferred_news_t *out);

#endif
