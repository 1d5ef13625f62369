/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test peer of b2b_ua.h: one UDP socket, a list of what has come, and text
 * templates. Used by test_b2b_*.c.
 */
#include "b2b_ua.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define PACKET_MAX 65535

struct ua
{
	int fd;
	const char *ip;
	const char *pf_ip;
	struct timespec born;
	struct sip *first, **last;
};

static unsigned serial;

static unsigned long age_ms(struct ua *ua)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)((now.tv_sec - ua->born.tv_sec) * 1000
			+ (now.tv_nsec - ua->born.tv_nsec) / 1000000);
}

struct ua *ua_open(const char *ip, const char *pf_ip)
{
	struct ua *ua = calloc(1, sizeof(*ua));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5060)};
	int one = 1, room = 4 << 20;

	ua->ip = strdup(ip);
	ua->pf_ip = strdup(pf_ip);
	ua->last = &ua->first;
	clock_gettime(CLOCK_MONOTONIC, &ua->born);
	ua->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(ua->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(ua->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	inet_pton(AF_INET, ip, &a.sin_addr);
	if(bind(ua->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		cr_assert_fail("%s:5060 cannot be bound", ip);
	inet_pton(AF_INET, pf_ip, &a.sin_addr);
	if(connect(ua->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
		cr_assert_fail("no way to %s:5060", pf_ip);
	return ua;
}

void ua_send(struct ua *ua, const char *text)
{
	char *wire = malloc(2 * strlen(text) + 1);
	size_t n = 0;

	for(const char *p = text; *p; p++) {
		if(*p == '\n' && (p == text || p[-1] != '\r'))
			wire[n++] = '\r';
		wire[n++] = *p;
	}
	ua_put(ua, wire, n);
	free(wire);
}

void ua_put(struct ua *ua, const void *p, size_t n)
{
	if(send(ua->fd, p, n, 0) != (ssize_t)n)
		cr_log_warn("a packet to %s could not be sent", ua->pf_ip);
}

const char *ua_ip(const struct ua *ua)
{
	return ua->ip;
}

const char *ua_pf_ip(const struct ua *ua)
{
	return ua->pf_ip;
}

static void keep(struct ua *ua, const char *text)
{
	struct sip *m = calloc(1, sizeof(*m));
	char method[16] = "";

	m->text = strdup(text);
	m->at = age_ms(ua);
	if(strncmp(text, "SIP/2.0 ", 8) == 0) {
		m->code = (int)strtol(text + 8, NULL, 10);
		sscanf(sip_hdr(m, "CSeq"), "%*s %15s", method);
	} else {
		sscanf(text, "%15s", method);
	}
	memcpy(m->method, method, sizeof(method));
	for(struct sip *e = ua->first; e && !m->again; e = e->next)
		m->again = strcmp(e->text, m->text) == 0;
	*ua->last = m;
	ua->last = &m->next;
}

/* Read for so long, or until one packet has come. */
static bool receive(struct ua *ua, int timeout_ms)
{
	static char buf[PACKET_MAX + 1];
	struct pollfd p = {.fd = ua->fd, .events = POLLIN};
	ssize_t n;

	if(poll(&p, 1, timeout_ms) <= 0)
		return false;
	n = recv(ua->fd, buf, PACKET_MAX, 0);
	if(n <= 4)
		return true; /* a keep-alive, or an ICMP error */
	buf[n] = '\0';
	keep(ua, buf);
	return true;
}

static bool fits(const struct sip *m, const char *what, const char *call_id)
{
	const char *space = strchr(what, ' '), *slash = strchr(what, '/');

	if(space)
		return m->code == 0 && strncmp(m->text, what, strlen(what)) == 0
				&& m->text[strlen(what)] == ' ';
	if(call_id && strcmp(sip_hdr(m, "Call-ID"), call_id) != 0)
		return false;
	if(slash == NULL)
		return m->code == 0 && strcmp(m->method, what) == 0;
	if(m->code == 0 || strcmp(m->method, slash + 1) != 0)
		return false;
	if(strncmp(what + 1, "xx", 2) == 0)
		return m->code / 100 == what[0] - '0';
	return m->code == (int)strtol(what, NULL, 10);
}

struct sip *ua_poll(
		struct ua *ua, const char *what, const char *call_id, int timeout_ms)
{
	unsigned long end = age_ms(ua) + (unsigned long)timeout_ms;

	while(true) {
		unsigned long now;

		for(struct sip *m = ua->first; m; m = m->next) {
			/* a retransmission is nobody's first request */
			if(m->again && m->code == 0 && call_id == NULL)
				continue;
			if(!m->taken && fits(m, what, call_id)) {
				m->taken = true;
				return m;
			}
		}
		now = age_ms(ua);
		if(now >= end)
			return NULL;
		receive(ua, (int)(end - now));
	}
}

struct sip *ua_wait(
		struct ua *ua, const char *what, const char *call_id, int timeout_ms)
{
	struct sip *m = ua_poll(ua, what, call_id, timeout_ms);

	if(m == NULL) {
		for(m = ua->first; m; m = m->next)
			cr_log_warn("%lu ms: %.*s", m->at, (int)strcspn(m->text, "\r"),
					m->text);
		cr_assert_fail("%s did not come within %d ms", what, timeout_ms);
	}
	return m;
}

static int count(
		struct ua *ua, const char *what, const char *call_id, bool again)
{
	int n = 0;

	while(receive(ua, 0))
		;
	for(struct sip *m = ua->first; m; m = m->next)
		n += (again || !m->again) && fits(m, what, call_id);
	return n;
}

int ua_count(struct ua *ua, const char *what, const char *call_id)
{
	return count(ua, what, call_id, false);
}

int ua_count_all(struct ua *ua, const char *what, const char *call_id)
{
	return count(ua, what, call_id, true);
}

void ua_idle(struct ua *ua, int ms)
{
	unsigned long end = age_ms(ua) + (unsigned long)ms, now;

	while((now = age_ms(ua)) < end)
		receive(ua, (int)(end - now));
}

const char *sip_hdr(const struct sip *m, const char *name)
{
	size_t n = strlen(name);

	for(const char *p = m->text; *p; p += strcspn(p, "\n")) {
		if(*p == '\n')
			p++;
		if(*p == '\r')
			break;
		if(strncasecmp(p, name, n) == 0 && p[n] == ':') {
			const char *v = p + n + 1;

			v += strspn(v, " \t");
			return strndup(v, strcspn(v, "\r\n"));
		}
	}
	return "";
}

const char *sip_body(const struct sip *m)
{
	const char *p = strstr(m->text, "\r\n\r\n");

	return p ? p + 4 : "";
}

static const char *uri_in(const char *value)
{
	const char *open = strchr(value, '<');

	if(open == NULL)
		return strndup(value, strcspn(value, ";"));
	return strndup(open + 1, strcspn(open + 1, ">"));
}

/* ---- SDP ------------------------------------------------------------------
 */

static const char *sdp_text(const char *ip, int port, const char *path,
		const char *dir, const char *setup)
{
	return fmt("v=0\n"
			   "o=- 1 1 IN IP4 %s\n"
			   "s=-\n"
			   "c=IN IP4 %s\n"
			   "t=0 0\n"
			   "m=message %d TCP/MSRP *\n"
			   "a=path:msrp://%s:%d/%s;tcp\n"
			   "a=accept-types:message/cpim\n"
			   "a=accept-wrapped-types:*\n"
			   "%s%s%s"
			   "a=%s\n"
			   "%s"
			   "a=msrp-cema\n",
			ip, ip, port, ip, port, path, setup ? "a=setup:" : "",
			setup ? setup : "", setup ? "\n" : "", dir,
			strcmp(dir, "sendonly") == 0 ? "a=file-selector:size:2048\n" : "");
}

const char *sdp_offer(const char *setup)
{
	return sdp_text("127.0.0.1", 40000, "s1a2b3c4d5", "sendonly", setup);
}

const char *sdp_offer_path(const char *id)
{
	return sdp_text("127.0.0.1", 40000, id, "sendonly", "actpass");
}

/* Passive by default would make the relay connect to nobody. */
const char *sdp_answer(const char *setup)
{
	return sdp_text("127.0.0.1", 41000, "r1a2b3c4d5", "recvonly", setup);
}

const char *sdp_answer_at(int port, const char *id)
{
	return sdp_text("127.0.0.1", port, id, "recvonly", "passive");
}

/* ---- originator ------------------------------------------------------------
 */

#define ICSI                                                                   \
	"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."          \
	"largemsg\""

static const char *const usual_headers[][2] = {
		{"Contact", "<sip:alice@127.0.0.100:5060>;" ICSI},
		{"Accept-Contact", "*;" ICSI},
		{"P-Preferred-Service",
				"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg"},
		{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
		{"Conversation-ID", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		{"Contribution-ID", "abcdef-1234-5678-90ab-cdef01234567"},
		{"User-Agent", "CPM-client/OMA2.2 test"}, {"Supported", "timer"},
		{"Session-Expires", "1800"}, {"Max-Forwards", "69"},
		{"Allow", "INVITE, ACK, CANCEL, BYE, UPDATE"}};

/* Is there a line of that name among these? */
static bool has_line(const char *lines, const char *name)
{
	return lines && strcasestr(fmt("\n%s", lines), fmt("\n%s:", name)) != NULL;
}

static const char *headers_of(const struct invite_opt *o)
{
	const char *all = o && o->headers ? o->headers : "";

	for(size_t i = 0; i < sizeof(usual_headers) / sizeof(*usual_headers); i++) {
		const char *name = usual_headers[i][0];

		if(o && o->without && strcasecmp(o->without, name) == 0)
			continue;
		if(o && has_line(o->headers, name))
			continue;
		all = fmt("%s: %s\n%s", name, usual_headers[i][1], all);
	}
	return all;
}

size_t sdp_length(const char *body)
{
	size_t n = 0;

	for(const char *p = body; *p; p++)
		n += *p == '\n' && (p == body || p[-1] != '\r') ? 2 : 1;
	return n;
}

struct call *call_invite(struct ua *ua, const struct invite_opt *o)
{
	struct call *c = calloc(1, sizeof(*c));
	const char *to = o && o->to ? o->to : "sip:bob@cpm.test";
	const char *sdp = o && o->sdp ? o->sdp : sdp_offer("actpass");
	const char *type = o && o->type ? o->type : "application/sdp";
	const char *next =
			o && o->next ? o->next : fmt("sip:mark@%s:5060;lr", ua->ip);

	c->ua = ua;
	c->cseq = 1;
	c->call_id = fmt("%d-%u-%lu@test", (int)getpid(), ++serial, age_ms(ua));
	c->local = fmt("\"Alice\" <sip:alice@cpm.test>;tag=a%u", serial);
	c->remote = fmt("<%s>", to);
	c->route = "";
	c->branch = fmt("z9hG4bK%d.%u", (int)getpid(), serial);
	c->invite = fmt("INVITE %s SIP/2.0\n"
					"Via: SIP/2.0/UDP %s:5060;branch=%s\n"
					"Record-Route: <sip:%s:5060;lr>\n"
					"Route: <sip:%s@%s:5060;lr>, <%s>\n"
					"From: %s\nTo: %s\nCall-ID: %s\nCSeq: 1 INVITE\n"
					"%s%s%s%sContent-Length: %zu\n\n%s",
			to, ua->ip, c->branch, ua->ip, o && o->half ? o->half : "orig",
			ua->pf_ip, next, c->local, c->remote, c->call_id, headers_of(o),
			*sdp ? "Content-Type: " : "", *sdp ? type : "", *sdp ? "\n" : "",
			sdp_length(sdp), sdp);
	ua_send(ua, c->invite);
	return c;
}

void call_invite_again(struct call *c)
{
	ua_send(c->ua, c->invite);
}

struct sip *call_answered(struct call *c, int timeout_ms)
{
	struct sip *m = ua_wait(c->ua, "2xx/INVITE", c->call_id, timeout_ms);

	c->remote = sip_hdr(m, "To");
	c->target = uri_in(sip_hdr(m, "Contact"));
	return m;
}

void call_ack(struct call *c)
{
	ua_send(c->ua,
			fmt("ACK %s SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKack%d.%u\n"
				"Max-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\n"
				"CSeq: 1 ACK\nContent-Length: 0\n\n",
					c->target, c->ua->ip, (int)getpid(), ++serial, c->local,
					c->remote, c->call_id));
}

void call_ack_refusal(struct call *c, const struct sip *refusal)
{
	ua_send(c->ua,
			fmt("ACK %s SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=%s\n"
				"Max-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\n"
				"CSeq: 1 ACK\nContent-Length: 0\n\n",
					strndup(c->invite + 7, strcspn(c->invite + 7, " ")),
					c->ua->ip, c->branch, c->local, sip_hdr(refusal, "To"),
					c->call_id));
}

void call_cancel(struct call *c)
{
	ua_send(c->ua,
			fmt("CANCEL %s SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=%s\n"
				"Max-Forwards: 70\nFrom: %s\nTo: %s\nCall-ID: %s\n"
				"CSeq: 1 CANCEL\nContent-Length: 0\n\n",
					strndup(c->invite + 7, strcspn(c->invite + 7, " ")),
					c->ua->ip, c->branch, c->local, c->remote, c->call_id));
}

void call_request(struct call *c, const char *method, const char *headers,
		const char *body)
{
	ua_send(c->ua,
			fmt("%s %s SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKreq%d.%u\n"
				"Max-Forwards: 70\n%sFrom: %s\nTo: %s\nCall-ID: %s\n"
				"CSeq: %d %s\n%s%sContent-Length: %zu\n\n%s",
					method, c->target, c->ua->ip, (int)getpid(), ++serial,
					c->route, c->local, c->remote, c->call_id, ++c->cseq,
					method, headers,
					*body ? "Content-Type: application/sdp\n" : "",
					sdp_length(body), body));
}

/* ---- pager ----------------------------------------------------------------
 */

const char *pager_cpim(void)
{
	return "From: <sip:alice@cpm.test>\nTo: <sip:bob@cpm.test>\n"
		   "NS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: abc\n\n"
		   "Content-Type: text/plain\n\nhello";
}

const char *pager_text(struct ua *ua, const char *headers, const char *body)
{
	static const char *const usual[][2] = {
			{"Accept-Contact",
					"*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
					"ims.icsi.oma.cpm.msg\""},
			{"P-Preferred-Service",
					"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"},
			{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
			{"Conversation-ID", "conv-1"}, {"Content-Type", "message/cpim"}};
	const char *lines = headers ? headers : "";

	if(body == NULL)
		body = pager_cpim();
	for(size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if(!has_line(headers, usual[i][0]))
			lines = fmt("%s: %s\n%s", usual[i][0], usual[i][1], lines);
	serial++;
	return fmt("MESSAGE sip:bob@cpm.test SIP/2.0\n"
			   "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKm%d.%u\n"
			   "Route: <sip:orig@%s:5060;lr>, <sip:mark@%s:5060;lr>\n"
			   "Max-Forwards: 69\nFrom: <sip:alice@cpm.test>;tag=m%u\n"
			   "To: <sip:bob@cpm.test>\nCall-ID: m%d-%u-%lu@test\n"
			   "CSeq: 1 MESSAGE\n%sContent-Length: %zu\n\n%s",
			ua->ip, (int)getpid(), serial, ua->pf_ip, ua->ip, serial,
			(int)getpid(), serial, age_ms(ua), lines, sdp_length(body), body);
}

/* ---- recipient ------------------------------------------------------------
 */

struct call *call_incoming(struct ua *ua, int timeout_ms)
{
	return call_incoming_as(ua, "INVITE", timeout_ms);
}

struct call *call_incoming_as(struct ua *ua, const char *what, int timeout_ms)
{
	struct call *c = calloc(1, sizeof(*c));

	c->ua = ua;
	c->in = ua_wait(ua, what, NULL, timeout_ms);
	c->call_id = sip_hdr(c->in, "Call-ID");
	c->tag = fmt("b%u", ++serial);
	c->remote = sip_hdr(c->in, "From");
	c->local = fmt("%s;tag=%s", sip_hdr(c->in, "To"), c->tag);
	c->target = uri_in(sip_hdr(c->in, "Contact"));
	c->route = "";
	c->cseq = 100;
	return c;
}

void call_reply(struct call *c, int code, const char *tag, const char *headers,
		const char *body)
{
	ua_send(c->ua,
			fmt("SIP/2.0 %d Test\n"
				"Via: %s\nFrom: %s\nTo: %s;tag=%s\nCall-ID: %s\nCSeq: %s\n"
				"Record-Route: <sip:%s:5060;lr>\n"
				"%s%s%sContent-Length: %zu\n\n%s",
					code, sip_hdr(c->in, "Via"), sip_hdr(c->in, "From"),
					sip_hdr(c->in, "To"), tag ? tag : c->tag, c->call_id,
					sip_hdr(c->in, "CSeq"), c->ua->ip,
					has_line(headers, "Contact")
							? ""
							: fmt("Contact: <sip:bob@%s:5060>\n", c->ua->ip),
					headers, *body ? "Content-Type: application/sdp\n" : "",
					sdp_length(body), body));
}

void call_accept(struct call *c)
{
	call_reply(c, 200, NULL,
			"Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n",
			sdp_answer("active"));
}

void ua_answer(
		struct ua *ua, const struct sip *req, int code, const char *headers)
{
	ua_send(ua,
			fmt("SIP/2.0 %d Test\n"
				"Via: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %s\n"
				"%sContent-Length: 0\n\n",
					code, sip_hdr(req, "Via"), sip_hdr(req, "From"),
					sip_hdr(req, "To"), sip_hdr(req, "Call-ID"),
					sip_hdr(req, "CSeq"), headers));
}
