/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * leg.start: the relay learns who a leg's peer is, once his SDP is known, and
 * whether to connect or to wait. Addresses by RFC 6714 (CEMA), roles by RFC
 * 6135. Answers run in the link process.
 */
#include <errno.h>

#include "../../core/dprint.h"
#include "cpm_media.h"

static void on_started(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	cpm_strs_t *answer = NULL;
	bool ready = false;
	cpm_session_t *s;
	cpm_leg_t *l;

	(void)result;
	if(rc != CPM_LINK_OK) {
		cpm_media_log(id, "leg.start", rc, code);
		cpm_media_leg_lost(id, (unsigned)leg, cpm_media_failure(rc, code));
		return;
	}
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	l = cpm_session_leg(s, (unsigned)leg);
	if(l)
		l->started = true;
	/* A message that is kept may come before anybody takes it. An answer that
	 * waits for its turn behind a 180 is not to be taken out again. */
	if(l && s->state == CPM_S_STARTING && s->legs[CPM_IN].started
			&& !s->want_final)
		ready = s->keep || (s->winner && s->legs[s->winner].started);
	if(ready) {
		answer = s->answer;
		s->answer = NULL;
	}
	cpm_session_unlock(s);
	/* the relay listens: only now may the originator begin to send */
	if(ready && answer)
		cpm_uas_final(id, 200, answer);
}

/* What leg.start needs of a leg, copied under the lock. */
struct start
{
	cpm_strs_t *peer;
	bool connect, cema;
	uint16_t port;
	uint64_t max;
};

static json_t *types_json(str types)
{
	json_t *a = json_array();

	for(int i = 0; a && i < types.len;) {
		int from;

		while(i < types.len && (types.s[i] == ' ' || types.s[i] == ','))
			i++;
		from = i;
		while(i < types.len && types.s[i] != ' ' && types.s[i] != ',')
			i++;
		if(i > from)
			json_array_append_new(
					a, cpm_media_text((str){types.s + from, i - from}));
	}
	return a;
}

/* CEMA in force: the address of the c= and m= lines; else the relay takes the
 * one of the path's first URI (RFC 6714 section 4.2). */
static json_t *peer_json(const struct start *w)
{
	json_t *peer = json_pack(
			"{s:o}", "path", cpm_media_text(cpm_strs_get(w->peer, CPM_P_PATH)));
	str host = cpm_strs_get(w->peer, CPM_P_HOST);
	str types = cpm_strs_get(w->peer, CPM_P_TYPES);
	str wrapped = cpm_strs_get(w->peer, CPM_P_WRAPPED);
	str print = cpm_strs_get(w->peer, CPM_P_FINGERPRINT);

	if(peer == NULL)
		return NULL;
	if(w->cema && host.len > 0 && w->port) {
		json_object_set_new(peer, "host", cpm_media_text(host));
		json_object_set_new(peer, "port", json_integer(w->port));
	}
	if(types.len > 0)
		json_object_set_new(peer, "accept_types", types_json(types));
	if(wrapped.len > 0)
		json_object_set_new(peer, "accept_wrapped_types", types_json(wrapped));
	if(print.len > 0)
		json_object_set_new(peer, "fingerprint", cpm_media_text(print));
	if(w->max)
		json_object_set_new(
				peer, "max_bytes", json_integer((json_int_t)w->max));
	return peer;
}

static int start_leg(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	struct start w = {0};
	json_t *p, *peer;
	char name[CPM_LEG_NAME];

	if(s == NULL)
		return 0;
	if(l == NULL || s->state == CPM_S_CLOSING) {
		cpm_session_unlock(s);
		return 0;
	}
	w.peer = cpm_strs_copy(l->peer);
	w.connect = l->connect;
	w.cema = l->peer_cema;
	w.port = l->peer_port;
	w.max = l->peer_max;
	cpm_session_unlock(s);
	p = cpm_media_params(id);
	peer = w.peer ? peer_json(&w) : NULL;
	cpm_strs_drop(w.peer);
	cpm_media_leg_name(n, name);
	if(p == NULL || peer == NULL
			|| json_object_set_new(p, "leg", json_string(name))
			|| json_object_set_new(p, "connect", json_boolean(w.connect))
			|| json_object_set(p, "peer", peer)) {
		json_decref(p);
		json_decref(peer);
		return -ENOMEM;
	}
	json_decref(peer);
	return cpm_link_send("leg.start", p, 0, on_started, id, (int)n);
}

void cpm_media_start(uint64_t id, unsigned n)
{
	int rc = start_leg(id, n);

	if(rc < 0) {
		LM_WARN("session " CPM_ID_FMT
				" leg %u: leg.start could not be queued (%d)\n",
				CPM_ID_ARG(id), n, rc);
		cpm_media_leg_lost(id, n, CPM_END_RELAY_AWAY);
	}
}
