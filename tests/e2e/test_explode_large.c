/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One large message to many recipients, with real clients on all sides:
 * OMA-TS-CPM_Conv_Fnct 8.2.1.2 #7.a to #7.l. The sender sends once, each
 * recipient gets all of it when he answers, nobody waits for the slowest and
 * nobody's failure disturbs another. What the INVITEs look like is in
 * test_explode_invite.c.
 */
#include <string.h>

#include "chain.h"

E2E_SUITE(explode_large);

#define EXPLODER "--exploder", "sip:exploder@cpm.test"

/* A receiver of one message. */
static struct proc *one(struct lab *lab, const char *user)
{
	return client_receive(lab, user, "--count", "1", NULL);
}

static void has_got(struct proc *receiver, const char *file)
{
	cr_assert_eq(proc_wait(receiver, 30000), 0);
	cr_assert_str_eq(
			file_sha256(received_file(receiver, 0)), file_sha256(file));
}

E2E_TEST(explode_large, every_recipient_gets_all_of_it,
		"OL-10 OL-24/part OL-31: a photo to sip and tel addresses, BYE to each "
		"when he has it")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	const char *file = test_file("photo", 600000, false);
	long long before = 0;

	/* the first one opens the core's TCP connection, which stays */
	for(int i = 1; i <= 2; i++) {
		struct proc *bob = one(lab, "bob"), *carol = one(lab, "carol"),
					*dave = one(lab, "dave"), *alice;

		alice = client_send(lab, "alice", EXPLODER, "--to", BOB, "--to",
				"tel:+15550103", "--to", "sip:dave@cpm.test", "--file", file,
				NULL);
		sender_ends(alice, SENT, 20000);
		has_got(bob, file);
		has_got(carol, file);
		has_got(dave, file);
		cr_assert_eq(lab_stat(lab, "exploded_recipients"), 3 * i);
		if(i == 1) {
			lab_idle(lab, 15000);
			sleep_ms(7000); /* tm keeps transactions for wt_timer (5 s) */
			before = lab_shm_used(lab);
		}
	}
	lab_idle(lab, 15000);
	lab_shm_back(lab, before);
}

E2E_TEST(explode_large, one_that_refuses_disturbs_nobody,
		"OL-10: 486 of one, the others get it, the sender is told 200")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("photo", 200000, false);
	long long failed = lab_stat(lab, "exploder_failed");
	struct proc *bob = one(lab, "bob");
	struct proc *carol =
			client_receive(lab, "carol", "--answer-code", "486", NULL);
	struct proc *dave = one(lab, "dave");
	struct proc *alice = client_send(lab, "alice", EXPLODER, "--to", BOB,
			"--to", CAROL, "--to", "sip:dave@cpm.test", "--file", file, NULL);

	sender_ends(alice, SENT, 20000);
	has_got(bob, file);
	has_got(dave, file);
	cr_assert_eq(lab_stat(lab, "exploder_failed") - failed, 1);
	cr_assert(!proc_ended(carol));
	lab_idle(lab, 8000);
}

E2E_TEST(explode_large, who_answers_late_gets_all_of_it,
		"OL-10 OL-30/part: the sender has gone long before; the same bytes")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("photo", 3000000, false);
	struct proc *bob = one(lab, "bob");
	struct proc *carol = client_receive(
			lab, "carol", "--count", "1", "--ring", "4000", NULL);
	struct proc *alice = client_send(lab, "alice", EXPLODER, "--to", BOB,
			"--to", CAROL, "--file", file, NULL);

	/* his 200s, of SIP and of MSRP, do not wait for her */
	sender_ends(alice, SENT, 3500);
	has_got(bob, file);
	cr_assert(!proc_ended(carol));
	has_got(carol, file);
	lab_idle(lab, 8000);
}

E2E_TEST(explode_large, who_reads_slowly_stops_nobody,
		"OL-10 OL-30/part: 8 MB at 2 MB/s for one of two")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("big", 8000000, false);
	struct proc *bob = one(lab, "bob");
	struct proc *carol = client_receive(
			lab, "carol", "--count", "1", "--rate", "2000000", NULL);
	struct proc *alice = client_send(lab, "alice", EXPLODER, "--to", BOB,
			"--to", CAROL, "--file", file, NULL);

	sender_ends(alice, SENT, 3000);
	has_got(bob, file);
	cr_assert(!proc_ended(carol), "she is still reading");
	has_got(carol, file);
	lab_idle(lab, 8000);
}

E2E_TEST(explode_large, nobody_takes_it,
		"OL-10: all refuse: the lowest code is the sender's answer")
{
	struct lab *lab = lab_shared();
	struct proc *alice;

	client_receive(lab, "bob", "--answer-code", "603", NULL);
	client_receive(lab, "carol", "--answer-code", "480", NULL);
	client_receive(lab, "dave", "--answer-code", "486", NULL);
	alice = client_send(lab, "alice", EXPLODER, "--to", BOB, "--to", CAROL,
			"--to", "sip:dave@cpm.test", "--file",
			test_file("photo", 20000, false), NULL);
	sender_ends(alice, REFUSED, 15000);
	cr_assert_eq(event_number(proc_event(alice, "failed", 100), "status"), 480);
	lab_idle(lab, 8000);
}

E2E_TEST(explode_large, sender_gives_up,
		"OL-24: CANCEL reaches every recipient that rings")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--no-answer", NULL);
	struct proc *carol = client_receive(lab, "carol", "--no-answer", NULL);
	struct proc *alice = client_send(lab, "alice", EXPLODER, "--to", BOB,
			"--to", CAROL, "--cancel-after", "1000", "--file",
			test_file("photo", 20000, false), NULL);

	sender_ends(alice, GIVEN_UP, 15000);
	lab_idle(lab, 8000);
	cr_assert(!proc_ended(bob) && !proc_ended(carol));
}

E2E_TEST(explode_large, one_unknown_to_the_core_goes_to_the_gateway,
		"OL-23 OL-10: 404 for one of three, the gateway gets the same bytes")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_INTERWORKING=1", NULL);
	const char *file = test_file("photo", 400000, false);
	struct proc *bob = one(lab, "bob");
	struct proc *alice = client_send(lab, "alice", EXPLODER, "--to", BOB,
			"--to", "sip:code-404@cpm.test", "--to",
			"sip:code-404-isf-486@cpm.test", "--file", file, NULL);
	json_t *got;

	sender_ends(alice, SENT, 20000);
	has_got(bob, file);
	got = lab_isf_received(lab, 0, 10000);
	cr_assert_str_eq(event_text(got, "sha256"), file_sha256(file));
	header_is(got, "X-ISF-URI", "sip:code-404@cpm.test");
	lab_idle(lab, 8000);
	cr_assert_eq(lab_stat(lab, "isf_tried"), 2);
	cr_assert_eq(lab_stat(lab, "isf_answered_ok"), 1);
	cr_assert_eq(lab_stat(lab, "exploder_failed"), 1);
}
