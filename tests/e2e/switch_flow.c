/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Common steps of the tests of pager messages that become large ones
 * (switch_flow.h).
 */
#include "switch_flow.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLACK (64 << 10) /* bytes of shared memory that may come and go */

/* ---- the sender -----------------------------------------------------------
 */

#define WRAPPER                                                                \
	"From: <sip:alice@cpm.test>\r\nTo: <sip:bob@cpm.test>\r\n"                 \
	"DateTime: 2026-11-21T08:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n"    \
	"imdn.Message-ID: id-0815\r\n"                                             \
	"imdn.Disposition-Notification: positive-delivery, display\r\n\r\n"

const char *big_wrap(
		const char *type, const char *payload, size_t n, size_t *out_n)
{
	const char *head = fmt(WRAPPER "Content-Type: %s\r\n\r\n", type);
	size_t head_n = strlen(head);
	char *all = malloc(head_n + n + 1);

	memcpy(all, head, head_n);
	memcpy(all + head_n, payload, n);
	all[head_n + n] = '\0';
	*out_n = head_n + n;
	return all;
}

const char *big_cpim(size_t n)
{
	size_t room, out_n;
	char *text;
	const char *all;

	big_wrap("text/plain;charset=UTF-8", "", 0, &room);
	cr_assert_gt(n, room);
	text = malloc(n - room);
	for(size_t i = 0; i < n - room; i++)
		text[i] = (char)('a' + i % 26);
	all = big_wrap("text/plain;charset=UTF-8", text, n - room, &out_n);
	free(text);
	cr_assert_eq(out_n, n);
	return all;
}

static const char *const usual[][2] = {
		{"Accept-Contact",
				"*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
				"ims.icsi.oma.cpm.msg\""},
		{"P-Preferred-Service", "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"},
		{"P-Asserted-Identity", "<sip:alice@cpm.test>, <tel:+15550101>"},
		{"Conversation-ID", "conv-1"}, {"Contribution-ID", "contrib-1"},
		{"User-Agent", "CPM-client/OMA2.2 test"}, {"Max-Forwards", "69"},
		{"Content-Type", "message/cpim"}};

static bool named(const char *lines, const char *name)
{
	return strcasestr(fmt("\n%s", lines), fmt("\n%s:", name)) != NULL;
}

/* Headers with \n become CRLF; the body stays byte for byte. */
static void assemble(struct big *b, const char *head)
{
	char *wire = malloc(2 * strlen(head) + b->body_n);
	size_t n = 0;

	for(const char *p = head; *p; p++) {
		if(*p == '\n')
			wire[n++] = '\r';
		wire[n++] = *p;
	}
	memcpy(wire + n, b->body, b->body_n);
	b->wire = wire;
	b->wire_n = n + b->body_n;
}

/* From the core's address, by which the PF knows it. */
static int tcp_open(struct ua *ua)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, ua_ip(ua), &a.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	a.sin_port = htons(5060);
	inet_pton(AF_INET, ua_pf_ip(ua), &a.sin_addr);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void tcp_put(int fd, const char *p, size_t n)
{
	while(n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		cr_assert_gt(k, 0, "the connection is gone, %zu bytes to go", n);
		p += k;
		n -= (size_t)k;
	}
}

/* The status of the next answer. */
static int tcp_status(int fd, int timeout_ms)
{
	char buf[8192];
	size_t n = 0;
	int code = 0;

	while(n < sizeof(buf) - 1) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t k = poll(&p, 1, timeout_ms) == 1
				? recv(fd, buf + n, sizeof(buf) - 1 - n, 0)
				: 0;

		if(k <= 0)
			return 0;
		n += (size_t)k;
		buf[n] = '\0';
		if(strstr(buf, "\r\n\r\n") && sscanf(buf, "SIP/2.0 %d", &code) == 1)
			return code;
	}
	return 0;
}

struct big *big_send(struct ua *ua, const struct big_opt *o)
{
	static unsigned serial;
	struct big *b = calloc(1, sizeof(*b));
	const char *to = o->to ? o->to : "sip:bob@cpm.test";
	const char *lines = o->headers ? o->headers : "";

	serial++;
	b->ua = ua;
	b->call_id = fmt("big%d-%u@test", (int)getpid(), serial);
	b->body_n = o->n ? o->n : strlen(o->body);
	b->body = o->body ? o->body : big_cpim(b->body_n);
	for(size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if(!named(lines, usual[i][0]))
			lines = fmt("%s: %s\n%s", usual[i][0], usual[i][1], lines);
	assemble(b,
			fmt("MESSAGE %s SIP/2.0\n"
				"Via: SIP/2.0/%s %s:5060;branch=z9hG4bKbig%d.%u\n"
				"Route: <sip:orig@%s:5060;lr>, <sip:mark@%s:5060;lr>\n"
				"From: \"Alice\" <sip:alice@cpm.test>;tag=g%u\nTo: <%s>\n"
				"Call-ID: %s\nCSeq: 1 MESSAGE\n%sContent-Length: %zu\n\n",
					to, o->tcp ? "TCP" : "UDP", ua_ip(ua), (int)getpid(),
					serial, ua_pf_ip(ua), ua_ip(ua), serial, to, b->call_id,
					lines, b->body_n));
	if(o->tcp) {
		b->tcp = tcp_open(ua);
		tcp_put(b->tcp, b->wire, b->wire_n);
	} else {
		ua_put(ua, b->wire, b->wire_n);
	}
	return b;
}

void big_again(const struct big *b)
{
	ua_put(b->ua, b->wire, b->wire_n);
}

struct sip *big_ends(const struct big *b, int code, int timeout_ms)
{
	if(b->tcp) {
		cr_assert_eq(tcp_status(b->tcp, timeout_ms), code);
		close(b->tcp);
		return NULL;
	}
	return ua_wait(b->ua, fmt("%d/MESSAGE", code), b->call_id, timeout_ms);
}

/* ---- the recipient's media ------------------------------------------------
 */

struct sink *sink_open(void)
{
	static unsigned serial;
	struct sink *s = calloc(1, sizeof(*s));

