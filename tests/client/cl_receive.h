/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What received pager and large messages have in common.
 */
#ifndef CL_RECEIVE_H
#define CL_RECEIVE_H

#include "client.h"

/** Hex SHA-256 of a text. */
void cl_sha256(struct slice in, char out[65]);

/** Keys reply_to, asserted, from, to and originator from the header fields. */
void cl_receive_sender(json_t *e);

/**
 * A whole message/cpim entity: fill the event, write the payload's file, send
 * the reports that are asked for.
 *
 * @param cpim_expected false when the type says it is something else
 * @param id            names the file when the wrapper has no imdn.Message-ID
 *
 * @return 0; -EBADMSG no CPIM; other negative errno: the file was not written
 */
int cl_receive_entity(struct client *c, json_t *e, struct slice entity,
		bool cpim_expected, struct slice id);

/** Answer a request, with the --header fields. phrase NULL: the usual one. */
void cl_receive_respond(
		struct client *c, nua_handle_t *nh, int status, const char *phrase);

#endif
