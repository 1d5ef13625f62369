/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deferred.put, next, settle and renew of docs/control-protocol.md: the life of
 * a message between the module and the store. Every answer comes out of the
 * store's callback, so what it says is durable.
 */
#include "ctl_deferred.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base64.h"
#include "deferred_head.h"
#include "log/log.h"

#define RETRY_MAX_MS (7 * 86400 * 1000) /* one week */

static void note(struct ctl_request *rq, const char *what)
{
	snprintf(rq->name, sizeof(rq->name), "%s", what ? what : "");
}

/* ---- put --------------------------------------------------------------- */

static void was_put(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;
	const struct store_message *m;
	json_t *o;

	if(rc != 0 || res->n < 1) {
		deferred_refuse(rq, rc ? rc : -EIO);
		return;
	}
	m = &res->messages[0];
	o = json_pack("{s:s, s:b, s:s, s:I}", "ref", m->ref, "duplicate",
			res->duplicate, "state", store_state_name(m->state), "expires_at",
			(json_int_t)(m->expires_at / 1000));
	if(o && m->state == STORE_DELIVERING && !res->duplicate)
		json_object_set_new(o, "fence", json_integer((json_int_t)m->fence));
	ctl_answer(rq, o);
}

/* The body and what its wrapper says of it, into *m. */
static void put_body(struct store_port *port, struct store_put *m,
		struct ctl_request *rq, const char *body, size_t n)
{
	char id[DEFERRED_TEXT_MAX], from[DEFERRED_TEXT_MAX], to[DEFERRED_TEXT_MAX],
			date[DEFERRED_TEXT_MAX], subject[DEFERRED_TEXT_MAX];
	const struct iovec part = {(void *)body, n};
	struct deferred_head head;

	(void)deferred_head_read(slice_str(m->type), slice_of(body, n), &head);
	deferred_head_id(&head, id);
	deferred_text(head.from, from);
	deferred_text(head.to, to);
	deferred_text(head.date, date);
	deferred_text(head.subject, subject);
	m->imdn_id = id;
	m->cpim_from = from;
	m->cpim_to = to;
	m->cpim_date = date;
	m->subject = subject;
	m->imdn_negative = head.negative && !head.is_imdn;
	m->body = (struct store_source){.fd = -1, .parts = &part, .n_parts = n > 0};
	store_put(port, m, was_put, rq);
}

void ctl_deferred_put(struct ctl_request *rq, json_t *params)
{
	static const char *const kinds[] = {"pager", NULL};
	struct store_put m = {.kind = STORE_PAGER};
	struct param_fault fault = {0};
	struct deferred_params d;
	struct store_port *port;
	struct params p;
	size_t len = 0, n = 0;
	char *body = NULL;

	params_begin(&p, params, "", &fault);
	deferred_params_read(&p, &d);
	params_choice(&p, "kind", PARAM_OPTIONAL, kinds, 0);
	m.type = params_words(&p, "type", PARAM_REQUIRED, RELAY_TYPE_MAX);
	m.lease_ms = (int64_t)params_u64(&p, "lease_ms", PARAM_OPTIONAL,
			DEFERRED_LEASE_MIN, DEFERRED_LEASE_MAX, 0);
	const char *data = params_str(
			&p, "data", PARAM_REQUIRED, BASE64_LEN((size_t)RELAY_PUT_MAX));
	if(data) {
		len = json_string_length(json_object_get(params, "data"));
		body = malloc(len / 4 * 3 + 1);
		if(body == NULL)
			abort();
		if(base64_decode(body, data, len, &n) != 0)
			params_fault(&p, "data", "not base64");
		else if(n > RELAY_PUT_MAX)
			params_fault(&p, "data", "more than 32768 bytes");
	}
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	} else if((port = deferred_port(rq)) != NULL) {
		note(rq, d.key);
		m.user = d.user;
		m.sender = d.sender;
		m.key = d.key;
		m.envelope = d.envelope;
		m.lifetime_ms = d.lifetime_ms;
		m.next_ms = d.next_ms;
		put_body(port, &m, rq, body, n);
	}
	deferred_params_free(&d);
	free(body);
}

/* ---- next -------------------------------------------------------------- */

/* A claim whose body is still being read. */
struct next
{
	struct ctl_request *rq;
	json_t *answer, *message;
	char type[RELAY_TYPE_MAX + 1];
	struct store_body *body;
	size_t n;
	char data[RELAY_PUT_MAX];
};

