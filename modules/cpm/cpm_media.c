/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay's part of a session: session.create, leg.start and session.close
 * (docs/control-protocol.md), and what their answers mean. Answers run in the
 * link process, which may use all of tm. Addresses by RFC 6714 (CEMA), roles
 * by RFC 6135.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_link.h"
#include "proto/ctl.h"

#define DRAIN_DEADLINE_MS 60000 /* for a session.close that drains */

#define LEG_NAME 12 /* bytes for "in" or a number */

static const str no_reason = {NULL, 0};

static void leg_name(unsigned n, char out[LEG_NAME])
{
	if(n == CPM_IN)
		memcpy(out, "in", 3);
	else
		snprintf(out, LEG_NAME, "%u", n);
}

static json_t *slice_json(str s)
{
	return json_stringn(s.s ? s.s : "", (size_t)s.len);
}

/* {"session":"..."} */
static json_t *with_session(uint64_t id)
{
	char buf[CPM_ID_BUF];

	cpm_id_print(id, buf);
	return json_pack("{s:s}", "session", buf);
}

/* ---- session.create ---- */

static json_t *new_leg(unsigned n, bool tls)
{
	char name[LEG_NAME];

	leg_name(n, name);
	return json_pack("{s:s,s:s,s:s}", "leg", name, "direction",
			n == CPM_IN ? "recv" : "send", "transport", tls ? "tls" : "tcp");
}

/* One leg of the relay's answer becomes CPM_M_*; NULL: it is unusable. */
static cpm_strs_t *read_local(const json_t *leg, uint16_t *port)
{
	const char *path = json_string_value(json_object_get(leg, "path"));
	const char *host = json_string_value(json_object_get(leg, "host"));
	const char *print = json_string_value(json_object_get(leg, "fingerprint"));
	json_int_t p = json_integer_value(json_object_get(leg, "port"));
	str v[CPM_M_N] = {{NULL, 0}};

	if(path == NULL || host == NULL || p < 1 || p > 65535)
		return NULL;
	v[CPM_M_PATH] = (str){(char *)path, (int)strlen(path)};
	v[CPM_M_HOST] = (str){(char *)host, (int)strlen(host)};
	if(print)
		v[CPM_M_FINGERPRINT] = (str){(char *)print, (int)strlen(print)};
	for(int i = 0; i < CPM_M_N; i++)
		if(!cpm_str_clean(v[i]))
			return NULL;
	*port = (uint16_t)p;
	return cpm_strs_new(v, CPM_M_N);
}

static const json_t *find_leg(const json_t *result, unsigned n)
{
	const json_t *legs = json_object_get(result, "legs"), *leg;
	char name[LEG_NAME];
	size_t i;

	leg_name(n, name);
	json_array_foreach((json_t *)legs, i, leg)
	{
		const char *is = json_string_value(json_object_get(leg, "leg"));
		if(is && strcmp(is, name) == 0)
			return leg;
	}
	return NULL;
}

/* The cause behind a command that failed. */
static cpm_end_t failure(cpm_link_rc_t rc, int code)
{
	if(rc != CPM_LINK_ERROR)
		return CPM_END_RELAY_AWAY;
	return code == CTL_E_UNKNOWN ? CPM_END_RELAY_LOST : CPM_END_RELAY_NO;
}

static void log_failure(
		uint64_t id, const char *method, cpm_link_rc_t rc, int code)
{
	LM_WARN("session " CPM_ID_FMT ": %s: %s (%d)\n", CPM_ID_ARG(id), method,
			rc == CPM_LINK_ERROR             ? "refused by the relay"
					: rc == CPM_LINK_TIMEOUT ? "no answer from the relay"
											 : "no connection to the relay",
			code);
}

static void on_created(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	cpm_strs_t *local[2] = {NULL, NULL};
	uint16_t port[2] = {0, 0};
	cpm_session_t *s;
	bool go = false;

	(void)leg;
	if(rc != CPM_LINK_OK) {
		log_failure(id, "session.create", rc, code);
		cpm_b2b_end(id, failure(rc, code), CPM_IN, no_reason);
		return;
	}
	for(unsigned n = 0; n < 2; n++) {
		local[n] = read_local(find_leg(result, n), &port[n]);
		if(local[n] == NULL) {
			LM_ERR("session " CPM_ID_FMT
				   ": session.create: no usable leg %u in the answer\n",
					CPM_ID_ARG(id), n);
			cpm_strs_free(&local[0]);
			cpm_b2b_end(id, CPM_END_RELAY_NO, CPM_IN, no_reason);
			return;
		}
	}
	s = cpm_session_lock(id);
	if(s && s->state == CPM_S_SETUP && s->relay == CPM_R_CREATING) {
		s->relay = CPM_R_OPEN;
		for(unsigned n = 0; n < 2; n++) {
			cpm_strs_free(&s->legs[n].local);
			s->legs[n].local = local[n];
			s->legs[n].local_port = port[n];
			local[n] = NULL;
		}
		go = true;
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&local[0]);
	cpm_strs_free(&local[1]);
	if(go)
		cpm_out_invite(id, 1);
}

