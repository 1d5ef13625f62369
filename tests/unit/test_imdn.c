/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The notification that delivery has failed, read back by the project's CPIM
 * parser and by libxml2.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "cpim.h"
#include "imdn.h"

static char buf[IMDN_TEXT_MAX];

static const struct imdn_failed plain = {.message_id = SLICE("Uy7sQ1"),
		.datetime = SLICE("2025-11-24T10:00:00Z"),
		.recipient = SLICE("sip:bob@cpm.test"),
		.sender = SLICE("sip:alice@cpm.test"),
		.id = SLICE("f00d"),
		.now = 1763978400};

static struct cpim written(const struct imdn_failed *f)
{
	int n = imdn_failed_write(f, buf, sizeof(buf));
	struct cpim c;

	cr_assert_gt(n, 0);
	cr_assert_eq(cpim_parse(slice_of(buf, (size_t)n), &c), 0);
	return c;
}

static const char *text_of(const xmlNode *root, const char *name)
{
	static char text[512];

	for(const xmlNode *n = root->children; n; n = n->next)
		if(n->type == XML_ELEMENT_NODE
				&& strcmp((const char *)n->name, name) == 0) {
			xmlChar *s = xmlNodeGetContent(n);

			snprintf(text, sizeof(text), "%s", (const char *)s);
			xmlFree(s);
			return text;
		}
	return NULL;
}

static xmlDoc *document(const struct cpim *c)
{
	xmlDoc *doc = xmlReadMemory(c->body.p, (int)c->body.n, "imdn", NULL,
			XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

	cr_assert_not_null(doc);
	return doc;
}

Test(imdn, wrapper_is_a_notification_that_asks_for_none)
{
	struct cpim c = written(&plain);

	cr_assert(slice_eq(cpim_uri(c.from), plain.recipient));
	cr_assert(slice_eq(cpim_uri(c.to), plain.sender));
	cr_assert(slice_eq(c.imdn_message_id, plain.id));
	cr_assert(slice_eq(c.datetime, SLICE("2025-11-24T10:00:00Z")));
	cr_assert_eq(c.disposition, 0u);
	cr_assert(mime_type_is(c.content_type, SLICE("message/imdn+xml")));
	cr_assert(slice_eq(c.content_disposition, SLICE("notification")));
	cr_assert(c.has_content_length);
	cr_assert_eq(c.content_length, c.body.n);
}

Test(imdn, document_says_which_message_failed_for_whom)
{
	struct cpim c = written(&plain);
	xmlDoc *doc = document(&c);
	const xmlNode *root = xmlDocGetRootElement(doc), *n;

	cr_assert_str_eq((const char *)root->name, "imdn");
	cr_assert_str_eq(
			(const char *)root->ns->href, "urn:ietf:params:xml:ns:imdn");
	cr_assert_str_eq(text_of(root, "message-id"), "Uy7sQ1");
	cr_assert_str_eq(text_of(root, "datetime"), "2025-11-24T10:00:00Z");
	cr_assert_str_eq(text_of(root, "recipient-uri"), "sip:bob@cpm.test");
	for(n = root->children; n; n = n->next)
		if(n->type == XML_ELEMENT_NODE
				&& strcmp((const char *)n->name, "delivery-notification") == 0)
			break;
	cr_assert_not_null(n);
	cr_assert_str_eq((const char *)n->children->name, "status");
	cr_assert_str_eq((const char *)n->children->children->name, "failed");
	xmlFreeDoc(doc);
}

Test(imdn, hostile_texts_end_no_line_and_no_element)
{
	struct imdn_failed f = plain;
	xmlDoc *doc;
	struct cpim c;

	f.message_id = SLICE("a</message-id>&<b>\xff\xc0\x80\r\nX: y");
	f.recipient = SLICE("sip:b\r\nTo: <sip:mallory@x>\xed\xa0\x80");
	f.sender = SLICE("sip:a\n\n\x01");
	c = written(&f);
	cr_assert_eq(c.n_to, 1);
	doc = document(&c);
	cr_assert_str_eq(text_of(xmlDocGetRootElement(doc), "message-id"),
			"a</message-id>&<b>???  X: y");
	xmlFreeDoc(doc);
}

Test(imdn, message_without_a_date_gets_that_of_now)
{
	struct imdn_failed f = plain;
	struct cpim c;
	xmlDoc *doc;

	f.datetime = slice_of(NULL, 0);
	c = written(&f);
	doc = document(&c);
	cr_assert_str_eq(text_of(xmlDocGetRootElement(doc), "datetime"),
			"2025-11-24T10:00:00Z");
	xmlFreeDoc(doc);
}

Test(imdn, small_room_is_no_overrun)
{
	int whole = imdn_failed_write(&plain, buf, sizeof(buf));

	cr_assert_gt(whole, 0);
	for(int n = 0; n < whole; n++) {
		memset(buf, 'x', sizeof(buf));
		cr_assert_eq(imdn_failed_write(&plain, buf, (size_t)n), -E2BIG);
		cr_assert_eq(buf[n], 'x');
	}
}
