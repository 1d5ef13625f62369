/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client as a registered receiver: REGISTER on the wire, what becomes of
 * messages, the reports it sends (RFC 5438), and what it refuses.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clientnet_flow.h"

E2E_SUITE(client_receive);

#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

/* `cpm-client receive` without registration; *port is where it listens. */
#define RECEIVER(n_, p_, port_, ...)                                           \
	struct proc *p_ = net_client(n_, "receive", "--no-register", "--out",      \
			test_path("in"), ##__VA_ARGS__, NULL);                             \
	int port_ = (int)event_number(proc_event(p_, "listening", 5000), "port")

static const char *cpim(const char *imdn_headers)
{
	return fmt("From: <sip:carol@cpm.test>\r\nTo: <sip:bob@cpm.test>\r\n"
			   "DateTime: 2026-11-21T05:00:00Z\r\n%s\r\n"
			   "Content-Type: text/plain\r\n\r\nhi bob",
			imdn_headers);
}

#define IDS                                                                    \
	"Conversation-ID: conv-9\r\nContribution-ID: contr-9\r\n"                  \
	"P-Asserted-Identity: <sip:carol@cpm.test>, <tel:+15550103>\r\n"

/* SIGTERM, and the registration is taken back. */
static void leave(struct net *n, struct proc *p, const char *binding)
{
	struct net_msg *m;

	proc_signal(p, SIGTERM);
	do {
		m = net_take(n, "REGISTER", 5000);
		net_reply(n, m, "200 OK", binding, NULL);
	} while(!strstr(net_header(m->text, "Expires"), "0")
			&& !strstr(net_header(m->text, "Contact"), "expires=0"));
	cr_assert_eq(proc_wait(p, 5000), 0);
}

E2E_TEST(client_receive, registration_carries_feature_tags_and_instance,
		"REGISTER with CPM feature tags and +sip.instance, refreshed and "
		"undone")
{
	struct net *n = net_open();
	struct proc *p = net_client(n, "receive", "--register-expires", "4",
			"--out", test_path("in"), NULL);
	struct net_msg *m = net_take(n, "REGISTER", 5000);
	const char *c, *binding;

	net_reply(n, m, "401 Unauthorized",
			"WWW-Authenticate: Digest realm=\"cpm.test\", nonce=\"n1\"\r\n",
			NULL);
	m = net_take(n, "REGISTER", 5000);
	c = net_header(m->text, "Contact");
	cr_assert_eq(strncmp(m->text, "REGISTER sip:cpm.test SIP/2.0\r\n", 31), 0);
	cr_assert(
			strstr(net_header(m->text, "Authorization"), "realm=\"cpm.test\""));
	cr_assert(strstr(c,
			"+g.3gpp.icsi-ref=\"" ICSI_ENCODED "msg," ICSI_ENCODED
			"largemsg," ICSI_ENCODED "deferred\""));
	cr_assert(strstr(c, "+sip.instance=\"<urn:uuid:"));
	cr_assert(strstr(net_header(m->text, "Supported"), "gruu"));
	cr_assert_str_eq(net_header(m->text, "Expires"), "4");
	binding = fmt("Contact: %s;expires=4;pub-gruu=\"sip:alice@cpm.test;gr=x\""
				  "\r\n",
			c);
	net_reply(n, m, "200 OK", binding, NULL);
	cr_assert_str_eq(event_text(proc_event(p, "registered", 2000), "gruu"),
			"sip:alice@cpm.test;gr=x");
	m = net_take(n, "REGISTER", 5000);
	net_reply(n, m, "200 OK", binding, NULL);
	leave(n, p, binding);
}

E2E_TEST(client_receive, lost_registration_is_tried_again,
		"a refresh that fails with 503 does not end a receiver")
{
	struct net *n = net_open();
	struct proc *p = net_client(n, "receive", "--register-expires", "4",
			"--out", test_path("in"), NULL);
	struct net_msg *m = net_take(n, "REGISTER", 5000);
	const char *binding =
			fmt("Contact: %s;expires=4\r\n", net_header(m->text, "Contact"));

	net_reply(n, m, "200 OK", binding, NULL);
	proc_event(p, "registered", 2000);
	net_reply(n, net_take(n, "REGISTER", 5000), "503 Service Unavailable", NULL,
			NULL);
	proc_event(p, "register_failed", 2000);
	do { /* what was left of the old one is taken back first */
		m = net_take(n, "REGISTER", 5000);
		net_reply(n, m, "200 OK", binding, NULL);
	} while(strcmp(net_header(m->text, "Expires"), "4") != 0);
	proc_event_n(p, "registered", 1, 2000);
	leave(n, p, binding);
}

E2E_TEST(client_receive, refused_registration_ends_with_its_own_exit_code,
		"exit codes of register")
{
	struct net *n = net_open();
	struct proc *p = net_client(n, "register", NULL);

	net_reply(n, net_take(n, "REGISTER", 5000), "500 Server Error", NULL, NULL);
	cr_assert_eq(proc_wait(p, 5000), 3);
	p = net_client(n, "register", NULL);
	net_reply(n, net_take(n, "REGISTER", 5000), "403 Forbidden", NULL, NULL);
	cr_assert_eq(proc_wait(p, 5000), 8);
}

E2E_TEST(client_receive, pager_message_becomes_a_file_and_an_event,
		"payload, headers and addresses of a received MESSAGE")
{
	struct net *n = net_open();
	RECEIVER(n, p, port, "--count", "1");
	json_t *e;

	net_send(n, port, "MESSAGE", IDS "Reply-To: <sip:desk@cpm.test>\r\n",
			"message/cpim", cpim(""));
	cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 200);
	e = proc_event(p, "received", 3000);
	cr_assert_str_eq(event_text(e, "mode"), "pager");
	cr_assert_str_eq(event_text(e, "originator"), "sip:carol@cpm.test");
	cr_assert_str_eq(event_text(e, "parties.1"), "tel:+15550103");
	cr_assert_str_eq(event_text(e, "reply_to"), "sip:desk@cpm.test");
	cr_assert_str_eq(event_text(e, "conversation_id"), "conv-9");
	cr_assert_str_eq(event_text(e, "contribution_id"), "contr-9");
	cr_assert_str_eq(file_text(event_text(e, "file")), "hi bob");
	cr_assert_str_eq(
			event_text(e, "sha256"), file_sha256(event_text(e, "file")));
	cr_assert_eq(proc_wait(p, 5000), 0);
}

