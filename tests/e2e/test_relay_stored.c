/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The commands on deferred messages (deferred.put to deferred.flush), and
 * sessions that read a stored message, against the real daemon.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "relay_defer.h"

E2E_SUITE(relay_stored);

/* {"e":""} is the rest of 16,384 bytes. */
#define STORE_ENVELOPE_FITS (16384 - 8)

E2E_TEST(relay_stored, a_message_is_put_claimed_and_settled, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *body = pager_body("NS: q <urn:ietf:params:imdn>\r\n"
								  "q.Message-ID: Xa8f\r\n"
								  "q.Disposition-Notification: "
								  "negative-delivery\r\n"
								  "Subject: lunch\r\n",
			"hello");
	json_t *a = put_pager(ctl, BOB, "k1", body, ",'lifetime_s':3600");
	const char *ref = event_text(a, "result.ref");
	long long fence;

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	cr_assert(strlen(ref) == 34 && strncmp(ref, "d-", 2) == 0);
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	cr_assert(json_is_false(
			json_object_get(json_object_get(a, "result"), "duplicate")));
	/* The same key, and another key with the same imdn.Message-ID. */
	a = put_pager(ctl, BOB, "k1", body, "");
	cr_assert_str_eq(event_text(a, "result.ref"), ref);
	cr_assert(json_is_true(
			json_object_get(json_object_get(a, "result"), "duplicate")));
	a = put_pager(ctl, BOB, "k2", body, "");
	cr_assert_str_eq(event_text(a, "result.ref"), ref);
	cr_assert_eq(stored_count(ctl), 1);
	/* It waits for its user, so nothing is due; but it can be had. */
	a = next_of(ctl, BOB, "");
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
	cr_assert_eq(event_number(a, "result.pending"), 1);
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert_str_eq(event_text(a, "result.message.ref"), ref);
	cr_assert_str_eq(event_text(a, "result.message.kind"), "pager");
	cr_assert_str_eq(event_text(a, "result.message.sender"), ALICE);
	cr_assert_str_eq(event_text(a, "result.message.type"), "message/cpim");
	cr_assert_str_eq(event_text(a, "result.message.envelope.from"), ALICE);
	cr_assert_str_eq(event_text(a, "result.message.imdn.id"), "Xa8f");
	cr_assert_str_eq(event_text(a, "result.message.cpim.subject"), "lunch");
	cr_assert_str_eq(event_text(a, "result.message.cpim.from"), "<" ALICE ">");
	cr_assert_str_eq(
			event_text(a, "result.message.cpim.date"), "2026-11-21T11:00:00Z");
	cr_assert_str_eq(next_data(a), body);
	cr_assert_leq(event_number(a, "result.message.lifetime_s"), 3600);
	cr_assert_geq(event_number(a, "result.message.lifetime_s"), 3500);
	json_t *imdn = json_object_get(
			json_object_get(json_object_get(a, "result"), "message"), "imdn");
	cr_assert(json_is_true(json_object_get(imdn, "negative")));
	cr_assert(json_is_false(json_object_get(imdn, "is")));
	fence = event_number(a, "result.message.fence");
	/* One at a time for each user. */
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert(json_is_true(
			json_object_get(json_object_get(a, "result"), "busy")));
	for(int i = 0; i < 3; i++) {
		a = next_of(ctl, BOB,
				i == 0           ? ""
						: i == 1 ? ",'waiting':true"
								 : fmt(",'any':true,'after':'%s'", ref));
		cr_assert(json_is_true(
				json_object_get(json_object_get(a, "result"), "busy")));
		cr_assert_geq(event_number(a, "result.next_ms"), 50000);
	}
	a = next_of(ctl, BOB, fmt(",'ref':'%s'", ref));
	cr_assert_str_eq(event_text(a, "result.state"), "delivering");
	/* Not with another fence. */
	a = settle(ctl, ref, fence + 1, "'outcome':'delivered'");
	cr_assert_eq(ctl_code(a), -32023);
	a = ctl_call(ctl, "deferred.renew",
			fmt("{'ref':'%s','fence':%lld,'lease_ms':60000}", ref, fence));
	cr_assert_eq(ctl_code(a), 0);
	a = settle(ctl, ref, fence,
			"'outcome':'retry','retry_ms':0,'code':480,'permanent':true");
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	a = next_of(ctl, BOB, "");
	cr_assert_str_eq(event_text(a, "result.message.ref"), ref);
	cr_assert_eq(event_number(a, "result.message.attempts"), 1);
	cr_assert_eq(event_number(a, "result.message.permanent"), 1);
	cr_assert_eq(event_number(a, "result.message.last_code"), 480);
	a = settle(ctl, ref, event_number(a, "result.message.fence"),
			"'outcome':'delivered'");
	cr_assert_str_eq(event_text(a, "result.state"), "delivered");
	/* Again: it is gone, which is no error. */
	a = settle(ctl, ref, fence, "'outcome':'delivered'");
	cr_assert(json_is_true(
			json_object_get(json_object_get(a, "result"), "gone")));
	cr_assert_eq(stored_count(ctl), 0);
}

