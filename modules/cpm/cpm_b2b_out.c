/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The outgoing INVITE of a leg: own Call-ID, tag, CSeq, Contact and SDP offer,
 * the originator's headers as cpm_b2b_in.c has kept them (OMA-TS-CPM_Conv_Fnct
 * 8.2.1.2 step 7). Runs in the link process when the relay has given the
 * paths, and again after a 422 (RFC 4028 section 7.4).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_loop.h"
#include "cpm_rcpts.h"
#include "proto/cpim.h"

#define SDP_BUF 4096 /* bytes of an SDP of ours */

/* What is needed of session and leg, copied under the lock. */
struct out
{
	cpm_dialog_t d;
	cpm_strs_t *local, *msg;
	uint16_t port;
	cpm_buf_t extra; /* header lines of this recipient alone */
	enum sdp_setup setup;
	cpm_case_t session_case;
	bool tls, sized;
	bool copy; /* for another client of the sender */
	uint64_t bytes;
	uint32_t expires_s, min_se_s, sdp_version;
};

static void out_drop(struct out *o)
{
	cpm_dialog_drop(&o->d);
	cpm_strs_drop(o->local);
	cpm_strs_drop(o->msg);
	cpm_buf_free(&o->extra);
}

/* OL-16, OL-17: sendonly, actpass, the size, CEMA. */
static int offer(const struct out *o, uint64_t id, char *buf, size_t size)
{
	struct sdp sdp = {.setup = o->setup,
			.dir = SDP_SENDONLY,
			.cema = true,
			.media_count = 1};
	char sess_id[24], version[16];
	struct slice types = cpm_slice_of(cpm_strs_get(o->msg, CPM_T_TYPES));
	struct slice wrapped = cpm_slice_of(cpm_strs_get(o->msg, CPM_T_WRAPPED));
	struct slice host = cpm_slice_of(cpm_strs_get(o->local, CPM_M_HOST));

	snprintf(sess_id, sizeof(sess_id), "%" PRIu64, id);
	snprintf(version, sizeof(version), "%" PRIu32, o->sdp_version);
	sdp.sess_id = slice_str(sess_id);
	sdp.sess_version = slice_str(version);
	sdp.secure = o->tls;
	sdp.host = host;
	sdp.ipv6 = host.n && memchr(host.p, ':', host.n) != NULL;
	sdp.port = o->port;
	sdp.path = cpm_slice_of(cpm_strs_get(o->local, CPM_M_PATH));
	sdp.fingerprint = cpm_slice_of(cpm_strs_get(o->local, CPM_M_FINGERPRINT));
	sdp.accept_types = types.n ? types : SLICE("message/cpim");
	sdp.accept_wrapped_types = wrapped.n ? wrapped : SLICE("*");
	sdp.has_file_size = o->sized;
	sdp.file_size = o->bytes;
	return sdp_print(buf, size, &sdp, slice_of(NULL, 0));
}

static void headers(cpm_buf_t *b, const struct out *o)
{
	cpm_buf_str(b, cpm_strs_get(o->msg, CPM_T_HEADERS));
	cpm_buf_str(b, cpm_buf_get(&o->extra));
	cpm_loop_add(b, o->session_case, cpm_buf_get(b),
			cpm_strs_get(o->d.dlg, CPM_D_CALL_ID), (str){NULL, 0});
	if(o->copy) /* it may come by the terminating half, which lets it pass */
		cpm_loop_add(b, CPM_CASE_TERM, cpm_buf_get(b),
				cpm_strs_get(o->d.dlg, CPM_D_CALL_ID), (str){NULL, 0});
	/* OL-14: we refresh; Min-SE only where a 422 asked for it */
	cpm_buf_fmt(
			b, "Session-Expires: %" PRIu32 ";refresher=uac\r\n", o->expires_s);
	if(o->min_se_s)
		cpm_buf_fmt(b, "Min-SE: %" PRIu32 "\r\n", o->min_se_s);
}

