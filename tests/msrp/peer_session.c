/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owns an MSRP session: its listener or connection, the message it sends and
 * those it receives. Called by the client and by tests through peer_session.h.
 */
#include "peer_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer_recv.h"

#define TIMEOUT_MS 30000
#define MESSAGES 4 /* received side by side */
#define RATE_SLICES                                                            \
	20 /* a limited reader rests after 1/20 s worth of bytes                   \
		*/

struct incoming
{
	struct peer_incoming pub;
	struct peer_recv have;
	bool used;
};

struct peer_session
{
	struct peer_loop *loop;
	const struct peer_session_ops *ops;
	void *arg;
	char local[PEER_PATH_MAX], remote[PEER_PATH_MAX];
	SSL_CTX *tls;
	char *fingerprint;
	int listen_fd;
	bool active, no_bind, bound, over, closing;
	bool stranger; /* close the connection when its 481 is written */
	int depth;
	int64_t deadline; /* for the binding; 0 when bound */
	struct peer_conn *conn;
	char bind_tid[17];

	struct peer_send *send;

	struct incoming msg[MESSAGES];
	struct incoming *cur; /* of the chunk under way; NULL = no content */
	uint64_t cur_offset;
	int cur_status;   /* answer of the chunk under way */
	bool cur_request; /* the frame under way is a request */
	bool cur_is_report;
	bool cur_quiet_ok; /* Failure-Report partial or no: no 200 */
	bool cur_quiet;    /* Failure-Report no: no answer at all */
	bool cur_binds;    /* it binds the connection once it is answered */
	bool cur_success;  /* Success-Report yes */
	char head[PEER_HEAD_MAX + 64]; /* of the request under way */
	struct peer_msg cur_msg;       /* borrowed from head */

	uint64_t rate; /* bytes a second */
	int64_t rate_at;
	uint64_t rate_used;
};

static void session_free(struct peer_session *s)
{
	peer_conn_close(&s->conn);
	if(s->listen_fd >= 0) {
		s->loop->watch(s->loop, s->listen_fd, 0, NULL, NULL);
		close(s->listen_fd);
	}
	peer_send_free(&s->send);
	free(s->fingerprint);
	free(s);
}

void peer_session_close(struct peer_session **sp)
{
	struct peer_session *s = *sp;

	if(!s)
		return;
	*sp = NULL;
	s->closing = true;
	if(s->depth == 0)
		session_free(s);
}

static void enter(struct peer_session *s)
{
	s->depth++;
}

static void leave(struct peer_session *s)
{
	s->depth--;
	if(s->depth == 0 && s->closing)
		session_free(s);
}

static void fail(struct peer_session *s, int rc, const char *why)
{
	if(s->over || s->closing)
		return;
	s->over = true;
	s->deadline = 0;
	s->ops->failed(s->arg, rc, why);
}

static void push(struct peer_session *s)
{
	if(s->bound && s->send && s->conn && !s->over && !s->closing) {
		peer_send_push(s->send, s->conn);
		peer_conn_flush(s->conn);
	}
}

static void set_bound(struct peer_session *s)
{
	if(s->bound)
		return;
	s->bound = true;
	s->deadline = 0;
	if(s->ops->bound)
		s->ops->bound(s->arg);
}

static void put_head(struct peer_session *s, const char *text, int len)
{
	if(len > 0 && s->conn) {
		/* A frame never goes into the middle of a chunk of ours. */
		if(s->send)
			peer_send_interrupt(s->send, s->conn);
		peer_conn_put(s->conn, text, (size_t)len);
		peer_conn_flush(s->conn);
	}
}

static void conn_open(void *arg)
{
	struct peer_session *s = arg;
	struct peer_send_head h = {.tid = s->bind_tid,
			.to_path = s->remote,
			.from_path = s->local,
			.range = {1, 0, 0}};
	char id[17], out[4096];
	int len;

	if(!s->active)
		return;
	if(s->no_bind) {
		set_bound(s);
		return;
	}
	/* RFC 6135 section 4.2.2: the active endpoint binds the connection. */
	peer_random_id(id, 16);
	peer_random_id(s->bind_tid, 16);
	h.message_id = id;
	len = peer_write_send(out, sizeof(out), &h);
	if(len > 0)
		put_head(s, out, len);
	len = peer_write_end(out, sizeof(out), s->bind_tid, '$');
	put_head(s, out, len);
}

