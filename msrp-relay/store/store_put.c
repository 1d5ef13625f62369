/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message comes in. Its body is in place before its row: a small one goes
 * into a row of its own in the same transaction; a file has been synced under
 * its name before (store_body.c); chunk rows are committed one by one, between
 * the transactions of others, and the row of the message comes last. What has
 * no row is not stored, and is removed by the clean-up when a crash leaves it.
 */
#include <errno.h>

#include "store/store_priv.h"

#define NO_QUOTA INT64_MAX

static int64_t max_messages(const struct store *s)
{
	return s->conf->user_messages > 0 ? s->conf->user_messages : NO_QUOTA;
}

static int64_t max_bytes(const struct store *s)
{
	return s->conf->user_bytes > 0 ? (int64_t)s->conf->user_bytes : NO_QUOTA;
}

/* The same message again: 1 and the answer is there, 0 it is new. */
static int find_first(struct store *s, struct store_job *j)
{
	const struct store_put *m = &j->put;
	struct store_row row;
	int rc;

	rc = db_one(&s->db, BY_KEY, SQL_T(m->user), SQL_T(m->key));
	if(rc > 0) {
		store_row_read(s, j, &row, false);
	} else if(rc == 0 && *m->imdn_id) {
		rc = db_one(&s->db, BY_IMDN, SQL_T(m->user), SQL_T(m->sender),
				SQL_T(m->imdn_id));
		if(rc > 0) {
			store_row_read(s, j, &row, false);
			row.m.fence = 0; /* not this caller's */
		}
	}
	if(rc <= 0)
		return rc;
	store_answer_one(j, &row.m);
	/* Our own one, from a try whose commit was uncertain, is none. */
	j->res.duplicate = strcmp(row.m.ref, j->new_ref) != 0;
	j->tally = j->res.duplicate ? &s->stats.duplicates_total
								: &s->stats.stored_total;
	return 1;
}

/* Part of the body: a file and what follows it in memory. */
static int read_source(
		const struct store_job *j, char *to, size_t n, uint64_t at)
{
	const struct store_source *src = &j->put.body;
	size_t k;
	int rc;

	if(at < src->fd_bytes) {
		k = src->fd_bytes - at < n ? (size_t)(src->fd_bytes - at) : n;
		rc = store_pread(j->fd, to, k, at);
		if(rc < 0)
			return rc;
		to += k;
		at += k;
		n -= k;
	}
	if(n > 0)
		memcpy(to, (char *)src->parts->iov_base + (at - src->fd_bytes), n);
	return 0;
}

static int is_there_room(struct store *s, struct store_job *j)
{
	int rc = db_one(&s->db, ROOM, SQL_T(j->put.user), SQL_I(max_messages(s)),
			SQL_I(j->size), SQL_I(max_bytes(s)));

	if(rc <= 0)
		return rc < 0 ? rc : -EIO;
	return db_int(&s->db, 0) > 0 ? 0 : -EDQUOT;
}

/* The next chunk; the quota is looked at before the first. */
static int put_chunk(struct store *s, struct store_job *j)
{
	static _Thread_local char block[STORE_CHUNK];
	uint64_t at = j->at;
	size_t n =
			j->size - at < STORE_CHUNK ? (size_t)(j->size - at) : STORE_CHUNK;
	int rc = 0;

	if(at == 0) {
		rc = find_first(s, j);
		if(rc != 0)
			return rc < 0 ? rc : 0;
		rc = is_there_room(s, j);
	}
	if(rc == 0)
		rc = read_source(j, block, n, at);
	if(rc == 0)
		rc = db_one(&s->db, BODY_PUT, SQL_T(j->new_ref),
				SQL_I(at / STORE_CHUNK), SQL_B(block, n));
	if(rc < 0)
		return rc;
	j->reached = at + n;
	return STORE_MORE;
}

