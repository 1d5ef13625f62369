/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of users whose registration state is followed (cpm_reg.h): a hash
 * by name. The id of a dialog carries its slot, so that a NOTIFY finds its
 * record by our tag.
 */
#include <string.h>

#include "../../core/atomic_ops.h"
#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_alias.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_reg.h"

#define SLOTS 16384 /* at most 65536: cpm_id_make() */

static struct table
{
	atomic_t n;       /* records */
	atomic_t serial;  /* of dialogs */
	uint64_t full_ms; /* when it was said last that there is no room */
	struct slot
	{
		gen_lock_t lock;
		cpm_reg_t *first;
	} slots[SLOTS];
} * table;

int cpm_reg_table_init(void)
{
	table = shm_malloc(sizeof(*table));
	if(table == NULL)
		return -1;
	memset(table, 0, sizeof(*table));
	for(unsigned i = 0; i < SLOTS; i++)
		if(lock_init(&table->slots[i].lock) == NULL)
			return -1;
	return cpm_alias_init();
}

void cpm_reg_table_exit(void)
{
	table = NULL;
}

static unsigned slot_number(const str *name)
{
	return (unsigned)(cpm_id_hash(name->s, (size_t)name->len) % SLOTS);
}

static uint64_t next_id(unsigned slot)
{
	return cpm_id_make(slot, (unsigned)atomic_add(&table->serial, 1));
}

static cpm_reg_t *find_unsafe(struct slot *s, const str *name)
{
	cpm_reg_t *r = s->first;

	while(r
			&& (r->len != name->len
					|| memcmp(r->name, name->s, (size_t)name->len) != 0))
		r = r->next;
	return r;
}

