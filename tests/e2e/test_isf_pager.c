/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interworking of pager messages to one recipient: which of them go to the ISF,
 * how, and whose answer the sender gets. OMA-TS-CPM_Conv_Fnct 8.2.1.1 #8A.i,
 * #8A.iv, #8A.v.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list_flow.h"

E2E_SUITE(isf_pager);

static struct lab *lab;
static struct ua *ua, *isf;

static void begin(const char *cfg)
{
	lab = flow_lab(&ua, cfg);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
}

/* A MESSAGE to another address than bob's. */
static const char *message_to(const char *uri)
{
	const char *text = pager_text(ua, NULL, NULL);
	const char *rest = strstr(text, " SIP/2.0");
	const char *to = strstr(rest, "To: <sip:bob@cpm.test>");

	return fmt("MESSAGE %s%.*sTo: <%s>%s", uri, (int)(to - rest), rest, uri,
			to + strlen("To: <sip:bob@cpm.test>"));
}

static void same(const struct sip *m, const char *name, const char *value)
{
	cr_assert_str_eq(
			sip_hdr(m, name), value, "%s is \"%s\"", name, sip_hdr(m, name));
}

E2E_TEST(isf_pager, same_message_goes_to_the_isf_once,
		"OP-23 OP-24 OP-22: 404 405 410 414 415 416 488 606: the ISF's answer "
		"is the sender's")
{
	static const int codes[] = {404, 405, 410, 414, 415, 416, 488, 606};

	/* a setting of tm's by which the better of two answers would win */
	begin("modparam(\"tm\", \"failure_reply_mode\", 0)");
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		/* also answers that would lose against the first by their number */
		int final = i % 3 == 0 ? 200 : i % 3 == 1 ? 486 : 404;
		const char *text = pager_text(ua, NULL, NULL);
		struct sip *m, *n;

		ua_send(ua, text);
		m = ua_wait(ua, "MESSAGE", NULL, 6000);
		ua_answer(ua, m, codes[i], "");
		n = ua_wait(isf, "MESSAGE", NULL, 6000);
		cr_assert_str_eq(sip_ruri(n), sip_ruri(m));
		cr_assert_str_eq(sip_body(n), sip_body(m));
		same(n, "Route", fmt("<sip:%s:5060;lr>", lab->isf_ip));
		same(n, "Call-ID", sip_hdr(m, "Call-ID"));
		same(n, "From", sip_hdr(m, "From"));
		same(n, "P-Asserted-Service", sip_hdr(m, "P-Asserted-Service"));
		same(n, "P-Asserted-Identity", sip_hdr(m, "P-Asserted-Identity"));
		same(n, "Contribution-ID", sip_hdr(m, "Contribution-ID"));
		ua_answer(isf, n, final, "X-From: isf\n");
		m = ua_wait(ua, fmt("%d/MESSAGE", final), NULL, 6000);
		same(m, "X-From", "isf");
	}
	ua_idle(ua, 200);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 8);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 8);
	cr_assert_eq(lab_stat(lab, "isf_tried"), 8);
	cr_assert_eq(lab_stat(lab, "isf_answered_ok"), 3);
}

E2E_TEST(isf_pager, other_answers_are_final,
		"OP-24 OP-23: 200, 202, 403, 480, 486, 603 are the sender's")
{
	static const int codes[] = {200, 202, 403, 480, 486, 603};

	begin(NULL);
	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		ua_send(ua, pager_text(ua, NULL, NULL));
		list_take(ua, 1, codes[i], NULL);
		ua_wait(ua, fmt("%d/MESSAGE", codes[i]), NULL, 6000);
	}
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 0);
	cr_assert_eq(lab_stat(lab, "isf_tried"), 0);
}

E2E_TEST(isf_pager, address_of_another_kind_goes_there_at_once,
		"OP-12 OP-24: mailto: and im:; the core is not asked")
{
	static const char *const uris[][2] = {
			{"mailto:dan@example.com", "mailto%3Adan%40example.com"},
			{"im:dan@example.com", "im%3Adan%40example.com"},
			{"xmpp:d%20n@example.com", "xmpp%3Ad%2520n%40example.com"}};

	begin(NULL);
	for(size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
		const char *text = message_to(uris[i][0]);
		struct sip *n;

		ua_send(ua, text);
		n = ua_wait(isf, "MESSAGE", NULL, 6000);
		cr_assert_str_eq(
				sip_ruri(n), fmt("sip:%s@%s:5060", uris[i][1], lab->isf_ip));
		same(n, "To", fmt("<%s>", uris[i][0]));
		same(n, "Route", fmt("<sip:%s:5060;lr>", lab->isf_ip));
		same(n, "P-Asserted-Service",
				"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg");
		ua_send(ua, text); /* a retransmission */
		ua_answer(isf, n, i ? 404 : 202, "");
		ua_wait(ua, i ? "404/MESSAGE" : "202/MESSAGE", NULL, 6000);
	}
	ua_idle(ua, 200);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 3);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
}

