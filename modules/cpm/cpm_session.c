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
#include "cpm_direct.h"
#include "cpm_pace.h"
#include "cpm_rcpts.h"
#include "cpm_sip.h"

/* How long a session may stay in each state before the watchdog ends it. The
 * standing session is guarded by its session timers and the relay's idle
 * timer; ringing by ring_timeout. */
#define WATCH_SETUP_MS 70000
#define WATCH_CALLING_MS 240000
#define WATCH_STARTING_MS 70000
#define WATCH_ANSWERED_MS 40000
#define WATCH_LEFT_MS 7200000
#define WATCH_CLOSING_MS 100000

#define LEGS_MORE                                                              \
	4 /* room for so many more when the legs grow, and a quarter */

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
		[CPM_S_SETUP] =
				BIT(CPM_S_CALLING) | BIT(CPM_S_STARTING) | BIT(CPM_S_CLOSING),
		[CPM_S_CALLING] =
				BIT(CPM_S_STARTING) | BIT(CPM_S_UP) | BIT(CPM_S_CLOSING),
		[CPM_S_STARTING] = BIT(CPM_S_ANSWERED) | BIT(CPM_S_CLOSING),
		[CPM_S_ANSWERED] = BIT(CPM_S_UP) | BIT(CPM_S_LEFT) | BIT(CPM_S_CLOSING),
		[CPM_S_UP] = BIT(CPM_S_LEFT) | BIT(CPM_S_CLOSING),
		[CPM_S_LEFT] = BIT(CPM_S_CLOSING),
};

static const uint8_t leg_moves[CPM_L_NSTATES] = {
		[CPM_L_IDLE] = BIT(CPM_L_INVITED) | BIT(CPM_L_DOWN),
		[CPM_L_INVITED] = BIT(CPM_L_RINGING) | BIT(CPM_L_CANCELLED)
				| BIT(CPM_L_ANSWERED) | BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_RINGING] = BIT(CPM_L_INVITED) | BIT(CPM_L_CANCELLED)
				| BIT(CPM_L_ANSWERED) | BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_CANCELLED] = BIT(CPM_L_UP) | BIT(CPM_L_DOWN),
		[CPM_L_ANSWERED] = BIT(CPM_L_UP) | BIT(CPM_L_BYE) | BIT(CPM_L_DOWN),
		[CPM_L_UP] = BIT(CPM_L_BYE) | BIT(CPM_L_DOWN),
		[CPM_L_BYE] = BIT(CPM_L_DOWN),
};

static const char *const session_names[CPM_S_NSTATES] = {
		"setup", "calling", "starting", "answered", "up", "left", "closing"};
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

static void leg_init(cpm_session_t *s, unsigned n, unsigned dlv)
{
	cpm_leg_t *l = &s->legs[n];

	memset(l, 0, sizeof(*l));
	l->n = (uint16_t)n;
	l->dlv = (uint16_t)dlv;
	l->state = n == CPM_IN ? CPM_L_INVITED : CPM_L_IDLE;
	s->n_in[l->state]++;
}

