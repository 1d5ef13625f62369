/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests to the EXPLODER-URI, one message to many recipients: how such a
 * request is known, the checks that MESSAGE and INVITE have in common
 * (OMA-TS-CPM_Conv_Fnct 8.2.1.1 #8A.ii.1-5, 8.2.1.2 #7.a) and the reading of
 * its body (RFC 5365, RFC 5366).
 */
#ifndef CPM_EXPLODER_H
#define CPM_EXPLODER_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_rcpts.h"
#include "proto/slice.h"

/* Check and keep modparam exploder_uri; in mod_init: 0 or -1. */
int cpm_exploder_init(void);

/* Is the Request-URI one of modparam exploder_uri, whatever its parameters? */
bool cpm_is_exploder(sip_msg_t *msg);

/**
 * The checks of a list request, in the order of the text: anonymity (119),
 * body and list (400, 415, 513), too many recipients (102), none (129).
 * What is common to all requests (cpm_check()) comes before.
 *
 * @param out    filled on success: at least one recipient, none of them twice,
 *               none of them an EXPLODER-URI; for cpm_rcpts_free()
 * @param detail may be set to a text for the Warning of the refusal
 *
 * @return NULL all is well; else the name of the refusal
 */
const char *cpm_exploder_check(
		sip_msg_t *msg, cpm_rcpts_t **out, const char **detail);

/**
 * The message itself: the message/cpim part, beside the list or alone.
 *
 * @param out borrowed from msg
 *
 * @return NULL; else the name of the refusal (400, 415)
 */
const char *cpm_exploder_cpim(
		sip_msg_t *msg, struct slice *out, const char **detail);

/* A request's body, as long as Content-Length says; n is 0 without one. */
struct slice cpm_body(sip_msg_t *msg);

#endif
