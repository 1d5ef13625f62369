/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP frames: reads heads, finds end-lines, writes requests, responses and
 * reports. Called by peer_conn.c and by unit tests. RFC 4975 sections 7 and 9.
 */
#include "peer_msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define DASHES 7 /* of an end-line, before the transaction id */

static bool token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| (c >= '0' && c <= '9') || (c != 0 && strchr(".-+%=_~", c));
}

static bool tid_ok(struct slice s)
{
	/* RFC 4975 wants 4 at least; implementations in the field use fewer. */
	if(s.n < 1 || s.n > PEER_TID_MAX)
		return false;
	for(size_t i = 0; i < s.n; i++)
		if(!token_char((unsigned char)s.p[i]))
			return false;
	return true;
}

static bool number_or_any(struct slice s, uint64_t *out)
{
	if(slice_eq(s, SLICE("*"))) {
		*out = PEER_ANY;
		return true;
	}
	return slice_u64(s, PEER_ANY - 1, out);
}

int peer_range_parse(struct slice in, struct peer_range *out)
{
	struct slice range, total, end;
	struct peer_range r;

	range = slice_cut(in, '/', &total);
	range = slice_cut(range, '-', &end);
	if(!slice_u64(range, PEER_ANY - 1, &r.start) || !number_or_any(end, &r.end)
			|| !number_or_any(total, &r.total))
		return -EBADMSG;
	if(r.start == 0)
		return -EBADMSG;
	/* "1-0/0" is how an empty message is written: end = start - 1. */
	if(r.end != PEER_ANY && r.end + 1 < r.start)
		return -EBADMSG;
	if(r.end != PEER_ANY && r.total != PEER_ANY && r.end > r.total)
		return -EBADMSG;
	*out = r;
	return 0;
}

int peer_uri_parse(struct slice in, struct peer_uri *out)
{
	struct peer_uri u = {0};
	struct slice rest, authority, port = {0};
	uint64_t v;

	if(slice_istarts(in, SLICE("msrps://"))) {
		u.tls = true;
		rest = slice_skip(in, 8);
	} else if(slice_istarts(in, SLICE("msrp://"))) {
		rest = slice_skip(in, 7);
	} else {
		return -EBADMSG;
	}
	rest = slice_cut(rest, ';', NULL);
	authority = slice_cut(rest, '/', &u.session);
	if(authority.n > 0 && memchr(authority.p, '@', authority.n))
		slice_cut(authority, '@', &authority);
	if(authority.n > 0 && authority.p[0] == '[') {
		u.host = slice_cut(slice_skip(authority, 1), ']', &port);
		if(port.n > 0 && port.p[0] == ':')
			port = slice_skip(port, 1);
		else if(port.n > 0)
			return -EBADMSG;
	} else {
		u.host = slice_cut(authority, ':', &port);
	}
	if(u.host.n == 0)
		return -EBADMSG;
	if(port.n > 0) {
		if(!slice_u64(port, 65535, &v))
			return -EBADMSG;
		u.port = (int)v;
	}
	*out = u;
	return 0;
}

struct slice peer_path_first(struct slice path)
{
	return slice_cut(slice_trim(path), ' ', NULL);
}

bool peer_uri_same_session(struct slice a, struct slice b)
{
	struct peer_uri x, y;

	if(peer_uri_parse(a, &x) != 0 || peer_uri_parse(b, &y) != 0)
		return false;
	return x.tls == y.tls && x.session.n > 0 && slice_eq(x.session, y.session);
}

/* "MSRP tid SEND" or "MSRP tid 200 OK" */
static int start_parse(struct slice line, struct peer_msg *m)
{
	struct slice rest, word;
	uint64_t v;

	if(!slice_eq(slice_cut(line, ' ', &rest), SLICE("MSRP")))
		return -EBADMSG;
	m->tid = slice_cut(rest, ' ', &rest);
	if(!tid_ok(m->tid))
		return -EBADMSG;
	word = slice_cut(rest, ' ', &m->comment);
	if(word.n == 3 && slice_u64(word, 999, &v)) {
		m->response = true;
		m->status = (int)v;
		return 0;
	}
	if(word.n == 0 || m->comment.p != NULL)
		return -EBADMSG;
	for(size_t i = 0; i < word.n; i++)
		if(word.p[i] < 'A' || word.p[i] > 'Z')
			return -EBADMSG;
	m->method = word;
	return 0;
}

