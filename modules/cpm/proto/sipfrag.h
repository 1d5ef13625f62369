/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A SIP message as a body (message/sip, RFC 3261 section 27.5; message/sipfrag,
 * RFC 3420): its header fields one by one. Pure, no allocation.
 */
#ifndef CPM_SIPFRAG_H
#define CPM_SIPFRAG_H

#include "slice.h"

struct sipfrag_field
{
	struct slice name;
	struct slice value; /* trimmed; folded lines are in it as they stand */
};

/**
 * Take the first line off: that of a request or a status.
 *
 * @return the line without its end; what follows is left in *rest
 */
struct slice sipfrag_start(struct slice *rest);

/**
 * Take the next header field off.
 *
 * @param rest what follows the start line, or the last field
 * @param out  filled on true only
 *
 * @return false at the empty line, or at the end
 */
bool sipfrag_next(struct slice *rest, struct sipfrag_field *out);

#endif
