/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Notification of deferred messages, inside: the table of those who are told
 * (cpm_notice.c), the list (cpm_notice_list.c), what is sent
 * (cpm_notice_send.c), SUBSCRIBE (cpm_notice_sub.c).
 *
 * Rules: pointers into the table are good between cpm_notice_lock() and
 * cpm_notice_unlock(); under the lock nothing of tm or of the link is called.
 */
#ifndef CPM_NOTICE_INT_H
#define CPM_NOTICE_INT_H

#include "../../core/ip_addr.h"
#include "cpm_clients.h"
#include "cpm_leg.h"
#include "cpm_notice.h"
#include "cpm_strs.h"

#define CPM_SUBS_MAX 16           /* subscriptions of one user */
#define CPM_NOTICE_BODY_MAX 16384 /* bytes of a list */

/* Further text behind CPM_D_* of a subscription: the value of Event. */
#define CPM_SUB_EVENT CPM_D_N

/* One subscription. */
typedef struct cpm_sub
{
	struct cpm_sub *next;
	uint64_t id;         /* slot of its user and a number */
	cpm_strs_t *dlg;     /* CPM_D_* and CPM_SUB_EVENT, owned */
	uint64_t expires_at; /* ms */
	uint32_t cseq;       /* last of our NOTIFYs */
	uint32_t peer_cseq;  /* last of his SUBSCRIBEs */
	bool due;            /* a NOTIFY is to be sent */
	bool asked;          /* the list for it is being asked for */
	bool told;           /* it had one */
	bool over;           /* the next one is the last */
	struct socket_info *sock;
} cpm_sub_t;

/* One user with subscriptions, or with something to be told. */
typedef struct cpm_told
{
	struct cpm_told *next; /* in the slot */
	cpm_sub_t *subs;       /* owned */
	unsigned n_subs;
	cpm_strs_t *ids;    /* all his names, owned */
	uint64_t next_at;   /* ms: the list is not asked for before */
	uint64_t poll_at;   /* ms: it is asked for and compared; 0: the relay
						 * says that it is another one */
	uint64_t hash;      /* of the list told last */
	bool asking;        /* the relay has been asked */
	bool message;       /* his clients are to get a MESSAGE */
	bool message_asked; /* the list for it is being asked for */
	int len;
	char name[]; /* his SIP name */
} cpm_told_t;

/* ---- table (cpm_notice.c) ---- */

/* The user's entry, locked, made when it is not there; NULL: no memory, nothing
 * is locked. */
cpm_told_t *cpm_told_lock(str name, bool make);

/* The subscription and its user's entry, locked; NULL: there is none. */
cpm_sub_t *cpm_sub_lock(uint64_t id, cpm_told_t **out);

/* Unlock; an entry without subscriptions and without work is freed. */
void cpm_told_unlock(cpm_told_t *e);

/* An id for a new subscription of that user. */
uint64_t cpm_sub_new_id(str name);

/* Hand it to the entry. */
void cpm_sub_add(cpm_told_t *e, cpm_sub_t *s);

/* Take it out of its entry, for cpm_sub_free(). */
void cpm_sub_unlink(cpm_told_t *e, cpm_sub_t *s);
void cpm_sub_free(cpm_sub_t *s);

/* Ask for the list of that user if it is time: he is told with the answer. */
void cpm_told_ask(str name);

/* ---- list (cpm_notice_list.c) ---- */

/**
 * Ask the relay what is kept under these names; then cpm_told_list(), in the
 * link process.
 *
 * @param ids all names of the user; copied
 *
 * @return 0 or a negative errno: cpm_told_list() will not be called
 */
int cpm_list_ask(str name, const cpm_strs_t *ids, unsigned n);

/* The list is there (rc 0), or cannot be had.
 *
 * @param body  the document; borrowed
 * @param items messages in it */
void cpm_told_list(str name, int rc, str body, unsigned items);

/* ---- out (cpm_notice_send.c) ---- */

/* What a NOTIFY needs, copied under the lock. */
typedef struct cpm_notify
{
	uint64_t id;
	cpm_dialog_t d;
	bool over;       /* the last one */
	uint32_t left_s; /* else: how long the subscription lasts */
} cpm_notify_t;

/* Copy and count; -ENOMEM. */
int cpm_notify_take(cpm_sub_t *s, uint64_t now, cpm_notify_t *out);

/* Send and drop. @param body empty: without the list */
void cpm_notify_send(cpm_notify_t *n, str body);

/* A MESSAGE with the list to each client of the user that has registered the
 * tag. */
void cpm_notice_message(str name, str body);

#endif
