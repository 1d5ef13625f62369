/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store of deferred messages (msrp-relay/store), the same tests on SQLite
 * and on a real PostgreSQL: what is stored is there, whole and once; quotas.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_rig.h"

static char *pattern(size_t n)
{
	char *p = malloc(n + 1);

	for(size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	return p;
}

static void expect_body(
		struct node *r, const char *ref, const char *p, size_t n)
{
	size_t got = 0;
	char *all = rig_body(r, ref, &got);

	cr_assert_not_null(all);
	cr_assert_eq(got, n);
	cr_assert_eq(memcmp(all, p, n), 0, "the body has changed");
	free(all);
}

BOTH(a_message_is_there_after_a_restart_with_all_it_has)
{
	struct store_put m = rig_message(BOB, 1);
	char *ref;

	m.kind = STORE_LARGE;
	m.message_id = "mid1";
	m.imdn_id = "imdn-1";
	m.imdn_negative = true;
	m.cpim_from = "<sip:alice@home1.test>";
	m.cpim_to = "<sip:bob@home1.test>";
	m.cpim_date = "2026-11-21T10:00:00Z";
	m.subject = "caf\xc3\xa9 \xff\xfe";
	m.next_ms = STORE_NEVER;
	cr_assert_eq(rig_put(r, &m, "a\0b", 3), 0);
	ref = strdup(r->m[0].ref);
	cr_assert_eq(strlen(ref), STORE_REF_LEN);
	rig_close(r);
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_show(r, ref), 0);
	cr_expect_str_eq(r->m[0].user, BOB);
	cr_expect_str_eq(r->m[0].sender, "sip:alice@home1.test");
	cr_expect_str_eq(r->m[0].key, "key-1");
	cr_expect_str_eq(r->m[0].envelope, m.envelope);
	cr_expect_str_eq(r->m[0].type, "text/plain");
	cr_expect_str_eq(r->m[0].message_id, "mid1");
	cr_expect_str_eq(r->m[0].imdn_id, "imdn-1");
	cr_expect_str_eq(r->m[0].cpim_from, m.cpim_from);
	cr_expect_str_eq(r->m[0].cpim_to, m.cpim_to);
	cr_expect_str_eq(r->m[0].cpim_date, m.cpim_date);
	cr_expect_str_eq(r->m[0].subject, "caf\xc3\xa9 ??");
	cr_expect_eq(r->m[0].kind, STORE_LARGE);
	cr_expect_eq(r->m[0].state, STORE_STORED);
	cr_expect(r->m[0].imdn_negative);
	cr_expect_eq(r->m[0].size, 3);
	cr_expect_eq(r->m[0].next_at, STORE_NEVER);
	cr_expect_eq(r->m[0].expires_at - r->m[0].received_at, 3600000);
	cr_expect_eq(memcmp(r->m[0].data, "a\0b", 3), 0);
	free(ref);
}

BOTH(bodies_of_all_sizes_come_back_as_they_were)
{
	static const size_t sizes[] = {0, 1, 65536, 65537, 262144, 262145, 900000};

	for(size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct store_put m = rig_message(BOB, (int)i);
		char *p = pattern(sizes[i]), *ref;

		cr_assert_eq(rig_put(r, &m, p, sizes[i]), 0, "%zu", sizes[i]);
		ref = strdup(r->m[0].ref);
		expect_body(r, ref, p, sizes[i]);
		cr_assert_eq(rig_claim_ref(r, ref, 1000), 0);
		cr_assert_eq(r->m[0].in_row, sizes[i] <= 65536);
		cr_assert_eq(
				rig_settle(r, ref, r->m[0].fence, STORE_O_DELIVERED, 0), 0);
		free(ref);
		free(p);
	}
	/* Files go after the answer. */
	cr_assert_eq(rig_count(r, BOB), 0);
	cr_assert_eq(rig_bodies(r), 0);
	cr_assert_eq(rig_stats(r).bytes, 0);
}

/* A file with n bytes of p, without a name. */
static int spooled(const char *dir, const char *p, size_t n)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, p, n), (ssize_t)n);
	return fd;
}

BOTH(a_file_and_what_follows_it_in_memory_are_one_body)
{
	static const char *const dirs[] = {"here", "/dev/shm"};
	char *p = pattern(3000000);

	for(size_t i = 0; i < 2; i++) {
		struct store_put m = rig_message(BOB, (int)i);
		struct iovec parts[] = {{p + 2500000, 300000}, {p + 2800000, 200000}};
		int fd = spooled(i == 0 ? r->dir : dirs[i], p, 2500000);

		m.kind = STORE_LARGE;
		m.body = (struct store_source){fd, 2500000, parts, 2};
		store_put(r->p, &m, rig_cb, r);
		close(fd); /* the store has its own */
		cr_assert_eq(rig_wait(r), 0);
		cr_assert_eq(r->m[0].size, 3000000);
		expect_body(r, r->m[0].ref, p, 3000000);
	}
	free(p);
}

