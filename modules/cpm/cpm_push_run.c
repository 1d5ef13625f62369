/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One round of pushing to one user (cpm_push.h): claim his oldest message,
 * have it sent (cpm_push_send.c), say at the relay what became of it, go on
 * with the next. Steps run in whatever process has the news: the
 * timer process, the link process, a SIP worker; each decides under the
 * entry's lock and acts without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_push_int.h"
#include "cpm_notice.h"
#include "cpm_stats.h"
#include "cpm_term.h"

#define ORDER_TRIES 2 /* failures after which a message holds up no others */

/* ---- claiming ---- */

static void on_next(const cpm_deferred_found_t *r, uint64_t tag, int n);

static void on_known(const str *owner, uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);

	(void)owner;
	if(p == NULL)
		return;
	p->known = true;
	cpm_push_unlock(p);
	cpm_push_ask(tag);
}

/* Is the answer whose clients he has still to come? */
static bool not_known_yet(
		const str *owner, bool known, uint64_t tag, cpm_clients_t **c)
{
	if(cpm_clients_get(owner, c) != -EAGAIN || known)
		return false;
	if(cpm_clients_when_known(owner, on_known, tag) == 0)
		return true;
	/* it has come meanwhile, or there is no memory: he goes by this one name */
	if(cpm_clients_get(owner, c) < 0)
		*c = NULL;
	return false;
}

void cpm_push_ask(uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	char name[CPM_USER_BUF], after[CPM_DEFERRED_REF_BUF];
	cpm_clients_t *c = NULL;
	cpm_deferred_ask_t q = {
			.n_users = 1, .lease_ms = (unsigned)cpm_conf.push_lease};
	str owner;
	bool any, known;
	int rc;

	if(p == NULL)
		return;
	memcpy(name, p->user, sizeof(name));
	memcpy(after, p->after, sizeof(after));
	any = p->any;
	known = p->known;
	cpm_push_unlock(p);
	owner = (str){name, (int)strlen(name)};
	if(not_known_yet(&owner, known, tag, &c))
		return;
	if(any && !cpm_conf.push) { /* he is told, and fetches what he wants */
		cpm_clients_free(&c);
		cpm_notice_kept(owner);
		cpm_push_end(tag);
		return;
	}
	q.users = &owner;
	if(c && c->n_ids > 0) {
		q.users = c->ids;
		q.n_users = c->n_ids;
	}
	q.after = (str){after, (int)strlen(after)};
	q.pager = cpm_push_reachable(&owner, false);
	q.large = cpm_push_reachable(&owner, true);
	/* stored by a node that did not find him, perhaps, but he is here */
	q.what = any                                    ? CPM_NEXT_ANY
			: cpm_conf.push && (q.pager || q.large) ? CPM_NEXT_WAITING
													: CPM_NEXT_DUE;
	rc = cpm_deferred_next(&q, on_next, tag, 0);
	cpm_clients_free(&c);
	if(rc < 0)
		cpm_push_later(tag, 0);
}

/* ---- settling ---- */

void cpm_push_settle_as(cpm_push_t *p, cpm_outcome_t outcome, int code)
{
	p->state = CPM_PU_SETTLING;
	p->outcome = outcome;
	p->code = code;
	p->at = UINT64_MAX; /* until the answer is there */
}

