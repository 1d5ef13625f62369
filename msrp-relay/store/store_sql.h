/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The statements of the store, the same text for both backends, and what a
 * backend has to offer: run one, step through its rows, transactions. Used on
 * the store thread alone.
 */
#ifndef STORE_STORE_SQL_H
#define STORE_STORE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define SQL_ARGS_MAX 26

/* Columns of every statement that reads messages, in this order. */
#define SQL_MESSAGE                                                            \
	"id, ref, usr, sender, put_key, type, message_id, imdn_id, cpim_from, "    \
	"cpim_to, cpim_date, subject, node, kind, state, imdn_negative, size, "    \
	"received_at, expires_at, next_at, lease_until, fence, attempts, "         \
	"permanent, last_code, filed"

enum sql_column
{
	C_ID,
	C_REF,
	C_USER,
	C_SENDER,
	C_KEY,
	C_TYPE,
	C_MESSAGE_ID,
	C_IMDN_ID,
	C_CPIM_FROM,
	C_CPIM_TO,
	C_CPIM_DATE,
	C_SUBJECT,
	C_NODE,
	C_KIND,
	C_STATE,
	C_NEGATIVE,
	C_SIZE,
	C_RECEIVED,
	C_EXPIRES,
	C_NEXT,
	C_LEASE,
	C_FENCE,
	C_ATTEMPTS,
	C_PERMANENT,
	C_CODE,
	C_FILED,
	C_ENVELOPE /* where the statement asks for it */
};

/* SQL(id, types of the arguments: i t b, text). {lock} and {skip} become
 * FOR UPDATE and FOR UPDATE SKIP LOCKED with PostgreSQL. */
