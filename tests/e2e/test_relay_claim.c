/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The claim of a session on the stored message that it delivers: kept for
 * longer than its lease, lost to somebody else, and given up when nobody is
 * left who would deliver.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "relay_defer.h"

E2E_SUITE(relay_claim);

#define LEASE ",'lease_ms':1000"
#define LEASE_MS 1000
#define SIZE 100000

/* A large message for bob in the store. */
static void stored_large(const struct rig *r, int ctl, const char *text)
{
	struct pair p = keep_open(ctl, "k1", "");
	struct raw *in = raw_connect(r->ip, p.in_port);

	pair_bind(in, p.in_path, p.in_peer);
	defer(ctl, ",'when':'failed'");
	large_send(in, &p, "mid1", text, SIZE);
	cr_assert_eq(raw_status(in, "last0", 10000), 200);
	ctl_call(ctl, "session.close", "{'session':'k1'}");
	raw_close(in);
}

/* It is claimed for a second; the session that delivers it; its fence. */
static long long claimed(int ctl, const char **ref, const char *more)
{
	json_t *a = next_of(ctl, BOB, ",'any':true" LEASE);
	long long fence = event_number(a, "result.message.fence");

	*ref = event_text(a, "result.message.ref");
	a = stored_session_with(ctl, "s1", *ref, fence, fmt(LEASE "%s", more));
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	return fence;
}

/* Is there one for bob that may be claimed? NULL, or the answer. */
static json_t *next_free(int ctl)
{
	json_t *a = next_of(ctl, BOB, ",'any':true" LEASE);

	cr_assert_eq(ctl_code(a), 0);
	a = json_object_get(a, "result");
	return json_is_object(json_object_get(a, "message")) ? a : NULL;
}

static json_t *next_free_wait(int ctl)
{
	json_t *a = NULL;

	for(int i = 0; i < 200 && (a = next_free(ctl)) == NULL; i++)
		sleep_ms(50);
	cr_assert(a != NULL, "the claim does not end");
	return a;
}

E2E_TEST(relay_claim, is_kept_as_long_as_a_transfer_lasts, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	char *text = large_make(SIZE, "");
	const char *ref;
	struct out slow;

	stored_large(r, ctl, text);
	claimed(ctl, &ref, "");
	slow = out_add(r, ctl, "s1", "1");
	out_take(&slow, 1);
	/* By then it has been renewed, or somebody else gets it. */
	for(int ms = 0; ms < LEASE_MS * 3 / 2; ms += 100) {
		cr_assert(next_free(ctl) == NULL, "claimed twice");
		sleep_ms(100);
	}
	out_takes(&slow, text, SIZE);
	cr_assert(json_object_get(ctl_event(ctl, "leg.delivered", 10000), "settled")
			== NULL);
	cr_assert_eq(stored_count(ctl), 0);
	out_free(&slow);
	free(text);
}

E2E_TEST(relay_claim, lost_to_somebody_else_ends_the_transfer, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	char *text = large_make(SIZE, "");
	const char *ref;
	struct out slow;
	long long fence;
	json_t *a;

	stored_large(r, ctl, text);
	fence = claimed(ctl, &ref, "");
	slow = out_add(r, ctl, "s1", "1");
	out_take(&slow, 1);
	ctl_call(ctl, "deferred.requeue", fmt("{'ref':'%s'}", ref));
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert_str_eq(event_text(a, "result.message.ref"), ref);
	cr_assert_gt(event_number(a, "result.message.fence"), fence);
	/* Told at the next renewal, long before the client has all of it. */
	a = ctl_event(ctl, "leg.failed", 10000);
	cr_assert_eq(event_number(a, "status"), 0);
	cr_assert(strstr(event_text(a, "error"), "claim") != NULL);
	/* The end of the old session takes nothing from the new claimant. */
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	cr_assert_eq(
			ctl_code(settle(ctl, ref, fence, "'outcome':'delivered'")), -32023);
	a = ctl_call(ctl, "deferred.show", fmt("{'ref':'%s'}", ref));
	cr_assert_str_eq(event_text(a, "result.state"), "delivering");
	cr_assert_gt(event_number(a, "result.lease_ms"), 30000);
	out_free(&slow);
	free(text);
}

E2E_TEST(relay_claim, close_does_not_wait_for_a_client_that_never_answers, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r), port, client = raw_listen(r->ip, &port);
	const char *ref;
	long long fence;
	time_t begin;

	stored_pager(ctl, BOB, "k1");
	fence = claimed(ctl, &ref, "");
	/* It is connected by the kernel, and answers nothing. */
	cr_assert_eq(ctl_code(ctl_call(ctl, "leg.add",
						 fmt("{'session':'s1','leg':{'leg':'1',"
							 "'direction':'send','transport':'tcp',"
							 "'connect':true,'peer':{'path':"
							 "'msrp://%s:%d/silent;tcp'}}}",
								 r->ip, port))),
			0);
	/* The answer comes when the session has ended, and drain_timeout is 30 s.
	 */
	begin = time(NULL);
	cr_assert_eq(
			ctl_code(ctl_call(ctl, "session.close", "{'session':'s1'}")), 0);
	cr_assert_lt(time(NULL) - begin, 10);
	cr_assert_eq(ctl_code(settle(ctl, ref, fence, "'outcome':'wait'")), 0);
	cr_assert(next_free(ctl) != NULL);
	close(client);
}

E2E_TEST(relay_claim, ends_when_nobody_comes_back_for_it, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *ref;
	json_t *a = NULL;

	stored_pager(ctl, BOB, "k1");
	a = next_of(ctl, BOB, ",'any':true" LEASE);
	ref = event_text(a, "result.message.ref");
	a = ctl_call(ctl, "session.create",
			fmt("{'session':'s1','setup_ms':1000,'content':{'deferred':'%s',"
				"'fence':%lld" LEASE "},'legs':[{'leg':'1','direction':'send',"
				"'transport':'tcp'}]}",
					ref, event_number(a, "result.message.fence")));
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	/* Its owner is gone before he knows the client. */
	close(ctl);
	ctl = ctl_serving(r);
	cr_assert(next_free(ctl) == NULL);
	a = next_free_wait(ctl);
	cr_assert_str_eq(event_text(a, "message.ref"), ref);
	rig_stat_wait(r, "sessions", 0);
}
