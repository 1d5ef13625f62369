/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deliveries: what becomes of each recipient of a message; what all of them
 * together mean to the originator is in cpm_b2b_judge.c. A leg that cannot
 * serve its delivery is replaced once by one to the interworking function,
 * where policy allows (OMA-TS-CPM_Conv_Fnct 8.2.1.2, OL-23; 8.2.1.1, OP-44); a
 * recipient who has all of it is hung up; the last decision ends what waits for
 * it. Nobody's failure disturbs another.
 */
#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_isf.h"
#include "cpm_pace.h"
#include "cpm_stats.h"
#include "cpm_switch.h"
#include "cpm_term_int.h"

static const str no_reason = {NULL, 0};

/* ---- pace ---- */

/* The leg whose INVITE this process is sending for the queue: what fails at
 * once is told by the return value, not by cpm_pace_done(), which would send
 * the next one from within. */
static struct
{
	uint64_t id;
	unsigned n;
} sending;

void cpm_dlv_unpace(uint64_t id, unsigned n)
{
	cpm_session_t *s;
	cpm_leg_t *l;
	bool paced;

	if(sending.n == n && sending.id == id)
		return;
	s = cpm_session_lock(id);
	l = s ? cpm_session_leg(s, n) : NULL;
	paced = l && l->paced;
	if(paced)
		l->paced = false;
	if(s)
		cpm_session_unlock(s);
	if(paced)
		cpm_pace_done(CPM_PACE_INVITE, id);
}

/* The INVITE of a leg, or the end of a delivery that needs an ISF where none
 * may be asked (OL-18). */
static void invite(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool barred = l && l->isf && !s->interworking;
	bool isf = l && l->isf && !barred;

	if(s)
		cpm_session_unlock(s);
	if(isf)
		cpm_stat_inc(CPM_STAT_ISF_TRIED);
	if(barred)
		cpm_dlv_failed(
				id, n, &(cpm_failure_t){.why = CPM_END_REFUSED, .code = 416});
	else
		cpm_out_invite(id, n);
}

/* Set or clear the leg's place in the queue; false: it is not (any more) one
 * that has an INVITE to send, or that waits for an answer. */
static bool mark_paced(uint64_t id, unsigned n, bool before)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool ok = !before; /* whoever ended the session has given it back */

	if(l && before) {
		ok = l->state == CPM_L_IDLE && l->local && s->state != CPM_S_CLOSING;
		l->paced = ok;
	} else if(l) {
		ok = !l->paced || l->state == CPM_L_INVITED
				|| l->state == CPM_L_CANCELLED;
		if(!ok)
			l->paced = false;
	}
	if(s)
		cpm_session_unlock(s);
	return ok;
}

static int send_paced(uint64_t id, unsigned n)
{
	bool ok;

	if(!mark_paced(id, n, true))
		return -1;
	sending.id = id;
	sending.n = n;
	invite(id, n);
	sending.n = 0;
	/* an answer may have been quicker and have given the place back */
	ok = mark_paced(id, n, false);
	return ok ? 0 : -1;
}

void cpm_dlv_init(void)
{
	cpm_pace_register(CPM_PACE_INVITE, send_paced);
}

void cpm_dlv_stop(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_pace_t *unused = s ? s->pace : NULL;

	if(s) {
		s->pace = NULL;
		cpm_session_unlock(s);
	}
	if(unused)
		cpm_pace_free(unused);
	else
		cpm_pace_stop(CPM_PACE_INVITE, id);
}

void cpm_dlv_ready(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool now = l && s->state != CPM_S_CLOSING
			&& (l->instead_of || s->n_dlv == 1 || s->term
					|| cpm_session_is_copy(s, n));

	if(s)
		cpm_session_unlock(s);
	if(now)
		invite(id, n);
}

void cpm_dlv_all_ready(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_pace_t *go = NULL;

	if(s && s->state != CPM_S_CLOSING) {
		go = s->pace;
		s->pace = NULL;
	}
	if(s)
		cpm_session_unlock(s);
	if(go)
		cpm_pace_start(go);
}

/* ---- one has failed ---- */

