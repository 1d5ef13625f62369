/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the runner prints of each test when it has ended: one line, and for one
 * that failed the ends of what its processes and the lab's parts wrote. A log
 * of the console is often all that is left of a run.
 */
#include "internal.h"

#include <criterion/hooks.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOWN_LINES 40 /* of all files of one test */
#define SHOWN_COLUMNS 180

/* What Kamailio says in every run: of its addresses, its modules, its end. */
static bool is_noise(const char *line)
{
	return strncmp(line, "Listening on", 12) == 0
			|| strncmp(line, "Aliases:", 8) == 0
			|| strncmp(line, "        ", 8) == 0
			|| (strstr(line, "INFO: ") && strstr(line, "INFO: cpm") == NULL
					&& strstr(line, "<script>") == NULL);
}

/* Print the last lines of a file; how many. */
static int show_end(const char *path, int most)
{
	char *text = strdup(file_text(path)), *save = NULL;
	const char *last[16];
	int n = 0, from;

	for(char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save))
		if(!is_noise(line))
			last[n++ % most] = line;
	from = n > most ? n - most : 0;
	if(n > 0)
		printf("     %s:\n", strrchr(path, '/') + 1);
	for(int i = from; i < n; i++)
		printf("       %.*s\n", SHOWN_COLUMNS, last[i % most]);
	free(text);
	return n - from;
}

/* The parts' logs are in the test's directory, or still in the lab's. */
static void show_parts(const char *dir)
{
	static const char *const parts[] = {"cpm", "relay", "cpm2", "relay2"};

	for(size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *kept = fmt("%s/%s.log", dir, parts[i]);

		show_end(access(kept, R_OK) == 0 ? kept
										 : fmt("%s/lab/%s.log", dir, parts[i]),
				8);
	}
}

static void show_files(const char *dir)
{
	int left = SHOWN_LINES;
	glob_t g;

	if(glob(fmt("%s/[0-9]*.*", dir), 0, NULL, &g) != 0)
		return;
	for(size_t i = 0; i < g.gl_pathc && left > 0; i++) {
		const char *path = g.gl_pathv[i];

		if(strstr(path, ".err"))
			left -= show_end(path, 4);
		else if(strstr(path, "-lab-") == NULL)
			left -= show_end(path, 1);
	}
	globfree(&g);
}

static void report(const struct criterion_test_stats *stats, bool failed)
{
	const char *test = fmt("%s/%s", stats->test->category, stats->test->name);
	const char *dir = fmt("%s/e2e/%s", e2e_results(), test);

	printf("%s %s (%.1f s)\n",
			failed                                            ? "fail"
					: stats->test_status == CR_STATUS_SKIPPED ? "skip"
															  : "pass",
			test, (double)stats->elapsed_time);
	if(failed) {
		printf("     logs: %s\n", dir);
		show_files(dir);
		show_parts(dir);
	}
	fflush(stdout);
}

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
	report(stats, stats->timed_out || stats->test_status == CR_STATUS_FAILED);
}

ReportHook(TEST_CRASH)(struct criterion_test_stats *stats)
{
	report(stats, true);
}
