/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The INVITE of the client's large messages, read from the wire: header fields,
 * SDP, lists (OMA CPM 7.2.1.2 #1-19). The test plays the network.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clientnet_flow.h"

E2E_SUITE(client_large);

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

E2E_TEST(client_large, invite_names_the_large_message_service,
		"CL-01 CL-02 CL-03 CL-11: Accept-Contact, Contact, "
		"P-Preferred-Service, "
		"session timer fields")
{
	FLOW(f);
	const char *t = f.invite->text;

	cr_assert_eq(strncmp(t, "INVITE sip:bob@cpm.test SIP/2.0\r\n", 33), 0);
	cr_assert_str_eq(net_header(t, "Accept-Contact"),
			"*;+g.3gpp.icsi-ref=\"" ICSI_ENCODED "largemsg\"");
	cr_assert(strstr(net_header(t, "Contact"),
			";+g.3gpp.icsi-ref=\"" ICSI_ENCODED "largemsg\""));
	cr_assert_str_eq(net_header(t, "P-Preferred-Service"), ICSI "largemsg");
	cr_assert(strstr(net_header(t, "Supported"), "timer"));
	cr_assert(!strstr(net_header(t, "Session-Expires"), "refresher=uac"));
	cr_assert_eq(net_header_count(t, "Min-SE"), 0);
	cr_assert(strstr(net_header(t, "User-Agent"), "CPM-client/OMA2.2"));
	net_reply(f.n, f.invite, "486 Busy Here", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 4);
}

E2E_TEST(client_large, offer_describes_the_message_to_come,
		"CL-13: the SDP offer, line by line")
{
	static const char *const lines[] = {"\r\na=sendonly\r\n",
			"\r\na=accept-types:message/cpim\r\n",
			"\r\na=accept-wrapped-types:*\r\n", "\r\na=setup:actpass\r\n",
			"\r\na=msrp-cema\r\n", "\r\nc=IN IP4 127.0.0.1\r\n",
			" TCP/MSRP *\r\n"};
	FLOW(f);
	const char *sdp = f.invite->body;
	int port, fd;

	cr_assert_str_eq(
			net_header(f.invite->text, "Content-Type"), "application/sdp");
	for(size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_assert(strstr(sdp, lines[i]), "%s is missing in %s", lines[i], sdp);
	port = (int)strtol(net_between(sdp, "m=message ", " "), NULL, 10);
	cr_assert(strstr(sdp, fmt("\r\na=path:msrp://127.0.0.1:%d/", port)));
	fd = net_msrp_connect("127.0.0.1", port); /* it does listen there */
	close(fd);
	flow_answer(&f, NULL);
	flow_bind(&f);
	flow_take_content(&f);
	cr_assert_str_eq(net_between(sdp, "a=file-selector:size:", "\r"),
			fmt("%zu", f.len), "the size is that of what is sent");
	flow_finish(&f, 0);
}

E2E_TEST(client_large, optional_fields_are_sent_only_when_asked_for,
		"CL-04 CL-05 CL-06 CL-12: identity, Reply-To, Privacy, "
		"Message-Expires, "
		"ids")
{
	static const char *const names[] = {"Reply-To", "Privacy", "Expires",
			"Message-Expires", "P-Preferred-Identity",
			"InReplyTo-Contribution-ID", "Require"};
	FLOW(f);

	for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_eq(
				net_header_count(f.invite->text, names[i]), 0, "%s", names[i]);
	net_reply(f.n, f.invite, "486 Busy Here", NULL, NULL);
	{
		FLOW(g, "--reply-to", "sip:desk@cpm.test", "--anonymous", "--expires",
				"3600", "--identity", "tel:+15550101", "--in-reply-to", "xyz",
				"--conversation-id", "conv-7");
		const char *t = g.invite->text;

		cr_assert_str_eq(net_header(t, "Reply-To"), "<sip:desk@cpm.test>");
		cr_assert_str_eq(net_header(t, "Privacy"), "id");
		cr_assert_str_eq(net_header(t, "Message-Expires"), "3600");
		cr_assert_eq(net_header_count(t, "Expires"), 0);
		cr_assert_str_eq(
				net_header(t, "P-Preferred-Identity"), "<tel:+15550101>");
		cr_assert_str_eq(net_header(t, "InReplyTo-Contribution-ID"), "xyz");
		cr_assert_str_eq(net_header(t, "Conversation-ID"), "conv-7");
		cr_assert_str_neq(net_header(t, "Contribution-ID"),
				net_header(f.invite->text, "Contribution-ID"));
		cr_assert_str_neq(net_header(f.invite->text, "Conversation-ID"), "");
		net_reply(g.n, g.invite, "486 Busy Here", NULL, NULL);
	}
}

E2E_TEST(client_large, reply_goes_to_reply_to_else_to_the_asserted_originator,
		"CL-07 CL-12: reply rules for one recipient")
{
	struct net *n = net_open();
	const char *file = test_file("payload.txt", FLOW_BYTES, true);
	struct net_msg *m;

	net_client(n, "send", "--file", file, "--reply-from",
			flow_received_file("\"reply_to\":\"sip:desk@cpm.test\","), NULL);
	m = net_take(n, "INVITE", 5000);
	cr_assert_eq(strncmp(m->text, "INVITE sip:desk@cpm.test ", 25), 0);
	cr_assert_str_eq(net_header(m->text, "Conversation-ID"), "conv-1");
	cr_assert_str_eq(
			net_header(m->text, "InReplyTo-Contribution-ID"), "contr-1");
	net_reply(n, m, "486 Busy Here", NULL, NULL);
	sleep_ms(100);
	net_client(n, "send", "--file", file, "--reply-from",
			flow_received_file(""), NULL);
	m = net_take(n, "INVITE", 5000);
	cr_assert_eq(strncmp(m->text, "INVITE sip:carol@cpm.test ", 26), 0);
	net_reply(n, m, "486 Busy Here", NULL, NULL);
	net_client(n, "send", "--file", file, "--to", "dave", "--reply-from",
			flow_received_file(""), NULL);
	m = net_take(n, "INVITE", 5000);
	cr_assert_eq(strncmp(m->text, "INVITE sip:dave@cpm.test ", 25), 0);
	net_reply(n, m, "486 Busy Here", NULL, NULL);
}

/* SDP and resource list of an INVITE to a list. */
static void check_list(
		struct net_msg *m, const char *ruri, const char *const uris[2])
{
	const char *type = net_header(m->text, "Content-Type"), *list;
	const char *boundary = strstr(type, "boundary=");

	cr_assert_eq(
			strncmp(m->text, fmt("INVITE %s ", ruri), strlen(ruri) + 8), 0);
	cr_assert(boundary);
	cr_assert_eq(strncasecmp(type, "multipart/mixed", 15), 0);
	cr_assert_str_eq(net_header(m->text, "Require"), "recipient-list-invite");
	cr_assert_str_eq(
			net_header(m->text, "P-Preferred-Service"), ICSI "largemsg.group");
	cr_assert(strstr(m->body, "Content-Type: application/sdp"));
	cr_assert(strstr(m->body, "a=sendonly"));
	list = net_between(m->body, "Content-Type: application/resource-lists+xml",
			fmt("--%s", boundary + 9));
	cr_assert(strstr(list, "Content-Disposition: recipient-list"));
	for(int i = 0; i < 2; i++)
		cr_assert(strstr(list, fmt("<entry uri=\"%s\"", uris[i])));
}

E2E_TEST(client_large, lists_go_to_exploder_and_controlling_function,
		"CL-03 CL-08 CL-10 CG-02: lists, replies to lists, CPIM To")
{
	static const char *const plain[] = {
			"sip:bob@cpm.test", "sip:dave@cpm.test"};
	static const char *const desk[] = {"sip:bob@cpm.test", "sip:desk@cpm.test"};
	static const char *const carol[] = {
			"sip:bob@cpm.test", "sip:carol@cpm.test"};
	static const char *const option[] = {"--exploder", "--conference"};
	static const char *const uri[] = {
			"sip:exploder@cpm.test", "sip:conference@cpm.test"};

	for(int i = 0; i < 2; i++) {
		FLOW(a, option[i], uri[i], "--to", "dave");
		check_list(a.invite, uri[i], plain);
		flow_answer(&a, NULL);
		flow_bind(&a);
		flow_take_content(&a);
		cr_assert_str_eq(net_cpim(a.content, "To"), fmt("<%s>", uri[i]));
		flow_finish(&a, 0);
		FLOW(b, option[i], uri[i], "--reply-from",
				flow_received_file("\"reply_to\":\"sip:desk@cpm.test\","));
		check_list(b.invite, uri[i], desk);
		net_reply(b.n, b.invite, "486 Busy Here", NULL, NULL);
		FLOW(c, option[i], uri[i], "--reply-from", flow_received_file(""));
		check_list(c.invite, uri[i], carol);
		net_reply(c.n, c.invite, "486 Busy Here", NULL, NULL);
	}
}

E2E_TEST(client_large, pre_defined_group_is_the_request_uri,
		"CL-09 CL-03: the group's address, no list")
{
	FLOW(f, "--group");

	cr_assert_eq(strncmp(f.invite->text, "INVITE sip:bob@cpm.test ", 24), 0);
	cr_assert_str_eq(net_header(f.invite->text, "P-Preferred-Service"),
			ICSI "largemsg.group");
	cr_assert_str_eq(
			net_header(f.invite->text, "Content-Type"), "application/sdp");
	net_reply(f.n, f.invite, "486 Busy Here", NULL, NULL);
}
