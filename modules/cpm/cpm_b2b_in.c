/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large-message INVITE comes in: after the checks (cpm_b2b_check.c) a
 * session with everything that the outgoing INVITEs will need, then tm's
 * transaction is suspended and the relay asked for paths. From there the
 * relay's answer goes on (cpm_media.c). OMA-TS-CPM_Conv_Fnct 8.2.1.2.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/dset.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_isf.h"
#include "cpm_pace.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"

/* The originator waits longer than one callee may ring: it may be tried
 * elsewhere. */
#define RING_SPARE_MS 32000

static void out_headers(cpm_buf_t *b, sip_msg_t *msg, const cpm_invite_t *in)
{
	struct slice urn = icsi_urn(in->service);

	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", cpm_service_hops(msg));
	cpm_buf_fmt(b, "Contact: <%.*s>", STR_FMT(&cpm_conf.contact));
	cpm_hdr_contact_features(b, msg);
	cpm_buf_lit(b, "\r\n");
	if(in->term)
		cpm_service_copy_accept(b, msg);
	else
		cpm_hdr_copy(b, msg, "Accept-Contact"); /* OL-11 */
	cpm_hdr_copy(b, msg, "Message-Expires");
	cpm_hdr_copy_service(b, msg);
	/* a signature over From, To and Date, which stay (RFC 8224 section 4) */
	if(in->rcpts == NULL || in->term)
		cpm_hdr_copy(b, msg, "Identity");
	cpm_hdr_copy_or_make(b, msg, "Conversation-ID");
	cpm_hdr_copy_or_make(b, msg, "Contribution-ID");
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_buf_lit(b, "Supported: timer\r\nAllow: " CPM_ALLOW "\r\n");
	cpm_hdr_agent(b);
}

static cpm_strs_t *message(sip_msg_t *msg, const cpm_invite_t *in, str dest)
{
	cpm_buf_t headers = {0};
	str v[CPM_T_N] = {{NULL, 0}};
	cpm_strs_t *m = NULL;

	out_headers(&headers, msg, in);
	v[CPM_T_HEADERS] = cpm_buf_get(&headers);
	v[CPM_T_TARGET] = dest;
	v[CPM_T_TYPES] = cpm_str_of(in->sdp.accept_types);
	v[CPM_T_WRAPPED] = cpm_str_of(in->sdp.accept_wrapped_types);
	if(in->sdp.media_count > 1)
		v[CPM_T_OFFER] = cpm_str_of(in->sdp_text);
	if(!headers.bad)
		m = cpm_text_session(msg, v);
	cpm_buf_free(&headers);
	return m;
}

cpm_strs_t *cpm_peer_read(cpm_leg_t *l, const struct sdp *sdp)
{
	str v[CPM_P_N] = {{NULL, 0}};

	v[CPM_P_PATH] = cpm_str_of(sdp->path);
	v[CPM_P_HOST] = cpm_str_of(sdp->host);
	v[CPM_P_TYPES] = cpm_str_of(sdp->accept_types);
	v[CPM_P_WRAPPED] = cpm_str_of(sdp->accept_wrapped_types);
	v[CPM_P_FINGERPRINT] = cpm_str_of(sdp->fingerprint);
	l->peer_cema = sdp->cema;
	l->peer_port = sdp->port;
	l->peer_max = sdp->max_size;
	return cpm_strs_new(v, CPM_P_N);
}

/* Who cannot be reached but by the ISF has a leg to it from the start. */
static void mark_isf(cpm_session_t *s)
{
	bool all = s->rcpts == NULL
			&& cpm_isf_scheme(cpm_strs_get(s->msg, CPM_T_TARGET));

	for(unsigned i = 0; i < s->n_dlv; i++) {
		if(s->rcpts ? !cpm_rcpts_is_legacy(s->rcpts, i) : !all)
			continue;
		s->legs[i + 1].isf = true;
		s->dlv[i].interworked = true;
	}
}

