// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions of msrp-load in a relay, opened as Kamailio's module opens them:
 * hello, session.create, leg.start for both legs (docs/control-protocol.md);
 * or session.defer when there is nobody to send to.
 * Commands are sent some dozens at a time. Called by load_main.c before the
 * measurement and after it.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"

#define AT_ONCE 32

struct ctl
{
	int fd;
	long id;
	size_t have;
	char buf[262144];
};

static int send_line(struct ctl *c, const char *method, json_t *params)
{
	json_t *o = json_pack("{s:s,s:I,s:s,s:o}", "jsonrpc", "2.0", "id",
			(json_int_t)++c->id, "method", method, "params", params);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	size_t n, at = 0;
	int rc = 0;

	json_decref(o);
	if(!text)
		return -ENOMEM;
	n = strlen(text);
	text[n++] = '\n'; /* in place of the NUL */
	while(at < n && rc == 0) {
		ssize_t k = send(c->fd, text + at, n - at, MSG_NOSIGNAL);
		if(k < 0)
			rc = -errno;
		else
			at += (size_t)k;
	}
	free(text);
	return rc;
}

/* The next answer's result; events are passed over. NULL: an error, told. */
static json_t *answer(struct ctl *c)
{
	for(;;) {
		char *nl = memchr(c->buf, '\n', c->have);
		ssize_t k;

		if(nl) {
			json_error_t err;
			json_t *o = json_loadb(c->buf, (size_t)(nl - c->buf), 0, &err);
			json_t *res = json_incref(json_object_get(o, "result"));

			if(!res && (!o || json_object_get(o, "id")))
				fprintf(stderr, "msrp-load: control: %.*s\n",
						(int)(nl - c->buf), c->buf);
			bool is_event = o && !json_object_get(o, "id");
			json_decref(o);
			c->have -= (size_t)(nl + 1 - c->buf);
			memmove(c->buf, nl + 1, c->have);
			if(is_event)
				continue;
			return res;
		}
		if(c->have == sizeof(c->buf))
			return NULL;
		k = recv(c->fd, c->buf + c->have, sizeof(c->buf) - c->have, 0);
		if(k <= 0) {
			fprintf(stderr, "msrp-load: control socket: %s\n",
					k < 0 ? strerror(errno) : "closed");
			return NULL;
		}
		c->have += (size_t)k;
	}
}

int ctl_open(struct ctl **out, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = 20};
	struct ctl *c = calloc(1, sizeof(*c));
	json_t *res;

	if(!c)
		return -ENOMEM;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = -errno;
		fprintf(stderr, "msrp-load: %s: %s\n", path, strerror(errno));
		close(c->fd);
		free(c);
		return rc;
	}
	send_line(c, "hello",
			json_pack("{s:i,s:s,s:b}", "version", 1, "owner", "msrp-load",
					"events", 0));
	res = answer(c);
	if(!res) {
		close(c->fd);
		free(c);
		return -EPROTO;
	}
	json_decref(res);
	*out = c;
	return 0;
}

static void session_id(char *out, size_t n, uint32_t i)
{
	snprintf(out, n, "load-%d-%u", (int)getpid(), i);
}

static int create(struct ctl *c, const struct load_opts *o, uint32_t i)
{
	const char *out = o->tls_out ? "tls" : "tcp";
	json_t *legs = json_array();
	char id[64];

	json_array_append_new(legs,
			json_pack("{s:s,s:s,s:s}", "leg", "in", "direction", "recv",
					"transport", o->tls_in ? "tls" : "tcp"));
	for(uint32_t k = 0; k < o->legs; k++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", k + 1);
		json_array_append_new(legs,
				json_pack("{s:s,s:s,s:s}", "leg", name, "direction", "send",
						"transport", out));
	}
	session_id(id, sizeof(id), i);
	return send_line(c, "session.create",
			json_pack("{s:s,s:I,s:i,s:b,s:o}", "session", id, "max_bytes",
					(json_int_t)(o->size + 1048576), "idle_ms", 120000, "keep",
					(int)o->defer, "legs", legs));
}

/* One answer to session.create; they come in any order, from any worker. */
static int created(
		struct ctl *c, const struct load_opts *o, struct load_paths *paths)
{
	json_t *res = answer(c), *leg;
	const char *id, *path, *host, *dash;
	struct load_paths *p;
	unsigned long i;
	int rc = -EPROTO;

