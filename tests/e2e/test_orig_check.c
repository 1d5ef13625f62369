/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The checks of the originating PF, each for MESSAGE and for INVITE: what is
 * refused with which status and Warning, what passes, and which check is the
 * first when several would refuse. OMA-TS-CPM_Conv_Fnct 8.2.1.1 steps 1 to 4
 * and 8, 8.2.1.2 steps 1 to 5 and 7.e. The service: test_orig_service.c.
 */
#include <stdlib.h>
#include <string.h>

#include "orig_req.h"

E2E_SUITE(orig_check);

#define W127 "127 Service not authorised"
#define W132 "132 Version not supported"
#define W119 "119 Anonymity not allowed"
#define W122 "122 Function not allowed"
#define W133 "133 Size exceeded"
#define W_EXPIRED "Message has expired"

static struct lab *lab;
static struct ua *ua;


static const char *offer_of(const char *bytes)
{
	const char *sdp = sdp_offer("actpass"), *at = strstr(sdp, "size:2048");

	return fmt("%.*ssize:%s%s", (int)(at - sdp), sdp, bytes, at + 9);
}

/* A message/cpim body of exactly n bytes on the wire. */
static const char *cpim_of(size_t n)
{
	const char *head = pager_cpim();
	size_t have = sdp_length(head);
	char *fill = calloc(1, n - have + 1);

	memset(fill, 'x', n - have);
	return fmt("%s%s", head, fill);
}

static void ended(void)
{
	lab_idle(lab, 6000);
}

/* ---- 1: authorised --------------------------------------------------------
 */

E2E_TEST(orig_check, who_may_not_use_cpm_sends_nothing,
		"OP-01 OL-01: 403 with Warning 127, by rule of the user, and without "
		"an identity")
{
	lab = flow_lab(&ua, NULL);
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:dave@cpm.test authorised=No");
	for(int large = 0; large < 2; large++) {
		req_refused(ua, "barred in words", 403, W127,
				REQ(.large = large,
						.headers = "P-Asserted-Identity: "
								   "<sip:dave@cpm.test>\n"));
		req_refused(ua, "barred", 403, W127,
				REQ(.large = large,
						.headers = "P-Asserted-Identity: "
								   "<sip:mallory@cpm.test>\n"));
		req_refused(ua, "nobody", 403, W127,
				REQ(.large = large, .without = "P-Asserted-Identity"));
		req_passed(ua, "alice", REQ(.large = large));
	}
	ended();
}

E2E_TEST(orig_check, default_for_everyone_can_be_no,
		"OP-01 OL-01: modparam authorised, $cpm(authorised) for one request")
{
	lab = flow_lab(&ua, "modparam(\"cpm\", \"authorised\", 0)");
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:carol@cpm.test authorised=1");
	for(int large = 0; large < 2; large++) {
		req_refused(ua, "default", 403, W127, REQ(.large = large));
		req_passed(ua, "subscriber",
				REQ(.large = large,
						.headers = "P-Asserted-Identity: "
								   "<sip:carol@cpm.test>\n"));
	}
	ended();
}

/* ---- 2: version -----------------------------------------------------------
 */

E2E_TEST(orig_check, old_client_is_told_so,
		"OP-02 OL-02: 403 with Warning 132 and Error-Info")
{
	static const struct
	{
		const char *agent;
		bool ok;
	} cases[] = {{"CPM-client/OMA1.0", false}, {"CPM-client/OMA1.9 x/1", false},
			{"RCS-client/UP_2.3 cpm-CLIENT/oma1.0", false},
			{"CPM-client/OMA2.0", true}, {"CPM-client/OMA2.2 x/1", true},
			{"CPM-client/OMA10.0", true}, {"phone/1.0", true}};
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct req r = {.large = large,
					.headers = fmt("User-Agent: %s\n", cases[i].agent)};

			if(cases[i].ok) {
				req_passed(ua, cases[i].agent, r);
				continue;
			}
			m = req_refused(ua, cases[i].agent, 403, W132, r);
			cr_assert_str_eq(sip_hdr(m, "Error-Info"),
					"<sip:version-not-supported@invalid>");
		}
	ended();
}

E2E_TEST(orig_check, version_can_be_asked_for_strictly,
		"OP-02 OL-02: version_required, error_info, the rule of one user")
{
	struct sip *m;

	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"version_required\", 1)\n"
			"modparam(\"cpm\", \"error_info\", \"https://example.com/new\")");
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:carol@cpm.test "
			"min_version=1.0");
	for(int large = 0; large < 2; large++) {
		m = req_refused(ua, "no token", 403, W132,
				REQ(.large = large, .headers = "User-Agent: phone/1.0\n"));
		cr_assert_str_eq(sip_hdr(m, "Error-Info"), "<https://example.com/new>");
		req_refused(ua, "no header", 403, W132, REQ(.large = large));
		req_passed(ua, "carol's rule",
				REQ(.large = large,
						.headers = "User-Agent: CPM-client/OMA1.0\n"
								   "P-Asserted-Identity: "
								   "<sip:carol@cpm.test>\n"));
	}
	ended();
}

