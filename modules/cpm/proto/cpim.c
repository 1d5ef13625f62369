/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The CPIM reader (RFC 3862, RFC 5438 section 6). Both header blocks are found
 * first, then read, so that a torn wrapper is told from a broken one. Callers:
 * the module for pager bodies, the relay for a message's first chunk.
 */
#include "cpim.h"

#include <errno.h>

/* Where the blocks are. */
struct layout
{
	struct slice headers; /* lines of the message headers */
	struct slice mime;    /* lines of the MIME headers */
	size_t body;          /* offset of the payload */
};

/**
 * Go behind the next empty line.
 *
 * @param block the lines in front of it, their line ends included
 *
 * @return 1; 0 the text ends before
 */
static int take_block(struct slice *rest, struct slice *block)
{
	struct slice line, s = *rest;
	const char *start = s.p;

	for(;;) {
		const char *here = s.p;

		if(mime_line(&s, &line) != 1)
			return 0;
		if(line.n == 0) {
			*block = slice_of(start, (size_t)(here - start));
			*rest = s;
			return 1;
		}
	}
}

/* An empty line too many: do MIME headers follow it? -EAGAIN: cannot tell. */
static int mime_follows(struct slice rest, bool partial)
{
	const struct slice word = SLICE("Content-");

	if(slice_istarts(rest, word))
		return 1;
	if(partial && rest.n < word.n
			&& slice_istarts(word, slice_of(rest.p, rest.n)))
		return -EAGAIN;
	return 0;
}

static int find_blocks(struct slice in, bool partial, struct layout *l)
{
	struct slice rest = in, line;
	const int torn = partial ? -EAGAIN : -EBADMSG;
	int rc;

	/* the limit holds for the headers alone, wherever they end */
	if(rest.n > CPIM_HEADER_MAX)
		rest.n = CPIM_HEADER_MAX;
	while(rest.n > 0 && (rest.p[0] == '\r' || rest.p[0] == '\n')) {
		struct slice s = rest;
		if(mime_line(&s, &line) != 1 || line.n != 0)
			break;
		rest = s;
	}
	if(!take_block(&rest, &l->headers))
		return in.n > CPIM_HEADER_MAX ? -E2BIG : torn;
	line = slice_of(NULL, 0);
	struct slice after = rest;
	if(partial && rest.n == 0)
		return -EAGAIN;
	if(mime_line(&after, &line) == 1 && line.n == 0) {
		rc = mime_follows(after, partial);
		if(rc < 0)
			return rc;
		if(rc == 0) {
			/* no MIME headers at all: the payload is text/plain */
			l->mime = slice_of(rest.p, 0);
			l->body = (size_t)(after.p - in.p);
			return 0;
		}
		rest = after;
	}
	if(take_block(&rest, &l->mime)) {
		l->body = (size_t)(rest.p - in.p);
		return 0;
	}
	if(in.n > CPIM_HEADER_MAX)
		return -E2BIG;
	if(partial)
		return -EAGAIN;
	/* headers up to the end of the text: a payload of no bytes */
	l->mime = rest;
	l->body = in.n;
	return 0;
}

/* "prefix <uri>" or "<uri>". */
static int add_ns(struct cpim *c, struct slice value)
{
	struct slice uri, prefix = slice_cut(value, '<', &uri);
	const char *end = uri.n ? memchr(uri.p, '>', uri.n) : NULL;

	if(end == NULL || end == uri.p)
		return -EBADMSG;
	if(c->n_ns == CPIM_NS_MAX)
		return -E2BIG;
	c->ns[c->n_ns].prefix = slice_trim(prefix);
	c->ns[c->n_ns].uri = slice_of(uri.p, (size_t)(end - uri.p));
	c->n_ns++;
	return 0;
}

static struct slice resolve(const struct cpim *c, struct slice prefix)
{
	/* the latest declaration of a prefix counts */
	for(int i = c->n_ns - 1; i >= 0; i--)
		if(slice_eq(c->ns[i].prefix, prefix))
			return c->ns[i].uri;
	if(prefix.n == 0)
		return CPIM_NS_CORE;
	if(slice_ieq(prefix, SLICE("imdn")))
		return CPIM_NS_IMDN;
	if(slice_ieq(prefix, SLICE("cpm")))
		return CPIM_NS_CPM;
	return SLICE("");
}

