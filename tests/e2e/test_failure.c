/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What goes wrong between real clients and both programs: refusals, CANCEL,
 * vanishing clients, restarts of either program. Every failure has a status,
 * and nothing is left behind.
 */
#include <signal.h>
#include <string.h>

#include "chain.h"

E2E_SUITE(failure);

E2E_TEST(failure, refusal_of_the_recipient_reaches_the_sender,
		"OL-06 OP-24: 486, 480, 603 for INVITE and MESSAGE")
{
	static const int codes[] = {480, 486, 603};
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 20000, false);

	for(int i = 0; i < 3; i++) {
		const char *code = fmt("%d", codes[i]);
		struct proc *bob =
				client_receive(lab, "bob", "--answer-code", code, NULL);
		struct proc *large =
				client_send(lab, "alice", "--to", BOB, "--file", file, NULL);

		sender_ends(large, REFUSED, 15000);
		cr_assert_eq(event_number(proc_event(large, "failed", 100), "status"),
				codes[i]);
		struct proc *pager =
				client_send(lab, "alice", "--to", BOB, "--text", "hi", NULL);

		sender_ends(pager, REFUSED, 15000);
		cr_assert_eq(event_number(proc_event(pager, "failed", 100), "status"),
				codes[i]);
		proc_signal(bob, SIGTERM);
		proc_wait(bob, 5000);
	}
}

E2E_TEST(failure, nobody_is_registered, "OL-06 OP-24: 404 or 480 of the core")
{
	struct lab *lab = lab_shared();
	struct proc *large = client_send(lab, "alice", "--to", "sip:frank@cpm.test",
			"--file", test_file("x", 20000, false), NULL);
	struct proc *pager = client_send(
			lab, "alice", "--to", "sip:frank@cpm.test", "--text", "hi", NULL);

	sender_ends(large, REFUSED, 15000);
	sender_ends(pager, REFUSED, 15000);
	cr_assert_eq(event_number(proc_event(large, "failed", 100), "status"), 480);
}

E2E_TEST(failure, sender_gives_up_while_it_rings,
		"OL-24 CL-14: CANCEL goes through to the recipient")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--ring", "6000", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 20000, false), "--cancel-after", "500", NULL);

	sender_ends(alice, GIVEN_UP, 15000);
	proc_event(bob, "cancelled", 5000);
	lab_idle(lab, 5000);
}

E2E_TEST(failure, recipient_refuses_the_content,
		"OL-06 CL-21: 413 of the recipient's MSRP stops the sender, BYE to "
		"both")
{
	struct lab *lab = lab_shared();
	struct proc *bob =
			client_receive(lab, "bob", "--msrp-answer", "413@100000", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 3000000, false), NULL);

	int code = proc_wait(alice, 30000);
	cr_assert_eq(code, BROKE_OFF, "%d", code);
	cr_assert_eq(
			event_number(proc_event(alice, "failed", 100), "msrp_status"), 413);
	lab_idle(lab, 15000);
	proc_signal(bob, SIGTERM);
	proc_wait(bob, 5000);
}

E2E_TEST(failure, recipient_vanishes_in_the_middle,
		"OL-06: the sender is told, the session ends")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(
			lab, "bob", "--transport", "tcp", "--rate", "2000000", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 20000000, false), NULL);

	proc_event(alice, "answered", 5000);
	sleep_ms(500);
	proc_signal(bob, SIGKILL);
	sender_ends(alice, BROKE_OFF, 10000);
	lab_idle(lab, 40000);
}

E2E_TEST(failure, sender_vanishes_in_the_middle,
		"OL-06: the recipient gets a BYE and no half message")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--rate", "2000000", NULL);
	struct proc *alice = client_send(lab, "alice", "--transport", "tcp", "--to",
			BOB, "--file", test_file("x", 20000000, false), NULL);

	proc_event(alice, "answered", 5000);
	sleep_ms(500);
	proc_signal(alice, SIGKILL);
	/* what alice had sent is still on its way to the slow bob */
	json_t *bye = proc_event(bob, "bye", 30000);
	cr_assert(strstr(event_text(bye, "reason"), "cause=480") != NULL);
	lab_idle(lab, 40000);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 0);
	proc_signal(bob, SIGTERM);
	proc_wait(bob, 5000);
}

E2E_TEST(failure, without_a_relay_large_messages_are_refused_at_once,
		"OL-06 OP-22/part: 5xx (the core makes 500 of the PF's 503, RFC 3261 "
		"16.7); "
		"pager messages flow; back to normal with the relay")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	const char *file = test_file("x", 50000, false);

	lab_expect_log(lab, "cpm", "relay|link|connect");
	lab_part(lab, "kill", "relay");
	struct proc *large =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);
	sender_ends(large, REFUSED, 15000);
	json_t *e = proc_event(large, "failed", 100);
	cr_assert_eq(event_number(e, "status") / 100, 5);

	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *pager =
			client_send(lab, "alice", "--to", BOB, "--text", "hi", NULL);
	sender_ends(pager, SENT, 15000);
	cr_assert_eq(proc_wait(bob, 10000), 0);

	lab_part(lab, "start", "relay");
	for(int i = 0; i < 100 && lab_stat(lab, "link_up") != 1; i++)
		sleep_ms(100);
	pass_file(lab, file, NULL, NULL);
}

E2E_TEST(failure, relay_dies_under_a_transfer,
		"OL-06: both clients are told, nothing is left in the PF")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	struct proc *bob = client_receive(lab, "bob", "--rate", "200000", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 20000000, false), NULL);

	lab_expect_log(lab, "cpm", "relay|link|connect|session");
	proc_event(alice, "answered", 5000);
	sleep_ms(500);
	lab_part(lab, "kill", "relay");
	lab_part(lab, "start", "relay");
	cr_assert_neq(proc_wait(alice, 40000), SENT);
	lab_idle(lab, 40000);
	proc_signal(bob, SIGTERM);
	proc_wait(bob, 5000);
	pass_file(lab, test_file("y", 50000, false), NULL, NULL);
}

E2E_TEST(failure, kamailio_dies_under_a_transfer,
		"OL-06: the relay ends the sessions of a PF that is gone")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	struct proc *bob = client_receive(lab, "bob", "--rate", "200000", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 20000000, false), NULL);

	proc_event(alice, "answered", 5000);
	sleep_ms(500);
	lab_part(lab, "kill", "cpm");
	lab_part(lab, "start", "cpm");
	lab_idle(lab, 40000);
	proc_signal(alice, SIGKILL);
	proc_signal(bob, SIGKILL);
	proc_wait(alice, 5000);
	proc_wait(bob, 5000);
	pass_file(lab, test_file("y", 50000, false), NULL, NULL);
}