#define SQL_STATEMENTS(SQL)                                                    \
	SQL(PUT, "ttttttttttttiiiiiiiiitii",                                       \
			"INSERT INTO messages (ref, usr, sender, put_key, envelope, "      \
			"type, message_id, imdn_id, cpim_from, cpim_to, cpim_date, "       \
			"subject, kind, state, imdn_negative, size, filed, received_at, "  \
			"expires_at, next_at, lease_until, node, fence, attempts, "        \
			"permanent, last_code) SELECT $1, $2, $3, $4, $5, $6, $7, $8, "    \
			"$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, " \
			"$22, CASE WHEN $21 > 0 THEN 1 ELSE 0 END, 0, 0, 0 "               \
			"WHERE (SELECT count(*) < $23 "                                    \
			"AND coalesce(sum(size), 0) + $16 <= $24 FROM messages "           \
			"WHERE usr = $2) ON CONFLICT DO NOTHING RETURNING id")             \
	SQL(ROOM, "tiii",                                                          \
			"SELECT count(*) FROM (SELECT count(*) AS n, "                     \
			"coalesce(sum(size), 0) AS b FROM messages WHERE usr = $1) q "     \
			"WHERE n < $2 AND b + $3 <= $4")                                   \
	SQL(BY_KEY, "tt",                                                          \
			"SELECT " SQL_MESSAGE " FROM messages WHERE usr = $1 "             \
			"AND put_key = $2")                                                \
	SQL(BY_IMDN, "ttt",                                                        \
			"SELECT " SQL_MESSAGE " FROM messages WHERE usr = $1 "             \
			"AND sender = $2 AND imdn_id = $3 AND imdn_id <> ''")              \
	SQL(BY_REF, "t",                                                           \
			"SELECT " SQL_MESSAGE ", envelope FROM messages WHERE ref = $1")   \
	SQL(LOCK_REF, "t",                                                         \
			"SELECT " SQL_MESSAGE " FROM messages WHERE ref = $1 {lock}")      \
	SQL(USER_BUSY, "ti",                                                       \
			"SELECT lease_until FROM messages WHERE usr = $1 AND state = 1 "   \
			"AND lease_until > $2 LIMIT 1")                                    \
	SQL(OLDEST_DUE, "tiii",                                                    \
			"SELECT " SQL_MESSAGE " FROM messages WHERE usr = $1 "             \
			"AND expires_at > $2 AND ((state = 0 AND (next_at <= $2 "          \
			"OR (kind <> $4 AND ($3 = 1 "                                      \
			"OR ($3 = 3 AND next_at IS NULL AND NOT EXISTS (SELECT 1 "         \
			"FROM messages o WHERE o.usr = $1 AND o.state = 0 "                \
			"AND o.next_at > $2)))))) "                                        \
			"OR (state = 1 AND lease_until <= $2)) "                           \
			"ORDER BY id LIMIT 1 {skip}")                                      \
	SQL(OLDEST_BEHIND, "tiiii",                                                \
			"SELECT " SQL_MESSAGE " FROM messages WHERE usr = $1 "             \
			"AND (id > $4 OR (id < $4 AND next_at IS NULL)) "                  \
			"AND expires_at > $2 "                                             \
			"AND ((state = 0 AND (next_at <= $2 "                              \
			"OR ($3 = 1 AND next_at IS NULL AND kind <> $5))) "                \
			"OR (state = 1 AND lease_until <= $2)) "                           \
			"ORDER BY attempts > 1, id LIMIT 1 {skip}")                        \
	SQL(CLAIM, "iitii",                                                        \
			"UPDATE messages SET state = $2, node = $3, lease_until = $4, "    \
			"fence = fence + 1, attempts = attempts + $5 WHERE id = $1 "       \
			"RETURNING " SQL_MESSAGE ", envelope")                             \
	SQL(PENDING, "t",                                                          \
			"SELECT count(*), min(next_at) FROM messages WHERE usr = $1 "      \
			"AND state IN (0, 1)")                                             \
	SQL(RENEW, "tii",                                                          \
			"UPDATE messages SET lease_until = $3 WHERE ref = $1 "             \
			"AND fence = $2 AND state IN (1, 3) RETURNING state")              \
	SQL(MOVE, "iiiiiiii",                                                      \
			"UPDATE messages SET state = $2, node = '', lease_until = $3, "    \
			"next_at = $4, attempts = attempts + $5, "                         \
			"permanent = permanent + $6, last_code = CASE WHEN $7 = 0 THEN "   \
			"last_code ELSE $7 END, fence = fence + $8 WHERE id = $1")         \
	SQL(REQUEUE, "ii",                                                         \
			"UPDATE messages SET state = 0, node = '', lease_until = 0, "      \
			"next_at = $2, attempts = 0, permanent = 0, fence = fence + 1 "    \
			"WHERE id = $1")                                                   \
	SQL(DELETE, "i", "DELETE FROM messages WHERE id = $1")                     \
	SQL(DELETE_BODY, "t", "DELETE FROM bodies WHERE ref = $1")                 \
	SQL(BODY_PUT, "tib",                                                       \
			"INSERT INTO bodies (ref, seq, data) VALUES ($1, $2, $3) "         \
			"ON CONFLICT DO NOTHING")                                          \
	SQL(BODY_GET, "ti", "SELECT data FROM bodies WHERE ref = $1 AND seq = $2") \
	SQL(LIST, "ii",                                                            \
			"SELECT " SQL_MESSAGE                                              \
			", envelope FROM messages WHERE id > $1 ORDER BY id LIMIT $2")     \
	SQL(LIST_STORED, "ii",                                                     \
			"SELECT " SQL_MESSAGE                                              \
			", envelope FROM messages WHERE id > $1 AND state = 0 "            \
			"ORDER BY id LIMIT $2")                                            \
	SQL(LIST_STATE, "iii",                                                     \
			"SELECT " SQL_MESSAGE                                              \
			", envelope FROM messages WHERE id > $1 AND state = $3 "           \
			"AND state <> 0 ORDER BY id LIMIT $2")                             \
	SQL(LIST_USER, "iiti",                                                     \
			"SELECT " SQL_MESSAGE                                              \
			", envelope FROM messages WHERE id > $1 AND usr = $3 "             \
			"AND ($4 < 0 OR state = $4) ORDER BY id LIMIT $2")                 \
	SQL(ID_OF, "t", "SELECT id FROM messages WHERE ref = $1")                  \
	SQL(COUNT, "t",                                                            \
			"SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT) "         \
			"FROM messages WHERE usr = $1")                                    \
	SQL(DUE, "iiii",                                                           \
			"SELECT " SQL_MESSAGE " FROM messages WHERE state = 0 "            \
			"AND next_at IS NOT NULL AND next_at <= $1 "                       \
			"AND (next_at, id) > ($2, $3) ORDER BY next_at, id LIMIT $4")      \
	SQL(USERS, "ti",                                                           \
			"SELECT usr, min(CASE WHEN state = 0 AND next_at IS NULL "         \
			"THEN 0 ELSE 1 END) FROM messages WHERE usr > $1 "                 \
			"GROUP BY usr ORDER BY usr LIMIT $2")                              \
	SQL(LAPSED, "ii",                                                          \
			"SELECT " SQL_MESSAGE " FROM messages WHERE state = 1 "            \
			"AND state <> 0 AND lease_until <= $1 ORDER BY id LIMIT $2")       \
	SQL(EXPIRED, "iii",                                                        \
			"SELECT " SQL_MESSAGE " FROM messages WHERE imdn_negative = $1 "   \
			"AND expires_at <= $2 AND state <> 2 "                             \
			"AND (state = 0 OR lease_until <= $2) "                            \
			"ORDER BY expires_at LIMIT $3 {skip}")                             \
	SQL(FLUSH, "iii",                                                          \
			"UPDATE messages SET next_at = $2 WHERE id IN (SELECT id "         \
			"FROM messages WHERE id > $1 AND state = 0 ORDER BY id "           \
			"LIMIT $3) RETURNING id")                                          \
	SQL(FLUSH_USER, "ti",                                                      \
			"UPDATE messages SET next_at = $2 WHERE usr = $1 AND state = 0 "   \
			"RETURNING id")                                                    \
	SQL(RECOVER, "ti",                                                         \
			"UPDATE messages SET state = 0, node = '', lease_until = 0, "      \
			"next_at = $2, fence = fence + 1, attempts = attempts + 1 "        \
			"WHERE state = 1 AND state <> 0 AND node = $1 RETURNING id")       \
	SQL(RECOVER_EXPIRING, "t",                                                 \
			"UPDATE messages SET node = '', lease_until = 0, "                 \
			"fence = fence + 1 WHERE state = 3 AND state <> 0 "                \
			"AND node = $1 RETURNING id")                                      \
	SQL(FILED, "ii",                                                           \
			"SELECT " SQL_MESSAGE " FROM messages WHERE filed = 1 "            \
			"AND id > $1 ORDER BY id LIMIT $2")                                \
	SQL(CHUNKS, "tti",                                                         \
			"SELECT ref, CASE WHEN EXISTS (SELECT 1 FROM messages m "          \
			"WHERE m.ref = b.ref) THEN CAST(1 AS BIGINT) ELSE 0 END "          \
			"FROM bodies b WHERE seq = 0 AND ref > $1 AND ref < $2 "           \
			"ORDER BY ref LIMIT $3")                                           \
	SQL(OLDEST, "", "SELECT received_at FROM messages ORDER BY id LIMIT 1")    \
	SQL(TOTALS, "",                                                            \
			"SELECT CAST(coalesce(sum(messages), 0) AS BIGINT), "              \
			"CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM totals")             \
	SQL(TOTALS_ADD, "tii",                                                     \
			"INSERT INTO totals (node, messages, bytes) VALUES ($1, $2, $3) "  \
			"ON CONFLICT (node) DO UPDATE SET "                                \
			"messages = totals.messages + excluded.messages, "                 \
			"bytes = totals.bytes + excluded.bytes")

