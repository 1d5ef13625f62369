/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests to the originating PF (orig_req.h). Used by test_orig_*.c.
 */
#include "orig_req.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define ICSI(name)                                                             \
	"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm." name "\""

static const char *const pager[][2] = {{"Accept-Contact", "*;" ICSI("msg")},
		{"P-Preferred-Service", "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg"},
		{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
		{"Conversation-ID", "conv-1"}, {"Max-Forwards", "69"}, {NULL, NULL}};

static const char *const large[][2] = {
		{"Contact", "<sip:alice@127.0.0.100:5060>;" ICSI("largemsg")},
		{"Accept-Contact", "*;" ICSI("largemsg")},
		{"P-Preferred-Service",
				"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg"},
		{"P-Asserted-Identity", "<sip:alice@cpm.test>"},
		{"Conversation-ID", "conv-1"}, {"Supported", "timer"},
		{"Max-Forwards", "69"}, {"Allow", "INVITE, ACK, CANCEL, BYE, UPDATE"},
		{NULL, NULL}};

/* Is there a line of that name among these? */
static bool has_line(const char *lines, const char *name)
{
	return lines && strcasestr(fmt("\n%s", lines), fmt("\n%s:", name)) != NULL;
}

static bool has_word(const char *words, const char *word)
{
	return words && strcasestr(fmt(" %s ", words), fmt(" %s ", word)) != NULL;
}

static const char *lines_of(const struct req *r)
{
	const char *const(*usual)[2] = r->large ? large : pager;
	const char *all = r->headers ? r->headers : "";

	for(; (*usual)[0]; usual++)
		if(!has_line(r->headers, (*usual)[0])
				&& !has_word(r->without, (*usual)[0]))
			all = fmt("%s: %s\n%s", (*usual)[0], (*usual)[1], all);
	return all;
}

const char *req_text(struct ua *ua, const struct req *r, const char **call_id)
{
	static unsigned serial;
	const char *core = ua_ip(ua), *method = r->large ? "INVITE" : "MESSAGE";
	const char *ruri = r->ruri ? r->ruri : "sip:bob@cpm.test";
	const char *body = r->body
			? r->body
			: (r->large ? sdp_offer("actpass") : pager_cpim());
	const char *type =
			r->type ? r->type : (r->large ? "application/sdp" : "message/cpim");
	const char *route = r->route
			? r->route
			: fmt("<sip:orig@%s:5060;lr>, <sip:mark@%s:5060;lr>", ua_pf_ip(ua),
					core);

	serial++;
	*call_id = fmt("o%d-%u@test", (int)getpid(), serial);
	return fmt("%s %s SIP/2.0\n"
			   "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKo%d.%u\n"
			   "%s%s%sFrom: %s;tag=o%u\nTo: %s\nCall-ID: %s\nCSeq: 1 %s\n"
			   "%s%s%s%sContent-Length: %zu\n\n%s",
			method, ruri, core, (int)getpid(), serial, *route ? "Route: " : "",
			route, *route ? "\n" : "",
			r->from ? r->from : "<sip:alice@cpm.test>", serial,
			r->to ? r->to : fmt("<%s>", ruri), *call_id, method, lines_of(r),
			*type && *body ? "Content-Type: " : "", *type && *body ? type : "",
			*type && *body ? "\n" : "", sdp_length(body), body);
}

/* A final answer to an INVITE is acknowledged (RFC 3261 17.1.1.3). */
static void acknowledge(struct ua *ua, const char *invite, const struct sip *m)
{
	const char *via = strstr(invite, "Via: ");

	ua_send(ua,
			fmt("ACK %.*s\n%.*s\nMax-Forwards: 70\nFrom: %s\nTo: %s\n"
				"Call-ID: %s\nCSeq: 1 ACK\nContent-Length: 0\n\n",
					(int)strcspn(invite + 7, "\n"), invite + 7,
					(int)strcspn(via, "\n"), via, sip_hdr(m, "From"),
					sip_hdr(m, "To"), sip_hdr(m, "Call-ID")));
}

struct sip *req_refused(struct ua *ua, const char *what, int code,
		const char *warning, struct req r)
{
	const char *method = r.large ? "INVITE" : "MESSAGE", *call_id;
	const char *text = req_text(ua, &r, &call_id);
	int before = ua_count(ua, method, NULL);
	struct sip *m;

	ua_send(ua, text);
	m = ua_poll(ua, fmt("%d/%s", code, method), call_id, 6000);
	if(m == NULL) {
		struct sip *other = ua_poll(ua, fmt("4xx/%s", method), call_id, 0);

		if(other == NULL)
			other = ua_poll(ua, method, NULL, 0);
		cr_assert_fail("%s, %s: not %d but %.*s", method, what, code,
				other ? (int)strcspn(other->text, "\r") : 7,
				other ? other->text : "nothing");
	}
	if(r.large && code >= 300)
		acknowledge(ua, text, m);
	if(warning == NULL)
		cr_assert_str_eq(sip_hdr(m, "Warning"), "", "%s, %s", method, what);
	else if(strcmp(warning, "*") != 0)
		cr_assert(strstr(sip_hdr(m, "Warning"), fmt("\"%s\"", warning)) != NULL,
				"%s, %s: Warning is %s", method, what, sip_hdr(m, "Warning"));
	cr_assert_eq(ua_count(ua, method, NULL), before, "%s, %s: sent on", method,
			what);
	return m;
}

struct sip *req_passed(struct ua *ua, const char *what, struct req r)
{
	const char *method = r.large ? "INVITE" : "MESSAGE", *call_id;
	const char *text = req_text(ua, &r, &call_id);
	struct sip *on, *end;

	ua_send(ua, text);
	on = ua_poll(ua, method, NULL, 6000);
	if(on == NULL) {
		end = ua_poll(ua, fmt("4xx/%s", method), call_id, 0);
		cr_assert_fail("%s, %s: not sent on but %.*s", method, what,
				end ? (int)strcspn(end->text, "\r") : 7,
				end ? end->text : "nothing");
	}
	ua_answer(ua, on, r.large ? 480 : 200, "");
	end = ua_wait(ua, r.large ? "480/INVITE" : "2xx/MESSAGE", call_id, 6000);
	if(r.large)
		acknowledge(ua, text, end);
	return on;
}

void req_asserts(const struct sip *m, const char *what, const char *service)
{
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), fmt(URN "%s", service),
			"%s", what);
	cr_assert_null(sip_hdr_nth(m, "P-Asserted-Service", 1), "%s", what);
	cr_assert_null(sip_hdr_nth(m, "P-Preferred-Service", 0), "%s", what);
}

