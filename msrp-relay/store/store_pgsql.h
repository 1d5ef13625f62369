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
	char *users, *rest; /* of the notice that is being read */
};

/* Tell the log, remember; returns a negative errno. res may be NULL. */
int pgsql_fail(struct store_db *db, const char *what, const PGresult *res);
void pgsql_finish(struct pgsql *q);

int pgsql_run(struct store_db *db, enum sql_id id, const struct sql_arg *args);
int pgsql_row(struct store_db *db);
bool pgsql_is_null(struct store_db *db, int column);
int64_t pgsql_int(struct store_db *db, int column);
const void *pgsql_get(struct store_db *db, int column, size_t *n);
int pgsql_lock_user(struct store_db *db, const char *user);

#endif