E2E_TEST(relay_stored, messages_of_one_user_come_in_their_order, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *first = stored_pager(ctl, BOB, "k1");
	const char *second = stored_pager(ctl, BOB, "k2");
	json_t *a;

	stored_pager(ctl, "sip:carol@example.com", "k1");
	cr_assert_lt(strcmp(first, second), 0);
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert_str_eq(event_text(a, "result.message.ref"), first);
	cr_assert_eq(event_number(a, "result.pending"), 1);
	/* Another user's does not wait for it. */
	a = next_of(ctl, "sip:carol@example.com", ",'any':true");
	cr_assert_neq(json_object_get(a, "result"), NULL);
	cr_assert_str_eq(
			event_text(a, "result.message.user"), "sip:carol@example.com");
	/* By name only who it is for. */
	a = next_of(ctl, "sip:mallory@example.com", fmt(",'ref':'%s'", second));
	cr_assert_eq(ctl_code(a), -32002);
	a = next_of(ctl, BOB, fmt(",'ref':'%s'", second));
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	a = ctl_call(ctl, "deferred.list", "{'user':'" BOB "','limit':1}");
	cr_assert_str_eq(event_text(a, "result.messages.0.ref"), first);
	cr_assert_str_eq(event_text(a, "result.after"), first);
	a = ctl_call(ctl, "deferred.list",
			fmt("{'user':'" BOB "','after':'%s'}", first));
	cr_assert_str_eq(event_text(a, "result.messages.0.ref"), second);
	a = ctl_call(ctl, "deferred.list", "{'state':'delivering'}");
	cr_assert_eq(json_array_size(json_object_get(
						 json_object_get(a, "result"), "messages")),
			2);
	/* The first one has failed: those behind it. */
	settle(ctl, first, 1, "'outcome':'retry','retry_ms':60000");
	a = next_of(ctl, BOB, fmt(",'any':true,'after':'%s'", first));
	cr_assert_str_eq(event_text(a, "result.message.ref"), second);
	settle(ctl, second, 1, "'outcome':'retry','retry_ms':60000");
	a = next_of(ctl, BOB, fmt(",'any':true,'after':'%s'", second));
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
	cr_assert(json_object_get(json_object_get(a, "result"), "busy") == NULL);
	/* Of one that is gone: all. */
	ctl_call(ctl, "deferred.delete", fmt("{'ref':'%s'}", first));
	ctl_call(ctl, "deferred.requeue", fmt("{'ref':'%s'}", second));
	a = next_of(ctl, BOB, fmt(",'any':true,'after':'%s'", first));
	cr_assert_str_eq(event_text(a, "result.message.ref"), second);
}

E2E_TEST(relay_stored, operators_hold_release_requeue_and_delete, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *ref = stored_pager(ctl, BOB, "k1");
	const char *one = fmt("{'ref':'%s'}", ref);
	json_t *a = ctl_call(ctl, "deferred.hold", one);

	cr_assert_str_eq(event_text(a, "result.state"), "held");
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
	a = next_of(ctl, BOB, fmt(",'ref':'%s'", ref));
	cr_assert_str_eq(event_text(a, "result.state"), "held");
	a = ctl_call(ctl, "deferred.release", one);
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	/* the same again gets the same answer */
	a = ctl_call(ctl, "deferred.release", one);
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	a = next_of(ctl, BOB, "");
	cr_assert_eq(ctl_code(ctl_call(ctl, "deferred.hold", one)), -32023);
	settle(ctl, ref, event_number(a, "result.message.fence"),
			"'outcome':'wait','code':408");
	a = ctl_call(ctl, "deferred.flush", "{'user':'" BOB "'}");
	cr_assert_eq(event_number(a, "result.messages"), 1);
	a = ctl_call(ctl, "deferred.show", one);
	cr_assert_eq(event_number(a, "result.next_ms"), 0);
	cr_assert_eq(event_number(a, "result.last_code"), 408);
	cr_assert_str_eq(event_text(a, "result.key"), "k1");
	cr_assert(json_object_get(json_object_get(a, "result"), "data") == NULL);
	a = ctl_call(ctl, "deferred.requeue", one);
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	a = ctl_call(ctl, "deferred.delete", one);
	cr_assert_str_eq(event_text(a, "result.state"), "deleted");
	cr_assert_eq(ctl_code(ctl_call(ctl, "deferred.delete", one)), -32002);
	a = ctl_call(ctl, "deferred.count", "{}");
	cr_assert_eq(event_number(a, "result.messages"), 0);
}

