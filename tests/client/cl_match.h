/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When a message seen over SIP and an object of the message store are the same
 * message (OMA CPM 7.2.1.1 #19 and Table 2, 7.2.1.2 "done" 4). Pure.
 */
#ifndef CL_MATCH_H
#define CL_MATCH_H

#include "slice.h"

#define CL_PARTIES_MAX 8

/* What is known of a message from SIP. Empty slices: not there. */
struct cl_seen
{
	struct slice party[CL_PARTIES_MAX]; /* addresses of the other party */
	int parties;
	bool group; /* a group message: its folder is the Conversation-ID */
	struct slice conversation_id, contribution_id, in_reply_to, imdn_id;
};

/* What is known of a stored object: its folder and MIME header fields. */
struct cl_stored
{
	struct slice folder; /* "Default/tel:+15550102" */
	struct slice conversation_id, contribution_id, in_reply_to, imdn_id;
};

/** Take the ids from an object's header block (RFC 5322). */
void cl_stored_read(
		struct slice object, struct slice folder, struct cl_stored *out);

/** True when both are copies of one message. Payload types do not count: each
 * client may have got the content in another type. */
bool cl_same_message(const struct cl_seen *a, const struct cl_stored *b);

#endif