/* The message is settled at the relay: what is next? */
static void settled(uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	cpm_deferred_news_t news;
	cpm_outcome_t outcome;
	cpm_strs_t *texts;
	char ref[CPM_DEFERRED_REF_BUF], name[CPM_USER_BUF];
	bool large, go_on, linger;
	str owner;

	if(p == NULL || p->state != CPM_PU_SETTLING) {
		if(p)
			cpm_push_unlock(p);
		return;
	}
	outcome = p->outcome;
	texts = p->texts;
	p->texts = NULL;
	large = p->large;
	memcpy(ref, p->ref, sizeof(ref));
	memcpy(name, p->user, sizeof(name));
	news = (cpm_deferred_news_t){.ref = {ref, (int)strlen(ref)},
			.user = cpm_strs_get(texts, CPM_PU_USER),
			.sender = cpm_strs_get(texts, CPM_PU_SENDER),
			.kind = large ? "large" : "pager",
			.size = p->size,
			.imdn = p->imdn,
			.code = p->code};
	go_on = outcome == CPM_OUT_DELIVERED || outcome == CPM_OUT_FAILED;
	if(outcome == CPM_OUT_RETRY && p->attempts + 1 >= ORDER_TRIES) {
		memcpy(p->after, ref, sizeof(ref));
		go_on = true;
	}
	linger = go_on && !p->over;
	if(go_on) {
		p->any = cpm_conf.push; /* he is there: all of it */
		p->tries = 0;
		p->state = linger ? CPM_PU_LINGERING : CPM_PU_ASKING;
		p->at = cpm_now_ms() + cpm_push_linger_ms(p);
	}
	cpm_push_unlock(p);
	if(outcome == CPM_OUT_DELIVERED)
		cpm_deferred_tell(CPM_DEFERRED_DELIVERED, &news);
	else if(outcome == CPM_OUT_FAILED)
		cpm_deferred_tell(CPM_DEFERRED_EXPIRED, &news);
	cpm_strs_free(&texts);
	owner = (str){name, (int)strlen(name)};
	if(outcome == CPM_OUT_WAIT && cpm_conf.push && news.code == 0
			&& cpm_push_reachable(&owner, large))
		cpm_push_user(&owner, true, 0); /* registered meanwhile */
	if(!go_on)
		cpm_push_end(tag);
	else if(!linger)
		cpm_push_ask(tag);
}

/* The claim was lost, as when the relay was restarted, but a client has the
 * message: it is claimed once more to say so, unless somebody else has it. */
static void on_reclaimed(const cpm_deferred_found_t *r, uint64_t tag, int n)
{
	cpm_push_t *p = r->msg ? cpm_push_lock(tag) : NULL;

	(void)n;
	if(p) {
		p->fence = r->msg->fence;
		cpm_push_unlock(p);
		cpm_push_settle(tag);
	} else {
		cpm_push_end(tag);
	}
}

/* Unlocks. */
static bool reclaim(cpm_push_t *p, uint64_t tag)
{
	char ref[CPM_DEFERRED_REF_BUF];
	bool first = p->outcome == CPM_OUT_DELIVERED && !p->reclaimed;

	p->reclaimed = true;
	memcpy(ref, p->ref, sizeof(ref));
	cpm_push_unlock(p);
	return first
			&& cpm_deferred_claim((str){ref, (int)strlen(ref)},
					   (unsigned)cpm_conf.push_lease, on_reclaimed, tag, 0)
			== 0;
}

static void on_settled(int rc, uint64_t tag, int n)
{
	cpm_push_t *p;

	(void)n;
	if(rc == 0) {
		settled(tag);
		return;
	}
	p = cpm_push_lock(tag);
	if(p == NULL)
		return;
	LM_NOTICE("%s was not settled: %s\n", p->ref, strerror(-rc));
	/* the relay away: the claim's number stays good until somebody else has
	 * claimed it, so it is said again */
	if(rc == -ENOTCONN && ++p->tries < 30) {
		p->at = cpm_now_ms() + 2000;
		cpm_push_unlock(p);
		return;
	}
	if(rc != -ESTALE)
		cpm_push_unlock(p);
	else if(reclaim(p, tag))
		return;
	cpm_push_end(tag);
}

void cpm_push_settle(uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	char ref[CPM_DEFERRED_REF_BUF], who[CPM_USER_BUF];
	cpm_deferred_settle_t s;
	int rc;

	if(p == NULL)
		return;
	memcpy(ref, p->ref, sizeof(ref));
	s = (cpm_deferred_settle_t){.ref = {ref, (int)strlen(ref)},
			.fence = p->fence,
			.outcome = p->outcome,
			.retry_ms = p->retry_ms,
			.code = p->code,
			.permanent = p->permanent};
	snprintf(who, sizeof(who), "%s", p->user);
	cpm_push_unlock(p);
	if(s.outcome == CPM_OUT_RETRY)
		cpm_notice_kept((str){who, (int)strlen(who)});
	rc = cpm_deferred_settle(&s, on_settled, tag, 0);
	if(rc < 0)
		on_settled(-ENOTCONN, tag, 0);
}

