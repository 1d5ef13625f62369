/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * cpm.stats, cpm.refusals, cpm.relays, cpm.sessions, cpm.session,
 * cpm.session_end, cpm.fanouts, cpm.clients and cpm.deferred for kamcmd and
 * JSON-RPC. Each works on copies, so that a slow reader never holds a lock.
 */
#include "cpm_rpc.h"

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_link.h"
#include "cpm_notice.h"
#include "cpm_pace.h"
#include "cpm_push.h"
#include "cpm_session.h"
#include "cpm_sip.h"
#include "cpm_stats.h"

#define PAGE 50      /* sessions in an answer, unless told */
#define PAGE_MAX 200 /* kamcmd's answers have a limited size */

/* ---- cpm.stats ------------------------------------------------------------
 */

static const char *stats_doc[] = {
		"All statistics of the module, as in stats.fetch cpm:", NULL};

static void rpc_stats(rpc_t *rpc, void *ctx)
{
	cpm_reject_info_t r;
	unsigned in_flight, waiting;
	void *st;

	if(rpc->add(ctx, "{", &st) < 0)
		return;
	cpm_pace_load(&in_flight, &waiting);
	rpc->struct_add(st, "ddd", "sessions", (int)cpm_session_count(), "link_up",
			cpm_link_is_up(), "link_pending", cpm_link_pending());
	rpc->struct_add(st, "dddd", "exploder_in_flight", (int)in_flight,
			"exploder_waiting", (int)waiting, "subscriptions",
			(int)cpm_notice_count(), "push_users", (int)cpm_push_count());
	for(int i = 0; i < CPM_STAT_N; i++)
		rpc->struct_add(st, "j", cpm_stat_name(i), cpm_stat_get(i));
	for(unsigned i = 0; cpm_reject_info(i, &r) == 0; i++)
		rpc->struct_add(st, "j", r.counter, r.count);
}

/* ---- cpm.refusals ----------------------------------------------------------
 */

static const char *refusals_doc[] = {
		"Why requests are refused, with which answer, and how often", NULL};

static void rpc_refusals(rpc_t *rpc, void *ctx)
{
	cpm_reject_info_t r;
	void *st;

	for(unsigned i = 0; cpm_reject_info(i, &r) == 0; i++)
		if(rpc->add(ctx, "{", &st) < 0
				|| rpc->struct_add(st, "sdssj", "reason", r.name, "code",
						   r.code, "phrase", r.phrase, "warning",
						   r.warning ? r.warning : "", "count", r.count)
						< 0)
			return;
}

/* ---- cpm.relays ------------------------------------------------------------
 */

static const char *relays_doc[] = {
		"State of the connection to the MSRP relay", NULL};

static int seconds_since(int64_t then_ms)
{
	return then_ms > 0 ? (int)((cpm_link_now_ms() - then_ms) / 1000) : -1;
}

static void rpc_relays(rpc_t *rpc, void *ctx)
{
	static char *states[] = {"waiting", "hello", "up"};
	cpm_link_info_t i;
	void *st;

	cpm_link_info_get(&i);
	if(rpc->add(ctx, "{", &st) < 0)
		return;
	rpc->struct_add(st, "SSs", "socket", &cpm_conf.relay_socket, "owner",
			&cpm_conf.relay_owner, "state", states[i.state]);
	rpc->struct_add(st, "dd", i.state == CPM_LINK_S_UP ? "up_s" : "down_s",
			seconds_since(i.since_ms), "heard_s", seconds_since(i.heard_ms));
	if(i.state == CPM_LINK_S_UP)
		rpc->struct_add(st, "ssdd", "server", i.server, "boot", i.boot,
				"version", i.version, "workers", i.workers);
	else
		rpc->struct_add(st, "dd", "attempts", (int)i.attempts, "retry_ms",
				i.retry_ms > cpm_link_now_ms()
						? (int)(i.retry_ms - cpm_link_now_ms())
						: 0);
	rpc->struct_add(st, "dddd", "pending", cpm_link_pending(), "queue",
			cpm_conf.relay_queue, "connects",
			(int)cpm_stat_get(CPM_STAT_LINK_CONNECTS), "pid", i.pid);
	if(i.error[0] != '\0')
		rpc->struct_add(st, "s", "last_error", i.error);
}

