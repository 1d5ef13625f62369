/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message that none of a user's clients takes: the relay is asked
 * beforehand to store it then (session.defer), and tells when it has. The
 * sender is answered by cpm_ok_self() where no client did (OMA-TS-CPM_Conv_Fnct
 * 8.3.2.1.1 "Upon receiving an error response", TL-17). What all of it means to
 * the session is decided in cpm_b2b_dlv.c.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_deferred.h"
#include "cpm_envelope.h"
#include "cpm_media.h"
#include "cpm_push.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"
#include "proto/ctl.h"

#define WAIT_MAX_MS 25000 /* docs/control-protocol.md: session.defer */

bool cpm_defer_is_away(int code)
{
	/* 0: no answer at all */
	return code == 0 || code == CTL_E_STORE;
}

/* ---- session.defer ---- */

static void on_asked(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	cpm_session_t *s = cpm_session_lock(id);

	(void)result;
	(void)leg;
	if(s && s->defer == CPM_F_ASKED) {
		s->defer = rc == CPM_LINK_OK ? CPM_F_ON : CPM_F_NO;
		s->defer_code = rc == CPM_LINK_ERROR ? code : 0;
	}
	if(s)
		cpm_session_unlock(s);
	if(rc != CPM_LINK_OK)
		cpm_media_log(id, "session.defer", rc, code);
	cpm_dlv_decide(id);
}

/* What is needed of a session, copied under the lock. */
struct ask
{
	cpm_strs_t *names, *msg, *dlg;
	uint32_t cseq, lifetime_s;
	unsigned clients;
};

static json_t *envelope(const struct ask *a)
{
	return cpm_envelope_json(
			&(cpm_envelope_t){.from = cpm_strs_get(a->msg, CPM_T_FROM),
					.to = cpm_strs_get(a->msg, CPM_T_TO),
					.headers = cpm_strs_get(a->msg, CPM_T_HEADERS),
					.types = cpm_strs_get(a->msg, CPM_T_TYPES),
					.wrapped = cpm_strs_get(a->msg, CPM_T_WRAPPED)});
}

static json_t *params(uint64_t id, const struct ask *a)
{
	json_t *p = cpm_media_params(id);
	str owner = cpm_strs_get(a->names, CPM_DT_USER);
	str sender = cpm_strs_get(a->names, CPM_DT_SENDER);
	char key[CPM_DEFERRED_KEY_BUF], cseq[12];
	/* a client that rings may still take it; the sender waits for his 200 */
	int wait = cpm_conf.ring_timeout < WAIT_MAX_MS ? cpm_conf.ring_timeout
												   : WAIT_MAX_MS;
	int n = snprintf(cseq, sizeof(cseq), "%" PRIu32, a->cseq), bad = 0;

	cpm_deferred_key(owner, sender, cpm_strs_get(a->dlg, CPM_D_CALL_ID),
			cpm_strs_get(a->dlg, CPM_D_REMOTE_TAG), (str){cseq, n}, key);
	bad |= json_object_set_new(p, "user", cpm_media_text(owner));
	bad |= json_object_set_new(p, "sender", cpm_media_text(sender));
	bad |= json_object_set_new(p, "key", json_string(key));
	bad |= json_object_set_new(p, "envelope", envelope(a));
	bad |= json_object_set_new(p, "when", json_string("failed"));
	bad |= json_object_set_new(p, "wait_ms", json_integer(wait));
	bad |= json_object_set_new(p, "lifetime_s", json_integer(a->lifetime_s));
	/* he is registered: tried again after a while; else when he registers */
	if(a->clients && cpm_conf.push)
		bad |= json_object_set_new(
				p, "next_ms", json_integer(cpm_push_retry_ms(1, (uint32_t)id)));
	if(bad) {
		json_decref(p);
		return NULL;
	}
	return p;
}

void cpm_defer_ask(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	struct ask a = {.names = NULL};
	bool go = s && s->defer == CPM_F_WANTED;
	json_t *p = NULL;

	if(go) {
		s->defer = CPM_F_ASKED;
		a.names = cpm_strs_copy(s->defer_text);
		a.msg = cpm_strs_copy(s->msg);
		a.dlg = cpm_strs_copy(s->legs[CPM_IN].dlg);
		a.cseq = s->legs[CPM_IN].peer_cseq;
		a.lifetime_s = s->lifetime_s;
		a.clients = s->n_dlv;
	}
	if(s)
		cpm_session_unlock(s);
	if(!go)
		return;
	if(a.names && a.msg && a.dlg)
		p = params(id, &a);
	cpm_strs_drop(a.names);
	cpm_strs_drop(a.msg);
	cpm_strs_drop(a.dlg);
	if(p == NULL || cpm_link_send("session.defer", p, 0, on_asked, id, 0) < 0)
		on_asked(CPM_LINK_ERROR, CTL_E_INTERNAL, NULL, id, 0);
}

/* ---- what the relay tells ---- */

/* For event_route[cpm:deferred], copied under the lock. */
static void tell(cpm_session_t *s, const char *ref, json_int_t bytes)
{
	cpm_strs_t *names = cpm_strs_copy(s->defer_text);
	uint64_t id = s->id;

	cpm_session_unlock(s);
	LM_INFO("session " CPM_ID_FMT ": deferred as %s\n", CPM_ID_ARG(id), ref);
	if(names)
		cpm_deferred_tell(CPM_DEFERRED_STORED,
				&(cpm_deferred_news_t){.ref = {(char *)ref, (int)strlen(ref)},
						.user = cpm_strs_get(names, CPM_DT_USER),
						.sender = cpm_strs_get(names, CPM_DT_SENDER),
						.kind = "large",
						.size = bytes > 0 ? (uint64_t)bytes : 0});
	cpm_strs_drop(names);
}

/* Move on when the relay was asked; false: it was not, or has told before. */
static bool settle(cpm_session_t *s, cpm_defer_state_t to, int code)
{
	if(s->defer != CPM_F_ON && s->defer != CPM_F_ASKED)
		return false;
	s->defer = (uint8_t)to;
	s->defer_code = code;
	return true;
}

void cpm_defer_event(uint64_t id, const char *type, const json_t *params)
{
	const char *ref = json_string_value(json_object_get(params, "ref"));
	json_int_t bytes = json_integer_value(json_object_get(params, "bytes"));
	int code = (int)json_integer_value(json_object_get(params, "code"));
	bool stored = strcmp(type, "message.deferred") == 0;
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL)
		return;
	if(stored && ref) {
		s->received = true;
		if(bytes > 0)
			s->bytes = (uint64_t)bytes;
		if(settle(s, CPM_F_DEFERRED, 0))
			tell(s, ref, bytes);
		else
			cpm_session_unlock(s);
	} else {
		settle(s, CPM_F_NO, code ? code : CTL_E_INTERNAL);
		cpm_session_unlock(s);
		LM_WARN("session " CPM_ID_FMT ": the message could not be stored"
				" (%d)\n",
				CPM_ID_ARG(id), code);
	}
	cpm_dlv_decide(id);
}
