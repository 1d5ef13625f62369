/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See store_rig.h.
 */
#include "store_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

/* ---- where ------------------------------------------------------------- */

static void spawn(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if(pid == 0) {
		/* The server outlives this test: it must not hold its pipes. */
		close_range(3, ~0U, 0);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	cr_assert_eq(status, 0, "%s", argv[0]);
}

/* All tests of one run have the same parent, for whom the server is kept. */
static void server(char *dir, size_t size)
{
	char runner[24], lock[96];
	const char *argv[] = {
			"tests/postgres", "start", dir, runner, "fsync=off", NULL};
	int fd;

	snprintf(runner, sizeof(runner), "%d", (int)getppid());
	snprintf(dir, size, "/tmp/cpm-pg-%d-%s", (int)geteuid(), runner);
	snprintf(lock, sizeof(lock), "%s.lock", dir);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && flock(fd, LOCK_EX) == 0);
	spawn(argv);
	unlink(lock);
	close(fd);
}

static void make_schema(struct node *r, const char *dir)
{
	char text[256];
	PGconn *c;
	PGresult *res;

	snprintf(text, sizeof(text), "host=%s user=relay dbname=postgres", dir);
	c = PQconnectdb(text);
	snprintf(text, sizeof(text), "CREATE SCHEMA t%d", (int)getpid());
	res = PQexec(c, text);
	cr_assert_eq(
			PQresultStatus(res), PGRES_COMMAND_OK, "%s", PQerrorMessage(c));
	PQclear(res);
	PQfinish(c);
	snprintf(r->url, sizeof(r->url),
			"host=%s user=relay dbname=postgres "
			"options='-c search_path=t%d'",
			dir, (int)getpid());
}

static void remove_dir(const char *dir)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(dir);

	while(d && (e = readdir(d)) != NULL) {
		if(e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if(unlink(path) < 0)
			remove_dir(path);
	}
	if(d)
		closedir(d);
	rmdir(dir);
}

/* ---- nodes ------------------------------------------------------------- */

static void on_changed(void *arg, const char *user, bool due)
{
	struct node *r = arg;

	r->n_changed++;
	r->n_due += due;
	snprintf(r->changed, sizeof(r->changed), "%s", user);
}

static void on_available(void *arg, bool yes)
{
	struct node *r = arg;

	(void)yes;
	r->n_available++;
}

int rig_open(struct node *r)
{
	const struct store_events ev = {on_changed, on_available, r};
	int rc;

	r->conf.dir = r->dir;
	r->conf.url = r->url;
	r->conf.node = r->name;
	rc = store_open(&r->loop, &r->conf, &ev, &r->s);
	if(rc == 0)
		cr_assert_eq(store_port_open(r->s, &r->loop, &r->p), 0);
	return rc;
}

void rig_close(struct node *r)
{
	store_port_close(&r->p);
	store_close(&r->s);
	uv_run(&r->loop, UV_RUN_DEFAULT);
}

static struct node *node_new(void)
{
	struct node *r = calloc(1, sizeof(*r));

	cr_assert_not_null(r);
	uv_loop_init(&r->loop);
	return r;
}

static void forget(struct node *r)
{
	for(int i = 0; i < r->n; i++) {
		free((void *)r->m[i].ref);
		free((void *)r->m[i].user);
		free((void *)r->m[i].sender);
		free((void *)r->m[i].key);
		free((void *)r->m[i].envelope);
		free((void *)r->m[i].type);
		free((void *)r->m[i].message_id);
		free((void *)r->m[i].imdn_id);
		free((void *)r->m[i].cpim_from);
		free((void *)r->m[i].cpim_to);
		free((void *)r->m[i].cpim_date);
		free((void *)r->m[i].subject);
		free((void *)r->m[i].node);
		free((void *)r->m[i].data);
	}
	r->n = 0;
}

void rig_free(struct node *r)
{
	forget(r);
	cr_assert_eq(uv_loop_close(&r->loop), 0, "handles are left open");
	free(r);
}

struct node *rig_join(const struct node *r, const char *name)
{
	struct node *to = node_new();

	to->conf = r->conf;
	snprintf(to->dir, sizeof(to->dir), "%s", r->dir);
	snprintf(to->url, sizeof(to->url), "%s", r->url);
	snprintf(to->name, sizeof(to->name), "%s", name);
	return to;
}

