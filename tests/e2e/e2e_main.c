/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The end-to-end test program: runs the tests, then stops the shared labs and
 * checks that Kamailio's shared memory is back where it was. Exit code 1: tests
 * failed; 2: that check did, or it did too.
 */
#include "internal.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
/* A test's memory lives as long as its process: no leak (LSan asks us). The
 * programs under test are checked, each for itself. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}
#endif

static void make_results(void)
{
	mkdir(fmt("%s/build", e2e_root()), 0755);
	mkdir(e2e_results(), 0755);
	mkdir(fmt("%s/e2e", e2e_results()), 0755);
	for(int i = 0; i < E2E_SLOTS; i++)
		unlink(fmt("%s/e2e/slot-%d.shared", e2e_results(), i));
}

int main(int argc, char *argv[])
{
	struct criterion_test_set *tests = criterion_initialize();
	int ok = 1, labs_ok = 1;

	if(criterion_handle_args(argc, argv, true)) {
		make_results();
		ok = criterion_run_all_tests(tests);
		for(int i = 0; i < E2E_SLOTS; i++) {
			e2e_slot_clear(i);
			if(e2e_slot_shared(i) && e2e_slot_finish(i) < 0)
				labs_ok = 0;
		}
	}
	criterion_finalize(tests);
	return !labs_ok ? 2 : !ok;
}
