/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large-message INVITE for a user whom we serve: a session of the B2BUA with
 * one delivery for each of his clients (OMA-TS-CPM_Conv_Fnct 8.3.2.1.1 steps 5
 * and 6, TL-05 to TL-07). What becomes of it is decided in cpm_b2b_dlv.c; what
 * nobody takes goes to cpm_term_defer.c.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_from.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_media.h"
#include "cpm_req.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"

#define RING_SPARE_MS 32000 /* the ISF may be tried after the clients */

/* ---- clients that are not known yet ---- */

/* They are, or will not be: the session goes on with what there is. */
static void known(const str *who, uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_rcpts_t *rcpts = NULL;
	cpm_buf_t name = {0}, ruri = {0};
	cpm_term_whom_t w = {.what = CPM_CAN_LARGE};
	bool go = s && s->choosing && s->state != CPM_S_CLOSING, more = false;
	int rc;

	(void)who;
	if(go) {
		cpm_buf_str(&name, cpm_strs_get(s->defer_text, CPM_DT_USER));
		cpm_buf_str(&ruri, cpm_strs_get(s->msg, CPM_T_TARGET));
		w.version = s->min_version;
	}
	if(s)
		cpm_session_unlock(s);
	if(!go)
		return;
	w.user = cpm_buf_get(&name);
	w.ruri = cpm_buf_get(&ruri);
	rc = cpm_term_choose(&w, &rcpts);
	if(rc < 0)
		LM_NOTICE("session " CPM_ID_FMT ": clients of %.*s are not known"
				  " (%d)\n",
				CPM_ID_ARG(id), STR_FMT(&w.user), rc);
	s = cpm_session_lock(id);
	if(s && s->choosing) {
		s->choosing = false;
		more = rcpts && cpm_session_dlv_set(s, rcpts) == 0;
		if(more) {
			rcpts = NULL;
			cpm_b2b_legs_init(s);
			s->add_next = s->relay == CPM_R_OPEN ? 1 : 0;
		}
		/* session.create has not been answered: it goes on with them */
		go = s->relay == CPM_R_OPEN;
	}
	if(s)
		cpm_session_unlock(s);
	cpm_rcpts_free(&rcpts);
	cpm_buf_free(&name);
	cpm_buf_free(&ruri);
	if(go && more)
		cpm_media_add_more(id);
	else if(go)
		cpm_dlv_decide(id);
}

/* ---- the way in ---- */

static cpm_strs_t *names(const cpm_term_req_t *req)
{
	str v[CPM_DT_N] = {{NULL, 0}};

	v[CPM_DT_USER] = req->user;
	v[CPM_DT_SENDER] = req->sender;
	return cpm_strs_new(v, CPM_DT_N);
}

static int begin(
		sip_msg_t *msg, cpm_invite_t *in, const cpm_term_req_t *req, str dest)
{
	struct cell *t = cpm_tm.t_gett();
	uint64_t id = cpm_id_make(t->hash_index, t->label);
	unsigned n = in->rcpts ? in->rcpts->n : 0;
	cpm_session_t *s = cpm_invite_build(msg, id, in, dest);

	LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: %" PRIu64
			" bytes from %.*s for %.*s, %u clients%s\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), in->sdp.file_size,
			STR_FMT(&get_from(msg)->uri), STR_FMT(&req->user), n,
			req->unknown ? " known yet" : "");
	if(s) {
		s->choosing = req->unknown;
		s->min_version = req->version;
		s->lifetime_s = req->lifetime_s;
		s->defer = req->defer ? CPM_F_WANTED : CPM_F_OFF;
		s->defer_text = names(req);
		if(s->defer_text == NULL) {
			cpm_session_free(s);
			s = NULL;
		}
	}
	if(s == NULL
			|| cpm_b2b_begin(
					   msg, s, (unsigned)cpm_conf.ring_timeout + RING_SPARE_MS)
					< 0) {
		LM_ERR("session " CPM_ID_FMT ": out of memory\n", CPM_ID_ARG(id));
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		return -1;
	}
	cpm_stat_inc(CPM_STAT_LARGE);
	if(req->unknown && cpm_clients_when_known(&req->user, known, id) < 0)
		known(&req->user, id);
	return 0;
}

/* The next hop is looked up here, where one may wait. What cannot be sent now
 * is a message for somebody who cannot be reached. */
static void drop_unreachable(sip_msg_t *msg, cpm_invite_t *in)
{
	if(in->rcpts == NULL || cpm_rcpts_routes(in->rcpts, 0).len > 0
			|| cpm_rcpts_next_hop(in->rcpts, 0).len > 0
			|| cpm_text_next_hop_resolves(msg, *GET_RURI(msg)))
		return;
	LM_WARN("the next hop towards %.*s cannot be resolved\n",
			STR_FMT(GET_RURI(msg)));
	cpm_rcpts_free(&in->rcpts);
}

int cpm_term_invite(sip_msg_t *msg, cpm_term_req_t *req)
{
	cpm_invite_t in = {.rcpts = req->rcpts};
	cpm_buf_t dest = {0};
	const char *no = cpm_invite_check_term(msg, &in);
	int rc = 0;

	req->rcpts = NULL;
	if(no) {
		rc = cpm_reject(msg, no, in.detail, (str){NULL, 0});
	} else {
		drop_unreachable(msg, &in);
		cpm_buf_str(&dest, *GET_RURI(msg));
		rc = dest.bad ? -1 : cpm_tm.t_newtran(msg);
		if(rc == 0)
			cpm_stat_inc(CPM_STAT_RETRANSMITS);
		else if(rc < 0 || begin(msg, &in, req, cpm_buf_get(&dest)) < 0)
			cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		rc = 0;
	}
	cpm_rcpts_free(&in.rcpts);
	cpm_buf_free(&dest);
	return rc;
}
