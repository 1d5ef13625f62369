/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The named points of the crash tests; nothing in any other build.
 */
#include "store/store_point.h"

#ifdef CRASH_POINTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const points[] = {
#define NAME(name, durable) name,
		STORE_POINTS(NAME)
#undef NAME
};

static int known(const char *name, size_t n)
{
	for(size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if(strlen(points[i]) == n && memcmp(points[i], name, n) == 0)
			return 1;
	return 0;
}

void store_point(const char *name)
{
	static long passed;
	const char *at = getenv("MSRP_RELAY_CRASH_AT");
	size_t n;

	if(at == NULL)
		return;
	n = strcspn(at, ":");
	if(!known(at, n) || !known(name, strlen(name))) {
		fprintf(stderr, "MSRP_RELAY_CRASH_AT: no point %s\n",
				known(at, n) ? name : at);
		abort();
	}
	if(strlen(name) != n || memcmp(at, name, n) != 0
			|| __atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED)
					< (at[n] ? strtol(at + n + 1, NULL, 10) : 1))
		return;
	kill(getpid(), SIGKILL);
	for(;;)
		pause();
}
#endif
