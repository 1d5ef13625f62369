/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one way out of a session, whatever the cause: one table says what each
 * cause means to the originator who has no answer yet (a refusal), to the
 * dialogs that stand (Reason of the BYE, RFC 3326), to the log and to the
 * statistics. Also CANCEL by the originator (RFC 3261 9.2).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_b2b.h"
#include "cpm_link.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"

struct end
{
	const char *text;    /* for the log and the Warning */
	const char *refusal; /* row of cpm_reject.c */
	int cause;           /* of the BYEs' Reason */
	const char *reason;  /* text of the same */
	cpm_stat_t stat;     /* CPM_STAT_N: not a failure */
	bool drain;          /* let the relay write what it has first */
};

static const struct end ends[CPM_END_N] = {
		[CPM_END_BYE] = {"BYE", NULL, 200, "Call completed", CPM_STAT_N, true},
		[CPM_END_CANCEL] = {"cancelled by the originator", NULL, 487,
				"Request Terminated", CPM_STAT_F_CANCELLED, false},
		[CPM_END_REFUSED] = {"refused by the recipient's side", NULL, 480,
				"Refused", CPM_STAT_F_RECIPIENT, false},
		[CPM_END_RING] = {"nobody answered in time", "ring", 408, "No answer",
				CPM_STAT_F_RING, false},
		[CPM_END_ACK] = {"no ACK from the originator", "ring", 408,
				"ACK is missing", CPM_STAT_F_ACK, false},
		[CPM_END_TIMER] = {"session timer expired", "ring", 408,
				"Session timer expired", CPM_STAT_F_TIMER, false},
		[CPM_END_GONE] = {"a peer has lost the dialog", "ring", 481,
				"Dialog lost", CPM_STAT_F_TIMER, false},
		[CPM_END_RELAY_AWAY] = {"media relay does not answer", "relay", 503,
				"Media relay not available", CPM_STAT_F_RELAY, false},
		[CPM_END_RELAY_NO] = {"media relay refused", "relay", 503,
				"Media relay not available", CPM_STAT_F_RELAY, false},
		[CPM_END_RELAY_LOST] = {"media relay was restarted", "relay", 503,
				"Media relay restarted", CPM_STAT_F_RELAY, false},
		[CPM_END_MEDIA] = {"MSRP failed", "relay", 480, "Transmission Failed",
				CPM_STAT_F_MEDIA, false},
		[CPM_END_IDLE] = {"no media for too long", "relay", 480,
				"Transmission Failed", CPM_STAT_F_MEDIA, false},
		[CPM_END_DELIVERED] = {"delivered, nobody hung up", "relay", 200,
				"Call completed", CPM_STAT_N, false},
		[CPM_END_SERVED] = {"every recipient is decided", "relay", 200,
				"Call completed", CPM_STAT_N, false},
		[CPM_END_DEFERRED] = {"stored for later", "unavailable", 200,
				"Call completed", CPM_STAT_N, false},
		[CPM_END_NOBODY] = {"no client of the recipient", "unavailable", 480,
				"Temporarily Unavailable", CPM_STAT_F_RECIPIENT, false},
		[CPM_END_STORE] = {"no client takes it, and the store is away", "store",
				503, "Store not available", CPM_STAT_F_RELAY, false},
		[CPM_END_FULL] = {"no client takes it, and the store is full", "quota",
				480, "Store full", CPM_STAT_F_RECIPIENT, false},
		[CPM_END_EARLY] = {"the originator hung up before all was received",
				NULL, 480, "Transmission Failed", CPM_STAT_F_MEDIA, false},
		[CPM_END_SDP] = {"the answer's SDP cannot be used", "sdp", 488,
				"Not Acceptable Here", CPM_STAT_F_SDP, false},
		[CPM_END_SEND] = {"could not be sent", "unreachable", 503,
				"Next hop not reachable", CPM_STAT_F_OTHER, false},
		[CPM_END_MEMORY] = {"out of memory", "memory", 503, "Out of memory",
				CPM_STAT_F_MEMORY, false},
		[CPM_END_WATCHDOG] = {"stuck, ended by the watchdog", "ring", 408,
				"Timeout", CPM_STAT_F_OTHER, false},
		[CPM_END_KILLED] = {"ended by the operator", "ring", 480,
				"Ended by operator", CPM_STAT_F_OTHER, false},
};

/* Row and text become the value of Reason, in shared memory. */
static cpm_strs_t *reason_of(const struct end *e, str given)
{
	cpm_buf_t b = {0};
	cpm_strs_t *r;
	str v = given;

	if(v.len <= 0) {
		cpm_buf_fmt(&b, "SIP;cause=%d;text=\"%s\"", e->cause, e->reason);
		v = cpm_buf_get(&b);
	}
	r = cpm_strs_new(&v, 1);
	cpm_buf_free(&b);
	return r;
}

/* What is to be done once the lock is open. */
struct plan
{
	bool answer; /* the originator waits for his final answer */
	bool close;  /* the relay has a session of ours */
	bool drain;  /* the legs are ended when the relay has written all */
	unsigned n_done, n_dlv; /* deliveries */
	uint8_t was;            /* state before */
	uint64_t bytes;         /* of the message */
	uint64_t age_ms;        /* of the session */
	bool delivered;         /* by the relay's word */
	bool stored, fetched;   /* it came from the store */
	cpm_strs_t *in_dlg;     /* for the log */
};

