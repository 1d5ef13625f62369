/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files cpm_media*.c share: parts of commands to the relay, and what
 * a command that failed means (docs/control-protocol.md).
 */
#ifndef CPM_MEDIA_H
#define CPM_MEDIA_H

#include <jansson.h>

#include "cpm_b2b.h"
#include "cpm_link.h"

#define CPM_LEG_NAME 12 /* bytes for "in" or a number, with NUL */

/* A leg's name at the relay. */
void cpm_media_leg_name(unsigned n, char out[CPM_LEG_NAME]);

/* A new reference to {"session":"..."}; NULL without memory. */
json_t *cpm_media_params(uint64_t id);

/* A new reference to a string; NULL without memory or when it is no UTF-8. */
json_t *cpm_media_text(str s);

/* A leg object for session.create and leg.add; NULL without memory. Locks the
 * session for a moment. */
json_t *cpm_media_leg(uint64_t id, unsigned n);

/* A leg of the relay's answer becomes the leg's own media: 0; -EBADMSG it is
 * not usable; -ENOENT the session has gone on without it. */
int cpm_media_adopt(uint64_t id, unsigned n, const json_t *answer);

/* Why a session ends whose command has failed so. */
cpm_end_t cpm_media_failure(cpm_link_rc_t rc, int code);

/* Log a command that has failed. */
void cpm_media_log(uint64_t id, const char *method, cpm_link_rc_t rc, int code);

/* The relay cannot or will not do what a leg needs: ends the delivery, and the
 * session where that is all there is. */
void cpm_media_leg_lost(uint64_t id, unsigned n, cpm_end_t why);

/* Hand the next pieces of the content to the relay (cpm_media_put.c). */
void cpm_media_put(uint64_t id);

/* Ask the relay for further legs of a list (cpm_media_leg.c). */
void cpm_media_add_more(uint64_t id);

#endif
