/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The MSRP side of clientnet.h: whole frames over blocking sockets.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clientnet.h"
#include "internal.h"

#define STREAMS 8
#define STREAM_MAX (8 * 1024 * 1024)

/* Unread bytes of each connection. */
static struct
{
	int fd;
	char *buf;
	size_t len;
} streams[STREAMS];
static int n_streams;

const char *net_sdp(int port, const char *setup, const char *more)
{
	return fmt("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
			   "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message %d TCP/MSRP *\r\n"
			   "a=recvonly\r\na=accept-types:message/cpim\r\n"
			   "a=accept-wrapped-types:*\r\na=setup:%s\r\n%s",
			port, setup,
			more ? more
				 : fmt("a=path:msrp://127.0.0.1:%d/netsession;tcp\r\n"
					   "a=msrp-cema\r\n",
						 port));
}

static void stream_add(int fd)
{
	cr_assert_lt(n_streams, STREAMS);
	streams[n_streams].fd = fd;
	streams[n_streams++].buf = e2e_alloc(STREAM_MAX);
}

int net_msrp_accept(int listener, int timeout_ms)
{
	struct pollfd p = {listener, POLLIN, 0};
	int fd;

	if(poll(&p, 1, timeout_ms) != 1)
		cr_assert_fail("no MSRP connection in %d ms", timeout_ms);
	fd = accept(listener, NULL, NULL);
	cr_assert_geq(fd, 0);
	stream_add(fd);
	return fd;
}

int net_msrp_connect(const char *host, int port)
{
	struct sockaddr_in a = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(inet_pton(AF_INET, host, &a.sin_addr), 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0,
			"cannot connect to %s:%d", host, port);
	stream_add(fd);
	return fd;
}

/* A whole frame at the start of the buffer; its length, or 0. */
static size_t frame_at(char *b, size_t len, struct net_frame *f)
{
	const char *line, *blank, *end;
	char mark[60];
	size_t tid, body_at;

	if(len < 10 || !memchr(b, '\n', len))
		return 0;
	cr_assert_eq(strncmp(b, "MSRP ", 5), 0, "not MSRP: %.60s", b);
	tid = strcspn(b + 5, " ");
	cr_assert_lt(tid, sizeof(f->tid));
	snprintf(f->tid, sizeof(f->tid), "%.*s", (int)tid, b + 5);
	line = b + 5 + tid + 1;
	f->status =
			line[0] >= '0' && line[0] <= '9' ? (int)strtol(line, NULL, 10) : 0;
	snprintf(mark, sizeof(mark), "\r\n-------%s", f->tid);
	end = memmem(b, len, mark, strlen(mark));
	if(!end || (size_t)(end - b) + strlen(mark) + 3 > len)
		return 0;
	blank = memmem(b, (size_t)(end - b), "\r\n\r\n", 4);
	body_at = blank ? (size_t)(blank + 4 - b) : (size_t)(end - b);
	f->head = e2e_alloc(body_at + 1);
	memcpy(f->head, b, blank ? body_at - 2 : body_at);
	f->body_len = blank ? (size_t)(end - b) - body_at : 0;
	f->body = e2e_alloc(f->body_len + 1);
	memcpy(f->body, b + body_at, f->body_len);
	f->flag = end[strlen(mark)];
	return (size_t)(end - b) + strlen(mark) + 3;
}

struct net_frame *net_frame(int fd, int timeout_ms)
{
	struct net_frame *f = e2e_alloc(sizeof(*f));
	struct pollfd p = {fd, POLLIN, 0};
	int i = 0;

	while(i < n_streams && streams[i].fd != fd)
		i++;
	cr_assert_lt(i, n_streams);
	for(;;) {
		size_t n = frame_at(streams[i].buf, streams[i].len, f);
		ssize_t k;

		if(n > 0) {
			memmove(streams[i].buf, streams[i].buf + n, streams[i].len - n);
			streams[i].len -= n;
			return f;
		}
		if(poll(&p, 1, timeout_ms) != 1)
			return NULL;
		k = recv(fd, streams[i].buf + streams[i].len,
				STREAM_MAX - streams[i].len, 0);
		if(k <= 0)
			return NULL;
		streams[i].len += (size_t)k;
	}
}

void net_frame_answer(int fd, const struct net_frame *f, int status)
{
	const char *text = fmt("MSRP %s %d X\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
						   "-------%s$\r\n",
			f->tid, status, net_header(f->head, "From-Path"),
			net_header(f->head, "To-Path"), f->tid);

	cr_assert_eq(
			send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}