/* ";lang=fr Objet": the parameters are not of the value. */
static struct slice skip_params(struct slice value)
{
	while(value.n > 0 && value.p[0] == ';') {
		struct slice rest;
		slice_cut(value, ' ', &rest);
		value = slice_trim(rest);
	}
	return value;
}

static void split_name(
		const struct cpim *c, const struct mime_hdr *h, struct cpim_hdr *out)
{
	struct slice name, prefix = slice_cut(h->name, '.', &name);

	if(name.p == NULL) {
		name = h->name;
		prefix = SLICE("");
	}
	out->name = name;
	out->ns =
			slice_ieq(h->name, SLICE("NS")) ? CPIM_NS_CORE : resolve(c, prefix);
	out->value = skip_params(h->value);
}

bool cpim_next(const struct cpim *c, struct slice *rest, struct cpim_hdr *out)
{
	struct slice before = *rest;
	struct mime_hdr h;

	if(mime_hdr_next(rest, &h) != 1)
		return false;
	split_name(c, &h, out);
	out->raw = slice_of(before.p, before.n - rest->n);
	return true;
}

unsigned cpim_disposition(struct slice value)
{
	static const struct
	{
		const char *word;
		unsigned bit;
	} words[] = {
			{"positive-delivery", CPIM_DN_POSITIVE_DELIVERY},
			{"negative-delivery", CPIM_DN_NEGATIVE_DELIVERY},
			{"processing", CPIM_DN_PROCESSING},
			{"display", CPIM_DN_DISPLAY},
			{"interworking", CPIM_DN_INTERWORKING},
	};
	unsigned bits = 0;

	while(value.n > 0) {
		struct slice word = slice_trim(slice_cut(value, ',', &value));

		for(size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if(slice_ieq(word, slice_str(words[i].word)))
				bits |= words[i].bit;
	}
	return bits;
}

struct slice cpim_uri(struct slice value)
{
	struct slice uri, rest;
	bool quoted = false;

	for(size_t i = 0; i < value.n; i++) {
		if(value.p[i] == '"')
			quoted = !quoted;
		if(value.p[i] != '<' || quoted)
			continue;
		uri = slice_cut(slice_skip(value, i + 1), '>', &rest);
		return rest.p ? slice_trim(uri) : slice_trim(value);
	}
	return slice_trim(value);
}

/* CPM's namespace is written with and without the slash at its end. */
static bool is_cpm_ns(struct slice ns)
{
	return slice_ieq(ns, CPIM_NS_CPM)
			|| (ns.n + 1 == CPIM_NS_CPM.n && slice_istarts(CPIM_NS_CPM, ns));
}

/* The first header of a name counts. */
static void set_once(struct slice *field, struct slice value)
{
	if(field->p == NULL)
		*field = value;
}

static void note_header(struct cpim *c, const struct cpim_hdr *h)
{
	if(slice_ieq(h->name, SLICE("Message-Direction"))) {
		set_once(&c->direction, h->value);
	} else if(slice_ieq(h->name, SLICE("Message-UID"))) {
		set_once(&c->message_uid, h->value);
	} else if(slice_ieq(h->ns, CPIM_NS_CORE)) {
		if(slice_ieq(h->name, SLICE("From")))
			set_once(&c->from, h->value);
		else if(slice_ieq(h->name, SLICE("DateTime")))
			set_once(&c->datetime, h->value);
		else if(slice_ieq(h->name, SLICE("Subject")))
			set_once(&c->subject, h->value);
		else if(slice_ieq(h->name, SLICE("To"))) {
			set_once(&c->to, h->value);
			c->n_to++;
		}
	} else if(slice_ieq(h->ns, CPIM_NS_IMDN)) {
		if(slice_ieq(h->name, SLICE("Message-ID")))
			set_once(&c->imdn_message_id, h->value);
		else if(slice_ieq(h->name, SLICE("Disposition-Notification"))) {
			set_once(&c->imdn_disposition, h->value);
			c->disposition |= cpim_disposition(h->value);
		}
	} else if(is_cpm_ns(h->ns)) {
		if(slice_ieq(h->name, SLICE("Payload-Type")))
			set_once(&c->payload_type, h->value);
	}
}

static int read_headers(struct cpim *c)
{
	struct slice rest = c->headers;
	struct mime_hdr h;
	struct cpim_hdr hdr;
	int rc;

	while((rc = mime_hdr_next(&rest, &h)) == 1) {
		if(slice_ieq(h.name, SLICE("NS"))) {
			rc = add_ns(c, h.value);
			if(rc < 0)
				return rc;
			continue;
		}
		split_name(c, &h, &hdr);
		note_header(c, &hdr);
	}
	return rc;
}

static int read_mime(struct cpim *c)
{
	struct slice rest = c->mime_headers;
	struct mime_hdr h;
	int rc;

	while((rc = mime_hdr_next(&rest, &h)) == 1) {
		if(slice_ieq(h.name, SLICE("Content-Type")))
			set_once(&c->content_type, h.value);
		else if(slice_ieq(h.name, SLICE("Content-Disposition")))
			set_once(&c->content_disposition, h.value);
		else if(slice_ieq(h.name, SLICE("Content-ID")))
			set_once(&c->content_id, h.value);
		else if(slice_ieq(h.name, SLICE("Content-Length"))) {
			if(!slice_u64(h.value, UINT64_MAX, &c->content_length))
				return -EBADMSG;
			c->has_content_length = true;
		}
	}
	return rc;
}

static int parse(struct slice in, bool partial, struct cpim *out)
{
	struct layout l = {0};
	struct cpim c = {0};
	int rc = find_blocks(in, partial, &l);

	if(rc < 0)
		return rc;
	c.headers = l.headers;
	c.mime_headers = l.mime;
	c.body_offset = l.body;
	c.body = slice_skip(in, l.body);
	if(l.headers.n == 0)
		return -EBADMSG;
	rc = read_headers(&c);
	if(rc == 0)
		rc = read_mime(&c);
	if(rc < 0)
		return rc;
	if(c.has_content_length && c.content_length < c.body.n)
		c.body.n = (size_t)c.content_length;
	*out = c;
	return 0;
}

int cpim_parse(struct slice in, struct cpim *out)
{
	return parse(in, false, out);
}

int cpim_parse_head(struct slice in, struct cpim *out)
{
	return parse(in, true, out);
}

static bool is_to(const struct cpim_hdr *h)
{
	return slice_ieq(h->name, SLICE("To")) && slice_ieq(h->ns, CPIM_NS_CORE);
}

size_t cpim_to_bytes(const struct cpim *c)
{
	struct slice rest = c->headers;
	struct cpim_hdr h;
	size_t n = 0;

	while(cpim_next(c, &rest, &h))
		n += is_to(&h) ? h.raw.n : 0;
	return n;
}

size_t cpim_retarget_size(const struct cpim *c, struct slice uri)
{
	return c->headers.n - cpim_to_bytes(c) + CPIM_TO_SIZE(uri.n);
}

static char *put(char *to, struct slice s)
{
	memcpy(to, s.p, s.n);
	return to + s.n;
}

size_t cpim_without_to(const struct cpim *c, char *out, size_t *at)
{
	const char *from = c->headers.p, *end = from + c->headers.n;
	struct slice rest = c->headers;
	struct cpim_hdr h;
	char *to = out, *place = NULL;

	while(cpim_next(c, &rest, &h)) {
		if(!is_to(&h))
			continue;
		to = put(to, slice_of(from, (size_t)(h.raw.p - from)));
		from = h.raw.p + h.raw.n;
		if(place == NULL)
			place = to;
	}
	to = put(to, slice_of(from, (size_t)(end - from)));
	*at = (size_t)((place ? place : to) - out);
	return (size_t)(to - out);
}

size_t cpim_retarget(const struct cpim *c, struct slice uri, char *out)
{
	const size_t more = CPIM_TO_SIZE(uri.n);
	size_t at, n = cpim_without_to(c, out, &at);
	char *to = out + at;

	memmove(to + more, to, n - at);
	to = put(to, SLICE("To: <"));
	to = put(to, uri);
	put(to, SLICE(">\r\n"));
	return n + more;
}
