/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Renders the table of statistics: JSON for the control protocol, text for
 * Prometheus. Called on the main loop by ctl/ and http/.
 */
#include "stats_out.h"

#include <dirent.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct row
{
	const char *name, *kind, *help;
	size_t offset;
};

#define ROW(name, kind, help)                                                  \
	{#name, #kind, help, offsetof(struct stats, name)},
static const struct row rows[] = {STATS_TABLE(ROW)};
#undef ROW

#define ROW(name, kind, help)                                                  \
	{"deferred_" #name, #kind, help, offsetof(struct store_stats, name)},
static const struct row store_rows[] = {STORE_STATS(ROW)};
#undef ROW
#define N_STORE_ROWS (sizeof(store_rows) / sizeof(store_rows[0]))

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(sizeof(struct stats) == N_ROWS * sizeof(uint64_t),
		"struct stats holds nothing but the table");

/* s: struct stats or struct store_stats. */
static uint64_t value(const void *s, const struct row *r)
{
	const uint64_t *at =
			(const uint64_t *)(const void *)((const char *)s + r->offset);

	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void put(json_t *o, const char *name, uint64_t v)
{
	json_object_set_new(o, name, json_integer((json_int_t)v));
}

json_t *stats_json(const struct stats *s, const struct stats_process *p)
{
	json_t *o = json_object();

	if(o == NULL)
		return NULL;
	for(size_t i = 0; i < N_ROWS; i++)
		put(o, rows[i].name, value(s, &rows[i]));
	for(size_t i = 0; p->has_store && i < N_STORE_ROWS; i++)
		put(o, store_rows[i].name, value(&p->store, &store_rows[i]));
	put(o, "control_clients", p->control_clients);
	put(o, "draining", (uint64_t)p->draining);
	put(o, "start_time_seconds", p->start_time);
	put(o, "resident_memory_bytes", p->resident_bytes);
	put(o, "open_fds", p->open_fds);
	json_object_set_new(
			o, "cpu_seconds_total", json_real((double)p->cpu_us / 1e6));
	json_object_set_new(o, "version", json_string(p->version));
	return o;
}

static void gauge(FILE *f, const char *name, const char *help, uint64_t v)
{
	fprintf(f,
			"# HELP " STATS_PREFIX "%s %s\n# TYPE " STATS_PREFIX
			"%s gauge\n" STATS_PREFIX "%s %" PRIu64 "\n",
			name, help, name, name, v);
}

static void table(FILE *f, const struct row *r, size_t n, const void *s)
{
	for(; n > 0; n--, r++)
		fprintf(f,
				"# HELP " STATS_PREFIX "%s %s\n# TYPE " STATS_PREFIX
				"%s %s\n" STATS_PREFIX "%s %" PRIu64 "\n",
				r->name, r->help, r->name, r->kind, r->name, value(s, r));
}

char *stats_prometheus(
		const struct stats *s, const struct stats_process *p, size_t *n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if(f == NULL)
		return NULL;
	table(f, rows, N_ROWS, s);
	if(p->has_store)
		table(f, store_rows, N_STORE_ROWS, &p->store);
	gauge(f, "control_clients", "Control connections that are open",
			p->control_clients);
	gauge(f, "draining", "1 when no new sessions are taken",
			(uint64_t)p->draining);
	gauge(f, "start_time_seconds", "Start of the process since the epoch",
			p->start_time);
	gauge(f, "resident_memory_bytes", "Resident memory of the process",
			p->resident_bytes);
	gauge(f, "open_fds", "Open file descriptors", p->open_fds);
	fprintf(f,
			"# HELP " STATS_PREFIX
			"cpu_seconds_total User and system CPU time\n"
			"# TYPE " STATS_PREFIX "cpu_seconds_total counter\n" STATS_PREFIX
			"cpu_seconds_total %" PRIu64 ".%06" PRIu64 "\n",
			p->cpu_us / 1000000, p->cpu_us % 1000000);
	fprintf(f,
			"# HELP " STATS_PREFIX "info Version of the daemon\n"
			"# TYPE " STATS_PREFIX "info gauge\n" STATS_PREFIX
			"info{version=\"%s\"} 1\n",
			p->version);
	if(fclose(f) != 0) {
		free(text);
		return NULL;
	}
	*n = size;
	return text;
}

static uint64_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;

	if(d == NULL)
		return 0;
	while(readdir(d))
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	uint64_t size, pages;
	int n;

	if(f == NULL)
		return 0;
	n = fscanf(f, "%" SCNu64 " %" SCNu64, &size, &pages);
	fclose(f);
	return n == 2 ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void stats_process_read(struct stats_process *p)
{
	struct rusage u;

	p->resident_bytes = resident();
	p->open_fds = count_fds();
	p->cpu_us = 0;
	if(getrusage(RUSAGE_SELF, &u) == 0)
		p->cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000
				+ (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}
