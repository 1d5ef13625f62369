/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages before they are sent: the payload, read once, and for each message
 * the addresses, ids and CPIM wrapper around it.
 */
#ifndef CL_MESSAGE_H
#define CL_MESSAGE_H

#include "client.h"

/**
 * Read --text and --file into c->payload; files are mapped, not copied.
 *
 * @return 0; negative errno, the user has been told
 */
int cl_payload_open(struct client *c);
void cl_payload_close(struct client *c);

/**
 * Make a message by the command line.
 *
 * @return NULL when it cannot be addressed; the user has been told
 */
struct cl_message *cl_message_new(struct client *c);

/**
 * Make a message/imdn+xml report about a received message.
 *
 * @param imdn_to address the report goes to
 * @param about   imdn.Message-ID it is about
 * @param kind    "delivered" or "displayed"
 */
struct cl_message *cl_message_imdn(struct client *c, const char *imdn_to,
		const char *about, const char *kind, const char *recipient,
		const char *conversation_id, const char *in_reply_to,
		const char *route);

void cl_message_free(struct cl_message **m);

/** RFC 3339 time, UTC, to be freed. */
char *cl_now_text(void);

/** The media type that a file's name suggests. */
const char *cl_type_of_name(const char *name);
/** The file name ending for a media type, "bin" when unknown. */
const char *cl_ending_of_type(struct slice type);

#endif
