/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kept messages that do not fit into memory, against the real daemon: slow
 * and late recipients read them from disk, whole and in order; what a disk
 * that fails does to them; what is left behind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay_legs.h"

E2E_SUITE(relay_spool);

#define BIG (40u << 20)
#define CHUNK (256u << 10)

static struct rig *rig;
static int ctl, events;
static char *body;
static struct pair pair;
static struct raw *in;

static void begin(const char *options, size_t n)
{
	rig = rig_start(options);
	ctl = ctl_hello_fd(rig);
	events = ctl_hello_fd(rig);
	body = content_make(n);
	pair = keep_open(ctl, "s1", "'answer':'first',");
	in = raw_connect(rig->ip, pair.in_port);
	pair_bind(in, pair.in_path, pair.in_peer);
}

static void end(void)
{
	ctl_call(ctl, "session.close", "{'session':'s1','abort':true}");
	rig_stat_wait(rig, "sessions", 0);
	rig_stat_wait(rig, "spool_files", 0);
	rig_stat_wait(rig, "spool_bytes", 0);
	raw_close(in);
	free(body);
}

E2E_TEST(relay_spool, a_slow_recipient_stops_neither_sender_nor_others, "")
{
	struct out slow, fast;
	long long before, most;

	begin("", BIG);
	slow = out_add(rig, ctl, "s1", "slow");
	fast = out_add(rig, ctl, "s1", "fast");
	before = rig_rss(rig);
	/* The sender has each chunk answered although `slow` reads nothing. */
	for(size_t at = 0; at < BIG; at += CHUNK) {
		bool last = at + CHUNK == BIG;
		const char *tid = fmt("tid%zu", at / CHUNK);

		raw_send(in, pair.in_path, pair.in_peer, tid, "big1",
				fmt("%zu-%zu/%u", at + 1, at + CHUNK, BIG), body + at, CHUNK,
				last ? '$' : '+');
		if(last)
			out_takes(&fast, body, BIG);
		else
			out_take(&fast, at + CHUNK);
		cr_assert_eq(raw_status(in, tid, 10000), 200);
	}
	most = rig_rss(rig);
	cr_assert_lt(most - before, rig_growth(), "%lld KiB before, %lld after",
			before >> 10, most >> 10);
	cr_assert_gt(rig_stat(rig, "spool_bytes"), (long long)BIG - (1 << 20));
	cr_assert_eq(rig_stat(rig, "spool_files"), 1);
	out_takes(&slow, body, BIG);
	cr_assert_gt(rig_stat(rig, "spool_read_bytes_total"), BIG / 2);
	json_t *e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "fast");
	e = ctl_event(events, "leg.delivered", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "slow");
	cr_assert_eq(event_number(e, "bytes"), BIG);
	cr_assert_lt(rig_rss(rig) - before, rig_growth());
	end();
}

E2E_TEST(relay_spool, recipients_that_come_later_get_all_of_it, "")
{
	struct out legs[6];
	size_t half = BIG / 2;

	begin("spool_memory = 64KiB\n", BIG);
	legs[0] = out_add(rig, ctl, "s1", "0");
	for(size_t at = 0; at < BIG; at += CHUNK) {
		if(at == half) /* midway, the first one at the same place */
			legs[1] = out_add(rig, ctl, "s1", "1");
		raw_send(in, pair.in_path, pair.in_peer, "tid1", "big1",
				fmt("%zu-%zu/%u", at + 1, at + CHUNK, BIG), body + at, CHUNK,
				at + CHUNK == BIG ? '$' : '+');
		if(at < half)
			out_take(&legs[0], at + CHUNK);
		if(at + CHUNK < BIG)
			cr_assert_eq(raw_status(in, "tid1", 10000), 200);
	}
	out_takes(&legs[1], body, BIG);
	cr_assert_eq(raw_status(in, "tid1", 10000), 200);
	raw_close(in);
	for(int i = 2; i < 6; i++)
		legs[i] = out_add(rig, ctl, "s1", fmt("%d", i));
	out_takes(&legs[0], body, BIG);
	for(int i = 2; i < 6; i++)
		out_takes(&legs[i], body, BIG);
	for(int i = 0; i < 6; i++)
		out_free(&legs[i]);
	end();
}

