/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session.defer: a message that no leg takes is stored. The whole of it is
 * handed to the store as the spool's file and what memory has behind it; the
 * sender's last chunk is answered when the store has committed, and with 413
 * when it could not. Called by session.c and message.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "deferred_head.h"
#include "log/log.h"
#include "session/job.h"
#include "session/session.h"

/* Of a message, what is beyond the spool's file; the store copies it. */
#define SENDER_MS 25000 /* he gives up 30 s after his last chunk */
#define AGAIN_MS 1000   /* between attempts to store */
#define PUT_MEMORY_MAX (256 * 1024)

/* Of all messages of a worker together: more of them wait. */
#define PUTTING_MAX (8 * 1024 * 1024)

/* ---- the message goes to the store ------------------------------------- */

static void refuse(struct message *m, int rc)
{
	struct claim *c = m->claim;
	struct session *s = m->in->session;

	c->state = CLAIM_REFUSED;
	c->code = rc;
	log_warning("session %s: message %s cannot be stored: %s", s->name, m->id,
			store_strerror(rc));
	claim_tell(c, true);
	worker_event(s->w,
			&(struct relay_event){.type = RELAY_EV_MESSAGE_REFUSED,
					.session = s->name,
					.owner = s->owner,
					.message_id = m->id,
					.bytes = m->received,
					.code = rc,
					.error = store_strerror(rc)});
	/* Answers the sender: the message is not stored. */
	message_settle(m);
	session_check_end(s);
}

/* It is stored, rc 0: from here on the sender may be told so. */
static void stored(struct message *m)
{
	struct claim *c = m->claim;
	struct session *s = m->in->session;

	if(c->leased && !c->duplicate)
		claim_keep(c);
	else
		c->state = CLAIM_STORED;
	if(m->n_ok == 0) {
		stat_add(&s->w->stats, messages_deferred_total, 1);
		log_info("session %s: message %s of %llu bytes stored as %s", s->name,
				m->id, (unsigned long long)m->received, c->ref);
		worker_event(s->w,
				&(struct relay_event){.type = RELAY_EV_MESSAGE_DEFERRED,
						.session = s->name,
						.owner = s->owner,
						.message_id = m->id,
						.bytes = m->received,
						.ref = c->ref,
						.duplicate = c->duplicate});
	}
	session_activity(s);
	message_settle(m);
	session_check_end(s);
}

static void on_wait_time(struct wheel_timer *t);

/* The database is away: it is no use to refuse what a leg may still take, as
 * long as its sender waits for an answer. */
static bool wait_for_legs(struct message *m)
{
	struct worker *w = m->in->session->w;
	struct claim *c = m->claim;
	uint64_t now = worker_now(w);

	if(m->n_ok > 0 || message_hopes(m) == 0
			|| now >= m->complete_at + SENDER_MS)
		return false;
	c->state = CLAIM_WAITING;
	c->again_at = now + AGAIN_MS;
	wheel_arm(&w->net.wheel, &c->timer, AGAIN_MS, on_wait_time);
	return true;
}

static void on_put(void *arg, int rc, const struct store_result *res)
{
	struct claim *c = arg;
	struct worker *w = c->w;
	struct message *m = c->m;

	c->n_jobs--;
	w->putting -= c->putting;
	if(rc == 0 && res->n > 0) {
		snprintf(c->ref, sizeof(c->ref), "%s", res->messages[0].ref);
		c->fence = res->messages[0].fence;
		c->duplicate = res->duplicate;
	} else if(rc == 0) {
		rc = -EIO;
	}
	if(m && rc == -ENOTCONN && wait_for_legs(m)) {
		log_limited(LOG_L_INFO, "session %s: the store is away, legs are not",
				m->in->session->name);
	} else if(m && rc != 0) {
		refuse(m, rc);
	} else if(rc != 0) {
		c->state = CLAIM_REFUSED;
		claim_tell(c, true);
	} else if(m) {
		stored(m);
	} else {
		/* The session has not waited; nobody was told, and it is there. */
		c->state = c->leased && !c->duplicate ? CLAIM_HELD : CLAIM_STORED;
	}
	if(rc == 0 && c->waiting)
		claim_settle_waiting(c);
	else if(rc == 0 && m == NULL)
		claim_release(c);
	claim_done(c);
	while(w->putting < PUTTING_MAX && (c = claim_take_turn(w)) != NULL)
		defer_spooled(c->m);
	net_flush(&w->net);
}

