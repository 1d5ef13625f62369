/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.create, session.close, session.show and session.list of
 * docs/control-protocol.md: parameters in, engine, answer out.
 */
#include "ctl_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl_content.h"
#include "ctl_leg.h"
#include "ctl_param.h"
#include "log/log.h"

#define LIST_MAX 200                    /* sessions of one page */
#define LIST_BYTES (CTL_LINE_MAX - 512) /* of one page */

static void created(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;
	json_t *legs, *o;

	if(rc != RELAY_OK || info == NULL) {
		log_limited(rc == RELAY_CONFLICT || rc == RELAY_INTERNAL ? LOG_L_WARNING
																 : LOG_L_INFO,
				"session %s: not created: %s", rq->name,
				ctl_code_text(rc ? rc : RELAY_INTERNAL));
		ctl_refuse(rq, rc ? rc : RELAY_INTERNAL, NULL, NULL);
		return;
	}
	legs = json_array();
	for(int i = 0; i < info->n_legs; i++)
		json_array_append_new(legs, ctl_json_address(&info->legs[i]));
	o = json_pack("{s:s, s:o}", "session", info->session, "legs", legs);
	if(rq->content)
		json_object_set(o, "content", rq->content);
	ctl_answer(rq, o);
}

static int count_receivers(const struct relay_leg_params *legs, int n)
{
	int receivers = 0;

	for(int i = 0; i < n; i++)
		receivers += legs[i].direction == RELAY_RECV;
	return receivers;
}

static bool same_name_twice(const struct relay_leg_params *legs, int n)
{
	for(int i = 0; i < n; i++)
		for(int k = 0; k < i; k++)
			if(strcmp(legs[i].leg, legs[k].leg) == 0)
				return true;
	return false;
}

/* Where the message comes from and how it is held. */
static void read_source(struct ctl_request *rq, struct params *p,
		struct param_fault *fault, struct relay_session_params *sp,
		struct relay_content *content, const struct store_message *stored)
{
	static const char *const answers[] = {"all", "first", NULL};
	json_t *object = params_object(p, "content", PARAM_OPTIONAL);

	sp->setup_ms = (int)params_u64(
			p, "setup_ms", PARAM_OPTIONAL, 1000, 24 * 3600 * 1000, 0);
	sp->keep = params_bool(p, "keep", PARAM_OPTIONAL, object != NULL);
	sp->answer = (enum relay_answer)params_choice(
			p, "answer", PARAM_OPTIONAL, answers, RELAY_ANSWER_ALL);
	if(object == NULL)
		return;
	ctl_content_read(object, fault, content);
	if(stored)
		ctl_content_stored(rq, stored, content);
	sp->content = content;
	if(!sp->keep)
		params_fault(p, "keep", "content is always kept");
	if(sp->max_bytes && content->bytes > sp->max_bytes)
		params_fault(p, "content.bytes", "more than max_bytes");
}

/* Nothing of this can be done to a message that is not held. */
static void need_keep(const struct relay_session_params *sp,
		const struct relay_leg_params *l, const char *prefix,
		struct param_fault *fault)
{
	struct params p = {.fault = fault};
	const char *name = l->cpim_to ? "cpim_to"
			: l->cpim_add         ? "cpim_add"
			: l->copy             ? "copy"
								  : NULL;

	snprintf(p.prefix, sizeof(p.prefix), "%s", prefix);
	if(name && l->direction == RELAY_RECV)
		params_fault(&p, name, "only of a leg that sends");
	else if(name && !sp->keep)
		params_fault(&p, name, "the session does not keep its message");
}

static void read_legs(struct ctl_request *rq, json_t *list,
		struct param_fault *fault, struct ctl_leg_args *args,
		const struct relay_session_params *sp, struct relay_leg_params *legs)
{
	for(int i = 0; i < sp->n_legs; i++) {
		char prefix[24];

		snprintf(prefix, sizeof(prefix), "legs[%d].", i);
		ctl_leg_read(json_array_get(list, (size_t)i), prefix,
				rq->client->server->tls, fault, &args[i], &legs[i]);
		need_keep(sp, &legs[i], prefix, fault);
	}
}