static void response(struct peer_session *s, const struct peer_msg *m)
{
	int rc;

	if(slice_eq(m->tid, slice_str(s->bind_tid)) && s->bind_tid[0]) {
		char why[64];

		s->bind_tid[0] = '\0';
		if(m->status == 200) {
			set_bound(s);
			return;
		}
		snprintf(why, sizeof(why), "MSRP %d to the binding SEND", m->status);
		fail(s, -EPROTO, why);
		return;
	}
	if(!s->send)
		return;
	rc = peer_send_response(s->send, s->conn, m->tid, m->status);
	if(rc >= 1 && m->status == 200 && s->ops->progress)
		s->ops->progress(
				s->arg, peer_send_acked(s->send), peer_send_total(s->send));
	if(rc == 2 && s->ops->sent && !s->closing)
		s->ops->sent(s->arg, peer_send_status(s->send));
}

static struct incoming *incoming_get(struct peer_session *s, struct slice id)
{
	struct incoming *unused = NULL;

	for(int i = 0; i < MESSAGES; i++) {
		struct incoming *m = &s->msg[i];

		if(m->used && slice_eq(slice_str(m->pub.id), id))
			return m;
		if(!m->used && !unused)
			unused = m;
	}
	if(!unused || id.n == 0 || id.n > PEER_MESSAGE_ID_MAX)
		return NULL;
	*unused = (struct incoming){.used = true};
	memcpy(unused->pub.id, id.p, id.n);
	unused->pub.total = PEER_ANY;
	peer_recv_init(&unused->have);
	return unused;
}

/* Status of a SEND from its head alone. */
static int send_check(struct peer_session *s, const struct peer_msg *m)
{
	if(!peer_uri_same_session(peer_path_first(m->to_path), slice_str(s->local)))
		return 481;
	if(s->remote[0]
			&& !peer_uri_same_session(peer_path_first(m->from_path),
					peer_path_first(slice_str(s->remote))))
		return 481;
	if(!s->bound && !s->active)
		s->cur_binds = true;
	if(!m->has_body)
		return 200;
	if(m->content_type.n == 0 || m->message_id.n == 0)
		return 400;
	return s->ops->accept ? s->ops->accept(s->arg, m) : 200;
}

/* Keep the head of the request under way: it is answered at its end. */
static bool keep_head(struct peer_session *s, const struct peer_msg *m)
{
	struct slice all = slice_of(
			m->tid.p, (size_t)(m->headers.p + m->headers.n - m->tid.p));
	int n = snprintf(s->head, sizeof(s->head), "MSRP %.*s", SLICE_ARG(all));

	return n > 0 && (size_t)n < sizeof(s->head)
			&& peer_head_parse(slice_of(s->head, (size_t)n), &s->cur_msg) == 0;
}

static void conn_head(void *arg, const struct peer_msg *m)
{
	struct peer_session *s = arg;

	s->cur = NULL;
	s->cur_request = false;
	if(m->response) {
		response(s, m);
		return;
	}
	if(!keep_head(s, m))
		return;
	s->cur_request = true;
	s->cur_binds = false;
	s->cur_is_report = slice_eq(m->method, SLICE("REPORT"));
	s->cur_quiet = slice_ieq(m->failure_report, SLICE("no"));
	s->cur_quiet_ok =
			s->cur_quiet || slice_ieq(m->failure_report, SLICE("partial"));
	s->cur_success = slice_ieq(m->success_report, SLICE("yes"));
	if(s->cur_is_report) {
		if(s->ops->report)
			s->ops->report(s->arg, m);
		return;
	}
	s->cur_status = 501;
	if(!slice_eq(m->method, SLICE("SEND")))
		return;
	s->cur_status = send_check(s, m);
	if(s->closing || s->cur_status != 200 || !m->has_body)
		return;
	s->cur = incoming_get(s, m->message_id);
	if(!s->cur) {
		s->cur_status = 413;
		return;
	}
	s->cur->pub.chunks++;
	s->cur_offset = m->has_range ? m->range.start - 1 : 0;
	if(m->has_range && m->range.total != PEER_ANY)
		s->cur->have.total = s->cur->pub.total = m->range.total;
}

