/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands on deferred messages (docs/control-protocol.md, "Deferred
 * messages"): what the files ctl_deferred*.c share.
 */
#ifndef CTL_DEFERRED_H
#define CTL_DEFERRED_H

#include "ctl_param.h"
#include "ctl_priv.h"
#include "store/store.h"

#define DEFERRED_NAME_MAX 255 /* bytes of a user, sender or key */
#define DEFERRED_USERS_MAX 16 /* names of one user */
#define DEFERRED_LEASE_MIN 1000
#define DEFERRED_LEASE_MAX (600 * 1000)
#define DEFERRED_LEASE 60000
#define DEFERRED_LIFETIME_MAX (10 * 366 * 24 * 3600) /* s */

/* What put and session.defer say of a message; strings are borrowed. */
struct deferred_params
{
	const char *user, *sender, *key;
	char *envelope; /* owned; JSON text */
	int64_t lifetime_ms, next_ms;
};

/* Read user, sender, key, envelope, lifetime_s and next_ms. */
void deferred_params_read(struct params *p, struct deferred_params *out);
void deferred_params_free(struct deferred_params *d);

/* "d-" and 32 hex digits; "" when absent or wrong. */
const char *deferred_ref(
		struct params *p, const char *name, enum param_need need);

/* 1 to DEFERRED_USERS_MAX names of `users`; how many. */
int deferred_users(struct params *p, enum param_need need, const char *names[]);

/* The store's port of this server, or NULL: the request has been refused. */
struct store_port *deferred_port(struct ctl_request *rq);

/* The code of docs/control-protocol.md for a negative errno of the store. */
int deferred_code(int rc);
/* Answer with it, told to the log once. */
void deferred_refuse(struct ctl_request *rq, int rc);

/* A message as deferred.next and deferred.list tell it, by the clock `now` (ms
 * since the epoch); a new reference. */
json_t *deferred_json(const struct store_message *m, int64_t now);
/* Texts of the store as JSON; never NULL. */
json_t *deferred_string(const char *s);
json_t *deferred_envelope(const char *text);
/* What its wrapper says it is: of a body that is at hand. */
bool deferred_is_imdn(const struct store_message *m, const void *body);

/* Now, by the clock of the store that has answered. */
static inline int64_t deferred_now(const struct ctl_request *rq)
{
	return store_now(rq->client->server->store);
}

#endif
