/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store (msrp-relay/store) beside others and after accidents: two nodes,
 * lost connections, a broken or full disk, what a crash leaves between file
 * and row, versions of the schema.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "store/store_sql.h"
#include "store_rig.h"


#define ONLY(backend, suite, name)                                             \
	static void name(struct node *r);                                          \
	Test(suite, name)                                                          \
	{                                                                          \
		rig_test(backend, name);                                               \
	}                                                                          \
	static void name(struct node *r)

/* ---- several nodes ----------------------------------------------------- */

#define ASKS 40 /* each of 20 users twice */

struct racer
{
	struct node *node;
	int *owner; /* for each message: claims that got it */
	int asked, answered;
};

static void race(struct racer *x);

static void on_claim(void *arg, int rc, const struct store_result *res)
{
	struct racer *x = arg;

	cr_assert_eq(rc, 0);
	x->answered++;
	if(res->n == 0)
		return;
	x->owner[strtol(res->messages[0].key + 4, NULL, 10)]++;
	race(x);
}

static void race(struct racer *x)
{
	char name[40];
	const char *user = name;
	struct store_claim c = {.users = &user, .n_users = 1, .lease_ms = 60000};

	if(x->asked == ASKS)
		return;
	snprintf(name, sizeof(name), "sip:u%d@home1.test", x->asked++ % 20);
	store_claim(x->node->p, &c, on_claim, x);
}

ONLY(STORE_PGSQL, store_pgsql,
		two_nodes_that_claim_at_once_get_each_message_once)
{
	struct node *two = rig_join(r, "two");
	int owner[20] = {0};
	struct racer a = {.node = r, .owner = owner};
	struct racer b = {.node = two, .owner = owner};
	char user[40];

	for(int i = 0; i < 20; i++) {
		snprintf(user, sizeof(user), "sip:u%d@home1.test", i);
		free(rig_stored(r, user, i));
	}
	cr_assert_eq(rig_open(two), 0);
	for(int i = 0; i < 4000 && (a.answered < ASKS || b.answered < ASKS); i++) {
		race(&a);
		race(&b);
		rig_sleep(r, 2);
		rig_sleep(two, 2);
	}
	for(int i = 0; i < 20; i++)
		cr_assert_eq(owner[i], 1, "message %d: %d claims", i, owner[i]);
	/* One of the other's is not ours to settle. */
	cr_assert_eq(rig_list(r, NULL, STORE_DELIVERING, NULL, 50), 0);
	cr_assert_eq(r->n, 20);
	rig_close(two);
	rig_free(two);
}

