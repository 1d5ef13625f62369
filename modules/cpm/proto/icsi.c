/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Feature parameters of Contact and Accept-Contact (RFC 3840 section 9, RFC
 * 3841 section 9.2) and CPM's service identifiers in them (3GPP TS 24.229
 * section 7.2A.8). The module decides by it whether a request is for CPM.
 */
#include "icsi.h"

#include <errno.h>

#define URN "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ENC "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

static const struct
{
	const char *urn, *encoded;
} names[ICSI_N] = {
		[ICSI_MSG] = {URN "msg", ENC "msg"},
		[ICSI_MSG_GROUP] = {URN "msg.group", ENC "msg.group"},
		[ICSI_LARGEMSG] = {URN "largemsg", ENC "largemsg"},
		[ICSI_LARGEMSG_GROUP] = {URN "largemsg.group", ENC "largemsg.group"},
		[ICSI_SESSION] = {URN "session", ENC "session"},
		[ICSI_SESSION_GROUP] = {URN "session.group", ENC "session.group"},
		[ICSI_FILETRANSFER] = {URN "filetransfer", ENC "filetransfer"},
		[ICSI_FILETRANSFER_GROUP] = {URN "filetransfer.group",
				ENC "filetransfer.group"},
};

struct slice icsi_urn(enum icsi i)
{
	return i > ICSI_NONE && i < ICSI_N ? slice_str(names[i].urn) : SLICE("");
}

struct slice icsi_urn_encoded(enum icsi i)
{
	return i > ICSI_NONE && i < ICSI_N ? slice_str(names[i].encoded)
									   : SLICE("");
}

enum icsi icsi_from_urn(struct slice urn)
{
	urn = slice_trim(urn);
	for(int i = ICSI_NONE + 1; i < ICSI_N; i++)
		if(slice_ieq(urn, slice_str(names[i].urn)))
			return (enum icsi)i;
	return ICSI_NONE;
}

/* The group form of each service stands right behind the 1-1 form. */
bool icsi_is_group(enum icsi i)
{
	return i > ICSI_NONE && i < ICSI_N && (i - ICSI_MSG) % 2 == 1;
}

enum icsi icsi_base(enum icsi i)
{
	return icsi_is_group(i) ? (enum icsi)(i - 1) : i;
}

bool icsi_is_a(struct slice value, struct slice urn)
{
	return slice_istarts(value, urn)
			&& (value.n == urn.n || value.p[urn.n] == '.');
}