E2E_TEST(client_receive, reports_are_sent_as_the_wrapper_asks,
		"delivered and displayed by RFC 5438, to the asserted originator")
{
	static const char *const kinds[] = {"delivered", "displayed"};
	static const char *const elements[] = {
			"delivery-notification", "display-notification"};
	struct net *n = net_open();
	RECEIVER(n, p, port, "--count", "1");

	net_send(n, port, "MESSAGE", IDS, "message/cpim",
			cpim("NS: i <urn:ietf:params:imdn>\r\ni.Message-ID: id&1\r\n"
				 "i.Disposition-Notification: positive-delivery, display\r\n"));
	cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 200);
	for(int i = 0; i < 2; i++) {
		struct net_msg *m = net_take(n, "MESSAGE", 3000);

		cr_assert_eq(strncmp(m->text, "MESSAGE sip:carol@cpm.test ", 27), 0);
		cr_assert_str_eq(net_header(m->text, "Conversation-ID"), "conv-9");
		cr_assert_str_neq(net_header(m->text, "Contribution-ID"), "contr-9");
		cr_assert(strstr(
				net_header(m->text, "Accept-Contact"), ICSI_ENCODED "msg\""));
		cr_assert_str_eq(net_cpim(m->body, "Content-Type"), "message/imdn+xml");
		cr_assert_str_eq(
				net_cpim(m->body, "Content-Disposition"), "notification");
		cr_assert_str_eq(
				net_cpim(m->body, "imdn.Disposition-Notification"), "");
		cr_assert(strstr(m->body, "<message-id>id&amp;1</message-id>"));
		cr_assert(strstr(m->body,
				fmt("<%s><status><%s/></status></%s>", elements[i], kinds[i],
						elements[i])));
		net_reply(n, m, "200 OK", NULL, NULL);
	}
	cr_assert_eq(proc_wait(p, 5000), 0);
}

