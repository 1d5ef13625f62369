/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes and reads CPIM wrappers. Called where messages are made (cl_message.c,
 * cl_imdn.c) and where they are received (cl_incoming.c). RFC 3862, RFC 5438.
 */
#include "cl_cpim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_MAX (64 * 1024) /* bytes in which the headers must end */

char *cl_cpim_head(
		const struct cl_cpim_out *in, size_t payload_bytes, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if(!f)
		abort();
	fprintf(f, "From: <%s>\r\nTo: <%s>\r\n", in->from, in->to);
	if(in->datetime)
		fprintf(f, "DateTime: %s\r\n", in->datetime);
	if(in->subject)
		fprintf(f, "Subject: %s\r\n", in->subject);
	if(in->message_id || in->disposition || in->imdn_route)
		fprintf(f, "NS: imdn <" CL_NS_IMDN ">\r\n");
	if(in->message_id)
		fprintf(f, "imdn.Message-ID: %s\r\n", in->message_id);
	if(in->disposition)
		fprintf(f, "imdn.Disposition-Notification: %s\r\n", in->disposition);
	if(in->imdn_route)
		fprintf(f, "imdn.IMDN-Route: %s\r\n", in->imdn_route);
	if(in->payload_types)
		fprintf(f, "NS: cpm <" CL_NS_CPM ">\r\ncpm.Payload-Type: %s\r\n",
				in->payload_types);
	fprintf(f, "\r\nContent-Type: %s\r\n", in->content_type);
	if(in->content_disposition)
		fprintf(f, "Content-Disposition: %s\r\n", in->content_disposition);
	fprintf(f, "Content-Length: %zu\r\n\r\n", payload_bytes);
	if(fclose(f) != 0)
		abort();
	return text;
}

/* The URN that a prefix stands for, from the NS headers read so far. */
static struct slice namespace_of(const struct cl_cpim *c, struct slice prefix)
{
	for(int i = c->n - 1; i >= 0; i--) {
		struct slice v = c->h[i].value, urn, name;

		if(c->h[i].mime || !slice_ieq(c->h[i].raw, SLICE("NS")))
			continue;
		/* "imdn <urn>", and "imdn<urn>" as some write it */
		name = slice_trim(slice_cut(v, '<', &urn));
		if(slice_eq(name, prefix))
			return slice_cut(urn, '>', NULL);
	}
	return slice_of(NULL, 0);
}

static int header_add(struct cl_cpim *c, struct slice line, bool mime)
{
	struct cl_cpim_header *h;
	struct slice value, rest;

	if(c->n == CL_CPIM_HEADERS)
		return -E2BIG;
	h = &c->h[c->n];
	*h = (struct cl_cpim_header){.mime = mime};
	h->raw = slice_trim(slice_cut(line, ':', &value));
	if(h->raw.n == 0 || value.p == NULL)
		return -EBADMSG;
	h->value = slice_trim(value);
	h->name = h->raw;
	if(!mime && memchr(h->raw.p, '.', h->raw.n)) {
		h->ns = namespace_of(c, slice_cut(h->raw, '.', &rest));
		h->name = rest;
	}
	c->n++;
	return 0;
}

int cl_cpim_parse(struct slice in, struct cl_cpim *out)
{
	struct slice rest = in, line;
	bool mime = false, any = false;
	int rc;

	out->n = 0;
	while(rest.p && (size_t)(rest.p - in.p) < HEAD_MAX) {
		line = slice_cut(rest, '\n', &rest);
		if(rest.p == NULL)
			return -EBADMSG;
		line = slice_trim(line);
		if(line.n > 0) {
			any = true;
			rc = header_add(out, line, mime);
			if(rc != 0)
				return rc;
			continue;
		}
		if(!any)
			continue; /* blank lines before the first header */
		if(mime) {
			out->content = rest;
			return 0;
		}
		mime = true;
	}
	return -EBADMSG;
}

struct slice cl_cpim_get(
		const struct cl_cpim *c, const char *ns, const char *name)
{
	for(int i = 0; i < c->n; i++)
		if(!c->h[i].mime && slice_eq(c->h[i].ns, slice_str(ns))
				&& slice_ieq(c->h[i].name, slice_str(name)))
			return c->h[i].value;
	return slice_of(NULL, 0);
}

struct slice cl_cpim_mime(const struct cl_cpim *c, const char *name)
{
	for(int i = 0; i < c->n; i++)
		if(c->h[i].mime && slice_ieq(c->h[i].name, slice_str(name)))
			return c->h[i].value;
	return slice_of(NULL, 0);
}

struct slice cl_address(struct slice value)
{
	struct slice in, out;

	value = slice_trim(value);
	if(value.n > 0 && value.p[0] == '"') {
		/* A quoted display name may hold anything, "<" too. */
		size_t i = 1;
		while(i < value.n && value.p[i] != '"')
			i += value.p[i] == '\\' ? 2 : 1;
		value = slice_trim(slice_skip(value, i + 1));
	}
	slice_cut(value, '<', &in);
	if(in.p) {
		slice_cut(in, '>', &out);
		return slice_trim(slice_cut(in, '>', NULL));
	}
	/* addr-spec form: parameters belong to the header, not the address */
	return slice_trim(slice_cut(value, ';', NULL));
}

bool cl_list_has(struct slice list, const char *token)
{
	while(list.n > 0)
		if(slice_ieq(slice_trim(slice_cut(list, ',', &list)), slice_str(token)))
			return true;
	return false;
}
