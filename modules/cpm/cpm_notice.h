/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users are told of the messages that are kept for them (TL-18;
 * docs/notification.md): by NOTIFY where a client has subscribed to the event
 * package "deferred-messages" (RFC 6665), by MESSAGE to clients that have
 * registered the feature tag ...oma.cpm.deferred. Both carry the whole list as
 * the relay has it at that moment (proto/deferred_list.h), so what was missed
 * or came twice does no harm. Modparam defer_notify says which of the two.
 */
#ifndef CPM_NOTICE_H
#define CPM_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/parser/msg_parser.h"
#include "cpm_b2b_dialog.h"

#define CPM_NOTICE_EVENT "deferred-messages"
#define CPM_NOTICE_LEG 0xffff /* in tags: a subscription, no leg */

/* In mod_init, after cpm_clients_init(): 0 or -1. */
int cpm_notice_init(void);

/* Once a second, in the timer process. */
void cpm_notice_tick(void);

/* What is kept for a user is not what it was, by the relay's word: his
 * subscribers are told when the list is another one. Any process, no lock held.
 *
 * @param who any of his names, canonical; empty: nobody knows whose
 */
void cpm_notice_changed(str who);

/* A message is kept for him, or a push has failed: clients with the tag are
 * told. */
void cpm_notice_kept(str who);

/**
 * A SUBSCRIBE out of a dialog, for the script.
 *
 * @return 0 handled; -1 another event package, or subscriptions are off
 *         (nothing was sent)
 */
int ki_cpm_subscribe(sip_msg_t *msg);

/* A request within the dialog of a subscription; transaction-less yet. As
 * ki_cpm_in_dialog(). */
int cpm_notice_in_dialog(sip_msg_t *msg, const cpm_at_t *at);

/* Subscriptions now. */
unsigned cpm_notice_count(void);

#endif
