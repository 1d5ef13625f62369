/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests to the originating PF as real and as malicious clients write them:
 * all kinds of addresses, compact and folded headers, several of what is
 * usually one; then bytes that have no business in a request. Each is served
 * or refused with a named status, and the next one is served as ever.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "orig_req.h"

E2E_SUITE(orig_odd);

#define W119 "119 Anonymity not allowed"

static struct lab *lab;
static struct ua *ua;

/* A request like any other still works, and nothing is left behind. */
static void still_serves(long long before)
{
	req_passed(ua, "afterwards", REQ(.large = false));
	req_passed(ua, "afterwards", REQ(.large = true));
	lab_idle(lab, 6000);
	if(before > 0)
		lab_shm_back(lab, before);
}

/* ---- addresses ------------------------------------------------------------
 */

E2E_TEST(orig_odd, addresses_of_all_kinds,
		"OP-22 OL-10/part: tel, sips, numbers, display names")
{
	static const char *const uris[] = {"tel:+15550102",
			"tel:102;phone-context=cpm.test", "sips:bob@cpm.test",
			"sip:+15550102@cpm.test;user=phone",
			"sip:bob@cpm.test;gr=urn:uuid:x", "sip:b%20b@cpm.test?x=y",
			"SIP:bob@[2001:db8::1]:5070"};
	static const char *const froms[] = {"<tel:+15550101>",
			"\"A, \\\"B\\\" <x>\" <sip:alice@cpm.test>",
			"Alice Smith <sips:alice@cpm.test;p=q>"};
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++) {
		for(size_t i = 0; i < sizeof(uris) / sizeof(*uris); i++) {
			m = req_passed(ua, uris[i], REQ(.large = large, .ruri = uris[i]));
			cr_assert(strstr(m->text, fmt(" %s SIP/2.0\r\n", uris[i])) != NULL,
					"%s", m->text);
			cr_assert(strstr(sip_hdr(m, "To"), uris[i]) != NULL, "%s",
					sip_hdr(m, "To"));
		}
		for(size_t i = 0; i < sizeof(froms) / sizeof(*froms); i++) {
			m = req_passed(ua, froms[i], REQ(.large = large, .from = froms[i]));
			cr_assert(strncmp(sip_hdr(m, "From"), froms[i], strlen(froms[i]))
							== 0,
					"%s", sip_hdr(m, "From"));
		}
	}
	still_serves(0);
}

/* ---- headers --------------------------------------------------------------
 */

E2E_TEST(orig_odd, accept_contact_in_any_shape,
		"OP-09 OL-11: several fields, lists, compact, without quotes; all are "
		"handed on")
{
	static const char *const with[] = {
			"Accept-Contact: *;+sip.instance=\"<urn:uuid:1>\"\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
			"ims.icsi.oma.cpm.#\";require;explicit\n",
			"a: *;audio\n"
			"A: *;+G.3gpp.icsi-ref=\"urn%3aurn-7%3a3gpp-service.ims.icsi.oma."
			"cpm.#\"\n",
			"Accept-Contact: *;audio,\r\n *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A"
			"3gpp-service.ims.icsi.mmtel,urn%3Aurn-7%3A3gpp-service.ims.icsi."
			"oma.cpm.#\"\n",
			"Accept-Contact: *;+g.3gpp.icsi-ref='" URN "#'\n"};
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(with) / sizeof(*with); i++) {
			const char *service = large ? "largemsg" : "msg";
			const char *at = strstr(with[i], "cpm.#") + 4;
			const char *lines = fmt(
					"%.*s%s%s", (int)(at - with[i]), with[i], service, at + 1);

			m = req_passed(ua, lines,
					REQ(.large = large, .without = "Accept-Contact",
							.headers = lines));
			/* whatever the name's form and the folding: each value */
			for(const char *p = strchr(lines, '*'); p; p = strchr(p + 1, '*'))
				cr_assert(
						strstr(m->text, fmt("%.*s", (int)strcspn(p, ",\n"), p))
								!= NULL,
						"%s in %s", p, m->text);
			cr_assert_str_eq(
					sip_hdr(m, "P-Asserted-Service"), fmt(URN "%s", service));
		}
	still_serves(0);
}

