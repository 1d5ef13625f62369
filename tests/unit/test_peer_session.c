/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two sessions of the tests' own MSRP endpoint (tests/msrp/peer_session.h) talk
 * to each other over loopback, in one thread.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer_session.h"
#include "peer_tls.h"

#define MESSAGE (1500 * 1000)

static char message[MESSAGE], got[MESSAGE];

struct end
{
	struct peer_session *s;
	int sent, received, status, failed, bound, reports;
	int answer; /* to chunks from answer_at on; 0 = 200 */
	uint64_t answer_at, got_bytes;
	char path[128], remote[128];
};

static void on_bound(void *arg)
{
	((struct end *)arg)->bound++;
}
static void on_sent(void *arg, int status)
{
	struct end *e = arg;

	e->sent++;
	e->status = status;
}
static int on_accept(void *arg, const struct peer_msg *m)
{
	struct end *e = arg;

	return e->answer && m->range.start > e->answer_at ? e->answer : 200;
}
static int on_data(void *arg, const char *id, uint64_t offset, struct slice d)
{
	(void)arg;
	(void)id;
	cr_assert_leq(offset + d.n, MESSAGE);
	memcpy(got + offset, d.p, d.n);
	return 0;
}
static int on_received(void *arg, const struct peer_incoming *m)
{
	struct end *e = arg;

	e->received++;
	e->got_bytes = m->bytes;
	return 200;
}
static void on_report(void *arg, const struct peer_msg *m)
{
	(void)m;
	((struct end *)arg)->reports++;
}
static void on_failed(void *arg, int rc, const char *why)
{
	struct end *e = arg;

	(void)rc;
	(void)why;
	e->failed++;
}
static const struct peer_session_ops ops = {.bound = on_bound,
		.sent = on_sent,
		.accept = on_accept,
		.data = on_data,
		.received = on_received,
		.report = on_report,
		.failed = on_failed};

struct pair
{
	struct peer_poll *poll;
	struct end a, b; /* a listens, b connects */
	int port;
	SSL_CTX *tls;
	char fingerprint[PEER_FINGERPRINT_MAX];
};

static void pair_start(struct pair *p, bool tls, const char *fingerprint)
{
	struct peer_session_conf c = {.ops = &ops, .timeout_ms = 5000};
	int fd;

	signal(SIGPIPE, SIG_IGN);
	for(size_t i = 0; i < MESSAGE; i++)
		message[i] = (char)(i * 31 >> 3);
	memset(got, 0, sizeof(got));
	*p = (struct pair){.poll = peer_poll_new()};
	c.loop = peer_poll_loop(p->poll);
	if(tls) {
		cr_assert_eq(peer_tls_new(&p->tls, p->fingerprint), 0);
		c.tls = p->tls;
		c.fingerprint = fingerprint ? fingerprint : p->fingerprint;
	}
	fd = peer_listen("127.0.0.1", &p->port);
	cr_assert_geq(fd, 0);
	snprintf(p->a.path, sizeof(p->a.path), "msrp%s://127.0.0.1:%d/aaaa;tcp",
			tls ? "s" : "", p->port);
	snprintf(p->b.path, sizeof(p->b.path), "msrp%s://127.0.0.1:9/bbbb;tcp",
			tls ? "s" : "");
	c.local_path = p->a.path;
	c.remote_path = p->b.path;
	c.listen_fd = fd;
	c.arg = &p->a;
	cr_assert_eq(peer_session_start(&c, &p->a.s), 0);
	c.local_path = p->b.path;
	c.remote_path = p->a.path;
	c.listen_fd = -1;
	c.arg = &p->b;
	c.active = true;
	c.host = "127.0.0.1";
	c.port = p->port;
	cr_assert_eq(peer_session_start(&c, &p->b.s), 0);
}

static void pair_run(struct pair *p, const int *until)
{
	for(int i = 0; i < 20000 && *until == 0; i++) {
		peer_poll_step(p->poll, 10);
		if(p->a.s)
			peer_session_tick(p->a.s);
		if(p->b.s)
			peer_session_tick(p->b.s);
	}
	cr_assert(*until, "nothing happened in time");
}

static void pair_end(struct pair *p)
{
	peer_session_close(&p->a.s);
	peer_session_close(&p->b.s);
	peer_poll_free(&p->poll);
	SSL_CTX_free(p->tls);
}

static const struct peer_source source = {
		.part = {{message, 10}, {message + 10, MESSAGE - 10}},
		.parts = 2,
		.content_type = "message/cpim"};

static void exchange(bool tls, bool active_sends, struct peer_send_conf conf)
{
	struct pair p;
	struct end *from, *to;

	pair_start(&p, tls, NULL);
	from = active_sends ? &p.b : &p.a;
	to = active_sends ? &p.a : &p.b;
	if(active_sends)
		peer_session_send(from->s, &source, &conf);
	else
		pair_run(&p, &from->bound), peer_session_send(from->s, &source, &conf);
	pair_run(&p, &from->sent);
	cr_assert_eq(from->status, 200, "MSRP %d: chunk %llu, tls %d, active %d",
			from->status, (unsigned long long)conf.chunk_bytes, tls,
			active_sends);
	cr_assert_eq(to->received, 1);
	cr_assert_eq(to->got_bytes, MESSAGE);
	cr_assert_eq(memcmp(got, message, MESSAGE), 0);
	cr_assert_eq(from->failed + to->failed, 0);
	if(conf.success_report)
		pair_run(&p, &from->reports);
	pair_end(&p);
}