enum sql_id
{
#define SQL_ID(id, args, text) SQL_##id,
	SQL_STATEMENTS(SQL_ID)
#undef SQL_ID
			SQL_N
};

struct sql_text
{
	const char *name, *args, *text;
};
extern const struct sql_text sql_texts[SQL_N];

/* Which member counts is said by the statement's types. */
struct sql_arg
{
	int64_t i;
	const void *p; /* text or bytes; NULL of type i: see null */
	size_t n;
	bool null;
};
#define SQL_I(v) ((struct sql_arg){.i = (int64_t)(v)})
#define SQL_T(s) ((struct sql_arg){.p = (s), .n = strlen(s)})
#define SQL_B(d, len) ((struct sql_arg){.p = (d), .n = (len)})
#define SQL_NULL ((struct sql_arg){.null = true})
/* STORE_NEVER is NULL in the database. */
#define SQL_TIME(v) ((v) == STORE_NEVER ? SQL_NULL : SQL_I(v))

struct store_db;

/* What a backend does. Errors are negative errno, told to the log where they
 * happen, and kept in store_db.failed until the transaction is over. */
struct store_driver
{
	const char *name;
	bool shared; /* several nodes: locks, chunk rows, notices */
	/* Open or connect: options set, no schema yet. */
	int (*open)(struct store_db *db);
	void (*close)(struct store_db *db);
	int (*exec)(struct store_db *db, const char *sql);
	/* The version of the schema, 0: there is none. Holds a lock against
	 * others who look until the next end of a transaction. */
	int (*version)(struct store_db *db, int *out);
	int (*begin)(struct store_db *db);
	int (*commit)(struct store_db *db);
	void (*rollback)(struct store_db *db);
	/* Start a statement; the rows of the one before are gone. */
	int (*run)(struct store_db *db, enum sql_id id, const struct sql_arg *args);
	/* 1: there is a row; 0: no more; or an error. */
	int (*row)(struct store_db *db);
	bool (*is_null)(struct store_db *db, int column);
	int64_t (*get_int)(struct store_db *db, int column);
	const void *(*get)(struct store_db *db, int column, size_t *n);
	/* The rest is NULL unless shared. */
	/* Keep others from claiming for this user until the transaction is over:
	 * 1, or 0 when somebody else does. */
	int (*lock_user)(struct store_db *db, const char *user);
	/* Tell other nodes about users, '\n' between them. */
	int (*notify)(struct store_db *db, const char *users);
	/* What other nodes have told; NULL: nothing. Owned by the db. */
	const char *(*notified)(struct store_db *db);
	int (*fd)(struct store_db *db); /* to poll; -1 */
	/* Server's clock less ours. */
	int (*skew)(struct store_db *db, int64_t *ms);
};