E2E_TEST(orig_odd, compact_and_folded_headers,
		"OP-09 OL-05 OL-12: a request in short forms, and one in many lines")
{
	const char *text;
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	text = fmt("MESSAGE sip:bob@cpm.test SIP/2.0\n"
			   "v: SIP/2.0/UDP %s:5060;branch=z9hG4bKshort\n"
			   "Route: <sip:orig@%s:5060;lr>, <sip:mark@%s:5060;lr>\n"
			   "f: <sip:alice@cpm.test>;tag=1\nt: <sip:bob@cpm.test>\n"
			   "i: short@test\nCSeq: 1 MESSAGE\ns: hi\n"
			   "a: *;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A3gpp-service.ims.icsi."
			   "oma.cpm.msg\"\n"
			   "P-Asserted-Identity: <sip:alice@cpm.test>\n"
			   "P-Preferred-Service: " URN "msg\n"
			   "c: Message/CPIM\nl: %zu\n\n%s",
			ua_ip(ua), ua_pf_ip(ua), ua_ip(ua), sdp_length(pager_cpim()),
			pager_cpim());
	ua_send(ua, text);
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), URN "msg");
	ua_send(ua,
			fmt("SIP/2.0 200 OK\nv: %s\nf: %s\nt: %s;tag=2\ni: short@test\n"
				"CSeq: 1 MESSAGE\nl: 0\n\n",
					sip_hdr(m, "Via"), sip_hdr(m, "f"), sip_hdr(m, "t")));
	cr_assert(ua_poll(ua, "200/MESSAGE", NULL, 6000) != NULL
			|| ua_count(ua, "200/MESSAGE", NULL) > 0);
	m = req_passed(ua, "folded",
			REQ(.large = true,
					.without = "Accept-Contact Contact P-Preferred-Service",
					.headers =
							"Accept-Contact: *;\r\n\t+g.3gpp.icsi-ref=\r\n "
							"\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."
							"largemsg\"\n"
							"Contact:\r\n <sip:alice@127.0.0.100>;\r\n "
							"+g.oma.x=\"1\"\n"
							"P-Preferred-Service:\r\n " URN "largemsg\n"
							"Subject: one\r\n two\r\n three\n"
							"Session-Expires: 900\r\n ;refresher\r\n =uac\n"));
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), URN "largemsg");
	cr_assert(strstr(sip_hdr(m, "Subject"), "three") != NULL, "%s", m->text);
	req_refused(ua, "folded uas", 403, "122 Function not allowed",
			REQ(.large = true,
					.headers =
							"Session-Expires: 900\r\n ;refresher\r\n =uas\n"));
	still_serves(0);
}

E2E_TEST(orig_odd, what_is_missing_and_what_is_too_much,
		"OP-22 OL-06: no Max-Forwards, To with a tag, Max-Forwards 0 and 1")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++) {
		m = req_passed(
				ua, "none", REQ(.large = large, .without = "Max-Forwards"));
		cr_assert_gt(strtol(sip_hdr(m, "Max-Forwards"), NULL, 10), 60);
		m = req_passed(
				ua, "one", REQ(.large = large, .headers = "Max-Forwards: 1\n"));
		cr_assert_str_eq(sip_hdr(m, "Max-Forwards"), "0");
		req_refused(ua, "zero", 483, NULL,
				REQ(.large = large, .headers = "Max-Forwards: 0\n"));
		req_refused(ua, "To has a tag", 481, NULL,
				REQ(.large = large, .to = "<sip:bob@cpm.test>;tag=x"));
	}
	still_serves(0);
}

