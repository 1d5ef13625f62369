/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stored large message on its way to the clients of its owner
 * (cpm_term_push.c): what its INVITE carries, when it is removed, and what
 * becomes of it when they do not take it.
 */
#include <stdlib.h>
#include <string.h>

#include "relay_defer.h"
#include "term_flow.h"

E2E_SUITE(term_push);

#define SIZE 20000

static struct own o;
static struct rig relay;
static int ctl;
static char *body;

static void end(void)
{
	lab_idle(o.lab, 8000);
	free(body);
}

static size_t n_stored(void)
{
	json_t *a = ctl_call(ctl, "deferred.list", "{}");

	return json_array_size(
			json_object_get(json_object_get(a, "result"), "messages"));
}

static void stored_wait(size_t n)
{
	for(int i = 0; n_stored() != n; i++) {
		cr_assert_lt(i, 160, "%zu are stored, not %zu", n_stored(), n);
		sleep_ms(50);
	}
}

/* A message for bob, who is not there; the sender's call. */
static struct call *store(const char *headers)
{
	struct call *a = term_invite(&o, &(struct invite_opt){.headers = headers});
	struct sip *ok = call_answered(a, 6000);

	call_ack(a);
	raw_close(term_send(&o, a, ok, body, SIZE, 200));
	term_bye(a);
	lab_idle(o.lab, 8000);
	return a;
}

static struct call *begin_with(const char *headers, const char *params)
{
	struct call *a;

	term_start(&o,
			fmt("modparam(\"cpm\", \"push_settle\", 100)\n"
				"modparam(\"cpm\", \"push_permanent\", 1)\n"
				"modparam(\"cpm\", \"min_client_version\", \"2.0\")\n"
				"modparam(\"cpm\", \"push_retries\", \"1 1 2\")\n%s",
					params));
	relay = (struct rig){.ip = o.lab->pf_ip, .sock = o.lab->relay_sock};
	ctl = ctl_hello_fd(&relay);
	body = content_make(SIZE);
	a = store(headers);
	cr_assert_eq(n_stored(), 1);
	return a;
}

static struct call *begin(const char *headers)
{
	return begin_with(headers, "");
}

static struct call *pushed(const char *urn)
{
	return call_incoming_as(
			o.ua, fmt("INVITE %s", own_gruu("bob", urn)), 12000);
}