ONLY(STORE_PGSQL, store_pgsql, another_node_hears_of_a_stored_message)
{
	struct node *two = rig_join(r, "two");
	char *ref;

	cr_assert_eq(rig_open(two), 0);
	ref = rig_stored(r, BOB, 1);
	for(int i = 0; i < 200 && two->n_changed == 0; i++)
		rig_sleep(two, 20);
	cr_assert_eq(two->n_changed, 1);
	cr_assert_eq(two->n_due, 1);
	cr_assert_str_eq(two->changed, BOB);
	store_order(r->p, ref, STORE_DELETE, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	for(int i = 0; i < 200 && two->n_changed == 1; i++)
		rig_sleep(two, 20);
	cr_assert_eq(two->n_changed, 2);
	cr_assert_eq(two->n_due, 2);
	cr_assert_str_eq(two->changed, BOB);
	free(ref);
	rig_close(two);
	rig_free(two);
}

/* Lock a user as a node does that looks for a message of his, or unlock. */
static void look_for(PGconn *other, const char *how, const char *user)
{
	char sql[160];
	PGresult *res;

	snprintf(sql, sizeof(sql),
			"SELECT pg_advisory_%s(%d, hashtext(current_schema() || '%s'))",
			how, 0x6d737275, user);
	res = PQexec(other, sql);
	cr_assert_eq(PQresultStatus(res), PGRES_TUPLES_OK);
	PQclear(res);
}

ONLY(STORE_PGSQL, store_pgsql, what_goes_at_once_on_another_node_fills_none)
{
	struct node *two = rig_join(r, "two");
	struct store_put m = rig_message(CAROL, 2);
	char *ref;

	two->conf.max_bytes = 1000;
	cr_assert_eq(rig_open(two), 0);
	ref = rig_stored(r, BOB, 1);
	cr_assert_eq(rig_claim(two, BOB, 60000, true), 0);
	cr_assert_eq(
			rig_settle(two, ref, two->m[0].fence, STORE_O_DELIVERED, 0), 0);
	cr_assert_eq(rig_put(two, &m, "x", 1), 0);
	cr_assert_leq(rig_stats(two).messages, 1);
	free(ref);
	rig_close(two);
	rig_free(two);
}

/* Both have heard of it, and the other one looks first. */
ONLY(STORE_PGSQL, store_pgsql, a_user_that_another_node_looks_for_is_busy)
{
	const char *user = BOB;
	struct store_claim c = {
			.users = &user, .n_users = 1, .lease_ms = 60000, .waiting = true};
	PGconn *other = PQconnectdb(r->url);

	free(rig_stored(r, BOB, 1));
	look_for(other, "lock", BOB);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 0);
	cr_assert(r->res.busy);
	cr_assert_leq(r->res.next_at, store_now(r->s) + 1000);
	look_for(other, "unlock", BOB); /* the end of a connection takes its time */
	PQfinish(other);
	cr_assert_eq(rig_claim(r, CAROL, 60000, true), 0);
	cr_assert(!r->res.busy);
	store_claim(r->p, &c, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	cr_assert_eq(r->n, 1);
}

/* He was not found here; the other node knows where he is. */
ONLY(STORE_PGSQL, store_pgsql, what_is_put_back_to_wait_is_told_and_can_be_had)
{
	struct node *two = rig_join(r, "two");
	const char *user = BOB;
	struct store_claim c = {
			.users = &user, .n_users = 1, .lease_ms = 60000, .waiting = true};
	struct store_put behind = rig_message(BOB, 2);
	uint64_t fence;
	char *ref = rig_stored(r, BOB, 1);

	cr_assert_eq(rig_open(two), 0);
	cr_assert_eq(rig_claim(r, BOB, 60000, true), 0);
	cr_assert_eq(rig_settle(r, ref, r->m[0].fence, STORE_O_WAIT, 0), 0);
	for(int i = 0; i < 200 && two->n_changed == 0; i++)
		rig_sleep(two, 20);
	cr_assert_str_eq(two->changed, BOB);
	cr_assert_eq(rig_claim(two, BOB, 60000, false), 0);
	cr_assert_eq(two->n, 0);
	store_claim(two->p, &c, rig_cb, two);
	cr_assert_eq(rig_wait(two), 0);
	cr_assert_eq(two->n, 1);
	/* What waits for another attempt is left alone, and what is behind it. */
	fence = two->m[0].fence;
	behind.next_ms = STORE_NEVER;
	cr_assert_eq(rig_put(two, &behind, "x", 1), 0);
	cr_assert_eq(rig_settle(two, ref, fence, STORE_O_RETRY, 60000), 0);
	store_claim(two->p, &c, rig_cb, two);
	cr_assert_eq(rig_wait(two), 0);
	cr_assert_eq(two->n, 0);
	rig_close(two);
	rig_free(two);
	free(ref);
}

ONLY(STORE_PGSQL, store_pgsql, a_restart_leaves_the_leases_of_other_nodes)
{
	struct node *two = rig_join(r, "two");
	char *ref = rig_stored(r, BOB, 1);

	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	cr_assert_eq(rig_open(two), 0);
	cr_assert_eq(rig_claim(two, BOB, 60000, true), 0);
	cr_assert_eq(two->n, 0);
	cr_assert_eq(rig_settle(two, ref, 7, STORE_O_DELIVERED, 0), -ESTALE);
	cr_assert_eq(rig_settle(r, ref, 1, STORE_O_DELIVERED, 0), 0);
	rig_close(two);
	rig_free(two);
	free(ref);
}

ONLY(STORE_PGSQL, store_pgsql, a_lost_connection_is_made_anew_and_loses_nothing)
{
	char *ref = rig_stored(r, BOB, 1);
	struct store_put m = rig_message(BOB, 2);

	cr_assert_eq(rig_claim(r, BOB, 60000, false), 0);
	rig_sql(r,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
			"WHERE application_name = 'msrp-relay' AND pid IN (SELECT pid "
			"FROM pg_locks WHERE locktype = 'advisory' AND objid = "
			"(SELECT hashtext(current_schema() || 'one')::bigint & "
			"4294967295))");
	/* Whether this or the end of the connection is noticed first. */
	cr_assert_eq(rig_put(r, &m, "x", 1), 0);
	for(int i = 0; i < 500 && rig_stats(r).reconnects_total < 2; i++)
		rig_sleep(r, 10);
	cr_assert_eq(rig_stats(r).reconnects_total, 2);
	/* The same life: its leases are still its own. */
	cr_assert_eq(
			rig_settle(r, ref, r->m[0].fence + 1, STORE_O_DELIVERED, 0), 0);
	free(ref);
}

ONLY(STORE_PGSQL, store_pgsql,
		a_database_that_cannot_be_reached_refuses_jobs_at_once)
{
	struct node *off = rig_join(r, "off");
	struct store_put m = rig_message(BOB, 1);

	snprintf(off->url, sizeof(off->url), "host=/nowhere dbname=x user=x");
	cr_assert_eq(rig_open(off), 0);
	cr_assert_not(store_is_available(off->s));
	cr_assert_eq(rig_put(off, &m, "x", 1), -ENOTCONN);
	cr_assert_eq(rig_show(off, "d-x"), -ENOTCONN);
	rig_close(off);
	rig_free(off);
}

ONLY(STORE_SQLITE, store_sqlite, a_second_daemon_is_refused)
{
	struct node *two = rig_join(r, "two");

	cr_assert_eq(rig_open(two), -EBUSY);
	rig_close(two);
	rig_free(two);
}

/* ---- what a busy store must not forget --------------------------------- */

struct crowd
{
	struct node *node;
	int open;
	bool stop, over;
};

static void on_crowd(void *arg, int rc, const struct store_result *res)
{
	static const char *const users[] = {CAROL};
	struct crowd *x = arg;

	(void)res;
	cr_assert_eq(rc, 0);
	if(!x->stop)
		store_count(x->node->p, users, 1, on_crowd, x);
	else
		x->over = --x->open == 0;
}

BOTH(figures_are_read_also_when_there_is_always_a_job)
{
	struct crowd x = {.node = r, .open = 1000};
	const struct store_result none = {0};
	uint64_t end = uv_hrtime() + UINT64_C(6000000000);
	bool seen = false;

	free(rig_stored(r, BOB, 1));
	for(int i = 0; i < x.open; i++)
		on_crowd(&x, 0, &none);
	rig_sql(r, "UPDATE totals SET messages = 77");
	while(!seen && uv_hrtime() < end) {
		uv_run(&r->loop, UV_RUN_ONCE);
		seen = rig_stats(r).messages == 77;
	}
	x.stop = true;
	rig_until(r, &x.over);
	cr_assert(seen);
}

static int64_t ours(void)
{
	uv_timeval64_t t;

	uv_gettimeofday(&t);
	return t.tv_sec * 1000 + t.tv_usec / 1000;
}

ONLY(STORE_PGSQL, store_pgsql, the_clock_is_the_servers)
{
	struct node *late = rig_join(r, "late");
	char *at = strstr(late->url, "search_path=");

	/* What the server says is an hour behind us. */
	rig_sql(r,
			"CREATE FUNCTION clock_timestamp() RETURNS timestamptz "
			"LANGUAGE sql AS $$SELECT now() - interval '1 hour'$$");
	snprintf(at, sizeof(late->url) - (size_t)(at - late->url),
			"search_path=t%d,pg_catalog'", (int)getpid());
	cr_assert_eq(rig_open(late), 0);
	free(rig_stored(late, BOB, 1));
	cr_assert_leq(llabs(store_now(late->s) - (ours() - 3600000)), 5000);
	cr_assert_eq(rig_claim(late, BOB, 60000, false), 0);
	cr_assert_leq(llabs(late->m[0].received_at - store_now(late->s)), 5000);
	cr_assert_leq(
			llabs(late->m[0].lease_until - 60000 - store_now(late->s)), 5000);
	rig_close(late);
	rig_free(late);
}

/* A new database would take all bodies for leftovers. */
ONLY(STORE_SQLITE, store_sqlite, bodies_without_their_database_are_not_removed)
{
	static char body[100000];
	struct store_put m = rig_message(BOB, 1);
	char path[256], away[256];

	cr_assert_eq(rig_put(r, &m, body, sizeof(body)), 0);
	rig_close(r);
	snprintf(path, sizeof(path), "%s/store.db", r->dir);
	snprintf(away, sizeof(away), "%s/store.away", r->dir);
	cr_assert_eq(rename(path, away), 0);
	cr_assert_eq(rig_open(r), -ENOTEMPTY);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	cr_assert_eq(rig_bodies(r), 1);
	cr_assert_eq(rename(away, path), 0);
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_count(r, BOB), 1);
}

