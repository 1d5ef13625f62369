/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The accountant: what was promised, against what is there.
 */
#ifndef CRASH_LEDGER_H
#define CRASH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct promise
{
	char key[64], ref[64], sha[65];
	uint64_t fence;
	bool acked; /* the store has promised to keep it */
	bool going; /* it may be removed */
	bool gone;  /* the store has promised that it is removed */
	bool found; /* by the audit that is under way */
};

struct ledger
{
	struct promise *p;
	size_t n, cap;
};

struct audit
{
	uint64_t acked;    /* that had to be there */
	uint64_t found;    /* of them */
	uint64_t lost;     /* of them: not there */
	uint64_t changed;  /* other bytes, or unreadable */
	uint64_t returned; /* removed, and there again */
	uint64_t fences;   /* number of a claim went back */
	uint64_t strange;  /* messages that nobody has put, or twice the same */
	uint64_t broken;   /* the store could not be opened */
	uint64_t unacked;  /* there although not promised: no fault */
};

/* One line of work.h. */
void ledger_mark(struct ledger *l, const char *line);

/* Compare with the lines of work_list(); the first faults go to stderr, behind
 * `where`. */
void ledger_audit(
		struct ledger *l, const char *list, struct audit *a, const char *where);

/* What is listed is what is promised from now on. */
void ledger_restart(struct ledger *l, const char *list);

/* All but unacked. */
uint64_t audit_faults(const struct audit *a);

#endif
