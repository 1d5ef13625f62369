/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader of recipient lists (rlist.h). The tree lives for one call only.
 * Duplicates are found by sorting, so that no list makes it slow.
 */
#include "rlist.h"

#include <errno.h>
#include <stdlib.h>

#include "xmldoc.h"

#define NS "urn:ietf:params:xml:ns:resource-lists"

/* A list being built. */
struct build
{
	struct rlist l;
	size_t size;           /* room in l.v */
	size_t used, text_max; /* of l.text */
	const struct slice *skip;
	size_t n_skip;
	enum rlist_error error;
};

const char *rlist_error_text(enum rlist_error e)
{
	static const char *const texts[] = {
			[RLIST_OK] = "OK",
			[RLIST_TOO_LONG] = "Resource list too long",
			[RLIST_XML] = "Malformed resource list",
			[RLIST_DOCTYPE] = "DOCTYPE in a resource list",
			[RLIST_ROOT] = "Not a resource list",
			[RLIST_DEPTH] = "Resource list nested too deeply",
			[RLIST_URI] = "Broken URI in the resource list",
			[RLIST_MEMORY] = "Out of memory",
	};

	return texts[e];
}

void rlist_init(void)
{
	xmldoc_init();
}

/* ---- the document ---- */

static enum rlist_error read_xml(struct slice xml, xmlDocPtr *out)
{
	static const enum rlist_error errors[] = {
			[XMLDOC_OK] = RLIST_OK,
			[XMLDOC_XML] = RLIST_XML,
			[XMLDOC_DOCTYPE] = RLIST_DOCTYPE,
			[XMLDOC_MEMORY] = RLIST_MEMORY,
	};

	return errors[xmldoc_read(xml, out)];
}

static bool is_element(const xmlNode *n, const char *name)
{
	return xmldoc_is(n, name, NS);
}

/* An attribute by its local name, in any namespace: clients write that of copy
 * control in more than one way. */
static bool attribute_is(xmlNode *n, const char *name, const char *value)
{
	bool yes = false;

	for(xmlAttr *a = n->properties; a; a = a->next) {
		xmlChar *v;

		if(strcmp((const char *)a->name, name) != 0)
			continue;
		v = xmlNodeListGetString(n->doc, a->children, 1);
		yes = yes || (v && strcasecmp((const char *)v, value) == 0);
		xmlFree(v);
	}
	return yes;
}

static enum rlist_copy copy_control(xmlNode *n)
{
	if(attribute_is(n, "copyControl", "to"))
		return RLIST_COPY_TO;
	if(attribute_is(n, "copyControl", "cc"))
		return RLIST_COPY_CC;
	if(attribute_is(n, "copyControl", "bcc"))
		return RLIST_COPY_BCC;
	return RLIST_COPY_NONE;
}

/* ---- entries ---- */

static bool skipped(const struct build *b, const struct rcpt_uri *uri)
{
	for(size_t i = 0; i < b->n_skip; i++)
		if(rcpt_key_same_user(uri->key, b->skip[i]))
			return true;
	return false;
}

static bool room(struct build *b)
{
	size_t size = b->size ? b->size * 2 : 64;
	struct rlist_entry *v;

	if(b->l.n < b->size)
		return true;
	v = realloc(b->l.v, size * sizeof(*v));
	if(v == NULL)
		return false;
	b->l.v = v;
	b->size = size;
	return true;
}

static enum rlist_error add_uri(struct build *b, xmlNode *n, struct slice text)
{
	struct rlist_entry e = {.copy = copy_control(n),
			.anonymize = attribute_is(n, "anonymize", "true")
					|| attribute_is(n, "anonymize", "1")};
	size_t bytes = RCPT_URI_ROOM(text.n);

	if(bytes > b->text_max - b->used)
		return RLIST_TOO_LONG;
	if(rcpt_uri_parse(text, b->l.text + b->used, bytes, &e.uri) < 0)
		return RLIST_URI;
	if(skipped(b, &e.uri))
		return RLIST_OK;
	if(!room(b))
		return RLIST_MEMORY;
	b->used += bytes;
	b->l.v[b->l.n++] = e;
	return RLIST_OK;
}

