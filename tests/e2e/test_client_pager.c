/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the client sends as pager messages, read from the wire: every clause of
 * OMA CPM 7.2.1.1 and 7.2.1.3. The test plays the network (clientnet.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clientnet_flow.h"

E2E_SUITE(client_pager);

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

/* One message to bob with these options, taken and answered with 200. */
#define SEND(net_, proc_, ...)                                                 \
	proc_ = net_client((net_), "send", "--to", "sip:bob@cpm.test", "--text",   \
			"hello", ##__VA_ARGS__, NULL)

static struct net_msg *answered(struct net *n, struct proc *p)
{
	struct net_msg *m = net_take(n, "MESSAGE", 5000);

	net_reply(n, m, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(p, 5000), 0, "%s", proc_stderr(p));
	return m;
}

E2E_TEST(client_pager, message_names_the_pager_service,
		"CP-01 CP-03 CP-05 CP-15: Accept-Contact, P-Preferred-Service and "
		"User-Agent of a MESSAGE with a message/cpim body")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	SEND(n, p);
	m = answered(n, p);
	cr_assert_eq(
			strncmp(m->text, "MESSAGE sip:bob@cpm.test SIP/2.0\r\n", 34), 0);
	cr_assert_str_eq(net_header(m->text, "Accept-Contact"),
			"*;+g.3gpp.icsi-ref=\"" ICSI_ENCODED "msg\"");
	cr_assert_str_eq(net_header(m->text, "P-Preferred-Service"), ICSI "msg");
	cr_assert_eq(net_header_count(m->text, "P-Preferred-Service"), 1);
	cr_assert(strstr(net_header(m->text, "User-Agent"), "CPM-client/OMA2.2"));
	cr_assert_str_eq(net_header(m->text, "Content-Type"), "message/cpim");
	cr_assert_str_eq(
			net_header(m->text, "Content-Length"), fmt("%zu", strlen(m->body)));
	cr_assert_str_eq(net_header(m->text, "Contact"), "", "RFC 3428 section 4");
}

E2E_TEST(client_pager, optional_fields_are_sent_only_when_asked_for,
		"CP-02 CP-04 CP-06 CP-07 CP-14: Reply-To, Privacy, Expires, identity "
		"and InReplyTo-Contribution-ID")
{
	static const char *const names[] = {"Reply-To", "Privacy", "Expires",
			"P-Preferred-Identity", "InReplyTo-Contribution-ID", "Require",
			"Message-Expires"};
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	SEND(n, p);
	m = answered(n, p);
	for(size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_eq(net_header_count(m->text, names[i]), 0, "%s", names[i]);
	SEND(n, p, "--reply-to", "sip:desk@cpm.test", "--anonymous", "--expires",
			"3600", "--identity", "tel:+15550101", "--in-reply-to", "xyz");
	m = answered(n, p);
	cr_assert_str_eq(net_header(m->text, "Reply-To"), "<sip:desk@cpm.test>");
	cr_assert_str_eq(net_header(m->text, "Privacy"), "id");
	cr_assert(strstr(net_header(m->text, "From"), "anonymous.invalid"));
	cr_assert_str_eq(net_header(m->text, "Expires"), "3600");
	cr_assert_eq(net_header_count(m->text, "Message-Expires"), 0);
	cr_assert_neq(net_header(m->text, "Date")[0], '\0', "RFC 3428 section 4");
	cr_assert_str_eq(
			net_header(m->text, "P-Preferred-Identity"), "<tel:+15550101>");
	cr_assert_str_eq(net_header(m->text, "InReplyTo-Contribution-ID"), "xyz");
	cr_assert(!strstr(m->body, "alice") && !strstr(m->body, "+15550101"),
			"the wrapper tells what Privacy hides");
}

E2E_TEST(client_pager, reply_goes_to_reply_to_else_to_the_asserted_originator,
		"CP-08 CP-12 CP-14: reply rules for one recipient")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	p = net_client(n, "send", "--text", "re", "--reply-from",
			flow_received_file("\"reply_to\":\"sip:desk@cpm.test\","), NULL);
	m = answered(n, p);
	cr_assert_eq(strncmp(m->text, "MESSAGE sip:desk@cpm.test ", 26), 0);
	cr_assert_str_eq(net_header(m->text, "Conversation-ID"), "conv-1");
	cr_assert_str_eq(
			net_header(m->text, "InReplyTo-Contribution-ID"), "contr-1");
	cr_assert_str_neq(net_header(m->text, "Contribution-ID"), "contr-1");
	cr_assert_str_eq(net_cpim(m->body, "To"), "<sip:desk@cpm.test>");

	p = net_client(n, "send", "--text", "re", "--reply-from",
			flow_received_file(""), NULL);
	m = answered(n, p);
	cr_assert_eq(strncmp(m->text, "MESSAGE sip:carol@cpm.test ", 27), 0);

	SEND(n, p, "--reply-from",
			flow_received_file("\"reply_to\":\"sip:desk@cpm.test\","));
	m = answered(n, p);
	cr_assert_eq(strncmp(m->text, "MESSAGE sip:bob@cpm.test ", 25), 0,
			"the user's own address wins");
	cr_assert_str_eq(
			net_header(m->text, "InReplyTo-Contribution-ID"), "contr-1");
}

/* The parts of a list message: resource list and message/cpim. */
static void check_list(
		struct net_msg *m, const char *ruri, const char *const *uris, int count)
{
	const char *type = net_header(m->text, "Content-Type"), *list, *at;
	const char *boundary = strstr(type, "boundary=");
	int entries = 0;

	cr_assert_eq(strncmp(m->text, fmt("MESSAGE %s SIP/2.0", ruri),
						 strlen(ruri) + 16),
			0);
	cr_assert_eq(strncasecmp(type, "multipart/mixed", 15), 0, "%s", type);
	cr_assert(boundary);
	cr_assert_str_eq(net_header(m->text, "Require"), "recipient-list-message");
	cr_assert_str_eq(
			net_header(m->text, "P-Preferred-Service"), ICSI "msg.group");
	cr_assert_str_eq(net_header(m->text, "Accept-Contact"),
			"*;+g.3gpp.icsi-ref=\"" ICSI_ENCODED "msg\"");
	list = net_between(m->body, "Content-Type: application/resource-lists+xml",
			fmt("--%s", boundary + 9));
	cr_assert(strstr(list, "Content-Disposition: recipient-list"));
	cr_assert(strstr(list, "urn:ietf:params:xml:ns:resource-lists"));
	for(int i = 0; i < count; i++)
		cr_assert(strstr(list, fmt("<entry uri=\"%s\"", uris[i])), "%s in %s",
				uris[i], list);
	for(at = list; (at = strstr(at, "<entry ")) != NULL; at++)
		entries++;
	cr_assert_eq(entries, count);
	at = strstr(m->body, "Content-Type: message/cpim");
	cr_assert(at);
	at = strstr(at, "\r\n\r\n") + 4;
	cr_assert_str_eq(net_cpim(at, "To"), fmt("<%s>", ruri));
}

/* Replies go to Reply-To, else to the originator, beside the --to bob. */
static void check_reply_lists(const char *option, const char *ruri)
{
	static const char *const to_desk[] = {
			"sip:desk@cpm.test", "sip:bob@cpm.test"};
	static const char *const to_carol[] = {
			"sip:carol@cpm.test", "sip:bob@cpm.test"};
	struct net *n = net_open();
	struct proc *p;

	SEND(n, p, option, ruri, "--reply-from",
			flow_received_file("\"reply_to\":\"sip:desk@cpm.test\","));
	check_list(answered(n, p), ruri, to_desk, 2);
	SEND(n, p, option, ruri, "--reply-from", flow_received_file(""));
	check_list(answered(n, p), ruri, to_carol, 2);
}

E2E_TEST(client_pager, one_to_many_goes_to_the_exploder_with_a_list,
		"CP-11 CP-03 CG-02: EXPLODER-URI, resource list, CPIM To")
{
	static const char *const uris[] = {
			"sip:bob@cpm.test", "sip:carol@cpm.test", "tel:+15550104"};
	struct net *n = net_open();
	struct proc *p;

	SEND(n, p, "--exploder", "sip:exploder@cpm.test", "--to", "carol", "--to",
			"+15550104");
	check_list(answered(n, p), "sip:exploder@cpm.test", uris, 3);
	check_reply_lists("--exploder", "sip:exploder@cpm.test");
}

E2E_TEST(client_pager, ad_hoc_group_goes_to_the_controlling_function,
		"CP-09 CP-03 CG-02: Controlling Function, resource list, CPIM To")
{
	static const char *const uris[] = {
			"sip:bob@cpm.test", "sip:carol@cpm.test"};
	struct net *n = net_open();
	struct proc *p;

	SEND(n, p, "--conference", "sip:conference@cpm.test", "--to", "carol");
	check_list(answered(n, p), "sip:conference@cpm.test", uris, 2);
	check_reply_lists("--conference", "sip:conference@cpm.test");
}

E2E_TEST(client_pager, pre_defined_group_is_the_request_uri,
		"CP-10 CP-03 CG-02: the group's address, no list")
{
	struct net *n = net_open();
	struct proc *p = net_client(n, "send", "--to", "sip:team@cpm.test",
			"--group", "--text", "hello", NULL);
	struct net_msg *m = answered(n, p);

	cr_assert_eq(strncmp(m->text, "MESSAGE sip:team@cpm.test ", 26), 0);
	cr_assert_str_eq(
			net_header(m->text, "P-Preferred-Service"), ICSI "msg.group");
	cr_assert_str_eq(net_header(m->text, "Content-Type"), "message/cpim");
	cr_assert_str_eq(net_cpim(m->body, "To"), "<sip:team@cpm.test>");
}

E2E_TEST(client_pager, ids_are_new_for_each_message_unless_given,
		"CP-12 CP-13: Conversation-ID and Contribution-ID")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *a, *b, *c;

	SEND(n, p);
	a = answered(n, p);
	SEND(n, p);
	b = answered(n, p);
	SEND(n, p, "--conversation-id", net_header(a->text, "Conversation-ID"));
	c = answered(n, p);
	cr_assert_geq(strlen(net_header(a->text, "Conversation-ID")), 32);
	cr_assert_geq(strlen(net_header(a->text, "Contribution-ID")), 32);
	cr_assert_str_neq(net_header(a->text, "Conversation-ID"),
			net_header(b->text, "Conversation-ID"));
	cr_assert_str_neq(net_header(a->text, "Contribution-ID"),
			net_header(b->text, "Contribution-ID"));
	cr_assert_str_eq(net_header(a->text, "Conversation-ID"),
			net_header(c->text, "Conversation-ID"));
	cr_assert_str_neq(net_header(a->text, "Contribution-ID"),
			net_header(c->text, "Contribution-ID"));
	cr_assert_str_neq(net_cpim(a->body, "imdn.Message-ID"),
			net_cpim(b->body, "imdn.Message-ID"));
}

