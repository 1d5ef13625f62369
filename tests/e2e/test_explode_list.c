/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lists of recipients: what is taken, what is refused with which answer, and
 * that a refused request sends nothing and leaves nothing. RFC 4826, 5363,
 * 5364, 5365; OMA-TS-CPM_Conv_Fnct 8.2.1.1 #8A.ii.1-5.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "list_flow.h"

E2E_SUITE(explode_list);

static struct lab *lab;
static struct ua *ua;

/* Send it; the answer, which must be this one, with this Warning text. */
static struct sip *refused(const char *text, int code, const char *warning)
{
	struct sip *m;

	ua_send(ua, text);
	m = ua_wait(ua, fmt("%d/MESSAGE", code), NULL, 6000);
	if(warning)
		cr_assert_str_eq(sip_hdr(m, "Warning"),
				fmt("399 %s \"%s\"", lab->pf_ip, warning));
	return m;
}

static const char *with_list(const char *headers, const char *xml)
{
	return list_message(ua, headers,
			list_body(list_part(xml), cpim_part(list_cpim()), NULL));
}

/* Send a body; who got a message, in order, with blanks between. */
static const char *recipients(const char *headers, const char *body, int n)
{
	const char *who = "";

	ua_send(ua, list_message(ua, headers, body));
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	for(int i = 0; i < n; i++) {
		struct sip *m = ua_wait(ua, "MESSAGE", NULL, 6000);

		ua_answer(ua, m, 200, "");
		cr_assert(strstr(sip_body(m), "hello all"));
		who = fmt("%s%s%s", who, i ? " " : "", sip_ruri(m));
	}
	ua_idle(ua, 100);
	for(struct sip *m; (m = ua_poll(ua, "MESSAGE", NULL, 0)) != NULL;)
		cr_assert_fail("%s was sent, too", sip_ruri(m));
	return who;
}

static const char *of_list(const char *entries, int n)
{
	return recipients(NULL,
			list_body(
					list_part(list_xml(entries)), cpim_part(list_cpim()), NULL),
			n);
}

