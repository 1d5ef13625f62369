/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The shim (LD_PRELOAD) between a program and its files below $SHIM_ROOT. It
 * writes every operation that changes them to $SHIM_TRACE, and lets the n-th
 * fail: $SHIM_FAIL = "n:ERRNO" once, "n:ERRNO:m" m times (0 = from then on).
 * ERRNO is ENOSPC, EIO or SHORT: half of a write is done, then ENOSPC.
 * What is read is never touched.
 */
#ifndef CRASH_SHIM_H
#define CRASH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "trace.h"

/* Operations are done and written down under this lock, so that the trace has
 * the order in which they happened. */
void shim_lock(void);
void shim_unlock(void);

/* Node of a file by its stat; 0: not under test. */
uint64_t shim_node(const struct stat *st);
/* By descriptor; 0 likewise. errno is kept. */
uint64_t shim_node_fd(int fd);
/* Node of the directory that holds the last part of the path, *name that part;
 * 0: not under test. errno is kept. */
uint64_t shim_parent(int dirfd, const char *path, const char **name);
/* A file or directory that has just come to be: a new node, written down. */
uint64_t shim_born(const struct stat *st);

void shim_write(enum trace_op op, uint64_t node, uint64_t dir, uint64_t at,
		const void *data, size_t len);
void shim_write_rename(uint64_t node, uint64_t dir, uint64_t dir2,
		const char *from, const char *to);

enum shim_fault
{
	SHIM_GOES,  /* as it is */
	SHIM_FAILS, /* errno is set */
	SHIM_SHORT  /* half of it, the next one fails */
};
/* What shall become of the next operation under test. */
enum shim_fault shim_fault(const char *what, bool is_write);

#endif
