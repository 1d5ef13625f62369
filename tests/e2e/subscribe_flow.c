/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A subscriber to deferred messages (subscribe_flow.h).
 */
#include "subscribe_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *line(const char *name, const char *value, const char *usual)
{
	const char *v = value ? value : usual;

	return *v ? fmt("%s: %s\n", name, v) : "";
}

const char *sub_text(
		const struct own *o, const struct sub_opt *opt, const char **call_id)
{
	static int serial;
	const char *core = o->lab->core_ip;

	serial++;
	*call_id = fmt("sub%d-%d@test", (int)getpid(), serial);
	return fmt("SUBSCRIBE %s SIP/2.0\n"
			   "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKs%d.%d\n"
			   "Record-Route: <sip:%s:5060;lr>\n"
			   "From: <sip:alice@cpm.test>;tag=s%d\nTo: <sip:alice@cpm.test>\n"
			   "Call-ID: %s\nCSeq: 1 SUBSCRIBE\nMax-Forwards: 69\n"
			   "%s%s%s%s%sContent-Length: 0\n\n",
			opt->ruri ? opt->ruri : "sip:alice@cpm.test", core, (int)getpid(),
			serial, core, serial, *call_id,
			line("P-Asserted-Identity", opt->identity,
					"<sip:alice@cpm.test>, <tel:+15550101>"),
			line("Event", opt->event, "deferred-messages"),
			line("Accept", opt->accept, SUB_TYPE),
			line("Expires", opt->expires, "600"),
			line("Contact", opt->contact, fmt("<sip:alice@%s:5060>", core)));
}

struct sip *sub_begin(struct own *o, struct sub *s, const struct sub_opt *opt)
{
	const char *text = sub_text(o, opt, &s->call_id);
	struct sip *ok;

	ua_send(o->ua, text);
	ok = ua_wait(o->ua, "200/SUBSCRIBE", s->call_id, 6000);
	s->from = sip_hdr(ok, "From");
	s->to = sip_hdr(ok, "To");
	s->cseq = 1;
	cr_assert(strstr(s->to, ";tag=cpm"), "%s", s->to);
	return ok;
}

void sub_refresh(
		struct own *o, struct sub *s, const char *expires, const char *method)
{
	static int branch;
	const char *m = method ? method : "SUBSCRIBE";

	ua_send(o->ua,
			fmt("%s sip:%s:5060 SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKf%d.%d\n"
				"From: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n"
				"Max-Forwards: 69\nEvent: deferred-messages\nExpires: %s\n"
				"Contact: <sip:alice@%s:5060>\nContent-Length: 0\n\n",
					m, o->lab->pf_ip, o->lab->core_ip, (int)getpid(), ++branch,
					s->from, s->to, s->call_id, ++s->cseq, m, expires,
					o->lab->core_ip));
}

struct sip *sub_notify(struct own *o, const struct sub *s, int timeout_ms)
{
	return ua_wait(o->ua, "NOTIFY", s->call_id, timeout_ms);
}
