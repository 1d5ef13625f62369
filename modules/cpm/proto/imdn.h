/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writing of instant message disposition notifications (RFC 5438): the only
 * one that a Participating Function sends, delivery "failed", in its CPIM
 * wrapper. No allocation.
 */
#ifndef CPM_IMDN_TEXT_H
#define CPM_IMDN_TEXT_H

#include <time.h>

#include "slice.h"

#define IMDN_TYPE "message/imdn+xml"
#define IMDN_TEXT_MAX 8192 /* bytes that always suffice for texts up to 255 */

/* Of the message that failed; values are borrowed. Control bytes in them
 * become blanks, bytes that are no UTF-8 question marks. */
struct imdn_failed
{
	struct slice message_id; /* imdn.Message-ID */
	struct slice datetime;   /* CPIM DateTime; empty: the time of now */
	struct slice recipient;  /* URI of the recipient, without < and > */
	struct slice sender;     /* URI of its sender, likewise */
	struct slice id;         /* imdn.Message-ID of the notification itself */
	time_t now;
};

/**
 * Write the body of type message/cpim.
 *
 * @param buf not NUL-terminated
 * @return bytes written, or -E2BIG
 *
 * RFC 5438 sections 7.2.1.1 and 11.1, RFC 3862
 */
int imdn_failed_write(const struct imdn_failed *f, char *buf, size_t size)
		__attribute__((warn_unused_result));

#endif
