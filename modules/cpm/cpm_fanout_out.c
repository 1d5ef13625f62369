/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The copies of a fan-out on the wire: each with its own Call-ID and tag, the
 * recipient as Request-URI (OP-17, OP-22), the ISF once where the core does not
 * reach him (OP-12, OP-23), and what becomes of the whole.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_rr.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_evroute.h"
#include "cpm_fanout.h"
#include "cpm_imdn.h"
#include "cpm_isf.h"
#include "cpm_loop.h"
#include "cpm_pace.h"
#include "cpm_stats.h"

#define UNSENT 503 /* the code of a request that could not be sent */
#define BATCH 64

/* A callback's parameter: fan-out, recipient and which of the two attempts it
 * was, without memory behind it. */
static void *param_of(uint64_t id, unsigned n, bool isf)
{
	return (void *)(uintptr_t)(id << 16 | n << 1 | isf);
}

_Static_assert(RLIST_ENTRIES_MAX < 1 << 15, "a recipient's number has 15 bits");

/* What one request needs, copied under the lock. */
struct out
{
	uint64_t id;
	unsigned n;
	bool isf, rewrite;
	unsigned kind;     /* cpm_fan_kind_t */
	cpm_strs_t *texts; /* private copy */
	char *own;         /* owns the texts of the recipient: */
	str uri, lines, routes, next_hop;
	struct socket_info *sock;
};

static void out_drop(struct out *o)
{
	cpm_strs_drop(o->texts);
	if(o->own)
		pkg_free(o->own);
}

/* Copy the texts of a recipient: 0 or -ENOMEM. */
static int copy_rcpt(const cpm_rcpts_t *r, unsigned n, struct out *o)
{
	const str from[] = {cpm_rcpts_uri(r, n), cpm_rcpts_headers(r, n),
			cpm_rcpts_routes(r, n), cpm_rcpts_next_hop(r, n)};
	str *const to[] = {&o->uri, &o->lines, &o->routes, &o->next_hop};
	size_t bytes = 1;
	char *p;

	for(int i = 0; i < 4; i++)
		bytes += (size_t)from[i].len;
	p = o->own = pkg_malloc(bytes);
	for(int i = 0; p && i < 4; i++) {
		memcpy(p, from[i].s, (size_t)from[i].len);
		*to[i] = (str){p, from[i].len};
		p += from[i].len;
	}
	return p ? 0 : -ENOMEM;
}

/* Copy what is needed to send to n: 0, or -ENOENT, -ENOMEM. */
static int copy_out(const cpm_fanout_t *f, unsigned n, struct out *o)
{
	o->id = f->id;
	o->n = n;
	o->isf = f->r[n].state == CPM_FAN_ISF;
	o->rewrite = f->rewrite_to;
	o->kind = f->kind;
	o->sock = f->rcpts->v[n].sock ? f->rcpts->v[n].sock : f->sock;
	o->texts = cpm_strs_copy(f->texts);
	return o->texts ? copy_rcpt(f->rcpts, n, o) : -ENOMEM;
}

static void done(struct cell *t, int type, struct tmcb_params *ps);

/* The request that this process is handing to tm, as param_of(). Where tm runs
 * out of memory on the way it destroys the transaction before it returns: the
 * return value tells, and must be all that tells. */
static void *handing;

static void body_of(cpm_buf_t *b, const struct out *o)
{
	cpm_buf_str(b, cpm_strs_get(o->texts, CPM_F_HEAD));
	if(!o->rewrite)
		return;
	cpm_buf_fmt(b, "To: <%.*s>\r\n", STR_FMT(&o->uri));
	cpm_buf_str(b, cpm_strs_get(o->texts, CPM_F_TAIL));
}

/* On whose behalf it is sent: that of its sender, or of the user it is for. */
static cpm_case_t case_of(unsigned kind)
{
	return kind == CPM_FAN_LIST || kind == CPM_FAN_IMDN ? CPM_CASE_ORIG
														: CPM_CASE_TERM;
}

