/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The list of deferred messages: what clients read, with libxml2 as the judge
 * of its form.
 */
#include <criterion/criterion.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "deferred_list.h"

static char buf[8192];

static struct slice written(const struct deferred_item *v, size_t n)
{
	struct deferred_list l;

	deferred_list_begin(&l, buf, sizeof(buf));
	for(size_t i = 0; i < n; i++)
		cr_assert(deferred_list_add(&l, &v[i]));
	return slice_of(buf, deferred_list_end(&l));
}

static xmlDoc *parsed(struct slice s)
{
	xmlDoc *doc = xmlReadMemory(s.p, (int)s.n, "list", NULL,
			XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

	cr_assert_not_null(doc, "not well-formed: %.*s", SLICE_ARG(s));
	return doc;
}

static unsigned children(const xmlNode *n)
{
	unsigned k = 0;

	for(const xmlNode *c = n->children; c; c = c->next)
		k += c->type == XML_ELEMENT_NODE;
	return k;
}

Test(deferred_list, list_of_one_message_has_all_that_is_known)
{
	const struct deferred_item one = {.ref = SLICE("d-7f3a91"),
			.size = 48213,
			.received_at = 1763978400,
			.expires_at = 1764583200,
			.from = SLICE("tel:+15550001"),
			.to = SLICE("tel:+15550002"),
			.subject = SLICE("Hello")};
	struct slice s = written(&one, 1);

	cr_assert(
			slice_eq(s,
					SLICE("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
						  "<history-list "
						  "xmlns=\"urn:oma:xml:im:history-list\">\n"
						  "  <history history-reference=\"d-7f3a91\">"
						  "<size>48213</size>"
						  "<expiry>2025-12-01T10:00:00Z</expiry>"
						  "<subject>Hello</subject>"
						  "<pager><time-stamp>2025-11-24T10:00:00Z</time-stamp>"
						  "<from>tel:+15550001</from><to>tel:+15550002</to>"
						  "</pager></history>\n"
						  "</history-list>\n")),
			"%.*s", SLICE_ARG(s));
}

Test(deferred_list, empty_list_is_a_document)
{
	xmlDoc *doc = parsed(written(NULL, 0));

	cr_assert_str_eq(
			(const char *)xmlDocGetRootElement(doc)->name, "history-list");
	cr_assert_eq(children(xmlDocGetRootElement(doc)), 0);
	xmlFreeDoc(doc);
}

Test(deferred_list, what_is_not_known_is_left_out)
{
	const struct deferred_item one = {.ref = SLICE("d-1"), .size = 0};
	struct slice s = written(&one, 1);

	cr_assert(memmem(s.p, s.n, "<size>0</size><pager></pager>", 29) != NULL);
	xmlFreeDoc(parsed(s));
}

Test(deferred_list, hostile_text_stays_text)
{
	static const struct
	{
		struct slice in;
		const char *out;
	} rows[] = {
			{SLICE("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;"},
			{SLICE("x\r\ny\tz\0w"), "x??y?z?w"},
			{SLICE("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
					"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
			{SLICE("\xc0\xaf."), "??."},         /* overlong */
			{SLICE("\xed\xa0\x80."), "???."},    /* surrogate */
			{SLICE("\xef\xbf\xbe."), "???."},    /* U+FFFE */
			{SLICE("\xf5\x80\x80\x80"), "????"}, /* beyond Unicode */
			{SLICE("cut\xe2\x82"), "cut??"},
			{SLICE("]]>"), "]]&gt;"},
	};

	for(size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct deferred_item one = {.ref = SLICE("d-1"), .subject = rows[i].in};
		struct slice s = written(&one, 1);
		char want[128];

		snprintf(want, sizeof(want), "<subject>%s</subject>", rows[i].out);
		cr_expect(memmem(s.p, s.n, want, strlen(want)) != NULL, "row %zu: %.*s",
				i, SLICE_ARG(s));
		xmlFreeDoc(parsed(s));
	}
}

Test(deferred_list, long_subject_is_cut_between_characters)
{
	char text[DEFERRED_LIST_SUBJECT_MAX + 20];
	struct deferred_item one = {.ref = SLICE("d-1")};
	struct slice s;

	memset(text, 'a', sizeof(text));
	memcpy(text + DEFERRED_LIST_SUBJECT_MAX - 1, "\xc3\xa4", 2);
	one.subject = slice_of(text, sizeof(text));
	s = written(&one, 1);
	cr_assert(memmem(s.p, s.n, "\xc3", 1) == NULL);
	cr_assert(memmem(s.p, s.n, "a</subject>", 11) != NULL);
	xmlFreeDoc(parsed(s));
}

Test(deferred_list, what_has_no_room_is_left_out_whole)
{
	const struct deferred_item one = {.ref = SLICE("d-0123456789abcdef"),
			.size = 1,
			.subject = SLICE("&&&&&&&&&&&&")};

	for(size_t size = 256; size < 1200; size++) {
		struct deferred_list l;
		unsigned in = 0;
		xmlDoc *doc;
		size_t n;

		memset(buf, '#', sizeof(buf));
		deferred_list_begin(&l, buf, size);
		while(deferred_list_add(&l, &one))
			in++;
		cr_assert(l.full);
		cr_assert_eq(l.items, in);
		n = deferred_list_end(&l);
		cr_assert_leq(n, size);
		cr_assert_eq(buf[size], '#');
		doc = parsed(slice_of(buf, n));
		cr_assert_eq(children(xmlDocGetRootElement(doc)), in);
		xmlFreeDoc(doc);
	}
}
