/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The envelope of a deferred message: what of its SIP request is kept, so that
 * the copy that is pushed later is the sender's message (identity, ids,
 * service, subject), whatever node pushes it. A JSON object that the daemon
 * gives back as it is (deferred.put, session.defer in
 * docs/control-protocol.md); members that a later version adds are ignored.
 *
 *   {"from":"\"Alice\" <sip:alice@x>","to":"<sip:bob@x>",
 *    "headers":"Conversation-ID: ...\r\n...","types":"message/cpim",
 *    "wrapped":"*"}
 *
 * A text that is not UTF-8 is written as {"base64":"..."}. No I/O; what comes
 * from a store is not believed.
 */
#ifndef CPM_PROTO_ENVELOPE_H
#define CPM_PROTO_ENVELOPE_H

#include <jansson.h>

#include "slice.h"

#define ENVELOPE_MAX 16384 /* bytes of the JSON text */

/* Texts are borrowed; empty: none. */
struct envelope
{
	struct slice from;    /* value of From without its tag; required */
	struct slice to;      /* value of To without a tag; required */
	struct slice headers; /* complete lines, those of envelope_keeps() */
	struct slice types;   /* a=accept-types of the offer, large messages */
	struct slice wrapped; /* a=accept-wrapped-types, likewise */
};

/**
 * Is a header kept? Those that make the message what it is: Conversation-ID,
 * Contribution-ID, InReplyTo-Contribution-ID, P-Asserted-Identity,
 * P-Asserted-Service, Accept-Contact, Subject, Privacy, Reply-To, Priority and
 * the like. Not kept is what belongs to one transaction or one moment: Date,
 * Expires, Max-Forwards, charging and access information, routing.
 */
bool envelope_keeps(struct slice name);

/**
 * Write those of complete header lines that are kept, as they are.
 *
 * @param out at least lines.n bytes
 * @return bytes written
 */
size_t envelope_filter(struct slice lines, char *out);

/**
 * Make the JSON object; lines that are not kept are left out.
 *
 * @return for json_decref(); NULL with errno EINVAL (no from or to), E2BIG
 *         (over ENVELOPE_MAX) or ENOMEM
 */
json_t *envelope_json(const struct envelope *e);

/**
 * Read an envelope.
 *
 * @param json an object; borrowed
 * @param buf  gets the texts; ENVELOPE_MAX bytes always suffice
 * @param out  borrows from buf; filled on success only
 *
 * @return 0; -EBADMSG no envelope, or a text in it that would end a header
 *         line elsewhere, or a line that is not kept; -E2BIG buf is too small
 */
int envelope_read(const json_t *json, char *buf, size_t size,
		struct envelope *out) __attribute__((warn_unused_result));

#endif
