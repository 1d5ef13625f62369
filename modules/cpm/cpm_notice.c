/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who is told of deferred messages, and when: a table of users with
 * subscriptions or with news, a hash in shared memory with a lock for each
 * slot. A user's list is asked for at most once a second; all that has
 * happened until the answer comes is in it.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_notice_int.h"

#define SLOTS 1024       /* power of two, at most 65536 */
#define THROTTLE_MS 1000 /* between two lists of one user */
#define RETRY_MS 5000    /* the relay could not be asked */
#define POLL_MS 300000   /* an event may get lost */
#define BATCH 64         /* users looked at for one tick and slot */

static struct table
{
	uint32_t serial; /* of subscriptions */
	uint32_t n_subs;
	struct slot
	{
		gen_lock_t lock;
		cpm_told_t *first;
	} slots[SLOTS];
} * table;

int cpm_notice_init(void)
{
	table = shm_malloc(sizeof(*table));
	if(table == NULL)
		return -1;
	memset(table, 0, sizeof(*table));
	for(unsigned i = 0; i < SLOTS; i++)
		if(lock_init(&table->slots[i].lock) == NULL)
			return -1;
	return 0;
}

unsigned cpm_notice_count(void)
{
	return table ? __atomic_load_n(&table->n_subs, __ATOMIC_RELAXED) : 0;
}

/* ---- table ---- */

static struct slot *slot_of(str name)
{
	return &table->slots[cpm_id_hash(name.s, (size_t)name.len) & (SLOTS - 1)];
}

static str name_of(const cpm_told_t *e)
{
	return (str){(char *)e->name, e->len};
}

