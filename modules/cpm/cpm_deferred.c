/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about deferred messages (cpm_deferred.h): parameters in, answers
 * out. Each command in flight has a small block of shared memory with the
 * caller's callback, for the answer comes in another process.
 */
#include "cpm_deferred.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_b2b.h"
#include "cpm_evroute.h"
#include "cpm_id.h"
#include "cpm_link.h"
#include "cpm_notice.h"
#include "cpm_stats.h"
#include "proto/base64.h"
#include "proto/ctl.h"

/* Of one command: what its answer is for. Freed by that. */
typedef struct waiting
{
	uint64_t id;
	int n;
	union
	{
		cpm_deferred_put_f put;
		cpm_deferred_next_f next;
		cpm_deferred_done_f done;
	} f;
} waiting_t;

static waiting_t *wait_new(uint64_t id, int n)
{
	waiting_t *w = shm_malloc(sizeof(*w));

	if(w) {
		memset(w, 0, sizeof(*w));
		w->id = id;
		w->n = n;
	}
	return w;
}

/* The block of an answer, taken out of shared memory. */
static waiting_t wait_take(uint64_t arg)
{
	waiting_t *p = (waiting_t *)(uintptr_t)arg, w = *p;

	shm_free(p);
	return w;
}

/* Send; the block is given back when no answer will come. */
static int ask(const char *method, json_t *params, cpm_link_reply_f reply,
		waiting_t *w)
{
	int rc = params
			? cpm_link_send(method, params, 0, reply, (uint64_t)(uintptr_t)w, 0)
			: -ENOMEM;

	if(rc < 0 && w)
		shm_free(w);
	return rc == -E2BIG ? -EMSGSIZE : rc;
}

static int rc_of(cpm_link_rc_t rc, int code, const char *what)
{
	if(rc == CPM_LINK_OK)
		return 0;
	if(rc != CPM_LINK_ERROR)
		return -ENOTCONN;
	switch(code) {
		case CTL_E_UNKNOWN:
			return -ENOENT;
		case CTL_E_QUOTA:
			return -EDQUOT;
		case CTL_E_FULL:
			return -ENOSPC;
		case CTL_E_STORE:
		case CTL_E_DRAINING:
		case CTL_E_METHOD: /* a daemon that knows no deferred messages */
			return -ENOTCONN;
		case CTL_E_CLAIM:
			return -ESTALE;
		default:
			LM_ERR("deferred.%s: the relay answers with error %d\n", what,
					code);
			return -EPROTO;
	}
}

/* ---- values of an answer ---- */

static str text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);

	return (str){(char *)(s ? s : ""), s ? (int)json_string_length(v) : 0};
}

static uint64_t number_of(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v > 0 ? (uint64_t)v : 0;
}

