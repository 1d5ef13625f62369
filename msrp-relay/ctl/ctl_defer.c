/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.defer, and session.create with a deferred message as its content, of
 * docs/control-protocol.md.
 */
#include "ctl_content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl_deferred.h"
#include "log/log.h"

#define WAIT_MAX_MS 25000 /* the sender gives up after 30 s */
#define WAIT_MS 20000

static void armed(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;
	json_t *o;

	if(rc != RELAY_OK || info == NULL) {
		log_limited(LOG_L_INFO, "session %s: not deferred: %s", rq->name,
				ctl_code_text(rc ? rc : RELAY_INTERNAL));
		ctl_refuse(rq, rc ? rc : RELAY_INTERNAL, NULL, NULL);
		return;
	}
	o = json_pack("{s:s, s:s}", "session", rq->name, "state",
			info->defer_state ? info->defer_state : "armed");
	if(info->ref)
		json_object_set_new(o, "ref", json_string(info->ref));
	ctl_answer(rq, o);
}

void ctl_session_defer(struct ctl_request *rq, json_t *params)
{
	static const char *const whens[] = {"failed", "now", NULL};
	struct param_fault fault = {0};
	struct relay_defer r = {0};
	struct deferred_params d;
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	deferred_params_read(&p, &d);
	r.now = params_choice(&p, "when", PARAM_OPTIONAL, whens, 0) == 1;
	r.wait_ms = (int)params_u64(
			&p, "wait_ms", PARAM_OPTIONAL, 0, WAIT_MAX_MS, WAIT_MS);
	if(params_end(&p)) {
		snprintf(rq->name, sizeof(rq->name), "%s", session);
		r.user = d.user;
		r.sender = d.sender;
		r.key = d.key;
		r.envelope = d.envelope;
		r.lifetime_ms = d.lifetime_ms;
		r.next_ms = d.next_ms;
		relay_session_defer(rq->client->server->relay, session, &r, armed, rq);
	} else {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	}
	deferred_params_free(&d);
}

/* ---- session.create with a deferred message ---------------------------- */

/* A session.create that waits for what the store says of its message. */
struct lookup
{
	struct ctl_request *rq;
	json_t *params;
	uint64_t fence;
};

static void looked_up(void *arg, int rc, const struct store_result *res)
{
	struct lookup *lk = arg;
	const struct store_message *m =
			rc == 0 && res->n > 0 ? res->messages : NULL;

	if(rc == 0 && m == NULL)
		rc = -ENOENT;
	if(rc == 0 && (m->fence != lk->fence || m->state != STORE_DELIVERING))
		rc = -ESTALE;
	if(rc == 0)
		ctl_session_create_stored(lk->rq, lk->params, m);
	else
		deferred_refuse(lk->rq, rc);
	json_decref(lk->params);
	free(lk);
}

void ctl_content_lookup(struct ctl_request *rq, json_t *params,
		const struct relay_content *content)
{
	struct store_port *port = deferred_port(rq);
	struct lookup *lk;

	if(port == NULL)
		return;
	lk = calloc(1, sizeof(*lk));
	if(lk == NULL)
		abort();
	lk->rq = rq;
	lk->params = json_incref(params);
	lk->fence = content->fence;
	store_show(port, content->ref, looked_up, lk);
}

void ctl_content_stored(struct ctl_request *rq, const struct store_message *m,
		struct relay_content *out)
{
	out->type = m->type;
	out->bytes = m->size;
	/* A pager message has no Message-ID of MSRP: its reference serves. */
	out->message_id = m->message_id[0] ? m->message_id : m->ref + 2;
	rq->content = json_pack("{s:o, s:I, s:o}", "type",
			deferred_string(out->type), "bytes", (json_int_t)out->bytes,
			"message_id", deferred_string(out->message_id));
}
