/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The PF as application server of an IMS core: which half of the network a
 * request is in, the S-CSCF's own Route entry, who is believed, what is handed
 * on (3GPP TS 24.229 5.7, RFC 3325, 5502, 6050, 7315). What the core sends back
 * to us: test_orig_loop.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chain.h"
#include "direct_flow.h"
#include "orig_req.h"

E2E_SUITE(orig_ims);

#define W127 "127 Service not authorised"
#define EXPLODER "sip:exploder@cpm.test"

static struct lab *lab;
static struct ua *ua;
static struct proc *pf; /* own_pf() */

/* ---- session case ---------------------------------------------------------
 */

/* What became of a MESSAGE with this Route and these headers: "orig" (checked
 * and sent on as the same request), "term" (a request of its own for the
 * recipient), "none" (nobody's). */
static const char *case_of(const char *route, const char *headers)
{
	const char *call_id;
	struct sip *m = NULL;

	ua_send(ua,
			req_text(ua,
					&REQ(.route = route, .headers = headers ? headers : ""),
					&call_id));
	for(int i = 0; i < 300 && m == NULL; i++) {
		if(ua_poll(ua, "403/MESSAGE", call_id, 0))
			return "none";
		m = ua_poll(ua, "MESSAGE", NULL, 20);
	}
	cr_assert(m != NULL, "no answer with %s", route);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 3000);
	if(sip_hdr_nth(m, "P-Preferred-Service", 0) != NULL)
		return "untouched";
	return strcmp(sip_hdr(m, "Call-ID"), call_id) == 0 ? "orig" : "term";
}

E2E_TEST(orig_ims, session_case_is_found_in_what_the_core_says,
		"OP-22: user of the Route, ;case=, sescase of P-Served-User, ;orig, in "
		"this order")
{
	static const struct
	{
		const char *entry;  /* our Route entry without host */
		const char *served; /* P-Served-User, or NULL */
		const char *is;
	} cases[] = {{"<sip:orig@%s:5060;lr>", NULL, "orig"},
			{"<sip:term@%s:5060;lr>", NULL, "term"},
			{"<sip:%s:5060;lr;case=orig>", NULL, "orig"},
			{"<sip:%s:5060;lr;case=term>", NULL, "term"},
			{"<sip:%s:5060;lr;orig>", NULL, "orig"},
			{"<sip:pf@%s;lr;ORIG>", NULL, "orig"},
			{"<sip:%s:5060;lr>", "<sip:alice@cpm.test>;sescase=orig", "orig"},
			{"<sip:%s:5060;lr>",
					"\"A;sescase=orig\" <tel:+1555;sescase=orig>;regstate=reg; "
					"SesCase = term",
					"term"},
			/* the more special one decides */
			{"<sip:%s:5060;lr;orig>", "sip:bob@cpm.test;sescase=term", "term"},
			{"<sip:orig@%s:5060;lr>", "<sip:bob@cpm.test>;sescase=term",
					"orig"},
			{"<sip:term@%s:5060;lr;orig>", NULL, "term"},
			{"<sip:%s:5060;lr>", NULL, "none"},
			{"<sip:origin@%s:5060;lr>", NULL, "none"},
			{"<sip:%s:5060;lr;original>", "<sip:a@b>;sescase=x", "none"}};

	lab = flow_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *at = strstr(cases[i].entry, "%s");
		const char *route = fmt("%.*s%s%s, <sip:mark@%s:5060;lr>",
				(int)(at - cases[i].entry), cases[i].entry, lab->pf_ip, at + 2,
				lab->core_ip);
		const char *served = cases[i].served
				? fmt("P-Served-User: %s\n", cases[i].served)
				: NULL;

		cr_assert_str_eq(case_of(route, served), cases[i].is, "%s %s",
				cases[i].entry, served ? served : "");
	}
	/* another server's entry says nothing about us */
	cr_assert_str_eq(case_of("<sip:orig@192.0.2.77;lr>", NULL), "none");
}

E2E_TEST(orig_ims, users_of_the_route_are_the_operators_choice,
		"OP-22: orig_user, term_user")
{
	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"orig_user\", \"cpm-o\")\n"
			"modparam(\"cpm\", \"term_user\", \"cpm-t\")");
	cr_assert_str_eq(case_of(fmt("<sip:cpm-o@%s;lr>, <sip:m@%s;lr>", lab->pf_ip,
									 lab->core_ip),
							 NULL),
			"orig");
	cr_assert_str_eq(case_of(fmt("<sip:cpm-t@%s;lr>, <sip:m@%s;lr>", lab->pf_ip,
									 lab->core_ip),
							 NULL),
			"term");
	cr_assert_str_eq(case_of(fmt("<sip:orig@%s;lr>, <sip:m@%s;lr>", lab->pf_ip,
									 lab->core_ip),
							 NULL),
			"none");
}

