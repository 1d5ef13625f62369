/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The core's side of registrations (reg_flow.h).
 */
#include "reg_flow.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000

static unsigned serial;

struct lab *reg_lab(struct ua **ua, const char *cfg)
{
	struct lab *lab = lab_own("LAB_WITHOUT=core isf", "LAB_CONTACTS=reg",
			fmt("LAB_CPM_CFG_EXTRA=%s", cfg ? cfg : ""), NULL);

	*ua = ua_open(lab->core_ip, lab->pf_ip);
	return lab;
}

struct sip *reg_register(struct ua *ua, const char *user, int expires,
		const char *headers, const char *body)
{
	const char *call_id = fmt("third-%d-%u", (int)getpid(), ++serial);

	ua_send(ua,
			fmt("REGISTER sip:%s:5060 SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKreg%d.%u\n"
				"Max-Forwards: 70\nFrom: <sip:%s:5060>;tag=%u\nTo: <%s>\n"
				"Call-ID: %s\nCSeq: 1 REGISTER\nContact: <sip:%s:5060>\n"
				"Expires: %d\n%sContent-Length: %zu\n\n%s",
					ua_pf_ip(ua), ua_ip(ua), (int)getpid(), serial, ua_ip(ua),
					serial, user, call_id, ua_ip(ua), expires, headers,
					sdp_length(body), body));
	return ua_wait(ua, "200/REGISTER", call_id, WAIT_MS);
}

struct watch reg_subscribe(struct ua *ua, const char *user, int timeout_ms)
{
	struct watch w = {.ua = ua, .tag = fmt("watch%u", ++serial)};
	struct sip *m;

	do {
		m = ua_wait(ua, fmt("SUBSCRIBE %s", user), NULL, timeout_ms);
	} while(m->again);
	w.sub = m;
	return w;
}

void reg_accept(struct watch *w, const struct sip *sub, int expires)
{
	bool tagged = strstr(sip_hdr(sub, "To"), ";tag=") != NULL;

	ua_send(w->ua,
			fmt("SIP/2.0 200 OK\nVia: %s\nFrom: %s\nTo: %s%s%s\nCall-ID: %s\n"
				"CSeq: %s\nContact: <sip:%s:5060>\nExpires: %d\n"
				"Content-Length: 0\n\n",
					sip_hdr(sub, "Via"), sip_hdr(sub, "From"),
					sip_hdr(sub, "To"), tagged ? "" : ";tag=",
					tagged ? "" : w->tag, sip_hdr(sub, "Call-ID"),
					sip_hdr(sub, "CSeq"), ua_ip(w->ua), expires));
}

void reg_notify_with(struct watch *w, const char *lines, const char *state,
		const char *body, int code)
{
	const char *branch = fmt("z9hG4bKnot%d.%u", (int)getpid(), ++serial);
	const char *call_id = sip_hdr(w->sub, "Call-ID");
	struct sip *m;

	w->cseq++;
	ua_send(w->ua,
			fmt("NOTIFY sip:%s:5060 SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=%s\n"
				"Max-Forwards: 70\nFrom: %s;tag=%s\nTo: %s\nCall-ID: %s\n"
				"CSeq: %d NOTIFY\nContact: <sip:%s:5060>\n%s%s%s%s"
				"Content-Length: %zu\n\n%s",
					ua_pf_ip(w->ua), ua_ip(w->ua), branch,
					sip_hdr(w->sub, "To"), w->tag, sip_hdr(w->sub, "From"),
					call_id, w->cseq, ua_ip(w->ua), lines,
					*state ? "Subscription-State: " : "", state,
					*state ? "\n" : "", sdp_length(body), body));
	m = ua_wait(w->ua, fmt("%d/NOTIFY", code), call_id, WAIT_MS);
	cr_assert(strstr(sip_hdr(m, "Via"), branch) != NULL,
			"another NOTIFY was answered so: %s", m->text);
}

void reg_notify(struct watch *w, const char *state, const char *body, int code)
{
	reg_notify_with(w, "Event: reg\nContent-Type: application/reginfo+xml\n",
			state, body, code);
}

const char *reg_doc(int version, const char *state, const char *contacts)
{
	const char *reg = *contacts ? "active" : "terminated";

	return fmt("<?xml version=\"1.0\"?>\n"
			   "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" "
			   "xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" version=\"%d\" "
			   "state=\"%s\">\n"
			   "<registration aor=\"sip:bob@cpm.test\" id=\"s\" "
			   "state=\"%s\">%s</registration>\n"
			   "<registration aor=\"tel:+15550102\" id=\"t\" "
			   "state=\"%s\">%s</registration>\n</reginfo>\n",
			version, state, reg, contacts, reg, contacts);
}

const char *reg_contact(const char *id, const char *state, const char *event,
		const char *uri, const char *instance, const char *services)
{
	const char *refs = "", *params = "";

	for(const char *s = services; s && *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");

		refs = fmt("%s%surn%%3Aurn-7%%3A3gpp-service.ims.icsi.oma.cpm.%.*s",
				refs, *refs ? "," : "", (int)n, s);
		s += n;
	}
	if(services)
		params = fmt("<unknown-param name=\"+g.3gpp.icsi-ref\">\"%s\""
					 "</unknown-param>",
				refs);
	if(instance)
		params = fmt("%s<unknown-param name=\"+sip.instance\">\"&lt;%s&gt;\""
					 "</unknown-param>",
				params, instance);
	return fmt("<contact id=\"%s\" state=\"%s\" event=\"%s\"><uri>%s</uri>%s"
			   "</contact>",
			id, state, event, uri, params);
}

void reg_clients(struct lab *lab, const char *user, int n)
{
	const char *command = fmt("cpm.clients %s", user);

	for(int ms = 0; ms < WAIT_MS; ms += 50) {
		if(lab_rpc_number(lab, command, "clients") == n)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("%s has not got %d clients: %s", user, n,
			lab_rpc(lab, "cpm", command));
}

void reg_says(struct lab *lab, const char *user, const char *text)
{
	const char *command = fmt("cpm.clients %s", user);

	for(int ms = 0; ms < WAIT_MS; ms += 50) {
		if(strstr(lab_rpc(lab, "cpm", command), text) != NULL)
			return;
		sleep_ms(50);
	}
	cr_assert_fail(
			"%s: no \"%s\" in %s", user, text, lab_rpc(lab, "cpm", command));
}
