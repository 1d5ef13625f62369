/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Further identities of users: which user a telephone number or another
 * address belongs to. A table in shared memory whose entries end by
 * themselves. All names are canonical (cpm_user_name()).
 */
#ifndef CPM_ALIAS_H
#define CPM_ALIAS_H

#include "cpm_clients.h"

/* Make the table, before the fork: 0 or -1. */
int cpm_alias_init(void);

/**
 * Say that an identity is that user's for so long; over an earlier word.
 *
 * @param alias nothing is done when it is the user itself
 * @param ttl_s seconds; 0: forget it, if it is this user's
 */
void cpm_alias_set(str alias, str who, uint32_t ttl_s);

/* Whose it is: the length of the name in buf, or -ENOENT. */
int cpm_alias_get(str alias, char buf[CPM_USER_BUF]);

/* Forget what has ended; from the timer process. */
void cpm_alias_tick(void);

#endif
