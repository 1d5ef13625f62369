/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Feature parameters of Contact and Accept-Contact (RFC 3840 section 9, RFC
 * 3841 section 9.2) and CPM's service identifiers in them (3GPP TS 24.229
 * section 7.2A.8). The module decides by it whether a request is for CPM.
 */
#include "icsi.h"

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