/* ---- versions ---------------------------------------------------------- */

BOTH(a_schema_of_a_newer_version_is_refused)
{
	rig_sql(r, "UPDATE schema_version SET version = 99");
	rig_close(r);
	cr_assert_eq(rig_open(r), -EPROTONOSUPPORT);
	rig_sql(r, "UPDATE schema_version SET version = 1");
	uv_run(&r->loop, UV_RUN_DEFAULT);
	cr_assert_eq(rig_open(r), 0);
}

/* The steps of a later release: one that works, one that does not. */
BOTH(a_schema_is_brought_to_the_next_version_as_a_whole_or_not_at_all)
{
	struct store_step steps[3] = {store_schema[0],
			{.both = "ALTER TABLE messages ADD COLUMN more BIGINT;",
					.sqlite = "CREATE TABLE only_sqlite (a BIGINT);",
					.pgsql = "CREATE TABLE only_pgsql (a BIGINT);"},
			{.both = "CREATE TABLE half (a BIGINT); ALTER TABLE nowhere ADD "
					 "COLUMN a BIGINT;"}};
	struct store_db db = {.driver = r->conf.backend == STORE_PGSQL
					? &store_pgsql
					: &store_sqlite,
			.conf = &r->conf,
			.node = "other"};

	free(rig_stored(r, BOB, 1));
	rig_close(r);
	cr_assert_eq(db.driver->open(&db), 0);
	cr_assert_lt(store_schema_update(&db, steps, 3), 0);
	cr_assert_str_eq(rig_sql(r, "SELECT version FROM schema_version"), "1");
	cr_assert_eq(store_schema_update(&db, steps, 2), 0);
	db.driver->close(&db);
	cr_assert_str_eq(rig_sql(r, "SELECT version FROM schema_version"), "2");
	cr_assert_str_eq(
			rig_sql(r, "SELECT count(*) FROM messages WHERE more IS NULL"),
			"1");
	rig_sql(r, "UPDATE schema_version SET version = 1");
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_claim(r, BOB, 1000, false), 0);
	cr_assert_eq(r->n, 1);
}

