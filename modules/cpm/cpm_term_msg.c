/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message for a user whom we serve comes in: one MESSAGE for each of
 * his chosen clients, at the same time (OMA-TS-CPM_Conv_Fnct 8.3.1). What their
 * answers mean, and how it is kept when there is no good one, is in
 * cpm_term_keep.c. Everything that this will need is allocated before the
 * sender's transaction is suspended; what fails before is a clear 503.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_text.h"
#include "cpm_check.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_deferred.h"
#include "cpm_exploder.h"
#include "cpm_fanout.h"
#include "cpm_imdn.h"
#include "cpm_service.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"
#include "cpm_term_keep.h"
#include "proto/cpim.h"

#define ANSWER_GRACE_MS 45000 /* tm's own limit, behind all of ours */

/* ---- what its copies carry ---- */

/* The end of the first value of a comma list; commas in quotes are none. */
static size_t value_end(struct slice s)
{
	bool quoted = false;
	size_t i;

	for(i = 0; i < s.n && (quoted || s.p[i] != ','); i++) {
		if(s.p[i] == '"')
			quoted = !quoted;
		else if(quoted && s.p[i] == '\\')
			i++;
	}
	return i < s.n ? i : s.n;
}

static bool names_instance(struct slice v)
{
	const struct slice name = SLICE("+sip.instance");

	for(; v.n >= name.n; v = slice_skip(v, 1))
		if(slice_istarts(v, name))
			return true;
	return false;
}

/* The sender's wishes but for the device that he may have named: ours are told
 * one by one. */
static void accept_contact(cpm_buf_t *b, sip_msg_t *msg)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, "Accept-Contact", h)) != NULL) {
		struct slice rest = slice_trim(cpm_slice_of(h->body));

		while(rest.n > 0) {
			size_t n = value_end(rest);
			struct slice v = slice_trim(slice_of(rest.p, n));

			rest = slice_skip(rest, n + 1);
			if(v.n == 0 || names_instance(v))
				continue;
			cpm_buf_lit(b, "Accept-Contact: ");
			for(size_t i = 0; i < v.n; i++)
				cpm_buf_add(
						b, v.p[i] == '\r' || v.p[i] == '\n' ? " " : &v.p[i], 1);
			cpm_buf_lit(b, "\r\n");
		}
	}
}

static void headers(cpm_buf_t *b, sip_msg_t *msg)
{
	enum icsi service = cpm_service_choose(msg, ICSI_NONE);
	struct slice urn = icsi_urn(service == ICSI_NONE ? ICSI_MSG : service);

	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", cpm_service_hops(msg));
	accept_contact(b, msg);
	cpm_hdr_copy(b, msg, "Expires");
	cpm_hdr_copy_service(b, msg);
	cpm_hdr_copy_or_make(b, msg, "Conversation-ID");
	cpm_hdr_copy_or_make(b, msg, "Contribution-ID");
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_hdr_agent(b);
	cpm_hdr_copy(b, msg, "Content-Type");
}

static cpm_strs_t *texts(sip_msg_t *msg, const cpm_term_req_t *req)
{
	struct to_body *from = get_from(msg), *to = get_to(msg);
	cpm_buf_t name = {0}, dest = {0}, routes = {0}, lines = {0};
	struct cseq_body *cseq = get_cseq(msg);
	char key[CPM_DEFERRED_KEY_BUF];
	str v[CPM_F_N] = {{NULL, 0}};
	cpm_strs_t *t = NULL;

	cpm_hdr_name_addr(&name, from->display, from->uri);
	cpm_hdr_name_addr(&dest, to->display, to->uri);
	cpm_routes_below(msg, &routes);
	headers(&lines, msg);
	cpm_deferred_key(req->user, req->sender, msg->callid->body, from->tag_value,
			cseq->number, key);
	v[CPM_F_CALL_ID] = msg->callid->body;
	v[CPM_F_FROM] = cpm_buf_get(&name);
	v[CPM_F_TO] = cpm_buf_get(&dest);
	v[CPM_F_ROUTES] = cpm_buf_get(&routes);
	v[CPM_F_HEADERS] = cpm_buf_get(&lines);
	v[CPM_F_HEAD] = cpm_str_of(cpm_body(msg));
	v[CPM_F_RURI] = *GET_RURI(msg);
	v[CPM_F_USER] = req->user;
	v[CPM_F_SENDER] = req->sender;
	v[CPM_F_TYPE] = cpm_hdr_get(msg, "Content-Type");
	v[CPM_F_KEY] = (str){key, (int)strlen(key)};
	if(routes.len == 0)
		v[CPM_F_NEXT_HOP] =
				msg->dst_uri.len > 0 ? msg->dst_uri : cpm_conf.outbound_proxy;
	if(!name.bad && !dest.bad && !routes.bad && !lines.bad)
		t = cpm_strs_new(v, CPM_F_N);
	cpm_buf_free(&name);
	cpm_buf_free(&dest);
	cpm_buf_free(&routes);
	cpm_buf_free(&lines);
	return t;
}

/* ---- its fan-out ---- */

/* A notification is worth less time than a message. */
static uint32_t lifetime(const cpm_term_req_t *req, bool imdn)
{
	uint32_t s = req->lifetime_s, max = (uint32_t)cpm_conf.imdn_lifetime;

	return imdn && max < s ? max : s;
}