E2E_TEST(orig_odd, privacy_is_handed_on_as_it_came,
		"OP-22 OL-06: none, id;critical, header;user")
{
	static const char *const values[] = {
			"none", "id;critical", "header;user;id", "session"};
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
			m = req_passed(ua, values[i],
					REQ(.large = large,
							.headers = fmt("Privacy: %s\n", values[i])));
			cr_assert_str_eq(sip_hdr(m, "Privacy"), values[i]);
			cr_assert_str_eq(
					sip_hdr(m, "P-Asserted-Identity"), "<sip:alice@cpm.test>");
		}
	still_serves(0);
}

/* ---- what has no business here --------------------------------------------
 */

/* Send a plain request in which each '\1' is another byte. */
static void send_with_byte(const char *text, char byte)
{
	char *wire = malloc(2 * strlen(text)), *to = wire;

	for(const char *p = text; *p; p++) {
		if(*p == '\n' && (p == text || p[-1] != '\r'))
			*to++ = '\r';
		*to++ = *p == '\1' ? byte : *p;
	}
	ua_put(ua, wire, (size_t)(to - wire));
	free(wire);
}

/* NUL and CR get 400; LF ends a line like any other. */
static void one_odd_byte(bool large, const char *name, char byte)
{
	const char *method = large ? "INVITE" : "MESSAGE", *call_id;
	const char *text = req_text(ua,
			&REQ(.large = large, .without = name,
					.headers = fmt("%s: <sip:alice@cpm.test\1Evil: 1>;"
								   "x=\"\1\"\n",
							name)),
			&call_id);
	int seen = ua_count(ua, method, NULL);
	struct sip *m;

	send_with_byte(text, byte);
	if(byte == '\n') {
		m = ua_poll(ua, method, NULL, 100);
		if(m)
			ua_answer(ua, m, large ? 480 : 200, "");
		return;
	}
	m = ua_poll(ua, fmt("400/%s", method), call_id, 3000);
	cr_assert(m != NULL, "%s %s, byte %d", method, name, byte);
	cr_assert_eq(ua_count(ua, method, NULL), seen);
}

E2E_TEST(orig_odd, bytes_that_do_not_belong_into_a_header,
		"OP-22 OL-06: NUL and lone CR in any header get 400; a lone LF ends a "
		"line and does no harm")
{
	static const char *const names[] = {"P-Asserted-Identity", "Privacy",
			"Conversation-ID", "Contribution-ID", "Subject", "Reply-To",
			"P-Preferred-Service", "P-Asserted-Service", "Contact",
			"User-Agent", "Date", "Expires", "Message-Expires",
			"Session-Expires", "Require", "P-Served-User", "X-CPM-PF"};
	long long before;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "pars|ERROR|malformed|header|body");
	still_serves(0);
	before = lab_shm_used(lab);
	for(size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for(int k = 0; k < 6; k++)
			one_odd_byte(k > 2, names[i], "\0\r\n"[k % 3]);
	still_serves(before);
}

/* n lines, or one value of n bytes */
static const char *many(const char *line, int n)
{
	size_t len = strlen(line);
	char *all = malloc(len * (size_t)n + 1);

	for(int i = 0; i < n; i++)
		memcpy(all + len * (size_t)i, line, len);
	all[len * (size_t)n] = '\0';
	return all;
}

static const char *const floods[] = {"X-A: b\n",
		"P-Asserted-Identity: <tel:1>\n", "Privacy: none\n",
		"Accept-Contact: *;audio\n", "Require: foo\n",
		"P-Preferred-Service: urn:x\n", "P-Served-User: <sip:a@b>\n",
		"X-CPM-PF: a;case=orig;t=1;mac=2\n", "Route: <sip:a@192.0.2.1;lr>\n",
		"Session-Expires: 900\n", "History-Info: <sip:a@b>;index=1\n"};

