/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager messages, originating role.
 */
#ifndef CPM_PAGER_H
#define CPM_PAGER_H

#include "../../core/parser/msg_parser.h"

/* Check, rewrite and relay a MESSAGE; as ki_cpm_originating(). */
int cpm_pager(sip_msg_t *msg);

#endif
