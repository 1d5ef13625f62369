/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader of registration information (reginfo.h). All texts are copied
 * into one block, no longer than the document itself allows.
 */
#include "reginfo.h"

#include <stdlib.h>

#include "icsi.h"
#include "xmldoc.h"

#define NS "urn:ietf:params:xml:ns:reginfo"
#define NS_GRUU "urn:ietf:params:xml:ns:gruuinfo"
#define PARAM_MAX 4096 /* bytes of one unknown-param that is looked at */

/* A document being read. */
struct build
{
	struct reginfo r;
	size_t room; /* for contacts */
	size_t used, text_max;
};

const char *reginfo_error_text(enum reginfo_error e)
{
	static const char *const texts[] = {
			[REGINFO_OK] = "OK",
			[REGINFO_TOO_LONG] = "too long",
			[REGINFO_XML] = "malformed XML",
			[REGINFO_DOCTYPE] = "has a DOCTYPE",
			[REGINFO_SHAPE] = "no registration information",
			[REGINFO_MEMORY] = "out of memory",
	};

	return texts[e];
}

/* ---- texts ---- */

/* Control characters have no place in what becomes part of a SIP message. */
static bool clean(struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

/* Nor may it end a URI or a quoted parameter there. */
static bool plain(struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f
				|| strchr("<>\"\\", s.p[i]) != NULL)
			return false;
	return true;
}

/* Copy into the block; false: it does not fit or is not clean. */
static bool keep(struct build *b, struct slice s, struct slice *out)
{
	s = slice_trim(s);
	if(s.n > b->text_max - b->used || !clean(s))
		return false;
	if(s.n > 0)
		memcpy(b->r.text + b->used, s.p, s.n);
	*out = slice_of(b->r.text + b->used, s.n);
	b->used += s.n;
	return true;
}

/* An attribute; "" when it is not there. */
static bool keep_attribute(
		struct build *b, xmlNode *n, const char *name, struct slice *out)
{
	xmlChar *v = xmlGetNoNsProp(n, (const xmlChar *)name);
	bool ok = keep(b, slice_str((const char *)v), out);

	xmlFree(v);
	return ok;
}

static bool attribute_is(xmlNode *n, const char *name, const char *value)
{
	xmlChar *v = xmlGetNoNsProp(n, (const xmlChar *)name);
	bool yes = v
			&& slice_eq(
					slice_trim(slice_str((const char *)v)), slice_str(value));

	xmlFree(v);
	return yes;
}