E2E_TEST(term_push, client_that_registers_gets_it,
		"TL-18/part: identity, ids and service of the sender's request, what "
		"is left of its lifetime; removed when he has all of it")
{
	static const char *const kept[] = {"P-Asserted-Identity", "Conversation-ID",
			"Contribution-ID", "Subject"};
	struct call *a = begin("Subject: a photo\nMessage-Expires: 3600\n"), *b;
	struct out out;
	long left;

	term_register(&o, PHONE);
	b = pushed(PHONE);
	for(size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		cr_assert(*sip_hdr(b->in, kept[i])
						&& strstr(a->invite, sip_hdr(b->in, kept[i])) != NULL,
				"%s", kept[i]);
	cr_assert(strstr(sip_hdr(b->in, "P-Asserted-Service"), "largemsg") != NULL);
	cr_assert(strstr(sip_hdr(b->in, "From"), "<sip:alice@cpm.test>") != NULL);
	cr_assert_str_eq(sip_hdr(b->in, "To"), "<sip:bob@cpm.test>");
	cr_assert_str_neq(sip_hdr(b->in, "Date"), "");
	left = strtol(sip_hdr(b->in, "Message-Expires"), NULL, 10);
	cr_assert(left > 3400 && left <= 3600, "%ld", left);
	cr_assert(strstr(sip_body(b->in), fmt("size:%d", SIZE)) != NULL);
	cr_assert(strstr(sip_body(b->in), "a=sendonly") != NULL);
	many_accept(b);
	out = many_media(o.lab, b);
	out_takes(&out, body, SIZE);
	cr_assert(strstr(flow_bye_comes(b, 6000), "cause=200") != NULL);
	stored_wait(0);
	out_free(&out);
	end();
}

E2E_TEST(term_push, one_of_two_clients_is_enough,
		"TL-18/part: both are tried; the one that takes it decides; as long "
		"as one is only away, a refusal of the other one is not the end; an "
		"old client and one for texts alone get nothing")
{
	struct call *b, *c;
	struct out out;

	begin(NULL);
	/* two that are not chosen */
	own_register(&o, "bob", 103,
			"urn:uuid:00000000-0000-1000-8000-0000000000a3", "msg", 600);
	own_register_ua(&o, "bob", 104,
			"urn:uuid:00000000-0000-1000-8000-0000000000a4", "msg largemsg",
			600, "CPM-client/OMA1.0");
	term_register_both(&o);
	b = pushed(PHONE);
	c = pushed(TABLET);
	term_refuse(b, 415);
	term_refuse(c, 480);
	b = pushed(PHONE);
	c = pushed(TABLET);
	term_refuse(b, 415);
	many_accept(c);
	out = many_media(o.lab, c);
	out_takes(&out, body, SIZE);
	flow_bye_comes(c, 6000);
	stored_wait(0);
	term_invites(&o, 4);
	out_free(&out);
	end();
}

E2E_TEST(term_push, what_fails_is_tried_again,
		"TL-17 TL-18/part: refused, then broken off in the middle, then taken: "
		"nothing is lost")
{
	struct call *b;
	struct out out;

	begin(NULL);
	term_register(&o, PHONE);
	b = pushed(PHONE);
	term_refuse(b, 486);
	b = pushed(PHONE);
	many_accept(b);
	out = many_media(o.lab, b);
	out_take(&out, SIZE / 4);
	raw_close(out.c);
	flow_bye_comes(b, 6000);
	cr_assert_eq(n_stored(), 1);
	b = pushed(PHONE);
	many_accept(b);
	out = many_media(o.lab, b);
	out_takes(&out, body, SIZE);
	flow_bye_comes(b, 6000);
	stored_wait(0);
	out_free(&out);
	end();
}

/* A client answers, and takes all of it. */
static void takes(struct call *c)
{
	struct out out;

	many_accept(c);
	out = many_media(o.lab, c);
	out_takes(&out, body, SIZE);
	flow_bye_comes(c, 6000);
	out_free(&out);
}

E2E_TEST(term_push, silent_client_does_not_hold_up_the_next_message,
		"TL-18: once a client has a message the next one waits fork_wait for "
		"those that do not answer, longer for one that receives it; the "
		"session that is left serves who answers late, counts by "
		"push_parallel, and says nothing of later messages")
{
	struct call *b, *c[4];
	struct out out;

	begin_with(NULL,
			"modparam(\"cpm\", \"fork_wait\", 300)\n"
			"modparam(\"cpm\", \"push_parallel\", 1)\n");
	for(int i = 1; i < 4; i++)
		store(NULL);
	term_register_both(&o);
	/* the tablet receives the first one: the second one waits */
	b = pushed(PHONE);
	c[0] = pushed(TABLET);
	many_accept(c[0]);
	out = many_media(o.lab, c[0]);
	out_take(&out, SIZE / 4);
	takes(b);
	stored_wait(3);
	ua_idle(o.ua, 600);
	term_invites(&o, 2);
	out_takes(&out, body, SIZE);
	out_free(&out);
	flow_bye_comes(c[0], 6000);
	/* it rings with the second one: the third one goes out */
	b = pushed(PHONE);
	c[1] = pushed(TABLET);
	call_reply(c[1], 180, NULL, "", "");
	takes(b);
	b = pushed(PHONE);
	c[2] = pushed(TABLET);
	/* that one is left unanswered too, but there is room for one like that */
	takes(b);
	stored_wait(1);
	ua_idle(o.ua, 600);
	term_invites(&o, 6);
	takes(c[1]);
	b = pushed(PHONE);
	c[3] = pushed(TABLET);
	/* what becomes of those before says nothing of the last one */
	term_refuse(c[2], 486);
	term_refuse(c[3], 486);
	cr_assert_eq(n_stored(), 1);
	takes(b);
	stored_wait(0);
	own_stat_wait(&o, "push_users", 0);
	cr_assert_eq(lab_stat(o.lab, "deferred_delivered"), 4);
	cr_assert_eq(lab_stat(o.lab, "deferred_retries"), 0);
	end();
}

E2E_TEST(term_push, operator_deletes_it_while_a_client_takes_it,
		"it breaks off: what was deleted does not come back, nothing is left")
{
	const char *ref;
	struct call *b;
	struct out out;
	json_t *m;

	begin(NULL);
	m = lab_relayctl(o.lab, "deferred", "list", NULL);
	ref = event_text(m, "ref");
	term_register(&o, PHONE);
	b = pushed(PHONE);
	many_accept(b);
	out = many_media(o.lab, b);
	out_take(&out, SIZE / 4);
	m = lab_relayctl(o.lab, "deferred", "delete", ref, NULL);
	cr_assert_str_eq(event_text(m, "state"), "deleted");
	raw_close(out.c);
	flow_bye_comes(b, 6000);
	own_stat_wait(&o, "push_users", 0);
	cr_assert_eq(n_stored(), 0);
	term_invites(&o, 1);
	end();
}
