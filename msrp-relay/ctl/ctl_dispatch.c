/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a line to the command that carries it out: the table of methods, and
 * hello, which has to come first. Called by ctl_client.c for each line.
 */
#include "ctl_priv.h"

#include <stdio.h>
#include <string.h>
#include "ctl_param.h"
#include "log/log.h"

static const struct
{
	const char *name;
	ctl_method *run;
} methods[] = {
		{"hello", ctl_hello},
		{"ping", ctl_ping},
		{"session.create", ctl_session_create},
		{"session.close", ctl_session_close},
		{"session.show", ctl_session_show},
		{"session.list", ctl_session_list},
		{"content.put", ctl_content_put},
		{"session.defer", ctl_session_defer},
		{"deferred.put", ctl_deferred_put},
		{"deferred.next", ctl_deferred_next},
		{"deferred.settle", ctl_deferred_settle},
		{"deferred.renew", ctl_deferred_renew},
		{"deferred.list", ctl_deferred_list},
		{"deferred.show", ctl_deferred_show},
		{"deferred.count", ctl_deferred_count},
		{"deferred.hold", ctl_deferred_hold},
		{"deferred.release", ctl_deferred_release},
		{"deferred.requeue", ctl_deferred_requeue},
		{"deferred.delete", ctl_deferred_delete},
		{"deferred.flush", ctl_deferred_flush},
		{"leg.add", ctl_leg_add},
		{"leg.start", ctl_leg_start},
		{"leg.close", ctl_leg_close},
		{"stats", ctl_stats},
		{"log.level", ctl_log_level},
		{"reload", ctl_reload},
		{"drain", ctl_drain},
};

static ctl_method *find(const char *name)
{
	for(size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if(strcmp(methods[i].name, name) == 0)
			return methods[i].run;
	return NULL;
}

void ctl_hello(struct ctl_request *rq, json_t *params)
{
	struct ctl_client *c = rq->client;
	const struct ctl_server *s = c->server;
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	uint64_t version =
			params_u64(&p, "version", PARAM_REQUIRED, 0, INT32_MAX, 0);
	const char *owner = params_name(&p, "owner", PARAM_REQUIRED, CTL_ID_MAX);
	bool events = params_bool(&p, "events", PARAM_OPTIONAL, false);
	bool deferred = params_bool(&p, "deferred", PARAM_OPTIONAL, false);

	if(deferred && !events)
		params_fault(&p, "deferred", "needs events");

	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	/* The client names the highest it speaks; every version includes 1. */
	if(version < CTL_VERSION) {
		ctl_refuse(rq, CTL_E_VERSION, NULL, NULL);
		return;
	}
	snprintf(c->owner, sizeof(c->owner), "%s", owner);
	c->events = events;
	c->deferred = deferred;
	if(deferred)
		ctl_watch_missed(c->server);
	log_debug("control client %u is %s", c->number, c->owner);
	ctl_answer(rq,
			json_pack("{s:i, s:s, s:s, s:i}", "version", CTL_VERSION, "server",
					"msrp-relay/" CPM_VERSION, "boot", s->host.boot, "workers",
					s->n_workers));
}

/* What is no request gets the error with its id, when it had one. */
static void refuse_line(struct ctl_client *c, int code, json_t *id)
{
	size_t n = 0;
	char *line = ctl_encode_error(id, code, NULL, NULL, &n);

	log_limited(LOG_L_WARNING, "control client %u (%s, pid %d): %s", c->number,
			c->owner, (int)c->pid, ctl_code_text(code));
	ctl_client_send(c, line, n);
}

void ctl_dispatch(struct ctl_client *c, const char *line, size_t n)
{
	struct ctl_msg m;
	int code = ctl_decode(line, n, &m);

	/* Without an id there would be no answer, and with it no notice of a
	 * fault: notifications are not taken from clients. */
	if(code == 0 && m.kind != CTL_REQUEST)
		code = CTL_E_REQUEST;
	if(code != 0) {
		refuse_line(c, code, m.id);
		ctl_msg_clear(&m);
		return;
	}

	ctl_method *run = find(m.method);
	struct ctl_request *rq = ctl_request_new(c, m.id);
	json_t *params = m.params ? json_incref(m.params) : json_object();

	if(run == NULL)
		ctl_refuse(rq, CTL_E_METHOD, NULL, m.method);
	else if(c->owner[0] == '\0' && run != ctl_hello)
		ctl_refuse(rq, CTL_E_HELLO, NULL, NULL);
	else
		run(rq, params);
	json_decref(params);
	ctl_msg_clear(&m);
}