static int insert(struct store *s, struct store_job *j, int64_t now)
{
	const struct store_put *m = &j->put;
	int64_t lifetime = m->lifetime_ms > 0 ? m->lifetime_ms
										  : (int64_t)s->conf->lifetime_s * 1000;
	int64_t longest = (int64_t)s->conf->lifetime_max_s * 1000;
	int64_t next = m->next_ms == STORE_NEVER ? STORE_NEVER : now + m->next_ms;
	int64_t lease =
			m->lease_ms > STORE_LEASE_MAX_MS ? STORE_LEASE_MAX_MS : m->lease_ms;
	struct store_message out = {.ref = j->new_ref,
			.user = m->user,
			.sender = m->sender,
			.key = m->key,
			.envelope = "",
			.type = m->type,
			.message_id = m->message_id,
			.imdn_id = m->imdn_id,
			.cpim_from = m->cpim_from,
			.cpim_to = m->cpim_to,
			.cpim_date = m->cpim_date,
			.subject = m->subject,
			.node = lease > 0 ? s->node : "",
			.kind = m->kind,
			.state = lease > 0 ? STORE_DELIVERING : STORE_STORED,
			.imdn_negative = m->imdn_negative,
			.size = j->size,
			.received_at = now,
			.expires_at = now
					+ (longest > 0 && lifetime > longest ? longest : lifetime),
			.next_at = next,
			.lease_until = lease > 0 ? now + lease : 0,
			.fence = lease > 0};
	int rc = db_one(&s->db, PUT, SQL_T(out.ref), SQL_T(out.user),
			SQL_T(out.sender), SQL_T(out.key), SQL_T(m->envelope),
			SQL_T(out.type), SQL_T(out.message_id), SQL_T(out.imdn_id),
			SQL_T(out.cpim_from), SQL_T(out.cpim_to), SQL_T(out.cpim_date),
			SQL_T(out.subject), SQL_I(out.kind), SQL_I(out.state),
			SQL_I(out.imdn_negative), SQL_I(out.size), SQL_I(j->place),
			SQL_I(out.received_at), SQL_I(out.expires_at),
			SQL_TIME(out.next_at), SQL_I(out.lease_until), SQL_T(out.node),
			SQL_I(max_messages(s)), SQL_I(max_bytes(s)));

	if(rc > 0)
		store_answer_one(j, &out);
	return rc;
}

static bool is_ours(const struct store_job *j)
{
	return j->res.n > 0 && !j->res.duplicate;
}

static int put_run(struct store *s, struct store_job *j)
{
	int rc;

	store_point("put.before_insert");
	rc = store_space_check(s, j->size, j->place == STORE_IN_FILE);
	if(rc < 0)
		return j->again && find_first(s, j) > 0 ? 0 : rc;
	if(s->db.driver->shared && j->size > s->conf->inline_bytes) {
		j->place = STORE_IN_CHUNKS;
		if(j->at < j->size)
			return put_chunk(s, j);
	}
	rc = insert(s, j, store_now(s));
	if(rc == 0) {
		/* It was there, or the quota is used up. */
		rc = find_first(s, j);
		if(rc >= 0 && j->place == STORE_IN_CHUNKS && !is_ours(j)
				&& db_one(&s->db, DELETE_BODY, SQL_T(j->new_ref)) < 0)
			return s->db.failed;
		return rc < 0 ? rc : rc > 0 ? 0 : -EDQUOT;
	}
	if(rc > 0 && j->place == STORE_IN_ROW)
		rc = db_one(&s->db, BODY_PUT, SQL_T(j->new_ref), SQL_I(0),
				SQL_B(j->put.body.parts->iov_base, j->size));
	if(rc < 0)
		return rc;
	if(j->place == STORE_IN_FILE)
		s->names = true;
	store_point("put.after_insert");
	j->tally = &s->stats.stored_total;
	store_job_changed(j, j->put.user, j->put.lease_ms <= 0);
	j->d_messages = 1;
	j->d_bytes = (int64_t)j->size;
	return 0;
}

const struct store_op store_op_put = {
		.name = "put", .writes = true, .run = put_run};
