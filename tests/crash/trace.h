/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the shim writes down: one record for each operation on the files under
 * test, in the order in which they happened. Files and directories have a
 * number for their life, `node`; node 1 is the directory under test.
 */
#ifndef CRASH_TRACE_H
#define CRASH_TRACE_H

#include <stdint.h>

#define TRACE_ROOT 1

enum trace_op
{
	T_FILE = 1,    /* node: a file came to be (without a name yet) */
	T_DIR,         /* node: likewise a directory */
	T_NAME,        /* in directory `dir` a name (data) for node */
	T_UNNAME,      /* the name (data) of node in `dir` is gone */
	T_RENAME,      /* node, from `dir` to `dir2`: data = old NUL new */
	T_WRITE,       /* node, at: data */
	T_TRUNCATE,    /* node, at = size */
	T_SYNC,        /* node: what was written to it is durable */
	T_SYNC_FAILED, /* node: fsync returned an error */
	T_FAULT,       /* the shim has made an operation fail; data = its name */
	T_MARK         /* data: said by the program under test */
};

/* On disk as it is in memory; `len` bytes of data follow. */
struct trace_rec
{
	uint32_t op, len;
	uint64_t node, dir, dir2, at;
};

/* Of the shim, looked up by the program under test with dlsym(): a T_MARK. */
typedef void shim_mark_fn(const char *text);

#endif
