/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bodies the client builds: resource lists (RFC 5363, 5364, 5365) and
 * multipart (RFC 2046). Pure.
 */
#ifndef CL_BODY_H
#define CL_BODY_H

#include <stdio.h>
#include <sys/uio.h>

#include "slice.h"

#define CL_PARTS_MAX 16

/** Write s with the five characters of XML escaped that need it. */
void cl_xml_escape(FILE *f, const char *s);

/** An application/resource-lists+xml document; text to be freed. */
char *cl_resource_list(const char *const *uris, int n, size_t *len);

/* One part of a multipart body. */
struct cl_part
{
	const char *type;        /* Content-Type */
	const char *disposition; /* Content-Disposition, or NULL */
	const char *id;          /* Content-ID without <>, or NULL */
	struct slice body;       /* borrowed */
};

/* A multipart body as pieces: written text between borrowed bodies. */
struct cl_multipart
{
	char *type;                   /* Content-Type with boundary; to be freed */
	char *text[CL_PARTS_MAX + 1]; /* to be freed */
	struct iovec iov[2 * CL_PARTS_MAX + 1];
	int n;
	size_t bytes;
};

/**
 * Lay out a multipart body.
 *
 * @param subtype  "mixed" or "related"
 * @param boundary no part may contain it
 */
void cl_multipart_build(struct cl_multipart *m, const char *subtype,
		const char *boundary, const struct cl_part *part, int n);
void cl_multipart_free(struct cl_multipart *m);

/** The pieces as one text; to be freed. */
char *cl_multipart_join(const struct cl_multipart *m);

/**
 * Call back for each part of a multipart body.
 *
 * @param type the Content-Type value with the boundary parameter
 *
 * @return number of parts; -EBADMSG
 */
int cl_multipart_each(struct slice type, struct slice body,
		void (*part)(void *arg, struct slice head, struct slice body),
		void *arg);

/** Value of a header in a block of header lines; empty when it is not there. */
struct slice cl_header_get(struct slice block, const char *name);

/** The value of a parameter of a header value, without its quotes. */
struct slice cl_param(struct slice value, const char *name);

#endif