static void set_data(
		json_t *message, const char *type, const void *data, size_t n)
{
	struct store_message m = {.type = type, .size = n};
	char *text = malloc(BASE64_LEN(n) + 1);

	if(text == NULL)
		abort();
	base64_encode(text, data, n);
	json_object_set_new(message, "data", json_string(text));
	free(text);
	json_object_set_new(json_object_get(message, "imdn"), "is",
			json_boolean(deferred_is_imdn(&m, data)));
}

static void next_end(struct next *nx, int rc)
{
	struct ctl_request *rq = nx->rq;

	if(rc == 0) {
		set_data(nx->message, nx->type, nx->data, nx->n);
		ctl_answer(rq, nx->answer);
	} else {
		json_decref(nx->answer);
		deferred_refuse(rq, rc);
	}
	if(nx->body)
		store_body_close(&nx->body);
	free(nx);
}

static void body_read(void *arg, int rc, size_t n)
{
	struct next *nx = arg;

	nx->n = n;
	next_end(nx, rc);
}

static void body_open(void *arg, int rc, struct store_body *body, uint64_t size)
{
	struct next *nx = arg;

	nx->body = body;
	if(rc == 0 && size > sizeof(nx->data))
		rc = -EMSGSIZE;
	if(rc == 0 && size > 0)
		store_body_read(body, 0, nx->data, (size_t)size, body_read, nx);
	else
		next_end(nx, rc);
}

static void answer_claim(struct ctl_request *rq, const struct store_message *m,
		const struct store_result *res)
{
	int64_t now = deferred_now(rq);
	json_t *o = deferred_json(m, now);
	json_t *answer = json_pack(
			"{s:o, s:I}", "message", o, "pending", (json_int_t)res->count);
	struct next *nx;

	json_object_set_new(o, "envelope", deferred_envelope(m->envelope));
	json_object_set_new(o, "fence", json_integer((json_int_t)m->fence));
	json_object_set_new(o, "lease_ms",
			json_integer(m->lease_until > now
							? (json_int_t)(m->lease_until - now)
							: 0));
	if(m->kind == STORE_LARGE) {
		ctl_answer(rq, answer);
		return;
	}
	if(m->in_row || m->size == 0) {
		set_data(o, m->type, m->size ? m->data : "", (size_t)m->size);
		ctl_answer(rq, answer);
		return;
	}
	nx = calloc(1, sizeof(*nx));
	if(nx == NULL)
		abort();
	nx->rq = rq;
	nx->answer = answer;
	nx->message = o;
	snprintf(nx->type, sizeof(nx->type), "%s", m->type);
	store_body_open(rq->client->server->store_port, m->ref, body_open, nx);
}

static void was_claimed(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;
	json_t *o;

	if(rc != 0) {
		deferred_refuse(rq, rc);
		return;
	}
	if(res->n > 0) {
		ctl_watch_taken(rq->client->server, res->messages[0].user);
		answer_claim(rq, &res->messages[0], res);
		return;
	}
	o = json_pack("{s:n, s:I}", "message", "pending", (json_int_t)res->count);
	if(res->next_at != STORE_NEVER) {
		int64_t wait = res->next_at - deferred_now(rq);
		json_object_set_new(o, "next_ms", json_integer(wait > 0 ? wait : 0));
	}
	/* With `any` all of his can be had, unless one changes at this moment. */
	if(res->busy || (rq->any && res->count > 0))
		json_object_set_new(o, "busy", json_true());
	ctl_answer(rq, o);
}

/* One that was asked for by name and cannot be had: what is it doing? */
static void was_shown(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	if(rc != 0 || res->n < 1)
		deferred_refuse(rq, rc ? rc : -ENOENT);
	else
		ctl_answer(rq,
				json_pack("{s:n, s:i, s:s}", "message", "pending", 0, "state",
						store_state_name(res->messages[0].state)));
}

static void was_named(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	if(rc == -ESTALE)
		store_show(rq->client->server->store_port, rq->name, was_shown, rq);
	else
		was_claimed(arg, rc, res);
}

int deferred_users(struct params *p, enum param_need need, const char *names[])
{
	json_t *list = params_array(p, "users", need, 1, DEFERRED_USERS_MAX), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		size_t n = json_string_length(one);

		names[i] = json_string_value(one);
		if(names[i] == NULL || n < 1 || n > DEFERRED_NAME_MAX
				|| strlen(names[i]) != n) {
			params_fault(p, "users", "not an array of names");
			return 0;
		}
	}
	return (int)json_array_size(list);
}

