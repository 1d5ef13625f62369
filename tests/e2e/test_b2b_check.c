/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the PF refuses before anything leaves it: policy, SDP, extensions,
 * malformed requests. Each with its status, and with a Warning where it is a
 * 403. OMA-TS-CPM_Conv_Fnct 8.2.1.2 steps 1 to 5, RFC 3261, 4028, 4975.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "b2b_flow.h"

E2E_SUITE(b2b_check);

static struct lab *lab;
static struct ua *ua;

/* The usual offer with one line replaced; "" removes it. */
static const char *offer_with(const char *line, const char *instead)
{
	const char *sdp = sdp_offer("actpass");
	const char *at = strstr(sdp, line);

	cr_assert(at != NULL, "no %s in the offer", line);
	return fmt("%.*s%s%s%s", (int)(at - sdp), sdp, instead,
			*instead ? "\n" : "", strchr(at, '\n') + 1);
}

/* Send and expect a refusal; what is in its headers. */
static struct sip *refused(const char *what, int code, struct invite_opt opt)
{
	struct call *a = call_invite(ua, &opt);
	struct sip *m = ua_poll(ua, fmt("%d/INVITE", code), a->call_id, 6000);

	if(m == NULL) {
		struct sip *other = ua_poll(ua, "4xx/INVITE", a->call_id, 0);

		cr_assert_fail("%s: not %d but %.*s", what, code,
				other ? (int)strcspn(other->text, "\r") : 7,
				other ? other->text : "nothing");
	}
	if(code == 403)
		cr_assert(*sip_hdr(m, "Warning") != '\0', "%s: no Warning", what);
	return m;
}

static void warned(const char *what, const char *text, struct invite_opt opt)
{
	struct sip *m = refused(what, 403, opt);

	cr_assert(strstr(sip_hdr(m, "Warning"), text) != NULL, "%s: Warning is %s",
			what, sip_hdr(m, "Warning"));
}

E2E_TEST(b2b_check, sdp_that_cannot_be_used,
		"OL-16: 488 for the wrong description, 400 for what is none")
{
	lab = flow_lab(&ua, NULL);
	refused("no path", 488,
			(struct invite_opt){.sdp = offer_with("a=path", "")});
	refused("broken path", 488,
			(struct invite_opt){
					.sdp = offer_with("a=path", "a=path:http://x/")});
	refused("UDP", 488,
			(struct invite_opt){
					.sdp = offer_with("m=message", "m=message 9 RTP/AVP 0")});
	refused("audio only", 488,
			(struct invite_opt){
					.sdp = offer_with("m=message", "m=audio 9 RTP/AVP 0")});
	refused("holdconn", 488, (struct invite_opt){.sdp = sdp_offer("holdconn")});
	refused("no body", 488, (struct invite_opt){.sdp = ""});
	refused("not SDP", 400,
			(struct invite_opt){.sdp = "hello, this is not SDP\n"});
	refused("another type", 415,
			(struct invite_opt){.type = "application/json"});
	refused("torn multipart", 400,
			(struct invite_opt){.type = "multipart/mixed;boundary=b1",
					.sdp = "--b1\nContent-Type: text/plain\n\nx\n"});
	warned("too large", "133 Size exceeded",
			(struct invite_opt){.sdp = offer_with("a=file-selector",
										"a=file-selector:size:99999999999")});
	lab_idle(lab, 6000);
}

E2E_TEST(b2b_check, policy_and_extensions,
		"OL-05 OL-12: 403 122, 403 127, 420, 422, 483, 480")
{
	struct sip *m;

	lab = flow_lab(&ua, NULL);
	warned("refresher=uas", "122 Function not allowed",
			(struct invite_opt){
					.headers = "Session-Expires: 900;refresher=uas\n"});
	m = refused("small interval", 422,
			(struct invite_opt){.headers = "Session-Expires: 20\n"});
	cr_assert_str_eq(sip_hdr(m, "Min-SE"), "90");
	m = refused("100rel", 420,
			(struct invite_opt){.headers = "Require: timer, 100rel, foo\n"});
	cr_assert_str_eq(sip_hdr(m, "Unsupported"), "100rel, foo");
	refused("no hops left", 483,
			(struct invite_opt){.headers = "Max-Forwards: 0\n"});
	refused("expired", 480,
			(struct invite_opt){
					.headers = "Message-Expires: 60\nDate: Sat, 13 Nov 2010 "
							   "23:29:00 GMT\n"});
	warned("another service", "127 Service not authorised",
			(struct invite_opt){.without = "P-Preferred-Service",
					.headers = "P-Asserted-Service: "
							   "urn:urn-7:3gpp-service.ims.icsi.mmtel\n"});
	warned("nobody's", "127 Service not authorised",
			(struct invite_opt){.without = "P-Asserted-Identity"});
	refused("broken interval", 400,
			(struct invite_opt){.headers = "Session-Expires: soon\n"});
	refused("no Contact", 400, (struct invite_opt){.without = "Contact"});
	lab_idle(lab, 6000);
}

E2E_TEST(b2b_check, client_version_and_anonymity,
		"OL-02 OL-03: 403 with Warning 132 and 119")
{
	struct call *a, *b;

	lab = flow_lab(&ua, "modparam(\"cpm\", \"anonymity\", 0)");
	warned("old client", "132 Version not supported",
			(struct invite_opt){
					.headers = "User-Agent: CPM-client/OMA1.0 x\n"});
	warned("anonymous", "119 Anonymity not allowed",
			(struct invite_opt){.headers = "Privacy: id\n"});
	/* no token at all is nothing against a client */
	a = flow_invite(ua,
			&(struct invite_opt){
					.headers = "User-Agent: phone/1.0\nPrivacy: none\n"},
			&b);
	flow_refuse(a, b, 480);
	lab_idle(lab, 6000);
}

E2E_TEST(b2b_check, group_service_and_lists_in_headers_pass,
		"OL-12: largemsg.group is asserted as such")
{
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	a = flow_invite(ua,
			&(struct invite_opt){
					.headers = "P-Preferred-Service: "
							   "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
							   "largemsg.group\n"},
			&b);
	cr_assert_str_eq(sip_hdr(b->in, "P-Asserted-Service"),
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg.group");
	flow_refuse(a, b, 480);
	lab_idle(lab, 6000);
}

E2E_TEST(b2b_check, oversized_headers_do_no_harm,
		"OL-06: 40 KB of headers; the next call works")
{
	char *big = malloc(40000);
	struct call *a, *b;

	lab = flow_lab(&ua, NULL);
	memset(big, 'x', 39999);
	memcpy(big, "Subject: ", 9);
	big[39998] = '\n';
	big[39999] = '\0';
	a = call_invite(ua, &(struct invite_opt){.headers = big});
	ua_wait(ua, "513/INVITE", a->call_id, 6000);
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	lab_idle(lab, 5000);
}

E2E_TEST(b2b_check, next_hop_that_cannot_be_resolved,
		"OL-18/part: 503 at once, not silence")
{
	struct call *a;

	lab = flow_lab(&ua, NULL);
	lab_expect_log(lab, "cpm", "resolve|no_such|DNS|dns");
	a = call_invite(ua, &(struct invite_opt){.next = "sip:no_such.invalid;lr"});
	ua_wait(ua, "503/INVITE", a->call_id, 8000);
	lab_idle(lab, 6000);
}
