/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Parser of HTTP/1.x requests without body (RFC 9112 sections 2 to 6), for
 * http_server.c.
 */
#include "http_request.h"

#include <errno.h>

static bool is_token(struct slice s)
{
	static const char more[] = "!#$%&'*+-.^_`|~";

	for(size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned char low = c | 0x20;

		if(!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9')
				&& (c == '\0' || !strchr(more, c)))
			return false;
	}
	return s.n > 0;
}

/* One line without its CRLF (a bare LF is taken too, RFC 9112 2.2). */
static bool next_line(struct slice *rest, struct slice *line)
{
	const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

	if(lf == NULL)
		return false;
	*line = slice_of(rest->p, (size_t)(lf - rest->p));
	*rest = slice_skip(*rest, line->n + 1);
	if(line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static int request_line(struct slice line, struct http_request *out)
{
	struct slice rest, version, target;

	out->method = slice_cut(line, ' ', &rest);
	target = slice_cut(rest, ' ', &version);
	if(!is_token(out->method) || target.n == 0 || target.p[0] != '/')
		return -EBADMSG;
	for(size_t i = 0; i < target.n; i++)
		if((unsigned char)target.p[i] <= 0x20 || target.p[i] == 0x7f)
			return -EBADMSG;
	if(slice_eq(version, SLICE("HTTP/1.1")))
		out->keep_alive = true;
	else if(slice_eq(version, SLICE("HTTP/1.0")))
		out->keep_alive = false;
	else
		return -EBADMSG;
	out->path = slice_cut(target, '?', NULL);
	return 0;
}

static int header_line(struct slice line, struct http_request *out)
{
	struct slice value, name = slice_cut(line, ':', &value);

	if(!is_token(name) || value.p == NULL)
		return -EBADMSG;
	value = slice_trim(value);
	if(slice_ieq(name, SLICE("Connection"))) {
		if(slice_ieq(value, SLICE("close")))
			out->keep_alive = false;
		else if(slice_ieq(value, SLICE("keep-alive")))
			out->keep_alive = true;
	}
	if(slice_ieq(name, SLICE("Content-Length")) && !slice_eq(value, SLICE("0")))
		return -ENOTSUP;
	if(slice_ieq(name, SLICE("Transfer-Encoding")))
		return -ENOTSUP;
	return 0;
}

long http_request_parse(struct slice in, struct http_request *out)
{
	struct http_request r = {0};
	struct slice rest = in, line;
	int rc = 0;

	if(rest.n > HTTP_REQUEST_MAX)
		rest.n = HTTP_REQUEST_MAX;
	if(!next_line(&rest, &line))
		return rest.n >= HTTP_REQUEST_MAX ? -E2BIG : 0;
	rc = request_line(line, &r);
	while(rc == 0) {
		if(!next_line(&rest, &line))
			return in.n >= HTTP_REQUEST_MAX ? -E2BIG : 0;
		if(line.n == 0) {
			*out = r;
			return rest.p - in.p;
		}
		rc = header_line(line, &r);
	}
	return rc;
}
