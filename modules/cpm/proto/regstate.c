/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Full and partial state of registrations (regstate.h). A user has a handful
 * of contacts; what a hostile document could make of them is bounded by
 * reginfo.h, and looking a contact up by the bounds below.
 */
#include "regstate.h"

#include <errno.h>
#include <stdlib.h>

/* One contact on its way into the new state, from either side. */
struct item
{
	unsigned reg;
	unsigned services;
	struct slice id, uri, instance, gruu, ua;
};

struct merge
{
	const struct regstate *old;
	const struct reginfo *doc;
	struct slice aor[REGINFO_REGS_MAX], id[REGINFO_REGS_MAX];
	unsigned n_regs;
	struct item *items;
	unsigned n, max;
	struct regstate_news news;
};

/* ---- registrations ---- */

static int add_reg(struct merge *m, struct slice aor, struct slice id)
{
	if(m->n_regs == REGINFO_REGS_MAX)
		return -E2BIG;
	m->aor[m->n_regs] = aor;
	m->id[m->n_regs] = id;
	return (int)m->n_regs++;
}

/* Place of the registration in the document; n_regs: it is not there. */
static unsigned doc_reg(const struct reginfo *doc, struct slice id)
{
	unsigned i = 0;

	while(i < doc->n_regs && !slice_eq(doc->regs[i].id, id))
		i++;
	return i;
}

static bool doc_has_contact(
		const struct reginfo *doc, unsigned reg, struct slice id)
{
	for(unsigned i = 0; i < doc->n_contacts; i++)
		if(doc->contacts[i].reg == reg && slice_eq(doc->contacts[i].id, id))
			return true;
	return false;
}

/* ---- contacts ---- */

static int add_item(struct merge *m, const struct item *item)
{
	if(m->n == m->max)
		return -E2BIG;
	m->items[m->n++] = *item;
	return 0;
}

static struct item item_of_old(
		const struct regstate *s, const struct regstate_contact *c)
{
	return (struct item){.services = c->services,
			.id = regstate_get(s, c->id),
			.uri = regstate_get(s, c->uri),
			.instance = regstate_get(s, c->instance),
			.gruu = regstate_get(s, c->gruu),
			.ua = regstate_get(s, c->ua)};
}

/* The same client as before: nothing about it is new. */
static bool known(const struct regstate *old, const struct item *item)
{
	const struct regstate_contact *c;

	if(old == NULL)
		return false;
	c = regstate_contacts(old);
	for(unsigned i = 0; i < old->n_contacts; i++) {
		struct item o = item_of_old(old, &c[i]);

		if(slice_eq(o.uri, item->uri) && slice_eq(o.instance, item->instance)
				&& o.services == item->services)
			return true;
	}
	return false;
}

/* Of a partial document: what it does not mention stays. */
static int keep_old(struct merge *m)
{
	const struct regstate_reg *regs = regstate_regs(m->old);
	const struct regstate_contact *c = regstate_contacts(m->old);
	int rc = 0, place;

	for(unsigned i = 0; i < m->old->n_regs && rc == 0; i++) {
		struct slice id = regstate_get(m->old, regs[i].id);
		unsigned in_doc = doc_reg(m->doc, id);

		if(in_doc < m->doc->n_regs
				&& m->doc->regs[in_doc].state != REGINFO_ACTIVE)
			continue;
		place = add_reg(m, regstate_get(m->old, regs[i].aor), id);
		if(place < 0)
			return place;
		for(unsigned j = 0; j < m->old->n_contacts && rc == 0; j++) {
			struct item item = item_of_old(m->old, &c[j]);

			if(c[j].reg != i || doc_has_contact(m->doc, in_doc, item.id))
				continue;
			item.reg = (unsigned)place;
			rc = add_item(m, &item);
		}
	}
	return rc;
}

/* Place of a registration that the document calls active; made if need be. */
static int place_of(struct merge *m, const struct reginfo_reg *r)
{
	for(unsigned i = 0; i < m->n_regs; i++)
		if(slice_eq(m->id[i], r->id))
			return (int)i;
	return add_reg(m, r->aor, r->id);
}

