/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A relay of the test's own, without SIP around it: the real daemon on the
 * lab's address with the test's own options, its control socket spoken by
 * hand, and raw MSRP connections to and from it.
 */
#ifndef E2E_RELAY_RIG_H
#define E2E_RELAY_RIG_H

#include <openssl/ssl.h>

#include "harness.h"

/* ---- the daemon -------------------------------------------------------- */

struct rig
{
	struct lab *lab; /* its parts are not running */
	struct proc *relay;
	const char *ip, *conf, *sock, *spool, *store;
	const char *cert, *key; /* PEM files, for tls_certificate and tls_key */
};

/**
 * Start msrp-relay: one worker, port 2855, HTTP on 9090.
 *
 * @param options further lines of the configuration, "" = none
 */
struct rig *rig_start(const char *options);

/* The configuration again, for a reload; the daemon again, after its end. */
void rig_write_conf(struct rig *r, const char *options);
void rig_spawn(struct rig *r);
/* Make a certificate and key in the test's directory. */
void rig_certificate(struct rig *r, const char *name);
/* Resident memory, bytes. */
long long rig_rss(const struct rig *r);
/* How much it may grow for a large message, or for an attack: 4 MiB. Under a
 * sanitizer, which keeps what was freed for a while, 400. */
long long rig_growth(void);
/* One statistic over the control socket. */
long long rig_stat(const struct rig *r, const char *name);
/* Wait until it has the value. */
void rig_stat_wait(const struct rig *r, const char *name, long long value);
/* GET over HTTP: the answer, headers included. */
const char *rig_http(const struct rig *r, const char *request);

/* ---- the control socket ------------------------------------------------ */

/* Connect; -1 when nobody listens. */
int ctl_open(const struct rig *r);
/* Connect and say hello as "test", with events. */
int ctl_hello_fd(const struct rig *r);
/* Write bytes as they are. */
void ctl_put(int fd, const char *text);
/* The next line, parsed; NULL: closed. Fails the test after the time. */
json_t *ctl_line(int fd, int timeout_ms);
/* The next line that is an answer; events are skipped. */
json_t *ctl_answer(int fd, int timeout_ms);
/* Wait for an event of a type. */
json_t *ctl_event(int fd, const char *type, int timeout_ms);
/* One command; params is JSON text with ' for ". Returns the whole answer. */
json_t *ctl_call(int fd, const char *method, const char *params);
/* error.code of an answer; 0 = a result. */
long long ctl_code(const json_t *answer);

/* ---- a session of two legs --------------------------------------------- */

struct pair
{
	const char *id;
	const char *in_path, *out_path; /* the relay's */
	const char *in_peer, *out_peer; /* ours */
	int in_port, out_port;          /* the relay's */
	const char *in_fingerprint;     /* of its certificate; NULL without TLS */
};

/**
 * session.create with both legs started and passive.
 *
 * @param more further members of the object, "" or e.g. "'max_bytes':10,"
 * @param peer further members of both peers, "" or e.g. ",'max_bytes':10"
 */
struct pair pair_open(
		int ctl, const char *id, const char *more, const char *peer);

/* The same with TLS on both legs and nothing further. */
struct pair pair_open_tls(int ctl, const char *id);

/* ---- raw MSRP ---------------------------------------------------------- */

struct raw
{
	int fd;
	SSL *ssl;
	char *in;
	size_t len, cap;
};

/* One request or response. Valid until the next of the connection. */
struct frame
{
	char tid[64], method[16]; /* method "" with a response */
	int status;               /* 0 with a request */
	const char *head;         /* all header lines, NUL-terminated */
	const char *body;
	size_t n;
	char flag;
};

struct raw *raw_connect(const char *ip, int port);
struct raw *raw_connect_tls(const char *ip, int port);
struct raw *raw_take(int fd);
int raw_listen(const char *ip, int *port);
struct raw *raw_accept(int listener, int timeout_ms);
/* The same, then TLS as a server with this certificate; the handshake may fail
 * on the relay's side, which the reader will see. */
struct raw *raw_accept_tls(
		int listener, const char *cert, const char *key, int timeout_ms);
void raw_put(struct raw *c, const void *p, size_t n);
void raw_say(struct raw *c, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
/* The next frame; NULL: the relay closed the connection. */
const struct frame *raw_frame(struct raw *c, int timeout_ms);
/* A frame that is complete after one read; NULL: not yet. */
const struct frame *raw_ready(struct raw *c, int timeout_ms);
/* A request that is no bodiless SEND; bodiless ones are answered 200. */
const struct frame *raw_request(struct raw *c, int timeout_ms);
/* Wait for the response to a transaction; its status, -1: closed. */
int raw_status(struct raw *c, const char *tid, int timeout_ms);
/* Has the relay closed it? Waits for so long. */
bool raw_closed(struct raw *c, int timeout_ms);
/* The value of a header; "" when it is not there. */
const char *frame_header(const struct frame *f, const char *name);
/* Answer a request, From-Path and To-Path the other way round. */
void raw_answer(struct raw *c, const struct frame *f, int status);
/* A SEND; range "1-5/5" or NULL, body may be NULL, flag '$', '+' or '#'. */
void raw_send(struct raw *c, const char *to, const char *from, const char *tid,
		const char *mid, const char *range, const char *body, size_t n,
		char flag);
void raw_close(struct raw *c);

/**
 * Take one message, whole and in exact ranges (RFC 4975 section 7.1.1), each
 * chunk answered with 200.
 *
 * @param most bytes a chunk may have
 */
void raw_take_message(struct raw *c, const char *body, size_t n, size_t most);

/* n bytes of all values, the same each time; of malloc(). */
char *some_bytes(size_t n);

/* Connect both peers of a pair and bind them with an empty SEND. */
void pair_connect(const struct rig *r, const struct pair *p, struct raw **in,
		struct raw **out);
/* Bind one connection: bodiless SEND, answered 200. */
void pair_bind(struct raw *c, const char *to, const char *from);

#endif
