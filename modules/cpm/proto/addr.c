/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lists of addresses (addr.h), read in one pass that knows quotes and angle
 * brackets.
 */
#include "addr.h"

#include <errno.h>

/* Where a byte stands outside of quotes, or n. */
static size_t find(struct slice s, size_t from, const char *any)
{
	bool quoted = false;

	for(size_t i = from; i < s.n; i++) {
		if(quoted && s.p[i] == '\\') {
			i++;
		} else if(s.p[i] == '"') {
			quoted = !quoted;
		} else if(!quoted) {
			for(const char *c = any; *c; c++)
				if(s.p[i] == *c)
					return i;
		}
	}
	return s.n;
}

static bool uri_ok(struct slice uri)
{
	for(size_t i = 0; i < uri.n; i++) {
		unsigned char c = (unsigned char)uri.p[i];

		if(c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"')
			return false;
	}
	return uri.n > 0;
}

static int bad(struct slice *list)
{
	*list = slice_of(NULL, 0);
	return -EBADMSG;
}

int addr_next(struct slice *list, struct addr *out)
{
	struct addr a = {.display = {NULL, 0}};
	struct slice s = slice_trim(*list);
	size_t at, end;

	while(s.n > 0 && *s.p == ',') /* empty elements: RFC 3261 7.3.1 */
		s = slice_trim(slice_skip(s, 1));
	if(s.n == 0) {
		*list = slice_of(NULL, 0);
		return 0;
	}
	at = find(s, 0, "<,;");
	if(at < s.n && s.p[at] == '<') {
		a.display = slice_trim(slice_of(s.p, at));
		/* no quotes inside of < >; a comma may be */
		end = at + 1;
		while(end < s.n && s.p[end] != '>')
			end++;
		if(end == s.n)
			return bad(list);
		a.uri = slice_trim(slice_of(s.p + at + 1, end - at - 1));
		end++;
	} else {
		a.uri = slice_trim(slice_of(s.p, at));
		end = at;
	}
	if(!uri_ok(a.uri))
		return bad(list);
	s = slice_skip(s, end);
	at = find(s, 0, ",");
	a.params = slice_trim(slice_of(s.p, at));
	if(a.params.n > 0 && *a.params.p != ';')
		return bad(list);
	a.params = slice_trim(slice_skip(a.params, 1));
	*list = slice_skip(s, at < s.n ? at + 1 : at);
	*out = a;
	return 1;
}

bool addr_param(struct slice params, struct slice name, struct slice *value)
{
	struct slice rest = params;

	while(rest.n > 0) {
		size_t at = find(rest, 0, ";");
		struct slice v = {NULL, 0};
		struct slice n = slice_cut(slice_of(rest.p, at), '=', &v);

		rest = slice_skip(rest, at < rest.n ? at + 1 : at);
		if(!slice_ieq(slice_trim(n), name))
			continue;
		v = slice_trim(v);
		if(v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
			v = slice_of(v.p + 1, v.n - 2);
		if(value)
			*value = v;
		return true;
	}
	return false;
}
