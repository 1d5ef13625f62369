/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store of deferred messages (msrp-relay/store), the same tests on SQLite
 * and on a real PostgreSQL: who may deliver a message, for how long, and
 * who comes too late.
 */
#include "store_rig.h"

BOTH(the_oldest_goes_first_and_one_at_a_time)
{
	char *one = rig_stored(r, BOB, 1), *two = rig_stored(r, BOB, 2);
	char *other = rig_stored(r, CAROL, 3);
	uint64_t fence;

	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	cr_assert_eq(r->n, 1);
	cr_expect_str_eq(r->m[0].ref, one);
	cr_expect_eq(r->m[0].state, STORE_DELIVERING);
	cr_expect_str_eq((const char *)r->m[0].data, "hello");
	cr_expect_eq(r->res.count, 1);
	fence = r->m[0].fence;
	cr_assert_eq(rig_claim(r, BOB, 60000, true), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(rig_claim_ref(r, two, 60000), -ESTALE);
	cr_assert_eq(rig_claim_ref(r, one, 60000), -ESTALE);
	cr_assert_eq(rig_claim(r, CAROL, 60000, false), 0);
	cr_assert_str_eq(r->m[0].ref, other);
	cr_assert_eq(rig_settle(r, one, fence, STORE_O_DELIVERED, 0), 0);
	cr_assert_eq(r->res.state, STORE_DELIVERED);
	cr_assert_eq(rig_show(r, one), -ENOENT);
	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	cr_assert_str_eq(r->m[0].ref, two);
	cr_assert_eq(rig_stats(r).delivered_total, 1);
	free(one);
	free(two);
	free(other);
}

BOTH(all_identities_of_a_user_share_one_order)
{
	const char *users[] = {CAROL, "tel:+15550001", BOB};
	const struct store_claim c = {
			.users = users, .n_users = 3, .lease_ms = 60000};
	char *one = rig_stored(r, BOB, 1);

	free(rig_stored(r, CAROL, 2));
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_str_eq(r->m[0].ref, one);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(r->res.count, 2);
	free(one);
}

BOTH(what_is_behind_a_message_is_claimed_without_it)
{
	const char *users[] = {CAROL, BOB};
	struct store_claim c = {
			.users = users, .n_users = 2, .lease_ms = 60000, .any = true};
	char *one = rig_stored(r, BOB, 1), *two = rig_stored(r, CAROL, 2);

	c.after = one;
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_str_eq(r->m[0].ref, two);
	cr_assert_eq(rig_settle(r, two, r->m[0].fence, STORE_O_WAIT, 0), 0);
	c.after = two;
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(r->res.count, 2);
	/* An older one that has no time is, too. */
	c.after = two;
	cr_assert_eq(rig_claim_ref(r, one, 60000), 0);
	cr_assert_eq(rig_settle(r, one, r->m[0].fence, STORE_O_WAIT, 0), 0);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_str_eq(r->m[0].ref, one);
	cr_assert_eq(rig_settle(r, one, r->m[0].fence, STORE_O_RETRY, 0), 0);
	/* One that waits for a retry of its own is not one of them. */
	c.after = one;
	cr_assert_eq(rig_claim_ref(r, two, 60000), 0);
	cr_assert_eq(rig_settle(r, two, r->m[0].fence, STORE_O_RETRY, 60000), 0);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	free(one);
	free(two);
}

BOTH(of_what_is_behind_a_message_that_which_failed_twice_comes_last)
{
	const char *users[] = {CAROL, BOB};
	struct store_claim c = {
			.users = users, .n_users = 2, .lease_ms = 60000, .any = true};
	char *one = rig_stored(r, BOB, 1), *two = rig_stored(r, CAROL, 2);
	char *three = rig_stored(r, BOB, 3);
	const char *const order[] = {two, two, three, three, two};

	c.after = one;
	for(int i = 0; i < 5; i++) {
		store_claim(r->p, &c, rig_cb, r);
		cr_assert_eq(rig_wait(r), 0);
		cr_assert_str_eq(r->m[0].ref, order[i], "claim %d", i);
		cr_assert_eq(
				rig_settle(r, order[i], r->m[0].fence, STORE_O_WAIT, 0), 0);
	}
	/* without `after` all go by their age */
	c.after = NULL;
	cr_assert_eq(rig_claim_ref(r, one, 60000), 0);
	cr_assert_eq(rig_settle(r, one, r->m[0].fence, STORE_O_DELIVERED, 0), 0);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_str_eq(r->m[0].ref, two);
	free(one);
	free(two);
	free(three);
}

BOTH(what_is_not_due_waits_unless_any_is_wanted)
{
	struct store_put m = rig_message(BOB, 1);

	m.next_ms = 60000;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	cr_assert_eq(rig_claim(r, BOB, 1000, false), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(r->res.count, 1);
	cr_assert_gt(r->res.next_at, 0);
	cr_assert_eq(rig_claim(r, BOB, 1000, true), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_eq(rig_settle(r, r->m[0].ref, r->m[0].fence, STORE_O_WAIT, 0), 0);
	cr_assert_eq(r->res.state, STORE_STORED);
	cr_assert_eq(rig_claim(r, BOB, 1000, false), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(r->res.next_at, STORE_NEVER);
}

BOTH(of_what_is_not_due_one_kind_may_be_wanted)
{
	const char *user = BOB;
	struct store_claim c = {.users = &user,
			.n_users = 1,
			.lease_ms = 60000,
			.waiting = true,
			.only = STORE_ONLY_PAGER};
	struct store_put m = rig_message(BOB, 1);
	char *text, *due;

	m.kind = STORE_LARGE;
	m.next_ms = STORE_NEVER;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	m = rig_message(BOB, 2);
	m.next_ms = STORE_NEVER;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	text = strdup(r->m[0].ref);
	m = rig_message(BOB, 3);
	m.kind = STORE_LARGE;
	m.next_ms = 0;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	due = strdup(r->m[0].ref);
	for(int i = 0; i < 3; i++) {
		c.any = i == 2;
		store_claim(r->p, &c, rig_cb, r);
		cr_assert_eq(rig_wait(r), 0);
		cr_assert_eq(r->n, i < 2);
		if(r->n) /* what is due comes whatever it is */
			cr_assert_str_eq(r->m[0].ref, i ? due : text);
		if(r->n)
			cr_assert_eq(rig_settle(r, r->m[0].ref, r->m[0].fence,
								 STORE_O_DELIVERED, 0),
					0);
	}
	c.only = STORE_ONLY_LARGE;
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	free(text);
	free(due);
}

BOTH(a_retry_is_due_later_and_counted)
{
	char *ref = rig_stored(r, BOB, 1);
	struct store_settle st = {.ref = ref,
			.outcome = STORE_O_RETRY,
			.retry_ms = 60000,
			.code = 486,
			.permanent = true};

	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	st.fence = r->m[0].fence;
	store_settle(r->p, &st, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	/* The same word again changes nothing. */
	store_settle(r->p, &st, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(rig_show(r, ref), 0);
	cr_assert_eq(r->m[0].attempts, 1);
	cr_assert_eq(r->m[0].permanent, 1);
	cr_assert_eq(r->m[0].last_code, 486);
	cr_assert_eq(r->m[0].lease_until, 0);
	cr_assert_gt(r->m[0].next_at, r->m[0].received_at + 50000);
	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	cr_assert_eq(r->n, 0);
	free(ref);
}

BOTH(a_lease_that_is_over_gives_the_message_to_others_and_makes_the_fence_stale)
{
	char *ref = rig_stored(r, BOB, 1);
	uint64_t old;

	cr_assert_eq(rig_claim(r, BOB, 50, false), 0);
	old = r->m[0].fence;
	rig_sleep(r, 80);
	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_str_eq(r->m[0].ref, ref);
	cr_assert_eq(r->m[0].fence, old + 1);
	cr_assert_eq(r->m[0].attempts, 1);
	cr_assert_eq(rig_settle(r, ref, old, STORE_O_DELIVERED, 0), -ESTALE);
	store_renew(r->p, ref, old, 1000, rig_cb, r);
	cr_assert_eq(rig_wait(r), -ESTALE);
	cr_assert_eq(rig_settle(r, "d-unknown", 1, STORE_O_DELIVERED, 0), -ENOENT);
	cr_assert_eq(rig_settle(r, ref, old + 1, STORE_O_DELIVERED, 0), 0);
	cr_assert_eq(rig_stats(r).stale_total, 2);
	free(ref);
}

BOTH(a_renewed_lease_stays)
{
	char *ref = rig_stored(r, BOB, 1);

	cr_assert_eq(rig_claim(r, BOB, 300, false), 0);
	store_renew(r->p, ref, r->m[0].fence, 60000, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	rig_sleep(r, 400);
	cr_assert_eq(rig_claim(r, BOB, 1000, true), 0);
	cr_assert_eq(r->n, 0);
	store_renew(r->p, "d-unknown", 1, 1000, rig_cb, r);
	cr_assert_eq(rig_wait(r), -ENOENT);
	free(ref);
}

BOTH(leases_of_an_earlier_life_are_released_before_the_store_is_used)
{
	char *ref = rig_stored(r, BOB, 1);

	cr_assert_eq(rig_claim(r, BOB, 600000, false), 0);
	rig_close(r);
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_claim(r, BOB, 600000, false), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_str_eq(r->m[0].ref, ref);
	cr_assert_gt(r->m[0].fence, 2);
	cr_assert_eq(rig_settle(r, ref, 1, STORE_O_DELIVERED, 0), -ESTALE);
	free(ref);
}
