/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writer of MSRP heads, end-lines, responses and REPORTs, RFC 4975 section 9.
 * Called by session/ for each outgoing chunk, so without printf.
 */
#include "msrp/write.h"

struct out
{
	char *p, *end;
	bool cut;
};

static void put(struct out *o, struct slice s)
{
	if((size_t)(o->end - o->p) < s.n) {
		o->cut = true;
		return;
	}
	if(s.n > 0)
		memcpy(o->p, s.p, s.n);
	o->p += s.n;
}

static void put_u64(struct out *o, uint64_t v)
{
	char text[20];
	size_t i = sizeof(text);

	do {
		text[--i] = (char)('0' + v % 10);
		v /= 10;
	} while(v > 0);
	put(o, slice_of(text + i, sizeof(text) - i));
}

static void put_status(struct out *o, int status)
{
	char text[3] = {(char)('0' + status / 100 % 10),
			(char)('0' + status / 10 % 10), (char)('0' + status % 10)};

	put(o, slice_of(text, 3));
}

static void put_range(struct out *o, struct msrp_range r)
{
	put(o, SLICE("Byte-Range: "));
	put_u64(o, r.start);
	put(o, SLICE("-"));
	if(r.end_any)
		put(o, SLICE("*"));
	else
		put_u64(o, r.end);
	put(o, SLICE("/"));
	if(r.total_any)
		put(o, SLICE("*"));
	else
		put_u64(o, r.total);
	put(o, SLICE("\r\n"));
}

static void put_end(struct out *o, struct slice tid, char flag, bool content)
{
	char tail[3] = {flag, '\r', '\n'};

	put(o, content ? SLICE("\r\n-------") : SLICE("-------"));
	put(o, tid);
	put(o, slice_of(tail, 3));
}

static void put_field(struct out *o, struct slice name, struct slice value)
{
	put(o, name);
	put(o, value);
	put(o, SLICE("\r\n"));
}

static size_t done(const struct out *o, const char *from)
{
	return o->cut ? 0 : (size_t)(o->p - from);
}

size_t msrp_write_paths(
		char *to, size_t room, struct slice to_path, struct slice from_path)
{
	struct out o = {to, to + room, false};

	put_field(&o, SLICE("To-Path: "), to_path);
	put_field(&o, SLICE("From-Path: "), from_path);
	return done(&o, to);
}

size_t msrp_write_send_start(
		char *to, size_t room, struct slice tid, struct slice paths)
{
	struct out o = {to, to + room, false};

	put(&o, SLICE("MSRP "));
	put(&o, tid);
	put(&o, SLICE(" SEND\r\n"));
	put(&o, paths);
	return done(&o, to);
}

size_t msrp_write_send(char *to, size_t room, const struct msrp_send *s)
{
	size_t n = msrp_write_send_start(to, room, s->tid, s->paths);
	size_t rest = n > 0 ? msrp_write_send_rest(to + n, room - n, s) : 0;

	return rest > 0 ? n + rest : 0;
}

size_t msrp_write_send_rest(char *to, size_t room, const struct msrp_send *s)
{
	struct out o = {to, to + room, false};

	put_field(&o, SLICE("Message-ID: "), s->message_id);
	if(s->range.start > 0)
		put_range(&o, s->range);
	if(s->success_report)
		put(&o, SLICE("Success-Report: yes\r\n"));
	if(s->failure_report)
		put(&o, SLICE("Failure-Report: yes\r\n"));
	if(s->content_type.n > 0) {
		put_field(&o, SLICE("Content-Type: "), s->content_type);
		put(&o, SLICE("\r\n"));
	}
	return done(&o, to);
}

size_t msrp_write_end(
		char *to, size_t room, struct slice tid, char flag, bool content)
{
	struct out o = {to, to + room, false};

	put_end(&o, tid, flag, content);
	return done(&o, to);
}

size_t msrp_write_response(char *to, size_t room, struct slice tid, int status,
		struct slice comment, struct slice paths)
{
	struct out o = {to, to + room, false};

	put(&o, SLICE("MSRP "));
	put(&o, tid);
	put(&o, SLICE(" "));
	put_status(&o, status);
	if(comment.n > 0) {
		put(&o, SLICE(" "));
		put(&o, comment);
	}
	put(&o, SLICE("\r\n"));
	put(&o, paths);
	put_end(&o, tid, MSRP_FLAG_END, false);
	return done(&o, to);
}

size_t msrp_write_report(char *to, size_t room, struct slice tid,
		struct slice paths, struct slice message_id, struct msrp_range range,
		int status, struct slice comment)
{
	struct out o = {to, to + room, false};

	put(&o, SLICE("MSRP "));
	put(&o, tid);
	put(&o, SLICE(" REPORT\r\n"));
	put(&o, paths);
	put_field(&o, SLICE("Message-ID: "), message_id);
	put_range(&o, range);
	put(&o, SLICE("Status: 000 "));
	put_status(&o, status);
	if(comment.n > 0) {
		put(&o, SLICE(" "));
		put(&o, comment);
	}
	put(&o, SLICE("\r\n"));
	put_end(&o, tid, MSRP_FLAG_END, false);
	return done(&o, to);
}

struct slice msrp_status_text(int status)
{
	switch(status) {
		case 200:
			return SLICE("OK");
		case 400:
			return SLICE("Bad Request");
		case 403:
			return SLICE("Forbidden");
		case 408:
			return SLICE("Request Timeout");
		case 413:
			return SLICE("Message Too Large");
		case 415:
			return SLICE("Unsupported Media Type");
		case 423:
			return SLICE("Out Of Bounds");
		case 481:
			return SLICE("No Such Session");
		case 501:
			return SLICE("Unknown Method");
		case 506:
			return SLICE("Session Already Bound");
		default:
			return slice_of(NULL, 0);
	}
}
