/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of a message for bob, through both halves of the network with real
 * clients: who takes it, and what becomes of it when nobody does, or when a
 * process dies at any stage of it. What a sender was told has arrived, arrives.
 */
#include <signal.h>
#include <string.h>

#include "chain.h"

E2E_SUITE(term_life);

#define BYTES 400000

/* Push and retries come at once, or nearly so. */
static struct lab *begin(const char *setting)
{
	return lab_own("LAB_WITHOUT=isf", "LAB_SETTLE_MS=200", "LAB_RETRIES=1 1 2",
			"LAB_FORK_WAIT=600", "LAB_RING_MS=1500", "LAB_LEASE_MS=3000",
			"LAB_DIRECT=0", "LAB_NOTIFY=none", setting, NULL);
}

static void leaves(struct proc *client)
{
	proc_signal(client, SIGTERM);
	proc_wait(client, 10000);
}

/* alice's two messages: a text, a file; both must be taken. */
static void send_both(
		struct lab *lab, const char *file, int text_status, const char *text)
{
	struct proc *large =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);
	struct proc *pager;

	sender_ends(large, SENT, 30000);
	pager = client_send(lab, "alice", "--to", BOB, "--file", text, NULL);
	sender_ends(pager, SENT, 30000);
	cr_assert_eq(event_number(proc_event(pager, "sent", 100), "status"),
			text_status);
}

/* The receiver gets a file with this content, whatever else he gets. */
/* All that is stored reaches bob, who comes now; the store is empty then. */
static void comes_and_gets(
		struct lab *lab, const char *who, const char *file, const char *text)
{
	struct proc *bob = client_receive(lab, who, "--no-imdn", NULL);

	if(file)
		gets_file(bob, file);
	if(text)
		gets_file(bob, text);
	chain_stored_wait(lab, 0);
	lab_idle(lab, 15000);
}

E2E_TEST(term_life, two_clients_and_one_that_is_away,
		"TL-05 TL-06 TL-07 TL-14 TL-16: each client that is there gets it, "
		"nothing is kept for the third")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	const char *text = test_file("text", 100, true);
	struct proc *third = client_receive(lab, "bob#3", NULL), *a, *b;

	leaves(third);
	a = client_receive(lab, "bob", "--no-imdn", NULL);
	b = client_receive(lab, "bob#2", "--no-imdn", NULL);
	send_both(lab, file, 200, text);
	gets_file(a, file);
	gets_file(a, text);
	gets_file(b, file);
	gets_file(b, text);
	cr_assert_eq(json_array_size(proc_events(a, "received")), 2);
	cr_assert_eq(json_array_size(proc_events(b, "received")), 2);
	lab_idle(lab, 15000);
	cr_assert_eq(chain_stored(lab), 0);
}

E2E_TEST(term_life, both_refuse_and_a_third_one_gets_it_later,
		"TL-08 TL-17 TL-18: refusals of all clients, stored, pushed")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	const char *text = test_file("text", 100, true);
	struct proc *a = client_receive(lab, "bob", "--answer-code", "486", NULL);
	struct proc *b = client_receive(lab, "bob#2", "--answer-code", "480", NULL);

	send_both(lab, file, 202, text);
	cr_assert_eq(chain_stored(lab), 2);
	leaves(a);
	leaves(b);
	comes_and_gets(lab, "bob#3", file, text);
}

E2E_TEST(term_life, client_for_texts_alone_gets_them_past_a_file,
		"TL-18: a stored message that it cannot take is not in its way, and "
		"waits for a client that can")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	const char *text = test_file("text", 100, true);
	struct proc *old;

	send_both(lab, file, 202, text);
	old = client_receive(lab, "bob", "--no-imdn", "--tags", "msg", NULL);
	gets_file(old, text);
	chain_stored_wait(lab, 1);
	comes_and_gets(lab, "bob#2", file, NULL);
	cr_assert_eq(json_array_size(proc_events(old, "received")), 1);
	leaves(old);
}

E2E_TEST(term_life, both_break_off_in_the_middle,
		"TL-15 TL-17 TL-18: MSRP fails on all clients; the sender's 200 holds")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	struct proc *a = client_receive(lab, "bob", "--drop-at", "150000", NULL);
	struct proc *b = client_receive(lab, "bob#2", "--drop-at", "250000", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);

	sender_ends(alice, SENT, 30000);
	proc_event(a, "receive_failed", 10000);
	proc_event(b, "receive_failed", 10000);
	leaves(a);
	leaves(b);
	comes_and_gets(lab, "bob#3", file, NULL);
}

E2E_TEST(term_life, one_breaks_off_and_the_other_has_it,
		"TL-14 TL-16 TL-17: one acknowledgement is enough, nothing is kept")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	struct proc *a = client_receive(lab, "bob", "--drop-at", "150000", NULL);
	struct proc *b = client_receive(lab, "bob#2", "--no-imdn", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);

	sender_ends(alice, SENT, 30000);
	proc_event(a, "receive_failed", 10000);
	gets_file(b, file);
	lab_idle(lab, 15000);
	cr_assert_eq(chain_stored(lab), 0);
}

E2E_TEST(term_life, who_answers_late_gets_all_of_it,
		"TL-08 TL-14 TL-16: the first 200 counts, the second client's copy is "
		"whole")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	struct proc *a = client_receive(lab, "bob", "--no-imdn", NULL);
	struct proc *b = client_receive(
			lab, "bob#2", "--no-imdn", "--answer-after", "1000", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);

	sender_ends(alice, SENT, 30000);
	gets_file(a, file);
	gets_file(b, file);
	lab_idle(lab, 15000);
	cr_assert_eq(chain_stored(lab), 0);
}

