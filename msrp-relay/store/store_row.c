/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Rows: reading one into a job's memory, finding one by its ref, its body, its
 * end.
 */
#include <errno.h>

#include "store/store_priv.h"

const char *store_row_text(struct store *s, struct store_job *j, int c)
{
	size_t n;
	const void *p = s->db.driver->get(&s->db, c, &n);
	char *to = store_job_alloc(j, n + 1);

	memcpy(to, p, n);
	return to;
}

void store_row_read(struct store *s, struct store_job *j, struct store_row *row,
		bool envelope)
{
	struct store_db *db = &s->db;
	struct store_message *m = &row->m;

	memset(row, 0, sizeof(*row));
	row->id = db_int(db, C_ID);
	row->place = (enum store_place)db_int(db, C_FILED);
	m->ref = store_row_text(s, j, C_REF);
	m->user = store_row_text(s, j, C_USER);
	m->sender = store_row_text(s, j, C_SENDER);
	m->key = store_row_text(s, j, C_KEY);
	m->type = store_row_text(s, j, C_TYPE);
	m->message_id = store_row_text(s, j, C_MESSAGE_ID);
	m->imdn_id = store_row_text(s, j, C_IMDN_ID);
	m->cpim_from = store_row_text(s, j, C_CPIM_FROM);
	m->cpim_to = store_row_text(s, j, C_CPIM_TO);
	m->cpim_date = store_row_text(s, j, C_CPIM_DATE);
	m->subject = store_row_text(s, j, C_SUBJECT);
	m->node = store_row_text(s, j, C_NODE);
	m->envelope = envelope ? store_row_text(s, j, C_ENVELOPE) : "";
	m->kind = (enum store_kind)db_int(db, C_KIND);
	m->state = (enum store_state)db_int(db, C_STATE);
	m->imdn_negative = db_int(db, C_NEGATIVE) != 0;
	m->size = (uint64_t)db_int(db, C_SIZE);
	m->received_at = db_int(db, C_RECEIVED);
	m->expires_at = db_int(db, C_EXPIRES);
	m->next_at =
			db->driver->is_null(db, C_NEXT) ? STORE_NEVER : db_int(db, C_NEXT);
	m->lease_until = db_int(db, C_LEASE);
	m->fence = (uint64_t)db_int(db, C_FENCE);
	m->attempts = (int)db_int(db, C_ATTEMPTS);
	m->permanent = (int)db_int(db, C_PERMANENT);
	m->last_code = (int)db_int(db, C_CODE);
}

int store_row_lock(struct store *s, struct store_job *j, const char *ref,
		struct store_row *row)
{
	int rc = db_one(&s->db, LOCK_REF, SQL_T(ref));

	if(rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	store_row_read(s, j, row, false);
	return 0;
}

static void unlink_later(struct store_job *j, const char *ref)
{
	const char **more =
			store_job_alloc(j, ((size_t)j->n_unlink + 1) * sizeof(*more));

	if(j->n_unlink > 0)
		memcpy(more, j->unlink, (size_t)j->n_unlink * sizeof(*more));
	more[j->n_unlink++] = ref;
	j->unlink = more;
}

int store_row_remove(struct store *s, struct store_job *j,
		const struct store_row *row, bool taken)
{
	struct store_db *db = &s->db;
	int rc = db_one(db, DELETE, SQL_I(row->id));

	if(rc == 0 && row->place != STORE_IN_FILE)
		rc = db_one(db, DELETE_BODY, SQL_T(row->m.ref));
	if(rc < 0)
		return rc;
	store_point("settle.after_delete");
	if(row->place == STORE_IN_FILE)
		unlink_later(j, row->m.ref);
	j->d_messages -= 1;
	j->d_bytes -= (int64_t)row->m.size;
	store_job_changed(j, row->m.user, !taken && row->m.next_at != STORE_NEVER);
	return 0;
}

int store_row_body(struct store *s, struct store_job *j, struct store_row *row)
{
	const void *p;
	size_t n;
	char *to;
	int rc;

	if(row->place != STORE_IN_ROW)
		return 0;
	rc = db_one(&s->db, BODY_GET, SQL_T(row->m.ref), SQL_I(0));
	if(rc < 0)
		return rc;
	p = rc > 0 ? s->db.driver->get(&s->db, 0, &n) : NULL;
	if(p == NULL || n != row->m.size)
		return -EIO;
	to = store_job_alloc(j, n + 1);
	memcpy(to, p, n);
	row->m.data = to;
	row->m.in_row = true;
	return 0;
}

void store_answer_one(struct store_job *j, const struct store_message *m)
{
	struct store_message *to = store_job_alloc(j, sizeof(*to));

	*to = *m;
	j->res.n = 1;
	j->res.messages = to;
	j->res.state = m->state;
}