E2E_TEST(relay_spool, late_recipients_get_chunks_of_the_senders_size_or_theirs,
		"")
{
	size_t n = 3000000;
	struct out same, small;

	begin("", n);
	in_send(in, &pair, "big1", body, n, 10240);
	same = out_add(rig, ctl, "s1", "same");
	small = out_new(ctl, "s1", "small");
	json_t *a = ctl_call(ctl, "leg.start",
			fmt("{'session':'s1','leg':'small','connect':false,"
				"'chunk_bytes':2048,'peer':{'path':'%s'}}",
					small.peer));
	cr_assert_eq(ctl_code(a), 0);
	out_connect(rig, &small);
	out_takes(&same, body, n);
	cr_assert_leq(same.chunks, (int)(n / 10240) + 30);
	cr_assert_geq(same.chunks, (int)(n / 10240));
	out_takes(&small, body, n);
	cr_assert_geq(small.chunks, (int)(n / 2048));
	cr_assert_eq(raw_status(in, "last0", 5000), 200);
	end();
}

/* Send chunks until the relay answers something else than 200, but not the
 * last one, whose answer would wait. */
static int refused_with(size_t n)
{
	int status = 200;

	for(size_t at = 0; at + CHUNK < n && status == 200; at += CHUNK) {
		raw_send(in, pair.in_path, pair.in_peer, "tid1", "big1",
				fmt("%zu-%zu/%zu", at + 1, at + CHUNK, n), body + at, CHUNK,
				'+');
		status = raw_status(in, "tid1", 10000);
	}
	return status;
}

E2E_TEST(relay_spool, a_full_disk_is_413_and_legs_are_told, "")
{
	struct out o;

	begin("spool_max_bytes = 2MiB\n", BIG);
	lab_expect_log(rig->lab, "relay", "spool: .*quota");
	o = out_add(rig, ctl, "s1", "1");
	cr_assert_eq(refused_with(BIG), 413);
	json_t *e = ctl_event(events, "message.aborted", 5000);
	cr_assert_eq(event_number(e, "status"), 413);
	cr_assert_str_eq(event_text(e, "leg"), "in");
	out_take(&o, 0);
	cr_assert_eq(o.flag, '#');
	cr_assert(o.n > 0 && memcmp(o.body, body, o.n) == 0);
	cr_assert_eq(ctl_code(ctl_call(ctl, "ping", "{}")), 0);
	cr_assert_eq(rig_stat(rig, "spool_errors_total"), 1);
	/* The session can carry another one. */
	raw_send(in, pair.in_path, pair.in_peer, "tid2", "small", "1-5/5", "hello",
			5, '$');
	o.n = 0;
	out_takes(&o, "hello", 5);
	cr_assert_eq(raw_status(in, "tid2", 5000), 200);
	end();
}

E2E_TEST(relay_spool, a_directory_that_is_gone_is_413, "")
{
	begin("", BIG);
	lab_expect_log(rig->lab, "relay", "spool: .*No such file");
	cr_assert_eq(rmdir(rig->spool), 0);
	cr_assert_eq(refused_with(BIG), 413);
	mkdir(rig->spool, 0700);
	end();
}

E2E_TEST(relay_spool, without_a_directory_memory_is_the_limit, "")
{
	size_t n = 8 * CHUNK;

	begin("spool_dir =\n", n);
	cr_assert_eq(refused_with(n), 413);
	end();
}

/* The files without a name that the daemon holds. */
static const char *spool_file(void)
{
	const char *dir = fmt("/proc/%d/fd", proc_pid(rig->relay));
	DIR *d = opendir(dir);
	struct dirent *e;
	char to[1024];

	cr_assert(d != NULL);
	while((e = readdir(d)) != NULL) {
		const char *path = fmt("%s/%s", dir, e->d_name);
		ssize_t k = readlink(path, to, sizeof(to) - 1);

		if(k > 0 && strncmp(to, rig->spool, strlen(rig->spool)) == 0)
			return path;
	}
	return NULL;
}

E2E_TEST(relay_spool, what_cannot_be_read_any_more_breaks_off_one_leg, "")
{
	struct out o, good;

	begin("", BIG);
	lab_expect_log(rig->lab, "relay", "spool: .*reading");
	good = out_add(rig, ctl, "s1", "good");
	for(size_t at = 0; at < BIG; at += CHUNK) {
		raw_send(in, pair.in_path, pair.in_peer, "tid1", "big1",
				fmt("%zu-%zu/%u", at + 1, at + CHUNK, BIG), body + at, CHUNK,
				at + CHUNK == BIG ? '$' : '+');
		if(at + CHUNK == BIG)
			out_takes(&good, body, BIG);
		else
			out_take(&good, at + CHUNK);
		cr_assert_eq(raw_status(in, "tid1", 10000), 200);
	}
	cr_assert_eq(truncate(spool_file(), 1 << 20), 0);
	o = out_add(rig, ctl, "s1", "1");
	out_take(&o, 0);
	cr_assert_eq(o.flag, '#');
	cr_assert(o.n <= 1 << 20 && memcmp(o.body, body, o.n) == 0);
	json_t *e = ctl_event(events, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "1");
	/* 413 would be the peer's: who pushes a stored message gives it up. */
	cr_assert_eq(event_number(e, "status"), 0);
	end();
}