static int header_set(struct peer_msg *m, struct slice name, struct slice value)
{
	static const struct
	{
		struct slice name;
		size_t at;
	} table[] = {
			{SLICE("To-Path"), offsetof(struct peer_msg, to_path)},
			{SLICE("From-Path"), offsetof(struct peer_msg, from_path)},
			{SLICE("Message-ID"), offsetof(struct peer_msg, message_id)},
			{SLICE("Content-Type"), offsetof(struct peer_msg, content_type)},
			{SLICE("Success-Report"),
					offsetof(struct peer_msg, success_report)},
			{SLICE("Failure-Report"),
					offsetof(struct peer_msg, failure_report)},
			{SLICE("Status"), offsetof(struct peer_msg, status_header)},
	};

	if(slice_ieq(name, SLICE("Byte-Range"))) {
		m->has_range = true;
		return peer_range_parse(value, &m->range);
	}
	for(size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if(slice_ieq(name, table[i].name)) {
			*(struct slice *)((char *)m + table[i].at) = value;
			break;
		}
	}
	return 0;
}

int peer_head_parse(struct slice in, struct peer_msg *out)
{
	struct peer_msg m = {0};
	struct slice line, rest = in, value;
	int rc;

	line = slice_cut(rest, '\n', &rest);
	if(line.n == 0 || line.p[line.n - 1] != '\r')
		return -EBADMSG;
	line.n--;
	rc = start_parse(line, &m);
	if(rc != 0)
		return rc;
	m.headers = rest;
	while(rest.n > 0) {
		line = slice_cut(rest, '\n', &rest);
		if(line.n == 0 || line.p[line.n - 1] != '\r')
			return -EBADMSG;
		line.n--;
		line = slice_cut(line, ':', &value);
		if(line.n == 0 || value.p == NULL)
			return -EBADMSG;
		rc = header_set(&m, line, slice_trim(value));
		if(rc != 0)
			return rc;
	}
	if(m.to_path.n == 0 || m.from_path.n == 0)
		return -EBADMSG;
	*out = m;
	return 0;
}

/* Does s start with "-------tid" and a flag? 1 yes, 0 no, -1 too short to say
 */
static int end_line_at(const struct peer_frame *f, struct slice s)
{
	size_t want = DASHES + f->tid_len;
	size_t have = s.n < want ? s.n : want;
	size_t dashes = have < DASHES ? have : DASHES;

	if(memcmp(s.p, "-------", dashes) != 0
			|| (have > DASHES
					&& memcmp(s.p + DASHES, f->tid, have - DASHES) != 0))
		return 0;
	if(s.n > want && s.p[want] != '$' && s.p[want] != '+' && s.p[want] != '#')
		return 0;
	if(s.n > want + 1 && s.p[want + 1] != '\r')
		return 0;
	if(s.n > want + 2 && s.p[want + 2] != '\n')
		return 0;
	return s.n < want + 3 ? -1 : 1;
}

static ssize_t take_end(struct peer_frame *f, struct slice in, size_t skip,
		struct peer_item *out)
{
	size_t want = DASHES + f->tid_len;

	out->type = PEER_END;
	out->flag = in.p[skip + want];
	*f = (struct peer_frame){0};
	return (ssize_t)(skip + want + 3);
}

/* The head is complete when a line is blank or starts an end-line. */
static ssize_t next_head(
		struct peer_frame *f, struct slice in, struct peer_item *out)
{
	struct slice rest = in, line;
	int rc;

	if(in.n > 0 && memcmp(in.p, "MSRP ", in.n < 5 ? in.n : 5) != 0)
		return -EBADMSG;
	for(;;) {
		line = slice_cut(rest, '\n', &rest);
		if(rest.p == NULL)
			return in.n > PEER_HEAD_MAX ? -E2BIG : 0;
		if(line.n == 0 || line.p[line.n - 1] != '\r')
			return -EBADMSG;
		if(line.p != in.p
				&& (slice_eq(line, SLICE("\r"))
						|| slice_starts(line, SLICE("-------"))))
			break;
	}
	if((size_t)(line.p - in.p) > PEER_HEAD_MAX)
		return -E2BIG;
	rc = peer_head_parse(slice_of(in.p, (size_t)(line.p - in.p)), &out->msg);
	if(rc != 0)
		return rc;
	f->tid_len = out->msg.tid.n;
	memcpy(f->tid, out->msg.tid.p, f->tid_len);
	out->type = PEER_HEAD;
	if(line.n == 1) {
		out->msg.has_body = true;
		f->in_body = f->at_body_start = true;
		return line.p + 2 - in.p;
	}
	f->want_end = true;
	return line.p - in.p;
}

static ssize_t next_body(
		struct peer_frame *f, struct slice in, struct peer_item *out)
{
	size_t from = 0;
	int at = 0;

