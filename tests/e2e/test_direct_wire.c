/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests for one device where the core tells no public GRUU, and the copies
 * of a large message byte by byte: RFC 3841, OMA-TS-CPM_Conv_Fnct 8.3.2.1.1 #6
 * and 8.2.1.2 "direct delivery" C to E. The test is the core, the registrar and
 * every client.
 */
#include <stdlib.h>
#include <string.h>

#include "b2b_many.h"
#include "orig_req.h"
#include "reg_flow.h"
#include "switch_flow.h"

E2E_SUITE(direct_wire);

#define BOB "sip:bob@cpm.test"
#define CAROL "sip:carol@cpm.test"
#define PHONE "urn:uuid:00000000-0000-1000-8000-0000000000a1"
#define TABLET "urn:uuid:00000000-0000-1000-8000-0000000000a2"
#define PHONE_URI "sip:bob@127.0.0.1:6001"
#define TABLET_URI "sip:bob@127.0.0.1:6002"
#define LARGE                                                                  \
	"+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."          \
	"largemsg\""

static struct lab *lab;
static struct ua *ua;

/* bob's phone and tablet, both without a GRUU; more: a further contact. */
static void start(const char *more)
{
	struct watch w;

	lab = reg_lab(&ua,
			"modparam(\"cpm\", \"defer\", 0)\n"
			"modparam(\"cpm\", \"interworking\", 0)");
	reg_register(ua, BOB, 600, "", "");
	w = reg_subscribe(ua, BOB, 6000);
	reg_accept(&w, w.sub, 600);
	reg_notify(&w, "active;expires=600",
			reg_doc(0, "full",
					fmt("%s%s%s",
							reg_contact("1", "active", "registered", PHONE_URI,
									PHONE, "msg,largemsg"),
							reg_contact("2", "active", "registered", TABLET_URI,
									TABLET, "msg,largemsg"),
							more)),
			200);
	reg_clients(lab, BOB, *more ? 3 : 2);
}

/* Is it for that device, and for no other one? */
static bool is_for(const struct sip *m, const char *urn)
{
	const char *want = fmt("*;+sip.instance=\"<%s>\";explicit;require", urn);
	int n = 0, named = 0;

	for(const char *v; (v = sip_hdr_nth(m, "Accept-Contact", n)); n++)
		named += strcmp(v, want) == 0;
	cr_assert_eq(n, 2, "%s", m->text);
	return named == 1;
}

E2E_TEST(direct_wire, device_without_a_gruu_is_named_by_its_instance,
		"TL-07 OP-51: Request-URI is the user's address, Accept-Contact has "
		"+sip.instance, explicit and require, and the service's goes on")
{
	struct sip *m[2];
	struct call *b[2];
	const char *call_id, *text;

	start("");
	text = req_text(ua,
			&REQ(.route = fmt("<sip:term@%s:5060;lr>, <sip:mark@%s:5060;lr>",
						 lab->pf_ip, lab->core_ip)),
			&call_id);
	ua_send(ua, text);
	for(int i = 0; i < 2; i++)
		m[i] = ua_wait(ua, "MESSAGE " BOB, NULL, 6000);
	cr_assert(is_for(m[0], is_for(m[0], PHONE) ? PHONE : TABLET));
	cr_assert(is_for(m[1], is_for(m[0], PHONE) ? TABLET : PHONE));
	ua_answer(ua, m[0], 200, "");
	ua_answer(ua, m[1], 200, "");
	ua_wait(ua, "200/MESSAGE", call_id, 6000);
	call_invite(ua, &(struct invite_opt){.half = "term"});
	for(int i = 0; i < 2; i++) {
		b[i] = call_incoming_as(ua, "INVITE " BOB, 6000);
		cr_assert(strstr(sip_hdr(b[i]->in, "Route"), "sip:mark@") != NULL);
	}
	cr_assert(is_for(b[0]->in, is_for(b[0]->in, PHONE) ? PHONE : TABLET));
	cr_assert(is_for(b[1]->in, is_for(b[0]->in, PHONE) ? TABLET : PHONE));
	for(int i = 0; i < 2; i++) {
		call_reply(b[i], 486, NULL, "", "");
		ua_wait(ua, "ACK", b[i]->call_id, 6000);
	}
	/* and what bob's phone sends goes to his tablet */
	text = req_text(ua,
			&REQ(.ruri = CAROL, .from = "<" BOB ">",
					.headers = "P-Asserted-Identity: <" BOB ">\n"
							   "Via: SIP/2.0/UDP "
							   "127.0.0.1:6001;branch=z9hG4bKlow1\n"),
			&call_id);
	ua_send(ua, text);
	ua_answer(ua, ua_wait(ua, "MESSAGE " CAROL, NULL, 6000), 200, "");
	m[0] = ua_wait(ua, "MESSAGE " BOB, NULL, 6000);
	cr_assert(is_for(m[0], TABLET));
	ua_answer(ua, m[0], 200, "");
	lab_idle(lab, 8000);
}

