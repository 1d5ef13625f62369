/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whom we believe. Some header fields mean something only because a trusted
 * network has written them: the asserted identity (RFC 3325), the asserted
 * service (RFC 6050), the served user (RFC 5502), charging and access
 * information (RFC 7315). They are taken from peers of modparam trusted_peers
 * and removed when anyone else has sent them.
 */
#ifndef CPM_TRUST_H
#define CPM_TRUST_H

#include <stdbool.h>

#include "cpm_hdr.h"

/* Read modparam trusted_peers; in mod_init: 0 or -1. */
int cpm_trust_init(void);

/* Did a trusted peer send this? Without trusted_peers everyone is. */
bool cpm_trusted(sip_msg_t *msg);

/* Is it a field that only a trusted peer may write? */
bool cpm_trust_guards(const char *name);

/* Is there an identity for this request that we believe: one that the script
 * has set, P-Asserted-Identity or P-Served-User of a trusted peer? All headers
 * must have been parsed, here and below. */
bool cpm_identity_known(sip_msg_t *msg);

/* The identity's first URI, borrowed from the message or the request's record;
 * empty: none. */
str cpm_identity_uri(sip_msg_t *msg);

/* The tel URI of an identity that has one; empty: none. */
str cpm_identity_tel(sip_msg_t *msg);

/* The P-Asserted-Identity lines of a request on behalf of the originator
 * (OP-21, OP-28, 3GPP TS 24.229 5.7.3). */
void cpm_identity_lines(cpm_buf_t *b, sip_msg_t *msg);

/**
 * Make a request that will be relayed carry what we believe and nothing else:
 * guarded fields of a stranger are removed, an identity set by the script
 * replaces that of the request. P-Asserted-Service is cpm_service_header()'s.
 *
 * @return 0; -1 out of memory
 */
int cpm_trust_apply(sip_msg_t *msg);

#endif
