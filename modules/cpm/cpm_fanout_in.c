/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A MESSAGE to the EXPLODER-URI comes in: everything that its copies will have
 * in common is written once, everything that sending will need is allocated,
 * and only then is the sender answered (202, modparam exploder_answer accept)
 * or his transaction suspended (aggregate). What fails before is a clear 503.
 */
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_text.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_fanout.h"
#include "cpm_isf.h"
#include "cpm_pace.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_stats.h"
#include "cpm_trust.h"

#define ANSWER_GRACE_MS 20000 /* tm's own limit, behind exploder_wait */

static void headers(cpm_buf_t *b, sip_msg_t *msg, const cpm_list_message_t *m)
{
	struct slice urn = icsi_urn(m->service);

	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", cpm_service_hops(msg));
	/* OP-17, OP-20, OP-21. No list, no history of recipients (OP-18): the body
	 * is the message alone. */
	cpm_hdr_copy(b, msg, "Accept-Contact");
	cpm_hdr_copy(b, msg, "Expires");
	cpm_hdr_copy_service(b, msg);
	cpm_hdr_copy_or_make(b, msg, "Conversation-ID");
	cpm_hdr_copy_or_make(b, msg, "Contribution-ID");
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_hdr_agent(b); /* OP-19 */
	cpm_buf_lit(b, "Content-Type: message/cpim\r\n");
}

/* The wrapper in two parts, between which each recipient's To is written. */
static void cut_at_to(
		const cpm_list_message_t *m, cpm_buf_t *head, cpm_buf_t *tail)
{
	struct slice all = m->cpim.headers;
	const char *behind = all.p + all.n, *end = m->text.p + m->text.n;
	char *lines = pkg_malloc(all.n + 1);
	size_t at, n;

	if(lines == NULL) {
		head->bad = true;
		return;
	}
	n = cpim_without_to(&m->cpim, lines, &at);
	cpm_buf_add(head, m->text.p, (int)(all.p - m->text.p));
	cpm_buf_add(head, lines, (int)at);
	cpm_buf_add(tail, lines + at, (int)(n - at));
	cpm_buf_add(tail, behind, (int)(end - behind));
	pkg_free(lines);
}

static cpm_strs_t *texts(sip_msg_t *msg, const cpm_list_message_t *m)
{
	struct to_body *from = get_from(msg);
	cpm_buf_t name = {0}, routes = {0}, lines = {0}, head = {0}, tail = {0};
	str v[CPM_F_N] = {{NULL, 0}};
	cpm_strs_t *t = NULL;

	cpm_hdr_name_addr(&name, from->display, from->uri);
	cpm_routes_below(msg, &routes);
	headers(&lines, msg, m);
	if(cpm_conf.rewrite_cpim_to) {
		cut_at_to(m, &head, &tail);
		v[CPM_F_HEAD] = cpm_buf_get(&head);
		v[CPM_F_TAIL] = cpm_buf_get(&tail);
	} else {
		v[CPM_F_HEAD] = cpm_str_of(m->text);
	}
	v[CPM_F_CALL_ID] = msg->callid->body;
	v[CPM_F_FROM] = cpm_buf_get(&name);
	v[CPM_F_ROUTES] = cpm_buf_get(&routes);
	v[CPM_F_HEADERS] = cpm_buf_get(&lines);
	v[CPM_F_SENDER] = cpm_identity_uri(msg);
	if(routes.len == 0)
		v[CPM_F_NEXT_HOP] =
				msg->dst_uri.len > 0 ? msg->dst_uri : cpm_conf.outbound_proxy;
	if(!name.bad && !routes.bad && !lines.bad && !head.bad && !tail.bad)
		t = cpm_strs_new(v, CPM_F_N);
	cpm_buf_free(&name);
	cpm_buf_free(&routes);
	cpm_buf_free(&lines);
	cpm_buf_free(&head);
	cpm_buf_free(&tail);
	return t;
}

