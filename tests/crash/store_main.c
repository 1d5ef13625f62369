/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-store: `power` loses the power of the machine, `disk` lets writes
 * fail, each under the store library (make crash-power, make crash-disk).
 * `run` and `list` are what it starts itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "disk.h"
#include "ledger.h"
#include "rng.h"
#include "work.h"

#define OPS 160          /* of one run */
#define CUTS_OF_A_RUN 40 /* at random places of its trace */
#define DISK_OPS 60      /* of one run of which one fails */
#define GENERATIONS 8    /* runs on what a cut has left, then anew */

static void mark(struct ledger *l, const struct trace_rec *rec)
{
	if(rec->op == T_MARK)
		ledger_mark(l, trace_data(rec));
}

/* Open what is left of the store and compare. */
static char *inspect(struct scene *s, struct ledger *l, const char *dir,
		struct audit *a, const char *where)
{
	char *list = child_list(s, dir);

	if(list == NULL) {
		a->broken++;
		fprintf(stderr, "%s: the store cannot be opened, see %s\n", where,
				s->log);
	}
	ledger_audit(l, list, a, where);
	return list;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void told(const char *what, const struct audit *a)
{
	printf("%s: acknowledged %" PRIu64 ", stored %" PRIu64
		   " (not acknowledged: %" PRIu64 "); lost %" PRIu64
		   ", changed %" PRIu64 ", back again %" PRIu64 ", fences %" PRIu64
		   ", strange %" PRIu64 ", not to be opened %" PRIu64 "\n",
			what, a->acked, a->found, a->unacked, a->lost, a->changed,
			a->returned, a->fences, a->strange, a->broken);
}

/* ---- power ------------------------------------------------------------- */

/* One run, and cuts everywhere in it; what the `heir` of them leaves is what
 * the next run starts with. Returns the cuts. */
static int power_run(struct scene *s, uint64_t seed, int most, struct ledger *l,
		struct audit *a)
{
	uint64_t rng = seed;
	uint32_t cuts[CUTS_OF_A_RUN], at = 0;
	int n = most < CUTS_OF_A_RUN ? most : CUTS_OF_A_RUN, heir, rc;
	char name[32], where[96], *list;
	struct trace t;
	struct disk *d;

	snprintf(name, sizeof(name), "r%" PRIx64, seed & 0xffffffff);
	dir_copy(s->base, s->live);
	rc = child_run(s, name, seed, OPS, NULL);
	if(rc != 0) {
		fprintf(stderr, "run %" PRIu64 ": exit code %d, see %s\n", seed, rc,
				s->log);
		a->broken++;
		return n;
	}
	trace_read(s, &t);
	d = disk_new(s->base, seed);
	for(int i = 0; i < n; i++)
		cuts[i] = t.begin + (uint32_t)rng_below(&rng, t.n - t.begin + 1);
	qsort(cuts, (size_t)n, sizeof(cuts[0]), by_value);
	heir = (int)rng_below(&rng, (uint64_t)n);
	struct ledger after = {0};

