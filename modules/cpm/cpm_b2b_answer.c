/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The 200 to our INVITE: the dialog stands, the SDP answer is read, the
 * originator's 200 is built and kept until the relay listens on both legs.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.2 "Upon receiving a SIP 200 OK", RFC 3261 12.1.2
 * and 13.2.2.4, RFC 4028 section 7. Called by cpm_b2b_reply.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_ok.h"
#include "cpm_conf.h"
#include "cpm_stats.h"
#include "proto/multipart.h"

static const str no_reason = {NULL, 0};

/* Record-Route of the 200, last one first (RFC 3261 12.1.2). */
static int routes_reversed(sip_msg_t *rpl, str *out)
{
	if(rpl->record_route == NULL) {
		*out = (str){NULL, 0};
		return 0;
	}
	return print_rr_body(rpl->record_route, out, 1, NULL) < 0 ? -1 : 0;
}

/* The dialog as the 200 has completed it. */
static cpm_strs_t *dialog_of(const cpm_strs_t *old, sip_msg_t *rpl)
{
	str v[CPM_D_N], routes = {NULL, 0};
	cpm_strs_t *d = NULL;
	bool isfocus;

	for(unsigned i = 0; i < CPM_D_N; i++)
		v[i] = cpm_strs_get(old, i);
	v[CPM_D_REMOTE_TAG] = get_to(rpl)->tag_value;
	cpm_hdr_contact(rpl, &v[CPM_D_TARGET], &isfocus);
	/* a broken route set is none: the Contact may still be reached */
	if(routes_reversed(rpl, &routes) < 0)
		routes = (str){NULL, 0};
	v[CPM_D_ROUTES] = routes;
	/* the route set rules from now on; without one the Contact does */
	v[CPM_D_NEXT_HOP] = (str){NULL, 0};
	d = cpm_strs_new(v, CPM_D_N);
	if(routes.s)
		pkg_free(routes.s);
	return d;
}

/* What of the session is needed here, copied under the lock. */
struct ok
{
	cpm_strs_t *dlg; /* of the outbound leg */
	cpm_ok_t in;     /* for the originator's 200 */
	uint64_t id;
	bool glare; /* it crosses our CANCEL */
	bool first; /* the originator waits for it: it makes his 200 */
};

static void ok_drop(struct ok *o)
{
	cpm_strs_drop(o->dlg);
	cpm_ok_drop(&o->in);
}

/* 0; -ENOENT nobody waits for this 200; -ENOMEM */
static int ok_take(uint64_t id, unsigned n, struct ok *o)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	int rc = -ENOENT;

	if(s == NULL)
		return -ENOENT;
	if(l
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING
					|| l->state == CPM_L_CANCELLED)) {
		o->id = id;
		o->dlg = cpm_strs_copy(l->dlg);
		o->glare = l->state == CPM_L_CANCELLED;
		o->first = s->kind == CPM_UAS_INVITE && s->winner == 0
				&& s->state == CPM_S_CALLING;
		rc = o->dlg ? 0 : -ENOMEM;
		if(rc == 0 && o->first)
			rc = cpm_ok_take(s, &o->in);
	}
	cpm_session_unlock(s);
	return rc;
}

static enum sdp_error read_sdp(sip_msg_t *rpl, struct sdp *out)
{
	str type = cpm_hdr_get(rpl, "Content-Type");
	char *body = get_body(rpl);
	struct multipart_part part;

	if(body == NULL || body >= rpl->buf + rpl->len || type.len <= 0
			|| multipart_find(cpm_slice_of(type),
					   slice_of(body, (size_t)(rpl->buf + rpl->len - body)),
					   SLICE("application/sdp"), &part)
					!= 0)
		return SDP_EMPTY;
	return sdp_parse(part.body, out);
}

/* The dialog stands. */
static void stand(uint64_t id, unsigned n, cpm_strs_t **dlg)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING
					|| l->state == CPM_L_CANCELLED)) {
		cpm_strs_free(&l->dlg);
		l->dlg = *dlg;
		*dlg = NULL;
		cpm_leg_move(s, l, CPM_L_UP);
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(dlg);
}

/* Without memory for its dialog the leg cannot even be hung up. */
static void give_up(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l && l->state != CPM_L_DOWN)
		cpm_leg_move(s, l, CPM_L_DOWN);
	if(s)
		cpm_session_unlock(s);
}

/* What a usable 200 has brought. */
struct brought
{
	cpm_strs_t *dlg;    /* CPM_D_* */
	cpm_strs_t *answer; /* CPM_A_* of the first 200, else NULL */
	struct sdp sdp;
	cpm_timer_hdr_t timer;
	uint32_t in_expires;
};

static void adopt_leg(cpm_session_t *s, cpm_leg_t *l, struct brought *b,
		const cpm_leg_t *peer_of, cpm_strs_t **peer)
{
	cpm_strs_free(&l->dlg);
	cpm_strs_free(&l->peer);
	l->dlg = b->dlg;
	l->peer = *peer;
	b->dlg = *peer = NULL;
	l->peer_cema = peer_of->peer_cema;
	l->peer_port = peer_of->peer_port;
	l->peer_max = peer_of->peer_max;
	l->connect = !sdp_answerer_connects((enum sdp_setup)l->setup, b->sdp.setup);
	l->peer_timer = b->timer.supported || b->timer.expires_s;
	l->peer_update = b->timer.update;
	l->expires_s = b->timer.expires_s;
	l->refresh_us = b->timer.refresher != CPM_REFRESHER_UAS;
	cpm_leg_move(s, l, CPM_L_UP);
	cpm_timer_arm(l);
	if(l->isf)
		cpm_stat_inc(CPM_STAT_ISF_OK);
}

