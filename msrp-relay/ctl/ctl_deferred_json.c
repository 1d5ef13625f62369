/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Deferred messages as parameters and as JSON. Called by the other
 * ctl_deferred*.c.
 */
#include "ctl_deferred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "deferred_head.h"
#include "log/log.h"

void deferred_params_read(struct params *p, struct deferred_params *out)
{
	json_t *envelope;
	uint64_t n;

	memset(out, 0, sizeof(*out));
	out->user = params_str(p, "user", PARAM_REQUIRED, DEFERRED_NAME_MAX);
	out->sender = params_str(p, "sender", PARAM_REQUIRED, DEFERRED_NAME_MAX);
	out->key = params_str(p, "key", PARAM_REQUIRED, DEFERRED_NAME_MAX);
	envelope = params_object(p, "envelope", PARAM_OPTIONAL);
	out->envelope =
			envelope ? json_dumps(envelope, JSON_COMPACT) : strdup("{}");
	if(out->envelope == NULL)
		params_fault(p, "envelope", "cannot be written");
	else if(strlen(out->envelope) > STORE_ENVELOPE_MAX)
		params_fault(p, "envelope", "more than 16384 bytes");
	n = params_u64(
			p, "lifetime_s", PARAM_OPTIONAL, 1, DEFERRED_LIFETIME_MAX, 0);
	out->lifetime_ms = (int64_t)n * 1000;
	n = params_u64(
			p, "next_ms", PARAM_OPTIONAL, 0, 7 * 86400 * 1000, UINT64_MAX);
	out->next_ms = n == UINT64_MAX ? STORE_NEVER : (int64_t)n;
}

void deferred_params_free(struct deferred_params *d)
{
	free(d->envelope);
	d->envelope = NULL;
}

const char *deferred_ref(
		struct params *p, const char *name, enum param_need need)
{
	const char *ref = params_str(p, name, need, STORE_REF_LEN);

	if(ref == NULL)
		return "";
	if(strlen(ref) != STORE_REF_LEN || strncmp(ref, "d-", 2) != 0
			|| strspn(ref + 2, "0123456789abcdef") != STORE_REF_LEN - 2) {
		params_fault(p, name, "not d- and 32 of 0-9 a-f");
		return "";
	}
	return ref;
}

struct store_port *deferred_port(struct ctl_request *rq)
{
	struct store_port *port = rq->client->server->store_port;

	if(port == NULL)
		ctl_refuse(rq, CTL_E_STORE, "there is no store", NULL);
	return port;
}

int deferred_code(int rc)
{
	switch(rc) {
		case -EDQUOT:
			return CTL_E_QUOTA;
		case -ENOSPC:
			return CTL_E_FULL;
		case -ENOTCONN:
		case -EIO:
		case -ECANCELED:
			return CTL_E_STORE;
		case -EAGAIN:
			return CTL_E_LIMIT;
		case -ESTALE:
			return CTL_E_CLAIM;
		case -ENOENT:
			return CTL_E_UNKNOWN;
		case -EMSGSIZE:
			return CTL_E_PARAMS;
		default:
			return CTL_E_INTERNAL;
	}
}

void deferred_refuse(struct ctl_request *rq, int rc)
{
	const char *why = store_strerror(rc);

	log_limited(rc == -ENOENT || rc == -ESTALE ? LOG_L_INFO : LOG_L_WARNING,
			"deferred message %s: %s", rq->name, why);
	ctl_refuse(rq, deferred_code(rc), why, NULL);
}

json_t *deferred_string(const char *s)
{
	json_t *o = json_string(s ? s : "");

	/* What another program has written need not be UTF-8. */
	return o ? o : json_string("(not UTF-8)");
}

json_t *deferred_envelope(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	if(json_is_object(o))
		return o;
	json_decref(o);
	return json_object();
}

static void put_int(json_t *o, const char *name, int64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

static void put_str(json_t *o, const char *name, const char *s)
{
	json_object_set_new(o, name, deferred_string(s));
}

json_t *deferred_json(const struct store_message *m, int64_t now)
{
	json_t *o = json_object(), *cpim = json_object();
	int64_t left = m->expires_at > now ? m->expires_at - now : 0;

	put_str(o, "ref", m->ref);
	put_str(o, "user", m->user);
	put_str(o, "kind", m->kind == STORE_LARGE ? "large" : "pager");
	put_str(o, "sender", m->sender);
	put_str(o, "state", store_state_name(m->state));
	put_str(o, "type", m->type);
	put_str(o, "message_id", m->message_id);
	put_int(o, "size", (int64_t)m->size);
	put_int(o, "received_at", m->received_at / 1000);
	put_int(o, "expires_at", m->expires_at / 1000);
	put_int(o, "lifetime_s", left / 1000);
	put_int(o, "attempts", m->attempts);
	put_int(o, "permanent", m->permanent);
	put_int(o, "last_code", m->last_code);
	json_object_set_new(o, "imdn",
			json_pack("{s:o, s:b}", "id", deferred_string(m->imdn_id),
					"negative", m->imdn_negative));
	put_str(cpim, "from", m->cpim_from);
	put_str(cpim, "to", m->cpim_to);
	put_str(cpim, "date", m->cpim_date);
	put_str(cpim, "subject", m->subject);
	json_object_set_new(o, "cpim", cpim);
	if(m->node[0] != '\0')
		put_str(o, "node", m->node);
	if(m->state == STORE_STORED && m->next_at != STORE_NEVER)
		put_int(o, "next_ms", m->next_at > now ? m->next_at - now : 0);
	return o;
}

bool deferred_is_imdn(const struct store_message *m, const void *body)
{
	struct deferred_head head;

	return deferred_head_read(
				   slice_str(m->type), slice_of(body, (size_t)m->size), &head)
			== 0
			&& head.is_imdn;
}
