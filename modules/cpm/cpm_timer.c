/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything that happens by the clock: a process of its own that wakes once a
 * second (and one for pushes, ten times), asks the table what is due and does
 * it. Ringing, missing ACK, silent media, session timers (refresh by UPDATE or
 * re-INVITE, RFC 4028 section 7.4 and 10), sessions marked for their end, and
 * the watchdog.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/pt.h"
#include "../../core/sr_module.h"
#include "../../core/timer_proc.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_notice.h"
#include "cpm_pace.h"
#include "cpm_push.h"
#include "cpm_record.h"
#include "cpm_stats.h"
#include "cpm_switch.h"

#define TICK_S 1
#define PUSH_TICK_US 100000
#define BATCH 256        /* ids taken from the table at once */
#define ENDS_A_TICK 2000 /* sessions handled in one turn: spreads the load */
#define RETRY_MS 3000    /* after 491 and the like */

static const str no_reason = {NULL, 0};

/* ---- session timers ---- */

void cpm_timer_arm(cpm_leg_t *l)
{
	uint64_t s = l->expires_s, margin = s / 3 < 32 ? s / 3 : 32;

	uint64_t now = cpm_now_ms();

	l->timer_at = l->refresh_by = 0;
	if(s == 0)
		return;
	l->timer_at = now + 1000 * (l->refresh_us ? s / 2 : s - margin);
	l->refresh_by = now + 1000 * (s - margin);
}

/* The dialog is gone or dead: RFC 4028 section 10. */
static bool dead(int code)
{
	return code == 481 || code == 408;
}

/* The answer to our refresh; false: the session is to end. */
static bool refreshed(cpm_leg_t *l, const cpm_timer_hdr_t *th, int code)
{
	uint64_t now = cpm_now_ms();

	l->refresh_pending = false;
	if(code >= 200 && code < 300) {
		if(th->expires_s) {
			l->expires_s = th->expires_s;
			l->refresh_us = th->refresher != CPM_REFRESHER_UAS;
		}
		cpm_timer_arm(l);
		return true;
	}
	if(dead(code))
		return false;
	if(code == 422 && th->min_se_s > l->expires_s) {
		l->expires_s = l->min_se_s = th->min_se_s;
		l->timer_at = now;
	} else if(code == 405 || code == 501 || code == 420) {
		/* no UPDATE there: by re-INVITE from now on, once */
		l->timer_at = l->peer_update ? now : now + RETRY_MS;
		l->peer_update = false;
	} else {
		l->timer_at = now + RETRY_MS;
	}
	return true;
}

/* A dialog has died of its timer: of a pair both end; of a list that recipient
 * alone, and an originator who has sent all of it may go. */
static void dialog_over(uint64_t id, unsigned n, cpm_end_t why)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool all = s && cpm_session_in_pair(s, n), left = false;

	if(s && !all && n == CPM_IN) {
		left = s->state == CPM_S_UP && s->received;
		all = !left;
		if(left)
			cpm_session_move(s, CPM_S_LEFT);
	}
	if(s)
		cpm_session_unlock(s);
	if(all) {
		cpm_b2b_end(id, why, n, no_reason);
	} else if(left) {
		cpm_leg_end(id, CPM_IN);
		cpm_dlv_left(id, false);
	} else {
		cpm_dlv_failed(id, n, &(cpm_failure_t){.why = why, .code = 480});
	}
}

