/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who works on a message: claim, renewal, settlement. A claim gives the message
 * a lease and a fence, a number that grows with every claim; who comes with an
 * older one has lost the message to somebody else meanwhile and changes
 * nothing. One message of a user at a time, over all nodes.
 */
#include <errno.h>

#include "store/store_priv.h"

#define LOCKED_MS 200 /* another node claims for this user: look again */

static int64_t lease(int64_t ms)
{
	return ms > STORE_LEASE_MAX_MS ? STORE_LEASE_MAX_MS : ms < 0 ? 0 : ms;
}

static void due_then(struct store_job *j, int64_t at)
{
	if(at == STORE_NEVER)
		return;
	if(j->res.next_at == STORE_NEVER || at < j->res.next_at)
		j->res.next_at = at;
}

/* What is left of these users, for a claim that got nothing or one of them. As
 * long as somebody is at it nothing is due. */
static int count_pending(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;

	for(int i = 0; i < j->claim.n_users; i++) {
		int rc = db_one(db, PENDING, SQL_T(j->claim.users[i]));

		if(rc < 0)
			return rc;
		if(rc == 0)
			continue;
		j->res.count += (uint64_t)db_int(db, 0);
		if(!j->res.busy && !db->driver->is_null(db, 1))
			due_then(j, db_int(db, 1));
	}
	return 0;
}

/* May a message of these users be claimed? 1, 0 and the job is marked, or an
 * error. */
static int users_free(struct store *s, struct store_job *j, int64_t now)
{
	struct store_db *db = &s->db;
	int rc;

	for(int i = 0; i < j->claim.n_users; i++) {
		const char *user = j->claim.users[i];

		rc = db->driver->lock_user ? db->driver->lock_user(db, user) : 1;
		if(rc <= 0) {
			j->res.busy = rc == 0;
			due_then(j, now + LOCKED_MS);
			return rc;
		}
		rc = db_one(db, USER_BUSY, SQL_T(user), SQL_I(now));
		if(rc < 0)
			return rc;
		if(rc > 0) {
			j->res.busy = true;
			due_then(j, db_int(db, 0));
			return 0;
		}
	}
	return 1;
}

/* One user's oldest; behind: of those behind that id, and of older ones that
 * have no time, what has failed twice comes last, for it has had its turn. */
static int oldest_of(struct store *s, struct store_job *j, const char *user,
		int64_t now, int64_t behind)
{
	int64_t any = j->claim.any ? 1 : j->claim.waiting ? 3 : 0;
	int64_t not = j->claim.only == STORE_ONLY_PAGER ? STORE_LARGE
			: j->claim.only == STORE_ONLY_LARGE     ? STORE_PAGER
													: -1;

	if(j->claim.after)
		return db_one(&s->db, OLDEST_BEHIND, SQL_T(user), SQL_I(now),
				SQL_I(any > 0), SQL_I(behind), SQL_I(not ));
	return db_one(&s->db, OLDEST_DUE, SQL_T(user), SQL_I(now), SQL_I(any),
			SQL_I(not ));
}

static bool goes_before(const struct store_job *j, const struct store_row *a,
		const struct store_row *b)
{
	bool a_failed = j->claim.after && a->m.attempts > 1;
	bool b_failed = j->claim.after && b->m.attempts > 1;

	return a_failed == b_failed ? a->id < b->id : b_failed;
}

static int find_oldest(struct store *s, struct store_job *j, int64_t now,
		struct store_row *row)
{
	struct store_row r;
	int64_t behind = 0;
	int rc, found = 0;

	if(j->claim.after) {
		rc = db_one(&s->db, ID_OF, SQL_T(j->claim.after));
		if(rc < 0)
			return rc;
		behind = rc > 0 ? db_int(&s->db, 0) : 0; /* gone: nothing is skipped */
	}
	for(int i = 0; i < j->claim.n_users; i++) {
		rc = oldest_of(s, j, j->claim.users[i], now, behind);
		if(rc < 0)
			return rc;
		if(rc == 0)
			continue;
		store_row_read(s, j, &r, false);
		if(!found || goes_before(j, &r, row))
			*row = r;
		found = 1;
	}
	return found;
}

/* Who names users asks for a message of theirs. */
static bool is_among(const struct store_job *j, const char *user)
{
	int i = 0;

	while(i < j->claim.n_users && strcmp(j->claim.users[i], user) != 0)
		i++;
	return j->claim.n_users == 0 || i < j->claim.n_users;
}

/* By ref: 1, or an error. */
static int find_named(struct store *s, struct store_job *j, int64_t now,
		struct store_row *row)
{
	const char *user;
	int rc = store_row_lock(s, j, j->claim.ref, row);

	if(rc < 0)
		return rc;
	user = row->m.user;
	if(!is_among(j, user))
		return -ENOENT;
	if(row->m.state == STORE_HELD || row->m.lease_until > now)
		return -ESTALE;
	/* The word to the sender hinders no delivery. */
	if(row->m.expires_at <= now)
		return 1;
	j->claim.users = store_job_alloc(j, sizeof(user));
	*(const char **)j->claim.users = user;
	j->claim.n_users = 1;
	rc = users_free(s, j, now);
	return rc == 0 ? -ESTALE : rc;
}