/* ---- 3: anonymity ---------------------------------------------------------
 */

E2E_TEST(orig_check, who_may_not_hide_is_refused_when_he_asks_for_it,
		"OP-03 OL-03: 403 with Warning 119")
{
	static const struct
	{
		const char *headers, *from;
		bool hides;
	} cases[] = {{"Privacy: id\n", NULL, true}, {"Privacy: user\n", NULL, true},
			{"Privacy: Header\n", NULL, true},
			{"Privacy: id;critical\n", NULL, true},
			{"Privacy: session;\r\n id\n", NULL, true},
			{"Privacy: none\nPrivacy: id\n", NULL, true},
			{"Subject: x\n", "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
					true},
			{"Subject: x\n", "<sip:ANON@Anonymous.Invalid;user=phone>", true},
			{"Privacy: none\n", NULL, false},
			{"Privacy: critical\n", NULL, false},
			{"Privacy: history\n", NULL, false},
			{"Subject: x\n", "<sip:alice@anonymous.invalid.example>", false}};

	lab = flow_lab(&ua, "modparam(\"cpm\", \"anonymity\", 0)");
	lab_rpc(lab, "cpm", "htable.sets cpm_rules sip:carol@cpm.test anonymity=1");
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct req r = {.large = large,
					.headers = cases[i].headers,
					.from = cases[i].from};

			if(!cases[i].hides) {
				req_passed(ua, cases[i].headers, r);
				continue;
			}
			req_refused(ua, cases[i].headers, 403, W119, r);
			r.headers = fmt("P-Asserted-Identity: <sip:carol@cpm.test>\n%s",
					cases[i].headers);
			req_passed(ua, "carol may", r);
		}
	ended();
}

/* ---- 4: lifetime ----------------------------------------------------------
 */

/* Expires of a MESSAGE, Message-Expires of an INVITE. */
static struct req living(bool large, const char *expires, const char *date)
{
	return REQ(.large = large,
			.headers = fmt("%sExpires: %s\n%s%s%s", large ? "Message-" : "",
					expires, date ? "Date: " : "", date ? date : "",
					date ? "\n" : ""));
}

E2E_TEST(orig_check, expired_message_is_not_delivered,
		"OP-04 OL-04: RFC 3428 section 8, Date plus Expires")
{
	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++) {
		req_refused(ua, "years ago", 480, W_EXPIRED,
				living(large, "60", "Sat, 13 Nov 2010 23:29:00 GMT"));
		req_refused(ua, "two minutes ago", 480, W_EXPIRED,
				living(large, "60", sip_date(-120)));
		req_passed(ua, "half over", living(large, "600", sip_date(-120)));
		req_passed(ua, "no Date", living(large, "60", NULL));
		/* now or never */
		req_passed(ua, "zero", living(large, "0", sip_date(-120)));
		req_passed(ua, "broken Date", living(large, "60", "yesterday"));
		req_passed(ua, "broken number", living(large, "soon", sip_date(-120)));
	}
	/* what the other method calls it means something else here */
	req_passed(ua, "Expires of an INVITE",
			REQ(.large = true,
					.headers = fmt("Expires: 60\nDate: %s\n", sip_date(-120))));
	ended();
}

E2E_TEST(orig_check, answer_to_an_expired_message_is_the_operators,
		"OP-04 OL-04: 480 by default, another status, or 202 and forgotten")
{
	struct sip *m;

	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"refusal\", \"expired=202\")\n"
			"modparam(\"cpm\", \"refusal\", \"expired=404 Too "
			"Late;Better never\")\n"
			"modparam(\"cpm\", \"clock_skew\", 300)");
	m = req_refused(ua, "202", 202, NULL, living(false, "60", sip_date(-600)));
	cr_assert_str_eq(sip_hdr(m, "Server"), "CPM-serv/OMA2.2");
	m = req_refused(
			ua, "404", 404, "Better never", living(true, "60", sip_date(-600)));
	cr_assert(strncmp(m->text, "SIP/2.0 404 Too Late\r", 21) == 0);
	req_passed(ua, "skew", living(false, "60", sip_date(-120)));
	req_passed(ua, "skew", living(true, "60", sip_date(-120)));
	cr_assert_eq(lab_stat(lab, "refused_expired"), 2);
	ended();
}

/* ---- 5: session timer of an INVITE ----------------------------------------
 */

