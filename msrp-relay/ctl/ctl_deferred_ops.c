/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deferred.list, show and count, and the operator's orders hold, release,
 * requeue, delete and flush of docs/control-protocol.md.
 */
#include "ctl_deferred.h"

#include <errno.h>
#include <stdio.h>
#include "log/log.h"

#define LIST_MAX 200                    /* messages of one page */
#define LIST_BYTES (CTL_LINE_MAX - 512) /* of one page */

/* True when the parameters are all right and there is a store. */
static bool may_go(
		struct ctl_request *rq, struct params *p, struct store_port **port)
{
	if(!params_end(p)) {
		ctl_refuse(rq, CTL_E_PARAMS, p->fault->why, p->fault->name);
		return false;
	}
	*port = deferred_port(rq);
	return *port != NULL;
}

/* As many of the page as fit into a line. */
static void listed(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;
	int64_t now = deferred_now(rq);
	size_t bytes = 0;
	json_t *list, *o;
	int i;

	if(rc != 0) {
		deferred_refuse(rq, rc);
		return;
	}
	list = json_array();
	for(i = 0; i < res->n; i++) {
		json_t *one = deferred_json(&res->messages[i], now);

		bytes += json_dumpb(one, NULL, 0, JSON_COMPACT) + 1;
		if(bytes > LIST_BYTES) {
			json_decref(one);
			break;
		}
		json_array_append_new(list, one);
	}
	o = json_pack("{s:o}", "messages", list);
	if(i > 0 && (i < res->n || i == rq->offset))
		json_object_set_new(
				o, "after", deferred_string(res->messages[i - 1].ref));
	ctl_answer(rq, o);
}

void ctl_deferred_list(struct ctl_request *rq, json_t *params)
{
	static const char *const states[] = {
			"stored", "delivering", "held", "expiring", NULL};
	struct param_fault fault = {0};
	struct store_port *port;
	struct store_list l = {.state = -1};
	struct params p;
	int state;

	params_begin(&p, params, "", &fault);
	l.user = params_str(&p, "user", PARAM_OPTIONAL, DEFERRED_NAME_MAX);
	state = params_choice(&p, "state", PARAM_OPTIONAL, states, -1);
	l.after = params_str(&p, "after", PARAM_OPTIONAL, STORE_REF_LEN);
	l.limit = (int)params_u64(&p, "limit", PARAM_OPTIONAL, 1, LIST_MAX, 50);
	if(!may_go(rq, &p, &port))
		return;
	if(state >= 0)
		l.state = store_state_of(states[state]);
	rq->offset = l.limit;
	ctl_request_is_list(rq);
	store_list(port, &l, listed, rq);
}

static void shown(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;
	const struct store_message *m;
	json_t *o;

	if(rc != 0 || res->n < 1) {
		deferred_refuse(rq, rc ? rc : -ENOENT);
		return;
	}
	m = &res->messages[0];
	o = deferred_json(m, deferred_now(rq));
	json_object_set_new(o, "envelope", deferred_envelope(m->envelope));
	json_object_set_new(o, "key", deferred_string(m->key));
	json_object_set_new(o, "fence", json_integer((json_int_t)m->fence));
	if(m->lease_until > 0) {
		int64_t left = m->lease_until - deferred_now(rq);
		json_object_set_new(o, "lease_ms", json_integer(left > 0 ? left : 0));
	}
	ctl_answer(rq, o);
}

void ctl_deferred_show(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *ref = deferred_ref(&p, "ref", PARAM_REQUIRED);
	if(!may_go(rq, &p, &port))
		return;
	snprintf(rq->name, sizeof(rq->name), "%s", ref);
	store_show(port, ref, shown, rq);
}

static void counted(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	if(rc != 0)
		deferred_refuse(rq, rc);
	else
		ctl_answer(rq,
				json_pack("{s:I, s:I}", "messages", (json_int_t)res->count,
						"bytes", (json_int_t)res->bytes));
}

void ctl_deferred_count(struct ctl_request *rq, json_t *params)
{
	const char *users[DEFERRED_USERS_MAX];
	struct param_fault fault = {0};
	struct store_stats st;
	struct store_port *port;
	struct params p;
	int n;

	params_begin(&p, params, "", &fault);
	n = deferred_users(&p, PARAM_OPTIONAL, users);
	if(!may_go(rq, &p, &port))
		return;
	if(n > 0) {
		snprintf(rq->name, sizeof(rq->name), "%s", users[0]);
		store_count(port, users, n, counted, rq);
		return;
	}
	/* Of all: what the store counts anyway. */
	store_stats_read(rq->client->server->store, &st);
	ctl_answer(rq,
			json_pack("{s:I, s:I, s:I}", "messages", (json_int_t)st.messages,
					"bytes", (json_int_t)st.bytes, "oldest_s",
					(json_int_t)st.oldest_seconds));
}

/* ---- orders ------------------------------------------------------------ */

static void ordered(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	if(rc != 0) {
		deferred_refuse(rq, rc);
		return;
	}
	log_notice("deferred message %s: %s, by control client %u (%s)", rq->name,
			store_state_name(res->state), rq->client->number,
			rq->client->owner);
	ctl_answer(rq,
			json_pack("{s:s, s:s}", "ref", rq->name, "state",
					store_state_name(res->state)));
}

static void order(struct ctl_request *rq, json_t *params, enum store_order what)
{
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *ref = deferred_ref(&p, "ref", PARAM_REQUIRED);
	if(!may_go(rq, &p, &port))
		return;
	snprintf(rq->name, sizeof(rq->name), "%s", ref);
	store_order(port, ref, what, ordered, rq);
}

void ctl_deferred_hold(struct ctl_request *rq, json_t *params)
{
	order(rq, params, STORE_HOLD);
}

void ctl_deferred_release(struct ctl_request *rq, json_t *params)
{
	order(rq, params, STORE_RELEASE);
}

void ctl_deferred_requeue(struct ctl_request *rq, json_t *params)
{
	order(rq, params, STORE_REQUEUE);
}

void ctl_deferred_delete(struct ctl_request *rq, json_t *params)
{
	order(rq, params, STORE_DELETE);
}

static void flushed(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	if(rc != 0) {
		deferred_refuse(rq, rc);
		return;
	}
	ctl_watch_flushed(rq->client->server);
	ctl_answer(rq, json_pack("{s:I}", "messages", (json_int_t)res->count));
}

void ctl_deferred_flush(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *user =
			params_str(&p, "user", PARAM_OPTIONAL, DEFERRED_NAME_MAX);
	if(!may_go(rq, &p, &port))
		return;
	snprintf(rq->name, sizeof(rq->name), "%.60s", user ? user : "(all)");
	store_flush(port, user, flushed, rq);
}
