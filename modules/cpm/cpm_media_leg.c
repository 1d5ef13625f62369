/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Single legs at the relay: leg.add, where a message has several recipients or
 * one is tried elsewhere, and leg.close, where one has ended before the
 * session (docs/control-protocol.md). Answers run in the link process.
 */
#include <errno.h>

#include "../../core/dprint.h"
#include "cpm_media.h"

#define ADD_WINDOW 32 /* leg.add of one session without an answer */

static const str no_reason = {NULL, 0};

void cpm_media_leg_lost(uint64_t id, unsigned n, cpm_end_t why)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool all = s
			&& (n == CPM_IN || why == CPM_END_RELAY_LOST
					|| cpm_session_in_pair(s, n));

	if(s)
		cpm_session_unlock(s);
	else
		return;
	if(all)
		cpm_b2b_end(id, why, n, no_reason);
	else
		cpm_dlv_failed(id, n, &(cpm_failure_t){.why = why, .code = 503});
}

/* ---- leg.add ---- */

/* The leg that served this delivery before is given up: only now, so that the
 * relay's session is never without a leg that may still take the message. */
static void close_before(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	unsigned before = l ? l->instead_of : 0;

	if(s)
		cpm_session_unlock(s);
	if(before)
		cpm_media_leg_close(id, before);
}

/* One of the window has come back. */
static void uncount(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l && l->adding) {
		l->adding = false;
		s->n_adding--;
	}
	if(s)
		cpm_session_unlock(s);
}

static void on_added(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	unsigned n = (unsigned)leg;
	int err;

	uncount(id, n);
	if(rc != CPM_LINK_OK) {
		cpm_media_log(id, "leg.add", rc, code);
		cpm_media_leg_lost(id, n, cpm_media_failure(rc, code));
	} else {
		err = cpm_media_adopt(id, n, result);
		if(err == -EBADMSG)
			cpm_media_leg_lost(id, n, CPM_END_RELAY_NO);
		if(err == 0) {
			close_before(id, n);
			cpm_dlv_ready(id, n);
		}
	}
	cpm_media_add_more(id);
}

/* Queue it; the leg is marked already. */
static int send_add(uint64_t id, unsigned n)
{
	json_t *p = cpm_media_params(id);
	int rc = -ENOMEM;

	if(p && json_object_set_new(p, "leg", cpm_media_leg(id, n)) == 0)
		rc = cpm_link_send("leg.add", json_incref(p), 0, on_added, id, (int)n);
	json_decref(p);
	if(rc < 0) {
		uncount(id, n);
		LM_WARN("session " CPM_ID_FMT
				" leg %u: leg.add could not be queued (%d)\n",
				CPM_ID_ARG(id), n, rc);
	}
	return rc;
}

/* The leg's turn: false: it is over, or has been asked for. */
static bool mark(cpm_session_t *s, unsigned n)
{
	cpm_leg_t *l = cpm_session_leg(s, n);

	if(l == NULL || l->adding || l->local || s->relay != CPM_R_OPEN
			|| s->state == CPM_S_CLOSING)
		return false;
	l->adding = true;
	s->n_adding++;
	return true;
}

void cpm_media_add(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool go = s && mark(s, n);

	if(s)
		cpm_session_unlock(s);
	if(go && send_add(id, n) < 0)
		cpm_media_leg_lost(id, n, CPM_END_RELAY_AWAY);
}

void cpm_media_add_more(uint64_t id)
{
	while(true) {
		cpm_session_t *s = cpm_session_lock(id);
		bool go = false, all = false;
		unsigned n = 0;

		if(s && s->add_next && s->n_adding < ADD_WINDOW) {
			n = s->add_next;
			s->add_next = n < s->n_dlv ? (uint16_t)(n + 1) : 0;
			go = mark(s, n);
		} else if(s) {
			all = s->n_adding == 0;
		}
		if(s)
			cpm_session_unlock(s);
		if(all)
			cpm_dlv_all_ready(id);
		if(n == 0)
			return;
		if(go && send_add(id, n) < 0)
			cpm_media_leg_lost(id, n, CPM_END_RELAY_AWAY);
	}
}

/* ---- leg.close ---- */

/* Whatever the relay had to tell about the leg has come before this answer. */
static void on_leg_closed(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	(void)code;
	(void)result;
	if(rc == CPM_LINK_OK || rc == CPM_LINK_ERROR)
		cpm_dlv_leg_gone(id, (unsigned)leg);
	else
		cpm_media_leg_lost(id, (unsigned)leg, CPM_END_RELAY_AWAY);
}

void cpm_media_leg_close(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	char name[CPM_LEG_NAME];
	bool go = false;
	json_t *p;

	if(l && !l->media_gone && l->local && s->relay == CPM_R_OPEN) {
		l->media_gone = true;
		go = true;
	}
	if(s)
		cpm_session_unlock(s);
	if(!go)
		return;
	cpm_media_leg_name(n, name);
	p = cpm_media_params(id);
	if(p == NULL || json_object_set_new(p, "leg", json_string(name))
			|| cpm_link_send("leg.close", json_incref(p), 0, on_leg_closed, id,
					   (int)n)
					< 0) {
		/* the relay gives it up by its own timer */
		LM_NOTICE("session " CPM_ID_FMT
				  " leg %u: leg.close could not be queued\n",
				CPM_ID_ARG(id), n);
		cpm_dlv_leg_gone(id, n);
	}
	json_decref(p);
}

/* ---- has the relay all of it? ---- */

static void on_shown(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	(void)result;
	(void)leg;
	/* message.received, if there was one, has come before this answer */
	if(rc == CPM_LINK_OK)
		cpm_dlv_left(id, true);
	else
		cpm_b2b_end(id, cpm_media_failure(rc, code), CPM_IN, no_reason);
}

void cpm_media_ask_received(uint64_t id)
{
	json_t *p = cpm_media_params(id);

	if(p == NULL || cpm_link_send("session.show", p, 0, on_shown, id, 0) < 0)
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, CPM_IN, no_reason);
}
