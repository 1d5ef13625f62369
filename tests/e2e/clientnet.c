/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SIP side of clientnet.h: sockets, requests in, answers out.
 */
#include "clientnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define MESSAGES 512
#define STREAM (256 * 1024)
#define ARGS 96

struct seen
{
	struct net_msg msg;
	struct sockaddr_in from;
	int fd;          /* TCP connection; -1 = UDP */
	char *reply;     /* what it was answered */
	const char *key; /* of its transaction */
	bool taken;
};

struct net
{
	int udp, listener, port;
	int tcp[16];
	char *buf[16];
	size_t len[16];
	int conns;
	struct seen seen[MESSAGES];
	int n;
	const char *to_tag;
};

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int bound(int type, int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
			.sin_port = htons((uint16_t)*port)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if(fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0
			|| (type == SOCK_STREAM && listen(fd, 64) != 0)
			|| getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
		if(fd >= 0)
			close(fd);
		return -1;
	}
	*port = ntohs(a.sin_port);
	return fd;
}

int net_msrp_listen(int *port)
{
	int fd;

	*port = 0;
	fd = bound(SOCK_STREAM, port);
	cr_assert_geq(fd, 0, "no port to listen on");
	return fd;
}

struct net *net_open(void)
{
	struct net *n = e2e_alloc(sizeof(*n));

	n->udp = -1;
	for(int i = 0; i < 50 && n->udp < 0; i++) {
		n->port = 0;
		n->listener = bound(SOCK_STREAM, &n->port);
		n->udp = bound(SOCK_DGRAM, &n->port);
		if(n->udp < 0 && n->listener >= 0)
			close(n->listener);
	}
	cr_assert_geq(n->udp, 0, "no port for both UDP and TCP");
	n->to_tag = "net-tag";
	return n;
}

const char *net_addr(struct net *n)
{
	return fmt("127.0.0.1:%d", n->port);
}

struct proc *net_client(struct net *n, const char *command, ...)
{
	const char *dir = getenv("CPM_BIN"), *arg;
	const char *argv[ARGS] = {
			fmt("%s/cpm-client", dir ? dir : fmt("%s/build/gcc", e2e_root())),
			command, "--user", "alice", "--password", "alice-secret",
			"--domain", "cpm.test", "--proxy", net_addr(n), "--local",
			"127.0.0.1", "--timeout", "20"};
	int k = 14;
	va_list ap;

	va_start(ap, command);
	while((arg = va_arg(ap, const char *)) != NULL && k < ARGS - 1)
		argv[k++] = arg;
	va_end(ap);
	argv[k] = NULL;
	return proc_start(command, argv);
}

