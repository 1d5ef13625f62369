/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The harness itself: what all other tests rely on must not lie.
 */
#include "harness.h"

#include <string.h>

E2E_SUITE(harness);

E2E_TEST(harness, processes_give_exit_code_and_output, "")
{
	struct proc *p = proc_start("sh",
			(const char *[]){"sh", "-c",
					"echo '{\"event\":\"a\",\"n\":1}'; echo noise; "
					"echo '{\"event\":\"b\",\"n\":2}'; exit 3",
					NULL});

	cr_assert_eq(event_number(proc_event(p, "b", 2000), "n"), 2);
	cr_assert_eq(proc_wait(p, 2000), 3);
	cr_assert_eq(json_array_size(proc_events(p, NULL)), 2);
	cr_assert(strstr(proc_stdout(p), "noise") != NULL);
}

E2E_TEST(harness, files_are_the_same_in_every_run, "")
{
	const char *path = test_file("x", 100000, false);

	cr_assert_eq(file_size(path), 100000);
	cr_assert_str_eq(
			file_sha256(path), file_sha256(test_file("y", 100000, false)));
}
