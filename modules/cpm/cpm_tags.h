/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a REGISTER says of a client and the source of its contacts does not
 * keep: feature tags (usrloc, poor reg event notifiers) and User-Agent (reg
 * event). Read from the Contact values of a REGISTER, ours or one that the
 * core has put into the body of a third-party REGISTER (3GPP TS 24.229
 * 5.4.1.7A). A set of them is one block without pointers.
 */
#ifndef CPM_TAGS_H
#define CPM_TAGS_H

#include "cpm_clients.h"

#define CPM_TAGS_MAX 32 /* clients in a set; the oldest go */
#define CPM_TAGS_UA 96  /* bytes of a User-Agent value that are kept */

typedef struct cpm_tag
{
	uint64_t instance; /* hash of it, 0 none */
	uint64_t uri;      /* hash of the Contact URI */
	uint64_t until_ms; /* the registration asked for, and an hour */
	uint16_t tags;     /* CPM_CAN_* */
	uint16_t ua_n;
	char ua[CPM_TAGS_UA];
} cpm_tag_t;

typedef struct cpm_tags
{
	unsigned n;
	cpm_tag_t v[];
} cpm_tags_t;

/**
 * Read one Contact header value.
 *
 * @param contact   value; several contacts are allowed
 * @param expires_s of the Expires header, for contacts without their own
 * @param ua        User-Agent value; may be empty
 * @param out       room for CPM_TAGS_MAX; entries are added
 * @param n         of them used
 *
 * @return entries used now. A contact that unregisters has until_ms 0.
 */
unsigned cpm_tags_read(struct slice contact, uint32_t expires_s,
		struct slice ua, cpm_tag_t *out, unsigned n);

/* An empty set with room for so many, in shared memory; NULL without it. */
cpm_tags_t *cpm_tags_new(unsigned room);

/**
 * Put newer entries, and what they leave of an old set, into an empty one;
 * allocates nothing, so that it may be done under a lock.
 *
 * @param room the new set has room for; at most CPM_TAGS_MAX
 *
 * @return true; false: more room is needed than this
 */
bool cpm_tags_merge(const cpm_tags_t *old, const cpm_tag_t *newer, unsigned n,
		cpm_tags_t *set, unsigned room);

/* How much room to try, at first (room 0) and when that was not enough. */
unsigned cpm_tags_room(unsigned room, unsigned n);

/* Give the client what the set knows and the client does not; NULL is fine. */
void cpm_tags_apply(const cpm_tags_t *set, cpm_client_t *c, cpm_clients_t *of);

#endif