static bool make_plan(uint64_t id, const struct end *e, unsigned by, str given,
		struct plan *p)
{
	cpm_strs_t *reason = reason_of(e, given);
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL || s->state == CPM_S_CLOSING) {
		if(s)
			cpm_session_unlock(s);
		cpm_strs_free(&reason);
		return false;
	}
	p->was = s->state;
	s->stay++; /* until the plan is carried out */
	cpm_session_move(s, CPM_S_CLOSING);
	cpm_strs_free(&s->reason);
	s->reason = reason;
	p->stored = s->kind == CPM_UAS_STORE;
	p->fetched = s->kind == CPM_UAS_FETCH;
	p->answer = !s->uas_done && !s->want_final;
	p->close = s->relay == CPM_R_CREATING || s->relay == CPM_R_OPEN;
	if(p->close)
		s->relay = CPM_R_CLOSING;
	p->drain = p->close && e->drain && by == CPM_IN && s->winner
			&& cpm_link_is_up();
	p->bytes = s->bytes;
	p->age_ms = cpm_now_ms() - s->created_ms;
	p->n_done = s->n_done;
	p->n_dlv = s->n_dlv;
	p->delivered = cpm_session_delivered(s);
	p->in_dlg = cpm_strs_copy(s->legs[CPM_IN].dlg);
	cpm_session_unlock(s);
	return true;
}

static void count_and_log(
		uint64_t id, const struct end *e, unsigned by, const struct plan *p)
{
	str call_id = cpm_strs_get(p->in_dlg, CPM_D_CALL_ID);

	if(call_id.len <= 0) /* nobody's INVITE began it */
		call_id = (str){"-", 1};
	if(p->delivered) {
		cpm_stat_inc(CPM_STAT_DELIVERED);
		if(p->bytes <= INT_MAX)
			cpm_stat_add(CPM_STAT_BYTES, (int)p->bytes);
	} else if(e->stat != CPM_STAT_N) {
		cpm_stat_inc(e->stat);
	}
	LM_INFO("session " CPM_ID_FMT " ended, Call-ID %.*s: %s, by leg %u in state"
			" %s after %" PRIu64 " ms, %s to %u of %u\n",
			CPM_ID_ARG(id), STR_FMT(&call_id), e->text, by,
			cpm_session_state_name(p->was), p->age_ms,
			p->delivered ? "delivered" : "not known to be delivered",
			p->n_dlv > 1 ? p->n_done : p->delivered, p->n_dlv);
}

void cpm_b2b_end(uint64_t id, cpm_end_t why, unsigned by, str given)
{
	const struct end *e = &ends[why];
	struct plan p = {0};
	cpm_session_t *s;

	if(!make_plan(id, e, by, given, &p))
		return;
	count_and_log(id, e, by, &p);
	if(p.answer && e->refusal) {
		int code;
		cpm_strs_t *answer = cpm_reject_answer(e->refusal,
				strcmp(e->refusal, "ring") == 0 ? NULL : e->text, &code);

		cpm_uas_final(id, code, answer);
	} else if(p.answer) {
		str v[CPM_A_N] = {CPM_STR("Request Terminated"), {NULL, 0}, {NULL, 0}};

		cpm_uas_final(id, 487, cpm_strs_new(v, CPM_A_N));
	}
	cpm_dlv_stop(id);
	cpm_leg_end(id, CPM_IN);
	if(!p.drain)
		cpm_legs_end(id, 1);
	if(p.close)
		cpm_media_close(id, !p.drain);
	if(p.stored)
		cpm_push_tell(id, true);
	if(p.fetched)
		cpm_fetch_over(id);
	cpm_strs_drop(p.in_dlg);
	s = cpm_session_lock(id);
	if(s) {
		s->stay -= s->stay > 0; /* the watchdog may have been there */
		cpm_session_unlock(s);
	}
}

int ki_cpm_cancel(sip_msg_t *msg)
{
	struct cell *t;
	cpm_session_t *s;
	uint64_t id;

	if(msg->REQ_METHOD != METHOD_CANCEL || parse_headers(msg, HDR_EOH_F, 0) < 0)
		return -1;
	t = cpm_tm.t_lookup_original(msg);
	if(t == NULL || t == T_NULL_CELL)
		return -1;
	id = cpm_id_make(t->hash_index, t->label);
	cpm_tm.unref_cell(t);
	cpm_tm.t_sett(T_UNDEFINED, T_BR_UNDEFINED);
	s = cpm_session_lock(id);
	if(s == NULL)
		return -1;
	cpm_session_unlock(s);
	switch(cpm_tm.t_newtran(msg)) {
		case 0:
			return 0; /* a retransmission, absorbed */
		case 1:
			break;
		default:
			LM_ERR("session " CPM_ID_FMT ": no transaction for the CANCEL\n",
					CPM_ID_ARG(id));
			return 0;
	}
	cpm_tm.t_reply(msg, 200, "OK");
	s = cpm_session_lock(id);
	if(s) {
		/* too late once a final answer is on its way */
		bool late = s->uas_done || s->want_final;

		cpm_session_unlock(s);
		if(!late)
			cpm_b2b_end(id, CPM_END_CANCEL, CPM_IN, (str){NULL, 0});
	}
	return 0;
}

int cpm_session_kill(const str *id)
{
	uint64_t n;
	cpm_session_t *s;

	if(cpm_id_parse(id->s, (size_t)id->len, &n) < 0)
		return -ENOENT;
	s = cpm_session_lock(n);
	if(s == NULL)
		return -ENOENT;
	cpm_session_unlock(s);
	cpm_b2b_end(n, CPM_END_KILLED, CPM_IN, (str){NULL, 0});
	return 0;
}
