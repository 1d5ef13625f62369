/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * content.put of docs/control-protocol.md, and the content object of
 * session.create: a message that comes over the control socket.
 */
#include "ctl_content.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base64.h"
#include "ctl_deferred.h"
#include "ctl_priv.h"
#include "log/log.h"
#include "msrp/parse.h"

void ctl_content_read(
		json_t *object, struct param_fault *fault, struct relay_content *out)
{
	struct params p;

	params_begin(&p, object, "content.", fault);
	if(json_object_get(object, "deferred")) {
		out->ref = deferred_ref(&p, "deferred", PARAM_REQUIRED);
		out->fence = params_u64(
				&p, "fence", PARAM_REQUIRED, 1, (uint64_t)INT64_MAX, 1);
		out->lease_ms = (int)params_u64(&p, "lease_ms", PARAM_OPTIONAL,
				DEFERRED_LEASE_MIN, DEFERRED_LEASE_MAX, DEFERRED_LEASE);
		params_end(&p);
		return;
	}
	out->type = params_words(&p, "type", PARAM_REQUIRED, RELAY_TYPE_MAX);
	out->bytes =
			params_u64(&p, "bytes", PARAM_REQUIRED, 1, (uint64_t)INT64_MAX, 1);
	out->message_id =
			params_str(&p, "message_id", PARAM_REQUIRED, MSRP_IDENT_MAX);
	if(out->message_id && !msrp_ident_ok(slice_str(out->message_id)))
		params_fault(&p, "message_id", "not an MSRP ident");
	params_end(&p);
}

static void put(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if(rc != RELAY_OK || info == NULL) {
		log_limited(LOG_L_INFO, "session %s: content refused: %s", rq->name,
				ctl_code_text(rc ? rc : RELAY_INTERNAL));
		ctl_refuse(rq, rc ? rc : RELAY_INTERNAL, NULL, NULL);
		return;
	}
	ctl_answer(rq,
			json_pack("{s:s, s:I}", "session", rq->name, "received",
					(json_int_t)info->received));
}

void ctl_content_put(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct relay_put piece = {0};
	struct params p;
	size_t len = 0;
	char *bytes = NULL;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	piece.offset =
			params_u64(&p, "offset", PARAM_REQUIRED, 0, (uint64_t)INT64_MAX, 0);
	const char *data = params_str(
			&p, "data", PARAM_REQUIRED, BASE64_LEN((size_t)RELAY_PUT_MAX));
	piece.last = params_bool(&p, "last", PARAM_OPTIONAL, false);
	if(data) {
		len = json_string_length(json_object_get(params, "data"));
		bytes = malloc(len / 4 * 3 + 1);
		if(bytes == NULL)
			abort();
		if(base64_decode(bytes, data, len, &piece.n) != 0)
			params_fault(&p, "data", "not base64");
		else if(piece.n > RELAY_PUT_MAX)
			params_fault(&p, "data", "more than 32768 bytes");
		piece.data = bytes;
	}
	if(params_end(&p)) {
		snprintf(rq->name, sizeof(rq->name), "%s", session);
		relay_content_put(rq->client->server->relay, session, &piece, put, rq);
	} else {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	}
	free(bytes);
}
