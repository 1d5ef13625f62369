/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Large messages, slow peers, lost peers and TLS against the real daemon:
 * media is streamed, memory is bounded, sessions do not disturb each other.
 */
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "relay_rig.h"

E2E_SUITE(msrp_stream);

#define MB (1024ll * 1024)

static struct rig *rig;
static int ctl;
static struct pair pair;
static struct raw *in, *out;

static void begin(const char *options)
{
	rig = rig_start(options);
	ctl = ctl_hello_fd(rig);
	pair = pair_open(ctl, "s1", "", "");
	pair_connect(rig, &pair, &in, &out);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* Byte i of every message of these tests. */
static void fill(char *p, size_t n, unsigned long long at)
{
	for(size_t i = 0; i < n; i++)
		p[i] = (char)((at + i) * 2654435761u >> 13);
}

/* One small message, and how long it took. */
static long long pass(
		struct raw *from, struct raw *to, const struct pair *p, const char *tid)
{
	long long start = now_ms();
	const struct frame *f;

	raw_send(from, p->in_path, p->in_peer, tid, tid, "1-5/5", "hello", 5, '$');
	f = raw_request(to, 5000);
	cr_assert(f != NULL);
	cr_assert_str_eq(f->body, "hello");
	raw_answer(to, f, 200);
	cr_assert_eq(raw_status(from, tid, 5000), 200);
	return now_ms() - start;
}

E2E_TEST(msrp_stream, a_message_of_100_MB_in_chunks_needs_no_memory, "")
{
	const size_t total = 100 * MB, chunk = 65536;
	char *body = malloc(chunk), *want = malloc(chunk * 2);
	size_t sent = 0, got = 0;
	long long before;

	begin("");
	pass(in, out, &pair, "warm");
	before = rig_rss(rig);
	while(sent < total) {
		const char *tid = fmt("c%07zu", sent / chunk);

		fill(body, chunk, sent);
		raw_send(in, pair.in_path, pair.in_peer, tid, "large1",
				fmt("%zu-%zu/%zu", sent + 1, sent + chunk, total), body, chunk,
				sent + chunk < total ? '+' : '$');
		sent += chunk;
		while(got < sent) {
			const struct frame *f = raw_request(out, 5000);

			cr_assert(f != NULL);
			cr_assert_leq(f->n, 2 * chunk);
			fill(want, f->n, got);
			cr_assert_eq(memcmp(f->body, want, f->n), 0, "at %zu", got);
			got += f->n;
			raw_answer(out, f, 200);
		}
		cr_assert_eq(raw_status(in, tid, 5000), 200);
	}
	cr_assert_eq(
			event_number(ctl_event(ctl, "leg.delivered", 5000), "bytes"), 5);
	cr_assert_eq(event_number(ctl_event(ctl, "leg.delivered", 5000), "bytes"),
			(long long)total);
	cr_assert_lt(rig_rss(rig) - before, rig_growth());
	free(body);
	free(want);
}

/* Read what is there; bytes, 0 = nothing now. */
static size_t drain(struct raw *c, char *buf, size_t size)
{
	ssize_t k = recv(c->fd, buf, size, MSG_DONTWAIT);

	return k > 0 ? (size_t)k : 0;
}

/* Write what the relay takes; bytes. */
static size_t offer(struct raw *c, const char *p, size_t n)
{
	ssize_t k = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return k > 0 ? (size_t)k : 0;
}

E2E_TEST(msrp_stream, a_message_of_100_MB_in_one_chunk_needs_no_memory, "")
{
	const size_t total = 100 * MB, piece = 256 * 1024;
	char *body = malloc(piece);
	size_t sent = 0, got = 0;
	long long before, peak = 0;

	begin("");
	pass(in, out, &pair, "warm");
	before = rig_rss(rig);
	memset(body, 'x', piece);
	raw_say(in,
			"MSRP whole SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: large1\r\nByte-Range: 1-%zu/%zu\r\n"
			"Content-Type: text/plain\r\n\r\n",
			pair.in_path, pair.in_peer, total, total);
	for(int i = 0; got < total; i++) {
		const struct frame *f = raw_ready(out, sent < total ? 0 : 5000);

		sent += offer(in, body,
				sent < total ? (total - sent < piece ? total - sent : piece)
							 : 0);
		if(f && f->status == 0) {
			got += f->n;
			raw_answer(out, f, 200);
		}
		/* The end-line, once. */
		if(sent == total) {
			raw_say(in, "\r\n-------whole$\r\n");
			sent++;
		}
		if(i % 256 == 0 && rig_rss(rig) > peak)
			peak = rig_rss(rig);
	}
	cr_assert_eq(raw_status(in, "whole", 5000), 200);
	cr_assert_eq(got, total);
	cr_assert_lt(
			peak - before, rig_growth(), "%lld kB", (peak - before) / 1024);
	free(body);
}

E2E_TEST(msrp_stream, a_slow_reader_stops_its_sender_and_nobody_else, "")
{
	const size_t total = 32 * MB, piece = 65536;
	char *body = malloc(piece);
	struct raw *in2, *out2;
	struct pair two;
	size_t sent = 0, got = 0;
	long long before, last = 0;

	begin("");
	two = pair_open(ctl, "s2", "", "");
	pair_connect(rig, &two, &in2, &out2);
	pass(in2, out2, &two, "warm");
	before = rig_rss(rig);
	memset(body, 'x', piece);
	raw_say(in,
			"MSRP whole SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: large1\r\nByte-Range: 1-%zu/%zu\r\n"
			"Content-Type: text/plain\r\n\r\n",
			pair.in_path, pair.in_peer, total, total);
	/* Until the relay takes no more for half a second. */
	for(last = now_ms(); now_ms() - last < 500 && sent < total;) {
		size_t k = offer(in, body, piece);

		sent += k;
		if(k > 0)
			last = now_ms();
		else
			sleep_ms(5);
	}
	cr_assert_lt(sent, total, "a sender that is not stopped");
	cr_assert_lt(rig_rss(rig) - before, rig_growth());
	cr_assert_geq(rig_stat(rig, "reader_stops_total"), 1);
	/* The other session, of the same worker, does not notice. */
	for(int i = 0; i < 20; i++)
		cr_assert_lt(pass(in2, out2, &two, fmt("quick%d", i)), 1000);
	/* Reading goes on, and so does sending. */
	for(int i = 0; got < total && i < 100000; i++) {
		size_t n = drain(out, body, piece);

		got += n;
		if(sent < total)
			sent += offer(
					in, body, total - sent < piece ? total - sent : piece);
		if(n == 0)
			poll(&(struct pollfd){out->fd, POLLIN, 0}, 1, 20);
	}
	cr_assert_eq(sent, total);
	cr_assert_geq(got, total);
	free(body);
}

E2E_TEST(msrp_stream, a_sender_that_is_lost_breaks_the_message_off, "")
{
	const struct frame *f;
	json_t *e;

	begin("");
	raw_send(in, pair.in_path, pair.in_peer, "half", "msg1", "1-3/6", "abc", 3,
			'+');
	f = raw_request(out, 5000);
	cr_assert_str_eq(f->body, "abc");
	raw_answer(out, f, 200);
	raw_close(in);
	e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "in");
	/* The recipient is told by "#", or by the end of the connection when the
	 * module closes the session. */
	ctl_call(ctl, "session.close", "{'session':'s1','abort':true}");
	rig_stat_wait(rig, "sessions", 0);
}