/* ---- between file and row ---------------------------------------------- */

static void touch(struct node *r, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/bodies/%s", r->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0);
	close(fd);
}

ONLY(STORE_SQLITE, store_sqlite, what_a_crash_left_is_removed_or_held)
{
	struct store_put m = rig_message(BOB, 1);
	char *p = calloc(1, 100000), *whole, *lost, path[300];

	cr_assert_eq(rig_put(r, &m, p, 100000), 0);
	whole = strdup(r->m[0].ref);
	m = rig_message(BOB, 2);
	cr_assert_eq(rig_put(r, &m, p, 100000), 0);
	lost = strdup(r->m[0].ref);
	rig_close(r);
	touch(r, "d-01a1fdf0fd63c6de3190eba62d0e2d41");
	touch(r, "d-01a1fdf0fd63c6de3190eba62d0e2d42.tmp");
	snprintf(path, sizeof(path), "%s/bodies/%s", r->dir, lost);
	cr_assert_eq(truncate(path, 99999), 0);
	cr_assert_eq(rig_open(r), 0);
	for(int i = 0; i < 200 && rig_stats(r).lost_bodies_total == 0; i++)
		rig_sleep(r, 20);
	cr_assert_eq(rig_stats(r).orphans_total, 2);
	cr_assert_eq(rig_bodies(r), 2);
	cr_assert_eq(rig_show(r, lost), 0);
	cr_assert_eq(r->m[0].state, STORE_HELD);
	cr_assert_eq(rig_show(r, whole), 0);
	cr_assert_eq(r->m[0].state, STORE_STORED);
	free(whole);
	free(lost);
	free(p);
}

