/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers to our INVITE, as tm hands them over: 1xx are passed on, a 200
 * goes to cpm_b2b_answer.c (the ACK has been sent by cpm_ack.c before tm saw
 * it), anything else fails the delivery. RFC 3261 13.2.2, RFC 4028 section 7.4.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_isf.h"

#define SE_MAX 1799 /* s: below 1800 (OL-14) */

/* ---- provisional ---- */

static void provisional(uint64_t id, unsigned n, sip_msg_t *rpl, int code)
{
	cpm_session_t *s;
	cpm_leg_t *l;
	bool pass = code == 180 || code == 181 || code == 182;

	/* an early SDP has no meaning on the other leg */
	if(code == 183)
		pass = get_body(rpl) == NULL || get_body(rpl) >= rpl->buf + rpl->len;
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	l = cpm_session_leg(s, n);
	if(l && l->state == CPM_L_INVITED)
		cpm_leg_move(s, l, CPM_L_RINGING);
	/* of a list's recipients the first one that rings is all he hears */
	pass = pass && l && !cpm_session_is_copy(s, n) && l->state == CPM_L_RINGING
			&& s->state == CPM_S_CALLING
			&& (s->n_dlv == 1 || s->legs[CPM_IN].state == CPM_L_INVITED);
	cpm_session_unlock(s);
	cpm_dlv_unpace(id, n);
	if(pass)
		cpm_uas_provisional(id, code);
}

/* ---- failure ---- */

static cpm_strs_t *relayed(sip_msg_t *rpl, int code)
{
	static const char *const kept[] = {"Warning", "Reason", "Retry-After",
			"Error-Info", "Allow", "Accept", "P-Charging-Vector"};
	str v[CPM_A_N] = {{NULL, 0}};
	cpm_buf_t b = {0};
	cpm_strs_t *a;

	cpm_hdr_server(&b);
	for(size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		cpm_hdr_copy(&b, rpl, kept[i]);
	if(code < 400 || code == 485)
		cpm_hdr_copy(&b, rpl, "Contact");
	v[CPM_A_REASON] = rpl->first_line.u.reply.reason;
	v[CPM_A_HEADERS] = cpm_buf_get(&b);
	a = b.bad ? NULL : cpm_strs_new(v, CPM_A_N);
	cpm_buf_free(&b);
	return a;
}

/* 422: once more with the interval that is asked for. */
static bool try_interval(uint64_t id, unsigned n, sip_msg_t *rpl)
{
	cpm_timer_hdr_t th;
	cpm_session_t *s;
	cpm_leg_t *l;
	bool go = false;

	if(cpm_hdr_timer(rpl, &th) < 0 || th.min_se_s == 0 || th.min_se_s > SE_MAX)
		return false;
	s = cpm_session_lock(id);
	if(s == NULL)
		return false;
	l = cpm_session_leg(s, n);
	if(l && s->state != CPM_S_CLOSING && l->min_se_s == 0
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING)) {
		l->min_se_s = th.min_se_s;
		if(l->expires_s < th.min_se_s)
			l->expires_s = th.min_se_s;
		if(l->state == CPM_L_RINGING)
			cpm_leg_move(s, l, CPM_L_INVITED);
		l->placed = false; /* the transaction of before is over */
		go = true;
	}
	cpm_session_unlock(s);
	if(go)
		cpm_out_invite(id, n);
	return go;
}

/* A challenge is for us, not for the originator; we have no credentials. What
 * is said of an INVITE alone is no answer to a MESSAGE (OP-44). */
static int code_for_originator(int code, bool message)
{
	if(code == 401 || code == 407)
		return 500;
	if(message && (code == 422 || code == 487 || code == 491 || code == 494))
		return 480;
	return code;
}

static void refused(uint64_t id, unsigned n, sip_msg_t *rpl, int code)
{
	bool faked = rpl == FAKED_REPLY;
	cpm_failure_t f = {.answer = NULL};
	cpm_session_t *s;
	cpm_leg_t *l;
	bool first = false, message;

	cpm_dlv_unpace(id, n); /* while the session is there */
	if(!faked && code == 422 && try_interval(id, n, rpl))
		return;
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	message = s->kind == CPM_UAS_MESSAGE;
	l = cpm_session_leg(s, n);
	if(l
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING
					|| l->state == CPM_L_CANCELLED)) {
		first = l->state != CPM_L_CANCELLED;
		cpm_leg_move(s, l, CPM_L_DOWN);
	}
	cpm_session_unlock(s);
	if(!first)
		return;
	if(faked) {
		f.why = code == 408 ? CPM_END_RING : CPM_END_SEND;
		f.code = code == 408 ? 408 : 503;
	} else {
		LM_INFO("session " CPM_ID_FMT " leg %u: refused with %d %.*s\n",
				CPM_ID_ARG(id), n, code,
				STR_FMT(&rpl->first_line.u.reply.reason));
		f.why = CPM_END_REFUSED;
		f.code = code_for_originator(code, message);
		f.answer = f.code == code ? relayed(rpl, code) : NULL;
		f.isf = cpm_isf_code(code);
	}
	cpm_dlv_failed(id, n, &f);
}

/* ---- tm's callback ---- */

/* The transaction goes without a final answer (tm was out of memory). */
static void vanished(struct cell *t, uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool lost = l && l->placed && l->tindex == t->hash_index
			&& l->tlabel == t->label
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING
					|| l->state == CPM_L_CANCELLED);

	if(s)
		cpm_session_unlock(s);
	if(!lost)
		return;
	cpm_dlv_unpace(id, n); /* while the session is there */
	s = cpm_session_lock(id);
	l = s ? cpm_session_leg(s, n) : NULL;
	lost = l
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING
					|| l->state == CPM_L_CANCELLED);
	if(lost)
		cpm_leg_move(s, l, CPM_L_DOWN);
	if(s)
		cpm_session_unlock(s);
	if(lost) {
		LM_ERR("session " CPM_ID_FMT
			   " leg %u: the INVITE's transaction went without an answer\n",
				CPM_ID_ARG(id), n);
		cpm_dlv_failed(
				id, n, &(cpm_failure_t){.why = CPM_END_RING, .code = 408});
	}
}

void cpm_out_reply(struct cell *t, int type, struct tmcb_params *ps)
{
	uint64_t id = cpm_id_of(*ps->param);
	unsigned n = cpm_id_leg(*ps->param);
	sip_msg_t *rpl = ps->rpl;

	if(type == TMCB_DESTROY) {
		vanished(t, id, n);
		return;
	}
	if(rpl == FAKED_REPLY) {
		if(type == TMCB_LOCAL_COMPLETED)
			refused(id, n, rpl, ps->code);
		return;
	}
	if(rpl == NULL)
		return;
	if(cpm_b2b_parse(rpl) < 0) {
		/* final, and nothing can be made of it */
		if(type == TMCB_LOCAL_COMPLETED)
			refused(id, n, FAKED_REPLY, 500);
		return;
	}
	/* answers to our CANCEL come this way too */
	if(get_cseq(rpl)->method_id != METHOD_INVITE)
		return;
	if(type == TMCB_LOCAL_RESPONSE_IN) {
		if(ps->code > 100 && ps->code < 200)
			provisional(id, n, rpl, ps->code);
	} else if(type == TMCB_LOCAL_COMPLETED) {
		if(ps->code >= 200 && ps->code < 300)
			cpm_out_answered(id, n, rpl);
		else if(ps->code >= 300)
			refused(id, n, rpl, ps->code);
	}
}