cpm_session_t *cpm_session_new(uint64_t id, unsigned n_dlv)
{
	cpm_session_t *s;

	if(n_dlv >= CPM_LEGS_MAX)
		return NULL;
	s = shm_malloc(sizeof(*s));
	if(s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->id = id;
	s->max_legs = s->n_legs = (uint16_t)(n_dlv + 1);
	s->n_dlv = (uint16_t)n_dlv;
	s->dlv = shm_malloc((n_dlv + 1) * sizeof(*s->dlv));
	s->legs = shm_malloc(s->max_legs * sizeof(*s->legs));
	if(s->dlv == NULL || s->legs == NULL) {
		s->n_legs = 0;
		cpm_session_free(s);
		return NULL;
	}
	memset(s->dlv, 0, (n_dlv + 1) * sizeof(*s->dlv));
	leg_init(s, CPM_IN, 0);
	for(unsigned i = 0; i < n_dlv; i++) {
		leg_init(s, i + 1, i);
		s->dlv[i].leg = (uint16_t)(i + 1);
	}
	s->created_ms = s->state_ms = cpm_now_ms();
	s->watch_at = s->created_ms + WATCH_SETUP_MS;
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
	cpm_strs_free(&s->fail_answer);
	cpm_strs_free(&s->reason);
	cpm_strs_free(&s->defer_text);
	if(s->rcpts)
		shm_free(s->rcpts);
	if(s->copies)
		shm_free(s->copies);
	cpm_direct_who_free(s->direct);
	if(s->pace)
		cpm_pace_free(s->pace);
	if(s->content)
		shm_free(s->content);
	if(s->dlv)
		shm_free(s->dlv);
	if(s->legs)
		shm_free(s->legs);
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
			|| s->n_byes
			|| (s->relay != CPM_R_CLOSED && s->relay != CPM_R_NONE))
		return false;
	return s->n_in[CPM_L_DOWN] == s->n_legs;
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

cpm_leg_t *cpm_session_leg_add(cpm_session_t *s, unsigned dlv)
{
	unsigned room = s->n_legs + LEGS_MORE + s->n_legs / 4u;
	cpm_leg_t *legs;

	if(s->n_legs >= CPM_LEGS_MAX)
		return NULL;
	if(s->n_legs == s->max_legs) {
		legs = shm_malloc(room * sizeof(*legs));
		if(legs == NULL)
			return NULL;
		memcpy(legs, s->legs, s->n_legs * sizeof(*legs));
		shm_free(s->legs);
		s->legs = legs;
		s->max_legs = (uint16_t)(room < CPM_LEGS_MAX ? room : CPM_LEGS_MAX);
	}
	leg_init(s, s->n_legs, dlv);
	return &s->legs[s->n_legs++];
}

int cpm_session_dlv_set(cpm_session_t *s, struct cpm_rcpts *rcpts)
{
	unsigned n = rcpts->n;
	cpm_leg_t *legs;
	cpm_dlv_t *dlv;

	if(s->n_dlv > 0 || s->n_legs != 1 || n + 1 >= CPM_LEGS_MAX)
		return -EEXIST;
	dlv = shm_malloc(n * sizeof(*dlv));
	legs = shm_malloc((n + 1) * sizeof(*legs));
	if(dlv == NULL || legs == NULL) {
		if(dlv)
			shm_free(dlv);
		if(legs)
			shm_free(legs);
		return -ENOMEM;
	}
	memset(dlv, 0, n * sizeof(*dlv));
	legs[CPM_IN] = s->legs[CPM_IN];
	shm_free(s->legs);
	shm_free(s->dlv);
	s->legs = legs;
	s->dlv = dlv;
	s->rcpts = rcpts;
	s->n_dlv = (uint16_t)n;
	s->n_legs = s->max_legs = (uint16_t)(n + 1);
	for(unsigned i = 0; i < n; i++) {
		leg_init(s, i + 1, i);
		dlv[i].leg = (uint16_t)(i + 1);
	}
	return 0;
}

unsigned cpm_session_copies_add(cpm_session_t *s, struct cpm_rcpts *rcpts)
{
	size_t n = s->n_dlv, all = n + rcpts->n;
	unsigned first = s->n_legs;
	cpm_dlv_t *dlv;

	if(s->n_copies > 0 || s->n_legs + rcpts->n > CPM_LEGS_MAX)
		return 0;
	dlv = shm_malloc(all * sizeof(*dlv));
	if(dlv == NULL)
		return 0;
	memset(dlv, 0, all * sizeof(*dlv));
	memcpy(dlv, s->dlv, n * sizeof(*dlv));
	shm_free(s->dlv);
	s->dlv = dlv;
	for(unsigned i = 0; i < rcpts->n; i++) {
		cpm_leg_t *l = cpm_session_leg_add(s, (unsigned)n + i);

		if(l == NULL)
			break; /* the others get none */
		dlv[n + i].leg = l->n;
		dlv[n + i].interworked = true; /* it is not for the ISF */
		s->n_copies++;
		s->n_copies_open++;
	}
	if(s->n_copies == 0)
		return 0;
	s->copies = rcpts;
	return first;
}

cpm_dlv_t *cpm_session_dlv(cpm_session_t *s, unsigned n)
{
	cpm_leg_t *l = n == CPM_IN ? NULL : cpm_session_leg(s, n);

	if(l == NULL || l->dlv >= s->n_dlv + s->n_copies || s->dlv[l->dlv].leg != n)
		return NULL;
	return &s->dlv[l->dlv];
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
		case CPM_S_LEFT:
			return WATCH_LEFT_MS;
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
	s->n_in[l->state]--;
	s->n_in[to]++;
	l->state = to;
	if(to == CPM_L_BYE || to == CPM_L_DOWN)
		l->timer_at = 0;
	if(to != CPM_L_INVITED && to != CPM_L_RINGING)
		l->ring_at = 0;
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

unsigned cpm_session_leg_due(
		const cpm_session_t *s, unsigned from, uint64_t now)
{
	while(from < s->n_legs && !is_due(s->legs[from].timer_at, now)
			&& !is_due(s->legs[from].ring_at, now))
		from++;
	return from;
}

static bool session_due(const cpm_session_t *s, uint64_t now)
{
	return is_due(s->ring_at, now) || is_due(s->ack_at, now)
			|| is_due(s->media_at, now) || is_due(s->end_at, now)
			|| is_due(s->watch_at, now) || is_due(s->bye_at, now) || s->end_next
			|| cpm_session_leg_due(s, 0, now) < s->n_legs;
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
