// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sip-load: options and result. Prints one line of key=value pairs; exit status
 * 0 when every request had a 2xx. Used by tests/bench/bench.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gap.h"
#include "sip.h"

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static const char usage_text[] =
		"usage: sip-load message|list|calls [options]\n"
		"  --target HOST:PORT  server under test (127.20.38.20:5060)\n"
		"  --core HOST:PORT    address to send from (127.20.38.10:5060)\n"
		"  --back PORT         port for what the server sends on (5062)\n"
		"  --count N           requests or calls (10000)\n"
		"  --outstanding N     closed loop (50)\n"
		"  --rate R            open loop, per second\n"
		"  --body BYTES        text of a MESSAGE, at most 250 (200)\n"
		"  --recipients N      of each list (100)\n"
		"  --gap FILE          where gap.so writes, inside the server\n"
		"  --give-up MS        a request fails after so long (16000)\n"
		"  --rewritten         the server must have asserted the CPM service\n"
		"  --pids P,P...       processes to measure\n";

static int host_port(char *text, const char **host, int *port)
{
	char *colon = strrchr(text, ':');

	if(!colon)
		return -EINVAL;
	*colon = 0;
	*host = text;
	*port = (int)strtol(colon + 1, NULL, 10);
	return *port > 0 && *port < 65536 ? 0 : -EINVAL;
}

static int options(int argc, char **argv, struct sip_opts *o)
{
	static const struct option longs[] = {{"target", 1, NULL, 't'},
			{"core", 1, NULL, 'c'}, {"back", 1, NULL, 'b'},
			{"count", 1, NULL, 'n'}, {"outstanding", 1, NULL, 'w'},
			{"rate", 1, NULL, 'r'}, {"body", 1, NULL, 's'},
			{"give-up", 1, NULL, 'g'}, {"pids", 1, NULL, 'p'},
			{"rewritten", 0, NULL, 'a'}, {"recipients", 1, NULL, 'l'},
			{"gap", 1, NULL, 'G'}, {NULL, 0, NULL, 0}};
	int c, rc = 0;
	char *p;

	while(rc == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch(c) {
			case 't':
				rc = host_port(optarg, &o->target_host, &o->target_port);
				break;
			case 'c':
				rc = host_port(optarg, &o->host, &o->port);
				break;
			case 'b':
				o->back_port = (int)strtol(optarg, NULL, 10);
				break;
			case 'n':
				o->count = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case 'w':
				o->outstanding = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case 'r':
				o->rate = strtod(optarg, NULL);
				break;
			case 's':
				o->body_bytes = (int)strtol(optarg, NULL, 10);
				break;
			case 'g':
				o->give_up_ms = (int)strtol(optarg, NULL, 10);
				break;
			case 'a':
				o->rewritten = true;
				break;
			case 'l':
				o->recipients = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case 'G':
				o->gap_file = optarg;
				break;
			case 'p':
				for(p = optarg; *p && o->n_pids < PIDS_MAX;) {
					char *end;
					long v = strtol(p, &end, 10);
					if(end == p)
						break;
					o->pids[o->n_pids++] = (pid_t)v;
					p = *end ? end + 1 : end;
				}
				break;
			default:
				rc = -EINVAL;
				break;
		}
	}
	if(rc == 0 && optind + 1 == argc && strcmp(argv[optind], "message") == 0)
		o->kind = SIP_MESSAGE;
	else if(rc == 0 && optind + 1 == argc && strcmp(argv[optind], "calls") == 0)
		o->kind = SIP_CALLS;
	else if(rc == 0 && optind + 1 == argc && strcmp(argv[optind], "list") == 0)
		o->kind = SIP_LIST;
	else
		rc = -EINVAL;
	if(rc < 0 || !o->count || !o->outstanding || !o->recipients
			|| o->body_bytes < 0 || o->body_bytes > 250)
		return -EINVAL;
	return 0;
}

/* ---- how long the server's workers were busy (gap.h) ---- */

static struct gap_file *gap;

