/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A trace as text, for whoever has to explain a fault.
 */
#include <inttypes.h>
#include <stdio.h>

#include "child.h"

void trace_dump(const struct trace *t, FILE *to)
{
	static const char *const names[] = {"?", "file", "dir", "name", "unname",
			"rename", "write", "truncate", "sync", "SYNC FAILED", "FAULT",
			"mark"};

	for(uint32_t i = 0; i < t->n; i++) {
		const struct trace_rec *r = t->rec[i];
		const char *text = r->op == T_WRITE ? "" : trace_data(r);

		fprintf(to,
				"%6u %-11s node %" PRIu64 " dir %" PRIu64 " at %" PRIu64
				" +%u %s\n",
				i, names[r->op <= T_MARK ? r->op : 0], r->node, r->dir, r->at,
				r->len, text);
	}
}
