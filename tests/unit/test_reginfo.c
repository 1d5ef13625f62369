/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registration information: RFC 3680 (documents, state), RFC 5628 (GRUUs), 3GPP
 * TS 24.229 (feature parameters).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "reginfo.h"
#include "regstate.h"
#include "torn.h"
#include "xmldoc.h"

#define is(slice_, text_) slice_eq(slice_, slice_str(text_))

#define DOC(version, state, x)                                                 \
	"<?xml version=\"1.0\"?>\n"                                                \
	"<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" "                       \
	"xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" version=\"" version          \
	"\" state=\"" state "\">" x "</reginfo>"
#define REG(id, aor, state, x)                                                 \
	"<registration aor=\"" aor "\" id=\"" id "\" state=\"" state "\">" x       \
	"</registration>"
#define CONTACT(id, state, event, uri, x)                                      \
	"<contact id=\"" id "\" state=\"" state "\" event=\"" event "\"><uri>" uri \
	"</uri>" x "</contact>"
#define BOB(x) REG("a7", "sip:bob@x", "active", x)

/* RFC 3680 section 5.2 and RFC 5628 section 5.2, put together. */
static const char rfc[] =
		"<?xml version=\"1.0\"?>\n"
		"<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\"\n"
		" xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\"\n"
		" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n"
		" version=\"0\" state=\"full\">\n"
		" <registration aor=\"sip:user@example.com\" id=\"as9\" "
		"state=\"active\">\n"
		"  <contact id=\"76\" state=\"active\" event=\"registered\"\n"
		"   duration-registered=\"7322\" q=\"0.8\">\n"
		"   <uri>sip:user@pc887.example.com</uri>\n"
		"   <unknown-param name=\"+sip.instance\">\n"
		"    \"&lt;urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6&gt;\"\n"
		"   </unknown-param>\n"
		"   <gr:pub-gruu uri=\"sip:user@example.com"
		";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"/>\n"
		"   <gr:temp-gruu uri=\"sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5"
		"@example.com;gr\" first-cseq=\"54301\"/>\n"
		"  </contact>\n"
		"  <contact id=\"77\" state=\"terminated\" event=\"expired\"\n"
		"   duration-registered=\"3600\" q=\"0.5\">\n"
		"   <uri>sip:user@university.edu</uri>\n"
		"  </contact>\n"
		" </registration>\n"
		"</reginfo>\n";

static enum reginfo_error parse(const char *xml, struct reginfo *r)
{
	xmldoc_init();
	memset(r, 0, sizeof(*r));
	return reginfo_parse(slice_str(xml), r);
}

static enum reginfo_error error_of(const char *xml)
{
	struct reginfo r;
	enum reginfo_error e = parse(xml, &r);

	if(e == REGINFO_OK)
		reginfo_free(&r);
	return e;
}