const char *net_header(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *line = text;

	while((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if(line[0] == '\r')
			break;
		if(strncasecmp(line, name, n) == 0 && line[n] == ':') {
			const char *v = line + n + 1;
			v += strspn(v, " ");
			return fmt("%.*s", (int)strcspn(v, "\r\n"), v);
		}
	}
	return "";
}

int net_header_count(const char *text, const char *name)
{
	size_t n = strlen(name);
	const char *line = text;
	int count = 0;

	while((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if(line[0] == '\r')
			break;
		count += strncasecmp(line, name, n) == 0 && line[n] == ':';
	}
	return count;
}

const char *net_cpim(const char *entity, const char *name)
{
	/* two blocks of headers, a blank line after each */
	const char *blank = strstr(entity, "\r\n\r\n"), *end;
	const char *all, *v;

	cr_assert(blank, "not a message/cpim");
	end = strstr(blank + 4, "\r\n\r\n");
	cr_assert(end, "no headers of a payload");
	all = fmt("\r\n%.*s\r\n", (int)(blank - entity), entity);
	v = net_header(all, name);
	if(v[0])
		return v;
	return net_header(
			fmt("\r\n%.*s\r\n", (int)(end - blank - 4), blank + 4), name);
}

const char *net_between(const char *text, const char *from, const char *to)
{
	const char *a = strstr(text, from), *b;

	if(!a)
		return "";
	a += strlen(from);
	b = strstr(a, to);
	return b ? fmt("%.*s", (int)(b - a), a) : "";
}

static void put(struct net *n, const struct seen *s, const char *text)
{
	ssize_t rc;

	if(s->fd >= 0)
		rc = send(s->fd, text, strlen(text), MSG_NOSIGNAL);
	else
		rc = sendto(n->udp, text, strlen(text), 0,
				(const struct sockaddr *)&s->from, sizeof(s->from));
	cr_assert_eq(rc, (ssize_t)strlen(text), "cannot answer the client");
}

static void came(struct net *n, const char *text, size_t len, int fd,
		const struct sockaddr_in *from)
{
	struct seen *s = &n->seen[n->n];
	const char *blank;

	while(len > 0 && (*text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	if(len == 0)
		return; /* keep-alive */
	cr_assert_lt(n->n, MESSAGES);
	s->fd = fd;
	if(from)
		s->from = *from;
	s->msg.text = e2e_alloc(len + 1);
	memcpy(s->msg.text, text, len);
	s->msg.tcp = fd >= 0;
	blank = strstr(s->msg.text, "\r\n\r\n");
	cr_assert(blank, "not SIP: %s", s->msg.text);
	s->msg.body = blank + 4;
	if(strncmp(s->msg.text, "SIP/2.0 ", 8) == 0)
		s->msg.status = (int)strtol(s->msg.text + 8, NULL, 10);
	snprintf(s->msg.method, sizeof(s->msg.method), "%s",
			s->msg.status
					? strchr(net_header(s->msg.text, "CSeq"), ' ') + 1
					: fmt("%.*s", (int)strcspn(s->msg.text, " "), s->msg.text));
	if(!strstr(net_header(s->msg.text, "Via"), "branch="))
		cr_assert_fail("no branch: %s", s->msg.text);
	s->key = fmt("%s %s", net_header(s->msg.text, "CSeq"),
			strstr(net_header(s->msg.text, "Via"), "branch="));
	for(int i = 0; !s->msg.status && i < n->n; i++) {
		if(n->seen[i].msg.status || strcmp(n->seen[i].key, s->key) != 0)
			continue;
		if(n->seen[i].reply)
			put(n, s, n->seen[i].reply);
		return;
	}
	n->n++;
}

static void stream_read(struct net *n, int i)
{
	ssize_t k;
	char *b = n->buf[i];

	k = recv(n->tcp[i], b + n->len[i], STREAM - n->len[i] - 1, 0);
	if(k <= 0) {
		close(n->tcp[i]);
		n->tcp[i] = -1;
		return;
	}
	n->len[i] += (size_t)k;
	b[n->len[i]] = '\0';
	for(;;) {
		const char *blank = strstr(b, "\r\n\r\n");
		size_t whole;

		if(!blank)
			return;
		whole = (size_t)(blank + 4 - b)
				+ (size_t)strtol(net_header(b, "Content-Length"), NULL, 10);
		if(whole > n->len[i])
			return;
		came(n, b, whole, n->tcp[i], NULL);
		memmove(b, b + whole, n->len[i] - whole + 1);
		n->len[i] -= whole;
	}
}

static void wait_once(struct net *n, int timeout_ms)
{
	struct pollfd p[18] = {{n->udp, POLLIN, 0}, {n->listener, POLLIN, 0}};
	char buf[65536];
	int conns = n->conns;

	for(int i = 0; i < conns; i++)
		p[2 + i] = (struct pollfd){n->tcp[i], POLLIN, 0};
	if(poll(p, (nfds_t)(2 + conns), timeout_ms) <= 0)
		return;
	if(p[0].revents) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t k = recvfrom(
				n->udp, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if(k > 0)
			came(n, buf, (size_t)k, -1, &from);
	}
	if(p[1].revents && n->conns < 16) {
		n->tcp[n->conns] = accept(n->listener, NULL, NULL);
		n->buf[n->conns++] = e2e_alloc(STREAM);
	}
	for(int i = 0; i < conns; i++)
		if(n->tcp[i] >= 0 && p[2 + i].revents)
			stream_read(n, i);
}

static struct net_msg *find(
		struct net *n, const char *method, bool response, int timeout_ms)
{
	long long until = now_ms() + timeout_ms;

	for(;;) {
		for(int i = 0; i < n->n; i++) {
			struct seen *s = &n->seen[i];
			if(s->taken || (s->msg.status >= 200) != response
					|| (!response && s->msg.status)
					|| (method[0] && strcmp(method, s->msg.method) != 0))
				continue;
			s->taken = true;
			return &s->msg;
		}
		if(now_ms() >= until)
			return NULL;
		wait_once(n, 20);
	}
}

struct net_msg *net_poll(struct net *n, const char *method, int timeout_ms)
{
	return find(n, method, false, timeout_ms);
}

struct net_msg *net_take(struct net *n, const char *method, int timeout_ms)
{
	struct net_msg *m = find(n, method, false, timeout_ms);

	if(!m)
		cr_assert_fail("no %s came in %d ms", method, timeout_ms);
	return m;
}

struct net_msg *net_response(struct net *n, const char *method, int timeout_ms)
{
	struct net_msg *m = find(n, method, true, timeout_ms);

	if(!m)
		cr_assert_fail("no response to %s in %d ms", method, timeout_ms);
	return m;
}

static struct seen *seen_of(const struct net_msg *m)
{
	return (struct seen *)((char *)m - offsetof(struct seen, msg));
}

void net_reply(struct net *n, const struct net_msg *req, const char *status,
		const char *headers, const char *sdp)
{
	struct seen *s = seen_of(req);
	const char *to = net_header(req->text, "To");

	s->reply = (char *)fmt(
			"SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\nCall-ID: %s\r\n"
			"CSeq: %s\r\nContact: <sip:net@%s>\r\n"
			"Allow: INVITE, ACK, BYE, CANCEL, UPDATE, MESSAGE\r\n%s%s"
			"Content-Length: %zu\r\n\r\n%s",
			status, net_header(req->text, "Via"), net_header(req->text, "From"),
			to, strstr(to, "tag=") ? "" : fmt(";tag=%s", n->to_tag),
			net_header(req->text, "Call-ID"), net_header(req->text, "CSeq"),
			net_addr(n), headers ? headers : "",
			sdp ? "Content-Type: application/sdp\r\n" : "",
			sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	put(n, s, s->reply);
}

void net_request(struct net *n, const struct net_msg *invite,
		const char *method, int cseq, const char *headers)
{
	const char *contact = net_header(invite->text, "Contact");

	put(n, seen_of(invite),
			fmt("%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKnet%s%d\r\n"
				"Max-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\n"
				"Call-ID: %s\r\nCSeq: %d %s\r\n%sContent-Length: 0\r\n\r\n",
					method, net_between(contact, "<", ">"),
					invite->tcp ? "TCP" : "UDP", net_addr(n), method, cseq,
					net_header(invite->text, "To"), n->to_tag,
					net_header(invite->text, "From"),
					net_header(invite->text, "Call-ID"), cseq, method,
					headers ? headers : ""));
}

void net_text(struct net *n, int port, const char *text)
{
	struct seen to = {.fd = -1,
			.from = {.sin_family = AF_INET,
					.sin_port = htons((uint16_t)port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};

	put(n, &to, text);
}

void net_send(struct net *n, int port, const char *method, const char *headers,
		const char *type, const char *body)
{
	static int count;

	count++;
	net_text(n, port,
			fmt("%s sip:bob@127.0.0.1:%d SIP/2.0\r\n"
				"Via: SIP/2.0/UDP %s;branch=z9hG4bKsend%d-%d\r\n"
				"Max-Forwards: 70\r\nFrom: <sip:carol@cpm.test>;tag=c%d\r\n"
				"To: <sip:bob@cpm.test>\r\nCall-ID: send-%d-%d\r\n"
				"CSeq: 1 %s\r\nContact: <sip:carol@%s>\r\n%s%s"
				"Content-Length: %zu\r\n\r\n%s",
					method, port, net_addr(n), (int)getpid(), count, count,
					(int)getpid(), count, method, net_addr(n),
					headers ? headers : "",
					type ? fmt("Content-Type: %s\r\n", type) : "",
					body ? strlen(body) : 0, body ? body : ""));
}
