/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's CPIM wrappers (tests/client/cl_cpim.h).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_cpim.h"

#define EQ(slice_, text_)                                                      \
	cr_assert(slice_eq((slice_), slice_str(text_)), "\"%.*s\" != \"%s\"",      \
			SLICE_ARG(slice_), (text_))

Test(client_cpim, wrapper_reads_back_as_it_was_written)
{
	struct cl_cpim_out out = {.from = "sip:alice@cpm.test",
			.to = "sip:exploder@cpm.test",
			.datetime = "2026-11-21T05:00:00Z",
			.subject = "Foto",
			.message_id = "id-1",
			.disposition = "positive-delivery, display",
			.payload_types = "text/plain, image/jpeg",
			.content_type = "multipart/mixed;boundary=x"};
	size_t len;
	char *head = cl_cpim_head(&out, 5, &len), *all;
	struct cl_cpim c;

	cr_assert_eq(asprintf(&all, "%.*shello", (int)len, head), (int)len + 5);
	cr_assert_eq(cl_cpim_parse(slice_str(all), &c), 0);
	EQ(cl_cpim_get(&c, "", "From"), "<sip:alice@cpm.test>");
	EQ(cl_cpim_get(&c, "", "To"), "<sip:exploder@cpm.test>");
	EQ(cl_cpim_get(&c, "", "DateTime"), "2026-11-21T05:00:00Z");
	EQ(cl_cpim_get(&c, "", "Subject"), "Foto");
	EQ(cl_cpim_get(&c, CL_NS_IMDN, "Message-ID"), "id-1");
	EQ(cl_cpim_get(&c, CL_NS_IMDN, "Disposition-Notification"),
			"positive-delivery, display");
	EQ(cl_cpim_get(&c, CL_NS_CPM, "Payload-Type"), "text/plain, image/jpeg");
	EQ(cl_cpim_mime(&c, "content-type"), "multipart/mixed;boundary=x");
	EQ(cl_cpim_mime(&c, "Content-Length"), "5");
	EQ(c.content, "hello");
	free(head);
	free(all);
}

Test(client_cpim, wrapper_without_options_has_no_empty_headers)
{
	struct cl_cpim_out out = {
			.from = "tel:+1", .to = "tel:+2", .content_type = "text/plain"};
	size_t len;
	char *head = cl_cpim_head(&out, 0, &len);

	cr_assert_str_eq(head,
			"From: <tel:+1>\r\nTo: <tel:+2>\r\n\r\n"
			"Content-Type: text/plain\r\n"
			"Content-Length: 0\r\n\r\n");
	cr_assert_eq(strlen(head), len);
	free(head);
}

/* RFC 3862 section 5.1, shortened, with a prefix of its own */
Test(client_cpim, prefix_means_what_its_NS_header_says)
{
	struct cl_cpim c;

	cr_assert_eq(cl_cpim_parse(
						 SLICE("From: MR SANDERS <im:piglet@100akerwood.com>\n"
							   "NS: x <urn:ietf:params:imdn>\n"
							   "NS: y<http://www.openmobilealliance.org/cpm/>\n"
							   "x.Message-ID: 7\ny.Payload-Type: a/b\n"
							   "z.Message-ID: 8\n\n"
							   "Content-type: text/xml; charset=utf-8\n\nbody"),
						 &c),
			0);
	EQ(cl_cpim_get(&c, CL_NS_IMDN, "message-id"), "7");
	EQ(cl_cpim_get(&c, CL_NS_CPM, "Payload-Type"), "a/b");
	EQ(cl_address(cl_cpim_get(&c, "", "From")), "im:piglet@100akerwood.com");
	EQ(c.content, "body");
}

Test(client_cpim, damaged_wrappers_are_refused)
{
	static const char *const bad[] = {"", "\r\n\r\n", "From: <a>\r\n",
			"From: <a>\r\n\r\n", "From: <a>\r\n\r\nContent-Type: x",
			"no colon\r\n\r\nA: b\r\n\r\n", ": x\r\n\r\nA: b\r\n\r\n"};
	struct cl_cpim c;

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_lt(cl_cpim_parse(slice_str(bad[i]), &c), 0, "case %zu", i);
}

Test(client_cpim, address_is_found_in_every_form)
{
	static const char *const cases[][2] = {{"<sip:a@b>", "sip:a@b"},
			{"\"A <x> \\\"B\" <sip:a@b;x=1>;tag=2", "sip:a@b;x=1"},
			{"sip:a@b;tag=1", "sip:a@b"}, {"Anna <tel:+1>", "tel:+1"},
			{" <sip:a@b> , <tel:+1>", "sip:a@b"}, {"", ""}};

	for(size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EQ(cl_address(slice_str(cases[i][0])), cases[i][1]);
}

Test(client_cpim, list_is_searched_by_whole_words)
{
	cr_assert(cl_list_has(SLICE("positive-delivery, display"), "display"));
	cr_assert(cl_list_has(SLICE("Display"), "display"));
	cr_assert(!cl_list_has(SLICE("displayed, x-display"), "display"));
	cr_assert(!cl_list_has(SLICE(""), "display"));
}
