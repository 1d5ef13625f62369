/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session case and served user (cpm_case.h), for scripts as
 * cpm_session_case(), $cpm(case) and $cpm(served_user).
 */
#include "cpm_case.h"

#include "../../core/dprint.h"
#include "../../core/forward.h"
#include "cpm_conf.h"
#include "cpm_exploder.h"
#include "cpm_hdr.h"
#include "cpm_sip.h"
#include "cpm_term_int.h"
#include "cpm_trust.h"
#include "proto/addr.h"

static bool is(str a, str b)
{
	return a.len > 0 && a.len == b.len && memcmp(a.s, b.s, (size_t)a.len) == 0;
}

/* A parameter of a URI. */
static bool uri_param(str params, struct slice name, struct slice *value)
{
	return addr_param(slice_of(params.s, (size_t)params.len), name, value);
}

static cpm_case_t case_named(struct slice name)
{
	if(slice_ieq(name, SLICE("orig")))
		return CPM_CASE_ORIG;
	return slice_ieq(name, SLICE("term")) ? CPM_CASE_TERM : CPM_CASE_NONE;
}

bool cpm_route_is_ours(const rr_t *r, sip_uri_t *uri)
{
	return parse_uri(r->nameaddr.uri.s, r->nameaddr.uri.len, uri) == 0
			&& check_self(&uri->host, uri->port_no, 0) == 1;
}

/* Our own entry on top of the Route headers: false, there is none. */
static bool own_route(sip_msg_t *msg, sip_uri_t *out)
{
	rr_t *r;

	if(msg->route == NULL
			|| (msg->route->parsed == NULL && parse_rr(msg->route) < 0))
		return false;
	r = msg->route->parsed;
	return r && cpm_route_is_ours(r, out);
}

static cpm_case_t of_served_user(sip_msg_t *msg)
{
	str v = cpm_hdr_get(msg, "P-Served-User");
	struct slice list = slice_of(v.s, (size_t)v.len), value;
	struct addr a;

	if(!cpm_trusted(msg) || addr_next(&list, &a) != 1
			|| !addr_param(a.params, SLICE("sescase"), &value))
		return CPM_CASE_NONE;
	return case_named(value);
}

cpm_case_t cpm_case_find(sip_msg_t *msg)
{
	cpm_case_t c;
	struct slice value;
	sip_uri_t uri;
	bool own = own_route(msg, &uri);

	/* a deferred message is asked of its owner's side (cpm_term_fetch.c) */
	if(msg->REQ_METHOD == METHOD_INVITE && cpm_fetch_wanted(msg))
		return CPM_CASE_TERM;
	if(own && is(uri.user, cpm_conf.orig_user))
		return CPM_CASE_ORIG;
	if(own && is(uri.user, cpm_conf.term_user))
		return CPM_CASE_TERM;
	if(own && uri_param(uri.params, SLICE("case"), &value)
			&& case_named(value) != CPM_CASE_NONE)
		return case_named(value);
	c = of_served_user(msg);
	if(c != CPM_CASE_NONE)
		return c;
	if(own && uri_param(uri.params, SLICE("orig"), &value))
		return CPM_CASE_ORIG;
	return cpm_is_exploder(msg) ? CPM_CASE_ORIG : CPM_CASE_NONE;
}

str cpm_case_served_user(sip_msg_t *msg)
{
	str v = cpm_hdr_get(msg, "P-Served-User");
	struct slice list = slice_of(v.s, (size_t)v.len);
	struct addr a;

	if(cpm_trusted(msg) && addr_next(&list, &a) == 1)
		return (str){(char *)a.uri.p, (int)a.uri.n};
	switch(cpm_req(msg)->session_case) {
		case CPM_CASE_ORIG:
			return cpm_identity_uri(msg);
		case CPM_CASE_TERM:
			return *GET_RURI(msg);
		default:
			return (str){NULL, 0};
	}
}

int ki_cpm_session_case(sip_msg_t *msg)
{
	cpm_case_t c;

	if(parse_headers(msg, HDR_EOH_F, 0) < 0)
		return -1;
	c = cpm_case_find(msg);
	cpm_req(msg)->session_case = (int)c;
	return c == CPM_CASE_NONE ? -1 : (int)c;
}