/* Hand it to tm: 0 or a negative errno. */
static int hand_over(
		const struct out *o, str ruri, str routes, str to, str body)
{
	char call_id[CPM_HEX_BUF], tag[CPM_HEX_BUF];
	str method = CPM_STR("MESSAGE");
	cpm_buf_t id = {0}, lines = {0};
	str headers;
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch(), rc;
	uac_req_t req;
	dlg_t dlg;

	memset(&dlg, 0, sizeof(dlg));
	cpm_id_random(call_id);
	cpm_id_random(tag);
	cpm_buf_fmt(&id, "%s@%.*s", call_id, STR_FMT(&cpm_conf.warn_agent));
	cpm_buf_str(&lines, cpm_strs_get(o->texts, CPM_F_HEADERS));
	cpm_buf_str(&lines, o->lines);
	cpm_loop_add(&lines, case_of(o->kind), cpm_buf_get(&lines),
			cpm_buf_get(&id), body);
	headers = cpm_buf_get(&lines);
	dlg.id.call_id = cpm_buf_get(&id);
	dlg.id.loc_tag = (str){tag, (int)strlen(tag)};
	dlg.loc_uri = cpm_strs_get(o->texts, CPM_F_FROM);
	dlg.rem_uri = to;
	dlg.rem_target = ruri;
	if(o->next_hop.len > 0)
		dlg.dst_uri = o->next_hop;
	else if(!o->isf && o->routes.len == 0)
		dlg.dst_uri = cpm_strs_get(o->texts, CPM_F_NEXT_HOP);
	dlg.loc_seq.value = 1;
	dlg.loc_seq.is_set = 1;
	dlg.state = DLG_CONFIRMED;
	dlg.send_sock = o->sock;
	rc = id.bad || lines.bad ? -1 : 0;
	if(rc == 0 && routes.len > 0)
		rc = parse_rr_body(routes.s, routes.len, &dlg.route_set);
	if(rc == 0) {
		handing = param_of(o->id, o->n, o->isf);
		set_uac_req(&req, &method, &headers, &body, &dlg,
				TMCB_LOCAL_COMPLETED | TMCB_DESTROY, done, handing);
		rc = cpm_tm.t_uac_with_ids(&req, NULL, NULL);
		handing = NULL;
		cpm_tm.t_sett(saved, saved_branch);
	}
	if(dlg.route_set)
		free_rr(&dlg.route_set);
	cpm_buf_free(&id);
	cpm_buf_free(&lines);
	return rc < 0 ? -EIO : 0;
}

static int transmit(const struct out *o)
{
	str core = cpm_strs_get(o->texts, CPM_F_ROUTES);
	str named = cpm_strs_get(o->texts, CPM_F_TO);
	cpm_buf_t ruri = {0}, routes = {0}, to = {0}, body = {0};
	bool own = o->routes.len > 0 || o->next_hop.len > 0;
	int rc = -ENOMEM;

	if(named.len > 0)
		cpm_buf_str(&to, named);
	else
		cpm_buf_fmt(&to, "<%.*s>", STR_FMT(&o->uri));
	if(o->isf) {
		cpm_stat_inc(CPM_STAT_ISF_TRIED);
		cpm_isf_target(o->uri, core, &ruri, &routes);
	} else {
		cpm_buf_str(&ruri, o->uri);
		cpm_buf_str(&routes, own ? o->routes : core);
	}
	body_of(&body, o);
	if(!to.bad && !ruri.bad && !routes.bad && !body.bad)
		rc = hand_over(o, cpm_buf_get(&ruri), cpm_buf_get(&routes),
				cpm_buf_get(&to), cpm_buf_get(&body));
	cpm_buf_free(&to);
	cpm_buf_free(&ruri);
	cpm_buf_free(&routes);
	cpm_buf_free(&body);
	return rc;
}

/* ---- what becomes of it ---- */

static struct
{
	bool now;
	cpm_fan_failure_t f;
} failure;

bool cpm_fanout_failure(cpm_fan_failure_t *out)
{
	if(failure.now)
		*out = failure.f;
	return failure.now;
}

void cpm_fanout_tell(const cpm_fan_failure_t *f)
{
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch();

	cpm_stat_inc(CPM_STAT_EXPLODER_FAILED);
	failure.now = true;
	failure.f = *f;
	cpm_tm.t_sett(T_UNDEFINED, T_BR_UNDEFINED);
	cpm_evroute_run(CPM_EV_RECIPIENT_FAILED);
	cpm_tm.t_sett(saved, saved_branch);
	failure.now = false;
}

static void tell_failure(const struct out *o, int code)
{
	LM_NOTICE("fan-out " CPM_ID_FMT ": %.*s failed with %d\n",
			CPM_ID_ARG(o->id), STR_FMT(&o->uri), code);
	cpm_fanout_tell(&(cpm_fan_failure_t){.uri = o->uri,
			.code = code,
			.call_id = cpm_strs_get(o->texts, CPM_F_CALL_ID)});
}