void rig_test(enum store_backend backend, void (*test)(struct node *r))
{
	struct node *r = node_new();
	char pg[64];

	snprintf(r->dir, sizeof(r->dir), "/tmp/store-%d-XXXXXX", (int)getpid());
	cr_assert_not_null(mkdtemp(r->dir));
	snprintf(r->name, sizeof(r->name), "one");
	r->conf = (struct store_conf){.backend = backend,
			.inline_bytes = 64 * 1024,
			.user_messages = 1000,
			.user_bytes = UINT64_C(1) << 30,
			.lifetime_s = 3600,
			.lifetime_max_s = 7200,
			.statement_ms = 10000};
	if(backend == STORE_PGSQL) {
		server(pg, sizeof(pg));
		make_schema(r, pg);
	}
	cr_assert_eq(rig_open(r), 0);
	test(r);
	rig_close(r);
	remove_dir(r->dir);
	rig_free(r);
}

/* ---- waiting ----------------------------------------------------------- */

static void on_timer(uv_timer_t *t)
{
	*(bool *)t->data = true;
	/* Else the loop would wait for something else in the same round. */
	uv_stop(t->loop);
}

static void run_until(struct node *r, const bool *what, int ms, bool fail)
{
	uv_timer_t timer;
	bool over = false;

	uv_timer_init(&r->loop, &timer);
	timer.data = &over;
	uv_timer_start(&timer, on_timer, (uint64_t)ms, 0);
	while(!over && !(what && *what))
		uv_run(&r->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&r->loop, UV_RUN_NOWAIT);
	cr_assert(!fail || *what, "nothing came in %d ms", ms);
}

void rig_until(struct node *r, const bool *what)
{
	run_until(r, what, WAIT_MS, true);
}

void rig_sleep(struct node *r, int ms)
{
	run_until(r, NULL, ms, false);
}

void rig_cb(void *arg, int rc, const struct store_result *res)
{
	struct node *r = arg;

	forget(r);
	r->rc = rc;
	r->res = *res;
	r->n = rc == 0 ? res->n : 0;
	cr_assert_leq(r->n, RIG_ROWS);
	for(int i = 0; i < r->n; i++) {
		struct store_message *m = &r->m[i];

		*m = res->messages[i];
		m->ref = strdup(m->ref);
		m->user = strdup(m->user);
		m->sender = strdup(m->sender);
		m->key = strdup(m->key);
		m->envelope = strdup(m->envelope);
		m->type = strdup(m->type);
		m->message_id = strdup(m->message_id);
		m->imdn_id = strdup(m->imdn_id);
		m->cpim_from = strdup(m->cpim_from);
		m->cpim_to = strdup(m->cpim_to);
		m->cpim_date = strdup(m->cpim_date);
		m->subject = strdup(m->subject);
		m->node = strdup(m->node);
		if(m->data) {
			char *d = malloc(m->size + 1);

			memcpy(d, m->data, m->size);
			d[m->size] = '\0';
			m->data = d;
		}
	}
	r->done = true;
}

int rig_wait(struct node *r)
{
	rig_until(r, &r->done);
	r->done = false;
	return r->rc;
}

/* ---- calls ------------------------------------------------------------- */

struct store_put rig_message(const char *user, int seq)
{
	static char keys[64][32];
	static int n;
	char *key = keys[n++ % 64];

	snprintf(key, sizeof(keys[0]), "key-%d", seq);
	return (struct store_put){.user = user,
			.sender = "sip:alice@home1.test",
			.key = key,
			.envelope = "{\"from\":\"sip:alice@home1.test\"}",
			.type = "text/plain",
			.kind = STORE_PAGER,
			.next_ms = 0,
			.body.fd = -1};
}

int rig_put(
		struct node *r, const struct store_put *m, const void *body, size_t n)
{
	const struct iovec part = {(void *)body, n};
	struct store_put put = *m;

	put.body.parts = &part;
	put.body.n_parts = 1;
	store_put(r->p, &put, rig_cb, r);
	return rig_wait(r);
}

char *rig_stored(struct node *r, const char *user, int seq)
{
	struct store_put m = rig_message(user, seq);

	cr_assert_eq(rig_put(r, &m, "hello", 5), 0);
	cr_assert_eq(r->n, 1);
	return strdup(r->m[0].ref);
}

int rig_claim(struct node *r, const char *user, int lease_ms, bool any)
{
	const struct store_claim c = {
			.users = &user, .n_users = 1, .lease_ms = lease_ms, .any = any};

	store_claim(r->p, &c, rig_cb, r);
	return rig_wait(r);
}

