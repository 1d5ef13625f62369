/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading a body for its delivery, a piece at a time, so that no message is in
 * memory as a whole: a file on libuv's thread pool, a small body from a copy,
 * chunk rows of PostgreSQL by jobs of the store thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/buf.h"
#include "store/store_priv.h"

/* On the store thread. */
static int open_body(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;
	struct store_body *b = j->body;
	const void *p;
	size_t n;
	int rc;

	rc = db_one(db, BY_REF, SQL_T(j->ref));
	if(rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	b->size = (uint64_t)db_int(db, C_SIZE);
	if(db_int(db, C_FILED) == STORE_IN_FILE) {
		rc = store_body_fd(s, j->ref);
		if(rc < 0)
			return rc == -ENOENT ? -EIO : rc;
		if(b->fd >= 0)
			close(b->fd);
		b->fd = rc;
		return 0;
	}
	if(db_int(db, C_FILED) == STORE_IN_CHUNKS)
		return 0;
	rc = db_one(db, BODY_GET, SQL_T(j->ref), SQL_I(0));
	if(rc < 0)
		return rc;
	p = rc > 0 ? db->driver->get(db, 0, &n) : NULL;
	if(p == NULL || n != b->size)
		return -EIO;
	free(b->data);
	b->data = xmalloc(n + 1);
	memcpy(b->data, p, n);
	return 0;
}

const struct store_op store_op_body = {.name = "read", .run = open_body};

static int chunk_run(struct store *s, struct store_job *j)
{
	struct store_db *db = &s->db;
	uint64_t at = j->offset;
	size_t left = j->n, n, skip;
	char *to = j->to;
	const char *p;
	int rc;

	while(left > 0) {
		rc = db_one(db, BODY_GET, SQL_T(j->ref), SQL_I(at / STORE_CHUNK));
		if(rc <= 0)
			return rc < 0 ? rc : -ENOENT;
		p = db->driver->get(db, 0, &n);
		skip = (size_t)(at % STORE_CHUNK);
		if(n <= skip)
			return -EIO;
		n = n - skip < left ? n - skip : left;
		memcpy(to, p + skip, n);
		to += n;
		at += n;
		left -= n;
	}
	return 0;
}

const struct store_op store_op_chunk = {.name = "chunk", .run = chunk_run};

void store_body_open(
		struct store_port *p, const char *ref, store_body_cb *cb, void *arg)
{
	struct store_job *j = store_job_new(p, &store_op_body);

	j->ref = store_job_str(j, ref);
	j->body_cb = cb;
	j->arg = arg;
	if(strlen(ref) != STORE_REF_LEN) {
		store_job_answer(j, -ENOENT);
		return;
	}
	j->body = xcalloc(sizeof(*j->body));
	j->body->port = p;
	j->body->fd = -1;
	memcpy(j->body->ref, ref, STORE_REF_LEN + 1);
	store_job_submit(j);
}

static void do_read(uv_work_t *work)
{
	struct store_job *j = work->data;

	j->rc = store_pread(j->fd, j->to, j->n, j->offset);
}

static void on_read(uv_work_t *work, int status)
{
	struct store_job *j = work->data;

	j->fd = -1; /* the body's */
	store_job_answer(j, status < 0 ? -ECANCELED : j->rc);
}

void store_body_read(struct store_body *b, uint64_t offset, void *to, size_t n,
		store_read_cb *cb, void *arg)
{
	struct store_job *j = store_job_new(b->port, &store_op_chunk);

	j->read_cb = cb;
	j->arg = arg;
	j->to = to;
	j->offset = offset;
	j->n = n;
	if(n > STORE_READ_MAX || offset > b->size || n > b->size - offset) {
		store_job_answer(j, -EMSGSIZE);
		return;
	}
	if(b->data || n == 0) {
		if(n > 0)
			memcpy(to, b->data + offset, n);
		store_job_answer(j, 0);
	} else if(b->fd >= 0) {
		j->fd = b->fd;
		j->work.data = j;
		if(uv_queue_work(b->port->async.loop, &j->work, do_read, on_read) < 0)
			on_read(&j->work, -1);
	} else {
		j->ref = store_job_str(j, b->ref);
		store_job_submit(j);
	}
}

void store_body_close(struct store_body **at)
{
	struct store_body *b = *at;

	if(b == NULL)
		return;
	*at = NULL;
	if(b->fd >= 0)
		close(b->fd);
	free(b->data);
	free(b);
}
