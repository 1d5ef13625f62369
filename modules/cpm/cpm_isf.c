/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interworking targets (cpm_isf.h). The ISF's URI is completed once, before
 * the fork; everything else is text.
 */
#include "cpm_isf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_conf.h"

static char route_text[512]; /* isf_uri with ;lr */
static str route;            /* empty: no ISF */
static char host_text[320];  /* host and port of it */
static str host;

int cpm_isf_init(void)
{
	str uri = cpm_conf.isf_uri;
	sip_uri_t u;
	int n;

	route = host = (str){NULL, 0};
	if(uri.len <= 0)
		return 0;
	if(parse_uri(uri.s, uri.len, &u) < 0 || u.host.len <= 0) {
		LM_ERR("modparam isf_uri is no SIP URI: \"%.*s\"\n", STR_FMT(&uri));
		return -1;
	}
	n = snprintf(route_text, sizeof(route_text), "%.*s%s", STR_FMT(&uri),
			u.lr.len > 0 ? "" : ";lr");
	if(n < 0 || n >= (int)sizeof(route_text)) {
		LM_ERR("modparam isf_uri is too long\n");
		return -1;
	}
	route = (str){route_text, n};
	n = snprintf(host_text, sizeof(host_text), "%.*s%s%.*s", STR_FMT(&u.host),
			u.port.len > 0 ? ":" : "", u.port.len,
			u.port.len > 0 ? u.port.s : "");
	if(n < 0 || n >= (int)sizeof(host_text))
		return -1;
	host = (str){host_text, n};
	return 0;
}

bool cpm_isf_is_there(void)
{
	return route.len > 0;
}

str cpm_isf_uri(void)
{
	return route;
}

bool cpm_isf_code(int code)
{
	switch(code) {
		case 404:
		case 405:
		case 410:
		case 414:
		case 415:
		case 416:
		case 488:
		case 606:
			return true;
		default:
			return false;
	}
}

static bool begins(str s, const char *scheme)
{
	int n = (int)strlen(scheme);

	return s.len > n && strncasecmp(s.s, scheme, (size_t)n) == 0;
}

/* RFC 3986 section 3.1: without a scheme it is no URI, and for nobody. */
static bool has_scheme(str uri)
{
	int n = 0;

	while(n < uri.len
			&& (isalnum((unsigned char)uri.s[n])
					|| (n > 0 && uri.s[n] != '\0'
							&& strchr("+-.", uri.s[n]) != NULL)))
		n++;
	return n > 0 && isalpha((unsigned char)uri.s[0]) && n + 1 < uri.len
			&& uri.s[n] == ':';
}

bool cpm_isf_scheme(str uri)
{
	return has_scheme(uri) && !begins(uri, "sip:") && !begins(uri, "sips:")
			&& !begins(uri, "tel:");
}

/* As a user part (RFC 3261 25.1): only unreserved characters stay. */
static void add_escaped(cpm_buf_t *b, str s)
{
	static const char plain[] = "-_.!~*'()";

	for(int i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
				|| (c >= 'A' && c <= 'Z') || (c && strchr(plain, c)))
			cpm_buf_add(b, s.s + i, 1);
		else
			cpm_buf_fmt(b, "%%%02X", c);
	}
}

int cpm_isf_ruri(str dest, cpm_buf_t *ruri)
{
	if(!cpm_isf_is_there())
		return -1;
	if(cpm_isf_scheme(dest)) {
		cpm_buf_lit(ruri, "sip:");
		add_escaped(ruri, dest);
		cpm_buf_lit(ruri, "@");
		cpm_buf_str(ruri, host);
	} else {
		cpm_buf_str(ruri, dest);
	}
	return ruri->bad ? -1 : 0;
}

int cpm_isf_routes(str core_routes, cpm_buf_t *routes)
{
	if(!cpm_isf_is_there())
		return -1;
	if(cpm_conf.isf_by == CPM_ISF_CORE && core_routes.len > 0) {
		cpm_buf_str(routes, core_routes);
		cpm_buf_lit(routes, ", ");
	}
	cpm_buf_fmt(routes, "<%.*s>", STR_FMT(&route));
	return routes->bad ? -1 : 0;
}

int cpm_isf_target(
		str dest, str core_routes, cpm_buf_t *ruri, cpm_buf_t *routes)
{
	int rc = cpm_isf_ruri(dest, ruri);

	return rc < 0 ? rc : cpm_isf_routes(core_routes, routes);
}
