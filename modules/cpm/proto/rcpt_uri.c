/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients' URIs (rcpt_uri.h): one pass for bytes that may not be there, then
 * one reader for each kind, which writes the URI and its key side by side.
 */
#include "rcpt_uri.h"

#include <ctype.h>
#include <errno.h>

#define PARAMS_MAX 16 /* URI parameters */

/* Text being written; bad when it did not fit. */
struct out
{
	char *p;
	size_t n, size;
	bool bad;
};

static void put(struct out *o, char c)
{
	if(o->n < o->size)
		o->p[o->n++] = c;
	else
		o->bad = true;
}

static void put_slice(struct out *o, struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		put(o, s.p[i]);
}

static void put_lower(struct out *o, struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		put(o, (char)tolower((unsigned char)s.p[i]));
}

static int hex(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool alnum(char c)
{
	return isalnum((unsigned char)c) != 0 && (unsigned char)c < 128;
}

/* RFC 3261 25.1: unreserved. */
static bool unreserved(char c)
{
	return alnum(c) || (c != '\0' && strchr("-_.!~*'()", c) != NULL);
}

/* Every byte may stand in a URI, every escape is one and hides no control
 * character. */
static bool bytes_ok(struct slice s)
{
	for(size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if(c == '%') {
			int hi = i + 2 < s.n ? hex(s.p[i + 1]) : -1;
			int lo = i + 2 < s.n ? hex(s.p[i + 2]) : -1;

			if(hi < 0 || lo < 0 || hi * 16 + lo < 0x20 || hi * 16 + lo == 0x7f)
				return false;
			i += 2;
		} else if(!unreserved(c)
				&& (c == '\0' || strchr(";/?:@&=+$,[]#", c) == NULL)) {
			return false;
		}
	}
	return true;
}

/* For comparison: escapes of unreserved characters are these characters. */
static void put_decoded(struct out *o, struct slice s, bool lower)
{
	for(size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if(c == '%' && i + 2 < s.n) {
			char d = (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]));

			i += 2;
			if(!unreserved(d)) {
				put(o, '%');
				put(o, (char)toupper((unsigned char)s.p[i - 1]));
				put(o, (char)toupper((unsigned char)s.p[i]));
				continue;
			}
			c = d;
		}
		put(o, lower ? (char)tolower((unsigned char)c) : c);
	}
}

/* ---- parameters ---- */

struct params
{
	struct slice v[PARAMS_MAX];
	size_t n;
};

static bool named(struct slice param, struct slice name)
{
	return slice_ieq(slice_cut(param, '=', NULL), name);
}

static int read_params(struct slice rest, struct params *ps)
{
	ps->n = 0;
	while(rest.n > 0) {
		struct slice one = slice_cut(rest, ';', &rest);

		if(one.n == 0 || one.p[0] == '=' || ps->n == PARAMS_MAX)
			return -EBADMSG;
		ps->v[ps->n++] = one;
	}
	return 0;
}

static bool before(struct slice a, struct slice b)
{
	int d = strncasecmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return d < 0 || (d == 0 && a.n < b.n);
}

static void put_key_params(struct out *key, struct params *ps)
{
	for(size_t i = 1; i < ps->n; i++) {
		struct slice one = ps->v[i];
		size_t j = i;

		for(; j > 0 && before(one, ps->v[j - 1]); j--)
			ps->v[j] = ps->v[j - 1];
		ps->v[j] = one;
	}
	for(size_t i = 0; i < ps->n; i++) {
		if(named(ps->v[i], SLICE("user")) || named(ps->v[i], SLICE("method")))
			continue;
		put(key, ';');
		put_decoded(key, ps->v[i], true);
	}
}

/* ---- telephone numbers ---- */

static bool separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* Without its visual separators (RFC 3966 section 3). */
static void put_number(struct out *o, struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if(!separator(s.p[i]))
			put(o, (char)tolower((unsigned char)s.p[i]));
}

/* "+" and digits. */
static bool global_number(struct slice s)
{
	size_t digits = 0;

	if(s.n == 0 || s.p[0] != '+')
		return false;
	for(size_t i = 1; i < s.n; i++) {
		if(!separator(s.p[i]) && !isdigit((unsigned char)s.p[i]))
			return false;
		digits += !separator(s.p[i]);
	}
	return digits > 0;
}

static bool local_number(struct slice s)
{
	size_t digits = 0;

	for(size_t i = 0; i < s.n; i++) {
		bool digit = hex(s.p[i]) >= 0 || s.p[i] == '*' || s.p[i] == '#';

		if(!digit && !separator(s.p[i]))
			return false;
		digits += digit;
	}
	return digits > 0;
}

static int read_tel(struct slice rest, struct out *uri, struct out *key)
{
	struct slice all, number = slice_cut(rest, ';', &all);
	struct params ps;

	if(memchr(rest.p, '?', rest.n) || memchr(rest.p, '@', rest.n)
			|| (!global_number(number) && !local_number(number))
			|| (all.p && all.n == 0) || read_params(all, &ps) < 0)
		return -EBADMSG;
	put_slice(uri, SLICE("tel:"));
	put_slice(key, SLICE("tel:"));
	put_number(uri, number);
	put_number(key, number);
	for(size_t i = 0; i < ps.n; i++) {
		put(uri, ';');
		put_slice(uri, ps.v[i]);
	}
	put_key_params(key, &ps);
	return 0;
}

/* ---- SIP ---- */

