/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message at its user's clients (OMA-TS-CPM_Conv_Fnct 8.3.1, 8.3.2.3):
 *
 *   first 2xx                  200 to the sender, the others go on
 *   all failed, none is there  stored, then 202
 *   fork_wait is over          stored and claimed, then 202; a client that
 *                              takes it after all settles the stored copy
 *   it cannot be stored        the clients' error, or a clear refusal
 *
 * The 202 is a promise: it goes out in on_put(), the relay's word that the
 * message is on stable storage, and nowhere else. Decisions are taken under the
 * fan-out's lock and carried out without it.
 */
#include "cpm_term_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_deferred.h"
#include "cpm_fanout.h"
#include "cpm_push.h"
#include "cpm_push_int.h"
#include "cpm_stats.h"

#define CLAIM_MS 60000     /* longer than any MESSAGE lives: tm's fr_timer */
#define LAST_WAIT_MS 28000 /* timer F of the sender is 32 s */

/* What is to be done, decided under the lock. */
struct todo
{
	uint64_t id;
	bool ok200;         /* a client has taken it: answer 200 */
	bool accept;        /* it is stored: answer 202 */
	bool put;           /* store it */
	bool claim;         /* clients may still take it */
	bool refuse;        /* answer with an error: */
	int code;           /* of a client, 0 none */
	const char *reason; /* name of a refusal, instead of code */
	bool settle;        /* the stored copy: */
	cpm_outcome_t outcome;
	bool none; /* nobody is registered */
	uint64_t fence, left_ms;
	char ref[CPM_DEFERRED_REF_BUF];
	cpm_strs_t *texts; /* private copy, with put or accept */
};

static bool is_over(const cpm_fanout_t *f)
{
	return f->ok + f->failed == cpm_fanout_n(f);
}

static void settle(cpm_fanout_t *f, struct todo *t, cpm_outcome_t outcome)
{
	f->term.keep = CPM_KEEP_OVER;
	t->settle = f->term.fence != 0;
	t->outcome = outcome;
	t->fence = f->term.fence;
	memcpy(t->ref, f->term.ref, sizeof(t->ref));
}

static void refuse(cpm_fanout_t *f, struct todo *t, const char *reason)
{
	f->answered = true;
	t->refuse = true;
	t->reason = reason;
	t->code = reason ? 0 : f->lowest;
}

/* Store it, where that is allowed: the answer waits for the relay's. */
static void keep(cpm_fanout_t *f, struct todo *t)
{
	uint64_t now = cpm_now_ms();

	if(!f->term.may || f->term.expires_at <= now) {
		f->term.keep = CPM_KEEP_OVER;
		if(is_over(f))
			refuse(f, t, f->lowest ? NULL : "offline");
		else
			f->answer_at = f->created_ms + LAST_WAIT_MS;
		return;
	}
	t->texts = cpm_strs_copy(f->texts);
	if(t->texts == NULL) {
		f->term.keep = CPM_KEEP_OVER; /* refused means that it is not kept */
		refuse(f, t, "memory");
		return;
	}
	f->term.keep = CPM_KEEP_ASKED;
	f->hold++;
	t->put = true;
	t->claim = !is_over(f);
	t->none = f->rcpts == NULL;
	t->left_ms = f->term.expires_at - now;
}

/* The one place that decides. */
static void decide(cpm_fanout_t *f, bool due, struct todo *t)
{
	t->id = f->id;
	if(f->ok > 0) {
		t->ok200 = !f->answered;
		f->answered |= t->ok200;
		if(f->term.keep == CPM_KEEP_STORED)
			settle(f, t, CPM_OUT_DELIVERED);
	} else if(f->term.keep == CPM_KEEP_NOT && (due || is_over(f))) {
		keep(f, t);
	} else if(f->term.keep == CPM_KEEP_STORED && is_over(f)) {
		settle(f, t, CPM_OUT_RETRY);
	} else if(f->term.keep == CPM_KEEP_OVER && !f->answered
			&& (due || is_over(f))) {
		refuse(f, t, f->lowest ? NULL : "ring");
	}
}

/* ---- doing it ---- */

static void on_put(const cpm_deferred_stored_t *r, uint64_t id, int n);

/* The relay has not taken the command: as if it had refused. */
static void put_failed(uint64_t id, int rc)
{
	on_put(&(cpm_deferred_stored_t){.rc = rc}, id, 0);
}

static void put(const struct todo *t)
{
	const cpm_envelope_t e = {.from = cpm_strs_get(t->texts, CPM_F_FROM),
			.to = cpm_strs_get(t->texts, CPM_F_TO),
			.headers = cpm_strs_get(t->texts, CPM_F_HEADERS)};
	const cpm_deferred_put_t p = {.key = cpm_strs_get(t->texts, CPM_F_KEY),
			.user = cpm_strs_get(t->texts, CPM_F_USER),
			.sender = cpm_strs_get(t->texts, CPM_F_SENDER),
			.envelope = &e,
			.type = cpm_strs_get(t->texts, CPM_F_TYPE),
			.data = cpm_strs_get(t->texts, CPM_F_HEAD),
			.lifetime_s = (uint32_t)((t->left_ms + 999) / 1000),
			.next_ms = t->none || !cpm_conf.push
					? -1
					: (int64_t)cpm_push_retry_ms(1, (uint32_t)random()),
			.lease_ms = t->claim ? CLAIM_MS : 0};
	int rc = cpm_deferred_put(&p, on_put, t->id, 0);

	if(rc < 0)
		put_failed(t->id, rc);
}

