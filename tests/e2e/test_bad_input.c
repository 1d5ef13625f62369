/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What nobody should send: hostile bodies, lists, wrappers and datagrams, as
 * MESSAGE and as INVITE, over UDP and TCP. Each gets its status, nothing is
 * sent on, shared memory is back where it was, and both programs go on.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "list_flow.h"
#include "orig_req.h"

E2E_SUITE(bad_input);

static struct lab *lab;
static struct ua *ua;
static long long before; /* bytes of shared memory in use */

static void both_work(void)
{
	req_passed(ua, "a good one", REQ(.large = false));
	req_passed(ua, "a good one", REQ(.large = true));
	cr_assert_not_null(lab_relayctl(lab, "ping", NULL));
}

static void begin(void)
{
	/* tm keeps what is answered for half a second */
	lab = flow_lab(&ua, "modparam(\"tm\", \"wt_timer\", 500)");
	both_work();
	sleep_ms(2000);
	before = lab_shm_used(lab);
}

static void end(void)
{
	both_work();
	lab_idle(lab, 8000);
	lab_shm_back(lab, before);
}

/* ---- bodies and wrappers ---- */

#define MIXED "multipart/mixed;boundary=b"

/* A message/cpim that is not one: to be refused as MESSAGE. */
static const struct
{
	const char *what;
	int code;
	const char *warning, *type, *body;
} cpims[] = {
		{"no header", 400, "Malformed CPIM", NULL, "hello"},
		{"blank line alone", 400, "Malformed CPIM", NULL, "\n\n"},
		{"no second block", 400, "Malformed CPIM", NULL,
				"From: <sip:a@x>\nTo: <sip:b@x>\n"},
		{"line without a colon", 400, "Malformed CPIM", NULL,
				"From <sip:a@x>\n\nContent-Type: text/plain\n\nx"},
		{"control characters", 400, "Malformed CPIM", NULL,
				"From: <sip:a@x>\n\001\002: y\n\nContent-Type: "
				"text/plain\n\nx"},
		{"only colons", 400, "Malformed CPIM", NULL, ":\n:\n\n:\n\n"},
		{"no body and no type", 415, NULL, NULL, ""},
		{"another type", 415, NULL, "text/html", "<html/>"},
		{"type of nothing", 415, NULL, ";;;", "x"},
		{"type with a line break", 415, NULL, "text/\n plain", "x"},
};

E2E_TEST(bad_input, wrappers_that_are_none,
		"CPIM without headers, "
		"broken, of another type")
{
	begin();
	for(size_t i = 0; i < sizeof(cpims) / sizeof(*cpims); i++)
		req_refused(ua, cpims[i].what, cpims[i].code, cpims[i].warning,
				REQ(.type = cpims[i].type, .body = cpims[i].body));
	end();
}

static const char *repeat(const char *text, int n)
{
	size_t k = strlen(text);
	char *s = malloc(k * (size_t)n + 1);

	cr_assert_not_null(s);
	for(int i = 0; i < n; i++)
		memcpy(s + k * (size_t)i, text, k);
	s[k * (size_t)n] = '\0';
	return s;
}

/* Multipart bodies that never end, or have no beginning. */
static const struct
{
	const char *what;
	int list, invite; /* status to the EXPLODER-URI, to one recipient */
	const char *type, *body;
} torn[] = {
		{"no end", 400, 400, MIXED, "--b\nContent-Type: text/plain\n\nx\n"},
		{"no beginning", 400, 400, MIXED, "x\n"},
		{"end at once", 400, 415, MIXED, "--b--\n"},
		{"headers without an end", 400, 415, MIXED,
				"--b\nContent-Type: text/plain\n--b--\n"},
		{"boundary missing", 400, 400, "multipart/mixed",
				"--b\nContent-Type: text/plain\n\nx\n--b--\n"},
		{"boundary empty", 400, 400, "multipart/mixed;boundary=",
				"--\nContent-Type: text/plain\n\nx\n----\n"},
		{"boundary of quotes", 400, 400, "multipart/mixed;boundary=\"\"",
				"--\nContent-Type: text/plain\n\nx\n----\n"},
		{"quote without an end", 400, 400, "multipart/mixed;boundary=\"b",
				"--b\nContent-Type: text/plain\n\nx\n--b--\n"},
		{"another boundary", 400, 400, "multipart/mixed;boundary=c",
				"--b\nContent-Type: text/plain\n\nx\n--b--\n"},
		{"multipart in itself", 400, 415, MIXED,
				"--b\nContent-Type: " MIXED "\n\n--b\nContent-Type: "
				"text/plain\n\nx\n--b--\n"},
};

