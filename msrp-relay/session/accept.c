/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a peer accepts: accept-types and accept-wrapped-types of its SDP
 * against a message's Content-Type and, in a CPIM wrapper, that of the payload
 * (RFC 4975 section 8.6). Called when a message begins, when its first content
 * is here, and when a leg learns who its peer is.
 */
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>

#include "cpim.h"

#define CPIM SLICE("message/cpim")
#define MULTIPART SLICE("multipart/")

static struct slice media_type(struct slice type)
{
	return slice_trim(slice_cut(type, ';', NULL));
}

/* Media type without parameters against a blank-separated list. */
bool message_type_accepted(const char *list, struct slice type)
{
	struct slice rest = slice_str(list), one;

	type = media_type(type);
	if(list == NULL)
		return true;
	while(rest.n > 0) {
		one = slice_trim(slice_cut(rest, ' ', &rest));
		if(one.n == 0)
			continue;
		if(slice_eq(one, SLICE("*")) || slice_eq(one, SLICE("*/*"))
				|| slice_ieq(one, type))
			return true;
		if(one.n > 2 && one.p[one.n - 1] == '*' && one.p[one.n - 2] == '/'
				&& slice_istarts(type, slice_of(one.p, one.n - 1)))
			return true;
	}
	return false;
}

bool message_accepted(const struct message *m, const struct leg *l)
{
	struct slice inner;

	if(!message_type_accepted(l->accept_types, slice_str(m->content_type)))
		return false;
	if(m->wrapped == NULL || l->accept_wrapped_types == NULL)
		return true;
	/* What may stand alone may be wrapped, and a multipart is one more wrapper
	 * whose parts are not looked at. */
	inner = slice_str(m->wrapped);
	return slice_istarts(inner, MULTIPART)
			|| message_type_accepted(l->accept_wrapped_types, inner)
			|| message_type_accepted(l->accept_types, inner);
}

/* Does it matter what is in the wrapper? */
static bool is_asked(const struct message *m)
{
	const struct delivery *d = m->deliveries;

	if(!slice_ieq(media_type(slice_str(m->content_type)), CPIM))
		return false;
	while(d && d->leg->accept_wrapped_types == NULL)
		d = d->sibling;
	return d || m->in->session->keep;
}

/* Keep what may be needed to write the wrapper anew. */
static void wrapper_add(struct message *m, const char *p, size_t n)
{
	char *all = xmalloc(m->wrapper_n + n + 1);

	if(m->wrapper_n > 0)
		memcpy(all, m->wrapper, m->wrapper_n);
	memcpy(all + m->wrapper_n, p, n);
	free(m->wrapper);
	m->wrapper = all;
	m->wrapper_n += n;
}

static void wrapper_forget(struct message *m)
{
	free(m->wrapper);
	m->wrapper = NULL;
	m->wrapper_n = 0;
	m->wrapper_known = true;
}

void message_learn_end(struct message *m)
{
	if(!m->wrapper_known)
		wrapper_forget(m);
}

void message_learn(struct message *m, const char *p, size_t n)
{
	struct cpim wrapper;
	struct delivery *d, *next;
	bool keep = m->in->session->keep, more = m->wrapper_n > 0;
	size_t before = m->wrapper_n;
	int rc;

	if(!is_asked(m)) {
		m->wrapper_known = true;
		return;
	}
	/* Headers end within CPIM_HEADER_MAX; more need not be looked at. */
	if(n > CPIM_HEADER_MAX + 64 - before)
		n = CPIM_HEADER_MAX + 64 - before;
	if(more)
		wrapper_add(m, p, n);
	/* Only a line that ends can be the end of the headers. */
	rc = memchr(p, '\n', n) == NULL ? -EAGAIN
			: more
			? cpim_parse_head(slice_of(m->wrapper, m->wrapper_n), &wrapper)
			: cpim_parse_head(slice_of(p, n), &wrapper);
	if(rc == -EAGAIN && keep && before + n < CPIM_HEADER_MAX + 64) {
		if(!more)
			wrapper_add(m, p, n);
		return;
	}
	if(rc != 0) {
		wrapper_forget(m);
		return;
	}
	m->wrapper_known = true;
	m->wrapped = wrapper.content_type.n > 0
			? xstrndup(wrapper.content_type.p, wrapper.content_type.n)
			: xstrndup("text/plain", 10);
	if(keep && !more)
		m->wrapper = xstrndup(p, wrapper.body_offset);
	if(keep)
		m->wrapper_n = wrapper.body_offset;
	for(d = m->deliveries; d; d = next) {
		next = d->sibling;
		if(!d->closed && !message_accepted(m, d->leg))
			delivery_close(d, 415, "wrapped media type not accepted");
	}
}
