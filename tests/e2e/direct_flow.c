/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PF that is its own registrar (direct_flow.h).
 */
#include "direct_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The modules, the way in, and the routing of kamailio-cfg in short. */
static const char script[] =
		"#!KAMAILIO\n#!substdef \"!CORE_IP!%s!g\"\n"
		"debug=2\nlog_stderror=yes\nchildren=2\ndisable_tcp=yes\n"
		"auto_aliases=no\nserver_signature=no\nmaxbuffer=4194304\n"
		"listen=udp:%s:5060\n"
		"loadmodule \"kex.so\"\nloadmodule \"ctl.so\"\n"
		"loadmodule \"tm.so\"\nloadmodule \"sl.so\"\n"
		"loadmodule \"rr.so\"\nloadmodule \"pv.so\"\n"
		"loadmodule \"xlog.so\"\nloadmodule \"textops.so\"\n"
		"loadmodule \"siputils.so\"\nloadmodule \"usrloc.so\"\n"
		"loadmodule \"registrar.so\"\nloadmodule \"%s/cpm.so\"\n"
		"modparam(\"ctl\", \"binrpc\", \"%s\")\n"
		"modparam(\"usrloc\", \"db_mode\", 0)\n"
		"modparam(\"usrloc\", \"use_domain\", 1)\n"
		"modparam(\"registrar\", \"gruu_enabled\", 1)\n"
		"modparam(\"cpm\", \"relay_socket\", \"%s\")\n"
		"modparam(\"cpm\", \"contact\", \"sip:%s:5060\")\n"
		"modparam(\"cpm\", \"trusted_peers\", \"%s\")\n"
		"modparam(\"cpm\", \"exploder_uri\", \"sip:exploder@cpm.test\")\n"
		"modparam(\"cpm\", \"contacts\", \"usrloc\")\n"
		"modparam(\"cpm\", \"client_target\", \"gruu\")\n"
		"modparam(\"cpm\", \"outbound_proxy\", \"sip:%s:5060\")\n%s\n"
		"request_route {\n"
		"	if(is_method(\"CANCEL\")) {\n"
		"		cpm_cancel();\n		exit;\n	}\n"
		"	if(has_totag()) {\n"
		"		cpm_in_dialog();\n"
		"		if(is_method(\"ACK\")) {\n			t_check_trans();\n"
		"			exit;\n		}\n"
		"		sl_send_reply(\"481\", \"Call Does Not Exist\");\n"
		"		exit;\n	}\n"
		"	if(is_method(\"ACK\")) {\n		t_check_trans();\n		exit;\n	}\n"
		"	t_check_trans();\n"
		"	if(is_method(\"REGISTER\") && $rU == \"as\") {\n"
		"		cpm_third_party_register();\n		exit;\n	}\n"
		"	if(is_method(\"REGISTER\")) {\n"
		"		cpm_register_tags();\n		save(\"location\");\n"
		"		exit;\n	}\n"
		"	if(is_method(\"SUBSCRIBE\")) {\n"
		"		cpm_subscribe();\n		cpm_reject(\"event\");\n"
		"		exit;\n	}\n"
		"	cpm_session_case();\n	loose_route();\n%s\n"
		"	if($cpm(case) == \"term\")\n		cpm_terminating();\n"
		"	cpm_originating();\n"
		"	sl_send_reply(\"404\", \"Not Found\");\n"
		"}\n";

/* It answers. */
static void spawn(struct own *o)
{
	o->pf = proc_start("kamailio",
			(const char *const[]){"kamailio", "-f", test_path("own.cfg"), "-DD",
					"-E", "-m", "64", "-M", "8", "-Y",
					fmt("%s/run", o->lab->dir), NULL});
	for(int i = 0; i < 150; i++) {
		const char *call_id;

		ua_send(o->ua,
				req_text(o->ua, &REQ(.without = "Accept-Contact"), &call_id));
		if(ua_poll(o->ua, "404/MESSAGE", call_id, 100))
			break;
		cr_assert(!proc_ended(o->pf), "%s", proc_stderr(o->pf));
		cr_assert_lt(i, 149, "the PF does not answer");
	}
	/* and has the relay */
	for(int i = 0; lab_rpc_number(o->lab, "cpm.relays", "version") < 1; i++) {
		cr_assert_lt(
				i, 100, "no relay: %s", lab_rpc(o->lab, "cpm", "cpm.relays"));
		sleep_ms(100);
	}
}

void own_start(struct own *o, const char *params, const char *before)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	FILE *f;

	o->lab = lab_own("LAB_WITHOUT=core isf cpm", NULL);
	f = fopen(test_path("own.cfg"), "w");
	cr_assert(f != NULL);
	fprintf(f, script, o->lab->core_ip, o->lab->pf_ip, bin, o->lab->cpm_ctl,
			o->lab->relay_sock, o->lab->pf_ip, o->lab->core_ip, o->lab->core_ip,
			params, before);
	fclose(f);
	o->ua = ua_open(o->lab->core_ip, o->lab->pf_ip);
	spawn(o);
}

void own_restart(struct own *o)
{
	lab_stop_kamailio(o->lab, o->pf, "CPM PUSH", 8000);
	spawn(o);
}

void own_again(struct own *o)
{
	spawn(o);
}

/* Feature tag of these services. */
static const char *tag_of(const char *icsi)
{
	char *copy, *save = NULL;
	const char *all = "";

	if(icsi == NULL)
		return "";
	copy = strdup(icsi);
	for(char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		all = fmt("%s%surn%%3Aurn-7%%3A3gpp-service.ims.icsi.oma.cpm.%s", all,
				*all ? "," : "", w);
	free(copy);
	return fmt(";+g.3gpp.icsi-ref=\"%s\"", all);
}

void own_register_ua(struct own *o, const char *user, int host, const char *urn,
		const char *icsi, int expires, const char *agent)
{
	static int cseq;
	const char *instance = urn ? fmt(";+sip.instance=\"<%s>\"", urn) : "";
	const char *id = fmt("reg-%s-%d@test", user, host);

	cseq++;
	ua_send(o->ua,
			fmt("REGISTER sip:cpm.test SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKreg%d\n"
				"From: <sip:%s@cpm.test>;tag=r%d\nTo: <sip:%s@cpm.test>\n"
				"Call-ID: %s\nCSeq: %d REGISTER\nMax-Forwards: 70\n"
				"User-Agent: %s\nSupported: gruu\n"
				"Contact: <sip:%s@%s:5060>%s%s;expires=%d\n"
				"Content-Length: 0\n\n",
					ua_ip(o->ua), cseq, user, cseq, user, id, cseq, agent, user,
					lab_addr(o->lab, host), instance, tag_of(icsi), expires));
	ua_wait(o->ua, "200/REGISTER", id, 6000);
}

void own_register(struct own *o, const char *user, int host, const char *urn,
		const char *icsi, int expires)
{
	own_register_ua(o, user, host, urn, icsi, expires, "CPM-client/OMA2.2");
}

const char *own_via(const struct own *o, int host)
{
	static int branch;

	return fmt("Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKlow%d\n",
			lab_addr(o->lab, host), ++branch);
}

const char *own_gruu(const char *user, const char *urn)
{
	return fmt("sip:%s@cpm.test;gr=%s", user, urn);
}

void own_stat_wait(struct own *o, const char *name, long long value)
{
	for(int i = 0; lab_stat(o->lab, name) != value; i++) {
		cr_assert_lt(i, 200, "%s is %lld, not %lld", name,
				lab_stat(o->lab, name), value);
		sleep_ms(50);
	}
}