/* Refused with that status, whatever the Warning says. */
static void expect(const char *what, int code, struct req r)
{
	req_refused(ua, what, code, "*", r);
}

E2E_TEST(bad_input, multiparts_without_an_end,
		"torn, nested, without their boundary")
{
	begin();
	for(size_t i = 0; i < sizeof(torn) / sizeof(*torn); i++) {
		struct req r = {.type = torn[i].type, .body = torn[i].body};

		expect(torn[i].what, torn[i].invite, (r.large = true, r));
		r.ruri = EXPLODER;
		expect(torn[i].what, torn[i].list, r);
		r.large = false;
		expect(torn[i].what, torn[i].list, r);
	}
	end();
}

/* ---- lists ---- */

/* Either a request of that kind to the EXPLODER-URI, with this document as its
 * list beside a message or an SDP that are fine. */
static struct req list_req(bool large, const char *xml)
{
	const char *other = large
			? fmt("Content-Type: application/sdp\n\n%s", sdp_offer("actpass"))
			: cpim_part(list_cpim());

	return REQ(.large = large, .ruri = EXPLODER,
			.headers = large ? "Require: recipient-list-invite\n"
							 : "Require: recipient-list-message\n",
			.type = "multipart/mixed;boundary=" LIST_BOUNDARY,
			.body = list_body(other, list_part(xml), NULL));
}

#define LOLS                                                                   \
	"<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"        \
	"<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">"                           \
	"<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">"                           \
	"<!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">"
#define OPEN "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">"
#define CLOSE "</resource-lists>"

