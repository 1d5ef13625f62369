/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lists of addresses as in P-Asserted-Identity, P-Served-User, Contact or
 * Route: name-addr or addr-spec with header parameters (RFC 3261 section 20
 * and 25.1). No allocation.
 */
#ifndef CPM_ADDR_H
#define CPM_ADDR_H

#include "slice.h"

struct addr
{
	struct slice display; /* as it stands there, with its quotes; may be "" */
	struct slice uri;     /* without < >; has neither blank nor control byte */
	struct slice params;  /* header parameters, from behind the first ';' */
};

/**
 * Take the first address off a list.
 *
 * @param list  header value; becomes what follows the address and its comma
 * @param out   filled on success only; borrowed
 *
 * @return 1 an address; 0 the list is at its end; -EBADMSG what stands there
 *         is none (the list is at its end then)
 */
int addr_next(struct slice *list, struct addr *out);

/**
 * A header parameter, quotes taken off its value.
 *
 * @param params of struct addr
 * @param name   compared without regard to case
 * @param value  "" for a parameter without value; may be NULL; filled on
 *               success only
 *
 * @return true when it is there
 */
bool addr_param(struct slice params, struct slice name, struct slice *value);

#endif
