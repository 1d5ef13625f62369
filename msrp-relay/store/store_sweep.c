/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * After the store has been opened: what an earlier life has left between file
 * and row. A file without a row was never acknowledged, or its row has gone
 * before: it is removed. A row whose file is missing or of another size was
 * acknowledged and cannot be delivered: it is held and told, for an operator.
 * A little at a time, on the store thread while no job waits.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "net/buf.h"
#include "store/store_priv.h"

#define STEP_FILES 100
#define STEP_ROWS 100
#define AGAIN_MS (3600 * 1000)     /* chunks: those of failed puts */
#define CHUNK_AGE_MS (3600 * 1000) /* no put takes longer */

struct store_sweep
{
	DIR *dir;
	bool files_done, rows_done;
	int64_t row;                 /* id looked at last */
	char ref[STORE_REF_LEN + 1]; /* of chunks, likewise */
	uint64_t done_at;            /* 0: not done */
	int files, rows;
};

/* Is this the file of a put that is under way? */
static bool is_pending(struct store *s, const char *name)
{
	bool yes = false;

	pthread_mutex_lock(&s->lock);
	for(const struct store_job *j = s->pending; j && !yes; j = j->pending_next)
		yes = strncmp(j->new_ref, name, STORE_REF_LEN) == 0;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

/* 1 it has a row, 0 it has none, or an error. */
static int file_has_row(struct store *s, const char *name)
{
	if(strlen(name) != STORE_REF_LEN)
		return 0;
	return db_one(&s->db, ID_OF, SQL_T(name));
}

static int sweep_files(struct store *s, struct store_sweep *w)
{
	struct dirent *e = NULL;
	int rc, fd;

	if(w->dir == NULL) {
		fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		w->dir = fd < 0 ? NULL : fdopendir(fd);
		if(w->dir == NULL)
			return -errno;
	}
	for(int i = 0; i < STEP_FILES && (e = readdir(w->dir)) != NULL; i++) {
		if(e->d_name[0] == '.')
			continue;
		rc = file_has_row(s, e->d_name);
		if(rc < 0)
			return rc;
		if(rc > 0 || is_pending(s, e->d_name))
			continue;
		store_point("sweep.before_unlink");
		if(unlinkat(s->dir_fd, e->d_name, 0) < 0)
			continue;
		tally(&s->stats.orphans_total, 1);
		w->files++;
	}
	w->files_done = e == NULL;
	return 0;
}

static bool file_is_well(struct store *s, const struct store_row *row)
{
	struct stat st;

	return fstatat(s->dir_fd, row->m.ref, &st, 0) == 0
			&& (uint64_t)st.st_size == row->m.size;
}

static int hold_lost(struct store *s, const struct store_row *row)
{
	struct store_db *db = &s->db;
	int rc;

	if(row->m.state == STORE_HELD)
		return 0;
	log_error("store: %s of %s: its body of %" PRIu64 " bytes is missing or "
			  "damaged; held",
			row->m.ref, row->m.user, row->m.size);
	store_point("lost.before_update");
	rc = db->driver->begin(db);
	if(rc == 0)
		rc = db_one(db, MOVE, SQL_I(row->id), SQL_I(STORE_HELD), SQL_I(0),
				SQL_TIME(row->m.next_at), SQL_I(0), SQL_I(0), SQL_I(0),
				SQL_I(1));
	if(rc == 0)
		rc = db->driver->commit(db);
	if(rc < 0)
		db->driver->rollback(db);
	else
		tally(&s->stats.lost_bodies_total, 1);
	return rc;
}

static int sweep_rows(struct store *s, struct store_sweep *w)
{
	struct store_job *j = store_job_new(NULL, NULL);
	struct store_row *rows =
			store_job_alloc(j, STEP_ROWS * sizeof(struct store_row));
	int n = 0, rc;

	rc = db_run(&s->db, FILED, SQL_I(w->row), SQL_I(STEP_ROWS));
	while(rc == 0 && n < STEP_ROWS && (rc = db_row(&s->db)) > 0) {
		store_row_read(s, j, &rows[n++], false);
		rc = 0;
	}
	for(int i = 0; i < n && rc == 0; i++) {
		w->row = rows[i].id;
		if(file_is_well(s, &rows[i]))
			continue;
		rc = hold_lost(s, &rows[i]);
		w->rows++;
	}
	w->rows_done = n < STEP_ROWS;
	store_job_free(j);
	return rc;
}

/* Chunk rows of puts that never came to their end, on any node. */
static int sweep_chunks(struct store *s, struct store_sweep *w)
{
	struct store_db *db = &s->db;
	char old[STORE_REF_LEN + 1], orphans[STEP_ROWS][STORE_REF_LEN + 1];
	int n = 0, seen = 0, rc;

	snprintf(old, sizeof(old), "d-%012" PRIx64,
			(uint64_t)(store_now(s) - CHUNK_AGE_MS));
	rc = db_run(db, CHUNKS, SQL_T(w->ref), SQL_T(old), SQL_I(STEP_ROWS));
	while(rc == 0 && (rc = db_row(db)) > 0) {
		size_t len;
		const void *p = db->driver->get(db, 0, &len);

		rc = len == STORE_REF_LEN ? 0 : -EIO;
		if(rc < 0)
			break;
		memcpy(w->ref, p, len);
		seen++;
		if(db_int(db, 1) == 0)
			memcpy(orphans[n++], w->ref, sizeof(w->ref));
	}
	for(int i = 0; i < n && rc == 0; i++) {
		rc = db_one(db, DELETE_BODY, SQL_T(orphans[i]));
		tally(&s->stats.orphans_total, 1);
		w->files++;
	}
	w->files_done = w->rows_done = seen < STEP_ROWS;
	return rc;
}

static void told(struct store *s, struct store_sweep *w)
{
	if(w->files > 0)
		log_notice("store: %d bodies without a message removed", w->files);
	if(w->rows > 0)
		log_error("store: %d messages without their body; see "
				  "msrp-relayctl deferred list --state held",
				w->rows);
	w->files = w->rows = 0;
	if(w->dir)
		closedir(w->dir);
	w->dir = NULL;
	w->done_at = store_mono();
	(void)s;
}

bool store_sweep_step(struct store *s)
{
	struct store_sweep *w = s->sweep;
	int rc;

	if(w == NULL)
		w = s->sweep = xcalloc(sizeof(*w));
	if(w->done_at > 0) {
		if(!s->db.driver->shared || store_mono() - w->done_at < AGAIN_MS)
			return false;
		*w = (struct store_sweep){0};
	}
	s->db.failed = 0;
	rc = s->db.driver->shared ? sweep_chunks(s, w)
			: !w->files_done  ? sweep_files(s, w)
							  : sweep_rows(s, w);
	if(rc < 0) {
		log_error("store: clean-up: %s", strerror(-rc));
		told(s, w);
		if(s->db.failed)
			store_reconnect(s, s->db.failed);
		return false;
	}
	if(w->files_done && w->rows_done)
		told(s, w);
	return w->done_at == 0;
}

void store_sweep_end(struct store *s)
{
	struct store_sweep *w = s->sweep;

	if(w && w->dir)
		closedir(w->dir);
	free(w);
	s->sweep = NULL;
}
