/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The texts of a session (cpm_b2b_text.h): the way through the core and the
 * dialogs of both sides (OMA-TS-CPM_Conv_Fnct 8.2.1.2 step 7).
 */
#include "cpm_b2b_text.h"

#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_to.h"
#include "../../core/parser/parse_uri.h"
#include "../../core/resolve.h"
#include "../../core/trim.h"
#include "cpm_case.h"
#include "cpm_conf.h"
#include "cpm_isf.h"
#include "cpm_rcpts.h"

/* Record-Route as the route set of a UAS: same order (RFC 3261 12.1.1). */
static void record_routes(sip_msg_t *msg, cpm_buf_t *b)
{
	for(hdr_field_t *h = msg->record_route; h; h = next_sibling_hdr(h)) {
		str v = h->body;

		trim(&v);
		cpm_buf_lit(b, b->len ? ", " : "");
		cpm_buf_str(b, v);
	}
}

void cpm_routes_below(sip_msg_t *msg, cpm_buf_t *b)
{
	bool ours = true;
	sip_uri_t uri;

	for(hdr_field_t *h = msg->route; h; h = next_sibling_hdr(h)) {
		if(h->parsed == NULL && parse_rr(h) < 0)
			continue;
		for(rr_t *r = h->parsed; r; r = r->next) {
			if(ours && cpm_route_is_ours(r, &uri))
				continue;
			ours = false;
			cpm_buf_lit(b, b->len ? ", " : "");
			cpm_buf_add(b, r->nameaddr.name.s, r->len);
		}
	}
}

/* The first of those entries; NULL: there is none. */
static str *first_below(sip_msg_t *msg)
{
	sip_uri_t uri;

	for(hdr_field_t *h = msg->route; h; h = next_sibling_hdr(h)) {
		if(h->parsed == NULL && parse_rr(h) < 0)
			continue;
		for(rr_t *r = h->parsed; r; r = r->next)
			if(!cpm_route_is_ours(r, &uri))
				return &r->nameaddr.uri;
	}
	return NULL;
}

bool cpm_text_next_hop_resolves(sip_msg_t *msg, str dest)
{
	str *hop = first_below(msg);
	union sockaddr_union su;
	sip_uri_t uri;
	char proto;

	if(hop == NULL)
		hop = msg->dst_uri.len > 0                ? &msg->dst_uri
				: cpm_conf.outbound_proxy.len > 0 ? &cpm_conf.outbound_proxy
												  : &dest;
	if(hop->len <= 0)
		return true;
	if(parse_uri(hop->s, hop->len, &uri) < 0 || uri.host.len <= 0)
		return false;
	proto = (char)uri.proto;
	return sip_hostport2su(&su, &uri.host, uri.port_no, &proto) == 0;
}

cpm_strs_t *cpm_text_in_dialog(sip_msg_t *msg, uint64_t id)
{
	char tag[CPM_TAG_BUF];
	struct to_body *from = get_from(msg), *to = get_to(msg);
	cpm_buf_t local = {0}, remote = {0}, routes = {0};
	cpm_strs_t *d = NULL;
	str v[CPM_D_N] = {{NULL, 0}};
	bool isfocus;

	cpm_hdr_name_addr(&local, to->display, to->uri);
	cpm_hdr_name_addr(&remote, from->display, from->uri);
	record_routes(msg, &routes);
	v[CPM_D_CALL_ID] = msg->callid->body;
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, CPM_IN, tag)};
	v[CPM_D_REMOTE_TAG] = from->tag_value;
	v[CPM_D_LOCAL] = cpm_buf_get(&local);
	v[CPM_D_REMOTE] = cpm_buf_get(&remote);
	v[CPM_D_ROUTES] = cpm_buf_get(&routes);
	if(!local.bad && !remote.bad && !routes.bad
			&& cpm_hdr_contact(msg, &v[CPM_D_TARGET], &isfocus) == 0)
		d = cpm_strs_new(v, CPM_D_N);
	cpm_buf_free(&local);
	cpm_buf_free(&remote);
	cpm_buf_free(&routes);
	return d;
}