/* The SDP alone, or with the list of an ad-hoc group (OP-34). */
static void add_body(
		cpm_buf_t *h, cpm_buf_t *body, const struct out *o, str sdp)
{
	str list = cpm_strs_get(o->msg, CPM_T_LIST);
	char mark[CPM_HEX_BUF];

	if(list.len <= 0 || o->copy) {
		cpm_buf_lit(h, "Content-Type: application/sdp\r\n");
		cpm_buf_str(body, sdp);
		return;
	}
	cpm_id_random(mark);
	cpm_buf_fmt(h,
			"Require: recipient-list-invite\r\n"
			"Content-Type: multipart/mixed;boundary=%s\r\n",
			mark);
	cpm_buf_fmt(body, "--%s\r\nContent-Type: application/sdp\r\n\r\n", mark);
	cpm_buf_str(body, sdp);
	cpm_buf_fmt(body, "\r\n--%s\r\n", mark);
	cpm_buf_str(body, list);
	cpm_buf_fmt(body, "\r\n--%s--\r\n", mark);
}

cpm_strs_t *cpm_local_with_sdp(const cpm_strs_t *local, str sdp)
{
	str v[CPM_M_N];

	for(unsigned i = 0; i < CPM_M_N; i++)
		v[i] = cpm_strs_get(local, i);
	v[CPM_M_SDP] = sdp;
	return cpm_strs_new(v, CPM_M_N);
}

/* What the recipient gets, with a CPIM To of his own. */
static uint64_t bytes_for(const cpm_session_t *s, const cpm_leg_t *l)
{
	if(cpm_session_is_copy(s, l->n)) /* and the end of the line */
		return s->bytes + (uint64_t)cpm_direct_relay_line().len + 2;
	if(!s->retarget)
		return s->bytes;
	return s->bytes - s->to_bytes
			+ CPIM_TO_SIZE((uint64_t)cpm_rcpts_uri(s->rcpts, l->dlv).len);
}

/* Towards clients we are passive, towards another kind of service active
 * (TL-11, TL-12); the originating half leaves it to the peer (OL-17). */
static enum sdp_setup setup_for(const cpm_session_t *s, const cpm_leg_t *l)
{
	if(!s->term)
		return SDP_SETUP_ACTPASS;
	return l->isf ? SDP_SETUP_ACTIVE : SDP_SETUP_PASSIVE;
}

/* Copy, and move on: from now on the leg has an INVITE. */
static int take(uint64_t id, unsigned n, struct out *o)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	int rc = -ENOENT;

	if(s == NULL)
		return -ENOENT;
	if(l == NULL || s->state == CPM_S_CLOSING
			|| (l->state != CPM_L_IDLE && l->state != CPM_L_INVITED)) {
		cpm_session_unlock(s);
		return -ENOENT;
	}
	o->local = cpm_strs_copy(l->local);
	o->msg = cpm_strs_copy(s->msg);
	if(l->isf && !s->interworking)
		rc = -ENOTSUP;
	else
		rc = o->local && o->msg ? cpm_dialog_take(l, true, &o->d) : -ENOMEM;
	o->copy = cpm_session_is_copy(s, n);
	if(o->copy)
		cpm_buf_str(&o->extra, cpm_rcpts_headers(s->copies, l->dlv - s->n_dlv));
	else if(s->rcpts && !l->isf)
		cpm_buf_str(&o->extra, cpm_rcpts_headers(s->rcpts, l->dlv));
	if(o->extra.bad)
		rc = -ENOMEM;
	l->setup = (uint8_t)setup_for(s, l);
	o->setup = (enum sdp_setup)l->setup;
	o->session_case = s->term ? CPM_CASE_TERM : CPM_CASE_ORIG;
	o->port = l->local_port;
	o->tls = l->tls;
	o->sized = s->sized;
	o->bytes = bytes_for(s, l);
	o->expires_s = l->expires_s;
	o->min_se_s = l->min_se_s;
	if(l->sdp_version == 0)
		l->sdp_version = 1;
	o->sdp_version = l->sdp_version;
	if(rc == 0) {
		if(s->state == CPM_S_SETUP)
			cpm_session_move(s, CPM_S_CALLING);
		if(l->state == CPM_L_IDLE)
			cpm_leg_move(s, l, CPM_L_INVITED);
		l->ring_at = cpm_now_ms() + (uint64_t)cpm_conf.ring_timeout
				+ (s->term || s->kind == CPM_UAS_STORE
								? 0
								: (uint64_t)cpm_conf.ring_spare);
		l->placed = false;
	}
	cpm_session_unlock(s);
	return rc;
}

