/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writer of the list of deferred messages (deferred_list.h): XML 1.0, UTF-8,
 * times by RFC 3339 in UTC.
 */
#include "deferred_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define TAIL "</history-list>\n"

static void put(struct deferred_list *l, struct slice s)
{
	if(l->full || s.n > l->size - sizeof(TAIL) - l->n) {
		l->full = true;
		return;
	}
	if(s.n > 0)
		memcpy(l->buf + l->n, s.p, s.n);
	l->n += s.n;
}

static void put_text(struct deferred_list *l, const char *s)
{
	put(l, slice_str(s));
}

/* Bytes of the character at the beginning of s, 0: none that XML allows. */
static size_t utf8(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80 ? 1
			: p[0] < 0xc2  ? 0
			: p[0] < 0xe0  ? 2
			: p[0] < 0xf0  ? 3
			: p[0] < 0xf5  ? 4
						   : 0;
	uint32_t c;

	if(n == 0 || n > s.n)
		return 0;
	if(n == 1)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	c = p[0] & (0x7fu >> n);
	for(size_t i = 1; i < n; i++) {
		if((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff))
			|| (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff
			|| (c >= 0x80 && c < 0xa0))
		return 0;
	return n;
}

static struct slice escaped(struct slice one)
{
	switch(one.p[0]) {
		case '<':
			return SLICE("&lt;");
		case '>':
			return SLICE("&gt;");
		case '&':
			return SLICE("&amp;");
		case '"':
			return SLICE("&quot;");
		default:
			return one;
	}
}

/* Character data: what is none becomes a question mark, byte by byte; a
 * character is never cut in half. */
static void put_data(struct deferred_list *l, struct slice s, size_t max)
{
	size_t used = 0;

	while(s.n > 0) {
		size_t n = utf8(s), step = n ? n : 1;

		if(used + step > max)
			return;
		put(l, n ? escaped(slice_of(s.p, n)) : SLICE("?"));
		s = slice_skip(s, step);
		used += step;
	}
}

static void put_time(struct deferred_list *l, const char *name, int64_t at)
{
	char text[40];
	time_t t = (time_t)at;
	struct tm tm;

	if(at <= 0 || gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099
			|| strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return;
	put_text(l, "<");
	put_text(l, name);
	put_text(l, ">");
	put_text(l, text);
	put_text(l, "</");
	put_text(l, name);
	put_text(l, ">");
}

static void put_element(
		struct deferred_list *l, const char *name, struct slice v, size_t max)
{
	if(v.n == 0)
		return;
	put_text(l, "<");
	put_text(l, name);
	put_text(l, ">");
	put_data(l, v, max);
	put_text(l, "</");
	put_text(l, name);
	put_text(l, ">");
}

void deferred_list_begin(struct deferred_list *l, char *buf, size_t size)
{
	*l = (struct deferred_list){.buf = buf, .size = size};
	put_text(l,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<history-list xmlns=\"urn:oma:xml:im:history-list\">\n");
}

bool deferred_list_add(
		struct deferred_list *l, const struct deferred_item *item)
{
	const size_t before = l->n;
	char size[24];

	if(l->full)
		return false;
	snprintf(size, sizeof(size), "%" PRIu64, item->size);
	put_text(l, "  <history history-reference=\"");
	put_data(l, item->ref, SIZE_MAX);
	put_text(l, "\">");
	put_element(l, "size", slice_str(size), SIZE_MAX);
	put_time(l, "expiry", item->expires_at);
	put_element(l, "subject", item->subject, DEFERRED_LIST_SUBJECT_MAX);
	put_text(l, "<pager>");
	put_time(l, "time-stamp", item->received_at);
	put_element(l, "from", item->from, SIZE_MAX);
	put_element(l, "to", item->to, SIZE_MAX);
	put_text(l, "</pager></history>\n");
	if(l->full) {
		l->n = before;
		return false;
	}
	l->items++;
	return true;
}

size_t deferred_list_end(struct deferred_list *l)
{
	memcpy(l->buf + l->n, TAIL, sizeof(TAIL) - 1);
	l->n += sizeof(TAIL) - 1;
	return l->n;
}