Test(reginfo, example_of_the_rfcs_is_read)
{
	struct reginfo r;

	cr_assert_eq(parse(rfc, &r), REGINFO_OK);
	cr_assert(r.full && r.version == 0);
	cr_assert_eq(r.n_regs, 1);
	cr_assert(is(r.regs[0].aor, "sip:user@example.com"));
	cr_assert(is(r.regs[0].id, "as9"));
	cr_assert_eq(r.regs[0].state, REGINFO_ACTIVE);
	cr_assert_eq(r.n_contacts, 2);
	cr_assert(r.contacts[0].active && !r.contacts[1].active);
	cr_assert(is(r.contacts[0].id, "76"));
	cr_assert(is(r.contacts[0].uri, "sip:user@pc887.example.com"));
	cr_assert(is(r.contacts[0].instance,
			"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
	cr_assert(is(r.contacts[0].gruu,
			"sip:user@example.com"
			";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
	cr_assert_eq(r.contacts[0].services, REGINFO_KNOWN);
	cr_assert_eq(r.contacts[1].services, 0);
	reginfo_free(&r);
	reginfo_free(&r); /* twice is fine */
}

/* Services of a contact with these children. */
static unsigned services(const char *children)
{
	char xml[4096];
	struct reginfo r;
	unsigned s;

	snprintf(xml, sizeof(xml),
			DOC("1", "full",
					BOB(CONTACT("1", "active", "registered", "sip:b@h", "%s"))),
			children);
	cr_assert_eq(parse(xml, &r), REGINFO_OK, "%s", xml);
	s = r.contacts[0].services;
	reginfo_free(&r);
	return s;
}

#define PARAM(name, value)                                                     \
	"<unknown-param name=\"" name "\">" value "</unknown-param>"

Test(reginfo, feature_tags_are_known_in_every_spelling)
{
	static const struct
	{
		const char *children;
		unsigned services;
	} cases[] = {
			{PARAM("+g.3gpp.icsi-ref",
					 "\"urn%3Aurn-7%3A3gpp-service.ims.icsi."
					 "oma.cpm.msg\""),
					REGINFO_KNOWN | REGINFO_MSG},
			/* a list; largemsg is no msg (24.229 7.2A.8.2) */
			{PARAM("+g.3gpp.icsi-ref",
					 "\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg,"
					 "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred,"
					 "urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel\""),
					REGINFO_KNOWN | REGINFO_LARGE | REGINFO_DEFERRED},
			/* a subclass is one; no "+", no quotes, not encoded, blanks */
			{PARAM("g.3gpp.icsi-ref",
					 "\n urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg.group "),
					REGINFO_KNOWN | REGINFO_MSG},
			/* several elements */
			{PARAM("+g.3gpp.icsi-ref",
					 "\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session\"")
							PARAM("+G.3GPP.ICSI-REF",
									"\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma."
									"cpm.msg\""),
					REGINFO_KNOWN | REGINFO_MSG | REGINFO_SESSION},
			/* a telephone that can do SMS alone: known to have none */
			{PARAM("+g.3gpp.smsip", ""), REGINFO_KNOWN},
			/* nothing is told */
			{"", 0},
			{PARAM("q", "0.5") PARAM("expires", "60"), 0},
			/* another namespace */
			{"<x:unknown-param xmlns:x=\"urn:x\" name=\"+sip.instance\">a"
			 "</x:unknown-param>",
					0},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_expect_eq(services(cases[i].children), cases[i].services, "%s: %x",
				cases[i].children, services(cases[i].children));
}

Test(reginfo, what_cannot_become_part_of_a_request_is_left_out)
{
	struct reginfo r;

	cr_assert_eq(
			parse(DOC("0", "full",
						  BOB(CONTACT("1", "active", "registered",
								  "sip:b@h&gt;;x=\"", "") CONTACT("2", "active",
								  "registered", "&lt;sip:b@i&gt;",
								  PARAM("+sip.instance",
										  "\"&lt;urn:x\\y&gt;\"") "<gr:pub-gruu"
																  " uri=\"sip:"
																  "b c\"/>"))),
					&r),
			REGINFO_OK);
	cr_assert_eq(r.n_contacts, 2);
	cr_assert(!r.contacts[0].active);
	cr_assert(r.contacts[1].active && is(r.contacts[1].uri, "sip:b@i"));
	cr_assert_eq(r.contacts[1].instance.n, 0);
	cr_assert_eq(r.contacts[1].gruu.n, 0);
	reginfo_free(&r);
}

Test(reginfo, what_is_no_registration_information_is_refused)
{
	static const struct
	{
		const char *xml;
		enum reginfo_error e;
	} cases[] = {
			{"", REGINFO_XML},
			{"no xml", REGINFO_XML},
			{"<reginfo", REGINFO_XML},
			{"<other version=\"0\" state=\"full\"/>", REGINFO_SHAPE},
			{"<reginfo version=\"0\" state=\"some\"/>", REGINFO_SHAPE},
			{"<reginfo version=\"x\" state=\"full\"/>", REGINFO_SHAPE},
			{"<reginfo version=\"4294967296\" state=\"full\"/>", REGINFO_SHAPE},
			{"<reginfo state=\"full\"/>", REGINFO_SHAPE},
			{DOC("0", "full", "<registration id=\"1\" state=\"active\"/>"),
					REGINFO_SHAPE},
			{DOC("0", "full", REG("", "sip:b@x", "active", "")), REGINFO_SHAPE},
			{DOC("0", "full",
					 BOB("<contact state=\"active\"><uri>sip:b@h</uri>"
						 "</contact>")),
					REGINFO_SHAPE},
			{DOC("0", "full", BOB("<contact id=\"1\" state=\"active\"/>")),
					REGINFO_SHAPE},
			{DOC("0", "full",
					 BOB(CONTACT(
							 "1", "active", "registered", "sip:b&#10;@h", ""))),
					REGINFO_SHAPE},
			{"<!DOCTYPE reginfo [<!ENTITY a \"b\">]>" DOC("0", "full", ""),
					REGINFO_XML}, /* behind the declaration: not well-formed */
			{"<!DOCTYPE reginfo [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>"
			 "<reginfo version=\"0\" state=\"full\">&a;</reginfo>",
					REGINFO_DOCTYPE},
			{"<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY l2 "
			 "\"&lol;&lol;\">]><reginfo>&l2;</reginfo>",
					REGINFO_DOCTYPE},
	};

	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum reginfo_error e = error_of(cases[i].xml);

		/* where the DOCTYPE stands before a declaration libxml2 may give up
		 * on either */
		if(cases[i].e == REGINFO_XML && e == REGINFO_DOCTYPE)
			e = REGINFO_XML;
		cr_expect_eq(e, cases[i].e, "%zu: %s", i, reginfo_error_text(e));
	}
}

/* A document with n contacts. */
static char *many(unsigned n)
{
	size_t room = 300 + n * 90UL, at;
	char *xml = malloc(room);

	at = (size_t)snprintf(xml, room,
			"<reginfo version=\"0\" state=\"full\"><registration "
			"aor=\"sip:b@x\""
			" id=\"1\" state=\"active\">");
	for(unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(xml + at, room - at,
				"<contact id=\"%u\" state=\"active\"><uri>sip:b@h%u</uri>"
				"</contact>",
				i, i);
	snprintf(xml + at, room - at, "</registration></reginfo>");
	return xml;
}

/* A document with n registrations. */
static char *identities(unsigned n)
{
	size_t room = 100 + n * 80UL, at;
	char *xml = malloc(room);

	at = (size_t)snprintf(xml, room, "<reginfo version=\"0\" state=\"full\">");
	for(unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(xml + at, room - at,
				"<registration aor=\"sip:b%u@x\" id=\"%u\" "
				"state=\"active\"/>",
				i, i);
	snprintf(xml + at, room - at, "</reginfo>");
	return xml;
}

Test(reginfo, more_than_the_maxima_is_refused)
{
	struct reginfo r;
	char *xml = many(REGINFO_CONTACTS_MAX), *long_one;

	cr_assert_eq(parse(xml, &r), REGINFO_OK);
	cr_assert_eq(r.n_contacts, REGINFO_CONTACTS_MAX);
	reginfo_free(&r);
	free(xml);
	xml = many(REGINFO_CONTACTS_MAX + 1);
	cr_assert_eq(error_of(xml), REGINFO_TOO_LONG);
	free(xml);
	xml = many(10000);
	cr_assert_eq(error_of(xml), REGINFO_TOO_LONG);
	free(xml);
	xml = identities(REGINFO_REGS_MAX);
	cr_assert_eq(error_of(xml), REGINFO_OK);
	free(xml);
	xml = identities(REGINFO_REGS_MAX + 1);
	cr_assert_eq(error_of(xml), REGINFO_TOO_LONG);
	free(xml);
	long_one = malloc(REGINFO_BYTES_MAX + 2);
	memset(long_one, ' ', REGINFO_BYTES_MAX + 1);
	long_one[REGINFO_BYTES_MAX + 1] = '\0';
	cr_assert_eq(error_of(long_one), REGINFO_TOO_LONG);
	free(long_one);
}

/* Elements within elements, as many as fit, where a text should be. */
Test(reginfo, nested_as_deep_as_it_fits_is_refused)
{
	static const char head[] =
			"<reginfo version=\"0\" state=\"full\"><registration "
			"aor=\"sip:b@x\" id=\"1\" state=\"active\"><contact id=\"1\" "
			"state=\"active\"><uri>";
	size_t n = sizeof(head) - 1, room = REGINFO_BYTES_MAX - 1;
	char *xml = malloc(room + 1);

	memcpy(xml, head, n);
	for(; n + 3 <= room; n += 3)
		memcpy(xml + n, "<a>", 3);
	xml[n] = '\0';
	cr_assert_eq(error_of(xml), REGINFO_XML);
	free(xml);
}

static void feed(struct slice in)
{
	struct reginfo r;

	if(reginfo_parse(in, &r) == REGINFO_OK)
		reginfo_free(&r);
}

Test(reginfo, torn_and_damaged_documents_do_no_harm)
{
	xmldoc_init();
	torn_everywhere(slice_str(rfc), feed);
	torn_mutations(slice_str(rfc), 3000, feed);
}

/* ---- the sum of documents ---- */

static struct regstate *state;
static struct regstate_news news;

/* Add a document to `state`. */
static int add(const char *xml)
{
	struct regstate *next = NULL;
	struct reginfo r;
	int rc;

	cr_assert_eq(parse(xml, &r), REGINFO_OK, "%s", xml);
	rc = regstate_merge(state, &r, 4, &next, &news);
	reginfo_free(&r);
	if(rc == 0) {
		free(state);
		state = next;
	}
	return rc;
}

/* "aor: uri uri; aor: uri" */
static const char *shown(void)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for(unsigned i = 0; i < state->n_regs; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				"%s%.*s:", i ? "; " : "",
				SLICE_ARG(regstate_get(state, regstate_regs(state)[i].aor)));
		for(unsigned j = 0; j < state->n_contacts; j++)
			if(regstate_contacts(state)[j].reg == i)
				n += (size_t)snprintf(text + n, sizeof(text) - n, " %.*s",
						SLICE_ARG(regstate_get(
								state, regstate_contacts(state)[j].uri)));
	}
	return text;
}

static void nothing_known(void)
{
	state = NULL;
}

static void forget(void)
{
	free(state);
}

TestSuite(regstate, .init = nothing_known, .fini = forget);

#define C1 CONTACT("1", "active", "registered", "sip:b@1", "")
#define C2 CONTACT("2", "active", "registered", "sip:b@2", "")

Test(regstate, full_document_replaces_what_was_known)
{
	cr_assert_eq(add(DOC("0", "full", BOB(C1 C2))), 0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@1 sip:b@2");
	cr_assert(news.added && !news.all_over);
	cr_assert_eq(add(DOC("1", "full", BOB(C2))), 0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@2");
	cr_assert(!news.added);
	/* some registrars send every document as the first one */
	cr_assert_eq(add(DOC("0", "full", BOB(C1))), 0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@1");
}

Test(regstate, partial_document_changes_what_it_names)
{
	cr_assert_eq(
			add(DOC("5", "full",
					BOB(C1 C2) REG("t", "tel:+1", "active",
							CONTACT("9", "active", "created", "sip:b@1", "")))),
			0);
	cr_assert_eq(
			add(DOC("6", "partial",
					BOB(CONTACT("1", "terminated", "expired", "sip:b@1", "")))),
			0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@2; tel:+1: sip:b@1");
	cr_assert(!news.added && !news.refreshed);
	cr_assert_eq(
			add(DOC("7", "partial",
					BOB(CONTACT("2", "active", "refreshed", "sip:b@2", "")))),
			0);
	cr_assert(news.refreshed && !news.added);
	cr_assert_eq(
			add(DOC("8", "partial",
					BOB(CONTACT("3", "active", "registered", "sip:b@3", "")))),
			0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@2 sip:b@3; tel:+1: sip:b@1");
	cr_assert(news.added);
	cr_assert_eq(
			add(DOC("9", "partial", REG("a7", "sip:bob@x", "terminated", ""))),
			0);
	cr_assert_str_eq(shown(), "tel:+1: sip:b@1");
	cr_assert(!news.all_over);
	cr_assert_eq(
			add(DOC("10", "partial", REG("t", "tel:+1", "terminated", ""))), 0);
	cr_assert(news.all_over);
}

Test(regstate, other_feature_tags_or_address_are_news)
{
	cr_assert_eq(add(DOC("0", "full", BOB(C1))), 0);
	cr_assert_eq(add(DOC("1", "partial",
						 BOB(CONTACT("1", "active", "refreshed", "sip:b@1",
								 PARAM("+g.3gpp.icsi-ref",
										 "\"urn%3Aurn-7%3A3gpp-service.ims."
										 "icsi.oma.cpm.msg\""))))),
			0);
	cr_assert(news.added);
	cr_assert_eq(
			regstate_contacts(state)[0].services, REGINFO_KNOWN | REGINFO_MSG);
	cr_assert_eq(
			add(DOC("2", "partial",
					BOB(CONTACT("1", "active", "refreshed", "sip:b@9", "")))),
			0);
	cr_assert(news.added);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@9");
}

/* RFC 3680 section 5.1 */
Test(regstate, gap_asks_for_everything_and_old_news_are_none)
{
	cr_assert_eq(add(DOC("0", "partial", BOB(C1))), -ESTALE);
	cr_assert_eq(add(DOC("3", "full", BOB(C1))), 0);
	cr_assert_eq(add(DOC("5", "partial", BOB(C2))), -ESTALE);
	cr_assert_eq(add(DOC("3", "partial", BOB(C2))), -EALREADY);
	cr_assert_eq(add(DOC("1", "partial", BOB(C2))), -EALREADY);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@1");
	cr_assert_eq(add(DOC("4", "partial", BOB(C2))), 0);
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@1 sip:b@2");
}

Test(regstate, registration_that_is_not_active_has_no_contacts)
{
	cr_assert_eq(add(DOC("0", "full",
						 REG("1", "sip:b@x", "init", C1)
								 REG("2", "tel:+1", "terminated", C2))),
			0);
	cr_assert_eq(state->n_contacts, 0);
	cr_assert(news.all_over && !news.added);
}

Test(regstate, no_more_contacts_than_allowed)
{
	char *xml = many(4);

	cr_assert_eq(add(xml), 0);
	free(xml);
	xml = many(5);
	cr_assert_eq(add(xml), -E2BIG);
	free(xml);
	cr_assert_eq(state->n_contacts, 4);
}

Test(regstate, copy_of_the_bytes_is_a_copy_of_it)
{
	struct regstate *copy;

	cr_assert_eq(add(DOC("0", "full", BOB(C1 C2))), 0);
	copy = malloc(state->size);
	memcpy(copy, state, state->size);
	memset(state, 0xa5, state->size);
	free(state);
	state = copy;
	cr_assert_str_eq(shown(), "sip:bob@x: sip:b@1 sip:b@2");
}
