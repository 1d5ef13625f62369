/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What operators and the clock ask for: lists, counts, what is due, what has
 * expired, and orders for single messages.
 */
#include <errno.h>

#include "store/store_priv.h"

#define DUE_PAGE 200
#define DUE_PAGES 5     /* looked at in one job */
#define FLUSH_STEP 1000 /* messages of one commit */

static int limit_of(const struct store_job *j)
{
	int n = j->list.limit;

	return n < 1 ? 1 : n > STORE_ROWS_MAX ? STORE_ROWS_MAX : n;
}

/* The rows of the running statement, at most `max`. */
static int collect(struct store *s, struct store_job *j, bool envelope,
		struct store_row *rows, int max, int *n)
{
	int rc = 0;

	while(*n < max && (rc = db_row(&s->db)) > 0)
		store_row_read(s, j, &rows[(*n)++], envelope);
	return rc < 0 ? rc : 0;
}

static void answer_rows(
		struct store_job *j, const struct store_row *rows, int n)
{
	struct store_message *to = store_job_alloc(j, (size_t)n * sizeof(*to) + 1);

	for(int i = 0; i < n; i++)
		to[i] = rows[i].m;
	j->res.n = n;
	j->res.messages = to;
}

static struct store_row *rows_alloc(struct store_job *j, int n)
{
	return store_job_alloc(j, (size_t)n * sizeof(struct store_row));
}

static int list_run(struct store *s, struct store_job *j)
{
	const struct store_list *l = &j->list;
	struct store_db *db = &s->db;
	int max = limit_of(j), n = 0, rc;
	struct store_row *rows = rows_alloc(j, max);
	int64_t after = 0;

	if(l->after) {
		rc = db_one(db, ID_OF, SQL_T(l->after));
		if(rc <= 0)
			return rc < 0 ? rc : -ENOENT;
		after = db_int(db, 0);
	}
	if(l->user)
		rc = db_run(db, LIST_USER, SQL_I(after), SQL_I(max), SQL_T(l->user),
				SQL_I(l->state));
	else if(l->state > STORE_STORED)
		rc = db_run(db, LIST_STATE, SQL_I(after), SQL_I(max), SQL_I(l->state));
	else if(l->state == STORE_STORED)
		rc = db_run(db, LIST_STORED, SQL_I(after), SQL_I(max));
	else
		rc = db_run(db, LIST, SQL_I(after), SQL_I(max));
	if(rc == 0)
		rc = collect(s, j, l->envelope, rows, max, &n);
	if(rc == 0)
		answer_rows(j, rows, n);
	return rc;
}

const struct store_op store_op_list = {.name = "list", .run = list_run};

