/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay's timer wheel and buffers.
 */
#include <criterion/criterion.h>

#include "net/buf.h"
#include "net/wheel.h"

#define N 64

static struct wheel wheel;
static uv_loop_t loop;
static struct wheel_timer timers[N];
static uint64_t fired_at[N];
static int fired;

static void start(void)
{
	uv_loop_init(&loop);
	wheel_init(&wheel, &loop, NULL, NULL);
	memset(timers, 0, sizeof(timers));
	fired = 0;
}

static void stop(void)
{
	wheel_close(&wheel);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static void note(struct wheel_timer *t)
{
	fired_at[t - timers] = uv_now(&loop);
	fired++;
}

Test(wheel, fires_each_timer_once_and_never_early)
{
	uint64_t from;

	start();
	uv_update_time(&loop);
	from = uv_now(&loop);
	for(unsigned i = 0; i < N; i++)
		wheel_arm(&wheel, &timers[i], i * 7, note);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(fired, N);
	for(unsigned i = 0; i < N; i++) {
		cr_assert_geq(fired_at[i], from + i * 7, "%u", i);
		cr_assert(!wheel_armed(&timers[i]));
	}
	stop();
}

Test(wheel, forgets_a_disarmed_timer_and_moves_an_armed_one)
{
	start();
	wheel_arm(&wheel, &timers[0], 20, note);
	wheel_arm(&wheel, &timers[1], 20, note);
	wheel_arm(&wheel, &timers[2], 3600 * 1000, note);
	wheel_disarm(&wheel, &timers[0]);
	wheel_disarm(&wheel, &timers[0]);
	wheel_arm(&wheel, &timers[2], 60, note);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(fired, 2);
	cr_assert_gt(fired_at[2], fired_at[1]);
	stop();
}

/* Timers of one slot: what fires takes the next one away and comes again. */
static void meddle(struct wheel_timer *t)
{
	if(fired++ < 3)
		wheel_arm(&wheel, t, 0, meddle);
	wheel_disarm(&wheel, &timers[1]);
	wheel_disarm(&wheel, &timers[2]);
}

Test(wheel, lets_a_timer_change_others_of_its_round)
{
	start();
	for(int i = 0; i < 3; i++)
		wheel_arm(&wheel, &timers[i], 20, meddle);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_geq(fired, 4);
	cr_assert_eq(wheel.armed, 0u);
	stop();
}

Test(wheel, does_not_mix_up_turns)
{
	start();
	/* the same slot, one turn later */
	wheel_arm(&wheel, &timers[0], 20, note);
	wheel_arm(&wheel, &timers[1], 20 + WHEEL_SLOTS * WHEEL_TICK_MS, note);
	while(fired == 0)
		uv_run(&loop, UV_RUN_ONCE);
	uv_run(&loop, UV_RUN_ONCE);
	uv_run(&loop, UV_RUN_ONCE);
	cr_assert_eq(fired, 1);
	wheel_disarm(&wheel, &timers[1]);
	stop();
}

Test(buf, is_used_again_when_nobody_refers_to_it)
{
	uint64_t bytes = 0, kept = 0;
	struct buf_pool pool;
	struct buf *a, *b, *c;

	buf_pool_init(&pool, &bytes, &kept);
	a = buf_get(&pool);
	a->used = 17;
	b = buf_ref(a);
	buf_unref(&a);
	cr_assert_null(a);
	cr_assert_eq(pool.n_spare, 0u);
	c = b;
	buf_unref(&b);
	cr_assert_eq(pool.n_spare, 1u);
	a = buf_get(&pool);
	cr_assert(a == c && a->used == 0 && a->refs == 1);
	buf_unref(&a);
	buf_unref(&a);
	buf_pool_destroy(&pool);
	cr_assert_eq(bytes, 0u);
}

Test(buf, keeps_no_more_than_a_few_spares)
{
	uint64_t bytes = 0, kept = 0;
	struct buf_pool pool;
	struct buf *b[BUF_SPARE_MAX + 3], *odd;

	buf_pool_init(&pool, &bytes, &kept);
	odd = buf_new(&pool, 100);
	for(unsigned i = 0; i < BUF_SPARE_MAX + 3; i++)
		b[i] = buf_get(&pool);
	for(unsigned i = 0; i < BUF_SPARE_MAX + 3; i++)
		buf_unref(&b[i]);
	buf_unref(&odd);
	cr_assert_eq(pool.n_spare, BUF_SPARE_MAX);
	cr_assert_eq(bytes, (uint64_t)BUF_SPARE_MAX * BUF_BYTES);
	buf_pool_destroy(&pool);
	cr_assert_eq(bytes, 0u);
}
