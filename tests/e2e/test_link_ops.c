/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PF as operators drive it: RPC commands, statistics, event routes, and a
 * routing script in Lua instead of the native one. The relay is played by the
 * test (fake_relay.h), the core as well (b2b_ua.h).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b2b_flow.h"
#include "fake_relay.h"

E2E_SUITE(link_ops);

static struct lab *lab;
static struct ua *ua;
static struct fake *relay;

static void begin(const char *cfg)
{
	lab = lab_own("LAB_WITHOUT=core isf relay",
			fmt("LAB_CPM_CFG_EXTRA=%s", cfg ? cfg : ""), NULL);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	relay = fake_start(lab, NULL);
	for(int i = 0; i < 100 && lab_stat(lab, "link_up") != 1; i++)
		sleep_ms(50);
}

/* A call that rings. */
static struct call *ring(struct call **callee)
{
	struct call *a = call_invite(ua, NULL);

	*callee = call_incoming(ua, 3000);
	call_reply(*callee, 180, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 3000);
	return a;
}

static int occurrences(const char *text, const char *what)
{
	int n = 0;

	for(; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

E2E_TEST(link_ops, relays_says_what_an_operator_wants_to_know, "")
{
	static const char *const keys[] = {"socket:", "owner: pf", "state: up",
			"up_s:", "heard_s:", "server: fake/1", "boot: 9f2c61d07be84a53",
			"version: 1", "workers: 1", "pending: 0", "queue: 8192",
			"connects: 1", "pid:"};
	const char *text;

	begin(NULL);
	text = lab_rpc(lab, "cpm", "cpm.relays");
	for(size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		cr_assert(strstr(text, keys[i]), "no %s in %s", keys[i], text);
	fake_stop(relay);
	for(int i = 0; i < 40 && lab_stat(lab, "link_up") == 1; i++)
		sleep_ms(50);
	for(int i = 0; i < 40; i++) {
		text = lab_rpc(lab, "cpm", "cpm.relays");
		if(strstr(text, "last_error: No such file") && strstr(text, "waiting"))
			break;
		sleep_ms(50);
	}
	cr_assert(strstr(text, "state: waiting") && strstr(text, "down_s:")
					&& strstr(text, "attempts:")
					&& strstr(text, "last_error: No such file or directory"),
			"%s", text);
}

E2E_TEST(link_ops, sessions_are_listed_by_pages_and_ended_one_by_one, "")
{
	struct call *a[3], *b[3];
	struct sip *m;
	const char *text;
	char id[64] = "";

	begin(NULL);
	for(int i = 0; i < 3; i++)
		a[i] = ring(&b[i]);
	text = lab_rpc(lab, "cpm", "cpm.sessions");
	cr_assert(strstr(text, "total: 3") && occurrences(text, "\tid: ") == 3,
			"%s", text);
	text = lab_rpc(lab, "cpm", "cpm.sessions 2 2");
	cr_assert(strstr(text, "total: 3"));
	cr_assert_eq(occurrences(text, "age_s:"), 1);
	text = lab_rpc(lab, "cpm", "cpm.sessions 0 1");
	cr_assert_eq(occurrences(text, "age_s:"), 1);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.sessions 9"), "total: 3"));

	cr_assert_eq(sscanf(strstr(text, "\tid: "), " id: %63s", id), 1);
	cr_assert(strstr(lab_rpc(lab, "cpm", fmt("cpm.session %s", id)), id));
	lab_rpc(lab, "cpm", fmt("cpm.session_end %s", id));
	m = ua_wait(ua, "CANCEL", NULL, 3000);
	ua_answer(ua, m, 200, "");
	for(int i = 0; i < 3; i++) {
		bool ended = strcmp(sip_hdr(m, "Call-ID"), b[i]->call_id) == 0;

		call_reply(b[i], ended ? 487 : 486, NULL, "", "");
		ua_wait(ua, ended ? "408/INVITE" : "486/INVITE", a[i]->call_id, 3000);
	}
	for(int i = 0; i < 60 && lab_stat(lab, "sessions") > 0; i++)
		ua_idle(ua, 50);
	cr_assert_eq(lab_stat(lab, "sessions"), 0);
	fake_stop(relay);
}

E2E_TEST(link_ops, wrong_arguments_of_an_rpc_get_an_error_and_no_more, "")
{
	static const char *const bad[][3] = {{"cpm.sessions", "0", "0"},
			{"cpm.sessions", "0", "201"}, {"cpm.session", NULL, NULL},
			{"cpm.session", "nonsense", NULL},
			{"cpm.session", "00000000-000000000001", NULL},
			{"cpm.session_end", NULL, NULL}, {"cpm.session_end", "x", NULL}};

	begin(NULL);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *argv[] = {"kamcmd", "-s", lab->cpm_ctl, bad[i][0],
				bad[i][1], bad[i][2], NULL};
		struct proc *p = proc_start("kamcmd-bad", argv);

		proc_wait(p, 3000);
		cr_assert(strstr(fmt("%s%s", proc_stdout(p), proc_stderr(p)),
						  "error: 40"),
				"%s %s: %s", bad[i][0], bad[i][1] ? bad[i][1] : "",
				proc_stdout(p));
	}
	cr_assert_eq(lab_stat(lab, "link_up"), 1);
	fake_stop(relay);
}

/* Names of the lines "name: value", each with a prefix taken off. */
static int count_names(const char *text, const char *prefix)
{
	return occurrences(text, prefix);
}

E2E_TEST(link_ops, statistics_are_those_of_kamailio, "")
{
	struct call *a, *b;
	const char *text;

	begin(NULL);
	a = ring(&b);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 3000);
	for(int i = 0; i < 60 && lab_stat(lab, "sessions") > 0; i++)
		ua_idle(ua, 50);
	text = lab_rpc(lab, "cpm", "stats.fetch cpm:");
	cr_assert_eq(count_names(text, "cpm."),
			occurrences(lab_rpc(lab, "cpm", "cpm.stats"), ": "), "%s", text);
	cr_assert(strstr(text, "cpm.messages_large: 1"), "%s", text);
	cr_assert(strstr(text, "cpm.failed_recipient: 1"));
	cr_assert(strstr(text, "cpm.link_up: 1"));
	cr_assert(strstr(text, "cpm.link_pending: 0"));
	cr_assert_eq(lab_stat(lab, "link_results"),
			lab_stat(lab, "link_commands") - lab_stat(lab, "link_errors"));
	cr_assert_gt(lab_stat(lab, "link_wait_us"), 0);
	fake_stop(relay);
}

E2E_TEST(link_ops, event_routes_run_when_the_relay_comes_and_goes, "")
{
	begin("event_route[cpm:relay-up] {\n"
		  "	xlog(\"L_WARN\", \"route up $cpm(relay) $cpm(sessions)\\n\");\n}\n"
		  "event_route[cpm:relay-down] {\n"
		  "	xlog(\"L_WARN\", \"route down $cpm(relay)\\n\");\n}");
	lab_log_wait(lab, "cpm", "route up 1 0", 3000);
	fake_stop(relay);
	lab_log_wait(lab, "cpm", "route down 0", 3000);
}

/* ---- KEMI -------------------------------------------------------------------
 */

static const char lua[] =
		"function ksr_request_route()\n"
		"	if KSR.is_CANCEL() then KSR.cpm.cancel() return 1 end\n"
		"	if KSR.siputils.has_totag() > 0 then\n"
		"		if KSR.cpm.in_dialog() < 0 then\n"
		"			KSR.sl.sl_send_reply(481, \"No Dialog\")\n"
		"		end\n"
		"		return 1\n"
		"	end\n"
		"	if KSR.is_ACK() then KSR.tm.t_check_trans() return 1 end\n"
		"	if KSR.is_OPTIONS() then\n"
		"		KSR.sl.sl_send_reply(200, \"OK\") return 1\n"
		"	end\n"
		"	if KSR.cpm.is_large() > 0 then KSR.notice(\"lua: large\\n\") end\n"
		"	if KSR.cpm.is_pager() > 0 then KSR.notice(\"lua: pager\\n\") end\n"
		"	if KSR.cpm.trusted() < 0 or KSR.cpm.session_case() ~= 1 then\n"
		"		KSR.cpm.reject(\"127\") return 1\n"
		"	end\n"
		"	KSR.pv.seti(\"$cpm(anonymity)\", 0)\n"
		"	KSR.pv.sets(\"$cpm(min_version)\", \"2.0\")\n"
		"	for _, step in ipairs({\"authorised\", \"version\", "
		"\"anonymity\",\n"
		"			\"expires\", \"timer\", \"require\", \"size\"}) do\n"
		"		if KSR.cpm[\"check_\" .. step]() < 0 then\n"
		"			KSR.notice(\"lua: \" .. step .. \"\\n\")\n"
		"			KSR.cpm.reject(KSR.pv.get(\"$cpm(refusal)\")) return 1\n"
		"		end\n"
		"	end\n"
		"	if KSR.cpm.check() < 0 then KSR.err(\"lua: check\\n\") end\n"
		"	if KSR.cpm.is_exploder() > 0 then KSR.err(\"lua: list\\n\") end\n"
		"	KSR.rr.loose_route()\n"
		"	if KSR.cpm.originating() < 0 then\n"
		"		KSR.cpm.service_header()\n"
		"		KSR.sl.sl_send_reply(404, \"No Message\")\n"
		"	end\n"
		"	return 1\n"
		"end\n"
		"function ksr_cpm_event(name)\n"
		"	KSR.notice(\"lua: event \" .. name .. \" relay \" ..\n"
		"		KSR.pv.get(\"$cpm(relay)\") .. \"\\n\")\n"
		"	return 1\n"
		"end\n";

static const char native[] =
		"#!KAMAILIO\n"
		"debug=2\nlog_stderror=yes\nchildren=2\ndisable_tcp=yes\n"
		"auto_aliases=no\nmax_branches=4\nlisten=udp:%s:5060\n"
		"loadmodule \"kex.so\"\nloadmodule \"ctl.so\"\nloadmodule \"tm.so\"\n"
		"loadmodule \"sl.so\"\nloadmodule \"rr.so\"\nloadmodule \"pv.so\"\n"
		"loadmodule \"siputils.so\"\nloadmodule \"app_lua.so\"\n"
		"loadmodule \"%s/cpm.so\"\n"
		"modparam(\"ctl\", \"binrpc\", \"%s\")\n"
		"modparam(\"app_lua\", \"load\", \"%s\")\n"
		"modparam(\"cpm\", \"relay_socket\", \"%s\")\n"
		"modparam(\"cpm\", \"contact\", \"sip:cpm@%s:5060\")\n"
		"modparam(\"cpm\", \"trusted_peers\", \"127.0.0.0/8\")\n"
		"modparam(\"cpm\", \"event_callback\", \"ksr_cpm_event\")\n"
		"cfgengine \"lua\"\n";

static const char *write_file(const char *name, const char *text)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL);
	fputs(text, f);
	fclose(f);
	return path;
}