static void taken_over(struct node *r)
{
	char *p = pattern(200000), path[256];
	struct store_put m = rig_message(BOB, 1);
	struct stat was, is;
	int fd = spooled(r->dir, p, 200000);

	cr_assert_eq(fstat(fd, &was), 0);
	m.body = (struct store_source){fd, 200000, NULL, 0};
	store_put(r->p, &m, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	snprintf(path, sizeof(path), "%s/bodies/%s", r->dir, r->m[0].ref);
	cr_assert_eq(stat(path, &is), 0);
	cr_assert_eq(is.st_ino, was.st_ino);
	close(fd);
	free(p);
}

Test(store_sqlite, a_file_of_the_same_disk_is_taken_over_and_not_copied)
{
	rig_test(STORE_SQLITE, taken_over);
}

/* Of a file or directory of the store; permission bits. */
static unsigned mode_of(const struct node *r, const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	cr_assert_eq(stat(path, &st), 0, "%s", path);
	return st.st_mode & 07777;
}

/* The database was made by somebody careless. */
static void private(struct node *r)
{
	char *p = pattern(200000), path[300], name[64];
	struct store_put m = rig_message(BOB, 1);
	int fd;

	rig_close(r);
	snprintf(path, sizeof(path), "%s/store.db", r->dir);
	cr_assert_eq(mode_of(r, "store.db"), 0600);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_put(r, &m, p, 200000), 0);
	snprintf(name, sizeof(name), "bodies/%s", r->m[0].ref);
	cr_expect_eq(mode_of(r, name), 0600);
	m = rig_message(BOB, 2);
	fd = spooled(r->dir, p, 200000);
	m.body = (struct store_source){fd, 200000, NULL, 0};
	store_put(r->p, &m, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	close(fd);
	snprintf(name, sizeof(name), "bodies/%s", r->m[0].ref);
	cr_expect_eq(mode_of(r, name), 0600);
	cr_expect_eq(mode_of(r, "bodies"), 0700);
	cr_expect_eq(mode_of(r, "lock"), 0600);
	cr_expect_eq(mode_of(r, "store.db"), 0600);
	cr_expect_eq(mode_of(r, "store.db-wal"), 0600);
	cr_expect_eq(mode_of(r, "store.db-shm"), 0600);
	free(p);
}

Test(store_sqlite, its_files_are_for_nobody_elses_eyes)
{
	umask(022);
	rig_test(STORE_SQLITE, private);
}

BOTH(the_same_message_again_is_found_and_not_stored_twice)
{
	struct store_put m = rig_message(BOB, 1);
	char *ref = rig_stored(r, BOB, 1), *p = pattern(100000);

	cr_assert_eq(rig_put(r, &m, "hello", 5), 0);
	cr_expect(r->res.duplicate);
	cr_expect_str_eq(r->m[0].ref, ref);
	/* Another key, but sender and imdn.Message-ID are the same. */
	m = rig_message(BOB, 2);
	m.imdn_id = "i1";
	cr_assert_eq(rig_put(r, &m, p, 100000), 0);
	cr_expect_not(r->res.duplicate);
	free(ref);
	ref = strdup(r->m[0].ref);
	m = rig_message(BOB, 3);
	m.imdn_id = "i1";
	cr_assert_eq(rig_put(r, &m, p, 100000), 0);
	cr_expect(r->res.duplicate);
	cr_expect_str_eq(r->m[0].ref, ref);
	/* Another recipient: another message. */
	m.user = CAROL;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	cr_expect_not(r->res.duplicate);
	cr_expect_eq(rig_count(r, BOB), 2);
	cr_expect_eq(rig_stats(r).duplicates_total, 2);
	cr_expect_eq(rig_bodies(r), r->conf.backend == STORE_SQLITE ? 1 : 3);
	free(ref);
	free(p);
}

BOTH(a_message_born_in_delivery_has_a_fence_and_returns_when_settled)
{
	struct store_put m = rig_message(BOB, 1);

	m.lease_ms = 60000;
	m.next_ms = STORE_NEVER;
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	cr_assert_eq(r->m[0].state, STORE_DELIVERING);
	cr_assert_eq(r->m[0].fence, 1);
	/* The same command again gets the same fence. */
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	cr_assert_eq(r->m[0].fence, 1);
	cr_assert_eq(rig_claim(r, BOB, 1000, true), 0);
	cr_assert_eq(r->n, 0);
	cr_assert_eq(r->res.count, 1);
	cr_assert_eq(rig_list(r, BOB, -1, NULL, 10), 0);
	cr_assert_eq(rig_settle(r, r->m[0].ref, 1, STORE_O_RETRY, 0), 0);
	cr_assert_eq(rig_claim(r, BOB, 1000, false), 0);
	cr_assert_eq(r->n, 1);
	cr_assert_eq(r->m[0].fence, 2);
	cr_assert_eq(r->m[0].attempts, 1);
}

BOTH(a_users_quota_refuses_his_messages_alone)
{
	char *ref, *p = pattern(100000);
	struct store_put m;

	r->conf.user_messages = 2;
	ref = rig_stored(r, BOB, 1);
	free(rig_stored(r, BOB, 2));
	m = rig_message(BOB, 3);
	cr_assert_eq(rig_put(r, &m, "x", 1), -EDQUOT);
	/* What is there is still found. */
	m = rig_message(BOB, 2);
	cr_assert_eq(rig_put(r, &m, "hello", 5), 0);
	cr_assert(r->res.duplicate);
	free(rig_stored(r, CAROL, 3));
	cr_assert_eq(rig_order(r, ref, STORE_DELETE), 0);
	free(rig_stored(r, BOB, 3));
	free(ref);
	cr_assert_eq(rig_stats(r).refused_quota_total, 1);
	r->conf.user_messages = 0;
	r->conf.user_bytes = 100;
	m = rig_message(BOB, 4);
	cr_assert_eq(rig_put(r, &m, p, 91), -EDQUOT);
	cr_assert_eq(rig_put(r, &m, p, 90), 0);
	/* And a large one leaves nothing. */
	r->conf.user_bytes = 100000;
	m = rig_message(BOB, 5);
	cr_assert_eq(rig_put(r, &m, p, 100000), -EDQUOT);
	cr_assert_eq(rig_count(r, BOB), 3);
	if(r->conf.backend == STORE_SQLITE)
		cr_assert_eq(rig_bodies(r), 0);
	free(p);
}

BOTH(a_full_store_refuses_and_goes_on_with_what_it_has)
{
	struct store_put m = rig_message(BOB, 2);
	char *ref = rig_stored(r, BOB, 1), *p = pattern(100000);

	r->conf.max_bytes = 10;
	cr_assert_eq(rig_put(r, &m, "123456", 6), -ENOSPC);
	cr_assert_eq(rig_put(r, &m, p, 100000), -ENOSPC);
	cr_assert_eq(rig_put(r, &m, "12345", 5), 0);
	r->conf.max_bytes = 0;
	if(r->conf.backend == STORE_SQLITE) {
		r->conf.min_free = UINT64_C(1) << 60;
		m = rig_message(BOB, 3);
		cr_assert_eq(rig_put(r, &m, "1", 1), -ENOSPC);
		cr_assert_eq(rig_put(r, &m, p, 100000), -ENOSPC);
	}
	cr_assert_eq(rig_claim_ref(r, ref, 1000), 0);
	cr_assert_eq(rig_settle(r, ref, r->m[0].fence, STORE_O_DELIVERED, 0), 0);
	cr_assert_eq(rig_count(r, BOB), 1);
	cr_assert_geq(rig_stats(r).refused_full_total, 2);
	free(ref);
	free(p);
}

BOTH(what_is_too_long_is_refused)
{
	struct store_put m = rig_message(BOB, 1);
	char *p = pattern(STORE_MEMORY_MAX + 1), text[STORE_ENVELOPE_MAX + 2];

	cr_assert_eq(rig_put(r, &m, p, STORE_MEMORY_MAX + 1), -EMSGSIZE);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	m.envelope = text;
	cr_assert_eq(rig_put(r, &m, "", 0), -EMSGSIZE);
	text[STORE_ENVELOPE_MAX] = '\0';
	cr_assert_eq(rig_put(r, &m, "", 0), 0);
	m = rig_message(text, 1);
	cr_assert_eq(rig_put(r, &m, "", 0), -EMSGSIZE);
	m = rig_message("sip:bob\n@home1.test", 1);
	cr_assert_eq(rig_put(r, &m, "", 0), -EMSGSIZE);
	free(p);
}

BOTH(a_lifetime_is_capped)
{
	struct store_put m = rig_message(BOB, 1);

	m.lifetime_ms = 10000;
	cr_assert_eq(rig_put(r, &m, "", 0), 0);
	cr_assert_eq(r->m[0].expires_at - r->m[0].received_at, 10000);
	m = rig_message(BOB, 2);
	m.lifetime_ms = INT64_C(86400000);
	cr_assert_eq(rig_put(r, &m, "", 0), 0);
	cr_assert_eq(r->m[0].expires_at - r->m[0].received_at, 7200000);
}

struct tally
{
	int n, failed;
	bool all;
	int wanted;
};

static void counted(void *arg, int rc, const struct store_result *res)
{
	struct tally *t = arg;

	(void)res;
	t->failed += rc < 0;
	t->all = ++t->n == t->wanted;
}

BOTH(jobs_that_wait_together_are_committed_together)
{
	struct tally t = {.wanted = 500};
	struct store_stats before = rig_stats(r), after;
	struct iovec part = {"hello", 5};
	char key[32], user[64];

	for(int i = 0; i < t.wanted; i++) {
		struct store_put m = rig_message(user, i);

		snprintf(key, sizeof(key), "k%d", i);
		snprintf(user, sizeof(user), "sip:u%d@home1.test", i % 50);
		m.key = key;
		m.body.parts = &part;
		m.body.n_parts = 1;
		store_put(r->p, &m, counted, &t);
	}
	rig_until(r, &t.all);
	cr_assert_eq(t.failed, 0);
	after = rig_stats(r);
	cr_assert_eq(after.stored_total - before.stored_total, 500);
	cr_assert_eq(after.messages, 500);
	cr_assert_leq(after.commits_total - before.commits_total, 60, "%d commits",
			(int)(after.commits_total - before.commits_total));
}
