/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The main job: one message from alice to bob through core, PF and relay, and
 * what bob's client sees of it. OMA-TS-CPM_Conv_Fnct 8.2.1.1, 8.2.1.2.
 */
#include <stdlib.h>
#include <string.h>

#include "chain.h"

E2E_SUITE(message);

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

E2E_TEST(message, pager_text_arrives_with_its_headers_rewritten,
		"OP-09 OP-22/part OP-24 OP-46: asserted service, 200 OK, nothing else "
		"changed")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--text",
			"good morning", "--subject", "hello", "--imdn-id", "id-4711",
			"--reply-to", "sip:alice-home@cpm.test", NULL);

	sender_ends(alice, SENT, 15000);
	json_t *sent = proc_event(alice, "sent", 100);
	json_t *sending = proc_event(alice, "sending", 100);
	json_t *got = received(bob, 0);

	cr_assert_eq(event_number(sent, "status"), 200);
	cr_assert_str_eq(event_text(got, "mode"), "pager");
	cr_assert_str_eq(file_text(received_file(bob, 0)), "good morning");
	header_is(got, "P-Asserted-Service", ICSI "msg");
	header_absent(got, "P-Preferred-Service");
	header_has(got, "P-Asserted-Identity", "sip:alice@cpm.test");
	header_is(got, "Accept-Contact",
			"*;+g.3gpp.icsi-ref=\"" ICSI_ENCODED "msg\"");
	header_is(got, "Conversation-ID", event_text(sending, "conversation_id"));
	header_is(got, "Contribution-ID", event_text(sending, "contribution_id"));
	header_has(got, "User-Agent", "CPM-client/OMA");
	header_has(got, "Reply-To", "sip:alice-home@cpm.test");
	/* the wrapper is the client's, byte for byte */
	cr_assert_eq(
			event_number(got, "entity_bytes"), event_number(sending, "bytes"));
	cr_assert_str_eq(event_text(got, "imdn_message_id"), "id-4711");
	cr_assert_eq(proc_wait(bob, 10000), 0);
}

E2E_TEST(message, photo_arrives_intact,
		"OL-06 OL-10/part OL-11 OL-12 OL-13 OL-14 OL-21 OL-25 OL-31: 2 MB in "
		"large "
		"message mode; own dialog towards bob, alice's headers kept")
{
	struct lab *lab = lab_shared();
	const char *photo = test_file("photo.jpg", 2000000, false);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file", photo,
			"--type", "image/jpeg", NULL);

	sender_ends(alice, SENT, 30000);
	json_t *sent = proc_event(alice, "sent", 100);
	json_t *sending = proc_event(alice, "sending", 100);
	json_t *got = received(bob, 0);

	cr_assert_str_eq(file_sha256(received_file(bob, 0)), file_sha256(photo));
	cr_assert_str_eq(event_text(got, "mode"), "large");
	cr_assert_str_eq(event_text(got, "content_type"), "image/jpeg");
	cr_assert_eq(
			event_number(got, "entity_bytes"), event_number(sending, "bytes"));
	cr_assert_eq(event_number(sent, "msrp_status"), 200);
	cr_assert_eq(event_number(sent, "bye_status"), 200);
	/* a B2BUA: nothing of alice's dialog reaches bob */
	cr_assert_str_neq(event_text(got, "call_id"), event_text(sent, "call_id"));
	header_has(got, "Contact", lab->pf_ip);
	header_has(got, "Contact", ICSI_ENCODED "largemsg");
	header_is(got, "P-Asserted-Service", ICSI "largemsg");
	header_absent(got, "P-Preferred-Service");
	header_is(got, "Accept-Contact",
			"*;+g.3gpp.icsi-ref=\"" ICSI_ENCODED "largemsg\"");
	header_has(got, "P-Asserted-Identity", "sip:alice@cpm.test");
	header_is(got, "Conversation-ID", event_text(sending, "conversation_id"));
	header_is(got, "Contribution-ID", event_text(sending, "contribution_id"));
	header_is(got, "Session-Expires", "900;refresher=uac");
	header_absent(got, "Min-SE");
	cr_assert_eq(proc_wait(bob, 10000), 0);
	lab_idle(lab, 5000);
}

E2E_TEST(message, offer_towards_the_recipient_is_the_relays,
		"OL-16 OL-17: path, sendonly, size, actpass, CEMA of the relay's own")
{
	struct lab *lab = lab_shared();
	json_t *got = pass_file(lab, test_file("x", 50000, false), NULL, NULL);
	const char *sdp = event_text(got, "sdp");

	cr_assert(sdp_has(got, "a=sendonly"), "%s", sdp);
	cr_assert(sdp_has(got, "a=setup:actpass"), "%s", sdp);
	cr_assert(sdp_has(got, "a=msrp-cema"), "%s", sdp);
	cr_assert(sdp_has(got, "a=accept-types:message/cpim"), "%s", sdp);
	cr_assert(sdp_has(got, fmt("c=IN IP4 %s", lab->pf_ip)), "%s", sdp);
	cr_assert(sdp_has(got,
					  fmt("a=file-selector:size:%lld",
							  event_number(got, "entity_bytes"))),
			"%s", sdp);
	cr_assert(strstr(sdp, fmt("\na=path:msrp://%s:", lab->pf_ip)) != NULL, "%s",
			sdp);
	cr_assert(strstr(sdp, "TCP/MSRP *") != NULL, "%s", sdp);
}

