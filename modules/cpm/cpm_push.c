/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of users with something to push, and its clock (cpm_push.h).
 * Shared memory, a lock for each slot; a tag names an entry, its slot and the
 * message under way, so that whoever comes late finds nothing and does nothing.
 */
#include "cpm_push.h"

#include <stdlib.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_notice.h"
#include "cpm_push_int.h"
#include "proto/retry.h"
#include "proto/slice.h"

#define SLOTS 4096
#define BATCH 128   /* entries begun or renewed in one turn */
#define TRIES_MAX 6 /* more are not counted: LATER_MAX_MS by then */
#define LATER_MAX_MS 30000
#define AGAIN_MS 2000 /* a settle that was lost */
#define LINGER_MS 500 /* between two looks at clients that are slow */

static struct table
{
	uint64_t counter; /* atomic; of tags */
	unsigned n;       /* atomic; entries */
	unsigned busy;    /* atomic; of these, not waiting */
	struct slot
	{
		gen_lock_t lock;
		cpm_push_t *first;
	} slots[SLOTS];
} * table;

static struct retry_table retries;

/* ---- retries ---- */

static int read_retries(void)
{
	if(retry_parse(cpm_slice_of(cpm_conf.push_retries), &retries) == 0)
		return 0;
	LM_ERR("modparam push_retries must be 1 to %d numbers of seconds, 1 to %d:"
		   " \"%.*s\"\n",
			RETRY_MAX, RETRY_MAX_S, STR_FMT(&cpm_conf.push_retries));
	return -1;
}

uint32_t cpm_push_retry_ms(unsigned attempt, uint32_t random)
{
	return retry_ms(&retries, attempt, random);
}

/* ---- table ---- */

static struct slot *slot_of(uint64_t tag)
{
	return &table->slots[tag % SLOTS];
}

cpm_push_t *cpm_push_lock(uint64_t tag)
{
	struct slot *s = slot_of(tag);

	lock_get(&s->lock);
	for(cpm_push_t *p = s->first; p; p = p->next)
		if(p->tag == tag)
			return p;
	lock_release(&s->lock);
	return NULL;
}

void cpm_push_unlock(cpm_push_t *p)
{
	lock_release(&slot_of(p->tag)->lock);
}

static uint64_t new_tag(uint64_t slot)
{
	return __atomic_add_fetch(&table->counter, 1, __ATOMIC_RELAXED) * SLOTS
			+ slot;
}

uint64_t cpm_push_retag(cpm_push_t *p)
{
	return p->tag = new_tag(p->tag % SLOTS);
}

static void wait_unsafe(cpm_push_t *p, uint64_t at, bool any)
{
	if(p->state != CPM_PU_WAITING)
		__atomic_sub_fetch(&table->busy, 1, __ATOMIC_RELAXED);
	p->state = CPM_PU_WAITING;
	p->at = at;
	p->any = any;
	p->known = p->again = p->again_any = p->slow = false;
	p->n_left = 0;
	cpm_strs_free(&p->texts);
}

static void remove_unsafe(cpm_push_t *p)
{
	cpm_push_t **at = &slot_of(p->tag)->first;

	while(*at != p)
		at = &(*at)->next;
	*at = p->next;
	__atomic_sub_fetch(&table->n, 1, __ATOMIC_RELAXED);
	if(p->state != CPM_PU_WAITING)
		__atomic_sub_fetch(&table->busy, 1, __ATOMIC_RELAXED);
}

/* With the oldest; by a registration, whose settle time nothing cuts short. */
static void begin_anew(cpm_push_t *p)
{
	p->after[0] = '\0';
	p->tries = 0;
}

void cpm_push_end(uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	bool gone;

	if(p == NULL)
		return;
	gone = !p->again;
	begin_anew(p);
	if(gone)
		remove_unsafe(p);
	else
		wait_unsafe(p, p->again_at, p->again_any);
	cpm_push_unlock(p);
	if(gone) {
		cpm_strs_free(&p->texts);
		shm_free(p);
	}
}

void cpm_push_later(uint64_t tag, unsigned soon_ms)
{
	cpm_push_t *p = cpm_push_lock(tag);
	uint64_t ms;

	if(p == NULL)
		return;
	if(p->again_any) {
		begin_anew(p);
		wait_unsafe(p, p->again_at, true);
	} else {
		if(p->tries < TRIES_MAX)
			p->tries++;
		ms = 500ull << p->tries;
		if(p->tries == 1 && soon_ms > 0 && soon_ms < ms)
			ms = soon_ms;
		if(ms > LATER_MAX_MS)
			ms = LATER_MAX_MS;
		wait_unsafe(p, cpm_now_ms() + ms, p->any);
	}
	cpm_push_unlock(p);
}

