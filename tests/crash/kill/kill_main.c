/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * crash-kill: starts the daemon, lets threads store and deliver, kills it with
 * SIGKILL at random moments and at every named point of the store, starts it
 * again, and in the end lets everything be delivered and closes the book.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/rng.h"
#include "kill.h"
#include "store/store_point.h"

#define FEEDERS 6
#define LARGE_FEEDERS 4
#define TAKERS 3
#define DRAIN_MS 60000

struct world world;

static const char *const points[] = {
#define NAME(name, durable) name,
		STORE_POINTS(NAME)
#undef NAME
};
#define N_POINTS (sizeof(points) / sizeof(points[0]))
static int hits[N_POINTS];

static void write_conf(const char *url)
{
	FILE *f = fopen(world.conf, "w");

	if(f == NULL) {
		perror(world.conf);
		exit(2);
	}
	fprintf(f,
			"listen_address = " KILL_IP "\nlisten_port = %d\n"
			"control_socket = %s\nhttp_address = " KILL_IP "\nhttp_port = %d\n"
			"workers = 1\ncontrol_clients = 64\nspool_dir = %s/spool\n"
			"spool_memory = 64KiB\nstore_dir = %s/store\n"
			"store_inline_bytes = 16KiB\ndefer_user_messages = 100000\n"
			"defer_user_bytes = 100GiB\ndefer_min_free = 0\n",
			world.msrp_port, world.sock, world.http_port, world.dir, world.dir);
	if(*url)
		fprintf(f, "store = postgresql\nstore_url = %s\nstore_node = n1\n",
				url);
	else
		fprintf(f, "store = sqlite\n");
	fclose(f);
}

