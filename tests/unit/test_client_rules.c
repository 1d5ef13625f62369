/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's addressing and reply rules (cl_reply.h), its way to find
 * duplicates (cl_match.h), its lists and multipart bodies (cl_body.h).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "cl_body.h"
#include "cl_match.h"
#include "cl_reply.h"

static const struct cl_received with_reply_to = {.reply_to = "sip:desk@x",
		.asserted = "sip:bob@x",
		.conversation_id = "c",
		.contribution_id = "k"};
static const struct cl_received without_reply_to = {.asserted = "sip:bob@x",
		.conversation_id = "c",
		.contribution_id = "k"};
static const struct cl_received anonymous = {.conversation_id = "c"};

Test(client_rules, one_recipient_is_the_request_uri,
		.description = "CP-08 CL-07: 7.2.1.1 #8, 7.2.1.2 #9")
{
	const char *to[] = {"sip:carol@x"};
	struct cl_target t;

	cr_assert_eq(
			cl_target_choose(&(struct cl_wish){.to = to, .n_to = 1}, &t), 0);
	cr_assert_str_eq(t.ruri, "sip:carol@x");
	cr_assert(!t.group && t.n_list == 0);
}

Test(client_rules, reply_goes_to_reply_to_then_originator_then_where_told,
		.description = "CP-08 CL-07: replies")
{
	const char *to[] = {"sip:carol@x"};
	struct cl_target t;

	cr_assert_eq(
			cl_target_choose(&(struct cl_wish){.reply = &with_reply_to}, &t),
			0);
	cr_assert_str_eq(t.ruri, "sip:desk@x");
	cr_assert_eq(
			cl_target_choose(&(struct cl_wish){.reply = &without_reply_to}, &t),
			0);
	cr_assert_str_eq(t.ruri, "sip:bob@x");
	cr_assert_eq(cl_target_choose(
						 &(struct cl_wish){
								 .reply = &with_reply_to, .to = to, .n_to = 1},
						 &t),
			0);
	cr_assert_str_eq(t.ruri, "sip:carol@x");
	cr_assert_eq(cl_target_choose(&(struct cl_wish){.reply = &anonymous}, &t),
			-EDESTADDRREQ);
}

Test(client_rules, list_reply_holds_at_least_the_one_who_is_answered,
		.description = "CP-09 CP-11 CL-08 CL-10: lists")
{
	const char *to[] = {"sip:carol@x", "sip:dave@x", "sip:carol@x"};
	struct cl_wish w = {.to = to, .n_to = 3, .exploder = "sip:exploder@x"};
	struct cl_target t;

	cr_assert_eq(cl_target_choose(&w, &t), 0);
	cr_assert_str_eq(t.ruri, "sip:exploder@x");
	cr_assert(t.group);
	cr_assert_eq(t.n_list, 2, "an address is listed once");
	w.reply = &with_reply_to;
	cr_assert_eq(cl_target_choose(&w, &t), 0);
	cr_assert_eq(t.n_list, 3);
	cr_assert_str_eq(t.list[0], "sip:desk@x");
	w.reply = &without_reply_to;
	w.exploder = NULL;
	w.conference = "sip:conf@x";
	cr_assert_eq(cl_target_choose(&w, &t), 0);
	cr_assert_str_eq(t.ruri, "sip:conf@x");
	cr_assert_str_eq(t.list[0], "sip:bob@x");
	w.reply_address = "sip:new@x";
	cr_assert_eq(cl_target_choose(&w, &t), 0);
	cr_assert_str_eq(t.list[0], "sip:new@x", "the user's address instead");
	cr_assert_eq(t.n_list, 3);
}

Test(client_rules, predefined_group_is_one_address_with_group_service,
		.description = "CP-10 CL-09: pre-defined groups")
{
	const char *to[] = {"sip:team@x", "sip:b@x"};
	struct cl_wish w = {.to = to, .n_to = 1, .group = true};
	struct cl_target t;

	cr_assert_eq(cl_target_choose(&w, &t), 0);
	cr_assert_str_eq(t.ruri, "sip:team@x");
	cr_assert(t.group && t.n_list == 0);
	w.n_to = 2;
	cr_assert_eq(cl_target_choose(&w, &t), -EINVAL);
}

