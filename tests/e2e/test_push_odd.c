/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What crosses the push of a stored message: its lifetime ends while a client
 * has it, its owner or an operator wants it meanwhile, the client goes and
 * comes, both programs are restarted (cpm_push*.c, msrp-relay/store/).
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "keep_flow.h"

E2E_SUITE(push_odd);

#define FUNCTION "sip:deferred@cpm.test"

static struct own o;

/* The reference of the oldest message. */
static const char *ref_of(void)
{
	json_t *m = lab_relayctl(o.lab, "deferred", "list", "-n", "1", NULL);

	return strdup(event_text(m, "ref"));
}

/* `msrp-relayctl deferred <order> <ref>`: its exit code. */
static int orders(const char *order, const char *ref)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";

	return proc_run("order", 10000,
			(const char *[]){fmt("%s/msrp-relayctl", bin), "-s",
					o.lab->relay_sock, "deferred", order, ref, NULL});
}

static void phone_goes(void)
{
	own_register(&o, "bob", 101, PHONE, "msg largemsg deferred", 0);
}

/* The next MESSAGE for the phone is that one. */
static struct sip *phone_has(const char *id)
{
	struct sip *m = keep_at(&o, PHONE);

	cr_assert(strstr(sip_body(m), fmt("hello %s", id)) != NULL, "%s not %s",
			sip_body(m), id);
	return m;
}

E2E_TEST(push_odd, lifetime_that_ends_while_a_client_has_it,
		"TL-18: what the client then takes was delivered, and nobody is told "
		"otherwise; what it refuses has expired, and its sender is told")
{
	struct sip *taken, *refused, *m;
	const char *one, *two;

	keep_start(&o, "modparam(\"cpm\", \"fork_wait\", 200)\n");
	term_register(&o, PHONE);
	one = keep_send(&o, "Expires: 1\n", keep_body("m1", "negative-delivery"));
	taken = phone_has("m1");
	two = keep_send(&o, "Expires: 1\n", keep_body("m2", "negative-delivery"));
	refused = phone_has("m2");
	keep_answer(&o, one, 202);
	keep_answer(&o, two, 202);
	ua_idle(o.ua, 1300);
	ua_answer(o.ua, taken, 200, "");
	keep_count(&o, 1);
	ua_answer(o.ua, refused, 480, "");
	m = keep_at_sender(&o);
	cr_assert(strstr(sip_body(m), "<message-id>m2</message-id>") != NULL);
	cr_assert(strstr(sip_body(m), "<failed/>") != NULL);
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "deferred_expired", 1);
	cr_assert_eq(keep_sent(&o), 3);
}

E2E_TEST(push_odd, others_who_want_it_while_a_client_has_it,
		"TL-18: its owner fetches it, an operator holds it: refused, it is "
		"delivered once; requeued it is delivered once, too; deleted it is "
		"gone, and those behind it go out")
{
	const char *ref;
	struct call *a;
	struct sip *m;

	keep_start(&o, "modparam(\"cpm\", \"deferred_uri\", \"" FUNCTION "\")\n");
	keep_stored(&o, "m1", NULL);
	ref = ref_of();
	term_register(&o, PHONE);
	m = phone_has("m1");
	a = call_invite(o.ua,
			&(struct invite_opt){.to = fmt(FUNCTION ";ref=%s", ref),
					.sdp = sdp_answer("actpass"),
					.headers = "P-Asserted-Identity: <sip:bob@cpm.test>\n"});
	call_ack_refusal(a, ua_wait(o.ua, "480/INVITE", a->call_id, 6000));
	cr_assert_eq(orders("hold", ref), 1);
	ua_answer(o.ua, m, 200, "");
	keep_count(&o, 0);
	phone_goes();
	keep_stored(&o, "m2", NULL);
	ref = ref_of();
	keep_stored(&o, "m3", NULL);
	keep_stored(&o, "m4", NULL);
	term_register(&o, PHONE);
	m = phone_has("m2");
	cr_assert_eq(orders("requeue", ref), 0);
	ua_answer(o.ua, m, 200, "");
	m = phone_has("m3");
	keep_count(&o, 2);
	cr_assert_eq(orders("delete", ref_of()), 0);
	ua_answer(o.ua, m, 200, "");
	ua_answer(o.ua, phone_has("m4"), 200, "");
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 4);
	own_stat_wait(&o, "deferred_delivered", 4);
}

