/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager messages through the originating PF: what is rewritten, what is
 * refused, whose answer counts. OMA-TS-CPM_Conv_Fnct 8.2.1.1.
 */
#include <string.h>

#include "b2b_flow.h"

E2E_SUITE(b2b_pager);

static struct lab *lab;
static struct ua *ua;

static struct sip *refused(int code, const char *headers, const char *body)
{
	struct sip *m;

	ua_send(ua, pager_text(ua, headers, body));
	m = ua_wait(ua, fmt("%d/MESSAGE", code), NULL, 6000);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	return m;
}

E2E_TEST(b2b_pager, service_is_asserted_and_the_rest_kept,
		"OP-09 OP-22/part OP-24: P-Preferred-Service becomes "
		"P-Asserted-Service; "
		"the recipient's answer is the answer")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	ua_send(ua, pager_text(ua, NULL, NULL));
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg");
	cr_assert_str_eq(sip_hdr(m, "P-Preferred-Service"), "");
	cr_assert_str_eq(sip_hdr(m, "Conversation-ID"), "conv-1");
	cr_assert(strlen(sip_hdr(m, "Contribution-ID")) == 32);
	cr_assert(strstr(sip_hdr(m, "Route"), "sip:orig@") == NULL);
	cr_assert(strstr(sip_body(m), "hello") != NULL);
	ua_answer(ua, m, 202, "");
	ua_wait(ua, "202/MESSAGE", NULL, 6000);
	ua_send(ua, pager_text(ua, NULL, NULL));
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	ua_answer(ua, m, 480, "Warning: 399 x \"y\"\n");
	m = ua_wait(ua, "480/MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_hdr(m, "Warning"), "399 x \"y\"");
}

E2E_TEST(b2b_pager, what_is_no_pager_message_is_refused,
		"OP-04 OP-10: 403, 415, 400, 480")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	refused(415, "Content-Type: text/plain\n", "hello");
	refused(400, NULL, "this is no CPIM");
	m = refused(403,
			"P-Preferred-Service: urn:x\nP-Asserted-Service: "
			"urn:urn-7:3gpp-service.ims.icsi.mmtel\n",
			NULL);
	cr_assert(strstr(sip_hdr(m, "Warning"), "127") != NULL);
	refused(480, "Expires: 60\nDate: Sat, 13 Nov 2010 23:29:00 GMT\n", NULL);
}

E2E_TEST(b2b_pager, retransmissions_are_absorbed, "OP-24: RFC 3261 17.2.2")
{
	const char *text;
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	text = pager_text(ua, NULL, NULL);
	ua_send(ua, text);
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	ua_send(ua, text);
	ua_answer(ua, m, 200, "");
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	ua_send(ua, text);
	ua_wait(ua, "200/MESSAGE", NULL, 6000);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 1);
}