E2E_TEST(orig_odd, thousands_of_headers,
		"OP-22 OL-06: each kind, by UDP; a named status or the message goes on")
{
	const char *call_id, *text;
	long long before;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "pars|too|large|long|limit|ERROR");
	still_serves(0);
	before = lab_shm_used(lab);
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
			int n = (int)(50000 / (strlen(floods[i]) + 1));
			struct sip *m;

			text = req_text(ua,
					&REQ(.large = large,
							.headers = many(floods[i], n > 3000 ? 3000 : n),
							.without = "P-Preferred-Service"),
					&call_id);
			ua_send(ua, text);
			m = ua_poll(ua, large ? "INVITE" : "MESSAGE", NULL, 300);
			if(m)
				ua_answer(ua, m, large ? 480 : 200, "");
			ua_idle(ua, 30);
		}
	still_serves(before);
}

E2E_TEST(orig_odd, header_as_long_as_a_datagram,
		"OP-22 OL-06: 60 KB in one value, of each header that is read")
{
	static const char *const names[] = {"Subject", "P-Asserted-Identity",
			"Privacy", "User-Agent", "Require", "Date", "Expires",
			"P-Served-User", "X-CPM-PF", "P-Preferred-Service",
			"Accept-Contact", "Session-Expires", "Conversation-ID"};
	const char *call_id;
	long long before;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "pars|too|large|long|limit|ERROR");
	still_serves(0);
	before = lab_shm_used(lab);
	for(int large = 0; large < 2; large++)
		for(size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			struct sip *m;

			ua_send(ua,
					req_text(ua,
							&REQ(.large = large, .without = names[i],
									.headers = fmt("%s: %s\n", names[i],
											many("abc;d=e, ", 6600))),
							&call_id));
			m = ua_poll(ua, large ? "INVITE" : "MESSAGE", NULL, 200);
			if(m)
				ua_answer(ua, m, large ? 480 : 200, "");
			ua_idle(ua, 30);
		}
	still_serves(before);
}

/* The same over TCP, where a request may be longer; the PF's answer line. */
static const char *over_tcp(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(5060)};
	struct timeval wait = {.tv_sec = 3};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *wire = malloc(2 * strlen(text) + 1), *to = wire, buf[2048];
	ssize_t n = 0, got;

	for(const char *p = text; *p; p++) {
		if(*p == '\n' && (p == text || p[-1] != '\r'))
			*to++ = '\r';
		*to++ = *p;
	}
	/* from the core's address: the PF trusts no other */
	inet_pton(AF_INET, ua_ip(ua), &a.sin_addr);
	a.sin_port = 0;
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	inet_pton(AF_INET, ua_pf_ip(ua), &a.sin_addr);
	a.sin_port = htons(5060);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	for(const char *p = wire; p < to && n >= 0; p += n)
		n = send(fd, p, (size_t)(to - p), MSG_NOSIGNAL);
	do {
		got = recv(fd, buf, sizeof(buf) - 1, 0);
		buf[got > 0 ? got : 0] = '\0';
	} while(strncmp(buf, "SIP/2.0 1", 9) == 0);
	close(fd);
	free(wire);
	return fmt("%.*s", (int)strcspn(buf, "\r"), buf);
}

E2E_TEST(orig_odd, requests_of_any_length_by_tcp,
		"OL-06 OP-22: 100 KB of headers, a body shorter than announced, no "
		"Content-Length")
{
	const char *call_id, *text;
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "pars|too|large|long|limit|ERROR|length");
	text = req_text(ua,
			&REQ(.large = true, .headers = many("X-A: 0123456789\n", 6000)),
			&call_id);
	cr_assert(strstr(over_tcp(text), " 513 ") != NULL);
	text = req_text(
			ua, &REQ(.headers = many("X-A: 0123456789\n", 6000)), &call_id);
	/* it cannot go on by UDP, and the sender is told */
	cr_assert(strncmp(over_tcp(text), "SIP/2.0 5", 9) == 0);
	text = req_text(ua, &REQ(.headers = "Subject: x\n"), &call_id);
	cr_assert_str_eq(over_tcp(fmt("%.*s", (int)strlen(text) - 20, text)), "");
	/* a good one by the same way: answered there as well */
	ua_send(ua, text);
	m = ua_wait(ua, "MESSAGE", call_id, 6000);
	ua_answer(ua, m, 200, "");
	still_serves(0);
}
