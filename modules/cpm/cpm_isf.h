/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Interworking: which answers and which addresses lead to the interworking
 * selection function (ISF), and what a request has to look like to get there.
 * OMA-TS-CPM_Conv_Fnct 6.5, 8.2.1.1 #8A.i and #8A.iv, 8.2.1.2 #8. Whether a
 * request may be interworked is policy of that request; here is only the how.
 */
#ifndef CPM_ISF_H
#define CPM_ISF_H

#include <stdbool.h>

#include "../../core/parser/msg_parser.h"
#include "../../core/str.h"
#include "cpm_hdr.h"

/* Check and keep modparam isf_uri; in mod_init: 0 or -1. */
int cpm_isf_init(void);

/* Is there an ISF? Without one nothing is interworked. */
bool cpm_isf_is_there(void);

/* One of 404 405 410 414 415 416 488 606 (OP-23, OL-23). */
bool cpm_isf_code(int code);

/* Has the destination a scheme, and one that only the ISF serves: neither sip,
 * sips nor tel (OP-12, OP-37, OL-18)? */
bool cpm_isf_scheme(str uri);

/**
 * Where a request for `dest` has to go so that the ISF gets it.
 *
 * @param dest        the recipient's URI
 * @param core_routes Route entries the core wants us to keep, comma separated;
 *                    may be empty
 * @param ruri        appended: the Request-URI. A sip or tel destination as it
 *                    is; any other, which tm could not send to, escaped as the
 *                    user of the ISF's own URI
 * @param routes      appended: the Route header's value
 *
 * @return 0; -1 there is no ISF, or no memory
 */
int cpm_isf_target(
		str dest, str core_routes, cpm_buf_t *ruri, cpm_buf_t *routes);

/* The Request-URI of cpm_isf_target() alone. */
int cpm_isf_ruri(str dest, cpm_buf_t *ruri);

/* The Route value of cpm_isf_target() alone. */
int cpm_isf_routes(str core_routes, cpm_buf_t *routes);

/* ---- relayed requests (cpm_isf_msg.c) ---- */

struct cell;

/* In mod_init, after tm is bound: 0 or -1. */
int cpm_isf_msg_init(void);

/**
 * Turn a request that is to be relayed to the ISF: Request-URI, Route and next
 * hop. In a request_route before t_relay(), or in a failure.
 *
 * @return 0; -1 no ISF or no memory
 */
int cpm_isf_apply(sip_msg_t *msg);

/* Arm a request that is about to be relayed: when the final answer is one of
 * cpm_isf_code(), and the policy of the request allows it, it is sent to the
 * ISF once. 0 or -1. */
int cpm_isf_on_failure(sip_msg_t *msg);

/* Count a request that goes to the ISF, and its answer. t: its transaction,
 * NULL before there is one. */
void cpm_isf_tried(sip_msg_t *msg, struct cell *t);

/* modparam isf_uri with its ";lr": the next hop of a direct request. */
str cpm_isf_uri(void);

#endif