E2E_TEST(explode_list, anonymous_lists_may_be_forbidden,
		"OP-13: 403 with Warning 119, to this originator")
{
	lab = flow_lab(&ua, "modparam(\"cpm\", \"list_anonymity\", 0)");
	refused(list_message(ua, "Privacy: id\n", NULL), 403,
			"119 Anonymity not allowed");
	/* before the number of recipients is looked at */
	refused(with_list("Privacy: id\n", list_xml(list_of(11))), 403,
			"119 Anonymity not allowed");
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	/* one recipient without a list, and a list without Privacy */
	ua_send(ua, pager_text(ua, "Privacy: id\n", NULL));
	ua_answer(ua, ua_wait(ua, "MESSAGE", NULL, 6000), 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	cr_assert_str_eq(
			of_list(list_entries("sip:bob@cpm.test"), 1), "sip:bob@cpm.test");
}

E2E_TEST(explode_list, too_many_recipients_are_refused,
		"OP-14: 486 with Warning 102; each recipient counts once")
{
	lab = flow_lab(&ua, NULL);
	refused(with_list(NULL, list_xml(list_of(11))), 486,
			"102 Too many recipients");
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	of_list(list_of(10), 10);
	of_list(fmt("%s%s"
				"<entry uri=\"" EXPLODER "\"/>",
					list_of(10), list_of(10)),
			10);
}

E2E_TEST(explode_list, empty_lists_are_refused, "OP-15: 403 with Warning 129")
{
	lab = flow_lab(&ua, NULL);
	refused(with_list(NULL, list_xml("")), 403, "129 No destinations");
	refused(with_list(NULL, list_xml("<list><list/></list>")), 403,
			"129 No destinations");
	refused(with_list(NULL, list_xml(list_entries(EXPLODER ";x=y"))), 403,
			"129 No destinations");
	refused(with_list(NULL, list_xml("<external anchor=\"http://x/y\"/>")), 403,
			"129 No destinations");
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
}

E2E_TEST(explode_list, every_form_of_a_list_is_read,
		"OP-16: nested lists, references left out, schemes, duplicates, no "
		"header fields of an entry")
{
	lab = flow_lab(&ua, NULL);
	cr_assert_str_eq(
			of_list("<list name=\"friends\"><entry uri=\"sip:bob@cpm.test\" "
					"cp:copyControl=\"bcc\"><display-name>Bob</display-name>"
					"</entry><list><entry uri=\"tel:+1-555-0103\"/></list>"
					"</list><entry-ref ref=\"x\"/><external anchor=\"http://"
					"127.0.0.1/x\"/><entry uri=\"sips:dave@cpm.test\" "
					"cp:anonymize=\"true\" cp:copyControl=\"cc\"/>"
					"<entry uri=\"sip:b%6fb@CPM.test\"/>"
					"<entry uri=\"sip:+15550103@cpm.test;user=phone\"/>"
					"<entry uri=\"sip:e%20e@cpm.test;x=y?Subject=evil\"/>"
					"<entry uri=\"" EXPLODER "\"/>",
					4),
			"sip:bob@cpm.test tel:+15550103 sips:dave@cpm.test "
			"sip:e%20e@cpm.test;x=y");
}

E2E_TEST(explode_list, parts_may_stand_in_either_order,
		"OP-16: RFC 5365 section 6, and what clients make of it")
{
	const char *xml;
	const char *list, *cpim;

	lab = flow_lab(&ua, NULL);
	xml = list_xml(list_entries("sip:bob@cpm.test"));
	list = list_part(xml);
	cpim = cpim_part(list_cpim());
	cr_assert_str_eq(recipients(NULL, list_body(cpim, list, NULL), 1),
			"sip:bob@cpm.test");
	cr_assert_str_eq(
			recipients(NULL,
					fmt("preamble\n%sepilogue\n", list_body(list, cpim, NULL)),
					1),
			"sip:bob@cpm.test");
	/* no disposition: a lone list is the list */
	cr_assert_str_eq(
			recipients(NULL,
					list_body(fmt("Content-Type: application/"
								  "resource-lists+xml;charset=utf-8\n\n%s",
									  xml),
							cpim, NULL),
					1),
			"sip:bob@cpm.test");
	cr_assert_str_eq(
			recipients(NULL,
					list_body(fmt("Content-Type: application/"
								  "resource-lists+xml\nContent-Disposition: "
								  "recipient-list; handling=required\n\n%s",
									  xml),
							cpim, NULL),
					1),
			"sip:bob@cpm.test");
	/* a history of recipients is another thing */
	cr_assert_str_eq(
			recipients(NULL,
					list_body(fmt("Content-Type: application/"
								  "resource-lists+xml\nContent-Disposition: "
								  "recipient-list-history; handling=optional"
								  "\n\n%s",
									  list_xml(list_entries("sip:no@x"))),
							list, cpim, NULL),
					1),
			"sip:bob@cpm.test");
	/* the list encoded for the way */
	cr_assert_str_eq(
			recipients(NULL,
					list_body("Content-Type: application/resource-lists+xml\n"
							  "Content-Disposition: recipient-list\n"
							  "Content-Transfer-Encoding: base64\n\n"
							  "PHJlc291cmNlLWxpc3RzIHhtbG5zPSJ1cm46aWV0Zjp"
							  "wYXJhbXM6eG1sOm5zOnJlc291cmNl\n"
							  "LWxpc3RzIj48bGlzdD48ZW50cnkgdXJpPSJzaXA6Ym9"
							  "iQGNwbS50ZXN0Ii8+PC9saXN0Pjwv\n"
							  "cmVzb3VyY2UtbGlzdHM+\n",
							cpim, NULL),
					1),
			"sip:bob@cpm.test");
}

E2E_TEST(explode_list, required_extensions_are_known_or_refused,
		"OP-16: Require: recipient-list-message; RFC 3261 8.2.2.3")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	m = refused(list_message(ua,
						"Require: recipient-list-message, hovercraft\n", NULL),
			420, NULL);
	cr_assert_str_eq(sip_hdr(m, "Unsupported"), "hovercraft");
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	recipients("Require: recipient-list-message\n", NULL, 2);
	recipients("Require: recipient-list-invite\n", NULL, 2);
}