E2E_TEST(msrp_stream, a_recipient_that_is_lost_is_told_to_the_sender, "")
{
	json_t *e;
	int status;

	begin("");
	raw_send(in, pair.in_path, pair.in_peer, "half", "msg1", "1-3/6", "abc", 3,
			'+');
	cr_assert(raw_request(out, 5000) != NULL);
	raw_close(out);
	e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "out");
	raw_send(in, pair.in_path, pair.in_peer, "rest", "msg1", "4-6/6", "def", 3,
			'$');
	status = raw_status(in, "rest", 5000);
	cr_assert(status >= 400, "%d: a 200 that is forgotten", status);
}

/* ---- TLS ---------------------------------------------------------------- */

static const char *tls_conf(void)
{
	return fmt("tls_port = 2955\ntls_certificate = %s\ntls_key = %s\n",
			test_path("relay.pem"), test_path("relay.key"));
}

static struct pair tls_pair(const char *id)
{
	struct pair p = pair_open_tls(ctl, id);

	cr_assert(
			p.in_fingerprint && strncmp(p.in_fingerprint, "SHA-256 ", 8) == 0);
	cr_assert(strncmp(p.in_path, "msrps://", 8) == 0);
	return p;
}

static void tls_connect(const struct pair *p, struct raw **a, struct raw **b)
{
	*b = raw_connect_tls(rig->ip, p->out_port);
	pair_bind(*b, p->out_path, p->out_peer);
	*a = raw_connect_tls(rig->ip, p->in_port);
	pair_bind(*a, p->in_path, p->in_peer);
}

