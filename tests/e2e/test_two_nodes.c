/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two nodes, each a Kamailio and a relay, and one PostgreSQL between them:
 * what one has stored the other delivers, once, also when a node dies or comes
 * back from the dead in the middle of it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chain.h"

E2E_SUITE(two_nodes);

#define BYTES 200000
#define LEASE_MS 3000

static struct lab *begin(const char *one, const char *two)
{
	return lab_own("LAB_NODES=2", "LAB_STORE=postgresql", "LAB_WITHOUT=isf",
			"LAB_SETTLE_MS=200", "LAB_RETRIES=1 1 2", "LAB_FORK_WAIT=600",
			"LAB_RING_MS=1500", "LAB_LEASE_MS=3000", "LAB_DIRECT=0",
			"LAB_NOTIFY=none", one, two, NULL);
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A counter of a node, without "deferred_". */
static long long figure(struct lab *lab, const char *name)
{
	return event_number(
			lab_relayctl(lab, "stats", NULL), fmt("deferred_%s", name));
}

static void figure_reaches(struct lab *lab, const char *name, long long n)
{
	for(int i = 0; i < 300; i++) {
		if(figure(lab, name) >= n)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("%s is %lld, not %lld", name, figure(lab, name), n);
}

static void deferred(struct lab *lab, const char *file)
{
	sender_ends(client_send(lab, "alice", "--to", BOB, "--file", file, NULL),
			SENT, 30000);
}

/* Which node works on the one message that is being delivered: "" or "2". */
static const char *who_delivers(struct lab *lab)
{
	const char *node = event_text(
			lab_relayctl(lab, "deferred", "list", "-S", "delivering", NULL),
			"node");

	cr_assert(node && *node, "nobody delivers");
	return strchr(node, '-') ? "2" : "";
}

static pid_t relay_pid(struct lab *lab, const char *node)
{
	return (pid_t)strtol(
			file_text(fmt("%s/run/relay%s.pid", lab->dir, node)), NULL, 10);
}

static void leaves(struct proc *client)
{
	proc_signal(client, SIGTERM);
	proc_wait(client, 10000);
}

E2E_TEST(two_nodes, a_notice_wakes_the_node_where_the_client_is,
		"TL-17 TL-18: stored by the node that does not know him, delivered by "
		"the one where he has registered, and not only when he does so again")
{
	struct lab *lab = begin("LAB_CONTACTS=usrloc", "LAB_REG_NODE=2");
	struct lab *two = lab_node2(lab);
	const char *file = test_file("file", BYTES, false);
	const char *text = test_file("text", 100, true);
	struct proc *bob = client_receive(lab, "bob", "--no-imdn", NULL), *alice;
	long long at;

	deferred(lab, file);
	gets_file(bob, file);
	alice = client_send(lab, "alice", "--to", BOB, "--file", text, NULL);
	sender_ends(alice, SENT, 30000);
	at = now_ms();
	cr_assert_eq(event_number(proc_event(alice, "sent", 100), "status"), 202);
	gets_file(bob, text);
	at = now_ms() - at;
	cr_log_info("delivered %lld ms after it was stored\n", at);
	cr_assert_lt(at, 5000); /* the clock alone would never have found it */
	chain_stored_wait(lab, 0);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 2);
	cr_assert_eq(figure(lab, "stored_total"), 2);
	cr_assert_eq(figure(lab, "claims_total"), 0);
	cr_assert_eq(figure(two, "delivered_total"), 2);
	proc_signal(bob, SIGKILL); /* it would linger */
}

static struct proc *psql(struct lab *lab, const char *one, const char *two)
{
	const char *argv[] = {"psql", "-XAtq", "-h",
			fmt("/tmp/cpm-lab-%d-pg", lab->n), "-U", "cpm", "-d", "postgres",
			"-c", one, "-c", two, NULL};

	return proc_start("psql", argv);
}

/* As a node does while it looks for a message of bob's. */
static struct proc *looks_for_a_while(struct lab *lab)
{
	struct proc *p = psql(lab,
			"SELECT '{\"event\":\"locked\"}' FROM pg_advisory_lock("
			"1836282485, hashtext(current_schema() || '" BOB "'))",
			"SELECT pg_sleep(1.5)");

	proc_event(p, "locked", 5000);
	return p;
}

/* Nothing of bob's is under way. */
static void rests(struct lab *lab)
{
	for(int i = 0; lab_rpc_number(lab, "cpm.deferred", "pushing") > 0; i++) {
		cr_assert_lt(i, 100);
		sleep_ms(50);
	}
}

E2E_TEST(two_nodes, a_node_that_finds_the_other_one_looking_looks_again,
		"TL-17 TL-18: both hear of what was stored and ask for it in the same "
		"moment; the one that knows where he is comes second")
{
	struct lab *lab = begin("LAB_CONTACTS=usrloc", "LAB_REG_NODE=2");
	struct lab *two = lab_node2(lab);
	const char *first = test_file("first", 90, true);
	const char *text = test_file("text", 100, true);
	struct proc *other; /* he takes texts alone */
	struct proc *bob =
			client_receive(lab, "bob", "--no-imdn", "--tags", "msg", NULL);

	deferred(lab, first);
	gets_file(bob, first);
	rests(two);
	other = looks_for_a_while(lab);
	deferred(lab, text);
	proc_wait(other, 5000);
	gets_file(bob, text);
	chain_stored_wait(lab, 0);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 2);
	proc_signal(bob, SIGKILL); /* it would linger */
}