static bool is_true(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

static int set_str(json_t *o, const char *name, str s)
{
	return json_object_set_new(
			o, name, json_stringn(s.s ? s.s : "", (size_t)s.len));
}

/* ---- put ---- */

static void on_put(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t arg, int leg)
{
	waiting_t w = wait_take(arg);
	cpm_deferred_stored_t r = {.rc = rc_of(rc, code, "put"),
			.ref = text_of(result, "ref"),
			.fence = number_of(result, "fence"),
			.duplicate = is_true(result, "duplicate")};

	(void)leg;
	if(r.rc == 0 && (r.ref.len == 0 || r.ref.len >= CPM_DEFERRED_REF_BUF)) {
		LM_ERR("deferred.put: an answer without a ref\n");
		r.rc = -EPROTO;
	}
	w.f.put(&r, w.id, w.n);
}

static json_t *put_params(const cpm_deferred_put_t *p)
{
	char *code = pkg_malloc(BASE64_LEN((size_t)p->data.len) + 1);
	json_t *o = json_object(), *envelope = cpm_envelope_json(p->envelope);
	int rc = -1;

	if(code && o && envelope) {
		base64_encode(code, p->data.s, (size_t)p->data.len);
		rc = set_str(o, "key", p->key) | set_str(o, "user", p->user)
				| set_str(o, "sender", p->sender) | set_str(o, "type", p->type)
				| json_object_set_new(o, "kind", json_string("pager"))
				| json_object_set(o, "envelope", envelope)
				| json_object_set_new(o, "data", json_string(code))
				| json_object_set_new(
						o, "lifetime_s", json_integer(p->lifetime_s));
		if(p->next_ms >= 0)
			rc |= json_object_set_new(o, "next_ms", json_integer(p->next_ms));
		if(p->lease_ms > 0)
			rc |= json_object_set_new(o, "lease_ms", json_integer(p->lease_ms));
	}
	if(code)
		pkg_free(code);
	json_decref(envelope);
	if(rc == 0)
		return o;
	json_decref(o);
	return NULL;
}

int cpm_deferred_put(
		const cpm_deferred_put_t *p, cpm_deferred_put_f f, uint64_t id, int n)
{
	json_t *params;
	waiting_t *w;

	if(p->data.len <= 0 || p->data.len > CPM_DEFERRED_DATA_MAX)
		return -EMSGSIZE;
	errno = 0;
	params = put_params(p);
	if(params == NULL)
		return errno == E2BIG ? -EMSGSIZE : -ENOMEM;
	w = wait_new(id, n);
	if(w == NULL) {
		json_decref(params);
		return -ENOMEM;
	}
	w->f.put = f;
	return ask("deferred.put", params, on_put, w);
}

void cpm_deferred_key(str owner, str sender, str call_id, str tag, str cseq,
		char out[CPM_DEFERRED_KEY_BUF])
{
	const str v[] = {owner, sender, call_id, tag, cseq};
	uint64_t h[2] = {0, 0};

	/* no secret: two nodes, and a node that was restarted, make the same */
	for(int half = 0; half < 2; half++) {
		for(size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
			const uint64_t k[2] = {h[half], (uint64_t)half << 32 | i};

			h[half] =
					cpm_id_hash_with(k, v[i].s ? v[i].s : "", (size_t)v[i].len);
		}
	}
	snprintf(out, CPM_DEFERRED_KEY_BUF, "m-%016" PRIx64 "%016" PRIx64, h[0],
			h[1]);
}

/* ---- next ---- */

static bool read_msg(const json_t *o, cpm_deferred_msg_t *m, char **body)
{
	const json_t *imdn = json_object_get(o, "imdn");
	const json_t *cpim = json_object_get(o, "cpim");
	str data = text_of(o, "data"), kind = text_of(o, "kind");
	size_t n = 0;

	*m = (cpm_deferred_msg_t){.ref = text_of(o, "ref"),
			.user = text_of(o, "user"),
			.sender = text_of(o, "sender"),
			.fence = number_of(o, "fence"),
			.large = kind.len == 5 && memcmp(kind.s, "large", 5) == 0,
			.type = text_of(o, "type"),
			.message_id = text_of(o, "message_id"),
			.size = number_of(o, "size"),
			.lifetime_s = (uint32_t)number_of(o, "lifetime_s"),
			.attempts = (unsigned)number_of(o, "attempts"),
			.permanent = (unsigned)number_of(o, "permanent"),
			.envelope = json_object_get(o, "envelope"),
			.imdn_id = text_of(imdn, "id"),
			.imdn_negative = is_true(imdn, "negative"),
			.imdn_is = is_true(imdn, "is"),
			.cpim_from = text_of(cpim, "from"),
			.cpim_to = text_of(cpim, "to"),
			.cpim_date = text_of(cpim, "date")};
	if(m->ref.len == 0 || m->ref.len >= CPM_DEFERRED_REF_BUF
			|| m->user.len == 0)
		return false;
	if(data.len > 0) {
		*body = pkg_malloc((size_t)data.len);
		if(*body == NULL
				|| base64_decode(*body, data.s, (size_t)data.len, &n) < 0)
			return false;
		m->data = (str){*body, (int)n};
	}
	return true;
}

static void on_next(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t arg, int leg)
{
	waiting_t w = wait_take(arg);
	cpm_deferred_found_t r = {.rc = rc_of(rc, code, "next"),
			.busy = is_true(result, "busy"),
			.free_ms = (unsigned)number_of(result, "next_ms"),
			.pending = (unsigned)number_of(result, "pending")};
	const json_t *o = json_object_get(result, "message");
	cpm_deferred_msg_t m;
	char *body = NULL;

	(void)leg;
	if(r.rc == 0 && json_is_object(o)) {
		if(read_msg(o, &m, &body)) {
			r.msg = &m;
		} else {
			LM_ERR("deferred.next: an answer that cannot be read\n");
			r.rc = -EPROTO;
		}
	}
	w.f.next(&r, w.id, w.n);
	if(body)
		pkg_free(body);
}

static int ask_next(json_t *params, unsigned lease_ms, cpm_deferred_next_f f,
		uint64_t id, int n)
{
	waiting_t *w = params ? wait_new(id, n) : NULL;

	if(w == NULL
			|| json_object_set_new(params, "lease_ms", json_integer(lease_ms))
					< 0) {
		if(w)
			shm_free(w);
		json_decref(params);
		return -ENOMEM;
	}
	w->f.next = f;
	return ask("deferred.next", params, on_next, w);
}

int cpm_deferred_next(
		const cpm_deferred_ask_t *a, cpm_deferred_next_f f, uint64_t id, int n)
{
	json_t *o = json_object(), *names = json_array();
	int rc = o && names ? 0 : -1;

	for(unsigned i = 0; i < a->n_users && i < CPM_DEFERRED_USERS_MAX; i++)
		rc |= json_array_append_new(
				names, json_stringn(a->users[i].s, (size_t)a->users[i].len));
	rc |= json_object_set(o, "users", names);
	if(a->what != CPM_NEXT_DUE)
		rc |= json_object_set_new(
				o, a->what == CPM_NEXT_ANY ? "any" : "waiting", json_true());
	if(a->what != CPM_NEXT_DUE && a->pager != a->large)
		rc |= json_object_set_new(
				o, "kind", json_string(a->pager ? "pager" : "large"));
	if(a->after.len > 0)
		rc |= set_str(o, "after", a->after);
	json_decref(names);
	if(rc < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	return ask_next(o, a->lease_ms, f, id, n);
}

int cpm_deferred_claim(
		str ref, unsigned lease_ms, cpm_deferred_next_f f, uint64_t id, int n)
{
	return ask_next(
			json_pack("{s:s#}", "ref", ref.s, ref.len), lease_ms, f, id, n);
}

/* ---- settle, renew ---- */

static void on_done(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t arg, int leg)
{
	waiting_t w = wait_take(arg);
	int e = rc_of(rc, code, "settle");

	(void)leg;
	(void)result;
	if(w.f.done)
		w.f.done(e == -ENOENT ? 0 : e, w.id, w.n);
	else if(e < 0)
		LM_NOTICE(
				"a deferred message could not be settled: %s\n", strerror(-e));
}

static int ask_done(const char *method, json_t *params, cpm_deferred_done_f f,
		uint64_t id, int n)
{
	waiting_t *w = params ? wait_new(id, n) : NULL;

	if(w == NULL) {
		json_decref(params);
		return -ENOMEM;
	}
	w->f.done = f;
	return ask(method, params, on_done, w);
}

int cpm_deferred_settle(const cpm_deferred_settle_t *s, cpm_deferred_done_f f,
		uint64_t id, int n)
{
	static const char *const names[] = {[CPM_OUT_DELIVERED] = "delivered",
			[CPM_OUT_RETRY] = "retry",
			[CPM_OUT_WAIT] = "wait",
			[CPM_OUT_FAILED] = "failed",
			[CPM_OUT_EXPIRED] = "expired"};
	json_t *o = json_pack("{s:s#,s:I,s:s}", "ref", s->ref.s, s->ref.len,
			"fence", (json_int_t)s->fence, "outcome", names[s->outcome]);
	int rc = o ? 0 : -1;

	if(rc == 0 && s->outcome == CPM_OUT_RETRY)
		rc = json_object_set_new(o, "retry_ms", json_integer(s->retry_ms));
	if(rc == 0 && s->code >= 100)
		rc = json_object_set_new(o, "code", json_integer(s->code));
	if(rc == 0 && s->permanent)
		rc = json_object_set_new(o, "permanent", json_true());
	if(rc < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	return ask_done("deferred.settle", o, f, id, n);
}

int cpm_deferred_renew(str ref, uint64_t fence, unsigned lease_ms,
		cpm_deferred_done_f f, uint64_t id, int n)
{
	return ask_done("deferred.renew",
			json_pack("{s:s#,s:I,s:i}", "ref", ref.s, ref.len, "fence",
					(json_int_t)fence, "lease_ms", (int)lease_ms),
			f, id, n);
}

/* ---- news ---- */

static struct
{
	bool now;
	cpm_deferred_news_t n;
} news;

bool cpm_deferred_news(cpm_deferred_news_t *out)
{
	if(news.now)
		*out = news.n;
	return news.now;
}

void cpm_deferred_tell(cpm_deferred_event_t ev, const cpm_deferred_news_t *n)
{
	static const cpm_ev_t routes[] = {[CPM_DEFERRED_STORED] = CPM_EV_DEFERRED,
			[CPM_DEFERRED_DELIVERED] = CPM_EV_DELIVERED,
			[CPM_DEFERRED_EXPIRED] = CPM_EV_EXPIRED};
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch();

	if(ev == CPM_DEFERRED_STORED)
		cpm_stat_inc(CPM_STAT_DEFERRED);
	else if(ev == CPM_DEFERRED_DELIVERED)
		cpm_stat_inc(CPM_STAT_PUSHED);
	else
		cpm_stat_inc(n->code ? CPM_STAT_PUSH_FAILED : CPM_STAT_EXPIRED);
	LM_INFO("%.*s %s: %s, %" PRIu64
			" bytes from %.*s for %.*s, last status %d\n",
			STR_FMT(&n->ref),
			ev == CPM_DEFERRED_STORED              ? "stored"
					: ev == CPM_DEFERRED_DELIVERED ? "delivered"
					: n->code                      ? "given up"
												   : "expired",
			n->kind, n->size, STR_FMT(&n->sender), STR_FMT(&n->user), n->code);
	news.now = true;
	news.n = *n;
	cpm_tm.t_sett(T_UNDEFINED, T_BR_UNDEFINED);
	cpm_evroute_run(routes[ev]);
	cpm_tm.t_sett(saved, saved_branch);
	news.now = false;
	if(ev == CPM_DEFERRED_STORED)
		cpm_notice_kept(n->user);
}