static bool may_interwork(
		const cpm_session_t *s, const cpm_dlv_t *d, const cpm_failure_t *f)
{
	return f->isf && s->interworking && !d->interworked && !s->term
			&& s->relay == CPM_R_OPEN && cpm_isf_is_there();
}

unsigned cpm_dlv_replace(cpm_session_t *s, cpm_dlv_t *d, unsigned n)
{
	cpm_leg_t *l = cpm_session_leg_add(s, (unsigned)(d - s->dlv)), *old;

	if(l == NULL)
		return 0;
	old = cpm_session_leg(s, n);
	l->isf = true;
	l->instead_of = (uint16_t)n;
	l->sock = s->legs[CPM_IN].sock ? s->legs[CPM_IN].sock : old->sock;
	l->tls = old->tls;
	l->expires_s = (uint32_t)cpm_conf.session_expires;
	d->interworked = true;
	d->leg = l->n;
	return l->n;
}

static void note_failure(cpm_session_t *s, cpm_dlv_t *d, cpm_failure_t *f)
{
	/* one recipient's new address is nothing for the sender of a list */
	if((s->n_dlv > 1 || s->term) && f->code < 400) {
		cpm_strs_free(&f->answer);
		f->code = 480;
	}
	d->state = CPM_V_FAILED;
	d->code = (uint16_t)f->code;
	s->n_failed++;
	s->isf_hint = s->isf_hint || f->isf;
	if(s->fail_code == 0 || f->code < s->fail_code) {
		cpm_strs_t *old = s->fail_answer;

		s->fail_code = (uint16_t)f->code;
		s->fail_why = (uint8_t)f->why;
		s->fail_answer = f->answer;
		f->answer = old;
	}
}

/* Who was not reached, copied under the lock. */
struct lost
{
	cpm_buf_t uri, call_id;
};

static void copy_lost(cpm_session_t *s, const cpm_dlv_t *d, struct lost *lost)
{
	unsigned i = (unsigned)(d - s->dlv);

	if(s->rcpts == NULL || s->term)
		return;
	cpm_buf_str(&lost->uri, cpm_rcpts_uri(s->rcpts, i));
	cpm_buf_str(
			&lost->call_id, cpm_strs_get(s->legs[CPM_IN].dlg, CPM_D_CALL_ID));
}

/* Of a list the operator may want to know each one (event route). */
static void tell_lost(uint64_t id, struct lost *lost, int code)
{
	str uri = cpm_buf_get(&lost->uri);

	if(uri.len > 0) {
		LM_NOTICE("session " CPM_ID_FMT ": %.*s failed with %d\n",
				CPM_ID_ARG(id), STR_FMT(&uri), code);
		cpm_fanout_tell(&(cpm_fan_failure_t){.uri = uri,
				.code = code,
				.call_id = cpm_buf_get(&lost->call_id)});
	}
	cpm_buf_free(&lost->uri);
	cpm_buf_free(&lost->call_id);
}

void cpm_dlv_failed(uint64_t id, unsigned n, const cpm_failure_t *given)
{
	cpm_failure_t f = *given;
	cpm_session_t *s = cpm_session_lock(id);
	cpm_dlv_t *d = s ? cpm_session_dlv(s, n) : NULL;
	unsigned instead = 0;
	struct lost lost = {{NULL, 0, 0, false}, {NULL, 0, 0, false}};
	bool counts = false, copy = false;

	if(d && d->state == CPM_V_PENDING && s->state != CPM_S_CLOSING) {
		counts = true;
		if(may_interwork(s, d, &f))
			instead = cpm_dlv_replace(s, d, n);
		copy = cpm_session_is_copy(s, n);
		if(copy) {
			d->state = CPM_V_FAILED;
			s->n_copies_open--;
		} else if(instead == 0) {
			note_failure(s, d, &f);
			copy_lost(s, d, &lost);
		}
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&f.answer);
	cpm_dlv_unpace(id, n);
	if(!counts)
		return;
	cpm_leg_end(id, n);
	if(instead) {
		LM_INFO("session " CPM_ID_FMT " leg %u: %d, goes on to the ISF as leg"
				" %u\n",
				CPM_ID_ARG(id), n, f.code, instead);
		cpm_media_add(id, instead);
		return;
	}
	if(copy) {
		cpm_stat_inc(CPM_STAT_DIRECT_FAILED);
		LM_INFO("session " CPM_ID_FMT " leg %u: no copy, %d\n", CPM_ID_ARG(id),
				n, f.code);
	}
	tell_lost(id, &lost, f.code);
	cpm_media_leg_close(id, n);
	cpm_dlv_decide(id);
}

