/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * leg.add, leg.start and leg.close of docs/control-protocol.md, and the leg
 * objects that session.create has too.
 */
#include "ctl_leg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cpim.h"
#include "ctl_priv.h"
#include "log/log.h"
#include "msrp_uri.h"

#define HOST_MAX 255        /* bytes of a host name or address */
#define FINGERPRINT_MAX 128 /* bytes; SHA-256 needs 103 */

static void need_fingerprint_form(struct params *p, const char *fp)
{
	size_t n = 0;

	if(fp == NULL)
		return;
	if(strncmp(fp, "SHA-256 ", 8) == 0) {
		for(fp += 8; n < 32; n++, fp += *fp == ':') {
			if(strspn(fp, "0123456789abcdefABCDEF") < 2)
				break;
			fp += 2;
			if(n < 31 && *fp != ':')
				break;
		}
	}
	if(n != 32 || *fp != '\0')
		params_fault(p, "fingerprint", "not SHA-256 with 32 bytes AB:CD:..");
}

static void read_peer(json_t *object, const char *prefix,
		struct param_fault *fault, struct ctl_leg_args *args)
{
	struct relay_peer *peer = &args->peer;
	struct params p;

	params_begin(&p, object, prefix, fault);
	peer->path = params_words(&p, "path", PARAM_REQUIRED, RELAY_PATH_MAX);
	peer->host = params_str(&p, "host", PARAM_OPTIONAL, HOST_MAX);
	peer->port = (int)params_u64(&p, "port", PARAM_OPTIONAL, 1, 65535, 0);
	peer->max_bytes = params_u64(
			&p, "max_bytes", PARAM_OPTIONAL, 1, (uint64_t)INT64_MAX, 0);
	peer->fingerprint =
			params_words(&p, "fingerprint", PARAM_OPTIONAL, FINGERPRINT_MAX);
	need_fingerprint_form(&p, peer->fingerprint);
	args->accept_types = params_join(&p, "accept_types");
	args->accept_wrapped_types = params_join(&p, "accept_wrapped_types");
	peer->accept_types = args->accept_types;
	peer->accept_wrapped_types = args->accept_wrapped_types;
	if(peer->path && msrp_path_parse(slice_str(peer->path), NULL, NULL) < 1)
		params_fault(&p, "path", "not an MSRP path");
	params_end(&p);
}

/* connect, match and chunk_bytes stand beside peer in the object `p`. */
static void read_how(
		struct params *p, struct relay_peer *peer, enum param_need need_connect)
{
	static const char *const matches[] = {"session-id", "full", NULL};

	peer->connect = params_bool(p, "connect", need_connect, false);
	peer->match_full =
			params_choice(p, "match", PARAM_OPTIONAL, matches, 0) == 1;
	peer->chunk_bytes =
			params_u64(p, "chunk_bytes", PARAM_OPTIONAL, 256, 1u << 30, 0);
}

void ctl_leg_args_free(struct ctl_leg_args *args)
{
	free(args->accept_types);
	free(args->accept_wrapped_types);
	memset(args, 0, sizeof(*args));
}

void ctl_leg_read(json_t *object, const char *prefix, bool tls,
		struct param_fault *fault, struct ctl_leg_args *args,
		struct relay_leg_params *out)
{
	static const char *const directions[] = {"recv", "send", NULL};
	static const char *const transports[] = {"tcp", "tls", NULL};
	struct params p;
	json_t *peer;

	memset(args, 0, sizeof(*args));
	memset(out, 0, sizeof(*out));
	params_begin(&p, object, prefix, fault);
	out->leg = params_name(&p, "leg", PARAM_REQUIRED, RELAY_LEG_MAX);
	out->direction = (enum relay_direction)params_choice(
			&p, "direction", PARAM_REQUIRED, directions, RELAY_RECV);
	out->transport = (enum relay_transport)params_choice(
			&p, "transport", PARAM_REQUIRED, transports, RELAY_TCP);
	if(out->transport == RELAY_TLS && !tls)
		params_fault(&p, "transport", "tls is not configured");
	out->cpim_to = params_words(&p, "cpim_to", PARAM_OPTIONAL, RELAY_PATH_MAX);
	if(out->cpim_to && strpbrk(out->cpim_to, "<> ") != NULL)
		params_fault(&p, "cpim_to", "not a URI");
	out->cpim_add = params_words(&p, "cpim_add", PARAM_OPTIONAL, CPIM_LINE_MAX);
	if(out->cpim_add && !cpim_line_ok(slice_str(out->cpim_add)))
		params_fault(&p, "cpim_add", "not a header line");
	out->copy = params_bool(&p, "copy", PARAM_OPTIONAL, false);
	peer = params_object(&p, "peer", PARAM_OPTIONAL);
	read_how(&p, &args->peer, peer ? PARAM_REQUIRED : PARAM_OPTIONAL);
	if(peer) {
		char sub[48];

		snprintf(sub, sizeof(sub), "%speer.", prefix);
		read_peer(peer, sub, fault, args);
		out->peer = &args->peer;
	}
	params_end(&p);
}

