/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a message for a user is checked for before anybody gets it
 * (cpm_term_check(), cpm_check.c), in the order of the text.
 */
#include <string.h>

#include "term_flow.h"

E2E_SUITE(term_check);

static struct own o;

static struct sip *refused(const char *headers, int code, const char *warning)
{
	struct sip *m =
			term_refused(&o, &(struct invite_opt){.headers = headers}, code);

	if(warning)
		cr_assert(strstr(sip_hdr(m, "Warning"), warning) != NULL, "%s: %s",
				headers, sip_hdr(m, "Warning"));
	cr_assert(strstr(sip_hdr(m, "Server"), "CPM-serv/OMA") != NULL);
	return m;
}

E2E_TEST(term_check, refusals_of_the_text,
		"TL-01 TL-02 TL-03 TL-04: 403 with 127, 132 and Error-Info, 119; 422 "
		"with Min-SE")
{
	struct sip *m;

	term_start(&o,
			"modparam(\"cpm\", \"min_client_version\", \"2.0\")\n"
			"modparam(\"cpm\", \"anonymity\", 0)\n"
			"modparam(\"cpm\", \"error_info\", \"sip:old@cpm.test\")\n");
	term_register_both(&o);
	m = term_refused(
			&o, &(struct invite_opt){.without = "P-Asserted-Identity"}, 403);
	cr_assert(strstr(sip_hdr(m, "Warning"), "127 Service not authorised"));
	m = refused("User-Agent: CPM-client/OMA1.0\n", 403,
			"132 Version not supported");
	cr_assert_str_eq(sip_hdr(m, "Error-Info"), "<sip:old@cpm.test>");
	refused("User-Agent: CPM-serv/OMA1.0\n", 403, "132 Version not supported");
	refused("Privacy: id\n", 403, "119 Anonymity not allowed");
	m = refused("Session-Expires: 30\n", 422, NULL);
	cr_assert_str_neq(sip_hdr(m, "Min-SE"), "");
	lab_idle(o.lab, 8000);
}

E2E_TEST(term_check, order_of_the_checks,
		"TL-01 TL-02 TL-03: whoever fails several is told of the first")
{
	static const char all[] = "User-Agent: CPM-client/OMA1.0\nPrivacy: id\n"
							  "Session-Expires: 30\n";
	struct sip *m;

	term_start(&o,
			"modparam(\"cpm\", \"min_client_version\", \"2.0\")\n"
			"modparam(\"cpm\", \"anonymity\", 0)\n");
	term_register_both(&o);
	m = term_refused(&o,
			&(struct invite_opt){
					.headers = all, .without = "P-Asserted-Identity"},
			403);
	cr_assert(strstr(sip_hdr(m, "Warning"), "127 ") != NULL);
	refused(all, 403, "132 ");
	refused("Privacy: id\nSession-Expires: 30\n", 403, "119 ");
	lab_idle(o.lab, 8000);
}

E2E_TEST(term_check, session_timer_is_left_to_us,
		"TL-04: refresher=uas of the sender's half is no fault: we refresh, "
		"and "
		"say so")
{
	struct call *a, *b;
	struct sip *ok;

	term_start(&o, NULL);
	term_register(&o, PHONE);
	a = term_invite(&o,
			&(struct invite_opt){
					.headers = "Session-Expires: 90;refresher=uas\n"});
	b = term_incoming(&o, PHONE);
	cr_assert(strstr(sip_hdr(b->in, "Session-Expires"), "refresher=uac"));
	call_reply(b, 200, NULL,
			"Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n"
			"Session-Expires: 4;refresher=uac\n",
			sdp_answer("active"));
	ua_wait(o.ua, "ACK", b->call_id, 6000);
	ok = call_answered(a, 6000);
	call_ack(a);
	cr_assert_str_eq(sip_hdr(ok, "Session-Expires"), "90;refresher=uas");
	ua_answer(o.ua, ua_wait(o.ua, "UPDATE", b->call_id, 6000), 200,
			"Session-Expires: 1800;refresher=uac\n");
	term_bye(a);
	flow_bye_comes(b, 6000);
	lab_idle(o.lab, 8000);
}

E2E_TEST(term_check, bad_input_reaches_nobody,
		"TL-05/part: no offer, a broken one, no Contact, a broken To: refused, "
		"nothing is sent on or kept")
{
	long long before;

	term_start(&o, NULL);
	term_register_both(&o);
	before = lab_shm_used(o.lab);
	term_refused(&o, &(struct invite_opt){.sdp = ""}, 488);
	term_refused(&o, &(struct invite_opt){.sdp = "v=0\nnonsense\n"}, 400);
	term_refused(&o, &(struct invite_opt){.without = "Contact"}, 400);
	term_refused(&o,
			&(struct invite_opt){
					.headers = "P-Asserted-Service: urn:urn-7:x.y\n",
					.without = "P-Preferred-Service"},
			403);
	term_refused(&o, &(struct invite_opt){.headers = "Require: x-y\n"}, 420);
	term_refused(&o, &(struct invite_opt){.headers = "Max-Forwards: 0\n"}, 483);
	lab_idle(o.lab, 8000);
	lab_shm_back(o.lab, before);
}
