/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Shared by the two files of the PostgreSQL backend.
 */
#ifndef STORE_STORE_PGSQL_H
#define STORE_STORE_PGSQL_H

#include <libpq-fe.h>

#include "store/store_sql.h"

struct pgsql
{
	PGconn *c;
	PGresult *res; /* of the statement that runs */
	int row;       /* of it; -1 before the first */
	bool prepared[SQL_N];
	bool hung;          /* given up: no answer in time */
	bool patient;       /* a change of the schema takes its time */
	char *users, *rest; /* of the notice that is being read */
};

/* Tell the log, remember; returns a negative errno. res may be NULL. */
int pgsql_fail(struct store_db *db, const char *what, const PGresult *res);
void pgsql_finish(struct pgsql *q);

/* The result of what was sent (what PQsend... returned), to be cleared; of
 * several the last. A server that does not answer costs store_timeout and a
 * little, and the connection. */
PGresult *pgsql_wait(struct store_db *db, int sent);
PGresult *pgsql_exec(struct store_db *db, const char *sql);
/* With n arguments, as text. */
PGresult *pgsql_ask(
		struct store_db *db, const char *sql, int n, const char *const *args);

int pgsql_run(struct store_db *db, enum sql_id id, const struct sql_arg *args);
int pgsql_row(struct store_db *db);
bool pgsql_is_null(struct store_db *db, int column);
int64_t pgsql_int(struct store_db *db, int column);
const void *pgsql_get(struct store_db *db, int column, size_t *n);
int pgsql_lock_user(struct store_db *db, const char *user);

#endif