/* What must be answered with 400, or with a status of its own. */
static const struct
{
	int code;
	const char *warning;
	const char *list; /* NULL: see body */
	const char *body; /* instead of list and message */
} bad[] = {
		{400, "Malformed resource list", "<resource-lists", NULL},
		{400, "Malformed resource list", "no xml at all", NULL},
		{400, "Not a resource list", "<html/>", NULL},
		{400, "DOCTYPE in a resource list",
				"<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 "
				"\"&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">"
				"<!ENTITY lol3 \"&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;\">]>"
				"<resource-lists><list><entry uri=\"sip:&lol3;@x\"/></list>"
				"</resource-lists>",
				NULL},
		{400, "DOCTYPE in a resource list",
				"<!DOCTYPE r SYSTEM \"http://127.0.0.1:1/x\"><resource-lists/>",
				NULL},
		{400, "Malformed multipart body", NULL,
				"--" LIST_BOUNDARY "\nContent-Type: message/cpim\n\nFrom: <x>"},
		{400, "Malformed multipart body", NULL, "no boundary"},
		{400, "Malformed multipart body", NULL, ""},
		{400, "No recipient list", NULL,
				"--" LIST_BOUNDARY "\nContent-Type: message/cpim\n\nFrom: <sip:"
				"a@x>\n\nContent-Type: text/plain\n\nx\n--" LIST_BOUNDARY
				"--\n"},
};

static const char *const bad_uris[] = {"", "bob", "sip:", "sip:@cpm.test",
		"sip:bob@", "sip:bo b@cpm.test", "sip:bob@cpm.test&gt;",
		"sip:bob@cpm.test&lt;sip:x", "sip:bob@cpm.test&#13;&#10;Evil: yes",
		"sip:bob@cpm.test&quot;x", "sip:bob%0d%0aEvil:%20yes@cpm.test",
		"sip:bob@cpm.test:99999", "tel:+", "tel:123;", "sip:bob@cpm.test;",
		"sip:b%zzb@cpm.test", "sip:\xc3\xbc@cpm.test"};

E2E_TEST(explode_list, broken_lists_send_nothing_and_leave_nothing,
		"OP-16: 400 with a Warning that says why")
{
	const char *list;
	long long before;

	lab = flow_lab(&ua, NULL);
	list_take(ua, 0, 200, NULL);
	of_list(list_entries("sip:bob@cpm.test"), 1);
	sleep_ms(7000); /* tm lets go of the first ones */
	before = lab_shm_used(lab);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(bad[i].list ? with_list(NULL, bad[i].list)
							: list_message(ua, NULL, bad[i].body),
				bad[i].code, bad[i].warning);
	for(size_t i = 0; i < sizeof(bad_uris) / sizeof(*bad_uris); i++)
		refused(with_list(NULL,
						list_xml(fmt("<entry uri=\"sip:carol@cpm.test\"/>"
									 "<entry uri=\"%s\"/>",
								bad_uris[i]))),
				400, "Broken URI in the resource list");
	refused(with_list(NULL, list_xml("<entry/>")), 400,
			"Broken URI in the resource list");
	list = list_part(list_xml(list_entries("sip:bob@cpm.test")));
	/* the message beside the list */
	refused(list_message(ua, NULL, list_body(list, NULL)), 400,
			"No message/cpim in the request");
	refused(list_message(ua, NULL,
					list_body(list, cpim_part("no header at all"), NULL)),
			400, "Malformed CPIM");
	refused(list_message(ua, NULL, list_body(list, cpim_part(""), NULL)), 400,
			"Malformed CPIM");
	refused(list_message(ua, NULL,
					list_body(list,
							"Content-Type: message/cpim\n"
							"Content-Transfer-Encoding: base64\n\nRnJvbTo=",
							NULL)),
			415, NULL);
	refused(list_message(ua, NULL,
					list_body(list, list, cpim_part(list_cpim()), NULL)),
			400, "More than one recipient list");
	list = fmt("Content-Type: application/resource-lists+xml\n\n%s",
			list_xml(list_entries("sip:bob@cpm.test")));
	refused(list_message(ua, NULL,
					list_body(list, list, cpim_part(list_cpim()), NULL)),
			400, "No recipient list");
	refused(list_message(ua, "Content-Type: application/resource-lists+xml\n",
					list_xml(list_entries("sip:bob@cpm.test"))),
			400, "A recipient list and a message are required");
	refused(list_message(ua, "Content-Type: message/cpim\n", list_cpim()), 400,
			"A recipient list and a message are required");
	refused(list_message(ua, "Content-Type: multipart/mixed\n",
					list_body(list, cpim_part(list_cpim()), NULL)),
			400, "Malformed multipart body");
	ua_idle(ua, 100);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1, "of the first list");
	lab_shm_back(lab, before);
}

