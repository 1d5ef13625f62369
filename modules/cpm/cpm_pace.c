/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The queue behind cpm_pace.h: a hash of messages by id, and a list of those
 * that have something to send and room for it, served in turn. One send for
 * each turn, so that a list of a thousand does not hold up one of three.
 */
#include "cpm_pace.h"

#include <stdbool.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/globals.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_session.h"

#define SLOTS 1024          /* of the hash */
#define BURST 32            /* requests sent in one go at most, ... */
#define BURST_MS 3          /* ... and for how long */
#define BURST_DONE 2        /* requests that one answer lets go */
#define TICK_MS 200         /* the timer process may take longer */
#define SHORT_PART 16       /* less than this part of shm free is short */
#define SHORT_MS 30000      /* after so long it is tried all the same */
#define LOST_MS (3 * 60000) /* no answer for so long: none will come */

struct cpm_pace
{
	cpm_pace_t *next;            /* in the slot */
	cpm_pace_t *before, *behind; /* in the list of ready ones */
	uint64_t id;
	uint64_t moved_at; /* ms of the last send or answer */
	unsigned kind;
	unsigned todo, end; /* next number, and one behind the last */
	unsigned in_flight;
	bool ready; /* in the list */
};

static struct pace
{
	gen_lock_t lock;
	uint64_t short_since;    /* ms: shm is short, 0 it is not */
	cpm_pace_t *head, *tail; /* ready ones */
	unsigned in_flight;      /* of all */
	unsigned waiting;
	cpm_pace_t *slots[SLOTS];
} * pace;

static cpm_pace_send_f senders[CPM_PACE_N];

int cpm_pace_init(void)
{
	pace = shm_malloc(sizeof(*pace));
	if(pace == NULL)
		return -1;
	memset(pace, 0, sizeof(*pace));
	return lock_init(&pace->lock) ? 0 : -1;
}

void cpm_pace_register(cpm_pace_kind_t kind, cpm_pace_send_f send)
{
	senders[kind] = send;
}

