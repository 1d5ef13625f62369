/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Measures the store of deferred messages, alone: durable puts of 1 KiB with so
 * many in flight, the raw sync rate of the same disk, filling, and opening.
 *   store-bench sync DIR SECONDS
 *   store-bench put WHERE IN-FLIGHT SECONDS
 *   store-bench fill WHERE MESSAGES
 *   store-bench open WHERE
 * WHERE is sqlite:DIR or a connection string of PostgreSQL. Prints one line of
 * key=value pairs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "log/log.h"
#include "store/store.h"

#define BODY 1024
#define USERS 20000

struct bench
{
	uv_loop_t loop;
	struct store_conf conf;
	struct store *s;
	struct store_port *p;
	uint64_t sent, answered, failed, end_us, left;
	bool done;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t resident_kib(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if(f && fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	if(f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Append a block and sync, as a log does, one after the other. */
static int bench_sync(const char *dir, int seconds)
{
	char path[4096], block[4096] = {0};
	uint64_t n = 0, start = now_us(), us;
	int fd;

	snprintf(path, sizeof(path), "%s/sync", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if(fd < 0)
		return 1;
	while((us = now_us() - start) < (uint64_t)seconds * 1000000) {
		if(write(fd, block, sizeof(block)) != sizeof(block)
				|| fdatasync(fd) < 0)
			return 1;
		n++;
	}
	close(fd);
	printf("ok=1 per_second=%" PRIu64 " commits=%" PRIu64 "\n",
			n * 1000000 / us, n * 1000000 / us);
	return 0;
}

static int open_store(struct bench *b, char *where)
{
	b->conf = (struct store_conf){.backend = STORE_PGSQL,
			.url = where,
			.node = "bench",
			.inline_bytes = 65536,
			.lifetime_s = 86400,
			.lifetime_max_s = 86400,
			.user_messages = 1000000,
			.user_bytes = UINT64_C(1) << 40,
			.statement_ms = 60000};
	if(strncmp(where, "sqlite:", 7) == 0) {
		b->conf.backend = STORE_SQLITE;
		b->conf.dir = where + 7;
	}
	uv_loop_init(&b->loop);
	if(store_open(&b->loop, &b->conf, NULL, &b->s) < 0)
		return -1;
	return store_port_open(b->s, &b->loop, &b->p);
}

static void put(struct bench *b);

static void on_put(void *arg, int rc, const struct store_result *res)
{
	struct bench *b = arg;

	(void)res;
	b->answered++;
	b->failed += rc < 0;
	if(now_us() < b->end_us && b->left > 0)
		put(b);
	else
		b->done = b->answered == b->sent;
}

static void put(struct bench *b)
{
	static char body[BODY];
	struct iovec part = {body, sizeof(body)};
	char user[64], imdn[32];
	struct store_put m = {.user = user,
			.sender = "sip:alice@home1.test",
			.envelope = "{\"from\":\"sip:alice@home1.test\",\"headers\":[]}",
			.type = "message/cpim",
			.imdn_id = imdn,
			.next_ms = STORE_NEVER,
			.body = {.fd = -1, .parts = &part, .n_parts = 1}};

	b->sent++;
	b->left--;
	snprintf(user, sizeof(user), "sip:user%d@home1.test",
			(int)(b->sent % USERS));
	snprintf(imdn, sizeof(imdn), "id-%" PRIu64, b->sent);
	store_put(b->p, &m, on_put, b);
}

static int run_puts(struct bench *b, int flight)
{
	for(int i = 0; i < flight && b->left > 0; i++)
		put(b);
	while(!b->done)
		uv_run(&b->loop, UV_RUN_ONCE);
	return b->failed > 0;
}

static void end(struct bench *b)
{
	store_port_close(&b->p);
	store_close(&b->s);
	uv_run(&b->loop, UV_RUN_DEFAULT);
}

static int bench_put(char *where, int flight, int seconds)
{
	struct bench b = {.left = UINT64_MAX};
	struct store_stats was, is;
	uint64_t start, us, commits;
	int rc;

	if(open_store(&b, where) < 0)
		return 1;
	store_stats_read(b.s, &was);
	start = now_us();
	b.end_us = start + (uint64_t)seconds * 1000000;
	rc = run_puts(&b, flight);
	us = now_us() - start;
	store_stats_read(b.s, &is);
	commits = is.commits_total - was.commits_total;
	printf("ok=%d per_second=%" PRIu64 " commits=%" PRIu64
		   " puts_per_commit=%.1f ms_per_commit=%.2f failed=%" PRIu64 "\n",
			b.failed == 0, b.answered * 1000000 / us, commits * 1000000 / us,
			(double)b.answered / (double)(commits ? commits : 1),
			(double)(is.commit_us_total - was.commit_us_total) / 1e3
					/ (double)(commits ? commits : 1),
			b.failed);
	end(&b);
	return rc;
}

static int bench_fill(char *where, uint64_t n)
{
	struct bench b = {.left = n, .end_us = UINT64_MAX};
	uint64_t start = now_us();
	int rc;

	if(open_store(&b, where) < 0)
		return 1;
	rc = run_puts(&b, 2000);
	printf("ok=%d messages=%" PRIu64 " seconds=%.1f\n", rc == 0, n,
			(double)(now_us() - start) / 1e6);
	end(&b);
	return rc;
}

static void on_done(void *arg, int rc, const struct store_result *res)
{
	struct bench *b = arg;

	(void)res;
	b->failed += rc < 0;
	b->done = true;
}

static void wait_for(struct bench *b)
{
	while(!b->done)
		uv_run(&b->loop, UV_RUN_ONCE);
	b->done = false;
}

/* Until it can be used, and the first answers of every kind. */
static int bench_open(char *where)
{
	const char *user = "sip:user77@home1.test";
	const struct store_claim claim = {
			.users = &user, .n_users = 1, .lease_ms = 1000, .any = true};
	const struct store_list list = {.state = -1, .limit = 100};
	struct bench b = {0};
	struct store_stats st;
	uint64_t start = now_us(), opened, at[4];

	if(open_store(&b, where) < 0)
		return 1;
	opened = now_us() - start;
	start = now_us();
	store_claim(b.p, &claim, on_done, &b);
	wait_for(&b);
	at[0] = now_us() - start;
	store_due(b.p, 100, on_done, &b);
	wait_for(&b);
	at[1] = now_us() - start;
	store_expired(b.p, 100, on_done, &b);
	wait_for(&b);
	at[2] = now_us() - start;
	store_list(b.p, &list, on_done, &b);
	wait_for(&b);
	at[3] = now_us() - start;
	sleep(3); /* the clean-up has its turn */
	store_stats_read(b.s, &st);
	printf("ok=1 messages=%" PRIu64 " ms=%.1f claim_ms=%.2f due_ms=%.2f "
		   "expired_ms=%.2f list_ms=%.2f resident_kib=%" PRIu64
		   " failed=%" PRIu64 "\n",
			st.messages, (double)opened / 1e3, (double)at[0] / 1e3,
			(double)(at[1] - at[0]) / 1e3, (double)(at[2] - at[1]) / 1e3,
			(double)(at[3] - at[2]) / 1e3, resident_kib(), b.failed);
	end(&b);
	return b.failed > 0;
}

int main(int argc, char **argv)
{
	log_open(LOG_T_STDERR, LOG_L_WARNING, "store-bench");
	if(argc == 4 && strcmp(argv[1], "sync") == 0)
		return bench_sync(argv[2], (int)strtol(argv[3], NULL, 10));
	if(argc == 5 && strcmp(argv[1], "put") == 0)
		return bench_put(argv[2], (int)strtol(argv[3], NULL, 10),
				(int)strtol(argv[4], NULL, 10));
	if(argc == 4 && strcmp(argv[1], "fill") == 0)
		return bench_fill(argv[2], strtoull(argv[3], NULL, 10));
	if(argc == 3 && strcmp(argv[1], "open") == 0)
		return bench_open(argv[2]);
	fprintf(stderr, "usage: see the head of tests/bench/store_bench.c\n");
	return 2;
}
