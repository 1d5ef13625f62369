/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipient lists: RFC 4826 section 3, RFC 5363, RFC 5364, RFC 5365.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "rlist.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

#define NS "xmlns=\"urn:ietf:params:xml:ns:resource-lists\""
#define CP "xmlns:cp=\"urn:ietf:params:xml:ns:copyControl\""
#define LIST(x)                                                                \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists " NS " " CP \
	"><list>" x "</list></resource-lists>"
#define ENTRY(uri) "<entry uri=\"" uri "\"/>"

static enum rlist_error parse(const char *xml, struct rlist *l)
{
	rlist_init();
	memset(l, 0, sizeof(*l));
	return rlist_parse(slice_str(xml), NULL, 0, l);
}

/* The URIs with blanks between them. */
static const char *uris(const char *xml)
{
	static char text[4096];
	struct rlist l;
	enum rlist_error e = parse(xml, &l);
	size_t n = 0;

	cr_assert_eq(e, RLIST_OK, "%s", rlist_error_text(e));
	text[0] = '\0';
	for(size_t i = 0; i < l.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s",
				i ? " " : "", SLICE_ARG(l.v[i].uri.uri));
	rlist_free(&l);
	return text;
}

static enum rlist_error error_of(const char *xml)
{
	struct rlist l;
	enum rlist_error e = parse(xml, &l);

	if(e == RLIST_OK)
		rlist_free(&l);
	return e;
}

Test(rlist, nested_lists_become_one_in_their_order)
{
	cr_assert_str_eq(
			uris(LIST(ENTRY("sip:a@x") "<list name=\"n\">" ENTRY(
					"tel:+1555") "<list>" ENTRY("sips:b@x") "</list></"
															"list>" ENTRY(
																	"mail"
																	"to:"
																	"c@"
																	"y"))),
			"sip:a@x tel:+1555 sips:b@x mailto:c@y");
}

Test(rlist, several_lists_and_display_names_are_fine)
{
	cr_assert_str_eq(uris("<resource-lists " NS
						  "><list><entry uri=\"sip:a@x\"><display-name>A "
						  "</display-name></entry></list><list>" ENTRY(
								  "sip:b@x") "</list></resource-lists>"),
			"sip:a@x sip:b@x");
}

Test(rlist, prefix_of_the_namespace_does_not_matter)
{
	cr_assert_str_eq(
			uris("<r:resource-lists xmlns:r=\"urn:ietf:params:xml:ns:"
				 "resource-lists\"><r:list><r:entry uri='sip:a@x'/></r:list>"
				 "</r:resource-lists>"),
			"sip:a@x");
}

Test(rlist, references_and_foreign_elements_are_ignored)
{
	cr_assert_str_eq(
			uris(LIST("<external anchor=\"http://evil/list\"/><entry-ref "
					  "ref=\"x\"/><f:entry xmlns:f=\"urn:f\" "
					  "uri=\"sip:no@x\"/>" ENTRY("sip:a@x"))),
			"sip:a@x");
}

Test(rlist, copy_control_is_known_in_any_namespace)
{
	struct rlist l;

	cr_assert_eq(
			parse(LIST("<entry uri=\"sip:a@x\" cp:copyControl=\"to\"/>"
					   "<entry uri=\"sip:b@x\" cp:copyControl=\"CC\"/>"
					   "<entry uri=\"sip:c@x\" cp:copyControl=\"bcc\" "
					   "cp:anonymize=\"true\"/>"
					   "<entry xmlns:o=\"urn:ietf:params:xml:ns:copycontrol\" "
					   "uri=\"sip:d@x\" o:copyControl=\"bcc\"/>" ENTRY(
							   "sip:e@x")),
					&l),
			RLIST_OK);
	cr_assert_eq(l.n, 5);
	cr_assert_eq(l.v[0].copy, RLIST_COPY_TO);
	cr_assert_eq(l.v[1].copy, RLIST_COPY_CC);
	cr_assert_eq(l.v[2].copy, RLIST_COPY_BCC);
	cr_assert(l.v[2].anonymize && !l.v[0].anonymize);
	cr_assert_eq(l.v[3].copy, RLIST_COPY_BCC);
	cr_assert_eq(l.v[4].copy, RLIST_COPY_NONE);
	rlist_free(&l);
}

