/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests of ours within (or to begin) a leg's dialog, by way of tm. tm is
 * given a transient dlg_t made of the leg's texts; nothing of it stays there
 * but the transaction's index and label.
 */
#ifndef CPM_LEG_H
#define CPM_LEG_H

#include "../tm/tm_load.h"
#include "cpm_session.h"

/* tm's and tm's further functions, bound in cpm_sip_mod_init(). */
extern struct tm_binds cpm_tm;
extern tm_xapi_t cpm_tmx;

/* What is needed of a leg to send a request, copied under the lock. */
typedef struct cpm_dialog
{
	cpm_strs_t *dlg; /* private copy, owned */
	struct socket_info *sock;
	uint32_t cseq; /* of the request to come */
} cpm_dialog_t;

/* Copy and, with new_cseq, count the leg's CSeq up: 0 or -ENOMEM. */
int cpm_dialog_take(cpm_leg_t *l, bool new_cseq, cpm_dialog_t *out);

/* Free what cpm_dialog_take() made. */
void cpm_dialog_drop(cpm_dialog_t *d);

/**
 * Send a request. No lock may be held.
 *
 * @param d       the dialog
 * @param method  "INVITE", "BYE", ...
 * @param headers complete lines; may be empty
 * @param body    may be empty
 * @param flags   TMCB_* for cb
 * @param cb      called as tm does; NULL none
 * @param param   cpm_id_param(), handed to cb
 * @param index   place of the transaction; may be NULL
 * @param label   likewise
 *
 * @return 0; negative: nothing was sent and cb will never be called
 */
int cpm_dialog_send(const cpm_dialog_t *d, const char *method, str headers,
		str body, int flags, transaction_cb cb, void *param, unsigned *index,
		unsigned *label);

/**
 * End a leg whatever its state: BYE, CANCEL, or nothing. The inbound leg
 * before its final answer is not touched: that is cpm_uas_final()'s.
 */
void cpm_leg_end(uint64_t id, unsigned n);

/* CANCEL a leg that was given up while its INVITE was being sent. */
void cpm_leg_cancel(uint64_t id, unsigned n);

#endif
