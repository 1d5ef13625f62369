/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store in SQLite: one connection, write-ahead log, synchronous=FULL, so
 * that COMMIT returns when the log has reached the disk. After an error of the
 * disk the connection is made anew: what the log holds is read again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "net/buf.h"
#include "store/store_priv.h"

#define CACHE_KIB 16384
#define BUSY_MS 2000                 /* an operator's own sqlite3 */
#define LOG_BYTES (64 * 1024 * 1024) /* what stays of the log's file */
#define BLOCK_BYTES (256 * 1024)
#define CHECKPOINT_PAGES 2000

struct sqlite
{
	sqlite3 *h;
	sqlite3_stmt *st[SQL_N];
	sqlite3_stmt *now; /* the one that runs */
};

static int fail(struct store_db *db, const char *what, int err)
{
	struct sqlite *q = db->own;
	int rc = -EIO;

	switch(err & 0xff) {
		case SQLITE_FULL:
			rc = -ENOSPC;
			break;
		case SQLITE_NOMEM:
			rc = -ENOMEM;
			break;
		case SQLITE_CANTOPEN:
		case SQLITE_PERM:
		case SQLITE_READONLY:
		case SQLITE_AUTH:
			rc = -EACCES;
			break;
		case SQLITE_CORRUPT:
		case SQLITE_NOTADB:
			rc = -EBADMSG;
			break;
	}
	if((err & 0xff) == SQLITE_IOERR && q->h
			&& sqlite3_system_errno(q->h) == ENOSPC)
		rc = -ENOSPC;
	log_limited(LOG_L_ERROR, "store: %s: %s (%d)", what,
			q->h ? sqlite3_errmsg(q->h) : sqlite3_errstr(err), err);
	return store_db_fail(db, rc);
}

static void finish(struct sqlite *q)
{
	if(q->now) {
		sqlite3_reset(q->now);
		sqlite3_clear_bindings(q->now);
	}
	q->now = NULL;
}

static int lite_exec(struct store_db *db, const char *sql)
{
	struct sqlite *q = db->own;
	int err;

	finish(q);
	err = sqlite3_exec(q->h, sql, NULL, NULL, NULL);
	return err == SQLITE_OK ? 0 : fail(db, "statement", err);
}

static void lite_close(struct store_db *db)
{
	struct sqlite *q = db->own;

	if(q == NULL)
		return;
	for(int i = 0; i < SQL_N; i++)
		sqlite3_finalize(q->st[i]);
	sqlite3_close(q->h);
	free(q);
	db->own = NULL;
}

static const char *sync_mode(void)
{
#ifdef CRASH_POINTS
	/* The proof that the tests of lost power can fail. */
	if(getenv("MSRP_RELAY_SYNCHRONOUS"))
		return getenv("MSRP_RELAY_SYNCHRONOUS");
#endif
	return "FULL";
}

/* The write-ahead log may hold transactions that are in the page cache alone:
 * of an earlier life that was killed before its fsync, or after an fsync that
 * failed, with which the kernel gives up the pages and forgets it. SQLite takes
 * them for committed, and so would we: a put that is sent again would be found
 * and acknowledged. So what is there is written once more, and synced, before
 * anybody asks. */
static int write_again(const char *path)
{
	char *block = xcalloc(BLOCK_BYTES);
	int fd = open(path, O_RDWR | O_CLOEXEC), rc = 0;
	off_t at = 0;
	ssize_t n = 0;

	if(fd < 0)
		rc = errno == ENOENT ? 0 : -errno;
	while(fd >= 0 && rc == 0) {
		n = pread(fd, block, BLOCK_BYTES, at);
		if(n <= 0)
			break;
		if(pwrite(fd, block, (size_t)n, at) != n)
			n = -1;
		if(n < 0)
			break;
		at += n;
	}
	if(n < 0 || (fd >= 0 && at > 0 && rc == 0 && fsync(fd) < 0))
		rc = errno > 0 ? -errno : -EIO;
	if(fd >= 0)
		close(fd);
	free(block);
	return rc;
}

/* Nobody else writes meanwhile. */
static int secure_log(struct store_db *db, const char *path)
{
	char wal[4200];
	int rc = lite_exec(db, "BEGIN IMMEDIATE"), end;

	if(rc < 0)
		return rc;
	snprintf(wal, sizeof(wal), "%s-wal", path);
	rc = write_again(wal);
	/* SQLite syncs the name of the log too, but does not look whether that
	 * has worked. */
	if(rc == 0)
		rc = store_dir_sync(db->conf->dir);
	if(rc < 0)
		log_limited(LOG_L_ERROR, "store: %s: %s", wal, strerror(-rc));
	end = lite_exec(db, "ROLLBACK");
	return rc < 0 ? rc : end;
}

/* The database is made, or made to be, for nobody else's eyes; SQLite gives its
 * log the same mode. Before it is opened: a close of ours would drop its locks.
 */
static int make_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), rc = 0;
	struct stat st;

	if(fd < 0)
		return -errno;
	if(fstat(fd, &st) < 0 || ((st.st_mode & 077) != 0 && fchmod(fd, 0600) < 0))
		rc = -errno;
	close(fd);
	if(rc < 0)
		log_limited(
				LOG_L_ERROR, "store: %s: mode 0600: %s", path, strerror(-rc));
	return rc;
}

