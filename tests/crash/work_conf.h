/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the two halves of the program under test share.
 */
#ifndef CRASH_WORK_CONF_H
#define CRASH_WORK_CONF_H

#include "store/store.h"

/* Bodies of more than 8 KiB are files. */
static inline struct store_conf work_conf(const char *dir)
{
	return (struct store_conf){.backend = STORE_SQLITE,
			.dir = dir,
			.inline_bytes = 8192,
			.lifetime_s = 86400,
			.lifetime_max_s = 86400};
}

/* SHA-256 in hex. */
void work_sha(const void *p, size_t n, char hex[65]);

#endif
