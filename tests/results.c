/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The result of each test, as a line of a table, for tests/run and the
 * conformance table: "suite/test <tab> pass|fail|skip <tab> seconds <tab>
 * description". Written to the file that RESULTS_TSV names. Linked into every
 * Criterion program.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>

static void note(const struct criterion_test_stats *stats, const char *result)
{
	const struct criterion_test_extra_data *data = stats->test->data;
	const char *path = getenv("RESULTS_TSV");
	FILE *f = path ? fopen(path, "a") : NULL;

	if(f) {
		fprintf(f, "%s/%s\t%s\t%.2f\t%s\n", stats->test->category,
				stats->test->name, result, (double)stats->elapsed_time,
				data->description ? data->description : "");
		fclose(f);
	}
}

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	static const char *const word[] = {
			[CR_STATUS_PASSED] = "pass",
			[CR_STATUS_FAILED] = "fail",
			[CR_STATUS_SKIPPED] = "skip",
	};

	note(stats, stats->timed_out ? "fail" : word[stats->test_status]);
}

/* Instead of POST_TEST. */
ReportHook(TEST_CRASH)(struct criterion_test_stats *stats)
{
	note(stats, "fail");
}
