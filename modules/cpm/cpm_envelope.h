/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The envelope of a deferred message: what of its SIP request is kept, so that
 * the copy that is pushed later is the sender's message (identity, ids,
 * service, subject), whatever node pushes it. A JSON object that the daemon
 * gives back as it is (deferred.put, session.defer); members that a later
 * version adds are ignored by this one.
 *
 *   {"from":"\"Alice\" <sip:alice@x>","to":"<sip:bob@x>",
 *    "headers":"Conversation-ID: ...\r\n...","types":"message/cpim",
 *    "wrapped":"*"}
 *
 * A text that is not UTF-8 is written as {"base64":"..."}. Pure but for the
 * module's text buffer: no I/O, no shared memory.
 */
#ifndef CPM_ENVELOPE_H
#define CPM_ENVELOPE_H

#include <jansson.h>

#include "cpm_hdr.h"

#define CPM_ENVELOPE_MAX 16384 /* bytes of the JSON text */

/* Texts are borrowed; empty: none. */
typedef struct cpm_envelope
{
	str from;    /* value of From without its tag */
	str to;      /* value of To without a tag */
	str headers; /* complete lines; those of cpm_envelope_keeps() */
	str types;   /* a=accept-types of the sender's offer, large messages */
	str wrapped; /* a=accept-wrapped-types, likewise */
} cpm_envelope_t;

/**
 * Is a header kept? Those that make the message what it is: Conversation-ID,
 * Contribution-ID, InReplyTo-Contribution-ID, P-Asserted-Identity,
 * P-Asserted-Service, Accept-Contact, Subject, Privacy, Reply-To, Priority and
 * the like. Not kept is what belongs to one transaction or one moment: Date,
 * Expires, Max-Forwards, charging and access information, routing.
 */
bool cpm_envelope_keeps(struct slice name);

/* Append those of complete header lines that are kept, as they are. */
void cpm_envelope_filter(cpm_buf_t *b, str lines);

/**
 * Make the JSON object.
 *
 * @param e headers are filtered by cpm_envelope_filter() here
 *
 * @return for json_decref(); NULL: no memory, or over CPM_ENVELOPE_MAX
 */
json_t *cpm_envelope_json(const cpm_envelope_t *e);

/* The same as text: 0, -E2BIG or -ENOMEM. */
int cpm_envelope_print(const cpm_envelope_t *e, cpm_buf_t *out)
		__attribute__((warn_unused_result));

/**
 * Read an envelope. What comes from a store is not believed: header lines
 * with bytes that would end them elsewhere, and lines that are not kept, are
 * an error.
 *
 * @param json text
 * @param text owns what out borrows; for cpm_buf_free()
 * @param out  filled on success only
 *
 * @return 0; -EBADMSG no envelope; -ENOMEM
 */
int cpm_envelope_parse(str json, cpm_buf_t *text, cpm_envelope_t *out)
		__attribute__((warn_unused_result));

#endif
