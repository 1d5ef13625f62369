/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm.deferred: whose deferred messages this server is about to push or is
 * pushing, and what became of those before. What is stored is known to the
 * relay (msrp-relayctl deferred); nothing is asked of it here.
 */
#include <string.h>

#include "cpm_push.h"
#include "cpm_rpc.h"
#include "cpm_stats.h"

#define USERS_MAX 50 /* in an answer */

struct list
{
	rpc_t *rpc;
	void *list;
	str user; /* empty: all */
	unsigned n;
};

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
