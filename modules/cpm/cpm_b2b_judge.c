/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What all deliveries of a message together mean to its originator: the answer
 * to a MESSAGE that goes out by INVITE (OP-43, OP-46), the end of an INVITE
 * that nobody takes, a further leg to the ISF, or the store (TL-16, TL-17).
 */
#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_b2b_ok.h"
#include "cpm_isf.h"
#include "cpm_term_int.h"

static const str none = {NULL, 0};

/* What is to be done when the last delivery is decided. */
struct verdict
{
	int code;           /* final answer to give, 0 none */
	cpm_strs_t *answer; /* of it */
	unsigned leg;       /* or a further leg, to the ISF; 0 none */
	bool self;          /* or we answer: the message is stored */
	cpm_end_t end;      /* CPM_END_N: the session goes on */
};

/* A MESSAGE is answered by what became of its INVITEs (OP-43, OP-46). */
static void judge_message(cpm_session_t *s, struct verdict *v)
{
	v->code = s->n_failed == 0 ? 200 : s->n_done ? 202 : s->fail_code;
	if(s->n_done == 0) {
		v->answer = s->fail_answer;
		s->fail_answer = NULL;
	}
	v->end = s->n_done ? CPM_END_SERVED : (cpm_end_t)s->fail_why;
}

static void judge_invite(cpm_session_t *s, struct verdict *v)
{
	if(s->state == CPM_S_LEFT) {
		v->end = s->n_done ? CPM_END_SERVED : CPM_END_MEDIA;
	} else if(!s->uas_done && !s->want_final) {
		v->end = (cpm_end_t)s->fail_why;
		/* other causes have an answer of their own (cpm_b2b_end.c) */
		if(v->end == CPM_END_REFUSED) {
			v->code = s->fail_code;
			v->answer = s->fail_answer;
			s->fail_answer = NULL;
		}
	} else if(s->media_at == 0) {
		/* the originator has been told by MSRP and hangs up; if not... */
		s->media_at = cpm_now_ms() + CPM_MEDIA_GRACE_MS;
	}
}

/* A stored message: whoever pushes or fetches it has no answer to wait for. */
static void judge_stored(const cpm_session_t *s, struct verdict *v)
{
	v->end = s->n_done     ? CPM_END_SERVED
			: s->fail_code ? (cpm_end_t)s->fail_why
						   : CPM_END_MEDIA;
}

/* No client takes it. The last one's delivery goes to the ISF, once: another
 * kind of service may reach the user; then the store, then the sender. */
static void judge_nobody(cpm_session_t *s, struct verdict *v)
{
	cpm_dlv_t *d = s->n_dlv ? &s->dlv[s->n_dlv - 1] : NULL;

	if(d && s->isf_hint && !d->interworked && s->interworking
			&& s->relay == CPM_R_OPEN && cpm_isf_is_there()) {
		v->leg = cpm_dlv_replace(s, d, d->leg);
		if(v->leg) {
			d->state = CPM_V_PENDING;
			s->n_failed--;
			return;
		}
	}
	if(s->defer == CPM_F_ON) {
		v->self = true;
	} else if(s->defer == CPM_F_NO && cpm_defer_is_away(s->defer_code)) {
		v->end = CPM_END_STORE;
	} else if(s->fail_code == 0 || s->fail_why == CPM_END_RING) {
		v->end = CPM_END_NOBODY;
	} else {
		v->end = (cpm_end_t)s->fail_why;
		if(v->end == CPM_END_REFUSED) {
			v->code = s->fail_code;
			v->answer = s->fail_answer;
			s->fail_answer = NULL;
		}
	}
}

static cpm_end_t end_of_clients(const cpm_session_t *s)
{
	if(s->n_done)
		return CPM_END_SERVED;
	if(s->defer == CPM_F_DEFERRED)
		return CPM_END_DEFERRED;
	return s->defer == CPM_F_NO && !cpm_defer_is_away(s->defer_code)
			? CPM_END_FULL
			: CPM_END_MEDIA;
}

/* The clients of one user (TL-16, TL-17). */
static void judge_clients(cpm_session_t *s, struct verdict *v)
{
	/* the relay is asked and will tell */
	bool open = s->defer == CPM_F_ON || s->defer == CPM_F_ASKED
			|| s->defer == CPM_F_WANTED;

	if(s->state == CPM_S_LEFT) {
		if(s->n_done || !open)
			v->end = end_of_clients(s);
		else if(s->media_at == 0)
			s->media_at = cpm_now_ms() + CPM_STORE_WAIT_MS;
	} else if(s->state == CPM_S_SETUP || s->state == CPM_S_CALLING) {
		if(!s->choosing && s->relay == CPM_R_OPEN && s->defer != CPM_F_WANTED
				&& s->defer != CPM_F_ASKED)
			judge_nobody(s, v);
	} else if(s->media_at == 0 && (s->n_done || !open)) {
		/* the originator has all he waits for and hangs up; if not... */
		s->media_at = cpm_now_ms() + CPM_MEDIA_GRACE_MS;
	}
}

static void judge(cpm_session_t *s, struct verdict *v)
{
	switch(s->kind) {
		case CPM_UAS_MESSAGE:
			judge_message(s, v);
			break;
		case CPM_UAS_STORE:
		case CPM_UAS_FETCH:
			judge_stored(s, v);
			break;
		default:
			if(s->term)
				judge_clients(s, v);
			else if(!cpm_session_is_pair(s) || s->n_failed)
				judge_invite(s, v);
	}
}

void cpm_dlv_decide(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	struct verdict v = {.end = CPM_END_N};

	if(s == NULL)
		return;
	if(s->state != CPM_S_CLOSING && cpm_session_pending(s) == 0)
		judge(s, &v);
	/* the message is sent: what its sender's other clients get goes on */
	if(s->n_done > 0 && cpm_session_copies_left(s))
		v.end = CPM_END_N;
	cpm_session_unlock(s);
	if(v.leg) {
		LM_INFO("session " CPM_ID_FMT ": no client takes it, goes on to the ISF"
				" as leg %u\n",
				CPM_ID_ARG(id), v.leg);
		cpm_media_add(id, v.leg);
	}
	if(v.self)
		cpm_ok_self(id);
	if(v.code)
		cpm_uas_final(id, v.code, v.answer);
	if(v.end != CPM_END_N)
		cpm_b2b_end(id, v.end, CPM_IN, none);
}
