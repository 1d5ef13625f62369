/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store of deferred messages (msrp-relay/store), the same tests on SQLite
 * and on a real PostgreSQL: the end of a message, lists, and who is told
 * of changes.
 */
#include <stdio.h>

#include "store_rig.h"

/* ---- the end ----------------------------------------------------------- */

static void put_short(struct node *r, const char *user, int seq, bool negative)
{
	struct store_put m = rig_message(user, seq);

	m.lifetime_ms = 1;
	m.imdn_negative = negative;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
}

BOTH(expired_messages_go_in_silence_or_after_word_to_their_sender)
{
	char *ref;
	uint64_t fence;

	put_short(r, BOB, 1, false);
	put_short(r, BOB, 2, true);
	free(rig_stored(r, BOB, 3));
	rig_sleep(r, 20);
	cr_assert_eq(rig_claim(r, BOB, 1000, true), 0);
	cr_assert_str_eq(r->m[0].key, "key-3", "an expired message is not claimed");
	store_expire(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_str_eq(r->m[0].key, "key-1");
	store_expired(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_str_eq(r->m[0].key, "key-2");
	ref = strdup(r->m[0].ref);
	cr_assert_eq(rig_claim_ref(r, ref, 60000), 0);
	cr_assert_eq(r->m[0].state, STORE_EXPIRING);
	fence = r->m[0].fence;
	store_expired(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0, "it is being worked on");
	/* The sender could not be told yet. */
	cr_assert_eq(rig_settle(r, ref, fence, STORE_O_RETRY, 10), 0);
	rig_sleep(r, 30);
	store_expired(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_eq(rig_claim_ref(r, ref, 60000), 0);
	cr_assert_eq(rig_settle(r, ref, r->m[0].fence, STORE_O_EXPIRED, 0), 0);
	cr_assert_eq(rig_count(r, BOB), 1);
	cr_assert_eq(rig_stats(r).expired_total, 2);
	free(ref);
}

BOTH(a_refused_message_goes_and_is_counted)
{
	char *ref = rig_stored(r, BOB, 1);

	cr_assert_eq(rig_claim(r, BOB, 1000, false), 0);
	cr_assert_eq(rig_settle(r, ref, r->m[0].fence, STORE_O_FAILED, 0), 0);
	cr_assert_eq(rig_settle(r, ref, 1, STORE_O_FAILED, 0), -ENOENT);
	cr_assert_eq(rig_stats(r).failed_total, 1);
	free(ref);
}

BOTH(an_operator_holds_releases_requeues_and_deletes)
{
	char *ref = rig_stored(r, BOB, 1);
	uint64_t fence;

	cr_assert_eq(rig_order(r, ref, STORE_HOLD), 0);
	cr_assert_eq(r->res.state, STORE_HELD);
	cr_assert_eq(rig_order(r, ref, STORE_HOLD), 0);
	cr_assert_eq(rig_claim(r, BOB, 1000, true), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(rig_claim_ref(r, ref, 1000), -ESTALE);
	cr_assert_eq(rig_order(r, ref, STORE_RELEASE), 0);
	cr_assert_eq(rig_claim(r, BOB, 600000, false), 0);
	cr_assert_eq(r->n, 1);
	fence = r->m[0].fence;
	cr_assert_eq(rig_order(r, ref, STORE_HOLD), -ESTALE);
	cr_assert_eq(rig_order(r, ref, STORE_RELEASE), -ESTALE);
	cr_assert_eq(rig_order(r, ref, STORE_REQUEUE), 0);
	cr_assert_eq(rig_settle(r, ref, fence, STORE_O_DELIVERED, 0), -ESTALE);
	cr_assert_eq(rig_order(r, ref, STORE_DELETE), 0);
	cr_assert_eq(r->res.state, STORE_DELETED);
	cr_assert_eq(rig_order(r, ref, STORE_DELETE), -ENOENT);
	cr_assert_eq(rig_stats(r).deleted_total, 1);
	cr_assert_eq(rig_stats(r).messages, 0);
	free(ref);
}

BOTH(a_held_message_does_not_expire)
{
	char *ref;

	put_short(r, BOB, 1, false);
	ref = strdup(r->m[0].ref);
	cr_assert_eq(rig_order(r, ref, STORE_HOLD), 0);
	rig_sleep(r, 20);
	store_expire(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(rig_order(r, ref, STORE_RELEASE), 0);
	store_expire(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	free(ref);
}

/* ---- lists ------------------------------------------------------------- */

BOTH(lists_come_in_pages_oldest_first)
{
	char *refs[7];

	for(int i = 0; i < 7; i++)
		refs[i] = rig_stored(r, i % 2 ? CAROL : BOB, i);
	cr_assert_eq(rig_list(r, NULL, -1, NULL, 3), 0);
	cr_assert_eq(r->n, 3);
	cr_assert_str_eq(r->m[2].ref, refs[2]);
	cr_assert_eq(rig_list(r, NULL, -1, refs[2], 10), 0);
	cr_assert_eq(r->n, 4);
	cr_assert_str_eq(r->m[0].ref, refs[3]);
	cr_assert_eq(rig_list(r, BOB, -1, refs[0], 10), 0);
	cr_assert_eq(r->n, 3);
	cr_assert_eq(rig_order(r, refs[4], STORE_HOLD), 0);
	cr_assert_eq(rig_list(r, NULL, STORE_HELD, NULL, 10), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_str_eq(r->m[0].ref, refs[4]);
	cr_assert_eq(rig_list(r, NULL, STORE_STORED, NULL, 10), 0);
	cr_assert_eq(r->n, 6);
	cr_assert_eq(rig_list(r, BOB, STORE_STORED, NULL, 10), 0);
	cr_assert_eq(r->n, 3);
	cr_assert_eq(rig_list(r, BOB, STORE_DELIVERING, NULL, 10), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(rig_list(r, NULL, -1, "d-unknown", 10), -ENOENT);
	cr_assert_eq(rig_count(r, BOB), 4);
	cr_assert_eq(r->res.bytes, 20);
	for(int i = 0; i < 7; i++)
		free(refs[i]);
}

BOTH(due_users_are_told_once_each_and_none_is_hidden_by_another)
{
	bool bob = false, carol = false;

	for(int i = 0; i < 250; i++)
		free(rig_stored(r, BOB, i));
	free(rig_stored(r, CAROL, 1000));
	for(int i = 0; i < 3; i++) {
		store_due(r->p, 1, rig_cb, r);
		cr_assert_eq(rig_wait(r), 0);
		cr_assert_eq(r->n, 1);
		bob |= strcmp(r->m[0].user, BOB) == 0;
		carol |= strcmp(r->m[0].user, CAROL) == 0;
	}
	cr_assert(bob && carol);
	store_due(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 2);
}

BOTH(a_flush_makes_waiting_messages_due)
{
	for(int i = 0; i < 5; i++) {
		struct store_put m = rig_message(i < 3 ? BOB : CAROL, i);

		m.next_ms = STORE_NEVER;
		cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	}
	store_due(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	store_flush(r->p, BOB, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->res.count, 3);
	store_due(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
	store_flush(r->p, NULL, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->res.count, 5);
	store_due(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 2);
}

BOTH(whoever_asked_hears_of_users_whose_messages_changed)
{
	free(rig_stored(r, BOB, 1));
	for(int i = 0; i < 500 && (r->n_changed < 1 || r->n_available < 1); i++)
		rig_sleep(r, 10);
	cr_assert_geq(r->n_changed, 1);
	cr_assert_str_eq(r->changed, BOB);
	cr_assert_geq(r->n_available, 1);
}

/* Orders and ends of a claim: is it told, and may something be due then? */
static void heard(struct node *r, int changed, int due)
{
	for(int i = 0; i < 500 && (r->n_changed < changed || r->n_due < due); i++)
		rig_sleep(r, 10);
	rig_sleep(r, 20); /* and not of more */
	cr_assert_eq(r->n_changed, changed);
	cr_assert_eq(r->n_due, due);
}

static void ordered(struct node *r, const char *ref, enum store_order what)
{
	store_order(r->p, ref, what, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
}

BOTH(every_change_of_a_users_messages_is_told)
{
	char *one = rig_stored(r, BOB, 1), *two = rig_stored(r, CAROL, 2);

	heard(r, 2, 2);
	/* Others of his may have waited for its time. */
	ordered(r, one, STORE_HOLD);
	heard(r, 3, 3);
	ordered(r, one, STORE_RELEASE);
	heard(r, 4, 4);
	cr_assert_str_eq(r->changed, BOB);
	ordered(r, two, STORE_DELETE);
	heard(r, 5, 5);
	cr_assert_str_eq(r->changed, CAROL);
	cr_assert_eq(rig_claim(r, BOB, 60000, true), 0);
	cr_assert_eq(rig_settle(r, one, r->m[0].fence, STORE_O_DELIVERED, 0), 0);
	heard(r, 6, 5);
	cr_assert_str_eq(r->changed, BOB);
	free(one);
	free(two);
	put_short(r, BOB, 3, false);
	heard(r, 7, 6);
	store_expire(r->p, 10, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	heard(r, 8, 7);
}