static const struct
{
	const char *what;
	int code;
	const char *xml;
} lists[] = {
		{"billion laughs", 400,
				"<!DOCTYPE r [" LOLS "]>" OPEN
				"<list><entry uri=\"sip:&e;@cpm.test\"/></list>" CLOSE},
		{"billion laughs as text", 400,
				"<?xml version=\"1.0\"?><!DOCTYPE r [" LOLS "]>" OPEN
				"<list><display-name>&e;</display-name></list>" CLOSE},
		{"external entity", 400,
				"<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" OPEN
				"<list><entry uri=\"sip:bob@cpm.test\"/>&x;</list>" CLOSE},
		{"external subset", 400,
				"<!DOCTYPE r SYSTEM \"http://127.0.0.1:9/x.dtd\">" OPEN
				"<list><entry uri=\"sip:bob@cpm.test\"/></list>" CLOSE},
		{"parameter entity", 400,
				"<!DOCTYPE r [<!ENTITY % x SYSTEM \"file:///etc/passwd\"> "
				"%x;]>" OPEN "<list/>" CLOSE},
		{"entity without a declaration", 400,
				OPEN "<list><entry uri=\"sip:&bob;@cpm.test\"/></list>" CLOSE},
		{"inclusion is not followed", 403,
				OPEN "<list><xi:include xmlns:xi=\"http://www.w3.org/2001/"
					 "XInclude\" href=\"file:///etc/passwd\" "
					 "parse=\"text\"/></list>" CLOSE},
		{"references are not followed", 403,
				OPEN
				"<list><external anchor=\"http://127.0.0.1:9/x\"/>"
				"<entry-ref ref=\"resource-lists/users/x\"/></list>" CLOSE},
		{"two roots", 400, OPEN CLOSE OPEN CLOSE},
		{"control character", 400,
				OPEN "<list><entry uri=\"sip:b&#0;b@cpm.test\"/></list>" CLOSE},
		{"end in the middle of a tag", 400, OPEN "<list><entry uri=\"sip:b"},
		{"another encoding", 400,
				"<?xml version=\"1.0\" encoding=\"EBCDIC-CP-US\"?>" OPEN CLOSE},
		{"bytes that are no UTF-8", 400,
				OPEN
				"<list><entry uri=\"sip:\xff\xfe@cpm.test\"/></list>" CLOSE},
		/* into a header of what would be sent */
		{"line break, escaped in the URI", 400,
				OPEN "<list><entry uri=\"sip:bob@cpm.test%0d%0aEvil:%20yes\"/>"
					 "</list>" CLOSE},
		{"line break, escaped in the user", 400,
				OPEN
				"<list><entry uri=\"sip:b%0D%0Ab@cpm.test\"/></list>" CLOSE},
		{"line break, escaped in a parameter", 400,
				OPEN
				"<list><entry uri=\"sip:bob@cpm.test;x=%0a\"/></list>" CLOSE},
		{"line break as a reference", 400,
				OPEN
				"<list><entry uri=\"sip:bob@cpm.test&#13;&#10;Evil: yes\"/>"
				"</list>" CLOSE},
		{"line break as it is", 400,
				OPEN "<list><entry uri=\"sip:bob@cpm.test\nEvil: "
					 "yes\"/></list>" CLOSE},
		{"angle brackets", 400,
				OPEN "<list><entry "
					 "uri=\"sip:bob@cpm.test&gt;;tag=x\"/></list>" CLOSE},
		{"quotes", 400,
				OPEN "<list><entry uri='sip:\"bob\"@cpm.test'/></list>" CLOSE},
		{"two URIs in one", 400,
				OPEN "<list><entry uri=\"sip:bob@cpm.test, "
					 "sip:x@y\"/></list>" CLOSE},
		{"a good one does not help a bad one", 400,
				OPEN "<list><entry uri=\"sip:bob@cpm.test\"/>"
					 "<entry uri=\"sip:\"/></list>" CLOSE},
		{"no scheme", 400, OPEN "<list><entry uri=\"bob\"/></list>" CLOSE},
		{"empty URI", 400, OPEN "<list><entry uri=\"\"/></list>" CLOSE},
};

E2E_TEST(bad_input, lists_that_bite,
		"OP-15 OL-09: XML bombs, DOCTYPE, entities, inclusion, injection "
		"through an "
		"entry's URI")
{
	begin();
	for(size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		expect(lists[i].what, lists[i].code, list_req(false, lists[i].xml));
		expect(lists[i].what, lists[i].code, list_req(true, lists[i].xml));
	}
	end();
}

E2E_TEST(bad_input, lists_without_measure,
		"OP-14 OL-08: nested a hundred times, a URI of 20 KB, "
		"thousands of "
		"entries")
{
	const char *deep = fmt("%s%s%s%s%s", OPEN, repeat("<list>", 100),
			"<entry uri=\"sip:bob@cpm.test\"/>", repeat("</list>", 100), CLOSE);
	const char *wide = fmt("%s<list><entry uri=\"sip:%s@cpm.test\"/></list>%s",
			OPEN, repeat("bob", 6000), CLOSE);
	const char *attributes =
			fmt("%s<list><entry %s uri=\"sip:bob@cpm.test\"/></list>%s", OPEN,
					repeat("x=\"1\" ", 1000), CLOSE);

	begin();
	for(int large = 0; large < 2; large++) {
		expect("nested", 400, list_req(large, deep));
		expect("long URI", 400, list_req(large, wide));
		expect("attributes twice", 400, list_req(large, attributes));
		expect("too many", 486, list_req(large, list_xml(list_of(500))));
	}
	end();
}

