/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of one user's registrations: the sum of the documents of one
 * subscription (RFC 3680 section 5.1: version numbers, full and partial state).
 * One block without pointers, so that a copy of its bytes is a copy of it, in
 * any kind of memory.
 */
#ifndef CPM_REGSTATE_H
#define CPM_REGSTATE_H

#include "reginfo.h"

/* A piece of the block's text. */
struct regstate_text
{
	uint32_t at;
	uint32_t n;
};

struct regstate_reg
{
	struct regstate_text aor, id;
};

struct regstate_contact
{
	uint16_t reg;      /* index of its registration */
	uint16_t services; /* REGINFO_* */
	struct regstate_text id, uri, instance, gruu, ua;
};

/* Registrations that are active, then contacts that are, then text. */
struct regstate
{
	uint32_t size; /* bytes of the block */
	uint32_t version;
	uint32_t n_regs, n_contacts;
	uint32_t regs_at, contacts_at; /* bytes from the block's begin */
};

static inline const struct regstate_reg *regstate_regs(const struct regstate *s)
{
	return (const void *)((const char *)s + s->regs_at);
}

static inline const struct regstate_contact *regstate_contacts(
		const struct regstate *s)
{
	return (const void *)((const char *)s + s->contacts_at);
}

static inline struct slice regstate_get(
		const struct regstate *s, struct regstate_text t)
{
	return slice_of((const char *)s + t.at, t.n);
}

/* What a document has changed. */
struct regstate_news
{
	bool added;     /* a contact is new, or has another URI or services */
	bool refreshed; /* a contact is said to be still there */
	bool all_over;  /* no registration is active any more */
};

/**
 * Add a document to what is known.
 *
 * @param old          NULL: nothing yet
 * @param doc          the document
 * @param max_contacts more are not kept
 * @param out          for free(); filled on success only
 * @param news         filled on success only
 *
 * @return 0; -ESTALE the document is partial and not the next one: everything
 *         has to be asked for; -EALREADY it is one that was seen before;
 *         -E2BIG too many contacts or registrations; -ENOMEM
 */
int regstate_merge(const struct regstate *old, const struct reginfo *doc,
		unsigned max_contacts, struct regstate **out,
		struct regstate_news *news) __attribute__((warn_unused_result));

#endif
