/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large-message INVITE comes in: checks in the order of OMA-TS-CPM_Conv_Fnct
 * 8.2.1.2 steps 1 to 5, then a session with everything that the outgoing
 * INVITE will need, then tm's transaction is suspended and the relay asked for
 * two paths. From there the relay's answer goes on (cpm_media.c).
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/forward.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_to.h"
#include "../../core/parser/parse_uri.h"
#include "../../core/resolve.h"
#include "../../core/trim.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_stats.h"
#include "proto/multipart.h"
#include "proto/sdp.h"

#define INVITE_MAX 24576 /* bytes of a request that we copy texts of */
#define LEGS_FOR_ONE 3   /* inbound, outbound, and one more attempt */

/* What the checks have found. */
struct invite
{
	cpm_timer_hdr_t timer;
	enum icsi service;
	struct sdp sdp;
	struct slice sdp_text;
	const char *detail; /* for the Warning of a refusal */
};

/* Malformed text is 400, a description of something else 488. */
static const char *check_sdp(sip_msg_t *msg, struct invite *in)
{
	str type = cpm_hdr_get(msg, "Content-Type");
	char *body = get_body(msg);
	struct multipart_part part;
	enum sdp_error e;
	int n, rc;

	n = body ? (int)(msg->buf + msg->len - body) : 0;
	if(n <= 0 || type.len <= 0) {
		in->detail = "An MSRP offer is required";
		return "sdp";
	}
	rc = multipart_find(slice_of(type.s, (size_t)type.len),
			slice_of(body, (size_t)n), SLICE("application/sdp"), &part);
	if(rc == -ENOENT)
		return "content";
	if(rc < 0) {
		in->detail = "Malformed multipart body";
		return "bad-request";
	}
	in->sdp_text = part.body;
	e = sdp_parse(part.body, &in->sdp);
	if(e == SDP_OK && in->sdp.setup == SDP_SETUP_HOLDCONN) {
		in->detail = "setup:holdconn is not supported";
		return "sdp";
	}
	if(e == SDP_OK)
		return in->sdp.has_file_size ? cpm_check_bytes(msg, in->sdp.file_size)
									 : NULL;
	in->detail = sdp_error_text(e);
	switch(e) {
		case SDP_EMPTY:
		case SDP_BAD_LINE:
		case SDP_BAD_ORIGIN:
		case SDP_BAD_MEDIA:
		case SDP_BAD_PORT:
			return "bad-sdp";
		default:
			return "sdp";
	}
}

static const char *check(sip_msg_t *msg, struct invite *in)
{
	const char *no;
	sip_uri_t uri;
	bool isfocus;
	str target;

	if(msg->len > INVITE_MAX)
		return "too-long";
	no = cpm_check(msg);
	if(no == NULL)
		no = cpm_check_timer(msg, &in->timer);
	if(no)
		return no;
	in->service = cpm_service_choose(msg, ICSI_LARGEMSG);
	if(in->service == ICSI_NONE)
		return "127"; /* OL-12 */
	if(parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) < 0)
		return "uri"; /* to the ISF one day (OL-18) */
	if(cpm_hdr_contact(msg, &target, &isfocus) < 0) {
		in->detail = "Contact is missing or broken";
		return "bad-request";
	}
	return check_sdp(msg, in);
}

/* ---- texts of the session ---- */

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

static bool route_is_ours(rr_t *r)
{
	sip_uri_t uri;

	if(parse_uri(r->nameaddr.uri.s, r->nameaddr.uri.len, &uri) < 0)
		return false;
	return check_self(&uri.host, uri.port_no, 0) == 1;
}

