/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The message headers of a wrapper written anew for one recipient: his own To,
 * a header more. Used by the relay for the legs of a session and by the module
 * for the MESSAGEs of a pager message.
 */
#include "cpim.h"

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
			|| (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool cpim_line_ok(struct slice line)
{
	struct slice value, name = slice_cut(line, ':', &value);

	if(name.n == 0 || slice_trim(value).n == 0 || line.n > CPIM_LINE_MAX)
		return false;
	for(size_t i = 0; i < name.n; i++)
		if(!is_name_char(name.p[i]))
			return false;
	for(size_t i = 0; i < value.n; i++)
		if((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return false;
	return true;
}

static char *put(char *to, struct slice s)
{
	if(s.n > 0)
		memcpy(to, s.p, s.n);
	return to + s.n;
}

static char *put_to(char *to, struct slice uri)
{
	to = put(to, SLICE("To: <"));
	to = put(to, uri);
	return put(to, SLICE(">\r\n"));
}

size_t cpim_edit_max(const struct cpim *c, const struct cpim_edit *e)
{
	return c->headers.n + (e->to.n ? CPIM_TO_SIZE(e->to.n) : 0)
			+ (e->add.n ? e->add.n + 2 : 0);
}

/* Of a header line, without its prefix. */
static struct slice local_name(struct slice line)
{
	struct slice name = slice_trim(slice_cut(line, ':', NULL)), local;

	slice_cut(name, '.', &local);
	return local.p ? local : name;
}

size_t cpim_edit(const struct cpim *c, const struct cpim_edit *e, char *out)
{
	const struct slice add_name = local_name(e->add);
	struct slice rest = c->headers;
	struct cpim_hdr h;
	char *to = out;
	bool named = e->to.n == 0;

	while(cpim_next(c, &rest, &h)) {
		/* A reader may know it under any prefix. */
		if(e->add.n > 0 && slice_ieq(h.name, add_name))
			continue;
		if(e->to.n > 0 && slice_ieq(h.name, SLICE("To"))
				&& slice_ieq(h.ns, CPIM_NS_CORE)) {
			if(!named)
				to = put_to(to, e->to);
			named = true;
			continue;
		}
		to = put(to, h.raw);
	}
	if(!named)
		to = put_to(to, e->to);
	if(e->add.n > 0) {
		to = put(to, e->add);
		to = put(to, SLICE("\r\n"));
	}
	return (size_t)(to - out);
}
