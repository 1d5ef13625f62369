/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The schema and its versions. A step brings a database from one version to
 * the next; all that are missing run in one transaction when the store opens.
 * A step that has been released never changes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "log/log.h"
#include "store/store_priv.h"

#define COLUMNS                                                                \
	"ref TEXT NOT NULL UNIQUE, usr TEXT NOT NULL, state BIGINT NOT NULL, "     \
	"kind BIGINT NOT NULL, imdn_negative BIGINT NOT NULL, "                    \
	"size BIGINT NOT NULL, filed BIGINT NOT NULL, fence BIGINT NOT NULL, "     \
	"lease_until BIGINT NOT NULL, next_at BIGINT, "                            \
	"received_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, "                \
	"attempts BIGINT NOT NULL, permanent BIGINT NOT NULL, "                    \
	"last_code BIGINT NOT NULL, node TEXT NOT NULL, sender TEXT NOT NULL, "    \
	"put_key TEXT NOT NULL, imdn_id TEXT NOT NULL, type TEXT NOT NULL, "       \
	"message_id TEXT NOT NULL, cpim_from TEXT NOT NULL, "                      \
	"cpim_to TEXT NOT NULL, cpim_date TEXT NOT NULL, "                         \
	"subject TEXT NOT NULL, envelope TEXT NOT NULL, "                          \
	"UNIQUE (usr, put_key));"

const struct store_step store_schema[STORE_SCHEMA_VERSION] = {
		{.sqlite = "CREATE TABLE messages (id INTEGER PRIMARY KEY, " COLUMNS
				   "CREATE TABLE bodies (ref TEXT NOT NULL, "
				   "seq INTEGER NOT NULL, data BLOB NOT NULL, "
				   "PRIMARY KEY (ref, seq));",
				.pgsql = "CREATE TABLE messages (id BIGINT GENERATED ALWAYS "
						 "AS IDENTITY PRIMARY KEY, " COLUMNS
						 "CREATE TABLE bodies (ref TEXT NOT NULL, "
						 "seq BIGINT NOT NULL, data BYTEA NOT NULL, "
						 "PRIMARY KEY (ref, seq));"
						 /* Bodies are often compressed by their sender. */
						 "ALTER TABLE bodies ALTER data SET STORAGE EXTERNAL;",
				.both = "CREATE TABLE totals (node TEXT PRIMARY KEY, "
						"messages BIGINT NOT NULL, bytes BIGINT NOT NULL);"
						"CREATE INDEX messages_user ON messages (usr, id);"
						"CREATE UNIQUE INDEX messages_imdn ON messages "
						"(usr, sender, imdn_id) WHERE imdn_id <> '';"
						"CREATE INDEX messages_due ON messages (next_at, id) "
						"WHERE state = 0 AND next_at IS NOT NULL;"
						"CREATE INDEX messages_end ON messages "
						"(imdn_negative, expires_at) WHERE state <> 2;"
						"CREATE INDEX messages_busy ON messages (state, id) "
						"WHERE state <> 0;"
						"CREATE INDEX messages_filed ON messages (id) "
						"WHERE filed = 1;"},
};

static int run_step(struct store_db *db, const struct store_step *st)
{
	const char *own = db->driver->shared ? st->pgsql : st->sqlite;
	int rc = own ? db->driver->exec(db, own) : 0;

	if(rc == 0 && st->both)
		rc = db->driver->exec(db, st->both);
	return rc;
}

int store_schema_update(
		struct store_db *db, const struct store_step *steps, int n)
{
	char set[128];
	int rc, version = 0;

	store_point("open.before_schema");
	rc = db->driver->begin(db);
	if(rc == 0)
		rc = db->driver->version(db, &version);
	if(rc == 0 && version > n) {
		log_error("store: the schema has version %d and this daemon knows "
				  "%d: it was used by a newer one",
				version, n);
		rc = -EPROTONOSUPPORT;
	}
	if(rc == 0 && version == 0)
		rc = db->driver->exec(db,
				"CREATE TABLE schema_version (version BIGINT NOT NULL);"
				"INSERT INTO schema_version VALUES (0);");
	for(int v = version; rc == 0 && v < n; v++) {
		rc = run_step(db, &steps[v]);
		store_point("open.in_migration");
	}
	if(rc == 0 && version < n) {
		snprintf(
				set, sizeof(set), "UPDATE schema_version SET version = %d;", n);
		rc = db->driver->exec(db, set);
	}
	if(rc == 0)
		rc = db->driver->commit(db);
	if(rc < 0)
		db->driver->rollback(db);
	else if(version < n)
		log_notice("store: schema version %d%s", n,
				version == 0 ? " made" : ", brought from an older one");
	return rc;
}
