/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control connection of msrp-relayctl: blocking, with a time limit on
 * every answer (docs/control-protocol.md).
 */
#include "relayctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "ctl.h"

static int unreached(const struct relayctl *rc, const char *why)
{
	fprintf(stderr, "msrp-relayctl: %s: %s\n", rc->socket_path, why);
	return RC_UNREACHED;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait for readiness; deadline < 0: for ever. */
static int wait_for(struct relayctl *rc, short events, int64_t deadline)
{
	struct pollfd p = {.fd = rc->fd, .events = events};
	int n;

	do {
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();

		if(deadline >= 0 && left <= 0)
			return unreached(rc, "no answer in time");
		n = poll(&p, 1, (int)left);
	} while(n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? unreached(rc, strerror(errno)) : RC_OK;
}

static int send_all(
		struct relayctl *rc, const char *line, size_t n, int64_t deadline)
{
	while(n > 0) {
		ssize_t k = send(rc->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if(k >= 0) {
			line += k;
			n -= (size_t)k;
		} else if(errno == EAGAIN) {
			int status = wait_for(rc, POLLOUT, deadline);

			if(status != RC_OK)
				return status;
		} else if(errno == EPIPE) {
			return RC_OK; /* what it had to say can still be read */
		} else if(errno != EINTR) {
			return unreached(rc, strerror(errno));
		}
	}
	return RC_OK;
}

/* One line of the daemon, decoded. */
static int receive(struct relayctl *rc, struct ctl_msg *m, int64_t deadline)
{
	for(;;) {
		char *end = memchr(rc->in, '\n', rc->in_len);
		ssize_t k;
		int status;

		if(end) {
			size_t n = (size_t)(end - rc->in);
			int code = ctl_decode(rc->in, n, m);

			rc->in_len -= n + 1;
			memmove(rc->in, end + 1, rc->in_len);
			if(code == 0)
				return RC_OK;
			ctl_msg_clear(m);
			return unreached(rc, "speaks another protocol");
		}
		if(rc->in_len == CTL_LINE_MAX)
			return unreached(rc, "speaks another protocol");
		status = wait_for(rc, POLLIN, deadline);
		if(status != RC_OK)
			return status;
		k = recv(rc->fd, rc->in + rc->in_len, CTL_LINE_MAX - rc->in_len,
				MSG_DONTWAIT);
		if(k == 0)
			return unreached(rc, "closed by the daemon");
		if(k < 0 && errno != EINTR && errno != EAGAIN)
			return unreached(rc, strerror(errno));
		if(k > 0)
			rc->in_len += (size_t)k;
	}
}

static int refused(const char *method, const struct ctl_msg *m)
{
	const char *param = json_string_value(m->data);

	fprintf(stderr, "msrp-relayctl: %s: %s%s%s (%d)\n", method, m->message,
			param ? ": " : "", param ? param : "", m->code);
	return RC_REFUSED;
}

int relayctl_call(struct relayctl *rc, const char *method, json_t *params,
		json_t **result)
{
	int64_t deadline = now_ms() + (int64_t)rc->timeout_s * 1000;
	uint64_t id = ++rc->last_id;
	size_t n = 0;
	char *line = ctl_encode_request(id, method, params, &n);
	int status;

	json_decref(params);
	if(line == NULL) {
		fprintf(stderr,
				"msrp-relayctl: %s: an argument is too long or not "
				"UTF-8\n",
				method);
		return RC_USAGE;
	}
	status = send_all(rc, line, n, deadline);
	free(line);
	while(status == RC_OK) {
		struct ctl_msg m;

		status = receive(rc, &m, deadline);
		if(status != RC_OK)
			break;
		/* An error without id is about the connection as a whole. */
		if(m.kind == CTL_ERROR
				&& (m.id == NULL || (uint64_t)json_integer_value(m.id) == id)) {
			status = refused(method, &m);
		} else if(m.kind == CTL_RESULT
				&& (uint64_t)json_integer_value(m.id) == id) {
			*result = json_incref(m.result);
			ctl_msg_clear(&m);
			return RC_OK;
		}
		ctl_msg_clear(&m);
	}
	return status;
}

int relayctl_event(struct relayctl *rc, json_t **params)
{
	for(;;) {
		struct ctl_msg m;
		int status = receive(rc, &m, -1);

		if(status != RC_OK)
			return status;
		if(m.kind == CTL_EVENT && m.params) {
			*params = json_incref(m.params);
			ctl_msg_clear(&m);
			return RC_OK;
		}
		ctl_msg_clear(&m);
	}
}

int relayctl_connect(struct relayctl *rc, const char *owner, bool events)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strlen(rc->socket_path);

	if(n >= sizeof(un.sun_path))
		return unreached(rc, "the path is too long");
	memcpy(un.sun_path, rc->socket_path, n + 1);
	rc->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if(rc->fd < 0 || connect(rc->fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return unreached(rc,
				errno == ECONNREFUSED ? "no daemon listens there"
									  : strerror(errno));
	return relayctl_call(rc, "hello",
			json_pack("{s:i, s:s, s:b}", "version", CTL_VERSION, "owner", owner,
					"events", (int)events),
			&rc->hello);
}

void relayctl_disconnect(struct relayctl *rc)
{
	if(rc->fd >= 0)
		close(rc->fd);
	rc->fd = -1;
	json_decref(rc->hello);
	rc->hello = NULL;
}

void relayctl_print(const json_t *v)
{
	json_dumpf(v, stdout,
			JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	putchar('\n');
}