static cpm_reg_t *record_new(const str *name, unsigned slot)
{
	uint64_t now = cpm_now_ms();
	cpm_reg_t *r;

	if(atomic_get(&table->n) >= cpm_conf.contacts_max_users) {
		if(now - table->full_ms > 10000) {
			table->full_ms = now;
			LM_WARN("more users than contacts_max_users (%d): the clients of"
					" %.*s and others are not known\n",
					cpm_conf.contacts_max_users, STR_FMT(name));
		}
		return NULL;
	}
	r = shm_malloc(sizeof(*r) + (size_t)name->len);
	if(r == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->id = next_id(slot);
	r->expires_s = (uint32_t)cpm_conf.reg_expires;
	r->len = (uint16_t)name->len;
	memcpy(r->name, name->s, (size_t)name->len);
	return r;
}

static cpm_reg_t *lock_name(const str *name, bool make)
{
	unsigned slot = slot_number(name);
	struct slot *s = &table->slots[slot];
	cpm_reg_t *r, *fresh;

	lock_get(&s->lock);
	r = find_unsafe(s, name);
	if(r)
		return r;
	lock_release(&s->lock);
	fresh = make ? record_new(name, slot) : NULL;
	if(fresh == NULL)
		return NULL;
	lock_get(&s->lock);
	r = find_unsafe(s, name);
	if(r) { /* another process was quicker */
		shm_free(fresh);
		return r;
	}
	fresh->next = s->first;
	s->first = fresh;
	atomic_inc(&table->n);
	return fresh;
}

/* Does the record know of that identity? */
static bool has_identity(const cpm_reg_t *r, const str *name)
{
	const struct regstate *s = r->regs;
	const struct regstate_reg *regs;
	char buf[CPM_USER_BUF];

	if(s == NULL)
		return false;
	regs = regstate_regs(s);
	for(unsigned i = 0; i < s->n_regs; i++) {
		int n = cpm_user_name(cpm_str_of(regstate_get(s, regs[i].aor)), buf);

		if(n == name->len && memcmp(buf, name->s, (size_t)n) == 0)
			return true;
	}
	return false;
}

cpm_reg_t *cpm_reg_lock(const str *name, bool make)
{
	char primary[CPM_USER_BUF];
	int n = cpm_alias_get(*name, primary);
	cpm_reg_t *r;

	if(n > 0) {
		r = lock_name(&(str){primary, n}, false);
		if(r && has_identity(r, name))
			return r;
		if(r)
			cpm_reg_unlock(r);
	}
	return lock_name(name, make);
}

cpm_reg_t *cpm_reg_lock_id(uint64_t id)
{
	struct slot *s;
	cpm_reg_t *r;

	if(table == NULL || cpm_id_index(id) >= SLOTS)
		return NULL;
	s = &table->slots[cpm_id_index(id)];
	lock_get(&s->lock);
	for(r = s->first; r; r = r->next)
		if(r->id == id)
			return r;
	lock_release(&s->lock);
	return NULL;
}

uint64_t cpm_reg_next_id(uint64_t id)
{
	return next_id(cpm_id_index(id));
}

void cpm_reg_unlock(cpm_reg_t *r)
{
	lock_release(&table->slots[cpm_id_index(r->id)].lock);
}

void cpm_reg_remove(cpm_reg_t *r)
{
	struct slot *s = &table->slots[cpm_id_index(r->id)];
	cpm_reg_t **at = &s->first;

	while(*at != r)
		at = &(*at)->next;
	*at = r->next;
	atomic_dec(&table->n);
	lock_release(&s->lock);
	cpm_strs_free(&r->dlg);
	cpm_strs_free(&r->ims);
	if(r->tags)
		shm_free(r->tags);
	if(r->regs)
		shm_free(r->regs);
	while(r->waiters) {
		cpm_reg_waiter_t *w = r->waiters;

		r->waiters = w->next;
		shm_free(w);
	}
	shm_free(r);
}

static bool is_due(const cpm_reg_t *r, uint64_t now)
{
	return (r->due_at && r->due_at <= now)
			|| (r->wait_until && r->wait_until <= now);
}

unsigned cpm_reg_due(uint64_t now, unsigned *slot, uint64_t *ids, unsigned max)
{
	unsigned n = 0;

	for(; *slot < SLOTS && n < max; (*slot)++) {
		struct slot *s = &table->slots[*slot];

		if(s->first == NULL) /* a glance without the lock */
			continue;
		lock_get(&s->lock);
		/* what does not fit is still due in the next turn */
		for(cpm_reg_t *r = s->first; r && n < max; r = r->next)
			if(is_due(r, now))
				ids[n++] = r->id;
		lock_release(&s->lock);
	}
	return n;
}

void cpm_reg_count(cpm_reg_counts_t *out)
{
	memset(out, 0, sizeof(*out));
	out->users = table ? (unsigned)atomic_get(&table->n) : 0;
	for(unsigned i = 0; table && i < SLOTS; i++) {
		if(table->slots[i].first == NULL)
			continue;
		lock_get(&table->slots[i].lock);
		for(cpm_reg_t *r = table->slots[i].first; r; r = r->next)
			out->active += r->state == CPM_REG_ACTIVE;
		lock_release(&table->slots[i].lock);
	}
}

void cpm_reg_each(bool (*f)(const str *name, void *arg), void *arg)
{
	char names[32][CPM_USER_BUF];
	int lens[32];
	unsigned n;

	for(unsigned i = 0; table && i < SLOTS; i++) {
		if(table->slots[i].first == NULL)
			continue;
		n = 0;
		lock_get(&table->slots[i].lock);
		for(cpm_reg_t *r = table->slots[i].first; r && n < 32; r = r->next) {
			memcpy(names[n], r->name, r->len);
			lens[n++] = r->len;
		}
		lock_release(&table->slots[i].lock);
		for(unsigned j = 0; j < n; j++)
			if(!f(&(str){names[j], lens[j]}, arg))
				return;
	}
}

const char *cpm_reg_state_name(unsigned state)
{
	static const char *const names[CPM_REG_NSTATES] = {
			[CPM_REG_NEW] = "new",
			[CPM_REG_ASKING] = "asking",
			[CPM_REG_ACTIVE] = "active",
			[CPM_REG_RETRY] = "retry",
			[CPM_REG_OVER] = "over",
	};

	return state < CPM_REG_NSTATES ? names[state] : "?";
}