/* Each way of telling, through the whole network. */
static void trigger_by(const char *way)
{
	struct proc *bob, *alice;

	lab = lab_own("LAB_TRIGGERS=orig", fmt("LAB_TRIGGER_BY=%s", way), NULL);
	bob = client_receive(lab, "bob", NULL);
	alice = client_send(lab, "alice", "--to", BOB, "--text", "hello", NULL);
	sender_ends(alice, SENT, 15000);
	header_is(received(bob, 0), "P-Asserted-Service", URN "msg");
	alice = client_send(lab, "alice", "--to", BOB, "--file",
			test_file("x", 20000, false), NULL);
	sender_ends(alice, SENT, 15000);
	cr_assert_eq(lab_stat(lab, "messages_pager"), 1);
	cr_assert_eq(lab_stat(lab, "messages_large"), 1);
	lab_idle(lab, 6000);
}

E2E_TEST(orig_ims, core_tells_by_a_route_parameter, "OP-22 OL-18/part: ;orig")
{
	trigger_by("param");
}

E2E_TEST(orig_ims, core_tells_by_the_served_user,
		"OP-22 OL-18/part: P-Served-User")
{
	trigger_by("served-user");
}

/* ---- the S-CSCF's Route ---------------------------------------------------
 */

/* A list of one beside the message. */
static const char *listed(void)
{
	return fmt("--b1\nContent-Type: message/cpim\n\n%s\n--b1\n"
			   "Content-Type: application/resource-lists+xml\n"
			   "Content-Disposition: recipient-list\n\n<resource-lists "
			   "xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry "
			   "uri=\"sip:bob@cpm.test\"/></list></resource-lists>\n--b1--\n",
			pager_cpim());
}

E2E_TEST(orig_ims, route_below_ours_is_kept_byte_for_byte,
		"OP-22 OP-23 OL-18/part: MESSAGE, INVITE, exploded MESSAGE and "
		"the ISF by way of the core")
{
	const char *mark, *next, *ours, *route, *call_id;
	struct sip *m;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"isf_mode\", \"core\")");
	mark = fmt("<sip:iscmark@%s:5060;lr;s=2;h=0;d=0;"
			   "a=7369703A616c696365>",
			lab->core_ip);
	/* behind it even one that is ours again */
	next = fmt("\"S, 2\" <sip:Far%%20away@192.0.2.9;lr;Odi=\"x\">;x=y, "
			   "<sip:term@%s:5060;lr>",
			lab->pf_ip);
	ours = fmt("<sip:orig@%s:5060;lr>", lab->pf_ip);
	route = fmt("%s, %s, %s", ours, mark, next);
	m = req_passed(ua, "MESSAGE", REQ(.route = route));
	cr_assert(strstr(m->text, mark) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, next) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, ours) == NULL, "%s", m->text);
	m = req_passed(ua, "INVITE", REQ(.large = true, .route = route));
	cr_assert(strstr(m->text, mark) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, next) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, ours) == NULL, "%s", m->text);
	cr_assert(strstr(m->text, mark) < strstr(m->text, next));
	m = req_passed(ua, "exploded",
			REQ(.route = route, .ruri = "sip:exploder@cpm.test",
					.type = "multipart/mixed;boundary=b1", .body = listed()));
	cr_assert(strstr(m->text, mark) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, next) != NULL, "%s", m->text);
	/* the core's own entries come before that of the ISF */
	ua_send(ua, req_text(ua, &REQ(.route = route), &call_id));
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	ua_answer(ua, m, 404, "");
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	cr_assert(strstr(m->text, mark) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, next) != NULL, "%s", m->text);
	cr_assert(strstr(m->text, next)
					< strstr(m->text, fmt("<sip:%s:5060", lab->isf_ip)),
			"%s", m->text);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 6000);
	lab_idle(lab, 6000);
}

/* ---- trust ----------------------------------------------------------------
 */

/* A PF of the test's own (orig_req.h) in which everyone is served. */
static void own_pf(const char *params, const char *before, int code)
{
	pf = req_own_pf(&lab, &ua, params, before, code);
}

