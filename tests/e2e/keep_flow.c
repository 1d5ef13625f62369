/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Steps of keep_flow.h.
 */
#include "keep_flow.h"

#include <string.h>

void keep_start(struct own *o, const char *more)
{
	term_start(o,
			fmt("modparam(\"cpm\", \"fork_wait\", 1000)\n"
				"modparam(\"cpm\", \"push_settle\", 200)\n"
				"modparam(\"cpm\", \"push_retries\", \"1\")\n"
				"modparam(\"cpm\", \"push_lease\", 3000)\n"
				"modparam(\"cpm\", \"push_permanent\", 2)\n"
				"modparam(\"cpm\", \"defer_notify\", \"none\")\n"
				"modparam(\"cpm\", \"push_route\", \"<sip:CORE_IP:5060;lr>\")\n"
				"modparam(\"cpm\", \"imdn_route\", \"<sip:CORE_IP:5060;lr>\")\n"
				"%s",
					more ? more : ""));
}

const char *keep_body(const char *id, const char *wish)
{
	return fmt("From: <sip:alice@cpm.test>\nTo: <sip:bob@cpm.test>\n"
			   "DateTime: 2026-01-02T03:04:05Z\n"
			   "NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: %s\n%s%s%s\n"
			   "Content-Type: text/plain\n\nhello %s",
			id, wish ? "imdn.Disposition-Notification: " : "", wish ? wish : "",
			wish ? "\n" : "", id);
}

const char *keep_imdn(const char *id)
{
	return fmt("From: <sip:alice@cpm.test>\nTo: <sip:bob@cpm.test>\n"
			   "DateTime: 2026-01-02T03:04:05Z\n"
			   "NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: %s\n"
			   "imdn.Disposition-Notification: negative-delivery\n\n"
			   "Content-Type: message/imdn+xml\n"
			   "Content-Disposition: notification\n\n"
			   "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"></imdn>",
			id);
}

const char *keep_send_req(struct own *o, struct req r)
{
	const char *call_id;

	r.route = fmt("<sip:term@%s:5060;lr>, <sip:mark@%s:5060;lr;d=term>",
			o->lab->pf_ip, o->lab->core_ip);
	ua_send(o->ua, req_text(o->ua, &r, &call_id));
	return call_id;
}

const char *keep_send(struct own *o, const char *headers, const char *body)
{
	return keep_send_req(o, REQ(.headers = headers, .body = body));
}

struct sip *keep_answer(struct own *o, const char *call_id, int code)
{
	return ua_wait(o->ua, fmt("%d/MESSAGE", code), call_id, 10000);
}

const char *keep_stored(struct own *o, const char *id, const char *wish)
{
	const char *body = keep_body(id, wish);

	keep_answer(o, keep_send(o, NULL, body), 202);
	return body;
}

struct sip *keep_at(struct own *o, const char *urn)
{
	return ua_wait(o->ua, fmt("MESSAGE %s", own_gruu("bob", urn)), NULL, 15000);
}

struct sip *keep_at_sender(struct own *o)
{
	return ua_wait(o->ua, "MESSAGE sip:alice@cpm.test", NULL, 15000);
}

void keep_count(struct own *o, int n)
{
	long long is = -1;

	for(int i = 0; i < 200; i++) {
		json_t *r = lab_relayctl(o->lab, "deferred", "count", NULL);

		is = json_integer_value(json_object_get(r, "messages"));
		json_decref(r);
		if(is == n)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("%lld messages in the store, not %d", is, n);
}

int keep_sent(struct own *o)
{
	ua_idle(o->ua, 1);
	return ua_count(o->ua, "MESSAGE", NULL);
}

bool keep_same(const struct sip *m, const char *body)
{
	const char *is = sip_body(m);

	for(; *body; body++, is++) {
		if(*body == '\n' && *is == '\r')
			is++;
		if(*is != *body)
			return false;
	}
	return *is == '\0';
}
