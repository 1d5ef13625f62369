/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two clients with the whole network between them: every MSRP role, chunk size
 * and transport on either side, and contents that look like end-lines.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

E2E_SUITE(client_network);

/* n bytes that a careless reader takes for the end of a chunk. */
static const char *end_lines(const char *name, size_t n)
{
	static const char line[] = "\r\n-------abcdefghijkl$\r\n\r\n";
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	cr_assert(f);
	for(size_t i = 0; i < n; i++)
		fputc(line[i % (sizeof(line) - 1)], f);
	fclose(f);
	return path;
}

E2E_TEST(client_network, contents_arrive_unchanged_whatever_the_roles,
		"CL-15 CL-16 CL-17: active and passive, TLS, chunk sizes, CEMA, TCP")
{
	static const char *const receive[][2] = {
			{NULL, NULL}, {"--setup", "passive"}, {"--no-cema", NULL}};
	static const char *const send[][2] = {{NULL, NULL}, {"--setup", "active"},
			{"--setup", "passive"}, {"--chunk", "0"}, {"--chunk", "2048"},
			{"--tls", NULL}, {"--transport", "tcp"}, {"--no-cema", NULL}};
	struct lab *lab = lab_shared();
	const char *file[] = {test_file("random.bin", 700000, false),
			end_lines("lines.bin", 200000)};

	for(size_t r = 0; r < sizeof(receive) / sizeof(receive[0]); r++) {
		struct proc *bob = client_receive(
				lab, "bob", "--no-imdn", receive[r][0], receive[r][1], NULL);
		int n = 0;

		for(size_t s = 0; s < sizeof(send) / sizeof(send[0]); s++) {
			const char *path = file[s % 2];
			struct proc *alice = client_send(lab, "alice", "--to", "bob",
					"--file", path, send[s][0], send[s][1], NULL);
			json_t *e;

			cr_assert_eq(proc_wait(alice, 15000), 0, "%s", proc_stderr(alice));
			e = proc_event_n(bob, "received", n++, 5000);
			cr_assert_str_eq(event_text(e, "sha256"), file_sha256(path),
					"receiver %zu, sender %zu", r, s);
		}
		proc_signal(bob, SIGTERM);
		cr_assert_eq(proc_wait(bob, 8000), 0);
	}
}

E2E_TEST(client_network, sizes_around_every_limit_arrive_unchanged,
		"CP-01 CL-01 CG-05: from nothing to a few chunks")
{
	static const size_t sizes[] = {
			0, 1, 1000, 1100, 1300, 2047, 2049, 65300, 65536, 131072, 300001};
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--no-imdn", NULL);

	for(size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *path = test_file(fmt("%zu.bin", sizes[i]), sizes[i], false);
		struct proc *alice =
				client_send(lab, "alice", "--to", "bob", "--file", path, NULL);
		json_t *e;

		cr_assert_eq(proc_wait(alice, 15000), 0, "%zu bytes: %s", sizes[i],
				proc_stderr(alice));
		e = proc_event_n(bob, "received", (int)i, 5000);
		cr_assert_str_eq(event_text(e, "sha256"), file_sha256(path));
		cr_assert_eq(event_number(e, "bytes"), (long long)sizes[i]);
	}
	proc_signal(bob, SIGTERM);
	cr_assert_eq(proc_wait(bob, 8000), 0);
}

E2E_TEST(client_network, many_messages_side_by_side_are_not_mixed_up,
		"CL-15 CL-17: forty messages at once")
{
	struct lab *lab = lab_shared();
	struct proc *bob = client_receive(lab, "bob", "--no-imdn", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", "bob", "--file",
			test_file("same.bin", 400000, false), "--count", "40", "--parallel",
			"20", NULL);
	const char *sum = file_sha256(test_path("same.bin"));

	cr_assert_eq(proc_wait(alice, 40000), 0, "%s", proc_stderr(alice));
	for(int i = 0; i < 40; i++)
		cr_assert_str_eq(
				event_text(proc_event_n(bob, "received", i, 5000), "sha256"),
				sum);
	proc_signal(bob, SIGTERM);
	cr_assert_eq(proc_wait(bob, 8000), 0);
}

E2E_TEST(client_network, reports_come_back_to_the_sender,
		"CG-04: delivered and displayed, pager and large")
{
	struct lab *lab = lab_shared();
	struct proc *alice = client_receive(lab, "alice", NULL);
	struct proc *bob = client_receive(lab, "bob", NULL);
	const char *file = test_file("photo.jpg", 50000, false);

	for(int large = 0; large < 2; large++) {
		const char *id = fmt("report-%d", large);
		struct proc *p = client_send(lab, "alice", "--to", "bob",
				large ? "--file" : "--text", large ? file : "hello", "--imdn",
				"delivered,displayed", "--imdn-id", id, NULL);

		cr_assert_eq(proc_wait(p, 10000), 0, "%s", proc_stderr(p));
		for(int i = 0; i < 2; i++) {
			json_t *e = proc_event_n(alice, "imdn", 2 * large + i, 5000);
			cr_assert_str_eq(event_text(e, "about"), id);
			cr_assert_str_eq(event_text(e, "asserted"), "sip:bob@cpm.test");
		}
	}
	proc_signal(alice, SIGTERM);
	proc_signal(bob, SIGTERM);
	cr_assert_eq(proc_wait(alice, 8000), 0);
	cr_assert_eq(proc_wait(bob, 8000), 0);
}

E2E_TEST(client_network, reply_reaches_the_sender_in_the_same_conversation,
		"CP-08 CP-12 CP-14: a reply through the network")
{
	struct lab *lab = lab_shared();
	struct proc *alice = client_receive(lab, "alice", NULL);
	struct proc *bob = client_receive(lab, "bob", NULL);
	struct proc *p =
			client_send(lab, "alice", "--to", "bob", "--text", "hello", NULL);
	const char *events = test_path("bob.jsonl");
	json_t *first, *reply;
	FILE *f;

	cr_assert_eq(proc_wait(p, 10000), 0, "%s", proc_stderr(p));
	first = proc_event(bob, "received", 5000);
	f = fopen(events, "w");
	cr_assert(f);
	fputs(proc_stdout(bob), f);
	fclose(f);
	p = client_send(lab, "bob", "--reply-from", events, "--text", "hi", NULL);
	cr_assert_eq(proc_wait(p, 10000), 0, "%s", proc_stderr(p));
	reply = proc_event(alice, "received", 5000);
	cr_assert_str_eq(event_text(reply, "conversation_id"),
			event_text(first, "conversation_id"));
	cr_assert_str_eq(event_text(reply, "in_reply_to_contribution_id"),
			event_text(first, "contribution_id"));
	cr_assert_str_eq(event_text(reply, "originator"), "sip:bob@cpm.test");
	proc_signal(alice, SIGTERM);
	proc_signal(bob, SIGTERM);
	cr_assert_eq(proc_wait(alice, 8000), 0);
	cr_assert_eq(proc_wait(bob, 8000), 0);
}