static struct cl_seen seen(void)
{
	return (struct cl_seen){.party = {SLICE("sip:bob@x"), SLICE("tel:+2")},
			.parties = 2,
			.conversation_id = SLICE("conv"),
			.contribution_id = SLICE("contr"),
			.imdn_id = SLICE("imdn")};
}

static bool same(const struct cl_seen *a, const char *folder, const char *text)
{
	struct cl_stored b;

	cl_stored_read(slice_str(text), slice_str(folder), &b);
	return cl_same_message(a, &b);
}

#define OBJECT                                                                 \
	"From: tel:+2\r\nConversation-ID: conv\r\nContribution-ID: contr\r\n"

Test(client_rules, stored_copy_is_found_by_folder_and_ids,
		.description = "CP-17 CL-20: Table 2")
{
	struct cl_seen a = seen();
	const char *o =
			OBJECT "IMDN-Message-ID: imdn\r\nPayload-Type: a/b\r\n\r\nx";

	cr_assert(same(&a, "Default/tel:+2", o));
	cr_assert(same(&a, "Default/sip:bob@x", o));
	cr_assert(!same(&a, "Default/tel:+3", o), "another party's folder");
	cr_assert(!same(&a, "Default/conv", o), "not a group message");
	cr_assert(!same(&a, "Default/tel:+2", OBJECT "\r\nIMDN-Message-ID: imdn"),
			"the body is no header");
	cr_assert(!same(&a, "Default/tel:+2",
			OBJECT "IMDN-Message-ID: imdn\r\n"
				   "InReplyTo-Contribution-ID: z\r\n\r\n"));
	a.in_reply_to = SLICE("z");
	cr_assert(!same(&a, "Default/tel:+2", o));
	a = seen();
	a.contribution_id = SLICE("CONTR");
	cr_assert(!same(&a, "Default/tel:+2", o), "ids are compared byte by byte");
	a = seen();
	a.group = true;
	cr_assert(same(&a, "Default/conv", o));
	cr_assert(!same(&a, "Default/tel:+2", o));
}

Test(client_rules, resource_list_is_escaped_xml,
		.description = "CP-11 CL-10: RFC 5365")
{
	const char *uri[] = {"sip:a@x?h=1&i=<2>", "tel:+1"};
	size_t len;
	char *xml = cl_resource_list(uri, 2, &len);

	cr_assert_eq(strlen(xml), len);
	cr_assert(strstr(xml, "uri=\"sip:a@x?h=1&amp;i=&lt;2&gt;\""));
	cr_assert(strstr(xml, "<entry uri=\"tel:+1\" cp:copyControl=\"to\"/>"));
	cr_assert(strstr(xml, "xmlns=\"urn:ietf:params:xml:ns:resource-lists\""));
	free(xml);
}

static int parts;
static void part_seen(void *arg, struct slice head, struct slice body)
{
	static const char *const types[] = {"text/plain", "image/jpeg"};
	static const char *const bodies[] = {"hello", "\r\n--x\r\n"};

	(void)arg;
	cr_assert(slice_eq(
			cl_header_get(head, "content-TYPE"), slice_str(types[parts])));
	cr_assert(slice_eq(body, slice_str(bodies[parts])));
	parts++;
}

Test(client_rules, multipart_reads_back_as_it_was_written,
		.description = "CG-03: multipart payloads")
{
	struct cl_part p[] = {{.type = "text/plain", .body = SLICE("hello")},
			{.type = "image/jpeg", .id = "i", .body = SLICE("\r\n--x\r\n")}};
	struct cl_multipart m;
	char *text;

	cl_multipart_build(&m, "related", "Bound", p, 2);
	cr_assert_str_eq(m.type, "multipart/related;boundary=Bound");
	text = cl_multipart_join(&m);
	cr_assert_eq(strlen(text), m.bytes);
	cr_assert_eq(cl_multipart_each(
						 slice_str(m.type), slice_str(text), part_seen, NULL),
			2);
	cr_assert_eq(parts, 2);
	cr_assert_eq(cl_multipart_each(SLICE("multipart/mixed"), slice_str(text),
						 part_seen, NULL),
			-EBADMSG);
	cr_assert_eq(cl_multipart_each(SLICE("a/b;boundary=\"Bound\""),
						 SLICE("--Bound\r\nA: b\r\n\r\nx"), part_seen, NULL),
			-EBADMSG, "no closing delimiter");
	free(text);
	cl_multipart_free(&m);
}
