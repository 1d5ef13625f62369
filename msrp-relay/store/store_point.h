/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Named points where the crash tests kill the daemon. Built with VARIANT=crash
 * (CRASH_POINTS defined) a point that MSRP_RELAY_CRASH_AT names kills the
 * process with SIGKILL, "NAME" the first time and "NAME:N" the N-th time it is
 * reached; in any other build it is nothing.
 */
#ifndef STORE_STORE_POINT_H
#define STORE_STORE_POINT_H

/* POINT(name, what is durable there) */
#define STORE_POINTS(POINT)                                                    \
	POINT("open.before_schema", "nothing new")                                 \
	POINT("open.in_migration", "the schema of before")                         \
	POINT("open.before_recover", "leases of an earlier life")                  \
	POINT("body.before_write", "nothing of the body")                          \
	POINT("body.after_write", "the file has all bytes, not synced")            \
	POINT("body.after_sync", "the file is synced, without its name")           \
	POINT("body.after_name", "the file has its name, the folder not synced")   \
	POINT("put.before_insert", "the body of a large message")                  \
	POINT("put.after_insert", "the same")                                      \
	POINT("claim.after_update", "not yet the claim")                           \
	POINT("settle.after_delete", "the message is still there")                 \
	POINT("batch.before_dirsync", "bodies, perhaps their names")               \
	POINT("batch.before_commit", "bodies and names; rows of before")           \
	POINT("batch.after_commit", "everything; nobody has been answered")        \
	POINT("batch.after_answer", "everything; answers are on their way")        \
	POINT("remove.before_unlink", "row gone, file still there")                \
	POINT("remove.after_unlink", "row and file gone")                          \
	POINT("sweep.before_unlink", "a file without a row")                       \
	POINT("lost.before_update", "a row without its file")

#ifdef CRASH_POINTS
void store_point(const char *name);
#else
#define store_point(name) ((void)0)
#endif

#endif
