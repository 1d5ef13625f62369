/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deferred messages by hand: put, claim, settle over the control socket of a
 * rig, and a session whose sender hands over one message. Beside relay_legs.h.
 */
#ifndef E2E_RELAY_DEFER_H
#define E2E_RELAY_DEFER_H

#include "relay_legs.h"

#define BOB "sip:bob@example.com"
#define ALICE "sip:alice@example.com"

/* Hello as "test", with events and those of deferred messages. */
int ctl_serving(const struct rig *r);

/* A pager message in a wrapper: text of it; more: header lines. */
const char *pager_body(const char *more, const char *text);
/* deferred.put with further members, ",'lease_ms':5000" or ""; the answer. */
json_t *put_pager(int ctl, const char *user, const char *key, const char *body,
		const char *more);
/* The same, must be stored; its ref. */
const char *stored_pager(int ctl, const char *user, const char *key);

/* deferred.next of a user with further members; the answer. */
json_t *next_of(int ctl, const char *user, const char *more);
/* What deferred.next says the body is. */
const char *next_data(json_t *answer);
json_t *settle(int ctl, const char *ref, long long fence, const char *more);
/* How many messages are in the store. */
long long stored_count(int ctl);
void stored_count_wait(int ctl, long long n);

/* session.defer of a session "k1" to BOB, with further members. */
json_t *defer(int ctl, const char *more);

/* n bytes of a wrapped message; of malloc, NUL-terminated. */
char *large_make(size_t n, const char *headers);
/* All of it as chunks of message/cpim, all but the last one's 200 awaited; the
 * last one's transaction id is "last0". */
void large_send(struct raw *in, const struct pair *p, const char *mid,
		const char *text, size_t chunk);

/* A session that reads a stored message of this claim: its answer. */
json_t *stored_session(
		int ctl, const char *id, const char *ref, long long fence);
/* The same with further members of content, ",'lease_ms':1000". */
json_t *stored_session_with(int ctl, const char *id, const char *ref,
		long long fence, const char *more);
/* Claim what is due or waits of the user, read it over a session, which must
 * give these bytes; the daemon has settled it. */
void fetch_large(const struct rig *r, int ctl, const char *user,
		const char *text, size_t n);

#endif