static int lite_open(struct store_db *db)
{
	struct sqlite *q = xcalloc(sizeof(*q));
	char path[4096], set[512];
	int err, rc = 0;

	db->own = q;
	db->failed = 0;
	if(snprintf(path, sizeof(path), "%s/store.db", db->conf->dir)
			>= (int)sizeof(path))
		rc = -ENAMETOOLONG;
	if(rc == 0)
		rc = make_private(path);
	if(rc == 0) {
		err = sqlite3_open_v2(path, &q->h,
				SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
						| SQLITE_OPEN_NOMUTEX,
				NULL);
		if(err != SQLITE_OK)
			rc = fail(db, path, err);
	}
	if(rc == 0) {
		sqlite3_extended_result_codes(q->h, 1);
		sqlite3_busy_timeout(q->h, BUSY_MS);
		snprintf(set, sizeof(set),
				"PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
				"PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d;"
				"PRAGMA wal_autocheckpoint=%d; PRAGMA temp_store=MEMORY;",
				sync_mode(), CACHE_KIB, LOG_BYTES, CHECKPOINT_PAGES);
		rc = lite_exec(db, set);
	}
	if(rc == 0)
		rc = secure_log(db, path);
	if(rc < 0)
		lite_close(db);
	return rc;
}

static int lite_version(struct store_db *db, int *out)
{
	struct sqlite *q = db->own;
	sqlite3_stmt *st = NULL;
	int err, rc = 0;

	err = sqlite3_prepare_v2(q->h,
			"SELECT count(*) FROM sqlite_master WHERE name = "
			"'schema_version'",
			-1, &st, NULL);
	if(err == SQLITE_OK)
		err = sqlite3_step(st);
	*out = err == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
	sqlite3_finalize(st);
	if(*out == 1) {
		st = NULL;
		err = sqlite3_prepare_v2(
				q->h, "SELECT version FROM schema_version", -1, &st, NULL);
		if(err == SQLITE_OK)
			err = sqlite3_step(st);
		*out = err == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
		sqlite3_finalize(st);
	}
	if(*out < 0)
		rc = fail(db, "schema", err);
	return rc;
}

static int lite_begin(struct store_db *db)
{
	db->failed = 0;
	return lite_exec(db, "BEGIN IMMEDIATE");
}

static int lite_commit(struct store_db *db)
{
	return lite_exec(db, "COMMIT");
}

static void lite_rollback(struct store_db *db)
{
	struct sqlite *q = db->own;

	finish(q);
	/* After some errors SQLite has done so itself. */
	if(!sqlite3_get_autocommit(q->h))
		sqlite3_exec(q->h, "ROLLBACK", NULL, NULL, NULL);
}

/* $n is a name to SQLite and a number to PostgreSQL; ?n is a number here. */
static int prepare(struct store_db *db, enum sql_id id)
{
	struct sqlite *q = db->own;
	char text[2048];
	size_t n = 0;
	int err;

	for(const char *p = sql_texts[id].text; *p; p++) {
		if(n + 1 >= sizeof(text))
			abort();
		if(*p == '{')
			p += strcspn(p, "}");
		else
			text[n++] = *p == '$' ? '?' : *p;
	}
	text[n] = '\0';
	err = sqlite3_prepare_v3(
			q->h, text, (int)n, SQLITE_PREPARE_PERSISTENT, &q->st[id], NULL);
	return err == SQLITE_OK ? 0 : fail(db, sql_texts[id].name, err);
}

static int bind_arg(sqlite3_stmt *st, int i, char type, const struct sql_arg *a)
{
	if(a->null)
		return sqlite3_bind_null(st, i);
	if(type == 'i')
		return sqlite3_bind_int64(st, i, a->i);
	if(type == 't')
		return sqlite3_bind_text(st, i, a->p, (int)a->n, SQLITE_STATIC);
	return sqlite3_bind_blob(st, i, a->n ? a->p : "", (int)a->n, SQLITE_STATIC);
}

static int lite_run(
		struct store_db *db, enum sql_id id, const struct sql_arg *args)
{
	struct sqlite *q = db->own;
	const char *types = sql_texts[id].args;
	int err = SQLITE_OK;

	finish(q);
	if(q->st[id] == NULL && prepare(db, id) < 0)
		return db->failed;
	q->now = q->st[id];
	for(int i = 0; types[i] && err == SQLITE_OK; i++)
		err = bind_arg(q->now, i + 1, types[i], &args[i]);
	return err == SQLITE_OK ? 0 : fail(db, sql_texts[id].name, err);
}

static int lite_row(struct store_db *db)
{
	struct sqlite *q = db->own;
	int err;

	if(q->now == NULL)
		return 0;
	err = sqlite3_step(q->now);
	if(err == SQLITE_ROW)
		return 1;
	if(err == SQLITE_DONE) {
		finish(q);
		return 0;
	}
	err = fail(db, "step", err);
	finish(q);
	return err;
}

static bool lite_is_null(struct store_db *db, int column)
{
	struct sqlite *q = db->own;

	return sqlite3_column_type(q->now, column) == SQLITE_NULL;
}

static int64_t lite_int(struct store_db *db, int column)
{
	struct sqlite *q = db->own;

	return sqlite3_column_int64(q->now, column);
}

static const void *lite_get(struct store_db *db, int column, size_t *n)
{
	struct sqlite *q = db->own;
	const void *p = sqlite3_column_type(q->now, column) == SQLITE_BLOB
			? sqlite3_column_blob(q->now, column)
			: (const void *)sqlite3_column_text(q->now, column);

	*n = (size_t)sqlite3_column_bytes(q->now, column);
	return p ? p : "";
}

const struct store_driver store_sqlite = {
		.name = "SQLite",
		.open = lite_open,
		.close = lite_close,
		.exec = lite_exec,
		.version = lite_version,
		.begin = lite_begin,
		.commit = lite_commit,
		.rollback = lite_rollback,
		.run = lite_run,
		.row = lite_row,
		.is_null = lite_is_null,
		.get_int = lite_int,
		.get = lite_get,
};
