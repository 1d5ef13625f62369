// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The generator of msrp-load: a thread that writes all sessions' messages.
 * Small frames are copied from prepared text and sent in batches; large chunks
 * go out by writev straight from the pattern. Closed loop: at most `window`
 * chunks of a session wait for their 200. Open loop: each message has its time.
 * Started by load_main.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "load.h"

#define BATCH 131072
#define TAIL_BYTES (2 + 7 + TID_BYTES + 1 + 2)
#define IOVS 66

struct gconn
{
	struct io io;
	struct rx rx;
	struct gen *g;
	uint32_t sess;
	uint32_t seq;     /* message being sent */
	uint64_t off;     /* of its content, where the next chunk begins */
	uint32_t allowed; /* open loop: messages that are due */
	uint64_t inflight;
	char *head; /* prepared text: from " SEND" to "Message-ID: " */
	size_t head_len;
	/* a large chunk on its way */
	char *big_head;
	char big_tail[TAIL_BYTES];
	size_t big_head_len;
	uint64_t big_from, big_len, big_pos;
	bool big;
	char *pend; /* small frames that the socket did not take */
	size_t pend_len, pend_cap;
	bool want_out;
};

struct gen
{
	struct load_state *st;
	pthread_t thread;
	int ep, timer;
	struct gconn *conns;
	uint64_t total, counter, secret;
	uint64_t due_next;
	uint64_t inflight;
	char batch[BATCH + SMALL_CHUNK + FRAME_HEAD_MAX + 64];
	char buf[READ_BYTES + 32768];
};

static char *put(char *at, const char *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}
#define PUT(at, text) put(at, text, sizeof(text) - 1)

static const char after_range[] = "\r\nContent-Type: message/cpim\r\n\r\n";
static const char after_range_report[] =
		"\r\nSuccess-Report: yes\r\nContent-Type: message/cpim\r\n\r\n";

static char *put_head(
		struct gconn *c, char *at, const char *tid, uint64_t from, uint64_t len)
{
	at = PUT(at, "MSRP ");
	at = put(at, tid, TID_BYTES);
	at = put(at, c->head, c->head_len);
	hex_put(at, c->sess, 8);
	hex_put(at + 8, c->seq, 8);
	at = PUT(at + 16, "\r\nByte-Range: ");
	at += dec_put(at, from + 1);
	at = PUT(at, "-");
	at += dec_put(at, from + len);
	at = PUT(at, "/");
	at += dec_put(at, c->g->total);
	if(c->g->st->o->report)
		return PUT(at, after_range_report);
	return PUT(at, after_range);
}

static char *put_content(struct gconn *c, char *at, uint64_t from, uint64_t len)
{
	if(from < content_head_len) {
		char head[1024];
		size_t k = content_head_len - from;

		if(k > len)
			k = len;
		content_head(head, c->sess, c->seq);
		at = put(at, head + from, k);
		from += k;
		len -= k;
	}
	while(len > 0) {
		uint64_t k = len;
		const char *p = content_run(c->sess, c->seq, from, &k);

		at = put(at, p, k);
		from += k;
		len -= k;
	}
	return at;
}

static char *put_tail(char *at, const char *tid, bool last)
{
	at = PUT(at, "\r\n-------");
	at = put(at, tid, TID_BYTES);
	*at++ = last ? '$' : '+';
	return PUT(at, "\r\n");
}

static void advance(struct gconn *c, uint64_t len)
{
	c->off += len;
	c->inflight++;
	c->g->inflight++;
	if(c->off == c->g->total) {
		c->off = 0;
		c->seq++;
	}
}

static uint64_t chunk_len(const struct gconn *c)
{
	uint64_t left = c->g->total - c->off, chunk = c->g->st->o->chunk;
	return chunk && chunk < left ? chunk : left;
}

static bool may_send(const struct gconn *c)
{
	const struct load_opts *o = c->g->st->o;

	if(c->io.fd < 0 || c->seq >= o->count)
		return false;
	if(o->rate > 0)
		return c->seq < c->allowed;
	return c->inflight < o->window;
}