cpm_told_t *cpm_told_lock(str name, bool make)
{
	struct slot *slot = slot_of(name);
	cpm_told_t *e;

	lock_get(&slot->lock);
	for(e = slot->first; e; e = e->next)
		if(e->len == name.len && memcmp(e->name, name.s, (size_t)e->len) == 0)
			return e;
	e = make ? shm_malloc(sizeof(*e) + (size_t)name.len) : NULL;
	if(e == NULL) {
		lock_release(&slot->lock);
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->len = name.len;
	memcpy(e->name, name.s, (size_t)name.len);
	e->poll_at = cpm_now_ms() + POLL_MS;
	e->next = slot->first;
	slot->first = e;
	return e;
}

void cpm_told_unlock(cpm_told_t *e)
{
	struct slot *slot = slot_of(name_of(e));
	cpm_told_t **at = &slot->first;
	bool idle = e->subs == NULL && !e->asking && !e->message
			&& e->next_at <= cpm_now_ms();

	if(idle) {
		while(*at != e)
			at = &(*at)->next;
		*at = e->next;
	}
	lock_release(&slot->lock);
	if(idle) {
		cpm_strs_free(&e->ids);
		shm_free(e);
	}
}

void cpm_sub_add(cpm_told_t *e, cpm_sub_t *s)
{
	s->next = e->subs;
	e->subs = s;
	e->n_subs++;
	__atomic_add_fetch(&table->n_subs, 1, __ATOMIC_RELAXED);
}

uint64_t cpm_sub_new_id(str name)
{
	uint64_t slot = (uint64_t)(slot_of(name) - table->slots);

	return slot << 32 | __atomic_add_fetch(&table->serial, 1, __ATOMIC_RELAXED);
}

cpm_sub_t *cpm_sub_lock(uint64_t id, cpm_told_t **out)
{
	struct slot *slot = &table->slots[(id >> 32) & (SLOTS - 1)];

	lock_get(&slot->lock);
	for(cpm_told_t *e = slot->first; e; e = e->next)
		for(cpm_sub_t *s = e->subs; s; s = s->next)
			if(s->id == id) {
				*out = e;
				return s;
			}
	lock_release(&slot->lock);
	return NULL;
}

void cpm_sub_unlink(cpm_told_t *e, cpm_sub_t *s)
{
	cpm_sub_t **at = &e->subs;

	while(*at != s)
		at = &(*at)->next;
	*at = s->next;
	e->n_subs--;
	__atomic_sub_fetch(&table->n_subs, 1, __ATOMIC_RELAXED);
}

void cpm_sub_free(cpm_sub_t *s)
{
	cpm_strs_free(&s->dlg);
	shm_free(s);
}

/* ---- asking ---- */

static bool has_due(const cpm_told_t *e)
{
	for(const cpm_sub_t *s = e->subs; s; s = s->next)
		if(s->due)
			return true;
	return false;
}

/* It is time: what is due waits for this list; false: not now. */
static bool begin(cpm_told_t *e, uint64_t now)
{
	if(e->asking || e->next_at > now)
		return false;
	if(!has_due(e) && !e->message && (e->subs == NULL || e->poll_at > now))
		return false;
	for(cpm_sub_t *s = e->subs; s; s = s->next) {
		s->asked = s->due;
		s->due = false;
	}
	e->asking = true;
	e->message_asked = e->message;
	e->message = false;
	e->next_at = now + THROTTLE_MS;
	e->poll_at = now + POLL_MS;
	return true;
}

void cpm_told_ask(str name)
{
	cpm_told_t *e = cpm_told_lock(name, false);
	cpm_strs_t *ids = NULL;
	bool go;
	int rc;

	if(e == NULL)
		return;
	go = begin(e, cpm_now_ms());
	if(go)
		ids = cpm_strs_copy(e->ids);
	cpm_told_unlock(e);
	if(!go)
		return;
	rc = cpm_list_ask(name, ids, ids ? ids->n : 0);
	cpm_strs_drop(ids);
	if(rc < 0)
		cpm_told_list(name, rc, (str){NULL, 0}, 0);
}

/* What is to be done with a list that has come. */
struct plan
{
	cpm_notify_t notify[CPM_SUBS_MAX];
	unsigned n;
	bool message;
};

/* The list for it could not be had: later; only who has to hear something now
 * does, without the list. */
static bool postpone(cpm_sub_t *s)
{
	if(s->over)
		return false;
	s->due = true;
	return s->told;
}

static void make_plan(cpm_told_t *e, int rc, uint64_t hash, struct plan *p)
{
	uint64_t now = cpm_now_ms();
	bool changed = rc == 0 && hash != e->hash;
	cpm_sub_t *next;

	for(cpm_sub_t *s = e->subs; s; s = next) {
		next = s->next;
		if(!s->asked && !changed)
			continue;
		s->asked = false;
		if((rc < 0 && postpone(s)) || p->n == CPM_SUBS_MAX
				|| cpm_notify_take(s, now, &p->notify[p->n]) < 0)
			continue;
		s->told = true;
		p->n++;
		if(s->over) {
			cpm_sub_unlink(e, s);
			cpm_sub_free(s);
		}
	}
	p->message = e->message_asked;
	e->message_asked = false;
	e->asking = false;
	if(rc == 0) {
		e->hash = hash;
		return;
	}
	e->message = e->message || p->message;
	p->message = false;
	e->next_at = now + RETRY_MS;
}

void cpm_told_list(str name, int rc, str body, unsigned items)
{
	cpm_told_t *e = cpm_told_lock(name, false);
	struct plan p = {.n = 0};

	if(e == NULL)
		return;
	make_plan(e, rc, cpm_id_hash(body.s, (size_t)body.len), &p);
	cpm_told_unlock(e);
	for(unsigned i = 0; i < p.n; i++)
		cpm_notify_send(&p.notify[i], body);
	if(p.message && items > 0)
		cpm_notice_message(name, body);
}

/* ---- news ---- */

/* The name that a user's entry has: his first SIP name. */
static unsigned primary(const str *names, unsigned n)
{
	for(unsigned i = 0; i < n; i++)
		if(names[i].len > 4 && memcmp(names[i].s, "sip:", 4) == 0)
			return i;
	return 0;
}

/* The list of those who subscribed by this name is compared. */
static void compare(str name)
{
	cpm_told_t *e = cpm_told_lock(name, false);

	if(e == NULL)
		return;
	e->poll_at = 0;
	cpm_told_unlock(e);
	cpm_told_ask(name);
}

/* Of all, as fast as the clock goes through them. */
static void compare_all(void)
{
	for(unsigned i = 0; i < SLOTS; i++) {
		lock_get(&table->slots[i].lock);
		for(cpm_told_t *e = table->slots[i].first; e; e = e->next)
			e->poll_at = 0;
		lock_release(&table->slots[i].lock);
	}
}

void cpm_notice_changed(str who)
{
	cpm_clients_t *c = NULL;

	if(cpm_notice_count() == 0)
		return;
	if(who.len == 0) {
		compare_all();
		return;
	}
	if(cpm_clients_peek(&who, &c) == 0 && c->n_ids > 0) {
		for(unsigned i = 0; i < c->n_ids; i++)
			compare(c->ids[i]);
	} else {
		compare(who);
	}
	cpm_clients_free(&c);
}

/* His clients are to get a MESSAGE. */
static void want_message(str name, const str *names, unsigned n)
{
	cpm_told_t *e = cpm_told_lock(name, true);

	if(e == NULL)
		return;
	e->message = true;
	if(e->ids == NULL)
		e->ids = cpm_strs_new(names, n);
	cpm_told_unlock(e);
	cpm_told_ask(name);
}

void cpm_notice_kept(str who)
{
	cpm_clients_t *c = NULL;
	const str *names = &who;
	unsigned n = 1;

	if(!(cpm_conf.notify_by & CPM_NOTIFY_MESSAGE)
			|| cpm_clients_get(&who, &c) < 0)
		return;
	if(c->n_ids > 0) {
		names = c->ids;
		n = c->n_ids < CPM_STRS_MAX ? c->n_ids : CPM_STRS_MAX;
	}
	if(cpm_clients_choose(c, CPM_CAN_DEFERRED, 0, NULL) > 0)
		want_message(names[primary(names, n)], names, n);
	cpm_clients_free(&c);
}

/* ---- time ---- */

/* Users of one slot that have something to be done, their names copied. */
static unsigned due_names(
		struct slot *slot, uint64_t now, char names[][CPM_USER_BUF])
{
	cpm_told_t **at = &slot->first, *e;
	unsigned n = 0;

	lock_get(&slot->lock);
	while((e = *at) != NULL && n < BATCH) {
		bool work = e->message || e->asking;

		for(cpm_sub_t *s = e->subs; s; s = s->next) {
			if(s->expires_at <= now && !s->over) {
				s->over = true;
				s->due = true;
			}
			work = work || s->due;
		}
		if(e->subs == NULL && !work && e->next_at <= now) {
			*at = e->next;
			cpm_strs_free(&e->ids);
			shm_free(e);
			continue;
		}
		at = &e->next;
		if((work || (e->subs && e->poll_at <= now)) && !e->asking
				&& e->next_at <= now && e->len < CPM_USER_BUF) {
			memcpy(names[n], e->name, (size_t)e->len);
			names[n][e->len] = '\0';
			n++;
		}
	}
	lock_release(&slot->lock);
	return n;
}

void cpm_notice_tick(void)
{
	char names[BATCH][CPM_USER_BUF];
	uint64_t now = cpm_now_ms();

	for(unsigned i = 0; table && i < SLOTS; i++) {
		unsigned n;

		if(table->slots[i].first == NULL) /* a glance without the lock */
			continue;
		n = due_names(&table->slots[i], now, names);
		for(unsigned j = 0; j < n; j++)
			cpm_told_ask((str){names[j], (int)strlen(names[j])});
	}
}
