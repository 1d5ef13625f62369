/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The head of an MSRP frame: start line, header fields, and the end-line of a
 * frame without content. RFC 4975 section 9 (grammar); lenient where clients
 * are known to differ (blanks around values, order of fields), strict in all
 * that decides where a frame ends. Called by session/msrp_conn.c.
 */
#include "msrp/parse.h"

#include <errno.h>

static const uint8_t ident_char[256] = {
		['0' ... '9'] = 1,
		['A' ... 'Z'] = 1,
		['a' ... 'z'] = 1,
		['.'] = 2,
		['-'] = 2,
		['+'] = 2,
		['%'] = 2,
		['='] = 2,
};

static const struct slice DASHES = {"-------", 7};

bool msrp_ident_ok(struct slice s)
{
	if(s.n < MSRP_IDENT_MIN || s.n > MSRP_IDENT_MAX
			|| ident_char[(uint8_t)s.p[0]] != 1)
		return false;
	for(size_t i = 1; i < s.n; i++)
		if(!ident_char[(uint8_t)s.p[i]])
			return false;
	return true;
}

/* Take one line: 1 and *line without CRLF; 0 not complete; -EBADMSG a CR or
 * LF stands alone, or a NUL. */
static int line_take(const char **p, const char *end, struct slice *line)
{
	size_t left = (size_t)(end - *p);
	const char *lf = left ? memchr(*p, '\n', left) : NULL;
	size_t n = lf ? (size_t)(lf - *p) : left;
	const char *cr = n ? memchr(*p, '\r', n) : NULL;

	if(lf == NULL) /* a CR may only be the last byte so far */
		return cr && cr + 1 != end ? -EBADMSG : 0;
	if(cr == NULL || cr + 1 != lf || memchr(*p, '\0', n))
		return -EBADMSG;
	*line = slice_of(*p, n - 1);
	*p = lf + 1;
	return 1;
}