/* ---- large copies ---- */

static const char cpim[] =
		"From: <sip:bob@cpm.test>\r\n"
		"To: <sip:carol@cpm.test>\r\n"
		"DateTime: 2026-11-21T10:00:00Z\r\n"
		"NS: imdn <urn:ietf:params:imdn>\r\n"
		"imdn.Message-ID: m-1\r\n"
		"NS: cpm <http://www.openmobilealliance.org/cpm/>\r\n"
		"cpm.Payload-Type: text/plain\r\n";
static const char payload[] = "\r\nContent-Type: text/plain\r\n\r\nhello\r\n";

/* bob's phone sends to carol; her call is answered, his connection is there. */
struct sending
{
	struct call *a, *b;
	struct out carol;
	struct raw *in;
	struct pair p;
	const char *body, *copy;
};

static void send_begin(struct sending *s)
{
	struct sip *ok;

	/* a watch that takes texts alone gets no copy */
	start(reg_contact("3", "active", "registered", "sip:bob@127.0.0.1:6003",
			"urn:uuid:00000000-0000-1000-8000-0000000000a3", "msg"));
	s->body = fmt("%s%s", cpim, payload);
	s->copy = fmt("%sMessage-Direction: sent\r\n%s", cpim, payload);
	s->a = call_invite(ua,
			&(struct invite_opt){.to = CAROL,
					.headers =
							"P-Asserted-Identity: <" BOB ">\n"
							"Contact: <" PHONE_URI ">;+sip.instance=\"<" PHONE
							">\";" LARGE "\nSubject: photos\n"});
	s->b = call_incoming_as(ua, "INVITE " CAROL, 6000);
	many_accept(s->b);
	ok = call_answered(s->a, 6000);
	call_ack(s->a);
	s->carol = many_media(lab, s->b);
	s->in = many_sender(lab, ok, &s->p);
}

static void send_end(struct sending *s)
{
	raw_close(s->in);
	out_free(&s->carol);
	lab_idle(lab, 8000);
}

E2E_TEST(direct_wire, copy_begins_with_the_first_acknowledgement,
		"OL-26 OL-27 OL-28 OL-29: no INVITE before the first SEND is "
		"acknowledged; then one, with the headers of the original, our Contact "
		"and the device; the wrapper as it was and Message-Direction; it goes "
		"on when both have hung up")
{
	static const char *const copied[] = {"P-Asserted-Identity",
			"Conversation-ID", "Contribution-ID", "Subject"};
	size_t n, half;
	struct sending s;
	struct out tablet;
	struct call *c;

	send_begin(&s);
	n = strlen(s.body);
	half = n / 2;
	ua_idle(ua, 300);
	cr_assert_null(ua_poll(ua, "INVITE " BOB, NULL, 0));
	many_send(s.in, &s.p, s.body, 0, half, n);
	out_take(&s.carol, half);
	c = call_incoming_as(ua, "INVITE " BOB, 6000);
	cr_assert(is_for(c->in, TABLET));
	for(size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++)
		cr_assert(*sip_hdr(c->in, copied[i])
						&& strstr(s.a->invite, sip_hdr(c->in, copied[i])),
				"%s", copied[i]);
	cr_assert(strstr(sip_hdr(c->in, "To"), CAROL) != NULL);
	cr_assert(strstr(sip_hdr(c->in, "Contact"), lab->pf_ip) != NULL);
	cr_assert(strstr(sip_hdr(c->in, "Route"), "sip:mark@") != NULL);
	call_reply(c, 180, NULL, "", "");
	many_send(s.in, &s.p, s.body, half, n, n);
	out_takes(&s.carol, s.body, n);
	cr_assert_eq(raw_status(s.in, "last0", 6000), 200);
	call_request(s.a, "BYE", "", "");
	ua_wait(ua, "200/BYE", s.a->call_id, 6000);
	flow_bye_comes(s.b, 6000);
	many_accept(c);
	tablet = many_media(lab, c);
	out_takes(&tablet, s.copy, strlen(s.copy));
	flow_bye_comes(c, 6000);
	cr_assert_eq(lab_stat(lab, "direct_copies"), 1);
	cr_assert_eq(lab_stat(lab, "direct_taken"), 1);
	out_free(&tablet);
	send_end(&s);
}