E2E_TEST(orig_check, refresher_is_the_caller_or_left_open,
		"OL-05: refresher=uas 403 with Warning 122, uac by RFC 4028")
{
	struct sip *m;
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	req_refused(ua, "uas", 403, W122,
			REQ(.large = true,
					.headers = "Session-Expires: 900;refresher=uas\n"));
	req_refused(ua, "compact, blanks", 403, W122,
			REQ(.large = true, .headers = "x: 900 ; refresher = UAS\n"));
	m = req_refused(ua, "short", 422, NULL,
			REQ(.large = true,
					.headers = "Session-Expires: 89;refresher=uac\n"));
	cr_assert_str_eq(sip_hdr(m, "Min-SE"), "90");
	req_refused(ua, "no number", 400, "Malformed request",
			REQ(.large = true, .headers = "Session-Expires: soon\n"));
	req_passed(ua, "absent", REQ(.large = true));
	req_passed(ua, "open",
			REQ(.large = true, .headers = "Session-Expires: 1800\n"));
	/* uac: he refreshes, and his interval holds on his leg */
	a = flow_invite(ua,
			&(struct invite_opt){
					.headers = "Session-Expires: 600;refresher=uac\n"},
			&b);
	m = flow_connect(a, b);
	cr_assert_str_eq(sip_hdr(m, "Session-Expires"), "600;refresher=uac");
	cr_assert(strstr(sip_hdr(m, "Require"), "timer") != NULL);
	flow_hang_up(a, b);
	ended();
}

/* ---- 8: size --------------------------------------------------------------
 */

E2E_TEST(orig_check, largest_message_is_kept_to,
		"OP-11: 403 with Warning 133 over the largest message; at most "
		"1300 bytes stay a MESSAGE")
{
	struct sip *m;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"max_message\", 5000)");
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:carol@cpm.test max_message=400");
	m = req_passed(ua, "1300", REQ(.body = cpim_of(1300)));
	cr_assert_eq(strlen(sip_body(m)), 1300);
	req_refused(ua, "5001", 403, W133, REQ(.body = cpim_of(5001)));
	req_refused(ua, "5001", 403, W133,
			REQ(.large = true, .body = offer_of("5001")));
	req_passed(ua, "5000", REQ(.large = true, .body = offer_of("5000")));
	/* carol's own limit, even below a pager message's */
	req_refused(ua, "401", 403, W133,
			REQ(.body = cpim_of(401),
					.headers = "P-Asserted-Identity: <sip:carol@cpm.test>\n"));
	req_passed(ua, "400",
			REQ(.body = cpim_of(400),
					.headers = "P-Asserted-Identity: <sip:carol@cpm.test>\n"));
	req_refused(ua, "401", 403, W133,
			REQ(.large = true, .body = offer_of("401"),
					.headers = "P-Asserted-Identity: <sip:carol@cpm.test>\n"));
	ended();
}

/* ---- order ----------------------------------------------------------------
 */

/* What each refuses, in the order of the text; a request that fails in all of
 * them is put right one by one. */
static void in_order(bool large)
{
	static const struct
	{
		const char *bad, *good; /* header lines */
		int code;
		const char *warning;
		int modes; /* 1 MESSAGE, 2 INVITE */
	} steps[] = {{"Max-Forwards: 0\n", "Max-Forwards: 69\n", 483, NULL, 3},
			{"P-Asserted-Identity: <sip:mallory@cpm.test>\n",
					"P-Asserted-Identity: <sip:alice@cpm.test>\n", 403, W127,
					3},
			{"User-Agent: CPM-client/OMA1.0\n",
					"User-Agent: CPM-client/OMA2.0\n", 403, W132, 3},
			{"Privacy: id\n", "Privacy: none\n", 403, W119, 3},
			{"Expires: 9\nMessage-Expires: 9\nDate: Sat, 13 Nov 2010 23:29:00 "
			 "GMT\n",
					"Subject: x\n", 480, W_EXPIRED, 3},
			{"Session-Expires: 900;refresher=uas\n", "Session-Expires: 900\n",
					403, W122, 2},
			{"Require: foo\n", "X-A: b\n", 420, NULL, 3},
			{"P-Asserted-Service: urn:x\n", "X-B: c\n", 403, W127, 3},
			{"", "", 403, W133, 3}};
	const size_t n = sizeof(steps) / sizeof(*steps);

	for(size_t first = 0; first < n; first++) {
		const char *headers = "";

		if(!(steps[first].modes & (large ? 2 : 1)))
			continue;
		for(size_t i = 0; i < n; i++)
			headers = fmt(
					"%s%s", headers, i < first ? steps[i].good : steps[i].bad);
		req_refused(ua, fmt("step %zu", first), steps[first].code,
				steps[first].warning,
				REQ(.large = large,
						.without = "P-Preferred-Service Max-Forwards",
						.headers = headers,
						.body = large ? offer_of("9999999999")
									  : cpim_of(6000)));
	}
}

