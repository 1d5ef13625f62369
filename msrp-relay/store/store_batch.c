/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Group commit. Jobs that only read are answered first. All that write run in
 * one transaction; when it is committed each is answered, and not before: an
 * answer is a promise. When anything in it fails, all of it is undone and each
 * job gets a transaction of its own, so that one cannot harm another. Files of
 * removed messages go last.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "log/log.h"
#include "store/store_priv.h"

#define NOTICE_BYTES 7000 /* of users in one notice; PostgreSQL takes 8000 */

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void forget_try(struct store_job *j)
{
	j->res = (struct store_result){.next_at = STORE_NEVER};
	j->unlink = NULL;
	j->n_unlink = 0;
	j->changed = NULL;
	j->tally = NULL;
	j->n_tally = 1;
	j->d_messages = j->d_bytes = 0;
}

/* The upkeep reads totals only every now and then, and no transaction should
 * carry a total more often than it must. */
static int write_totals(
		struct store *s, struct store_job *first, int64_t *n, int64_t *bytes)
{
	int rc;

	*n = *bytes = 0;
	for(struct store_job *j = first; j; j = j->next) {
		*n += j->d_messages;
		*bytes += j->d_bytes;
	}
	if(*n == 0 && *bytes == 0)
		return 0;
	rc = db_one(&s->db, TOTALS_ADD, SQL_T(s->node), SQL_I(*n), SQL_I(*bytes));
	return rc < 0 ? rc : 0;
}

/* What goes to other nodes, as long as it is together. */
struct notice
{
	size_t n;
	char users[NOTICE_BYTES + 1];
};

static int notice_send(struct store *s, struct notice *note)
{
	size_t n = note->n;

	if(n == 0)
		return 0;
	note->users[n - 1] = '\0'; /* the last one's end of line */
	note->n = 0;
	return s->db.driver->notify(&s->db, note->users);
}

/* Other nodes may have clients of these users. */
static int notify(struct store *s, struct store_job *first)
{
	struct notice note = {.n = 0};
	int rc = 0;

	if(s->db.driver->notify == NULL)
		return 0;
	for(struct store_job *j = first; j && rc == 0; j = j->next) {
		for(struct store_change *c = j->changed; c && rc == 0; c = c->next) {
			size_t len = strlen(c->text);

			if(note.n + len + 1 > NOTICE_BYTES)
				rc = notice_send(s, &note);
			memcpy(note.users + note.n, c->text, len);
			note.n += len;
			note.users[note.n++] = '\n';
		}
	}
	return rc < 0 ? rc : notice_send(s, &note);
}

/* Until all nodes' totals are read again: what another one has stored since may
 * have gone here. */
static void count(uint64_t *figure, int64_t change)
{
	int64_t v = (int64_t)*figure + change;

	__atomic_store_n(figure, v > 0 ? (uint64_t)v : 0, __ATOMIC_RELAXED);
}

/* One transaction. 0: every job has its rc. Else nothing has happened, unless
 * *uncertain: the commit itself has failed. */
static int transact(struct store *s, struct store_job *first, bool *uncertain)
{
	struct store_db *db = &s->db;
	int64_t messages = 0, bytes = 0;
	uint64_t start = clock_us();
	int rc, n = 0;

	*uncertain = false;
	s->names = false;
	rc = db->driver->begin(db);
	for(struct store_job *j = first; j && rc == 0; j = j->next, n++) {
		forget_try(j);
		j->rc = j->op->run(s, j);
		if(j->rc < 0)
			forget_try(j);
		rc = db->failed;
	}
	if(rc == 0)
		rc = write_totals(s, first, &messages, &bytes);
	if(rc == 0)
		rc = notify(s, first);
	if(rc == 0)
		rc = store_body_sync(s);
	if(rc == 0) {
		store_point("batch.before_commit");
		rc = db->driver->commit(db);
		*uncertain = rc < 0 && rc != -ENOSPC;
	}
	if(rc < 0) {
		if(db->own)
			db->driver->rollback(db);
		tally(&s->stats.errors_total, 1);
		return rc;
	}
	store_point("batch.after_commit");
	count(&s->messages, messages);
	count(&s->bytes, bytes);
	if(messages > 0 && s->oldest_at == 0)
		__atomic_store_n(&s->oldest_at, store_now(s), __ATOMIC_RELAXED);
	tally(&s->stats.commits_total, 1);
	tally(&s->stats.commit_jobs_total, n);
	tally(&s->stats.commit_us_total, clock_us() - start);
	return 0;
}

