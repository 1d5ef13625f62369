/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Product tokens of User-Agent and Server headers: "CPM-client/OMA2.2 ..."
 * (OMA-TS-CPM_Conv_Fnct appendix D). No allocation.
 */
#ifndef CPM_PRODUCT_H
#define CPM_PRODUCT_H

#include "slice.h"

/* A release as major * 1000 + minor: OMA2.2 is 2002. */
typedef unsigned product_version;

#define PRODUCT_CPM_CLIENT SLICE("CPM-client")
#define PRODUCT_CPM_SERVER SLICE("CPM-serv")

/**
 * Find "<product>/OMA<major>.<minor>" anywhere in a User-Agent value; the case
 * of letters does not count.
 *
 * @param user_agent header value; borrowed
 * @param product    PRODUCT_CPM_CLIENT
 * @param version    filled on success only
 *
 * @return 0; -ENOENT no such token; -EBADMSG the token has no readable version
 */
int product_find(struct slice user_agent, struct slice product,
		product_version *version);

/**
 * Read "2.0" as a version, for the configuration.
 *
 * @return 0 or -EBADMSG; major and minor are at most 999
 */
int product_version_parse(struct slice s, product_version *version);

#endif