cpm_session_t *cpm_invite_build(
		sip_msg_t *msg, uint64_t id, cpm_invite_t *in, str dest)
{
	unsigned n = in->rcpts ? in->rcpts->n : in->term ? 0 : 1;
	cpm_session_t *s = cpm_session_new(id, n);
	uint64_t cseq = 0;
	cpm_leg_t *l;
	str num;

	if(s == NULL)
		return NULL;
	s->kind = CPM_UAS_INVITE;
	s->term = in->term;
	s->interworking = cpm_req(msg)->interworking && cpm_isf_is_there();
	s->bytes = in->sdp.file_size;
	s->sized = in->sdp.has_file_size;
	s->max_bytes = cpm_req(msg)->max_message;
	s->offer_setup = (uint8_t)in->sdp.setup;
	s->msg = message(msg, in, dest);
	s->rcpts = in->rcpts;
	in->rcpts = NULL;
	num = get_cseq(msg)->number;
	slice_u64(slice_of(num.s, (size_t)num.len), UINT32_MAX, &cseq);
	l = &s->legs[CPM_IN];
	l->peer_cseq = (uint32_t)cseq;
	l->peer_timer = in->timer.supported;
	l->peer_update = in->timer.update;
	l->peer_asks_us = in->timer.refresher == CPM_REFRESHER_UAS;
	l->expires_s = in->timer.expires_s;
	l->tls = in->sdp.secure;
	l->connect = sdp_setup_answer(in->sdp.setup) == SDP_SETUP_ACTIVE;
	l->dlg = cpm_text_in_dialog(msg, id);
	l->peer = cpm_peer_read(l, &in->sdp);
	if(s->msg && l->dlg && l->peer)
		return s;
	cpm_session_free(s);
	return NULL;
}

/* ---- the way in ---- */

void cpm_b2b_legs_init(cpm_session_t *s)
{
	for(unsigned n = 1; n < s->n_legs; n++) {
		cpm_leg_t *l = &s->legs[n];

		l->sock = s->rcpts && s->rcpts->v[n - 1].sock ? s->rcpts->v[n - 1].sock
													  : s->legs[CPM_IN].sock;
		l->tls = cpm_conf.transport == CPM_TRANSPORT_TLS;
		l->expires_s = (uint32_t)cpm_conf.session_expires;
	}
}

int cpm_b2b_begin(sip_msg_t *msg, cpm_session_t *s, unsigned wait_ms)
{
	uint64_t id = s->id;
	unsigned index, label;
	cpm_dest_t dest;
	bool list, fetch = s->kind == CPM_UAS_FETCH;
	int rc;

	if(!s->term && (s->kind == CPM_UAS_INVITE || s->kind == CPM_UAS_MESSAGE))
		cpm_direct_prepare(s, msg);
	s->legs[CPM_IN].sock = msg->rcv.bind_address;
	cpm_b2b_legs_init(s);
	s->ring_at = s->created_ms + wait_ms;
	mark_isf(s);
	/* the link process, which sends, is one: what can be done here is done */
	if(s->n_dlv == 1 && s->legs[1].dlg == NULL) {
		cpm_dest_take(s, &s->legs[1], &dest);
		s->legs[1].dlg = cpm_text_out_dialog(s->msg, id, 1, &dest);
		cpm_dest_drop(&dest);
	}
	/* a user has a few clients, and they do not wait for somebody's list */
	list = s->n_dlv > 1 && !s->term;
	if(list)
		s->pace = cpm_pace_new(CPM_PACE_INVITE, id, 1, s->n_dlv);
	if((list && (s->pace == NULL || cpm_pace_short()))
			|| cpm_session_add(s) < 0) {
		cpm_session_free(s);
		return -1;
	}
	/* fr_timer would answer 408 while the callee still rings: ours is the
	 * ring_timeout (and tm's max_inv_lifetime caps this one) */
	cpm_tm.set_fr(msg, wait_ms + CPM_ACK_WAIT_MS, wait_ms + CPM_ACK_WAIT_MS);
	if(cpm_tm.t_suspend(msg, &index, &label) < 0) {
		LM_ERR("session " CPM_ID_FMT ": the transaction cannot be suspended\n",
				CPM_ID_ARG(id));
		cpm_b2b_end(id, CPM_END_MEMORY, CPM_IN, (str){NULL, 0});
		return 0;
	}
	rc = fetch ? cpm_fetch_claim(id) : cpm_media_create(id);
	if(rc < 0) {
		LM_WARN("session " CPM_ID_FMT
				": the command to the relay could not be queued (%d)\n",
				CPM_ID_ARG(id), rc);
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, CPM_IN, (str){NULL, 0});
	}
	return 0;
}

