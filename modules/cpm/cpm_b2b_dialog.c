/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests within our dialogs: ACK and the refreshing UPDATE or re-INVITE are
 * answered here and concern their own leg only (RFC 3261 12.2.2 and 14.2, RFC
 * 4028 section 9), BYE in cpm_b2b_bye.c. Called by the script for every request
 * with a To-tag.
 */
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/parser/parse_cseq.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_dialog.h"
#include "cpm_b2b_in.h"
#include "cpm_conf.h"
#include "cpm_notice.h"
#include "cpm_reg.h"
#include "cpm_sip.h"
#include "proto/multipart.h"
#include "proto/sdp.h"

static const str no_reason = {NULL, 0};

static bool same(str a, str b)
{
	return a.len == b.len && memcmp(a.s, b.s, (size_t)a.len) == 0;
}

cpm_session_t *cpm_at_lock(sip_msg_t *msg, const cpm_at_t *at, cpm_leg_t **leg)
{
	cpm_session_t *s = cpm_session_lock(at->id);
	cpm_leg_t *l = s ? cpm_session_leg(s, at->n) : NULL;

	if(l && same(cpm_strs_get(l->dlg, CPM_D_CALL_ID), msg->callid->body)
			&& same(cpm_strs_get(l->dlg, CPM_D_REMOTE_TAG),
					get_from(msg)->tag_value)) {
		*leg = l;
		return s;
	}
	if(s)
		cpm_session_unlock(s);
	return NULL;
}

void cpm_at_reply_ok(sip_msg_t *msg, cpm_buf_t *h, str body)
{
	cpm_hdr_server(h);
	if(h->bad
			|| (h->len > 0
					&& add_lump_rpl(msg, h->s, h->len, LUMP_RPL_HDR) == NULL)
			|| (body.len > 0
					&& add_lump_rpl(msg, body.s, body.len, LUMP_RPL_BODY)
							== NULL)) {
		LM_ERR("no memory for the headers of a 200\n");
		cpm_tm.t_reply(msg, 500, "Server Internal Error");
	} else {
		cpm_tm.t_reply(msg, 200, "OK");
	}
}

/* ---- ACK ---- */

static void on_ack(sip_msg_t *msg, const cpm_at_t *at)
{
	cpm_leg_t *l = NULL;
	cpm_session_t *s;
	bool up = false, hang_up = false;

	/* stops the retransmission of the answer that it acknowledges */
	cpm_tmx.t_check_trans(msg);
	s = cpm_at_lock(msg, at, &l);
	if(s == NULL)
		return;
	if(l->state == CPM_L_ANSWERED) {
		up = true;
		hang_up = l->bye_due;
		cpm_leg_move(s, l, CPM_L_UP);
		if(s->state == CPM_S_ANSWERED)
			cpm_session_move(s, CPM_S_UP);
	}
	cpm_session_unlock(s);
	if(!up)
		return;
	cpm_uas_release(at->id);
	if(hang_up)
		cpm_leg_end(at->id, at->n);
}

/* ---- UPDATE, re-INVITE ---- */

/* An offer within the dialog may repeat the media, not move it: the relay
 * knows this peer by its path. */
static const char *check_offer(sip_msg_t *msg, const cpm_strs_t *peer)
{
	str type = cpm_hdr_get(msg, "Content-Type");
	str path = cpm_strs_get(peer, CPM_P_PATH);
	char *body = get_body(msg);
	struct multipart_part part;
	struct sdp sdp;

	if(body == NULL || body >= msg->buf + msg->len || type.len <= 0)
		return NULL;
	if(multipart_find(slice_of(type.s, (size_t)type.len),
			   slice_of(body, (size_t)(msg->buf + msg->len - body)),
			   SLICE("application/sdp"), &part)
					!= 0
			|| sdp_parse(part.body, &sdp) != SDP_OK
			|| !slice_eq(sdp.path, slice_of(path.s, (size_t)path.len)))
		return "sdp";
	return NULL;
}