/* RFC 3261 19.1.4, RFC 3966 section 4: one recipient, one message. */
Test(rlist, duplicates_are_found_behind_their_spelling)
{
	static const char *const same[] = {
			LIST(ENTRY("sip:bob@x") ENTRY(" sip:bob@x\t")),
			LIST(ENTRY("sip:bob@x") ENTRY("SIP:bob@X")),
			LIST(ENTRY("sip:bob@x") ENTRY("sip:%62ob@x")),
			LIST(ENTRY("sip:b%3fb@x") ENTRY("sip:b%3Fb@x")),
			LIST(ENTRY("sip:bob@x;a;b=C") ENTRY("sip:bob@x;B=c;a")),
			LIST(ENTRY("sip:bob@x") ENTRY("sip:bob@x?Subject=y")),
			LIST(ENTRY("tel:+1-555-0102") ENTRY("tel:+1(555)0102")),
			LIST(ENTRY("tel:+15550102") ENTRY("sip:+15550102@x;user=phone")),
			LIST(ENTRY("sip:555-0102@x;user=phone")
							ENTRY("sip:5550102@x;user=phone")),
			LIST(ENTRY("mailto:a@X") ENTRY("MAILTO:a@x")),
	};
	static const char *const different[] = {
			LIST(ENTRY("sip:bob@x") ENTRY("sips:bob@x")),
			LIST(ENTRY("sip:bob@x") ENTRY("sip:Bob@x")),
			LIST(ENTRY("sip:bob@x") ENTRY("sip:bob@x:5060")),
			LIST(ENTRY("sip:b;b@x") ENTRY("sip:b%3Bb@x")),
			LIST(ENTRY("tel:5550102;phone-context=+1")
							ENTRY("tel:5550102;phone-context=+2")),
	};
	struct rlist l;

	for(size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		cr_assert_eq(parse(same[i], &l), RLIST_OK, "%s", same[i]);
		cr_assert_eq(l.n, 1, "%s", same[i]);
		cr_assert_eq(l.seen, 2);
		rlist_free(&l);
	}
	for(size_t i = 0; i < sizeof(different) / sizeof(*different); i++) {
		cr_assert_eq(parse(different[i], &l), RLIST_OK, "%s", different[i]);
		cr_assert_eq(l.n, 2, "%s", different[i]);
		rlist_free(&l);
	}
}

Test(rlist, what_is_sent_keeps_its_escapes_but_no_header_fields)
{
	cr_assert_str_eq(uris(LIST(ENTRY("sip:b%20b@x;transport=tcp;method=INVITE"
									 "?Route=%3Csip:evil%3E"))),
			"sip:b%20b@x;transport=tcp");
	cr_assert_str_eq(uris(LIST(ENTRY("tel:+1-555.01(02);ext=7"))),
			"tel:+15550102;ext=7");
	cr_assert_str_eq(
			uris(LIST(ENTRY("mailto:a@x?bcc=everyone@x"))), "mailto:a@x");
	cr_assert_str_eq(uris(LIST(ENTRY("sip:[2001:db8::1]:5060"))),
			"sip:[2001:db8::1]:5060");
}

Test(rlist, our_own_address_is_no_recipient)
{
	char buf[RCPT_URI_ROOM(64)];
	struct rcpt_uri self;
	struct rlist l;

	rlist_init();
	cr_assert_eq(rcpt_uri_parse(SLICE("sip:exploder@cpm.test"), buf,
						 sizeof(buf), &self),
			0);
	cr_assert_eq(rlist_parse(SLICE(LIST(ENTRY("sip:exploder@CPM.test;x=y")
											 ENTRY("sip:a@x"))),
						 &self.key, 1, &l),
			RLIST_OK);
	cr_assert_eq(l.n, 1);
	cr_assert(is(l.v[0].uri.uri, "sip:a@x"));
	rlist_free(&l);
}

Test(rlist, empty_lists_are_lists)
{
	cr_assert_str_eq(uris(LIST("")), "");
	cr_assert_str_eq(uris("<resource-lists " NS "/>"), "");
}

