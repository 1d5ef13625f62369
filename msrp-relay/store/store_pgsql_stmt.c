/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store in PostgreSQL: statements, prepared once for each connection.
 * Arguments go as text (bytes as they are), rows come in binary.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log/log.h"
#include "store/store_pgsql.h"
#include "store/store_priv.h"

/* Types of arguments, from pg_type. */
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_TEXT 25

#define USER_LOCK 0x6d737275 /* class of advisory locks: users */

/* The server ends a statement after store_timeout, unless it hangs itself: we
 * wait for so much longer. */
#define ANSWER_SPARE_MS 2000

static const struct
{
	const char *prefix; /* of the SQLSTATE */
	int rc;
} states[] = {
		{"08", -ENOTCONN},    /* connection */
		{"57P0", -ENOTCONN},  /* the server stops or starts */
		{"25006", -ENOTCONN}, /* it became a standby */
		{"53100", -ENOSPC},   /* disk full */
		{"40", -EAGAIN},      /* deadlock, serialization */
		{"55P03", -EAGAIN},   /* lock not available */
		{"28", -EACCES},      /* password, role */
		{"42501", -EACCES},   /* privilege */
};

int pgsql_fail(struct store_db *db, const char *what, const PGresult *res)
{
	struct pgsql *q = db->own;
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	int rc = -EIO;

	if(PQstatus(q->c) == CONNECTION_BAD)
		rc = q->hung ? -ETIMEDOUT : -ENOTCONN;
	for(size_t i = 0;
			state && rc == -EIO && i < sizeof(states) / sizeof(states[0]); i++)
		if(strncmp(state, states[i].prefix, strlen(states[i].prefix)) == 0)
			rc = states[i].rc;
	log_limited(rc == -EAGAIN ? LOG_L_WARNING : LOG_L_ERROR,
			"store: PostgreSQL: %s: %s", what, PQerrorMessage(q->c));
	return store_db_fail(db, rc);
}

/* Until the next result is there, or the connection is lost; false: neither. */
static bool answered(struct pgsql *q, int64_t until)
{
	int out;

	while((out = PQflush(q->c)) > 0 || (out == 0 && PQisBusy(q->c))) {
		struct pollfd p = {.fd = PQsocket(q->c), .events = POLLIN};
		int64_t left = until - (int64_t)store_mono();

		if(out > 0)
			p.events |= POLLOUT;
		if(left <= 0 && !q->patient)
			return false;
		if(poll(&p, 1, q->patient ? -1 : (int)left) > 0
				&& (p.revents & ~POLLOUT) && !PQconsumeInput(q->c))
			return true;
	}
	return true;
}

PGresult *pgsql_wait(struct store_db *db, int sent)
{
	struct pgsql *q = db->own;
	int ms = db->conf->statement_ms + ANSWER_SPARE_MS;
	int64_t until = (int64_t)store_mono() + ms;
	PGresult *last = NULL, *res;

	for(;;) {
		if(sent && !answered(q, until)) {
			log_limited(LOG_L_ERROR,
					"store: PostgreSQL does not answer for %d ms", ms);
			/* So that libpq, too, takes the connection for lost. */
			shutdown(PQsocket(q->c), SHUT_RDWR);
			q->hung = true;
		}
		res = PQgetResult(q->c);
		if(res == NULL)
			return last;
		PQclear(last);
		last = res;
	}
}

PGresult *pgsql_exec(struct store_db *db, const char *sql)
{
	struct pgsql *q = db->own;

	return pgsql_wait(db, PQsendQuery(q->c, sql));
}

PGresult *pgsql_ask(
		struct store_db *db, const char *sql, int n, const char *const *args)
{
	struct pgsql *q = db->own;

	return pgsql_wait(
			db, PQsendQueryParams(q->c, sql, n, NULL, args, NULL, NULL, 0));
}

void pgsql_finish(struct pgsql *q)
{
	PQclear(q->res);
	q->res = NULL;
	q->row = -1;
}

static size_t add(char *text, size_t n, size_t size, const char *s)
{
	size_t len = strlen(s);

	if(n + len >= size)
		abort();
	memcpy(text + n, s, len);
	return n + len;
}

