/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Raw MSRP connections of relay_rig.h: blocking sockets with a time limit and
 * a reader of frames that believes nothing but the end-line (RFC 4975 section
 * 7.1). Written apart from the relay's parser on purpose.
 */
#include "relay_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

#define READ_MIN 65536
#define HEAD_MAX 16384

struct raw *raw_take(int fd)
{
	struct raw *c = e2e_alloc(sizeof(*c));

	signal(SIGPIPE, SIG_IGN); /* TLS writes where MSG_NOSIGNAL cannot be said */
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return c;
}

static int dial(const char *ip, int port)
{
	struct sockaddr_in at = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, ip, &at.sin_addr);
	if(connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		cr_assert_fail("%s:%d: %s", ip, port, strerror(errno));
	return fd;
}

struct raw *raw_connect(const char *ip, int port)
{
	return raw_take(dial(ip, port));
}

struct raw *raw_connect_tls(const char *ip, int port)
{
	struct raw *c = raw_connect(ip, port);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_CTX_free(ctx);
	cr_assert_eq(SSL_connect(c->ssl), 1, "TLS handshake");
	return c;
}

int raw_listen(const char *ip, int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, ip, &at.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	getsockname(fd, (struct sockaddr *)&at, &n);
	*port = ntohs(at.sin_port);
	return fd;
}

struct raw *raw_accept(int listener, int timeout_ms)
{
	struct pollfd p = {listener, POLLIN, 0};

	if(poll(&p, 1, timeout_ms) <= 0)
		cr_assert_fail("the relay did not connect in time");
	return raw_take(accept(listener, NULL, NULL));
}

struct raw *raw_accept_tls(
		int listener, const char *cert, const char *key, int timeout_ms)
{
	struct raw *c = raw_accept(listener, timeout_ms);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	cr_assert_eq(SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM), 1);
	cr_assert_eq(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_CTX_free(ctx);
	SSL_accept(c->ssl);
	return c;
}

void raw_put(struct raw *c, const void *p, size_t n)
{
	const char *at = p;

	while(n > 0) {
		ssize_t k = c->ssl ? SSL_write(c->ssl, at, (int)n)
						   : send(c->fd, at, n, MSG_NOSIGNAL);

		if(k <= 0)
			return; /* closed by the relay: the reader will see it */
		at += k;
		n -= (size_t)k;
	}
}

void raw_say(struct raw *c, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	cr_assert(n >= 0);
	raw_put(c, text, (size_t)n);
	free(text);
}

/* More bytes; 0: closed. Fails the test after the time unless quiet. */
static ssize_t more(struct raw *c, int timeout_ms, bool quiet)
{
	struct pollfd p = {c->fd, POLLIN, 0};
	ssize_t k;

	if(c->cap - c->len < READ_MIN) {
		c->cap = c->cap ? 2 * c->cap : 4 * READ_MIN;
		c->in = realloc(c->in, c->cap);
		cr_assert(c->in != NULL);
	}
	if(!(c->ssl && SSL_pending(c->ssl) > 0) && poll(&p, 1, timeout_ms) <= 0) {
		if(quiet)
			return -1;
		cr_assert_fail("nothing came in time; so far: %.*s",
				(int)(c->len < 600 ? c->len : 600), c->in);
	}
	k = c->ssl ? SSL_read(c->ssl, c->in + c->len, (int)(c->cap - c->len - 1))
			   : recv(c->fd, c->in + c->len, c->cap - c->len - 1, 0);
	if(k <= 0)
		return 0;
	c->len += (size_t)k;
	return k;
}

bool raw_closed(struct raw *c, int timeout_ms)
{
	ssize_t k;

	while((k = more(c, timeout_ms, true)) > 0)
		;
	return k == 0;
}

/* The frame at the start of the buffer; its length, 0: not all there. */
static size_t cut(struct raw *c, struct frame *f)
{
	static char *head;
	char end[96], *eol, *blank, *at;
	size_t head_n, end_n;
	int used = 0;

	if(head == NULL)
		head = malloc(HEAD_MAX);
	if(c->len == 0)
		return 0;
	c->in[c->len] = '\0';
	eol = memmem(c->in, c->len, "\r\n", 2);
	if(eol == NULL)
		return 0;
	memset(f, 0, sizeof(*f));
	if(sscanf(c->in, "MSRP %63s %d%n", f->tid, &f->status, &used) != 2
			&& sscanf(c->in, "MSRP %63s %15s", f->tid, f->method) != 2)
		cr_assert_fail("no MSRP: %.100s", c->in);
	end_n = (size_t)snprintf(end, sizeof(end), "\r\n-------%s", f->tid);
	blank = memmem(c->in, c->len, "\r\n\r\n", 4);
	at = memmem(eol, c->len - (size_t)(eol - c->in), end, end_n);
	if(at == NULL)
		return 0;
	if(blank && blank < at) {
		f->body = blank + 4;
		/* An empty body has its blank line's CRLF shared. */
		f->n = at >= blank + 4 ? (size_t)(at - f->body) : 0;
	}
	head_n = (size_t)((blank && blank < at ? blank : at) - (eol + 2));
	if(at == eol)
		head_n = 0;
	cr_assert(head_n + 3 < HEAD_MAX);
	memcpy(head, eol + 2, head_n);
	memcpy(head + head_n, "\r\n", 3);
	f->head = head;
	if((size_t)(at - c->in) + end_n + 3 > c->len)
		return 0;
	f->flag = at[end_n];
	cr_assert(memcmp(at + end_n + 1, "\r\n", 2) == 0, "end-line: %.80s", at);
	return (size_t)(at - c->in) + end_n + 3;
}

