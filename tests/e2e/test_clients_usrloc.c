/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients where the PF's Kamailio is their registrar: read from
 * usrloc, with the feature tags that cpm_register_tags() has kept.
 */
#include <string.h>

#include "direct_flow.h"
#include "reg_flow.h"

E2E_SUITE(clients_usrloc);

#define CAROL "sip:carol@cpm.test"
#define WAIT_MS 15000

static struct lab *own(const char *script)
{
	return lab_own("LAB_CONTACTS=usrloc", fmt("LAB_SCRIPT=%s", script), NULL);
}

/* carol comes with two devices, known by their tags, and goes. */
static void comes_and_goes(const char *script)
{
	struct lab *lab = own(script);
	struct proc *first, *second;
	const char *said;

	lab_rpc(lab, "cpm", "htable.sets cpm_identities " CAROL " tel:+15550103");
	first = client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	reg_says(lab, CAROL, "tags_known: 1");
	said = lab_rpc(lab, "cpm", "cpm.clients " CAROL);
	cr_assert(strstr(said, "source: usrloc"), "%s", said);
	cr_assert(
			strstr(said, "gruu: sip:carol@cpm.test;gr=urn:uuid:"), "%s", said);
	cr_assert(strstr(said, "instance: urn:uuid:"), "%s", said);
	cr_assert(strstr(said, "user_agent: CPM-client/OMA2.2"), "%s", said);
	cr_assert(strstr(said, "largemsg: 1"), "%s", said);
	cr_assert(strstr(said, "deferred: 1"), "%s", said);
	cr_assert(strstr(said, "tel:+15550103"), "%s", said);
	cr_assert(strstr(said, fmt("path: <sip:%s:5060;lr>", lab->core_ip)), "%s",
			said);
	/* his number is the same user */
	reg_clients(lab, "tel:+15550103", 1);
	second = client_receive(lab, "carol#2", NULL);
	reg_clients(lab, CAROL, 2);
	proc_signal(first, 15);
	proc_wait(first, WAIT_MS);
	reg_clients(lab, CAROL, 1);
	reg_says(lab, CAROL, "tags_known: 1");
	proc_signal(second, 15);
	proc_wait(second, WAIT_MS);
	reg_clients(lab, CAROL, 0);
	cr_assert_eq(lab_stat(lab, "reg_subscribes"), 0);
}

E2E_TEST(clients_usrloc, devices_come_and_go,
		"TL-06/part TL-07/part: address, instance, feature tags, number")
{
	comes_and_goes("native");
}

E2E_TEST(clients_usrloc, devices_come_and_go_in_lua,
		"TL-06/part TL-07/part: the same by KEMI, in Lua")
{
	comes_and_goes("lua");
}

E2E_TEST(clients_usrloc, devices_come_and_go_in_python,
		"TL-06/part TL-07/part: the same by KEMI, in Python")
{
	comes_and_goes("python");
}

E2E_TEST(clients_usrloc, text_reaches_both_devices,
		"TL-06/part: straight to the clients by the Path of their registration")
{
	struct lab *lab = own("native");
	struct proc *first, *second, *alice;

	first = client_receive(lab, "carol", "--count", "1", NULL);
	second = client_receive(lab, "carol#2", "--count", "1", NULL);
	reg_clients(lab, CAROL, 2);
	alice = client_send(lab, "alice", "--to", CAROL, "--text", "to both", NULL);
	cr_assert_eq(proc_wait(alice, WAIT_MS), 0);
	proc_event(first, "received", WAIT_MS);
	proc_event(second, "received", WAIT_MS);
}

E2E_TEST(clients_usrloc, another_table_or_domain_says_nothing,
		"TL-06/part: an address of another domain has no clients here")
{
	struct lab *lab = own("native");

	client_receive(lab, "carol", NULL);
	reg_clients(lab, CAROL, 1);
	reg_clients(lab, "sip:carol@example.com", 0);
	reg_clients(lab, "tel:+15550999", 0);
	/* written otherwise it is the same address */
	reg_clients(lab, "sips:c%61rol@CPM.TEST:5060;x=y", 1);
}

E2E_TEST(clients_usrloc, full_table_still_learns_of_who_is_in_it,
		"TL-06/part: contacts_max_users bounds the users, not their changes; "
		"many devices of one user are all kept")
{
	struct own o;

	own_start(&o, "modparam(\"cpm\", \"contacts_max_users\", 1)\n", "");
	own_register(&o, "bob", 101, "urn:uuid:b1", "msg", 600);
	own_register(&o, "carol", 102, "urn:uuid:c1", "msg", 600);
	reg_says(o.lab, "sip:bob@cpm.test", "tags_known: 1");
	reg_says(o.lab, CAROL, "tags_known: 0");
	/* of whom no tags are kept the version is known all the same */
	reg_says(o.lab, CAROL, "user_agent: CPM-client/OMA2.2");
	own_register(&o, "bob", 101, "urn:uuid:b1", "msg largemsg", 600);
	reg_says(o.lab, "sip:bob@cpm.test", "largemsg: 1");
	for(int i = 2; i <= 9; i++)
		own_register(
				&o, "bob", 101 + i, fmt("urn:uuid:b%d", i), "largemsg", 600);
	reg_clients(o.lab, "sip:bob@cpm.test", 9);
	cr_assert(strstr(lab_rpc(o.lab, "cpm", "cpm.clients sip:bob@cpm.test"),
					  "largemsg: 0")
			== NULL);
	/* what is no URI's part makes no Request-URI */
	own_register(&o, "bob", 111, "urn:uuid:b10\n X-Evil: 1", "largemsg", 600);
	ua_send(o.ua,
			fmt("REGISTER sip:cpm.test SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKfold\n"
				"From: <sip:bob@cpm.test>;tag=f\nTo: <sip:bob@cpm.test>\n"
				"Call-ID: fold@test\nCSeq: 1 REGISTER\nMax-Forwards: 70\n"
				"Contact: <sip:bob@%s:5060;x=a\n X-Evil: 2>;expires=600\n"
				"Content-Length: 0\n\n",
					ua_ip(o.ua), ua_ip(o.ua)));
	ua_wait(o.ua, "2xx/REGISTER", "fold@test", 6000);
	reg_clients(o.lab, "sip:bob@cpm.test", 10);
	cr_assert(strstr(lab_rpc(o.lab, "cpm", "cpm.clients sip:bob@cpm.test"),
					  "X-Evil")
			== NULL);
}