/* ---- datagrams and streams ---- */

/* Bytes as they are, from another port of the core's address; the status of
 * the answer, 0 when none comes. */
static int shot(int type, const char *bytes, size_t n)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), code = 0;
	struct pollfd pf = {.fd = fd, .events = POLLIN};
	char in[4096];
	ssize_t got;

	inet_pton(AF_INET, lab->core_ip, &at.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	inet_pton(AF_INET, lab->pf_ip, &at.sin_addr);
	at.sin_port = htons(5060);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	for(size_t done = 0; done < n;) {
		ssize_t k = send(fd, bytes + done, n - done, MSG_NOSIGNAL);

		if(k <= 0)
			break; /* closed: enough for the other side */
		done += (size_t)k;
	}
	if(poll(&pf, 1, 700) == 1) {
		got = recv(fd, in, sizeof(in) - 1, 0);
		in[got > 0 ? got : 0] = '\0';
		code = got > 12 ? (int)strtol(in + 8, NULL, 10) : 0;
	}
	close(fd);
	return code;
}

/* Lines as on the wire. */
static const char *crlf(const char *lines)
{
	char *wire = malloc(2 * strlen(lines) + 1), *to = wire;

	cr_assert_not_null(wire);
	for(const char *p = lines; *p; p++) {
		if(*p == '\n')
			*to++ = '\r';
		*to++ = *p;
	}
	*to = '\0';
	return wire;
}

/* A MESSAGE whose parts can be wrong. */
static const char *message(const char *call_id, const char *first,
		const char *headers, const char *body)
{
	return crlf(fmt(
			"%s\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s\n"
			"Route: <sip:orig@%s:5060;lr>\nMax-Forwards: 69\n"
			"Call-ID: %s\nAccept-Contact: *;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A"
			"3gpp-service.ims.icsi.oma.cpm.msg\"\n"
			"P-Asserted-Identity: <sip:alice@cpm.test>\n"
			"Content-Type: message/cpim\n%s\n%s",
			first, lab->core_ip, call_id, lab->pf_ip, call_id, headers, body));
}

#define FIRST "MESSAGE sip:bob@cpm.test SIP/2.0"
#define FROM_TO "From: <sip:alice@cpm.test>;tag=1\nTo: <sip:bob@cpm.test>\n"
#define CSEQ "CSeq: 1 MESSAGE\n"

/* 0: nothing can be said to it. */
static const struct
{
	const char *what;
	int code;
	const char *first, *headers;
} shots[] = {
		{"Content-Length beyond the end", 400, FIRST,
				FROM_TO CSEQ "Content-Length: 9999\n"},
		{"negative Content-Length", 0, FIRST,
				FROM_TO CSEQ "Content-Length: -1\n"},
		{"Content-Length that is none", 0, FIRST,
				FROM_TO CSEQ "Content-Length: ten\n"},
		{"Content-Length twice", 0, FIRST,
				FROM_TO CSEQ "Content-Length: 1\nContent-Length: 2\n"},
		{"CSeq of another method", 400, FIRST, FROM_TO "CSeq: 1 INVITE\n"},
		{"CSeq too large", 400, FIRST, FROM_TO "CSeq: 99999999999 MESSAGE\n"},
		{"no CSeq", 0, FIRST, FROM_TO},
		{"no From", 0, FIRST, "To: <sip:bob@cpm.test>\n" CSEQ},
		{"no To", 0, FIRST, "From: <sip:alice@cpm.test>;tag=1\n" CSEQ},
		{"From without a tag", 403, FIRST,
				"From: <sip:alice@cpm.test>\nTo: "
				"<sip:bob@cpm.test>\n" CSEQ},
		{"From without an end", 400, FIRST,
				"From: \"alice <sip:alice@cpm.test>;tag=1\nTo: "
				"<sip:bob@cpm.test>\n" CSEQ},
		{"field without a colon", 0, FIRST, FROM_TO CSEQ "Evil yes\n"},
		{"version of another protocol", 0, "MESSAGE sip:bob@cpm.test HTTP/1.1",
				FROM_TO CSEQ},
		{"Request-URI with blanks", 0, "MESSAGE sip:b o b@cpm.test SIP/2.0",
				FROM_TO CSEQ},
		{"Request-URI that is none", 400, "MESSAGE bob SIP/2.0", FROM_TO CSEQ},
};