void ctl_deferred_next(struct ctl_request *rq, json_t *params)
{
	static const char *const kinds[] = {"pager", "large", NULL};
	const char *users[DEFERRED_USERS_MAX];
	struct store_claim c = {.users = users};
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *ref = deferred_ref(&p, "ref", PARAM_OPTIONAL);
	c.n_users =
			deferred_users(&p, *ref ? PARAM_OPTIONAL : PARAM_REQUIRED, users);
	c.lease_ms = (int64_t)params_u64(&p, "lease_ms", PARAM_OPTIONAL,
			DEFERRED_LEASE_MIN, DEFERRED_LEASE_MAX, DEFERRED_LEASE);
	c.any = params_bool(&p, "any", PARAM_OPTIONAL, false);
	c.waiting = params_bool(&p, "waiting", PARAM_OPTIONAL, false);
	int kind = params_choice(&p, "kind", PARAM_OPTIONAL, kinds, -1);
	c.only = kind == 0  ? STORE_ONLY_PAGER
			: kind == 1 ? STORE_ONLY_LARGE
						: STORE_BOTH_KINDS;
	const char *after = deferred_ref(&p, "after", PARAM_OPTIONAL);
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	port = deferred_port(rq);
	if(port == NULL)
		return;
	c.ref = *ref ? ref : NULL;
	c.after = *after ? after : NULL;
	note(rq, *ref ? ref : users[0]);
	rq->any = c.any && c.after == NULL && c.only == STORE_BOTH_KINDS;
	store_claim(port, &c, *ref ? was_named : was_claimed, rq);
}

/* ---- settle, renew ----------------------------------------------------- */

static json_t *gone(struct ctl_request *rq)
{
	return json_pack("{s:s, s:b}", "ref", rq->name, "gone", 1);
}

static void was_settled(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;
	json_t *o;

	if(rc == -ENOENT) {
		ctl_answer(rq, gone(rq));
		return;
	}
	if(rc != 0) {
		deferred_refuse(rq, rc);
		return;
	}
	o = json_pack("{s:s, s:s}", "ref", rq->name, "state",
			store_state_name(res->state));
	if(o && res->n > 0) {
		json_object_set_new(
				o, "attempts", json_integer(res->messages[0].attempts));
		json_object_set_new(
				o, "permanent", json_integer(res->messages[0].permanent));
	}
	ctl_answer(rq, o);
}

void ctl_deferred_settle(struct ctl_request *rq, json_t *params)
{
	static const char *const outcomes[] = {
			[STORE_O_DELIVERED] = "delivered",
			[STORE_O_RETRY] = "retry",
			[STORE_O_WAIT] = "wait",
			[STORE_O_FAILED] = "failed",
			[STORE_O_EXPIRED] = "expired",
			NULL,
	};
	struct store_settle s = {0};
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	s.ref = deferred_ref(&p, "ref", PARAM_REQUIRED);
	s.fence =
			params_u64(&p, "fence", PARAM_REQUIRED, 0, (uint64_t)INT64_MAX, 0);
	s.outcome = (enum store_outcome)params_choice(
			&p, "outcome", PARAM_REQUIRED, outcomes, STORE_O_WAIT);
	s.retry_ms = (int64_t)params_u64(&p, "retry_ms",
			s.outcome == STORE_O_RETRY ? PARAM_REQUIRED : PARAM_OPTIONAL, 0,
			RETRY_MAX_MS, 0);
	s.code = (int)params_u64(&p, "code", PARAM_OPTIONAL, 100, 999, 0);
	s.permanent = params_bool(&p, "permanent", PARAM_OPTIONAL, false);
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	port = deferred_port(rq);
	if(port == NULL)
		return;
	note(rq, s.ref);
	store_settle(port, &s, was_settled, rq);
}

static void was_renewed(void *arg, int rc, const struct store_result *res)
{
	struct ctl_request *rq = arg;

	(void)res;
	if(rc != 0)
		deferred_refuse(rq, rc);
	else
		ctl_answer(rq, json_pack("{s:s}", "ref", rq->name));
}

void ctl_deferred_renew(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct store_port *port;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *ref = deferred_ref(&p, "ref", PARAM_REQUIRED);
	uint64_t fence =
			params_u64(&p, "fence", PARAM_REQUIRED, 0, (uint64_t)INT64_MAX, 0);
	uint64_t lease = params_u64(&p, "lease_ms", PARAM_REQUIRED,
			DEFERRED_LEASE_MIN, DEFERRED_LEASE_MAX, DEFERRED_LEASE);
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	port = deferred_port(rq);
	if(port == NULL)
		return;
	note(rq, ref);
	store_renew(port, ref, fence, (int64_t)lease, was_renewed, rq);
}