static void conn_body(void *arg, struct slice piece)
{
	struct peer_session *s = arg;
	int rc;

	s->rate_used += piece.n;
	if(s->rate && s->conn && s->rate_used > s->rate / RATE_SLICES)
		peer_conn_pause(s->conn, true);
	if(!s->cur)
		return;
	rc = peer_recv_add(&s->cur->have, s->cur_offset, piece.n);
	if(rc == 0 && s->ops->data)
		rc = s->ops->data(s->arg, s->cur->pub.id, s->cur_offset, piece);
	if(s->closing)
		return;
	s->cur_offset += piece.n;
	if(rc < 0) {
		s->cur_status = 413;
		s->cur->used = false;
		s->cur = NULL;
	}
}

/* A whole message is there: the owner says what its last chunk gets. */
static void message_done(struct peer_session *s)
{
	struct incoming *m = s->cur;
	char out[4096], tid[17];
	int len;

	s->cur_status = s->ops->received ? s->ops->received(s->arg, &m->pub) : 200;
	m->used = false;
	if(s->closing || s->cur_status != 200 || !s->cur_success)
		return;
	peer_random_id(tid, 16);
	len = peer_write_report(out, sizeof(out), tid, &s->cur_msg,
			slice_str(m->pub.id),
			(struct peer_range){1, m->pub.bytes, m->pub.bytes}, 200);
	put_head(s, out, len);
}

static void conn_end(void *arg, char flag)
{
	struct peer_session *s = arg;
	char out[4096];
	int status;

	if(!s->cur_request || s->cur_is_report)
		return;
	if(s->cur && flag == '#') {
		if(s->ops->aborted)
			s->ops->aborted(s->arg, s->cur->pub.id);
		s->cur->used = false;
		s->cur = NULL;
	} else if(s->cur) {
		peer_recv_chunk(&s->cur->have,
				s->cur_msg.has_range ? s->cur_msg.range.total : PEER_ANY, flag,
				s->cur_offset);
		s->cur->pub.total = s->cur->have.total;
		s->cur->pub.bytes = peer_recv_prefix(&s->cur->have);
		if(peer_recv_complete(&s->cur->have))
			message_done(s);
	}
	status = s->cur_status;
	s->cur_request = false;
	s->cur = NULL;
	if(s->closing || !s->conn)
		return;
	if(status != PEER_MUTE && !s->cur_quiet
			&& !(status == 200 && s->cur_quiet_ok))
		put_head(s, out,
				peer_write_response(out, sizeof(out), &s->cur_msg, status,
						status == 200 ? "OK" : "Refused"));
	if(s->cur_binds)
		set_bound(s);
	if(s->closing)
		return;
	/* A stranger on the listening port does not stay. */
	if(status == 481 && !s->bound && !s->active)
		s->stranger = true;
}

static void conn_drained(void *arg)
{
	struct peer_session *s = arg;

	if(s->stranger) {
		s->stranger = false;
		peer_conn_close(&s->conn);
		return;
	}
	push(s);
}

static void conn_closed(void *arg, int rc)
{
	struct peer_session *s = arg;
	char why[256];

	if(!s->bound && !s->active) {
		/* Somebody knocked and left: wait for the next one. */
		peer_conn_close(&s->conn);
		return;
	}
	snprintf(why, sizeof(why), "%s%s%s",
			rc == 0 ? "the MSRP connection was closed" : strerror(-rc),
			peer_conn_error(s->conn)[0] ? ": " : "", peer_conn_error(s->conn));
	fail(s, rc, why);
}

/* The connection's callbacks, each guarded against a close from inside. */
#define GUARD(call)                                                            \
	do {                                                                       \
		struct peer_session *g = arg;                                          \
		enter(g);                                                              \
		if(!g->closing)                                                        \
			call;                                                              \
		leave(g);                                                              \
	} while(0)
static void on_open(void *arg)
{
	GUARD(conn_open(arg));
}
static void on_head(void *arg, const struct peer_msg *m)
{
	GUARD(conn_head(arg, m));
}
static void on_body(void *arg, struct slice piece)
{
	GUARD(conn_body(arg, piece));
}
static void on_end(void *arg, char flag)
{
	GUARD(conn_end(arg, flag); push(arg));
}
static void on_drained(void *arg)
{
	GUARD(conn_drained(arg));
}
static void on_closed(void *arg, int rc)
{
	GUARD(conn_closed(arg, rc));
}

