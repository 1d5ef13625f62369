/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client asks for one stored message by an INVITE to the deferred messages
 * function (cpm_term_fetch.c): its owner gets it, nobody else, and what was not
 * taken is still there.
 */
#include <stdlib.h>
#include <string.h>

#include "keep_flow.h"
#include "relay_defer.h"

E2E_SUITE(term_fetch);

#define SIZE 20000
#define FUNCTION "sip:deferred@cpm.test"

static struct own o;
static struct rig relay;
static int ctl;
static char *body;

static void end(void)
{
	lab_idle(o.lab, 8000);
	free(body);
}

static json_t *stored(void)
{
	json_t *a = ctl_call(ctl, "deferred.list", "{}");

	return json_object_get(json_object_get(a, "result"), "messages");
}

static void stored_are(size_t n)
{
	cr_assert_eq(json_array_size(stored()), n);
}

/* A message for bob, who is not there; its reference. */
static const char *begin_with(const char *more)
{
	struct call *a;
	struct sip *ok;

	term_start(&o,
			fmt("modparam(\"cpm\", \"deferred_uri\", \"" FUNCTION "\")\n"
				"event_route[cpm:delivered] {\n	xlog(\"L_WARN\", \"taken: "
				"$cpm(deferred_user) $cpm(deferred_sender) $cpm(deferred_kind) "
				"$cpm(deferred_size)\\n\");\n}\n%s",
					more));
	relay = (struct rig){.ip = o.lab->pf_ip, .sock = o.lab->relay_sock};
	ctl = ctl_hello_fd(&relay);
	body = content_make(SIZE);
	a = term_invite(&o, NULL);
	ok = call_answered(a, 6000);
	call_ack(a);
	raw_close(term_send(&o, a, ok, body, SIZE, 200));
	term_bye(a);
	lab_idle(o.lab, 8000);
	return strdup(json_string_value(
			json_object_get(json_array_get(stored(), 0), "ref")));
}

static const char *begin(void)
{
	return begin_with("");
}

static const char *receiving(const char *dir)
{
	const char *sdp = sdp_answer("actpass"), *at = strstr(sdp, "recvonly");

	return fmt("%.*s%s%s", (int)(at - sdp), sdp, dir, at + 8);
}

/* The INVITE of a user for it. */
static struct call *ask(const char *who, const char *ruri, const char *dir)
{
	return call_invite(o.ua,
			&(struct invite_opt){.to = ruri,
					.sdp = receiving(dir),
					.headers = fmt(
							"P-Asserted-Identity: <sip:%s@cpm.test>\n", who)});
}

static const char *of(const char *ref)
{
	return fmt(FUNCTION ";ref=%s", ref);
}

static void refused(const char *who, const char *ruri, int code)
{
	struct call *a = ask(who, ruri, "recvonly");
	struct sip *m = ua_wait(o.ua, fmt("%d/INVITE", code), a->call_id, 6000);

	call_ack_refusal(a, m);
}

/* The relay's side of the media, by our answer. */
static struct out media(const struct sip *ok)
{
	struct call c = {.in = (struct sip *)ok, .tag = "in"};

	return many_media(o.lab, &c);
}

/* The INVITE that was answered in our dialog is hung up by the PF. */
static const char *ended(struct call *a)
{
	struct sip *bye = ua_wait(o.ua, "BYE", a->call_id, 6000);

	ua_answer(o.ua, bye, 200, "");
	return sip_hdr(bye, "Reason");
}

