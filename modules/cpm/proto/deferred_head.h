/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What has to be known of a message that is stored for later: the headers of
 * its CPIM wrapper (RFC 3862) and the IMDN it asks for (RFC 5438). Pure; slices
 * into the caller's text.
 */
#ifndef CPM_DEFERRED_HEAD_H
#define CPM_DEFERRED_HEAD_H

#include <stdbool.h>

#include "slice.h"

#define DEFERRED_TEXT_MAX 256 /* bytes of a header's value, with its NUL */

/* n is 0 in what is not there. */
struct deferred_head
{
	struct slice imdn_id; /* imdn.Message-ID, whatever its prefix */
	struct slice from;    /* value: display name and <uri> */
	struct slice to;      /* the first To */
	struct slice date;    /* DateTime as written */
	struct slice subject;
	bool negative; /* it asks for negative-delivery */
	bool is_imdn;  /* it is a disposition notification itself: no other one is
					  ever sent about it (RFC 5438 section 4) */
};

/**
 * Read the head of a message.
 *
 * @param type Content-Type; other than message/cpim has no head
 * @param body the message, or the first CPIM_HEADER_MAX bytes of it; borrowed
 * @param out  empty but for what was found, also on failure
 *
 * @return 0; -EBADMSG no wrapper, or a broken one
 */
int deferred_head_read(
		struct slice type, struct slice body, struct deferred_head *out);

/**
 * A value as text that may go into JSON and a log: one line of UTF-8, every
 * other byte a '?', cut between characters.
 *
 * @param out DEFERRED_TEXT_MAX bytes
 */
void deferred_text(struct slice value, char out[DEFERRED_TEXT_MAX]);

/* imdn_id as deferred_text(); "" when it would not be whole: a message cannot
 * be found by half of its id. */
void deferred_head_id(
		const struct deferred_head *h, char out[DEFERRED_TEXT_MAX]);

#endif
