/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of sessions (cpm_session.h): a hash by id with a lock for each
 * slot, the legal moves of both state machines, and the one place where a
 * session is freed. Called by all of cpm_b2b_*.
 */
#include "cpm_session.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "../../core/atomic_ops.h"
#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_sip.h"

/* How long a session may stay in each state before the watchdog ends it. The
 * standing session is guarded by its session timers and the relay's idle
 * timer; ringing by ring_timeout. */
#define WATCH_SETUP_MS 70000
#define WATCH_CALLING_MS 240000
#define WATCH_STARTING_MS 70000
#define WATCH_ANSWERED_MS 40000
#define WATCH_CLOSING_MS 100000

struct slot
{
	gen_lock_t lock;
	unsigned n;
	cpm_session_t *first;
};

static struct slot *table;
static unsigned n_slots;
static atomic_t *n_sessions;

#define BIT(x) (1u << (x))

static const uint8_t session_moves[CPM_S_NSTATES] = {
		[CPM_S_SETUP] = BIT(CPM_S_CALLING) | BIT(CPM_S_CLOSING),
		[CPM_S_CALLING] = BIT(CPM_S_STARTING) | BIT(CPM_S_CLOSING),
		[CPM_S_STARTING] = BIT(CPM_S_ANSWERED) | BIT(CPM_S_CLOSING),
		[CPM_S_ANSWERED] = BIT(CPM_S_UP) | BIT(CPM_S_CLOSING),
		[CPM_S_UP] = BIT(CPM_S_CLOSING),
};

static const uint8_t leg_moves[CPM_L_NSTATES] = {
		[CPM_L_IDLE] = BIT(CPM_L_INVITED) | BIT(CPM_L_DOWN),
		[CPM_L_INVITED] = BIT(CPM_L_RINGING) | BIT(CPM_L_CANCELLED)
				| BIT(CPM_L_ANSWERED) | BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_RINGING] = BIT(CPM_L_CANCELLED) | BIT(CPM_L_ANSWERED)
				| BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_CANCELLED] = BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_ANSWERED] = BIT(CPM_L_UP) | BIT(CPM_L_BYE) | BIT(CPM_L_DOWN),
		[CPM_L_UP] = BIT(CPM_L_BYE) | BIT(CPM_L_DOWN),
		[CPM_L_BYE] = BIT(CPM_L_DOWN),
};

static const char *const session_names[CPM_S_NSTATES] = {
		"setup", "calling", "starting", "answered", "up", "closing"};
static const char *const leg_names[CPM_L_NSTATES] = {"idle", "invited",
		"ringing", "cancelled", "answered", "up", "bye", "down"};

uint64_t cpm_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct slot *slot_of(uint64_t id)
{
	uint64_t h = id * 0x9e3779b97f4a7c15ULL;

	return &table[(h >> 32) & (n_slots - 1)];
}

int cpm_session_init(unsigned slots)
{
	n_slots = slots;
	n_sessions = shm_malloc(sizeof(*n_sessions));
	table = shm_malloc(slots * sizeof(*table));
	if(table == NULL || n_sessions == NULL)
		return -ENOMEM;
	atomic_set(n_sessions, 0);
	memset(table, 0, slots * sizeof(*table));
	for(unsigned i = 0; i < slots; i++)
		lock_init(&table[i].lock);
	return 0;
}

void cpm_session_exit(void)
{
	for(unsigned i = 0; table && i < n_slots; i++) {
		while(table[i].first) {
			cpm_session_t *s = table[i].first;
			table[i].first = s->next;
			cpm_session_free(s);
		}
	}
	if(table)
		shm_free(table);
	if(n_sessions)
		shm_free(n_sessions);
	table = NULL;
	n_sessions = NULL;
}

unsigned cpm_session_count(void)
{
	return n_sessions ? (unsigned)atomic_get(n_sessions) : 0;
}

cpm_session_t *cpm_session_new(uint64_t id, unsigned max_legs)
{
	size_t size = sizeof(cpm_session_t) + max_legs * sizeof(cpm_leg_t);
	cpm_session_t *s = shm_malloc(size);

	if(s == NULL)
		return NULL;
	memset(s, 0, size);
	s->id = id;
	s->max_legs = (uint8_t)max_legs;
	s->n_legs = 1;
	s->created_ms = s->state_ms = cpm_now_ms();
	s->watch_at = s->created_ms + WATCH_SETUP_MS;
	s->legs[CPM_IN].state = CPM_L_INVITED;
	return s;
}

void cpm_session_free(cpm_session_t *s)
{
	for(unsigned i = 0; i < s->n_legs; i++) {
		cpm_strs_free(&s->legs[i].dlg);
		cpm_strs_free(&s->legs[i].peer);
		cpm_strs_free(&s->legs[i].local);
	}
	cpm_strs_free(&s->msg);
	cpm_strs_free(&s->answer);
	cpm_strs_free(&s->reason);
	shm_free(s);
}

static cpm_session_t *find_unsafe(struct slot *slot, uint64_t id)
{
	cpm_session_t *s = slot->first;

	while(s && s->id != id)
		s = s->next;
	return s;
}

int cpm_session_add(cpm_session_t *s)
{
	struct slot *slot = slot_of(s->id);

	lock_get(&slot->lock);
	if(find_unsafe(slot, s->id)) {
		lock_release(&slot->lock);
		return -EEXIST;
	}
	s->next = slot->first;
	slot->first = s;
	slot->n++;
	atomic_inc(n_sessions);
	lock_release(&slot->lock);
	return 0;
}

