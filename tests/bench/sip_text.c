// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SIP messages of sip-load as text: a CPM pager MESSAGE and a large-message
 * INVITE as a client and its core send them, the ACK and BYE of a call, and
 * answers. Only what the load tool needs of RFC 3261; it is no SIP stack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sip.h"

#define CPIM_MAX 2048 /* one message/cpim */
#define ICSI "urn%%3Aurn-7%%3A3gpp-service.ims.icsi.oma.cpm."

static size_t fit(int n)
{
	return n > 0 && n < SIP_MAX ? (size_t)n : 0;
}

struct slice_b sip_header(
		const char *msg, size_t n, const char *name, char compact)
{
	const char *p = msg, *end = msg + n;
	size_t len = strlen(name);

	while((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		const char *v = NULL, *e;

		p++;
		if(p >= end || *p == '\r')
			break;
		if((size_t)(end - p) > len + 1 && p[len] == ':'
				&& strncasecmp(p, name, len) == 0)
			v = p + len + 1;
		else if(compact && end - p > 2 && p[0] == compact && p[1] == ':')
			v = p + 2;
		if(!v)
			continue;
		e = memchr(v, '\r', (size_t)(end - v));
		if(!e)
			break;
		while(v < e && *v == ' ')
			v++;
		return (struct slice_b){v, (size_t)(e - v)};
	}
	return (struct slice_b){NULL, 0};
}

int sip_status(const char *msg, size_t n)
{
	if(n < 12 || memcmp(msg, "SIP/2.0 ", 8) != 0)
		return 0;
	return (int)strtol(msg + 8, NULL, 10);
}

long sip_number(const struct sip_load *l, const char *msg, size_t n)
{
	struct slice_b id = sip_header(msg, n, "Call-ID", 'i');
	char *end;
	long v;

	if(!id.p || id.n < 10 || memcmp(id.p, l->run, 8) != 0 || id.p[8] != '-')
		return -1;
	v = strtol(id.p + 9, &end, 10);
	return *end == '@' ? v : -1;
}

/* A message/cpim entity; its length, 0 when it does not fit. */
static int put_cpim(
		const struct sip_load *l, char *out, size_t size, uint32_t number)
{
	int b = snprintf(out, size,
			"From: <sip:alice@cpm.test>\r\nTo: <sip:bob@cpm.test>\r\n"
			"DateTime: 2026-11-21T06:00:00Z\r\n"
			"NS: imdn <urn:ietf:params:imdn>\r\n"
			"imdn.Message-ID: %s%08x\r\n"
			"imdn.Disposition-Notification: positive-delivery\r\n\r\n"
			"Content-Type: text/plain; charset=UTF-8\r\n\r\n%.*s",
			l->run, number, l->o->body_bytes,
			"A message of a person to another person, as long as such messages "
			"are in the evening, when most of them are sent: a line, a smile, "
			"the time of a train that is late again, and an answer to a "
			"question that was asked an hour ago and not forgotten.");

	return b > 0 && (size_t)b < size ? b : 0;
}

/* A MESSAGE of alice; more: further header lines. */
static size_t put_pager(const struct sip_load *l, char *out, uint32_t number,
		const char *to, const char *service, const char *more, const char *type,
		int body_n, const char *body)
{
	const struct sip_opts *o = l->o;

	return fit(snprintf(out, SIP_MAX,
			"MESSAGE %s SIP/2.0\r\n"
			"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s.%u\r\n"
			"Via: SIP/2.0/UDP 127.20.38.100:5060;branch=z9hG4bKc%s.%u\r\n"
			"Route: <sip:orig@%s:%d;lr>, <sip:mark@%s:%d;lr;d=orig;u=alice>\r\n"
			"Max-Forwards: 69\r\n"
			"From: <sip:alice@cpm.test>;tag=f%s%u\r\n"
			"To: <%s>\r\n"
			"Call-ID: %s-%u@%s\r\n"
			"CSeq: 1 MESSAGE\r\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"" ICSI "msg\"\r\n"
			"P-Preferred-Service: "
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.%s\r\n"
			"P-Asserted-Identity: <sip:alice@cpm.test>, <tel:+15550101>\r\n"
			"User-Agent: CPM-client/OMA2.2 sip-load/1.0\r\n"
			"Conversation-ID: %s-conv\r\n"
			"Contribution-ID: %s-%u\r\n%s"
			"Content-Type: %s\r\n"
			"Content-Length: %d\r\n\r\n%s",
			to, o->host, o->port, l->run, number, l->run, number,
			o->target_host, o->target_port, o->host, o->back_port, l->run,
			number, to, l->run, number, o->host, service, l->run, l->run,
			number, more, type, body_n, body));
}

size_t sip_put_message(const struct sip_load *l, char *out, uint32_t number)
{
	char body[CPIM_MAX];
	int n = put_cpim(l, body, sizeof(body), number);

	return n ? put_pager(l, out, number, "sip:bob@cpm.test", "msg", "",
				   "message/cpim", n, body)
			 : 0;
}

/* The list and the message (RFC 5365 section 6). A server that only sends as
 * many requests as it is told to reads X-Recipients. */
size_t sip_put_list(const struct sip_load *l, char *out, uint32_t number)
{
	char body[SIP_MAX], cpim[CPIM_MAX], more[100];
	size_t n;

	if(put_cpim(l, cpim, sizeof(cpim), number) == 0)
		return 0;
	n = fit(snprintf(body, sizeof(body),
			"--b1\r\nContent-Type: application/resource-lists+xml\r\n"
			"Content-Disposition: recipient-list\r\n\r\n"
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
			"<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"
			"<list>\r\n"));
	for(uint32_t i = 0; i < l->o->recipients && n < sizeof(body); i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n,
				"<entry uri=\"sip:user%u@cpm.test\"/>\r\n", i + 1);
	if(n < sizeof(body))
		n += (size_t)snprintf(body + n, sizeof(body) - n,
				"</list></resource-lists>\r\n--b1\r\n"
				"Content-Type: message/cpim\r\n\r\n%s\r\n--b1--\r\n",
				cpim);
	if(n >= sizeof(body))
		return 0;
	snprintf(more, sizeof(more),
			"Require: recipient-list-message\r\nX-Recipients: %u\r\n",
			l->o->recipients);
	return put_pager(l, out, number, "sip:exploder@cpm.test", "msg.group", more,
			"multipart/mixed;boundary=b1", (int)n, body);
}

size_t sip_put_invite(const struct sip_load *l, char *out, uint32_t number)
{
	const struct sip_opts *o = l->o;
	char sdp[1024];
	int b = snprintf(sdp, sizeof(sdp),
			"v=0\r\no=- %u 1 IN IP4 127.20.38.100\r\ns=-\r\n"
			"c=IN IP4 127.20.38.100\r\nt=0 0\r\n"
			"m=message 9 TCP/MSRP *\r\na=sendonly\r\n"
			"a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n"
			"a=path:msrp://127.20.38.100:9/c%s%u;tcp\r\n"
			"a=setup:active\r\na=msrp-cema\r\n"
			"a=file-selector:size:2000000\r\n",
			number + 1, l->run, number);

	if(b < 0 || (size_t)b >= sizeof(sdp))
		return 0;
	return fit(snprintf(out, SIP_MAX,
			"INVITE sip:bob@cpm.test SIP/2.0\r\n"
			"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s.%u\r\n"
			"Route: <sip:orig@%s:%d;lr>, <sip:mark@%s:%d;lr;d=orig;u=alice>\r\n"
			"Max-Forwards: 69\r\n"
			"From: <sip:alice@cpm.test>;tag=f%s%u\r\n"
			"To: <sip:bob@cpm.test>\r\n"
			"Call-ID: %s-%u@%s\r\n"
			"CSeq: 1 INVITE\r\n"
			"Contact: <sip:alice@%s:%d>;+g.3gpp.icsi-ref=\"" ICSI
			"largemsg\"\r\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"" ICSI "largemsg\"\r\n"
			"P-Preferred-Service: "
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg\r\n"
			"P-Asserted-Identity: <sip:alice@cpm.test>, <tel:+15550101>\r\n"
			"User-Agent: CPM-client/OMA2.2 sip-load/1.0\r\n"
			"Supported: timer\r\n"
			"Allow: INVITE, ACK, BYE, CANCEL, UPDATE, MESSAGE\r\n"
			"Conversation-ID: %s-conv\r\n"
			"Contribution-ID: %s-%u\r\n"
			"Content-Type: application/sdp\r\n"
			"Content-Length: %d\r\n\r\n%s",
			o->host, o->port, l->run, number, o->target_host, o->target_port,
			o->host, o->back_port, l->run, number, l->run, number, o->host,
			o->host, o->port, l->run, l->run, number, b, sdp));
}

size_t sip_put_ack_bye(
		const struct sip_load *l, char *out, const struct sip_call *c, bool bye)
{
	const struct sip_opts *o = l->o;

	return fit(snprintf(out, SIP_MAX,
			"%s %s SIP/2.0\r\n"
			"Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%c%s.%u\r\n"
			"Max-Forwards: 70\r\n"
			"From: <sip:alice@cpm.test>;tag=f%s%u\r\n"
			"To: %s\r\n"
			"Call-ID: %s-%u@%s\r\n"
			"CSeq: %d %s\r\n%s"
			"Content-Length: 0\r\n\r\n",
			bye ? "BYE" : "ACK", c->contact, o->host, o->port, bye ? 'b' : 'a',
			l->run, c->number, l->run, c->number, c->to, l->run, c->number,
			o->host, bye ? 2 : 1, bye ? "BYE" : "ACK",
			bye ? "Reason: SIP;cause=200;text=\"Call completed\"\r\n" : ""));
}

size_t sip_put_answer(char *out, const char *req, size_t n, const char *status,
		const char *contact, const char *sdp)
{
	struct slice_b to = sip_header(req, n, "To", 't');
	struct slice_b id = sip_header(req, n, "Call-ID", 'i');
	const char *p = req, *end = req + n;
	int k = snprintf(out, SIP_MAX, "SIP/2.0 %s\r\n", status);
	size_t at = (size_t)k;
	bool tagged = to.p && memmem(to.p, to.n, ";tag=", 5);

	/* Via, Record-Route, From, To, Call-ID, CSeq: lines as they came */
	while((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		static const char *const copied[] = {
				"Via:", "Record-Route:", "From:", "Call-ID:", "CSeq:", "To:"};
		const char *e;

		p++;
		if(p >= end || *p == '\r')
			break;
		e = memchr(p, '\r', (size_t)(end - p));
		if(!e)
			return 0;
		for(size_t i = 0; i < 6; i++) {
			if(strncasecmp(p, copied[i], strlen(copied[i])) != 0)
				continue;
			if(at + (size_t)(e - p) + 200 > SIP_MAX)
				return 0;
			memcpy(out + at, p, (size_t)(e - p));
			at += (size_t)(e - p);
			if(i == 5 && !tagged)
				at += (size_t)snprintf(out + at, SIP_MAX - at, ";tag=u%.*s",
						(int)(id.n > 20 ? 20 : id.n), id.p);
			out[at++] = '\r';
			out[at++] = '\n';
		}
	}
	k = snprintf(out + at, SIP_MAX - at,
			"%s%s%s%sContent-Length: %zu\r\n\r\n%s", contact ? "Contact: " : "",
			contact ? contact : "", contact ? "\r\n" : "",
			sdp ? "Content-Type: application/sdp\r\n" : "",
			sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	if(k < 0 || at + (size_t)k >= SIP_MAX)
		return 0;
	return at + (size_t)k;
}