void cpm_fanout_answer(uint64_t id, int code, cpm_strs_t *answer)
{
	struct cell *saved = cpm_tm.t_gett(), *t = NULL;
	int saved_branch = cpm_tm.t_gett_branch();
	char hex[CPM_HEX_BUF];
	str reason = cpm_strs_get(answer, CPM_A_REASON);
	str lines = cpm_strs_get(answer, CPM_A_HEADERS);
	str body = {NULL, 0}, tag;
	cpm_buf_t b = {0};

	if(answer == NULL) {
		reason = code == 202  ? CPM_STR("Accepted")
				: code >= 300 ? CPM_STR("No Recipient Reached")
							  : CPM_STR("OK");
		cpm_hdr_server(&b);
		lines = cpm_buf_get(&b);
	}
	cpm_id_random(hex);
	tag = (str){hex, (int)strlen(hex)};
	if(cpm_tm.t_lookup_ident(&t, cpm_id_index(id), cpm_id_label(id)) <= 0
			|| cpm_tm.t_reply_with_body(
					   t, (unsigned)code, &reason, &body, &lines, &tag)
					< 0)
		LM_ERR("fan-out " CPM_ID_FMT ": the sender got no %d\n", CPM_ID_ARG(id),
				code);
	cpm_tm.t_sett(saved, saved_branch);
	cpm_buf_free(&b);
	cpm_strs_free(&answer);
}

/* ---- who waits for it ---- */

static cpm_fanout_news_f waiting[CPM_FAN_KINDS];

void cpm_fanout_register(cpm_fan_kind_t kind, cpm_fanout_news_f f)
{
	waiting[kind] = f;
}

bool cpm_fanout_lasting(int code)
{
	return code == 400 || code == 413 || code == 415 || code == 488
			|| code == 606;
}

static cpm_fan_news_t news_of(const cpm_fanout_t *f)
{
	return (cpm_fan_news_t){.id = f->id,
			.tag = f->tag,
			.n = cpm_fanout_n(f),
			.ok = f->ok,
			.failed = f->failed,
			.lasting = f->lasting,
			.code = f->lowest};
}

/* The sender of a list has had his answer, and it said nothing of this. */
static void tell_sender(const struct out *o)
{
	cpm_buf_t b = {0};

	body_of(&b, o);
	if(!b.bad)
		cpm_imdn_of_list(cpm_buf_get(&b), cpm_strs_get(o->texts, CPM_F_SENDER),
				o->uri, cpm_strs_get(o->texts, CPM_F_HEADERS));
	cpm_buf_free(&b);
}

/* Is it time to answer, and with what? Sets answered. 0: not now. */
static int verdict(cpm_fanout_t *f, bool due)
{
	bool all = f->ok + f->failed == cpm_fanout_n(f);

	if(f->kind != CPM_FAN_LIST || f->answered || (!all && !due))
		return 0;
	f->answered = true;
	if(!all || (f->ok && f->failed))
		return 202;
	return f->ok ? 200 : f->lowest;
}

static void note_failure(cpm_fanout_t *f, int code)
{
	f->failed++;
	f->lasting += cpm_fanout_lasting(code);
	if(code >= 300 && (f->lowest == 0 || code < f->lowest))
		f->lowest = (uint16_t)code;
}

static bool under_way(const cpm_fanout_t *f, unsigned n)
{
	return f->r[n].state == CPM_FAN_SENT || f->r[n].state == CPM_FAN_ISF;
}

/* The last word on a recipient, the first to say it counts: note it, answer the
 * sender if it was the one that was waited for. */
static void decide(const struct out *o, int code)
{
	cpm_fanout_t *f = cpm_fanout_lock(o->id);
	bool ok = code >= 200 && code < 300, all, first;
	cpm_direct_t *direct = NULL;
	cpm_fan_news_t news;
	unsigned kind;
	bool answered;
	int final;

	if(f == NULL)
		return;
	if(!under_way(f, o->n)) {
		cpm_fanout_unlock(f);
		return;
	}
	f->r[o->n].state = ok ? CPM_FAN_OK : CPM_FAN_FAILED;
	f->r[o->n].code = (uint16_t)code;
	f->moved_ms = cpm_now_ms();
	f->out--;
	if(ok) {
		f->ok++;
		/* one has taken it: so it is sent, also for the sender's others */
		direct = f->direct;
		f->direct = NULL;
	} else {
		note_failure(f, code);
	}
	first = ok && f->ok == 1;
	all = f->ok + f->failed == cpm_fanout_n(f);
	news = news_of(f);
	kind = f->kind;
	answered = f->answered;
	news.held = kind == CPM_FAN_TERM && (first || all);
	f->hold += news.held;
	final = verdict(f, false);
	cpm_fanout_unlock(f);
	if(ok && o->isf)
		cpm_stat_inc(CPM_STAT_ISF_OK);
	if(!ok && kind == CPM_FAN_LIST)
		tell_failure(o, code);
	if(!ok && kind == CPM_FAN_LIST && answered && o->texts)
		tell_sender(o);
	if(all)
		LM_INFO("fan-out " CPM_ID_FMT " ends: %u taken, %u failed\n",
				CPM_ID_ARG(o->id), news.ok, news.failed);
	if(final)
		cpm_fanout_answer(o->id, final, NULL);
	if(direct)
		cpm_direct_send(direct);
	if(kind != CPM_FAN_LIST && (first || all))
		waiting[kind](&news);
}