/* Begin to count anew. */
static void gap_open(const struct sip_opts *o)
{
	int fd = o->gap_file ? open(o->gap_file, O_RDWR | O_CLOEXEC) : -1;

	if(fd < 0)
		return;
	gap = mmap(NULL, sizeof(*gap), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if(gap == MAP_FAILED)
		gap = NULL;
	for(int i = 0; gap && i < GAP_SLOTS; i++) {
		atomic_store(&gap->slot[i].datagrams, 0);
		atomic_store(&gap->slot[i].cpu_ns, 0);
		atomic_store(&gap->slot[i].wall_ns, 0);
		atomic_store(&gap->slot[i].long_cpu, 0);
	}
}

static void gap_print(void)
{
	uint64_t cpu = 0, wall = 0, slow = 0, all = 0;

	for(int i = 0; gap && i < GAP_SLOTS; i++) {
		const struct gap_slot *s = &gap->slot[i];

		cpu = s->cpu_ns > cpu ? s->cpu_ns : cpu;
		wall = s->wall_ns > wall ? s->wall_ns : wall;
		slow += s->long_cpu;
		all += s->datagrams;
	}
	if(gap)
		printf(" busy_cpu_ms=%.3f busy_wall_ms=%.3f busy_over_5ms=%llu "
			   "datagrams=%llu",
				(double)cpu / 1e6, (double)wall / 1e6, (unsigned long long)slow,
				(unsigned long long)all);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void print_result(struct sip_load *l, const struct proc_use *before,
		const struct proc_use *after)
{
	double s = (double)(l->end - l->start) / 1e9;
	double cpu = after->cpu_s - before->cpu_s;
	/* what a list makes is counted by the recipient */
	uint64_t wanted =
			(uint64_t)l->ok * (l->o->kind == SIP_LIST ? l->o->recipients : 1);
	double n = (double)wanted;

	bool all = l->o->kind != SIP_LIST || l->uas_messages >= wanted;

	printf("ok=%d done=%u failed=%u first_failure=%d retransmitted=%u "
		   "seconds=%.3f rate=%.0f",
			l->failed == 0 && l->uas_bad == 0 && all, l->ok, l->failed,
			l->first_failure, l->retransmitted, s, s > 0 ? n / s : 0);
	printf(" uas_messages=%llu uas_invites=%llu uas_byes=%llu uas_bad=%llu",
			(unsigned long long)l->uas_messages,
			(unsigned long long)l->uas_invites, (unsigned long long)l->uas_byes,
			(unsigned long long)l->uas_bad);
	if(l->o->kind == SIP_LIST && all)
		printf(" uas_again=%llu",
				(unsigned long long)(l->uas_messages - wanted));
	if(l->o->n_pids)
		printf(" cpu=%.3f cpu_us=%.2f rss_grow_kb=%.0f", cpu,
				n > 0 ? cpu * 1e6 / n : 0, after->rss_kb - before->rss_kb);
	if(l->ok) {
		qsort(l->latency, l->ok, sizeof(*l->latency), ascending);
		printf(" p50_ms=%.3f p99_ms=%.3f", (double)l->latency[l->ok / 2] / 1e6,
				(double)l->latency[(uint64_t)l->ok * 99 / 100] / 1e6);
	}
	gap_print();
	putchar('\n');
}

int main(int argc, char **argv)
{
	static struct sip_opts o = {.host = "127.20.38.10",
			.port = 5060,
			.back_port = 5062,
			.target_host = "127.20.38.20",
			.target_port = 5060,
			.count = 10000,
			.outstanding = 50,
			.recipients = 100,
			.body_bytes = 200,
			.give_up_ms = 16000};
	static struct sip_load l;
	struct proc_use before = {0}, after = {0};
	pthread_t uas;

	if(options(argc, argv, &o) < 0) {
		fputs(usage_text, stderr);
		return 2;
	}
	l.o = &o;
	hex_put(l.run, now_ns() * 0x9e3779b97f4a7c15u >> 32, 8);
	l.slots = o.rate > 0 ? 20000 : o.outstanding;
	l.calls = calloc(l.slots, sizeof(*l.calls));
	l.latency = calloc(o.count, sizeof(*l.latency));
	l.fd = sip_socket(o.host, o.port);
	l.uas_fd = sip_socket(o.host, o.back_port);
	if(!l.calls || !l.latency || l.fd < 0 || l.uas_fd < 0
			|| pthread_create(&uas, NULL, sip_uas_run, &l) != 0)
		return 2;
	gap_open(&o);
	proc_cpu_rss(o.pids, o.n_pids, &before);
	sip_gen_run(&l);
	proc_cpu_rss(o.pids, o.n_pids, &after);
	atomic_store(&l.stop, true);
	pthread_join(uas, NULL);
	print_result(&l, &before, &after);
	free(l.calls);
	free(l.latency);
	return l.failed == 0 && l.uas_bad == 0 ? 0 : 1;
}
