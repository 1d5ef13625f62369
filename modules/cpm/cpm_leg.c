/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One leg's dialog on the wire (cpm_leg.h): requests through tm's UAC, BYE
 * and CANCEL. RFC 3261 sections 9.1, 12.2.1 and 15.
 */
#include "cpm_leg.h"

#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/globals.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_rr.h"
#include "cpm_b2b.h"
#include "cpm_hdr.h"

#define CANCEL_WAIT_MS                                                         \
	8000 /* for an answer after CANCEL, then it is tried                       \
		  * again and 64*T1 are left (cpm_timer.c) */
#define BYE_RETRY_MS 2000
#define ENDS_AT_ONCE 24 /* BYEs and CANCELs: a millisecond or two */
#define BYE_TRIES 4     /* a next hop may come back; a broken URI will not */

struct tm_binds cpm_tm;
tm_xapi_t cpm_tmx;

int cpm_dialog_take(cpm_leg_t *l, bool new_cseq, cpm_dialog_t *out)
{
	out->dlg = cpm_strs_copy(l->dlg);
	if(out->dlg == NULL)
		return -ENOMEM;
	out->sock = l->sock;
	out->cseq = new_cseq ? ++l->cseq : l->cseq;
	return 0;
}

void cpm_dialog_drop(cpm_dialog_t *d)
{
	cpm_strs_drop(d->dlg);
	d->dlg = NULL;
}

int cpm_dialog_send(const cpm_dialog_t *d, const char *method, str headers,
		str body, int flags, transaction_cb cb, void *param, unsigned *index,
		unsigned *label)
{
	str m = {(char *)method, (int)strlen(method)};
	str routes = cpm_strs_get(d->dlg, CPM_D_ROUTES);
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch();
	uac_req_t req;
	dlg_t dlg;
	int rc;

	memset(&dlg, 0, sizeof(dlg));
	dlg.id.call_id = cpm_strs_get(d->dlg, CPM_D_CALL_ID);
	dlg.id.loc_tag = cpm_strs_get(d->dlg, CPM_D_LOCAL_TAG);
	dlg.id.rem_tag = cpm_strs_get(d->dlg, CPM_D_REMOTE_TAG);
	dlg.loc_uri = cpm_strs_get(d->dlg, CPM_D_LOCAL);
	dlg.rem_uri = cpm_strs_get(d->dlg, CPM_D_REMOTE);
	dlg.rem_target = cpm_strs_get(d->dlg, CPM_D_TARGET);
	dlg.dst_uri = cpm_strs_get(d->dlg, CPM_D_NEXT_HOP);
	dlg.loc_seq.value = d->cseq;
	dlg.loc_seq.is_set = 1;
	dlg.state = DLG_CONFIRMED;
	dlg.send_sock = d->sock;
	if(routes.len > 0
			&& parse_rr_body(routes.s, routes.len, &dlg.route_set) < 0)
		return -EINVAL;
	set_uac_req(&req, &m, &headers, &body, &dlg, flags, cb, param);
	rc = cpm_tm.t_uac_with_ids(&req, index, label);
	cpm_tm.t_sett(saved, saved_branch);
	if(dlg.route_set)
		free_rr(&dlg.route_set);
	return rc < 0 ? -EIO : 0;
}

/* The answer to our BYE, or none: the dialog is over either way. */
static void bye_done(struct cell *t, int type, struct tmcb_params *ps)
{
	uint64_t id = cpm_id_of(*ps->param);
	unsigned n = cpm_id_leg(*ps->param);
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l;
	bool over;

	(void)t;
	if(s == NULL)
		return;
	l = cpm_session_leg(s, n);
	over = l && l->state == CPM_L_BYE;
	if(over)
		cpm_leg_move(s, l, CPM_L_DOWN);
	cpm_session_unlock(s);
	if(over)
		cpm_dlv_hung_up(id, n, type == TMCB_DESTROY ? 0 : ps->code);
}

/* BYE with the session's Reason; the leg is in CPM_L_BYE already. */
static void send_bye(uint64_t id, unsigned n, cpm_dialog_t *d, cpm_strs_t *why)
{
	cpm_buf_t h = {0};
	str reason = cpm_strs_get(why, 0);
	cpm_session_t *s;
	cpm_leg_t *l;
	bool last = false;
	int rc = -ENOMEM;

	cpm_hdr_agent(&h);
	if(reason.len > 0) {
		cpm_buf_lit(&h, "Reason: ");
		cpm_buf_str(&h, reason);
		cpm_buf_lit(&h, "\r\n");
	}
	if(!h.bad)
		rc = cpm_dialog_send(d, "BYE", cpm_buf_get(&h), (str){NULL, 0},
				TMCB_LOCAL_COMPLETED | TMCB_DESTROY, bye_done,
				cpm_id_param(id, n), NULL, NULL);
	cpm_buf_free(&h);
	if(rc == 0)
		return;
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	l = cpm_session_leg(s, n);
	if(l && l->state == CPM_L_BYE) {
		last = ++l->bye_tries >= BYE_TRIES;
		if(last)
			cpm_leg_move(s, l, CPM_L_DOWN);
		else
			l->timer_at = cpm_now_ms() + BYE_RETRY_MS;
	}
	cpm_session_unlock(s);
	if(!last)
		return;
	LM_WARN("session " CPM_ID_FMT " leg %u: BYE could not be sent (%d)\n",
			CPM_ID_ARG(id), n, rc);
	cpm_dlv_hung_up(id, n, 0);
}

