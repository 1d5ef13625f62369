/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The database on its way to use: connection, schema, leases of an earlier
 * life, totals; and what happens when it is lost. A database that was there
 * and failed is opened again, at once and then with growing pauses. Jobs wait
 * for the first attempt (unless it hangs: who waits has waited long enough) and
 * are refused from then on; nothing that was acknowledged is touched.
 */
#include <errno.h>
#include <inttypes.h>

#include "log/log.h"
#include "store/store_priv.h"

#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 10000
#define UPKEEP_MS 2000

static void tell_available(struct store *s, bool yes)
{
	__atomic_store_n(&s->available, yes, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	s->tell_available = true;
	pthread_mutex_unlock(&s->lock);
	uv_async_send(&s->async);
}

/* What this node worked on when it died is nobody's now. */
static int release_leases(struct store *s)
{
	struct store_db *db = &s->db;
	int rc, n = 0;

	store_point("open.before_recover");
	rc = db->driver->begin(db);
	if(rc == 0)
		rc = db_run(db, RECOVER, SQL_T(db->node), SQL_I(store_now(s)));
	while(rc == 0 && (rc = db_row(db)) > 0) {
		n++;
		rc = 0;
	}
	if(rc == 0)
		rc = db_run(db, RECOVER_EXPIRING, SQL_T(db->node));
	while(rc == 0 && (rc = db_row(db)) > 0) {
		n++;
		rc = 0;
	}
	if(rc == 0)
		rc = db->driver->commit(db);
	if(rc < 0) {
		db->driver->rollback(db);
		return rc;
	}
	s->recovered = true;
	if(n > 0)
		log_notice("store: %d messages were in work when the daemon ended; "
				   "they are stored again",
				n);
	return 0;
}

static int read_figures(struct store *s)
{
	struct store_db *db = &s->db;
	int64_t skew = 0;
	int rc;

	if(db->driver->skew) {
		rc = db->driver->skew(db, &skew);
		if(rc < 0)
			return rc;
		__atomic_store_n(&s->skew, skew, __ATOMIC_RELAXED);
	}
	rc = db_one(db, TOTALS, SQL_NULL);
	if(rc <= 0)
		return rc < 0 ? rc : -EIO;
	__atomic_store_n(&s->messages, (uint64_t)db_int(db, 0), __ATOMIC_RELAXED);
	__atomic_store_n(&s->bytes, (uint64_t)db_int(db, 1), __ATOMIC_RELAXED);
	rc = db_one(db, OLDEST, SQL_NULL);
	if(rc < 0)
		return rc;
	__atomic_store_n(
			&s->oldest_at, rc > 0 ? db_int(db, 0) : 0, __ATOMIC_RELAXED);
	return 0;
}

int store_connect(struct store *s)
{
	struct store_db *db = &s->db;
	int64_t skew = 0;
	int rc;

	rc = db->driver->open(db);
	if(rc == 0)
		rc = store_schema_update(db, store_schema, STORE_SCHEMA_VERSION);
	if(rc == 0 && db->driver->skew)
		rc = db->driver->skew(db, &skew);
	if(rc == 0)
		__atomic_store_n(&s->skew, skew, __ATOMIC_RELAXED);
	if(rc == 0 && !s->recovered)
		rc = release_leases(s);
	if(rc == 0)
		rc = read_figures(s);
	if(rc < 0) {
		db->driver->close(db);
		s->backoff_ms = s->backoff_ms == 0           ? BACKOFF_FIRST_MS
				: 2 * s->backoff_ms < BACKOFF_MAX_MS ? 2 * s->backoff_ms
													 : BACKOFF_MAX_MS;
		s->retry_at = store_mono() + (uint64_t)s->backoff_ms;
		return rc;
	}
	s->backoff_ms = 0;
	s->totals_at = store_mono();
	tally(&s->stats.reconnects_total, 1);
	store_sweep_end(s);
	log_notice("store: %s, %" PRIu64 " messages, %" PRIu64 " bytes",
			db->driver->name, s->messages, s->bytes);
	tell_available(s, true);
	return 0;
}

void store_reconnect(struct store *s, int why)
{
	if(!store_is_available(s))
		return;
	log_limited(LOG_L_ERROR, "store: %s cannot be used: %s; trying again",
			s->db.driver->name, strerror(-why));
	s->db.driver->close(&s->db);
	if(why == -ETIMEDOUT)
		tell_available(s, false);
	if(store_connect(s) < 0)
		tell_available(s, false);
}

void store_upkeep(struct store *s)
{
	uint64_t now = store_mono();

	if(!store_is_available(s) || now - s->totals_at < UPKEEP_MS)
		return;
	s->totals_at = now;
	s->db.failed = 0;
	if(read_figures(s) < 0) {
		tally(&s->stats.errors_total, 1);
		store_reconnect(s, s->db.failed ? s->db.failed : -EIO);
	}
}