/* What a refresh is answered with, copied under the lock. */
struct refresh
{
	const char *no; /* name of the refusal, NULL: accept */
	cpm_strs_t *local, *peer;
	uint32_t expires_s;
	bool us;
};

/* Who refreshes from now on and how often (RFC 4028 section 9, table 2). */
static void renegotiate(cpm_leg_t *l, const cpm_timer_hdr_t *th)
{
	if(th->supported)
		l->peer_timer = true;
	if(th->expires_s)
		l->expires_s = th->expires_s;
	else if(l->expires_s == 0)
		l->expires_s = (uint32_t)cpm_conf.session_expires;
	if(th->refresher == CPM_REFRESHER_UAS)
		l->refresh_us = true;
	else
		l->refresh_us = !l->peer_timer;
	cpm_timer_arm(l);
}

static void take_refresh(sip_msg_t *msg, const cpm_at_t *at,
		const cpm_timer_hdr_t *th, struct refresh *r)
{
	bool invite = msg->REQ_METHOD == METHOD_INVITE;
	cpm_leg_t *l = NULL;
	cpm_session_t *s = cpm_at_lock(msg, at, &l);

	if(s == NULL) {
		r->no = "dialog";
		return;
	}
	if(l->state == CPM_L_BYE || l->state == CPM_L_DOWN)
		r->no = "dialog";
	else if(at->cseq <= l->peer_cseq)
		r->no = "cseq";
	else if(invite && l->state != CPM_L_UP)
		r->no = "pending";
	else if(invite && l->refresh_pending)
		r->no = "glare";
	if(r->no == NULL) {
		l->peer_cseq = at->cseq;
		r->local = cpm_strs_copy(l->local);
		r->peer = cpm_strs_copy(l->peer);
	}
	cpm_session_unlock(s);
	if(r->no == NULL)
		r->no = r->local == NULL ? "memory" : check_offer(msg, r->peer);
	if(r->no)
		return;
	s = cpm_at_lock(msg, at, &l);
	if(s == NULL) {
		r->no = "dialog";
		return;
	}
	if(l->state == CPM_L_UP || l->state == CPM_L_ANSWERED)
		renegotiate(l, th);
	r->expires_s = l->expires_s;
	r->us = l->refresh_us;
	cpm_session_unlock(s);
}

/* A new Contact is where our next requests go (target refresh). */
static void retarget(sip_msg_t *msg, const cpm_at_t *at)
{
	str v[CPM_D_N], uri;
	cpm_strs_t *old = NULL, *dlg;
	cpm_leg_t *l = NULL;
	cpm_session_t *s;
	bool isfocus;

	if(cpm_hdr_contact(msg, &uri, &isfocus) < 0)
		return;
	s = cpm_at_lock(msg, at, &l);
	if(s == NULL)
		return;
	if(!same(uri, cpm_strs_get(l->dlg, CPM_D_TARGET)))
		old = cpm_strs_copy(l->dlg);
	cpm_session_unlock(s);
	if(old == NULL)
		return;
	for(unsigned i = 0; i < CPM_D_N; i++)
		v[i] = cpm_strs_get(old, i);
	v[CPM_D_TARGET] = uri;
	dlg = cpm_strs_new(v, CPM_D_N);
	cpm_strs_drop(old);
	s = dlg ? cpm_at_lock(msg, at, &l) : NULL;
	if(s) {
		cpm_strs_t *swap = l->dlg;

		l->dlg = dlg;
		dlg = swap;
		cpm_session_unlock(s);
	}
	cpm_strs_free(&dlg);
}

