/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Parts of multipart bodies, RFC 2046 section 5.1: SDP beside a resource list
 * or a CPIM wrapper in an INVITE, payloads of several parts. An iterator over
 * slices of the caller's text; no allocation.
 */
#ifndef CPM_MULTIPART_H
#define CPM_MULTIPART_H

#include "mime.h"
#include "slice.h"

#define MULTIPART_BOUNDARY_MAX 70 /* bytes (RFC 2046 section 5.1.1) */

struct multipart
{
	struct slice boundary; /* borrowed from the Content-Type */
	struct slice rest;     /* not yet read */
	bool started;          /* the first boundary line has been passed */
	bool ended;            /* the closing boundary line has been passed */
};

/* One part. n is 0 in the slice of a header that is not there. */
struct multipart_part
{
	struct slice headers; /* with their line ends, without the empty line */
	struct slice content_type; /* "" = text/plain; charset=us-ascii */
	struct slice content_disposition;
	struct slice content_id; /* without < and > */
	struct slice content_transfer_encoding;
	struct slice content_length;
	struct slice body; /* without the line end that belongs to the boundary */
};

/**
 * Begin to read a multipart body.
 *
 * @param it           the iterator
 * @param content_type the whole header value: must be multipart/ something
 *                     with a boundary
 * @param body         borrowed
 *
 * @return 0; -EINVAL not multipart; -EBADMSG no usable boundary
 */
int multipart_init(struct multipart *it, struct slice content_type,
		struct slice body) __attribute__((warn_unused_result));

/**
 * Take the next part.
 *
 * @return 1 a part; 0 there is no further one; -EBADMSG the closing boundary
 *         is missing (torn body), no boundary at all, or a part's headers are
 *         broken
 */
int multipart_next(struct multipart *it, struct multipart_part *out)
		__attribute__((warn_unused_result));

/**
 * Find the first part of a media type; a body that is not multipart counts as
 * one part of its own type.
 *
 * @param content_type the header value of the whole body
 * @param body         borrowed
 * @param type         "application/sdp"
 * @param out          filled on success only
 *
 * @return 0; -ENOENT there is none; -EBADMSG broken multipart before one was
 *         found
 */
int multipart_find(struct slice content_type, struct slice body,
		struct slice type, struct multipart_part *out)
		__attribute__((warn_unused_result));

#endif