static char *put_small(struct gconn *c, char *at)
{
	const struct load_opts *o = c->g->st->o;
	char tid[TID_BYTES], *body;
	uint64_t len = chunk_len(c), from = c->off;
	bool last = from + len == c->g->total;
	bool first_msg = c->sess == 0 && c->seq == 0;
	bool second = first_msg && o->chunk && from == o->chunk;
	char *begin = at;

	if(second && o->spoil == SPOIL_LOSE) {
		advance(c, len);
		return at;
	}
	if(first_msg && from == 0 && o->spoil == SPOIL_SHORT)
		last = true;
	hex_put(tid, ++c->g->counter ^ c->g->secret, TID_BYTES);
	at = put_head(c, at, tid, from, len);
	body = at;
	at = put_content(c, at, from, len);
	if(first_msg && o->spoil == SPOIL_FLIP && o->spoil_at >= from
			&& o->spoil_at < from + len)
		body[o->spoil_at - from] ^= 0x10;
	at = put_tail(at, tid, last);
	if(second && o->spoil == SPOIL_REPEAT)
		at = put(at, begin, (size_t)(at - begin));
	advance(c, len);
	return at;
}

static void big_begin(struct gconn *c)
{
	char tid[TID_BYTES];

	hex_put(tid, ++c->g->counter ^ c->g->secret, TID_BYTES);
	c->big_from = c->off;
	c->big_len = chunk_len(c);
	c->big_head_len =
			(size_t)(put_head(c, c->big_head, tid, c->big_from, c->big_len)
					- c->big_head);
	put_tail(c->big_tail, tid, c->big_from + c->big_len == c->g->total);
	c->big_pos = 0;
	c->big = true;
}

/* Pieces of the large chunk from big_pos on. */
static int big_iov(struct gconn *c, struct iovec *v, char *head)
{
	uint64_t pos = c->big_pos, body_end = c->big_head_len + c->big_len;
	int n = 0;

	if(pos < c->big_head_len) {
		v[n++] = (struct iovec){c->big_head + pos, c->big_head_len - pos};
		pos = c->big_head_len;
	}
	while(pos < body_end && n < IOVS - 1) {
		uint64_t at = c->big_from + pos - c->big_head_len;
		uint64_t k = body_end - pos;

		if(at < content_head_len) {
			content_head(head, c->sess, c->seq);
			if(k > content_head_len - at)
				k = content_head_len - at;
			v[n++] = (struct iovec){head + at, k};
		} else {
			const char *p = content_run(c->sess, c->seq, at, &k);
			v[n++] = (struct iovec){(char *)p, k};
		}
		pos += k;
	}
	if(pos >= body_end && n < IOVS) {
		uint64_t k = pos - body_end;
		v[n++] = (struct iovec){c->big_tail + k, TAIL_BYTES - k};
	}
	return n;
}

static void want(struct gconn *c, bool out)
{
	struct epoll_event ev = {
			.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c};
	if(c->want_out != out)
		epoll_ctl(c->g->ep, EPOLL_CTL_MOD, c->io.fd, &ev);
	c->want_out = out;
}

static void lost(struct gconn *c, const char *why)
{
	load_fault(c->g->st, "generator: session %u: %s", c->sess, why);
	io_close(&c->io);
	rx_free(&c->rx);
}

static bool pend_flush(struct gconn *c)
{
	ssize_t k = io_write(&c->io, c->pend, c->pend_len);

	if(k == -EAGAIN)
		k = 0;
	if(k < 0) {
		lost(c, strerror((int)-k));
		return false;
	}
	c->pend_len -= (size_t)k;
	memmove(c->pend, c->pend + k, c->pend_len);
	return c->pend_len == 0;
}

/* What the socket did not take of a batch waits in the connection. */
static void pend_keep(struct gconn *c, const char *p, size_t n)
{
	if(n > c->pend_cap) {
		free(c->pend);
		c->pend = malloc(n);
		if(!c->pend)
			abort();
		c->pend_cap = n;
	}
	memcpy(c->pend, p, n);
	c->pend_len = n;
}

static bool send_small(struct gconn *c)
{
	char *at = c->g->batch;
	ssize_t k;
	size_t n;

	while(may_send(c) && chunk_len(c) <= SMALL_CHUNK
			&& at - c->g->batch < BATCH / 2)
		at = put_small(c, at);
	n = (size_t)(at - c->g->batch);
	k = io_write(&c->io, c->g->batch, n);
	if(k == -EAGAIN)
		k = 0;
	if(k < 0) {
		lost(c, strerror((int)-k));
		return false;
	}
	if((size_t)k == n)
		return true;
	pend_keep(c, c->g->batch + k, n - (size_t)k);
	return false;
}

static bool send_big(struct gconn *c)
{
	struct iovec v[IOVS];
	char head[1024];
	ssize_t k;

	if(!c->big)
		big_begin(c);
	k = io_writev(&c->io, v, big_iov(c, v, head));
	if(k < 0) {
		if(k != -EAGAIN)
			lost(c, strerror((int)-k));
		return false;
	}
	c->big_pos += (uint64_t)k;
	if(c->big_pos == c->big_head_len + c->big_len + TAIL_BYTES) {
		c->big = false;
		advance(c, c->big_len);
	}
	return true;
}