E2E_TEST(explode_list, each_originator_may_have_a_limit_of_his_own,
		"OP-14 OP-13: $cpm(max_recipients) and $cpm(list_anonymity) by the "
		"shipped rules")
{
	lab = flow_lab(&ua, NULL);
	lab_rpc(lab, "cpm",
			"htable.sets cpm_rules sip:alice@cpm.test "
			"max_recipients=12;list_anonymity=0");
	refused(with_list(NULL, list_xml(list_of(13))), 486,
			"102 Too many recipients");
	refused(list_message(ua, "Privacy: id\n", NULL), 403,
			"119 Anonymity not allowed");
	of_list(list_of(12), 12);
}

/* Send over TCP as the core until the other side has enough; bytes taken. */
static size_t flood(
		const char *from, const char *to, const char *head, size_t n)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static char block[65536];
	size_t done = 0;

	memset(block, 'x', sizeof(block));
	inet_pton(AF_INET, from, &a.sin_addr);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	inet_pton(AF_INET, to, &a.sin_addr);
	a.sin_port = htons(5060);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_gt(send(fd, head, strlen(head), MSG_NOSIGNAL), 0);
	while(done < n) {
		ssize_t rc = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if(rc <= 0)
			break;
		done += (size_t)rc;
	}
	/* its end, or that of the connection */
	if(done < n || recv(fd, block, sizeof(block), 0) <= 0)
		done = 0;
	close(fd);
	return done;
}

E2E_TEST(explode_list, ten_megabytes_are_cut_off_and_forgotten,
		"OP-16: a body beyond every limit; the connection ends, service does "
		"not")
{
	long long before;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "tcp_read|overrun|tcp_read_req|tcp_main");
	before = lab_shm_used(lab);
	cr_assert_eq(
			flood(lab->core_ip, lab->pf_ip,
					fmt("MESSAGE " EXPLODER " SIP/2.0\r\n"
						"Via: SIP/2.0/TCP %s:5060;branch=z9hG4bKbig\r\n"
						"Route: <sip:orig@%s:5060;lr>\r\n"
						"From: <sip:alice@cpm.test>;tag=1\r\n"
						"To: <" EXPLODER ">\r\nCall-ID: big\r\n"
						"CSeq: 1 MESSAGE\r\nContent-Length: 10485760\r\n"
						"Content-Type: multipart/mixed;boundary=" LIST_BOUNDARY
						"\r\n\r\n--" LIST_BOUNDARY "\r\n",
							lab->core_ip, lab->pf_ip),
					10 << 20),
			0);
	of_list(list_entries("sip:bob@cpm.test"), 1);
	lab_shm_back(lab, before + 4096);
}
