/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the engine reports about sessions, legs and events, as the JSON of
 * docs/control-protocol.md. Pure: no I/O, no state.
 */
#include "ctl_deferred.h"
#include "ctl_priv.h"

/* Bytes of a session as JSON without its legs, at most. */
#define HEAD_MAX 512

const char *ctl_json_state(enum relay_leg_state state)
{
	static const char *const names[] = {
			[RELAY_LEG_NEW] = "new",
			[RELAY_LEG_WAITING] = "waiting",
			[RELAY_LEG_CONNECTING] = "connecting",
			[RELAY_LEG_BOUND] = "bound",
			[RELAY_LEG_DONE] = "done",
			[RELAY_LEG_FAILED] = "failed",
			[RELAY_LEG_CLOSED] = "closed",
	};
	return names[state];
}

static const char *transport_name(enum relay_transport t)
{
	return t == RELAY_TLS ? "tls" : "tcp";
}

static void put_str(json_t *o, const char *name, const char *value)
{
	json_t *s;

	if(value == NULL)
		return;
	/* What came from a peer need not be UTF-8. */
	s = json_string(value);
	json_object_set_new(o, name, s ? s : json_string("(not UTF-8)"));
}

static void put_u64(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

json_t *ctl_json_address(const struct relay_leg_info *leg)
{
	json_t *o = json_object();

	put_str(o, "leg", leg->leg);
	put_str(o, "path", leg->path);
	put_str(o, "host", leg->host);
	put_u64(o, "port", (uint64_t)leg->port);
	put_str(o, "transport", transport_name(leg->transport));
	put_str(o, "fingerprint", leg->fingerprint);
	put_str(o, "state", ctl_json_state(leg->state));
	return o;
}

json_t *ctl_json_leg(const struct relay_leg_info *leg)
{
	json_t *o = json_object();

	put_str(o, "leg", leg->leg);
	put_str(o, "direction", leg->direction == RELAY_RECV ? "recv" : "send");
	put_str(o, "transport", transport_name(leg->transport));
	put_str(o, "state", ctl_json_state(leg->state));
	put_str(o, "path", leg->path);
	put_str(o, "peer_path", leg->peer_path);
	put_u64(o, "bytes", leg->bytes);
	put_u64(o, "messages", leg->messages);
	put_u64(o, "queued", leg->queued);
	put_u64(o, "status", (uint64_t)leg->status);
	put_str(o, "error", leg->error);
	return o;
}

/* As many legs as fit into so many bytes. */
static json_t *legs_that_fit(
		const struct relay_session_info *info, int from, bool paths, size_t max)
{
	json_t *legs = json_array(), *leg;
	size_t n = 0;

	for(int k = from; k < info->n_legs; k++) {
		leg = ctl_json_leg(&info->legs[k]);
		if(!paths)
			json_object_del(leg, "peer_path");
		n += json_dumpb(leg, NULL, 0, JSON_COMPACT) + 1;
		if(n > max) {
			json_decref(leg);
			break;
		}
		json_array_append_new(legs, leg);
	}
	return legs;
}

json_t *ctl_json_session(
		const struct relay_session_info *info, int from, size_t max)
{
	json_t *o = json_object(), *legs;
	bool kept_all;

	put_str(o, "session", info->session);
	put_str(o, "owner", info->owner);
	put_str(o, "state", info->state);
	put_u64(o, "age_ms", info->age_ms);
	put_u64(o, "idle_ms", info->idle_ms);
	put_u64(o, "worker", (uint64_t)info->worker);
	put_u64(o, "received", info->received);
	json_object_set_new(o, "keep", json_boolean(info->keep));
	put_u64(o, "n_legs", (uint64_t)info->n_legs);
	max -= max > HEAD_MAX ? HEAD_MAX : max;
	legs = legs_that_fit(info, from, true, max);
	kept_all = from + (int)json_array_size(legs) >= info->n_legs;
	/* Many legs with long paths: the peers' paths are what can be spared. */
	if(!kept_all) {
		json_decref(legs);
		legs = legs_that_fit(info, from, false, max);
	}
	json_object_set_new(o, "legs", legs);
	return o;
}

json_t *ctl_json_event(const struct relay_event *ev, uint64_t seq)
{
	static const char *const types[] = {
			[RELAY_EV_LEG_BOUND] = "leg.bound",
			[RELAY_EV_MESSAGE_STARTED] = "message.started",
			[RELAY_EV_MESSAGE_RECEIVED] = "message.received",
			[RELAY_EV_MESSAGE_ABORTED] = "message.aborted",
			[RELAY_EV_LEG_DELIVERED] = "leg.delivered",
			[RELAY_EV_LEG_FAILED] = "leg.failed",
			[RELAY_EV_SESSION_IDLE] = "session.idle",
			[RELAY_EV_MESSAGE_DEFERRED] = "message.deferred",
			[RELAY_EV_MESSAGE_REFUSED] = "message.refused",
	};
	json_t *o = json_object();

	put_u64(o, "seq", seq);
	put_str(o, "type", types[ev->type]);
	put_str(o, "session", ev->session);
	put_str(o, "leg", ev->leg);
	if(ev->type == RELAY_EV_MESSAGE_RECEIVED
			|| ev->type == RELAY_EV_MESSAGE_ABORTED
			|| ev->type == RELAY_EV_LEG_DELIVERED
			|| ev->type == RELAY_EV_MESSAGE_DEFERRED
			|| ev->type == RELAY_EV_MESSAGE_REFUSED)
		put_u64(o, "bytes", ev->bytes);
	put_str(o, "message_id", ev->message_id);
	if(ev->type == RELAY_EV_LEG_FAILED || ev->type == RELAY_EV_MESSAGE_ABORTED)
		put_u64(o, "status", (uint64_t)ev->status);
	put_str(o, "error", ev->error);
	put_str(o, "ref", ev->ref);
	if(ev->type == RELAY_EV_LEG_DELIVERED && ev->ref && !ev->settled)
		json_object_set_new(o, "settled", json_false());
	if(ev->type == RELAY_EV_MESSAGE_DEFERRED)
		json_object_set_new(o, "duplicate", json_boolean(ev->duplicate));
	if(ev->type == RELAY_EV_MESSAGE_REFUSED)
		json_object_set_new(o, "code", json_integer(deferred_code(ev->code)));
	return o;
}