static int take(struct store *s, struct store_job *j, struct store_row *row,
		int64_t now)
{
	enum store_state to =
			row->m.expires_at <= now ? STORE_EXPIRING : STORE_DELIVERING;
	bool lapsed = row->m.state == STORE_DELIVERING;
	int rc;

	if(!store_state_may(row->m.ref, row->m.state, to))
		return -ESTALE;
	rc = db_one(&s->db, CLAIM, SQL_I(row->id), SQL_I(to), SQL_T(s->node),
			SQL_I(now + lease(j->claim.lease_ms)), SQL_I(lapsed));
	if(rc <= 0)
		return rc < 0 ? rc : -ESTALE;
	store_row_read(s, j, row, true);
	store_point("claim.after_update");
	return 0;
}

/* A first try, whose commit was uncertain, may have claimed it. */
static bool was_taken(
		struct store *s, struct store_job *j, struct store_row *row)
{
	if(!j->again || j->claimed == NULL
			|| db_one(&s->db, BY_REF, SQL_T(j->claimed)) <= 0)
		return false;
	store_row_read(s, j, row, true);
	return row->m.fence == j->fence && strcmp(row->m.node, s->node) == 0;
}

static int claim_run(struct store *s, struct store_job *j)
{
	int64_t now = store_now(s);
	struct store_row row = {0};
	int rc;

	if(was_taken(s, j, &row)) {
		rc = 0;
	} else {
		if(s->db.failed)
			return s->db.failed;
		if(j->claim.ref)
			rc = find_named(s, j, now, &row);
		else if((rc = users_free(s, j, now)) > 0)
			rc = find_oldest(s, j, now, &row);
		if(rc < 0)
			return rc;
		if(rc == 0)
			return count_pending(s, j);
		rc = take(s, j, &row, now);
	}
	if(rc == 0)
		rc = store_row_body(s, j, &row);
	if(rc == 0)
		rc = count_pending(s, j);
	if(rc < 0)
		return rc;
	j->res.count -= j->res.count > 0 && row.m.state == STORE_DELIVERING;
	j->claimed = row.m.ref;
	j->fence = row.m.fence;
	store_answer_one(j, &row.m);
	j->tally = &s->stats.claims_total;
	return 0;
}

const struct store_op store_op_claim = {
		.name = "claim", .writes = true, .run = claim_run};

static int renew_run(struct store *s, struct store_job *j)
{
	struct store_row row;
	int rc = db_one(&s->db, RENEW, SQL_T(j->ref), SQL_I(j->settle.fence),
			SQL_I(store_now(s) + lease(j->claim.lease_ms)));

	if(rc > 0) {
		j->res.state = (enum store_state)db_int(&s->db, 0);
		return 0;
	}
	if(rc == 0)
		rc = store_row_lock(s, j, j->ref, &row);
	return rc < 0 ? rc : -ESTALE;
}

const struct store_op store_op_renew = {
		.name = "renew", .writes = true, .run = renew_run};

/* Back to the others, or still ours to tell the sender about. */
static int put_back(
		struct store *s, struct store_job *j, const struct store_row *row)
{
	const struct store_settle *st = &j->settle;
	bool telling = row->m.state == STORE_EXPIRING;
	bool wait = st->outcome == STORE_O_WAIT;
	bool tried = !wait || st->code > 0;
	int64_t next = store_now(s) + (st->retry_ms > 0 ? st->retry_ms : 0);
	enum store_state to = telling ? STORE_EXPIRING : STORE_STORED;
	int rc = db_one(&s->db, MOVE, SQL_I(row->id), SQL_I(to),
			SQL_I(telling ? next : 0), telling || wait ? SQL_NULL : SQL_I(next),
			SQL_I(tried), SQL_I(st->permanent), SQL_I(st->code), SQL_I(0));

	if(rc < 0)
		return rc;
	j->res.state = to;
	/* Another node may know where he is. */
	if(wait && !telling)
		store_job_changed(j, row->m.user, true);
	j->tally = &s->stats.retries_total;
	return 0;
}

static int settle_run(struct store *s, struct store_job *j)
{
	static const enum store_state ends[] = {
			[STORE_O_DELIVERED] = STORE_DELIVERED,
			[STORE_O_RETRY] = STORE_STORED,
			[STORE_O_WAIT] = STORE_STORED,
			[STORE_O_FAILED] = STORE_FAILED,
			[STORE_O_EXPIRED] = STORE_EXPIRED};
	enum store_state to = ends[j->settle.outcome];
	struct store_stats *st = &s->stats;
	struct store_row row;
	int rc = store_row_lock(s, j, j->ref, &row);

	/* The commit of a first try has come through after all. */
	if(rc == -ENOENT && j->again && to != STORE_STORED) {
		j->res.state = to;
		return 0;
	}
	if(rc < 0)
		return rc;
	if(row.m.fence != j->settle.fence || row.m.fence == 0)
		return -ESTALE;
	if(to == STORE_STORED) {
		/* The same word twice. */
		if(row.m.state == STORE_STORED) {
			j->res.state = to;
			return 0;
		}
		if(!store_state_may(row.m.ref, row.m.state, to))
			return -ESTALE;
		return put_back(s, j, &row);
	}
	if(!store_state_may(row.m.ref, row.m.state, to))
		return -ESTALE;
	rc = store_row_remove(s, j, &row, to != STORE_EXPIRED);
	if(rc < 0)
		return rc;
	store_answer_one(j, &row.m);
	j->res.state = to;
	j->tally = to == STORE_DELIVERED ? &st->delivered_total
			: to == STORE_FAILED     ? &st->failed_total
									 : &st->expired_total;
	return 0;
}

const struct store_op store_op_settle = {
		.name = "settle", .writes = true, .run = settle_run};