static int take_doc(struct merge *m)
{
	int place = 0, rc = 0;

	for(unsigned i = 0; i < m->doc->n_regs; i++)
		if(m->doc->regs[i].state == REGINFO_ACTIVE) {
			place = place_of(m, &m->doc->regs[i]);
			if(place < 0)
				return place;
		}
	for(unsigned i = 0; i < m->doc->n_contacts && rc == 0; i++) {
		const struct reginfo_contact *c = &m->doc->contacts[i];
		struct item item = {.services = c->services,
				.id = c->id,
				.uri = c->uri,
				.instance = c->instance,
				.gruu = c->gruu,
				.ua = c->ua};

		if(!c->active || m->doc->regs[c->reg].state != REGINFO_ACTIVE)
			continue;
		item.reg = (unsigned)place_of(m, &m->doc->regs[c->reg]);
		rc = add_item(m, &item);
		m->news.added = m->news.added || !known(m->old, &item);
		m->news.refreshed = m->news.refreshed || c->refreshed;
	}
	return rc;
}

/* ---- the block ---- */

static struct regstate_text put(
		struct regstate *s, uint32_t *at, struct slice text)
{
	struct regstate_text t = {*at, (uint32_t)text.n};

	if(text.n > 0)
		memcpy((char *)s + *at, text.p, text.n);
	*at += (uint32_t)text.n;
	return t;
}

static struct regstate *write_block(const struct merge *m)
{
	size_t size = sizeof(struct regstate), texts = 0;
	struct regstate_contact *contacts;
	struct regstate_reg *regs;
	struct regstate *s;
	uint32_t at;

	for(unsigned i = 0; i < m->n_regs; i++)
		texts += m->aor[i].n + m->id[i].n;
	for(unsigned i = 0; i < m->n; i++)
		texts += m->items[i].id.n + m->items[i].uri.n + m->items[i].instance.n
				+ m->items[i].gruu.n + m->items[i].ua.n;
	size += m->n_regs * sizeof(*regs) + m->n * sizeof(*contacts) + texts;
	s = calloc(1, size);
	if(s == NULL)
		return NULL;
	s->size = (uint32_t)size;
	s->version = m->doc->version;
	s->n_regs = m->n_regs;
	s->n_contacts = m->n;
	s->regs_at = sizeof(*s);
	s->contacts_at = s->regs_at + m->n_regs * (uint32_t)sizeof(*regs);
	at = s->contacts_at + m->n * (uint32_t)sizeof(*contacts);
	regs = (void *)((char *)s + s->regs_at);
	contacts = (void *)((char *)s + s->contacts_at);
	for(unsigned i = 0; i < m->n_regs; i++)
		regs[i] = (struct regstate_reg){
				put(s, &at, m->aor[i]), put(s, &at, m->id[i])};
	for(unsigned i = 0; i < m->n; i++) {
		const struct item *item = &m->items[i];

		contacts[i].reg = (uint16_t)item->reg;
		contacts[i].services = (uint16_t)item->services;
		contacts[i].id = put(s, &at, item->id);
		contacts[i].uri = put(s, &at, item->uri);
		contacts[i].instance = put(s, &at, item->instance);
		contacts[i].gruu = put(s, &at, item->gruu);
		contacts[i].ua = put(s, &at, item->ua);
	}
	return s;
}

/* RFC 3680 section 5.1. A full document is taken whatever its version: some
 * registrars send each with version 0, and the order of the dialog's requests
 * is the caller's. */
static int check_version(const struct regstate *old, const struct reginfo *doc)
{
	if(doc->full)
		return 0;
	if(old == NULL || doc->version > old->version + 1)
		return -ESTALE;
	return doc->version <= old->version ? -EALREADY : 0;
}

int regstate_merge(const struct regstate *old, const struct reginfo *doc,
		unsigned max_contacts, struct regstate **out,
		struct regstate_news *news)
{
	struct merge m = {.old = old, .doc = doc, .max = max_contacts};
	struct regstate *s = NULL;
	int rc = check_version(old, doc);

	if(rc < 0)
		return rc;
	m.items = calloc(max_contacts ? max_contacts : 1, sizeof(*m.items));
	if(m.items == NULL)
		return -ENOMEM;
	if(!doc->full)
		rc = keep_old(&m);
	if(rc == 0)
		rc = take_doc(&m);
	if(rc == 0) {
		s = write_block(&m);
		rc = s ? 0 : -ENOMEM;
	}
	free(m.items);
	if(rc < 0)
		return rc;
	m.news.all_over = m.n_regs == 0;
	*news = m.news;
	*out = s;
	return 0;
}
