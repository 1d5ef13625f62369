/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The content object of session.create, as parameters for relay.h.
 */
#ifndef CTL_CONTENT_H
#define CTL_CONTENT_H

#include "ctl_param.h"
#include "session/relay.h"

struct ctl_request;
struct store_message;

/**
 * Read type, bytes and message_id, or deferred and fence.
 *
 * @param object borrowed; *out borrows its strings
 * @param fault  set when something is wrong
 */
void ctl_content_read(
		json_t *object, struct param_fault *fault, struct relay_content *out);

/* The content is a stored message: ask the store for it, then go on with
 * ctl_session_create_stored, or refuse. */
void ctl_content_lookup(struct ctl_request *rq, json_t *params,
		const struct relay_content *content);
/* What it says is the content; *out borrows of it. */
void ctl_content_stored(struct ctl_request *rq, const struct store_message *m,
		struct relay_content *out);
void ctl_session_create_stored(
		struct ctl_request *rq, json_t *params, const struct store_message *m);

#endif
