/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Blocking clients: the control socket, and the bytes of MSRP. Whatever ends a
 * connection is no error here; the caller starts again.
 */
#include "kill.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE 70000
#define ANSWER_MS 15000

void nap(int ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ctl_init(struct ctl *c, const char *owner)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->in = malloc(LINE);
	c->events = json_array();
	if(c->in == NULL)
		abort();
	snprintf(c->owner, sizeof(c->owner), "%s", owner);
}

void ctl_drop(struct ctl *c)
{
	if(c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->len = 0;
	json_array_clear(c->events);
}

/* The next line as JSON, NULL: none until then. */
static json_t *line(struct ctl *c, int64_t until)
{
	for(;;) {
		char *nl = memchr(c->in, '\n', c->len);
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int64_t left = until - now_ms();
		ssize_t n;

		if(nl) {
			json_t *o = json_loadb(c->in, (size_t)(nl - c->in), 0, NULL);

			c->len -= (size_t)(nl + 1 - c->in);
			memmove(c->in, nl + 1, c->len);
			return o;
		}
		if(left <= 0 || poll(&p, 1, (int)left) <= 0)
			return NULL;
		n = recv(c->fd, c->in + c->len, LINE - c->len, 0);
		if(n <= 0) {
			ctl_drop(c);
			return NULL;
		}
		c->len += (size_t)n;
	}
}

static json_t *call(
		struct ctl *c, const char *method, json_t *params, int *code)
{
	json_t *o = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
			(json_int_t)++c->last, "method", method, "params", params);
	char *text = json_dumps(o, JSON_COMPACT);
	size_t n = strlen(text);
	int64_t until = now_ms() + ANSWER_MS;
	json_t *result = NULL;

	*code = 0;
	json_decref(o);
	text[n++] = '\n';
	if(send(c->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		ctl_drop(c);
	free(text);
	while(c->fd >= 0 && (o = line(c, until)) != NULL) {
		if(json_object_get(o, "method")) {
			json_array_append(c->events, json_object_get(o, "params"));
		} else if(json_integer_value(json_object_get(o, "id")) == c->last) {
			result = json_incref(json_object_get(o, "result"));
			*code = (int)json_integer_value(
					json_object_get(json_object_get(o, "error"), "code"));
			json_decref(o);
			return result;
		}
		json_decref(o);
	}
	ctl_drop(c);
	return NULL;
}

static bool ctl_connect(struct ctl *c)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	json_t *hello;
	int code;

	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", world.sock);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		ctl_drop(c);
		return false;
	}
	hello = call(c, "hello",
			json_pack("{s:i, s:s, s:b}", "version", 1, "owner", c->owner,
					"events", 1),
			&code);
	json_decref(hello);
	return hello != NULL;
}

json_t *ctl_ask(struct ctl *c, const char *method, json_t *params, int *code)
{
	*code = 0;
	if(c->fd < 0 && !ctl_connect(c)) {
		json_decref(params);
		nap(20);
		return NULL;
	}
	return call(c, method, params, code);
}

json_t *ctl_event(struct ctl *c, const char *type, const char *session, int ms)
{
	int64_t until = now_ms() + ms;
	json_t *e, *o;
	size_t i;

	for(;;) {
		json_array_foreach(c->events, i, e)
		{
			const char *t = json_string_value(json_object_get(e, "type"));
			const char *s = json_string_value(json_object_get(e, "session"));

			if(t && s && strcmp(t, type) == 0 && strcmp(s, session) == 0) {
				json_incref(e);
				json_array_remove(c->events, i);
				return e;
			}
		}
		if(c->fd < 0 || (o = line(c, until)) == NULL)
			return NULL;
		if(json_object_get(o, "method"))
			json_array_append(c->events, json_object_get(o, "params"));
		json_decref(o);
	}
}

/* ---- MSRP -------------------------------------------------------------- */

int tcp_connect(const char *host, int port)
{
	struct sockaddr_in a = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval limit = {10, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &a.sin_addr);
	if(fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Bytes of the first whole message, 0: there is none. */
static size_t whole(const char *p, size_t n)
{
	char end[64] = "\r\n-------";
	const char *tid = n > 5 ? p + 5 : NULL;
	const char *blank = tid ? memchr(tid, ' ', n - 5) : NULL;
	const char *at;

	if(blank == NULL || blank - tid > 40)
		return 0;
	memcpy(end + 9, tid, (size_t)(blank - tid));
	at = memmem(p, n, end, 9 + (size_t)(blank - tid));
	if(at == NULL)
		return 0;
	at += 9 + (blank - tid) + 3; /* flag and line end */
	return (size_t)(at - p) <= n ? (size_t)(at - p) : 0;
}

size_t msrp_read(int fd, char *to, size_t cap, size_t *have)
{
	size_t n;

	while((n = whole(to, *have)) == 0) {
		ssize_t k = *have < cap ? recv(fd, to + *have, cap - *have, 0) : -1;

		if(k <= 0)
			return 0;
		*have += (size_t)k;
	}
	return n;
}
