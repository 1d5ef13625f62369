/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The way into the store and back: a port for each loop, jobs with copies of
 * their parameters, answers on the loop they came from. What the disk has to
 * do for the body of a put is done on libuv's thread pool before the job is
 * queued, so that the store thread does little more than commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "net/buf.h"
#include "store/store_priv.h"

#define BLOCK_BYTES 2048

struct store_job *store_job_new(struct store_port *p, const struct store_op *op)
{
	struct store_job *j = xcalloc(sizeof(*j));

	j->port = p;
	j->op = op;
	j->fd = -1;
	if(p)
		p->pending++;
	return j;
}

void store_job_free(struct store_job *j)
{
	struct store_mem *m;

	while((m = j->mem) != NULL) {
		j->mem = m->next;
		free(m);
	}
	if(j->fd >= 0)
		close(j->fd);
	free(j);
}

void *store_job_alloc(struct store_job *j, size_t n)
{
	struct store_mem *m = j->mem;
	void *p;

	n = (n + 15) & ~(size_t)15;
	if(m == NULL || m->cap - m->used < n) {
		size_t cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;

		m = xmalloc(sizeof(*m) + cap);
		m->cap = cap;
		m->used = 0;
		m->next = j->mem;
		j->mem = m;
	}
	p = m->data + m->used;
	m->used += n;
	memset(p, 0, n);
	return p;
}

const char *store_job_str(struct store_job *j, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	char *p = store_job_alloc(j, n + 1);

	if(n > 0)
		memcpy(p, s, n);
	return p;
}

void store_job_changed(struct store_job *j, const char *user, bool due)
{
	size_t n = strlen(user);
	struct store_change *c = store_job_alloc(j, sizeof(*c) + n + 2);

	c->text[0] = due ? '+' : '-';
	memcpy(c->text + 1, user, n);
	c->next = j->changed;
	j->changed = c;
}

/* Length of the UTF-8 sequence at p, 0: it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *p)
{
	size_t n = p[0] < 0x80                ? 1
			: p[0] >= 0xc2 && p[0] < 0xe0 ? 2
			: p[0] >= 0xe0 && p[0] < 0xf0 ? 3
			: p[0] >= 0xf0 && p[0] < 0xf5 ? 4
										  : 0;

	for(size_t i = 1; i < n; i++)
		if((p[i] & 0xc0) != 0x80)
			return 0;
	if((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)
			|| (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* Peers wrote it: databases take nothing but UTF-8. */
static const char *text(struct store_job *j, const char *s)
{
	char *p = (char *)store_job_str(j, s);
	size_t n;

	for(char *at = p; *at; at += n) {
		n = utf8_length((unsigned char *)at);
		if(n == 0) {
			*at = '?';
			n = 1;
		}
	}
	return p;
}

/* ---- there and back ---------------------------------------------------- */

static void forget(struct store *s, struct store_job *j)
{
	pthread_mutex_lock(&s->lock);
	*j->pending_at = j->pending_next;
	if(j->pending_next)
		j->pending_next->pending_at = j->pending_at;
	pthread_mutex_unlock(&s->lock);
	j->listed = false;
}

void store_job_answer(struct store_job *j, int rc)
{
	struct store_port *p = j->port;

	j->rc = rc;
	if(p == NULL) {
		store_job_free(j);
		return;
	}
	if(j->listed)
		forget(p->s, j);
	j->next = NULL;
	/* The port may be gone as soon as the lock is. */
	uv_mutex_lock(&p->lock);
	if(p->done_tail)
		p->done_tail->next = j;
	else
		p->done = j;
	p->done_tail = j;
	uv_async_send(&p->async);
	uv_mutex_unlock(&p->lock);
}

void store_job_submit(struct store_job *j)
{
	int rc = store_enqueue(j->port->s, j);

	if(rc < 0)
		store_job_answer(j, rc);
}

static void call_back(struct store_job *j)
{
	if(j->rc != 0)
		store_body_close(&j->body);
	if(j->cb)
		j->cb(j->arg, j->rc, &j->res);
	else if(j->body_cb)
		j->body_cb(j->arg, j->rc, j->body, j->body ? j->body->size : 0);
	else if(j->read_cb)
		j->read_cb(j->arg, j->rc, j->rc == 0 ? j->n : 0);
}

static void on_port_closed(uv_handle_t *h)
{
	struct store_port *p = h->data;

	uv_mutex_destroy(&p->lock);
	store_unref(p->s);
	free(p);
}

