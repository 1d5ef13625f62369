// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sink of msrp-load: a thread that takes in all sessions, compares every
 * byte with what must be there, in order, answers each SEND and sends success
 * reports when asked (RFC 4975 sections 7.1.2 and 7.2). Started by load_main.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define OUT_BYTES (1 << 20)
#define PEND_MAX (16 << 20)
#define ANSWER_BYTES (2 * PATH_BYTES + 100)

struct sess
{
	uint32_t next; /* message that must come next */
	uint64_t off;  /* content bytes of it that are there */
	bool bound;
};

struct sconn
{
	struct io io;
	struct rx rx;
	struct sink *sink;
	struct sconn *next;
	struct sess *s; /* of the chunk that is arriving; NULL = none */
	uint32_t sess;  /* number of the leg over all sessions */
	uint32_t id;    /* of the session, as in the content */
	uint64_t total;
	bool report, answer, has_body;
	char answer_text[ANSWER_BYTES]; /* the 200, ready before the body */
	size_t answer_len;
	char report_paths[2 * PATH_BYTES + 40];
	size_t report_paths_len;
	char *pend; /* what the socket did not take */
	size_t pend_len;
};

struct sink
{
	struct load_state *st;
	pthread_t thread;
	int listener, ep;
	struct sconn *conns;
	struct sess *sess;
	uint64_t read_bytes; /* for slow reading */
	uint64_t counter;
	size_t out_len;
	char out[OUT_BYTES];
	char buf[READ_BYTES + 32768];
};

static char *put(char *at, const char *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}
#define PUT(at, text) put(at, text, sizeof(text) - 1)

static int sess_of(struct sink *s, struct slice_b path, uint32_t *out)
{
	const char *p = memmem(path.p, path.n, "/s", 2);
	uint64_t v = 0;

	/* "msrp://": skip the slashes of the scheme */
	while(p && (size_t)(path.p + path.n - p) >= 10) {
		int i;
		v = 0;
		for(i = 2; i < 10; i++) {
			char c = p[i];
			if(c >= '0' && c <= '9')
				v = v << 4 | (uint64_t)(c - '0');
			else if(c >= 'a' && c <= 'f')
				v = v << 4 | (uint64_t)(c - 'a' + 10);
			else
				break;
		}
		if(i == 10)
			break;
		p = memmem(p + 1, (size_t)(path.p + path.n - p - 1), "/s", 2);
	}
	if(!p || (size_t)(path.p + path.n - p) < 10
			|| v >= (uint64_t)s->st->o->sessions * s->st->o->legs)
		return -EBADMSG;
	*out = (uint32_t)v;
	return 0;
}