static void on_settled(int rc, uint64_t id, int n)
{
	(void)n;
	if(rc < 0 && rc != -ESTALE)
		LM_NOTICE("fan-out " CPM_ID_FMT ": the stored copy was not settled:"
				  " %s\n",
				CPM_ID_ARG(id), strerror(-rc));
}

static void settle_stored(const struct todo *t)
{
	const cpm_deferred_settle_t s = {
			.ref = {(char *)t->ref, (int)strlen(t->ref)},
			.fence = t->fence,
			.outcome = t->outcome == CPM_OUT_RETRY && !cpm_conf.push
					? CPM_OUT_WAIT
					: t->outcome,
			.retry_ms = cpm_push_retry_ms(1, (uint32_t)random()),
			.code = t->code};
	int rc = cpm_deferred_settle(&s, on_settled, t->id, 0);

	if(rc < 0) /* the claim ends by itself and the message is tried again */
		on_settled(rc, t->id, 0);
}

static void refuse_sender(const struct todo *t)
{
	cpm_strs_t *answer = NULL;
	int code = t->code;

	if(t->reason)
		answer = cpm_reject_answer(t->reason, NULL, &code);
	LM_INFO("fan-out " CPM_ID_FMT ": refused with %d%s%s\n", CPM_ID_ARG(t->id),
			code, t->reason ? ", " : "", t->reason ? t->reason : "");
	cpm_stat_inc(CPM_STAT_DEFER_REFUSED);
	cpm_fanout_answer(t->id, code, answer);
}

/* It waits for a registration: one that came while it was being stored has
 * found nothing. */
static void look_again(str owner)
{
	if(cpm_conf.push && cpm_push_reachable(&owner, false))
		cpm_push_user(&owner, true, (unsigned)cpm_conf.push_settle);
}

static void carry_out(struct todo *t)
{
	if(t->ok200)
		cpm_fanout_answer(t->id, 200, NULL);
	if(t->accept)
		cpm_fanout_answer(t->id, 202, NULL);
	if(t->refuse)
		refuse_sender(t);
	if(t->settle)
		settle_stored(t);
	if(t->put)
		put(t);
	cpm_strs_drop(t->texts);
}

static void on_news(const cpm_fan_news_t *news)
{
	cpm_fanout_t *f = cpm_fanout_lock(news->id);
	struct todo t = {.id = news->id};

	if(f == NULL)
		return;
	f->hold -= news->held;
	decide(f, news->due, &t);
	cpm_fanout_unlock(f);
	carry_out(&t);
}

void cpm_term_keep_now(uint64_t id)
{
	on_news(&(cpm_fan_news_t){.id = id});
}

/* ---- the relay's word ---- */

static const char *refusal_of(int rc)
{
	switch(rc) {
		case -EDQUOT:
			return "defer-quota";
		case -ENOSPC:
			return "defer-full";
		case -EMSGSIZE:
			return "defer-size";
		default:
			return "defer-store";
	}
}

/* It is not stored. While clients may still take it they are waited for. */
static void not_stored(cpm_fanout_t *f, int rc, struct todo *t)
{
	f->term.keep = CPM_KEEP_OVER;
	if(f->ok > 0) {
		t->ok200 = !f->answered;
		f->answered = true;
	} else if(is_over(f)) {
		refuse(f, t, refusal_of(rc));
	} else {
		f->answer_at = f->created_ms + LAST_WAIT_MS;
	}
}

/* It is on stable storage: now the sender may be told so. */
static void stored(
		cpm_fanout_t *f, const cpm_deferred_stored_t *r, struct todo *t)
{
	f->term.keep = CPM_KEEP_STORED;
	f->term.fence = r->fence;
	memcpy(f->term.ref, r->ref.s, (size_t)r->ref.len);
	f->term.ref[r->ref.len] = '\0';
	t->texts = cpm_strs_copy(f->texts);
	t->none = f->rcpts == NULL;
	t->accept = !f->answered;
	f->answered = true;
	decide(f, false, t); /* of what has come meanwhile */
}

static void tell(
		const struct todo *t, const cpm_deferred_stored_t *r, bool imdn)
{
	cpm_deferred_tell(CPM_DEFERRED_STORED,
			&(cpm_deferred_news_t){.ref = r->ref,
					.user = cpm_strs_get(t->texts, CPM_F_USER),
					.sender = cpm_strs_get(t->texts, CPM_F_SENDER),
					.kind = "pager",
					.size = (uint64_t)cpm_strs_get(t->texts, CPM_F_HEAD).len,
					.imdn = imdn});
}

static void on_put(const cpm_deferred_stored_t *r, uint64_t id, int n)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	struct todo t = {.id = id};
	bool imdn;

	(void)n;
	if(f == NULL)
		return;
	imdn = f->term.imdn;
	f->hold--;
	if(r->rc == 0)
		stored(f, r, &t);
	else
		not_stored(f, r->rc, &t);
	cpm_fanout_unlock(f);
	if(r->rc < 0)
		LM_WARN("fan-out " CPM_ID_FMT ": not stored: %s\n", CPM_ID_ARG(id),
				strerror(-r->rc));
	else
		LM_INFO("fan-out " CPM_ID_FMT ": stored as %.*s%s\n", CPM_ID_ARG(id),
				STR_FMT(&r->ref), r->duplicate ? ", again" : "");
	if(r->rc == 0 && t.texts) {
		str owner = cpm_strs_get(t.texts, CPM_F_USER);

		if(!r->duplicate && !(t.settle && t.outcome == CPM_OUT_DELIVERED))
			tell(&t, r, imdn);
		if(t.none)
			look_again(owner);
	}
	carry_out(&t);
}

void cpm_term_keep_init(void)
{
	cpm_fanout_register(CPM_FAN_TERM, on_news);
}