	leg = json_array_get(json_object_get(res, "legs"), 0);
	path = json_string_value(json_object_get(leg, "path"));
	host = json_string_value(json_object_get(leg, "host"));
	id = json_string_value(json_object_get(res, "session"));
	dash = id ? strrchr(id, '-') : NULL;
	i = dash ? strtoul(dash + 1, NULL, 10) : o->sessions;
	if(i < o->sessions && path && host && strlen(path) < PATH_BYTES) {
		p = &paths[i];
		snprintf(p->next, sizeof(p->next), "%s", path);
		snprintf(p->next_host, sizeof(p->next_host), "%s", host);
		p->next_port = (int)json_integer_value(json_object_get(leg, "port"));
		rc = 0;
	}
	json_decref(res);
	return rc;
}

static int start(struct ctl *c, const struct load_opts *o,
		const struct load_paths *p, uint32_t i)
{
	char id[64], name[16], path[PATH_BYTES];
	int rc;

	session_id(id, sizeof(id), i);
	rc = send_line(c, "leg.start",
			json_pack("{s:s,s:s,s:b,s:{s:s}}", "session", id, "leg", "in",
					"connect", 0, "peer", "path", p->gen));
	for(uint32_t k = 0; k < o->legs && rc == 0; k++) {
		snprintf(name, sizeof(name), "%u", k + 1);
		load_sink_path(o, i, k, path, sizeof(path));
		rc = send_line(c, "leg.start",
				json_pack("{s:s,s:s,s:b,s:{s:s,s:s,s:i}}", "session", id, "leg",
						name, "connect", 1, "peer", "path", path, "host",
						o->sink_host, "port", o->sink_port));
	}
	return rc;
}

/* To be stored as soon as it is complete, each for a user of his own. */
static int defer(struct ctl *c, uint32_t i)
{
	char id[64], user[64];

	session_id(id, sizeof(id), i);
	snprintf(user, sizeof(user), "sip:user%u@home1.test", i);
	return send_line(c, "session.defer",
			json_pack("{s:s,s:s,s:s,s:s,s:{},s:s}", "session", id, "user", user,
					"sender", "sip:alice@home1.test", "key", id, "envelope",
					"when", "now"));
}

static int skip(struct ctl *c)
{
	json_t *res = answer(c);

	if(!res)
		return -EPROTO;
	json_decref(res);
	return 0;
}

int ctl_sessions(
		struct ctl *c, const struct load_opts *o, struct load_paths *paths)
{
	int rc = 0;

	for(uint32_t at = 0; at < o->sessions && rc == 0; at += AT_ONCE) {
		uint32_t end = at + AT_ONCE < o->sessions ? at + AT_ONCE : o->sessions;

		for(uint32_t i = at; i < end && rc == 0; i++)
			rc = create(c, o, i);
		for(uint32_t i = at; i < end && rc == 0; i++)
			rc = created(c, o, paths);
		for(uint32_t i = at; i < end && rc == 0; i++)
			rc = start(c, o, &paths[i], i);
		for(uint32_t i = at; i < end && rc == 0 && o->defer; i++)
			rc = defer(c, i);
		for(uint32_t i = 0;
				i < (end - at) * (1 + o->legs + o->defer) && rc == 0; i++)
			rc = skip(c);
	}
	return rc;
}

void ctl_close(struct ctl **pc, const struct load_opts *o)
{
	struct ctl *c = *pc;
	int rc = 0;

	if(!c)
		return;
	for(uint32_t at = 0; at < o->sessions && rc == 0; at += AT_ONCE) {
		uint32_t end = at + AT_ONCE < o->sessions ? at + AT_ONCE : o->sessions;
		char id[64];

		for(uint32_t i = at; i < end && rc == 0; i++) {
			session_id(id, sizeof(id), i);
			rc = send_line(c, "session.close",
					json_pack("{s:s,s:b}", "session", id, "abort", 1));
		}
		for(uint32_t i = at; i < end && rc == 0; i++)
			rc = skip(c);
	}
	close(c->fd);
	free(c);
	*pc = NULL;
}
