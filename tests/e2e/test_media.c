/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The media path of real messages: what clients do differently, sizes, memory,
 * slow readers, many at once. RFC 4975, 6135, 6714.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"

E2E_SUITE(media);

#define OPTS(...) ((const char *const[]){__VA_ARGS__, NULL})

E2E_TEST(media, either_end_may_open_the_connection,
		"OL-20: every pair of roles, with and without CEMA")
{
	static const char *const roles[] = {"actpass", "active", "passive"};
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 100000, false);

	for(int a = 0; a < 3; a++) {
		pass_file(lab, file, OPTS("--setup", roles[a]),
				OPTS("--setup", roles[1 + a % 2]));
		pass_file(lab, file, OPTS("--setup", roles[a], "--no-cema"),
				OPTS("--setup", roles[2 - a % 2], "--no-cema"));
	}
}

E2E_TEST(media, chunks_of_every_size_arrive,
		"OL-06: 2 KiB, 10 KiB with exact ranges, one chunk of 1 MB")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 1022000, false);

	pass_file(lab, file, OPTS("--chunk", "2048"), NULL);
	pass_file(lab, file, OPTS("--chunk", "10240", "--exact-range"), NULL);
	pass_file(lab, file, OPTS("--chunk", "0", "--exact-range"), NULL);
	pass_file(lab, file, OPTS("--chunk", "0", "--success-report"), NULL);
}

E2E_TEST(media, empty_and_tiny_payloads_arrive,
		"OL-06: large message mode with 0, 1 and 2 bytes of payload")
{
	struct lab *lab = lab_shared();

	for(int n = 0; n < 3; n++) {
		const char *file = test_file(fmt("tiny%d", n), (size_t)n, true);

		pass_file(lab, file, OPTS("--mode", "large"), NULL);
	}
}

E2E_TEST(media, tls_on_the_senders_side_and_the_answer_knows,
		"OL-06: msrps offered by the sender")
{
	struct lab *lab = lab_shared();

	pass_file(lab, test_file("x", 500000, false), OPTS("--tls"), NULL);
}

E2E_TEST(media, hundred_megabytes_pass_without_memory,
		"OL-06: 100 MB, the relay grows by less than 4 MB", .timeout = 180)
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	long before;

	/* buffers that every relay needs once are no growth */
	pass_file(lab, test_file("small", 1000000, false), NULL, NULL);
	lab_idle(lab, 5000);
	before = relay_memory(lab, "VmRSS:");
	pass_file(lab, test_file("big", 100000000, false), NULL, NULL);
	if(!under_sanitizer())
		cr_assert_lt(relay_memory(lab, "VmHWM:") - before, 4096,
				"%ld KiB before, %ld KiB at the highest", before,
				relay_memory(lab, "VmHWM:"));
}

E2E_TEST(media, slow_reader_costs_no_memory_and_stalls_nobody,
		"OL-06: 8 MB to a reader of 2 MB/s while others pass")
{
	struct lab *lab = lab_own("LAB_TRIGGERS=orig", "LAB_WITHOUT=isf", NULL);
	const char *file = test_file("big", 8000000, false);
	struct proc *bob, *alice;
	long before;

	pass_file(lab, test_file("small", 1000000, false), NULL, NULL);
	lab_idle(lab, 5000);
	before = relay_memory(lab, "VmRSS:");
	bob = client_receive(lab, "bob", "--count", "1", "--rate", "2000000", NULL);
	alice = client_send(lab, "alice", "--to", BOB, "--file", file, NULL);
	proc_event(alice, "answered", 5000);
	for(int i = 0; i < 3; i++) {
		struct proc *carol = client_receive(lab, "carol", "--count", "1", NULL);
		struct proc *dave = client_send(lab, "dave", "--to", CAROL, "--file",
				test_file("other", 200000, false), NULL);

		sender_ends(dave, SENT, 3000);
		cr_assert_eq(proc_wait(carol, 5000), 0);
	}
	cr_assert(!proc_ended(alice), "bob is still reading");
	if(!under_sanitizer())
		cr_assert_lt(relay_memory(lab, "VmHWM:") - before, 4096);
	sender_ends(alice, SENT, 30000);
	cr_assert_str_eq(file_sha256(received_file(bob, 0)), file_sha256(file));
}

E2E_TEST(media, two_hundred_messages_at_once,
		"OL-06: 200 sessions in parallel, each intact, none left")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 20000, false);
	struct proc *bob = client_receive(lab, "bob", "--count", "200", NULL);
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file", file,
			"--count", "200", "--parallel", "200", NULL);

	sender_ends(alice, SENT, 60000);
	cr_assert_eq(proc_wait(bob, 30000), 0);
	json_t *all = proc_events(bob, "received");
	cr_assert_eq(json_array_size(all), 200);
	for(size_t i = 0; i < 200; i++)
		cr_assert_str_eq(event_text(json_array_get(all, i), "sha256"),
				file_sha256(file));
	lab_idle(lab, 10000);
}

/* A file of n bytes that takes no room on the disk. */
static const char *sparse_file(const char *name, long long n)
{
	const char *path = test_path(name);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	cr_assert(fd >= 0 && ftruncate(fd, n) == 0);
	close(fd);
	return path;
}

E2E_TEST(media, too_large_a_message_is_refused_before_it_starts,
		"OL-06: file-selector over 100 MiB: 403 with Warning 133")
{
	struct lab *lab = lab_shared();
	struct proc *alice = client_send(lab, "alice", "--to", BOB, "--file",
			sparse_file("huge", 104857601), NULL);

	sender_ends(alice, REFUSED, 15000);
	json_t *e = proc_event(alice, "failed", 100);
	cr_assert_eq(event_number(e, "status"), 403);
	cr_assert(strstr(event_text(e, "warning"), "133 Size exceeded") != NULL,
			"%s", event_text(e, "warning"));
}
