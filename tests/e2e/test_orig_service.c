/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The service that the originating PF asserts, and its Contact: eight CPM
 * services, preferred or asserted by the client or by the core before us.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 7, 8.2.1.2 steps 6 and 7; RFC 6050.
 */
#include <string.h>

#include "orig_req.h"

E2E_SUITE(orig_service);

#define W127 "127 Service not authorised"

static struct lab *lab;
static struct ua *ua;

static void ended(void)
{
	lab_idle(lab, 6000);
}

E2E_TEST(orig_service, preferred_service_is_asserted,
		"OP-09: each of the eight, several fields, lists, any case")
{
	static const char *const services[] = {"msg", "msg.group", "largemsg",
			"largemsg.group", "session", "session.group", "filetransfer",
			"filetransfer.group"};
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		const char *name = services[i];

		m = req_passed(ua, name,
				REQ(.headers = fmt("P-Preferred-Service: " URN "%s\n", name)));
		req_asserts(m, name, name);
	}
	m = req_passed(ua, "list",
			REQ(.headers = "P-Preferred-Service: urn:x,\r\n " URN
						   "msg.group\n"));
	req_asserts(m, "list", "msg.group");
	m = req_passed(ua, "second field",
			REQ(.headers = "P-Preferred-Service: urn:x\n"
						   "p-preferred-SERVICE: " URN "msg\n"));
	req_asserts(m, "second field", "msg");
	m = req_passed(ua, "case",
			REQ(.headers = "P-Preferred-Service: URN:URN-7:3GPP-Service.ims."
						   "icsi.oma.CPM.msg\n"));
	req_asserts(m, "case", "msg");
	m = req_passed(ua, "both",
			REQ(.headers = "P-Preferred-Service: " URN "msg.group\n"
						   "P-Asserted-Service: " URN "msg\n"));
	req_asserts(m, "both", "msg.group");
	ended();
}

E2E_TEST(orig_service, other_asserted_service_is_refused,
		"OP-10 OL-12: 403 with Warning 127; a CPM service among others will do")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	for(int large = 0; large < 2; large++) {
		const char *own = large ? URN "largemsg" : URN "msg";

		req_refused(ua, "telephony", 403, W127,
				REQ(.large = large, .without = "P-Preferred-Service",
						.headers = "P-Asserted-Service: urn:urn-7:3gpp-service."
								   "ims.icsi.mmtel\n"));
		req_refused(ua, "nearly", 403, W127,
				REQ(.large = large, .without = "P-Preferred-Service",
						.headers = fmt("P-Asserted-Service: %sx\n", own)));
		m = req_passed(ua, "own",
				REQ(.large = large, .without = "P-Preferred-Service",
						.headers = fmt("P-Asserted-Service: %s\n", own)));
		cr_assert_str_eq(sip_hdr(m, "P-Asserted-Service"), own);
		req_passed(ua, "among others",
				REQ(.large = large, .without = "P-Preferred-Service",
						.headers =
								fmt("P-Asserted-Service: urn:x, %s\n", own)));
	}
	ended();
}

E2E_TEST(orig_service, large_message_is_asserted_as_one,
		"OL-12: largemsg and largemsg.group; nothing else becomes of an INVITE")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	m = req_passed(ua, "largemsg", REQ(.large = true));
	req_asserts(m, "largemsg", "largemsg");
	m = req_passed(ua, "group",
			REQ(.large = true,
					.headers = "P-Preferred-Service: urn:x, " URN
							   "largemsg.group\n"));
	req_asserts(m, "group", "largemsg.group");
	m = req_passed(ua, "group asserted",
			REQ(.large = true, .without = "P-Preferred-Service",
					.headers = "P-Asserted-Service: " URN "largemsg.group\n"));
	req_asserts(m, "group asserted", "largemsg.group");
	/* pager's is no service of an INVITE */
	req_refused(ua, "msg asserted", 403, W127,
			REQ(.large = true, .without = "P-Preferred-Service",
					.headers = "P-Asserted-Service: " URN "msg\n"));
	ended();
}

E2E_TEST(orig_service, contact_is_ours_with_the_clients_features,
		"OL-13: own address, feature parameters of the client, his instance "
		"stays behind")
{
	struct sip *m;
	const char *contact;

	lab = flow_lab(&ua, NULL);
	m = req_passed(ua, "features",
			REQ(.large = true, .without = "Contact",
					.headers = "m: \"A\" <sip:alice@127.0.0.100;gr=urn:x>"
							   ";q=0.5;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-"
							   "service.ims.icsi.oma.cpm.largemsg\";\r\n "
							   "+sip.instance=\"<urn:gsma:imei:1-2-0>\";"
							   "+g.oma.sip-im\n"));
	contact = sip_hdr(m, "Contact");
	cr_assert(strncmp(contact, fmt("<sip:%s:5060>;", lab->pf_ip),
					  strlen(lab->pf_ip) + 12)
					== 0,
			"%s", contact);
	cr_assert(strstr(contact,
					  ";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service."
					  "ims.icsi.oma.cpm.largemsg\"")
					!= NULL,
			"%s", contact);
	cr_assert(strstr(contact, ";+g.oma.sip-im") != NULL, "%s", contact);
	cr_assert(strstr(m->text, "imei") == NULL);
	cr_assert(strstr(m->text, "127.0.0.100") == NULL);
	cr_assert_null(sip_hdr_nth(m, "Contact", 1));
	ended();
}
