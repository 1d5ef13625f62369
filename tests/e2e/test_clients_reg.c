/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients by third-party REGISTER and the reg event package, with
 * the lab's core as registrar and real clients: what the PF knows of them at
 * each turn of their life, and after a restart. 3GPP TS 24.229 5.7.1.1, RFC
 * 3680, RFC 5628.
 */
#include <string.h>

#include "reg_flow.h"

E2E_SUITE(clients_reg);

#define CAROL "sip:carol@cpm.test"
#define WAIT_MS 15000

/* carol comes and goes, by a script in another language. */
static void comes_and_goes(const char *script)
{
	struct lab *lab =
			lab_own("LAB_CONTACTS=reg", fmt("LAB_SCRIPT=%s", script), NULL);
	struct proc *carol = client_receive(lab, "carol", NULL);

	reg_clients(lab, CAROL, 1);
	proc_signal(carol, 15);
	proc_wait(carol, WAIT_MS);
	reg_clients(lab, CAROL, 0);
	cr_assert_geq(lab_stat(lab, "reg_registers"), 2);
}

E2E_TEST(clients_reg, client_is_known_in_lua, "TL-06/part: by KEMI, in Lua")
{
	comes_and_goes("lua");
}

E2E_TEST(clients_reg, client_is_known_in_python,
		"TL-06/part: by KEMI, in Python")
{
	comes_and_goes("python");
}

/* Ask the core for something by OPTIONS: see "Registrations" in docs/lab.md. */
static void core_do(struct lab *lab, const char *what)
{
	struct ua *ua = ua_open(lab->peer_ip, lab->core_ip);

	ua_send(ua,
			fmt("OPTIONS sip:%s@%s SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s\n"
				"Max-Forwards: 5\nFrom: <sip:test@%s>;tag=1\n"
				"To: <sip:%s@%s>\nCall-ID: do-%s\nCSeq: 1 OPTIONS\n"
				"Content-Length: 0\n\n",
					what, lab->core_ip, lab->peer_ip, what, lab->peer_ip, what,
					lab->core_ip, what));
	ua_wait(ua, "200/OPTIONS", NULL, WAIT_MS);
}

E2E_TEST(clients_reg, client_is_known_from_its_registration_to_its_end,
		"TL-06/part TL-07/part: GRUU, instance, feature tags, both identities")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", NULL);
	struct proc *carol = client_receive(lab, "carol", NULL);
	const char *said;

	reg_clients(lab, CAROL, 1);
	said = lab_rpc(lab, "cpm", "cpm.clients " CAROL);
	cr_assert(
			strstr(said, "gruu: sip:carol@cpm.test;gr=urn:uuid:"), "%s", said);
	cr_assert(strstr(said, "instance: urn:uuid:"), "%s", said);
	cr_assert(strstr(said, "user_agent: CPM-client/OMA2.2"), "%s", said);
	cr_assert(strstr(said, "tags_known: 1"), "%s", said);
	cr_assert(strstr(said, "largemsg: 1"), "%s", said);
	cr_assert(strstr(said, "deferred: 1"), "%s", said);
	cr_assert(strstr(said, "tel:+15550103"), "%s", said);
	/* his number is the same user */
	reg_clients(lab, "tel:+15550103", 1);
	reg_clients(lab, "sip:+15550103@cpm.test;user=phone", 1);
	proc_signal(carol, 15);
	proc_wait(carol, WAIT_MS);
	reg_clients(lab, CAROL, 0);
}

E2E_TEST(clients_reg, devices_come_and_go_by_partial_notifies,
		"TL-06/part TL-07/part: two clients of one user; one leaves")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", NULL);
	struct proc *first = client_receive(lab, "carol", NULL), *second;

	reg_clients(lab, CAROL, 1);
	second = client_receive(lab, "carol#2", NULL);
	reg_clients(lab, CAROL, 2);
	cr_assert_eq(lab_stat(lab, "reg_subscribes"), 1);
	proc_signal(first, 15);
	proc_wait(first, WAIT_MS);
	reg_clients(lab, CAROL, 1);
	proc_signal(second, 15);
	proc_wait(second, WAIT_MS);
	reg_clients(lab, CAROL, 0);
	cr_assert_eq(lab_stat(lab, "reg_notifies_bad"), 0);
}

E2E_TEST(clients_reg, full_documents_do_as_well,
		"TL-07/part: a registrar that sends the full state each time")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", "LAB_REG_PARTIAL=0", NULL);
	struct proc *second;

	client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	second = client_receive(lab, "carol#2", NULL);
	reg_clients(lab, CAROL, 2);
	proc_signal(second, 15);
	proc_wait(second, WAIT_MS);
	reg_clients(lab, CAROL, 1);
}

E2E_TEST(clients_reg, network_ends_a_registration,
		"TL-06/part: deactivated clients are none")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", NULL);

	client_receive(lab, "carol", "--no-unregister", NULL);
	reg_clients(lab, CAROL, 1);
	core_do(lab, "drop-carol");
	reg_clients(lab, CAROL, 0);
}

E2E_TEST(clients_reg, subscription_is_refreshed_before_its_end,
		"TL-07/part: what is known stays known")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", "LAB_REG_EXPIRES=6", NULL);
	int asked = 0;

	client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	/* it lasts six seconds; two refreshes are twelve and more */
	for(int ms = 0; ms < 30000 && asked < 3; ms += 200) {
		asked = (int)lab_stat(lab, "reg_subscribes");
		cr_assert_eq(lab_rpc_number(lab, "cpm.clients " CAROL, "clients"), 1);
		sleep_ms(200);
	}
	cr_assert_geq(asked, 3);
	cr_assert_eq(lab_stat(lab, "reg_subscribes_failed"), 0);
}

E2E_TEST(clients_reg, subscription_ended_by_the_core_is_begun_again,
		"TL-07/part: terminated;reason=probation")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg",
			"LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"reg_retry\", 1)", NULL);

	client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	core_do(lab, "end-carol-probation");
	for(int ms = 0; ms < WAIT_MS; ms += 100) {
		if(lab_stat(lab, "reg_subscribes") >= 2)
			break;
		sleep_ms(100);
	}
	reg_says(lab, CAROL, "subscription: active");
	reg_clients(lab, CAROL, 1);
}

E2E_TEST(clients_reg, tags_of_poor_registrars_come_with_the_register,
		"TL-06/part: IncludeRegisterRequest")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", "LAB_REGISTER_BODY=1", NULL);

	client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	reg_says(lab, CAROL, "deferred: 1");
}

E2E_TEST(clients_reg, after_a_restart_the_first_message_asks_anew,
		"TL-06/part: nothing is known then, and found out")
{
	struct lab *lab = lab_own("LAB_CONTACTS=reg", NULL);
	struct proc *alice;

	client_receive(lab, "alice", NULL);
	reg_clients(lab, "sip:alice@cpm.test", 1);
	lab_part(lab, "restart", "cpm");
	reg_clients(lab, "sip:alice@cpm.test", 0);
	reg_clients(lab, CAROL, 0);
	/* to carol, who is not there */
	alice = client_send(
			lab, "alice", "--to", CAROL, "--text", "are you there", NULL);
	proc_wait(alice, WAIT_MS);
	reg_says(lab, CAROL, "known: 1");
	reg_clients(lab, CAROL, 0);
}
