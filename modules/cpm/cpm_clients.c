/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients (cpm_clients.h): names of users, the choice of clients
 * for a service, and how a request for one of them is addressed (RFC 5627,
 * RFC 3841). Where they come from is in cpm_usrloc.c and cpm_reg.c.
 */
#include "cpm_clients.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_uri.h"
#include "../../core/parser/parse_via.h"
#include "../../core/ut.h"
#include "cpm_check.h"
#include "cpm_clients_src.h"
#include "cpm_conf.h"
#include "proto/addr.h"
#include "proto/rcpt_uri.h"

#define LISTENERS_MAX 4

static const cpm_clients_src_t *source;
static cpm_clients_change_f listeners[LISTENERS_MAX];
static unsigned n_listeners;

/* ---- names ---- */

int cpm_user_name(str uri, char buf[CPM_USER_BUF])
{
	char room[RCPT_URI_ROOM(RCPT_URI_MAX)];
	struct slice key, host;
	struct rcpt_uri u;
	const char *at;

	if(rcpt_uri_parse(cpm_slice_of(uri), room, sizeof(room), &u) < 0
			|| u.kind == RCPT_OTHER)
		return -EBADMSG;
	key = u.key;
	if(slice_starts(key, SLICE("sips:"))) {
		key = slice_skip(key, 1);
		memcpy((char *)key.p, "sip", 3);
	}
	if(slice_starts(key, SLICE("tel:"))) {
		key = slice_cut(key, ';', NULL);
	} else {
		at = memchr(key.p, '@', key.n);
		if(at == NULL)
			return -EBADMSG;
		/* parameters of the user part are part of it (RFC 3261 19.1.1) */
		host = slice_skip(key, (size_t)(at - key.p));
		host = slice_cut(host, ';', NULL);
		if(host.n > 5 && memcmp(host.p + host.n - 5, ":5060", 5) == 0)
			host.n -= 5;
		key.n = (size_t)(at - key.p) + host.n;
	}
	if(key.n >= CPM_USER_BUF)
		return -EBADMSG;
	memcpy(buf, key.p, key.n);
	buf[key.n] = '\0';
	return (int)key.n;
}

/* ---- lists ---- */

cpm_clients_t *cpm_clients_new(unsigned n, size_t texts)
{
	size_t head = sizeof(cpm_clients_t) + n * sizeof(cpm_client_t);
	cpm_clients_t *c = pkg_malloc(head + texts + 1);

	if(c == NULL)
		return NULL;
	memset(c, 0, head);
	c->text = (char *)c + head;
	c->end = c->text + texts;
	return c;
}

str cpm_clients_text(cpm_clients_t *c, str s)
{
	str out = {c->text, s.len};

	if(s.len <= 0 || s.s == NULL || s.len > c->end - c->text)
		return (str){c->text, 0};
	memcpy(c->text, s.s, (size_t)s.len);
	c->text += s.len;
	return out;
}

static int get(const str *who, bool ask, cpm_clients_t **out)
{
	char name[CPM_USER_BUF];
	int n = cpm_user_name(*who, name);

	if(n < 0)
		return n;
	if(source == NULL)
		return -ENOTSUP;
	return source->get(&(str){name, n}, ask, out);
}

int cpm_clients_get(const str *who, cpm_clients_t **out)
{
	return get(who, true, out);
}

int cpm_clients_peek(const str *who, cpm_clients_t **out)
{
	return get(who, false, out);
}

void cpm_clients_free(cpm_clients_t **c)
{
	if(*c)
		pkg_free(*c);
	*c = NULL;
}

int cpm_clients_when_known(const str *who, cpm_clients_known_f f, uint64_t arg)
{
	char name[CPM_USER_BUF];
	int n = cpm_user_name(*who, name);

	if(n < 0 || source == NULL || source->when_known == NULL)
		return -EALREADY;
	return source->when_known(&(str){name, n}, f, arg);
}

/* ---- choosing ---- */

/* host[:port] of a SIP URI is that address; port 0 is any. */
static bool is_at(str uri, str host, int port)
{
	sip_uri_t u;

	if(host.len == 0 || parse_uri(uri.s, uri.len, &u) < 0
			|| u.host.len != host.len
			|| strncasecmp(u.host.s, host.s, (size_t)host.len) != 0)
		return false;
	return port == 0 || (u.port_no ? u.port_no : SIP_PORT) == port;
}

static bool same_str(str a, str b)
{
	return a.len > 0 && a.len == b.len && memcmp(a.s, b.s, (size_t)a.len) == 0;
}

/* URNs and the scheme and host of a URI have no case. */
static bool same_nocase(str a, str b)
{
	return a.len > 0 && a.len == b.len
			&& strncasecmp(a.s, b.s, (size_t)a.len) == 0;
}

static bool excluded(const cpm_client_t *c, const cpm_except_t *e)
{
	if(e == NULL)
		return false;
	if(e->instance.len > 0 && c->instance.len > 0)
		return same_nocase(e->instance, c->instance);
	return same_nocase(e->gruu, c->gruu) || same_str(e->uri, c->uri)
			|| is_at(c->received, e->host, e->port)
			|| is_at(c->uri, e->host, e->port);
}