E2E_TEST(orig_check, first_check_that_fails_decides,
		"OP-01 OP-02 OP-03 OP-10 OL-01 OL-02 OL-03 OL-05 OL-12: in "
		"the order of the text")
{
	lab = flow_lab(&ua,
			"modparam(\"cpm\", \"anonymity\", 0)\n"
			"modparam(\"cpm\", \"max_message\", 5000)");
	in_order(false);
	in_order(true);
	ended();
}

E2E_TEST(orig_check, steps_of_a_script_decide_the_same,
		"OP-01 OP-02 OP-03 OP-04 OP-09 OP-10 OL-01 OL-02 OL-03 OL-04 OL-05 "
		"OL-12: each check as a script function")
{
	struct sip *m;

	lab = lab_own("LAB_WITHOUT=core isf", "LAB_SCRIPT=steps",
			"LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"anonymity\", 0)\n"
			"modparam(\"cpm\", \"max_message\", 5000)",
			NULL);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	in_order(false);
	in_order(true);
	/* cpm_service_header() in the script and once more in the module */
	m = req_passed(ua, "twice",
			REQ(.headers = "P-Preferred-Service: " URN "msg.group\n"
						   "P-Asserted-Service: " URN "msg\n"));
	req_asserts(m, "twice", "msg.group");
	/* each refusal came from the script: the module would not have logged it
	 * so */
	cr_assert_eq(lab_log_count(lab, "cpm",
						 " refused: (102|119|122|127|132|133|"
						 "expired|extension|interval)"),
			15);
	ended();
}

E2E_TEST(orig_check, refusals_are_counted_by_reason,
		"OP-01 OL-02: statistics, the log names the reason")
{
	lab = flow_lab(&ua, NULL);
	req_refused(ua, "nobody", 403, W127, REQ(.without = "P-Asserted-Identity"));
	req_refused(ua, "nobody", 403, W127, REQ(.without = "P-Asserted-Identity"));
	req_refused(ua, "old", 403, W132,
			REQ(.large = true, .headers = "User-Agent: CPM-client/OMA1.0\n"));
	cr_assert_eq(lab_stat(lab, "refused_127"), 2);
	cr_assert_eq(lab_stat(lab, "refused_132"), 1);
	cr_assert_eq(lab_stat(lab, "messages_refused"), 3);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.refusals"), W132) != NULL);
	ended();
}

/* The text behind "key: " in a line of an RPC's answer. */
static const char *value_in(const char *record, const char *key)
{
	const char *at = strstr(record, fmt("\t%s: ", key));

	cr_assert(at != NULL, "no %s in %s", key, record);
	at = strchr(at, ':') + 2;
	return fmt("%.*s", (int)strcspn(at, "\n"), at);
}

E2E_TEST(orig_check, every_reason_has_its_answer,
		"cpm_reject() of each row, as cpm.refusals lists it")
{
	const char *table, *call_id;
	struct sip *m;
	int n = 0;

	req_own_pf(&lab, &ua, "",
			"	if(is_present_hf(\"X-Reason\")) {\n"
			"		cpm_reject(\"$hdr(X-Reason)\");\n		exit;\n	}",
			404);
	table = lab_rpc(lab, "cpm", "cpm.refusals");
	for(const char *p = strchr(table, '{'); p; p = strchr(p + 1, '{'), n++) {
		const char *name = value_in(p, "reason"), *warning;
		int code = (int)strtol(value_in(p, "code"), NULL, 10);

		warning = value_in(p, "warning");
		ua_send(ua,
				req_text(ua, &REQ(.headers = fmt("X-Reason: %s\n", name)),
						&call_id));
		m = ua_wait(ua, fmt("%d/MESSAGE", code), call_id, 6000);
		cr_assert_str_eq(sip_hdr(m, "Warning"),
				*warning ? fmt("399 %s \"%s\"", lab->pf_ip, warning) : "", "%s",
				name);
		cr_assert(strstr(m->text,
						  fmt("SIP/2.0 %d %s\r\n", code, value_in(p, "phrase")))
				== m->text);
		if(code == 420)
			cr_assert_str_eq(sip_hdr(m, "Unsupported"), "");
		if(code == 405)
			cr_assert(strstr(sip_hdr(m, "Allow"), "MESSAGE") != NULL);
		if(code == 415 && strcmp(name, "content") == 0)
			cr_assert(strstr(sip_hdr(m, "Accept"), "message/cpim") != NULL);
		if(code == 503)
			cr_assert_str_neq(sip_hdr(m, "Retry-After"), "");
	}
	cr_assert_geq(n, 27);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	/* one that does not exist is an error in the log, and no answer */
	ua_send(ua, req_text(ua, &REQ(.headers = "X-Reason: 999\n"), &call_id));
	cr_assert_null(ua_poll(ua, "4xx/MESSAGE", call_id, 300));
}
