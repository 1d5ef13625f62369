/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm.clients for kamcmd and JSON-RPC: the registered clients of a user as a
 * message for him would find them, or the users whose registration state is
 * followed. Nothing is asked of the core.
 */
#include <errno.h>

#include "../../core/rpc.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_reg.h"
#include "cpm_rpc.h"

#define USERS_MAX 100 /* of a list; kamcmd's answers have a limited size */

static const char *sources[] = {
		[CPM_CONTACTS_NONE] = "none",
		[CPM_CONTACTS_USRLOC] = "usrloc",
		[CPM_CONTACTS_REG] = "reg",
};

static int seconds_to(uint64_t at_ms)
{
	uint64_t now = cpm_now_ms();

	return at_ms > now ? (int)((at_ms - now) / 1000) : 0;
}

/* What is known of the subscription; false: there is no record. */
static bool add_subscription(rpc_t *rpc, void *st, const str *who)
{
	cpm_reg_t *r = cpm_conf.contacts_by == CPM_CONTACTS_REG
			? cpm_reg_lock(who, false)
			: NULL;
	unsigned state, failures, version;
	int left, next, known;

	if(r == NULL)
		return false;
	state = r->state;
	failures = r->failures;
	version = r->regs ? r->regs->version : 0;
	known = r->known;
	left = r->state == CPM_REG_ACTIVE ? seconds_to(r->until_ms) : 0;
	next = seconds_to(r->due_at);
	cpm_reg_unlock(r);
	rpc->struct_add(st, "sddddd", "subscription", cpm_reg_state_name(state),
			"known", known, "version", (int)version, "expires_s", left,
			"next_s", next, "failures", (int)failures);
	return true;
}

static void add_client(rpc_t *rpc, void *list, cpm_client_t *c)
{
	str *texts[] = {&c->gruu, &c->instance, &c->ua, &c->path, &c->received};
	void *st;

	for(size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if(texts[i]->s == NULL)
			texts[i]->s = ""; /* of length 0 */
	if(rpc->array_add(list, "{", &st) < 0)
		return;
	rpc->struct_add(st, "SSSS", "uri", &c->uri, "gruu", &c->gruu, "instance",
			&c->instance, "user_agent", &c->ua);
	rpc->struct_add(st, "ddddd", "tags_known", !!(c->tags & CPM_CAN_KNOWN),
			"msg", !!(c->tags & CPM_CAN_MSG), "largemsg",
			!!(c->tags & CPM_CAN_LARGE), "deferred",
			!!(c->tags & CPM_CAN_DEFERRED), "session",
			!!(c->tags & CPM_CAN_SESSION));
	rpc->struct_add(st, "SS", "path", &c->path, "received", &c->received);
}

static void one_user(rpc_t *rpc, void *ctx, str *uri)
{
	char name[CPM_USER_BUF];
	str who = {name, cpm_user_name(*uri, name)};
	cpm_clients_t *c = NULL;
	void *st, *ids, *list;
	int rc = -EAGAIN;

	if(who.len < 0) {
		rpc->fault(ctx, 400, "Not an address");
		return;
	}
	if(rpc->add(ctx, "{", &st) < 0)
		return;
	rpc->struct_add(
			st, "Ss", "user", &who, "source", sources[cpm_conf.contacts_by]);
	if(add_subscription(rpc, st, &who)
			|| cpm_conf.contacts_by == CPM_CONTACTS_USRLOC)
		rc = cpm_clients_peek(&who, &c);
	if(rc < 0) {
		rpc->struct_add(st, "d", "clients", 0);
		return;
	}
	if(rpc->struct_add(st, "d[", "clients", (int)c->n, "identities", &ids) == 0)
		for(unsigned i = 0; i < c->n_ids; i++)
			rpc->array_add(ids, "S", &c->ids[i]);
	if(rpc->struct_add(st, "[", "list", &list) == 0)
		for(unsigned i = 0; i < c->n; i++)
			add_client(rpc, list, &c->v[i]);
	cpm_clients_free(&c);
}

struct users
{
	rpc_t *rpc;
	void *list;
	unsigned n;
};

static bool add_user(const str *name, void *arg)
{
	struct users *u = arg;

	u->rpc->array_add(u->list, "S", name);
	return ++u->n < USERS_MAX;
}

static void all_users(rpc_t *rpc, void *ctx)
{
	struct users u = {.rpc = rpc};
	cpm_reg_counts_t counts;
	void *st;

	cpm_reg_count(&counts);
	if(rpc->add(ctx, "{", &st) < 0
			|| rpc->struct_add(st, "sdd[", "source",
					   sources[cpm_conf.contacts_by], "users",
					   (int)counts.users, "subscriptions", (int)counts.active,
					   "names", &u.list)
					< 0)
		return;
	cpm_reg_each(add_user, &u);
}

void cpm_rpc_clients(rpc_t *rpc, void *ctx)
{
	str uri;

	if(rpc->scan(ctx, "*S", &uri) > 0)
		one_user(rpc, ctx, &uri);
	else
		all_users(rpc, ctx);
}
