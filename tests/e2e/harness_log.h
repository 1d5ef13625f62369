/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The logs of a lab during one test, and what is still going on in it.
 */
#ifndef E2E_HARNESS_LOG_H
#define E2E_HARNESS_LOG_H

#include "internal.h"

/* Remember where the logs of all parts end now. */
void logs_begin(struct lab *lab);

/* Keep the test's part of each log in its directory. */
void logs_keep(struct lab *lab);

/* The same, and fail the test for each line of ERROR or worse that it did not
 * declare. */
void logs_check(struct lab *lab);

/* The first line of a sanitizer in the relay's log; NULL = none. For the end of
 * a shared lab, when leaks are reported. */
const char *logs_sanitizer(struct lab *lab);

/* Is the part up? One that was left out, or is down, holds nothing. */
bool lab_part_answers(struct lab *lab, const char *part);

/* What the PF or the relay still holds, in words; NULL = nothing. */
const char *lab_busy(struct lab *lab);

#endif