static bool hex8(const char *p, uint32_t *out)
{
	uint32_t v = 0;

	for(int i = 0; i < 8; i++) {
		if(p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (uint32_t)(p[i] - '0');
		else if(p[i] >= 'a' && p[i] <= 'f')
			v = v << 4 | (uint32_t)(p[i] - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static void prepare_answer(struct sconn *c, const struct rx_frame *f)
{
	char *at = c->answer_text;

	at = PUT(at, "MSRP ");
	at = put(at, f->tid.p, f->tid.n);
	at = PUT(at, " 200 OK\r\nTo-Path: ");
	at = put(at, f->from_path.p, f->from_path.n);
	at = PUT(at, "\r\nFrom-Path: ");
	at = put(at, f->to_path.p, f->to_path.n);
	at = PUT(at, "\r\n-------");
	at = put(at, f->tid.p, f->tid.n);
	at = PUT(at, "$\r\n");
	c->answer_len = (size_t)(at - c->answer_text);
	if(c->report) {
		at = c->report_paths;
		at = PUT(at, "To-Path: ");
		at = put(at, f->from_path.p, f->from_path.n);
		at = PUT(at, "\r\nFrom-Path: ");
		at = put(at, f->to_path.p, f->to_path.n);
		c->report_paths_len = (size_t)(at - c->report_paths);
	}
}

static int on_head(void *arg, const struct rx_frame *f)
{
	struct sconn *c = arg;
	struct sink *k = c->sink;
	uint32_t mid_sess, seq;

	c->s = NULL;
	c->answer = false;
	if(f->kind != RX_SEND) /* answers to our REPORTs: some clients send them */
		return 0;
	if(f->to_path.n >= PATH_BYTES || f->from_path.n >= PATH_BYTES
			|| sess_of(k, f->to_path, &c->sess) < 0) {
		load_fault(k->st, "sink: SEND for no session of ours: %.*s",
				(int)f->to_path.n, f->to_path.p);
		return -1;
	}
	c->s = &k->sess[c->sess];
	c->id = c->sess / k->st->o->legs;
	c->answer = !f->failure_no;
	c->report = f->success_report;
	c->has_body = f->has_body;
	prepare_answer(c, f);
	if(!f->has_body) {
		if(!c->s->bound) {
			c->s->bound = true;
			atomic_fetch_add(&k->st->sink_bound, 1);
		}
		return 0;
	}
	c->total = content_head_len + k->st->o->size;
	if(f->message_id.n != MID_BYTES || !hex8(f->message_id.p, &mid_sess)
			|| !hex8(f->message_id.p + 8, &seq) || mid_sess != c->id
			|| seq != c->s->next) {
		load_fault(k->st, "sink: session %u: message %u expected, got %.*s",
				c->sess, c->s->next, (int)f->message_id.n, f->message_id.p);
		return -1;
	}
	if(!f->has_range || f->start != c->s->off + 1
			|| (f->total != UINT64_MAX && f->total != c->total)
			|| (f->end != UINT64_MAX && f->end > c->total)) {
		load_fault(k->st,
				"sink: session %u message %u: range %llu-%lld/%lld after %llu "
				"bytes",
				c->sess, seq, (unsigned long long)f->start, (long long)f->end,
				(long long)f->total, (unsigned long long)c->s->off);
		return -1;
	}
	return 0;
}

static int on_body(void *arg, const char *data, size_t n)
{
	struct sconn *c = arg;
	struct load_state *st = c->sink->st;

	if(!c->s) {
		load_fault(st, "sink: body without a SEND");
		return -1;
	}
	if(c->s->off + n > c->total
			|| !content_check(c->id, c->s->next, c->s->off, data, n)) {
		load_fault(st,
				"sink: session %u message %u: content differs in %llu+%zu",
				c->sess, c->s->next, (unsigned long long)c->s->off, n);
		return -1;
	}
	c->s->off += n;
	return 0;
}

static void complete(struct sconn *c)
{
	struct sink *k = c->sink;
	struct load_state *st = k->st;
	char *at = k->out + k->out_len;

	if(st->latency) {
		uint64_t i = (uint64_t)c->id * st->o->count + c->s->next;
		st->latency[i] = now_ns() - st->intended[i];
	}
	atomic_fetch_add_explicit(&st->got_bytes, c->total, memory_order_relaxed);
	if(c->report) {
		char tid[TID_BYTES];

		hex_put(tid, ++k->counter ^ 0x5a17c0de5a17u, TID_BYTES);
		at = PUT(at, "MSRP ");
		at = put(at, tid, TID_BYTES);
		at = PUT(at, " REPORT\r\n");
		at = put(at, c->report_paths, c->report_paths_len);
		at = PUT(at, "\r\nMessage-ID: ");
		hex_put(at, c->id, 8);
		hex_put(at + 8, c->s->next, 8);
		at += 16;
		at = PUT(at, "\r\nByte-Range: 1-");
		at += dec_put(at, c->total);
		at = PUT(at, "/");
		at += dec_put(at, c->total);
		at = PUT(at, "\r\nStatus: 000 200 OK\r\n-------");
		at = put(at, tid, TID_BYTES);
		at = PUT(at, "$\r\n");
		k->out_len = (size_t)(at - k->out);
	}
	c->s->next++;
	c->s->off = 0;
	if(atomic_fetch_add(&st->got, 1) + 1
			== (uint64_t)st->o->sessions * st->o->count * st->o->legs) {
		atomic_store(&st->sink_end, now_ns());
		atomic_store(&st->sink_done, true);
	}
}

static int on_end(void *arg, char flag)
{
	struct sconn *c = arg;
	struct sink *k = c->sink;

	if(!c->s)
		return 0;
	if(k->out_len + 2 * ANSWER_BYTES > OUT_BYTES) {
		load_fault(k->st, "sink: too many small frames in one read");
		return -1;
	}
	if(c->answer) {
		memcpy(k->out + k->out_len, c->answer_text, c->answer_len);
		k->out_len += c->answer_len;
	}
	atomic_fetch_add_explicit(&k->st->progress, 1, memory_order_relaxed);
	if(!c->has_body || flag == '+')
		return 0;
	if(flag != '$' || c->s->off != c->total) {
		load_fault(k->st, "sink: session %u message %u ends with '%c' at %llu",
				c->sess, c->s->next, flag, (unsigned long long)c->s->off);
		return -1;
	}
	complete(c);
	return 0;
}

static const struct rx_ops ops = {on_head, on_body, on_end};

static void want(struct sconn *c, bool out)
{
	struct epoll_event ev = {
			.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c};
	epoll_ctl(c->sink->ep, EPOLL_CTL_MOD, c->io.fd, &ev);
}

static void drop(struct sconn *c)
{
	if(c->io.fd >= 0)
		io_close(&c->io);
	rx_free(&c->rx);
	free(c->pend);
	c->pend = NULL;
	c->pend_len = 0;
}

/* Send what the last read made us say, behind what is pending. */
static int flush(struct sconn *c, const char *p, size_t n)
{
	ssize_t k;

	if(c->pend_len) {
		k = io_write(&c->io, c->pend, c->pend_len);
		if(k == -EAGAIN)
			k = 0;
		if(k < 0)
			return (int)k;
		c->pend_len -= (size_t)k;
		memmove(c->pend, c->pend + k, c->pend_len);
		if(c->pend_len == 0)
			want(c, false);
	}
	if(n > 0 && c->pend_len == 0) {
		k = io_write(&c->io, p, n);
		if(k == -EAGAIN)
			k = 0;
		if(k < 0)
			return (int)k;
		p += k;
		n -= (size_t)k;
	}
	if(n > 0) {
		char *q;
		if(c->pend_len + n > PEND_MAX
				|| !(q = realloc(c->pend, c->pend_len + n)))
			return -ENOBUFS;
		if(c->pend_len == 0)
			want(c, true);
		memcpy(q + c->pend_len, p, n);
		c->pend = q;
		c->pend_len += n;
	}
	return 0;
}

static void slow_down(struct sink *k, size_t n)
{
	uint64_t due;
	uint64_t now = now_ns();

	k->read_bytes += n;
	due = k->st->start
			+ (uint64_t)((double)k->read_bytes * 1e3 / k->st->o->slow_mbs);
	if(k->st->start && due > now) {
		struct timespec ts = {(time_t)((due - now) / 1000000000u),
				(long)((due - now) % 1000000000u)};
		nanosleep(&ts, NULL);
	}
}

static void conn_ready(struct sink *k, struct sconn *c, uint32_t events)
{
	size_t at, cap = k->st->o->slow_mbs > 0 ? 16384 : READ_BYTES;
	ssize_t n;

	if((events & EPOLLOUT) && flush(c, NULL, 0) < 0) {
		drop(c);
		return;
	}
	if(!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	at = rx_begin(&c->rx, k->buf);
	n = io_read(&c->io, k->buf + at, cap);
	if(n == -EAGAIN)
		return;
	if(n <= 0) {
		if(c->s && c->s->off > 0 && !atomic_load(&k->st->stop))
			load_fault(k->st, "sink: session %u: connection lost in message %u",
					c->sess, c->s->next);
		drop(c);
		return;
	}
	atomic_fetch_add_explicit(
			&k->st->progress, (uint64_t)n, memory_order_relaxed);
	k->out_len = 0;
	if(rx_feed(&c->rx, k->buf, (size_t)n, &ops, c) < 0) {
		load_fault(k->st, "sink: stream broken: %.60s", k->buf);
		drop(c);
		return;
	}
	if(k->out_len && flush(c, k->out, k->out_len) < 0) {
		drop(c);
		return;
	}
	if(k->st->o->slow_mbs > 0)
		slow_down(k, (size_t)n);
}

static void take_connections(struct sink *k)
{
	for(;;) {
		struct epoll_event ev = {.events = EPOLLIN};
		struct sconn *c = calloc(1, sizeof(*c));

		if(!c)
			abort();
		if(io_accept(&c->io, k->listener, k->st->o->tls_out) < 0) {
			free(c);
			return;
		}
		c->sink = k;
		c->next = k->conns;
		k->conns = c;
		ev.data.ptr = c;
		epoll_ctl(k->ep, EPOLL_CTL_ADD, c->io.fd, &ev);
	}
}

static void *run(void *arg)
{
	struct sink *k = arg;
	struct epoll_event ev[256];

	while(!atomic_load(&k->st->stop)) {
		int n = epoll_wait(k->ep, ev, 256, 50);
		for(int i = 0; i < n; i++) {
			struct sconn *c = ev[i].data.ptr;
			if(!c)
				take_connections(k);
			else if(c->io.fd >= 0)
				conn_ready(k, c, ev[i].events);
		}
	}
	return NULL;
}

int sink_start(struct sink **out, struct load_state *st)
{
	struct sink *k = calloc(1, sizeof(*k));
	struct epoll_event ev = {.events = EPOLLIN};

	if(!k
			|| !(k->sess = calloc((size_t)st->o->sessions * st->o->legs,
						 sizeof(*k->sess))))
		abort();
	k->st = st;
	k->listener = io_listen(st->o->sink_host, st->o->sink_port);
	if(k->listener < 0) {
		int rc = k->listener;
		fprintf(stderr, "msrp-load: cannot listen on %s:%d: %s\n",
				st->o->sink_host, st->o->sink_port, strerror(-rc));
		free(k->sess);
		free(k);
		return rc;
	}
	k->ep = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(k->ep, EPOLL_CTL_ADD, k->listener, &ev);
	if(pthread_create(&k->thread, NULL, run, k) != 0)
		abort();
	*out = k;
	return 0;
}

void sink_stop(struct sink **s)
{
	struct sink *k = *s;

	if(!k)
		return;
	pthread_join(k->thread, NULL);
	while(k->conns) {
		struct sconn *c = k->conns;
		k->conns = c->next;
		drop(c);
		free(c);
	}
	close(k->listener);
	close(k->ep);
	free(k->sess);
	free(k);
	*s = NULL;
}
