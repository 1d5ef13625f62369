/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link's table of commands and its backoff (modules/cpm/cpm_link_reqs.c):
 * order of sending, deadlines, lookup, bounds; held against a plain model.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "modules/cpm/cpm_link_reqs.h"

#define MANY 500

static cpm_link_req_t req(uint64_t id, int64_t deadline_ms)
{
	return (cpm_link_req_t){.id = id, .deadline_ms = deadline_ms};
}

Test(link_reqs, a_full_table_refuses_and_recovers)
{
	cpm_reqs_t t;
	cpm_link_req_t a = req(1, 10), b = req(2, 10), c = req(3, 10);

	cr_assert_eq(cpm_reqs_init(&t, 2), 0);
	cr_assert_eq(cpm_reqs_add(&t, &a), 0);
	cr_assert_eq(cpm_reqs_add(&t, &b), 0);
	cr_assert_eq(cpm_reqs_add(&t, &c), -ENOSPC);
	cr_assert_null(cpm_reqs_find(&t, 3));
	cpm_reqs_remove(&t, &a);
	cr_assert_eq(cpm_reqs_add(&t, &c), 0);
	cr_assert_eq(cpm_reqs_find(&t, 3), &c);
	cpm_reqs_free(&t);
	cpm_reqs_free(&t); /* safe twice */
}

Test(link_reqs, an_id_is_taken_only_once)
{
	cpm_reqs_t t;
	cpm_link_req_t a = req(7, 10), b = req(7, 20), c = req(7 + 16, 5);

	cr_assert_eq(cpm_reqs_init(&t, 16), 0);
	cr_assert_eq(cpm_reqs_add(&t, &a), 0);
	cr_assert_eq(cpm_reqs_add(&t, &b), -EEXIST);
	cr_assert_eq(cpm_reqs_add(&t, &c), 0); /* the same bucket */
	cr_assert_eq(cpm_reqs_find(&t, 7), &a);
	cr_assert_eq(cpm_reqs_find(&t, 23), &c);
	cpm_reqs_remove(&t, &c);
	cr_assert_null(cpm_reqs_find(&t, 23));
	cr_assert_eq(cpm_reqs_find(&t, 7), &a);
	cpm_reqs_free(&t);
}

Test(link_reqs, commands_go_out_in_the_order_of_their_arrival)
{
	cpm_reqs_t t;
	cpm_link_req_t r[4];

	cr_assert_eq(cpm_reqs_init(&t, 8), 0);
	for(int i = 0; i < 4; i++) { /* deadlines the other way round */
		r[i] = req((uint64_t)i + 1, 100 - i);
		cr_assert_eq(cpm_reqs_add(&t, &r[i]), 0);
	}
	cr_assert_eq(t.unsent, &r[0]);
	cpm_reqs_mark_sent(&t);
	cpm_reqs_mark_sent(&t);
	cr_assert_eq(t.unsent, &r[2]);
	cr_assert(r[0].sent && r[1].sent && !r[2].sent);
	cpm_reqs_remove(&t, &r[2]); /* the next to go is answered by nobody */
	cr_assert_eq(t.unsent, &r[3]);
	cpm_reqs_mark_sent(&t);
	cr_assert_null(t.unsent);
	cpm_reqs_mark_sent(&t); /* nothing left: no harm */

	r[2] = req(9, 50); /* what comes now is unsent */
	cr_assert_eq(cpm_reqs_add(&t, &r[2]), 0);
	cr_assert_eq(t.unsent, &r[2]);
	cpm_reqs_free(&t);
}

Test(link_reqs, after_a_reconnection_all_go_out_again_in_order)
{
	static const uint64_t order[] = {1, 3, 4};
	cpm_reqs_t t;
	cpm_link_req_t r[4];

	cr_assert_eq(cpm_reqs_init(&t, 8), 0);
	cr_assert_eq(cpm_reqs_rewind(&t), 0); /* empty */
	for(int i = 0; i < 4; i++) {
		r[i] = req((uint64_t)i + 1, 100);
		cr_assert_eq(cpm_reqs_add(&t, &r[i]), 0);
	}
	for(int i = 0; i < 3; i++)
		cpm_reqs_mark_sent(&t);
	cpm_reqs_remove(&t, &r[1]); /* was answered */
	cr_assert_eq(cpm_reqs_rewind(&t), 2);
	for(int i = 0; i < 3; i++) {
		cr_assert_eq(t.unsent->id, order[i]);
		cr_assert(!t.unsent->sent);
		cpm_reqs_mark_sent(&t);
	}
	cr_assert_null(t.unsent);
	cpm_reqs_free(&t);
}

/* Random adding, removing by id and expiring, against a linear model. */
Test(link_reqs, deadlines_come_out_earliest_first_whatever_was_removed)
{
	static cpm_link_req_t r[MANY];
	static int in[MANY];
	unsigned seed = 20240607;
	cpm_reqs_t t;
	int n = 0;

	cr_assert_eq(cpm_reqs_init(&t, MANY), 0);
	for(int step = 0; step < 200000; step++) {
		int i = (int)((unsigned)rand_r(&seed) % MANY);
		cpm_link_req_t *first;
		int64_t least = INT64_MAX;

		if(!in[i]) {
			r[i] = req((uint64_t)i * 16, rand_r(&seed) % 1000);
			cr_assert_eq(cpm_reqs_add(&t, &r[i]), 0);
			n++;
		} else {
			cr_assert_eq(cpm_reqs_find(&t, r[i].id), &r[i]);
			cpm_reqs_remove(&t, &r[i]);
			n--;
		}
		in[i] = !in[i];
		cr_assert_eq(t.n, (uint32_t)n);
		if(step % 97 != 0)
			continue;
		for(int k = 0; k < MANY; k++)
			if(in[k] && r[k].deadline_ms < least)
				least = r[k].deadline_ms;
		first = cpm_reqs_earliest(&t);
		cr_assert_eq(first == NULL, n == 0);
		if(first != NULL)
			cr_assert_eq(first->deadline_ms, least);
	}
	while(n-- > 0)
		cpm_reqs_remove(&t, cpm_reqs_earliest(&t));
	cr_assert(t.first == NULL && t.last == NULL && t.unsent == NULL);
	cpm_reqs_free(&t);
}

Test(link_backoff, doubles_to_its_maximum_and_spreads_over_half)
{
	static const int full[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};

	for(unsigned i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
		int least = INT32_MAX, most = 0;

		for(uint32_t random = 0; random < 10000; random++) {
			int ms = cpm_backoff_ms(i, 100, 5000, random);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		cr_assert_eq(most, full[i]);
		cr_assert_eq(least, full[i] - full[i] / 2);
	}
}

Test(link_backoff, survives_extreme_values)
{
	cr_assert_eq(cpm_backoff_ms(UINT32_MAX, 10, 600000, 0), 600000);
	cr_assert_eq(cpm_backoff_ms(0, 1, 1, UINT32_MAX), 1);
	cr_assert_geq(cpm_backoff_ms(40, 10, 600000, UINT32_MAX), 300000);
}