E2E_TEST(relay_spool, content_waits_for_the_disk_and_arrives, "")
{
	struct rig *r = rig_start("spool_memory = 64KiB\n");
	int c = ctl_hello_fd(r);
	size_t n = 5000000;
	char *p = content_make(n);
	struct out o;

	cr_assert_eq(ctl_code(content_open(c, "c1", n, "")), 0);
	content_put_all(c, "c1", p, n, 32768);
	o = out_add(r, c, "c1", "1");
	out_takes(&o, p, n);
	cr_assert_gt(rig_stat(r, "spool_written_bytes_total"), 4000000);
	cr_assert_geq(o.chunks, (int)(n / 10240));
	out_free(&o);
	/* A session that ends in the middle of it. */
	cr_assert_eq(ctl_code(content_open(c, "c2", n, "")), 0);
	for(size_t at = 0; at < 640 * 1024; at += 32768)
		cr_assert_eq(
				ctl_code(content_put(c, "c2", at, p + at, 32768, false)), 0);
	free(p);
}

E2E_TEST(relay_spool, many_messages_share_one_limit_of_memory, "")
{
	struct rig *r = rig_start("spool_max_memory = 1MiB\n");
	int c = ctl_hello_fd(r), many = 40;
	size_t n = 200000;
	char *p = content_make(n);
	struct out o;

	/* Each alone would be in memory. */
	for(int i = 0; i < many; i++) {
		cr_assert_eq(ctl_code(content_open(c, fmt("c%d", i), n, "")), 0);
		content_put_all(c, fmt("c%d", i), p, n, 32768);
	}
	cr_assert_gt(rig_stat(r, "spool_files"), many / 2);
	cr_assert_lt(rig_stat(r, "spool_memory_bytes"), 3 << 20);
	/* The first is in memory, the last on disk. */
	o = out_add(r, c, "c0", "1");
	out_takes(&o, p, n);
	out_free(&o);
	o = out_add(r, c, fmt("c%d", many - 1), "1");
	out_takes(&o, p, n);
	out_free(&o);
	cr_assert_gt(rig_stat(r, "spool_read_bytes_total"), (long long)n / 2);
	for(int i = 0; i < many; i++)
		ctl_call(c, "session.close", fmt("{'session':'c%d','abort':true}", i));
	rig_stat_wait(r, "spool_files", 0);
	rig_stat_wait(r, "spool_memory_bytes", 0);
	free(p);
}

E2E_TEST(relay_spool, nothing_is_left_by_a_daemon_that_was_killed, "")
{
	const char *stale, *other;

	begin("", BIG);
	cr_assert_eq(refused_with(BIG), 200);
	proc_signal(rig->relay, 9);
	cr_assert_eq(proc_wait(rig->relay, 5000), 137);
	stale = fmt("%s/message.Ab3dEf", rig->spool);
	other = fmt("%s/message.of-mine", rig->spool);
	close(open(stale, O_CREAT | O_WRONLY, 0600));
	close(open(other, O_CREAT | O_WRONLY, 0600));
	rig_spawn(rig);
	cr_assert_eq(access(stale, F_OK), -1);
	cr_assert_eq(access(other, F_OK), 0);
	unlink(other);
	cr_assert_eq(rig_stat(rig, "spool_files"), 0);
	free(body);
}

E2E_TEST(relay_spool, a_directory_that_cannot_be_used_is_told_at_start, "")
{
	struct rig *r = rig_start("");
	const char *argv[] = {
			fmt("%s/msrp-relay",
					getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc"),
			"-f", "-c", r->conf, NULL};

	proc_signal(r->relay, 15);
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
	rig_write_conf(r, "spool_dir = /proc/nowhere\n");
	cr_assert_eq(proc_run("relay2", 5000, argv), 1);
	rig_write_conf(r, "spool_dir = relative\n");
	cr_assert_eq(proc_run("relay3", 5000, argv), 2);
	lab_expect_log(r->lab, "relay", "spool_dir /proc/nowhere");
}