static void push(struct gconn *c)
{
	bool on = true;

	if(c->pend_len && !pend_flush(c)) {
		if(c->io.fd >= 0)
			want(c, true);
		return;
	}
	while(on && (c->big || may_send(c)))
		on = c->big || chunk_len(c) > SMALL_CHUNK ? send_big(c) : send_small(c);
	if(c->io.fd >= 0)
		want(c, !on);
}

static int on_head(void *arg, const struct rx_frame *f)
{
	struct gconn *c = arg;
	struct load_state *st = c->g->st;

	if(f->kind == RX_RESPONSE) {
		if(f->code != 200) {
			load_fault(
					st, "generator: session %u: answer %d", c->sess, f->code);
			return 0;
		}
		if(c->inflight == 0) {
			load_fault(
					st, "generator: session %u: an answer too many", c->sess);
			return 0;
		}
		c->inflight--;
		c->g->inflight--;
		atomic_fetch_add_explicit(&st->acked, 1, memory_order_relaxed);
	} else if(f->kind == RX_REPORT) {
		if(f->status != 200)
			load_fault(
					st, "generator: session %u: REPORT %d", c->sess, f->status);
		else
			atomic_fetch_add_explicit(&st->reports, 1, memory_order_relaxed);
	} else {
		load_fault(st, "generator: session %u: unexpected request", c->sess);
	}
	return 0;
}

static int on_body(void *arg, const char *data, size_t n)
{
	(void)arg;
	(void)data;
	(void)n;
	return 0;
}

static int on_end(void *arg, char flag)
{
	struct gconn *c = arg;

	(void)flag;
	atomic_fetch_add_explicit(&c->g->st->progress, 1, memory_order_relaxed);
	return 0;
}

static const struct rx_ops ops = {on_head, on_body, on_end};

static void conn_ready(struct gen *g, struct gconn *c, uint32_t events)
{
	if(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		size_t at = rx_begin(&c->rx, g->buf);
		ssize_t n = io_read(&c->io, g->buf + at, READ_BYTES);

		if(n == 0 || (n < 0 && n != -EAGAIN)) {
			if(!atomic_load(&g->st->stop))
				lost(c, n == 0 ? "connection closed" : strerror((int)-n));
			return;
		}
		if(n > 0 && rx_feed(&c->rx, g->buf, (size_t)n, &ops, c) < 0) {
			lost(c, "stream broken");
			return;
		}
	}
	if(atomic_load_explicit(&g->st->go, memory_order_relaxed))
		push(c);
}

static void due(struct gen *g)
{
	const struct load_opts *o = g->st->o;
	uint64_t all = (uint64_t)o->sessions * o->count, now = now_ns();
	struct itimerspec its = {0};

	while(g->due_next < all) {
		uint64_t at =
				g->st->start + (uint64_t)((double)g->due_next * 1e9 / o->rate);
		struct gconn *c = &g->conns[g->due_next % o->sessions];

		if(at > now) {
			its.it_value.tv_sec = (time_t)(at / 1000000000u);
			its.it_value.tv_nsec = (long)(at % 1000000000u);
			timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &its, NULL);
			return;
		}
		g->st->intended[(uint64_t)c->sess * o->count + c->allowed] = at;
		c->allowed++;
		g->due_next++;
		push(c);
	}
}

static bool finished(struct gen *g)
{
	const struct load_opts *o = g->st->o;
	uint64_t all = (uint64_t)o->sessions * o->count;
	uint64_t chunks = o->chunk ? (g->total + o->chunk - 1) / o->chunk : 1;

	return atomic_load_explicit(&g->st->acked, memory_order_relaxed)
			== all * chunks
			&& (!o->report || atomic_load(&g->st->reports) == all);
}

static void *run(void *arg)
{
	struct gen *g = arg;
	struct load_state *st = g->st;
	struct epoll_event ev[256];
	bool going = false;

	prctl(PR_SET_TIMERSLACK, 1);
	while(!atomic_load(&st->stop)) {
		int n;

		if(!going && atomic_load(&st->go)) {
			going = true;
			if(st->o->rate > 0)
				due(g);
			else
				for(uint32_t i = 0; i < st->o->sessions; i++)
					push(&g->conns[i]);
		}
		n = epoll_wait(g->ep, ev, 256, going ? 50 : 1);
		for(int i = 0; i < n; i++) {
			struct gconn *c = ev[i].data.ptr;
			if(!c)
				due(g);
			else if(c->io.fd >= 0)
				conn_ready(g, c, ev[i].events);
		}
		if(going && !atomic_load(&st->gen_done) && finished(g)) {
			atomic_store(&st->gen_end, now_ns());
			atomic_store(&st->gen_done, true);
		}
	}
	return NULL;
}