cpm_session_t *cpm_session_lock(uint64_t id)
{
	struct slot *slot;
	cpm_session_t *s;

	/* at shutdown tm ends its transactions after this table is gone */
	if(table == NULL)
		return NULL;
	slot = slot_of(id);
	lock_get(&slot->lock);
	s = find_unsafe(slot, id);
	if(s == NULL)
		lock_release(&slot->lock);
	return s;
}

/* Nothing is left to wait for. */
static bool session_over(const cpm_session_t *s)
{
	if(s->state != CPM_S_CLOSING || s->uas_busy || s->stay || s->uas_held
			|| (s->relay != CPM_R_CLOSED && s->relay != CPM_R_NONE))
		return false;
	for(unsigned i = 0; i < s->n_legs; i++)
		if(s->legs[i].state != CPM_L_DOWN)
			return false;
	return true;
}

void cpm_session_unlock(cpm_session_t *s)
{
	struct slot *slot = slot_of(s->id);
	cpm_session_t **at = &slot->first;

	if(!session_over(s)) {
		lock_release(&slot->lock);
		return;
	}
	while(*at != s)
		at = &(*at)->next;
	*at = s->next;
	slot->n--;
	atomic_dec(n_sessions);
	lock_release(&slot->lock);
	LM_DBG("session " CPM_ID_FMT " is over\n", CPM_ID_ARG(s->id));
	cpm_session_free(s);
}

cpm_leg_t *cpm_session_leg(cpm_session_t *s, unsigned n)
{
	return n < s->n_legs ? &s->legs[n] : NULL;
}

cpm_leg_t *cpm_session_leg_add(cpm_session_t *s)
{
	cpm_leg_t *l;

	if(s->n_legs >= s->max_legs)
		return NULL;
	l = &s->legs[s->n_legs];
	memset(l, 0, sizeof(*l));
	l->n = s->n_legs++;
	l->state = CPM_L_IDLE;
	return l;
}

static uint64_t watch_ms(cpm_session_state_t state)
{
	switch(state) {
		case CPM_S_SETUP:
			return WATCH_SETUP_MS;
		case CPM_S_CALLING:
			return WATCH_CALLING_MS;
		case CPM_S_STARTING:
			return WATCH_STARTING_MS;
		case CPM_S_ANSWERED:
			return WATCH_ANSWERED_MS;
		case CPM_S_CLOSING:
			return WATCH_CLOSING_MS;
		default:
			return 0;
	}
}

int cpm_session_move(cpm_session_t *s, cpm_session_state_t to)
{
	uint64_t watch = watch_ms(to);

	if(!(session_moves[s->state] & BIT(to))) {
		LM_BUG("session " CPM_ID_FMT ": no move from %s to %s\n",
				CPM_ID_ARG(s->id), session_names[s->state], session_names[to]);
		return -EINVAL;
	}
	s->state = to;
	s->state_ms = cpm_now_ms();
	s->watch_at = watch ? s->state_ms + watch : 0;
	if(to == CPM_S_CLOSING)
		s->ring_at = s->media_at = s->end_at = 0;
	return 0;
}

int cpm_leg_move(cpm_session_t *s, cpm_leg_t *l, cpm_leg_state_t to)
{
	if(!(leg_moves[l->state] & BIT(to))) {
		LM_BUG("session " CPM_ID_FMT " leg %u: no move from %s to %s\n",
				CPM_ID_ARG(s->id), l->n, leg_names[l->state], leg_names[to]);
		return -EINVAL;
	}
	l->state = to;
	if(to == CPM_L_BYE || to == CPM_L_DOWN)
		l->timer_at = 0;
	return 0;
}

const char *cpm_session_state_name(unsigned state)
{
	return state < CPM_S_NSTATES ? session_names[state] : "?";
}

const char *cpm_leg_state_name(unsigned state)
{
	return state < CPM_L_NSTATES ? leg_names[state] : "?";
}

static inline bool is_due(uint64_t at, uint64_t now)
{
	return at && at <= now;
}

static bool session_due(const cpm_session_t *s, uint64_t now)
{
	if(is_due(s->ring_at, now) || is_due(s->ack_at, now)
			|| is_due(s->media_at, now) || is_due(s->end_at, now)
			|| is_due(s->watch_at, now))
		return true;
	for(unsigned i = 0; i < s->n_legs; i++)
		if(is_due(s->legs[i].timer_at, now))
			return true;
	return false;
}

/* Slots are read without the lock first: an empty one is not worth it, and a
 * session that comes in this moment is seen the next time. */
static unsigned collect(
		uint64_t now, bool all, unsigned *slot, uint64_t *ids, unsigned max)
{
	unsigned n = 0;

	for(; *slot < n_slots; (*slot)++) {
		struct slot *at = &table[*slot];

		if(at->first == NULL)
			continue;
		lock_get(&at->lock);
		if(n > 0 && n + at->n > max) {
			lock_release(&at->lock);
			return n;
		}
		for(cpm_session_t *s = at->first; s && n < max; s = s->next)
			if(all || session_due(s, now))
				ids[n++] = s->id;
		lock_release(&at->lock);
	}
	return n;
}

unsigned cpm_session_due(
		uint64_t now, unsigned *slot, uint64_t *ids, unsigned max)
{
	return collect(now, false, slot, ids, max);
}

unsigned cpm_session_ids(unsigned *slot, uint64_t *ids, unsigned max)
{
	return collect(0, true, slot, ids, max);
}
