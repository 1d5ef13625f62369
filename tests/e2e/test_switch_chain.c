/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager messages that become large ones through the whole chain: real clients,
 * core, PF, relay, gateway. OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 8B.
 */
#include <string.h>

#include "chain.h"

E2E_SUITE(switch_chain);

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ENC "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

E2E_TEST(switch_chain, text_sent_as_pager_arrives_as_large,
		"OP-25 OP-26 OP-27 OP-28 OP-36 OP-39 OP-41 OP-42 OP-46: a client that "
		"sends 5 KB in a MESSAGE, a client that knows large messages only by "
		"INVITE")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("text.txt", 5000, true);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file", file,
			"--type", "text/plain", "--mode", "pager", "--imdn-id", "id-0815",
			"--reply-to", "sip:alice-home@cpm.test", NULL);

	sender_ends(alice, SENT, 20000);
	json_t *sent = proc_event(alice, "sent", 100);
	json_t *sending = proc_event(alice, "sending", 100);
	json_t *got = received(bob, 0);

	cr_assert_eq(event_number(sent, "status"), 200);
	cr_assert_str_eq(event_text(got, "mode"), "large");
	cr_assert_str_eq(file_sha256(received_file(bob, 0)), file_sha256(file));
	cr_assert_eq(
			event_number(got, "entity_bytes"), event_number(sending, "bytes"));
	cr_assert_str_eq(event_text(got, "imdn_message_id"), "id-0815");
	header_is(got, "P-Asserted-Service", ICSI "largemsg");
	header_is(got, "Accept-Contact", "*;+g.3gpp.icsi-ref=\"" ENC "largemsg\"");
	header_has(got, "P-Asserted-Identity", "sip:alice@cpm.test");
	header_has(got, "Reply-To", "sip:alice-home@cpm.test");
	header_is(got, "Conversation-ID", event_text(sending, "conversation_id"));
	header_is(got, "Contribution-ID", event_text(sending, "contribution_id"));
	header_has(got, "User-Agent", "CPM-serv/OMA");
	cr_assert_eq(proc_wait(bob, 10000), 0);
	lab_idle(lab, 8000);
}

E2E_TEST(switch_chain, photo_with_words_keeps_its_parts,
		"OP-41: multipart of text and binary, over TCP")
{
	struct lab *lab = lab_shared();
	const char *photo = test_file("photo.jpg", 40000, false);
	struct proc *bob = client_receive(
			lab, "bob", "--count", "1", "--setup", "passive", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--text", "look", "--file",
					photo, "--type", "image/jpeg", "--mode", "pager", NULL);

	sender_ends(alice, SENT, 20000);
	json_t *got = received(bob, 0);

	cr_assert_str_eq(event_text(got, "mode"), "large");
	/* a name with a dot in it, so no path */
	cr_assert_str_eq(json_string_value(json_object_get(
							 json_object_get(got, "cpim"), "cpm.Payload-Type")),
			"text/plain, image/jpeg");
	cr_assert_eq(event_number(got, "entity_bytes"),
			event_number(proc_event(alice, "sending", 100), "bytes"));
	cr_assert_eq(proc_wait(bob, 10000), 0);
	lab_idle(lab, 8000);
}

E2E_TEST(switch_chain, recipient_who_is_not_there,
		"OP-43: the client learns by the answer to its MESSAGE that nobody "
		"is there")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_INTERWORKING=0", NULL);
	const char *file = test_file("text.txt", 5000, true);
	struct proc *alice = client_send(lab, "alice", "--to", "sip:erin@cpm.test",
			"--file", file, "--type", "text/plain", "--mode", "pager", NULL);

	/* nobody is registered there */
	sender_ends(alice, REFUSED, 20000);
	cr_assert_eq(event_number(proc_event(alice, "failed", 100), "status"), 480);
	lab_idle(lab, 8000);
}

E2E_TEST(switch_chain, nobody_there_becomes_the_gateway_s,
		"OP-44: 404 of the core, the gateway takes it")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("text.txt", 5000, true);
	struct proc *alice = client_send(lab, "alice", "--to", "tel:+15559999999",
			"--file", file, "--type", "text/plain", "--mode", "pager", NULL);

	sender_ends(alice, SENT, 20000);
	cr_assert_eq(event_number(proc_event(alice, "sent", 100), "status"), 200);
	cr_assert_geq(
			lab_log_count(lab, "isf", "isf: INVITE to tel:.15559999999"), 1);
	lab_idle(lab, 8000);
}

E2E_TEST(switch_chain, one_text_for_three_arrives_as_large,
		"OP-29 OP-33: 5 KB in a MESSAGE to the EXPLODER-URI; two clients get "
		"it, "
		"the number that only the gateway knows too")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("text.txt", 5000, true);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *carol = client_receive(lab, "carol", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--exploder",
			"sip:exploder@cpm.test", "--to", BOB, "--to", CAROL, "--to",
			"tel:+15559999998", "--file", file, "--type", "text/plain",
			"--mode", "pager", NULL);

	sender_ends(alice, SENT, 20000);
	cr_assert_eq(event_number(proc_event(alice, "sent", 100), "status"), 202);
	for(int i = 0; i < 2; i++) {
		json_t *got = received(i ? carol : bob, 0);

		cr_assert_str_eq(event_text(got, "mode"), "large");
		cr_assert_str_eq(file_sha256(received_file(i ? carol : bob, 0)),
				file_sha256(file));
		header_is(got, "P-Asserted-Service", ICSI "largemsg.group");
	}
	lab_log_wait(lab, "isf", "isf: INVITE to tel:.15559999998", 8000);
	cr_assert_eq(proc_wait(bob, 10000), 0);
	cr_assert_eq(proc_wait(carol, 10000), 0);
	lab_idle(lab, 8000);
}

E2E_TEST(switch_chain, over_tls, "OP-36 OP-39: MSRP over TLS to the recipient")
{
	struct lab *lab =
			lab_own("LAB_TRIGGERS=orig", "LAB_MSRP_TRANSPORT=tls", NULL);
	const char *file = test_file("text.txt", 50000, true);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file", file,
			"--type", "text/plain", "--mode", "pager", NULL);

	sender_ends(alice, SENT, 20000);
	json_t *got = received(bob, 0);

	cr_assert(strstr(event_text(got, "sdp"), "TCP/TLS/MSRP") != NULL);
	cr_assert_str_eq(file_sha256(received_file(bob, 0)), file_sha256(file));
	cr_assert_eq(proc_wait(bob, 10000), 0);
	lab_idle(lab, 8000);
}