#define NETWORK                                                                \
	"P-Served-User: <sip:alice@cpm.test>;sescase=orig\n"                       \
	"P-Charging-Vector: icid-value=1234bc9876e;icid-generated-at=192.0.6.8;"   \
	"orig-ioi=home1.net\n"                                                     \
	"P-Charging-Function-Addresses: ccf=192.1.1.1; ecf=192.1.1.3\n"            \
	"P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=2341\n"       \
	"P-Visited-Network-ID: \"Visited network 1\"\n"

static const char *const network[] = {"P-Asserted-Identity",
		"P-Asserted-Service", "P-Served-User", "P-Charging-Vector",
		"P-Charging-Function-Addresses", "P-Access-Network-Info",
		"P-Visited-Network-ID"};

E2E_TEST(orig_ims, without_a_list_everyone_is_trusted,
		"what the network has asserted stays, and the log warns; an identity "
		"of the script is the only one")
{
	struct sip *m;

	own_pf("",
			"	if(is_present_hf(\"X-Password\"))\n"
			"		$cpm(asserted) = \"sip:carol@cpm.test\";",
			404);
	m = req_passed(ua, "all trusted",
			REQ(.without = "P-Preferred-Service",
					.headers = NETWORK "P-Asserted-Service: " URN "msg\n"));
	for(size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
		cr_assert_str_neq(sip_hdr(m, network[i]), "", "%s", network[i]);
	cr_assert(strstr(proc_stderr(pf), "trusted_peers is not set") != NULL);
	m = req_passed(ua, "named by the script",
			REQ(.headers = "X-Password: good\n"
						   "P-Asserted-Identity: <sip:alice@cpm.test>\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:carol@cpm.test>");
	cr_assert_null(sip_hdr_nth(m, "P-Asserted-Identity", 1));
}

E2E_TEST(orig_ims, strangers_assertions_are_removed,
		"OP-01 OP-09: an identity that the script has found out replaces them")
{
	struct sip *m;

	/* the core is a stranger here; the script knows one user by himself */
	own_pf("modparam(\"cpm\", \"trusted_peers\", \"192.0.2.1, 2001:db8::/64, "
		   "192.0.2.128/25\")",
			"	if(is_present_hf(\"X-Password\"))\n"
			"		$cpm(asserted) = \"sip:carol@cpm.test\";",
			404);
	req_refused(ua, "nobody we know", 403, W127, REQ(.headers = NETWORK));
	req_refused(ua, "served user of a stranger", 403, W127,
			REQ(.without = "P-Asserted-Identity", .headers = NETWORK));
	m = req_passed(ua, "authenticated here",
			REQ(.headers = NETWORK "X-Password: good\n"
								   "P-Asserted-Identity: <tel:+15550101>\n"
								   "P-Asserted-Service: urn:x\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:carol@cpm.test>");
	cr_assert_null(sip_hdr_nth(m, "P-Asserted-Identity", 1));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), URN "msg");
	cr_assert_null(sip_hdr_nth(m, "P-Asserted-Service", 1));
	for(size_t i = 2; i < sizeof(network) / sizeof(*network); i++)
		cr_assert_str_eq(sip_hdr(m, network[i]), "", "%s", network[i]);
	/* an asserted service of his own alone is no reason to refuse him */
	m = req_passed(ua, "no preferred service",
			REQ(.without = "P-Preferred-Service",
					.headers = "X-Password: good\n"
							   "P-Asserted-Service: urn:x\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), "");
}

/* carol, as the script says, and nothing else that the stranger has said. */
static void only_carol(const struct sip *m, const char *service)
{
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:carol@cpm.test>");
	cr_assert_null(sip_hdr_nth(m, "P-Asserted-Identity", 1));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), service);
	for(size_t i = 2; i < sizeof(network) / sizeof(*network); i++)
		cr_assert_str_eq(sip_hdr(m, network[i]), "", "%s", network[i]);
}

E2E_TEST(orig_ims, strangers_assertions_do_not_get_into_requests_of_ours,
		"OL-01 OL-06 OP-21 OP-28: an INVITE, a message to many and one made "
		"large; without a Route they go to the outbound proxy")
{
	const char *headers = NETWORK "X-Password: good\n"
								  "P-Asserted-Identity: <tel:+15550101>\n"
								  "P-Asserted-Service: urn:x\n";
	const char *call_id;
	struct own own;
	struct sip *m;

	own_start(&own, "modparam(\"cpm\", \"trusted_peers\", \"192.0.2.1\")",
			"	if(is_present_hf(\"X-Password\"))\n"
			"		$cpm(asserted) = \"sip:carol@cpm.test\";\n"
			"	if(is_present_hf(\"X-Large\"))\n"
			"		$cpm(pager_limit) = 10;");
	req_refused(own.ua, "nobody we know", 403, W127,
			REQ(.large = true, .headers = NETWORK));
	/* nor does he say which half of the network it is, or which service */
	m = req_passed(own.ua, "INVITE",
			REQ(.large = true, .without = "P-Preferred-Service",
					.route = fmt("<sip:%s:5060;lr>", own.lab->pf_ip),
					.headers = fmt("P-Served-User: <" EXPLODER
								   ">;sescase=term\n%s",
							headers)));
	only_carol(m, URN "largemsg");
	/* module maxfwd is not there to count */
	cr_assert_str_eq(sip_hdr(m, "Max-Forwards"), "68");
	only_carol(req_passed(own.ua, "to many",
					   REQ(.headers = headers, .without = "P-Preferred-Service",
							   .route = fmt(
									   "<sip:orig@%s:5060;lr>", own.lab->pf_ip),
							   .ruri = EXPLODER,
							   .type = "multipart/mixed;boundary=b1",
							   .body = listed())),
			URN "msg");
	ua_send(own.ua,
			req_text(own.ua, &REQ(.headers = fmt("%sX-Large: yes\n", headers)),
					&call_id));
	m = ua_wait(own.ua, "INVITE", NULL, 6000);
	only_carol(m, URN "largemsg");
	ua_answer(own.ua, m, 480, "");
	ua_wait(own.ua, "480/MESSAGE", call_id, 6000);
	lab_idle(own.lab, 6000);
}

/* Status of the PF's answer to a MESSAGE from ::1. */
static int by_ipv6(int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port),
			.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval wait = {.tv_sec = 3};
	char buf[2048] = "";
	const char *text = fmt("MESSAGE sip:bob@cpm.test SIP/2.0\r\n"
						   "Via: SIP/2.0/UDP [::1];rport;branch=z9hG4bK6\r\n"
						   "From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n"
						   "Call-ID: six\r\nCSeq: 1 MESSAGE\r\n"
						   "Max-Forwards: 9\r\nContent-Length: 0\r\n\r\n");

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_gt(send(fd, text, strlen(text), 0), 0);
	(void)!recv(fd, buf, sizeof(buf) - 1, 0);
	close(fd);
	return strncmp(buf, "SIP/2.0 ", 8) == 0 ? (int)strtol(buf + 8, NULL, 10)
											: 0;
}

