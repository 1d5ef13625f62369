/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Threads that deliver: claim what a user has, take it as a client would, and
 * only then let it be removed. Now and then one dies with a claim, as a module
 * may: it says nothing more, and starts anew.
 */
#include "crash/rng.h"
#include "kill.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX (1024 * 1024)
#define LEASE_MS 1000
#define IDLE_MS 1000 /* of a session whose owner is gone */
#define DIES 1       /* percent of the claims */

struct taker
{
	struct ctl c;
	int listener, port, serial;
	uint64_t rng;
	char path[96]; /* ours, in the session of the moment */
};

static const char *str(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* Does it die here? */
static bool dies(struct taker *t)
{
	if(!rng_chance(&t->rng, DIES))
		return false;
	ctl_drop(&t->c);
	__atomic_add_fetch(&world.abandoned, 1, __ATOMIC_RELAXED);
	return true;
}

static void take_pager(struct taker *t, const json_t *m)
{
	const char *data = str(m, "data");
	size_t n = strlen(data);
	unsigned char *body = malloc(n + 4);
	int got, code;
	json_t *r;

	if(body == NULL)
		abort();
	got = EVP_DecodeBlock(body, (const unsigned char *)data, (int)n);
	for(; got > 0 && n > 0 && data[n - 1] == '='; n--)
		got--;
	book_delivered((char *)body, (size_t)(got > 0 ? got : 0), str(m, "ref"));
	free(body);
	if(dies(t))
		return;
	r = ctl_ask(&t->c, "deferred.settle",
			json_pack("{s:s, s:O, s:s}", "ref", str(m, "ref"), "fence",
					json_object_get(m, "fence"), "outcome", "delivered"),
			&code);
	json_decref(r);
}

/* One SEND: its bytes go into the message; it is answered. -1: no SEND, of an
 * earlier session, or the connection is gone; 1: the message is complete. */
static int take_chunk(const struct taker *t, int fd, const char *p, size_t n,
		char *body, size_t *len)
{
	const char *blank = memmem(p, n, "\r\n\r\n", 4);
	const char *range = memmem(p, n, "Byte-Range: ", 12);
	const char *to = memmem(p, n, "To-Path: ", 9);
	const char *from = memmem(p, n, "From-Path: ", 11);
	char answer[1024], tid[64] = "";
	size_t start = 0, tail;
	int h;

	if(sscanf(p, "MSRP %63s SEND", tid) != 1
			|| memcmp(p + 5 + strlen(tid), " SEND", 5) != 0 || to == NULL
			|| from == NULL)
		return memcmp(p + 5 + strlen(tid), " SEND", 5) == 0 ? -1 : 0;
	if(strncmp(to + 9, t->path, strlen(t->path)) != 0)
		return -1;
	tail = strlen(tid) + 9 + 3;
	if(blank && range && blank + 4 <= p + n - tail) {
		size_t k = (size_t)(p + n - tail - (blank + 4));

		start = strtoul(range + 12, NULL, 10);
		if(start < 1 || start - 1 + k > IN_MAX)
			return -1;
		memcpy(body + start - 1, blank + 4, k);
		if(start - 1 + k > *len)
			*len = start - 1 + k;
	}
	h = snprintf(answer, sizeof(answer),
			"MSRP %s 200 OK\r\nTo-Path: %.*s\r\nFrom-Path: "
			"%.*s\r\n-------%s$\r\n",
			tid, (int)strcspn(from + 11, "\r"), from + 11,
			(int)strcspn(to + 9, "\r"), to + 9, tid);
	if(p[n - 3] == '$' && start > 0)
		book_delivered(body, *len, "MSRP");
	if(send(fd, answer, (size_t)h, MSG_NOSIGNAL) != h)
		return -1;
	return p[n - 3] == '$' && start > 0;
}

/* 1: the message is complete; 0: not, or no connection; -1: one that an
 * earlier session has left behind. */
static int take_connection(const struct taker *t, char *in, char *body)
{
	struct timeval limit = {10, 0};
	size_t have = 0, len = 0, n;
	int fd = accept(t->listener, NULL, NULL), rc = 0;
	bool ours = fd < 0;

	if(fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while(fd >= 0 && rc == 0 && (n = msrp_read(fd, in, IN_MAX, &have)) > 0) {
		rc = take_chunk(t, fd, in, n, body, &len);
		ours = ours || rc >= 0;
		have -= n;
		memmove(in, in + n, have);
	}
	if(fd >= 0)
		close(fd);
	return ours ? rc > 0 : -1;
}

static void take_large(struct taker *t, const json_t *m)
{
	char id[64], *in = malloc(IN_MAX), *body = malloc(IN_MAX);
	json_t *r;
	int code;

	if(in == NULL || body == NULL)
		abort();
	snprintf(id, sizeof(id), "take%d.%d", t->port, t->serial++);
	snprintf(t->path, sizeof(t->path), "msrp://127.0.0.1:%d/c%d;tcp", t->port,
			t->serial);
	r = ctl_ask(&t->c, "session.create",
			json_pack("{s:s, s:i, s:{s:s, s:O, s:i}, "
					  "s:[{s:s, s:s, s:s, s:{s:s}, s:b}]}",
					"session", id, "idle_ms", IDLE_MS, "content", "deferred",
					str(m, "ref"), "fence", json_object_get(m, "fence"),
					"lease_ms", LEASE_MS, "legs", "leg", "1", "direction",
					"send", "transport", "tcp", "peer", "path", t->path,
					"connect", 1),
			&code);
	json_decref(r);
	if(r == NULL && code != 0) {
		fprintf(stderr, "session.create with content: error %d\n", code);
	} else if(r && !dies(t)) {
		while(take_connection(t, in, body) < 0)
			;
		json_decref(ctl_event(&t->c, "leg.delivered", id, 3000));
		json_decref(ctl_ask(&t->c, "session.close",
				json_pack("{s:s}", "session", id), &code));
	}
	free(in);
	free(body);
}

static bool take_one(struct taker *t, int user)
{
	char name[64];
	json_t *r, *m;
	bool got;
	int code;

	snprintf(name, sizeof(name), "sip:u%d@example.com", user);
	r = ctl_ask(&t->c, "deferred.next",
			json_pack("{s:[s], s:b, s:i}", "users", name, "any", 1, "lease_ms",
					LEASE_MS),
			&code);
	m = json_object_get(r, "message");
	got = json_is_object(m);
	if(got && dies(t))
		got = false;
	else if(got && strcmp(str(m, "kind"), "large") == 0)
		take_large(t, m);
	else if(got)
		take_pager(t, m);
	json_decref(r);
	return got;
}

void *take(void *arg)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct timeval limit = {3, 0};
	socklen_t len = sizeof(a);
	struct taker t = {0};
	char owner[32];
	int one = 1, none = 0;

	snprintf(owner, sizeof(owner), "taker%d", *(int *)arg);
	ctl_init(&t.c, owner);
	t.rng = world.seed + *(unsigned *)arg;
	inet_pton(AF_INET, KILL_IP, &a.sin_addr);
	t.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(t.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(t.listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if(bind(t.listener, (struct sockaddr *)&a, sizeof(a)) < 0
			|| listen(t.listener, 8) < 0
			|| getsockname(t.listener, (struct sockaddr *)&a, &len) < 0)
		abort();
	t.port = ntohs(a.sin_port);
	for(int user = *(int *)arg; world.taking; user = (user + 1) % USERS) {
		none = take_one(&t, user) ? 0 : none + 1;
		if(none > USERS)
			nap(10);
	}
	ctl_drop(&t.c);
	close(t.listener);
	return NULL;
}