static struct slice trim(struct slice s)
{
	while(s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while(s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static enum msrp_method method_of(struct slice s)
{
	if(slice_eq(s, SLICE("SEND")))
		return MSRP_SEND;
	if(slice_eq(s, SLICE("REPORT")))
		return MSRP_REPORT;
	if(slice_eq(s, SLICE("AUTH")))
		return MSRP_AUTH;
	if(slice_eq(s, SLICE("NICKNAME")))
		return MSRP_NICKNAME;
	return MSRP_OTHER;
}

/* "MSRP" SP tid SP (method / 3DIGIT [SP comment]) */
static int start_line(struct slice line, struct msrp_head *h)
{
	struct slice rest, what, tid;
	uint64_t status;

	if(!slice_starts(line, SLICE("MSRP ")))
		return -EBADMSG;
	tid = slice_cut(slice_skip(line, 5), ' ', &rest);
	if(!msrp_ident_ok(tid) || rest.n == 0)
		return -EBADMSG;
	what = slice_cut(rest, ' ', &rest);
	h->tid = tid;
	h->name = what;
	if(what.n == 3 && slice_u64(what, 999, &status)) {
		h->method = MSRP_RESPONSE;
		h->status = (int)status;
		return 0;
	}
	if(what.n == 0 || what.n > 64 || trim(rest).n > 0)
		return -EBADMSG;
	for(size_t i = 0; i < what.n; i++)
		if(what.p[i] < 'A' || what.p[i] > 'Z') /* method = 1*UPALPHA */
			return -EBADMSG;
	h->method = method_of(what);
	return 0;
}

static struct slice *field_of(struct msrp_head *h, struct slice name)
{
	switch(name.n) {
		case 6:
			return slice_ieq(name, SLICE("Status")) ? &h->report_status : NULL;
		case 7:
			return slice_ieq(name, SLICE("To-Path")) ? &h->to_path : NULL;
		case 9:
			return slice_ieq(name, SLICE("From-Path")) ? &h->from_path : NULL;
		case 10:
			if(slice_ieq(name, SLICE("Message-ID")))
				return &h->message_id;
			return slice_ieq(name, SLICE("Byte-Range")) ? &h->byte_range : NULL;
		case 12:
			return slice_ieq(name, SLICE("Content-Type")) ? &h->content_type
														  : NULL;
		case 14:
			if(slice_ieq(name, SLICE("Success-Report")))
				return &h->success_report;
			return slice_ieq(name, SLICE("Failure-Report")) ? &h->failure_report
															: NULL;
		default:
			return NULL;
	}
}

/* hname ":" SP hval; hname = ALPHA *token */
static int header_line(struct slice line, struct msrp_head *h)
{
	struct slice value, *field;
	struct slice name = slice_cut(line, ':', &value);

	if(value.p == NULL)
		return -EBADMSG;
	if(name.n == 0 || !((name.p[0] | 32) >= 'a' && (name.p[0] | 32) <= 'z'))
		return -EBADMSG;
	field = field_of(h, trim(name));
	if(field == NULL)
		return 0;
	if(field->p != NULL)
		h->twice = true;
	else
		*field = trim(value);
	return 0;
}

/* The flag of an end-line of this frame, or NONE. */
static char end_line(struct slice line, struct slice tid)
{
	if(line.n != DASHES.n + tid.n + 1
			|| memcmp(line.p + DASHES.n, tid.p, tid.n) != 0)
		return MSRP_FLAG_NONE;
	switch(line.p[line.n - 1]) {
		case MSRP_FLAG_END:
		case MSRP_FLAG_MORE:
		case MSRP_FLAG_ABORT:
			return line.p[line.n - 1];
		default:
			return MSRP_FLAG_NONE;
	}
}

/* What is there cannot become a start line any more. */
static bool hopeless(const char *p, size_t n)
{
	return memcmp(p, "MSRP ", n < 5 ? n : 5) != 0;
}

int msrp_head_parse(const char *p, size_t n, struct msrp_head *out)
{
	const char *at = p, *end = p + (n < MSRP_HEAD_MAX ? n : MSRP_HEAD_MAX);
	struct msrp_head h = {0};
	struct slice line;
	int rc;

	if(n == 0)
		return 0;
	if(hopeless(p, n))
		return -EBADMSG;
	rc = line_take(&at, end, &line);
	if(rc > 0 && start_line(line, &h) != 0)
		return -EBADMSG;
	for(unsigned count = 0; rc > 0; count++) {
		rc = line_take(&at, end, &line);
		if(rc <= 0)
			break;
		if(line.n == 0) {
			h.content = true;
			*out = h;
			return (int)(at - p);
		}
		if(slice_starts(line, DASHES)) {
			h.flag = end_line(line, h.tid);
			if(h.flag == MSRP_FLAG_NONE)
				return -EBADMSG;
			*out = h;
			return (int)(at - p);
		}
		if(count == MSRP_HEADERS_MAX)
			return -E2BIG;
		if(header_line(line, &h) != 0)
			return -EBADMSG;
	}
	if(rc == 0 && n >= MSRP_HEAD_MAX)
		return -E2BIG;
	return rc;
}

int msrp_range_parse(struct slice in, struct msrp_range *out)
{
	struct slice rest, total;
	struct slice start = slice_cut(in, '-', &rest);
	struct slice end = slice_cut(rest, '/', &total);
	struct msrp_range r = {0};

	if(!slice_u64(start, INT64_MAX, &r.start) || r.start == 0)
		return -EBADMSG;
	r.end_any = slice_eq(end, SLICE("*"));
	r.total_any = slice_eq(total, SLICE("*"));
	if(!r.end_any
			&& (!slice_u64(end, INT64_MAX, &r.end) || r.end + 1 < r.start))
		return -EBADMSG;
	if(!r.total_any && !slice_u64(total, INT64_MAX, &r.total))
		return -EBADMSG;
	if(!r.total_any && !r.end_any && r.end > r.total)
		return -EBADMSG;
	if(!r.total_any && r.start > r.total + 1)
		return -EBADMSG;
	*out = r;
	return 0;
}

int msrp_status_parse(struct slice in, int *status)
{
	struct slice rest;
	struct slice space = slice_cut(in, ' ', &rest);
	struct slice code = slice_cut(trim(rest), ' ', NULL);
	uint64_t v;

	if(space.n != 3 || code.n != 3 || !slice_u64(code, 999, &v))
		return -EBADMSG;
	if(!slice_eq(space, SLICE("000")))
		return -ENOTSUP;
	*status = (int)v;
	return 0;
}
