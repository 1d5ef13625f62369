/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One life of the daemon: by turns it is killed at a named point of the store
 * and at a random moment. Every point that the store at hand has comes up, and
 * has to be reached.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "crash/rng.h"
#include "kill.h"
#include "store/store_point.h"

#define NAMED_MS 6000 /* by then a point has been reached */
#define RANDOM_MS 700
#define PASSES 8 /* a point kills at one of its first so many passes */
#define HIDDEN_MAX 16

static const char *const points[] = {
#define NAME(name, durable) name,
		STORE_POINTS(NAME)
#undef NAME
};
#define N_POINTS (sizeof(points) / sizeof(points[0]))
static int hits[N_POINTS];

static bool starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Has this store the point? */
static bool exists(size_t point)
{
	const char *name = points[point];

	return world.files
			|| !(starts(name, "body.") || starts(name, "remove.")
					|| starts(name, "sweep.") || starts(name, "lost.")
					|| strcmp(name, "batch.before_dirsync") == 0);
}

static size_t point_of(const char *name)
{
	for(size_t i = 0; i < N_POINTS; i++)
		if(strcmp(points[i], name) == 0)
			return i;
	abort();
}

/* Which point this life ends at; N_POINTS: a random moment. The schema is made
 * but once; what the sweep removes is left by a death between file and row. */
static size_t choose(int turn)
{
	size_t sweep = point_of("sweep.before_unlink");
	size_t ring[N_POINTS], n = 0, at;

	if(turn < 2)
		return point_of(turn == 0 ? "open.before_schema" : "open.in_migration");
	for(size_t i = point_of("open.in_migration") + 1; i < N_POINTS; i++)
		if(exists(i))
			ring[n++] = i;
	at = ring[(size_t)(turn / 2 - 1) % n];
	if(turn % 2 == 1)
		return at == sweep ? at : N_POINTS;
	return at == sweep ? point_of("body.after_name") : at;
}

/* Some files of messages are not there for a life (a way back: the same again).
 * Nothing is lost by that: whoever wants one of them fails. */
static void hide_files(bool hide)
{
	char from[600], to[600];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(from, sizeof(from), "%s/%s", world.dir,
			hide ? "store/bodies" : "hidden");
	dir = opendir(from);
	while(dir && n < HIDDEN_MAX && (e = readdir(dir)) != NULL) {
		if(e->d_name[0] == '.')
			continue;
		snprintf(from, sizeof(from), "%s/%s/%.100s", world.dir,
				hide ? "store/bodies" : "hidden", e->d_name);
		snprintf(to, sizeof(to), "%s/%s/%.100s", world.dir,
				hide ? "hidden" : "store/bodies", e->d_name);
		if(rename(from, to) < 0)
			perror(from);
		n++;
	}
	if(dir)
		closedir(dir);
}

/* Until the daemon has ended, or it is time. */
static int watch(pid_t pid, int ms, bool *by_itself)
{
	int status;

	for(; ms > 0; ms -= 10) {
		if(waitpid(pid, &status, WNOHANG) == pid) {
			*by_itself = true;
			if(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
				return 1;
			fprintf(stderr, "crash: the daemon ended by itself, see %s\n",
					world.log);
			return -1;
		}
		nap(10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 1;
}

int life(const char *program, uint64_t *rng, int turn)
{
	size_t point = choose(turn);
	bool reached = false, lost;
	int ms = (int)rng_below(rng, RANDOM_MS), pass, rc = 1;
	char at[64];

	if(point == N_POINTS)
		return watch(daemon_start(program, NULL), ms, &reached);
	/* Those of the start and of the sweep are not passed often. */
	pass = starts(points[point], "open.") || starts(points[point], "sweep.")
					|| starts(points[point], "lost.")
			? 1
			: 1 + (int)rng_below(rng, PASSES);
	snprintf(at, sizeof(at), "%s:%d", points[point], pass);
	lost = point == point_of("lost.before_update");
	if(lost)
		hide_files(true);
	/* On a busy machine it may come too late, once. */
	for(int try = 0; try < 2 && rc > 0 && !reached; try++)
		rc = watch(daemon_start(program, at), NAMED_MS, &reached);
	if(lost)
		hide_files(false);
	hits[point] += reached;
	return rc;
}

bool life_report(const char *what, int lives)
{
	bool all = true;

	printf("%s: killed at", what);
	for(size_t i = 0; i < N_POINTS; i++)
		if(hits[i] > 0)
			printf(" %s (%d)", points[i], hits[i]);
	putchar('\n');
	for(size_t i = 0; i < N_POINTS && lives >= 2 * (int)N_POINTS; i++)
		if(hits[i] == 0 && exists(i)) {
			fprintf(stderr, "%s: never reached: %s\n", what, points[i]);
			all = false;
		}
	return all;
}
