/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery of large messages to the sender's other clients:
 * OMA-TS-CPM_Conv_Fnct 8.2.1.2 "direct delivery" A to E. Real clients through
 * the whole lab.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

E2E_SUITE(direct_large);

#define SIZE 300000

static const char *photo;

/* alice sends to bob; what his client has received is what she sent. */
static struct proc *send_photo(struct lab *lab, const char *to)
{
	photo = test_file("photo.jpg", SIZE, false);
	return client_send(lab, "alice", "--to", to, "--file", photo, "--type",
			"image/jpeg", NULL);
}

static json_t *received(struct proc *who)
{
	json_t *got = proc_event(who, "received", 20000);

	cr_assert_str_eq(file_sha256(event_text(got, "file")), file_sha256(photo));
	return got;
}

static void stat_wait(struct lab *lab, const char *name, long long value)
{
	for(int i = 0; lab_stat(lab, name) != value; i++) {
		cr_assert_lt(i, 200, "%s is not %lld", name, value);
		sleep_ms(50);
	}
}

E2E_TEST(direct_large, other_client_gets_the_same_message,
		"OL-26 OL-27 OL-28 OL-29: one INVITE to the other client with the "
		"headers of the original, the same content, Message-Direction: sent")
{
	struct lab *lab = lab_own("LAB_WITHOUT=isf", NULL);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *tablet = client_receive(lab, "alice#2", "--count", "1", NULL);
	struct proc *alice = send_photo(lab, "sip:bob@cpm.test");
	json_t *his, *hers;

	cr_assert_eq(proc_wait(alice, 30000), 0);
	his = received(bob);
	hers = received(tablet);
	cr_assert_str_eq(event_text(hers, "cpim.Message-Direction"), "sent");
	cr_assert_null(event_text(his, "cpim.Message-Direction"));
	his = proc_event(bob, "invited", 1000);
	hers = proc_event(tablet, "invited", 1000);
	for(const char *const *h = (const char *const[]){"Conversation-ID",
				"Contribution-ID", "P-Asserted-Service", "P-Asserted-Identity",
				"Accept-Contact", NULL};
			*h; h++) {
		const char *a = event_header(his, *h);
		const char *b = event_header(hers, *h);

		cr_assert(a && b && strcmp(a, b) == 0, "%s: %s and %s", *h, a, b);
	}
	cr_assert(strstr(event_header(hers, "To"), "<sip:bob@cpm.test>"));
	cr_assert(strstr(event_header(hers, "From"), "<sip:alice@cpm.test>"));
	cr_assert(strstr(event_header(hers, "Contact"), lab->pf_ip));
	cr_assert_eq(lab_stat(lab, "direct_copies"), 1);
	stat_wait(lab, "direct_taken", 1);
	proc_wait(bob, 10000);
	proc_wait(tablet, 10000);
	lab_idle(lab, 15000);
}

E2E_TEST(direct_large, without_another_client_nothing_is_kept,
		"OL-26: none left: skipped")
{
	struct lab *lab = lab_own("LAB_WITHOUT=isf", NULL);
	long long before = lab_stat(lab, "direct_copies");
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *alice = send_photo(lab, "sip:bob@cpm.test");

	cr_assert_eq(proc_wait(alice, 30000), 0);
	received(bob);
	cr_assert_eq(lab_stat(lab, "direct_copies"), before);
	proc_wait(bob, 10000);
	lab_idle(lab, 15000);
}

E2E_TEST(direct_large, client_that_refuses_is_given_up,
		"OL-28: an error of one client ends its copy and nothing else")
{
	struct lab *lab = lab_own("LAB_WITHOUT=isf", NULL);
	long long before = lab_stat(lab, "direct_failed");
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *tablet =
			client_receive(lab, "alice#2", "--answer-code", "486", NULL);
	struct proc *alice = send_photo(lab, "sip:bob@cpm.test");

	cr_assert_eq(proc_wait(alice, 30000), 0);
	received(bob);
	stat_wait(lab, "direct_failed", before + 1);
	proc_signal(tablet, 15);
	proc_wait(tablet, 10000);
	proc_wait(bob, 10000);
	lab_idle(lab, 15000);
}

E2E_TEST(direct_large, long_text_is_copied_as_a_large_message,
		"OL-26 OL-27 OL-28: a MESSAGE that goes on as a large one is copied "
		"so; "
		"the sender's answer does not wait for it")
{
	struct lab *lab = lab_own("LAB_WITHOUT=isf", NULL);
	struct proc *bob = client_receive(lab, "bob", "--count", "1", NULL);
	struct proc *tablet = client_receive(lab, "alice#2", "--count", "1", NULL);
	struct proc *alice;

	photo = test_file("long.txt", 5000, true);
	alice = client_send(lab, "alice", "--to", "sip:bob@cpm.test", "--file",
			photo, "--type", "text/plain", "--mode", "pager", NULL);
	cr_assert_eq(proc_wait(alice, 30000), 0);
	received(bob);
	cr_assert_str_eq(
			event_text(received(tablet), "cpim.Message-Direction"), "sent");
	proc_wait(bob, 10000);
	proc_wait(tablet, 10000);
	stat_wait(lab, "direct_taken", 1);
	lab_idle(lab, 15000);
}
