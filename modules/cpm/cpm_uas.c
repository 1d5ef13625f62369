/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The inbound leg as user agent server: answers on the suspended transaction,
 * of an INVITE or of a MESSAGE that went on as INVITEs. tm cannot take two
 * answers on one transaction at a time (its request clone carries
 * process-private lumps), so whoever finds the session busy leaves his answer
 * with it and the one at work sends it too. A 2xx keeps a second reference to
 * the transaction, else tm stops to retransmit it after wt_timer (RFC
 * 3261 13.3.1.4 wants 64*T1).
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/error.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"

/* One answer to be sent, out of the session's lock. */
struct job
{
	uint64_t id;
	int code;
	bool invite;        /* it answers an INVITE */
	cpm_strs_t *answer; /* private copy; NULL with a 1xx */
};

static const char *phrase_1xx(int code)
{
	switch(code) {
		case 181:
			return "Call Is Being Forwarded";
		case 182:
			return "Queued";
		case 183:
			return "Session Progress";
		default:
			return "Ringing";
	}
}

/* Send on the transaction; false: tm has it no more, or could not. */
static bool reply(const struct job *j)
{
	char tag_buf[CPM_TAG_BUF];
	str tag = {tag_buf, cpm_tag_print(j->id, CPM_IN, tag_buf)};
	str reason = cpm_strs_get(j->answer, CPM_A_REASON);
	str headers = cpm_strs_get(j->answer, CPM_A_HEADERS);
	str body = cpm_strs_get(j->answer, CPM_A_BODY);
	struct cell *saved = cpm_tm.t_gett(), *t = NULL;
	int saved_branch = cpm_tm.t_gett_branch();
	cpm_buf_t b = {0}, text = {0};
	bool ok = false;

	if(j->code < 200) {
		cpm_hdr_server(&b);
		cpm_buf_fmt(&b, "Contact: <%.*s>\r\n", STR_FMT(&cpm_conf.contact));
		headers = cpm_buf_get(&b);
		cpm_buf_lit(&text, phrase_1xx(j->code));
	} else if(reason.len > 0) {
		cpm_buf_str(&text, reason);
	} else {
		cpm_buf_lit(&text, error_text(j->code));
	}
	if(headers.len <= 0) {
		cpm_hdr_server(&b);
		headers = cpm_buf_get(&b);
	}
	cpm_buf_add(&text, "", 1); /* tm wants a C string inside */
	if(!b.bad && !text.bad
			&& cpm_tm.t_lookup_ident(
					   &t, cpm_id_index(j->id), cpm_id_label(j->id))
					> 0) {
		str phrase = {text.s, text.len - 1};

		/* takes our reference, in all but its out-of-memory paths */
		ok = cpm_tm.t_reply_with_body(
					 t, (unsigned)j->code, &phrase, &body, &headers, &tag)
				>= 0;
	}
	cpm_tm.t_sett(saved, saved_branch);
	cpm_buf_free(&b);
	cpm_buf_free(&text);
	return ok;
}

/* A second reference for as long as the 200 is retransmitted. */
static bool hold(uint64_t id)
{
	struct cell *saved = cpm_tm.t_gett(), *t = NULL;
	int saved_branch = cpm_tm.t_gett_branch();
	bool ok = cpm_tm.t_lookup_ident(&t, cpm_id_index(id), cpm_id_label(id)) > 0;
	cpm_session_t *s;

	cpm_tm.t_sett(saved, saved_branch);
	if(!ok)
		return false;
	s = cpm_session_lock(id);
	if(s == NULL) {
		cpm_tm.unref_cell(t);
		return false;
	}
	s->uas_held = true;
	cpm_session_unlock(s);
	return true;
}

void cpm_uas_release(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	struct cell *saved, *t = NULL;
	int saved_branch;
	bool held;

	if(s == NULL)
		return;
	held = s->uas_held;
	s->uas_held = false;
	s->ack_at = 0;
	cpm_session_unlock(s);
	if(!held)
		return;
	saved = cpm_tm.t_gett();
	saved_branch = cpm_tm.t_gett_branch();
	if(cpm_tm.t_lookup_ident(&t, cpm_id_index(id), cpm_id_label(id)) > 0) {
		cpm_tm.unref_cell(t); /* the one of the look-up */
		cpm_tm.unref_cell(t); /* the one held */
	}
	cpm_tm.t_sett(saved, saved_branch);
}