static cpm_fanout_t *build(
		sip_msg_t *msg, uint64_t id, cpm_term_req_t *req, bool imdn)
{
	cpm_fanout_t *f =
			cpm_fanout_new(id, &req->rcpts, req->unknown ? CPM_CLIENTS_MAX : 0);
	uint64_t now = cpm_now_ms();

	if(f == NULL)
		return NULL;
	f->kind = CPM_FAN_TERM;
	f->sock = msg->rcv.bind_address;
	f->answer_at = now + (uint64_t)cpm_conf.fork_wait;
	f->term = (cpm_fan_term_t){.may = req->defer,
			.imdn = imdn,
			.unknown = req->unknown,
			.version = req->version,
			.expires_at = now + 1000ull * lifetime(req, imdn)};
	f->texts = texts(msg, req);
	if(f->texts)
		return f;
	cpm_fanout_free(f);
	return NULL;
}

/* Clients are few: all at once, by this worker. */
static void send_all(uint64_t id, unsigned n)
{
	for(unsigned i = 0; i < n; i++)
		cpm_fanout_send(id, i);
}

/* The application server has been told who is registered: to them, unless the
 * message has been stored meanwhile. */
static void known(const str *owner, uint64_t id)
{
	cpm_fanout_t *f = cpm_fanout_lock(id);
	cpm_strs_t *t = f ? cpm_strs_copy(f->texts) : NULL;
	cpm_term_whom_t w = {.user = *owner,
			.ruri = cpm_strs_get(t, CPM_F_RURI),
			.what = CPM_CAN_MSG,
			.version = f ? f->term.version : 0};
	cpm_rcpts_t *rcpts = NULL;
	unsigned n = 0;

	if(f)
		cpm_fanout_unlock(f);
	if(t && cpm_term_choose(&w, &rcpts) < 0)
		rcpts = NULL; /* too late, or no memory: as if nobody were there */
	cpm_strs_drop(t);
	f = cpm_fanout_lock(id);
	if(f) {
		f->term.unknown = false;
		if(f->term.keep == CPM_KEEP_NOT && !f->answered && rcpts
				&& rcpts->n <= CPM_CLIENTS_MAX) {
			n = rcpts->n;
			f->rcpts = rcpts;
			rcpts = NULL;
		}
		cpm_fanout_unlock(f);
	}
	cpm_rcpts_free(&rcpts);
	if(n > 0)
		send_all(id, n);
	else if(f)
		cpm_term_keep_now(id);
}

static void begin(sip_msg_t *msg, cpm_fanout_t *f, const str *owner)
{
	const uint64_t id = f->id;
	bool unknown = f->term.unknown;
	unsigned n = cpm_fanout_n(f), index, label;

	cpm_tm.set_fr(msg, ANSWER_GRACE_MS, ANSWER_GRACE_MS);
	if(cpm_tm.t_suspend(msg, &index, &label) < 0) {
		LM_ERR("fan-out " CPM_ID_FMT ": no memory to suspend\n",
				CPM_ID_ARG(id));
		cpm_fanout_free(f);
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return;
	}
	LM_INFO("fan-out " CPM_ID_FMT
			" begins, Call-ID %.*s: from %.*s for %.*s, %u clients\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body),
			STR_FMT(&get_from(msg)->uri), STR_FMT(owner), n);
	cpm_stat_inc(CPM_STAT_TERM_PAGER);
	cpm_fanout_add(f);
	if(n > 0)
		send_all(id, n);
	else if(!unknown)
		cpm_term_keep_now(id);
	else if(cpm_clients_when_known(owner, known, id) < 0)
		known(owner, id);
}

/* message/cpim and nothing else: what it says about notifications decides how
 * it is kept. */
static const char *check_body(sip_msg_t *msg, bool *imdn, const char **detail)
{
	struct slice type = cpm_slice_of(cpm_hdr_get(msg, "Content-Type"));
	struct slice text = cpm_body(msg);
	const char *no = cpm_check_bytes(msg, text.n);
	struct cpim cpim;

	if(!mime_type_is(type, SLICE("message/cpim")))
		return "content";
	if(no == NULL && cpim_parse(text, &cpim) < 0) {
		*detail = "Malformed CPIM";
		no = "bad-request";
	}
	if(no == NULL)
		*imdn = cpm_imdn_is(&cpim);
	return no;
}

int cpm_term_message(sip_msg_t *msg, cpm_term_req_t *req)
{
	const char *detail = NULL, *no;
	cpm_fanout_t *f = NULL;
	struct cell *t;
	bool imdn = false;
	int rc;

	no = check_body(msg, &imdn, &detail);
	if(no) {
		cpm_reject(msg, no, detail, (str){NULL, 0});
		return 0;
	}
	rc = cpm_tm.t_newtran(msg);
	if(rc == 0)
		return 0; /* a retransmission, absorbed */
	if(rc > 0) {
		t = cpm_tm.t_gett();
		f = build(msg, cpm_id_make(t->hash_index, t->label), req, imdn);
	}
	if(f == NULL) {
		LM_ERR("no fan-out for Call-ID %.*s: out of memory\n",
				STR_FMT(&msg->callid->body));
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return 0;
	}
	begin(msg, f, &req->user);
	return 0;
}
