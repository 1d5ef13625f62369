// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * msrp-load: options, phases and the result. Sets the sessions up (straight,
 * through a TCP proxy, or in a relay by its control socket), lets generator and
 * sink run, watches the measured processes meanwhile, and prints one line of
 * key=value pairs. Exit status 0: every message arrived whole, in order and was
 * acknowledged. Used by tests/bench/bench.sh.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define FAULTS_TOLD 5

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void load_fault(struct load_state *st, const char *fmt, ...)
{
	va_list ap;

	if(atomic_fetch_add(&st->errors, 1) >= FAULTS_TOLD)
		return;
	flockfile(stderr);
	fputs("msrp-load: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	funlockfile(stderr);
}

static const char usage_text[] =
		"usage: msrp-load [options]\n"
		"  --sessions N     MSRP sessions (1)\n"
		"  --count N        messages of each session (1000)\n"
		"  --legs N         recipients of each session, with --control (1)\n"
		"  --size BYTES     payload behind the CPIM header (1024)\n"
		"  --chunk BYTES    content bytes in a chunk; 0 = whole message (0)\n"
		"  --window N       chunks of a session waiting for their 200 (16)\n"
		"  --rate R         open loop: R messages/s in all, latency measured\n"
		"  --report         ask for success reports and wait for them\n"
		"  --defer          no recipient: the relay stores the messages\n"
		"  --tls            TLS on both sides; --tls-in, --tls-out for one\n"
		"  --cert F --key F PEM files of the TLS sink\n"
		"  --gen HOST       address to send from (127.20.38.100)\n"
		"  --sink HOST:PORT where the recipient listens (127.20.38.101:4000)\n"
		"  --via HOST:PORT  a TCP proxy in front of the sink\n"
		"  --control PATH   control socket of a relay: sessions go through it\n"
		"  --pids P,P...    processes to measure\n"
		"  --slow MBS       the sink reads so many MB/s\n"
		"  --hold MS        sessions stay up so long before memory is read\n"
		"  --timeout S      give up after so long without progress (10)\n"
		"  --spoil flip:N|lose|repeat|short   self-test: must fail\n";

enum
{
	O_SESSIONS = 256,
	O_COUNT,
	O_LEGS,
	O_SIZE,
	O_CHUNK,
	O_WINDOW,
	O_RATE,
	O_REPORT,
	O_DEFER,
	O_TLS,
	O_TLS_IN,
	O_TLS_OUT,
	O_CERT,
	O_KEY,
	O_GEN,
	O_SINK,
	O_VIA,
	O_CONTROL,
	O_PIDS,
	O_SLOW,
	O_HOLD,
	O_TIMEOUT,
	O_SPOIL
};
static const struct option longs[] = {{"sessions", 1, NULL, O_SESSIONS},
		{"count", 1, NULL, O_COUNT}, {"legs", 1, NULL, O_LEGS},
		{"size", 1, NULL, O_SIZE}, {"chunk", 1, NULL, O_CHUNK},
		{"window", 1, NULL, O_WINDOW}, {"rate", 1, NULL, O_RATE},
		{"report", 0, NULL, O_REPORT}, {"defer", 0, NULL, O_DEFER},
		{"tls", 0, NULL, O_TLS}, {"tls-in", 0, NULL, O_TLS_IN},
		{"tls-out", 0, NULL, O_TLS_OUT}, {"cert", 1, NULL, O_CERT},
		{"key", 1, NULL, O_KEY}, {"gen", 1, NULL, O_GEN},
		{"sink", 1, NULL, O_SINK}, {"via", 1, NULL, O_VIA},
		{"control", 1, NULL, O_CONTROL}, {"pids", 1, NULL, O_PIDS},
		{"slow", 1, NULL, O_SLOW}, {"hold", 1, NULL, O_HOLD},
		{"timeout", 1, NULL, O_TIMEOUT}, {"spoil", 1, NULL, O_SPOIL},
		{NULL, 0, NULL, 0}};

/* HOST:PORT, split in place. */
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

static int spoil_option(struct load_opts *o, const char *v)
{
	if(strncmp(v, "flip:", 5) == 0) {
		o->spoil = SPOIL_FLIP;
		o->spoil_at = strtoull(v + 5, NULL, 10);
	} else if(strcmp(v, "lose") == 0) {
		o->spoil = SPOIL_LOSE;
	} else if(strcmp(v, "repeat") == 0) {
		o->spoil = SPOIL_REPEAT;
	} else if(strcmp(v, "short") == 0) {
		o->spoil = SPOIL_SHORT;
	} else {
		return -EINVAL;
	}
	return 0;
}

static void pid_list(struct load_opts *o, char *v)
{
	char *end;

	while(*v && o->n_pids < PIDS_MAX) {
		long p = strtol(v, &end, 10);
		if(end == v)
			break;
		o->pids[o->n_pids++] = (pid_t)p;
		v = *end ? end + 1 : end;
	}
}

static int options(int argc, char **argv, struct load_opts *o)
{
	int c, rc = 0;

	while(rc == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch(c) {
			case O_SESSIONS:
				o->sessions = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case O_COUNT:
				o->count = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case O_LEGS:
				o->legs = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case O_SIZE:
				o->size = strtoull(optarg, NULL, 10);
				break;
			case O_CHUNK:
				o->chunk = strtoull(optarg, NULL, 10);
				break;
			case O_WINDOW:
				o->window = (uint32_t)strtoul(optarg, NULL, 10);
				break;
			case O_RATE:
				o->rate = strtod(optarg, NULL);
				break;
			case O_REPORT:
				o->report = true;
				break;
			case O_DEFER:
				o->defer = true;
				o->legs = 0;
				break;
			case O_TLS:
				o->tls_in = o->tls_out = true;
				break;
			case O_TLS_IN:
				o->tls_in = true;
				break;
			case O_TLS_OUT:
				o->tls_out = true;
				break;
			case O_CERT:
				o->cert = optarg;
				break;
			case O_KEY:
				o->key = optarg;
				break;
			case O_GEN:
				o->gen_host = optarg;
				break;
			case O_SINK:
				rc = host_port(optarg, &o->sink_host, &o->sink_port);
				break;
			case O_VIA:
				rc = host_port(optarg, &o->via_host, &o->via_port);
				break;
			case O_CONTROL:
				o->control = optarg;
				break;
			case O_PIDS:
				pid_list(o, optarg);
				break;
			case O_SLOW:
				o->slow_mbs = strtod(optarg, NULL);
				break;
			case O_HOLD:
				o->hold_ms = (int)strtol(optarg, NULL, 10);
				break;
			case O_TIMEOUT:
				o->timeout_s = strtod(optarg, NULL);
				break;
			case O_SPOIL:
				rc = spoil_option(o, optarg);
				break;
			default:
				rc = -EINVAL;
				break;
		}
	}
	if(rc < 0 || optind < argc || !o->sessions || !o->count || !o->window
			|| (o->legs == 0) != o->defer || (o->legs != 1 && !o->control)
			|| (o->defer && o->count != 1)
			|| (o->tls_out && (!o->cert || !o->key))) {
		fputs(usage_text, stderr);
		return -EINVAL;
	}
	return 0;
}

void load_sink_path(const struct load_opts *o, uint32_t sess, uint32_t leg,
		char *out, size_t n)
{
	snprintf(out, n, "%s://%s:%d/s%08x%08x;tcp", o->tls_out ? "msrps" : "msrp",
			o->sink_host, o->sink_port, sess * o->legs + leg,
			(unsigned)getpid());
}

static void plain_paths(const struct load_opts *o, struct load_paths *paths)
{
	const char *in = o->tls_in ? "msrps" : "msrp";

	for(uint32_t i = 0; i < o->sessions; i++) {
		struct load_paths *p = &paths[i];

		snprintf(p->gen, sizeof(p->gen), "%s://%s:9/g%08x%08x;tcp", in,
				o->gen_host, i, (unsigned)getpid());
		load_sink_path(o, i, 0, p->next, sizeof(p->next));
		snprintf(p->next_host, sizeof(p->next_host), "%s",
				o->via_host ? o->via_host : o->sink_host);
		p->next_port = o->via_host ? o->via_port : o->sink_port;
	}
}

static void nap_ms(int ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000L};
	nanosleep(&ts, NULL);
}

