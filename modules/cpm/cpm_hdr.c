/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Header fields (cpm_hdr.h): used wherever the module writes a request or an
 * answer of its own. Session-Expires and Min-SE by RFC 4028 section 9.
 */
#include "cpm_hdr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../core/data_lump.h"
#include "../../core/globals.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/contact/parse_contact.h"
#include "../../core/trim.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_trust.h"
#include "proto/slice.h"

#define FMT_ROOM 160 /* bytes that most formatted lines fit in */

static bool buf_room(cpm_buf_t *b, int more)
{
	int size = b->size ? b->size : 512;
	char *s;

	if(b->bad)
		return false;
	if(b->len + more < b->size)
		return true;
	while(size <= b->len + more)
		size *= 2;
	s = size <= CPM_BUF_MAX ? pkg_realloc(b->s, (size_t)size) : NULL;
	if(s == NULL) {
		b->bad = true;
		return false;
	}
	b->s = s;
	b->size = size;
	return true;
}

void cpm_buf_add(cpm_buf_t *b, const char *s, int len)
{
	if(len <= 0 || !buf_room(b, len))
		return;
	memcpy(b->s + b->len, s, (size_t)len);
	b->len += len;
}

void cpm_buf_str(cpm_buf_t *b, str s)
{
	cpm_buf_add(b, s.s, s.len);
}

void cpm_buf_lit(cpm_buf_t *b, const char *s)
{
	cpm_buf_add(b, s, (int)strlen(s));
}

void cpm_buf_fmt(cpm_buf_t *b, const char *fmt, ...)
{
	va_list ap;
	int n, room;

	if(!buf_room(b, FMT_ROOM))
		return;
	room = b->size - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->s + b->len, (size_t)room, fmt, ap);
	va_end(ap);
	if(n >= room) { /* rare: all of it once more */
		if(!buf_room(b, n + 1))
			return;
		va_start(ap, fmt);
		vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if(n > 0)
		b->len += n;
}

void cpm_buf_free(cpm_buf_t *b)
{
	if(b->s)
		pkg_free(b->s);
	memset(b, 0, sizeof(*b));
}

