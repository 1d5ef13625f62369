/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sources of registered clients, behind cpm_clients.h: what each of them has
 * to do, and what they share. Nobody else includes this.
 */
#ifndef CPM_CLIENTS_SRC_H
#define CPM_CLIENTS_SRC_H

#include "cpm_clients.h"

typedef struct cpm_clients_src
{
	/* In mod_init: 0 or -1 (logged). */
	int (*init)(void);
	/* As cpm_clients_get() or, without ask, _peek(); user is canonical. */
	int (*get)(const str *user, bool ask, cpm_clients_t **out);
	/* As cpm_clients_when_known(); NULL: all is always known. */
	int (*when_known)(const str *user, cpm_clients_known_f f, uint64_t arg);
	/* Work off what has been noted; in any process, as often as one likes. */
	void (*tick)(void);
	/* In the timer process, each second. */
	void (*slow_tick)(void);
	/* In mod_destroy. */
	void (*destroy)(void);
} cpm_clients_src_t;

extern const cpm_clients_src_t cpm_usrloc_src;
extern const cpm_clients_src_t cpm_reg_src;

/* ---- what usrloc does not keep (cpm_usrloc_tags.c) ---- */

#define CPM_ULTAGS_TEXTS 1024 /* bytes of texts that apply() may add */

int cpm_ultags_init(void);

/* Add the feature tags of his clients, and the user's further identities. */
void cpm_ultags_apply(cpm_clients_t *c);

/* Forget what has ended. */
void cpm_ultags_tick(void);

/**
 * An empty list in private memory.
 *
 * @param n     room for clients
 * @param texts bytes of all texts that will be put into it
 *
 * @return NULL without memory
 */
cpm_clients_t *cpm_clients_new(unsigned n, size_t texts);

/* Copy a text into the list; no more than was announced fits. */
str cpm_clients_text(cpm_clients_t *c, str s);

#endif