ONLY(STORE_SQLITE, store_sqlite,
		a_body_can_be_read_to_its_end_while_its_message_goes)
{
	struct store_put m = rig_message(BOB, 1);
	char *p = calloc(1, 100000);
	size_t n = 0;
	char *ref, *all;

	cr_assert_eq(rig_put(r, &m, p, 100000), 0);
	ref = strdup(r->m[0].ref);
	all = rig_body(r, ref, &n);
	cr_assert_eq(n, 100000);
	free(all);
	cr_assert_eq(rig_order(r, ref, STORE_DELETE), 0);
	cr_assert_null(rig_body(r, ref, &n));
	free(ref);
	free(p);
}

/* ---- a disk that fails ------------------------------------------------- */

static void limit_files(rlim_t bytes)
{
	struct rlimit l = {bytes, RLIM_INFINITY};

	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

ONLY(STORE_SQLITE, store_sqlite,
		a_write_that_fails_is_a_refusal_and_what_is_stored_stays)
{
	char *p = calloc(1, 300000), *before = rig_stored(r, BOB, 1);
	int stored = 1, refused = 0;

	signal(SIGXFSZ, SIG_IGN);
	limit_files(200000);
	for(int i = 2; i < 30; i++) {
		struct store_put m = rig_message(BOB, i);
		int rc = rig_put(r, &m, p, i % 3 ? 40000 : 300000);

		cr_assert(rc == 0 || rc == -EIO || rc == -ENOTCONN, "%d", rc);
		stored += rc == 0;
		refused += rc < 0;
	}
	cr_assert_gt(refused, 10);
	limit_files(RLIM_INFINITY);
	for(int i = 0; i < 200 && !store_is_available(r->s); i++)
		rig_sleep(r, 50);
	cr_assert_eq(rig_list(r, NULL, -1, NULL, 100), 0);
	cr_assert_eq(r->n, stored);
	cr_assert_str_eq(r->m[0].ref, before);
	free(rig_stored(r, BOB, 100));
	cr_assert_gt(rig_stats(r).errors_total, 0);
	free(before);
	free(p);
}

BOTH(a_port_may_close_while_its_jobs_are_under_way)
{
	struct store_put m = rig_message(BOB, 1);

	for(int i = 0; i < 100; i++)
		store_put(r->p, &m, NULL, NULL);
	rig_close(r);
	cr_assert_eq(rig_open(r), 0);
	cr_assert_eq(rig_list(r, NULL, -1, NULL, 100), 0);
	cr_assert_eq(r->n, 1);
}