/* A Kamailio of the test's own, routed by the Lua script above. */
static struct proc *start_lua(void)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	const char *script = write_file("route.lua", lua);
	const char *cfg;
	struct proc *p;

	lab = lab_own("LAB_WITHOUT=core isf relay cpm", NULL);
	cfg = write_file("kemi.cfg",
			fmt(native, lab->pf_ip, bin, lab->cpm_ctl, script, lab->relay_sock,
					lab->pf_ip));
	ua = ua_open(lab->core_ip, lab->pf_ip);
	relay = fake_start(lab, NULL);
	p = proc_start("kamailio",
			(const char *const[]){"kamailio", "-f", cfg, "-DD", "-E", "-m",
					"32", "-M", "8", "-Y", fmt("%s/run", lab->dir), NULL});
	for(int i = 0; i < 100 && !strstr(proc_stderr(p), "relay-up"); i++)
		sleep_ms(50);
	cr_assert(strstr(proc_stderr(p), "lua: event cpm:relay-up relay 1"), "%s",
			proc_stderr(p));
	return p;
}

E2E_TEST(link_ops, a_lua_script_can_do_all_that_the_native_one_can, "")
{
	struct proc *p = start_lua();
	struct call *a, *b;
	struct sip *m;
	int code;

	/* a large message, through a whole call; an ACK and a BYE in dialog */
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	cr_assert(strstr(proc_stderr(p), "lua: large"));

	/* CANCEL */
	a = ring(&b);
	call_cancel(a);
	ua_wait(ua, "200/CANCEL", a->call_id, 3000);
	ua_wait(ua, "487/INVITE", a->call_id, 3000);
	ua_answer(ua, ua_wait(ua, "CANCEL", b->call_id, 3000), 200, "");
	call_reply(b, 487, NULL, "", "");

	/* a pager message */
	ua_send(ua, pager_text(ua, NULL, NULL));
	m = ua_wait(ua, "MESSAGE", NULL, 3000);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 3000);
	cr_assert(strstr(proc_stderr(p), "lua: pager"));

	/* what the script refuses by a step */
	ua_send(ua, pager_text(ua, "Privacy: id\n", NULL));
	m = ua_wait(ua, "403/MESSAGE", NULL, 3000);
	cr_assert(strstr(sip_hdr(m, "Warning"), "119") != NULL);
	ua_send(ua,
			pager_text(ua, "Expires: 60\nDate: Mon, 01 Jan 2024 00:00:00 GMT\n",
					NULL));
	ua_wait(ua, "480/MESSAGE", NULL, 3000);
	ua_send(ua, pager_text(ua, "User-Agent: CPM-client/OMA1.0\n", NULL));
	ua_wait(ua, "403/MESSAGE", NULL, 3000);
	ua_send(ua, pager_text(ua, "Require: foo\n", NULL));
	m = ua_wait(ua, "420/MESSAGE", NULL, 3000);
	cr_assert_str_eq(sip_hdr(m, "Unsupported"), "foo");
	a = call_invite(ua,
			&(struct invite_opt){.headers = "Session-Expires: "
											"20\n"});
	m = ua_wait(ua, "422/INVITE", a->call_id, 3000);
	cr_assert_str_eq(sip_hdr(m, "Min-SE"), "90");
	cr_assert(strstr(proc_stderr(p), "lua: timer"));

	fake_stop(relay);
	for(int i = 0; i < 60 && !strstr(proc_stderr(p), "relay-down"); i++)
		sleep_ms(50);
	cr_assert(strstr(proc_stderr(p), "lua: event cpm:relay-down relay 0"));
	proc_signal(p, SIGTERM);
	code = proc_wait(p, 5000);
	cr_assert_eq(code, 0, "kamailio: exit code %d", code);
	cr_assert(strstr(proc_stderr(p), "ERROR:") == NULL
					&& strstr(proc_stderr(p), "CRITICAL:") == NULL,
			"%s", proc_stderr(p));
}

