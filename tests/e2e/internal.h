/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the parts of the harness share; tests include harness.h alone.
 */
#ifndef E2E_INTERNAL_H
#define E2E_INTERNAL_H

#include "harness.h"

#define E2E_SLOTS 8

/* Bytes of shared memory that a Kamailio may hold more at the end of a suite
 * than at its start. */
#define E2E_SHM_SLACK 0

/* Root of the source tree and the directory of results, absolute. */
const char *e2e_root(void);
const char *e2e_results(void);

/* Memory that lives as long as the test's process. */
void *e2e_alloc(size_t n);

/* Give the place of an ended process back; its files are removed. */
void proc_forget(struct proc *p);

/* Kill and reap all that the test has started. */
void proc_end_all(void);

/* Shared labs that are still up, by slot: the number, or 0. For the runner. */
int e2e_slot_shared(int slot);
/* Stop the own lab of a slot, which a test that crashed or was killed has left.
 */
void e2e_slot_clear(int slot);
/* Check and stop the shared lab of a slot; 0, or -1 with a message printed. */
int e2e_slot_finish(int slot);

#endif