cpm_strs_t *cpm_text_session(sip_msg_t *msg, str v[CPM_T_N])
{
	struct to_body *from = get_from(msg), *to = get_to(msg);
	cpm_buf_t local = {0}, remote = {0}, routes = {0};
	cpm_strs_t *m = NULL;

	cpm_hdr_name_addr(&local, from->display, from->uri);
	cpm_hdr_name_addr(&remote, to->display, to->uri);
	cpm_routes_below(msg, &routes);
	if(v[CPM_T_FROM].len == 0)
		v[CPM_T_FROM] = cpm_buf_get(&local);
	if(v[CPM_T_TO].len == 0)
		v[CPM_T_TO] = cpm_buf_get(&remote);
	if(v[CPM_T_TARGET].len == 0)
		v[CPM_T_TARGET] = *GET_RURI(msg);
	if(v[CPM_T_ROUTES].len == 0)
		v[CPM_T_ROUTES] = cpm_buf_get(&routes);
	if(v[CPM_T_NEXT_HOP].len == 0)
		v[CPM_T_NEXT_HOP] =
				msg->dst_uri.len > 0 ? msg->dst_uri : cpm_conf.outbound_proxy;
	if(!local.bad && !remote.bad && !routes.bad)
		m = cpm_strs_new(v, CPM_T_N);
	cpm_buf_free(&local);
	cpm_buf_free(&remote);
	cpm_buf_free(&routes);
	return m;
}

void cpm_dest_take(const cpm_session_t *s, const cpm_leg_t *l, cpm_dest_t *out)
{
	const cpm_rcpts_t *r = s->rcpts;
	unsigned i = l->dlv;
	bool copy = cpm_session_is_copy(s, l->n);

	*out = (cpm_dest_t){.isf = l->isf, .keep_to = s->term || copy};
	if(copy) {
		r = s->copies;
		i -= s->n_dlv;
	}
	/* whoever is behind the ISF is the user, not one of his clients */
	if(r == NULL || (s->term && l->isf))
		return;
	cpm_buf_str(&out->uri, cpm_rcpts_uri(r, i));
	cpm_buf_str(&out->routes, cpm_rcpts_routes(r, i));
	cpm_buf_str(&out->next_hop, cpm_rcpts_next_hop(r, i));
}

void cpm_dest_drop(cpm_dest_t *d)
{
	cpm_buf_free(&d->uri);
	cpm_buf_free(&d->routes);
	cpm_buf_free(&d->next_hop);
}

static str first_of(str a, str b)
{
	return a.len > 0 ? a : b;
}

cpm_strs_t *cpm_text_out_dialog(const cpm_strs_t *msg, uint64_t id,
		unsigned leg, const cpm_dest_t *dest)
{
	char tag[CPM_TAG_BUF], hex[CPM_HEX_BUF];
	cpm_buf_t call_id = {0}, remote = {0}, target = {0}, routes = {0};
	cpm_strs_t *d = NULL;
	str v[CPM_D_N] = {{NULL, 0}}, uri = cpm_buf_get(&dest->uri);
	bool bad = dest->uri.bad || dest->routes.bad || dest->next_hop.bad;
	bool own_to = uri.len > 0 && !dest->keep_to;
	/* a way of his own leaves the one through the core */
	bool own_way = dest->routes.len > 0 || dest->next_hop.len > 0;
	str to = first_of(uri, cpm_strs_get(msg, CPM_T_TARGET));

	cpm_id_random(hex);
	cpm_buf_fmt(&call_id, "%s@%.*s", hex, STR_FMT(&cpm_conf.warn_agent));
	if(own_to)
		cpm_hdr_name_addr(&remote, (str){NULL, 0}, uri);
	v[CPM_D_CALL_ID] = cpm_buf_get(&call_id);
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, leg, tag)};
	v[CPM_D_LOCAL] = cpm_strs_get(msg, CPM_T_FROM);
	v[CPM_D_REMOTE] =
			own_to ? cpm_buf_get(&remote) : cpm_strs_get(msg, CPM_T_TO);
	v[CPM_D_TARGET] = to;
	v[CPM_D_ROUTES] = own_way ? cpm_buf_get(&dest->routes)
							  : cpm_strs_get(msg, CPM_T_ROUTES);
	if(dest->isf && !bad) {
		bad = cpm_isf_target(to, v[CPM_D_ROUTES], &target, &routes) < 0;
		v[CPM_D_TARGET] = cpm_buf_get(&target);
		v[CPM_D_ROUTES] = cpm_buf_get(&routes);
	}
	if(v[CPM_D_ROUTES].len == 0)
		v[CPM_D_NEXT_HOP] = own_way ? cpm_buf_get(&dest->next_hop)
									: cpm_strs_get(msg, CPM_T_NEXT_HOP);
	if(!bad && !call_id.bad && !remote.bad)
		d = cpm_strs_new(v, CPM_D_N);
	cpm_buf_free(&target);
	cpm_buf_free(&routes);
	cpm_buf_free(&call_id);
	cpm_buf_free(&remote);
	return d;
}