/* In a session of an INVITE the sender is told by MSRP, and no other attempt is
 * made: part of the content may have been taken. */
void cpm_dlv_media_failed(uint64_t id, unsigned n, int status)
{
	cpm_failure_t f = {.why = CPM_END_MEDIA};
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL)
		return;
	f.isf = s->kind == CPM_UAS_MESSAGE; /* OP-44 */
	cpm_session_unlock(s);
	f.answer = cpm_reject_answer(cpm_switch_refusal(status), NULL, &f.code);
	cpm_dlv_failed(id, n, &f);
}

/* ---- one has it ---- */

static void decided_done(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_dlv_t *d = s ? cpm_session_dlv(s, n) : NULL;
	bool counts = d && d->state == CPM_V_PENDING, first = false;

	if(counts) {
		d->state = CPM_V_DONE;
		if(cpm_session_is_copy(s, n)) {
			s->n_copies_open--;
			cpm_stat_inc(CPM_STAT_DIRECT_OK);
		} else {
			s->n_done++;
			first = s->kind == CPM_UAS_STORE && s->n_done == 1
					&& cpm_session_pending(s) > 0;
		}
	}
	if(s)
		cpm_session_unlock(s);
	if(first) /* the others do not hold up what is stored besides */
		cpm_push_tell(id, false);
	if(counts)
		cpm_dlv_decide(id);
}

void cpm_dlv_done(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool pair = s && cpm_session_in_pair(s, n);
	bool fetched = s && s->kind == CPM_UAS_FETCH;
	bool wait = false;

	if(l && s->kind == CPM_UAS_MESSAGE && !cpm_session_is_copy(s, n))
		/* the answer to the BYE decides (OP-44) */
		wait = l->state == CPM_L_UP || l->state == CPM_L_BYE;
	if(s)
		cpm_session_unlock(s);
	if(l == NULL)
		return;
	if(fetched) {
		cpm_b2b_end(id, CPM_END_SERVED, CPM_IN, no_reason);
		return;
	}
	if(!wait)
		decided_done(id, n);
	if(!pair)
		cpm_leg_end(id, n);
}

void cpm_dlv_hung_up(uint64_t id, unsigned n, int code)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool waits = l && s->kind == CPM_UAS_MESSAGE && l->delivered
			&& !cpm_session_is_copy(s, n);

	if(s)
		cpm_session_unlock(s);
	if(!waits)
		return;
	if(cpm_isf_code(code))
		cpm_dlv_failed(id, n,
				&(cpm_failure_t){
						.why = CPM_END_REFUSED, .code = code, .isf = true});
	else
		decided_done(id, n);
}

/* ---- somebody hangs up ---- */

void cpm_dlv_bye(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool delivered = l && l->delivered;

	if(s)
		cpm_session_unlock(s);
	if(delivered)
		cpm_dlv_hung_up(id, n, 200);
	else if(l)
		cpm_media_leg_close(id, n);
}

void cpm_dlv_leg_gone(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_dlv_t *d = s ? cpm_session_dlv(s, n) : NULL;
	bool open = d && d->state == CPM_V_PENDING && !s->legs[n].delivered;

	if(s)
		cpm_session_unlock(s);
	if(open)
		cpm_dlv_media_failed(id, n, 0);
}

void cpm_dlv_left(uint64_t id, bool asked)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool left = s && s->state == CPM_S_LEFT;
	bool received = left && s->received;

	if(s)
		cpm_session_unlock(s);
	if(!left)
		return;
	if(received)
		cpm_dlv_decide(id);
	else if(asked)
		cpm_b2b_end(id, CPM_END_EARLY, CPM_IN, no_reason);
	else
		cpm_media_ask_received(id);
}