E2E_TEST(message, answer_to_the_sender_is_the_relays,
		"OL-19 OL-20: Server token, Session-Expires; recvonly, passive, CEMA")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 50000, false), NULL);

	sender_ends(alice, SENT, 15000);
	json_t *answer = proc_event(alice, "answered", 100);
	json_t *sent = proc_event(alice, "sent", 100);
	const char *sdp = event_text(answer, "sdp");

	cr_assert(sdp_has(answer, "a=recvonly"), "%s", sdp);
	cr_assert(sdp_has(answer, "a=setup:passive"), "%s", sdp);
	cr_assert(sdp_has(answer, "a=msrp-cema"), "%s", sdp);
	cr_assert(strstr(sdp, fmt("\na=path:msrp://%s:", lab->pf_ip)) != NULL, "%s",
			sdp);
	header_has(sent, "Server", "CPM-serv/OMA");
	header_has(sent, "Contact", lab->pf_ip);
	cr_assert_eq(proc_wait(bob, 10000), 0);
}

/* The length of a text whose CPIM wrapper has this many bytes: the wrapper of
 * a text between 100 and 9999 bytes differs in its Content-Length alone. */
static size_t text_for(struct lab *lab, size_t entity)
{
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--text",
			file_text(test_file("probe", 100, true)), "--imdn-id", "same",
			NULL);

	sender_ends(alice, SENT, 15000);
	size_t around =
			(size_t)event_number(proc_event(alice, "sending", 100), "bytes")
			- 100;

	cr_assert_eq(proc_wait(bob, 10000), 0);
	return entity - around - (entity - around > 999 ? 1 : 0);
}

E2E_TEST(message, limit_between_the_modes_is_1300_bytes,
		"CG-05: 1300 bytes of message/cpim go by MESSAGE, 1301 by MSRP")
{
	struct lab *lab = lab_shared();
	size_t n = text_for(lab, 1300);

	for(size_t more = 0; more < 2; more++) {
		struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
		const char *text =
				file_text(test_file(fmt("text%zu", more), n + more, true));
		struct proc *alice = client_send(lab, "alice", "--to", BOB, "--text",
				text, "--imdn-id", "same", NULL);

		sender_ends(alice, SENT, 15000);
		json_t *got = received(bob, 0);

		cr_assert_eq(event_number(got, "entity_bytes"), 1300 + (int)more);
		cr_assert_str_eq(event_text(got, "mode"), more ? "large" : "pager");
		cr_assert_str_eq(file_text(received_file(bob, 0)), text);
		cr_assert_eq(proc_wait(bob, 10000), 0);
	}
}

E2E_TEST(message, reports_come_back_to_the_sender,
		"OL-06: IMDNs for a large message return as pager messages")
{
	struct lab *lab = lab_shared();
	struct proc *home = client_receive(lab, "alice", "--count", "2", NULL);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 30000, false), "--imdn", "delivered,displayed",
			"--imdn-id", "report-me", NULL);

	sender_ends(alice, SENT, 15000);
	cr_assert_eq(proc_wait(bob, 10000), 0);
	for(int i = 0; i < 2; i++) {
		json_t *e = proc_event_n(home, "imdn", i, 10000);

		cr_assert_str_eq(event_text(e, "about"), "report-me");
		cr_assert(strcmp(event_text(e, "imdn"), "delivered") == 0
				|| strcmp(event_text(e, "imdn"), "displayed") == 0);
	}
}

E2E_TEST(message, several_parts_stay_one_message,
		"CG-03 OL-06: multipart payload with cpm.Payload-Type passes untouched")
{
	struct lab *lab = lab_shared();
	const char *photo = test_file("photo.jpg", 20000, false);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--text",
			"look at this", "--file", photo, "--type", "image/jpeg", NULL);

	sender_ends(alice, SENT, 15000);
	json_t *got = received(bob, 0);

	cr_assert(strstr(event_text(got, "content_type"), "multipart/") != NULL);
	json_t *cpim = json_object_get(got, "cpim");
	const char *types =
			json_string_value(json_object_get(cpim, "cpm.Payload-Type"));
	cr_assert(
			types && strstr(types, "text/plain") && strstr(types, "image/jpeg"),
			"%s", types ? types : "no cpm.Payload-Type");
	cr_assert_eq(event_number(got, "entity_bytes"),
			event_number(proc_event(alice, "sending", 100), "bytes"));
	cr_assert_eq(proc_wait(bob, 10000), 0);
}

E2E_TEST(message, number_reaches_the_same_user,
		"OL-10/part OP-22/part: a tel: Request-URI is passed on as received")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--count", "2", NULL);
	struct proc *pager = client_send(
			lab, "alice", "--to", "tel:+15550102", "--text", "short", NULL);
	struct proc *large;

	sender_ends(pager, SENT, 15000);
	large = client_send(lab, "alice", "--to", "tel:+15550102", "--file",
			test_file("x", 5000, true), NULL);
	sender_ends(large, SENT, 15000);
	cr_assert_eq(proc_wait(bob, 10000), 0);
}