void cpm_routes_below(sip_msg_t *msg, cpm_buf_t *b)
{
	bool ours = true;

	for(hdr_field_t *h = msg->route; h; h = next_sibling_hdr(h)) {
		if(h->parsed == NULL && parse_rr(h) < 0)
			continue;
		for(rr_t *r = h->parsed; r; r = r->next) {
			if(ours && route_is_ours(r))
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
	for(hdr_field_t *h = msg->route; h; h = next_sibling_hdr(h)) {
		if(h->parsed == NULL && parse_rr(h) < 0)
			continue;
		for(rr_t *r = h->parsed; r; r = r->next)
			if(!route_is_ours(r))
				return &r->nameaddr.uri;
	}
	return NULL;
}

/* Resolve the next hop here: a worker may wait for DNS as any proxy does, the
 * link process, which will send the INVITE, may not and finds it cached. */
static bool next_hop_resolves(sip_msg_t *msg)
{
	str *hop = first_below(msg);
	union sockaddr_union su;
	sip_uri_t uri;
	char proto;

	if(hop == NULL)
		hop = msg->dst_uri.len > 0                ? &msg->dst_uri
				: cpm_conf.outbound_proxy.len > 0 ? &cpm_conf.outbound_proxy
												  : GET_RURI(msg);
	if(parse_uri(hop->s, hop->len, &uri) < 0 || uri.host.len <= 0)
		return false;
	proto = (char)uri.proto;
	return sip_hostport2su(&su, &uri.host, uri.port_no, &proto) == 0;
}

static cpm_strs_t *in_dialog(sip_msg_t *msg, uint64_t id)
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

static cpm_strs_t *out_dialog(sip_msg_t *msg, uint64_t id, unsigned leg)
{
	char tag[CPM_TAG_BUF], hex[CPM_HEX_BUF];
	struct to_body *from = get_from(msg), *to = get_to(msg);
	cpm_buf_t local = {0}, remote = {0}, routes = {0}, call_id = {0};
	cpm_strs_t *d = NULL;
	str v[CPM_D_N] = {{NULL, 0}};

	cpm_id_random(hex);
	cpm_buf_fmt(&call_id, "%s@%.*s", hex, STR_FMT(&cpm_conf.warn_agent));
	cpm_hdr_name_addr(&local, from->display, from->uri);
	cpm_hdr_name_addr(&remote, to->display, to->uri);
	cpm_routes_below(msg, &routes);
	v[CPM_D_CALL_ID] = cpm_buf_get(&call_id);
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, leg, tag)};
	v[CPM_D_LOCAL] = cpm_buf_get(&local);
	v[CPM_D_REMOTE] = cpm_buf_get(&remote);
	v[CPM_D_TARGET] = *GET_RURI(msg);
	v[CPM_D_ROUTES] = cpm_buf_get(&routes);
	if(routes.len == 0)
		v[CPM_D_NEXT_HOP] =
				msg->dst_uri.len > 0 ? msg->dst_uri : cpm_conf.outbound_proxy;
	if(!local.bad && !remote.bad && !routes.bad && !call_id.bad)
		d = cpm_strs_new(v, CPM_D_N);
	cpm_buf_free(&call_id);
	cpm_buf_free(&local);
	cpm_buf_free(&remote);
	cpm_buf_free(&routes);
	return d;
}

static void out_headers(cpm_buf_t *b, sip_msg_t *msg, struct invite *in)
{
	struct slice urn = icsi_urn(in->service);

	cpm_buf_fmt(b, "Max-Forwards: %u\r\n", cpm_service_max_forwards(msg) - 1);
	cpm_buf_fmt(b, "Contact: <%.*s>", STR_FMT(&cpm_conf.contact));
	cpm_hdr_contact_features(b, msg);
	cpm_buf_lit(b, "\r\n");
	cpm_hdr_copy(b, msg, "Accept-Contact"); /* OL-11 */
	cpm_hdr_copy(b, msg, "Message-Expires");
	cpm_hdr_copy_service(b, msg);
	cpm_hdr_copy_or_make(b, msg, "Conversation-ID");
	cpm_hdr_copy_or_make(b, msg, "Contribution-ID");
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_buf_lit(b, "Supported: timer\r\nAllow: " CPM_ALLOW "\r\n");
	cpm_hdr_agent(b);
	cpm_buf_lit(b, "Content-Type: application/sdp\r\n");
}

static str str_of(struct slice s)
{
	return (str){(char *)s.p, (int)s.n};
}

static cpm_strs_t *message(sip_msg_t *msg, struct invite *in)
{
	cpm_buf_t headers = {0};
	str v[CPM_T_N] = {{NULL, 0}};
	cpm_strs_t *m = NULL;

	out_headers(&headers, msg, in);
	v[CPM_T_HEADERS] = cpm_buf_get(&headers);
	v[CPM_T_TYPES] = str_of(in->sdp.accept_types);
	v[CPM_T_WRAPPED] = str_of(in->sdp.accept_wrapped_types);
	if(in->sdp.media_count > 1)
		v[CPM_T_OFFER] = str_of(in->sdp_text);
	if(!headers.bad)
		m = cpm_strs_new(v, CPM_T_N);
	cpm_buf_free(&headers);
	return m;
}

cpm_strs_t *cpm_peer_read(cpm_leg_t *l, const struct sdp *sdp)
{
	str v[CPM_P_N] = {{NULL, 0}};

	v[CPM_P_PATH] = str_of(sdp->path);
	v[CPM_P_HOST] = str_of(sdp->host);
	v[CPM_P_TYPES] = str_of(sdp->accept_types);
	v[CPM_P_WRAPPED] = str_of(sdp->accept_wrapped_types);
	v[CPM_P_FINGERPRINT] = str_of(sdp->fingerprint);
	l->peer_cema = sdp->cema;
	l->peer_port = sdp->port;
	l->peer_max = sdp->max_size;
	return cpm_strs_new(v, CPM_P_N);
}