/* Compact forms (RFC 3261 7.3.3, 3841, 4028). */
static const char *compact_of(const char *name)
{
	static const char *const forms[][2] = {{"Accept-Contact", "a"},
			{"Contact", "m"}, {"Content-Type", "c"}, {"Identity", "y"},
			{"Referred-By", "b"}, {"Reject-Contact", "j"},
			{"Request-Disposition", "d"}, {"Session-Expires", "x"},
			{"Subject", "s"}, {"Supported", "k"}};

	for(size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if((forms[i][0][0] | 0x20) == (name[0] | 0x20)
				&& strcasecmp(forms[i][0], name) == 0)
			return forms[i][1];
	return "";
}

hdr_field_t *cpm_hdr_next(
		sip_msg_t *msg, const char *name, const hdr_field_t *after)
{
	const char *compact = compact_of(name);
	const int n = (int)strlen(name);

	/* asked some twenty times for each request: cheap tests first */
	for(hdr_field_t *h = after ? after->next : msg->headers; h; h = h->next) {
		if(h->name.len == n && (h->name.s[0] | 0x20) == (name[0] | 0x20)
				&& strncasecmp(h->name.s, name, (size_t)n) == 0)
			return h;
		if(*compact && h->name.len == 1
				&& (h->name.s[0] | 0x20) == (*compact | 0x20))
			return h;
	}
	return NULL;
}

str cpm_hdr_get(sip_msg_t *msg, const char *name)
{
	hdr_field_t *h = cpm_hdr_next(msg, name, NULL);
	str v = {NULL, 0};

	if(h) {
		v = h->body;
		trim(&v);
	}
	return v;
}

void cpm_hdr_add_value(cpm_buf_t *b, str v)
{
	int from = b->len;

	cpm_buf_str(b, v);
	for(int i = from; i < b->len; i++)
		if(b->s[i] == '\r' || b->s[i] == '\n')
			b->s[i] = ' ';
}

int cpm_hdr_copy(cpm_buf_t *b, sip_msg_t *msg, const char *name)
{
	hdr_field_t *h = NULL;
	int n = 0;

	while((h = cpm_hdr_next(msg, name, h)) != NULL) {
		str v = h->body;

		trim(&v);
		if(v.len <= 0)
			continue;
		cpm_buf_lit(b, name);
		cpm_buf_lit(b, ": ");
		cpm_hdr_add_value(b, v);
		cpm_buf_lit(b, "\r\n");
		n++;
	}
	return n;
}

/* What belongs to the message and its sender, and what the network has added;
 * the identity is not here, for it may be the script's. */
static const char *const service[] = {"Reject-Contact", "Request-Disposition",
		"InReplyTo-Contribution-ID", "Reply-To", "Subject", "Privacy", "Date",
		"Priority", "Resource-Priority", "Organization", "Referred-By",
		"In-Reply-To", "User-to-User", "Session-ID", "History-Info",
		"Geolocation", "Geolocation-Routing", "P-Served-User",
		"P-Charging-Vector", "P-Charging-Function-Addresses",
		"P-Access-Network-Info", "P-Visited-Network-ID",
		"P-Private-Network-Indication", "Attestation-Info", "Origination-Id"};

void cpm_hdr_copy_service(cpm_buf_t *b, sip_msg_t *msg)
{
	bool trusted = cpm_trusted(msg);

	for(size_t i = 0; i < sizeof(service) / sizeof(*service); i++)
		if(trusted || !cpm_trust_guards(service[i]))
			cpm_hdr_copy(b, msg, service[i]);
	cpm_identity_lines(b, msg);
}

void cpm_hdr_copy_or_make(cpm_buf_t *b, sip_msg_t *msg, const char *name)
{
	char hex[CPM_HEX_BUF];

	if(cpm_hdr_copy(b, msg, name) > 0)
		return;
	cpm_id_random(hex);
	cpm_buf_fmt(b, "%s: %s\r\n", name, hex);
}

int cpm_hdr_insert(sip_msg_t *msg, cpm_buf_t *lines)
{
	struct lump *anchor = NULL;

	if(lines->len == 0 && !lines->bad)
		return 0;
	if(!lines->bad)
		anchor = anchor_lump(msg, (int)(msg->unparsed - msg->buf), 0, 0);
	/* the lump takes the text over */
	if(anchor && insert_new_lump_after(anchor, lines->s, lines->len, 0))
		return 0;
	cpm_buf_free(lines);
	return -1;
}

int cpm_hdr_remove(sip_msg_t *msg, const char *name)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, name, h)) != NULL)
		if(del_lump(msg, (int)(h->name.s - msg->buf), h->len, 0) == NULL)
			return -1;
	return 0;
}

bool cpm_hdr_has_token(sip_msg_t *msg, const char *name, const char *token)
{
	struct slice want = slice_str(token);
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, name, h)) != NULL) {
		struct slice rest = slice_of(h->body.s, (size_t)h->body.len);

		while(rest.n > 0) {
			struct slice one = slice_trim(slice_cut(rest, ',', &rest));
			if(slice_ieq(one, want))
				return true;
		}
	}
	return false;
}

bool cpm_str_clean(str s)
{
	for(int i = 0; i < s.len; i++)
		if(s.s[i] == '\r' || s.s[i] == '\n' || s.s[i] == '\0')
			return false;
	return true;
}

bool cpm_str_ieq(str s, const char *lit)
{
	return s.len == (int)strlen(lit)
			&& strncasecmp(s.s, lit, (size_t)s.len) == 0;
}

