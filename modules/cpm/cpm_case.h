/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which half of the network an IMS core wants of us with a request: that of
 * the sender or that of the recipient, and who is served (3GPP TS 24.229
 * 5.7.1 and 5.4.3, RFC 5502). The core tells in one of several ways.
 */
#ifndef CPM_CASE_H
#define CPM_CASE_H

#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_req.h"

/* Is a Route entry our own, one of Kamailio's addresses or aliases? Its URI is
 * parsed into *uri. */
bool cpm_route_is_ours(const rr_t *r, sip_uri_t *uri);

/**
 * The session case of a request. In order: user part of our own Route entry
 * (modparams orig_user and term_user) or its parameter ;case=, sescase of
 * P-Served-User, ;orig in our Route entry, a Request-URI of ours for lists.
 *
 * @param msg all headers must have been parsed
 */
cpm_case_t cpm_case_find(sip_msg_t *msg);

/* The served user's URI: P-Served-User of a trusted peer, else the asserted
 * identity (originating) or the Request-URI (terminating); empty: unknown.
 * Borrowed from the message. */
str cpm_case_served_user(sip_msg_t *msg);

#endif
