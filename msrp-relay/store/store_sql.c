/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of statements and what both backends do alike.
 */
#include "store/store_sql.h"

const struct sql_text sql_texts[SQL_N] = {
#define SQL_ENTRY(id, args, text) [SQL_##id] = {#id, args, text},
		SQL_STATEMENTS(SQL_ENTRY)
#undef SQL_ENTRY
};

int store_db_fail(struct store_db *db, int err)
{
	if(db->failed == 0)
		db->failed = err;
	return err;
}

int store_db_one(struct store_db *db, enum sql_id id, const struct sql_arg *a)
{
	int rc = db->driver->run(db, id, a);

	return rc < 0 ? rc : db->driver->row(db);
}