E2E_TEST(push_odd, client_that_goes_within_the_settle_time,
		"TL-18: nothing is sent, and all of it waits; when it comes back "
		"within that time it has one copy")
{
	keep_start(&o, "modparam(\"cpm\", \"push_settle\", 400)\n");
	keep_stored(&o, "m1", NULL);
	own_stat_wait(&o, "push_users", 0);
	term_register(&o, PHONE);
	own_stat_wait(&o, "push_users", 1);
	phone_goes();
	own_stat_wait(&o, "push_users", 0);
	cr_assert_eq(keep_sent(&o), 0);
	keep_count(&o, 1);
	term_register(&o, PHONE);
	phone_goes();
	term_register(&o, PHONE);
	ua_answer(o.ua, phone_has("m1"), 200, "");
	keep_count(&o, 0);
	own_stat_wait(&o, "push_users", 0);
	cr_assert_eq(keep_sent(&o), 1);
}

/* Ids, two identities, and a wrapper with all that one may have. */
static const char odd_headers[] =
		"P-Asserted-Identity: \"Alice\" <sip:alice@cpm.test>, "
		"<tel:+15550101>\n"
		"Conversation-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6\n"
		"Contribution-ID: abcdef-1234-5678-90ab-cdef01234567\n"
		"InReplyTo-Contribution-ID: 01234567-89ab-cdef-0123-456789abcdef\n";
static const char odd_body[] = /* of that Message-ID */
		"From: \"\xc3\x84lice\" <im:alice@cpm.test>\n"
		"To: <sip:bob@cpm.test>\n"
		"cc: <sip:carol@cpm.test>\n"
		"DateTime: 2026-01-02T03:04:05.678+01:00\n"
		"Subject: hi\\u00e9 there\n"
		"Subject:;lang=fr salut\n"
		"NS: imdn <urn:ietf:params:imdn>\n"
		"imdn.Message-ID: odd-%s\n"
		"imdn.Disposition-Notification: positive-delivery, display\n"
		"NS: X <mid:features@id.cpm.test>\n"
		"X.Vital: Confirmation-requested\n"
		"\n"
		"Content-Type: text/plain; charset=utf-8\n"
		"Content-ID: <1@cpm.test>\n"
		"\n"
		"\xe2\x82\xac 5,  two blanks\n\n trailing \n\n";

/* What the client gets has the ids and identities of what was sent. */
static void same_headers(const struct sip *m)
{
	cr_assert(strstr(sip_hdr(m, "P-Asserted-Identity"), "sip:alice@cpm.test")
			!= NULL);
	cr_assert(strstr(m->text, "<tel:+15550101>") != NULL, "%s", m->text);
	cr_assert_str_eq(sip_hdr(m, "Conversation-ID"),
			"f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
	cr_assert_str_eq(sip_hdr(m, "Contribution-ID"),
			"abcdef-1234-5678-90ab-cdef01234567");
	cr_assert_str_eq(sip_hdr(m, "InReplyTo-Contribution-ID"),
			"01234567-89ab-cdef-0123-456789abcdef");
}

/* With the line ends of the wire; to be freed. */
static char *on_the_wire(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *p = out;

	for(; *text; text++) {
		if(*text == '\n')
			*p++ = '\r';
		*p++ = *text;
	}
	*p = '\0';
	return out;
}

E2E_TEST(push_odd, restart_of_both_programs_changes_no_byte,
		"TL-17 TL-18: ids, both identities of the sender, the whole wrapper "
		"with its DateTime, of a text and of a large message")
{
	const char *text = fmt(odd_body, "1");
	char *body = on_the_wire(fmt(odd_body, "2"));
	struct call *a, *b;
	struct sip *m, *ok;
	struct out out;

	keep_start(&o, NULL);
	keep_answer(&o, keep_send(&o, odd_headers, text), 202);
	a = term_invite(&o, &(struct invite_opt){.headers = odd_headers});
	ok = call_answered(a, 6000);
	call_ack(a);
	raw_close(term_send(&o, a, ok, body, strlen(body), 200));
	term_bye(a);
	lab_idle(o.lab, 8000);
	lab_part(o.lab, "kill", "relay");
	kill(-proc_pid(o.pf), SIGKILL);
	proc_wait(o.pf, 5000);
	lab_part(o.lab, "start", "relay");
	own_again(&o);
	term_register(&o, PHONE);
	m = keep_at(&o, PHONE);
	cr_assert(keep_same(m, text), "%s", m->text);
	same_headers(m);
	ua_answer(o.ua, m, 200, "");
	b = term_incoming(&o, PHONE);
	same_headers(b->in);
	many_accept(b);
	out = many_media(o.lab, b);
	out_takes(&out, body, strlen(body));
	flow_bye_comes(b, 6000);
	keep_count(&o, 0);
	out_free(&out);
	free(body);
}
