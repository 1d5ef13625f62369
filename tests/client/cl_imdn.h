/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Disposition notifications about received messages (RFC 5438, OMA CPM 5.4).
 */
#ifndef CL_IMDN_H
#define CL_IMDN_H

#include "cl_cpim.h"
#include "client.h"

/**
 * Send the reports that a received message asks for.
 *
 * @param e    its event, with originator and ids
 * @param cpim its wrapper
 */
void cl_imdn_answer(struct client *c, json_t *e, const struct cl_cpim *cpim);

#endif