/* delta-seconds and parameters */
static int read_delta(str v, uint32_t *out, struct slice *params)
{
	struct slice rest = {NULL, 0}, num;
	uint64_t n;

	num = slice_trim(slice_cut(slice_of(v.s, (size_t)v.len), ';', &rest));
	if(!slice_u64(num, UINT32_MAX, &n))
		return -1;
	*out = (uint32_t)n;
	*params = rest;
	return 0;
}

int cpm_hdr_timer(sip_msg_t *msg, cpm_timer_hdr_t *out)
{
	cpm_timer_hdr_t t = {.refresher = CPM_REFRESHER_NONE};
	str se = cpm_hdr_get(msg, "Session-Expires");
	str min = cpm_hdr_get(msg, "Min-SE");
	struct slice params = {NULL, 0}, ignored;

	if(se.len > 0 && read_delta(se, &t.expires_s, &params) < 0)
		return -1;
	if(min.len > 0 && read_delta(min, &t.min_se_s, &ignored) < 0)
		return -1;
	while(params.n > 0) {
		struct slice value = {NULL, 0};
		struct slice name =
				slice_cut(slice_cut(params, ';', &params), '=', &value);

		if(!slice_ieq(slice_trim(name), SLICE("refresher")))
			continue;
		if(slice_ieq(slice_trim(value), SLICE("uac")))
			t.refresher = CPM_REFRESHER_UAC;
		else if(slice_ieq(slice_trim(value), SLICE("uas")))
			t.refresher = CPM_REFRESHER_UAS;
	}
	t.supported = cpm_hdr_has_token(msg, "Supported", "timer");
	t.update = cpm_hdr_has_token(msg, "Allow", "UPDATE");
	*out = t;
	return 0;
}

void cpm_hdr_name_addr(cpm_buf_t *b, str display, str uri)
{
	trim(&display);
	if(display.len > 0) {
		cpm_hdr_add_value(b, display);
		cpm_buf_lit(b, " ");
	}
	cpm_buf_lit(b, "<");
	cpm_buf_str(b, uri);
	cpm_buf_lit(b, ">");
}

static contact_t *first_contact(sip_msg_t *msg)
{
	contact_body_t *body;

	if(msg->contact == NULL || parse_contact(msg->contact) < 0)
		return NULL;
	body = msg->contact->parsed;
	return body && !body->star ? body->contacts : NULL;
}

int cpm_hdr_contact(sip_msg_t *msg, str *uri, bool *isfocus)
{
	contact_t *c = first_contact(msg);

	if(c == NULL || c->uri.len <= 0 || !cpm_str_clean(c->uri))
		return -1;
	*uri = c->uri;
	*isfocus = false;
	for(param_t *p = c->params; p; p = p->next)
		if(cpm_str_ieq(p->name, "isfocus"))
			*isfocus = true;
	return 0;
}

void cpm_hdr_contact_features(cpm_buf_t *b, sip_msg_t *msg)
{
	contact_t *c = first_contact(msg);

	for(param_t *p = c ? c->params : NULL; p; p = p->next) {
		str all = {p->name.s, p->len};

		if(p->name.len < 2 || p->name.s[0] != '+'
				|| cpm_str_ieq(p->name, "+sip.instance"))
			continue;
		trim(&all);
		while(all.len > 0 && all.s[all.len - 1] == ';')
			all.len--;
		trim(&all);
		cpm_buf_lit(b, ";");
		cpm_hdr_add_value(b, all);
	}
}

void cpm_hdr_agent(cpm_buf_t *b)
{
	if(!server_signature || user_agent_hdr.len <= 0)
		cpm_buf_fmt(b, "User-Agent: %.*s\r\n", STR_FMT(&cpm_conf.server_token));
}

void cpm_hdr_server(cpm_buf_t *b)
{
	if(!server_signature || server_hdr.len <= 0)
		cpm_buf_fmt(b, "Server: %.*s\r\n", STR_FMT(&cpm_conf.server_token));
}
