/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of requests within our dialogs share (cpm_b2b_dialog.c,
 * cpm_b2b_bye.c).
 */
#ifndef CPM_B2B_DIALOG_H
#define CPM_B2B_DIALOG_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_session.h"

/* The leg that a request belongs to, by its To-tag. */
typedef struct cpm_at
{
	uint64_t id;
	unsigned n;
	uint32_t cseq;
} cpm_at_t;

/* The session with its slot locked and the leg, when Call-ID and the peer's
 * tag fit as well; else NULL and nothing locked. */
cpm_session_t *cpm_at_lock(sip_msg_t *msg, const cpm_at_t *at, cpm_leg_t **leg);

/* A 200 with our headers and perhaps a body, at once. */
void cpm_at_reply_ok(sip_msg_t *msg, cpm_buf_t *h, str body);

/* A BYE in its transaction. */
void cpm_bye(sip_msg_t *msg, const cpm_at_t *at);

#endif