E2E_TEST(two_nodes, what_a_node_could_not_hear_it_finds,
		"TL-17 TL-18: its relay was away, or its connection to the database, "
		"while the other node stored for its client")
{
	struct lab *lab = begin("LAB_CONTACTS=usrloc", "LAB_REG_NODE=2");
	struct lab *two = lab_node2(lab);
	struct proc *bob = client_receive(lab, "bob", "--no-imdn", NULL);
	const char *texts[3];
	pid_t relay;

	for(size_t i = 0; i < 3; i++)
		texts[i] = test_file(fmt("text%zu", i), 100 + i, true);
	deferred(lab, texts[0]);
	gets_file(bob, texts[0]);
	rests(two);
	lab_expect_log(lab, "cpm2", "relay");
	lab_part(lab, "kill", "relay2");
	deferred(lab, texts[1]);
	lab_part(lab, "start", "relay2");
	gets_file(bob, texts[1]);
	rests(two);
	lab_expect_log(lab, "relay", "store: ");
	lab_expect_log(lab, "relay2", "store: ");
	relay = relay_pid(lab, "2");
	cr_assert_eq(kill(relay, SIGSTOP), 0);
	proc_wait(psql(lab,
					  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
					  "WHERE application_name = 'msrp-relay'",
					  "SELECT 1"),
			5000);
	deferred(lab, texts[2]);
	cr_assert_eq(kill(relay, SIGCONT), 0);
	gets_file(bob, texts[2]);
	chain_stored_wait(lab, 0);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 3);
	proc_signal(bob, SIGKILL); /* it would linger */
}

E2E_TEST(two_nodes, both_try_at_once_and_one_of_them_is_late,
		"TL-18: each message once; what a node says that was away for longer "
		"than its lease changes nothing")
{
	struct lab *lab = begin(NULL, NULL), *two = lab_node2(lab);
	const char *file = test_file("file", BYTES, false), *texts[6], *who;
	struct proc *bob, *slow, *senders[6];
	struct lab *late;
	pid_t relay;

	for(int i = 0; i < 6; i++) {
		texts[i] = test_file(fmt("text%d", i), (size_t)(100 + i), true);
		senders[i] = client_send(
				lab, "alice", "--to", BOB, "--file", texts[i], NULL);
	}
	for(int i = 0; i < 6; i++)
		sender_ends(senders[i], SENT, 30000);
	chain_stored_wait(lab, 6);
	/* Both have learned of him by their own subscriptions. */
	bob = client_receive(lab, "bob", "--no-imdn", NULL);
	for(int i = 0; i < 6; i++)
		gets_file(bob, texts[i]);
	chain_stored_wait(lab, 0);
	leaves(bob);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 6);
	cr_assert_eq(
			figure(lab, "delivered_total") + figure(two, "delivered_total"), 6);

	/* The daemon that delivers stops for longer than its lease. */
	deferred(lab, file);
	slow = client_receive(lab, "bob#2", "--no-imdn", "--rate", "20000", NULL);
	proc_event(slow, "invited", 15000);
	who = who_delivers(lab);
	late = *who ? two : lab;
	relay = relay_pid(lab, who);
	lab_expect_log(lab, fmt("cpm%s", who), "relay");
	cr_assert_eq(kill(relay, SIGSTOP), 0);
	proc_signal(slow, SIGTERM);
	bob = client_receive(lab, "bob#3", "--no-imdn", "--rate", "100000", NULL);
	proc_event(bob, "invited", 20000);
	cr_assert_eq(kill(relay, SIGCONT), 0);
	figure_reaches(late, "stale_total", 1);
	gets_file(bob, file);
	chain_stored_wait(*who ? lab : two, 0);
	cr_assert_eq(received_copies(bob, file), 1);
	cr_assert_eq(received_copies(slow, file), 0);
	lab_idle(lab, 15000);
	lab_idle(two, 15000);
}

E2E_TEST(two_nodes, a_node_dies_during_its_push,
		"TL-18: the other one delivers when the lease is over")
{
	struct lab *lab = begin(NULL, NULL), *rest;
	const char *file = test_file("file", BYTES, false), *who;
	struct proc *slow, *bob;
	long long at;

	deferred(lab, file);
	slow = client_receive(lab, "bob", "--no-imdn", "--rate", "20000", NULL);
	proc_event(slow, "invited", 15000);
	who = who_delivers(lab);
	rest = *who ? lab : lab_node2(lab);
	at = now_ms();
	lab_part(lab, "kill", fmt("cpm%s", who));
	lab_part(lab, "kill", fmt("relay%s", who));
	proc_signal(slow, SIGTERM);
	bob = client_receive(lab, "bob#2", "--no-imdn", NULL);
	gets_file(bob, file);
	at = now_ms() - at;
	cr_log_info("delivered %lld ms after the node died, the lease is %d ms\n",
			at, LEASE_MS);
	chain_stored_wait(rest, 0);
	cr_assert_eq(figure(rest, "delivered_total"), 1);
	cr_assert_eq(received_copies(bob, file), 1);
	lab_idle(rest, 15000);
}