/* ---- cpm.sessions ----------------------------------------------------------
 */

static const char *sessions_doc[] = {
		"List the sessions: cpm.sessions [offset [limit]]", NULL};

struct page
{
	rpc_t *rpc;
	void *list;
	int offset, limit, seen, failed;
};

static int add_session(const struct cpm_session_info *s, void *arg)
{
	struct page *p = arg;
	void *st, *legs, *leg;

	if(p->seen++ < p->offset || p->seen > p->offset + p->limit || p->failed)
		return 0;
	if(p->rpc->array_add(p->list, "{", &st) < 0) {
		p->failed = 1;
		return 1;
	}
	p->rpc->struct_add(st, "sssddj", "id", s->id, "state", s->state, "request",
			s->request, "age_s", (int)s->age_s, "state_s", (int)s->state_s,
			"bytes", (unsigned long)s->bytes);
	p->rpc->struct_add(st, "ddd", "recipients", (int)s->recipients, "delivered",
			(int)s->delivered, "failed", (int)s->failed);
	/* of a long list the first legs, and how many there are of each kind */
	p->rpc->struct_add(st, "ds[", "legs_all", (int)s->legs_all, "leg_states",
			s->counts, "legs", &legs);
	for(unsigned i = 0; i < s->n_legs && i < CPM_INFO_LEGS; i++) {
		const struct cpm_leg_info *l = &s->legs[i];

		if(p->rpc->array_add(legs, "{", &leg) < 0)
			break;
		p->rpc->struct_add(leg, "dsssdd", "leg", (int)l->n, "state", l->state,
				"call_id", l->call_id, "peer", l->peer, "expires_s",
				(int)l->expires_s, "left_s", (int)l->left_s);
		p->rpc->struct_add(leg, "sss", "media", l->media, "to",
				l->n == 0        ? "originator"
						: l->isf ? "isf"
								 : "core",
				"refresher",
				l->expires_s == 0            ? "none"
						: l->refresher_is_us ? "us"
											 : "peer");
	}
	return 0;
}

static void rpc_sessions(rpc_t *rpc, void *ctx)
{
	struct page p = {.rpc = rpc, .limit = PAGE};
	void *st;

	if(rpc->scan(ctx, "*d", &p.offset) > 0)
		rpc->scan(ctx, "*d", &p.limit);
	if(p.offset < 0 || p.limit < 1 || p.limit > PAGE_MAX) {
		rpc->fault(ctx, 400, "offset from 0, limit 1 to %d", PAGE_MAX);
		return;
	}
	if(rpc->add(ctx, "{", &st) < 0
			|| rpc->struct_add(st, "d[", "total", (int)cpm_session_count(),
					   "sessions", &p.list)
					< 0)
		return;
	cpm_session_each(add_session, &p);
}

static const char *session_doc[] = {"Show one session: cpm.session id", NULL};

static void rpc_session(rpc_t *rpc, void *ctx)
{
	struct page p = {.rpc = rpc, .limit = 1};
	struct cpm_session_info info;
	void *st;
	str id;

	if(rpc->scan(ctx, "S", &id) < 1) {
		rpc->fault(ctx, 400, "cpm.session id");
		return;
	}
	if(cpm_session_info_get(&id, &info) < 0) {
		rpc->fault(ctx, 404, "No such session");
		return;
	}
	if(rpc->add(ctx, "{", &st) < 0
			|| rpc->struct_add(st, "[", "sessions", &p.list) < 0)
		return;
	add_session(&info, &p);
}

static const char *session_end_doc[] = {
		"End one session, with BYE or CANCEL on all legs: cpm.session_end id",
		NULL};

static void rpc_session_end(rpc_t *rpc, void *ctx)
{
	str id;

	if(rpc->scan(ctx, "S", &id) < 1) {
		rpc->fault(ctx, 400, "cpm.session_end id");
		return;
	}
	if(cpm_session_kill(&id) < 0)
		rpc->fault(ctx, 404, "No such session");
	else
		LM_NOTICE("session %.*s: ended by the operator\n", id.len, id.s);
}