	/* A blank line with the end-line right behind it is an empty body too. */
	if(f->at_body_start && in.n > 0) {
		at = end_line_at(f, in);
		if(at > 0)
			return take_end(f, in, 0, out);
		if(at < 0)
			return 0;
	}
	while(from < in.n) {
		const char *cr = memchr(in.p + from, '\r', in.n - from);
		size_t i = cr ? (size_t)(cr - in.p) : in.n;

		if(cr
				&& (i + 1 == in.n
						|| (in.p[i + 1] == '\n'
								&& (i + 2 == in.n
										|| (at = end_line_at(
													f, slice_skip(in, i + 2)))
												!= 0)))) {
			/* An end-line, or what may become one: body up to here. */
			if(i == 0 && i + 2 < in.n && at > 0)
				return take_end(f, in, 2, out);
			if(i == 0)
				return 0;
		} else if(cr) {
			from = i + 1;
			continue;
		}
		f->at_body_start = false;
		out->type = PEER_BODY;
		out->body = slice_of(in.p, i);
		return (ssize_t)i;
	}
	if(from == 0)
		return 0;
	f->at_body_start = false;
	out->type = PEER_BODY;
	out->body = in;
	return (ssize_t)in.n;
}

ssize_t peer_frame_next(
		struct peer_frame *f, struct slice in, struct peer_item *out)
{
	int at = 0;

	out->type = PEER_MORE;
	if(f->in_body)
		return next_body(f, in, out);
	if(!f->want_end)
		return next_head(f, in, out);
	at = in.n > 0 ? end_line_at(f, in) : -1;
	if(at == 0)
		return -EBADMSG;
	return at < 0 ? 0 : take_end(f, in, 0, out);
}

/* snprintf that adds at *len and remembers an overflow as -E2BIG. */
static void __attribute__((format(printf, 4, 5)))
add(char *out, size_t cap, int *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	if(*len < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(out + *len, cap - (size_t)*len, fmt, ap);
	va_end(ap);
	*len = n < 0 || (size_t)n >= cap - (size_t)*len ? -E2BIG : *len + n;
}

static void add_number(char *out, size_t cap, int *len, uint64_t v)
{
	if(v == PEER_ANY)
		add(out, cap, len, "*");
	else
		add(out, cap, len, "%llu", (unsigned long long)v);
}

static void add_range(
		char *out, size_t cap, int *len, const struct peer_range *r)
{
	add(out, cap, len, "Byte-Range: %llu-", (unsigned long long)r->start);
	add_number(out, cap, len, r->end);
	add(out, cap, len, "/");
	add_number(out, cap, len, r->total);
	add(out, cap, len, "\r\n");
}

int peer_write_send(char *out, size_t cap, const struct peer_send_head *h)
{
	int len = 0;

	add(out, cap, &len,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: %s\r\n",
			h->tid, h->to_path, h->from_path, h->message_id);
	if(h->range.start != 0)
		add_range(out, cap, &len, &h->range);
	if(h->success_report)
		add(out, cap, &len, "Success-Report: %s\r\n", h->success_report);
	if(h->failure_report)
		add(out, cap, &len, "Failure-Report: %s\r\n", h->failure_report);
	if(h->content_type)
		add(out, cap, &len, "Content-Type: %s\r\n\r\n", h->content_type);
	return len;
}

int peer_write_end(char *out, size_t cap, const char *tid, char flag)
{
	int len = 0;

	add(out, cap, &len, "-------%s%c\r\n", tid, flag);
	return len;
}

int peer_write_response(char *out, size_t cap, const struct peer_msg *req,
		int status, const char *comment)
{
	struct slice to = peer_path_first(req->from_path);
	struct slice from = peer_path_first(req->to_path);
	int len = 0;

	/* RFC 4975 section 7.2: a response goes one hop, to the first URI. */
	add(out, cap, &len,
			"MSRP %.*s %d %s\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\n"
			"-------%.*s$\r\n",
			SLICE_ARG(req->tid), status, comment, SLICE_ARG(to),
			SLICE_ARG(from), SLICE_ARG(req->tid));
	return len;
}

int peer_write_report(char *out, size_t cap, const char *tid,
		const struct peer_msg *req, struct slice message_id,
		struct peer_range range, int status)
{
	struct slice from = peer_path_first(req->to_path);
	int len = 0;

	add(out, cap, &len,
			"MSRP %s REPORT\r\nTo-Path: %.*s\r\nFrom-Path: %.*s\r\n"
			"Message-ID: %.*s\r\n",
			tid, SLICE_ARG(req->from_path), SLICE_ARG(from),
			SLICE_ARG(message_id));
	add_range(out, cap, &len, &range);
	add(out, cap, &len, "Status: 000 %d%s\r\n-------%s$\r\n", status,
			status == 200 ? " OK" : "", tid);
	return len;
}

void peer_random_id(char *out, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
								  "qrstuvwxyz0123456789";
	unsigned char r[64];

	for(size_t i = 0; i < n; i++) {
		/* The bias of 256 modulo 62 costs a fraction of a bit. */
		if(i % sizeof(r) == 0 && getrandom(r, sizeof(r), 0) != sizeof(r))
			abort();
		out[i] = letters[r[i % sizeof(r)] % 62];
	}
	out[n] = '\0';
}