static enum rlist_error add_entry(struct build *b, xmlNode *n)
{
	xmlChar *uri = xmlGetNoNsProp(n, (const xmlChar *)"uri");
	enum rlist_error e = RLIST_URI;

	if(++b->l.seen > RLIST_ENTRIES_MAX)
		e = RLIST_TOO_LONG;
	else if(uri)
		e = add_uri(b, n, slice_str((const char *)uri));
	xmlFree(uri);
	return e;
}

static enum rlist_error add_list(struct build *b, xmlNode *list, int depth)
{
	enum rlist_error e = RLIST_OK;

	if(depth > RLIST_DEPTH_MAX)
		return RLIST_DEPTH;
	for(xmlNode *n = list->children; n && e == RLIST_OK; n = n->next) {
		if(is_element(n, "entry"))
			e = add_entry(b, n);
		else if(is_element(n, "list"))
			e = add_list(b, n, depth + 1);
		/* external, entry-ref: nothing is fetched for a sender */
	}
	return e;
}

/* ---- each recipient once ---- */

static int by_key(const void *a, const void *b)
{
	const struct rlist_entry *x = *(struct rlist_entry *const *)a;
	const struct rlist_entry *y = *(struct rlist_entry *const *)b;
	size_t n = x->uri.key.n < y->uri.key.n ? x->uri.key.n : y->uri.key.n;
	int d = memcmp(x->uri.key.p, y->uri.key.p, n);

	if(d != 0)
		return d;
	if(x->uri.key.n != y->uri.key.n)
		return x->uri.key.n < y->uri.key.n ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The first of several stays, in its place. */
static enum rlist_error unique(struct rlist *l)
{
	struct rlist_entry **sorted;
	size_t n = 0;

	if(l->n < 2)
		return RLIST_OK;
	sorted = malloc(l->n * sizeof(struct rlist_entry *));
	if(sorted == NULL)
		return RLIST_MEMORY;
	for(size_t i = 0; i < l->n; i++)
		sorted[i] = &l->v[i];
	qsort(sorted, l->n, sizeof(struct rlist_entry *), by_key);
	for(size_t i = 1, first = 0; i < l->n; i++) {
		if(slice_eq(sorted[first]->uri.key, sorted[i]->uri.key))
			sorted[i]->uri.uri.n = 0; /* gone */
		else
			first = i;
	}
	for(size_t i = 0; i < l->n; i++)
		if(l->v[i].uri.uri.n > 0)
			l->v[n++] = l->v[i];
	l->n = n;
	free(sorted);
	return RLIST_OK;
}

enum rlist_error rlist_parse(struct slice xml, const struct slice *skip,
		size_t n_skip, struct rlist *out)
{
	struct build b = {.skip = skip, .n_skip = n_skip};
	enum rlist_error e;
	xmlDocPtr doc;
	xmlNode *root;

	if(xml.n > RLIST_BYTES_MAX)
		return RLIST_TOO_LONG;
	e = read_xml(xml, &doc);
	if(e != RLIST_OK)
		return e;
	root = xmlDocGetRootElement(doc);
	/* no entry is shorter than <entry uri="x"/>, which pays for the room that
	 * each needs beyond twice its length */
	b.text_max = 3 * xml.n + 64;
	b.l.text = malloc(b.text_max);
	if(root == NULL || !is_element(root, "resource-lists"))
		e = RLIST_ROOT;
	else if(b.l.text == NULL)
		e = RLIST_MEMORY;
	else
		e = add_list(&b, root, 0);
	xmlFreeDoc(doc);
	if(e == RLIST_OK)
		e = unique(&b.l);
	if(e != RLIST_OK) {
		rlist_free(&b.l);
		return e;
	}
	*out = b.l;
	return RLIST_OK;
}

void rlist_free(struct rlist *l)
{
	free(l->v);
	free(l->text);
	memset(l, 0, sizeof(*l));
}
