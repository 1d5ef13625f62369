/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store in PostgreSQL: connection and session. COMMIT returns when the
 * server's log is on disk: a server or role that has synchronous_commit off is
 * told otherwise. Each node is known by a name, which a lock of the session
 * guards; what a dead connection left is noticed by the server's keepalives
 * and ours. Statements are in store_pgsql_stmt.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "net/buf.h"
#include "store/store_pgsql.h"
#include "store/store_priv.h"

#define NODE_LOCK 0x6d737270 /* class of advisory locks: names of nodes */
#define NODE_TRIES 50        /* a killed daemon's session ends soon */
#define NODE_PAUSE_MS 100
#define IDLE_IN_TRANSACTION_MS 30000

static void ignore(void *arg, const char *text)
{
	(void)arg;
	log_debug("store: PostgreSQL: %s", text);
}

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int pg_exec(struct store_db *db, const char *sql)
{
	struct pgsql *q = db->own;
	PGresult *res;
	int rc = 0;

	pgsql_finish(q);
	res = pgsql_exec(db, sql);
	if(PQresultStatus(res) != PGRES_COMMAND_OK
			&& PQresultStatus(res) != PGRES_TUPLES_OK)
		rc = pgsql_fail(db, "statement", res);
	PQclear(res);
	return rc;
}

static void pg_close(struct store_db *db)
{
	struct pgsql *q = db->own;

	if(q == NULL)
		return;
	pgsql_finish(q);
	PQfinish(q->c);
	free(q->users);
	free(q);
	db->own = NULL;
}

/* One text of a row of texts; "" for none. */
static int ask(struct store_db *db, const char *sql, char *out, size_t size)
{
	PGresult *res = pgsql_exec(db, sql);
	int rc = 0;

	if(PQresultStatus(res) != PGRES_TUPLES_OK)
		rc = pgsql_fail(db, "session", res);
	else
		snprintf(out, size, "%s",
				PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "");
	PQclear(res);
	return rc;
}

/* Durability is not left to the settings of a server or a role. */
static int check_server(struct store_db *db)
{
	char v[64];
	int rc = ask(db, "SHOW server_encoding", v, sizeof(v));

	if(rc == 0 && strcmp(v, "UTF8") != 0) {
		log_error("store: the encoding of the database is %s, not UTF8", v);
		return -EINVAL;
	}
	if(rc == 0)
		rc = ask(db, "SHOW synchronous_commit", v, sizeof(v));
	if(rc == 0 && strcmp(v, "off") == 0)
		rc = pg_exec(db, "SET synchronous_commit = on");
	if(rc == 0)
		rc = ask(db, "SHOW fsync", v, sizeof(v));
	if(rc == 0 && strcmp(v, "off") == 0)
		log_warning("store: the server runs with fsync = off: a power cut "
					"loses acknowledged messages");
	return rc;
}

static int set_session(struct store_db *db)
{
	char set[512], channel[160];
	int rc = ask(db, "SELECT quote_ident('msrp_relay_' || current_schema())",
			channel, sizeof(channel));

	if(rc < 0)
		return rc;
	snprintf(set, sizeof(set),
			"SET client_min_messages = warning; SET statement_timeout = %d; "
			"SET idle_in_transaction_session_timeout = %d; "
			"SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; "
			"SET tcp_keepalives_count = 3; "
			"LISTEN %s",
			db->conf->statement_ms, IDLE_IN_TRANSACTION_MS, channel);
	return pg_exec(db, set);
}

/* Two daemons of one name would take each other's leases for their own. */
static int take_name(struct store_db *db)
{
	const struct timespec pause = {.tv_nsec = NODE_PAUSE_MS * 1000000};
	const char *const args[] = {db->node};
	char sql[96];

	snprintf(sql, sizeof(sql),
			"SELECT pg_try_advisory_lock(%d, hashtext(current_schema() || "
			"$1))",
			NODE_LOCK);
	for(int i = 0; i < NODE_TRIES; i++) {
		PGresult *res = pgsql_ask(db, sql, 1, args);
		bool got;

		if(PQresultStatus(res) != PGRES_TUPLES_OK) {
			int rc = pgsql_fail(db, "name of the node", res);

			PQclear(res);
			return rc;
		}
		got = PQgetvalue(res, 0, 0)[0] == 't';
		PQclear(res);
		if(got)
			return 0;
		nanosleep(&pause, NULL);
	}
	log_error("store: another msrp-relay with store_node %s is connected",
			db->node);
	return -EBUSY;
}

