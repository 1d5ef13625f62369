/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Types of a CPIM payload (payload.h). Used by the module when a pager message
 * becomes a large one, and by tests.
 */
#include "payload.h"

#include <errno.h>
#include <stdio.h>

#include "multipart.h"

/* The list that grows. */
struct list
{
	char *buf;
	size_t n, size;
	const char *sep;
	bool once; /* a type that is there is not added again */
	int parts; /* seen so far */
};

static bool token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| (c >= '0' && c <= '9')
			|| (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* "type/subtype" of tokens: it goes into header fields and SDP. */
static bool type_ok(struct slice type)
{
	struct slice sub, main = slice_cut(type, '/', &sub);

	if(main.n == 0 || sub.n == 0)
		return false;
	for(size_t i = 0; i < type.n; i++)
		if(type.p + i != sub.p - 1 && !token_char(type.p[i]))
			return false;
	return true;
}

static bool listed(const struct list *l, struct slice type)
{
	struct slice rest = slice_of(l->buf, l->n);

	while(rest.n > 0)
		if(slice_ieq(slice_trim(slice_cut(rest, ' ', &rest)), type))
			return true;
	return false;
}

static int add(struct list *l, struct slice type)
{
	size_t sep = l->n ? strlen(l->sep) : 0;

	if(!type_ok(type))
		return -EBADMSG;
	if(l->once && listed(l, type))
		return 0;
	if(l->n + sep + type.n > l->size)
		return -E2BIG;
	if(sep > 0)
		memcpy(l->buf + l->n, l->sep, sep);
	memcpy(l->buf + l->n + sep, type.p, type.n);
	l->n += sep + type.n;
	return 0;
}

static bool is_multipart(struct slice type)
{
	return slice_istarts(mime_type(type), SLICE("multipart/"));
}

static int add_parts(
		struct list *l, struct slice type, struct slice body, int depth)
{
	struct multipart_part part;
	struct multipart it;
	int rc;

	if(!is_multipart(type))
		return add(l, type.n ? mime_type(type) : SLICE("text/plain"));
	if(depth == PAYLOAD_DEPTH_MAX)
		return -E2BIG;
	rc = multipart_init(&it, type, body);
	if(rc < 0)
		return -EBADMSG;
	while((rc = multipart_next(&it, &part)) == 1) {
		if(++l->parts > PAYLOAD_PARTS_MAX)
			return -E2BIG;
		rc = add_parts(l, part.content_type, part.body, depth + 1);
		if(rc < 0)
			return rc;
	}
	return rc;
}

int payload_types(const struct cpim *c, const char *sep, char *buf, size_t size)
{
	struct list l = {.buf = buf, .size = size, .sep = sep};
	int rc = add_parts(&l, c->content_type, c->body, 0);

	return rc < 0 ? rc : (int)l.n;
}

int payload_wrapped(const struct cpim *c, char *buf, size_t size)
{
	struct list l = {.buf = buf, .size = size, .sep = " ", .once = true};
	int rc = 0;

	if(is_multipart(c->content_type))
		rc = add(&l, mime_type(c->content_type));
	if(rc == 0)
		rc = add_parts(&l, c->content_type, c->body, 0);
	return rc < 0 ? rc : (int)l.n;
}

/* The namespace with or without the slash at its end, as both are written. */
static bool is_cpm(struct slice uri)
{
	const struct slice ns = CPIM_NS_CPM;

	return slice_ieq(uri, ns) || (uri.n + 1 == ns.n && slice_istarts(ns, uri));
}

static bool is_taken(const struct cpim *c, struct slice prefix)
{
	for(int i = 0; i < c->n_ns; i++)
		if(slice_eq(c->ns[i].prefix, prefix))
			return true;
	return false;
}

/* The prefix for CPM's namespace; true: it has to be declared first. */
static bool prefix_for(const struct cpim *c, char *out, size_t size)
{
	for(int i = c->n_ns - 1; i >= 0; i--) {
		bool later = false; /* bound to something else further down */

		for(int j = i + 1; j < c->n_ns; j++)
			later = later || slice_eq(c->ns[j].prefix, c->ns[i].prefix);
		if(!later && c->ns[i].prefix.n > 0 && c->ns[i].prefix.n < size
				&& is_cpm(c->ns[i].uri)) {
			snprintf(out, size, "%.*s", SLICE_ARG(c->ns[i].prefix));
			return false;
		}
	}
	snprintf(out, size, "cpm");
	for(int i = 1; i <= CPIM_NS_MAX && is_taken(c, slice_str(out)); i++)
		snprintf(out, size, "cpm%d", i);
	return true;
}

int payload_type_lines(struct slice in, const struct cpim *c, size_t *at,
		char *buf, size_t size)
{
	char types[PAYLOAD_TEXT_MAX / 2], prefix[32];
	const char *eol = "\r\n";
	char ns[96] = "";
	int n, len;

	if(!is_multipart(c->content_type) || c->payload_type.n > 0)
		return 0;
	len = payload_types(c, ", ", types, sizeof(types));
	if(len <= 0)
		return len < 0 ? len : -EBADMSG;
	/* as the wrapper's own lines end */
	if(c->headers.n < 2 || c->headers.p[c->headers.n - 2] != '\r')
		eol = "\n";
	if(prefix_for(c, prefix, sizeof(prefix))) {
		if(c->n_ns >= CPIM_NS_MAX)
			return -E2BIG;
		snprintf(ns, sizeof(ns), "NS: %s <%.*s>%s", prefix,
				SLICE_ARG(CPIM_NS_CPM), eol);
	}
	n = snprintf(buf, size, "%s%s.Payload-Type: %.*s%s", ns, prefix, len, types,
			eol);
	if(n < 0 || (size_t)n >= size)
		return -E2BIG;
	*at = (size_t)(c->headers.p + c->headers.n - in.p);
	return n;
}
