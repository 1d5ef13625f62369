/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Common steps of the B2BUA's tests (b2b_flow.h).
 */
#include "b2b_flow.h"

#include <string.h>

struct lab *flow_lab(struct ua **ua, const char *cfg)
{
	struct lab *lab = cfg ? lab_own("LAB_WITHOUT=core isf",
							  fmt("LAB_CPM_CFG_EXTRA=%s", cfg), NULL)
						  : lab_own("LAB_WITHOUT=core isf", NULL);

	*ua = ua_open(lab->core_ip, lab->pf_ip);
	return lab;
}

struct call *flow_invite(
		struct ua *ua, const struct invite_opt *opt, struct call **callee)
{
	struct call *a = call_invite(ua, opt);

	*callee = call_incoming(ua, 6000);
	return a;
}

struct call *flow_ring(struct ua *ua, struct call **callee)
{
	struct call *a = flow_invite(ua, NULL, callee);

	call_reply(*callee, 180, NULL, "", "");
	ua_wait(ua, "180/INVITE", a->call_id, 6000);
	return a;
}

struct sip *flow_connect(struct call *a, struct call *b)
{
	struct sip *ok;

	call_accept(b);
	ok = call_answered(a, 6000);
	call_ack(a);
	return ok;
}

struct sip *flow_refuse(struct call *a, struct call *b, int code)
{
	call_reply(b, code, NULL, "", "");
	return ua_wait(a->ua, fmt("%d/INVITE", code), a->call_id, 6000);
}

void flow_cancel_comes(struct call *b)
{
	ua_answer(b->ua, ua_wait(b->ua, "CANCEL", b->call_id, 6000), 200, "");
	call_reply(b, 487, NULL, "", "");
}

void flow_early_bye(struct lab *lab, struct call *a)
{
	struct sip *ringing = ua_wait(a->ua, "180/INVITE", a->call_id, 6000);

	a->remote = sip_hdr(ringing, "To");
	a->target = fmt("sip:%s:5060", lab->pf_ip);
	call_request(a, "BYE", "", "");
	ua_wait(a->ua, "200/BYE", a->call_id, 6000);
	ua_wait(a->ua, "487/INVITE", a->call_id, 6000);
}

struct call *flow_establish_with(
		struct ua *ua, struct call **callee, const char *headers)
{
	struct call *b, *a = flow_ring(ua, &b);

	call_reply(b, 200, NULL, headers, sdp_answer("active"));
	ua_wait(ua, "ACK", b->call_id, 6000);
	call_answered(a, 6000);
	call_ack(a);
	*callee = b;
	return a;
}

struct call *flow_establish(struct ua *ua, struct call **callee)
{
	return flow_establish_with(ua, callee,
			"Allow: INVITE, ACK, CANCEL, BYE, UPDATE\nSupported: timer\n");
}

const char *flow_bye_comes(struct call *c, int timeout_ms)
{
	struct sip *bye = ua_wait(c->ua, "BYE", c->call_id, timeout_ms);

	ua_answer(c->ua, bye, 200, "");
	return sip_hdr(bye, "Reason");
}

void flow_hang_up(struct call *who, struct call *other)
{
	/* none that the PF would think of */
	const char *reason = "SIP;cause=200;text=\"Closed by user\"";

	call_request(who, "BYE", fmt("Reason: %s\n", reason), "");
	ua_wait(who->ua, "200/BYE", who->call_id, 6000);
	cr_assert_str_eq(flow_bye_comes(other, 6000), reason);
}