	s->id = fmt("sink%d%u", (int)getpid(), ++serial);
	s->listener = raw_listen("127.0.0.1", &s->port);
	return s;
}

static const char *sink_path(const struct sink *s)
{
	return fmt("msrp://127.0.0.1:%d/%s;tcp", s->port, s->id);
}

const char *sink_sdp(const struct sink *s, const char *setup)
{
	return fmt("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\n"
			   "t=0 0\nm=message %d TCP/MSRP *\na=path:%s\n"
			   "a=accept-types:message/cpim\na=accept-wrapped-types:*\n"
			   "%s%s%sa=recvonly\na=msrp-cema\n",
			s->port, sink_path(s), setup ? "a=setup:" : "", setup ? setup : "",
			setup ? "\n" : "");
}

void sink_accept(struct sink *s, int timeout_ms)
{
	s->c = raw_accept(s->listener, timeout_ms);
}

const char *sdp_attr(const char *sdp, const char *name)
{
	const char *at = strstr(sdp, fmt("\na=%s:", name));

	if(at == NULL)
		return "";
	at = strchr(at, ':') + 1;
	return fmt("%.*s", (int)strcspn(at, "\r\n"), at);
}

const char *cpim_hdr(const char *cpim, const char *name)
{
	const char *at = strcasestr(fmt("\n%s", cpim), fmt("\n%s:", name));

	if(at == NULL)
		return "";
	at += strlen(name) + 2;
	at += strspn(at, " ");
	return fmt("%.*s", (int)strcspn(at, "\r\n"), at);
}

void sink_connect(struct sink *s, const struct call *c)
{
	const char *path = sdp_attr(sip_body(c->in), "path");
	char ip[64];
	int port;

	cr_assert_eq(sscanf(path, "msrp://%63[^:]:%d/", ip, &port), 2, "%s", path);
	s->c = raw_connect(ip, port);
	pair_bind(s->c, path, sink_path(s));
}

const struct frame *sink_next(struct sink *s, int timeout_ms)
{
	const struct frame *f = raw_request(s->c, timeout_ms);

	if(f == NULL)
		return NULL;
	cr_assert_str_eq(f->method, "SEND");
	s->got = realloc(s->got, s->n + f->n + 1);
	memcpy(s->got + s->n, f->body, f->n);
	s->n += f->n;
	s->got[s->n] = '\0';
	s->chunks++;
	s->type = frame_header(f, "Content-Type");
	s->to_path = frame_header(f, "To-Path");
	s->range = frame_header(f, "Byte-Range");
	s->headers = fmt("%s", f->head);
	s->complete = f->flag == '$';
	return f;
}

void sink_take(struct sink *s, int timeout_ms)
{
	while(!s->complete) {
		const struct frame *f = sink_next(s, timeout_ms);

		if(f == NULL)
			cr_assert_fail("the connection ended after %zu bytes", s->n);
		raw_answer(s->c, f, 200);
	}
}

void sink_answer(const struct sink *s, struct call *c, const char *setup,
		const char *headers)
{
	call_reply(c, 200, NULL,
			headers ? headers
					: "Allow: INVITE, ACK, CANCEL, BYE, UPDATE\n"
					  "Supported: timer\n",
			sink_sdp(s, setup));
	ua_wait(c->ua, "ACK", c->call_id, 6000);
}

void sink_all(struct sink *s, struct call *c, const struct big *b)
{
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	cr_assert_eq(s->n, b->body_n);
	cr_assert_eq(memcmp(s->got, b->body, b->body_n), 0);
	flow_bye_comes(c, 6000);
}

/* ---- the lab --------------------------------------------------------------
 */

static long long shm_before;

struct lab *switch_lab(struct ua **ua, const char *cfg)
{
	/* tm frees a transaction soon after its end: memory can be compared */
	const char *quick = "modparam(\"tm\", \"wt_timer\", 1000)";
	struct lab *lab = flow_lab(ua, cfg ? fmt("%s\n%s", quick, cfg) : quick);

	shm_before = lab_shm_used(lab);
	return lab;
}

void switch_clean(struct lab *lab, int timeout_ms)
{
	lab_idle(lab, timeout_ms);
	lab_shm_back(lab, shm_before + SLACK);
}
