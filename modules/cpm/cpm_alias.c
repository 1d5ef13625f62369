/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of identities (cpm_alias.h): a hash, a lock for each slot. No more
 * entries than modparam contacts_max_users has users, four times.
 */
#include "cpm_alias.h"

#include <errno.h>
#include <string.h>

#include "../../core/atomic_ops.h"
#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_session.h"

#define SLOTS 4096
#define SLOTS_A_TICK 256 /* looked through in one turn */

struct alias
{
	struct alias *next;
	uint64_t until_ms;
	uint16_t alias_n, user_n;
	char text[]; /* alias, user */
};

static struct table
{
	atomic_t n;
	struct slot
	{
		gen_lock_t lock;
		struct alias *first;
	} slots[SLOTS];
} * table;

int cpm_alias_init(void)
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

static struct slot *slot_of(str alias)
{
	return &table->slots[cpm_id_hash(alias.s, (size_t)alias.len) % SLOTS];
}

/* Where the pointer to it is; to the slot's end when it is not there. */
static struct alias **find_unsafe(struct slot *s, str alias)
{
	struct alias **at = &s->first;

	while(*at
			&& ((*at)->alias_n != alias.len
					|| memcmp((*at)->text, alias.s, (size_t)alias.len) != 0))
		at = &(*at)->next;
	return at;
}

static struct alias *take_unsafe(struct alias **at)
{
	struct alias *a = *at;

	*at = a->next;
	atomic_dec(&table->n);
	return a;
}

static void forget(str alias, str who)
{
	struct slot *s = slot_of(alias);
	struct alias **at, *old = NULL;

	lock_get(&s->lock);
	at = find_unsafe(s, alias);
	if(*at && (*at)->user_n == who.len
			&& memcmp((*at)->text + alias.len, who.s, (size_t)who.len) == 0)
		old = take_unsafe(at);
	lock_release(&s->lock);
	if(old)
		shm_free(old);
}

void cpm_alias_set(str alias, str who, uint32_t ttl_s)
{
	struct slot *s = slot_of(alias);
	struct alias **at, *a, *old = NULL;

	if(ttl_s == 0) {
		forget(alias, who);
		return;
	}
	if(alias.len == who.len && memcmp(alias.s, who.s, (size_t)who.len) == 0)
		return;
	a = shm_malloc(sizeof(*a) + (size_t)(alias.len + who.len));
	if(a == NULL)
		return; /* shm_malloc has logged it */
	a->until_ms = cpm_now_ms() + (uint64_t)ttl_s * 1000;
	a->alias_n = (uint16_t)alias.len;
	a->user_n = (uint16_t)who.len;
	memcpy(a->text, alias.s, (size_t)alias.len);
	memcpy(a->text + alias.len, who.s, (size_t)who.len);
	lock_get(&s->lock);
	at = find_unsafe(s, alias);
	if(*at)
		old = take_unsafe(at);
	if(atomic_get(&table->n) < 4 * cpm_conf.contacts_max_users) {
		a->next = s->first;
		s->first = a;
		atomic_inc(&table->n);
		a = NULL;
	}
	lock_release(&s->lock);
	if(a)
		shm_free(a);
	if(old)
		shm_free(old);
}

int cpm_alias_get(str alias, char buf[CPM_USER_BUF])
{
	struct slot *s = slot_of(alias);
	struct alias *a;
	int n = -ENOENT;

	lock_get(&s->lock);
	a = *find_unsafe(s, alias);
	if(a && a->until_ms > cpm_now_ms() && a->user_n < CPM_USER_BUF) {
		n = a->user_n;
		memcpy(buf, a->text + a->alias_n, a->user_n);
		buf[n] = '\0';
	}
	lock_release(&s->lock);
	return n;
}

void cpm_alias_tick(void)
{
	static unsigned next; /* of the timer process alone */
	uint64_t now = cpm_now_ms();

	for(unsigned i = 0; i < SLOTS_A_TICK; i++, next = (next + 1) % SLOTS) {
		struct slot *s = &table->slots[next];
		struct alias **at, *gone = NULL, *a;

		if(s->first == NULL) /* a glance without the lock */
			continue;
		lock_get(&s->lock);
		for(at = &s->first; *at;) {
			if((*at)->until_ms > now) {
				at = &(*at)->next;
				continue;
			}
			a = take_unsafe(at);
			a->next = gone;
			gone = a;
		}
		lock_release(&s->lock);
		while(gone) {
			a = gone;
			gone = a->next;
			shm_free(a);
		}
	}
}
