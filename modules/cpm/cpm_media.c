/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay's part of a session: session.create and session.close
 * (docs/control-protocol.md), what their answers mean, and what all commands
 * are made of. Answers run in the link process, which may use all of tm.
 */
#include "cpm_media.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b_ok.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_rcpts.h"
#include "cpm_record.h"
#include "cpm_term_int.h"
#include "proto/ctl.h"

#define DRAIN_DEADLINE_MS 60000 /* for a session.close that drains */
#define SETUP_SPARE_MS 90000    /* a leg may be tried elsewhere */
#define SETUP_MAX_MS 86400000   /* the relay takes no more */
#define CREATE_LEGS 32          /* outbound legs in one session.create */
#define TURN_MS 32000           /* until silent recipients make room for more */

static const str no_reason = {NULL, 0};

/* ---- parts ---- */

void cpm_media_leg_name(unsigned n, char out[CPM_LEG_NAME])
{
	if(n == CPM_IN)
		memcpy(out, "in", 3);
	else
		snprintf(out, CPM_LEG_NAME, "%u", n);
}

json_t *cpm_media_text(str s)
{
	return json_stringn(s.s ? s.s : "", (size_t)s.len);
}

json_t *cpm_media_params(uint64_t id)
{
	char buf[CPM_ID_BUF];

	cpm_id_print(id, buf);
	return json_pack("{s:s}", "session", buf);
}

json_t *cpm_media_leg(uint64_t id, unsigned n)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	bool tls = l && l->tls;
	char name[CPM_LEG_NAME];
	cpm_buf_t to = {0};
	bool takes; /* the peer gets, the relay sends */
	bool copy;  /* OL-28 */
	json_t *leg;

	takes = n != CPM_IN || (s && s->kind == CPM_UAS_FETCH);
	copy = s && cpm_session_is_copy(s, n);
	if(l && n != CPM_IN && s->retarget && !copy)
		cpm_buf_str(&to, cpm_rcpts_uri(s->rcpts, l->dlv));
	if(s)
		cpm_session_unlock(s);
	cpm_media_leg_name(n, name);
	leg = json_pack("{s:s,s:s,s:s}", "leg", name, "direction",
			takes ? "send" : "recv", "transport", tls ? "tls" : "tcp");
	if(to.bad
			|| (to.len > 0
					&& json_object_set_new(
							   leg, "cpim_to", cpm_media_text(cpm_buf_get(&to)))
							< 0)
			|| (copy
					&& (json_object_set_new(leg, "copy", json_true()) < 0
							|| json_object_set_new(leg, "cpim_add",
									   cpm_media_text(cpm_direct_relay_line()))
									< 0))) {
		json_decref(leg);
		leg = NULL;
	}
	cpm_buf_free(&to);
	return leg;
}

cpm_end_t cpm_media_failure(cpm_link_rc_t rc, int code)
{
	if(rc != CPM_LINK_ERROR)
		return CPM_END_RELAY_AWAY;
	return code == CTL_E_UNKNOWN ? CPM_END_RELAY_LOST : CPM_END_RELAY_NO;
}

