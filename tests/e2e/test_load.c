/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The load generator of tests/bench: figures are worth nothing when it does not
 * see a fault. Each fault that it can make on purpose must be found, straight
 * and through the relay; and what the relay carries under load must be whole.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

E2E_SUITE(load);

static const char *tool(void)
{
	static char path[600];
	const char *bin = getenv("CPM_BIN");

	snprintf(path, sizeof(path), "%s/msrp-load", bin ? bin : "build/gcc");
	return path;
}

/* A sink of its own, so that tests can run side by side. */
static const char *sink(void)
{
	static char text[40];

	snprintf(text, sizeof(text), "127.20.250.%d:%d", (int)getpid() % 200 + 10,
			4000 + (int)getpid() % 20000);
	return text;
}

static int spoiled(const char *how, const char *said)
{
	struct proc *p = proc_start(how,
			(const char *[]){tool(), "--sink", sink(), "--size", "20000",
					"--chunk", "2048", "--count", "2", "--spoil", how, NULL});
	int rc = proc_wait(p, 20000);

	cr_assert(strstr(proc_stderr(p), said) != NULL, "%s: %s", how,
			proc_stderr(p));
	return rc;
}

E2E_TEST(load, intact_messages_pass, "")
{
	cr_assert_eq(proc_run("load", 20000,
						 (const char *[]){tool(), "--sink", sink(),
								 "--sessions", "5", "--count", "20", "--size",
								 "20000", "--chunk", "2048", "--report", NULL}),
			0);
}

E2E_TEST(load, a_flipped_bit_in_the_cpim_header_is_found, "")
{
	cr_assert_eq(spoiled("flip:40", "content differs"), 1);
}

E2E_TEST(load, a_flipped_bit_in_the_payload_is_found, "")
{
	cr_assert_eq(spoiled("flip:19999", "content differs"), 1);
}

E2E_TEST(load, a_lost_chunk_is_found, "")
{
	cr_assert_eq(spoiled("lose", "after 2048 bytes"), 1);
}

E2E_TEST(load, a_repeated_chunk_is_found, "")
{
	cr_assert_eq(spoiled("repeat", "after 4096 bytes"), 1);
}

E2E_TEST(load, a_message_that_ends_too_early_is_found, "")
{
	cr_assert_eq(spoiled("short", "ends with '$' at 2048"), 1);
}

static int through_relay(struct lab *lab, const char *const more[], int n)
{
	const char *argv[40] = {
			tool(), "--sink", sink(), "--control", lab->relay_sock};

	for(int i = 0; i < n; i++)
		argv[5 + i] = more[i];
	return proc_run("load-relay", 60000, argv);
}
#define THROUGH(lab, ...)                                                      \
	through_relay(lab, (const char *[]){__VA_ARGS__},                          \
			sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

E2E_TEST(load, a_flipped_bit_is_found_behind_the_relay, "")
{
	cr_assert_eq(
			THROUGH(lab_shared(), "--size", "5000", "--spoil", "flip:4000"), 1);
}

E2E_TEST(load, relay_carries_many_sessions_whole_and_in_order, "")
{
	struct lab *lab = lab_shared();

	cr_assert_eq(THROUGH(lab, "--sessions", "200", "--count", "20", "--size",
						 "3000", "--chunk", "1000", "--report"),
			0);
	lab_idle(lab, 5000);
}

E2E_TEST(load, relay_carries_large_chunks_whole, "")
{
	struct lab *lab = lab_shared();

	cr_assert_eq(THROUGH(lab, "--sessions", "20", "--count", "1", "--size",
						 "1022000"),
			0);
	cr_assert_eq(THROUGH(lab, "--size", "30000000", "--count", "1", "--chunk",
						 "65536"),
			0);
	lab_idle(lab, 5000);
}
