/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The head of a message that is stored for later, see deferred_head.h. Called
 * by the relay when it stores one.
 */
#include "deferred_head.h"

#include <errno.h>

#include "cpim.h"
#include "mime.h"

int deferred_head_read(
		struct slice type, struct slice body, struct deferred_head *out)
{
	struct cpim c;

	*out = (struct deferred_head){0};
	if(!mime_type_is(type, SLICE("message/cpim")))
		return -EBADMSG;
	/* A wrapper around nothing ends with its headers. */
	if(cpim_parse_head(body, &c) != 0 && cpim_parse(body, &c) != 0)
		return -EBADMSG;
	out->imdn_id = c.imdn_message_id;
	out->from = c.from;
	out->to = c.to;
	out->date = c.datetime;
	out->subject = c.subject;
	out->negative = (c.disposition & CPIM_DN_NEGATIVE_DELIVERY) != 0;
	out->is_imdn = mime_type_is(c.content_type, SLICE("message/imdn+xml"))
			|| slice_ieq(
					mime_type(c.content_disposition), SLICE("notification"));
	return 0;
}

/* Bytes of the character that begins here (RFC 3629); 0: there is none. */
static size_t utf8_char(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80 ? 1
			: p[0] < 0xc2  ? 0
			: p[0] < 0xe0  ? 2
			: p[0] < 0xf0  ? 3
			: p[0] < 0xf5  ? 4
						   : 0;

	if(n == 0 || n > s.n)
		return 0;
	for(size_t i = 1; i < n; i++)
		if((p[i] & 0xc0) != 0x80)
			return 0;
	if((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)
			|| (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void deferred_text(struct slice value, char out[DEFERRED_TEXT_MAX])
{
	size_t n = 0;

	while(value.n > 0) {
		size_t k = utf8_char(value);
		unsigned char first = (unsigned char)value.p[0];

		if(n + (k ? k : 1) >= DEFERRED_TEXT_MAX)
			break;
		if(k == 0)
			out[n++] = '?';
		else if(first < 0x20 || first == 0x7f)
			out[n++] = ' '; /* a folded line */
		else
			for(size_t i = 0; i < k; i++)
				out[n++] = value.p[i];
		value = slice_skip(value, k ? k : 1);
	}
	out[n] = '\0';
}

void deferred_head_id(
		const struct deferred_head *h, char out[DEFERRED_TEXT_MAX])
{
	deferred_text(h->imdn_id, out);
	if(!slice_eq(slice_str(out), h->imdn_id))
		out[0] = '\0';
}
