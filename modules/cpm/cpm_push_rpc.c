/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm.deferred: what is stored, which the relay is asked for, whose deferred
 * messages this server is about to push or is pushing, and what became of those
 * before. A process that serves RPCs alone waits for the relay's answer, a SIP
 * worker (RPC over HTTP) does not.
 */
#include <string.h>
#include <unistd.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_link.h"
#include "cpm_push.h"
#include "cpm_rpc.h"
#include "cpm_stats.h"

#define USERS_MAX 50 /* in an answer */
#define WAIT_MS 1000 /* for the relay */
#define WAIT_STEP_MS 2

struct list
{
	rpc_t *rpc;
	void *list;
	str user; /* empty: all */
	unsigned n;
};

/* ---- what the relay says ---- */

enum
{
	ASKED,
	ANSWERED,
	GIVEN_UP /* by who asked: the block is for the answer to free */
};

typedef struct count
{
	int state; /* atomic */
	bool ok;
	uint64_t messages, bytes, oldest_s;
} count_t;

static bool may_wait = true;

void cpm_push_rpc_child_init(int rank)
{
	may_wait = rank <= 0;
}

static uint64_t number_of(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v > 0 ? (uint64_t)v : 0;
}

static void on_count(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t arg, int leg)
{
	count_t *c = (count_t *)(uintptr_t)arg;

	(void)code;
	(void)leg;
	c->ok = rc == CPM_LINK_OK;
	c->messages = number_of(result, "messages");
	c->bytes = number_of(result, "bytes");
	c->oldest_s = number_of(result, "oldest_s");
	if(__atomic_exchange_n(&c->state, ANSWERED, __ATOMIC_ACQ_REL) == GIVEN_UP)
		shm_free(c);
}

/* Of all, or of one user; false: not known. */
static bool ask_count(const str *user, count_t *out)
{
	count_t *c = shm_malloc(sizeof(*c));
	json_t *params = user->len > 0
			? json_pack("{s:[s#]}", "users", user->s, user->len)
			: json_object();
	bool ok;

	if(c == NULL || params == NULL) {
		json_decref(params);
		if(c)
			shm_free(c);
		LM_ERR("no memory to ask the relay\n");
		return false;
	}
	memset(c, 0, sizeof(*c));
	if(cpm_link_send("deferred.count", params, WAIT_MS, on_count,
			   (uint64_t)(uintptr_t)c, 0)
			< 0) {
		shm_free(c);
		return false;
	}
	for(int ms = 0; ms < WAIT_MS
			&& __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == ASKED;
			ms += WAIT_STEP_MS)
		usleep(WAIT_STEP_MS * 1000);
	if(__atomic_exchange_n(&c->state, GIVEN_UP, __ATOMIC_ACQ_REL) != ANSWERED)
		return false;
	*out = *c;
	ok = c->ok;
	shm_free(c);
	return ok;
}

static void add_count(rpc_t *rpc, void *st, const str *user)
{
	count_t c;
	void *store;

	if(!may_wait)
		return;
	if(!ask_count(user, &c))
		rpc->struct_add(st, "s", "store", "not available");
	else if(rpc->struct_add(st, "{", "store", &store) == 0) {
		rpc->struct_add(store, "jj", "messages", (unsigned long)c.messages,
				"bytes", (unsigned long)c.bytes);
		if(user->len == 0)
			rpc->struct_add(store, "j", "oldest_s", (unsigned long)c.oldest_s);
	}
}

/* ---- what goes on here ---- */

static bool add_push(const cpm_push_info_t *p, void *arg)
{
	struct list *l = arg;
	void *st;

	if(l->user.len > 0
			&& (strlen(p->user) != (size_t)l->user.len
					|| memcmp(p->user, l->user.s, (size_t)l->user.len) != 0))
		return true;
	if(l->rpc->array_add(l->list, "{", &st) < 0)
		return false;
	l->rpc->struct_add(st, "ssd", "user", p->user, "state", p->state, "in_ms",
			(int)p->in_ms);
	if(p->ref[0] != '\0')
		l->rpc->struct_add(st, "ssjdd", "ref", p->ref, "kind",
				p->large ? "large" : "pager", "bytes", (unsigned long)p->size,
				"attempts", (int)p->attempts, "code", p->code);
	return ++l->n < USERS_MAX;
}

void cpm_rpc_deferred(rpc_t *rpc, void *ctx)
{
	struct list l = {.rpc = rpc};
	void *st;

	if(rpc->scan(ctx, "*S", &l.user) < 1)
		l.user.len = 0;
	if(rpc->add(ctx, "{", &st) < 0)
		return;
	add_count(rpc, st, &l.user);
	rpc->struct_add(st, "jjjjjj", "stored", cpm_stat_get(CPM_STAT_DEFERRED),
			"refused", cpm_stat_get(CPM_STAT_DEFER_REFUSED), "delivered",
			cpm_stat_get(CPM_STAT_PUSHED), "retries",
			cpm_stat_get(CPM_STAT_PUSH_RETRIES), "failed",
			cpm_stat_get(CPM_STAT_PUSH_FAILED), "expired",
			cpm_stat_get(CPM_STAT_EXPIRED));
	if(rpc->struct_add(
			   st, "d[", "pushing", (int)cpm_push_count(), "users", &l.list)
			== 0)
		cpm_push_each(add_push, &l);
}
