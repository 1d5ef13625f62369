/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The module's pseudo-variables, for the exports of cpm_mod.c.
 */
#ifndef CPM_PV_H
#define CPM_PV_H

#include "../../core/pvar.h"

/* For exports.pv_items: $cpm(name). */
extern pv_export_t cpm_pvs[];

#endif
