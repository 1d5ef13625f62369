/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Header fields of a SIP message in a body (sipfrag.h).
 */
#include "sipfrag.h"

/* One line without its CRLF or LF. */
static struct slice take_line(struct slice *rest)
{
	struct slice line = slice_cut(*rest, '\n', rest);

	if(line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

struct slice sipfrag_start(struct slice *rest)
{
	return take_line(rest);
}

bool sipfrag_next(struct slice *rest, struct sipfrag_field *out)
{
	struct slice line, value;

	while(rest->n > 0) {
		line = take_line(rest);
		if(line.n == 0)
			return false;
		/* lines that begin with a blank belong to it (RFC 3261 7.3.1) */
		while(rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
			struct slice more = take_line(rest);

			line.n = (size_t)(more.p + more.n - line.p);
		}
		out->name = slice_trim(slice_cut(line, ':', &value));
		if(value.p == NULL || out->name.n == 0)
			continue; /* no field */
		out->value = slice_trim(value);
		return true;
	}
	return false;
}