static void networks(const char *peers, bool four, bool six)
{
	const char *test = "	if(!cpm_trusted()) { cpm_reject(\"127\"); exit; }\n"
					   "	if(af == INET6) { sl_send_reply(\"299\", \"6\"); "
					   "exit; }";
	int port = 20000 + (int)getpid() % 10000;

	own_pf(fmt("modparam(\"cpm\", \"trusted_peers\", \"%s\")\n"
			   "listen=udp:[::1]:%d",
				   peers, port),
			test, four ? 404 : 403);
	cr_assert_eq(by_ipv6(port), six ? 299 : 403);
}

E2E_TEST(orig_ims, identity_of_the_script_is_a_uri_and_nothing_else,
		"OP-01: $cpm(asserted) takes no second header, no list, no rubbish")
{
	static const char *const bad[] = {"sip:a@b>, <sip:x@y", "nobody",
			"sip:a@b, sip:c@d", "sip:a b@c", "sip:\"a@b", "<sip:a@b", "sip:"};
	char big[400] = "sip:";
	struct sip *m;

	own_pf("modparam(\"cpm\", \"trusted_peers\", \"192.0.2.1\")",
			"	if(is_present_hf(\"X-User\"))\n"
			"		$cpm(asserted) = $hdr(X-User);",
			404);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		req_refused(ua, bad[i], 403, W127,
				REQ(.headers = fmt("X-User: %s\n", bad[i])));
	memset(big + 4, 'a', 300);
	memcpy(big + 304, "@b", 3);
	req_refused(
			ua, "long", 403, W127, REQ(.headers = fmt("X-User: %s\n", big)));
	m = req_passed(
			ua, "good", REQ(.headers = "X-User: \"A\" <tel:+15550101>\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<tel:+15550101>");
}

E2E_TEST(orig_ims, networks_of_trusted_peers,
		"OP-01: an address of each family among several")
{
	networks("2001:db8::1 , 127.20.0.0/16,192.0.2.1, ::/96", true, true);
}

E2E_TEST(orig_ims, networks_of_others_are_not_trusted,
		"OP-01: a network next to ours, of each family")
{
	networks("127.21.0.0/16, ::2, ::1:0/112", false, false);
}

E2E_TEST(orig_ims, identity_has_an_address_and_a_number,
		"OP-01: two identities in one field or two; the served user "
		"when there is none")
{
	struct sip *m;

	own_pf("",
			"	$cpm(case) = \"orig\";\n"
			"	append_hf(\"X-Seen: $cpm(asserted) $cpm(asserted_tel) "
			"$cpm(served_user) $cpm(mode) $cpm(trusted)\\r\\n\");",
			404);
	m = req_passed(ua, "one field",
			REQ(.headers = "P-Asserted-Identity: \"A, B\" "
						   "<sip:alice@cpm.test>, <tel:+15550101>\n"));
	cr_assert_str_eq(sip_hdr(m, "X-Seen"),
			"sip:alice@cpm.test tel:+15550101 sip:alice@cpm.test pager 1");
	m = req_passed(ua, "two fields",
			REQ(.headers = "P-Asserted-Identity: <tel:+15550101>\n"
						   "P-Asserted-Identity: <sip:alice@cpm.test>\n"
						   "P-Served-User: <sip:a@x>;sescase=orig\n"));
	cr_assert_str_eq(sip_hdr(m, "X-Seen"),
			"tel:+15550101 tel:+15550101 sip:a@x pager 1");
	cr_assert_str_eq(
			sip_hdr_nth(m, "P-Asserted-Identity", 1), "<sip:alice@cpm.test>");
	m = req_passed(ua, "none but the served user",
			REQ(.without = "P-Asserted-Identity",
					.headers = "P-Served-User: <sip:a@x>;sescase=orig\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Identity"), "<sip:a@x>");
	/* what is no address is no identity */
	req_refused(ua, "broken served user", 403, W127,
			REQ(.without = "P-Asserted-Identity",
					.headers = "P-Served-User: <sip:a@x\n"));
}

/* ---- what is handed on ----------------------------------------------------
 */

E2E_TEST(orig_ims, charging_and_access_are_handed_on,
		"OP-22 OL-06: 3GPP TS 24.229 5.7.5, the same icid on the new leg")
{
	static const char *const lines[][2] = {
			{"P-Asserted-Identity", "<sip:alice@cpm.test>, <tel:+15550101>"},
			{"P-Served-User", "<sip:alice@cpm.test>;sescase=orig"},
			{"P-Charging-Vector",
					"icid-value=1234bc9876e;icid-generated-at=192.0.6.8;"
					"orig-ioi=home1.net"},
			{"P-Charging-Function-Addresses", "ccf=192.1.1.1; ecf=192.1.1.3"},
			{"P-Access-Network-Info",
					"3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=2341"},
			{"P-Visited-Network-ID", "\"Visited network 1\""},
			{"History-Info", "<sip:bob@cpm.test>;index=1"},
			{"User-to-User", "56a390f3d2b7310023a2;encoding=hex"},
			{"Privacy", "none"}, {"Priority", "urgent"}, {"Subject", "x"},
			{"Reply-To", "<sip:alice@other.test>"},
			{"Referred-By", "<sip:r@x>"}, {"InReplyTo-Contribution-ID", "abc"},
			{"Organization", "O"}, {"Geolocation-Routing", "no"},
			{"Session-ID", "ab30317f1a784dc48ff824d0d3715d86"},
			{"Conversation-ID", "conv-7"}, {"Contribution-ID", "contr-7"},
			{"Reject-Contact", "*;actor=\"msg-taker\""},
			{"Request-Disposition", "no-fork"}, {"Identity", "eyJhbGciOi.x"}};
	const char *all = "";

	for(size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		all = fmt("%s%s: %s\n", all, lines[i][0], lines[i][1]);
	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++) {
		struct sip *m =
				req_passed(ua, "headers", REQ(.large = large, .headers = all));

		for(size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
			cr_assert_str_eq(sip_hdr(m, lines[i][0]), lines[i][1], "%d %s",
					large, lines[i][0]);
			cr_assert_null(sip_hdr_nth(m, lines[i][0], 1), "%s", lines[i][0]);
		}
	}
	lab_idle(lab, 6000);
}