E2E_TEST(client_pager, wrapper_says_from_to_type_and_the_reports_wanted,
		"CG-01 CG-02 CG-03 CG-04: CPIM headers")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	SEND(n, p, "--imdn", "delivered,displayed,interworked");
	m = answered(n, p);
	cr_assert_str_eq(net_cpim(m->body, "From"), "<sip:alice@cpm.test>");
	cr_assert_str_eq(net_cpim(m->body, "To"), "<sip:bob@cpm.test>");
	cr_assert_str_eq(net_cpim(m->body, "NS"), "imdn <urn:ietf:params:imdn>");
	cr_assert_str_eq(net_cpim(m->body, "imdn.Disposition-Notification"),
			"positive-delivery, display, interworking");
	cr_assert_neq(net_cpim(m->body, "imdn.Message-ID")[0], '\0');
	cr_assert_neq(net_cpim(m->body, "DateTime")[0], '\0');
	cr_assert_str_eq(
			net_cpim(m->body, "Content-Type"), "text/plain;charset=UTF-8");
	cr_assert_str_eq(net_cpim(m->body, "Content-Length"), "5");
	cr_assert_str_eq(m->body + strlen(m->body) - 5, "hello");
	cr_assert_str_eq(net_cpim(m->body, "cpm.Payload-Type"), "",
			"one part: no list of types");
	SEND(n, p);
	m = answered(n, p);
	cr_assert_str_eq(net_cpim(m->body, "imdn.Disposition-Notification"), "");
}

