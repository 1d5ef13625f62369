/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message that no client of its recipient takes: the PF takes it, and
 * it is in the store before its sender is told that it arrived
 * (cpm_term_defer.c, cpm_b2b_ok.c, cpm_b2b_dlv.c).
 */
#include <stdlib.h>
#include <string.h>

#include "relay_defer.h"
#include "term_flow.h"

E2E_SUITE(term_defer);

#define SIZE 20000

static struct own o;
static struct rig relay;
static int ctl;

static void begin(const char *params, const char *conf)
{
	setenv("LAB_RELAY_CONF_EXTRA", conf ? conf : "", 1);
	term_start(&o, params);
	relay = (struct rig){.ip = o.lab->pf_ip, .sock = o.lab->relay_sock};
	ctl = ctl_hello_fd(&relay);
}

static void end(void)
{
	lab_idle(o.lab, 8000);
}

static json_t *stored(void);

/* The clients have just registered: what is stored may be tried at once. They
 * refuse it still, and it stays. */
static void end_refusing(void)
{
	for(int i = 0; i < 15 || lab_stat(o.lab, "sessions") > 0; i++) {
		struct sip *m = ua_poll(o.ua, "INVITE", NULL, 100);

		if(m)
			ua_answer(o.ua, m, 486, "");
		cr_assert_lt(i, 120, "sessions are left");
	}
	end();
	cr_assert_eq(json_array_size(stored()), 1);
}

/* What is stored for bob. */
static json_t *stored(void)
{
	json_t *a = ctl_call(ctl, "deferred.list", "{'user':'sip:bob@cpm.test'}");

	return json_object_get(json_object_get(a, "result"), "messages");
}

/* One message of that size is there; the entry. */
static json_t *stored_one(size_t size)
{
	json_t *all = stored(), *m = json_array_get(all, 0);

	cr_assert_eq(json_array_size(all), 1);
	cr_assert_eq((size_t)json_integer_value(json_object_get(m, "size")), size);
	cr_assert_str_eq(json_string_value(json_object_get(m, "sender")),
			"sip:alice@cpm.test");
	cr_assert_str_eq(json_string_value(json_object_get(m, "kind")), "large");
	return m;
}

static void stored_none(void)
{
	cr_assert_eq(json_array_size(stored()), 0);
}

/* The PF answers, takes all of it, and is hung up. */
static void given_to_the_pf(struct call *a, size_t n)
{
	struct sip *ok = call_answered(a, 12000);
	char *body = content_make(n);
	struct raw *in;

	call_ack(a);
	in = term_send(&o, a, ok, body, n, 200);
	stored_one(n);
	term_bye(a);
	raw_close(in);
	free(body);
}

E2E_TEST(term_defer, message_for_nobody_is_stored,
		"TL-17 TL-08 TL-09: no client is registered: the PF answers itself, "
		"and "
		"the last chunk's 200 comes when it is in the store")
{
	struct call *a;
	struct sip *ok;
	const char *sdp;
	char *body = content_make(SIZE);
	struct raw *in;
	json_t *m;

	begin("event_route[cpm:deferred] { xlog(\"L_NOTICE\", \"event: "
		  "stored\\n\"); }",
			NULL);
	a = term_invite(&o, NULL);
	ok = call_answered(a, 6000);
	call_ack(a);
	sdp = sip_body(ok);
	cr_assert(strstr(sdp, fmt("a=path:msrp://%s:", o.lab->pf_ip)) != NULL);
	cr_assert(strstr(sdp, "a=recvonly") != NULL);
	cr_assert(strstr(sdp, "a=setup:passive") != NULL);
	cr_assert(strstr(sdp, "a=accept-types:message/cpim") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Server"), "CPM-serv/OMA") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Contact"), o.lab->pf_ip) != NULL);
	cr_assert(strstr(sip_hdr(ok, "Allow"), "MESSAGE") != NULL);
	cr_assert(strstr(sip_hdr(ok, "Require"), "timer") != NULL);
	in = term_send(&o, a, ok, body, SIZE, 200);
	m = stored_one(SIZE);
	/* he is not there: it waits for him */
	cr_assert(json_object_get(m, "next_ms") == NULL);
	term_bye(a);
	raw_close(in);
	free(body);
	term_invites(&o, 0);
	end();
	cr_assert(strstr(proc_stderr(o.pf), "event: stored") != NULL);
	stored_one(SIZE);
}