static cpm_push_t *new_entry(const str *owner)
{
	cpm_push_t *p = shm_malloc(sizeof(*p));

	if(p == NULL) {
		LM_ERR("no memory to push to %.*s\n", STR_FMT(owner));
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	memcpy(p->user, owner->s, (size_t)owner->len);
	return p;
}

/* What is wanted besides: the sooner of two of a kind. A client that has come
 * has its settle time, whatever else is due. */
static void merge(bool *any, uint64_t *at, bool more_any, uint64_t more_at)
{
	if(more_any != *any && !more_any)
		return;
	if(more_any != *any || more_at < *at)
		*at = more_at;
	*any = more_any;
}

/* A round that waits already, or is under way. */
static void join_unsafe(cpm_push_t *p, bool any, uint64_t at)
{
	if(p->state == CPM_PU_WAITING) {
		if(p->tries > 0 && at < p->at) /* what it waits for may be over */
			p->at = at;
		merge(&p->any, &p->at, any, at);
		if(any)
			begin_anew(p);
	} else if(p->again) {
		merge(&p->again_any, &p->again_at, any, at);
	} else {
		p->again = true;
		p->again_any = any;
		p->again_at = at;
	}
}

void cpm_push_user(const str *owner, bool any, unsigned delay_ms)
{
	static const uint64_t key[2] = {0, 0};
	uint64_t at = cpm_now_ms() + delay_ms, hash;
	struct slot *s;
	cpm_push_t *fresh, *p;

	if(owner->len <= 0 || owner->len >= CPM_USER_BUF)
		return;
	hash = cpm_id_hash_with(key, owner->s, (size_t)owner->len) % SLOTS;
	fresh = new_entry(owner); /* before the lock */
	s = &table->slots[hash];
	lock_get(&s->lock);
	for(p = s->first; p; p = p->next)
		if(strlen(p->user) == (size_t)owner->len
				&& memcmp(p->user, owner->s, (size_t)owner->len) == 0)
			break;
	if(p) {
		join_unsafe(p, any, at);
	} else if(fresh) {
		fresh->tag = new_tag(hash);
		fresh->at = at;
		fresh->any = any;
		fresh->next = s->first;
		s->first = fresh;
		__atomic_add_fetch(&table->n, 1, __ATOMIC_RELAXED);
		fresh = NULL;
	}
	lock_release(&s->lock);
	if(fresh)
		shm_free(fresh);
}

unsigned cpm_push_count(void)
{
	return table ? __atomic_load_n(&table->n, __ATOMIC_RELAXED) : 0;
}

static void info_copy(cpm_push_info_t *to, const cpm_push_t *p)
{
	static const char *const names[] = {[CPM_PU_WAITING] = "waiting",
			[CPM_PU_ASKING] = "asking",
			[CPM_PU_SENDING] = "sending",
			[CPM_PU_TELLING] = "telling",
			[CPM_PU_SETTLING] = "settling",
			[CPM_PU_LINGERING] = "lingering"};
	uint64_t now = cpm_now_ms();

	memset(to, 0, sizeof(*to));
	memcpy(to->user, p->user, sizeof(to->user));
	to->state = names[p->state];
	to->in_ms = p->at > now ? (int64_t)(p->at - now) : 0;
	if(p->state == CPM_PU_WAITING || p->state == CPM_PU_ASKING)
		return;
	memcpy(to->ref, p->ref, sizeof(to->ref));
	to->large = p->large;
	to->size = p->size;
	to->attempts = p->attempts;
	to->code = p->code;
}

/* Of one slot no more than so many are shown: it has one or two. */
#define EACH_MAX 8

void cpm_push_each(bool (*f)(const cpm_push_info_t *p, void *arg), void *arg)
{
	cpm_push_info_t info[EACH_MAX];

	for(unsigned i = 0; table && i < SLOTS; i++) {
		struct slot *s = &table->slots[i];
		unsigned n = 0;

		lock_get(&s->lock);
		for(cpm_push_t *p = s->first; p && n < EACH_MAX; p = p->next)
			info_copy(&info[n++], p);
		lock_release(&s->lock);
		for(unsigned k = 0; k < n; k++)
			if(!f(&info[k], arg))
				return;
	}
}

/* ---- the clock ---- */

/* What is to be done for an entry, found under its lock. */
enum step
{
	NOTHING,
	ASK,
	RENEW,
	SETTLE,
	GO_ON
};

struct due
{
	uint64_t tag, fence;
	enum step step;
	char ref[CPM_DEFERRED_REF_BUF];
};

static enum step look_unsafe(cpm_push_t *p, uint64_t now)
{
	if(p->at > now)
		return NOTHING;
	switch(p->state) {
		case CPM_PU_WAITING:
			if(__atomic_load_n(&table->busy, __ATOMIC_RELAXED)
					>= (unsigned)cpm_conf.push_parallel)
				return NOTHING;
			__atomic_add_fetch(&table->busy, 1, __ATOMIC_RELAXED);
			p->state = CPM_PU_ASKING;
			return ASK;
		case CPM_PU_LINGERING:
			p->at = now + LINGER_MS;
			return GO_ON;
		case CPM_PU_SENDING:
		case CPM_PU_TELLING:
			p->at = now + (uint64_t)cpm_conf.push_lease / 3;
			return p->large ? NOTHING : RENEW; /* the relay does it itself */
		case CPM_PU_SETTLING:
			p->at = now + AGAIN_MS;
			return SETTLE;
		default:
			return NOTHING;
	}
}

static void carry_out(const struct due *d)
{
	const str ref = {(char *)d->ref, (int)strlen(d->ref)};

	if(d->step == ASK)
		cpm_push_ask(d->tag);
	else if(d->step == SETTLE)
		cpm_push_settle(d->tag);
	else if(d->step == GO_ON)
		cpm_push_linger_over(d->tag);
	else if(cpm_deferred_renew(
					ref, d->fence, (unsigned)cpm_conf.push_lease, NULL, 0, 0)
			< 0)
		LM_NOTICE("%s: its claim was not renewed\n", d->ref);
}

void cpm_push_tick(void)
{
	static unsigned from; /* of the timer process alone */
	uint64_t now = cpm_now_ms();
	struct due due[BATCH];
	unsigned n = 0;

	if(table->n == 0)
		return;
	for(unsigned i = 0; i < SLOTS && n < BATCH; i++) {
		struct slot *s = &table->slots[(from + i) % SLOTS];

		if(s->first == NULL) /* a glance without the lock: again in a moment */
			continue;
		lock_get(&s->lock);
		for(cpm_push_t *p = s->first; p && n < BATCH; p = p->next) {
			due[n].step = look_unsafe(p, now);
			if(due[n].step == NOTHING)
				continue;
			due[n].tag = p->tag;
			due[n].fence = p->fence;
			memcpy(due[n].ref, p->ref, sizeof(p->ref));
			n++;
		}
		lock_release(&s->lock);
	}
	from = (unsigned)(now % SLOTS); /* nobody is always the last */
	for(unsigned i = 0; i < n; i++)
		carry_out(&due[i]);
}

/* ---- what begins a round ---- */

static void on_change(const str *owner, bool again)
{
	/* what got lost in a restart is found that way; nobody is told twice */
	if(again && !cpm_conf.push)
		return;
	cpm_push_user(owner, true, (unsigned)cpm_conf.push_settle);
}

void cpm_push_event(const char *type, const json_t *params)
{
	const json_t *v = json_object_get(params, "user");
	const char *owner = json_string_value(v);

	if(strcmp(type, "deferred.expired") == 0)
		cpm_push_expired(params);
	else if(strcmp(type, "deferred.due") == 0 && owner)
		cpm_push_user(
				&(str){(char *)owner, (int)json_string_length(v)}, false, 0);
	else if(strcmp(type, "deferred.changed") == 0 && owner)
		cpm_notice_changed((str){(char *)owner, (int)json_string_length(v)});
}

int cpm_push_init(void)
{
	if(read_retries() < 0)
		return -1;
	table = shm_malloc(sizeof(*table));
	if(table == NULL)
		return -1;
	memset(table, 0, sizeof(*table));
	for(unsigned i = 0; i < SLOTS; i++)
		if(lock_init(&table->slots[i].lock) == NULL)
			return -1;
	cpm_clients_on_change(on_change);
	cpm_push_run_init();
	return cpm_push_send_init() < 0 ? -1 : cpm_push_linger_init();
}