E2E_TEST(client_pager, multipart_payload_lists_its_types,
		"CG-03: cpm.Payload-Type in the order of the parts")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	SEND(n, p, "--file", test_file("small.png", 100, true), "--type",
			"image/png", "--multipart", "related");
	m = answered(n, p);
	cr_assert_str_eq(
			net_cpim(m->body, "cpm.Payload-Type"), "text/plain, image/png");
	cr_assert(strstr(m->body,
			"NS: cpm <http://www.openmobilealliance.org/cpm/>"
			"\r\ncpm.Payload-Type:"));
	cr_assert_eq(strncmp(net_cpim(m->body, "Content-Type"),
						 "multipart/related;boundary=", 27),
			0);
	cr_assert(strstr(m->body, "\r\nContent-Type: image/png\r\n"));
}

E2E_TEST(client_pager, size_of_the_wrapper_decides_at_1300_bytes,
		"CP-01 CL-01 CG-05: 1300 bytes go as MESSAGE, 1301 as INVITE")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;
	int empty;

	/* how long the wrapper is around a text of three digits */
	p = net_client(n, "send", "--to", "sip:bob@cpm.test", "--file",
			test_file("a.txt", 100, true), NULL);
	m = answered(n, p);
	empty = (int)strlen(m->body) - 100 + 1; /* four digits in the length */
	p = net_client(n, "send", "--to", "sip:bob@cpm.test", "--file",
			test_file("b.txt", (size_t)(1300 - empty + (1300 - empty < 1000)),
					true),
			NULL);
	m = answered(n, p);
	cr_assert_eq(strlen(m->body), 1300);
	p = net_client(n, "send", "--to", "sip:bob@cpm.test", "--file",
			test_file("c.txt", (size_t)(1301 - empty + (1301 - empty < 1000)),
					true),
			NULL);
	m = net_take(n, "INVITE", 5000);
	cr_assert(strstr(m->body, "a=file-selector:size:1301\r\n"));
	net_reply(n, m, "480 Temporarily Unavailable", NULL, NULL);
	cr_assert_eq(proc_wait(p, 5000), 4);
}