/* ---- cpm.fanouts -----------------------------------------------------------
 */

static const char *fanouts_doc[] = {
		"List the pager messages to many that are under way, at most so many: "
		"cpm.fanouts [limit]",
		NULL};

static int add_fanout(rpc_t *rpc, void *list, uint64_t id)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	char printed[CPM_ID_BUF], call_id[96];
	unsigned n, ok, failed, states[CPM_FAN_NSTATES] = {0};
	int age, answered;
	str text;
	void *st;

	if(f == NULL)
		return 0;
	n = cpm_fanout_n(f);
	ok = f->ok;
	failed = f->failed;
	age = (int)((cpm_now_ms() - f->created_ms) / 1000);
	answered = f->answered;
	for(unsigned i = 0; i < n; i++)
		states[f->r[i].state]++;
	text = cpm_strs_get(f->texts, CPM_F_CALL_ID);
	snprintf(call_id, sizeof(call_id), "%.*s", STR_FMT(&text));
	cpm_fanout_unlock(f);
	cpm_id_print(id, printed);
	if(rpc->array_add(list, "{", &st) < 0)
		return -1;
	rpc->struct_add(st, "ssddd", "id", printed, "call_id", call_id, "age_s",
			age, "answered", answered, "recipients", (int)n);
	rpc->struct_add(st, "ddddd", "waiting", (int)states[CPM_FAN_WAITING],
			"sent", (int)states[CPM_FAN_SENT], "isf", (int)states[CPM_FAN_ISF],
			"ok", (int)ok, "failed", (int)failed);
	return 0;
}

static void rpc_fanouts(rpc_t *rpc, void *ctx)
{
	int limit = PAGE, done = 0;
	unsigned slot = 0, in_flight, waiting, n;
	uint64_t ids[PAGE_MAX];
	void *st, *list;

	rpc->scan(ctx, "*d", &limit);
	if(limit < 1 || limit > PAGE_MAX) {
		rpc->fault(ctx, 400, "limit 1 to %d", PAGE_MAX);
		return;
	}
	cpm_pace_load(&in_flight, &waiting);
	if(rpc->add(ctx, "{", &st) < 0
			|| rpc->struct_add(st, "ddd[", "total", (int)cpm_fanout_count(),
					   "in_flight", (int)in_flight, "waiting", (int)waiting,
					   "fanouts", &list)
					< 0)
		return;
	while(done < limit && (n = cpm_fanout_ids(&slot, ids, PAGE_MAX)) > 0)
		for(unsigned i = 0; i < n && done < limit; i++, done++)
			if(add_fanout(rpc, list, ids[i]) < 0)
				return;
}

static const char *clients_doc[] = {
		"The registered clients of a user, or the users whose registration "
		"state is followed: cpm.clients [user]",
		NULL};

static void rpc_clients(rpc_t *rpc, void *ctx)
{
	cpm_rpc_clients(rpc, ctx);
}

static const char *deferred_doc[] = {
		"Whose deferred messages are about to be pushed or are being pushed, "
		"and what became of others: cpm.deferred [user]",
		NULL};

static void rpc_deferred(rpc_t *rpc, void *ctx)
{
	cpm_rpc_deferred(rpc, ctx);
}

rpc_export_t cpm_rpc_cmds[] = {{"cpm.stats", rpc_stats, stats_doc, 0},
		{"cpm.refusals", rpc_refusals, refusals_doc, RET_ARRAY},
		{"cpm.relays", rpc_relays, relays_doc, 0},
		{"cpm.sessions", rpc_sessions, sessions_doc, 0},
		{"cpm.session", rpc_session, session_doc, 0},
		{"cpm.session_end", rpc_session_end, session_end_doc, 0},
		{"cpm.fanouts", rpc_fanouts, fanouts_doc, 0},
		{"cpm.clients", rpc_clients, clients_doc, 0},
		{"cpm.deferred", rpc_deferred, deferred_doc, 0}, {NULL, NULL, NULL, 0}};
