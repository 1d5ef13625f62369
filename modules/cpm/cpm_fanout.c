/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of fan-outs (cpm_fanout.h): a hash in shared memory, a lock for
 * each slot.
 */
#include "cpm_fanout.h"

#include <string.h>

#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_direct.h"
#include "cpm_pace.h"
#include "cpm_session.h"

#define SLOTS 512 /* fan-outs are short-lived: some seconds at most */

static struct table
{
	struct slot
	{
		gen_lock_t lock;
		cpm_fanout_t *first;
		unsigned n;
	} slots[SLOTS];
} * table;

int cpm_fanout_init(void)
{
	table = shm_malloc(sizeof(*table));
	if(table == NULL)
		return -1;
	memset(table, 0, sizeof(*table));
	for(unsigned i = 0; i < SLOTS; i++)
		if(lock_init(&table->slots[i].lock) == NULL)
			return -1;
	cpm_pace_register(CPM_PACE_PAGER, cpm_fanout_send);
	return 0;
}

void cpm_fanout_exit(void)
{
	table = NULL;
}

cpm_fanout_t *cpm_fanout_new(uint64_t id, cpm_rcpts_t **rcpts, unsigned room)
{
	unsigned n = *rcpts ? (*rcpts)->n : room;
	size_t size = sizeof(cpm_fanout_t) + n * sizeof(cpm_fan_rcpt_t);
	cpm_fanout_t *f = shm_malloc(size);

	if(f == NULL)
		return NULL;
	memset(f, 0, size);
	f->id = id;
	f->created_ms = f->moved_ms = cpm_now_ms();
	f->rcpts = *rcpts;
	*rcpts = NULL;
	return f;
}

void cpm_fanout_free(cpm_fanout_t *f)
{
	cpm_rcpts_free(&f->rcpts);
	cpm_strs_free(&f->texts);
	cpm_direct_free(f->direct);
	shm_free(f);
}

static struct slot *slot_of(uint64_t id)
{
	return &table->slots[(id ^ id >> 32) % SLOTS];
}

void cpm_fanout_add(cpm_fanout_t *f)
{
	struct slot *s = slot_of(f->id);

	lock_get(&s->lock);
	f->next = s->first;
	s->first = f;
	s->n++;
	lock_release(&s->lock);
}

cpm_fanout_t *cpm_fanout_lock(uint64_t id)
{
	struct slot *s;
	cpm_fanout_t *f;

	if(table == NULL)
		return NULL;
	s = slot_of(id);
	lock_get(&s->lock);
	for(f = s->first; f; f = f->next)
		if(f->id == id)
			return f;
	lock_release(&s->lock);
	return NULL;
}

void cpm_fanout_unlock(cpm_fanout_t *f)
{
	struct slot *s = slot_of(f->id);
	cpm_fanout_t **at = &s->first;
	bool over =
			f->answered && f->ok + f->failed == cpm_fanout_n(f) && f->hold == 0;

	if(over) {
		while(*at != f)
			at = &(*at)->next;
		*at = f->next;
		s->n--;
	}
	lock_release(&s->lock);
	if(over)
		cpm_fanout_free(f);
}

static bool is_due(const cpm_fanout_t *f, uint64_t now)
{
	return (!f->answered && f->answer_at && f->answer_at <= now)
			|| (f->out > 0 && f->moved_ms + CPM_FANOUT_LOST_MS <= now);
}

/* Slot by slot, each whole, so that none is reported twice or left out: a slot
 * that does not fit ends the batch. */
static unsigned collect(
		unsigned *slot, uint64_t *ids, unsigned max, uint64_t due_by)
{
	unsigned n = 0;

	for(; *slot < SLOTS; (*slot)++) {
		struct slot *s = &table->slots[*slot];
		unsigned before = n;

		if(s->n == 0) /* a glance without the lock: the next tick sees it */
			continue;
		lock_get(&s->lock);
		for(cpm_fanout_t *f = s->first; f && n < max; f = f->next)
			if(due_by == 0 || is_due(f, due_by))
				ids[n++] = f->id;
		lock_release(&s->lock);
		if(n == max && before > 0) {
			n = before;
			break;
		}
	}
	return n;
}

unsigned cpm_fanout_due(
		uint64_t now, unsigned *slot, uint64_t *ids, unsigned max)
{
	return collect(slot, ids, max, now);
}

unsigned cpm_fanout_ids(unsigned *slot, uint64_t *ids, unsigned max)
{
	return collect(slot, ids, max, 0);
}

unsigned cpm_fanout_count(void)
{
	unsigned n = 0;

	for(unsigned i = 0; table && i < SLOTS; i++)
		n += table->slots[i].n;
	return n;
}

const char *cpm_fan_state_name(unsigned state)
{
	static const char *const names[CPM_FAN_NSTATES] = {
			[CPM_FAN_WAITING] = "waiting",
			[CPM_FAN_SENT] = "sent",
			[CPM_FAN_ISF] = "isf",
			[CPM_FAN_OK] = "ok",
			[CPM_FAN_FAILED] = "failed",
	};

	return state < CPM_FAN_NSTATES ? names[state] : "?";
}
