/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients by the reg event package, as cpm_clients.h asks for them:
 * what is known is copied out; what is not is asked for, and who waits is told
 * when it has come or after reg_wait. After a restart nothing is known, and
 * the first message for a user, or his next registration, begins anew. The
 * timer process refreshes and tries again.
 */
#include "cpm_reg.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_alias.h"
#include "cpm_clients_src.h"
#include "cpm_conf.h"
#include "proto/xmldoc.h"

#define BATCH 128
#define ASKS_A_TICK 500   /* SUBSCRIBEs in one turn: spreads the load */
#define LONELY_FAILURES 1 /* then one nobody has registered is forgotten */

/* ---- who waits ---- */

void cpm_reg_tell(cpm_reg_t *r)
{
	cpm_reg_waiter_t *w = r->waiters, *next;
	char buf[CPM_USER_BUF];
	str who = {buf, r->len};

	memcpy(buf, r->name, r->len);
	r->waiters = NULL;
	r->wait_until = 0;
	cpm_reg_unlock(r);
	for(; w; w = next) {
		next = w->next;
		w->f(&who, w->arg);
		shm_free(w);
	}
}

static int when_known(const str *who, cpm_clients_known_f f, uint64_t arg)
{
	cpm_reg_waiter_t *w = shm_malloc(sizeof(*w));
	uint64_t id = 0;
	cpm_reg_t *r;

	if(w == NULL)
		return -ENOMEM;
	w->f = f;
	w->arg = arg;
	r = cpm_reg_lock(who, true);
	if(r && !r->known) {
		w->next = r->waiters;
		r->waiters = w;
		if(r->wait_until == 0)
			r->wait_until = cpm_now_ms() + (uint64_t)cpm_conf.reg_wait;
		/* its answer may have come in between: then it is asked again */
		if(r->state == CPM_REG_NEW || r->state == CPM_REG_OVER)
			id = r->id;
		cpm_reg_unlock(r);
		if(id)
			cpm_reg_ask(id);
		return 0;
	}
	if(r)
		cpm_reg_unlock(r);
	shm_free(w);
	return r ? -EALREADY : -ENOMEM;
}

/* ---- what is known ---- */

/* Private copies of what one list is made of. */
struct copy
{
	str name;
	struct regstate *regs;
	cpm_tags_t *tags;
	cpm_strs_t *ims;
	struct socket_info *sock;
	bool bad;
};

static void *copy_block(const void *p, size_t n, bool *bad)
{
	void *c = p ? pkg_malloc(n) : NULL;

	if(c)
		memcpy(c, p, n);
	else if(p)
		*bad = true;
	return c;
}

/* Under the lock. */
static void copy_out(
		const cpm_reg_t *r, char name[CPM_USER_BUF], struct copy *c)
{
	memset(c, 0, sizeof(*c));
	memcpy(name, r->name, r->len);
	c->name = (str){name, r->len};
	c->regs = copy_block(r->regs, r->regs ? r->regs->size : 0, &c->bad);
	c->tags = copy_block(r->tags,
			r->tags ? sizeof(*r->tags) + r->tags->n * sizeof(cpm_tag_t) : 0,
			&c->bad);
	c->ims = cpm_strs_copy(r->ims);
	c->sock = r->sock;
}

static void copy_free(struct copy *c)
{
	if(c->regs)
		pkg_free(c->regs);
	if(c->tags)
		pkg_free(c->tags);
	cpm_strs_drop(c->ims);
}

static bool has_id(const cpm_clients_t *c, str id)
{
	for(unsigned i = 0; i < c->n_ids; i++)
		if(c->ids[i].len == id.len
				&& memcmp(c->ids[i].s, id.s, (size_t)id.len) == 0)
			return true;
	return false;
}

static void add_ids(cpm_clients_t *c, const struct regstate *s)
{
	char buf[CPM_USER_BUF];

	for(unsigned i = 0; i < s->n_regs && c->n_ids < CPM_CLIENTS_IDS; i++) {
		struct slice aor = regstate_get(s, regstate_regs(s)[i].aor);
		int n = cpm_user_name(cpm_str_of(aor), buf);

		if(n > 0 && !has_id(c, (str){buf, n}))
			c->ids[c->n_ids++] = cpm_clients_text(c, (str){buf, n});
	}
}

/* All registrations of a user tell of the same devices. */
static cpm_client_t *find(
		cpm_clients_t *c, struct slice instance, struct slice u)
{
	for(unsigned i = 0; i < c->n; i++) {
		cpm_client_t *one = &c->v[i];

		if(instance.n > 0 && one->instance.len > 0) {
			if(slice_ieq(cpm_slice_of(one->instance), instance))
				return one;
		} else if(slice_eq(cpm_slice_of(one->uri), u)) {
			return one;
		}
	}
	return NULL;
}

static void add_client(cpm_clients_t *c, const struct copy *from,
		const struct regstate_contact *row)
{
	struct slice uri = regstate_get(from->regs, row->uri);
	struct slice instance = regstate_get(from->regs, row->instance);
	struct slice gruu = regstate_get(from->regs, row->gruu);
	cpm_client_t *one = find(c, instance, uri);

	if(one == NULL) {
		one = &c->v[c->n++];
		one->uri = cpm_clients_text(c, cpm_str_of(uri));
		one->instance = cpm_clients_text(c, cpm_str_of(instance));
		one->path = cpm_clients_text(c, cpm_strs_get(from->ims, CPM_REG_PATH));
		one->sock = from->sock;
	}
	one->tags |= row->services;
	if(one->ua.len == 0)
		one->ua = cpm_clients_text(
				c, cpm_str_of(regstate_get(from->regs, row->ua)));
	/* that of a SIP address: a tel URI has none (RFC 5627 3.1) */
	if(one->gruu.len == 0)
		one->gruu = cpm_clients_text(c, cpm_str_of(gruu));
}