static void port_end(struct store_port *p)
{
	if(p->closing && p->pending == 0
			&& !uv_is_closing((uv_handle_t *)&p->async))
		uv_close((uv_handle_t *)&p->async, on_port_closed);
}

static void on_answers(uv_async_t *async)
{
	struct store_port *p = async->data;
	struct store_job *j, *next;

	uv_mutex_lock(&p->lock);
	j = p->done;
	p->done = p->done_tail = NULL;
	uv_mutex_unlock(&p->lock);
	for(; j; j = next) {
		next = j->next;
		if(!p->closing)
			call_back(j);
		else
			store_body_close(&j->body);
		store_job_free(j);
		p->pending--;
	}
	port_end(p);
}

int store_port_open(struct store *s, uv_loop_t *loop, struct store_port **out)
{
	struct store_port *p = xcalloc(sizeof(*p));
	int rc = uv_async_init(loop, &p->async, on_answers);

	if(rc < 0) {
		free(p);
		return rc;
	}
	p->async.data = p;
	p->s = s;
	uv_mutex_init(&p->lock);
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	*out = p;
	return 0;
}

void store_port_close(struct store_port **at)
{
	struct store_port *p = *at;

	if(p == NULL)
		return;
	*at = NULL;
	p->closing = true;
	port_end(p);
}

static struct store_job *job(struct store_port *p, const struct store_op *op,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = store_job_new(p, op);

	j->cb = cb;
	j->arg = arg;
	return j;
}

/* ---- a put ------------------------------------------------------------- */

static void do_prepare(uv_work_t *work)
{
	struct store_job *j = work->data;

	j->rc = store_body_prepare(j->port->s, j);
}

static void on_prepared(uv_work_t *work, int status)
{
	struct store_job *j = work->data;
	struct store_stats *st = &j->port->s->stats;
	int rc;

	if(status == 0 && j->rc == 0) {
		store_job_submit(j);
		return;
	}
	/* Quotas of the file system are the disk's, not the user's. */
	rc = j->rc == -ENOSPC || j->rc == -EDQUOT ? -ENOSPC : -EIO;
	log_limited(LOG_L_ERROR, "store: %s: body of %" PRIu64 " bytes: %s",
			j->new_ref, j->size, strerror(-j->rc));
	tally(rc == -ENOSPC ? &st->refused_full_total : &st->refused_error_total,
			1);
	tally(&st->errors_total, 1);
	store_job_answer(j, rc);
}

static bool fits(const struct store_put *m, uint64_t size)
{
	const char *const texts[] = {m->user, m->sender, m->key, m->type,
			m->message_id, m->imdn_id, m->cpim_from, m->cpim_to, m->cpim_date,
			m->subject};

	for(size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if(texts[i] && strlen(texts[i]) > STORE_TEXT_MAX)
			return false;
	return strlen(m->envelope) <= STORE_ENVELOPE_MAX
			&& strchr(m->user, '\n') == NULL
			&& size - m->body.fd_bytes <= STORE_MEMORY_MAX;
}

static void copy_put(struct store_job *j, const struct store_put *m)
{
	struct store_put *to = &j->put;

	*to = *m;
	to->user = text(j, m->user);
	to->sender = text(j, m->sender);
	to->envelope = text(j, m->envelope);
	to->type = text(j, m->type);
	to->key = m->key ? text(j, m->key) : j->new_ref;
	to->message_id = text(j, m->message_id);
	to->imdn_id = text(j, m->imdn_id);
	to->cpim_from = text(j, m->cpim_from);
	to->cpim_to = text(j, m->cpim_to);
	to->cpim_date = text(j, m->cpim_date);
	to->subject = text(j, m->subject);
}

/* All parts in memory become one. */
static void copy_parts(struct store_job *j, const struct store_source *src)
{
	struct iovec *part = store_job_alloc(j, sizeof(*part));
	char *p = store_job_alloc(j, (size_t)(j->size - src->fd_bytes) + 1);

	part->iov_base = p;
	part->iov_len = (size_t)(j->size - src->fd_bytes);
	for(int i = 0; i < src->n_parts; i++) {
		if(src->parts[i].iov_len > 0)
			memcpy(p, src->parts[i].iov_base, src->parts[i].iov_len);
		p += src->parts[i].iov_len;
	}
	j->put.body.parts = part;
	j->put.body.n_parts = 1;
}

void store_put(struct store_port *p, const struct store_put *m,
		store_done_cb *cb, void *arg)
{
	struct store *s = p->s;
	struct store_job *j = job(p, &store_op_put, cb, arg);
	const struct store_source *src = &m->body;

	j->size = src->fd_bytes;
	for(int i = 0; i < src->n_parts; i++)
		j->size += src->parts[i].iov_len;
	if(!fits(m, j->size)) {
		store_job_answer(j, -EMSGSIZE);
		return;
	}
	store_ref_make(j->new_ref, store_now(s));
	copy_put(j, m);
	copy_parts(j, src);
	if(src->fd >= 0 && src->fd_bytes > 0) {
		j->fd = fcntl(src->fd, F_DUPFD_CLOEXEC, 0);
		if(j->fd < 0) {
			store_job_answer(j, -errno);
			return;
		}
	}
	if(j->fd < 0
			&& (j->size <= s->conf->inline_bytes || s->db.driver->shared)) {
		store_job_submit(j);
		return;
	}
	pthread_mutex_lock(&s->lock);
	j->pending_next = s->pending;
	if(j->pending_next)
		j->pending_next->pending_at = &j->pending_next;
	j->pending_at = &s->pending;
	s->pending = j;
	pthread_mutex_unlock(&s->lock);
	j->listed = true;
	j->work.data = j;
	if(uv_queue_work(p->async.loop, &j->work, do_prepare, on_prepared) < 0)
		store_job_answer(j, -EIO);
}

/* ---- the other jobs ---------------------------------------------------- */

static const char *const *copy_users(
		struct store_job *j, const char *const *users, int n)
{
	const char **to = store_job_alloc(j, (size_t)n * sizeof(*to));

	for(int i = 0; i < n; i++)
		to[i] = text(j, users[i]);
	return to;
}

void store_claim(struct store_port *p, const struct store_claim *c,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_claim, cb, arg);

	if(c->n_users < 0 || c->n_users > STORE_USERS_MAX) {
		store_job_answer(j, -EMSGSIZE);
		return;
	}
	j->claim = *c;
	j->claim.users = copy_users(j, c->users, c->n_users);
	j->claim.ref = c->ref ? text(j, c->ref) : NULL;
	j->claim.after = c->after ? text(j, c->after) : NULL;
	store_job_submit(j);
}

