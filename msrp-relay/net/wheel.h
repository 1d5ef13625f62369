/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The timers of one worker: a hashed wheel driven by a single uv_timer that
 * runs only while something is armed. Precision is WHEEL_TICK_MS; a timer
 * never fires early.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define WHEEL_TICK_MS 20
#define WHEEL_SLOTS 1024 /* a power of two; 20.48 s a turn */

struct wheel_timer
{
	struct wheel_timer *next, **pprev; /* pprev is NULL when not armed */
	uint64_t due;                      /* tick */
	void (*fire)(struct wheel_timer *t);
};

struct wheel
{
	uv_timer_t timer;
	uint64_t now; /* the last tick that was worked off */
	unsigned armed;
	void (*after)(void *arg); /* after each round of timers */
	void *arg;
	struct wheel_timer *slot[WHEEL_SLOTS];
};

/* after(arg) runs when a round of timers has fired; may be NULL. */
void wheel_init(
		struct wheel *w, uv_loop_t *loop, void (*after)(void *arg), void *arg);

/* (Re)arm: fire(t) runs once, ms from now or a tick later. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t ms,
		void (*fire)(struct wheel_timer *t));

/* Safe when not armed. */
void wheel_disarm(struct wheel *w, struct wheel_timer *t);

static inline bool wheel_armed(const struct wheel_timer *t)
{
	return t->pprev != NULL;
}

/* Close the uv handle; nothing may be armed any more. */
void wheel_close(struct wheel *w);

#endif