static cpm_clients_t *build(const struct copy *from)
{
	const struct regstate *s = from->regs;
	unsigned n = s ? s->n_contacts : 0;
	size_t path = (size_t)cpm_strs_get(from->ims, CPM_REG_PATH).len;
	size_t texts = (size_t)from->name.len + CPM_USER_BUF * 2
			+ (from->ims ? from->ims->size : 0) + (s ? s->size * 2 : 0)
			+ n * (path + CPM_TAGS_UA);
	cpm_clients_t *c;

	if(n > CPM_CLIENTS_MAX)
		n = CPM_CLIENTS_MAX;
	c = cpm_clients_new(n, texts);
	if(c == NULL)
		return NULL;
	c->user = cpm_clients_text(c, from->name);
	c->ids[c->n_ids++] = c->user;
	c->charging =
			cpm_clients_text(c, cpm_strs_get(from->ims, CPM_REG_CHARGING));
	if(s == NULL)
		return c;
	add_ids(c, s);
	for(unsigned i = 0; i < s->n_contacts && c->n < n; i++)
		add_client(c, from, &regstate_contacts(s)[i]);
	for(unsigned i = 0; i < c->n; i++)
		cpm_tags_apply(from->tags, &c->v[i], c);
	return c;
}

static int get(const str *who, bool ask, cpm_clients_t **out)
{
	cpm_reg_t *r = cpm_reg_lock(who, ask);
	char name[CPM_USER_BUF];
	struct copy c;
	uint64_t id = 0;

	if(r == NULL)
		return ask ? -ENOMEM : -EAGAIN;
	if(!r->known) {
		if(!ask) {
			cpm_reg_unlock(r);
			return -EAGAIN;
		}
		if(r->state == CPM_REG_NEW || r->state == CPM_REG_OVER)
			id = r->id;
		cpm_reg_unlock(r);
		if(id)
			cpm_reg_ask(id);
		return -EAGAIN;
	}
	copy_out(r, name, &c);
	cpm_reg_unlock(r);
	*out = c.bad ? NULL : build(&c);
	copy_free(&c);
	if(*out == NULL)
		LM_ERR("no private memory for the clients of %.*s\n", STR_FMT(who));
	return *out ? 0 : -ENOMEM;
}

/* ---- the clock ---- */

static bool has_contacts(const cpm_reg_t *r)
{
	return r->regs && r->regs->n_contacts > 0;
}

/* What a record that is due wants, under the lock: ask, remove, or neither. */
enum todo
{
	NOTHING,
	ASK,
	REMOVE
};

static enum todo active_due(cpm_reg_t *r, uint64_t now)
{
	if(r->until_ms <= now) {
		r->known = false;
		r->state = CPM_REG_RETRY;
		return has_contacts(r) || r->wanted_ms > now || r->waiters ? ASK
																   : REMOVE;
	}
	if(!r->known && r->since_ms + 32000 <= now) {
		/* accepted, but nothing was told */
		r->until_ms = now;
		r->unheard = true;
		cpm_reg_fail(r, 0);
		return NOTHING;
	}
	if(has_contacts(r) || r->wanted_ms > now)
		return ASK;
	/* nobody there: it may end, and is asked for when somebody wants to know */
	r->due_at = r->until_ms;
	return NOTHING;
}

static enum todo due(cpm_reg_t *r, uint64_t now)
{
	switch(r->state) {
		case CPM_REG_ASKING:
			r->out = false;
			r->until_ms = now;
			r->unheard = true;
			cpm_reg_fail(r, 0);
			return NOTHING;
		case CPM_REG_ACTIVE:
			return active_due(r, now);
		case CPM_REG_RETRY:
			if(r->until_ms <= now)
				r->known = false;
			/* a core that is away does not say that it knows nobody */
			return r->failures <= LONELY_FAILURES || r->unheard
							|| r->wanted_ms > now || r->waiters
					? ASK
					: REMOVE;
		default:
			return r->waiters ? ASK : REMOVE;
	}
}

/* ask false: enough was asked for now. True: a SUBSCRIBE has gone out. */
static bool tick_one(uint64_t id, uint64_t now, bool ask)
{
	cpm_reg_t *r = cpm_reg_lock_id(id);
	enum todo todo = NOTHING;

	if(r && r->wait_until && r->wait_until <= now) {
		cpm_reg_tell(r);
		r = cpm_reg_lock_id(id);
	}
	if(r == NULL)
		return false;
	if(ask && r->due_at && r->due_at <= now)
		todo = due(r, now);
	if(todo == REMOVE)
		cpm_reg_remove(r);
	else
		cpm_reg_unlock(r);
	if(todo == ASK)
		cpm_reg_ask(id);
	return todo == ASK;
}

static void tick(void)
{
	uint64_t ids[BATCH], now = cpm_now_ms();
	unsigned slot = 0, n, asked = 0;

	cpm_alias_tick();
	/* who waits is told, however much there is to be asked */
	while((n = cpm_reg_due(now, &slot, ids, BATCH)) > 0)
		for(unsigned i = 0; i < n; i++)
			asked += tick_one(ids[i], now, asked < ASKS_A_TICK);
}

static int init(void)
{
	xmldoc_init();
	if(cpm_reg_table_init() < 0) {
		LM_ERR("no shared memory for the table of users\n");
		return -1;
	}
	return 0;
}

const cpm_clients_src_t cpm_reg_src = {
		.init = init,
		.get = get,
		.when_known = when_known,
		.slow_tick = tick,
		.destroy = cpm_reg_table_exit,
};