/* Another one's 200 was quicker by a hair: this one is no first any more. */
static bool still_fits(const cpm_session_t *s, const struct ok *o)
{
	if(s->state == CPM_S_CLOSING)
		return false;
	return !o->first || (s->state == CPM_S_CALLING && s->winner == 0);
}

enum adopted
{
	ADOPTED,
	LOST_RACE, /* it is to be adopted as a further one */
	TOO_LATE   /* nobody wants it */
};

static enum adopted adopt(const struct ok *o, unsigned n, struct brought *b)
{
	cpm_leg_t *l, peer_of = {0};
	cpm_strs_t *peer = cpm_peer_read(&peer_of, &b->sdp), *local = NULL;
	enum adopted rc = TOO_LATE;
	cpm_session_t *s;

	if(o->first)
		local = cpm_local_with_sdp(
				o->in.local, cpm_strs_get(b->answer, CPM_A_BODY));
	s = peer && (local || !o->first) ? cpm_session_lock(o->id) : NULL;
	l = s ? cpm_session_leg(s, n) : NULL;
	if(l && (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING)) {
		if(still_fits(s, o)) {
			adopt_leg(s, l, b, &peer_of, &peer);
			if(o->first)
				cpm_ok_adopt(s, &b->answer, &local, b->in_expires);
			if(s->winner == 0)
				s->winner = (uint16_t)n;
			if(s->kind != CPM_UAS_INVITE && s->state == CPM_S_CALLING)
				cpm_session_move(s, CPM_S_UP);
			rc = ADOPTED;
		} else if(s->state != CPM_S_CLOSING) {
			rc = LOST_RACE;
		}
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&peer);
	cpm_strs_free(&local);
	return rc;
}

/* An answer that is good for nothing but a BYE. */
static void unusable(
		uint64_t id, unsigned n, enum sdp_error e, cpm_strs_t **dlg)
{
	/* as if he had refused with 488: another may understand it better */
	cpm_failure_t f = {.why = e == SDP_OK ? CPM_END_MEMORY : CPM_END_SDP,
			.isf = e != SDP_OK};
	cpm_session_t *s;
	bool pair;

	LM_WARN("session " CPM_ID_FMT " leg %u: SDP answer: %s\n", CPM_ID_ARG(id),
			n, e == SDP_OK ? "no memory" : sdp_error_text(e));
	stand(id, n, dlg);
	s = cpm_session_lock(id);
	pair = s && cpm_session_in_pair(s, n);
	if(s)
		cpm_session_unlock(s);
	if(pair) {
		cpm_b2b_end(id, f.why, n, no_reason);
		return;
	}
	f.answer = cpm_reject_answer(e == SDP_OK ? "memory" : "sdp",
			e == SDP_OK ? NULL : sdp_error_text(e), &f.code);
	cpm_dlv_failed(id, n, &f);
}

static void take_answer(
		struct ok *o, unsigned n, sip_msg_t *rpl, cpm_strs_t *dlg)
{
	struct brought b = {.dlg = dlg};
	enum sdp_error e = read_sdp(rpl, &b.sdp);
	enum adopted how = TOO_LATE;

	if(cpm_hdr_timer(rpl, &b.timer) < 0)
		memset(&b.timer, 0, sizeof(b.timer));
	b.in_expires = cpm_ok_interval(&o->in, b.timer.expires_s);
	if(e == SDP_OK && o->first)
		b.answer = cpm_ok_answer(&o->in, rpl, &b.sdp, b.in_expires);
	if(e != SDP_OK || (o->first && b.answer == NULL)) {
		unusable(o->id, n, e, &b.dlg);
	} else {
		how = adopt(o, n, &b);
		if(how == LOST_RACE) {
			o->first = false;
			how = adopt(o, n, &b);
		}
		if(how == ADOPTED && o->first)
			cpm_media_start(o->id, CPM_IN);
		if(how == ADOPTED) {
			cpm_media_start(o->id, n);
		} else {
			/* it was cancelled in between */
			stand(o->id, n, &b.dlg);
			cpm_leg_end(o->id, n);
		}
	}
	cpm_strs_free(&b.dlg);
	cpm_strs_free(&b.answer);
}

void cpm_out_answered(uint64_t id, unsigned n, sip_msg_t *rpl)
{
	struct ok o = {0};
	cpm_strs_t *dlg;
	int rc = ok_take(id, n, &o);

	cpm_dlv_unpace(id, n);
	if(rc == -ENOENT)
		return; /* a further 200: cpm_ack.c has dealt with it */
	dlg = rc == 0 ? dialog_of(o.dlg, rpl) : NULL;
	if(dlg == NULL) {
		LM_ERR("session " CPM_ID_FMT " leg %u: no memory for the dialog\n",
				CPM_ID_ARG(id), n);
		give_up(id, n);
		cpm_dlv_failed(
				id, n, &(cpm_failure_t){.why = CPM_END_MEMORY, .code = 503});
	} else if(o.glare) {
		/* 200 and CANCEL have crossed: hang up (RFC 3261 9.1) */
		stand(id, n, &dlg);
		cpm_leg_end(id, n);
	} else {
		take_answer(&o, n, rpl, dlg);
	}
	ok_drop(&o);
}
