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

#define FEEDERS 6
#define LARGE_FEEDERS 4
#define TAKERS 3

struct world world;

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
			"defer_user_bytes = 100GiB\ndefer_min_free = 0\n"
			"drain_timeout = 5s\n",
			world.msrp_port, world.sock, world.http_port, world.dir, world.dir);
	if(*url)
		fprintf(f, "store = postgresql\nstore_url = %s\nstore_node = n1\n",
				url);
	else
		fprintf(f, "store = sqlite\n");
	fclose(f);
}

pid_t daemon_start(const char *program, const char *at)
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

int main(int argc, char **argv)
{
	pthread_t threads[FEEDERS + LARGE_FEEDERS + TAKERS];
	int number[FEEDERS + LARGE_FEEDERS + TAKERS], n = 0, kills = 0, bad = 0, rc;
	const char *url = argc > 3 ? argv[3] : "";
	const char *what = *url ? "crash, postgresql" : "crash, sqlite";
	int lives = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
	uint64_t seed, rng;
	pid_t pid = 0;

	if(lives < 1) {
		fprintf(stderr,
				"usage: crash-kill MSRP-RELAY KILLS [POSTGRESQL-URL "
				"[SEED]]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	seed = argc > 4 && *argv[4] ? strtoull(argv[4], NULL, 10)
								: (uint64_t)getpid();
	rng = world.seed = seed;
	world.files = *url == '\0';
	printf("%s: seed %llu\n", what, (unsigned long long)seed);
	fflush(stdout);
	snprintf(world.dir, sizeof(world.dir), "/tmp/cpm-crash-XXXXXX");
	if(mkdtemp(world.dir) == NULL)
		return 2;
	snprintf(world.sock, sizeof(world.sock), "%.200s/ctl", world.dir);
	snprintf(world.conf, sizeof(world.conf), "%.200s/conf", world.dir);
	snprintf(world.log, sizeof(world.log), "%.200s/log", world.dir);
	char spool[300];
	snprintf(spool, sizeof(spool), "%.200s/spool", world.dir);
	mkdir(spool, 0700);
	snprintf(spool, sizeof(spool), "%.200s/hidden", world.dir);
	mkdir(spool, 0700);
	/* Both stores may be at it at a time, with one seed. */
	world.msrp_port = (*url ? 26000 : 20000) + (int)rng_below(&rng, 3000) * 2;
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
	for(int turn = 0; turn < lives; turn++)
		if(life(argv[1], &rng, turn) > 0)
			kills++;
		else
			bad++;
	world.feeding = false;
	for(int i = 0; i < FEEDERS + LARGE_FEEDERS; i++)
		pthread_join(threads[i], NULL);
	int stored = book_open();

	pid = daemon_start(argv[1], NULL);
	rc = drain(pid, what);
	world.taking = false;
	for(int i = FEEDERS + LARGE_FEEDERS; i < n; i++)
		pthread_join(threads[i], NULL);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	if(!life_report(what, lives))
		rc = -1;
	printf("%s: stored and not delivered after the last kill: %d; claims whose "
		   "owner died: %d\n",
			what, stored, world.abandoned);
	rc = book_close(what, kills) && rc == 0 && bad == 0 ? 0 : 1;
	if(rc != 0)
		fprintf(stderr, "left in %s\n", world.dir);
	else if(fork() == 0)
		execlp("rm", "rm", "-rf", world.dir, (char *)NULL);
	else
		wait(NULL);
	return rc;
}
