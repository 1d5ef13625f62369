/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processes of the store tests: a run under the shim and its trace, a
 * list of what a store holds, directories.
 */
#ifndef CRASH_CHILD_H
#define CRASH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "trace.h"

struct scene
{
	char dir[256]; /* everything is below it, on a tmpfs when there is one */
	char live[300], base[300], next[300], cut[300], trace[300], log[300];
	const char *self, *shim;
};

struct trace
{
	char *bytes;
	struct trace_rec **rec; /* data behind each */
	uint32_t n, begin;      /* first one that the program has caused */
	uint32_t faults;        /* made by the shim */
};

void scene_begin(struct scene *s, const char *argv0);
void scene_end(struct scene *s);

void dir_copy(const char *from, const char *to); /* `to` is replaced */
void dir_remove(const char *path);

/* Run the load on s->live; the exit code of work_run(), 128 + signal.
 * fail: SHIM_FAIL or NULL. */
int child_run(struct scene *s, const char *name, uint64_t seed, int ops,
		const char *fail);

/* The lines of work_list(), to be freed; NULL: the store cannot be opened. */
char *child_list(struct scene *s, const char *dir);

void trace_read(struct scene *s, struct trace *t);
void trace_free(struct trace *t);
const char *trace_data(const struct trace_rec *rec);
void trace_dump(const struct trace *t, FILE *to);

#endif