Test(peer_session, message_arrives_in_chunks_of_every_kind, .timeout = 60)
{
	static const uint64_t chunk[] = {0, 1000, 2048, 65536, 2000000};

	for(size_t i = 0; i < sizeof(chunk) / sizeof(chunk[0]); i++)
		for(int k = 0; k < 8; k++)
			exchange(k & 1, k & 2,
					(struct peer_send_conf){.chunk_bytes = chunk[i],
							.window = chunk[i] == 1000 ? 1 : 0,
							.exact_range = k & 4,
							.success_report = "yes"});
}

Test(peer_session, error_response_stops_the_message, .timeout = 20,
		.description = "CL-21: nothing after the first non-200")
{
	struct pair p;

	pair_start(&p, false, NULL);
	p.a.answer = 413;
	p.a.answer_at = 100000;
	peer_session_send(p.b.s, &source,
			&(struct peer_send_conf){.chunk_bytes = 10000, .window = 4});
	pair_run(&p, &p.b.sent);
	cr_assert_eq(p.b.status, 413);
	cr_assert_leq(peer_send_chunks(peer_session_sender(p.b.s)), 16);
	cr_assert_eq(p.a.received, 0);
	pair_end(&p);
}

Test(peer_session, stranger_gets_481_and_the_peer_still_comes_in, .timeout = 20)
{
	static const char knock[] =
			"MSRP abcdef SEND\r\nTo-Path: msrp://127.0.0.1:1/zzzz;tcp\r\n"
			"From-Path: msrp://127.0.0.1:9/bbbb;tcp\r\nMessage-ID: 1\r\n"
			"-------abcdef$\r\n";
	struct peer_poll *poll = peer_poll_new();
	struct end a = {0}, b = {0};
	struct peer_session_conf c = {.loop = peer_poll_loop(poll),
			.local_path = "msrp://127.0.0.1:1/aaaa;tcp",
			.remote_path = "msrp://127.0.0.1:9/bbbb;tcp",
			.ops = &ops,
			.arg = &a};
	int port = 0, fd, n = 0;
	char answer[200];

	c.listen_fd = peer_listen("127.0.0.1", &port);
	cr_assert_eq(peer_session_start(&c, &a.s), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = {.sin_family = AF_INET,
			.sin_port = htons((uint16_t)port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_gt(write(fd, knock, sizeof(knock) - 1), 0);
	for(int i = 0; i < 200 && n <= 0; i++) {
		peer_poll_step(poll, 5);
		n = (int)recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	}
	cr_assert_gt(n, 0);
	answer[n] = '\0';
	cr_assert(strstr(answer, "MSRP abcdef 481 "), "%s", answer);
	cr_assert_eq(a.bound, 0);
	c.local_path = "msrp://127.0.0.1:9/bbbb;tcp";
	c.remote_path = "msrp://127.0.0.1:1/aaaa;tcp";
	c.active = true;
	c.host = "127.0.0.1";
	c.port = port;
	c.listen_fd = -1;
	c.arg = &b;
	cr_assert_eq(peer_session_start(&c, &b.s), 0);
	for(int i = 0; i < 400 && !b.bound; i++)
		peer_poll_step(poll, 5);
	cr_assert(a.bound == 1 && b.bound == 1);
	close(fd);
	peer_session_close(&a.s);
	peer_session_close(&b.s);
	peer_poll_free(&poll);
}

Test(peer_session, wrong_fingerprint_ends_it_before_a_byte_is_sent,
		.timeout = 20)
{
	struct pair p;

	pair_start(&p, true,
			"SHA-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:"
			"33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF");
	peer_session_send(p.b.s, &source, &(struct peer_send_conf){0});
	pair_run(&p, &p.b.failed);
	cr_assert_eq(p.a.received + p.a.bound, 0);
	pair_end(&p);
}

Test(peer_session, silence_of_the_peer_ends_it_in_time, .timeout = 20)
{
	struct peer_poll *poll = peer_poll_new();
	struct end a = {0};
	struct peer_session_conf c = {.loop = peer_poll_loop(poll),
			.local_path = "msrp://127.0.0.1:1/aaaa;tcp",
			.remote_path = "msrp://127.0.0.1:9/bbbb;tcp",
			.timeout_ms = 50,
			.ops = &ops,
			.arg = &a};
	int port = 0;

	c.listen_fd = peer_listen("127.0.0.1", &port);
	cr_assert_eq(peer_session_start(&c, &a.s), 0);
	for(int i = 0; i < 100 && !a.failed; i++) {
		peer_poll_step(poll, 10);
		peer_session_tick(a.s);
	}
	cr_assert_eq(a.failed, 1);
	peer_session_close(&a.s);
	peer_poll_free(&poll);
}
