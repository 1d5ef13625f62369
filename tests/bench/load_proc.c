// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What other processes use, from /proc: time on CPU in nanoseconds of all their
 * threads (schedstat; user and system, softirq work done in their name
 * included), resident and proportional memory. Used by the benchmarks' tools.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static double cpu_of(pid_t pid)
{
	char path[300];
	double sum = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if(!d)
		return 0;
	while((e = readdir(d)) != NULL) {
		unsigned long long ns;
		FILE *f;

		if(e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid,
				e->d_name);
		f = fopen(path, "re");
		if(!f)
			continue;
		if(fscanf(f, "%llu", &ns) == 1)
			sum += (double)ns / 1e9;
		fclose(f);
	}
	closedir(d);
	return sum;
}

static double field_kb(pid_t pid, const char *file, const char *field)
{
	char path[64], line[256];
	double kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	if(!f)
		return 0;
	while(fgets(line, sizeof(line), f)) {
		if(strncmp(line, field, strlen(field)) == 0) {
			kb = strtod(line + strlen(field), NULL);
			break;
		}
	}
	fclose(f);
	return kb;
}

void proc_cpu_rss(const pid_t *pids, int n, struct proc_use *out)
{
	out->cpu_s = 0;
	out->rss_kb = 0;
	for(int i = 0; i < n; i++) {
		out->cpu_s += cpu_of(pids[i]);
		out->rss_kb += field_kb(pids[i], "status", "VmRSS:");
	}
}

void proc_pss(const pid_t *pids, int n, struct proc_use *out)
{
	out->pss_kb = 0;
	for(int i = 0; i < n; i++)
		out->pss_kb += field_kb(pids[i], "smaps_rollup", "Pss:");
}