static void refresh_done(struct cell *t, int type, struct tmcb_params *ps)
{
	uint64_t id = cpm_id_of(*ps->param);
	unsigned n = cpm_id_leg(*ps->param);
	cpm_timer_hdr_t th = {0};
	cpm_session_t *s;
	cpm_leg_t *l;
	bool ok = true, up;

	(void)t;
	if(ps->rpl == NULL || ps->rpl == FAKED_REPLY || cpm_b2b_parse(ps->rpl) < 0
			|| cpm_hdr_timer(ps->rpl, &th) < 0)
		memset(&th, 0, sizeof(th));
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	l = cpm_session_leg(s, n);
	up = l && l->refresh_pending
			&& (l->state == CPM_L_UP || l->state == CPM_L_ANSWERED);
	if(up && type == TMCB_DESTROY)
		l->refresh_pending = false; /* timer_at ends it */
	else if(up)
		ok = refreshed(l, &th, ps->code);
	cpm_session_unlock(s);
	if(ok)
		return;
	LM_NOTICE("session " CPM_ID_FMT " leg %u: refresh failed with %d\n",
			CPM_ID_ARG(id), n, ps->code);
	dialog_over(id, n, CPM_END_GONE);
}

/* What a refresh needs, copied under the lock. */
struct refresh
{
	cpm_dialog_t d;
	cpm_strs_t *local;
	uint32_t expires_s, min_se_s;
	bool update;
};

/* The leg's time, at, has come: true: send a refresh; false: it is over, or
 * nothing can be sent. A tick that comes late is no reason to give up without
 * having tried. */
static bool take_refresh(
		cpm_leg_t *l, uint64_t at, struct refresh *r, bool *expired)
{
	uint64_t next = cpm_now_ms() + 1000 * TICK_S;

	*expired = !l->refresh_us || at >= l->refresh_by;
	if(*expired)
		return false;
	/* the session ends then, unless the answer moves it */
	if(l->refresh_by < next)
		l->refresh_by = next;
	l->timer_at = l->refresh_by;
	if(cpm_dialog_take(l, true, &r->d) < 0)
		return false;
	r->local = cpm_strs_copy(l->local);
	r->expires_s = l->expires_s;
	r->min_se_s = l->min_se_s;
	r->update = l->peer_update;
	l->refresh_pending = true;
	return true;
}

static void send_refresh(uint64_t id, unsigned n, struct refresh *r)
{
	cpm_buf_t h = {0};
	str body = {NULL, 0};
	int rc = -1;

	cpm_buf_fmt(&h, "Contact: <%.*s>\r\nSupported: timer\r\n",
			STR_FMT(&cpm_conf.contact));
	cpm_buf_fmt(
			&h, "Session-Expires: %" PRIu32 ";refresher=uac\r\n", r->expires_s);
	if(r->min_se_s)
		cpm_buf_fmt(&h, "Min-SE: %" PRIu32 "\r\n", r->min_se_s);
	cpm_buf_lit(&h, "Allow: " CPM_ALLOW "\r\n");
	cpm_hdr_agent(&h);
	if(!r->update) {
		body = cpm_strs_get(r->local, CPM_M_SDP);
		cpm_buf_lit(&h, "Content-Type: application/sdp\r\n");
	}
	if(!h.bad)
		rc = cpm_dialog_send(&r->d, r->update ? "UPDATE" : "INVITE",
				cpm_buf_get(&h), body,
				TMCB_LOCAL_COMPLETED | TMCB_DESTROY
						| (r->update ? 0 : TMCB_DONT_ACK),
				refresh_done, cpm_id_param(id, n), NULL, NULL);
	if(rc < 0)
		LM_ERR("session " CPM_ID_FMT " leg %u: refresh could not be sent\n",
				CPM_ID_ARG(id), n);
	else
		cpm_stat_inc(CPM_STAT_REFRESHES);
	cpm_buf_free(&h);
}

/* ---- what is due ---- */

static bool due(uint64_t at, uint64_t now)
{
	return at && at <= now;
}

/* Nothing has moved for too long: everything is declared over. */
static void force(cpm_session_t *s)
{
	for(unsigned i = 0; i < s->n_legs; i++)
		s->legs[i].state = CPM_L_DOWN;
	memset(s->n_in, 0, sizeof(s->n_in));
	s->n_in[CPM_L_DOWN] = s->n_legs;
	s->relay = CPM_R_CLOSED;
	s->uas_busy = s->uas_held = false;
	s->stay = 0;
	s->n_byes = 0;
}

