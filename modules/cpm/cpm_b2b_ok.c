/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 200 for the inbound leg (cpm_b2b_ok.h). OMA-TS-CPM_Conv_Fnct 8.2.1.2 and
 * 8.3.2.1.1 "Upon receiving a SIP 200 OK", RFC 3264, RFC 6135, RFC 6714, RFC
 * 4028 section 9.
 */
#include "cpm_b2b_ok.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"

/* What a client's Contact would say of a large message. */
#define LARGE_TAG                                                              \
	"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."          \
	"largemsg\""

int cpm_ok_take(const cpm_session_t *s, cpm_ok_t *o)
{
	const cpm_leg_t *in = &s->legs[CPM_IN];

	o->id = s->id;
	o->local = cpm_strs_copy(in->local);
	o->msg = cpm_strs_copy(s->msg);
	o->dir = s->kind == CPM_UAS_FETCH ? SDP_SENDONLY : SDP_RECVONLY;
	o->bytes = s->kind == CPM_UAS_FETCH ? s->bytes : 0;
	o->max_bytes = s->max_bytes;
	o->port = in->local_port;
	o->tls = in->tls;
	o->cema = in->peer_cema;
	o->timer = in->peer_timer;
	o->asks_us = in->peer_asks_us;
	o->expires_s = in->expires_s;
	o->offer_setup = s->offer_setup;
	return o->local && o->msg ? 0 : -ENOMEM;
}

void cpm_ok_drop(cpm_ok_t *o)
{
	cpm_strs_drop(o->local);
	cpm_strs_drop(o->msg);
	o->local = o->msg = NULL;
}

uint32_t cpm_ok_interval(const cpm_ok_t *o, uint32_t other_s)
{
	uint32_t v =
			o->expires_s ? o->expires_s : (uint32_t)cpm_conf.session_expires;

	if(other_s && other_s < v)
		v = other_s;
	return v < (uint32_t)cpm_conf.min_se ? (uint32_t)cpm_conf.min_se : v;
}

static struct slice types(struct slice theirs, const char *none)
{
	return theirs.n ? theirs : slice_str(none);
}

/* OL-20, TL-08: own path, the direction, passive, CEMA exactly when it was
 * offered. */
static int answer_sdp(
		const cpm_ok_t *o, const struct sdp *theirs, char *buf, size_t size)
{
	struct slice offer = cpm_slice_of(cpm_strs_get(o->msg, CPM_T_OFFER));
	struct slice host = cpm_slice_of(cpm_strs_get(o->local, CPM_M_HOST));
	struct slice none = {NULL, 0};
	struct sdp sdp = {.dir = o->dir, .media_count = 1}, offered;
	char sess_id[24];

	snprintf(sess_id, sizeof(sess_id), "%" PRIu64, o->id);
	sdp.sess_id = slice_str(sess_id);
	sdp.sess_version = SLICE("1");
	sdp.secure = o->tls;
	sdp.host = host;
	sdp.ipv6 = host.n && memchr(host.p, ':', host.n) != NULL;
	sdp.port = o->port;
	sdp.path = cpm_slice_of(cpm_strs_get(o->local, CPM_M_PATH));
	sdp.fingerprint = cpm_slice_of(cpm_strs_get(o->local, CPM_M_FINGERPRINT));
	sdp.accept_types =
			types(theirs ? theirs->accept_types : none, "message/cpim");
	sdp.accept_wrapped_types =
			types(theirs ? theirs->accept_wrapped_types : none, "*");
	sdp.max_size = theirs ? theirs->max_size : 0;
	if(theirs == NULL && o->dir == SDP_RECVONLY && o->max_bytes > 0)
		sdp.max_size = (uint64_t)o->max_bytes;
	sdp.has_file_size = o->bytes > 0;
	sdp.file_size = o->bytes;
	sdp.setup = sdp_setup_answer((enum sdp_setup)o->offer_setup);
	sdp.cema = o->cema;
	if(offer.n > 0 && sdp_parse(offer, &offered) == SDP_OK) {
		sdp.media_index = offered.media_index;
		sdp.media_count = offered.media_count;
	}
	return sdp_print(buf, size, &sdp, offer);
}

/* Our URI even for a focus: its dialog is with us, not with the originator.
 * That it is one the parameter still says (OL-19). */