E2E_TEST(isf_pager, by_way_of_the_core_when_told,
		"OP-12 OP-23: isf_mode core: its own Route entries stay on top")
{
	struct sip *m;
	const char *routes;

	begin("modparam(\"cpm\", \"isf_mode\", \"core\")");
	routes = fmt("<sip:mark@%s:5060;lr>, <sip:%s:5060;lr>", lab->core_ip,
			lab->isf_ip);
	ua_send(ua, pager_text(ua, NULL, NULL));
	list_take(ua, 1, 488, NULL);
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	same(m, "Route", routes);
	cr_assert_str_eq(sip_ruri(m), "sip:bob@cpm.test");
	ua_answer(ua, m, 488, "");
	ua_wait(ua, "488/MESSAGE", NULL, 6000);
	ua_send(ua, message_to("mailto:dan@example.com"));
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	same(m, "Route", routes);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 0);
}

E2E_TEST(isf_pager, policy_may_forbid_it,
		"OP-23 OP-12: interworking 0, for all or for one originator")
{
	begin(NULL);
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:alice@cpm.test interworking=0");
	ua_send(ua, pager_text(ua, NULL, NULL));
	list_take(ua, 1, 404, NULL);
	ua_wait(ua, "404/MESSAGE", NULL, 6000);
	ua_send(ua, message_to("mailto:dan@example.com"));
	ua_wait(ua, "416/MESSAGE", NULL, 6000);
	lab_rpc(lab, "cpm", "htable.delete cpm_rules sip:alice@cpm.test");
	ua_send(ua, pager_text(ua, NULL, NULL));
	list_take(ua, 1, 404, NULL);
	ua_answer(isf, ua_wait(isf, "MESSAGE", NULL, 6000), 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	cr_assert_eq(ua_count(isf, "MESSAGE", NULL), 1);
}

E2E_TEST(isf_pager, gateway_takes_what_the_core_cannot_deliver,
		"OP-12 OP-23 OP-24: real clients, core and gateway")
{
	static const struct
	{
		const char *to;
		int exit, status;
	} cases[] = {{"sip:code-404@cpm.test", 0, 200},
			{"sip:code-404-isf-486@cpm.test", 4, 486},
			{"sip:code-486@cpm.test", 4, 486}, {"+19995550000", 0, 200},
			{"mailto:dan@example.com", 0, 200},
			{"mailto:x-isf-603@example.com", 4, 603}};
	struct proc *p;
	json_t *e;

	lab = lab_shared();
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		p = client_send(
				lab, "alice", "--to", cases[i].to, "--text", "hello", NULL);
		cr_assert_eq(proc_wait(p, 10000), cases[i].exit, "%s", cases[i].to);
		e = proc_event(p, cases[i].exit ? "failed" : "sent", 1000);
		cr_assert_eq(
				event_number(e, "status"), cases[i].status, "%s", cases[i].to);
	}
	lab_log_wait(lab, "isf", "isf: MESSAGE to sip:code-404@cpm.test ", 3000);
	lab_log_wait(lab, "isf",
			"MESSAGE to sip:mailto%3Adan%40example.com@.* \\(To: "
			"mailto:dan@example.com\\)",
			3000);
}

E2E_TEST(isf_pager, list_reaches_everyone_it_can,
		"OP-16 OP-17 OP-22 OP-23: real clients: two users, a number, a mail "
		"address and one who is not there")
{
	struct proc *bob, *carol, *dave, *p;
	json_t *e;

	lab = lab_shared();
	bob = client_receive(lab, "bob", NULL);
	carol = client_receive(lab, "carol", NULL);
	dave = client_receive(lab, "dave", NULL);
	p = client_send(lab, "alice", "--exploder", "sip:exploder@cpm.test", "--to",
			"bob", "--to", "carol", "--to", "+15550104", "--to",
			"mailto:dan@example.com", "--to", "sip:code-404-isf-486@cpm.test",
			"--to", "sip:bob@cpm.test", "--text", "hello all", NULL);
	cr_assert_eq(proc_wait(p, 10000), 0, "%s", proc_stderr(p));
	cr_assert_eq(event_number(proc_event(p, "sent", 1000), "status"), 202);
	e = proc_event(bob, "received", 5000);
	cr_assert_str_eq(event_text(e, "cpim.To"), "<sip:bob@cpm.test>");
	cr_assert_str_eq(event_text(e, "asserted"), "sip:alice@cpm.test");
	e = proc_event(carol, "received", 5000);
	cr_assert_str_eq(event_text(e, "cpim.To"), "<sip:carol@cpm.test>");
	e = proc_event(dave, "received", 5000);
	cr_assert_str_eq(event_text(e, "cpim.To"), "<tel:+15550104>");
	lab_log_wait(
			lab, "cpm", "sip:code-404-isf-486@cpm.test failed with 486", 5000);
	cr_assert_eq(json_array_size(proc_events(bob, "received")), 1);
}