E2E_TEST(term_defer, all_clients_refuse,
		"TL-17: 5xx and 6xx of each of them: the PF takes it")
{
	struct call *a, *b, *c;

	begin(NULL, NULL);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	term_refuse(b, 603);
	cr_assert_eq(ua_count(o.ua, "200/INVITE", a->call_id), 0);
	term_refuse(c, 500);
	given_to_the_pf(a, SIZE);
	end_refusing();
}

E2E_TEST(term_defer, nobody_answers_in_time,
		"TL-17: ring_timeout: CANCEL to each, then the PF takes it; a client "
		"that answers too late is hung up")
{
	struct call *a, *b, *c;

	begin("modparam(\"cpm\", \"ring_timeout\", 1500)\n", NULL);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	call_reply(b, 180, NULL, "", "");
	call_reply(c, 180, NULL, "", "");
	flow_cancel_comes(b);
	ua_answer(o.ua, ua_wait(o.ua, "CANCEL", c->call_id, 6000), 200, "");
	many_accept(c);
	flow_bye_comes(c, 6000);
	given_to_the_pf(a, SIZE);
	end_refusing();
}

E2E_TEST(term_defer, transmission_to_all_fails,
		"TL-17: connections of both clients are lost in the middle: the sender "
		"goes on and is told 200, for it is stored")
{
	struct call *a, *b, *c;
	struct out phone, tablet;
	char *body = content_make(SIZE);
	struct raw *in;
	struct sip *ok;
	struct pair p;

	begin(NULL, NULL);
	term_register_both(&o);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	c = term_incoming(&o, TABLET);
	many_accept(b);
	ok = call_answered(a, 6000);
	call_ack(a);
	many_accept(c);
	phone = many_media(o.lab, b);
	tablet = many_media(o.lab, c);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE / 2, SIZE);
	out_take(&phone, SIZE / 4);
	raw_close(phone.c);
	flow_bye_comes(b, 6000);
	raw_close(tablet.c);
	flow_bye_comes(c, 6000);
	stored_none();
	many_send(in, &p, body, SIZE / 2, SIZE, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	stored_one(SIZE);
	term_bye(a);
	raw_close(in);
	free(body);
	end_refusing();
}

/* Chunks are acknowledged but the last one. */
static void takes_all_but_the_last(struct out *c, int status)
{
	const struct frame *f;

	while((f = raw_request(c->c, 6000)) != NULL && f->flag == '+')
		raw_answer(c->c, f, 200);
	cr_assert(f != NULL && f->flag == '$');
	raw_answer(c->c, f, status);
}

E2E_TEST(term_defer, last_chunk_is_refused,
		"TL-17: a client that has acknowledged all chunks but the last one, "
		"413 or 481, has not got it: it is stored before the sender's 200")
{
	static const int codes[] = {413, 481};
	struct call *a, *b;
	struct out phone;
	char *body = content_make(SIZE);
	struct raw *in;
	struct sip *ok;
	struct pair p;

	begin(NULL, NULL);
	term_register(&o, PHONE);
	for(int i = 0; i < 2; i++) {
		a = term_invite(&o, NULL);
		b = term_incoming(&o, PHONE);
		many_accept(b);
		ok = call_answered(a, 6000);
		call_ack(a);
		phone = many_media(o.lab, b);
		in = many_sender(o.lab, ok, &p);
		many_send(in, &p, body, 0, SIZE / 2, SIZE);
		many_send(in, &p, body, SIZE / 2, SIZE, SIZE);
		takes_all_but_the_last(&phone, codes[i]);
		cr_assert_eq(raw_status(in, "last0", 10000), 200);
		cr_assert_eq(json_array_size(stored()), (size_t)i + 1);
		flow_bye_comes(b, 6000);
		term_bye(a);
		raw_close(in);
		out_free(&phone);
	}
	free(body);
	end();
}

E2E_TEST(term_defer, client_that_is_slow_takes_the_stored_one,
		"TL-17 TL-16: the sender is not kept waiting for a slow client; what "
		"it "
		"takes in the end is no more in the store")
{
	struct call *a, *b;
	struct out phone;
	char *body = content_make(SIZE);
	struct raw *in;
	struct sip *ok;
	struct pair p;

	begin("modparam(\"cpm\", \"ring_timeout\", 1500)\n", NULL);
	term_register(&o, PHONE);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	many_accept(b);
	ok = call_answered(a, 6000);
	call_ack(a);
	phone = many_media(o.lab, b);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	stored_one(SIZE);
	term_bye(a);
	out_takes(&phone, body, SIZE);
	cr_assert(strstr(flow_bye_comes(b, 6000), "cause=200") != NULL);
	stored_none();
	raw_close(in);
	out_free(&phone);
	free(body);
	end();
	stored_none();
}

