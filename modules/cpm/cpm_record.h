/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The place for recording what passes (OMA-TS-CPM_Conv_Fnct 8.5; OL-22,
 * OL-30): whoever stores messages registers here. A message that is to be
 * recorded has its BYE answered late: the transaction is suspended, the
 * relay's session is closed, then the message is stored, and only then goes
 * out the 200, with the Message-UID that the store has given. Without anybody
 * registered each BYE is answered at once.
 *
 *   BYE --> wanted()? --> session.close --> closed() --> cpm_bye_answer()
 *
 * The answer to a MESSAGE that went on as INVITEs is given by cpm_uas_final(),
 * which takes header lines too and may be called whenever it is time.
 */
#ifndef CPM_RECORD_H
#define CPM_RECORD_H

#include "cpm_session.h"

#define CPM_BYE_WAIT_MS 10000 /* a 200 to a BYE is given after that anyway */

typedef struct cpm_record_ops
{
	/* Is this session's message to be recorded? Under the slot's lock: looks
	 * at the session and calls nothing. */
	bool (*wanted)(const cpm_session_t *s);
	/* The relay's session has been closed, the message is complete or will
	 * never be. No lock is held. Calls cpm_bye_answer() when it is done, at
	 * the latest after CPM_BYE_WAIT_MS. */
	void (*closed)(uint64_t id);
} cpm_record_ops_t;

/* Name who records; in mod_init, once. Must live for ever. */
void cpm_record_register(const cpm_record_ops_t *ops);

/* Used by the B2BUA. */
bool cpm_record_wanted(const cpm_session_t *s);
void cpm_record_closed(uint64_t id);

/**
 * Give the 200 to the BYEs of a session that wait for it; does nothing when
 * none does. May be called in any process.
 *
 * @param headers complete lines ("Message-UID: ...\r\n"), may be empty
 */
void cpm_bye_answer(uint64_t id, str headers);

#endif