E2E_TEST(relay_stored, quotas_and_a_missing_store_are_told_apart, "")
{
	struct rig *r = rig_start("defer_user_messages = 2\n");
	int ctl = ctl_serving(r);
	json_t *a;

	stored_pager(ctl, BOB, "k1");
	stored_pager(ctl, BOB, "k2");
	a = put_pager(ctl, BOB, "k3", pager_body("", "x"), "");
	cr_assert_eq(ctl_code(a), -32020);
	/* What is there is no new message; another user has his own quota. */
	a = put_pager(ctl, BOB, "k2", pager_body("", "k2"), "");
	cr_assert_eq(ctl_code(a), 0);
	stored_pager(ctl, "sip:carol@example.com", "k1");
	kill(proc_pid(r->relay), SIGTERM);
	proc_wait(r->relay, 10000);
	rig_write_conf(r, "store = none\n");
	rig_spawn(r);
	ctl = ctl_serving(r);
	a = put_pager(ctl, BOB, "k3", pager_body("", "x"), "");
	cr_assert_eq(ctl_code(a), -32022);
	cr_assert_eq(ctl_code(next_of(ctl, BOB, "")), -32022);
	kill(proc_pid(r->relay), SIGTERM);
	proc_wait(r->relay, 10000);
	rig_write_conf(r, "defer_max_bytes = 1MiB\ndefer_min_free = 1000GiB\n");
	rig_spawn(r);
	ctl = ctl_serving(r);
	a = put_pager(ctl, BOB, "k3", pager_body("", "x"), "");
	cr_assert_eq(ctl_code(a), -32021);
	cr_assert_eq(stored_count(ctl), 2);
}

E2E_TEST(relay_stored, what_was_answered_survives_a_kill, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *body = pager_body("", "survivor");
	json_t *a = put_pager(ctl, BOB, "k1", body, ",'lease_ms':600000");
	const char *ref = event_text(a, "result.ref");

	cr_assert_str_eq(event_text(a, "result.state"), "delivering");
	cr_assert_eq(event_number(a, "result.fence"), 1);
	kill(proc_pid(r->relay), SIGKILL);
	proc_wait(r->relay, 10000);
	rig_spawn(r);
	ctl = ctl_serving(r);
	/* Nobody works on it any more, and the key still finds it. */
	a = put_pager(ctl, BOB, "k1", body, "");
	cr_assert_str_eq(event_text(a, "result.ref"), ref);
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert_str_eq(event_text(a, "result.message.ref"), ref);
	cr_assert_str_eq(next_data(a), body);
}

