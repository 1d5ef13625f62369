/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's commands of docs/control-protocol.md: ping, stats, log.level,
 * reload, drain. What they do to the process is main.c's business.
 */
#include "ctl_priv.h"

#include <string.h>
#include "ctl_param.h"
#include "log/log.h"

/* These have no parameters. True when the command may go on. */
static bool take_none(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	if(params_end(&p))
		return true;
	ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	return false;
}

void ctl_ping(struct ctl_request *rq, json_t *params)
{
	if(take_none(rq, params))
		ctl_answer(rq, json_object());
}

void ctl_stats(struct ctl_request *rq, json_t *params)
{
	const struct ctl_host *host = &rq->client->server->host;

	if(take_none(rq, params))
		ctl_answer(rq, host->stats(host->arg));
}

void ctl_log_level(struct ctl_request *rq, json_t *params)
{
	static const char *const levels[] = {
			"error", "warning", "notice", "info", "debug", NULL};
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	int level = params_choice(
			&p, "level", PARAM_REQUIRED, levels, (int)log_get_level());
	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	log_notice("log level %s, by control client %u (%s)", levels[level],
			rq->client->number, rq->client->owner);
	log_set_level((enum log_level)level);
	ctl_answer(rq, json_pack("{s:s}", "level", levels[level]));
}

void ctl_reload(struct ctl_request *rq, json_t *params)
{
	const struct ctl_host *host = &rq->client->server->host;

	if(!take_none(rq, params))
		return;
	if(host->reload(host->arg) < 0)
		ctl_refuse(rq, CTL_E_INTERNAL,
				"what is in force stays; the log has the reason", NULL);
	else
		ctl_answer(rq, json_object());
}

void ctl_drain(struct ctl_request *rq, json_t *params)
{
	const struct ctl_host *host = &rq->client->server->host;

	if(!take_none(rq, params))
		return;
	log_notice("drain, by control client %u (%s)", rq->client->number,
			rq->client->owner);
	/* Answered first: the process may end at once. */
	ctl_answer(rq, json_object());
	host->drain(host->arg);
}