static int pg_open(struct store_db *db)
{
	/* What comes after dbname overrides the operator's, what comes before is
	 * overridden. */
	const char *const names[] = {"connect_timeout", "keepalives_idle",
			"keepalives_interval", "keepalives_count", "tcp_user_timeout",
			"application_name", "target_session_attrs", "dbname",
			"client_encoding", NULL};
	const char *const values[] = {"5", "5", "2", "3", "10000", "msrp-relay",
			"read-write", db->conf->url, "UTF8", NULL};
	struct pgsql *q = xcalloc(sizeof(*q));
	int rc;

	db->own = q;
	db->failed = 0;
	q->c = PQconnectdbParams(names, values, 1);
	if(q->c == NULL)
		abort();
	PQsetNoticeProcessor(q->c, ignore, NULL);
	if(PQstatus(q->c) != CONNECTION_OK) {
		log_limited(
				LOG_L_WARNING, "store: PostgreSQL: %s", PQerrorMessage(q->c));
		rc = -ENOTCONN;
	} else {
		PQsetnonblocking(q->c, 1);
		rc = set_session(db);
	}
	if(rc == 0)
		rc = check_server(db);
	if(rc == 0)
		rc = take_name(db);
	if(rc < 0)
		pg_close(db);
	return rc;
}

static int pg_version(struct store_db *db, int *out)
{
	char v[32], sql[96];
	int rc;

	snprintf(sql, sizeof(sql),
			"SET LOCAL statement_timeout = 0; "
			"SELECT pg_advisory_xact_lock(%d, 0)",
			NODE_LOCK);
	((struct pgsql *)db->own)->patient = true;
	rc = pg_exec(db, sql);
	if(rc == 0)
		rc = ask(db, "SELECT to_regclass('schema_version') IS NOT NULL", v,
				sizeof(v));
	*out = 0;
	if(rc == 0 && v[0] == 't') {
		rc = ask(db, "SELECT version FROM schema_version", v, sizeof(v));
		if(rc == 0)
			*out = (int)strtol(v, NULL, 10);
	}
	return rc;
}

static int pg_begin(struct store_db *db)
{
	db->failed = 0;
	return pg_exec(db, "BEGIN");
}

static int pg_commit(struct store_db *db)
{
	struct pgsql *q = db->own;
	PGresult *res;
	int rc = 0;

	pgsql_finish(q);
	res = pgsql_exec(db, "COMMIT");
	q->patient = false;
	/* A transaction that had failed says ROLLBACK, and no error. */
	if(PQresultStatus(res) != PGRES_COMMAND_OK)
		rc = pgsql_fail(db, "commit", res);
	else if(strcmp(PQcmdStatus(res), "COMMIT") != 0)
		rc = store_db_fail(db, -EIO);
	PQclear(res);
	return rc;
}

static void pg_rollback(struct store_db *db)
{
	struct pgsql *q = db->own;

	if(q == NULL)
		return;
	q->patient = false;
	pgsql_finish(q);
	if(PQtransactionStatus(q->c) != PQTRANS_IDLE)
		PQclear(pgsql_exec(db, "ROLLBACK"));
}

static int pg_fd(struct store_db *db)
{
	struct pgsql *q = db->own;

	return q ? PQsocket(q->c) : -1;
}

static int pg_skew(struct store_db *db, int64_t *ms)
{
	char v[32];
	int64_t before = clock_ms(), after;
	int rc = ask(db,
			"SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS "
			"BIGINT)",
			v, sizeof(v));

	after = clock_ms();
	if(rc == 0)
		*ms = strtoll(v, NULL, 10) - (before + (after - before) / 2);
	return rc;
}

static int pg_notify(struct store_db *db, const char *users)
{
	struct pgsql *q = db->own;
	const char *const args[] = {db->node, users};
	PGresult *res;
	int rc = 0;

	pgsql_finish(q);
	res = pgsql_ask(db,
			"SELECT pg_notify('msrp_relay_' || current_schema(), $1 || "
			"E'\\n' || $2)",
			2, args);
	if(PQresultStatus(res) != PGRES_TUPLES_OK)
		rc = pgsql_fail(db, "notice", res);
	PQclear(res);
	return rc;
}

/* The next notice of another node; its users are given one by one. */
static bool next_notice(struct store_db *db)
{
	struct pgsql *q = db->own;
	PGnotify *n;
	size_t len = strlen(db->node);

	free(q->users);
	q->users = q->rest = NULL;
	if(!PQconsumeInput(q->c)) {
		pgsql_fail(db, "notices", NULL);
		return false;
	}
	while((n = PQnotifies(q->c)) != NULL) {
		bool own =
				strncmp(n->extra, db->node, len) == 0 && n->extra[len] == '\n';
		const char *users = strchr(n->extra, '\n');

		if(!own && users)
			q->users = q->rest = strdup(users + 1);
		PQfreemem(n);
		if(q->users)
			return true;
	}
	return false;
}

static const char *pg_notified(struct store_db *db)
{
	struct pgsql *q = db->own;

	if(q->rest == NULL && !next_notice(db))
		return NULL;
	return strsep(&q->rest, "\n");
}

const struct store_driver store_pgsql = {
		.name = "PostgreSQL",
		.shared = true,
		.open = pg_open,
		.close = pg_close,
		.exec = pg_exec,
		.version = pg_version,
		.begin = pg_begin,
		.commit = pg_commit,
		.rollback = pg_rollback,
		.run = pgsql_run,
		.row = pgsql_row,
		.is_null = pgsql_is_null,
		.get_int = pgsql_int,
		.get = pgsql_get,
		.lock_user = pgsql_lock_user,
		.notify = pg_notify,
		.notified = pg_notified,
		.fd = pg_fd,
		.skew = pg_skew,
};
