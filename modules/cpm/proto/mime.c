/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Header fields and parameters (RFC 2045, RFC 5322 section 2.2): shared by the
 * CPIM and multipart readers, and by the relay for Content-Type values.
 */
#include "mime.h"

#include <errno.h>

int mime_line(struct slice *rest, struct slice *line)
{
	const char *nl;

	if(rest->n == 0)
		return 0;
	nl = memchr(rest->p, '\n', rest->n);
	if(nl == NULL) {
		*line = *rest;
		*rest = slice_skip(*rest, rest->n);
		return 2;
	}
	*line = slice_of(rest->p, (size_t)(nl - rest->p));
	*rest = slice_skip(*rest, line->n + 1);
	if(line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return 1;
}

static bool name_char(unsigned char c)
{
	return c > ' ' && c < 127 && c != ':';
}

/* A control character has no place in a header value. */
static bool value_ok(struct slice v)
{
	for(size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 127)
			return false;
	}
	return true;
}

int mime_hdr_next(struct slice *rest, struct mime_hdr *out)
{
	struct slice line, whole, name, after = *rest;
	size_t n = 0;

	if(mime_line(&after, &line) == 0)
		return 0;
	if(line.n == 0) {
		*rest = after;
		return 0;
	}
	while(n < line.n && name_char((unsigned char)line.p[n]))
		n++;
	name = slice_of(line.p, n);
	while(n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	if(name.n == 0 || n == line.n || line.p[n] != ':')
		return -EBADMSG;
	n++;
	/* lines that begin with a blank belong to this field */
	whole = line;
	while(after.n > 0 && (after.p[0] == ' ' || after.p[0] == '\t')) {
		mime_line(&after, &line);
		whole.n = (size_t)(line.p + line.n - whole.p);
	}
	out->name = name;
	out->value = slice_trim(slice_skip(whole, n));
	if(!value_ok(out->value))
		return -EBADMSG;
	*rest = after;
	return 1;
}

struct slice mime_type(struct slice value)
{
	return slice_trim(slice_cut(value, ';', NULL));
}

bool mime_type_is(struct slice value, struct slice type)
{
	return slice_ieq(mime_type(value), type);
}

/* Take what stands before the next ';' outside of quotes. */
static struct slice next_param(struct slice *rest)
{
	bool quoted = false;
	size_t i;

	for(i = 0; i < rest->n; i++) {
		char c = rest->p[i];
		if(quoted && c == '\\' && i + 1 < rest->n)
			i++;
		else if(c == '"')
			quoted = !quoted;
		else if(c == ';' && !quoted)
			break;
	}
	struct slice s = slice_of(rest->p, i < rest->n ? i : rest->n);
	*rest = slice_skip(*rest, i + 1);
	return s;
}

bool mime_param(struct slice value, struct slice name, struct slice *out)
{
	struct slice rest = value;

	next_param(&rest);
	while(rest.n > 0) {
		struct slice v, p = next_param(&rest);
		struct slice n = slice_trim(slice_cut(p, '=', &v));

		if(v.p == NULL || !slice_ieq(n, name))
			continue;
		v = slice_trim(v);
		if(v.n > 0 && v.p[0] == '"') {
			if(v.n < 2 || v.p[v.n - 1] != '"')
				return false;
			v = slice_of(v.p + 1, v.n - 2);
		}
		*out = v;
		return true;
	}
	return false;
}

/* One word of an accept list against a bare type. */
static bool word_accepts(struct slice word, struct slice type)
{
	if(slice_eq(word, SLICE("*")) || slice_eq(word, SLICE("*/*")))
		return true;
	if(word.n > 2 && word.p[word.n - 1] == '*' && word.p[word.n - 2] == '/')
		return slice_istarts(type, slice_of(word.p, word.n - 1));
	return slice_ieq(word, type);
}

bool mime_type_accepted(struct slice list, struct slice type)
{
	struct slice bare = mime_type(type);
	size_t i = 0;

	while(i < list.n) {
		size_t start;

		while(i < list.n && strchr(" \t\r\n,", list.p[i]) && list.p[i])
			i++;
		start = i;
		while(i < list.n && !(strchr(" \t\r\n,", list.p[i]) && list.p[i]))
			i++;
		if(i > start && word_accepts(slice_of(list.p + start, i - start), bare))
			return true;
	}
	return false;
}