/* What the spool's file does not hold. */
static struct iovec *parts_of(struct spool *sp, uint64_t at, int *n)
{
	struct iovec *v = xmalloc((sp->count + 1) * sizeof(*v));
	struct spool_reader me = {0};
	struct spool_view view;

	*n = 0;
	for(; spool_view(sp, &me, at, &view); at += view.n)
		v[(*n)++] = (struct iovec){(void *)view.p, view.n};
	return v;
}

/* Several messages of one sender are several messages. */
static const char *key_of(
		const struct message *m, const struct deferral *d, char *to, size_t n)
{
	if(m->next == NULL)
		return d->key;
	snprintf(to, n, "%s;%s", d->key, m->id);
	return to;
}

static void put_now(struct message *m, int fd, uint64_t fd_bytes)
{
	char id[DEFERRED_TEXT_MAX], from[DEFERRED_TEXT_MAX], to[DEFERRED_TEXT_MAX],
			date[DEFERRED_TEXT_MAX], subject[DEFERRED_TEXT_MAX], key[320];
	const struct deferral *d = m->in->session->deferral;
	struct claim *c = m->claim;
	struct deferred_head head;
	struct store_put p = {.user = d->user,
			.sender = d->sender,
			.envelope = d->envelope,
			.type = m->content_type,
			.message_id = m->id,
			.kind = STORE_LARGE,
			.lifetime_ms = d->lifetime_ms,
			.next_ms = d->next_ms};
	struct iovec *parts;
	int n;

	(void)deferred_head_read(slice_str(m->content_type),
			slice_of(m->wrapper, m->wrapper_n), &head);
	deferred_head_id(&head, id);
	deferred_text(head.from, from);
	deferred_text(head.to, to);
	deferred_text(head.date, date);
	deferred_text(head.subject, subject);
	p.key = key_of(m, d, key, sizeof(key));
	p.imdn_id = id;
	p.cpim_from = from;
	p.cpim_to = to;
	p.cpim_date = date;
	p.subject = subject;
	p.imdn_negative = head.negative && !head.is_imdn;
	c->leased = message_hopes(m) > 0;
	p.lease_ms = c->leased ? CLAIM_LEASE_MS : 0;
	c->next_ms = d->next_ms;
	parts = parts_of(&m->spool, fd_bytes, &n);
	p.body = (struct store_source){
			.fd = fd, .fd_bytes = fd_bytes, .parts = parts, .n_parts = n};
	c->state = CLAIM_PUTTING;
	c->putting = m->spool.end - fd_bytes;
	c->w->putting += c->putting;
	c->n_jobs++;
	store_put(c->w->store, &p, on_put, c);
	free(parts);
}

/* The store takes a file and a little memory; what there is too much of in
 * memory goes to the spool first. */
static void put(struct message *m)
{
	uint64_t fd_bytes;
	int fd, rc;

	if(m->in->session->w->store == NULL) {
		refuse(m, -ENOTCONN);
		return;
	}
	m->claim->state = CLAIM_FILING;
	session_activity(m->in->session);
	if(m->in->session->w->putting >= PUTTING_MAX) {
		claim_wait_turn(m->claim); /* on_put goes on */
		return;
	}
	if(m->spool.file == NULL && m->spool.end > PUT_MEMORY_MAX
			&& !message_spool(m) && m->spool.end > STORE_MEMORY_MAX) {
		refuse(m, -ENOSPC);
		return;
	}
	rc = spool_file_freeze(&m->spool,
			m->spool.file ? PUT_MEMORY_MAX : STORE_MEMORY_MAX, &fd, &fd_bytes);
	if(rc == 0)
		put_now(m, fd, fd_bytes);
	else if(rc < 0)
		refuse(m, -ENOSPC);
}

void defer_spooled(struct message *m)
{
	struct claim *c = m->claim;

	if(c == NULL || c->state != CLAIM_FILING)
		return;
	if(m->n_ok == 0)
		put(m);
	else
		c->state = CLAIM_WAITING; /* a leg was faster */
}

/* ---- when -------------------------------------------------------------- */