static int show_run(struct store *s, struct store_job *j)
{
	struct store_row row;
	int rc = db_one(&s->db, BY_REF, SQL_T(j->ref));

	if(rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	store_row_read(s, j, &row, true);
	rc = store_row_body(s, j, &row);
	if(rc == 0)
		store_answer_one(j, &row.m);
	return rc;
}

const struct store_op store_op_show = {.name = "show", .run = show_run};

static int count_run(struct store *s, struct store_job *j)
{
	for(int i = 0; i < j->claim.n_users; i++) {
		int rc = db_one(&s->db, COUNT, SQL_T(j->claim.users[i]));

		if(rc < 0)
			return rc;
		j->res.count += (uint64_t)db_int(&s->db, 0);
		j->res.bytes += (uint64_t)db_int(&s->db, 1);
	}
	return 0;
}

const struct store_op store_op_count = {.name = "count", .run = count_run};

/* ---- the clock --------------------------------------------------------- */

static bool has_user(const struct store_row *rows, int n, const char *user)
{
	for(int i = 0; i < n; i++)
		if(strcmp(rows[i].m.user, user) == 0)
			return true;
	return false;
}

/* To rows, which has `had`: one of each user in the page, until there are max;
 * *seen: how much of the page that took. */
static int keep_one_each(struct store_row *rows, int had, int max,
		const struct store_row *page, int n, int *seen)
{
	int i;

	for(i = 0; i < n; i++) {
		if(has_user(rows, had, page[i].m.user))
			continue;
		if(had == max)
			break;
		rows[had++] = page[i];
	}
	*seen = i;
	return had;
}

/* A user with many that are due must not hide the others: each job goes on
 * where the one before has ended. */
static int due_page(struct store *s, struct store_job *j, int64_t now, int max,
		struct store_row *rows, int *n, bool *end)
{
	struct store_row *page = rows_alloc(j, DUE_PAGE);
	int seen = 0, got = 0, rc;

	rc = db_run(&s->db, DUE, SQL_I(now), SQL_I(s->due_at), SQL_I(s->due_id),
			SQL_I(DUE_PAGE));
	if(rc == 0)
		rc = collect(s, j, false, page, DUE_PAGE, &got);
	if(rc < 0)
		return rc;
	*n = keep_one_each(rows, *n, max, page, got, &seen);
	*end = seen < DUE_PAGE;
	if(seen == got && got < DUE_PAGE) {
		s->due_at = s->due_id = 0;
	} else if(seen > 0) {
		s->due_at = page[seen - 1].m.next_at;
		s->due_id = page[seen - 1].id;
	}
	return 0;
}

static int due_run(struct store *s, struct store_job *j)
{
	int max = limit_of(j), n = 0, got = 0, seen, rc;
	struct store_row *rows = rows_alloc(j, max), *lapsed = rows_alloc(j, max);
	int64_t now = store_now(s);
	bool end = false;

	rc = db_run(&s->db, LAPSED, SQL_I(now), SQL_I(max));
	if(rc == 0)
		rc = collect(s, j, false, lapsed, max, &got);
	n = keep_one_each(rows, 0, max, lapsed, got, &seen);
	for(int i = 0; rc == 0 && !end && i < DUE_PAGES && n < max; i++)
		rc = due_page(s, j, now, max, rows, &n, &end);
	if(rc == 0)
		answer_rows(j, rows, n);
	return rc;
}

const struct store_op store_op_due = {.name = "due", .run = due_run};

static int users_run(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;
	int max = limit_of(j), n = 0;
	struct store_message *to = store_job_alloc(j, (size_t)max * sizeof(*to));
	int rc = db_run(db, USERS, SQL_T(j->list.user), SQL_I(max));

	while(rc == 0 && n < max && (rc = db_row(db)) > 0) {
		to[n].user = store_row_text(s, j, 0);
		to[n++].next_at = db_int(db, 1) == 0 ? STORE_NEVER : 0;
		rc = 0;
	}
	j->res.n = n;
	j->res.messages = to;
	return rc;
}

const struct store_op store_op_users = {.name = "users", .run = users_run};

static int find_expired(struct store *s, struct store_job *j, bool negative,
		struct store_row *rows, int *n)
{
	int max = limit_of(j);
	int rc = db_run(
			&s->db, EXPIRED, SQL_I(negative), SQL_I(store_now(s)), SQL_I(max));

	return rc < 0 ? rc : collect(s, j, false, rows, max, n);
}

static int expired_run(struct store *s, struct store_job *j)
{
	struct store_row *rows = rows_alloc(j, limit_of(j));
	int n = 0, rc = find_expired(s, j, true, rows, &n);

	if(rc == 0)
		answer_rows(j, rows, n);
	return rc;
}

const struct store_op store_op_expired = {
		.name = "expired", .run = expired_run};

static int expire_run(struct store *s, struct store_job *j)
{
	struct store_row *rows = rows_alloc(j, limit_of(j));
	int n = 0, rc = find_expired(s, j, false, rows, &n);

	for(int i = 0; i < n && rc == 0; i++)
		if(store_state_may(rows[i].m.ref, rows[i].m.state, STORE_EXPIRED))
			rc = store_row_remove(s, j, &rows[i], false);
	if(rc < 0)
		return rc;
	answer_rows(j, rows, n);
	j->tally = &s->stats.expired_total;
	j->n_tally = n;
	return 0;
}

const struct store_op store_op_expire = {
		.name = "expire", .writes = true, .run = expire_run};

/* ---- orders ------------------------------------------------------------ */

static int order_run(struct store *s, struct store_job *j)
{
	static const enum store_state targets[] = {[STORE_HOLD] = STORE_HELD,
			[STORE_RELEASE] = STORE_STORED,
			[STORE_REQUEUE] = STORE_STORED,
			[STORE_DELETE] = STORE_DELETED};
	enum store_state to = targets[j->order];
	int64_t now = store_now(s);
	struct store_row row;
	int rc = store_row_lock(s, j, j->ref, &row);

	if(rc == -ENOENT && j->again && to == STORE_DELETED)
		rc = 0;
	else if(rc == 0 && j->order == STORE_HOLD && row.m.state == STORE_HELD)
		store_answer_one(j, &row.m);
	else if(rc == 0 && j->order == STORE_RELEASE && row.m.state == STORE_STORED)
		store_answer_one(j, &row.m);
	else if(rc == 0
			&& ((j->order == STORE_RELEASE && row.m.state != STORE_HELD)
					|| !store_state_may(row.m.ref, row.m.state, to)))
		rc = -ESTALE;
	else if(rc == 0) {
		if(to == STORE_DELETED)
			rc = store_row_remove(s, j, &row, false);
		else if(j->order == STORE_REQUEUE)
			rc = db_one(&s->db, REQUEUE, SQL_I(row.id), SQL_I(now));
		else
			rc = db_one(&s->db, MOVE, SQL_I(row.id), SQL_I(to), SQL_I(0),
					to == STORE_HELD ? SQL_TIME(row.m.next_at) : SQL_I(now),
					SQL_I(0), SQL_I(0), SQL_I(0), SQL_I(1));
		if(rc < 0)
			return rc;
		store_answer_one(j, &row.m);
		if(to != STORE_DELETED) /* that one is told already */
			store_job_changed(j, row.m.user,
					to == STORE_STORED || row.m.next_at != STORE_NEVER);
		j->tally = to == STORE_DELETED ? &s->stats.deleted_total : NULL;
	}
	j->res.state = to;
	return rc;
}

const struct store_op store_op_order = {
		.name = "order", .writes = true, .run = order_run};

static int flush_run(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;
	const char *user = j->list.user;
	int64_t now = store_now(s), last = 0;
	int rc, n = 0;

	rc = user ? db_run(db, FLUSH_USER, SQL_T(user), SQL_I(now))
			  : db_run(db, FLUSH, SQL_I(j->at), SQL_I(now), SQL_I(FLUSH_STEP));
	while(rc == 0 && (rc = db_row(db)) > 0) {
		int64_t id = db_int(db, 0);

		last = id > last ? id : last;
		n++;
		rc = 0;
	}
	if(rc < 0)
		return rc;
	if(user && n > 0)
		store_job_changed(j, user, true);
	j->reached = (uint64_t)last;
	j->res.count = j->size + (uint64_t)n;
	if(user || n < FLUSH_STEP)
		return 0;
	j->more = (uint64_t)n;
	return STORE_MORE;
}

const struct store_op store_op_flush = {
		.name = "flush", .writes = true, .run = flush_run};