E2E_TEST(term_fetch, owner_gets_it_on_his_session,
		"TL-18/part: answered sendonly with its size, sent whole, hung up, no "
		"more in the store, told to the script; a second time there is none")
{
	const char *ref = begin(), *sdp;
	struct call *a = ask("bob", of(ref), "recvonly");
	struct sip *ok = call_answered(a, 6000);
	struct out out;

	sdp = sip_body(ok);
	cr_assert(strstr(sdp, "a=sendonly") != NULL);
	cr_assert(strstr(sdp, "a=setup:passive") != NULL);
	cr_assert(strstr(sdp, fmt("size:%d", SIZE)) != NULL, "%s", sdp);
	cr_assert(strstr(sip_hdr(ok, "Contact"), o.lab->pf_ip) != NULL);
	call_ack(a);
	out = media(ok);
	out_takes(&out, body, SIZE);
	cr_assert_str_eq(out.type, "message/cpim");
	cr_assert(strstr(ended(a), "cause=200") != NULL);
	stored_are(0);
	own_stat_wait(&o, "deferred_delivered", 1);
	cr_assert(strstr(proc_stderr(o.pf),
			fmt("taken: sip:bob@cpm.test "
				"sip:alice@cpm.test large %d",
					SIZE)));
	refused("bob", of(ref), 404);
	out_free(&out);
	end();
}