static cpm_session_t *build(sip_msg_t *msg, uint64_t id, struct invite *in)
{
	cpm_session_t *s = cpm_session_new(id, LEGS_FOR_ONE);
	uint64_t cseq = 0;
	cpm_leg_t *l;
	str num;

	if(s == NULL)
		return NULL;
	s->bytes = in->sdp.file_size;
	s->sized = in->sdp.has_file_size;
	s->max_bytes = cpm_req(msg)->max_message;
	s->offer_setup = (uint8_t)in->sdp.setup;
	s->msg = message(msg, in);
	num = get_cseq(msg)->number;
	slice_u64(slice_of(num.s, (size_t)num.len), UINT32_MAX, &cseq);
	l = &s->legs[CPM_IN];
	l->sock = msg->rcv.bind_address;
	l->peer_cseq = (uint32_t)cseq;
	l->peer_timer = in->timer.supported;
	l->peer_update = in->timer.update;
	l->expires_s = in->timer.expires_s;
	l->tls = in->sdp.secure;
	l->connect = sdp_setup_answer(in->sdp.setup) == SDP_SETUP_ACTIVE;
	l->dlg = in_dialog(msg, id);
	l->peer = cpm_peer_read(l, &in->sdp);
	l = cpm_session_leg_add(s);
	l->sock = msg->rcv.bind_address;
	l->tls = cpm_conf.transport == CPM_TRANSPORT_TLS;
	l->expires_s = (uint32_t)cpm_conf.session_expires;
	l->dlg = out_dialog(msg, id, l->n);
	if(s->msg && s->legs[CPM_IN].dlg && s->legs[CPM_IN].peer && l->dlg)
		return s;
	cpm_session_free(s);
	return NULL;
}

/* ---- the way in ---- */

/* The transaction is there and waits: everything that fails from here on is
 * answered through the session. */
static void start(sip_msg_t *msg, uint64_t id)
{
	unsigned index, label;
	int rc;

	/* fr_timer would answer 408 while the callee still rings: ours is the
	 * ring_timeout (and tm's max_inv_lifetime caps this one) */
	cpm_tm.set_fr(msg, (unsigned)cpm_conf.ring_timeout + 2 * CPM_ACK_WAIT_MS,
			(unsigned)cpm_conf.ring_timeout + 2 * CPM_ACK_WAIT_MS);
	if(cpm_tm.t_suspend(msg, &index, &label) < 0) {
		LM_ERR("session " CPM_ID_FMT ": the transaction cannot be suspended\n",
				CPM_ID_ARG(id));
		cpm_b2b_end(id, CPM_END_MEMORY, CPM_IN, (str){NULL, 0});
		return;
	}
	rc = cpm_media_create(id);
	if(rc < 0) {
		LM_WARN("session " CPM_ID_FMT
				": session.create could not be queued (%d)\n",
				CPM_ID_ARG(id), rc);
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, CPM_IN, (str){NULL, 0});
	}
}

int cpm_b2b_invite(sip_msg_t *msg)
{
	struct invite in = {.detail = NULL};
	const char *no = check(msg, &in);
	struct cell *t;
	cpm_session_t *s;
	uint64_t id;
	int rc;

	if(no == NULL && !next_hop_resolves(msg))
		no = "unreachable";
	if(no) {
		rc = cpm_reject(msg, no, in.detail, (str){NULL, 0});
		return rc < 0 ? -1 : 0;
	}
	rc = cpm_tm.t_newtran(msg);
	if(rc == 0) {
		cpm_stat_inc(CPM_STAT_RETRANSMITS);
		return 0;
	}
	if(rc < 0) {
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return 0;
	}
	t = cpm_tm.t_gett();
	id = cpm_id_make(t->hash_index, t->label);
	s = build(msg, id, &in);
	if(s == NULL || cpm_session_add(s) < 0) {
		LM_ERR("no session for Call-ID %.*s: out of memory\n",
				STR_FMT(&msg->callid->body));
		if(s)
			cpm_session_free(s);
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return 0;
	}
	cpm_stat_inc(CPM_STAT_LARGE);
	LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: %" PRIu64
			" bytes from %.*s to %.*s\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), in.sdp.file_size,
			STR_FMT(&get_from(msg)->uri), STR_FMT(GET_RURI(msg)));
	start(msg, id);
	return 0;
}

int cpm_b2b_parse(sip_msg_t *msg)
{
	struct to_body *from;

	if(parse_headers(msg, HDR_EOH_F, 0) < 0 || msg->callid == NULL
			|| msg->cseq == NULL || msg->from == NULL || msg->to == NULL
			|| parse_from_header(msg) < 0 || parse_to_header(msg) < 0)
		return -1;
	from = get_from(msg);
	return from->tag_value.len > 0 && from->uri.len > 0 ? 0 : -1;
}
