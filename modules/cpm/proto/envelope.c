/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writing and reading of envelopes (envelope.h).
 */
#include "envelope.h"

#include <errno.h>
#include <stdlib.h>

#include "base64.h"

/* The members, in the order of struct envelope. */
static const char *const names[] = {
		"from", "to", "headers", "types", "wrapped"};

#define MEMBERS (sizeof(names) / sizeof(*names))
#define HEADERS 2 /* the one of several lines */

_Static_assert(sizeof(struct envelope) == MEMBERS * sizeof(struct slice),
		"a member for each text");

bool envelope_keeps(struct slice name)
{
	static const char *const kept[] = {"Accept-Contact", "Reject-Contact",
			"Request-Disposition", "Conversation-ID", "Contribution-ID",
			"InReplyTo-Contribution-ID", "P-Asserted-Identity",
			"P-Asserted-Service", "Privacy", "Subject", "Reply-To", "Priority",
			"Resource-Priority", "Organization", "Referred-By", "In-Reply-To",
			"User-to-User", "Session-ID", "History-Info", "Geolocation",
			"Geolocation-Routing", "Attestation-Info", "Origination-Id"};

	for(size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if(slice_ieq(name, slice_str(kept[i])))
			return true;
	return false;
}

/* One line off the text, its end included. */
static struct slice take_line(struct slice *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct slice line = *rest;

	if(end)
		line.n = (size_t)(end + 1 - rest->p);
	*rest = slice_skip(*rest, line.n);
	return line;
}

static struct slice line_name(struct slice line)
{
	return slice_trim(slice_cut(line, ':', NULL));
}

size_t envelope_filter(struct slice lines, char *out)
{
	size_t n = 0;

	while(lines.n > 0) {
		struct slice line = take_line(&lines);

		if(!envelope_keeps(line_name(line)))
			continue;
		memcpy(out + n, line.p, line.n);
		n += line.n;
	}
	return n;
}

/* ---- writing ---- */

static json_t *text_json(struct slice s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n), *o = NULL;
	char *code;

	if(v)
		return v;
	/* not UTF-8 */
	code = malloc(BASE64_LEN(s.n) + 1);
	if(code) {
		base64_encode(code, s.p, s.n);
		o = json_pack("{s:s}", "base64", code);
		free(code);
	}
	return o;
}

/* As it goes over the control connection. */
static bool fits(const json_t *o)
{
	return json_dumpb(o, NULL, 0, JSON_COMPACT) <= ENVELOPE_MAX;
}

static json_t *fail(json_t *o, int err)
{
	json_decref(o);
	errno = err;
	return NULL;
}

json_t *envelope_json(const struct envelope *e)
{
	const struct slice texts[] = {
			e->from, e->to, e->headers, e->types, e->wrapped};
	json_t *o;

	if(e->from.n == 0 || e->to.n == 0)
		return fail(NULL, EINVAL);
	o = json_object();
	for(size_t i = 0; i < MEMBERS; i++) {
		struct slice s = texts[i];
		char *kept = NULL;
		int rc = 0;

		if(s.n > ENVELOPE_MAX * 2)
			return fail(o, E2BIG);
		if(i == HEADERS && s.n > 0) {
			kept = malloc(s.n);
			if(kept == NULL)
				return fail(o, ENOMEM);
			s = slice_of(kept, envelope_filter(s, kept));
		}
		if(s.n > 0)
			rc = json_object_set_new(o, names[i], text_json(s));
		free(kept);
		if(rc < 0)
			return fail(o, ENOMEM);
	}
	return fits(o) ? o : fail(o, E2BIG);
}

/* ---- reading ---- */

/* A member's bytes to buf: their number, or a negative errno. */
static int text_read(const json_t *v, char *buf, size_t size)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	if(s != NULL) {
		if(n > size)
			return -E2BIG;
		memcpy(buf, s, n);
		return (int)n;
	}
	v = json_object_get(v, "base64");
	s = json_string_value(v);
	n = json_string_length(v);
	if(s == NULL)
		return -EBADMSG;
	if(n / 4 * 3 > size)
		return -E2BIG;
	return base64_decode(buf, s, n, &n) < 0 ? -EBADMSG : (int)n;
}

/* No byte that ends a line or a text. */
static bool is_value(struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if(s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

/* Lines of the kind that envelope_filter() lets through, each whole. */
static bool is_lines(struct slice s)
{
	while(s.n > 0) {
		struct slice line = take_line(&s), name = slice_cut(line, ':', NULL);

		if(line.n < 2 || line.p[line.n - 1] != '\n'
				|| line.p[line.n - 2] != '\r' || name.n == line.n
				|| !is_value(slice_of(line.p, line.n - 2))
				|| !envelope_keeps(name))
			return false;
	}
	return true;
}

int envelope_read(
		const json_t *json, char *buf, size_t size, struct envelope *out)
{
	struct slice v[MEMBERS] = {{NULL, 0}};
	size_t used = 0;

	if(!json_is_object(json))
		return -EBADMSG;
	for(size_t i = 0; i < MEMBERS; i++) {
		const json_t *m = json_object_get(json, names[i]);
		int n;

		if(m == NULL)
			continue;
		n = text_read(m, buf + used, size - used);
		if(n < 0)
			return n;
		v[i] = slice_of(buf + used, (size_t)n);
		used += (size_t)n;
		if(i == HEADERS ? !is_lines(v[i]) : !is_value(v[i]))
			return -EBADMSG;
	}
	if(v[0].n == 0 || v[1].n == 0)
		return -EBADMSG;
	*out = (struct envelope){v[0], v[1], v[2], v[3], v[4]};
	return 0;
}
