/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The database of deferred messages goes away, or hangs, while messages come
 * and go: what was acknowledged is kept, what cannot be stored is refused,
 * nothing else waits for it, and all goes on when it is back.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chain.h"

E2E_SUITE(outage);

#define DAVE "sip:dave@cpm.test"

static struct lab *begin(void)
{
	struct lab *lab = lab_own("LAB_STORE=postgresql", "LAB_WITHOUT=isf",
			"LAB_SETTLE_MS=200", "LAB_RETRIES=1 1 2", "LAB_FORK_WAIT=600",
			"LAB_RING_MS=1500", "LAB_LEASE_MS=10000", "LAB_DIRECT=0",
			"LAB_NOTIFY=none", "LAB_RELAY_CONF_EXTRA=store_timeout = 1s", NULL);

	lab_expect_log(lab, "relay", "error: store: ");
	return lab;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static long long figure(struct lab *lab, const char *name)
{
	return event_number(
			lab_relayctl(lab, "stats", NULL), fmt("deferred_%s", name));
}

static void figure_is(struct lab *lab, const char *name, long long n)
{
	for(int i = 0; i < 400; i++) {
		if(figure(lab, name) == n)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("%s is %lld, not %lld", name, figure(lab, name), n);
}

static void sends(struct lab *lab, const char *to, const char *file, int code)
{
	sender_ends(client_send(lab, "alice", "--to", to, "--file", file, NULL),
			code, 30000);
}

/* Both programs answer their operator, and soon. */
static void answers(struct lab *lab)
{
	long long at = now_ms();

	cr_assert_eq(lab_stat(lab, "no_such"), -1);
	lab_relayctl(lab, "ping", NULL);
	cr_assert_lt(now_ms() - at, 4000);
}

E2E_TEST(outage, database_stops_and_comes_back,
		"TL-17 TL-18: live sessions and pushes go on, new messages are "
		"refused, what was stored is delivered once")
{
	struct lab *lab = begin();
	const char *file = test_file("file", 200000, false);
	const char *old = test_file("old", 100, true);
	const char *fresh = test_file("new", 101, true);
	struct proc *bob, *dave, *carol, *live;

	sends(lab, CAROL, old, SENT);
	sends(lab, DAVE, file, SENT);
	bob = client_receive(lab, "bob", "--no-imdn", "--rate", "80000", NULL);
	dave = client_receive(lab, "dave", "--no-imdn", "--rate", "80000", NULL);
	live = client_send(lab, "alice", "--to", BOB, "--file", file, NULL);
	proc_event(dave, "invited", 15000);
	proc_event(bob, "invited", 15000);
	cr_assert_eq(lab_rpc_number(lab, "cpm.deferred", "messages"), 2);
	cr_assert_eq(lab_rpc_number(lab, "cpm.deferred " CAROL, "messages"), 1);
	lab_part(lab, "kill", "pg");
	figure_is(lab, "available", 0);
	cr_assert_not_null(strstr(
			lab_rpc(lab, "cpm", "cpm.deferred " CAROL), "not available"));
	answers(lab);
	sends(lab, CAROL, fresh, REFUSED);
	sends(lab, CAROL, file, BROKE_OFF);
	gets_file(dave, file);
	sender_ends(live, SENT, 30000);
	gets_file(bob, file);
	lab_part(lab, "start", "pg");
	figure_is(lab, "available", 1);
	sends(lab, CAROL, fresh, SENT);
	carol = client_receive(lab, "carol", "--no-imdn", NULL);
	gets_file(carol, old);
	gets_file(carol, fresh);
	figure_is(lab, "messages", 0);
	cr_assert_eq(received_copies(dave, file), 1);
	cr_assert_eq(received_copies(carol, file), 0);
	lab_idle(lab, 15000);
}

/* SIGSTOP or SIGCONT to all processes of the server. */
static void server(struct lab *lab, const char *sig)
{
	const char *pid = fmt("%lld",
			strtoll(file_text(fmt("%s/run/pg.pid", lab->dir)), NULL, 10));

	cr_assert_eq(proc_run("pkill", 5000,
						 (const char *[]){"pkill", sig, "-P", pid, NULL}),
			0);
	cr_assert_eq(kill((pid_t)strtol(pid, NULL, 10),
						 strcmp(sig, "-STOP") == 0 ? SIGSTOP : SIGCONT),
			0);
}

E2E_TEST(outage, database_hangs,
		"TL-17 TL-18: neither SIP workers nor transfers wait for it")
{
	struct lab *lab = begin();
	const char *file = test_file("file", 100000, false);
	const char *fresh = test_file("new", 101, true);
	struct proc *bob = client_receive(lab, "bob", "--no-imdn", NULL), *carol,
				*waits;

	sends(lab, CAROL, file, SENT);
	server(lab, "-STOP");
	waits = client_send(lab, "alice", "--to", CAROL, "--file", fresh, NULL);
	answers(lab);
	sends(lab, BOB, file, SENT);
	gets_file(bob, file);
	sender_ends(waits, REFUSED, 30000);
	figure_is(lab, "available", 0);
	answers(lab);
	server(lab, "-CONT");
	figure_is(lab, "available", 1);
	sends(lab, CAROL, fresh, SENT);
	carol = client_receive(lab, "carol", "--no-imdn", NULL);
	gets_file(carol, file);
	gets_file(carol, fresh);
	figure_is(lab, "messages", 0);
	lab_idle(lab, 15000);
}