static void note_leg(
		struct ctl_request *rq, const char *session, const char *leg)
{
	snprintf(rq->name, sizeof(rq->name), "%s", session);
	snprintf(rq->leg, sizeof(rq->leg), "%s", leg);
}

static void refuse_leg(struct ctl_request *rq, int rc)
{
	log_limited(LOG_L_INFO, "session %s leg %s: %s", rq->name, rq->leg,
			ctl_code_text(rc));
	ctl_refuse(rq, rc, NULL, NULL);
}

static void added(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if(rc != RELAY_OK || info == NULL || info->n_legs < 1)
		refuse_leg(rq, rc ? rc : RELAY_INTERNAL);
	else
		ctl_answer(rq, ctl_json_address(&info->legs[0]));
}

void ctl_leg_add(struct ctl_request *rq, json_t *params)
{
	struct relay_leg_params leg = {0};
	struct ctl_leg_args args = {0};
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	json_t *object = params_object(&p, "leg", PARAM_REQUIRED);

	if(object)
		ctl_leg_read(
				object, "leg.", rq->client->server->tls, &fault, &args, &leg);
	if(object && fault.name[0] == '\0' && leg.direction != RELAY_SEND)
		params_fault(&p, "leg.direction", "only send can be added");
	if(params_end(&p)) {
		note_leg(rq, session, leg.leg);
		relay_leg_add(rq->client->server->relay, session, &leg, added, rq);
	} else {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	}
	ctl_leg_args_free(&args);
}

static void started(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if(rc != RELAY_OK || info == NULL || info->n_legs < 1)
		refuse_leg(rq, rc ? rc : RELAY_INTERNAL);
	else
		ctl_answer(rq,
				json_pack("{s:s, s:s, s:s}", "session", rq->name, "leg",
						rq->leg, "state", ctl_json_state(info->legs[0].state)));
}

void ctl_leg_start(struct ctl_request *rq, json_t *params)
{
	struct ctl_leg_args args = {0};
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	const char *leg = params_name(&p, "leg", PARAM_REQUIRED, RELAY_LEG_MAX);
	json_t *peer = params_object(&p, "peer", PARAM_REQUIRED);

	read_how(&p, &args.peer, PARAM_REQUIRED);
	if(peer)
		read_peer(peer, "peer.", &fault, &args);
	if(params_end(&p)) {
		note_leg(rq, session, leg);
		relay_leg_start(rq->client->server->relay, session, leg, &args.peer,
				started, rq);
	} else {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
	}
	ctl_leg_args_free(&args);
}

static void leg_closed(void *arg, int rc, const struct relay_session_info *info)
{
	struct ctl_request *rq = arg;

	if((rc == RELAY_OK && (info == NULL || info->n_legs < 1))
			|| rc == RELAY_UNKNOWN) {
		ctl_answer(rq,
				json_pack("{s:s, s:s, s:b}", "session", rq->name, "leg",
						rq->leg, "gone", 1));
	} else if(rc != RELAY_OK) {
		refuse_leg(rq, rc);
	} else {
		json_t *o = ctl_json_leg(&info->legs[0]);

		json_object_set_new(o, "session", json_string(rq->name));
		ctl_answer(rq, o);
	}
}

void ctl_leg_close(struct ctl_request *rq, json_t *params)
{
	struct param_fault fault = {0};
	struct params p;

	params_begin(&p, params, "", &fault);
	const char *session =
			params_name(&p, "session", PARAM_REQUIRED, RELAY_ID_MAX);
	const char *leg = params_name(&p, "leg", PARAM_REQUIRED, RELAY_LEG_MAX);

	if(!params_end(&p)) {
		ctl_refuse(rq, CTL_E_PARAMS, fault.why, fault.name);
		return;
	}
	note_leg(rq, session, leg);
	relay_leg_close(rq->client->server->relay, session, leg, leg_closed, rq);
}
