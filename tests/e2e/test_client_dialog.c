/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's dialogs seen from the other end: lost ACK, refreshes, CANCEL,
 * BYE from the network; and its command line.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clientnet_flow.h"
#include "internal.h"

E2E_SUITE(client_dialog);

/* A dialog in which the test is the caller. */
struct caller
{
	struct net *n;
	struct proc *p;
	int port;
	const char *to; /* with the client's tag */
	const char *sdp;
};

static void request(struct caller *c, const char *method, int cseq,
		const char *headers, const char *sdp)
{
	net_text(c->n, c->port,
			fmt("%s sip:bob@127.0.0.1:%d SIP/2.0\r\n"
				"Via: SIP/2.0/UDP %s;branch=z9hG4bKdlg%d%s\r\n"
				"Max-Forwards: 70\r\nFrom: <sip:carol@cpm.test>;tag=carol\r\n"
				"To: %s\r\nCall-ID: dialog-1\r\nCSeq: %d %s\r\n"
				"Contact: <sip:carol@%s>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
					method, c->port, net_addr(c->n), cseq,
					strcmp(method, "CANCEL") == 0 ? "INVITE" : method, c->to,
					cseq, method, net_addr(c->n), headers ? headers : "",
					sdp ? "Content-Type: application/sdp\r\n" : "",
					sdp ? strlen(sdp) : 0, sdp ? sdp : ""));
}

static void call(
		struct caller *c, int msrp_port, const char *option, const char *value)
{
	c->n = net_open();
	c->p = net_client(c->n, "receive", "--no-register", "--out",
			test_path("in"), option, value, NULL);
	c->port = (int)event_number(proc_event(c->p, "listening", 5000), "port");
	c->to = "<sip:bob@cpm.test>";
	c->sdp = fmt("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
				 "c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message %d TCP/MSRP *\r\n"
				 "a=sendonly\r\na=accept-types:message/cpim\r\n"
				 "a=setup:actpass\r\na=msrp-cema\r\n"
				 "a=path:msrp://127.0.0.1:%d/carol1;tcp\r\n",
			msrp_port, msrp_port);
	request(c, "INVITE", 1,
			"Supported: timer\r\nSession-Expires: 900;refresher=uac\r\n"
			"Conversation-ID: conv\r\nContribution-ID: contr\r\n",
			c->sdp);
}

/* The client's 200, acknowledged, and its MSRP connection taken. */
static struct net_msg *established(struct caller *c)
{
	int port, listener = net_msrp_listen(&port);
	struct net_msg *ok;

	call(c, port, NULL, NULL);
	ok = net_response(c->n, "INVITE", 3000);
	c->to = net_header(ok->text, "To");
	request(c, "ACK", 1, NULL, NULL);
	net_msrp_accept(listener, 3000);
	return ok;
}

E2E_TEST(client_dialog, answer_is_repeated_until_the_ack_comes,
		"CL-15: lost ACK; the active client connects after it, not before")
{
	struct caller c;
	struct net_msg *ok;
	int port, listener = net_msrp_listen(&port), fd;
	struct net_frame *f;

	call(&c, port, NULL, NULL);
	ok = net_response(c.n, "INVITE", 3000);
	cr_assert_eq(ok->status, 200);
	cr_assert(strstr(ok->body, "a=recvonly\r\n"));
	cr_assert(strstr(ok->body, "a=setup:active\r\n"));
	cr_assert(strstr(ok->body, "a=msrp-cema\r\n"));
	cr_assert_str_eq(
			net_header(ok->text, "Session-Expires"), "900;refresher=uac");
	cr_assert_str_eq(net_response(c.n, "INVITE", 3000)->text, ok->text);
	c.to = net_header(ok->text, "To");
	request(&c, "ACK", 1, NULL, NULL);
	fd = net_msrp_accept(listener, 3000);
	f = net_frame(fd, 3000);
	cr_assert(f && f->body_len == 0, "the binding SEND");
	net_frame_answer(fd, f, 200);
	request(&c, "BYE", 2, "Reason: SIP;cause=480;text=\"x\"\r\n", NULL);
	cr_assert_eq(net_response(c.n, "BYE", 3000)->status, 200);
	cr_assert(strstr(
			event_text(proc_event(c.p, "bye", 3000), "reason"), "cause=480"));
}

