/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminating role: what comes in for a user whom we serve goes to each of
 * his chosen clients, and is kept for him when none of them takes it
 * (OMA-TS-CPM_Conv_Fnct 8.3.2.1.1, 8.3.2.3). cpm_term.c checks the request
 * (TL-01 to TL-04), finds the user and his clients and hands on: an INVITE to
 * cpm_term_large.c, a MESSAGE to cpm_term_msg.c.
 *
 * A stored large message goes out by cpm_term_push.c, or to the client that
 * asks for it (cpm_term_fetch.c).
 */
#ifndef CPM_TERM_H
#define CPM_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/parser/msg_parser.h"
#include "../../core/str.h"
#include "cpm_rcpts.h"
#include "proto/product.h"

/* What the checks have found of a request; texts are borrowed for the call. */
typedef struct cpm_term_req
{
	str user;   /* the served user, canonical: sip:user@domain or tel:+... */
	str sender; /* asserted identity of the originator */
	/* His clients that are to get it, in shared memory, owned by cpm_term.c;
	 * who keeps it sets it to NULL. NULL: there is none. */
	cpm_rcpts_t *rcpts;
	bool defer;   /* it may be stored: policy, and lifetime is not 0 */
	bool unknown; /* his clients are not known yet, and rcpts is NULL: ask
				   * cpm_clients_when_known(), then cpm_term_choose() */
	product_version version; /* the oldest client that may be chosen; 0 any */
	uint32_t lifetime_s;     /* how long it may be kept from now on */
} cpm_term_req_t;

/**
 * The terminating role, whole: a MESSAGE or INVITE with one of CPM's services
 * for a user whom we serve; also an INVITE that fetches a stored message.
 *
 * @return as script functions do: 0 handled; -1 not a CPM message (nothing was
 *         sent)
 */
int ki_cpm_terminating(sip_msg_t *msg);

/* The checks TL-01 to TL-04 and what every request is checked for; NULL all is
 * well, else the name of the refusal. As cpm_check(), for the recipient. */
const char *cpm_term_check(sip_msg_t *msg);

/* A MESSAGE whose checks have passed; its body has not been looked at
 * (cpm_term_msg.c). As ki_cpm_terminating(). */
int cpm_term_message(sip_msg_t *msg, cpm_term_req_t *req);

/* A large-message INVITE likewise (cpm_term_large.c). */
int cpm_term_invite(sip_msg_t *msg, cpm_term_req_t *req);

/* ---- push of a stored large message (cpm_term_push.c) ---- */

/* What is to be pushed; all texts are copied. */
typedef struct cpm_term_push
{
	uint64_t tag;       /* of the caller's, handed back with the result */
	str ref;            /* at the relay, claimed with */
	uint64_t fence;     /* this fencing number */
	str user;           /* whose it is */
	str from, to;       /* values of From and To without tags */
	str headers;        /* complete lines that the INVITEs carry */
	str types, wrapped; /* a=accept-types and a=accept-wrapped-types values */
	str type;           /* Content-Type of the message */
	str message_id;     /* of MSRP */
	uint64_t size;      /* bytes */
	uint32_t left_s;    /* of its lifetime: becomes Message-Expires */
} cpm_term_push_t;

/* What has become of it. */
typedef struct cpm_term_pushed
{
	uint64_t tag;
	uint64_t session; /* for cpm_term_push_leave() */
	bool delivered;   /* a client has all of it: the relay has settled that */
	bool over;        /* the session has ended */
	bool left;        /* likewise, and it was CPM_LEFT */
	int code;         /* else: lowest failure of a client, SIP status */
	bool lasting;     /* and every client has refused the message itself */
} cpm_term_pushed_t;

/**
 * Send a stored message to clients: one INVITE for each, each ended when his
 * copy is through.
 *
 * @param rcpts the clients, taken over, also on failure
 *
 * @return 0: cpm_term_on_pushed()'s function will be called, in any process,
 *         when the session has ended; before that once, when the first client
 *         has all of it and others have not decided. Negative errno: nothing
 *         was begun, it will not
 */
int cpm_term_push(const cpm_term_push_t *m, cpm_rcpts_t *rcpts);

/* What cpm_term_push_leave() has found. */
typedef enum cpm_term_left
{
	CPM_LEFT,     /* nobody receives it, some ring: `left` will be told at its
				   * end */
	CPM_LEFT_NOT, /* a client receives it */
	CPM_LEFT_OVER /* it has ended */
} cpm_term_left_t;

/* Whoever pushes goes on to the next message, and leaves this session, which
 * has delivered, to clients that have not answered. Any process, no lock. */
cpm_term_left_t cpm_term_push_leave(uint64_t session);

/* Who is told; before the fork. */
void cpm_term_on_pushed(void (*f)(const cpm_term_pushed_t *result));

#endif
