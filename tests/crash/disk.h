/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A disk that loses its power, made from a trace of the shim. Bytes are
 * durable after an fsync of their file, names after an fsync of their
 * directory; anything else may have reached the disk or not: each sector of
 * each write for itself, in any order, each name for itself.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "trace.h"

struct disk;

/* base: copy of the directory under test as it was when the trace began. */
struct disk *disk_new(const char *base, uint64_t seed);
void disk_free(struct disk *d);

/* One more operation has happened. */
void disk_apply(struct disk *d, const struct trace_rec *rec, const char *data);

/* The power goes now: what is on the disk is written to the directory `out`,
 * which is made. The disk itself goes on as if nothing had been. */
void disk_cut(struct disk *d, const char *out);

#endif