static void contact_line(cpm_buf_t *b, sip_msg_t *rpl)
{
	bool isfocus = false;
	str uri;

	cpm_buf_fmt(b, "Contact: <%.*s>", STR_FMT(&cpm_conf.contact));
	if(rpl == NULL) {
		cpm_buf_lit(b, ";" LARGE_TAG);
	} else {
		if(cpm_hdr_contact(rpl, &uri, &isfocus) < 0)
			isfocus = false;
		cpm_hdr_contact_features(b, rpl);
	}
	cpm_buf_lit(b, isfocus ? ";isfocus\r\n" : "\r\n");
}

/* RFC 4028 section 9: who is asked for refreshes, else who can. */
static void timer_lines(cpm_buf_t *b, const cpm_ok_t *o, uint32_t expires_s)
{
	bool us = !o->timer || o->asks_us;

	cpm_buf_fmt(b, "Session-Expires: %" PRIu32 ";refresher=%s\r\n", expires_s,
			us ? "uas" : "uac");
	if(o->timer)
		cpm_buf_lit(b, "Require: timer\r\n");
}

cpm_strs_t *cpm_ok_answer(const cpm_ok_t *o, sip_msg_t *rpl,
		const struct sdp *theirs, uint32_t expires_s)
{
	char sdp[4096];
	str v[CPM_A_N] = {{NULL, 0}};
	cpm_buf_t b = {0};
	cpm_strs_t *a = NULL;
	int len = answer_sdp(o, theirs, sdp, sizeof(sdp));

	if(len <= 0 || len >= (int)sizeof(sdp))
		return NULL;
	contact_line(&b, rpl);
	cpm_hdr_server(&b);
	cpm_buf_lit(&b, "Allow: " CPM_ALLOW "\r\nSupported: timer\r\n");
	timer_lines(&b, o, expires_s);
	if(rpl) {
		cpm_hdr_copy(&b, rpl, "P-Asserted-Identity");
		cpm_hdr_copy(&b, rpl, "P-Charging-Vector");
	}
	cpm_buf_lit(&b, "Content-Type: application/sdp\r\n");
	v[CPM_A_REASON] = CPM_STR("OK");
	v[CPM_A_HEADERS] = cpm_buf_get(&b);
	v[CPM_A_BODY] = (str){sdp, len};
	a = b.bad ? NULL : cpm_strs_new(v, CPM_A_N);
	cpm_buf_free(&b);
	return a;
}

void cpm_ok_adopt(cpm_session_t *s, cpm_strs_t **answer, cpm_strs_t **local,
		uint32_t expires_s)
{
	cpm_leg_t *in = &s->legs[CPM_IN];

	cpm_strs_free(&s->answer);
	s->answer = *answer;
	cpm_strs_free(&in->local);
	in->local = *local;
	*answer = *local = NULL;
	in->sdp_version = 1;
	in->expires_s = expires_s;
	in->refresh_us = !in->peer_timer || in->peer_asks_us;
	s->ring_at = 0;
	cpm_session_move(s, CPM_S_STARTING);
}

/* Nobody has answered yet, and nobody else is about to. */
static bool unanswered(const cpm_session_t *s)
{
	return (s->state == CPM_S_SETUP || s->state == CPM_S_CALLING)
			&& s->winner == 0 && !s->uas_done && !s->want_final;
}

void cpm_ok_self(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_strs_t *answer = NULL, *local = NULL;
	cpm_ok_t o = {0};
	uint32_t expires_s;
	bool go = s && unanswered(s) && cpm_ok_take(s, &o) == 0, done = false;

	if(s)
		cpm_session_unlock(s);
	else
		return;
	expires_s = cpm_ok_interval(&o, 0);
	if(go)
		answer = cpm_ok_answer(&o, NULL, NULL, expires_s);
	if(answer)
		local = cpm_local_with_sdp(o.local, cpm_strs_get(answer, CPM_A_BODY));
	cpm_ok_drop(&o);
	s = cpm_session_lock(id);
	go = s && unanswered(s);
	if(go && answer && local) {
		cpm_ok_adopt(s, &answer, &local, expires_s);
		done = true;
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&answer);
	cpm_strs_free(&local);
	if(done)
		cpm_media_start(id, CPM_IN);
	else if(go)
		cpm_b2b_end(id, CPM_END_MEMORY, CPM_IN, (str){NULL, 0});
}
