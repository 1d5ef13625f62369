/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What makes a request a CPM request and what is checked of it before anything
 * else: ICSI in Accept-Contact, P-Preferred-Service and P-Asserted-Service,
 * User-Agent version, Privacy, lifetime, Require. The steps of cpm_sip.h
 * (ki_cpm_is_pager() and so on) are these, one by one.
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

/**
 * The checks both modes have in common: version, anonymity, lifetime,
 * identity, Require, Max-Forwards (OP-02 to OP-04, OL-02 to OL-04).
 *
 * @param extra lines for the refusal ("Unsupported: ...")
 *
 * @return NULL all is well; else the name of the refusal
 */
const char *cpm_service_check(sip_msg_t *msg, cpm_buf_t *extra);

/* Does Privacy ask that the sender be not known (RFC 3323: id, user)? */
bool cpm_service_anonymous(sip_msg_t *msg);

/* Max-Forwards: its value, 70 when there is none. */
unsigned cpm_service_max_forwards(sip_msg_t *msg);

#endif
