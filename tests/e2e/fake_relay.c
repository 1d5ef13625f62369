/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay of the link's tests (fake_relay.h): one thread, one connection at
 * a time, JSON by jansson and nothing of the project's own code.
 */
#include "fake_relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RULES 16
#define SEEN 4096

struct fake
{
	pthread_t thread;
	pthread_mutex_t lock;
	char path[600], boot[40], ip[20], list[512];
	int listener, fd, wake[2];
	bool ending;
	struct
	{
		char method[32];
		enum fake_how how;
	} rules[RULES];
	int n_rules;
	json_t *seen[SEEN]; /* whole requests, in order */
	int n_seen;
};

static enum fake_how how_of(struct fake *f, const char *method)
{
	enum fake_how how = FAKE_OK;

	pthread_mutex_lock(&f->lock);
	for(int i = 0; i < f->n_rules; i++)
		if(strcmp(f->rules[i].method, method) == 0)
			how = f->rules[i].how;
	pthread_mutex_unlock(&f->lock);
	return how;
}

static void put(struct fake *f, const char *text, size_t n)
{
	while(n > 0) {
		ssize_t w = send(f->fd, text, n, MSG_NOSIGNAL);

		if(w <= 0)
			return;
		text += w;
		n -= (size_t)w;
	}
}

static void put_json(struct fake *f, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	put(f, text, strlen(text));
	put(f, "\n", 1);
	free(text);
	json_decref(json);
}

/* ---- good answers ---------------------------------------------------------
 */

static json_t *created(struct fake *f, json_t *params)
{
	json_t *legs = json_array(), *leg;
	size_t i;

	json_array_foreach(json_object_get(params, "legs"), i, leg)
	{
		char path[128];

		snprintf(path, sizeof(path), "msrp://%s:2855/fake%zu;tcp", f->ip, i);
		json_array_append_new(legs,
				json_pack("{s:O,s:s,s:s,s:i,s:s}", "leg",
						json_object_get(leg, "leg"), "path", path, "host",
						f->ip, "port", 2855, "transport", "tcp"));
	}
	return json_pack("{s:O,s:o}", "session", json_object_get(params, "session"),
			"legs", legs);
}

static json_t *listed(struct fake *f)
{
	json_t *list = json_array();
	char names[512], *save = NULL;

	snprintf(names, sizeof(names), "%s", f->list);
	for(char *s = strtok_r(names, ",", &save); s;
			s = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_pack("{s:s}", "session", s));
	return json_pack("{s:I,s:o}", "total", (json_int_t)json_array_size(list),
			"sessions", list);
}

static json_t *result_of(struct fake *f, const char *method, json_t *params)
{
	if(strcmp(method, "hello") == 0)
		return json_pack("{s:i,s:s,s:s,s:i}", "version", 1, "server", "fake/1",
				"boot", f->boot, "workers", 1);
	if(strcmp(method, "session.create") == 0)
		return created(f, params);
	if(strcmp(method, "session.list") == 0)
		return listed(f);
	if(strcmp(method, "leg.start") == 0)
		return json_pack("{s:O,s:O,s:s}", "session",
				json_object_get(params, "session"), "leg",
				json_object_get(params, "leg"), "state", "connecting");
	return json_object();
}

/* ---- one request ------------------------------------------------------------
 */

/* false: the connection is to be closed. */
static bool serve(struct fake *f, json_t *rq)
{
	const char *method = json_string_value(json_object_get(rq, "method"));
	json_t *id = json_object_get(rq, "id");
	char junk[4096];

	memset(junk, 'x', sizeof(junk));
	switch(how_of(f, method)) {
		case FAKE_MUTE:
			return true;
		case FAKE_CLOSE:
			return false;
		case FAKE_NOT_JSON:
			put(f, "neither\n", 8);
			return true;
		case FAKE_BATCH:
			put(f, "[1,2]\n", 6);
			return true;
		case FAKE_LONG:
			for(int i = 0; i < 20; i++)
				put(f, junk, sizeof(junk));
			return true;
		case FAKE_HALF:
			put(f, "{\"jsonrpc\":\"2.0\",\"id\":", 22);
			return false;
		case FAKE_ERROR:
			put_json(f,
					json_pack("{s:s,s:O,s:{s:i,s:s}}", "jsonrpc", "2.0", "id",
							id, "error", "code", -32003, "message",
							"limit reached"));
			return true;
		case FAKE_STRANGE:
			put_json(f,
					json_pack("{s:s,s:I,s:{}}", "jsonrpc", "2.0", "id",
							(json_int_t)999999999, "result"));
			put_json(f,
					json_pack("{s:s,s:s,s:{}}", "jsonrpc", "2.0", "id", "text",
							"result"));
			put_json(f,
					json_pack("{s:s,s:s,s:{}}", "jsonrpc", "2.0", "method",
							"unheard.of", "params"));
			break;
		case FAKE_OK:
			break;
	}
	put_json(f,
			json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", id, "result",
					result_of(f, method, json_object_get(rq, "params"))));
	return true;
}