E2E_TEST(client_pager, message_uid_is_read_from_the_answer,
		"CP-16: Message-UID in the 200 OK")
{
	struct net *n = net_open();
	struct proc *p;

	SEND(n, p);
	net_reply(n, net_take(n, "MESSAGE", 5000), "200 OK",
			"Message-UID: 4711\r\n", NULL);
	cr_assert_eq(proc_wait(p, 5000), 0);
	cr_assert_str_eq(
			event_text(proc_event(p, "sent", 1000), "message_uid"), "4711");
}

E2E_TEST(client_pager, refusal_is_told_with_status_warning_and_exit_code,
		"CP-15: the user learns what became of the message")
{
	struct net *n = net_open();
	struct proc *p;
	json_t *e;

	SEND(n, p);
	net_reply(n, net_take(n, "MESSAGE", 5000), "403 Forbidden",
			"Warning: 399 pf \"127 Service not authorised\"\r\n", NULL);
	cr_assert_eq(proc_wait(p, 5000), 4);
	e = proc_event(p, "failed", 1000);
	cr_assert_eq(event_number(e, "status"), 403);
	cr_assert(strstr(event_text(e, "warning"), "127 Service not authorised"));
	cr_assert(strstr(proc_stderr(p), "403 Forbidden"));
}

E2E_TEST(client_pager, challenge_is_answered_once_and_wrong_password_ends,
		"CP-15: digest by RFC 3261 section 22")
{
	static const char challenge[] =
			"Proxy-Authenticate: Digest realm=\"cpm.test\", nonce=\"abc\"\r\n";
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;

	SEND(n, p);
	net_reply(n, net_take(n, "MESSAGE", 5000),
			"407 Proxy Authentication Required", challenge, NULL);
	m = net_take(n, "MESSAGE", 5000);
	cr_assert(strstr(
			net_header(m->text, "Proxy-Authorization"), "username=\"alice\""));
	net_reply(n, m, "407 Proxy Authentication Required", challenge, NULL);
	cr_assert_eq(proc_wait(p, 5000), 8);
}

static const char *object_file(const char *name, const char *text)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
	return path;
}

E2E_TEST(client_pager, stored_copies_of_sent_messages_are_recognised,
		"CP-17: folder and ids when there is no Message-UID")
{
	struct net *n = net_open();
	struct proc *p;
	struct net_msg *m;
	const char *events, *copy, *other;
	json_t *e;

	SEND(n, p);
	m = answered(n, p);
	events = object_file("events.jsonl", proc_stdout(p));
	copy = fmt("From: x\r\nConversation-ID: %s\r\nContribution-ID: %s\r\n"
			   "IMDN-Message-ID: %s\r\nPayload-Type: other/type\r\n\r\nbody",
			net_header(m->text, "Conversation-ID"),
			net_header(m->text, "Contribution-ID"),
			net_cpim(m->body, "imdn.Message-ID"));
	other = fmt("From: x\r\nConversation-ID: %s\r\nContribution-ID: other\r\n"
				"\r\nbody",
			net_header(m->text, "Conversation-ID"));
	p = net_client(n, "match", "--events", events, "--folder",
			"Default/sip:bob@cpm.test", "--file", object_file("1.eml", copy),
			"--file", object_file("2.eml", other), NULL);
	cr_assert_eq(proc_wait(p, 5000), 0);
	e = proc_event(p, "duplicate", 1000);
	cr_assert(strstr(event_text(e, "object"), "1.eml"));
	cr_assert_str_eq(event_text(e, "by"), "ids");
	cr_assert(
			strstr(event_text(proc_event(p, "new", 1000), "object"), "2.eml"));
	p = net_client(n, "match", "--events", events, "--folder",
			"Default/sip:carol@cpm.test", "--file", test_path("1.eml"), NULL);
	cr_assert_eq(proc_wait(p, 5000), 0);
	cr_assert(proc_event(p, "new", 1000), "another party's folder");
}