/* The transaction's place is known: a CANCEL that came meanwhile is due. */
static void placed(uint64_t id, unsigned n, unsigned index, unsigned label,
		cpm_strs_t **local)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool cancelled = false;

	if(l) {
		cpm_strs_t *old = l->local;

		l->tindex = index;
		l->tlabel = label;
		l->placed = true;
		l->local = *local;
		*local = old;
		cancelled = l->state == CPM_L_CANCELLED;
	}
	if(s)
		cpm_session_unlock(s);
	if(cancelled)
		cpm_leg_cancel(id, n);
}

static void failed(uint64_t id, unsigned n, int rc)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l && l->state != CPM_L_DOWN)
		cpm_leg_move(s, l, CPM_L_DOWN);
	if(s)
		cpm_session_unlock(s);
	if(rc == -ENOTSUP) {
		cpm_failure_t f = {.why = CPM_END_REFUSED};

		f.answer = cpm_reject_answer("uri", NULL, &f.code);
		cpm_dlv_failed(id, n, &f);
		return;
	}
	cpm_dlv_failed(id, n,
			&(cpm_failure_t){
					.why = rc == -ENOMEM ? CPM_END_MEMORY : CPM_END_SEND,
					.code = 503});
}

/* The leg's dialog, when it has none yet: made now, when it is needed, since a
 * list may be long and its end may never be reached. */
static void make_dialog(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	cpm_strs_t *msg = NULL, *dlg = NULL;
	cpm_dest_t dest = {.isf = false};

	if(l && l->dlg == NULL) {
		msg = cpm_strs_copy(s->msg);
		cpm_dest_take(s, l, &dest);
	}
	if(s)
		cpm_session_unlock(s);
	if(msg)
		dlg = cpm_text_out_dialog(msg, id, n, &dest);
	cpm_strs_drop(msg);
	cpm_dest_drop(&dest);
	s = dlg ? cpm_session_lock(id) : NULL;
	l = s ? cpm_session_leg(s, n) : NULL;
	if(l && l->dlg == NULL) {
		l->dlg = dlg;
		dlg = NULL;
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&dlg);
}

/* It has ended meanwhile. A leg that was cancelled between two attempts has no
 * transaction that would take it down. */
static void abandoned(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l && l->state == CPM_L_CANCELLED && !l->placed)
		cpm_leg_move(s, l, CPM_L_DOWN);
	if(s)
		cpm_session_unlock(s);
}

void cpm_out_invite(uint64_t id, unsigned n)
{
	struct out o = {0};
	cpm_buf_t h = {0}, body = {0};
	char sdp[SDP_BUF];
	cpm_strs_t *local = NULL;
	unsigned index = 0, label = 0;
	int rc, len = 0;
	str call_id;

	make_dialog(id, n);
	rc = take(id, n, &o);

	if(rc == -ENOENT) {
		abandoned(id, n);
		return;
	}
	if(rc == 0) {
		len = offer(&o, id, sdp, sizeof(sdp));
		rc = len > 0 && len < (int)sizeof(sdp) ? 0 : -EINVAL;
	}
	if(rc == 0) {
		headers(&h, &o);
		add_body(&h, &body, &o, (str){sdp, len});
		local = cpm_local_with_sdp(o.local, (str){sdp, len});
		rc = h.bad || body.bad || local == NULL ? -ENOMEM : 0;
	}
	call_id = cpm_strs_get(o.d.dlg, CPM_D_CALL_ID);
	if(rc == 0)
		rc = cpm_dialog_send(&o.d, "INVITE", cpm_buf_get(&h),
				cpm_buf_get(&body),
				TMCB_LOCAL_RESPONSE_IN | TMCB_LOCAL_COMPLETED | TMCB_DESTROY
						| TMCB_DONT_ACK,
				cpm_out_reply, cpm_id_param(id, n), &index, &label);
	if(rc == 0) {
		LM_INFO("session " CPM_ID_FMT " leg %u: INVITE out, Call-ID %.*s\n",
				CPM_ID_ARG(id), n, STR_FMT(&call_id));
		placed(id, n, index, label, &local);
	} else {
		if(rc == -ENOTSUP)
			LM_INFO("session " CPM_ID_FMT " leg %u: only the ISF could reach"
					" him, which policy forbids\n",
					CPM_ID_ARG(id), n);
		else
			LM_ERR("session " CPM_ID_FMT
				   " leg %u: the INVITE could not be sent (%d)\n",
					CPM_ID_ARG(id), n, rc);
		failed(id, n, rc);
	}
	cpm_strs_free(&local);
	cpm_buf_free(&h);
	cpm_buf_free(&body);
	out_drop(&o);
}
