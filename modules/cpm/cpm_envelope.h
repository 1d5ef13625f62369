/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Envelopes of deferred messages (proto/envelope.h) in Kamailio's texts, for
 * whoever defers a message (cpm_term_msg.c a MESSAGE, cpm_term_large.c a
 * session) and for the push.
 */
#ifndef CPM_ENVELOPE_H
#define CPM_ENVELOPE_H

#include <jansson.h>

#include "cpm_hdr.h"
#include "proto/envelope.h"

/* Texts are borrowed; empty: none. */
typedef struct cpm_envelope
{
	str from;    /* value of From without its tag */
	str to;      /* value of To without a tag */
	str headers; /* complete lines; what is not kept is left out */
	str types;   /* a=accept-types of the sender's offer, large messages */
	str wrapped; /* a=accept-wrapped-types, likewise */
} cpm_envelope_t;

/**
 * Make the JSON object for deferred.put and session.defer.
 *
 * @return for json_decref(); NULL with errno EINVAL, E2BIG (over
 *         ENVELOPE_MAX: the message cannot be deferred) or ENOMEM
 */
json_t *cpm_envelope_json(const cpm_envelope_t *e);

/**
 * Read an envelope that the daemon has given back.
 *
 * @param buf gets the texts, ENVELOPE_MAX bytes
 * @param out borrows from buf; filled on success only
 *
 * @return 0 or -EBADMSG
 */
int cpm_envelope_read(const json_t *json, char *buf, cpm_envelope_t *out)
		__attribute__((warn_unused_result));

#endif