/* The sender or the recipient hangs up when half of it has crossed. */
static void hang_up_in_the_middle(bool sender)
{
	struct sending s;
	struct out tablet;
	struct call *c, *who;
	size_t n;

	send_begin(&s);
	who = sender ? s.a : s.b;
	n = strlen(s.body);
	many_send(s.in, &s.p, s.body, 0, n / 2, n);
	out_take(&s.carol, n / 2);
	c = call_incoming_as(ua, "INVITE " BOB, 6000);
	many_accept(c);
	tablet = many_media(lab, c);
	call_request(who, "BYE", "", "");
	ua_wait(ua, "200/BYE", who->call_id, 6000);
	flow_bye_comes(sender ? s.b : s.a, 6000);
	flow_bye_comes(c, 6000);
	out_free(&tablet);
	send_end(&s);
	cr_assert_eq(lab_stat(lab, "direct_taken"), 0);
}

E2E_TEST(direct_wire, copies_end_with_a_message_that_nobody_has,
		"OL-26 OL-28/part: bob hangs up in the middle; carol's and the copy's "
		"client are hung up, nothing is left")
{
	hang_up_in_the_middle(true);
}

E2E_TEST(direct_wire, copies_end_with_a_long_text_that_nobody_took,
		"OP-44 OP-48: carol takes the first chunk of a MESSAGE made large and "
		"refuses the next; bob's tablet, which rings already, is cancelled")
{
	struct sink *s = sink_open();
	struct call *b, *c;
	struct big *big;

	start("");
	big = big_send(ua,
			&(struct big_opt){.n = 60000,
					.to = CAROL,
					.headers = "P-Asserted-Identity: <" BOB ">\n"
							   "Via: SIP/2.0/UDP "
							   "127.0.0.1:6001;branch=z9hG4bKlow2\n"});
	b = call_incoming_as(ua, "INVITE " CAROL, 6000);
	sink_answer(s, b, "passive", NULL);
	sink_accept(s, 6000);
	raw_answer(s->c, sink_next(s, 6000), 200);
	c = call_incoming_as(ua, "INVITE " BOB, 6000);
	call_reply(c, 180, NULL, "", "");
	raw_answer(s->c, sink_next(s, 6000), 413);
	big_ends(big, 413, 6000);
	flow_bye_comes(b, 6000);
	ua_answer(ua, ua_wait(ua, "CANCEL", c->call_id, 6000), 200, "");
	call_reply(c, 487, NULL, "", "");
	raw_close(s->c);
	lab_idle(lab, 8000);
}

E2E_TEST(direct_wire, recipient_who_hangs_up_ends_the_copies,
		"OL-26 OL-28/part: nobody has taken it: the sender learns it by MSRP, "
		"the copy's client is hung up")
{
	hang_up_in_the_middle(false);
}

E2E_TEST(direct_wire, relay_that_dies_ends_the_copies,
		"OL-28/part: BYE to all three, no shared memory is lost")
{
	struct sending s;
	struct call *c;
	size_t n;

	send_begin(&s);
	n = strlen(s.body);
	many_send(s.in, &s.p, s.body, 0, n / 2, n);
	out_take(&s.carol, n / 2);
	c = call_incoming_as(ua, "INVITE " BOB, 6000);
	many_accept(c);
	lab_expect_log(lab, "cpm", "relay|MSRP|session");
	lab_part(lab, "kill", "relay");
	lab_part(lab, "start", "relay");
	flow_bye_comes(s.a, 15000);
	flow_bye_comes(s.b, 6000);
	flow_bye_comes(c, 6000);
	send_end(&s);
}