Test(rlist, broken_uris_are_refused)
{
	static const char *const bad[] = {LIST(ENTRY("")), LIST("<entry/>"),
			LIST(ENTRY("sip:")), LIST(ENTRY("bob")), LIST(ENTRY("sip:@x")),
			LIST(ENTRY("sip:bob@")), LIST(ENTRY("sip:bob@x y")),
			LIST(ENTRY("sip:bob@x;")), LIST(ENTRY("sip:bob@x:0")),
			LIST(ENTRY("sip:bob@x:70000")), LIST(ENTRY("sip:a@b@c")),
			LIST(ENTRY("sip:bob@x&lt;y")), LIST(ENTRY("sip:bob@x&gt;\r\n")),
			LIST(ENTRY("sip:bob@x&quot;")), LIST(ENTRY("sip:bob&#13;&#10;@x")),
			LIST(ENTRY("sip:bob%0d%0aEvil:%20yes@x")),
			LIST(ENTRY("sip:b%zz@x")), LIST(ENTRY("sip:b%2")),
			LIST(ENTRY("tel:")), LIST(ENTRY("tel:+")), LIST(ENTRY("tel:+1x2")),
			LIST(ENTRY("sip:\xc3\xbc@x")), LIST(ENTRY("1sip:a@x")),
			LIST(ENTRY("mailto:")), LIST(ENTRY("sip:[::1@x"))};

	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_assert_eq(error_of(bad[i]), RLIST_URI, "%s", bad[i]);
}

Test(rlist, what_is_no_list_is_refused)
{
	cr_assert_eq(error_of(""), RLIST_XML);
	cr_assert_eq(error_of("no xml"), RLIST_XML);
	cr_assert_eq(error_of("<resource-lists " NS "><list>"), RLIST_XML);
	cr_assert_eq(error_of("<list " NS "/>"), RLIST_ROOT);
	cr_assert_eq(error_of("<resource-lists xmlns=\"urn:other\"/>"), RLIST_ROOT);
}

Test(rlist, a_doctype_ends_the_reading)
{
	static const char bomb[] =
			"<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\">"
			"<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
			"<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]>"
			"<resource-lists " NS "><list><entry uri=\"sip:&c;@x\"/></list>"
			"</resource-lists>";

	cr_assert_eq(error_of(bomb), RLIST_DOCTYPE);
	cr_assert_eq(error_of("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">"
						  "<resource-lists " NS "/>"),
			RLIST_DOCTYPE);
}

/* A list of n entries sip:userI@x. */
static char *long_list(int n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "<resource-lists " NS "><list>");
	for(int i = 0; i < n; i++)
		fprintf(f, "<entry uri='sip:user%d@x'/>", i);
	fprintf(f, "</list></resource-lists>");
	fclose(f);
	return text;
}

Test(rlist, depth_has_a_limit)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "<resource-lists " NS ">");
	for(int i = 0; i < RLIST_DEPTH_MAX + 1; i++)
		fprintf(f, "<list>");
	for(int i = 0; i < RLIST_DEPTH_MAX + 1; i++)
		fprintf(f, "</list>");
	fprintf(f, "</resource-lists>");
	fclose(f);
	cr_assert_eq(error_of(text), RLIST_DEPTH);
	free(text);
}

Test(rlist, size_has_a_limit)
{
	char *blanks = malloc(RLIST_BYTES_MAX + 1), *text;
	struct rlist l;

	memset(blanks, ' ', RLIST_BYTES_MAX + 1);
	cr_assert_eq(
			rlist_parse(slice_of(blanks, RLIST_BYTES_MAX + 1), NULL, 0, &l),
			RLIST_TOO_LONG);
	free(blanks);
	text = long_list(RLIST_ENTRIES_MAX + 1);
	cr_assert_eq(error_of(text), RLIST_TOO_LONG);
	free(text);
	text = long_list(1000);
	cr_assert_eq(parse(text, &l), RLIST_OK);
	cr_assert_eq(l.n, 1000);
	cr_assert(is(l.v[999].uri.uri, "sip:user999@x"));
	rlist_free(&l);
	free(text);
}
