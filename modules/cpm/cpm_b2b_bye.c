/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BYE of either side (RFC 3261 15.1.2, OMA-TS-CPM_Conv_Fnct 8.2.1.2 "Upon
 * receiving a SIP BYE"): what it means to the session, and its 200, which goes
 * out at once, or when the message has been recorded (cpm_record.h). Called by
 * cpm_b2b_dialog.c.
 */
#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_b2b_dialog.h"
#include "cpm_record.h"

/* What the BYE means, decided under the lock. */
struct bye
{
	bool held;      /* our 200 to the INVITE waited for its ACK */
	bool all;       /* it ends the session */
	unsigned other; /* of a pair whose copies go on: that leg ends */
	bool parted;    /* likewise: the pair has ended */
	bool over;      /* the leg was down already: nothing but an answer */
	bool later;     /* the answer waits for the recording */
};

static void decide(cpm_session_t *s, cpm_leg_t *l, struct bye *b)
{
	/* before our final answer a BYE works like a CANCEL (RFC 3261 15) */
	bool early = l->n == CPM_IN
			&& (l->state == CPM_L_INVITED || l->state == CPM_L_RINGING);

	b->over = l->state == CPM_L_DOWN;
	b->all = early || cpm_session_in_pair(s, l->n) || s->kind == CPM_UAS_FETCH;
	if(b->all && !early && cpm_session_is_pair(s) && s->winner
			&& cpm_session_copies_left(s) && s->state != CPM_S_CLOSING
			&& (l->n == CPM_IN || l->delivered)) {
		b->all = false;
		b->parted = true;
		b->other = l->n == CPM_IN ? s->winner : CPM_IN;
		/* he who has not got all of it yet is still served */
		if(b->other != CPM_IN && !s->legs[b->other].delivered)
			b->other = CPM_LEGS_MAX;
	}
	b->held = l->state == CPM_L_ANSWERED;
	b->later = !b->over && !early && cpm_record_wanted(s);
	if(early || b->over)
		return;
	cpm_leg_move(s, l, CPM_L_DOWN);
	if(!b->all && (l->n == CPM_IN || b->parted) && s->state != CPM_S_CLOSING)
		cpm_session_move(s, CPM_S_LEFT);
}

/* Keep the transaction for cpm_bye_answer(): false, it could not be kept. */
static bool hold(sip_msg_t *msg, const cpm_at_t *at)
{
	unsigned index, label;
	cpm_session_t *s;
	cpm_leg_t *l;
	bool ok = false;

	if(cpm_tm.t_suspend(msg, &index, &label) < 0)
		return false;
	s = cpm_session_lock(at->id);
	l = s ? cpm_session_leg(s, at->n) : NULL;
	if(l && l->bye_id == 0) {
		l->bye_id = cpm_id_make(index, label);
		s->n_byes++;
		s->bye_at = cpm_now_ms() + CPM_BYE_WAIT_MS;
		ok = true;
	}
	if(s)
		cpm_session_unlock(s);
	if(!ok)
		cpm_tm.t_cancel_suspend(index, label);
	return ok;
}

void cpm_bye(sip_msg_t *msg, const cpm_at_t *at)
{
	struct bye b = {.all = false};
	cpm_leg_t *l = NULL;
	cpm_session_t *s = cpm_at_lock(msg, at, &l);
	str reason = cpm_hdr_get(msg, "Reason");
	cpm_buf_t h = {0};

	if(s == NULL) {
		cpm_reject(msg, "dialog", NULL, (str){NULL, 0});
		return;
	}
	decide(s, l, &b);
	if(at->cseq > l->peer_cseq)
		l->peer_cseq = at->cseq;
	cpm_session_unlock(s);
	if(!b.later || !hold(msg, at))
		cpm_at_reply_ok(msg, &h, (str){NULL, 0});
	cpm_buf_free(&h);
	if(b.held)
		cpm_uas_release(at->id);
	if(b.over)
		return;
	if(b.all)
		cpm_b2b_end(at->id, CPM_END_BYE, at->n, reason);
	else if(b.parted) {
		cpm_leg_end(at->id, b.other);
		cpm_dlv_left(at->id, false);
	} else if(at->n == CPM_IN)
		cpm_dlv_left(at->id, false);
	else
		cpm_dlv_bye(at->id, at->n);
}

static void answer(uint64_t bye_id, str headers)
{
	struct cell *saved = cpm_tm.t_gett(), *t = NULL;
	int saved_branch = cpm_tm.t_gett_branch();
	str phrase = CPM_STR("OK"), none = {NULL, 0};
	cpm_buf_t h = {0};

	cpm_hdr_server(&h);
	cpm_buf_str(&h, headers);
	if(cpm_tm.t_lookup_ident(&t, cpm_id_index(bye_id), cpm_id_label(bye_id))
			> 0) {
		str lines = cpm_buf_get(&h);

		if(h.bad)
			lines = none;
		cpm_tm.t_reply_with_body(t, 200, &phrase, &none, &lines, &none);
	}
	cpm_tm.t_sett(saved, saved_branch);
	cpm_buf_free(&h);
}

void cpm_bye_answer(uint64_t id, str headers)
{
	while(true) {
		cpm_session_t *s = cpm_session_lock(id);
		uint64_t bye_id = 0;

		for(unsigned i = 0; s && s->n_byes && i < s->n_legs; i++) {
			if(s->legs[i].bye_id == 0)
				continue;
			bye_id = s->legs[i].bye_id;
			s->legs[i].bye_id = 0;
			s->n_byes--;
			break;
		}
		if(s) {
			if(s->n_byes == 0)
				s->bye_at = 0;
			cpm_session_unlock(s);
		}
		if(bye_id == 0)
			return;
		answer(bye_id, headers);
	}
}