int cpm_media_create(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool in_tls, out_tls;
	json_t *p, *legs;
	int max;

	if(s == NULL)
		return -ENOENT;
	max = s->max_bytes;
	in_tls = s->legs[CPM_IN].tls;
	out_tls = s->legs[1].tls;
	s->relay = CPM_R_CREATING;
	cpm_session_unlock(s);
	p = with_session(id);
	legs = json_array();
	if(p == NULL || legs == NULL
			|| (max > 0
					&& json_object_set_new(p, "max_bytes", json_integer(max)))
			|| json_object_set_new(
					p, "idle_ms", json_integer(cpm_conf.msrp_idle))
			|| json_array_append_new(legs, new_leg(CPM_IN, in_tls))
			|| json_array_append_new(legs, new_leg(1, out_tls))
			|| json_object_set(p, "legs", legs)) {
		json_decref(p);
		json_decref(legs);
		return -ENOMEM;
	}
	json_decref(legs);
	return cpm_link_send("session.create", p, 0, on_created, id, 0);
}

/* ---- leg.start ---- */

static void on_started(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	cpm_strs_t *answer = NULL;
	bool both = false;
	cpm_session_t *s;

	(void)result;
	if(rc != CPM_LINK_OK) {
		log_failure(id, "leg.start", rc, code);
		cpm_b2b_end(id, failure(rc, code), (unsigned)leg, no_reason);
		return;
	}
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	if(s->state == CPM_S_STARTING && cpm_session_leg(s, (unsigned)leg)) {
		s->legs[leg].started = true;
		both = s->winner && s->legs[CPM_IN].started
				&& s->legs[s->winner].started;
	}
	if(both) {
		answer = s->answer;
		s->answer = NULL;
	}
	cpm_session_unlock(s);
	/* the relay listens: only now may the originator begin to send */
	if(both)
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
					a, slice_json((str){types.s + from, i - from}));
	}
	return a;
}

/* CEMA in force: the address of the c= and m= lines; else the relay takes the
 * one of the path's first URI (RFC 6714 section 4.2). */
static json_t *peer_json(const struct start *w)
{
	json_t *peer = json_pack(
			"{s:o}", "path", slice_json(cpm_strs_get(w->peer, CPM_P_PATH)));
	str host = cpm_strs_get(w->peer, CPM_P_HOST);
	str types = cpm_strs_get(w->peer, CPM_P_TYPES);
	str wrapped = cpm_strs_get(w->peer, CPM_P_WRAPPED);
	str print = cpm_strs_get(w->peer, CPM_P_FINGERPRINT);

	if(peer == NULL)
		return NULL;
	if(w->cema && host.len > 0 && w->port) {
		json_object_set_new(peer, "host", slice_json(host));
		json_object_set_new(peer, "port", json_integer(w->port));
	}
	if(types.len > 0)
		json_object_set_new(peer, "accept_types", types_json(types));
	if(wrapped.len > 0)
		json_object_set_new(peer, "accept_wrapped_types", types_json(wrapped));
	if(print.len > 0)
		json_object_set_new(peer, "fingerprint", slice_json(print));
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
	char name[LEG_NAME];

	if(s == NULL)
		return 0;
	if(l == NULL || s->state != CPM_S_STARTING) {
		cpm_session_unlock(s);
		return 0;
	}
	w.peer = cpm_strs_copy(l->peer);
	w.connect = l->connect;
	w.cema = l->peer_cema;
	w.port = l->peer_port;
	w.max = l->peer_max;
	cpm_session_unlock(s);
	p = with_session(id);
	peer = w.peer ? peer_json(&w) : NULL;
	cpm_strs_drop(w.peer);
	leg_name(n, name);
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
	int rc = start_leg(id, CPM_IN);

	if(rc == 0)
		rc = start_leg(id, n);
	if(rc < 0) {
		LM_WARN("session " CPM_ID_FMT ": leg.start could not be queued (%d)\n",
				CPM_ID_ARG(id), rc);
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, n, no_reason);
	}
}

/* ---- session.close ---- */

/* Closed, or nobody knows: in both cases the legs that waited for it end. */
static void closed(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	unsigned n_legs;

	if(s == NULL)
		return;
	n_legs = s->n_legs;
	s->relay = CPM_R_CLOSED;
	s->stay = true;
	cpm_session_unlock(s);
	for(unsigned n = 1; n < n_legs; n++)
		cpm_leg_end(id, n);
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	s->stay = false;
	cpm_session_unlock(s);
}

static void on_closed(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	(void)result;
	(void)leg;
	/* without a connection the relay ends it by its own idle timer */
	if(rc != CPM_LINK_OK)
		LM_NOTICE("session " CPM_ID_FMT ": session.close not done (%d, %d)\n",
				CPM_ID_ARG(id), rc, code);
	closed(id);
}

void cpm_media_close(uint64_t id, bool abort)
{
	json_t *p = with_session(id);

	if(p == NULL || json_object_set_new(p, "abort", json_boolean(abort))
			|| cpm_link_send("session.close", json_incref(p),
					   abort ? 0 : DRAIN_DEADLINE_MS, on_closed, id, 0)
					< 0) {
		LM_WARN("session " CPM_ID_FMT ": session.close could not be queued\n",
				CPM_ID_ARG(id));
		closed(id);
	}
	json_decref(p);
}
