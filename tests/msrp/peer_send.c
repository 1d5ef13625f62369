/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sending half of a session: cuts a message into chunks and follows their
 * transactions. A chunk is fed to the connection in slices, so that even one
 * of 100 MB can be broken off with "#". Called by peer_session.c.
 */
#include "peer_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FEED (256 * 1024)  /* bytes given to the connection at once */
#define AHEAD (512 * 1024) /* queued bytes above which nothing is given */
#define WINDOW 64
#define TIMEOUT_MS 30000
#define INTERRUPTIBLE 2048 /* longer chunks have "*" (RFC 4975 7.1.1) */
#define TID_LEN 16

struct flight
{
	char tid[TID_LEN + 1];
	uint64_t bytes;
	int64_t sent_ms;
};

struct peer_send
{
	struct peer_source src;
	struct peer_send_conf conf;
	const char *to_path, *from_path;
	char message_id[33];
	uint64_t total, next, acked;
	uint64_t chunk_left; /* of the chunk under way */
	bool in_chunk, done;
	int status, chunks;
	struct flight *f; /* ring: window entries from f_head on */
	int f_head, f_len;
};

int64_t peer_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct peer_send *peer_send_new(const struct peer_source *src,
		const struct peer_send_conf *conf, const char *to_path,
		const char *from_path)
{
	struct peer_send *s = calloc(1, sizeof(*s));

	if(!s)
		abort();
	s->src = *src;
	s->conf = *conf;
	s->to_path = to_path;
	s->from_path = from_path;
	if(s->conf.window <= 0)
		s->conf.window = WINDOW;
	if(s->conf.timeout_ms <= 0)
		s->conf.timeout_ms = TIMEOUT_MS;
	s->f = calloc((size_t)s->conf.window, sizeof(*s->f));
	if(!s->f)
		abort();
	if(src->message_id)
		snprintf(s->message_id, sizeof(s->message_id), "%s", src->message_id);
	else
		peer_random_id(s->message_id, 16);
	for(int i = 0; i < src->parts; i++)
		s->total += src->part[i].iov_len;
	return s;
}

static struct flight *flight_at(struct peer_send *s, int i)
{
	return &s->f[(s->f_head + i) % s->conf.window];
}

static void chunk_begin(struct peer_send *s, struct peer_conn *c)
{
	char head[4096];
	struct flight *f = flight_at(s, s->f_len++);
	uint64_t n = s->total - s->next;
	struct peer_send_head h = {
			.tid = f->tid,
			.to_path = s->to_path,
			.from_path = s->from_path,
			.message_id = s->message_id,
			.success_report =
					s->conf.success_report ? s->conf.success_report : "no",
			.failure_report =
					s->conf.failure_report ? s->conf.failure_report : "yes",
			.content_type = s->src.content_type,
	};
	int len;

	if(s->conf.chunk_bytes && n > s->conf.chunk_bytes)
		n = s->conf.chunk_bytes;
	peer_random_id(f->tid, TID_LEN);
	f->bytes = n;
	f->sent_ms = peer_now_ms();
	h.range = (struct peer_range){s->next + 1, s->next + n, s->total};
	if(n > INTERRUPTIBLE && !s->conf.exact_range)
		h.range.end = PEER_ANY;
	len = peer_write_send(head, sizeof(head), &h);
	if(len < 0)
		abort(); /* paths are bounded by PEER_PATH_MAX */
	peer_conn_put(c, head, (size_t)len);
	s->in_chunk = true;
	s->chunk_left = n;
	s->chunks++;
}

/* Queue n bytes of the message from s->next on. */
static void feed(struct peer_send *s, struct peer_conn *c, uint64_t n)
{
	uint64_t off = s->next;

	s->next += n;
	s->chunk_left -= n;
	for(int i = 0; i < s->src.parts && n > 0; i++) {
		const struct iovec *v = &s->src.part[i];
		uint64_t k;

		if(off >= v->iov_len) {
			off -= v->iov_len;
			continue;
		}
		k = v->iov_len - off < n ? v->iov_len - off : n;
		peer_conn_ref(c, (const char *)v->iov_base + off, k);
		n -= k;
		off = 0;
	}
}

static void chunk_end(struct peer_send *s, struct peer_conn *c, char flag)
{
	char end[64] = "\r\n";
	int len = peer_write_end(
			end + 2, sizeof(end) - 2, flight_at(s, s->f_len - 1)->tid, flag);

	peer_conn_put(c, end, (size_t)len + 2);
	s->in_chunk = false;
}

void peer_send_push(struct peer_send *s, struct peer_conn *c)
{
	while(s->status == 0 && !s->done && peer_conn_queued(c) < AHEAD) {
		if(!s->in_chunk) {
			if(s->f_len == s->conf.window)
				return;
			chunk_begin(s, c);
		}
		feed(s, c, s->chunk_left < FEED ? s->chunk_left : FEED);
		flight_at(s, s->f_len - 1)->sent_ms = peer_now_ms();
		if(s->chunk_left > 0)
			continue;
		s->done = s->next == s->total;
		chunk_end(s, c, s->done ? '$' : '+');
	}
}

void peer_send_interrupt(struct peer_send *s, struct peer_conn *c)
{
	if(!s->in_chunk)
		return;
	flight_at(s, s->f_len - 1)->bytes -= s->chunk_left;
	s->chunk_left = 0;
	chunk_end(s, c, '+');
}

void peer_send_stop(struct peer_send *s, struct peer_conn *c, int status)
{
	if(s->status != 0)
		return;
	s->status = status;
	if(s->in_chunk)
		chunk_end(s, c, '#');
}

int peer_send_response(
		struct peer_send *s, struct peer_conn *c, struct slice tid, int status)
{
	for(int i = 0; i < s->f_len; i++) {
		struct flight *f = flight_at(s, i);

		if(!slice_eq(tid, slice_str(f->tid)))
			continue;
		if(status != 200) {
			peer_send_stop(s, c, status);
			return 2;
		}
		if(s->in_chunk && i == s->f_len - 1)
			return 1; /* a 200 before the chunk's end counts for nothing */
		s->acked += f->bytes;
		f->tid[0] = '\0';
		while(s->f_len > 0 && flight_at(s, 0)->tid[0] == '\0') {
			s->f_head = (s->f_head + 1) % s->conf.window;
			s->f_len--;
		}
		if(s->done && s->acked == s->total && s->f_len == 0 && s->status == 0) {
			s->status = 200;
			return 2;
		}
		return 1;
	}
	return 0;
}

bool peer_send_expired(struct peer_send *s)
{
	int64_t now = peer_now_ms();

	if(s->status != 0 || s->f_len == 0
			|| now - flight_at(s, 0)->sent_ms < s->conf.timeout_ms)
		return false;
	s->status = 408;
	return true;
}

int peer_send_status(const struct peer_send *s)
{
	return s->status;
}

uint64_t peer_send_acked(const struct peer_send *s)
{
	return s->acked;
}

uint64_t peer_send_total(const struct peer_send *s)
{
	return s->total;
}

int peer_send_chunks(const struct peer_send *s)
{
	return s->chunks;
}

const char *peer_send_message_id(const struct peer_send *s)
{
	return s->message_id;
}

void peer_send_free(struct peer_send **s)
{
	if(!*s)
		return;
	free((*s)->f);
	free(*s);
	*s = NULL;
}
