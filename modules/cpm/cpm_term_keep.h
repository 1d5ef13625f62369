/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the clients' answers to a pager message mean to its sender, and how the
 * message is kept for them (cpm_term_keep.c).
 */
#ifndef CPM_TERM_KEEP_H
#define CPM_TERM_KEEP_H

#include <stdint.h>

/* Nobody is registered: keep it, or refuse it. */
void cpm_term_keep_now(uint64_t id);

/* In mod_init. */
void cpm_term_keep_init(void);

#endif