/* A Kamailio with a script of its own, in the PF's place. */
static struct proc *own_script(const char *script)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	const char *path = test_path("own.cfg");
	FILE *f = fopen(path, "w");
	const char *argv[] = {"kamailio", "-f", path, "-DD", "-E", "-m", "32", "-Y",
			test_path("."), "-P", test_path("own.pid"), NULL};

	fprintf(f,
			"#!KAMAILIO\nlisten=udp:%s:5060\nchildren=2\ndns=no\n"
			"auto_aliases=no\n"
			"loadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule "
			"\"rr.so\"\nloadmodule \"pv.so\"\nloadmodule \"xlog.so\"\n"
			"loadmodule \"%s/cpm.so\"\n"
			"modparam(\"cpm\", \"contact\", \"sip:%s:5060\")\n"
			"modparam(\"cpm\", \"exploder_uri\", \"" EXPLODER "\")\n"
			"modparam(\"cpm\", \"isf_uri\", \"sip:%s:5060\")\n"
			"modparam(\"cpm\", \"relay_socket\", \"/nonexistent/s\")\n%s",
			lab->pf_ip, bin, lab->pf_ip, lab->isf_ip, script);
	fclose(f);
	return proc_start("own", argv);
}

E2E_TEST(isf_pager, steps_are_there_for_scripts_of_ones_own,
		"OP-12 OP-17 OP-23: cpm_is_exploder(), cpm_explode(), cpm_to_isf() in "
		"a "
		"request_route and in a failure_route")
{
	struct proc *p;
	struct sip *m = NULL;

	lab = lab_own("LAB_WITHOUT=core isf cpm relay", NULL);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
	p = own_script(
			"request_route {\n"
			"	t_check_trans();\n	loose_route();\n"
			"	if(cpm_is_exploder()) { cpm_explode(); exit; }\n"
			"	if($hdr(Subject) == \"direct\") { cpm_to_isf(); t_relay(); "
			"exit; }\n"
			"	t_on_failure(\"ISF\");\n	t_relay();\n}\n"
			"failure_route[ISF] {\n"
			"	if(t_check_status(\"480\") && cpm_to_isf() && t_relay())\n"
			"		t_drop_replies();\n}\n");
	for(int i = 0; i < 50 && m == NULL; i++) {
		ua_send(ua, pager_text(ua, NULL, NULL));
		m = ua_poll(ua, "MESSAGE", NULL, 200);
	}
	cr_assert(m, "%s", proc_stderr(p));
	/* the failure route's own choice of codes */
	ua_answer(ua, m, 480, "");
	m = ua_wait(isf, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_ruri(m), "sip:bob@cpm.test");
	same(m, "Route", fmt("<sip:%s:5060;lr>", lab->isf_ip));
	ua_answer(isf, m, 486, "");
	ua_wait(ua, "486/MESSAGE", NULL, 6000);
	ua_send(ua, pager_text(ua, NULL, NULL));
	list_take(ua, 1, 404, NULL);
	ua_wait(ua, "404/MESSAGE", NULL, 6000);
	/* at once */
	ua_send(ua, pager_text(ua, "Subject: direct\n", NULL));
	m = ua_wait(isf, "MESSAGE", NULL, 6000);
	same(m, "Route", fmt("<sip:%s:5060;lr>", lab->isf_ip));
	ua_answer(isf, m, 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	/* a list */
	ua_send(ua, list_message(ua, NULL, NULL));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	list_take(ua, 2, 200, NULL);
	ua_send(ua, list_message(ua, NULL, "no list"));
	ua_wait(ua, "400/MESSAGE", NULL, 6000);
	proc_signal(p, SIGTERM);
	proc_wait(p, 10000);
}
