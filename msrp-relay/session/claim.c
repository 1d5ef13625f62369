/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Claims on stored messages (claim.h): renewed as long as a session may deliver
 * them, settled before anybody is told that they were delivered, given back
 * when nobody here may take them any more. Called by defer.c, stored.c and
 * delivery.c, on the worker's loop; the store's answers come there too.
 */
#include "session/claim.h"

#include <errno.h>
#include <stdlib.h>

#include "log/log.h"
#include "session/session.h"

#define SETTLE_AGAIN_MS 250

struct delivered
{
	struct delivered *next;
	char session[RELAY_ID_MAX + 1], owner[RELAY_ID_MAX + 1];
	char leg[RELAY_LEG_MAX + 1], message_id[MSRP_IDENT_MAX + 1];
	uint64_t bytes;
};

struct claim *claim_new(struct worker *w, enum claim_state state)
{
	struct claim *c = xcalloc(sizeof(*c));

	c->w = w;
	c->state = state;
	c->next_ms = STORE_NEVER;
	c->lease_ms = CLAIM_LEASE_MS;
	if(w->claims_end == NULL)
		w->claims_end = &w->claims;
	c->pprev = w->claims_end;
	*w->claims_end = c;
	w->claims_end = &c->next;
	return c;
}

/* ---- turns ------------------------------------------------------------- */

void claim_wait_turn(struct claim *c)
{
	struct worker *w = c->w;

	if(c->turn_at)
		return;
	if(w->turns_end == NULL)
		w->turns_end = &w->turns;
	c->turn_next = NULL;
	c->turn_at = w->turns_end;
	*c->turn_at = c;
	w->turns_end = &c->turn_next;
}

static void turn_end(struct claim *c)
{
	if(c->turn_at == NULL)
		return;
	*c->turn_at = c->turn_next;
	if(c->turn_next)
		c->turn_next->turn_at = c->turn_at;
	else
		c->w->turns_end = c->turn_at;
	c->turn_at = NULL;
}

struct claim *claim_take_turn(struct worker *w)
{
	struct claim *c = w->turns;

	if(c)
		turn_end(c);
	return c;
}

/* ---- its end ----------------------------------------------------------- */

static void claim_free(struct claim *c)
{
	struct delivered *d;

	turn_end(c);
	wheel_disarm(&c->w->net.wheel, &c->timer);
	*c->pprev = c->next;
	if(c->next)
		c->next->pprev = c->pprev;
	else
		c->w->claims_end = c->pprev;
	while((d = c->waiting) != NULL) {
		c->waiting = d->next;
		free(d);
	}
	free(c);
}

void claims_free(struct worker *w)
{
	while(w->claims)
		claim_free(w->claims);
}

void claim_done(struct claim *c)
{
	if(c->left && c->n_jobs == 0)
		claim_free(c);
}

/* ---- as long as it is ours --------------------------------------------- */

static void on_renew_time(struct wheel_timer *t);

static void on_renewed(void *arg, int rc, const struct store_result *res)
{
	struct claim *c = arg;
	struct worker *w = c->w;

	(void)res;
	c->n_jobs--;
	if(c->state == CLAIM_HELD && (rc == -ESTALE || rc == -ENOENT)) {
		log_warning("deferred message %s: the claim is lost: %s", c->ref,
				store_strerror(rc));
		c->state = CLAIM_LOST;
		wheel_disarm(&w->net.wheel, &c->timer);
		if(c->s)
			stored_lost(c->s);
	}
	claim_done(c);
	net_flush(&w->net);
}

static void renew_later(struct claim *c)
{
	wheel_arm(&c->w->net.wheel, &c->timer, (uint64_t)c->lease_ms / 3,
			on_renew_time);
}

static void renew(struct claim *c)
{
	c->n_jobs++;
	store_renew(c->w->store, c->ref, c->fence, c->lease_ms, on_renewed, c);
	renew_later(c);
}

static void on_renew_time(struct wheel_timer *t)
{
	struct claim *c =
			(struct claim *)((char *)t - offsetof(struct claim, timer));

	if(c->state == CLAIM_HELD)
		renew(c);
}

void claim_keep(struct claim *c)
{
	c->state = CLAIM_HELD;
	renew_later(c);
}

struct claim *claim_hold(
		struct session *s, const char *ref, uint64_t fence, int lease_ms)
{
	struct claim *c = claim_new(s->w, CLAIM_HELD);

	c->s = s;
	memcpy(c->ref, ref, STORE_REF_LEN);
	c->fence = fence;
	c->lease_ms = lease_ms;
	renew(c);
	return c;
}

/* ---- delivered --------------------------------------------------------- */

void claim_tell(struct claim *c, bool settled)
{
	struct delivered *d;

	while((d = c->waiting) != NULL) {
		c->waiting = d->next;
		worker_event(c->w,
				&(struct relay_event){.type = RELAY_EV_LEG_DELIVERED,
						.session = d->session,
						.owner = d->owner,
						.leg = d->leg,
						.message_id = d->message_id,
						.bytes = d->bytes,
						.status = 200,
						.ref = c->ref[0] ? c->ref : NULL,
						.settled = settled});
		free(d);
	}
}