static bool serve_lines(struct fake *f, char *in, size_t *n)
{
	char *line = in, *nl;
	bool go = true;

	while(go && (nl = memchr(line, '\n', *n - (size_t)(line - in)))) {
		json_t *rq = json_loadb(line, (size_t)(nl - line), 0, NULL);

		line = nl + 1;
		if(rq == NULL)
			return false;
		pthread_mutex_lock(&f->lock);
		if(f->n_seen < SEEN)
			f->seen[f->n_seen++] = json_incref(rq);
		pthread_mutex_unlock(&f->lock);
		go = serve(f, rq);
		json_decref(rq);
	}
	*n -= (size_t)(line - in);
	memmove(in, line, *n);
	return go;
}

static void *run(void *arg)
{
	static char in[1 << 20];
	struct fake *f = arg;

	while(!f->ending) {
		struct pollfd p[] = {{.fd = f->wake[0], .events = POLLIN},
				{.fd = f->listener, .events = POLLIN}};
		size_t n = 0;
		ssize_t r = 1;

		poll(p, 2, -1);
		if(f->ending || !(p[1].revents & POLLIN))
			continue;
		f->fd = accept(f->listener, NULL, NULL);
		while(r > 0) {
			r = recv(f->fd, in + n, sizeof(in) - n, 0);
			if(r > 0) {
				n += (size_t)r;
				if(!serve_lines(f, in, &n))
					break;
			}
		}
		pthread_mutex_lock(&f->lock);
		close(f->fd);
		f->fd = -1;
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

/* ---- for the tests
 * ----------------------------------------------------------- */

struct fake *fake_start(struct lab *lab, const char *boot)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct fake *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "%s", lab->relay_sock);
	snprintf(f->boot, sizeof(f->boot), "%s", boot ? boot : "9f2c61d07be84a53");
	snprintf(f->ip, sizeof(f->ip), "%s", lab->pf_ip);
	cr_assert(strlen(lab->relay_sock) < sizeof(a.sun_path));
	memcpy(a.sun_path, lab->relay_sock, strlen(lab->relay_sock));
	pthread_mutex_init(&f->lock, NULL);
	f->fd = -1;
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(bind(f->listener, (struct sockaddr *)&a, sizeof(a)) < 0
			|| listen(f->listener, 5) < 0 || pipe(f->wake) < 0)
		cr_assert_fail("fake relay: %s: %s", f->path, strerror(errno));
	pthread_create(&f->thread, NULL, run, f);
	return f;
}

void fake_set(struct fake *f, const char *method, enum fake_how how)
{
	pthread_mutex_lock(&f->lock);
	cr_assert(f->n_rules < RULES);
	snprintf(f->rules[f->n_rules].method, sizeof(f->rules[0].method), "%s",
			method);
	f->rules[f->n_rules++].how = how;
	pthread_mutex_unlock(&f->lock);
}

void fake_list(struct fake *f, const char *sessions)
{
	snprintf(f->list, sizeof(f->list), "%s", sessions);
}

void fake_drop(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	if(f->fd >= 0)
		shutdown(f->fd, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
}

void fake_stop(struct fake *f)
{
	f->ending = true;
	unlink(f->path);
	cr_assert_eq(write(f->wake[1], "", 1), 1);
	fake_drop(f);
	pthread_join(f->thread, NULL);
	close(f->listener);
}

void fake_send(struct fake *f, const char *line)
{
	pthread_mutex_lock(&f->lock);
	put(f, line, strlen(line));
	put(f, "\n", 1);
	pthread_mutex_unlock(&f->lock);
}

/* The nth request of the method, or NULL; how many with *n. */
static json_t *seen(struct fake *f, const char *method, int nth, int *n)
{
	json_t *found = NULL;
	int count = 0;

	pthread_mutex_lock(&f->lock);
	for(int i = 0; i < f->n_seen; i++)
		if(strcmp(json_string_value(json_object_get(f->seen[i], "method")),
				   method)
						== 0
				&& count++ == nth)
			found = f->seen[i];
	pthread_mutex_unlock(&f->lock);
	if(n)
		*n = count;
	return found;
}

int fake_count(struct fake *f, const char *method)
{
	int n;

	seen(f, method, 0, &n);
	return n;
}

json_t *fake_wait(struct fake *f, const char *method, int nth, int timeout_ms)
{
	for(int t = 0; t <= timeout_ms; t += 10) {
		json_t *rq = seen(f, method, nth, NULL);

		if(rq != NULL)
			return json_object_get(rq, "params");
		sleep_ms(10);
	}
	cr_assert_fail("%d requests %s after %d ms, waiting for number %d",
			fake_count(f, method), method, timeout_ms, nth + 1);
	return NULL;
}
