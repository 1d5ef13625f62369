/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Header fields and parameters as MIME, CPIM and MSRP write them: one field a
 * line, folded lines, "type/subtype; name=value" values. The common ground of
 * cpim.c and multipart.c. No allocation.
 */
#ifndef CPM_MIME_H
#define CPM_MIME_H

#include "slice.h"

/* One header field. Slices are borrowed. */
struct mime_hdr
{
	struct slice name;  /* without the colon */
	struct slice value; /* trimmed; a folded value still has its line ends */
};

/**
 * Take one line off the text; the line end is CRLF or LF.
 *
 * @param rest what is left; moved on
 * @param line the line without its end
 *
 * @return 1 a line that had its end; 0 nothing left; 2 the last line, which
 *         had no end
 */
int mime_line(struct slice *rest, struct slice *line);

/**
 * Take the next field of a header block that ends with an empty line or with
 * the text.
 *
 * @param rest what is left; moved on, behind the empty line at the block's end
 * @param out  filled when 1 is returned
 *
 * @return 1 a field; 0 the block is at its end; -EBADMSG a line is no field
 */
int mime_hdr_next(struct slice *rest, struct mime_hdr *out)
		__attribute__((warn_unused_result));

/* "type/subtype" of a Content-Type value: what stands before the parameters. */
struct slice mime_type(struct slice value);

/* Whether a Content-Type value is this "type/subtype", whatever its case and
 * parameters. */
bool mime_type_is(struct slice value, struct slice type);

/**
 * A parameter of a Content-Type or Content-Disposition value.
 *
 * @param value the whole header value
 * @param name  compared without regard to case
 * @param out   without quotes; a backslash within quotes is kept; filled on
 *              success only
 *
 * @return true when it is there
 */
bool mime_param(struct slice value, struct slice name, struct slice *out);

/**
 * Whether a media type is in a list as in a=accept-types: "*", "text/plain",
 * "text/ *" without the blank.
 *
 * @param list separated by blanks (or commas)
 * @param type a Content-Type value, parameters are ignored
 */
bool mime_type_accepted(struct slice list, struct slice type);

/* Whether a Content-Transfer-Encoding leaves the body as it is: 7bit, 8bit,
 * binary, or none. */
bool mime_is_identity(struct slice encoding);

/**
 * Undo a Content-Transfer-Encoding (RFC 2045 section 6).
 *
 * @param encoding base64, quoted-printable, or one of mime_is_identity()
 * @param in       the encoded body
 * @param out      as large as in at least
 *
 * @return bytes in out; -ENOTSUP another encoding; -EBADMSG broken text;
 *         -E2BIG out is too small
 */
int mime_decode(struct slice encoding, struct slice in, char *out, size_t size)
		__attribute__((warn_unused_result));

#endif
