/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The chosen clients of a user as recipients of one message (TL-07): a request
 * for each. Used for messages that come in and for those that are pushed.
 */
#ifndef CPM_TERM_RCPTS_H
#define CPM_TERM_RCPTS_H

#include "cpm_clients.h"
#include "cpm_rcpts.h"

/**
 * Recipients from clients that cpm_clients_choose() has chosen. One that is
 * reached directly always has routes or a next hop of its own, which then take
 * the place of the core's.
 *
 * @param out NULL when none is chosen; else for cpm_rcpts_free()
 *
 * @return 0 or -ENOMEM
 */
int cpm_term_rcpts(const cpm_clients_t *c, cpm_rcpts_t **out)
		__attribute__((warn_unused_result));

#endif
