/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The way into the B2BUA, and the reading of requests and SDP that the other
 * files of it share.
 */
#ifndef CPM_B2B_IN_H
#define CPM_B2B_IN_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_session.h"
#include "proto/sdp.h"

/* Parse what every function here relies on: all headers, From with a tag, To,
 * Call-ID, CSeq: 0 or -1. */
int cpm_b2b_parse(sip_msg_t *msg);

/* A large-message INVITE of the originating role; as ki_cpm_originating(). */
int cpm_b2b_invite(sip_msg_t *msg);

/* Append the Route entries below our own, comma separated: where the core wants
 * the request to go on. */
void cpm_routes_below(sip_msg_t *msg, cpm_buf_t *b);

/* A peer's SDP becomes CPM_P_* (shared memory) and the leg's plain values;
 * NULL without memory. */
cpm_strs_t *cpm_peer_read(cpm_leg_t *l, const struct sdp *sdp);

#endif