cpm_pace_t *cpm_pace_new(
		cpm_pace_kind_t kind, uint64_t id, unsigned first, unsigned n)
{
	cpm_pace_t *p = shm_malloc(sizeof(*p));

	if(p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->id = id;
	p->kind = kind;
	p->todo = first;
	p->end = first + n;
	return p;
}

void cpm_pace_free(cpm_pace_t *p)
{
	if(p)
		shm_free(p);
}

/* ---- under the lock ---- */

static cpm_pace_t **place_unsafe(unsigned kind, uint64_t id)
{
	cpm_pace_t **at = &pace->slots[(id ^ id >> 20 ^ id >> 40) % SLOTS];

	while(*at && ((*at)->id != id || (*at)->kind != kind))
		at = &(*at)->next;
	return at;
}

static void unlist_unsafe(cpm_pace_t *p)
{
	if(!p->ready)
		return;
	*(p->before ? &p->before->behind : &pace->head) = p->behind;
	*(p->behind ? &p->behind->before : &pace->tail) = p->before;
	p->before = p->behind = NULL;
	p->ready = false;
}

/* To the end of the ready ones, if it is one. */
static void list_unsafe(cpm_pace_t *p)
{
	unlist_unsafe(p);
	if(p->todo == p->end
			|| p->in_flight >= (unsigned)cpm_conf.exploder_parallel)
		return;
	p->before = pace->tail;
	*(pace->tail ? &pace->tail->behind : &pace->head) = p;
	pace->tail = p;
	p->ready = true;
}

static void sink_unsafe(cpm_pace_t **at)
{
	cpm_pace_t *p = *at;

	if(p->todo != p->end || p->in_flight > 0)
		return;
	unlist_unsafe(p);
	*at = p->next;
	shm_free(p);
}

/* ---- sending ---- */

/* A place is free again. */
static void give_back(unsigned kind, uint64_t id)
{
	cpm_pace_t **at;

	lock_get(&pace->lock);
	at = place_unsafe(kind, id);
	if(*at && (*at)->in_flight > 0) {
		(*at)->in_flight--;
		(*at)->moved_at = cpm_now_ms();
		pace->in_flight--;
		list_unsafe(*at);
		sink_unsafe(at);
	}
	lock_release(&pace->lock);
}

bool cpm_pace_short(void)
{
	return shm_available() < shm_mem_size / SHORT_PART;
}

/* Wait until memory is there, but not for ever. */
static bool hold_unsafe(uint64_t now)
{
	if(!cpm_pace_short()) {
		pace->short_since = 0;
		return false;
	}
	if(pace->short_since == 0)
		pace->short_since = now;
	return now < pace->short_since + SHORT_MS;
}

/* Whose turn is it? */
static bool take(unsigned *kind, uint64_t *id, unsigned *n)
{
	uint64_t now = cpm_now_ms();
	cpm_pace_t *p;
	bool ok;

	lock_get(&pace->lock);
	p = pace->head;
	ok = p && pace->in_flight < (unsigned)cpm_conf.exploder_window
			&& !hold_unsafe(now);
	if(ok) {
		*kind = p->kind;
		*id = p->id;
		*n = p->todo++;
		p->in_flight++;
		p->moved_at = now;
		pace->in_flight++;
		pace->waiting--;
		list_unsafe(p);
	}
	lock_release(&pace->lock);
	return ok;
}

static void run(unsigned max, uint64_t ms)
{
	uint64_t until = cpm_now_ms() + ms, id;
	unsigned kind, n;

	for(unsigned i = 0; i < max && take(&kind, &id, &n); i++) {
		if(senders[kind](id, n) < 0)
			give_back(kind, id);
		if(cpm_now_ms() >= until)
			break;
	}
}

void cpm_pace_start(cpm_pace_t *p)
{
	cpm_pace_t **at;

	p->moved_at = cpm_now_ms();
	lock_get(&pace->lock);
	at = &pace->slots[(p->id ^ p->id >> 20 ^ p->id >> 40) % SLOTS];
	p->next = *at;
	*at = p;
	pace->waiting += p->end - p->todo;
	list_unsafe(p);
	lock_release(&pace->lock);
	run(BURST, BURST_MS);
}

void cpm_pace_done(cpm_pace_kind_t kind, uint64_t id)
{
	give_back(kind, id);
	run(BURST_DONE, BURST_MS);
}

void cpm_pace_stop(cpm_pace_kind_t kind, uint64_t id)
{
	cpm_pace_t **at;

	lock_get(&pace->lock);
	at = place_unsafe(kind, id);
	if(*at) {
		pace->waiting -= (*at)->end - (*at)->todo;
		(*at)->end = (*at)->todo;
		list_unsafe(*at);
		sink_unsafe(at);
	}
	lock_release(&pace->lock);
}

/* ---- the clock ---- */

/* Answers that never came, nor tm's word that they will not: their places
 * must not be lost for ever. */
static unsigned forget(uint64_t now)
{
	unsigned lost = 0;

	lock_get(&pace->lock);
	for(unsigned i = 0; i < SLOTS; i++) {
		cpm_pace_t **at = &pace->slots[i];

		while(*at) {
			cpm_pace_t *p = *at;

			if(p->in_flight > 0 && p->moved_at + LOST_MS < now) {
				lost += p->in_flight;
				pace->in_flight -= p->in_flight;
				p->in_flight = 0;
				list_unsafe(p);
			}
			sink_unsafe(at);
			if(*at == p)
				at = &p->next;
		}
	}
	lock_release(&pace->lock);
	return lost;
}

/* Said once for each time that it gets short. */
static void warn_short(void)
{
	static uint64_t warned;
	uint64_t since;
	unsigned waiting;

	lock_get(&pace->lock);
	since = pace->short_since;
	waiting = pace->waiting;
	lock_release(&pace->lock);
	if(since && since != warned && waiting > 0)
		LM_WARN("shared memory is short: %u recipients of lists wait\n",
				waiting);
	warned = since;
}

void cpm_pace_tick(void)
{
	unsigned lost = forget(cpm_now_ms());

	warn_short();
	if(lost > 0)
		LM_ERR("%u requests of fan-outs were never reported done\n", lost);
	run((unsigned)cpm_conf.exploder_window, TICK_MS);
}

void cpm_pace_load(unsigned *in_flight, unsigned *waiting)
{
	lock_get(&pace->lock);
	*in_flight = pace->in_flight;
	*waiting = pace->waiting;
	lock_release(&pace->lock);
}