E2E_TEST(term_defer, sender_who_does_not_wait_for_the_200,
		"TL-16 TL-17: BYE behind the last byte: what was complete is stored")
{
	struct call *a;
	struct sip *ok;
	char *body = content_make(SIZE);
	struct raw *in;
	struct pair p;

	begin(NULL, NULL);
	a = term_invite(&o, NULL);
	ok = call_answered(a, 6000);
	call_ack(a);
	in = many_sender(o.lab, ok, &p);
	many_send(in, &p, body, 0, SIZE, SIZE);
	term_bye(a);
	end();
	stored_one(SIZE);
	raw_close(in);
	free(body);
}

E2E_TEST(term_defer, incomplete_message_is_not_stored,
		"TL-17: the sender's connection breaks, or he hangs up")
{
	struct call *a;
	char *body = content_make(SIZE);
	struct raw *in;
	struct pair p;

	begin(NULL, NULL);
	a = term_invite(&o, NULL);
	in = many_sender(o.lab, call_answered(a, 6000), &p);
	call_ack(a);
	many_send(in, &p, body, 0, SIZE / 2, SIZE);
	term_bye(a);
	end();
	stored_none();
	a = term_invite(&o, NULL);
	in = many_sender(o.lab, call_answered(a, 6000), &p);
	call_ack(a);
	many_send(in, &p, body, 0, SIZE / 2, SIZE);
	raw_close(in);
	term_bye(a);
	end();
	stored_none();
	free(body);
}

static long long kept_for(json_t *m)
{
	return event_number(m, "expires_at") - event_number(m, "received_at");
}

E2E_TEST(term_defer, lifetime_that_the_sender_gives,
		"TL-17: Message-Expires 0 is for live clients alone, one "
		"that is over is for nobody; what is left of it counts, but the "
		"operator's limit is never passed")
{
	static const char *const longer[] = {"Message-Expires: 4000000000\n", NULL};
	struct call *a;
	json_t *m;
	long long left;

	begin("modparam(\"cpm\", \"defer_lifetime\", 1000)\n", NULL);
	term_refused(
			&o, &(struct invite_opt){.headers = "Message-Expires: 0\n"}, 480);
	term_refused(&o,
			&(struct invite_opt){.headers = fmt("Message-Expires: 60\n"
												"Date: %s\n",
										 sip_date(-3600))},
			480);
	a = term_invite(&o,
			&(struct invite_opt){.headers = fmt("Message-Expires: 600\n"
												"Date: %s\n",
										 sip_date(-100))});
	given_to_the_pf(a, SIZE);
	m = stored_one(SIZE);
	left = kept_for(m);
	cr_assert(left > 480 && left <= 501, "%lld s", left);
	for(int i = 0; i < 2; i++) {
		lab_relayctl(o.lab, "deferred", "delete", event_text(m, "ref"), NULL);
		a = term_invite(&o, &(struct invite_opt){.headers = longer[i]});
		given_to_the_pf(a, SIZE);
		m = stored_one(SIZE);
		left = kept_for(m);
		cr_assert(left > 980 && left <= 1001, "%lld s", left);
	}
	end();
}

E2E_TEST(term_defer, no_room_in_the_store,
		"TL-17: the sender learns it by MSRP, and nothing is lost that was "
		"acknowledged")
{
	struct call *a;
	struct sip *ok;
	char *body = content_make(SIZE);
	struct raw *in;

	begin(NULL, "defer_user_messages = 1");
	given_to_the_pf(term_invite(&o, NULL), SIZE);
	a = term_invite(&o, NULL);
	ok = call_answered(a, 6000);
	call_ack(a);
	in = term_send(&o, a, ok, body, SIZE, 413);
	term_bye(a);
	end();
	stored_one(SIZE);
	raw_close(in);
	free(body);
}

E2E_TEST(term_defer, without_a_store,
		"TL-17/part: nobody takes it and nothing can be stored: 503 with "
		"Retry-After; who is there gets his messages as ever")
{
	struct call *a, *b;

	setenv("LAB_STORE", "none", 1);
	begin(NULL, NULL);
	cr_assert_str_neq(sip_hdr(term_refused(&o, NULL, 503), "Retry-After"), "");
	term_register(&o, PHONE);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	term_refuse(b, 486);
	ua_wait(o.ua, "503/INVITE", a->call_id, 6000);
	a = term_invite(&o, NULL);
	b = term_incoming(&o, PHONE);
	many_accept(b);
	call_answered(a, 6000);
	call_ack(a);
	term_bye(a);
	flow_bye_comes(b, 6000);
	end();
}