/* Common name of the certificate that the relay showed. */
static const char *shown(const struct raw *c)
{
	X509 *x = SSL_get1_peer_certificate(c->ssl);
	char name[128] = "";

	cr_assert(x != NULL);
	X509_NAME_get_text_by_NID(
			X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	X509_free(x);
	return fmt("%s", name);
}

E2E_TEST(msrp_stream, sighup_takes_new_certificates_for_new_connections, "")
{
	struct raw *in2, *out2;
	struct pair two;

	rig = rig_start(tls_conf());
	ctl = ctl_hello_fd(rig);
	pair = tls_pair("s1");
	tls_connect(&pair, &in, &out);
	pass(in, out, &pair, "before");
	cr_assert_str_eq(shown(in), "first");
	rig_certificate(rig, "second");
	proc_signal(rig->relay, SIGHUP);
	for(int i = 0; i < 100 && !strstr(proc_stderr(rig->relay), "read again");
			i++)
		sleep_ms(20);
	two = tls_pair("s2");
	tls_connect(&two, &in2, &out2);
	cr_assert_str_eq(shown(in2), "second");
	pass(in2, out2, &two, "after");
	/* The old connections go on. */
	pass(in, out, &pair, "still");
	/* A file that is no certificate leaves the last one in force. */
	FILE *f = fopen(rig->cert, "w");
	fputs("rubbish", f);
	fclose(f);
	cr_assert_eq(ctl_code(ctl_call(ctl, "reload", "{}")), -32603);
	raw_close(in2);
	raw_close(out2);
	two = tls_pair("s3");
	tls_connect(&two, &in2, &out2);
	cr_assert_str_eq(shown(in2), "second");
	pass(in2, out2, &two, "last");
}

/* SDP's fingerprint of a PEM file's certificate. */
static const char *fingerprint(const char *file)
{
	FILE *f = fopen(file, "r");
	X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	unsigned char md[EVP_MAX_MD_SIZE];
	const char *text = "SHA-256 ";
	unsigned n = 0;

	cr_assert(x != NULL);
	fclose(f);
	X509_digest(x, EVP_sha256(), md, &n);
	for(unsigned i = 0; i < n; i++)
		text = fmt("%s%s%02X", text, i ? ":" : "", md[i]);
	X509_free(x);
	return text;
}

/* The relay connects to us, and SDP has promised that certificate. */
static struct raw *called_with(const char *id, const char *promised)
{
	int port, fd = raw_listen("127.0.0.1", &port);
	json_t *a = ctl_call(ctl, "session.create",
			fmt("{'session':'%s','legs':[{'leg':'in','direction':'recv',"
				"'transport':'tcp'},{'leg':'out','direction':'send',"
				"'transport':'tls','connect':true,'peer':{'path':"
				"'msrps://127.0.0.1:%d/xyzt;tcp','fingerprint':'%s'}}]}",
					id, port, promised));

	cr_assert_eq(ctl_code(a), 0);
	struct raw *c = raw_accept_tls(fd, rig->cert, rig->key, 5000);
	close(fd);
	return c;
}

E2E_TEST(msrp_stream, the_peers_certificate_is_held_against_the_fingerprint, "")
{
	const struct frame *f;
	const char *good, *bad;
	struct raw *c;
	json_t *e;

	rig = rig_start(tls_conf());
	ctl = ctl_hello_fd(rig);
	bad = fingerprint(rig->cert);
	rig_certificate(rig, "peer");
	good = fingerprint(rig->cert);
	c = called_with("s1", good);
	f = raw_frame(c, 5000);
	cr_assert_str_eq(f->method, "SEND");
	raw_answer(c, f, 200);
	ctl_event(ctl, "leg.bound", 5000);
	/* Somebody else's certificate: not a byte of the message for him. */
	c = called_with("s2", bad);
	e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "session"), "s2");
	cr_assert(strstr(event_text(e, "error"), "certificate"));
	cr_assert(raw_closed(c, 5000));
	cr_assert_eq(c->len, 0);
}

E2E_TEST(msrp_stream, tcp_on_the_tls_port_is_closed_and_costs_nothing, "")
{
	struct raw *c;

	rig = rig_start(tls_conf());
	ctl = ctl_hello_fd(rig);
	c = raw_connect(rig->ip, 2955);
	raw_say(c, "MSRP abcd SEND\r\nTo-Path: x\r\n");
	cr_assert(raw_closed(c, 5000));
	rig_stat_wait(rig, "connections", 0);
	cr_assert_geq(rig_stat(rig, "tls_failed_total"), 1);
}

E2E_TEST(msrp_stream, large_messages_pass_over_tls, "")
{
	const size_t n = 1000000;
	char *body = malloc(n);
	size_t got = 0;

	rig = rig_start(tls_conf());
	ctl = ctl_hello_fd(rig);
	pair = tls_pair("s1");
	tls_connect(&pair, &in, &out);
	fill(body, n, 0);
	raw_send(in, pair.in_path, pair.in_peer, "tlsbig", "msg1",
			fmt("1-%zu/%zu", n, n), body, n, '$');
	while(got < n) {
		const struct frame *f = raw_request(out, 5000);

		cr_assert(f != NULL && got + f->n <= n);
		cr_assert_eq(memcmp(f->body, body + got, f->n), 0);
		got += f->n;
		raw_answer(out, f, 200);
	}
	cr_assert_eq(raw_status(in, "tlsbig", 5000), 200);
	free(body);
}