/* A database that has failed is opened again, at once for the first job that
 * meets it. */
static void mend(struct store *s, int rc)
{
	if(rc == -ENOSPC || rc == -EAGAIN || !store_is_available(s))
		return;
	store_reconnect(s, rc);
}

static void try_alone(struct store *s, struct store_job *j)
{
	struct store_job *next = j->next;
	bool uncertain;
	int rc;

	j->next = NULL;
	for(int i = 0; i < STORE_TRIES; i++) {
		rc = store_is_available(s) ? transact(s, j, &uncertain) : -ENOTCONN;
		if(rc == 0 || rc == -ENOSPC || !store_is_available(s))
			break;
		j->again |= uncertain;
		mend(s, rc);
	}
	if(rc < 0) {
		forget_try(j);
		j->rc = rc == -ENOSPC || rc == -ENOTCONN ? rc : -EIO;
	}
	j->next = next;
}

static void count_refused(struct store *s, const struct store_job *j)
{
	struct store_stats *st = &s->stats;

	if(j->rc == -ESTALE)
		tally(&st->stale_total, 1);
	if(j->op == &store_op_put)
		tally(j->rc == -EDQUOT             ? &st->refused_quota_total
						: j->rc == -ENOSPC ? &st->refused_full_total
										   : &st->refused_error_total,
				1);
}

/* The file that a put has made for nothing. When the commit may have come
 * through it is left to the clean-up, which knows. */
static bool is_waste(const struct store_job *j)
{
	return j->op == &store_op_put && j->place == STORE_IN_FILE
			&& (j->rc < 0 ? !j->again : j->res.duplicate);
}

static void answer(struct store *s, struct store_job *j)
{
	if(j->rc == STORE_MORE) {
		j->at = j->reached;
		j->size += j->more;
		pthread_mutex_lock(&s->lock);
		store_requeue(s, j);
		pthread_mutex_unlock(&s->lock);
		return;
	}
	if(j->rc < 0)
		count_refused(s, j);
	if(j->tally)
		tally(j->tally, j->n_tally);
	for(struct store_change *c = j->changed; c; c = c->next)
		store_tell(s, c->text);
	store_job_answer(j, j->rc);
}

/* Refs whose files go, copied: the jobs are gone before. */
struct gone
{
	char (*refs)[STORE_REF_LEN + 1];
	int n, cap;
};

static void gone_add(struct gone *g, const char *ref)
{
	if(g->n == g->cap) {
		g->cap = g->cap ? 2 * g->cap : 32;
		g->refs = realloc(g->refs, (size_t)g->cap * sizeof(*g->refs));
		if(g->refs == NULL)
			abort();
	}
	memcpy(g->refs[g->n++], ref, sizeof(*g->refs));
}

static void remove_files(struct store *s, struct gone *g)
{
	for(int i = 0; i < g->n; i++) {
		store_point("remove.before_unlink");
		store_body_unlink(s, g->refs[i]);
		store_point("remove.after_unlink");
	}
	free(g->refs);
}

static void run_writes(struct store *s, struct store_job *first)
{
	struct gone gone = {0};
	struct store_job *j, *next;
	bool uncertain = false;
	int rc;

	rc = store_is_available(s) ? transact(s, first, &uncertain) : -ENOTCONN;
	if(rc < 0) {
		mend(s, rc);
		for(j = first; j; j = j->next) {
			j->again |= uncertain;
			try_alone(s, j);
		}
	}
	for(j = first; j; j = next) {
		next = j->next;
		if(is_waste(j))
			gone_add(&gone, j->new_ref);
		for(int i = 0; i < j->n_unlink; i++)
			gone_add(&gone, j->unlink[i]);
		answer(s, j);
	}
	store_point("batch.after_answer");
	remove_files(s, &gone);
}

static void run_read(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;

	for(int i = 0; i < 2; i++) {
		forget_try(j);
		db->failed = 0;
		j->rc = store_is_available(s) ? j->op->run(s, j) : -ENOTCONN;
		if(!store_is_available(s) || db->failed == 0)
			break;
		tally(&s->stats.errors_total, 1);
		mend(s, db->failed);
	}
	answer(s, j);
}

void store_batch_run(struct store *s, struct store_job *first)
{
	struct store_job *writes = NULL, **tail = &writes, *j, *next;

	for(j = first; j; j = next) {
		next = j->next;
		j->next = NULL;
		if(!j->op->writes) {
			run_read(s, j);
			continue;
		}
		*tail = j;
		tail = &j->next;
	}
	if(writes)
		run_writes(s, writes);
}