/* Take the frame of n bytes out of the buffer, which moves on. */
static const struct frame *take(struct raw *c, struct frame *f, size_t n)
{
	static char *whole;

	free(whole);
	whole = malloc(f->n + 1);
	cr_assert(whole != NULL);
	if(f->n > 0)
		memcpy(whole, f->body, f->n);
	whole[f->n] = '\0';
	f->body = whole;
	c->len -= n;
	memmove(c->in, c->in + n, c->len);
	return f;
}

const struct frame *raw_frame(struct raw *c, int timeout_ms)
{
	static struct frame f;
	size_t n;

	while((n = cut(c, &f)) == 0)
		if(more(c, timeout_ms, false) == 0)
			return NULL;
	return take(c, &f, n);
}

const struct frame *raw_ready(struct raw *c, int timeout_ms)
{
	static struct frame f;
	size_t n = cut(c, &f);

	if(n == 0 && more(c, timeout_ms, true) > 0)
		n = cut(c, &f);
	return n > 0 ? take(c, &f, n) : NULL;
}

const char *frame_header(const struct frame *f, const char *name)
{
	size_t n = strlen(name);

	for(const char *at = f->head; at && *at; at = strstr(at, "\r\n")) {
		if(at[0] == '\r')
			at += 2;
		if(strncasecmp(at, name, n) == 0 && at[n] == ':') {
			at += n + 1 + strspn(at + n + 1, " ");
			return fmt("%.*s", (int)strcspn(at, "\r"), at);
		}
	}
	return "";
}

void raw_answer(struct raw *c, const struct frame *f, int status)
{
	raw_say(c, "MSRP %s %d x\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n",
			f->tid, status, frame_header(f, "From-Path"),
			frame_header(f, "To-Path"), f->tid);
}

const struct frame *raw_request(struct raw *c, int timeout_ms)
{
	const struct frame *f;

	while((f = raw_frame(c, timeout_ms)) != NULL) {
		if(f->status > 0)
			continue;
		if(strcmp(f->method, "SEND") != 0 || f->n > 0)
			return f;
		raw_answer(c, f, 200);
	}
	return NULL;
}

int raw_status(struct raw *c, const char *tid, int timeout_ms)
{
	const struct frame *f;

	while((f = raw_frame(c, timeout_ms)) != NULL)
		if(f->status > 0 && strcmp(f->tid, tid) == 0)
			return f->status;
	return -1;
}

void raw_send(struct raw *c, const char *to, const char *from, const char *tid,
		const char *mid, const char *range, const char *body, size_t n,
		char flag)
{
	raw_say(c,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: %s\r\n",
			tid, to, from, mid);
	if(range)
		raw_say(c, "Byte-Range: %s\r\n", range);
	if(body) {
		raw_say(c, "Content-Type: text/plain\r\n\r\n");
		raw_put(c, body, n);
		raw_say(c, "\r\n");
	}
	raw_say(c, "-------%s%c\r\n", tid, flag);
}

void raw_close(struct raw *c)
{
	if(c->fd < 0)
		return;
	if(c->ssl) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	close(c->fd);
	c->fd = -1;
	free(c->in);
	c->in = NULL;
}

void pair_bind(struct raw *c, const char *to, const char *from)
{
	static int n;
	const char *tid = fmt("bind%d", ++n);

	raw_send(c, to, from, tid, tid, NULL, NULL, 0, '$');
	cr_assert_eq(raw_status(c, tid, 5000), 200);
}

void pair_connect(const struct rig *r, const struct pair *p, struct raw **in,
		struct raw **out)
{
	*out = raw_connect(r->ip, p->out_port);
	pair_bind(*out, p->out_path, p->out_peer);
	*in = raw_connect(r->ip, p->in_port);
	pair_bind(*in, p->in_path, p->in_peer);
}

void raw_take_message(struct raw *c, const char *body, size_t n, size_t most)
{
	size_t got = 0;

	for(char flag = '+'; flag == '+';) {
		const struct frame *f = raw_request(c, 5000);
		unsigned long long a, b, total;

		cr_assert(f != NULL);
		cr_assert_leq(f->n, most);
		cr_assert_eq(sscanf(frame_header(f, "Byte-Range"), "%llu-%llu/%llu", &a,
							 &b, &total),
				3, "an exact range");
		cr_assert_eq(a, got + 1);
		cr_assert_eq(b, got + f->n);
		cr_assert_eq(total, n);
		cr_assert_leq(b, n);
		cr_assert_eq(memcmp(f->body, body + got, f->n), 0);
		got += f->n;
		flag = f->flag;
		raw_answer(c, f, 200);
	}
	cr_assert_eq(got, n);
}

char *some_bytes(size_t n)
{
	char *p = malloc(n);

	cr_assert(p != NULL);
	for(size_t i = 0; i < n; i++)
		p[i] = (char)(i * 2654435761u >> 24);
	return p;
}