E2E_TEST(term_fetch, to_everybody_else_there_is_none,
		"TL-18/part: another user, an unknown reference, none at all, one that "
		"could be none: 404; nobody: 403; an offer that sends: 488")
{
	static const char *const bad[] = {"", "d-", "d-%00", "%3b", "../../etc",
			"d-00000000000000000000000000000000", "d-0%0d%0aX:y"};
	const char *ref = begin();
	struct call *a;

	refused("alice", of(ref), 404);
	refused("bob", FUNCTION, 404);
	for(size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("bob", of(bad[i]), 404);
	refused("bob", of(fmt("d-%0300d", 1)), 404);
	a = ask("bob", of(ref), "sendonly");
	ua_wait(o.ua, "488/INVITE", a->call_id, 6000);
	a = call_invite(o.ua,
			&(struct invite_opt){.to = of(ref),
					.sdp = receiving("recvonly"),
					.without = "P-Asserted-Identity"});
	ua_wait(o.ua, "403/INVITE", a->call_id, 6000);
	stored_are(1);
	end();
}

E2E_TEST(term_fetch, what_was_not_taken_is_still_there,
		"TL-18/part: hung up in the middle, a connection that breaks, a "
		"CANCEL: "
		"it stays stored, and can be fetched again")
{
	const char *ref = begin();
	struct call *a = ask("bob", of(ref), "recvonly");
	struct sip *ok = call_answered(a, 6000);
	struct out out;

	call_ack(a);
	out = media(ok);
	out_take(&out, SIZE / 2);
	call_request(a, "BYE", "", "");
	ua_wait(o.ua, "200/BYE", a->call_id, 6000);
	raw_close(out.c);
	lab_idle(o.lab, 8000);
	stored_are(1);
	a = ask("bob", of(ref), "sendrecv");
	ok = call_answered(a, 6000);
	call_ack(a);
	out = media(ok);
	out_take(&out, SIZE / 2);
	/* while it is being fetched it cannot be fetched */
	refused("bob", of(ref), 480);
	raw_close(out.c);
	cr_assert(strstr(ended(a), "cause=480") != NULL);
	lab_idle(o.lab, 8000);
	stored_are(1);
	cr_assert_eq(lab_stat(o.lab, "deferred_delivered"), 0);
	a = ask("bob", of(ref), "recvonly");
	ok = call_answered(a, 6000);
	call_ack(a);
	out = media(ok);
	out_takes(&out, body, SIZE);
	ended(a);
	stored_are(0);
	out_free(&out);
	end();
}

/* The list that the phone gets, with so many messages; answered. */
static const char *told(size_t n)
{
	struct sip *m = keep_at(&o, PHONE);
	const char *at = sip_body(m);
	size_t is = 0;

	cr_assert_str_eq(sip_hdr(m, "Content-Type"),
			"application/vnd.oma.im.deferred-list+xml");
	while((at = strstr(at, "<history ")) != NULL) {
		at++;
		is++;
	}
	cr_assert_eq(is, n, "%s", m->text);
	ua_answer(o.ua, m, 200, "");
	return sip_body(m);
}

/* What waits does so for nothing but a registration. */
static void none_is_due(size_t n)
{
	json_t *all = stored(), *one;
	size_t i;

	cr_assert_eq(json_array_size(all), n);
	json_array_foreach(all, i, one)
	{
		cr_assert_str_eq(event_text(one, "state"), "stored");
		cr_assert_eq(event_number(one, "next_ms"), -1);
	}
}

E2E_TEST(term_fetch, operator_who_wants_no_push,
		"TL-18/part: push 0: who registers is told and sent nothing, he "
		"fetches text and photo; an operator's flush sends all the same")
{
	const char *ref = begin_with("modparam(\"cpm\", \"push\", 0)\n"
								 "modparam(\"cpm\", \"push_settle\", 100)\n"),
			   *id, *other;
	struct call *a;
	struct sip *ok, *m;
	struct out out;

	term_register(&o, PHONE);
	cr_assert(strstr(told(1), ref));
	/* one that is refused is tried no more, either */
	id = keep_send(&o, NULL, keep_body("m2", NULL));
	m = keep_at(&o, PHONE);
	ua_answer(o.ua, m, 480, "");
	keep_answer(&o, id, 202);
	told(2);
	none_is_due(2);
	other = event_text(json_array_get(stored(), 1), "ref");
	a = ask("bob", of(other), "recvonly");
	ok = call_answered(a, 6000);
	call_ack(a);
	out = media(ok);
	out_takes(&out, sip_body(m), strlen(sip_body(m)));
	ended(a);
	none_is_due(1);
	own_stat_wait(&o, "deferred_delivered", 1);
	cr_assert_eq(ua_count(o.ua, "INVITE", NULL), 0);
	lab_relayctl(o.lab, "deferred", "flush", "-u", "sip:bob@cpm.test", NULL);
	a = term_incoming(&o, PHONE);
	many_accept(a);
	out_free(&out);
	out = many_media(o.lab, a);
	out_takes(&out, body, SIZE);
	flow_bye_comes(a, 6000);
	own_stat_wait(&o, "deferred_delivered", 2);
	stored_are(0);
	out_free(&out);
	end();
}

#define TEXT                                                                   \
	"From: <sip:alice@cpm.test>\r\n\r\nContent-Type: text/plain\r\n\r\nhello"
#define TEXT_64                                                                \
	"RnJvbTogPHNpcDphbGljZUBjcG0udGVzdD4NCg0KQ29udGVudC1UeXBlOiB0ZXh0L3BsYWlu" \
	"DQoNCmhlbGxv"

static const char *put_text(const char *key, const char *more)
{
	json_t *a = ctl_call(ctl, "deferred.put",
			fmt("{'key':'%s','user':'sip:bob@cpm.test','sender':'" ALICE "',"
				"'envelope':{'from':'<" ALICE ">','to':'<sip:bob@cpm.test>'},"
				"'type':'message/cpim','data':'" TEXT_64 "'%s}",
					key, more));

	return event_text(a, "result.ref");
}

E2E_TEST(term_fetch, what_waited_for_its_next_attempt_goes_out,
		"TL-18/part: the one that is fetched is the only one with a time")
{
	struct call *a;
	struct sip *ok;
	struct out out;
	const char *ref;

	begin_with("modparam(\"cpm\", \"push_settle\", 50)\n");
	own_register(&o, "bob", 101, PHONE, "msg", 600);
	ua_idle(o.ua, 1100); /* the relay tells who has come of all, once */
	own_stat_wait(&o, "push_users", 0);
	ref = put_text("text-1", ",'next_ms':60000");
	put_text("text-2", "");
	ua_idle(o.ua, 100);
	own_stat_wait(&o, "push_users", 0);
	cr_assert_eq(keep_sent(&o), 0);
	a = ask("bob", of(ref), "recvonly");
	ok = call_answered(a, 6000);
	call_ack(a);
	out = media(ok);
	out_takes(&out, TEXT, strlen(TEXT));
	ended(a);
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	for(int i = 0; i < 100 && json_array_size(stored()) > 1; i++)
		sleep_ms(50);
	stored_are(1);
	out_free(&out);
	end();
}