/* Connect, send the empty SEND of RFC 6135 and wait for its 200. */
static int bind_session(
		struct gen *g, struct gconn *c, const struct load_paths *p)
{
	const struct load_opts *o = g->st->o;
	char text[FRAME_HEAD_MAX], answer[FRAME_HEAD_MAX];
	char tid[TID_BYTES + 1] = "";
	size_t have = 0;
	int n, rc;

	rc = io_connect(&c->io, o->gen_host, p->next_host, p->next_port, o->tls_in);
	if(rc < 0)
		return rc;
	hex_put(tid, ++g->counter ^ g->secret, TID_BYTES);
	n = snprintf(text, sizeof(text),
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: bind%08x\r\nByte-Range: 1-0/0\r\n-------%s$\r\n",
			tid, p->next, p->gen, c->sess, tid);
	if(n < 0 || (size_t)n >= sizeof(text)
			|| io_write(&c->io, text, (size_t)n) != n)
		return -EIO;
	do {
		ssize_t k = io_read(
				&c->io, answer + have, c->io.ssl ? 1 : sizeof(answer) - have);
		if(k <= 0)
			return k < 0 ? (int)k : -ECONNRESET;
		have += (size_t)k;
	} while(have < sizeof(answer)
			&& !(have > 3 && memcmp(answer + have - 3, "$\r\n", 3) == 0));
	if(have < 22 || memcmp(answer + 5, tid, TID_BYTES) != 0
			|| memcmp(answer + 5 + TID_BYTES, " 200", 4) != 0) {
		fprintf(stderr, "msrp-load: binding refused: %.*s\n",
				(int)(have < 200 ? have : 200), answer);
		return -EPROTO;
	}
	io_nonblock(&c->io);
	return 0;
}

static int prepare(struct gen *g, struct gconn *c, const struct load_paths *p)
{
	int n = asprintf(&c->head,
			" SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\nMessage-ID: ", p->next,
			p->gen);

	if(n < 0)
		return -ENOMEM;
	c->head_len = (size_t)n;
	c->g = g;
	if(!g->st->o->chunk || g->st->o->chunk > SMALL_CHUNK)
		c->big_head = malloc(FRAME_HEAD_MAX);
	return 0;
}

int gen_start(
		struct gen **out, struct load_state *st, const struct load_paths *paths)
{
	struct gen *g = calloc(1, sizeof(*g));
	struct epoll_event ev = {.events = EPOLLIN};
	int rc;

	if(!g || !(g->conns = calloc(st->o->sessions, sizeof(*g->conns))))
		abort();
	*out = g;
	g->st = st;
	g->total = content_head_len + st->o->size;
	g->secret = now_ns() * 0x9e3779b97f4a7c15u & 0xffff00000000u;
	g->ep = epoll_create1(EPOLL_CLOEXEC);
	g->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	for(uint32_t i = 0; i < st->o->sessions; i++)
		g->conns[i].io.fd = -1;
	for(uint32_t i = 0; i < st->o->sessions; i++) {
		struct gconn *c = &g->conns[i];

		c->sess = i;
		rc = prepare(g, c, &paths[i]);
		if(rc == 0)
			rc = bind_session(g, c, &paths[i]);
		if(rc < 0) {
			fprintf(stderr, "msrp-load: session %u cannot be set up: %s\n", i,
					strerror(-rc));
			return rc;
		}
		ev.data.ptr = c;
		epoll_ctl(g->ep, EPOLL_CTL_ADD, c->io.fd, &ev);
	}
	ev.data.ptr = NULL;
	epoll_ctl(g->ep, EPOLL_CTL_ADD, g->timer, &ev);
	if(pthread_create(&g->thread, NULL, run, g) != 0)
		abort();
	return 0;
}

void gen_stop(struct gen **pg)
{
	struct gen *g = *pg;

	if(!g)
		return;
	if(g->thread)
		pthread_join(g->thread, NULL);
	for(uint32_t i = 0; i < g->st->o->sessions; i++) {
		io_close(&g->conns[i].io);
		rx_free(&g->conns[i].rx);
		free(g->conns[i].head);
		free(g->conns[i].big_head);
		free(g->conns[i].pend);
	}
	close(g->ep);
	close(g->timer);
	free(g->conns);
	free(g);
	*pg = NULL;
}
