/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The result of each test, as a line of a table, for tests/run (progress) and
 * the conformance table: "suite/test <tab> pass|fail|skip <tab> seconds <tab>
 * description". Written to the file that RESULTS_TSV names. Linked into every
 * Criterion program.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	static const char *const word[] = {
			[CR_STATUS_PASSED] = "pass",
			[CR_STATUS_FAILED] = "fail",
			[CR_STATUS_SKIPPED] = "skip",
	};
	const struct criterion_test_extra_data *data = stats->test->data;
	const char *path = getenv("RESULTS_TSV"), *progress = getenv("PROGRESS");
	const char *result = stats->crashed || stats->timed_out
			? "fail"
			: word[stats->test_status];
	FILE *f = path ? fopen(path, "a") : NULL;

	if(f) {
		fprintf(f, "%s/%s\t%s\t%.2f\t%s\n", stats->test->category,
				stats->test->name, result, (double)stats->elapsed_time,
				data->description ? data->description : "");
		fclose(f);
	}
	if(progress) {
		printf("%s %s/%s (%.1f s)\n", result, stats->test->category,
				stats->test->name, (double)stats->elapsed_time);
		if(result[0] == 'f')
			printf("     logs: %s/e2e/%s/%s\n", progress, stats->test->category,
					stats->test->name);
		fflush(stdout);
	}
}