static const struct peer_conn_ops conn_ops = {.open = on_open,
		.head = on_head,
		.body = on_body,
		.end = on_end,
		.drained = on_drained,
		.closed = on_closed};

static void listen_ready(void *obj, short revents)
{
	struct peer_session *s = obj;
	struct peer_conn_conf cc = {.loop = s->loop,
			.tls = s->tls,
			.fingerprint = s->fingerprint,
			.ops = &conn_ops,
			.arg = s};
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if(fd < 0)
		return;
	if(s->conn || s->over || peer_conn_accept(&cc, fd, &s->conn) != 0)
		close(fd);
	else
		peer_session_read_rate(s, s->rate);
}

int peer_session_start(
		const struct peer_session_conf *conf, struct peer_session **out)
{
	struct peer_session *s = calloc(1, sizeof(*s));
	int rc = 0;

	if(!s)
		abort();
	s->loop = conf->loop;
	s->ops = conf->ops;
	s->arg = conf->arg;
	s->active = conf->active;
	s->no_bind = conf->no_bind;
	s->listen_fd = -1;
	s->tls = conf->tls;
	if(conf->fingerprint && !(s->fingerprint = strdup(conf->fingerprint)))
		abort();
	s->deadline = peer_now_ms()
			+ (conf->timeout_ms > 0 ? conf->timeout_ms : TIMEOUT_MS);
	if(snprintf(s->local, sizeof(s->local), "%s", conf->local_path)
					>= (int)sizeof(s->local)
			|| snprintf(s->remote, sizeof(s->remote), "%s", conf->remote_path)
					>= (int)sizeof(s->remote))
		rc = -E2BIG;
	if(rc == 0 && s->active) {
		struct peer_conn_conf cc = {.loop = s->loop,
				.host = conf->host,
				.port = conf->port,
				.bind_host = conf->bind_host,
				.tls = conf->tls,
				.fingerprint = conf->fingerprint,
				.ops = &conn_ops,
				.arg = s};
		rc = peer_conn_connect(&cc, &s->conn);
	}
	if(conf->listen_fd >= 0) {
		if(rc == 0 && !s->active) {
			s->listen_fd = conf->listen_fd;
			s->loop->watch(s->loop, s->listen_fd, POLLIN, listen_ready, s);
		} else {
			close(conf->listen_fd);
		}
	}
	if(rc != 0) {
		session_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void peer_session_send(struct peer_session *s, const struct peer_source *src,
		const struct peer_send_conf *conf)
{
	s->send = peer_send_new(src, conf, s->remote, s->local);
	push(s);
}

void peer_session_abort(struct peer_session *s)
{
	if(s->send && s->conn && !s->over) {
		peer_send_stop(s->send, s->conn, 408);
		peer_conn_flush(s->conn);
	}
}

void peer_session_read_rate(struct peer_session *s, uint64_t bytes_per_s)
{
	s->rate = bytes_per_s;
	s->rate_at = peer_now_ms();
	if(s->conn)
		peer_conn_read_limit(
				s->conn, bytes_per_s ? bytes_per_s / RATE_SLICES + 1 : 0);
}

void peer_session_tick(struct peer_session *s)
{
	int64_t now = peer_now_ms();

	enter(s);
	if(s->deadline && now >= s->deadline)
		fail(s, -ETIMEDOUT, "no MSRP connection in time");
	if(!s->closing && s->send && peer_send_expired(s->send) && s->ops->sent)
		s->ops->sent(s->arg, 408);
	if(!s->closing && s->rate && s->conn) {
		/* A token bucket: used bytes flow out at the rate. */
		uint64_t gone = (uint64_t)(now - s->rate_at) * s->rate / 1000;

		s->rate_used = gone < s->rate_used ? s->rate_used - gone : 0;
		s->rate_at = now;
		peer_conn_read_limit(s->conn, s->rate / RATE_SLICES + 1);
		peer_conn_pause(s->conn, s->rate_used > s->rate / RATE_SLICES);
	}
	leave(s);
}

const struct peer_send *peer_session_sender(const struct peer_session *s)
{
	return s->send;
}
