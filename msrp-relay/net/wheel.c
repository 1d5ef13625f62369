/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Hashed timer wheel of one worker thread. A slot's list holds timers of
 * several turns; those not due yet are passed over. Used for sessions, legs,
 * connections: things that rarely fire and are often armed again.
 */
#include "net/wheel.h"

#include <string.h>

static uint64_t tick_now(const struct wheel *w)
{
	return uv_now(w->timer.loop) / WHEEL_TICK_MS;
}

static void slot_run(struct wheel *w, unsigned i, uint64_t now)
{
	struct wheel_timer *t = w->slot[i], *due = NULL;

	/* Collect first: what fires may arm and disarm timers of this slot. */
	while(t != NULL) {
		struct wheel_timer *next = t->next;
		if(t->due <= now) {
			*t->pprev = next;
			if(next)
				next->pprev = t->pprev;
			t->next = due;
			if(due)
				due->pprev = &t->next;
			due = t;
			t->pprev = &due;
		}
		t = next;
	}
	while((t = due) != NULL) {
		due = t->next;
		if(due)
			due->pprev = &due;
		t->pprev = NULL;
		w->armed--;
		t->fire(t);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct wheel *w = timer->data;
	uint64_t now = tick_now(w);
	uint64_t from = w->now + 1;

	if(now < from)
		return;
	if(now - from >= WHEEL_SLOTS)
		from = now - WHEEL_SLOTS + 1;
	w->now = now;
	for(uint64_t k = from; k <= now; k++)
		slot_run(w, (unsigned)(k % WHEEL_SLOTS), now);
	if(w->armed == 0)
		uv_timer_stop(&w->timer);
	if(w->after)
		w->after(w->arg);
}

void wheel_init(
		struct wheel *w, uv_loop_t *loop, void (*after)(void *arg), void *arg)
{
	memset(w, 0, sizeof(*w));
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	w->after = after;
	w->arg = arg;
	w->now = tick_now(w);
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t ms,
		void (*fire)(struct wheel_timer *t))
{
	struct wheel_timer **slot;

	wheel_disarm(w, t);
	if(w->armed == 0 && !uv_is_active((uv_handle_t *)&w->timer)) {
		w->now = tick_now(w);
		uv_timer_start(&w->timer, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
	}
	/* the first tick that begins after that time, never one before */
	t->due = (uv_now(w->timer.loop) + ms) / WHEEL_TICK_MS + 1;
	if(t->due <= w->now)
		t->due = w->now + 1;
	t->fire = fire;
	slot = &w->slot[t->due % WHEEL_SLOTS];
	t->next = *slot;
	if(t->next)
		t->next->pprev = &t->next;
	t->pprev = slot;
	*slot = t;
	w->armed++;
}

void wheel_disarm(struct wheel *w, struct wheel_timer *t)
{
	if(t->pprev == NULL)
		return;
	*t->pprev = t->next;
	if(t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
	t->next = NULL;
	w->armed--;
}

void wheel_close(struct wheel *w)
{
	if(!uv_is_closing((uv_handle_t *)&w->timer))
		uv_close((uv_handle_t *)&w->timer, NULL);
}