int cpm_fanout_send(uint64_t id, unsigned n)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	struct out o = {0};
	bool refused;
	int rc;

	if(f == NULL)
		return -ENOENT;
	refused = cpm_rcpts_is_legacy(f->rcpts, n) && !f->interworking;
	f->r[n].state = CPM_FAN_SENT;
	f->moved_ms = cpm_now_ms();
	f->out++;
	if(cpm_rcpts_is_legacy(f->rcpts, n)) {
		f->r[n].state = CPM_FAN_ISF;
		f->r[n].isf_tried = 1;
	}
	rc = copy_out(f, n, &o);
	cpm_fanout_unlock(f);
	if(rc == 0 && !refused)
		rc = transmit(&o);
	if(refused)
		decide(&o, 416); /* no way there without the ISF */
	else if(rc < 0)
		decide(&o, UNSENT);
	out_drop(&o);
	return refused ? -ENOTSUP : rc;
}

/* A final answer, or tm's word that none will come: what is next for this
 * recipient? */
static bool take_answer(
		uint64_t id, unsigned n, bool isf, int code, struct out *o, bool *again)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	cpm_fan_rcpt_t *r;
	bool ours;

	*again = false;
	if(f == NULL)
		return false;
	r = &f->r[n];
	ours = n < cpm_fanout_n(f)
			&& r->state == (isf ? CPM_FAN_ISF : CPM_FAN_SENT);
	if(ours) {
		*again = !isf && f->interworking && cpm_isf_code(code);
		r->code = (uint16_t)code;
		if(*again) {
			r->state = CPM_FAN_ISF;
			r->isf_tried = 1;
		}
		if(copy_out(f, n, o) < 0)
			*again = false;
	}
	cpm_fanout_unlock(f);
	return ours;
}

static void done(struct cell *t, int type, struct tmcb_params *ps)
{
	const uint64_t param = (uint64_t)(uintptr_t)*ps->param;
	const uint64_t id = param >> 16;
	const unsigned n = (unsigned)(param >> 1 & 0x7fff);
	struct out o = {0};
	int code = type == TMCB_DESTROY ? UNSENT : ps->code;
	bool again;

	(void)t;
	if(type == TMCB_DESTROY && *ps->param == handing)
		return;
	if(!take_answer(id, n, param & 1, code, &o, &again))
		return;
	if(again && transmit(&o) < 0) {
		again = false;
		code = UNSENT;
	}
	if(!again) {
		decide(&o, code);
		if(o.kind
				== CPM_FAN_LIST) /* of a list: those of clients do not queue */
			cpm_pace_done(CPM_PACE_PAGER, id);
	}
	out_drop(&o);
}

/* tm had no memory to call us: requests of which nothing was heard for too
 * long are over. */
static void give_up(uint64_t id, uint64_t now)
{
	for(unsigned n = 0;; n++) {
		cpm_fanout_t *f = cpm_fanout_lock(id);
		struct out o = {.id = id, .n = n};
		bool lost;

		if(f == NULL)
			return;
		if(n == cpm_fanout_n(f) || f->out == 0
				|| (n == 0 && f->moved_ms + CPM_FANOUT_LOST_MS > now)) {
			cpm_fanout_unlock(f);
			return;
		}
		lost = under_way(f, n);
		if(lost && copy_out(f, n, &o) < 0)
			LM_ERR("fan-out " CPM_ID_FMT ": out of memory\n", CPM_ID_ARG(id));
		cpm_fanout_unlock(f);
		if(lost)
			decide(&o, 408);
		out_drop(&o);
	}
}

/* The sender has waited long enough: the answer for a list, else word to
 * whoever decides. */
static void tick_due(uint64_t id, uint64_t now)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	bool due = f && !f->answered && f->answer_at && f->answer_at <= now;
	cpm_fanout_news_f tell = NULL;
	cpm_fan_news_t news;
	int code = 0;

	if(due) {
		code = verdict(f, true);
		news = news_of(f);
		news.due = true;
		if(f->kind != CPM_FAN_LIST)
			tell = waiting[f->kind];
		f->answer_at = 0; /* once */
	}
	if(f)
		cpm_fanout_unlock(f);
	if(code)
		cpm_fanout_answer(id, code, NULL);
	if(tell)
		tell(&news);
}

void cpm_fanout_tick(void)
{
	uint64_t ids[BATCH], now = cpm_now_ms();
	unsigned slot = 0, n;

	while((n = cpm_fanout_due(now, &slot, ids, BATCH)) > 0) {
		for(unsigned i = 0; i < n; i++) {
			tick_due(ids[i], now);
			give_up(ids[i], now);
		}
	}
}