static void create(struct ctl_request *rq, json_t *params,
		const struct store_message *stored)
{
	struct relay_session_params sp = {.owner = rq->client->owner};
	struct relay_leg_params legs[RELAY_LEGS_MAX];
	struct ctl_leg_args *args;
	struct relay_content content = {0};
	struct param_fault fault = {0};
	struct params p;
	json_t *list;

	args = calloc(RELAY_LEGS_MAX, sizeof(*args));
	if(args == NULL)
		abort();
	params_begin(&p, params, "", &fault);
	sp.session = params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	sp.max_bytes = params_u64(
			&p, "max_bytes", PARAM_OPTIONAL, 1, (uint64_t)INT64_MAX, 0);
	sp.idle_ms = (int)params_u64(
			&p, "idle_ms", PARAM_OPTIONAL, 1000, 24 * 3600 * 1000, 0);
	read_source(rq, &p, &fault, &sp, &content, stored);
	list = params_array(&p, "legs",
			sp.content ? PARAM_OPTIONAL : PARAM_REQUIRED, sp.content ? 0 : 1,
			RELAY_LEGS_MAX);
	sp.n_legs = (int)json_array_size(list);
	read_legs(rq, list, &fault, args, &sp, legs);
	if(list && fault.name[0] == '\0'
			&& count_receivers(legs, sp.n_legs) != (sp.content ? 0 : 1))
		params_fault(&p, "legs",
				sp.content ? "with content, no leg of direction recv"
						   : "not exactly one leg of direction recv");
	if(list && fault.name[0] == '\0' && same_name_twice(legs, sp.n_legs))
		params_fault(&p, "legs", "two legs of one name");
	sp.legs = legs;
	if(params_end(&p)) {
		snprintf(rq->name, sizeof(rq->name), "%s", sp.session);
		if(content.ref && stored == NULL)
			ctl_content_lookup(rq, params, &content);
		else
			relay_session_create(rq->client->server->relay, &sp, created, rq);
	} else {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	}
	for(int i = 0; i < sp.n_legs; i++)
		ctl_leg_args_free(&args[i]);
	free(args);
}

void ctl_session_create(struct ctl_request *rq, json_t *params)
{
	create(rq, params, NULL);
}

void ctl_session_create_stored(
		struct ctl_request *rq, json_t *params, const struct store_message *m)
{
	create(rq, params, m);
}

static void shown(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if(rc != RELAY_OK || info == NULL)
		ctl_refuse(rq, rc ? rc : RELAY_UNKNOWN, NULL, NULL);
	else
		ctl_answer(rq, ctl_json_session(info, rq->offset, CTL_SESSION_MAX));
}

void ctl_session_show(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	rq->offset = (int)params_u64(
			&p, "offset", PARAM_OPTIONAL, 0, RELAY_LEGS_LIMIT, 0);
	if(params_end(&p))
		relay_session_show(rq->client->server->relay, session, shown, rq);
	else
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
}

/* A session that is not there is closed: the command may be a repetition. */
static void closed(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if((rc == RELAY_OK && info == NULL) || rc == RELAY_UNKNOWN)
		ctl_answer(rq, json_pack("{s:s, s:b}", "session", rq->name, "gone", 1));
	else if(rc != RELAY_OK)
		ctl_refuse(rq, rc, NULL, NULL);
	else
		ctl_answer(rq, ctl_json_session(info, 0, CTL_SESSION_MAX));
}

void ctl_session_close(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	bool abort_it = params_bool(&p, "abort", PARAM_OPTIONAL, false);
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	snprintf(rq->name, sizeof(rq->name), "%s", session);
	relay_session_close(
			rq->client->server->relay, session, abort_it, closed, rq);
}

/* As many of the page as fit into a line; the client asks on at the offset
 * of the first that is missing. */
static void listed(
		void *arg, int n, const struct relay_session_info *list, uint64_t total)
{
	struct ctl_request *rq = arg;
	json_t *sessions = json_array();
	size_t bytes = 0;

	for(int i = 0; i < n; i++) {
		json_t *one = ctl_json_session(&list[i], 0, LIST_BYTES / 4);

		bytes += json_dumpb(one, NULL, 0, JSON_COMPACT) + 1;
		if(bytes > LIST_BYTES) {
			json_decref(one);
			break;
		}
		json_array_append_new(sessions, one);
	}
	ctl_answer(rq,
			json_pack("{s:o, s:I}", "sessions", sessions, "total",
					(json_int_t)total));
}

void ctl_session_list(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *owner = params_name(&p, "owner", PARAM_OPTIONAL, CTL_ID_MAX);
	uint64_t offset =
			params_u64(&p, "offset", PARAM_OPTIONAL, 0, (uint64_t)INT64_MAX, 0);
	uint64_t limit =
			params_u64(&p, "limit", PARAM_OPTIONAL, 1, LIST_MAX, LIST_MAX);
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	ctl_request_is_list(rq);
	relay_session_list(rq->client->server->relay, *owner ? owner : NULL, offset,
			(int)limit, listed, rq);
}
