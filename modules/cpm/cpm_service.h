/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What makes a request a CPM request: the service identifier (ICSI) in
 * Accept-Contact, and the one that is asserted for it. The checks of the
 * request are cpm_check.h's.
 */
#ifndef CPM_SERVICE_H
#define CPM_SERVICE_H

#include "cpm_hdr.h"
#include "proto/icsi.h"

/* Is the service (ICSI_MSG, ICSI_LARGEMSG) asked for in Accept-Contact? The
 * headers must have been parsed to the end, here and below. */
bool cpm_service_wanted(sip_msg_t *msg, enum icsi service);

/**
 * The service to assert: from P-Preferred-Service, else P-Asserted-Service,
 * else the one given.
 *
 * @param wanted base service that must be named (any group form is fine);
 *               ICSI_NONE takes any of the eight
 *
 * @return ICSI_NONE: P-Asserted-Service names another service only
 */
enum icsi cpm_service_choose(sip_msg_t *msg, enum icsi wanted);

/* Copy Accept-Contact but for the fields that name one device (+sip.instance):
 * whoever sends to a client names it anew (TL-07). */
void cpm_service_copy_accept(cpm_buf_t *b, sip_msg_t *msg);

/* Max-Forwards of what we send in the request's place: one less than received,
 * unless the script's mf_process_maxfwd_header() has counted already; 70 when
 * there is none; negative: no hop is left (RFC 3261 16.3). */
int cpm_service_hops(sip_msg_t *msg);

#endif
