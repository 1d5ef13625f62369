/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's rules for a user, as kamailio-cfg/cpm.cfg applies them: who
 * may not use CPM, who may not hide his address. The lab bars mallory and lets
 * neither her nor bob be anonymous. OMA-TS-CPM_Conv_Fnct 8.2.1.1 and 8.2.1.2.
 */
#include <string.h>

#include "chain.h"

E2E_SUITE(policy);

#define ALICE "sip:alice@cpm.test"

/* The message was refused with 403 and this Warning. */
static void refused(struct proc *sender, const char *mode, const char *warning)
{
	json_t *failed;

	sender_ends(sender, REFUSED, 15000);
	failed = proc_event(sender, "failed", 100);
	cr_assert_eq(event_number(failed, "status"), 403);
	cr_assert_str_eq(event_text(failed, "mode"), mode);
	header_has(failed, "Warning", warning);
}

E2E_TEST(policy, barred_user_sends_nothing,
		"OP-01 OL-01: 403 with Warning 127, pager and large")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 20000, false);
	struct proc *bob = client_receive(lab, "bob", NULL);

	refused(client_send(lab, "mallory", "--to", BOB, "--text", "x", NULL),
			"pager", "127 Service not authorised");
	refused(client_send(lab, "mallory", "--to", BOB, "--file", file, NULL),
			"large", "127 Service not authorised");
	cr_assert_eq(json_array_size(proc_events(bob, "invited")), 0);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 0);
	lab_idle(lab, 3000);
}

E2E_TEST(policy, user_who_may_not_hide_is_refused_only_when_he_does,
		"OP-03 OL-03: 403 with Warning 119 for him, not for others")
{
	struct lab *lab = lab_shared();
	const char *file = test_file("x", 20000, false);
	struct proc *alice = client_receive(lab, "alice", NULL);
	struct proc *carol;

	refused(client_send(lab, "bob", "--to", ALICE, "--text", "x", "--anonymous",
					NULL),
			"pager", "119 Anonymity not allowed");
	refused(client_send(lab, "bob", "--to", ALICE, "--file", file,
					"--anonymous", NULL),
			"large", "119 Anonymity not allowed");
	sender_ends(client_send(lab, "bob", "--to", ALICE, "--text", "x", NULL),
			SENT, 15000);
	header_absent(received(alice, 0), "Privacy");
	carol = client_send(
			lab, "carol", "--to", ALICE, "--text", "x", "--anonymous", NULL);
	sender_ends(carol, SENT, 15000);
	/* the core keeps the asserted address from the recipient (RFC 3325) */
	header_has(received(alice, 1), "Privacy", "id");
	header_absent(received(alice, 1), "P-Asserted-Identity");
	lab_idle(lab, 3000);
}