extern const struct store_driver store_sqlite, store_pgsql;

struct store_db
{
	const struct store_driver *driver;
	const struct store_conf *conf;
	const char *node;
	int failed; /* first error in this transaction; 0 */
	void *own;  /* of the backend; NULL: closed */
};

/* Remember the first error; returns err. */
int store_db_fail(struct store_db *db, int err);

/* Run a statement that gives no rows, or of which only the first matters:
 * 1 there is one, 0 none, or an error. */
int store_db_one(struct store_db *db, enum sql_id id, const struct sql_arg *a);

#define db_run(db, id, ...)                                                    \
	(db)->driver->run((db), SQL_##id, (const struct sql_arg[]){__VA_ARGS__})
#define db_one(db, id, ...)                                                    \
	store_db_one((db), SQL_##id, (const struct sql_arg[]){__VA_ARGS__})
#define db_row(db) (db)->driver->row(db)
#define db_int(db, column) (db)->driver->get_int((db), (column))

/* store_schema.c */

#define STORE_SCHEMA_VERSION 1

/* From version `from` (0: nothing there) one up. */
struct store_step
{
	const char *both, *sqlite, *pgsql;
};

/**
 * Bring the schema to the newest version, in one transaction.
 *
 * @param steps  n of them, the first makes version 1
 * @return 0; -EPROTONOSUPPORT it is newer than n
 */
int store_schema_update(
		struct store_db *db, const struct store_step *steps, int n);
extern const struct store_step store_schema[STORE_SCHEMA_VERSION];

#endif