static void on_wait_time(struct wheel_timer *t)
{
	struct claim *c =
			(struct claim *)((char *)t - offsetof(struct claim, timer));

	if(c->state == CLAIM_WAITING && c->m->n_ok == 0)
		put(c->m);
}

void defer_check(struct message *m)
{
	const struct deferral *d = m->in->session->deferral;
	struct worker *w = m->in->session->w;
	struct claim *c = m->claim;
	uint64_t now = worker_now(w), by;

	if(d == NULL || !m->complete)
		return;
	if(c && c->state == CLAIM_HELD && message_hopes(m) == 0 && m->n_ok == 0)
		claim_release(c);
	if(m->answered)
		return;
	if(c == NULL) {
		if(m->n_ok > 0)
			return;
		c = m->claim = claim_new(w, CLAIM_WAITING);
		c->m = m;
	}
	if(c->state != CLAIM_WAITING || m->n_ok > 0)
		return;
	by = d->now ? 0 : m->complete_at + (uint64_t)d->wait_ms;
	if(c->again_at > by)
		by = c->again_at;
	if(message_hopes(m) == 0 || by <= now)
		put(m);
	else
		wheel_arm(&w->net.wheel, &c->timer, by - now, on_wait_time);
}

bool defer_is_under_way(const struct session *s)
{
	const struct message *m = s->in ? s->in->messages_list : NULL;

	while(m
			&& (m->claim == NULL
					|| (m->claim->state != CLAIM_FILING
							&& m->claim->state != CLAIM_PUTTING)))
		m = m->next;
	return m != NULL;
}

bool defer_is_over(const struct session *s)
{
	const struct message *m =
			s->deferral && s->in ? s->in->messages_list : NULL;

	for(; m; m = m->next) {
		const struct claim *c = m->claim;
		if(c
				&& (c->state == CLAIM_STORED
						|| ((c->state == CLAIM_PUTTING
									|| c->state == CLAIM_FILING)
								&& message_hopes(m) == 0)))
			return true;
	}
	return false;
}

/* ---- the command ------------------------------------------------------- */

static char *copy(const char *s)
{
	return xstrndup(s, strlen(s));
}

void defer_free(struct session *s)
{
	struct deferral *d = s->deferral;

	s->deferral = NULL;
	if(d == NULL)
		return;
	free(d->user);
	free(d->sender);
	free(d->key);
	free(d->envelope);
	free(d);
}

int session_defer(struct session *s, const struct relay_defer *p)
{
	struct deferral *d = s->deferral;
	struct message *m, *next;

	if(s->w->store == NULL)
		return RELAY_NO_STORE;
	if(!s->keep || s->content || s->in == NULL || s->closing)
		return RELAY_STATE;
	if(d && (strcmp(d->key, p->key) != 0 || strcmp(d->user, p->user) != 0))
		return RELAY_CONFLICT;
	if(d == NULL) {
		d = s->deferral = xcalloc(sizeof(*d));
		d->user = copy(p->user);
		d->sender = copy(p->sender);
		d->key = copy(p->key);
		d->envelope = copy(p->envelope);
		d->lifetime_ms = p->lifetime_ms;
	}
	d->now = p->now;
	d->wait_ms = p->wait_ms;
	d->next_ms = p->next_ms;
	for(m = s->in->messages_list; m; m = next) {
		next = m->next;
		/* Its legs have failed, and the sender does not know it yet. */
		if(!m->complete && !m->aborted && m->n_ok == 0)
			m->status = 0;
		defer_check(m);
	}
	return RELAY_OK;
}

void defer_describe(const struct session *s, struct relay_session_info *to)
{
	const struct message *m = s->in ? s->in->messages_list : NULL;
	const struct claim *c;

	if(s->deferral == NULL)
		return;
	while(m && !m->complete)
		m = m->next;
	to->defer_state = "armed";
	c = m ? m->claim : NULL;
	if(m && m->n_ok > 0) {
		to->defer_state = "delivered";
	} else if(c && (c->state == CLAIM_FILING || c->state == CLAIM_PUTTING)) {
		to->defer_state = "storing";
	} else if(m && m->answered && (c == NULL || c->ref[0] == '\0')) {
		to->defer_state = "refused";
	} else if(c && c->ref[0] != '\0') {
		to->defer_state = "deferred";
		to->ref = c->ref;
	}
}