const char *sip_hdr_nth(const struct sip *m, const char *name, int nth)
{
	size_t n = strlen(name);

	for(const char *p = m->text; *p && *p != '\r'; p = strchr(p, '\n') + 1) {
		if(strncasecmp(p, name, n) == 0 && p[n] == ':' && nth-- == 0) {
			const char *v = p + n + 1;

			v += strspn(v, " \t");
			return strndup(v, strcspn(v, "\r\n"));
		}
		if(strchr(p, '\n') == NULL)
			break;
	}
	return NULL;
}

const char *sip_date(long seconds)
{
	time_t t = time(NULL) + seconds;
	char buf[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, sizeof(buf), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return strdup(buf);
}

/* Start Kamailio with the test's own configuration; it answers `code`. */
static struct proc *start_own(struct lab *lab, struct ua *ua, int code)
{
	struct proc *pf = proc_start("kamailio",
			(const char *const[]){"kamailio", "-f", test_path("own.cfg"), "-DD",
					"-E", "-m", "32", "-M", "8", "-Y", fmt("%s/run", lab->dir),
					NULL});

	for(int i = 0; i < 100; i++) {
		const char *call_id;

		ua_send(ua, req_text(ua, &REQ(.without = "Accept-Contact"), &call_id));
		if(ua_poll(ua, fmt("%d/MESSAGE", code), call_id, 100))
			return pf;
		cr_assert(!proc_ended(pf), "%s", proc_stderr(pf));
	}
	cr_assert_fail("the PF does not answer: %s", proc_stderr(pf));
	return NULL;
}

struct proc *req_own_pf_again(
		struct lab *lab, struct ua *ua, struct proc *pf, int code)
{
	lab_stop_kamailio(lab, pf, "CPM PUSH", 8000);
	return start_own(lab, ua, code);
}

struct proc *req_own_pf(struct lab **out_lab, struct ua **out_ua,
		const char *params, const char *before, int code)
{
	static const char native[] =
			"#!KAMAILIO\n"
			"debug=2\nlog_stderror=yes\nchildren=2\ndisable_tcp=yes\n"
			"auto_aliases=no\nserver_signature=no\nlisten=udp:%s:5060\n"
			"loadmodule \"kex.so\"\nloadmodule \"ctl.so\"\n"
			"loadmodule \"tm.so\"\nloadmodule \"sl.so\"\n"
			"loadmodule \"rr.so\"\nloadmodule \"pv.so\"\n"
			"loadmodule \"xlog.so\"\nloadmodule \"textops.so\"\n"
			"loadmodule \"siputils.so\"\nloadmodule \"%s/cpm.so\"\n"
			"modparam(\"ctl\", \"binrpc\", \"%s\")\n"
			"modparam(\"cpm\", \"relay_socket\", \"%s\")\n"
			"modparam(\"cpm\", \"contact\", \"sip:%s:5060\")\n%s\n"
			"request_route {\n"
			"	if(is_method(\"ACK\")) exit;\n"
			"	loose_route();\n%s\n"
			"	cpm_originating();\n"
			"	sl_send_reply(\"404\", \"Not Found\");\n"
			"}\n";
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	const char *cfg = test_path("own.cfg");
	struct lab *lab;
	struct ua *ua;
	FILE *f;

	lab = lab_own("LAB_WITHOUT=core isf relay cpm", NULL);
	f = fopen(cfg, "w");
	cr_assert(f != NULL);
	fprintf(f, native, lab->pf_ip, bin, lab->cpm_ctl, lab->relay_sock,
			lab->pf_ip, params, before);
	fclose(f);
	ua = ua_open(lab->core_ip, lab->pf_ip);
	*out_lab = lab;
	*out_ua = ua;
	return start_own(lab, ua, code);
}
