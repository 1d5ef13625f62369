/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The checks of the originating role before anything is sent, in the order of
 * the text: OMA-TS-CPM_Conv_Fnct 8.2.1.1 steps 1 to 4 and 8 (MESSAGE), 8.2.1.2
 * steps 1 to 5 (INVITE). Each decides on the request's own policy (cpm_req.h),
 * and is a script function too (cpm_sip.h). A refusal is the name of a row in
 * cpm_reject.c; the last one is kept as $cpm(refusal).
 *
 * All headers must have been parsed, From too.
 */
#ifndef CPM_CHECK_H
#define CPM_CHECK_H

#include "cpm_hdr.h"
#include "proto/product.h"

/**
 * All of it that MESSAGE and INVITE have in common and that needs no body:
 * headers without bytes that could end a line elsewhere, hops left, authorised,
 * version, anonymity, lifetime, session timer of an INVITE, extensions asked
 * for.
 *
 * @return NULL all is well; else the name of the refusal
 */
const char *cpm_check(sip_msg_t *msg);

/* Is a client with that User-Agent value new enough? Without a CPM-client token
 * modparam version_required decides. @param min 0: any is. */
bool cpm_check_agent(struct slice user_agent, product_version min);

/* What is left of the lifetime that the sender has given in Expires (MESSAGE)
 * or Message-Expires, s: counted from Date when there is one; 0: it is not to
 * be stored; UINT32_MAX: he has set no limit. After cpm_check(). */
uint32_t cpm_check_lifetime(sip_msg_t *msg);

/* Step 5 for an INVITE: refresher=uas is 122 (OL-05) but in the terminating
 * role, a short interval 422, what cannot be read 400.
 * @param out filled on success; may be NULL */
const char *cpm_check_timer(sip_msg_t *msg, cpm_timer_hdr_t *out);

/* A message of that many bytes against $cpm(max_message): 133 or NULL. */
const char *cpm_check_bytes(sip_msg_t *msg, uint64_t bytes);

/* Does the request ask for anonymity: Privacy id, user or header (RFC 3323,
 * 3325), or an anonymous From? */
bool cpm_check_anonymous(sip_msg_t *msg);

/* Lines that a refusal needs beside those of its row: Min-SE, Unsupported. */
void cpm_check_lines(sip_msg_t *msg, const char *refusal, cpm_buf_t *b);

#endif