/* A BYE that could not be sent, or a cancelled INVITE whose final answer does
 * not come: 64*T1 after the last try it counts as cancelled (RFC 3261 9.1), a
 * later 200 is hung up by cpm_ack.c. */
static void tick_ending(uint64_t id, unsigned n, uint64_t now)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool is_due = l && due(l->timer_at, now);
	bool again = is_due && l->state == CPM_L_BYE;
	bool gone = is_due && l->state == CPM_L_CANCELLED;
	bool repeat = gone && l->bye_tries == 0;

	if(l)
		l->ring_at = 0;
	if(repeat) {
		/* tm may have had no memory for the CANCEL; one that is out already
		 * is not sent again */
		l->bye_tries = 1;
		l->timer_at = now + CPM_ACK_WAIT_MS;
		gone = false;
	}
	if(s)
		cpm_session_unlock(s);
	if(again)
		cpm_leg_end(id, n);
	if(repeat)
		cpm_leg_cancel(id, n);
	if(!gone)
		return;
	cpm_dlv_unpace(id, n); /* while the session is there */
	s = cpm_session_lock(id);
	l = s ? cpm_session_leg(s, n) : NULL;
	if(l && l->state == CPM_L_CANCELLED)
		cpm_leg_move(s, l, CPM_L_DOWN);
	if(s)
		cpm_session_unlock(s);
}

/* Do f for each leg for which something is due. */
static void each_due(
		uint64_t id, uint64_t now, void (*f)(uint64_t, unsigned, uint64_t))
{
	unsigned n = 0;

	while(true) {
		cpm_session_t *s = cpm_session_lock(id);
		bool more = false;

		if(s) {
			n = cpm_session_leg_due(s, n, now);
			more = n < s->n_legs;
			cpm_session_unlock(s);
		}
		if(!more)
			return;
		f(id, n++, now);
	}
}

/* Legs whose end was left to this process (cpm_legs_end()). */
static void tick_end_more(uint64_t id)
{
	for(int i = 0; i < ENDS_A_TICK; i++) {
		cpm_session_t *s = cpm_session_lock(id);
		unsigned n = s ? s->end_next : 0;

		if(n)
			s->end_next = (uint16_t)(n + 1 < s->n_legs ? n + 1 : 0);
		if(s)
			cpm_session_unlock(s);
		if(n == 0)
			return;
		cpm_leg_end(id, n);
	}
}

/* A session that waits for its end: the originator's ACK, or the watchdog. */
static void tick_closing(uint64_t id, uint64_t now)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool ack = false, stuck = false, left = false;

	if(s == NULL)
		return;
	if(due(s->ack_at, now)) {
		s->ack_at = 0;
		ack = true;
		if(s->legs[CPM_IN].state == CPM_L_ANSWERED)
			cpm_leg_move(s, &s->legs[CPM_IN], CPM_L_UP);
		/* what he has sent to many is served all the same */
		left = s->received && s->state == CPM_S_ANSWERED
				&& !cpm_session_is_pair(s);
		if(left)
			cpm_session_move(s, CPM_S_LEFT);
	}
	stuck = s->state == CPM_S_CLOSING && due(s->watch_at, now);
	cpm_session_unlock(s);
	if(ack) {
		/* no ACK in 64*T1: BYE all the same (RFC 3261 13.3.1.4) */
		cpm_uas_release(id);
		if(!left)
			cpm_b2b_end(id, CPM_END_ACK, CPM_IN, no_reason);
		cpm_leg_end(id, CPM_IN);
		if(left)
			cpm_dlv_left(id, false);
	}
	if(!stuck) {
		tick_end_more(id);
		each_due(id, now, tick_ending);
		return;
	}
	LM_ERR("session " CPM_ID_FMT " did not end by itself: removed\n",
			CPM_ID_ARG(id));
	cpm_uas_release(id);
	s = cpm_session_lock(id);
	if(s) {
		force(s);
		cpm_session_unlock(s);
	}
}