E2E_TEST(bad_input, datagrams_that_are_no_requests,
		"torn, contradicting themselves, of no protocol")
{
	static char noise[60000];
	int on;

	begin();
	lab_expect_log(lab, "cpm", ".");
	on = ua_count(ua, "MESSAGE", NULL);
	for(size_t i = 0; i < sizeof(shots) / sizeof(*shots); i++) {
		const char *text = message(fmt("shot-%zu", i), shots[i].first,
				shots[i].headers, pager_cpim());
		int code = shot(SOCK_DGRAM, text, strlen(text));

		cr_expect_eq(code, shots[i].code, "%s: %d", shots[i].what, code);
	}
	/* each beginning of a good one */
	const char *good = message("torn", FIRST, FROM_TO CSEQ, pager_cpim());
	for(size_t n = 1; n < strlen(good) - strlen(pager_cpim()) - 10; n += 37) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		struct sockaddr_in at = {
				.sin_family = AF_INET, .sin_port = htons(5060)};

		inet_pton(AF_INET, lab->pf_ip, &at.sin_addr);
		sendto(fd, good, n, 0, (struct sockaddr *)&at, sizeof(at));
		close(fd);
	}
	srandom(1);
	for(int round = 0; round < 20; round++) {
		for(size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (char)(random() >> 7);
		shot(SOCK_DGRAM, noise,
				round ? 1 + (size_t)random() % 1400 : sizeof(noise));
	}
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), on, "something was sent on");
	end();
}

E2E_TEST(bad_input, lists_that_bite_by_the_hundred,
		"by SIPp, 200 of them at 200 a second")
{
	const char *path = test_path("lists.csv");
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs("SEQUENTIAL\n", f);
	/* a field of SIPp's ends at a semicolon or at the end of the line */
	for(size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if(lists[i].code == 400 && !strpbrk(lists[i].xml, ";\n"))
			fprintf(f, "%s;\n", lists[i].xml);
	fclose(f);
	begin();
	sipp_ok(sipp_start(lab, "uac_bad_list.xml", 10, fmt("%s:5060", lab->pf_ip),
					"-p", "5070", "-inf", path, "-m", "200", "-r", "200", NULL),
			30000);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1, "something was sent on");
	end();
}

E2E_TEST(bad_input, ten_megabytes_over_tcp,
		"bodies beyond every limit; connections that end "
		"in "
		"the middle")
{
	const size_t n = 10 << 20;
	char *big = malloc(n + 4096);
	int on;

	cr_assert_not_null(big);
	begin();
	lab_expect_log(lab, "cpm", "tcp");
	on = ua_count(ua, "MESSAGE", NULL) + ua_count(ua, "INVITE", NULL);
	for(int large = 0; large < 2; large++) {
		struct req r = list_req(large, list_xml(""));
		const char *call_id, *text = req_text(ua, &r, &call_id);
		size_t head;

		text = crlf(fmt("%.*sContent-Length: %zu\n\n",
				(int)(strstr(text, "Content-Length:") - text), text, n));
		head = strlen(text);
		memcpy(big, text, head);
		memset(big + head, '<', n);
		cr_assert_eq(shot(SOCK_STREAM, big, n), 0);
		/* cut off in the head, and in the body */
		shot(SOCK_STREAM, text, head / 2);
		shot(SOCK_STREAM, big, head + 20);
	}
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL) + ua_count(ua, "INVITE", NULL),
			on, "something was sent on");
	free(big);
	end();
}