static struct slice unquote(struct slice s)
{
	s = slice_trim(s);
	if(s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = slice_trim(slice_of(s.p + 1, s.n - 2));
	if(s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = slice_trim(slice_of(s.p + 1, s.n - 2));
	return s;
}

/* ---- contacts ---- */

unsigned reginfo_services(struct slice params)
{
	static const struct
	{
		unsigned bit;
		enum icsi icsi;
	} all[] = {{REGINFO_MSG, ICSI_MSG}, {REGINFO_LARGE, ICSI_LARGEMSG},
			{REGINFO_SESSION, ICSI_SESSION}};
	unsigned services = 0;

	for(size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if(icsi_in_header(params, icsi_urn(all[i].icsi)))
			services |= all[i].bit;
	if(icsi_in_header(params, ICSI_URN_DEFERRED))
		services |= REGINFO_DEFERRED;
	return services;
}

static unsigned services_of(struct slice value)
{
	static const char name[] = "+g.3gpp.icsi-ref=";
	char param[sizeof(name) + PARAM_MAX];

	value = slice_trim(value);
	if(value.n > PARAM_MAX)
		return 0;
	memcpy(param, name, sizeof(name) - 1);
	if(value.n > 0)
		memcpy(param + sizeof(name) - 1, value.p, value.n);
	return reginfo_services(slice_of(param, sizeof(name) - 1 + value.n));
}

/* <unknown-param name="...">value</unknown-param>; the name may lack its "+"
 * and the value its quotes. */
static bool read_param(struct build *b, xmlNode *n, struct reginfo_contact *c)
{
	xmlChar *name = xmlGetNoNsProp(n, (const xmlChar *)"name");
	xmlChar *value = xmlNodeGetContent(n);
	struct slice of = slice_trim(slice_str((const char *)name));
	struct slice v = slice_str((const char *)value);
	bool ok = true;

	if(of.n > 0 && of.p[0] == '+')
		of = slice_skip(of, 1);
	/* who tells one feature parameter would tell the others, too */
	if(slice_istarts(of, SLICE("sip.")) || slice_istarts(of, SLICE("g.")))
		c->services |= REGINFO_KNOWN;
	if(slice_ieq(of, SLICE("user_agent")))
		ok = keep(b, v, &c->ua);
	else if(slice_ieq(of, SLICE("sip.instance")))
		ok = keep(b, unquote(v), &c->instance);
	else if(slice_ieq(of, SLICE("g.3gpp.icsi-ref")))
		c->services |= services_of(v);
	xmlFree(name);
	xmlFree(value);
	return ok;
}

static bool read_uri(struct build *b, xmlNode *n, struct reginfo_contact *c)
{
	xmlChar *text = xmlNodeGetContent(n);
	struct slice s = slice_trim(slice_str((const char *)text));
	bool ok;

	if(s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = slice_of(s.p + 1, s.n - 2);
	ok = keep(b, s, &c->uri);
	xmlFree(text);
	return ok;
}

static enum reginfo_error more_room(struct build *b)
{
	size_t room = b->room ? b->room * 2 : 16;
	struct reginfo_contact *v;

	if(b->r.n_contacts < b->room)
		return REGINFO_OK;
	if(b->r.n_contacts >= REGINFO_CONTACTS_MAX)
		return REGINFO_TOO_LONG;
	v = realloc(b->r.contacts, room * sizeof(*v));
	if(v == NULL)
		return REGINFO_MEMORY;
	b->r.contacts = v;
	b->room = room;
	return REGINFO_OK;
}

static enum reginfo_error add_contact(struct build *b, xmlNode *n)
{
	struct reginfo_contact c = {.reg = b->r.n_regs - 1,
			.active = attribute_is(n, "state", "active"),
			.refreshed = attribute_is(n, "event", "refreshed")};
	enum reginfo_error e = more_room(b);
	bool ok = keep_attribute(b, n, "id", &c.id);

	for(xmlNode *m = n->children; m && ok; m = m->next) {
		if(xmldoc_is(m, "uri", NS))
			ok = read_uri(b, m, &c);
		else if(xmldoc_is(m, "unknown-param", NS))
			ok = read_param(b, m, &c);
		else if(m->ns && xmldoc_is(m, "pub-gruu", NS_GRUU))
			ok = keep_attribute(b, m, "uri", &c.gruu);
	}
	if(e != REGINFO_OK)
		return e;
	if(!ok || c.id.n == 0 || (c.active && c.uri.n == 0))
		return REGINFO_SHAPE;
	if(!plain(c.uri)) /* it cannot be called; the others can */
		c.active = false;
	if(!plain(c.gruu))
		c.gruu.n = 0;
	if(!plain(c.instance))
		c.instance.n = 0;
	b->r.contacts[b->r.n_contacts++] = c;
	return REGINFO_OK;
}

/* ---- the document ---- */

static enum reginfo_error add_registration(struct build *b, xmlNode *n)
{
	struct reginfo_reg *r;
	enum reginfo_error e = REGINFO_OK;

	if(b->r.n_regs == REGINFO_REGS_MAX)
		return REGINFO_TOO_LONG;
	r = &b->r.regs[b->r.n_regs++];
	r->state = attribute_is(n, "state", "active") ? REGINFO_ACTIVE
			: attribute_is(n, "state", "init")    ? REGINFO_INIT
												  : REGINFO_TERMINATED;
	if(!keep_attribute(b, n, "aor", &r->aor)
			|| !keep_attribute(b, n, "id", &r->id) || r->aor.n == 0
			|| r->id.n == 0)
		return REGINFO_SHAPE;
	for(xmlNode *m = n->children; m && e == REGINFO_OK; m = m->next)
		if(xmldoc_is(m, "contact", NS))
			e = add_contact(b, m);
	return e;
}

static enum reginfo_error read_version(xmlNode *root, uint32_t *out)
{
	xmlChar *v = xmlGetNoNsProp(root, (const xmlChar *)"version");
	uint64_t n;
	bool ok = slice_u64(slice_trim(slice_str((const char *)v)), UINT32_MAX, &n);

	xmlFree(v);
	if(!ok)
		return REGINFO_SHAPE;
	*out = (uint32_t)n;
	return REGINFO_OK;
}

static enum reginfo_error read_root(struct build *b, xmlNode *root)
{
	enum reginfo_error e;

	if(!xmldoc_is(root, "reginfo", NS))
		return REGINFO_SHAPE;
	b->r.full = attribute_is(root, "state", "full");
	if(!b->r.full && !attribute_is(root, "state", "partial"))
		return REGINFO_SHAPE;
	e = read_version(root, &b->r.version);
	for(xmlNode *n = root->children; n && e == REGINFO_OK; n = n->next)
		if(xmldoc_is(n, "registration", NS))
			e = add_registration(b, n);
	return e;
}

enum reginfo_error reginfo_parse(struct slice xml, struct reginfo *out)
{
	static const enum reginfo_error errors[] = {
			[XMLDOC_OK] = REGINFO_OK,
			[XMLDOC_XML] = REGINFO_XML,
			[XMLDOC_DOCTYPE] = REGINFO_DOCTYPE,
			[XMLDOC_MEMORY] = REGINFO_MEMORY,
	};
	struct build b = {.text_max = xml.n};
	enum reginfo_error e;
	xmlDocPtr doc;

	if(xml.n > REGINFO_BYTES_MAX)
		return REGINFO_TOO_LONG;
	e = errors[xmldoc_read(xml, &doc)];
	if(e != REGINFO_OK)
		return e;
	b.r.text = malloc(xml.n + 1);
	e = b.r.text ? read_root(&b, xmlDocGetRootElement(doc)) : REGINFO_MEMORY;
	xmlFreeDoc(doc);
	if(e != REGINFO_OK) {
		reginfo_free(&b.r);
		return e;
	}
	*out = b.r;
	return REGINFO_OK;
}

void reginfo_free(struct reginfo *r)
{
	free(r->contacts);
	free(r->text);
	memset(r, 0, sizeof(*r));
}
