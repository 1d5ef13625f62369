/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The part of HTTP/1.1 (RFC 9112) that a metrics scraper needs: a GET or HEAD
 * without body, of bounded size. Pure: no I/O, no allocation.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include "slice.h"

#define HTTP_REQUEST_MAX 8192 /* bytes of request line and headers */

struct http_request
{
	struct slice method; /* "GET" */
	struct slice path;   /* without the query; borrowed */
	bool keep_alive;     /* the connection may be used again */
};

/**
 * Parse one request.
 *
 * @param in   what has been read so far; borrowed
 * @param out  filled when the result is positive
 *
 * @return bytes of the request; 0 more is needed; -EBADMSG answer 400;
 *         -E2BIG answer 431; -ENOTSUP answer 501 (it has a body)
 */
long http_request_parse(struct slice in, struct http_request *out);

#endif
