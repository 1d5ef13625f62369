/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names of sessions and dialogs. A session's id is the place of its INVITE in
 * tm's table (index and label), so that a CANCEL finds it through tm. Local
 * tags carry the id and the leg under a keyed hash: a request or reply of one
 * of our dialogs is recognised without a table, a forged one or one of an
 * earlier life of this server is not.
 */
#ifndef CPM_ID_H
#define CPM_ID_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "../../core/str.h"

#define CPM_ID_BUF 32  /* bytes for a printed id with its NUL */
#define CPM_TAG_BUF 48 /* bytes for a printed tag with its NUL */
#define CPM_HEX_BUF 40 /* bytes for 32 random hex digits with NUL */

/* In log lines: LM_INFO("session " CPM_ID_FMT ...\n", CPM_ID_ARG(id)). */
#define CPM_ID_FMT "%08" PRIx32 "-%012" PRIx64
#define CPM_ID_ARG(id) cpm_id_boot(), (id)

/* Draw this life's key; before the fork: 0 or a negative errno. */
int cpm_id_init(void);

/* Drawn at start: the part of a printed id that tells lives apart. */
uint32_t cpm_id_boot(void);

static inline uint64_t cpm_id_make(unsigned index, unsigned label)
{
	return (uint64_t)(index & 0xffff) << 32 | label;
}

static inline unsigned cpm_id_index(uint64_t id)
{
	return (unsigned)(id >> 32 & 0xffff);
}

static inline unsigned cpm_id_label(uint64_t id)
{
	return (unsigned)(id & 0xffffffff);
}

/* Session (48 bits) and leg (16) as the parameter of a tm callback: no memory
 * behind it. */
static inline void *cpm_id_param(uint64_t id, unsigned leg)
{
	return (void *)(uintptr_t)(id << 16 | (leg & 0xffff));
}

static inline uint64_t cpm_id_of(const void *param)
{
	return (uint64_t)(uintptr_t)param >> 16;
}

static inline unsigned cpm_id_leg(const void *param)
{
	return (unsigned)((uintptr_t)param & 0xffff);
}

/* Print the id as relay, log and RPC know it; returns its length. */
int cpm_id_print(uint64_t id, char out[CPM_ID_BUF]);

/* Read a printed id: 0; -1 another shape or another life's. */
int cpm_id_parse(const char *s, size_t n, uint64_t *id);

/* Print the local tag of a leg; returns its length. */
int cpm_tag_print(uint64_t id, unsigned leg, char out[CPM_TAG_BUF]);

/* Read a tag: 0 it is ours, id and leg are filled; -1 it is not. */
int cpm_tag_parse(const str *tag, uint64_t *id, unsigned *leg);

/* 32 random hex digits: Call-ID, Contribution-ID and so on. */
void cpm_id_random(char out[CPM_HEX_BUF]);

/* Keyed hash (SipHash-2-4) of bytes, with this life's key. */
uint64_t cpm_id_hash(const void *p, size_t n);

/* The same with a key of the caller's; and this life's key. */
uint64_t cpm_id_hash_with(const uint64_t k[2], const void *p, size_t n);
void cpm_id_key(uint64_t out[2]);

#endif
