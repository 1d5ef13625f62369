/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The content object of session.create, as parameters for relay.h.
 */
#ifndef CTL_CONTENT_H
#define CTL_CONTENT_H

#include "ctl_param.h"
#include "session/relay.h"

/**
 * Read type, bytes and message_id.
 *
 * @param object borrowed; *out borrows its strings
 * @param fault  set when something is wrong
 */
void ctl_content_read(
		json_t *object, struct param_fault *fault, struct relay_content *out);

#endif