static void settle(struct claim *c);

static void on_settle_time(struct wheel_timer *t)
{
	struct claim *c =
			(struct claim *)((char *)t - offsetof(struct claim, timer));

	c->n_jobs--;
	settle(c);
}

/* The database is away. The client is told to go; that the message is to be
 * removed is not forgotten, or it would be delivered again. It ends when the
 * database is back: by then it is ours still, or somebody else's. */
static void settle_later(struct claim *c)
{
	if(c->n_tries++ == 0)
		log_warning("deferred message %s: delivered, and removed when the "
					"store is back",
				c->ref);
	claim_tell(c, false);
	c->n_jobs++; /* the timer is one, so that it stays */
	wheel_arm(&c->w->net.wheel, &c->timer, SETTLE_AGAIN_MS, on_settle_time);
}

static void on_settled(void *arg, int rc, const struct store_result *res)
{
	struct claim *c = arg;
	struct worker *w = c->w;

	(void)res;
	c->n_jobs--;
	if(rc == -ENOTCONN) {
		settle_later(c);
		net_flush(&w->net);
		return;
	}
	/* Gone is as good: somebody else has delivered it too. */
	c->state = rc == 0 || rc == -ENOENT ? CLAIM_SETTLED : CLAIM_LOST;
	if(rc != 0 && rc != -ENOENT)
		log_warning("deferred message %s: delivered, but still stored: %s",
				c->ref, store_strerror(rc));
	claim_tell(c, c->state == CLAIM_SETTLED);
	claim_done(c);
	net_flush(&w->net);
}

static void settle(struct claim *c)
{
	const struct store_settle s = {
			.ref = c->ref, .fence = c->fence, .outcome = STORE_O_DELIVERED};

	c->state = CLAIM_SETTLING;
	wheel_disarm(&c->w->net.wheel, &c->timer);
	c->n_jobs++;
	/* on_settled: the removal is durable before leg.delivered goes out. */
	store_settle(c->w->store, &s, on_settled, c);
}

void claim_delivered(struct claim *c, struct leg *l, const struct message *m)
{
	struct delivered *d = xcalloc(sizeof(*d)), **at = &c->waiting;

	memcpy(d->session, l->session->name, sizeof(d->session));
	memcpy(d->owner, l->session->owner, sizeof(d->owner));
	memcpy(d->leg, l->name, sizeof(d->leg));
	memcpy(d->message_id, m->id, sizeof(d->message_id));
	d->bytes = m->received;
	while(*at)
		at = &(*at)->next;
	*at = d;
	switch(c->state) {
		case CLAIM_HELD:
			settle(c);
			break;
		case CLAIM_PUTTING: /* defer.c goes on when it is stored */
		case CLAIM_SETTLING:
			break;
		default:
			claim_tell(c, c->state != CLAIM_LOST && c->state != CLAIM_STORED);
	}
}

void claim_settle_waiting(struct claim *c)
{
	if(c->state == CLAIM_HELD)
		settle(c);
	else
		claim_tell(c, false);
}

/* ---- not ours any more ------------------------------------------------- */

static void on_released(void *arg, int rc, const struct store_result *res)
{
	struct claim *c = arg;

	(void)res;
	c->n_jobs--;
	if(rc != 0)
		log_limited(LOG_L_INFO,
				"deferred message %s: its claim ends by itself: %s", c->ref,
				store_strerror(rc));
	claim_done(c);
}

void claim_release(struct claim *c)
{
	struct store_settle s = {.ref = c->ref,
			.fence = c->fence,
			.outcome = c->next_ms == STORE_NEVER ? STORE_O_WAIT : STORE_O_RETRY,
			.retry_ms = c->next_ms == STORE_NEVER ? 0 : c->next_ms};

	if(c->state != CLAIM_HELD)
		return;
	c->state = CLAIM_STORED;
	wheel_disarm(&c->w->net.wheel, &c->timer);
	c->n_jobs++;
	store_settle(c->w->store, &s, on_released, c);
}

static void on_left(void *arg, int rc, const struct store_result *res)
{
	struct claim *c = arg;

	(void)rc; /* it has been settled already: all the better */
	(void)res;
	c->n_jobs--;
	claim_done(c);
}

/* What was claimed by the module is the module's to settle; when it has died
 * meanwhile, nobody need wait for the rest of the lease. */
static void leave_to_module(struct claim *c)
{
	c->state = CLAIM_LOST;
	c->n_jobs++;
	store_renew(c->w->store, c->ref, c->fence,
			c->lease_ms < CLAIM_SETTLE_MS ? c->lease_ms : CLAIM_SETTLE_MS,
			on_left, c);
}

void claim_leave(struct claim *c)
{
	bool source = c->s != NULL;

	c->left = true;
	c->m = NULL;
	c->s = NULL;
	turn_end(c);
	if(source && c->state == CLAIM_HELD)
		leave_to_module(c);
	else
		claim_release(c);
	if(c->state == CLAIM_WAITING || c->state == CLAIM_FILING)
		c->state = CLAIM_REFUSED;
	if(c->n_tries == 0)
		wheel_disarm(&c->w->net.wheel, &c->timer);
	claim_done(c);
}