static int prepare(struct store_db *db, enum sql_id id)
{
	struct pgsql *q = db->own;
	const char *types = sql_texts[id].args;
	Oid oids[SQL_ARGS_MAX];
	char text[2048];
	size_t n = 0;
	PGresult *res;
	int rc = 0, n_args = (int)strlen(types);

	for(const char *p = sql_texts[id].text; *p; p++) {
		if(strncmp(p, "{lock}", 6) == 0) {
			n = add(text, n, sizeof(text), "FOR UPDATE");
			p += 5;
		} else if(strncmp(p, "{skip}", 6) == 0) {
			n = add(text, n, sizeof(text), "FOR UPDATE SKIP LOCKED");
			p += 5;
		} else {
			n = add(text, n, sizeof(text), (char[]){*p, '\0'});
		}
	}
	text[n] = '\0';
	for(int i = 0; i < n_args; i++)
		oids[i] = types[i] == 'i' ? OID_INT8
				: types[i] == 't' ? OID_TEXT
								  : OID_BYTEA;
	res = pgsql_wait(
			db, PQsendPrepare(q->c, sql_texts[id].name, text, n_args, oids));
	if(PQresultStatus(res) != PGRES_COMMAND_OK)
		rc = pgsql_fail(db, sql_texts[id].name, res);
	else
		q->prepared[id] = true;
	PQclear(res);
	return rc;
}

int pgsql_run(struct store_db *db, enum sql_id id, const struct sql_arg *args)
{
	struct pgsql *q = db->own;
	const char *types = sql_texts[id].args;
	int n = (int)strlen(types), lengths[SQL_ARGS_MAX], formats[SQL_ARGS_MAX];
	const char *values[SQL_ARGS_MAX];
	char numbers[SQL_ARGS_MAX][24];
	ExecStatusType status;

	pgsql_finish(q);
	if(!q->prepared[id] && prepare(db, id) < 0)
		return db->failed;
	for(int i = 0; i < n; i++) {
		formats[i] = types[i] == 'b';
		lengths[i] = (int)args[i].n;
		values[i] = args[i].null ? NULL : args[i].p;
		if(types[i] == 'i' && !args[i].null) {
			snprintf(numbers[i], sizeof(numbers[i]), "%" PRId64, args[i].i);
			values[i] = numbers[i];
		} else if(types[i] == 'b' && args[i].n == 0) {
			values[i] = "";
		}
	}
	q->res = pgsql_wait(db,
			PQsendQueryPrepared(
					q->c, sql_texts[id].name, n, values, lengths, formats, 1));
	status = PQresultStatus(q->res);
	if(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return 0;
	n = pgsql_fail(db, sql_texts[id].name, q->res);
	pgsql_finish(q);
	return n;
}

int pgsql_row(struct store_db *db)
{
	struct pgsql *q = db->own;

	if(q->res == NULL)
		return 0;
	if(++q->row < PQntuples(q->res))
		return 1;
	pgsql_finish(q);
	return 0;
}

bool pgsql_is_null(struct store_db *db, int column)
{
	struct pgsql *q = db->own;

	return PQgetisnull(q->res, q->row, column);
}

int64_t pgsql_int(struct store_db *db, int column)
{
	struct pgsql *q = db->own;
	const unsigned char *p =
			(const unsigned char *)PQgetvalue(q->res, q->row, column);
	uint64_t v = 0;

	for(int i = 0; i < PQgetlength(q->res, q->row, column); i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

const void *pgsql_get(struct store_db *db, int column, size_t *n)
{
	struct pgsql *q = db->own;

	*n = (size_t)PQgetlength(q->res, q->row, column);
	return PQgetvalue(q->res, q->row, column);
}

int pgsql_lock_user(struct store_db *db, const char *user)
{
	struct pgsql *q = db->own;
	const char *const args[] = {user};
	char sql[128];
	PGresult *res;
	int rc;

	pgsql_finish(q);
	snprintf(sql, sizeof(sql),
			"SELECT pg_try_advisory_xact_lock(%d, hashtext(current_schema() || "
			"$1))",
			USER_LOCK);
	res = pgsql_ask(db, sql, 1, args);
	rc = PQresultStatus(res) != PGRES_TUPLES_OK
			? pgsql_fail(db, "lock of a user", res)
			: PQgetvalue(res, 0, 0)[0] == 't';
	PQclear(res);
	return rc;
}