static void send_cancel(unsigned index, unsigned label)
{
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch();
	struct cell *t = NULL;

	/* flags 0: before the first 1xx tm keeps it back (RFC 3261 9.1) */
	if(cpm_tm.t_lookup_ident(&t, index, label) > 0) {
		cpm_tm.cancel_all_uacs(t, 0);
		cpm_tm.unref_cell(t);
	}
	cpm_tm.t_sett(saved, saved_branch);
}

/* Reason of a BYE: the session's, or what has become of this leg alone. */
static cpm_strs_t *reason_for(const cpm_session_t *s, const cpm_leg_t *l)
{
	static const str done =
			STR_STATIC_INIT("SIP;cause=200;text=\"Call completed\"");
	static const str bad =
			STR_STATIC_INIT("SIP;cause=480;text=\"Transmission Failed\"");
	cpm_strs_t *made, *copy;

	if(s->reason)
		return cpm_strs_copy(s->reason);
	made = cpm_strs_new(
			l->delivered || (l->n == CPM_IN && s->n_done) ? &done : &bad, 1);
	copy = cpm_strs_copy(made);
	cpm_strs_free(&made);
	return copy;
}

void cpm_leg_end(uint64_t id, unsigned n)
{
	enum
	{
		DO_NOTHING,
		DO_BYE,
		DO_CANCEL
	} act = DO_NOTHING;
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	cpm_dialog_t d = {0};
	cpm_strs_t *why = NULL;
	unsigned index = 0, label = 0;

	if(s == NULL)
		return;
	if(l == NULL) {
		cpm_session_unlock(s);
		return;
	}
	switch(l->state) {
		case CPM_L_IDLE:
			cpm_leg_move(s, l, CPM_L_DOWN);
			break;
		case CPM_L_INVITED:
		case CPM_L_RINGING:
			if(n == CPM_IN)
				break;
			cpm_leg_move(s, l, CPM_L_CANCELLED);
			l->timer_at = cpm_now_ms() + CANCEL_WAIT_MS;
			/* not placed yet: who sends the INVITE will see the state */
			act = l->placed ? DO_CANCEL : DO_NOTHING;
			index = l->tindex;
			label = l->tlabel;
			break;
		case CPM_L_ANSWERED:
			/* no BYE before the ACK or its time-out (RFC 3261 15) */
			l->bye_due = true;
			break;
		case CPM_L_UP:
			act = cpm_dialog_take(l, true, &d) == 0 ? DO_BYE : DO_NOTHING;
			why = reason_for(s, l);
			cpm_leg_move(s, l, CPM_L_BYE);
			if(act == DO_NOTHING)
				l->timer_at = cpm_now_ms() + BYE_RETRY_MS;
			break;
		case CPM_L_BYE:
			/* it could not be sent: again, until the watchdog ends it */
			if(l->timer_at == 0 || l->timer_at > cpm_now_ms())
				break;
			l->timer_at = cpm_now_ms() + BYE_RETRY_MS;
			if(cpm_dialog_take(l, false, &d) == 0) {
				act = DO_BYE;
				l->timer_at = 0;
			}
			why = reason_for(s, l);
			break;
		default:
			break;
	}
	cpm_session_unlock(s);
	if(act == DO_BYE)
		send_bye(id, n, &d, why);
	else if(act == DO_CANCEL)
		send_cancel(index, label);
	cpm_dialog_drop(&d);
	cpm_strs_drop(why);
}

void cpm_legs_end(uint64_t id, unsigned from)
{
	cpm_session_t *s = cpm_session_lock(id);
	unsigned n_legs = s ? s->n_legs : 0, to = n_legs;

	if(to > from + ENDS_AT_ONCE)
		to = from + ENDS_AT_ONCE;
	if(s) {
		s->end_next = (uint16_t)(to < n_legs ? to : 0);
		cpm_session_unlock(s);
	}
	for(unsigned n = from; n < to; n++)
		cpm_leg_end(id, n);
}

void cpm_leg_cancel(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	unsigned index = l ? l->tindex : 0, label = l ? l->tlabel : 0;
	bool act = l && l->state == CPM_L_CANCELLED && l->placed;

	if(s)
		cpm_session_unlock(s);
	if(act)
		send_cancel(index, label);
}
