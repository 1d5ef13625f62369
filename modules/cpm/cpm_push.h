/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Push of deferred messages (OMA-TS-CPM_Conv_Fnct 8.3.2.3, TL-18): when a user
 * becomes reachable (cpm_clients_on_change()) or the relay says that a retry
 * is due, his messages go out, the oldest first, one at a time:
 *
 *   waiting --settle time--> asking --claimed--> sending --answers--> settling
 *      ^                       | nothing left                             |
 *      |                       v                                          |
 *      |                     (gone) <--unreachable: retry later-----------+
 *      +-------------------- next <---delivered or given up---------------+
 *
 * One entry for each user in shared memory. Pager messages are sent by
 * cpm_push_pager.c, large ones by cpm_term_push(), whose result comes back
 * through cpm_term_on_pushed(). Who may push is decided by the claim at the
 * relay: two clients that register together, or two nodes, deliver once.
 */
#ifndef CPM_PUSH_H
#define CPM_PUSH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../core/str.h"
#include "cpm_clients.h"
#include "cpm_deferred.h"

/* In mod_init, after cpm_clients_init(): 0 or -1. */
int cpm_push_init(void);

/**
 * Push what a user has, after a while.
 *
 * @param user     canonical; copied
 * @param any      also what waits for a registration
 * @param delay_ms from now; a round that is to begin sooner stays as it is,
 *                 one under way is followed by another
 *
 * Any process, no lock held.
 */
void cpm_push_user(const str *user, bool any, unsigned delay_ms);

/* deferred.due and deferred.expired, in the link process. */
void cpm_push_event(const char *type, const json_t *params);

/* What has become of a pager message that was sent to all clients; from
 * cpm_fanout, any process.
 *
 * @param tag  of the entry
 * @param ok   a client has taken it: the first one tells
 * @param over every client has answered, or will not
 * @param code lowest failure, SIP status; 0 none
 * @param permanent every failure was one of the message itself */
void cpm_push_answered(
		uint64_t tag, bool ok, bool over, int code, bool permanent);

/* Several times a second, in the timer process. */
void cpm_push_tick(void);

/* Users with something to push or being pushed now. */
unsigned cpm_push_count(void);

/* One of them, copied. */
typedef struct cpm_push_info
{
	char user[CPM_USER_BUF];
	const char *state;              /* waiting, asking, sending, ... */
	char ref[CPM_DEFERRED_REF_BUF]; /* of the message under way; "" none */
	bool large;
	uint64_t size;     /* bytes of it */
	unsigned attempts; /* earlier ones */
	int code;          /* SIP status of the latest failure; 0 none */
	int64_t in_ms;     /* until the next step */
} cpm_push_info_t;

/* Each of them, until f says false; no lock is held meanwhile. */
void cpm_push_each(bool (*f)(const cpm_push_info_t *p, void *arg), void *arg);

/* Milliseconds until attempt n (from 1) by modparam push_retries, with up to a
 * quarter more or less; the last entry goes on for ever. */
uint32_t cpm_push_retry_ms(unsigned attempt, uint32_t random);

#endif
