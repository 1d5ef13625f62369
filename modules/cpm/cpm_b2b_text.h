/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The texts of a session: what is kept of the originator's request, the
 * inbound dialog, and the dialog of each outgoing INVITE, which is made when
 * its time has come. Also used for a MESSAGE that goes on as an INVITE.
 */
#ifndef CPM_B2B_TEXT_H
#define CPM_B2B_TEXT_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_session.h"

/* Append the Route entries below our own, comma separated: where the core wants
 * the request to go on. */
void cpm_routes_below(sip_msg_t *msg, cpm_buf_t *b);

/**
 * Make the block cpm_session_t.msg.
 *
 * @param v HEADERS, LIST, TYPES, WRAPPED, OFFER, CONTENT_TYPE, MESSAGE_ID by
 * the caller; FROM, TO, TARGET, ROUTES and NEXT_HOP are taken from the request
 * where they are empty
 *
 * @return the block in shared memory; NULL without memory
 */
cpm_strs_t *cpm_text_session(sip_msg_t *msg, str v[CPM_T_N]);

/* The inbound dialog of an INVITE: CPM_D_* in shared memory; NULL without
 * memory. */
cpm_strs_t *cpm_text_in_dialog(sip_msg_t *msg, uint64_t id);

/* Where an outgoing INVITE goes: of a recipient, or what the session says. */
typedef struct cpm_dest
{
	cpm_buf_t uri;      /* empty: CPM_T_TARGET */
	cpm_buf_t routes;   /* empty: CPM_T_ROUTES */
	cpm_buf_t next_hop; /* empty: CPM_T_NEXT_HOP */
	bool keep_to;       /* To as received, not the recipient's URI */
	bool isf;           /* to the interworking function */
} cpm_dest_t;

/* That of a leg, under the lock; for cpm_dest_drop(). */
void cpm_dest_take(const cpm_session_t *s, const cpm_leg_t *l, cpm_dest_t *out);
void cpm_dest_drop(cpm_dest_t *d);

/**
 * The dialog of an outgoing INVITE, with a new Call-ID.
 *
 * @param msg CPM_T_* of the session, private copy
 *
 * @return CPM_D_* in shared memory; NULL: no memory, or no ISF to send it to
 */
cpm_strs_t *cpm_text_out_dialog(const cpm_strs_t *msg, uint64_t id,
		unsigned leg, const cpm_dest_t *dest);

/* Resolve the next hop here: a worker may wait for DNS as any proxy does, the
 * link process, which will send the INVITE, may not and finds it cached.
 * false: it cannot be resolved.
 *
 * @param dest where it goes when nothing else says so; empty: not known yet */
bool cpm_text_next_hop_resolves(sip_msg_t *msg, str dest);

#endif