/* tm cannot make a transaction of an address that it does not know: it sees
 * the one that the ISF will see. The session has kept the other. */
static int hide_destination(sip_msg_t *msg)
{
	str dest = *GET_RURI(msg), uri;
	cpm_buf_t b = {0};
	int rc = cpm_isf_ruri(dest, &b);

	uri = cpm_buf_get(&b);
	if(rc == 0)
		rc = rewrite_uri(msg, &uri) < 0 ? -1 : 0;
	cpm_buf_free(&b);
	return rc;
}

int cpm_b2b_newtran(sip_msg_t *msg)
{
	if(cpm_isf_scheme(*GET_RURI(msg)) && hide_destination(msg) < 0)
		return -1;
	return cpm_tm.t_newtran(msg);
}

static int begin(sip_msg_t *msg, cpm_invite_t *in, str dest)
{
	struct cell *t = cpm_tm.t_gett();
	uint64_t id = cpm_id_make(t->hash_index, t->label);
	unsigned n = in->rcpts ? in->rcpts->n : 0;
	bool list = in->rcpts != NULL;
	cpm_session_t *s = cpm_invite_build(msg, id, in, dest);

	LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: %" PRIu64
			" bytes from %.*s to %.*s, %u recipients\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), in->sdp.file_size,
			STR_FMT(&get_from(msg)->uri), STR_FMT(&dest), list ? n : 1);
	if(s == NULL
			|| cpm_b2b_begin(msg, s,
					   (unsigned)(cpm_conf.ring_timeout + cpm_conf.ring_spare)
							   + RING_SPARE_MS)
					< 0) {
		LM_ERR("session " CPM_ID_FMT ": out of memory\n", CPM_ID_ARG(id));
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		return -1;
	}
	cpm_stat_inc(CPM_STAT_LARGE);
	if(list) {
		cpm_stat_inc(CPM_STAT_EXPLODED);
		cpm_stat_add(CPM_STAT_EXPLODED_RCPTS, (int)n);
	}
	return 0;
}

/* In a transaction of its own; the destination's text must outlive that of the
 * request, which may be rewritten. */
static void take(sip_msg_t *msg, cpm_invite_t *in)
{
	cpm_buf_t dest = {0};
	int rc;

	cpm_buf_str(&dest, *GET_RURI(msg));
	rc = dest.bad ? -1 : cpm_b2b_newtran(msg);
	if(rc == 0)
		cpm_stat_inc(CPM_STAT_RETRANSMITS);
	else if(rc < 0 || begin(msg, in, cpm_buf_get(&dest)) < 0)
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
	cpm_buf_free(&dest);
}

int cpm_b2b_invite(sip_msg_t *msg)
{
	cpm_invite_t in = {.detail = NULL};
	const char *no = cpm_invite_check(msg, &in);
	str dest = {NULL, 0};
	int rc = 0;

	/* the copies of a list go their ways, and are seen to one by one */
	if(in.to_isf)
		dest = cpm_isf_uri();
	else if(in.rcpts == NULL)
		dest = *GET_RURI(msg);
	if(no == NULL && !cpm_text_next_hop_resolves(msg, dest))
		no = "unreachable";
	if(no)
		rc = cpm_reject(msg, no, in.detail, (str){NULL, 0});
	else
		take(msg, &in);
	cpm_rcpts_free(&in.rcpts);
	return rc < 0 ? -1 : 0;
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
