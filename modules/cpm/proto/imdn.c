/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text of a notification that delivery has failed (imdn.h).
 */
#include "imdn.h"

#include <errno.h>
#include <stdio.h>

/* Text that grows in a fixed room. */
struct text
{
	char *p;
	size_t n, size;
	bool full;
};

static void add(struct text *t, const char *s, size_t n)
{
	if(t->full || n > t->size - t->n) {
		t->full = true;
		return;
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
}

static void lit(struct text *t, const char *s)
{
	add(t, s, strlen(s));
}

/* Bytes of the UTF-8 sequence that s begins with; 0: it is none (overlong
 * forms, surrogates and the rest that XML forbids too). */
static size_t sequence(struct slice s)
{
	const unsigned char *c = (const unsigned char *)s.p;
	size_t n = c[0] < 0x80 ? 1
			: c[0] < 0xc2  ? 0
			: c[0] < 0xe0  ? 2
			: c[0] < 0xf0  ? 3
			: c[0] < 0xf5  ? 4
						   : 0;

	if(n == 0 || n > s.n)
		return 0;
	for(size_t i = 1; i < n; i++)
		if((c[i] & 0xc0) != 0x80)
			return 0;
	if((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f)
			|| (c[0] == 0xef && c[1] == 0xbf && c[2] > 0xbd)
			|| (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

static const char *entity(char c)
{
	switch(c) {
		case '<':
			return "&lt;";
		case '>':
			return "&gt;";
		case '&':
			return "&amp;";
		case '"':
			return "&quot;";
		default:
			return NULL;
	}
}

/* A value into XML, or into a header line. */
static void value(struct text *t, struct slice s, bool xml)
{
	while(s.n > 0) {
		size_t n = sequence(s);

		if(n == 0)
			lit(t, "?");
		else if((unsigned char)s.p[0] < ' ' || s.p[0] == 0x7f)
			lit(t, " ");
		else if(xml && entity(s.p[0]))
			lit(t, entity(s.p[0]));
		else
			add(t, s.p, n);
		s = slice_skip(s, n ? n : 1);
	}
}

static void element(struct text *t, const char *name, struct slice s)
{
	lit(t, "<");
	lit(t, name);
	lit(t, ">");
	value(t, s, true);
	lit(t, "</");
	lit(t, name);
	lit(t, ">\r\n");
}

static void document(
		struct text *t, const struct imdn_failed *f, struct slice now)
{
	lit(t,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
			"<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\r\n");
	element(t, "message-id", f->message_id);
	element(t, "datetime", f->datetime.n ? f->datetime : now);
	element(t, "recipient-uri", f->recipient);
	lit(t,
			"<delivery-notification><status><failed/></status>"
			"</delivery-notification>\r\n</imdn>\r\n");
}

static void address(struct text *t, const char *name, struct slice uri)
{
	lit(t, name);
	lit(t, ": <");
	value(t, uri, false);
	lit(t, ">\r\n");
}

int imdn_failed_write(const struct imdn_failed *f, char *buf, size_t size)
{
	char xml[IMDN_TEXT_MAX], date[32], head[128];
	struct text t = {buf, 0, size, false}, x = {xml, 0, sizeof(xml), false};
	struct tm tm;
	size_t n;

	gmtime_r(&f->now, &tm);
	n = strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	document(&x, f, slice_of(date, n));
	address(&t, "From", f->recipient);
	address(&t, "To", f->sender);
	lit(&t, "DateTime: ");
	add(&t, date, n);
	lit(&t, "\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: ");
	value(&t, f->id, false);
	snprintf(head, sizeof(head),
			"\r\n\r\nContent-Type: " IMDN_TYPE
			"\r\nContent-Disposition: notification\r\n"
			"Content-Length: %zu\r\n\r\n",
			x.n);
	lit(&t, head);
	add(&t, x.p, x.n);
	return t.full || x.full ? -E2BIG : (int)t.n;
}