void cpm_media_log(uint64_t id, const char *method, cpm_link_rc_t rc, int code)
{
	LM_WARN("session " CPM_ID_FMT ": %s: %s (%d)\n", CPM_ID_ARG(id), method,
			rc == CPM_LINK_ERROR             ? "refused by the relay"
					: rc == CPM_LINK_TIMEOUT ? "no answer from the relay"
											 : "no connection to the relay",
			code);
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

int cpm_media_adopt(uint64_t id, unsigned n, const json_t *answer)
{
	uint16_t port = 0;
	cpm_strs_t *local = read_local(answer, &port);
	cpm_session_t *s;
	cpm_leg_t *l;
	int rc = -ENOENT;

	if(local == NULL) {
		LM_ERR("session " CPM_ID_FMT ": the relay's answer has no usable leg"
			   " %u\n",
				CPM_ID_ARG(id), n);
		return -EBADMSG;
	}
	s = cpm_session_lock(id);
	l = s ? cpm_session_leg(s, n) : NULL;
	if(l && s->state != CPM_S_CLOSING) {
		cpm_strs_free(&l->local);
		l->local = local;
		l->local_port = port;
		local = NULL;
		rc = 0;
	}
	if(s)
		cpm_session_unlock(s);
	cpm_strs_free(&local);
	return rc;
}

/* ---- session.create ---- */

static const json_t *find_leg(const json_t *result, unsigned n)
{
	const json_t *legs = json_object_get(result, "legs"), *leg;
	char name[CPM_LEG_NAME];
	size_t i;

	cpm_media_leg_name(n, name);
	json_array_foreach((json_t *)legs, i, leg)
	{
		const char *is = json_string_value(json_object_get(leg, "leg"));
		if(is && strcmp(is, name) == 0)
			return leg;
	}
	return NULL;
}

/* Outbound legs that session.create names: a user's clients all at once, of a
 * list the first one, for it may be long. */
static unsigned first_legs(const cpm_session_t *s)
{
	if(s->n_dlv > 0 && !s->term)
		return 1;
	return s->n_dlv < CREATE_LEGS ? s->n_dlv : CREATE_LEGS;
}

/* What follows session.create: 0, or the answer was not usable. */
struct opened
{
	bool in, content, fetch;
	unsigned from, to; /* outbound legs that were created with it */
};

static int open_session(uint64_t id, struct opened *o)
{
	cpm_session_t *s = cpm_session_lock(id);
	int rc = -ENOENT;

	if(s == NULL)
		return rc;
	if(s->state == CPM_S_SETUP && s->relay == CPM_R_CREATING) {
		s->relay = CPM_R_OPEN;
		o->fetch = s->kind == CPM_UAS_FETCH;
		o->in = s->kind == CPM_UAS_INVITE || o->fetch;
		o->content = s->content != NULL;
		o->to = s->n_first;
		s->add_next = (uint16_t)(s->n_dlv > o->to ? o->to + 1 : 0);
		rc = 0;
	}
	cpm_session_unlock(s);
	return rc;
}

static void on_created(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	struct opened o = {.in = false};
	int err;

	(void)leg;
	if(rc != CPM_LINK_OK) {
		cpm_media_log(id, "session.create", rc, code);
		cpm_b2b_end(id, cpm_media_failure(rc, code), CPM_IN, no_reason);
		return;
	}
	err = open_session(id, &o);
	if(err == 0 && o.in)
		err = cpm_media_adopt(id, CPM_IN, find_leg(result, CPM_IN));
	for(unsigned n = 1; err == 0 && n <= o.to; n++)
		err = cpm_media_adopt(id, n, find_leg(result, n));
	if(err == -EBADMSG)
		cpm_b2b_end(id, CPM_END_RELAY_NO, CPM_IN, no_reason);
	if(err < 0)
		return;
	if(o.content)
		cpm_media_put(id);
	cpm_defer_ask(id);
	if(o.fetch)
		cpm_ok_self(id);
	for(unsigned n = 1; n <= o.to; n++)
		cpm_dlv_ready(id, n);
	cpm_media_add_more(id);
	if(o.to == 0 && !o.fetch)
		cpm_dlv_decide(id);
}

/* What session.create needs, copied under the lock. */
struct create
{
	cpm_strs_t *msg, *defer;
	uint32_t content_n;
	uint64_t fence;
	int max;
	unsigned n_dlv, legs;
	bool in, keep, stored;
};

static json_t *content_json(const struct create *c)
{
	str type = cpm_strs_get(c->msg, CPM_T_CONTENT_TYPE);
	str mid = cpm_strs_get(c->msg, CPM_T_MESSAGE_ID);
	json_t *o;

	if(c->stored)
		return json_pack("{s:o,s:I,s:i}", "deferred",
				cpm_media_text(cpm_strs_get(c->defer, CPM_DT_REF)), "fence",
				(json_int_t)c->fence, "lease_ms", cpm_conf.push_lease);
	o = json_pack("{s:o,s:I}", "type", cpm_media_text(type), "bytes",
			(json_int_t)c->content_n);
	if(o && mid.len > 0)
		json_object_set_new(o, "message_id", cpm_media_text(mid));
	return o;
}

/* How long a leg may take to be answered: it rings, may be tried elsewhere, and
 * waits for its turn when nobody before it says anything. */
static json_int_t setup_ms(unsigned n_dlv)
{
	json_int_t turns = n_dlv / (unsigned)cpm_conf.exploder_parallel;
	json_int_t ms = cpm_conf.ring_timeout + cpm_conf.ring_spare + SETUP_SPARE_MS
			+ turns * TURN_MS;

	return ms < SETUP_MAX_MS ? ms : SETUP_MAX_MS;
}

static json_t *create_params(uint64_t id, const struct create *c)
{
	json_t *p = cpm_media_params(id), *legs = json_array();
	int bad = 0;

	if(c->in)
		bad |= json_array_append_new(legs, cpm_media_leg(id, CPM_IN));
	for(unsigned n = 1; n <= c->legs; n++)
		bad |= json_array_append_new(legs, cpm_media_leg(id, n));
	bad |= json_object_set_new(p, "legs", legs);
	if(c->max > 0)
		bad |= json_object_set_new(p, "max_bytes", json_integer(c->max));
	bad |= json_object_set_new(p, "idle_ms", json_integer(cpm_conf.msrp_idle));
	if(c->content_n || c->stored)
		bad |= json_object_set_new(p, "content", content_json(c));
	if(c->keep) {
		bad |= json_object_set_new(p, "keep", json_true());
		bad |= json_object_set_new(p, "answer", json_string("first"));
		bad |= json_object_set_new(
				p, "setup_ms", json_integer(setup_ms(c->n_dlv)));
	}
	if(bad) {
		json_decref(p);
		return NULL;
	}
	return p;
}

int cpm_media_create(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	struct create c = {.stored = false};
	json_t *p;

	if(s == NULL)
		return -ENOENT;
	/* who answers late gets all of it, and nobody waits for the slowest */
	c.stored = s->kind == CPM_UAS_STORE || s->kind == CPM_UAS_FETCH;
	s->keep = s->n_dlv > 1 || s->content != NULL || s->term || c.stored
			|| s->direct;
	c.keep = s->keep;
	c.in = s->kind == CPM_UAS_INVITE || s->kind == CPM_UAS_FETCH;
	c.legs = s->n_first = (uint16_t)first_legs(s);
	c.fence = s->fence;
	c.defer = cpm_strs_copy(s->defer_text);
	c.content_n = s->content ? s->content_n : 0;
	c.max = s->max_bytes;
	c.n_dlv = s->n_dlv;
	c.msg = cpm_strs_copy(s->msg);
	s->relay = CPM_R_CREATING;
	cpm_session_unlock(s);
	if(c.msg && (c.defer || !c.stored))
		p = create_params(id, &c);
	else
		p = NULL;
	cpm_strs_drop(c.msg);
	cpm_strs_drop(c.defer);
	if(p == NULL)
		return -ENOMEM;
	return cpm_link_send("session.create", p, 0, on_created, id, 0);
}

/* ---- session.close ---- */

/* Closed, or nobody knows: in both cases the legs that waited for it end. */
static void closed(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL)
		return;
	s->relay = CPM_R_CLOSED;
	s->stay++;
	cpm_session_unlock(s);
	cpm_legs_end(id, 1);
	cpm_record_closed(id);
	s = cpm_session_lock(id);
	if(s == NULL)
		return;
	s->stay -= s->stay > 0; /* the watchdog may have been there */
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
	json_t *p = cpm_media_params(id);

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