/* Choose what is to be sent and set the state that it brings: all before the
 * first byte leaves, since the ACK may be quicker than we are. */
static bool choose(cpm_session_t *s, struct job *j)
{
	cpm_leg_t *in = &s->legs[CPM_IN];

	if(s->uas_busy || s->uas_done)
		return false;
	j->invite = s->kind == CPM_UAS_INVITE;
	if(s->want_final) {
		j->code = s->want_final;
		j->answer = cpm_strs_copy(s->answer);
		s->uas_done = true;
		if(s->kind == CPM_UAS_MESSAGE) {
			s->ring_at = 0; /* no dialog; the rest goes on without him */
		} else if(j->code < 300 && s->state != CPM_S_STARTING) {
			/* it ended while the 200 waited for its turn */
			cpm_strs_drop(j->answer);
			j->answer = NULL;
			j->code = 480;
		} else if(j->code < 300) {
			cpm_session_move(s, CPM_S_ANSWERED);
			cpm_leg_move(s, in, CPM_L_ANSWERED);
			cpm_timer_arm(in);
			s->ack_at = cpm_now_ms() + CPM_ACK_WAIT_MS;
		}
	} else if(s->want_1xx && s->kind == CPM_UAS_INVITE) {
		j->code = s->want_1xx;
		s->want_1xx = 0;
		if(in->state == CPM_L_INVITED)
			cpm_leg_move(s, in, CPM_L_RINGING);
	} else {
		return false;
	}
	s->uas_busy = true;
	return true;
}

/* What follows when the answer is out or could not be. */
static bool settle(const struct job *j, bool ok)
{
	cpm_session_t *s = cpm_session_lock(j->id);
	cpm_leg_t *in;
	bool broken = false;

	if(s == NULL)
		return false;
	in = &s->legs[CPM_IN];
	s->uas_busy = false;
	if((j->code >= 300 || (j->code >= 200 && s->kind == CPM_UAS_MESSAGE))
			&& in->state != CPM_L_DOWN)
		cpm_leg_move(s, in, CPM_L_DOWN);
	else if(j->code >= 200 && !ok) {
		broken = true;
		if(in->state == CPM_L_ANSWERED)
			cpm_leg_move(s, in, CPM_L_DOWN);
	}
	cpm_session_unlock(s);
	return broken;
}

/* Send what waits, until nothing waits. */
static void pump(uint64_t id)
{
	bool broken = false;

	while(true) {
		cpm_session_t *s = cpm_session_lock(id);
		struct job j = {.id = id};
		bool ok;

		if(s == NULL)
			return;
		ok = choose(s, &j);
		cpm_session_unlock(s);
		if(!ok)
			break;
		if(j.code >= 200 && j.code < 300 && j.invite)
			ok = hold(id) && reply(&j);
		else
			ok = reply(&j);
		if(!ok)
			LM_WARN("session " CPM_ID_FMT
					": the originator could not be answered with"
					" %d\n",
					CPM_ID_ARG(id), j.code);
		cpm_strs_drop(j.answer);
		broken = settle(&j, ok) || broken;
	}
	if(broken) {
		cpm_uas_release(id);
		cpm_b2b_end(id, CPM_END_SEND, CPM_IN, (str){NULL, 0});
	}
}

void cpm_uas_provisional(uint64_t id, int code)
{
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL)
		return;
	if(s->state == CPM_S_CALLING && !s->want_final)
		s->want_1xx = (uint16_t)code;
	cpm_session_unlock(s);
	pump(id);
}

void cpm_uas_final(uint64_t id, int code, cpm_strs_t *answer)
{
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL) {
		cpm_strs_free(&answer);
		return;
	}
	if(s->want_final || s->uas_done) {
		cpm_session_unlock(s);
		cpm_strs_free(&answer);
		return;
	}
	s->want_final = (uint16_t)code;
	if(answer) {
		cpm_strs_free(&s->answer);
		s->answer = answer;
	}
	cpm_session_unlock(s);
	pump(id);
}