E2E_TEST(client_dialog, refreshes_get_the_same_description,
		"CL-15: UPDATE and re-INVITE within the dialog (RFC 4028)")
{
	struct caller c;
	struct net_msg *ok = established(&c), *again;

	request(&c, "UPDATE", 2,
			"Supported: timer\r\nSession-Expires: 900;refresher=uac\r\n", NULL);
	again = net_response(c.n, "UPDATE", 3000);
	cr_assert_eq(again->status, 200);
	cr_assert_str_eq(
			net_header(again->text, "Session-Expires"), "900;refresher=uac");
	request(&c, "INVITE", 3,
			"Supported: timer\r\nSession-Expires: 900;refresher=uac\r\n",
			c.sdp);
	do
		again = net_response(c.n, "INVITE", 3000);
	while(strcmp(net_header(again->text, "CSeq"), "3 INVITE") != 0);
	cr_assert_eq(again->status, 200);
	cr_assert_str_eq(again->body, ok->body);
	request(&c, "ACK", 3, NULL, NULL);
	request(&c, "BYE", 4, NULL, NULL);
	cr_assert_eq(net_response(c.n, "BYE", 3000)->status, 200);
	proc_signal(c.p, SIGTERM);
	cr_assert_eq(proc_wait(c.p, 5000), 0);
}

E2E_TEST(client_dialog, cancelled_call_is_over_with_487,
		"CL-14: the receiving side of CANCEL")
{
	struct caller c;
	int port;

	net_msrp_listen(&port);
	call(&c, port, "--ring", "10000");
	proc_event(c.p, "invited", 3000);
	request(&c, "CANCEL", 1, NULL, NULL);
	cr_assert_eq(net_response(c.n, "CANCEL", 3000)->status, 200);
	cr_assert_eq(net_response(c.n, "INVITE", 3000)->status, 487);
	proc_event(c.p, "cancelled", 3000);
	proc_signal(c.p, SIGTERM);
	cr_assert_eq(proc_wait(c.p, 5000), 0);
}

E2E_TEST(client_dialog, client_that_leaves_ends_its_dialogs,
		"SIGTERM in the middle of a message")
{
	struct caller c;
	struct net_msg *bye;

	established(&c);
	proc_signal(c.p, SIGTERM);
	bye = net_take(c.n, "BYE", 3000);
	net_reply(c.n, bye, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(c.p, 5000), 0);
}

E2E_TEST(client_dialog, bye_from_the_network_ends_a_message_under_way,
		"CL-21: the other side gives up first")
{
	FLOW(f);

	flow_answer(&f, NULL);
	flow_bind(&f);
	net_request(f.n, f.invite, "BYE", 1, NULL);
	cr_assert_eq(net_response(f.n, "BYE", 3000)->status, 200);
	cr_assert_eq(proc_wait(f.p, 5000), 6);
}

E2E_TEST(client_dialog, signal_gives_the_message_up,
		"CL-14: the user presses ^C while it rings")
{
	FLOW(f);

	net_reply(f.n, f.invite, "180 Ringing", NULL, NULL);
	proc_event(f.p, "provisional", 3000);
	proc_signal(f.p, SIGINT);
	net_reply(f.n, net_take(f.n, "CANCEL", 3000), "200 OK", NULL, NULL);
	net_reply(f.n, f.invite, "487 Request Terminated", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 7);
}

E2E_TEST(client_dialog, silence_of_the_network_ends_in_time,
		"--timeout and its exit code")
{
	struct net *n = net_open();
	struct proc *p = net_client(
			n, "send", "--to", "bob", "--text", "x", "--timeout", "1", NULL);

	cr_assert_eq(proc_wait(p, 9000), 5);
}

E2E_TEST(client_dialog, every_option_is_in_the_manual_page,
		"--help and cpm-client.1 agree")
{
	struct net *n = net_open();
	struct proc *p = net_client(n, "send", "--help", NULL);
	const char *page, *at;
	int options = 0;

	cr_assert_eq(proc_wait(p, 3000), 0);
	page = file_text(fmt("%s/tests/client/cpm-client.1", e2e_root()));
	cr_assert(page[0], "the manual page is not where it should be");
	for(at = proc_stdout(p); (at = strstr(at, "\n  --")) != NULL; at++) {
		const char *name = fmt("Fl -%.*s", (int)strcspn(at + 5, " \n"), at + 5);

		cr_assert(strstr(page, name), "%s is not in the manual page", name);
		options++;
	}
	cr_assert_gt(options, 50);
}