static cpm_fanout_t *build(sip_msg_t *msg, uint64_t id, cpm_list_message_t *m)
{
	cpm_fanout_t *f = cpm_fanout_new(id, &m->rcpts, 0);

	if(f == NULL)
		return NULL;
	f->sock = msg->rcv.bind_address;
	f->interworking = cpm_req(msg)->interworking && cpm_isf_is_there();
	f->rewrite_to = cpm_conf.rewrite_cpim_to != 0;
	f->texts = texts(msg, m);
	if(f->texts) {
		f->direct = cpm_direct_new(msg, m->text, m->service,
				cpm_strs_get(f->texts, CPM_F_HEADERS));
		return f;
	}
	cpm_fanout_free(f);
	return NULL;
}

/* 202: the list has been checked, and nothing that it needs can be missing any
 * more. It promises no delivery (RFC 5365 section 7.2). */
static int accept_now(sip_msg_t *msg)
{
	cpm_buf_t b = {0};
	int rc;

	cpm_hdr_server(&b);
	if(b.len > 0)
		add_lump_rpl(msg, b.s, b.len, LUMP_RPL_HDR);
	cpm_buf_free(&b);
	rc = cpm_tm.t_reply(msg, 202, "Accepted");
	return rc < 0 ? -1 : 0;
}

static int answer_later(sip_msg_t *msg, cpm_fanout_t *f)
{
	unsigned index, label;
	unsigned ms = (unsigned)cpm_conf.exploder_wait;

	f->answer_at = cpm_now_ms() + ms;
	cpm_tm.set_fr(msg, ms + ANSWER_GRACE_MS, ms + ANSWER_GRACE_MS);
	return cpm_tm.t_suspend(msg, &index, &label) < 0 ? -1 : 0;
}

static void begin(sip_msg_t *msg, cpm_fanout_t *f, cpm_pace_t *p)
{
	const uint64_t id = f->id;
	unsigned n = f->rcpts->n;
	int rc;

	LM_INFO("fan-out " CPM_ID_FMT " begins, Call-ID %.*s: %u recipients\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), n);
	if(cpm_conf.answer == CPM_ANSWER_ACCEPT) {
		rc = accept_now(msg);
		f->answered = rc == 0;
	} else {
		rc = answer_later(msg, f);
	}
	if(rc < 0) {
		LM_ERR("fan-out " CPM_ID_FMT ": the sender cannot be answered\n",
				CPM_ID_ARG(id));
		cpm_pace_free(p);
		cpm_fanout_free(f);
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return;
	}
	cpm_stat_inc(CPM_STAT_EXPLODED);
	cpm_stat_add(CPM_STAT_EXPLODED_RCPTS, (int)n);
	cpm_fanout_add(f);
	cpm_pace_start(p);
}

int cpm_fanout_message(sip_msg_t *msg, cpm_list_message_t *m)
{
	cpm_fanout_t *f = NULL;
	cpm_pace_t *p = NULL;
	struct cell *t;
	uint64_t id;
	int rc = cpm_tm.t_newtran(msg);

	if(rc == 0) { /* a retransmission, absorbed */
		cpm_rcpts_free(&m->rcpts);
		return 0;
	}
	if(rc > 0 && !cpm_pace_short()) {
		t = cpm_tm.t_gett();
		id = cpm_id_make(t->hash_index, t->label);
		p = cpm_pace_new(CPM_PACE_PAGER, id, 0, m->rcpts->n);
		f = p ? build(msg, id, m) : NULL;
	}
	if(f == NULL) {
		LM_ERR("no fan-out for Call-ID %.*s: out of memory\n",
				STR_FMT(&msg->callid->body));
		cpm_pace_free(p);
		cpm_rcpts_free(&m->rcpts);
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
		return 0;
	}
	begin(msg, f, p);
	return 0;
}