static bool can(const cpm_client_t *c, unsigned what)
{
	if(c->tags & CPM_CAN_KNOWN)
		return (c->tags & what) == what;
	return what != CPM_CAN_DEFERRED && cpm_conf.contacts_unknown;
}

unsigned cpm_clients_choose(cpm_clients_t *c, unsigned what,
		product_version min_version, const cpm_except_t *except)
{
	unsigned n = 0;

	for(unsigned i = 0; i < c->n; i++) {
		cpm_client_t *one = &c->v[i];

		one->chosen = can(one, what) && !excluded(one, except)
				&& cpm_check_agent(cpm_slice_of(one->ua), min_version);
		for(unsigned j = 0; j < i && one->chosen; j++)
			if(c->v[j].chosen
					&& (same_nocase(c->v[j].instance, one->instance)
							|| same_str(c->v[j].uri, one->uri)))
				one->chosen = false;
		n += one->chosen;
	}
	return n;
}

/* <urn:...> without its brackets. */
static struct slice bare(struct slice s)
{
	s = slice_trim(s);
	if(s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = slice_of(s.p + 1, s.n - 2);
	return s;
}

static void except_contact(sip_msg_t *msg, cpm_except_t *out)
{
	struct slice list = cpm_slice_of(cpm_hdr_get(msg, "Contact")), v;
	struct addr a;
	sip_uri_t u;

	if(addr_next(&list, &a) != 1)
		return;
	if(addr_param(a.params, SLICE("+sip.instance"), &v))
		out->instance = cpm_str_of(bare(v));
	if(parse_uri((char *)a.uri.p, (int)a.uri.n, &u) == 0 && u.gr.len > 0) {
		out->gruu = cpm_str_of(a.uri);
		if(out->instance.len == 0 && u.gr_val.len > 0)
			out->instance = u.gr_val;
	} else {
		out->uri = cpm_str_of(a.uri);
	}
}

void cpm_except_of(sip_msg_t *msg, cpm_except_t *out)
{
	struct via_body *last = NULL;

	memset(out, 0, sizeof(*out));
	except_contact(msg, out);
	if(out->instance.len > 0 || out->gruu.len > 0 || out->uri.len > 0)
		return;
	for(hdr_field_t *h = msg->h_via1; h; h = next_sibling_hdr(h))
		for(struct via_body *v = h->parsed; v; v = v->next)
			last = v;
	if(last == NULL)
		return;
	/* where the next hop has seen it come from (RFC 3261 18.2.1, RFC 3581) */
	out->host = last->received && last->received->value.len > 0
			? last->received->value
			: last->host;
	out->port = last->port ? last->port : SIP_PORT;
	if(last->rport && last->rport->value.len > 0)
		out->port = str2s(
				last->rport->value.s, (unsigned)last->rport->value.len, NULL);
}

/* ---- reaching one ---- */

static str part(const cpm_target_t *t, int from)
{
	return (str){t->buf.s + from, t->buf.len - from};
}

/* The user's address and the device by RFC 3841. */
static void by_instance(const cpm_clients_t *c, unsigned i, cpm_target_t *t)
{
	cpm_buf_fmt(&t->buf,
			"Accept-Contact: *;+sip.instance=\"<%.*s>\";explicit;require\r\n",
			STR_FMT(&c->v[i].instance));
	t->ruri = c->user;
	t->lines = part(t, 0);
}

int cpm_client_target(const cpm_clients_t *c, unsigned i, cpm_target_t *out)
{
	const cpm_client_t *one = &c->v[i];

	memset(out, 0, sizeof(*out));
	if(cpm_conf.target == CPM_TARGET_CONTACT) {
		out->direct = true;
		out->ruri = one->uri;
		out->routes = one->path;
		if(one->path.len == 0)
			out->next_hop = one->received;
		out->sock = one->sock;
	} else if(one->gruu.len > 0) {
		out->ruri = one->gruu;
	} else if(one->instance.len > 0) {
		by_instance(c, i, out);
	} else {
		out->ruri = one->uri;
	}
	return out->buf.bad ? -ENOMEM : 0;
}

void cpm_client_target_free(cpm_target_t *t)
{
	cpm_buf_free(&t->buf);
}

/* ---- changes ---- */

void cpm_clients_on_change(cpm_clients_change_f f)
{
	if(n_listeners < LISTENERS_MAX)
		listeners[n_listeners++] = f;
	else
		LM_BUG("more than %d listeners\n", LISTENERS_MAX);
}

void cpm_clients_changed(const str *who, bool again)
{
	for(unsigned i = 0; i < n_listeners; i++)
		listeners[i](who, again);
}

/* ---- life ---- */

int cpm_clients_init(void)
{
	if(cpm_conf.contacts_by == CPM_CONTACTS_USRLOC)
		source = &cpm_usrloc_src;
	else if(cpm_conf.contacts_by == CPM_CONTACTS_REG)
		source = &cpm_reg_src;
	return source ? source->init() : 0;
}

void cpm_clients_destroy(void)
{
	if(source && source->destroy)
		source->destroy();
}

void cpm_clients_work(void)
{
	if(source && source->tick)
		source->tick();
}

void cpm_clients_tick(void)
{
	if(source && source->slow_tick)
		source->slow_tick();
}