/* ---- configuration
 * ------------------------------------------------------------ */

E2E_TEST(link_ops, a_wrong_parameter_stops_the_start_with_its_name, "")
{
	static const struct
	{
		const char *lines, *log;
	} bad[] = {
			{"", "modparam contact is required"},
			{"contact\", \"tel:+1555", "contact is not a SIP URI"},
			{"relay_timeout\", 1)#", "relay_timeout is 1, must be 10 to 60000"},
			{"relay_queue\", 1)#", "relay_queue is 1"},
			{"relay_reconnect_max\", 10)#",
					"relay_reconnect_max is 10, must be 100"},
			{"relay_owner\", \"a b", "relay_owner must be 1 to 64"},
			{"relay_socket\", \"", "relay_socket is empty"},
			{"hash_size\", 1000)#",
					"hash_size is 1000, must be a power of two"},
			{"session_expires\", 60)#", "session_expires is 60, must be 90"},
			{"msrp_transport\", \"udp", "msrp_transport is \"udp\""},
			{"outbound_proxy\", \"proxy", "outbound_proxy is not a SIP URI"},
			{"min_client_version\", \"new", "min_client_version is no version"},
			{"anonymity\", 2)#", "anonymity is 2, must be 0 to 1"},
			{"authorised\", -1)#", "authorised is -1, must be 0 to 1"},
			{"max_recipients\", 0)#", "max_recipients is 0, must be 1"},
			{"clock_skew\", -5)#", "clock_skew is -5, must be 0"},
			{"trusted_peers\", \"192.0.2.1, core", "\"core\" is neither"},
			{"trusted_peers\", \"192.0.2.0/40", "\"192.0.2.0/40\" is neither"},
			{"loop_header\", \"X-PF: ", "loop_header is no header name"},
			{"instance\", \"a b", "instance is no token"},
			{"error_info\", \"a b", "error_info is no URI"},
			{"refusal\", \"no-such=400", "refusal is not"},
			{"refusal\", \"127=99", "refusal is not"},
			{"refusal\", \"127=403 \\\"x\\\"", "refusal is not"},
			{"no_such\", 1)#", "no_such"},
	};
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";

	lab = lab_own("LAB_WITHOUT=core isf relay cpm", NULL);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *line = *bad[i].lines
				? fmt("modparam(\"cpm\", \"%s%s", bad[i].lines,
						strchr(bad[i].lines, '#') ? "" : "\")")
				: "";
		const char *contact = i < 2 ? ""
									: fmt("modparam(\"cpm\", \"contact\", "
										  "\"sip:%s\")",
											lab->pf_ip);
		const char *cfg = write_file("bad.cfg",
				fmt("#!KAMAILIO\ndisable_tcp=yes\nchildren=1\n"
					"listen=udp:%s:5060\nloadmodule \"tm.so\"\n"
					"loadmodule \"%s/cpm.so\"\n%s\n%s\n"
					"request_route { exit; }\n",
						lab->pf_ip, bin, contact, line));
		struct proc *p = proc_start("kamailio",
				(const char *const[]){"kamailio", "-f", cfg, "-DD", "-E", "-m",
						"16", "-M", "8", "-Y", fmt("%s/run", lab->dir), NULL});

		cr_assert_neq(proc_wait(p, 15000), 0, "started with %s", line);
		cr_assert(strstr(proc_stderr(p), bad[i].log), "%s: %s", line,
				proc_stderr(p));
	}
}