static void tick_leg(uint64_t id, unsigned n, uint64_t now)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	struct refresh r = {.update = false};
	bool expired = false, send = false, rang = false, ending = false;

	if(l && due(l->ring_at, now)) {
		l->ring_at = 0;
		rang = l->state == CPM_L_INVITED || l->state == CPM_L_RINGING;
	}
	if(l && (l->state == CPM_L_CANCELLED || l->state == CPM_L_BYE)) {
		ending = true;
	} else if(l && due(l->timer_at, now)) {
		uint64_t at = l->timer_at;

		l->timer_at = 0;
		if(l->state == CPM_L_UP || l->state == CPM_L_ANSWERED)
			send = take_refresh(l, at, &r, &expired);
	}
	if(s)
		cpm_session_unlock(s);
	if(send)
		send_refresh(id, n, &r);
	else if(expired)
		dialog_over(id, n, CPM_END_TIMER);
	if(ending)
		tick_ending(id, n, now);
	if(rang)
		cpm_dlv_failed(
				id, n, &(cpm_failure_t){.why = CPM_END_RING, .code = 408});
	cpm_dialog_drop(&r.d);
	cpm_strs_drop(r.local);
}

static void tick_session(uint64_t id, uint64_t now)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_end_t why = CPM_END_N;
	bool delivered;

	if(s && due(s->bye_at, now)) {
		s->bye_at = 0;
		cpm_session_unlock(s);
		cpm_bye_answer(id, no_reason);
		s = cpm_session_lock(id);
	}
	if(s == NULL)
		return;
	delivered = cpm_session_delivered(s);
	if(s->state == CPM_S_CLOSING || due(s->ack_at, now)) {
		cpm_session_unlock(s);
		tick_closing(id, now);
		return;
	}
	if(due(s->end_at, now))
		why = CPM_END_RELAY_LOST;
	else if(due(s->media_at, now))
		why = delivered ? CPM_END_DELIVERED : CPM_END_MEDIA;
	else if(due(s->ring_at, now))
		why = CPM_END_RING;
	else if(due(s->watch_at, now))
		why = CPM_END_WATCHDOG;
	cpm_session_unlock(s);
	if(why == CPM_END_RING && cpm_switch_waited(id))
		return;
	if(why != CPM_END_N) {
		cpm_b2b_end(id, why, CPM_IN, no_reason);
		return;
	}
	each_due(id, now, tick_leg);
}

static void tick(unsigned int ticks, void *param)
{
	uint64_t ids[BATCH], now = cpm_now_ms();
	unsigned slot = 0, n, done = 0;

	(void)ticks;
	(void)param;
	cpm_fanout_tick();
	cpm_pace_tick();
	cpm_clients_tick();
	cpm_notice_tick();
	while(done < ENDS_A_TICK
			&& (n = cpm_session_due(now, &slot, ids, BATCH)) > 0) {
		for(unsigned i = 0; i < n; i++)
			tick_session(ids[i], now);
		done += n;
	}
}

/* Pushes begin by the clock too, and must not wait for sessions. Who has just
 * registered is heard of first: what is due for him waits for his other
 * clients.
 */
static void push_tick(unsigned int ticks, void *param)
{
	(void)ticks;
	(void)param;
	cpm_clients_work();
	cpm_push_tick();
}

int cpm_timer_mod_init(void)
{
	return register_sync_timers(2) < 0 ? -1 : 0;
}

int cpm_timer_child_init(int rank)
{
	if(rank != PROC_MAIN)
		return 0;
	if(fork_sync_timer(PROC_TIMER, "CPM TIMER", 1, tick, NULL, TICK_S) < 0) {
		LM_ERR("the timer process could not be started\n");
		return -1;
	}
	if(fork_sync_utimer(
			   PROC_TIMER, "CPM PUSH", 1, push_tick, NULL, PUSH_TICK_US)
			< 0) {
		LM_ERR("the process that pushes could not be started\n");
		return -1;
	}
	return 0;
}
