/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Builds resource lists and multipart bodies and takes multipart apart. Called
 * by cl_message.c and cl_incoming.c. RFC 5365 section 7, RFC 2046 section 5.1.
 */
#include "cl_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void cl_xml_escape(FILE *f, const char *s)
{
	for(; *s; s++) {
		switch(*s) {
			case '&':
				fputs("&amp;", f);
				break;
			case '<':
				fputs("&lt;", f);
				break;
			case '>':
				fputs("&gt;", f);
				break;
			case '"':
				fputs("&quot;", f);
				break;
			default:
				fputc(*s, f);
		}
	}
}

char *cl_resource_list(const char *const *uris, int n, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if(!f)
		abort();
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		  "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\""
		  " xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n<list>\r\n",
			f);
	for(int i = 0; i < n; i++) {
		fputs("<entry uri=\"", f);
		cl_xml_escape(f, uris[i]);
		fputs("\" cp:copyControl=\"to\"/>\r\n", f);
	}
	fputs("</list>\r\n</resource-lists>\r\n", f);
	if(fclose(f) != 0)
		abort();
	return text;
}

static void piece(struct cl_multipart *m, const void *p, size_t n)
{
	m->iov[m->n++] = (struct iovec){(void *)p, n};
	m->bytes += n;
}

void cl_multipart_build(struct cl_multipart *m, const char *subtype,
		const char *boundary, const struct cl_part *part, int n)
{
	*m = (struct cl_multipart){0};
	if(asprintf(&m->type, "multipart/%s;boundary=%s", subtype, boundary) < 0)
		abort();
	for(int i = 0; i <= n; i++) {
		size_t len = 0;
		FILE *f = open_memstream(&m->text[i], &len);

		if(!f)
			abort();
		fprintf(f, "%s--%s%s\r\n", i ? "\r\n" : "", boundary,
				i == n ? "--" : "");
		if(i < n) {
			fprintf(f, "Content-Type: %s\r\n", part[i].type);
			if(part[i].disposition)
				fprintf(f, "Content-Disposition: %s\r\n", part[i].disposition);
			if(part[i].id)
				fprintf(f, "Content-ID: <%s>\r\n", part[i].id);
			fprintf(f, "Content-Length: %zu\r\n\r\n", part[i].body.n);
		}
		if(fclose(f) != 0)
			abort();
		piece(m, m->text[i], len);
		if(i < n)
			piece(m, part[i].body.p, part[i].body.n);
	}
}

void cl_multipart_free(struct cl_multipart *m)
{
	free(m->type);
	for(int i = 0; i <= CL_PARTS_MAX; i++)
		free(m->text[i]);
	*m = (struct cl_multipart){0};
}

char *cl_multipart_join(const struct cl_multipart *m)
{
	char *out = malloc(m->bytes + 1), *p = out;

	if(!out)
		abort();
	for(int i = 0; i < m->n; i++) {
		if(m->iov[i].iov_len > 0)
			memcpy(p, m->iov[i].iov_base, m->iov[i].iov_len);
		p += m->iov[i].iov_len;
	}
	*p = '\0';
	return out;
}

struct slice cl_param(struct slice value, const char *name)
{
	struct slice p, v;

	slice_cut(value, ';', &value);
	while(value.n > 0) {
		p = slice_cut(value, ';', &value);
		p = slice_trim(slice_cut(p, '=', &v));
		if(!slice_ieq(p, slice_str(name)))
			continue;
		v = slice_trim(v);
		if(v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
			v = slice_of(v.p + 1, v.n - 2);
		return v;
	}
	return slice_of(NULL, 0);
}

struct slice cl_header_get(struct slice block, const char *name)
{
	struct slice line, value;

	while(block.n > 0) {
		line = slice_cut(block, '\n', &block);
		line = slice_trim(slice_cut(line, ':', &value));
		if(value.p && slice_ieq(line, slice_str(name)))
			return slice_trim(value);
	}
	return slice_of(NULL, 0);
}

/* The next "--boundary" at a line's start; NULL when there is none. */
static const char *delimiter(struct slice in, struct slice boundary)
{
	const char *p = in.p, *end = in.p + in.n;

	while(p && p < end) {
		if((size_t)(end - p) >= boundary.n + 2 && p[0] == '-' && p[1] == '-'
				&& memcmp(p + 2, boundary.p, boundary.n) == 0)
			return p;
		p = memchr(p, '\n', (size_t)(end - p));
		if(p)
			p++;
	}
	return NULL;
}

int cl_multipart_each(struct slice type, struct slice body,
		void (*part)(void *arg, struct slice head, struct slice body),
		void *arg)
{
	struct slice boundary = cl_param(type, "boundary"), rest, one;
	const char *d, *next, *blank;
	int n = 0;

	if(boundary.n == 0 || !(d = delimiter(body, boundary)))
		return -EBADMSG;
	for(;;) {
		rest = slice_skip(body, (size_t)(d - body.p) + 2 + boundary.n);
		if(slice_starts(rest, SLICE("--")))
			return n;
		slice_cut(rest, '\n', &rest);
		if(!rest.p || !(next = delimiter(rest, boundary)))
			return -EBADMSG;
		one = slice_of(rest.p, (size_t)(next - rest.p));
		if(one.n > 0 && one.p[one.n - 1] == '\n')
			one.n--;
		if(one.n > 0 && one.p[one.n - 1] == '\r')
			one.n--;
		blank = memmem(one.p, one.n, "\r\n\r\n", 4);
		if(blank)
			part(arg, slice_of(one.p, (size_t)(blank + 2 - one.p)),
					slice_skip(one, (size_t)(blank + 4 - one.p)));
		else if(slice_starts(one, SLICE("\r\n")))
			part(arg, slice_of(NULL, 0), slice_skip(one, 2));
		else
			return -EBADMSG;
		n++;
		d = next;
	}
}
