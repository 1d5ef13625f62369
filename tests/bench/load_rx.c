// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames out of a TCP stream for msrp-load, as they arrive: head once it is
 * there whole, body in the pieces that were read, end-line once whole. Strict:
 * what RFC 4975 section 9 does not allow ends the stream. Used by generator
 * (responses, REPORTs) and sink (SENDs).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define HEAD_MAX 16384

enum
{
	ST_HEAD,
	ST_BODY,
	ST_TAIL
};

static bool num(struct slice_b s, uint64_t *out)
{
	uint64_t v = 0;

	if(s.n == 0 || s.n > 18)
		return false;
	for(size_t i = 0; i < s.n; i++) {
		if(s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = v;
	return true;
}

static bool num_or_star(struct slice_b s, uint64_t *out)
{
	if(s.n == 1 && s.p[0] == '*') {
		*out = UINT64_MAX;
		return true;
	}
	return num(s, out);
}

static bool range(struct slice_b v, struct rx_frame *f)
{
	const char *dash = memchr(v.p, '-', v.n);
	const char *slash = memchr(v.p, '/', v.n);

	if(!dash || !slash || slash < dash)
		return false;
	f->has_range = true;
	return num((struct slice_b){v.p, (size_t)(dash - v.p)}, &f->start)
			&& num_or_star(
					(struct slice_b){dash + 1, (size_t)(slash - dash - 1)},
					&f->end)
			&& num_or_star((struct slice_b){slash + 1,
								   v.n - (size_t)(slash + 1 - v.p)},
					&f->total);
}

static bool named(struct slice_b line, const char *name, struct slice_b *v)
{
	size_t n = strlen(name);

	if(line.n < n + 2 || memcmp(line.p, name, n) != 0 || line.p[n] != ':')
		return false;
	v->p = line.p + n + 1;
	v->n = line.n - n - 1;
	while(v->n > 0 && *v->p == ' ') {
		v->p++;
		v->n--;
	}
	return true;
}

static bool header(struct slice_b line, struct rx_frame *f)
{
	struct slice_b v;
	uint64_t u;

	switch(line.p[0]) {
		case 'T':
			if(named(line, "To-Path", &v))
				f->to_path = v;
			break;
		case 'F':
			if(named(line, "From-Path", &v))
				f->from_path = v;
			else if(named(line, "Failure-Report", &v))
				f->failure_no = v.n == 2 && memcmp(v.p, "no", 2) == 0;
			break;
		case 'M':
			if(named(line, "Message-ID", &v))
				f->message_id = v;
			break;
		case 'B':
			if(named(line, "Byte-Range", &v))
				return range(v, f);
			break;
		case 'S':
			if(named(line, "Success-Report", &v)) {
				f->success_report = v.n == 3 && memcmp(v.p, "yes", 3) == 0;
			} else if(named(line, "Status", &v)) {
				if(v.n < 7 || memcmp(v.p, "000 ", 4) != 0
						|| !num((struct slice_b){v.p + 4, 3}, &u))
					return false;
				f->status = (int)u;
			}
			break;
		default:
			break;
	}
	return true;
}

static bool start_line(struct slice_b line, struct rx_frame *f)
{
	const char *sp;
	struct slice_b word;
	uint64_t code;

	if(line.n < 12 || memcmp(line.p, "MSRP ", 5) != 0)
		return false;
	f->tid.p = line.p + 5;
	sp = memchr(f->tid.p, ' ', line.n - 5);
	if(!sp)
		return false;
	f->tid.n = (size_t)(sp - f->tid.p);
	if(f->tid.n < 4 || f->tid.n > 32)
		return false;
	word.p = sp + 1;
	word.n = line.n - (size_t)(word.p - line.p);
	if(word.n >= 3 && num((struct slice_b){word.p, 3}, &code)) {
		f->kind = RX_RESPONSE;
		f->code = (int)code;
	} else if(word.n == 4 && memcmp(word.p, "SEND", 4) == 0) {
		f->kind = RX_SEND;
	} else if(word.n == 6 && memcmp(word.p, "REPORT", 6) == 0) {
		f->kind = RX_REPORT;
	} else {
		f->kind = RX_OTHER;
	}
	return true;
}

static bool is_flag(char c)
{
	return c == '$' || c == '+' || c == '#';
}

/* A whole header with its blank line or its end-line. >0 consumed, 0 more. */
static ssize_t take_head(struct rx *rx, const char *p, size_t n,
		const struct rx_ops *ops, void *arg)
{
	struct rx_frame f = {.total = UINT64_MAX, .end = UINT64_MAX, .start = 1};
	const char *at = p, *stop = p + n;

	for(;;) {
		const char *nl = memchr(at, '\n', (size_t)(stop - at));
		struct slice_b line;

		if(!nl)
			return n > HEAD_MAX ? -EBADMSG : 0;
		if(nl == at || nl[-1] != '\r')
			return -EBADMSG;
		line.p = at;
		line.n = (size_t)(nl - 1 - at);
		at = nl + 1;
		if(line.p == p) {
			if(!start_line(line, &f))
				return -EBADMSG;
			continue;
		}
		if(line.n == 0) {
			f.has_body = true;
			break;
		}
		if(line.p[0] == '-') {
			if(line.n != 7 + f.tid.n + 1 || memcmp(line.p, "-------", 7) != 0
					|| memcmp(line.p + 7, f.tid.p, f.tid.n) != 0
					|| !is_flag(line.p[line.n - 1]))
				return -EBADMSG;
			if(ops->head(arg, &f) < 0 || ops->end(arg, line.p[line.n - 1]) < 0)
				return -EBADMSG;
			return at - p;
		}
		if(!header(line, &f))
			return -EBADMSG;
	}
	rx->tid_len = (uint8_t)(9 + f.tid.n);
	memcpy(rx->tid, "\r\n-------", 9);
	memcpy(rx->tid + 9, f.tid.p, f.tid.n);
	rx->open = f.end == UINT64_MAX;
	rx->left = rx->open ? 0 : f.end + 1 - f.start;
	if(!rx->open && f.end + 1 < f.start)
		return -EBADMSG;
	rx->state = !rx->open && rx->left == 0 ? ST_TAIL : ST_BODY;
	if(ops->head(arg, &f) < 0)
		return -EBADMSG;
	return at - p;
}

static ssize_t take_tail(struct rx *rx, const char *p, size_t n,
		const struct rx_ops *ops, void *arg)
{
	size_t k = rx->tid_len;

	if(n < k + 3)
		return 0;
	if(memcmp(p, rx->tid, k) != 0 || !is_flag(p[k]) || p[k + 1] != '\r'
			|| p[k + 2] != '\n')
		return -EBADMSG;
	rx->state = ST_HEAD;
	if(ops->end(arg, p[k]) < 0)
		return -EBADMSG;
	return (ssize_t)k + 3;
}

/* Body whose length is not known: all before the end-line, or all that cannot
 * be the beginning of one. */
static ssize_t take_open(struct rx *rx, const char *p, size_t n,
		const struct rx_ops *ops, void *arg)
{
	const char *e = memmem(p, n, rx->tid, rx->tid_len);
	size_t k;

	if(e) {
		k = (size_t)(e - p);
		rx->state = ST_TAIL;
	} else {
		k = n > rx->tid_len ? n - rx->tid_len : 0;
	}
	if(k > 0 && ops->body(arg, p, k) < 0)
		return -EBADMSG;
	if(k == 0 && e)
		return take_tail(rx, p, n, ops, arg);
	return (ssize_t)k;
}

size_t rx_begin(struct rx *rx, char *buf)
{
	if(rx->carry_len)
		memcpy(buf, rx->carry, rx->carry_len);
	return rx->carry_len;
}

int rx_feed(
		struct rx *rx, char *buf, size_t n, const struct rx_ops *ops, void *arg)
{
	const char *p = buf;
	ssize_t k = 0;

	n += rx->carry_len;
	while(n > 0) {
		if(rx->state == ST_HEAD) {
			k = take_head(rx, p, n, ops, arg);
		} else if(rx->state == ST_TAIL) {
			k = take_tail(rx, p, n, ops, arg);
		} else if(rx->open) {
			k = take_open(rx, p, n, ops, arg);
		} else {
			k = (ssize_t)(n < rx->left ? n : rx->left);
			if(ops->body(arg, p, (size_t)k) < 0)
				return -EBADMSG;
			rx->left -= (uint64_t)k;
			if(rx->left == 0)
				rx->state = ST_TAIL;
		}
		if(k < 0)
			return (int)k;
		if(k == 0)
			break;
		p += k;
		n -= (size_t)k;
	}
	rx->carry_len = (uint32_t)n;
	if(n > 0) {
		if(!rx->carry)
			rx->carry = malloc(HEAD_MAX + 64);
		if(!rx->carry || n > HEAD_MAX)
			return -EBADMSG;
		memcpy(rx->carry, p, n);
	}
	return 0;
}

void rx_free(struct rx *rx)
{
	free(rx->carry);
	rx->carry = NULL;
	rx->carry_len = 0;
}
