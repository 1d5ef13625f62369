/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the client does after the INVITE of a large message: CANCEL, ACK, MSRP,
 * BYE, session timer (OMA CPM 7.2.1.2 #20 and all that follows). The test plays
 * the network and the MSRP peer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clientnet_flow.h"

E2E_SUITE(client_transfer);

E2E_TEST(client_transfer, giving_up_before_the_answer_sends_cancel,
		"CL-14: CANCEL when no final answer has come")
{
	FLOW(f, "--cancel-after", "300");
	struct net_msg *cancel;

	net_reply(f.n, f.invite, "180 Ringing", NULL, NULL);
	cancel = net_take(f.n, "CANCEL", 3000);
	cr_assert_str_eq(net_header(cancel->text, "Call-ID"),
			net_header(f.invite->text, "Call-ID"));
	net_reply(f.n, cancel, "200 OK", NULL, NULL);
	net_reply(f.n, f.invite, "487 Request Terminated", NULL, NULL);
	net_take(f.n, "ACK", 3000);
	cr_assert_eq(proc_wait(f.p, 5000), 7);
	cr_assert_str_eq(
			event_text(proc_event(f.p, "failed", 1000), "stage"), "cancelled");
}

E2E_TEST(client_transfer, answer_that_crosses_the_cancel_is_acked_and_ended,
		"CL-14 CL-15: a 200 after CANCEL gets ACK and BYE")
{
	FLOW(f, "--cancel-after", "300");
	struct net_msg *cancel;

	net_reply(f.n, f.invite, "180 Ringing", NULL, NULL);
	cancel = net_take(f.n, "CANCEL", 3000);
	flow_answer(&f, NULL);
	net_reply(f.n, cancel, "200 OK", NULL, NULL);
	flow_finish(&f, 7);
	cr_assert_neq(net_header(f.bye->text, "Reason")[0], '\0');
}

E2E_TEST(client_transfer, message_goes_out_in_chunks_on_one_bound_connection,
		"CL-15 CL-16 CL-17 CG-01 CG-02 CG-03: ACK, connection, empty SEND, "
		"chunks, To-Path, Content-Type")
{
	FLOW(f, "--chunk", "3000", "--imdn", "delivered");
	struct net_frame *c = NULL;
	const char *id = NULL;
	size_t next = 1;

	flow_answer(&f, NULL);
	flow_bind(&f);
	f.content = calloc(1, 2 * FLOW_BYTES);
	while(!c || c->flag != '$') {
		c = net_frame(f.fd, 5000);
		cr_assert(c && c->body_len > 0 && c->body_len <= 3000);
		cr_assert_str_eq(net_header(c->head, "To-Path"),
				fmt("msrp://127.0.0.1:%d/netsession;tcp", f.port));
		cr_assert_str_eq(net_header(c->head, "From-Path"),
				net_between(f.invite->body, "a=path:", "\r"));
		cr_assert_str_eq(net_header(c->head, "Content-Type"), "message/cpim");
		cr_assert(!id || strcmp(id, net_header(c->head, "Message-ID")) == 0);
		id = net_header(c->head, "Message-ID");
		cr_assert_eq(strtoul(net_header(c->head, "Byte-Range"), NULL, 10), next,
				"%s", net_header(c->head, "Byte-Range"));
		cr_assert(strstr(net_header(c->head, "Byte-Range"),
				fmt("/%s",
						net_between(f.invite->body,
								"a=file-selector:size:", "\r"))));
		next += c->body_len;
		memcpy(f.content + f.len, c->body, c->body_len);
		f.len += c->body_len;
		net_frame_answer(f.fd, c, 200);
	}
	cr_assert_str_eq(net_cpim(f.content, "From"), "<sip:alice@cpm.test>");
	cr_assert_str_eq(net_cpim(f.content, "To"), "<sip:bob@cpm.test>");
	cr_assert_str_eq(
			net_cpim(f.content, "Content-Type"), "text/plain;charset=UTF-8");
	cr_assert_str_eq(net_cpim(f.content, "imdn.Disposition-Notification"),
			"positive-delivery");
	cr_assert_str_eq(strstr(strstr(f.content, "\r\n\r\n") + 4, "\r\n\r\n") + 4,
			file_text(test_path("payload.txt")));
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, negotiated_chunk_size_is_kept,
		"CL-17: the answer's chunk size (5.2.1) bounds every SEND")
{
	FLOW(f, "--chunk", "9000", "--chunk-attribute", "x-chunk-size");
	struct net_frame *c = NULL;

	cr_assert(strstr(f.invite->body, "\r\na=x-chunk-size:9000\r\n"));
	f.listener = net_msrp_listen(&f.port);
	net_reply(f.n, f.invite, "200 OK", NULL,
			net_sdp(f.port, "passive",
					fmt("a=path:msrp://127.0.0.1:%d/netsession;tcp\r\n"
						"a=x-chunk-size:4096\r\n",
							f.port)));
	net_take(f.n, "ACK", 5000);
	flow_bind(&f);
	while(!c || c->flag != '$') {
		c = net_frame(f.fd, 5000);
		cr_assert(c && c->body_len <= 4096, "%zu", c ? c->body_len : 0);
		net_frame_answer(f.fd, c, 200);
	}
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, multipart_payload_lists_its_types,
		"CL-17 CG-03: cpm.Payload-Type over MSRP")
{
	FLOW(f, "--text", "look");

	flow_answer(&f, NULL);
	flow_bind(&f);
	flow_take_content(&f);
	cr_assert_str_eq(
			net_cpim(f.content, "cpm.Payload-Type"), "text/plain, text/plain");
	cr_assert_eq(strncmp(net_cpim(f.content, "Content-Type"),
						 "multipart/mixed;boundary=", 25),
			0);
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, connection_goes_to_the_media_address_under_cema,
		"CL-16: c= and m= of the answer, not the host of its path")
{
	FLOW(f);

	f.listener = net_msrp_listen(&f.port);
	net_reply(f.n, f.invite, "200 OK", NULL,
			net_sdp(f.port, "passive",
					"a=path:msrp://192.0.2.1:9/netsession;tcp\r\n"
					"a=msrp-cema\r\n"));
	net_take(f.n, "ACK", 5000);
	f.fd = net_msrp_accept(f.listener, 5000);
	net_frame_answer(f.fd, net_frame(f.fd, 5000), 200);
	flow_take_content(&f);
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, active_answerer_connects_and_binds,
		"CL-15 CL-16: RFC 6135 with the roles the other way round")
{
	FLOW(f);
	const char *path = net_between(f.invite->body, "a=path:", "\r");
	const char *bind_send;
	struct net_frame *c;

	net_reply(f.n, f.invite, "200 OK", NULL,
			net_sdp(9, "active",
					"a=path:msrp://127.0.0.1:9/netsession;tcp\r\n"
					"a=msrp-cema\r\n"));
	net_take(f.n, "ACK", 5000);
	f.fd = net_msrp_connect("127.0.0.1",
			(int)strtol(
					net_between(f.invite->body, "m=message ", " "), NULL, 10));
	bind_send = fmt("MSRP bind1234 SEND\r\nTo-Path: %s\r\n"
					"From-Path: msrp://127.0.0.1:9/netsession;tcp\r\n"
					"Message-ID: 1\r\n-------bind1234$\r\n",
			path);
	cr_assert_eq(send(f.fd, bind_send, strlen(bind_send), 0),
			(ssize_t)strlen(bind_send));
	c = net_frame(f.fd, 5000);
	cr_assert(c && c->status == 200 && strcmp(c->tid, "bind1234") == 0,
			"the binding SEND is answered before anything is sent");
	flow_take_content(&f);
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, call_is_completed_when_every_chunk_is_acknowledged,
		"CL-19: BYE with cause 200 and not before the last 200")
{
	FLOW(f, "--chunk", "5000");
	struct net_frame *c = NULL, *last = NULL;

	flow_answer(&f, NULL);
	flow_bind(&f);
	while(!c || c->flag != '$') {
		c = net_frame(f.fd, 5000);
		cr_assert(c);
		if(c->flag == '$')
			last = c;
		else
			net_frame_answer(f.fd, c, 200);
	}
	cr_assert_null(net_poll(f.n, "BYE", 300), "BYE before the last 200");
	net_frame_answer(f.fd, last, 200);
	f.bye = net_take(f.n, "BYE", 3000);
	cr_assert_str_eq(net_header(f.bye->text, "Reason"),
			"SIP;cause=200;text=\"Call completed\"");
	cr_assert_null(net_frame(f.fd, 300), "nothing more");
	net_reply(f.n, f.bye, "200 OK", "Message-UID: 815\r\n", NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 0);
	cr_assert_str_eq(
			event_text(proc_event(f.p, "sent", 1000), "message_uid"), "815");
}

E2E_TEST(client_transfer, stored_copies_are_recognised_without_a_message_uid,
		"CL-20: folder and ids of a large message")
{
	FLOW(f);
	const char *events = test_path("events.jsonl"), *eml = test_path("7.eml");
	struct proc *p;
	FILE *o;

	flow_answer(&f, NULL);
	flow_bind(&f);
	flow_take_content(&f);
	o = fopen(eml, "w");
	cr_assert(o);
	fprintf(o,
			"Conversation-ID: %s\r\nContribution-ID: %s\r\n"
			"IMDN-Message-ID: %s\r\n\r\n",
			net_header(f.invite->text, "Conversation-ID"),
			net_header(f.invite->text, "Contribution-ID"),
			net_cpim(f.content, "imdn.Message-ID"));
	fclose(o);
	flow_finish(&f, 0);
	o = fopen(events, "w");
	cr_assert(o);
	fputs(proc_stdout(f.p), o);
	fclose(o);
	p = net_client(f.n, "match", "--events", events, "--folder",
			"Default/sip:bob@cpm.test", "--file", eml, NULL);
	cr_assert_eq(proc_wait(p, 5000), 0);
	proc_event(p, "duplicate", 1000);
}

E2E_TEST(client_transfer, msrp_error_stops_the_chunks_and_ends_the_call,
		"CL-21: BYE with cause 480, the user is told")
{
	FLOW(f, "--chunk", "2048");
	struct net_frame *c;
	json_t *e;

	flow_answer(&f, NULL);
	flow_bind(&f);
	c = net_frame(f.fd, 5000);
	cr_assert(c);
	net_frame_answer(f.fd, c, 413);
	f.bye = net_take(f.n, "BYE", 3000);
	cr_assert_str_eq(net_header(f.bye->text, "Reason"),
			"SIP;cause=480;text=\"Transmission Failed\"");
	net_reply(f.n, f.bye, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 6);
	e = proc_event(f.p, "failed", 1000);
	cr_assert_eq(event_number(e, "msrp_status"), 413);
	cr_assert_str_eq(event_text(e, "stage"), "msrp");
	cr_assert(strstr(proc_stderr(f.p), "413"));
}

E2E_TEST(client_transfer, failure_report_ends_the_call_like_an_error_response,
		"CL-21: RFC 4975 section 7.1.2")
{
	FLOW(f);
	struct net_frame *c;
	const char *report;

	flow_answer(&f, NULL);
	flow_bind(&f);
	c = net_frame(f.fd, 5000);
	cr_assert(c);
	report = fmt("MSRP rprt1234 REPORT\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				 "Message-ID: %s\r\nByte-Range: 1-100/%d\r\n"
				 "Status: 000 408 Timeout\r\n-------rprt1234$\r\n",
			net_header(c->head, "From-Path"), net_header(c->head, "To-Path"),
			net_header(c->head, "Message-ID"), FLOW_BYTES);
	cr_assert_gt(send(f.fd, report, strlen(report), 0), 0);
	f.bye = net_take(f.n, "BYE", 3000);
	cr_assert(strstr(net_header(f.bye->text, "Reason"), "cause=480"));
	net_reply(f.n, f.bye, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 6);
}

E2E_TEST(client_transfer, lost_connection_ends_the_call,
		"CL-21: the peer closes in the middle")
{
	FLOW(f, "--chunk", "2048");

	flow_answer(&f, NULL);
	flow_bind(&f);
	cr_assert(net_frame(f.fd, 5000));
	close(f.fd);
	f.bye = net_take(f.n, "BYE", 3000);
	cr_assert(strstr(net_header(f.bye->text, "Reason"), "cause=480"));
	net_reply(f.n, f.bye, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 6);
}

E2E_TEST(client_transfer, refusal_is_acked_and_told,
		"CL-18: ACK for a non-2xx, status and Warning for the user")
{
	FLOW(f);
	json_t *e;

	net_reply(f.n, f.invite, "403 Forbidden",
			"Warning: 399 pf \"133 Size exceeded\"\r\n", NULL);
	net_take(f.n, "ACK", 3000);
	cr_assert_eq(proc_wait(f.p, 5000), 4);
	e = proc_event(f.p, "failed", 1000);
	cr_assert_eq(event_number(e, "status"), 403);
	cr_assert(strstr(event_text(e, "warning"), "133 Size exceeded"));
	cr_assert(strstr(proc_stderr(f.p), "403 Forbidden"));
}

E2E_TEST(client_transfer, unusable_answers_end_the_call,
		"CL-15 CL-21: no SDP, refused stream, no path, other transport")
{
	static const char *const sdp[] = {NULL,
			"v=0\r\nc=IN IP4 127.0.0.1\r\nm=message 0 TCP/MSRP *\r\n"
			"a=path:msrp://127.0.0.1:9/x;tcp\r\n",
			"v=0\r\nc=IN IP4 127.0.0.1\r\nm=message 9 TCP/MSRP *\r\n",
			"v=0\r\nc=IN IP4 127.0.0.1\r\nm=message 9 TCP/TLS/MSRP *\r\n"
			"a=path:msrps://127.0.0.1:9/x;tcp\r\n",
			"v=0\r\nc=IN IP4 127.0.0.1\r\nm=message 9 TCP/MSRP *\r\n"
			"a=setup:passive\r\na=max-size:1000\r\n"
			"a=path:msrp://127.0.0.1:9/x;tcp\r\n"};

	for(size_t i = 0; i < sizeof(sdp) / sizeof(sdp[0]); i++) {
		FLOW(f);
		net_reply(f.n, f.invite, "200 OK", NULL, sdp[i]);
		net_take(f.n, "ACK", 3000);
		flow_finish(&f, 6);
		cr_assert(strstr(net_header(f.bye->text, "Reason"), "cause=480"));
	}
}

/* Keep the session open: bound, its chunks not answered. */
static void hold(struct flow *f, const char *session_expires)
{
	flow_answer(f,
			fmt("Require: timer\r\nSession-Expires: %s\r\n", session_expires));
	flow_bind(f);
}

E2E_TEST(client_transfer, session_timer_of_the_answer_is_kept_by_refreshes,
		"CL-15: Session-Expires with refresher=uac (RFC 4028)")
{
	FLOW(f, "--min-se", "2");
	struct net_msg *m;

	hold(&f, "4;refresher=uac");
	for(int i = 0; i < 2; i++) {
		m = net_take(f.n, "UPDATE", 4000);
		cr_assert_str_eq(
				net_header(m->text, "Session-Expires"), "4;refresher=uac");
		net_reply(f.n, m, "200 OK",
				"Require: timer\r\nSession-Expires: 4;refresher=uac\r\n", NULL);
	}
	flow_take_content(&f);
	flow_finish(&f, 0);
}

E2E_TEST(client_transfer, dialog_that_the_network_has_lost_is_given_up,
		"CL-15: a session refresh that gets 481")
{
	FLOW(f, "--min-se", "2");

	hold(&f, "4;refresher=uac");
	net_reply(f.n, net_take(f.n, "UPDATE", 4000),
			"481 Call/Transaction Does Not Exist", NULL, NULL);
	cr_assert_eq(proc_wait(f.p, 5000), 5);
	cr_assert_str_eq(
			event_text(proc_event(f.p, "failed", 1000), "stage"), "timeout");
}
