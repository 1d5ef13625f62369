/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one disposition notification that a Participating Function sends
 * (RFC 5438, OMA-TS-CPM_Conv_Fnct 5.4): delivery `failed`, to the sender of a
 * message that has expired in the store, was given up, or did not reach a
 * recipient of a list after its sender had been told 202. Only where
 * negative-delivery was asked for, never about a notification.
 */
#ifndef CPM_IMDN_H
#define CPM_IMDN_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/str.h"
#include "proto/cpim.h"

/* Is what the wrapper holds a disposition notification? */
bool cpm_imdn_is(const struct cpim *c);

/* Of a message that has failed; texts are borrowed for the call. */
typedef struct cpm_imdn
{
	str user;       /* who did not get it: sip: or tel: URI */
	str sender;     /* whose it is: where the notification goes */
	str message_id; /* imdn.Message-ID */
	str to;         /* CPIM To as the sender wrote it; may be empty */
	str datetime;   /* CPIM DateTime; may be empty */
	str headers;    /* its header lines: of Conversation-ID, Contribution-ID */
	str asserted;   /* on whose behalf; empty: user's */
} cpm_imdn_t;

/* What became of the notification. @param ok its recipient's side has taken
 * it, or refused it for good: there is no sense in another attempt */
typedef void (*cpm_imdn_sent_f)(bool ok, uint64_t id);

/**
 * Send the notification.
 *
 * @param f  told once when 0 is returned, in any process; may be NULL
 *
 * @return 0 it is on its way; -ENOMEM, -E2BIG, -EIO it is not
 */
int cpm_imdn_failed(const cpm_imdn_t *m, cpm_imdn_sent_f f, uint64_t id);

/**
 * Tell the sender of a message to many, who has had his 202, that one
 * recipient did not get it: where the wrapper asks for that. He need not be a
 * user of ours, so it is sent on our own behalf.
 */
void cpm_imdn_of_list(str wrapper, str sender, str uri, str headers);

/* In mod_init. */
void cpm_imdn_init(void);

#endif
