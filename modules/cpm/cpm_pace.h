/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pace of a fan-out: so many requests of one message at a time (modparam
 * exploder_parallel), so many of all (exploder_window). Each request that is
 * answered lets the next ones go, so the pace is that of the core; messages
 * take turns when the window is full. Nobody sends for longer than a moment:
 * a few milliseconds in a SIP worker, the rest follows from the answers and
 * from the timer process.
 *
 * While shared memory is short nothing is sent: messages that are there come
 * first, and a transaction that is over gives its memory back in seconds.
 *
 * Shared memory, one lock, never held while something is sent.
 */
#ifndef CPM_PACE_H
#define CPM_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Who sends; each kind has its own function. */
typedef enum cpm_pace_kind
{
	CPM_PACE_PAGER,  /* MESSAGEs of a fan-out */
	CPM_PACE_INVITE, /* INVITEs of a session */
	CPM_PACE_N
} cpm_pace_kind_t;

/**
 * Send request n of message `id`. Called without a lock, in any process.
 *
 * @return 0 it is on its way: cpm_pace_done() will be called for it once;
 *         negative: it is not, and will not be (the callee has seen to that)
 */
typedef int (*cpm_pace_send_f)(uint64_t id, unsigned n);

/* One message's place in the queue. */
typedef struct cpm_pace cpm_pace_t;

/* Make the queue; in mod_init: 0 or -1. */
int cpm_pace_init(void);

/* Name the function of a kind; in mod_init. */
void cpm_pace_register(cpm_pace_kind_t kind, cpm_pace_send_f send);

/**
 * Get everything that sending will need, so that nothing can fail later on.
 *
 * @param id    of the message; one of each kind and id at a time
 * @param first number of the first request
 * @param n     how many follow each other from there
 *
 * @return for cpm_pace_start() or cpm_pace_free(); NULL without memory
 */
cpm_pace_t *cpm_pace_new(
		cpm_pace_kind_t kind, uint64_t id, unsigned first, unsigned n);

/* Give back what was never started; NULL is fine. */
void cpm_pace_free(cpm_pace_t *p);

/* Begin to send. The pointer is dead: the queue frees it after the last
 * cpm_pace_done(). */
void cpm_pace_start(cpm_pace_t *p);

/* One request of the message is over and its place free: send what may go. */
void cpm_pace_done(cpm_pace_kind_t kind, uint64_t id);

/* Send no further requests of the message; those on their way still count. */
void cpm_pace_stop(cpm_pace_kind_t kind, uint64_t id);

/* Once a second, in the timer process: send what waits, forget requests that
 * were never reported done. */
void cpm_pace_tick(void);

/* Is shared memory so short that no fan-out should begin? */
bool cpm_pace_short(void);

/* Requests on their way, and requests that wait for their turn. */
void cpm_pace_load(unsigned *in_flight, unsigned *waiting);

#endif
