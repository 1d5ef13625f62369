/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP URIs and paths (RFC 4975 section 6 and 9). Called for each a=path by
 * the module and for each To-Path and From-Path by the relay, so it walks the
 * text once and keeps nothing.
 */
#include "msrp_uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum
{
	C_ALNUM = 1,
	C_HOST = 2,    /* reg-name without sub-delims, which no host has */
	C_SESSION = 4, /* unreserved / "+" / "=" / "/" */
	C_IP6 = 8,
	C_PARAM = 16 /* token of RFC 3261, "=" and what a quoted value needs not */
};

static unsigned char_class(unsigned char c)
{
	if(c >= '0' && c <= '9')
		return C_ALNUM | C_HOST | C_SESSION | C_IP6 | C_PARAM;
	if((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
		return C_ALNUM | C_HOST | C_SESSION | C_IP6 | C_PARAM;
	if((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return C_ALNUM | C_HOST | C_SESSION | C_PARAM;
	switch(c) {
		case '-':
		case '_':
		case '~':
			return C_HOST | C_SESSION | C_PARAM;
		case '.':
			return C_HOST | C_SESSION | C_IP6 | C_PARAM;
		case '%':
			return C_HOST | C_PARAM;
		case '+':
		case '=':
			return C_SESSION | C_PARAM;
		case '/':
			return C_SESSION;
		case ':':
			return C_IP6;
		case '!':
		case '*':
		case '\'':
		case '`':
			return C_PARAM;
		default:
			return 0;
	}
}

/* Take the longest run of a class off the text. */
static struct slice take(struct slice *rest, unsigned class)
{
	struct slice run = {rest->p, 0};

	while(run.n < rest->n
			&& (char_class((unsigned char)rest->p[run.n]) & class))
		run.n++;
	*rest = slice_skip(*rest, run.n);
	return run;
}

static bool take_char(struct slice *rest, char c)
{
	if(rest->n == 0 || rest->p[0] != c)
		return false;
	*rest = slice_skip(*rest, 1);
	return true;
}

static int parse_host(struct slice *rest, struct msrp_uri *u)
{
	unsigned char addr[16];
	char text[INET6_ADDRSTRLEN];

	if(!take_char(rest, '[')) {
		u->host = take(rest, C_HOST);
		return u->host.n ? 0 : -EBADMSG;
	}
	u->host = take(rest, C_IP6);
	u->ipv6 = true;
	if(u->host.n == 0 || u->host.n >= sizeof(text) || !take_char(rest, ']'))
		return -EBADMSG;
	memcpy(text, u->host.p, u->host.n);
	text[u->host.n] = '\0';
	return inet_pton(AF_INET6, text, addr) == 1 ? 0 : -EBADMSG;
}

static int parse_port(struct slice *rest, struct msrp_uri *u)
{
	struct slice digits = *rest;
	uint64_t port;

	digits.n = 0;
	while(digits.n < rest->n && rest->p[digits.n] >= '0'
			&& rest->p[digits.n] <= '9')
		digits.n++;
	*rest = slice_skip(*rest, digits.n);
	if(digits.n > 5 || !slice_u64(digits, 65535, &port) || port == 0)
		return -EBADMSG;
	u->port = (uint16_t)port;
	return 0;
}

/* ";name[=value]" any number of times, to the end. */
static int check_params(struct slice rest)
{
	while(rest.n > 0)
		if(!take_char(&rest, ';') || take(&rest, C_PARAM).n == 0)
			return -EBADMSG;
	return 0;
}

int msrp_uri_parse(struct slice in, struct msrp_uri *out)
{
	struct msrp_uri u = {.all = in};
	struct slice rest = in;

	if(in.n > MSRP_URI_MAX)
		return -E2BIG;
	if(slice_istarts(in, SLICE("msrp://"))) {
		rest = slice_skip(in, 7);
	} else if(slice_istarts(in, SLICE("msrps://"))) {
		rest = slice_skip(in, 8);
		u.secure = true;
	} else {
		return -EBADMSG;
	}
	if(parse_host(&rest, &u) < 0)
		return -EBADMSG;
	if(take_char(&rest, ':') && parse_port(&rest, &u) < 0)
		return -EBADMSG;
	if(take_char(&rest, '/')) {
		u.session = take(&rest, C_SESSION);
		if(u.session.n == 0)
			return -EBADMSG;
	}
	if(!take_char(&rest, ';'))
		return -EBADMSG;
	u.transport = take(&rest, C_ALNUM);
	u.params = rest;
	if(u.transport.n == 0 || check_params(rest) < 0)
		return -EBADMSG;
	*out = u;
	return 0;
}

/* Numeric addresses are compared as numbers, names as text. */
static bool host_eq(const struct msrp_uri *a, const struct msrp_uri *b)
{
	char ta[INET6_ADDRSTRLEN], tb[INET6_ADDRSTRLEN];
	unsigned char na[16], nb[16];

	if(a->ipv6 != b->ipv6)
		return false;
	if(slice_ieq(a->host, b->host))
		return true;
	if(!a->ipv6 || a->host.n >= sizeof(ta) || b->host.n >= sizeof(tb))
		return false;
	memcpy(ta, a->host.p, a->host.n);
	ta[a->host.n] = '\0';
	memcpy(tb, b->host.p, b->host.n);
	tb[b->host.n] = '\0';
	return inet_pton(AF_INET6, ta, na) == 1 && inet_pton(AF_INET6, tb, nb) == 1
			&& memcmp(na, nb, sizeof(na)) == 0;
}

bool msrp_uri_eq_session(const struct msrp_uri *a, const struct msrp_uri *b)
{
	return a->secure == b->secure && slice_eq(a->session, b->session)
			&& slice_ieq(a->transport, b->transport);
}

bool msrp_uri_eq(const struct msrp_uri *a, const struct msrp_uri *b)
{
	return msrp_uri_eq_session(a, b) && a->port == b->port && host_eq(a, b);
}

int msrp_path_next(struct slice *rest, struct msrp_uri *out)
{
	struct slice s = *rest;
	size_t n = 0;
	int rc;

	while(s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_skip(s, 1);
	if(s.n == 0)
		return 0;
	while(n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	rc = msrp_uri_parse(slice_of(s.p, n), out);
	if(rc < 0)
		return rc;
	*rest = slice_skip(s, n);
	return 1;
}

int msrp_path_parse(
		struct slice path, struct msrp_uri *first, struct msrp_uri *last)
{
	struct msrp_uri head, u;
	int n = 0, rc;

	while((rc = msrp_path_next(&path, &u)) == 1) {
		if(n == MSRP_PATH_HOPS_MAX)
			return -E2BIG;
		if(n++ == 0)
			head = u;
	}
	if(rc < 0)
		return rc;
	if(n == 0)
		return -EBADMSG;
	if(first)
		*first = head;
	if(last)
		*last = u;
	return n;
}

int msrp_uri_print(char *buf, size_t size, bool secure, struct slice host,
		unsigned port, struct slice session)
{
	bool ip6 = host.n && memchr(host.p, ':', host.n) != NULL;
	char port_text[16] = "";

	if(port)
		snprintf(port_text, sizeof(port_text), ":%u", port);
	return snprintf(buf, size, "msrp%s://%s%.*s%s%s%s%.*s;tcp",
			secure ? "s" : "", ip6 ? "[" : "", SLICE_ARG(host), ip6 ? "]" : "",
			port_text, session.n ? "/" : "", SLICE_ARG(session));
}
