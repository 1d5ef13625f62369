/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of stats.h for readers: JSON for the control protocol, text for
 * Prometheus, with what belongs to the process and to no worker.
 */
#ifndef MSRP_STATS_OUT_H
#define MSRP_STATS_OUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "stats.h"
#include "store/store.h"

#define STATS_PREFIX "msrp_relay_"

struct stats_process
{
	const char *version;
	uint64_t start_time;      /* seconds since the epoch */
	uint64_t resident_bytes;  /* 0 = unknown */
	uint64_t cpu_us;          /* user and system */
	uint64_t open_fds;        /* 0 = unknown */
	uint64_t control_clients; /* connections */
	int draining;             /* 1 = no new sessions */
	int has_store;            /* 1 = what follows is told */
	struct store_stats store;
};

/* All of them as one object, names without the prefix; NULL = no memory. */
json_t *stats_json(const struct stats *s, const struct stats_process *p);

/**
 * All of them in Prometheus' text format 0.0.4.
 *
 * @param n  length, filled on success only
 * @return the text, NUL behind it, to be freed with free(); NULL = no memory
 */
char *stats_prometheus(
		const struct stats *s, const struct stats_process *p, size_t *n);

/* Fill cpu_us, resident_bytes and open_fds of this process. */
void stats_process_read(struct stats_process *p);

#endif