int rig_claim_ref(struct node *r, const char *ref, int lease_ms)
{
	const struct store_claim c = {.ref = ref, .lease_ms = lease_ms};

	store_claim(r->p, &c, rig_cb, r);
	return rig_wait(r);
}

int rig_settle(struct node *r, const char *ref, uint64_t fence,
		enum store_outcome outcome, int retry_ms)
{
	const struct store_settle st = {.ref = ref,
			.fence = fence,
			.outcome = outcome,
			.retry_ms = retry_ms,
			.code = 480};

	store_settle(r->p, &st, rig_cb, r);
	return rig_wait(r);
}

int rig_order(struct node *r, const char *ref, enum store_order what)
{
	store_order(r->p, ref, what, rig_cb, r);
	return rig_wait(r);
}

int rig_list(struct node *r, const char *user, int state, const char *after,
		int limit)
{
	const struct store_list l = {.user = user,
			.state = state,
			.after = after,
			.limit = limit,
			.envelope = true};

	store_list(r->p, &l, rig_cb, r);
	return rig_wait(r);
}

int rig_show(struct node *r, const char *ref)
{
	store_show(r->p, ref, rig_cb, r);
	return rig_wait(r);
}

int rig_count(struct node *r, const char *user)
{
	store_count(r->p, &user, 1, rig_cb, r);
	cr_assert_eq(rig_wait(r), 0);
	return (int)r->res.count;
}

struct store_stats rig_stats(struct node *r)
{
	struct store_stats st;

	store_stats_read(r->s, &st);
	return st;
}

struct reading
{
	struct store_body *body;
	uint64_t size;
	int rc;
	bool done;
};

static void on_body(void *arg, int rc, struct store_body *body, uint64_t size)
{
	struct reading *g = arg;

	g->rc = rc;
	g->body = body;
	g->size = size;
	g->done = true;
}

static void on_read(void *arg, int rc, size_t n)
{
	struct reading *g = arg;

	(void)n;
	g->rc = rc;
	g->done = true;
}

char *rig_body(struct node *r, const char *ref, size_t *n)
{
	struct reading g = {0};
	char *all;

	store_body_open(r->p, ref, on_body, &g);
	rig_until(r, &g.done);
	if(g.rc < 0) {
		cr_assert_null(g.body);
		return NULL;
	}
	all = calloc(1, g.size + 1);
	/* An odd size, so that reads straddle chunks. */
	for(uint64_t at = 0; at < g.size; at += 100001) {
		size_t k = g.size - at < 100001 ? g.size - at : 100001;

		g.done = false;
		store_body_read(g.body, at, all + at, k, on_read, &g);
		rig_until(r, &g.done);
		cr_assert_eq(g.rc, 0);
	}
	store_body_close(&g.body);
	*n = g.size;
	return all;
}

int rig_bodies(struct node *r)
{
	char path[256];
	struct dirent *e;
	DIR *d;
	int n = 0;

	if(r->conf.backend == STORE_PGSQL)
		return (int)strtol(rig_sql(r, "SELECT count(*) FROM bodies"), NULL, 10);
	snprintf(path, sizeof(path), "%s/bodies", r->dir);
	d = opendir(path);
	cr_assert_not_null(d);
	while((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static int keep_first(void *arg, int n, char **values, char **names)
{
	(void)names;
	if(n > 0 && values[0])
		snprintf(arg, 256, "%s", values[0]);
	return 0;
}

const char *rig_sql(struct node *r, const char *sql)
{
	static char out[256];
	char path[256];
	sqlite3 *h;
	PGconn *c;
	PGresult *res;

	out[0] = '\0';
	if(r->conf.backend == STORE_PGSQL) {
		c = PQconnectdb(r->url);
		res = PQexec(c, sql);
		cr_assert(PQresultStatus(res) == PGRES_TUPLES_OK
						|| PQresultStatus(res) == PGRES_COMMAND_OK,
				"%s: %s", sql, PQerrorMessage(c));
		if(PQntuples(res) > 0)
			snprintf(out, sizeof(out), "%s", PQgetvalue(res, 0, 0));
		PQclear(res);
		PQfinish(c);
		return out;
	}
	snprintf(path, sizeof(path), "%s/store.db", r->dir);
	cr_assert_eq(sqlite3_open(path, &h), SQLITE_OK);
	sqlite3_busy_timeout(h, 5000);
	cr_assert_eq(sqlite3_exec(h, sql, keep_first, out, NULL), SQLITE_OK, "%s",
			sqlite3_errmsg(h));
	sqlite3_close(h);
	return out;
}