void store_renew(struct store_port *p, const char *ref, uint64_t fence,
		int64_t lease_ms, store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_renew, cb, arg);

	j->ref = text(j, ref);
	j->settle.fence = fence;
	j->claim.lease_ms = lease_ms;
	store_job_submit(j);
}

void store_settle(struct store_port *p, const struct store_settle *st,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_settle, cb, arg);

	j->settle = *st;
	j->ref = text(j, st->ref);
	store_job_submit(j);
}

void store_list(struct store_port *p, const struct store_list *l,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_list, cb, arg);

	j->list = *l;
	j->list.user = l->user ? text(j, l->user) : NULL;
	j->list.after = l->after ? text(j, l->after) : NULL;
	store_job_submit(j);
}

void store_show(
		struct store_port *p, const char *ref, store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_show, cb, arg);

	j->ref = text(j, ref);
	store_job_submit(j);
}

void store_count(struct store_port *p, const char *const *users, int n_users,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_count, cb, arg);

	if(n_users < 0 || n_users > STORE_USERS_MAX) {
		store_job_answer(j, -EMSGSIZE);
		return;
	}
	j->claim.users = copy_users(j, users, n_users);
	j->claim.n_users = n_users;
	store_job_submit(j);
}

static void limited(struct store_port *p, const struct store_op *op, int limit,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, op, cb, arg);

	j->list.limit = limit;
	store_job_submit(j);
}

void store_due(struct store_port *p, int limit, store_done_cb *cb, void *arg)
{
	limited(p, &store_op_due, limit, cb, arg);
}

void store_users(struct store_port *p, const char *after, int limit,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_users, cb, arg);

	j->list.user = text(j, after);
	j->list.limit = limit;
	store_job_submit(j);
}

void store_expired(
		struct store_port *p, int limit, store_done_cb *cb, void *arg)
{
	limited(p, &store_op_expired, limit, cb, arg);
}

void store_expire(struct store_port *p, int limit, store_done_cb *cb, void *arg)
{
	limited(p, &store_op_expire, limit, cb, arg);
}

void store_order(struct store_port *p, const char *ref, enum store_order what,
		store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_order, cb, arg);

	j->ref = text(j, ref);
	j->order = what;
	store_job_submit(j);
}

void store_flush(
		struct store_port *p, const char *user, store_done_cb *cb, void *arg)
{
	struct store_job *j = job(p, &store_op_flush, cb, arg);

	j->list.user = user ? text(j, user) : NULL;
	store_job_submit(j);
}