static void on_refresh(sip_msg_t *msg, const cpm_at_t *at)
{
	cpm_timer_hdr_t th;
	struct refresh r = {.no = NULL};
	cpm_buf_t h = {0};
	char *body = get_body(msg);
	bool invite = msg->REQ_METHOD == METHOD_INVITE;
	bool with_sdp = invite || (body && body < msg->buf + msg->len);

	if(cpm_hdr_timer(msg, &th) < 0)
		r.no = "bad-request";
	else if(th.expires_s && th.expires_s < (uint32_t)cpm_conf.min_se) {
		cpm_buf_fmt(&h, "Min-SE: %d\r\n", cpm_conf.min_se);
		r.no = "interval";
	} else {
		take_refresh(msg, at, &th, &r);
	}
	if(r.no) {
		cpm_reject(msg, r.no, NULL, cpm_buf_get(&h));
	} else {
		retarget(msg, at);
		if(invite)
			cpm_tm.t_addblind(); /* as in cpm_reject() */
		cpm_buf_fmt(&h, "Contact: <%.*s>\r\nAllow: " CPM_ALLOW "\r\n",
				STR_FMT(&cpm_conf.contact));
		cpm_buf_lit(&h, "Supported: timer\r\n");
		if(r.expires_s)
			cpm_buf_fmt(&h, "Session-Expires: %" PRIu32 ";refresher=%s\r\n",
					r.expires_s, r.us ? "uas" : "uac");
		if(r.expires_s && !r.us)
			cpm_buf_lit(&h, "Require: timer\r\n");
		if(with_sdp)
			cpm_buf_lit(&h, "Content-Type: application/sdp\r\n");
		cpm_at_reply_ok(msg, &h,
				with_sdp ? cpm_strs_get(r.local, CPM_M_SDP) : no_reason);
	}
	cpm_buf_free(&h);
	cpm_strs_drop(r.local);
	cpm_strs_drop(r.peer);
}

static void on_options(sip_msg_t *msg)
{
	cpm_buf_t h = {0};

	cpm_buf_lit(&h,
			"Allow: " CPM_ALLOW "\r\nAccept: application/sdp\r\n"
			"Supported: timer\r\n");
	cpm_at_reply_ok(msg, &h, no_reason);
	cpm_buf_free(&h);
}

/* ---- the way in ---- */

static int find(sip_msg_t *msg, cpm_at_t *at)
{
	str num, tag;
	uint64_t v;

	if(cpm_b2b_parse(msg) < 0)
		return -1;
	tag = get_to(msg)->tag_value;
	if(tag.len <= 0 || cpm_tag_parse(&tag, &at->id, &at->n) < 0)
		return -1;
	num = get_cseq(msg)->number;
	if(!slice_u64(slice_of(num.s, (size_t)num.len), INT32_MAX, &v))
		return -1;
	at->cseq = (uint32_t)v;
	return 0;
}

int ki_cpm_in_dialog(sip_msg_t *msg)
{
	cpm_at_t at;
	int rc;

	if(find(msg, &at) < 0)
		return -1;
	if(msg->REQ_METHOD == METHOD_NOTIFY && cpm_reg_notify(msg) == 0)
		return 0;
	if(at.n == CPM_NOTICE_LEG)
		return cpm_notice_in_dialog(msg, &at);
	if(msg->REQ_METHOD == METHOD_ACK) {
		on_ack(msg, &at);
		return 0;
	}
	if(msg->REQ_METHOD == METHOD_CANCEL)
		return ki_cpm_cancel(msg);
	rc = cpm_tm.t_newtran(msg);
	if(rc < 0)
		cpm_reject(msg, "memory", NULL, no_reason);
	if(rc <= 0)
		return 0; /* no memory, or a retransmission */
	switch(msg->REQ_METHOD) {
		case METHOD_BYE:
			cpm_bye(msg, &at);
			break;
		case METHOD_INVITE:
		case METHOD_UPDATE:
			on_refresh(msg, &at);
			break;
		case METHOD_OPTIONS:
			on_options(msg);
			break;
		default: {
			cpm_leg_t *l;
			cpm_session_t *s = cpm_at_lock(msg, &at, &l);

			if(s)
				cpm_session_unlock(s);
			cpm_reject(msg, s ? "method" : "dialog", NULL, no_reason);
		}
	}
	return 0;
}