/* ---- what its clients say ---- */

/* Nobody has answered: that says nothing of the message. */
static bool is_away(int code)
{
	return code == 0 || code == 408 || code == 430 || code == 480 || code == 503
			|| code == 504;
}

/* None has taken it: later, or never. One that was only tried because the one
 * before fails goes on waiting with that one when nobody is there: of the
 * messages for a client that is gone one alone has a clock. Under the lock. */
static bool failed_unsafe(cpm_push_t *p, int code, bool permanent)
{
	unsigned attempt = p->attempts + 1;

	if(p->after[0] && is_away(code)) {
		cpm_push_settle_as(p, CPM_OUT_WAIT, code ? code : 480);
		return false;
	}

	if(permanent && p->permanents + 1 >= (unsigned)cpm_conf.push_permanent) {
		p->state = CPM_PU_TELLING;
		p->code = code;
		p->at = cpm_now_ms() + (uint64_t)cpm_conf.push_lease / 3;
		return true;
	}
	cpm_push_settle_as(p, cpm_conf.push ? CPM_OUT_RETRY : CPM_OUT_WAIT, code);
	p->permanent = permanent;
	p->retry_ms = cpm_push_retry_ms(attempt, (uint32_t)random());
	return false;
}

void cpm_push_answered(
		uint64_t tag, bool ok, bool over, int code, bool permanent)
{
	cpm_push_t *p = cpm_push_lock(tag);
	bool settle = false, give_up = false, ask = false;

	if(p == NULL)
		return;
	p->over |= over;
	if(p->state == CPM_PU_LINGERING && over) {
		p->n_left = 0;
		p->state = CPM_PU_ASKING;
		ask = true;
	} else if(p->state == CPM_PU_SENDING && (ok || over)) {
		if(ok)
			cpm_push_settle_as(p, CPM_OUT_DELIVERED, 0);
		else
			give_up = failed_unsafe(p, code, permanent);
		settle = !give_up;
		if(!ok)
			LM_INFO("%s for %s: no client takes it, %d\n", p->ref, p->user,
					code);
	}
	cpm_push_unlock(p);
	if(settle && !ok)
		cpm_stat_inc(CPM_STAT_PUSH_RETRIES);
	if(settle)
		cpm_push_settle(tag);
	else if(give_up)
		cpm_push_give_up(tag);
	else if(ask)
		cpm_push_ask(tag);
}

static void on_news(const cpm_fan_news_t *f)
{
	cpm_push_answered(f->tag, f->ok > 0, f->ok + f->failed == f->n, f->code,
			f->failed > 0 && f->lasting == f->failed);
}

/* Of a large one: the relay has settled what was delivered. */
static void on_pushed(const cpm_term_pushed_t *r)
{
	cpm_push_t *p;
	bool first;

	if(r->left)
		cpm_push_left_over();
	p = r->delivered ? cpm_push_lock(r->tag) : NULL;
	first = p && p->state == CPM_PU_SENDING;
	if(first) {
		p->over = r->over;
		p->session = r->session;
		cpm_push_settle_as(p, CPM_OUT_DELIVERED, 0);
	}
	if(p)
		cpm_push_unlock(p);
	if(first)
		settled(r->tag);
	else
		cpm_push_answered(r->tag, r->delivered, r->over, r->code, r->lasting);
}

static void on_next(const cpm_deferred_found_t *r, uint64_t tag, int n)
{
	(void)n;
	if(r->msg) {
		LM_INFO("%.*s for %.*s goes out, %u more\n", STR_FMT(&r->msg->ref),
				STR_FMT(&r->msg->user), r->pending);
		cpm_push_send(r->msg, tag);
	} else if(r->rc < 0 || r->busy) {
		cpm_push_later(tag, r->busy ? r->free_ms : 0);
	} else {
		cpm_push_end(tag);
	}
}

void cpm_push_run_init(void)
{
	cpm_fanout_register(CPM_FAN_PUSH, on_news);
	cpm_term_on_pushed(on_pushed);
}