static pid_t daemon_start(const char *program, const char *at)
{
	pid_t pid = fork();

	if(pid == 0) {
		int log = open(world.log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if(at)
			setenv("MSRP_RELAY_CRASH_AT", at, 1);
		dup2(log, 1);
		dup2(log, 2);
		execl(program, program, "-f", "-c", world.conf, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Does it answer? -1: it has ended. */
static int daemon_answers(pid_t pid, int ms)
{
	struct ctl c;
	int rc = 0, code;
	json_t *r = NULL;

	ctl_init(&c, "main");
	for(int i = 0; i < ms / 20 && r == NULL && rc == 0; i++) {
		if(waitpid(pid, NULL, WNOHANG) == pid)
			rc = -1;
		else
			r = ctl_ask(&c, "deferred.count", json_object(), &code);
	}
	json_decref(r);
	ctl_drop(&c);
	free(c.in);
	json_decref(c.events);
	return rc < 0 ? -1 : r != NULL;
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
	size_t next = (size_t)(turn / 2) % N_POINTS;

	if(turn < 2)
		return point_of(turn == 0 ? "open.before_schema" : "open.in_migration");
	if(turn % 2 == 1)
		return next == point_of("sweep.before_unlink") ? next : N_POINTS;
	return next == point_of("sweep.before_unlink") ? point_of("body.after_name")
												   : next;
}

/* One life: until a point kills it, or after so long we do. 1; -1: it ended
 * otherwise. */
static int life(const char *program, uint64_t *rng, int turn)
{
	size_t point = choose(turn);
	bool named = point < N_POINTS;
	int lives_ms = named ? 1500 : (int)rng_below(rng, 700);
	char at[64];
	pid_t pid;

	if(named)
		snprintf(at, sizeof(at), "%s:%d", points[point],
				strncmp(points[point], "open.", 5) == 0
								|| points[point][0] == 's'
						? 1
						: 1 + (int)rng_below(rng, 8));
	pid = daemon_start(program, named ? at : NULL);
	for(int ms = 0; ms < lives_ms; ms += 10) {
		int status;

		if(waitpid(pid, &status, WNOHANG) == pid) {
			if(!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
				fprintf(stderr, "crash: the daemon ended by itself, see %s\n",
						world.log);
				return -1;
			}
			if(named)
				hits[point]++;
			return 1;
		}
		nap(10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 1;
}

/* Everything is delivered that was acknowledged; no more kills. */
static int drain(const char *program, pid_t *pid)
{
	*pid = daemon_start(program, NULL);
	if(daemon_answers(*pid, 20000) != 1) {
		fprintf(stderr, "crash: the daemon does not start again: %s\n",
				world.log);
		return -1;
	}
	for(int ms = 0; ms < DRAIN_MS && book_open() > 0; ms += 100)
		nap(100);
	return 0;
}

static void report_points(void)
{
	printf("crash: killed at");
	for(size_t i = 0; i < N_POINTS; i++)
		if(hits[i] > 0)
			printf(" %s (%d)", points[i], hits[i]);
	printf("; never reached:");
	for(size_t i = 0; i < N_POINTS; i++)
		if(hits[i] == 0)
			printf(" %s", points[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	pthread_t threads[FEEDERS + LARGE_FEEDERS + TAKERS];
	int number[FEEDERS + LARGE_FEEDERS + TAKERS], n = 0, kills = 0, bad = 0, rc;
	const char *url = argc > 3 ? argv[3] : "";
	const char *what = *url ? "crash, postgresql" : "crash, sqlite";
	uint64_t rng;
	pid_t pid = 0;

	if(argc < 3) {
		fprintf(stderr,
				"usage: crash-kill MSRP-RELAY KILLS [POSTGRESQL-URL "
				"[SEED]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	rng = argc > 4 ? strtoull(argv[4], NULL, 10) : (uint64_t)getpid();
	snprintf(world.dir, sizeof(world.dir), "/tmp/cpm-crash-XXXXXX");
	if(mkdtemp(world.dir) == NULL)
		return 2;
	snprintf(world.sock, sizeof(world.sock), "%.200s/ctl", world.dir);
	snprintf(world.conf, sizeof(world.conf), "%.200s/conf", world.dir);
	snprintf(world.log, sizeof(world.log), "%.200s/log", world.dir);
	char spool[300];
	snprintf(spool, sizeof(spool), "%.200s/spool", world.dir);
	mkdir(spool, 0700);
	world.msrp_port = 20000 + (int)rng_below(&rng, 6000) * 2;
	world.http_port = world.msrp_port + 1;
	write_conf(url);
	world.feeding = world.taking = true;
	for(int i = 0; i < FEEDERS + LARGE_FEEDERS + TAKERS; i++, n++) {
		number[i] = i;
		pthread_create(&threads[i], NULL,
				i < FEEDERS                           ? feed_pager
						: i < FEEDERS + LARGE_FEEDERS ? feed_large
													  : take,
				&number[i]);
	}
	for(int turn = 0; turn < (int)strtol(argv[2], NULL, 10); turn++)
		if(life(argv[1], &rng, turn) > 0)
			kills++;
		else
			bad++;
	world.feeding = false;
	for(int i = 0; i < FEEDERS + LARGE_FEEDERS; i++)
		pthread_join(threads[i], NULL);
	int stored = book_open();

	rc = drain(argv[1], &pid);
	if(rc == 0 && book_open() > 0) {
		/* not lost, perhaps: a claim may be held by a session that lives on */
		printf("%s: %d still stored after %d s; once more with a new start\n",
				what, book_open(), DRAIN_MS / 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		rc = drain(argv[1], &pid);
	}
	world.taking = false;
	for(int i = FEEDERS + LARGE_FEEDERS; i < n; i++)
		pthread_join(threads[i], NULL);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	report_points();
	printf("%s: stored and not delivered after the last kill: %d\n", what,
			stored);
	rc = book_close(what, kills) && rc == 0 && bad == 0 ? 0 : 1;
	if(rc != 0)
		fprintf(stderr, "left in %s\n", world.dir);
	else if(fork() == 0)
		execlp("rm", "rm", "-rf", world.dir, (char *)NULL);
	else
		wait(NULL);
	return rc;
}
