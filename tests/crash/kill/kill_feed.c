/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Threads that store: as the module does with a pager message, and as the
 * sender of a large message and the module do together. What is not answered
 * is sent again, with the same key, until it is.
 */
#include "kill.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384
#define BACKLOG 250 /* acknowledged and not delivered yet */
#define MINE "msrp://127.0.0.1:9/feeder;tcp"

static json_t *common(int n, const char *kind)
{
	char user[64], key[32];

	snprintf(user, sizeof(user), "sip:u%d@example.com", n % USERS);
	snprintf(key, sizeof(key), "%s-%d", kind, n);
	return json_pack("{s:s, s:s, s:s, s:{s:i}}", "user", user, "sender",
			"sip:alice@example.com", "key", key, "envelope", "number", n);
}

static bool put(struct ctl *c, int n)
{
	size_t len;
	char *body = book_body(n, &len), *text = malloc(len * 4 / 3 + 8);
	json_t *params = common(n, "pager"), *result;
	int code;

	if(text == NULL)
		abort();
	EVP_EncodeBlock(
			(unsigned char *)text, (const unsigned char *)body, (int)len);
	json_object_set_new(params, "type", json_string("message/cpim"));
	json_object_set_new(params, "data", json_string(text));
	result = ctl_ask(c, "deferred.put", params, &code);
	free(text);
	free(body);
	json_decref(result);
	if(code != 0) {
		fprintf(stderr, "deferred.put: error %d\n", code);
		nap(100);
	}
	return result != NULL;
}

/* Much that waits makes nothing more probable, and the end late. */
static void rest(int ms)
{
	do
		nap(ms);
	while(world.feeding && book_open() > BACKLOG);
}

void *feed_pager(void *arg)
{
	struct ctl c;

	(void)arg;
	ctl_init(&c, "feeder");
	while(world.feeding) {
		int n = book_new(false);

		bool stored;

		while(!(stored = put(&c, n)) && world.feeding)
			;
		if(stored)
			book_acked(n);
		rest(3);
	}
	ctl_drop(&c);
	return NULL;
}

/* ---- large ------------------------------------------------------------- */

/* Chunk by chunk; true: the last one was answered 200. */
static bool send_all(int fd, const char *path, int n)
{
	size_t len, have = 0, k;
	char *body = book_body(n, &len), head[1024], in[4096];
	bool ok = true;

	for(size_t at = 0; ok && at < len; at += k, have = 0) {
		bool last;
		int h;

		k = len - at < CHUNK ? len - at : CHUNK;
		last = at + k == len;
		h = snprintf(head, sizeof(head),
				"MSRP chunk%zu SEND\r\nTo-Path: %s\r\nFrom-Path: " MINE "\r\n"
				"Message-ID: message%d\r\nByte-Range: %zu-%zu/%zu\r\n"
				"Content-Type: message/cpim\r\n\r\n",
				at, path, n, at + 1, at + k, len);
		ok = send(fd, head, (size_t)h, MSG_NOSIGNAL) == h
				&& send(fd, body + at, k, MSG_NOSIGNAL) == (ssize_t)k;
		h = snprintf(head, sizeof(head), "\r\n-------chunk%zu%c\r\n", at,
				last ? '$' : '+');
		ok = ok && send(fd, head, (size_t)h, MSG_NOSIGNAL) == h
				&& msrp_read(fd, in, sizeof(in) - 1, &have) > 0;
		in[have] = '\0';
		ok = ok && strstr(in, " 200") != NULL
				&& strstr(in, " 200") < strstr(in, "\r\n");
		if(ok && last)
			book_acked(n);
	}
	free(body);
	return ok;
}

static bool ask(struct ctl *c, const char *method, json_t *params)
{
	int code;
	json_t *result = ctl_ask(c, method, params, &code);

	json_decref(result);
	if(result == NULL && code != 0)
		fprintf(stderr, "%s: error %d\n", method, code);
	return result != NULL;
}

/* A session with the receiving leg alone: nobody is registered. */
static bool session(struct ctl *c, int n, int try)
{
	char id[40], path[256] = "";
	json_t *result, *params = common(n, "large");
	int code, fd;
	bool ok;

	snprintf(id, sizeof(id), "s%d.%d", n, try);
	result = ctl_ask(c, "session.create",
			json_pack("{s:s, s:b, s:[{s:s, s:s, s:s, s:{s:s}, s:b}]}",
					"session", id, "keep", 1, "legs", "leg", "in", "direction",
					"recv", "transport", "tcp", "peer", "path", MINE, "connect",
					0),
			&code);
	if(result)
		snprintf(path, sizeof(path), "%s",
				json_string_value(json_object_get(
						json_array_get(json_object_get(result, "legs"), 0),
						"path")));
	json_decref(result);
	json_object_set_new(params, "session", json_string(id));
	json_object_set_new(params, "when", json_string("failed"));
	if(*path == '\0' || !ask(c, "session.defer", params)) {
		if(*path == '\0')
			json_decref(params);
		return false;
	}
	const char *port = strrchr(path, ':');

	fd = tcp_connect(KILL_IP, port ? (int)strtol(port + 1, NULL, 10) : 0);
	ok = fd >= 0 && send_all(fd, path, n);
	if(fd >= 0)
		close(fd);
	ask(c, "session.close", json_pack("{s:s}", "session", id));
	return ok;
}

void *feed_large(void *arg)
{
	struct ctl c;
	char owner[32];

	snprintf(owner, sizeof(owner), "large%d", *(int *)arg);
	ctl_init(&c, owner);
	while(world.feeding) {
		int n = book_new(true);

		for(int try = 0; world.feeding && !session(&c, n, try); try++)
			;
		rest(5);
	}
	ctl_drop(&c);
	return NULL;
}