	for(int i = 0; i < n; i++) {
		for(; at < cuts[i]; at++) {
			disk_apply(d, t.rec[at], trace_data(t.rec[at]));
			mark(l, t.rec[at]);
		}
		dir_remove(s->cut);
		disk_cut(d, s->cut);
		if(i == heir)
			dir_copy(s->cut, s->next);
		snprintf(where, sizeof(where), "seed %" PRIu64 ", cut at %u of %u",
				seed, cuts[i], t.n);
		list = inspect(s, l, s->cut, a, where);
		if(i == heir)
			ledger_restart(&after, list);
		free(list);
	}
	dir_copy(s->next, s->base);
	free(l->p);
	*l = after;
	disk_free(d);
	trace_free(&t);
	return n;
}

static int power(struct scene *s, int cuts, uint64_t seed, bool must_lose)
{
	struct ledger l = {0};
	struct audit a = {0};
	time_t begin = time(NULL);
	int done = 0, runs = 0;

	while(done < cuts) {
		if(runs % GENERATIONS == 0) {
			dir_remove(s->base);
			if(mkdir(s->base, 0700) < 0)
				return 2;
			l.n = 0;
		}
		done += power_run(s, seed + (uint64_t)runs++, cuts - done, &l, &a);
	}
	free(l.p);
	printf("crash-power: seed %" PRIu64
		   ", %d cuts in %d runs, %d operations each, %lld s%s\n",
			seed, done, runs, OPS, (long long)(time(NULL) - begin),
			must_lose ? ", synchronous=NORMAL" : "");
	told("crash-power", &a);
	if(!must_lose)
		return audit_faults(&a) > 0;
	if(a.lost == 0)
		printf("crash-power: nothing was lost: the test proves nothing\n");
	return a.lost == 0;
}

/* ---- disk -------------------------------------------------------------- */

/* The n-th operation fails; false: there were not so many. */
static bool disk_step(struct scene *s, uint64_t seed, const char *kind,
		int times, int n, struct audit *a, int *bad)
{
	char fail[64], where[96];
	struct ledger l = {0};
	struct trace t;
	struct disk *d;
	bool hit;
	int rc;

	snprintf(fail, sizeof(fail), "%d:%s:%d", n, kind, times);
	snprintf(where, sizeof(where), "fault %s", fail);
	dir_copy(s->base, s->live);
	rc = child_run(s, "d", seed, DISK_OPS, fail);
	if(rc > 1) {
		fprintf(stderr, "%s: exit code %d, see %s\n", where, rc, s->log);
		(*bad)++;
		return true;
	}
	trace_read(s, &t);
	hit = t.faults > 0;
	d = disk_new(s->base, (uint64_t)n);
	for(uint32_t i = 0; i < t.n; i++) {
		disk_apply(d, t.rec[i], trace_data(t.rec[i]));
		mark(&l, t.rec[i]);
	}
	/* the machine went on; and the machine lost its power afterwards */
	free(inspect(s, &l, s->live, a, where));
	dir_remove(s->cut);
	disk_cut(d, s->cut);
	snprintf(where, sizeof(where), "fault %s, then the power", fail);
	free(inspect(s, &l, s->cut, a, where));
	disk_free(d);
	trace_free(&t);
	free(l.p);
	return hit;
}

static int disk(struct scene *s, int stride, uint64_t seed)
{
	static const struct
	{
		const char *kind;
		int times; /* 0: from then on */
	} how[] = {{"ENOSPC", 1}, {"ENOSPC", 20}, {"ENOSPC", 0}, {"EIO", 1},
			{"EIO", 20}, {"SHORT", 1}};
	struct audit a = {0};
	time_t begin = time(NULL);
	int bad = 0, faults = 0;

	dir_remove(s->base);
	if(mkdir(s->base, 0700) < 0)
		return 2;
	for(size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		int n = 1;

		for(; disk_step(s, seed, how[i].kind, how[i].times, n, &a, &bad);
				n += stride)
			faults++;
		printf("crash-disk: %s, %d times from the n-th operation on: n = 1, "
			   "%d .. %d\n",
				how[i].kind, how[i].times, 1 + stride, n);
	}
	printf("crash-disk: seed %" PRIu64
		   ", %d faults, %lld s; runs that ended badly: %d\n",
			seed, faults, (long long)(time(NULL) - begin), bad);
	told("crash-disk", &a);
	return audit_faults(&a) > 0 || bad > 0;
}

/* One fault, with its trace. */
static int disk_one(
		struct scene *s, const char *kind, int times, int n, uint64_t seed)
{
	struct audit a = {0};
	struct trace t;
	int bad = 0;

	dir_remove(s->base);
	if(mkdir(s->base, 0700) < 0)
		return 2;
	disk_step(s, seed, kind, times, n, &a, &bad);
	told("crash-disk", &a);
	if(audit_faults(&a) == 0 && bad == 0)
		return 0;
	trace_read(s, &t);
	trace_dump(&t, stdout);
	trace_free(&t);
	return 1;
}

static int usage(void)
{
	fprintf(stderr,
			"usage: crash-store power|power-normal CUTS [SEED]\n"
			"       crash-store disk STRIDE [SEED]\n"
			"       crash-store fault KIND TIMES N [SEED]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct scene s;
	int rc;

	if(argc == 6 && strcmp(argv[1], "run") == 0)
		return work_run(argv[2], argv[3], strtoull(argv[4], NULL, 10),
				(int)strtol(argv[5], NULL, 10));
	if(argc == 3 && strcmp(argv[1], "list") == 0)
		return work_list(argv[2], stdout);
	if(argc < 3)
		return usage();
	scene_begin(&s, argv[0]);
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	int n = (int)strtol(argv[2], NULL, 10);

	if(strcmp(argv[1], "power") == 0) {
		rc = power(&s, n, seed, false);
	} else if(strcmp(argv[1], "power-normal") == 0) {
		setenv("MSRP_RELAY_SYNCHRONOUS", "NORMAL", 1);
		rc = power(&s, n, seed, true);
	} else if(strcmp(argv[1], "disk") == 0 && n > 0) {
		rc = disk(&s, n, seed);
	} else if(strcmp(argv[1], "fault") == 0 && argc > 4) {
		rc = disk_one(&s, argv[2], (int)seed, (int)strtol(argv[4], NULL, 10),
				argc > 5 ? strtoull(argv[5], NULL, 10) : 1);
	} else {
		rc = usage();
	}
	if(rc == 0 || rc == 2)
		scene_end(&s);
	else
		fprintf(stderr, "left in %s\n", s.dir);
	return rc;
}