E2E_TEST(client_receive, nobody_is_told_what_he_did_not_ask_for,
		"no report without request, to nobody, about a report or to himself")
{
	static const char ask[] =
			"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n"
			"imdn.Disposition-Notification: positive-delivery\r\n";
	struct net *n = net_open();
	RECEIVER(n, p, port, "--count", "4");

	net_send(n, port, "MESSAGE", IDS, "message/cpim",
			cpim("NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n"));
	net_send(n, port, "MESSAGE", IDS, "message/cpim",
			cpim(fmt("%sMessage-Direction: sent\r\n", ask)));
	net_send(n, port, "MESSAGE",
			"P-Asserted-Identity: <sip:anonymous@anonymous.invalid>\r\n",
			"message/cpim", cpim(ask));
	net_send(n, port, "MESSAGE", IDS, "message/cpim",
			fmt("From: <sip:carol@cpm.test>\r\nTo: <sip:bob@cpm.test>\r\n%s\r\n"
				"Content-Type: message/imdn+xml\r\n\r\n"
				"<imdn><message-id>77</message-id><delivery-notification>"
				"<status><delivered/></status></delivery-notification></imdn>",
					ask));
	for(int i = 0; i < 4; i++)
		cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 200);
	cr_assert_null(net_poll(n, "MESSAGE", 300));
	cr_assert_eq(proc_wait(p, 5000), 0);
	cr_assert_str_eq(event_text(proc_event(p, "imdn", 1000), "about"), "77");
	cr_assert_str_eq(
			event_text(proc_event(p, "imdn", 1000), "imdn"), "delivered");
}

E2E_TEST(client_receive, damaged_requests_get_the_status_their_rfc_names,
		"415, 400, 488; the client lives on")
{
	struct net *n = net_open();
	RECEIVER(n, p, port);

	net_send(n, port, "MESSAGE", NULL, "text/plain", "hello");
	cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 415);
	net_send(n, port, "MESSAGE", NULL, "message/cpim", "no headers at all");
	cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 400);
	net_send(n, port, "INVITE", NULL, NULL, NULL);
	cr_assert_eq(net_response(n, "INVITE", 3000)->status, 488);
	net_send(n, port, "INVITE", NULL, "application/sdp",
			"v=0\r\nm=message 9 TCP/MSRP *\r\na=sendonly\r\n");
	cr_assert_eq(net_response(n, "INVITE", 3000)->status, 488);
	net_send(n, port, "MESSAGE", IDS, "message/cpim", cpim(""));
	cr_assert_eq(net_response(n, "MESSAGE", 3000)->status, 200);
	proc_signal(p, SIGTERM);
	cr_assert_eq(proc_wait(p, 5000), 0);
}

/* One client sends a file to another, straight. */
static json_t *straight(const char *const extra_send[2],
		const char *const extra_receive[2], size_t bytes)
{
	struct net *n = net_open();
	const char *file = test_file(fmt("%zu.bin", bytes), bytes, false);
	RECEIVER(n, p, port, "--no-imdn", "--count", "1", extra_receive[0],
			extra_receive[1]);
	struct proc *s = net_client(n, "send", "--proxy", fmt("127.0.0.1:%d", port),
			"--to", "bob", "--file", file, extra_send[0], extra_send[1], NULL);
	json_t *e;

	cr_assert_eq(proc_wait(s, 20000), 0, "%s", proc_stderr(s));
	e = proc_event(p, "received", 5000);
	cr_assert_str_eq(file_sha256(event_text(e, "file")), file_sha256(file));
	cr_assert_eq(event_number(e, "bytes"), (long long)bytes);
	cr_assert_eq(proc_wait(p, 5000), 0, "%s", proc_stderr(p));
	return e;
}

E2E_TEST(client_receive, large_messages_arrive_whole_in_every_role,
		"CL-15 CL-16 CL-17: active, passive, TLS, one chunk, many chunks")
{
	static const char *const sends[][2] = {{NULL, NULL}, {"--setup", "active"},
			{"--setup", "passive"}, {"--tls", NULL}, {"--chunk", "0"},
			{"--exact-range", NULL}, {"--no-cema", NULL}};
	static const char *const receives[][2] = {
			{NULL, NULL}, {"--setup", "passive"}, {"--rate", "4000000"}};

	for(size_t i = 0; i < sizeof(sends) / sizeof(sends[0]); i++)
		for(size_t k = 0; k < sizeof(receives) / sizeof(receives[0]); k++)
			straight(sends[i], receives[k], 700000);
}

E2E_TEST(client_receive, hundred_megabytes_arrive_whole, "CL-17: one big file")
{
	straight((const char *const[2]){NULL, NULL},
			(const char *const[2]){NULL, NULL}, 100 * 1000 * 1000);
}