/* Until the recipients' legs are bound too. */
static bool all_bound(struct load_state *st)
{
	for(int i = 0; i < 1500; i++) {
		if(atomic_load(&st->sink_bound) >= st->o->sessions * st->o->legs)
			return true;
		nap_ms(10);
	}
	fprintf(stderr, "msrp-load: %u of %u sessions reached the recipient\n",
			atomic_load(&st->sink_bound), st->o->sessions * st->o->legs);
	return false;
}

/* Until all is done, a fault, or a standstill; keeps the highest RSS. */
static void watch(struct load_state *st, double *rss_peak)
{
	uint64_t last = 0, since = now_ns();

	while(!(atomic_load(&st->gen_done) && atomic_load(&st->sink_done))) {
		struct proc_use u = {0};
		uint64_t p = atomic_load(&st->progress);

		if(atomic_load(&st->errors))
			return;
		if(p != last) {
			last = p;
			since = now_ns();
		} else if((double)(now_ns() - since) / 1e9 > st->o->timeout_s) {
			load_fault(st,
					"standstill: %" PRIu64 " messages arrived, %" PRIu64
					" chunks acknowledged, %" PRIu64 " reports",
					atomic_load(&st->got), atomic_load(&st->acked),
					atomic_load(&st->reports));
			return;
		}
		if(st->o->n_pids) {
			proc_cpu_rss(st->o->pids, st->o->n_pids, &u);
			if(u.rss_kb > *rss_peak)
				*rss_peak = u.rss_kb;
		}
		nap_ms(10);
	}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void print_latency(struct load_state *st)
{
	uint64_t n = (uint64_t)st->o->sessions * st->o->count;

	if(!st->latency || atomic_load(&st->got) != n * st->o->legs)
		return;
	qsort(st->latency, n, sizeof(*st->latency), ascending);
	printf(" p50_us=%.1f p90_us=%.1f p99_us=%.1f max_us=%.1f",
			(double)st->latency[n / 2] / 1e3,
			(double)st->latency[n * 9 / 10] / 1e3,
			(double)st->latency[n * 99 / 100] / 1e3,
			(double)st->latency[n - 1] / 1e3);
}

static void print_result(struct load_state *st, uint64_t setup_ns,
		const struct proc_use *idle, const struct proc_use *before,
		const struct proc_use *after, double rss_peak)
{
	uint64_t end = atomic_load(&st->sink_end);
	uint64_t got =
			st->o->defer ? atomic_load(&st->acked) : atomic_load(&st->got);
	double s, gb, cpu = after->cpu_s - before->cpu_s;
	struct rusage ru;

	if(atomic_load(&st->gen_end) > end)
		end = atomic_load(&st->gen_end);
	s = end ? (double)(end - st->start) / 1e9 : 0;
	gb = (double)(st->o->defer ? got * st->o->size
							   : atomic_load(&st->got_bytes))
			/ 1e9;
	getrusage(RUSAGE_SELF, &ru);
	printf("ok=%d messages=%" PRIu64 " acked=%" PRIu64 " reports=%" PRIu64
		   " errors=%" PRIu64 " seconds=%.4f rate=%.0f MBs=%.1f setup_ms=%.1f",
			atomic_load(&st->errors) == 0 && end, got, atomic_load(&st->acked),
			atomic_load(&st->reports), atomic_load(&st->errors), s,
			s > 0 ? (double)got / s : 0, s > 0 ? gb * 1e3 / s : 0,
			(double)setup_ns / 1e6);
	printf(" load_cpu=%.3f",
			(double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec)
					+ (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec)
							/ 1e6);
	if(st->o->n_pids)
		printf(" cpu=%.4f cpu10k=%.4f cpuGB=%.4f rss_idle_kb=%.0f "
			   "rss_before_kb=%.0f rss_grow_kb=%.0f pss_idle_kb=%.0f "
			   "pss_kb=%.0f pss_session_kb=%.2f cpu_sent10k=%.4f",
				cpu, got ? cpu * 1e4 / (double)got : 0, gb > 0 ? cpu / gb : 0,
				idle->rss_kb, before->rss_kb, rss_peak - before->rss_kb,
				idle->pss_kb, after->pss_kb,
				(after->pss_kb - idle->pss_kb) / st->o->sessions,
				got ? cpu * 1e4 * st->o->legs / (double)got : 0);
	print_latency(st);
	putchar('\n');
}

static int measure(struct load_state *st, struct load_paths *paths)
{
	const struct load_opts *o = st->o;
	struct proc_use idle = {0}, before = {0}, after = {0};
	struct sink *sink = NULL;
	struct gen *gen = NULL;
	struct ctl *ctl = NULL;
	uint64_t t0;
	double peak;
	int rc = 0;

	proc_cpu_rss(o->pids, o->n_pids, &idle);
	proc_pss(o->pids, o->n_pids, &idle);
	if(o->defer)
		atomic_store(&st->sink_done, true);
	else
		rc = sink_start(&sink, st);
	t0 = now_ns();
	if(rc == 0 && o->control) {
		rc = ctl_open(&ctl, o->control);
		if(rc == 0)
			rc = ctl_sessions(ctl, o, paths);
	}
	if(rc == 0)
		rc = gen_start(&gen, st, paths);
	if(rc == 0 && !all_bound(st))
		rc = -ETIMEDOUT;
	t0 = now_ns() - t0;
	if(rc == 0) {
		proc_cpu_rss(o->pids, o->n_pids, &before);
		peak = before.rss_kb;
		st->start = now_ns();
		atomic_store(&st->go, true);
		watch(st, &peak);
		proc_cpu_rss(o->pids, o->n_pids, &after);
		nap_ms(o->hold_ms);
		proc_pss(o->pids, o->n_pids, &after);
		print_result(st, t0, &idle, &before, &after, peak);
	}
	atomic_store(&st->stop, true);
	gen_stop(&gen);
	ctl_close(&ctl, o);
	sink_stop(&sink);
	return rc == 0 && atomic_load(&st->errors) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct load_opts o = {.sessions = 1,
			.count = 1000,
			.size = 1024,
			.legs = 1,
			.window = 16,
			.timeout_s = 10,
			.gen_host = "127.20.38.100",
			.sink_host = "127.20.38.101",
			.sink_port = 4000};
	static struct load_state st;
	struct load_paths *paths;
	struct rlimit lim;
	uint64_t n;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if(options(argc, argv, &o) < 0)
		return 2;
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	content_init();
	if(io_tls_init(&o) < 0)
		return 2;
	st.o = &o;
	n = (uint64_t)o.sessions * o.count;
	paths = calloc(o.sessions, sizeof(*paths));
	if(o.rate > 0) {
		st.intended = calloc(n, sizeof(*st.intended));
		st.latency = calloc(n, sizeof(*st.latency));
	}
	if(!paths || (o.rate > 0 && (!st.intended || !st.latency)))
		return 2;
	plain_paths(&o, paths);
	rc = measure(&st, paths);
	free(paths);
	free(st.intended);
	free(st.latency);
	return rc;
}
