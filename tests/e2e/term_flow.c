/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Steps of term_flow.h.
 */
#include "term_flow.h"

#include <string.h>

#define TERM_SCRIPT                                                            \
	"	if($cpm(case) == \"term\") {\n"                                          \
	"		cpm_terminating();\n"                                                   \
	"		sl_send_reply(\"404\", \"Not Found\");\n		exit;\n	}\n"

void term_start(struct own *o, const char *params)
{
	own_start(o,
			fmt("modparam(\"cpm\", \"push_route\", "
				"\"<sip:CORE_IP:5060;lr>\")\n%s",
					params ? params : ""),
			TERM_SCRIPT);
}

void term_register(struct own *o, const char *urn)
{
	own_register(o, "bob", strcmp(urn, PHONE) == 0 ? 101 : 102, urn,
			"msg largemsg deferred", 600);
}

void term_register_both(struct own *o)
{
	term_register(o, PHONE);
	term_register(o, TABLET);
}

struct call *term_invite(struct own *o, const struct invite_opt *opt)
{
	struct invite_opt t = opt ? *opt : (struct invite_opt){.half = NULL};

	t.half = "term";
	return call_invite(o->ua, &t);
}

struct call *term_incoming(struct own *o, const char *urn)
{
	return call_incoming_as(
			o->ua, fmt("INVITE %s", own_gruu("bob", urn)), 6000);
}

void term_invites(struct own *o, int n)
{
	cr_assert_eq(ua_count(o->ua, "INVITE", NULL), n);
}

void term_refuse(struct call *b, int code)
{
	call_reply(b, code, NULL, "", "");
	ua_wait(b->ua, "ACK", b->call_id, 6000);
}

struct sip *term_refused(struct own *o, const struct invite_opt *opt, int code)
{
	int before = ua_count(o->ua, "INVITE", NULL);
	struct call *a = term_invite(o, opt);
	struct sip *m = ua_wait(o->ua, fmt("%d/INVITE", code), a->call_id, 6000);

	cr_assert_eq(ua_count(o->ua, "INVITE", NULL), before);
	call_ack_refusal(a, m);
	return m;
}

struct raw *term_send(struct own *o, struct call *a, const struct sip *ok,
		const char *body, size_t n, int status)
{
	struct pair p;
	struct raw *in = many_sender(o->lab, ok, &p);

	(void)a;
	many_send(in, &p, body, 0, n, n);
	cr_assert_eq(raw_status(in, "last0", 10000), status);
	return in;
}

void term_bye(struct call *a)
{
	call_request(a, "BYE", "", "");
	ua_wait(a->ua, "200/BYE", a->call_id, 6000);
}