static bool host_ok(struct slice host)
{
	bool v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

	if(host.n == 0)
		return false;
	for(size_t i = v6 ? 1 : 0; i < host.n - (v6 ? 1 : 0); i++) {
		char c = host.p[i];

		if(v6 ? hex(c) < 0 && c != ':' && c != '.'
			  : !alnum(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return true;
}

static bool hostport_ok(struct slice s)
{
	struct slice host = s, port = {NULL, 0};
	uint64_t n;

	if(s.n > 0 && s.p[0] == '[') {
		const char *end = memchr(s.p, ']', s.n);

		if(end == NULL)
			return false;
		host.n = (size_t)(end + 1 - s.p);
		port = slice_skip(s, host.n);
		if(port.n > 0 && port.p[0] != ':')
			return false;
		return host_ok(host)
				&& (port.n == 0
						|| (slice_u64(slice_skip(port, 1), 65535, &n)
								&& n > 0));
	}
	host = slice_cut(s, ':', &port);
	return host_ok(host)
			&& (port.p == NULL || (slice_u64(port, 65535, &n) && n > 0));
}

static bool user_ok(struct slice s)
{
	/* what may stand in a URI but not in a userinfo */
	for(size_t i = 0; i < s.n; i++)
		if(strchr("[]#@", s.p[i]))
			return false;
	return s.n > 0 && s.p[0] != ':';
}

static int read_sip(struct slice rest, struct slice scheme, struct out *uri,
		struct out *key)
{
	const char *at = memchr(rest.p, '@', rest.n);
	struct slice user = {NULL, 0}, place = rest, all = {NULL, 0};
	struct params ps;
	bool phone = false;

	if(at) {
		user = slice_of(rest.p, (size_t)(at - rest.p));
		place = slice_skip(rest, user.n + 1);
		if(!user_ok(user))
			return -EBADMSG;
	}
	/* header fields have no place in a Request-URI (RFC 3261 19.1.1) */
	place = slice_cut(place, '?', NULL);
	place = slice_cut(place, ';', &all);
	if(!hostport_ok(place) || (all.p && all.n == 0)
			|| read_params(all, &ps) < 0)
		return -EBADMSG;
	for(size_t i = 0; i < ps.n; i++) {
		if(memchr(ps.v[i].p, '@', ps.v[i].n))
			return -EBADMSG;
		phone = phone || slice_ieq(ps.v[i], SLICE("user=phone"));
	}
	put_lower(uri, scheme);
	put(uri, ':');
	put_slice(uri, user);
	if(at)
		put(uri, '@');
	put_slice(uri, place);
	for(size_t i = 0; i < ps.n; i++) {
		if(named(ps.v[i], SLICE("method")))
			continue;
		put(uri, ';');
		put_slice(uri, ps.v[i]);
	}
	if(phone && global_number(user)) {
		put_slice(key, SLICE("tel:"));
		put_number(key, user);
		return 0;
	}
	put_lower(key, scheme);
	put(key, ':');
	if(phone && local_number(user))
		put_number(key, user);
	else
		put_decoded(key, user, false);
	if(at)
		put(key, '@');
	put_lower(key, place);
	put_key_params(key, &ps);
	return 0;
}

/* ---- anything else ---- */

static int read_other(struct slice rest, struct slice scheme, struct out *uri,
		struct out *key)
{
	const char *at;
	size_t user;

	/* a mailto's header fields would be a second message (RFC 6068) */
	rest = slice_cut(slice_cut(rest, '#', NULL), '?', NULL);
	if(rest.n == 0)
		return -EBADMSG;
	at = memchr(rest.p, '@', rest.n);
	user = at ? (size_t)(at - rest.p) : rest.n;
	put_lower(uri, scheme);
	put(uri, ':');
	put_slice(uri, rest);
	put_lower(key, scheme);
	put(key, ':');
	put_decoded(key, slice_of(rest.p, user), false);
	put_decoded(key, slice_skip(rest, user), true);
	return 0;
}

static bool scheme_ok(struct slice s)
{
	if(s.n == 0 || !isalpha((unsigned char)s.p[0]))
		return false;
	for(size_t i = 0; i < s.n; i++)
		if(!alnum(s.p[i]) && !strchr("+-.", s.p[i]))
			return false;
	return true;
}

int rcpt_uri_parse(
		struct slice text, char *buf, size_t size, struct rcpt_uri *out)
{
	struct out uri = {0}, key = {0};
	struct slice rest, scheme;
	enum rcpt_kind kind = RCPT_OTHER;
	int rc;

	text = slice_trim(text);
	if(text.n > RCPT_URI_MAX || size < RCPT_URI_ROOM(text.n))
		return -E2BIG;
	scheme = slice_cut(text, ':', &rest);
	if(!bytes_ok(text) || rest.n == 0 || !scheme_ok(scheme))
		return -EBADMSG;
	uri.p = buf;
	uri.size = size / 2;
	key.p = buf + uri.size;
	key.size = size - uri.size;
	if(slice_ieq(scheme, SLICE("sip")))
		kind = RCPT_SIP;
	else if(slice_ieq(scheme, SLICE("sips")))
		kind = RCPT_SIPS;
	else if(slice_ieq(scheme, SLICE("tel")))
		kind = RCPT_TEL;
	if(kind == RCPT_TEL)
		rc = read_tel(rest, &uri, &key);
	else if(kind == RCPT_OTHER)
		rc = read_other(rest, scheme, &uri, &key);
	else
		rc = read_sip(rest, scheme, &uri, &key);
	if(rc == 0 && (uri.bad || key.bad))
		rc = -E2BIG;
	if(rc < 0)
		return rc;
	out->kind = kind;
	out->uri = slice_of(uri.p, uri.n);
	out->key = slice_of(key.p, key.n);
	return 0;
}

bool rcpt_key_same_user(struct slice a, struct slice b)
{
	/* a ';' in a user part is rare, and only makes a longer comparison */
	return slice_eq(slice_cut(a, ';', NULL), slice_cut(b, ';', NULL));
}