E2E_TEST(term_life, late_answer_settles_the_copy,
		"TL-17 TL-18: 202 after the wait, one delivery all the same")
{
	struct lab *lab = begin(NULL);
	const char *text = test_file("text", 100, true);
	struct proc *bob = client_receive(
			lab, "bob", "--no-imdn", "--answer-after", "2500", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", text, NULL);

	sender_ends(alice, SENT, 30000);
	cr_assert_eq(event_number(proc_event(alice, "sent", 100), "status"), 202);
	cr_assert_eq(chain_stored(lab), 1);
	gets_file(bob, text);
	chain_stored_wait(lab, 0);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 1);
}

E2E_TEST(term_life, nobody_answers_the_phone,
		"TL-08 TL-17 TL-18: clients that ring too long; the PF takes it itself")
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	struct proc *bob = client_receive(lab, "bob", "--ring", "60000", NULL);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);

	sender_ends(alice, SENT, 30000);
	proc_event(bob, "cancelled", 10000);
	leaves(bob);
	comes_and_gets(lab, "bob#2", file, NULL);
}

/* ---- processes that die ---- */

/* A part is killed while bob is away and his messages are stored. */
static void stored_then_killed(const char *part, const char *store)
{
	struct lab *lab = begin(store);
	const char *file = test_file("file", BYTES, false);
	const char *text = test_file("text", 100, true);

	send_both(lab, file, 202, text);
	cr_assert_eq(chain_stored(lab), 2);
	lab_expect_log(lab, "cpm", "relay");
	lab_part(lab, "kill", part);
	lab_part(lab, "start", part);
	comes_and_gets(lab, "bob", file, text);
}

E2E_TEST(term_life, relay_dies_after_it_has_stored,
		"TL-17 TL-18: what was acknowledged is on the disk")
{
	stored_then_killed("relay", NULL);
}

E2E_TEST(term_life, kamailio_dies_after_it_has_stored,
		"TL-17 TL-18: it learns anew who is registered and pushes")
{
	stored_then_killed("cpm", NULL);
}

E2E_TEST(term_life, relay_dies_after_it_has_stored_in_postgresql,
		"TL-17 TL-18: the same on the other store")
{
	stored_then_killed("relay", "LAB_STORE=postgresql");
}

/* A part is killed while a stored message is on its way to bob. */
static void pushed_then_killed(const char *part)
{
	struct lab *lab = begin(NULL);
	const char *file = test_file("file", BYTES, false);
	struct proc *alice =
			client_send(lab, "alice", "--to", BOB, "--file", file, NULL);
	struct proc *slow;

	sender_ends(alice, SENT, 30000);
	slow = client_receive(lab, "bob", "--no-imdn", "--rate", "50000", NULL);
	proc_event(slow, "invited", 15000);
	lab_expect_log(lab, "cpm", "relay");
	lab_part(lab, "kill", part);
	lab_part(lab, "start", part);
	cr_assert_eq(chain_stored(lab), 1);
	proc_signal(slow, SIGTERM);
	comes_and_gets(lab, "bob#2", file, NULL);
}

E2E_TEST(term_life, relay_dies_during_a_push,
		"TL-18: the message is still there and goes out again")
{
	pushed_then_killed("relay");
}

E2E_TEST(term_life, kamailio_dies_during_a_push,
		"TL-18: its claim runs out and the message goes out again")
{
	pushed_then_killed("cpm");
}

/* A part is killed under a message that was not acknowledged: either its sender
 * learns that, or the message arrives. */
static void killed_under(const char *part, bool ringing)
{
	struct lab *lab = begin("LAB_RING_MS=6000");
	const char *file = test_file("file", BYTES, false);
	struct proc *bob = ringing
			? client_receive(lab, "bob", "--ring", "60000", NULL)
			: client_receive(lab, "bob", "--rate", "20000", NULL);
	struct proc *alice = client_send(
			lab, "alice", "--to", BOB, "--file", file, "--timeout", "5", NULL);
	int code;

	proc_event(bob, "invited", 15000);
	lab_expect_log(lab, "cpm", "relay");
	lab_part(lab, "kill", part);
	lab_part(lab, "start", part);
	code = proc_wait(alice, 40000);
	proc_signal(bob, SIGKILL);
	if(code != SENT)
		cr_assert_eq(
				chain_stored(lab), 0, "kept, though its sender knows better");
	else
		comes_and_gets(lab, "bob#2", file, NULL);
}

E2E_TEST(term_life, relay_dies_before_the_200,
		"TL-08 TL-17: the sender is not told that it was taken")
{
	killed_under("relay", true);
}

E2E_TEST(term_life, kamailio_dies_before_the_200,
		"TL-08 TL-17: likewise when the PF has forgotten the call")
{
	killed_under("cpm", true);
}

E2E_TEST(term_life, relay_dies_under_the_transfer,
		"TL-15 TL-17: chunks that were answered are no promise, the last is")
{
	killed_under("relay", false);
}

E2E_TEST(term_life, kamailio_dies_under_the_transfer,
		"TL-15 TL-17: what the sender is told is true all the same")
{
	killed_under("cpm", false);
}