E2E_TEST(relay_stored, a_stored_message_is_read_over_a_session, "")
{
	struct rig *r = rig_start("store_inline_bytes = 1KiB\n");
	int ctl = ctl_serving(r);
	char big[20000];
	const char *body;
	json_t *a;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	body = pager_body("", big);
	a = put_pager(ctl, BOB, "k1", body, "");
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert_str_eq(next_data(a), body);
	const char *ref = event_text(a, "result.message.ref");
	long long fence = event_number(a, "result.message.fence");
	/* Only by who has claimed it. */
	cr_assert_eq(ctl_code(stored_session(ctl, "s1", ref, fence + 1)), -32023);
	cr_assert_eq(ctl_code(stored_session(ctl, "s1",
						 "d-00000000000000000000000000000000", fence)),
			-32002);
	a = stored_session(ctl, "s1", ref, fence);
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	cr_assert_eq(
			event_number(a, "result.content.bytes"), (long long)strlen(body));
	cr_assert_str_eq(event_text(a, "result.content.type"), "message/cpim");
	cr_assert_str_eq(event_text(a, "result.content.message_id"), ref + 2);
	/* again: the same session */
	a = stored_session(ctl, "s1", ref, fence);
	cr_assert_eq(ctl_code(a), 0);
	struct out copy = out_new_with(ctl, "s1", "c",
			",'copy':true,'cpim_add':'Message-Direction: sent'");
	struct out o = out_new(ctl, "s1", "1");
	out_start(ctl, "s1", &copy, "");
	out_start(ctl, "s1", &o, "");
	out_connect(r, &copy);
	const char *copied = pager_body("Message-Direction: sent\r\n", big);
	out_takes(&copy, copied, strlen(copied));
	/* A copy is no delivery. */
	cr_assert_eq(stored_count(ctl), 1);
	out_connect(r, &o);
	out_takes(&o, body, strlen(body));
	json_t *e = ctl_event(ctl, "leg.delivered", 5000);
	if(strcmp(event_text(e, "leg"), "c") == 0)
		e = ctl_event(ctl, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "ref"), ref);
	cr_assert_eq(stored_count(ctl), 0);
	out_free(&o);
	out_free(&copy);
}

E2E_TEST(relay_stored, a_refused_push_leaves_the_message_to_its_claimant, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *ref = stored_pager(ctl, BOB, "k1");
	json_t *a = next_of(ctl, BOB, ",'any':true");
	long long fence = event_number(a, "result.message.fence");
	const struct frame *f;
	struct out o;

	cr_assert_eq(ctl_code(stored_session(ctl, "s1", ref, fence)), 0);
	o = out_add(r, ctl, "s1", "1");
	f = raw_request(o.c, 5000);
	cr_assert(f != NULL);
	raw_answer(o.c, f, 413);
	json_t *e = ctl_event(ctl, "leg.failed", 5000);
	cr_assert_eq(event_number(e, "status"), 413);
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	a = settle(ctl, ref, fence, "'outcome':'retry','retry_ms':1000,'code':413");
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	cr_assert_eq(stored_count(ctl), 1);
	out_free(&o);
}

E2E_TEST(relay_stored, a_delivery_without_the_claim_removes_nothing, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *ref = stored_pager(ctl, BOB, "k1"), *body;
	json_t *a = next_of(ctl, BOB, ",'any':true"), *e;
	struct out o;

	body = next_data(a);
	a = stored_session(ctl, "s1", ref, event_number(a, "result.message.fence"));
	cr_assert_eq(ctl_code(a), 0);
	/* The operator takes it away. */
	a = ctl_call(ctl, "deferred.requeue", fmt("{'ref':'%s'}", ref));
	cr_assert_str_eq(event_text(a, "result.state"), "stored");
	o = out_add(r, ctl, "s1", "1");
	out_takes(&o, body, strlen(body));
	e = ctl_event(ctl, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "ref"), ref);
	cr_assert(json_is_false(json_object_get(e, "settled")));
	cr_assert_eq(stored_count(ctl), 1);
	out_free(&o);
}

/* The most memory it ever had, bytes. */
static long long peak(const struct rig *r)
{
	const char *text = file_text(fmt("/proc/%d/status", proc_pid(r->relay)));
	const char *at = strstr(text, "VmHWM:");

	return at ? strtoll(at + 6, NULL, 10) * 1024 : -1;
}

/* Each answer is of 64 KiB, and of more while it is made. */
E2E_TEST(relay_stored, lists_that_nobody_reads_hold_up_nobody, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r), deaf = ctl_hello_fd(r);
	const char *list = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
					   "\"deferred.list\",\"params\":{\"limit\":200}}\n";
	char subject[900];
	long long before;

	memset(subject, 's', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = '\0';
	for(int i = 0; i < 200; i++)
		put_pager(ctl, BOB, fmt("k%d", i),
				pager_body(fmt("Subject: %s\r\n", subject), "x"), "");
	before = peak(r);
	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for(int i = 0; i < 1000; i++)
		if(send(deaf, list, strlen(list), MSG_NOSIGNAL) < 0)
			break;
	for(int i = 0; i < 10; i++)
		cr_assert_eq(stored_count(ctl), 200);
	cr_assert_lt(peak(r) - before, 6 * rig_growth(), "%lld KiB",
			(peak(r) - before) >> 10);
}

