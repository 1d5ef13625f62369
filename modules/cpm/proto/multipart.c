/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Multipart bodies (RFC 2046 section 5.1): an iterator that finds boundary
 * lines and reads each part's headers. The module takes the SDP and the
 * recipient list of an INVITE with it.
 */
#include "multipart.h"

#include <errno.h>

int multipart_init(
		struct multipart *it, struct slice content_type, struct slice body)
{
	struct slice b;

	if(!slice_istarts(mime_type(content_type), SLICE("multipart/")))
		return -EINVAL;
	if(!mime_param(content_type, SLICE("boundary"), &b) || b.n == 0
			|| b.n > MULTIPART_BOUNDARY_MAX || memchr(b.p, '\n', b.n)
			|| memchr(b.p, '\\', b.n) || b.p[b.n - 1] == ' ')
		return -EBADMSG;
	*it = (struct multipart){.boundary = b, .rest = body};
	return 0;
}

/* Is this line "--boundary" or "--boundary--", blanks behind it allowed? */
static bool is_boundary(struct slice line, struct slice boundary, bool *closing)
{
	if(line.n < boundary.n + 2 || line.p[0] != '-' || line.p[1] != '-'
			|| memcmp(line.p + 2, boundary.p, boundary.n) != 0)
		return false;
	line = slice_skip(line, boundary.n + 2);
	*closing = slice_starts(line, SLICE("--"));
	if(*closing)
		line = slice_skip(line, 2);
	return slice_trim(line).n == 0;
}

/**
 * Go behind the next boundary line.
 *
 * @param before what stands in front of it, without the line end that belongs
 *               to the boundary
 *
 * @return 1; 0 there is none
 */
static int to_boundary(struct multipart *it, struct slice *before)
{
	struct slice rest = it->rest, line;
	const char *start = rest.p;
	bool closing;

	while(mime_line(&rest, &line) > 0) {
		size_t n;

		if(!is_boundary(line, it->boundary, &closing))
			continue;
		n = (size_t)(line.p - start);
		if(n > 0 && start[n - 1] == '\n')
			n--;
		if(n > 0 && start[n - 1] == '\r')
			n--;
		*before = slice_of(start, n);
		it->rest = rest;
		it->ended = closing;
		return 1;
	}
	return 0;
}

static int read_headers(struct slice *rest, struct multipart_part *part)
{
	struct mime_hdr h;
	int rc;

	while((rc = mime_hdr_next(rest, &h)) == 1) {
		if(slice_ieq(h.name, SLICE("Content-Type"))
				|| slice_ieq(h.name, SLICE("c")))
			part->content_type = h.value;
		else if(slice_ieq(h.name, SLICE("Content-Disposition")))
			part->content_disposition = h.value;
		else if(slice_ieq(h.name, SLICE("Content-Transfer-Encoding")))
			part->content_transfer_encoding = h.value;
		else if(slice_ieq(h.name, SLICE("Content-Length"))
				|| slice_ieq(h.name, SLICE("l")))
			part->content_length = h.value;
		else if(slice_ieq(h.name, SLICE("Content-ID"))) {
			part->content_id = h.value;
			if(h.value.n >= 2 && h.value.p[0] == '<'
					&& h.value.p[h.value.n - 1] == '>')
				part->content_id = slice_of(h.value.p + 1, h.value.n - 2);
		}
	}
	return rc;
}

int multipart_next(struct multipart *it, struct multipart_part *out)
{
	struct multipart_part part = {0};
	struct slice text, rest;
	int rc;

	if(it->ended)
		return 0;
	if(!it->started) {
		if(to_boundary(it, &text) == 0)
			return -EBADMSG;
		it->started = true;
		if(it->ended)
			return 0;
	}
	if(to_boundary(it, &text) == 0)
		return -EBADMSG;
	rest = text;
	rc = read_headers(&rest, &part);
	if(rc < 0)
		return rc;
	part.body = rest;
	part.headers = slice_of(text.p, text.n - rest.n);
	/* the empty line is neither header nor body */
	if(part.headers.n > 0 && part.headers.p[part.headers.n - 1] == '\n'
			&& (part.headers.n == 1
					|| part.headers.p[part.headers.n - 2] == '\n'))
		part.headers.n--;
	else if(part.headers.n > 1 && part.headers.p[part.headers.n - 1] == '\n'
			&& part.headers.p[part.headers.n - 2] == '\r'
			&& (part.headers.n == 2
					|| part.headers.p[part.headers.n - 3] == '\n'))
		part.headers.n -= 2;
	*out = part;
	return 1;
}

int multipart_find(struct slice content_type, struct slice body,
		struct slice type, struct multipart_part *out)
{
	struct multipart it;
	struct multipart_part part;
	int rc = multipart_init(&it, content_type, body);

	if(rc == -EINVAL) {
		if(!mime_type_is(content_type, type))
			return -ENOENT;
		*out = (struct multipart_part){
				.content_type = content_type, .body = body};
		return 0;
	}
	if(rc < 0)
		return rc;
	while((rc = multipart_next(&it, &part)) == 1) {
		if(mime_type_is(part.content_type, type)) {
			*out = part;
			return 0;
		}
	}
	return rc < 0 ? rc : -ENOENT;
}