static int hex_digit(char c)
{
	if(c >= '0' && c <= '9')
		return c - '0';
	if(c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if(c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decode into buf; what is too long for it is of no interest. */
static struct slice decode(struct slice in, char *buf, size_t size)
{
	size_t n = 0;

	for(size_t i = 0; i < in.n && n < size; i++, n++) {
		buf[n] = in.p[i];
		if(in.p[i] == '%' && i + 2 < in.n && hex_digit(in.p[i + 1]) >= 0
				&& hex_digit(in.p[i + 2]) >= 0) {
			buf[n] = (char)(hex_digit(in.p[i + 1]) * 16
					+ hex_digit(in.p[i + 2]));
			i += 2;
		}
	}
	return slice_of(buf, n);
}

/**
 * The end of an unquoted run: one of the one or two separators outside of
 * quotes, and outside of < > where `angle` says so.
 *
 * Single quotes count as quotes only at the beginning of a value, where some
 * clients write them: elsewhere they are ordinary token characters.
 */
static size_t run_end(struct slice s, const char *separators, bool angle)
{
	char quote = 0;
	bool in_angle = false, value_begins = false;

	for(size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if(quote) {
			if(c == '\\' && quote == '"' && i + 1 < s.n)
				i++;
			else if(c == quote)
				quote = 0;
			continue;
		}
		if(in_angle) {
			in_angle = c != '>';
			continue;
		}
		if(c == '"' || (c == '\'' && value_begins))
			quote = c;
		else if(c == '<' && angle)
			in_angle = true;
		else if(c != '\0' && (c == separators[0] || c == separators[1]))
			return i;
		if(c != ' ' && c != '\t')
			value_begins = c == '=';
	}
	return s.n;
}

static struct slice take_run(struct slice *rest, const char *separators)
{
	size_t n = run_end(*rest, separators, true);
	struct slice run = slice_of(rest->p, n);

	*rest = slice_skip(*rest, n + 1);
	return run;
}

static struct slice unquote(struct slice v)
{
	v = slice_trim(v);
	if(v.n >= 2 && (v.p[0] == '"' || v.p[0] == '\'') && v.p[v.n - 1] == v.p[0])
		v = slice_of(v.p + 1, v.n - 2);
	return v;
}

/* Name and value of a parameter "name[=value]"; quotes stay. */
static struct slice param_split(struct slice param, struct slice *value)
{
	struct slice name = slice_trim(slice_cut(param, '=', value));

	*value = slice_trim(*value);
	return name;
}

/* One g.3gpp.icsi-ref value: a list, in quotes or bare. */
static bool list_names(struct slice list, struct slice urn)
{
	char buf[256];

	list = unquote(list);
	while(list.n > 0) {
		size_t n = 0;
		struct slice one;

		while(n < list.n && list.p[n] != ',' && list.p[n] != ';')
			n++;
		one = unquote(slice_of(list.p, n));
		/* RFC 3840: "<text>" is a string value in angle brackets */
		if(one.n >= 2 && one.p[0] == '<' && one.p[one.n - 1] == '>')
			one = slice_of(one.p + 1, one.n - 2);
		if(icsi_is_a(decode(one, buf, sizeof(buf)), urn))
			return true;
		list = slice_skip(list, n + 1);
	}
	return false;
}

bool icsi_in_header(struct slice header, struct slice urn)
{
	bool in_ref = false;

	while(header.n > 0) {
		struct slice value, name, param = take_run(&header, ";,");

		name = param_split(param, &value);
		if(value.p == NULL) {
			/* a further value of a list that stands without quotes */
			if(in_ref && list_names(name, urn))
				return true;
			continue;
		}
		if(name.n > 0 && name.p[0] == '+')
			name = slice_skip(name, 1);
		in_ref = slice_ieq(name, SLICE("g.3gpp.icsi-ref"));
		if(in_ref && list_names(value, urn))
			return true;
	}
	return false;
}

bool icsi_param(struct slice header, struct slice name, struct slice *value)
{
	while(header.n > 0) {
		struct slice contact = take_run(&header, ",");

		take_run(&contact, ";"); /* the address, or the "*" */
		while(contact.n > 0) {
			struct slice v, n = param_split(take_run(&contact, ";"), &v);

			if(!slice_ieq(n, name))
				continue;
			if(value)
				*value = unquote(v);
			return true;
		}
	}
	return false;
}

/* ---- exchanging a service ---- */

/* A buffer that remembers that something did not fit. */
struct out
{
	char *p;
	size_t n, size;
	bool full;
};

static void put(struct out *o, const char *p, size_t n)
{
	if(n > o->size - o->n) {
		o->full = true;
		return;
	}
	if(n > 0)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

/* As in a quoted parameter value: all but unreserved characters encoded. */
static void put_encoded(struct out *o, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for(size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char code[3] = {'%', hex[c >> 4], hex[c & 15]};

		if((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
				|| (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_')
			put(o, s.p + i, 1);
		else
			put(o, code, 3);
	}
}

/* What stands around a name in a list: blanks, quotes, angle brackets. */
static bool is_wrapping(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"'
			|| c == '\'' || c == '<' || c == '>';
}

/* One item of a list, with what stands around it. */
static void put_item(
		struct out *o, struct slice item, struct slice from, struct slice to)
{
	char buf[256];
	struct slice core = item, plain;

	while(core.n > 0 && is_wrapping(core.p[0]))
		core = slice_skip(core, 1);
	while(core.n > 0 && is_wrapping(core.p[core.n - 1]))
		core.n--;
	plain = decode(core, buf, sizeof(buf));
	if(!icsi_is_a(plain, from)) {
		put(o, item.p, item.n);
		return;
	}
	put(o, item.p, (size_t)(core.p - item.p));
	put(o, to.p, to.n);
	put_encoded(o, slice_skip(plain, from.n));
	put(o, core.p + core.n, (size_t)(item.p + item.n - core.p - core.n));
}

static void put_list(
		struct out *o, struct slice list, struct slice from, struct slice to)
{
	while(list.n > 0) {
		size_t n = 0;

		while(n < list.n && list.p[n] != ',' && list.p[n] != ';')
			n++;
		put_item(o, slice_of(list.p, n), from, to);
		if(n < list.n)
			put(o, list.p + n, 1);
		list = slice_skip(list, n + 1);
	}
}

/* One contact, parameter by parameter as icsi_in_header() reads it. */
static void put_contact(
		struct out *o, struct slice contact, struct slice from, struct slice to)
{
	bool in_ref = false;

	while(contact.n > 0) {
		struct slice whole = contact, param = take_run(&contact, ";,");
		struct slice value, name = param_split(param, &value), list = param;

		if(value.p) {
			if(name.n > 0 && name.p[0] == '+')
				name = slice_skip(name, 1);
			in_ref = slice_ieq(name, SLICE("g.3gpp.icsi-ref"));
			list = slice_skip(param, (size_t)(value.p - param.p));
		}
		put(o, param.p, param.n - list.n);
		if(in_ref)
			put_list(o, list, from, to);
		else
			put(o, list.p, list.n);
		put(o, param.p + param.n, whole.n - contact.n - param.n);
	}
}

/* The next contact of a list. A comma followed by no "*" and no address is
 * one within a parameter that lacks its quotes. */
static struct slice take_contact(struct slice *rest)
{
	const char *start = rest->p, *end;
	struct slice next;

	do {
		struct slice run = take_run(rest, ",");

		end = run.p + run.n;
		next = slice_trim(*rest);
	} while(next.n > 0 && next.p[0] != '*' && next.p[0] != '<');
	return slice_trim(slice_of(start, (size_t)(end - start)));
}

int icsi_header_swap(struct slice header, enum icsi from, enum icsi to,
		struct slice drop, char *buf, size_t size)
{
	struct out o = {.p = buf, .size = size};

	header = slice_trim(header);
	while(header.n > 0 && !o.full) {
		struct slice contact = take_contact(&header);

		if(contact.n == 0 || (drop.n > 0 && icsi_param(contact, drop, NULL)))
			continue;
		if(o.n > 0)
			put(&o, ", ", 2);
		put_contact(&o, contact, icsi_urn(from), icsi_urn_encoded(to));
	}
	return o.full ? -E2BIG : (int)o.n;
}
