/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The program under test of `make crash-power` and `make crash-disk`: the
 * store library alone, with puts, claims, settles and orders at the same time.
 * It tells what it was promised by marks (shim_mark) or lines:
 *   put KEY SHA      about to be stored
 *   ack KEY REF      the store has promised to keep it
 *   no KEY           refused: the sender was told so
 *   fence REF N      claimed with this number
 *   go REF           about to be removed: delivered or deleted
 *   gone REF         the store has promised that it is removed
 */
#ifndef CRASH_WORK_H
#define CRASH_WORK_H

#include <stdint.h>
#include <stdio.h>

#define WORK_LINE 512

/**
 * Store, deliver and delete until `ops` operations have been answered, then
 * close the store.
 *
 * @param name  begins the keys of this run
 * @return 0; 1 the store cannot be opened
 */
int work_run(const char *dir, const char *name, uint64_t seed, int ops);

/* Open the store and write "KEY REF FENCE SHA" of each message to f. A body
 * that cannot be read has the sum "unreadable". 0, or 1: it cannot be opened
 * or read. */
int work_list(const char *dir, FILE *f);

#endif