E2E_TEST(relay_stored, bad_parameters_are_named_and_change_nothing, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	static const struct
	{
		const char *method, *params, *name;
	} bad[] = {
			{"deferred.put", "{}", "user"},
			{"deferred.put",
					"{'key':'a b','user':'u','sender':'s','type':'t',"
					"'data':'eA=='}",
					"key"},
			{"deferred.put",
					"{'key':'k','user':'u','sender':'s','type':'t',"
					"'data':'e*=='}",
					"data"},
			{"deferred.put",
					"{'key':'k','user':'u','sender':'s','type':'t',"
					"'data':'eA==','envelope':'text'}",
					"envelope"},
			{"deferred.put",
					"{'key':'k','user':'u','sender':'s','type':'t',"
					"'data':'eA==','kind':'large'}",
					"kind"},
			{"deferred.put",
					"{'key':'k','user':'u','sender':'s','type':'t',"
					"'data':'eA==','lifetime_s':0}",
					"lifetime_s"},
			{"deferred.put",
					"{'key':'k','user':'u','sender':'s','type':'t',"
					"'data':'eA==','lease_ms':1}",
					"lease_ms"},
			{"deferred.next", "{}", "users"},
			{"deferred.next", "{'users':[]}", "users"},
			{"deferred.next", "{'users':[7]}", "users"},
			{"deferred.next", "{'users':['']}", "users"},
			{"deferred.next", "{'ref':'d-12'}", "ref"},
			{"deferred.settle",
					"{'ref':'d-00000000000000000000000000000000','fence':1,"
					"'outcome':'lost'}",
					"outcome"},
			{"deferred.settle",
					"{'ref':'d-00000000000000000000000000000000','fence':1,"
					"'outcome':'retry'}",
					"retry_ms"},
			{"deferred.settle",
					"{'ref':'d-00000000000000000000000000000000','fence':1,"
					"'outcome':'wait','code':99}",
					"code"},
			{"deferred.renew", "{'ref':'x','fence':1,'lease_ms':1000}", "ref"},
			{"deferred.list", "{'state':'gone'}", "state"},
			{"deferred.list", "{'limit':201}", "limit"},
			{"deferred.show", "{}", "ref"},
			{"deferred.count", "{'users':'all'}", "users"},
			{"deferred.hold", "{'ref':'D-00000000000000000000000000000000'}",
					"ref"},
			{"deferred.flush", "{'users':['x']}", "users"},
			{"session.defer", "{'session':'x'}", "user"},
			{"session.create",
					"{'session':'x','content':{'deferred':'d-1','fence':1}}",
					"content.deferred"},
			{"session.create",
					"{'session':'x','content':{'deferred':'d-"
					"00000000000000000000000000000000'}}",
					"content.fence"},
	};

	for(size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *a = ctl_call(ctl, bad[i].method, bad[i].params);

		cr_assert_eq(ctl_code(a), -32602, "%s %s: %s", bad[i].method,
				bad[i].params, json_dumps(a, 0));
		cr_assert_str_eq(event_text(a, "error.data"), bad[i].name, "%s %s",
				bad[i].method, bad[i].params);
	}
	cr_assert_eq(stored_count(ctl), 0);
	static const char *const orders[] = {
			"hold", "release", "requeue", "delete", "show"};
	for(size_t i = 0; i < 5; i++)
		cr_assert_eq(ctl_code(ctl_call(ctl, fmt("deferred.%s", orders[i]),
							 "{'ref':'d-00000000000000000000000000000000'}")),
				-32002);
	/* An envelope of just the size that fits, and one that does not. */
	char *big = malloc(17000);
	memset(big, 'e', 17000);
	big[STORE_ENVELOPE_FITS] = '\0';
	json_t *a = ctl_call(ctl, "deferred.put",
			fmt("{'key':'k','user':'" BOB "','sender':'s','type':'t',"
				"'data':'eA==','envelope':{'e':'%s'}}",
					big));
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	a = ctl_call(ctl, "deferred.put",
			fmt("{'key':'k','user':'" BOB "','sender':'s','type':'t',"
				"'data':'eA==','envelope':{'e':'%se'}}",
					big));
	cr_assert_eq(ctl_code(a), -32602);
	free(big);
	a = ctl_call(
			ctl_open(r), "hello", "{'version':1,'owner':'x','deferred':true}");
	cr_assert_eq(ctl_code(a), -32602);
}
