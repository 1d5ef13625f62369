/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery of pager messages: one MESSAGE for each other client of the
 * sender, with the header fields and the wrapper of his own and
 * Message-Direction added (OMA-TS-CPM_Conv_Fnct 8.2.1.1 direct delivery 3).
 * Nobody waits for the answers: a client that takes no copy has none.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b_text.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_once.h"
#include "cpm_service.h"
#include "cpm_stats.h"
#include "proto/cpim.h"

/* Texts that all copies have. */
enum
{
	M_CALL_ID, /* of the MESSAGE received, for the log */
	M_FROM,
	M_TO,
	M_ROUTES,   /* the core's own Route entries */
	M_NEXT_HOP, /* where there are none */
	M_HEADERS,  /* complete lines */
	M_BODY,
	M_N
};

struct cpm_direct
{
	cpm_direct_who_t *who; /* owned */
	cpm_strs_t *texts;     /* M_*, owned */
	struct socket_info *sock;
};

/* ---- what they carry ---- */

/* The sender's, but for one that names a client: each copy has its own. */
static void accept_contact(cpm_buf_t *b, sip_msg_t *msg)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, "Accept-Contact", h)) != NULL) {
		struct slice v = slice_trim(cpm_slice_of(h->body));

		if(v.n == 0 || icsi_param(v, SLICE("+sip.instance"), NULL))
			continue;
		cpm_buf_lit(b, "Accept-Contact: ");
		cpm_hdr_add_value(b, cpm_str_of(v));
		cpm_buf_lit(b, "\r\n");
	}
}

/* An id of the message, or the one that was made for it. */
static void add_id(cpm_buf_t *b, sip_msg_t *msg, const char *name, str made)
{
	struct slice rest = cpm_slice_of(made);

	if(cpm_hdr_copy(b, msg, name) > 0)
		return;
	while(rest.n > 0) {
		struct slice line = slice_cut(rest, '\n', &rest);

		if(!slice_ieq(slice_cut(line, ':', NULL), slice_str(name)))
			continue;
		cpm_buf_str(b, cpm_str_of(slice_trim(line)));
		cpm_buf_lit(b, "\r\n");
		return;
	}
}

static void headers(cpm_buf_t *b, sip_msg_t *msg, enum icsi service, str ids)
{
	struct slice urn = icsi_urn(service);

	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", cpm_service_hops(msg));
	accept_contact(b, msg);
	cpm_hdr_copy(b, msg, "Expires");
	cpm_hdr_copy_service(b, msg);
	add_id(b, msg, "Conversation-ID", ids);
	add_id(b, msg, "Contribution-ID", ids);
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_hdr_agent(b);
	cpm_buf_lit(b, "Content-Type: message/cpim\r\n");
}

/* The wrapper as it was, and whose it is (OP-50). */
static void body(cpm_buf_t *b, struct slice text, const struct cpim *cpim)
{
	struct slice rest = cpim->headers;
	const char *behind = rest.p + rest.n;
	struct cpim_hdr h;

	cpm_buf_add(b, text.p, (int)(rest.p - text.p));
	while(cpim_next(cpim, &rest, &h))
		if(!slice_ieq(h.name, SLICE("Message-Direction")))
			cpm_buf_add(b, h.raw.p, (int)h.raw.n);
	cpm_buf_str(b, cpm_direct_cpim_line());
	cpm_buf_lit(b, "\r\n");
	cpm_buf_add(b, behind, (int)(text.p + text.n - behind));
}

static cpm_strs_t *texts(sip_msg_t *msg, struct slice text,
		const struct cpim *cpim, enum icsi service, str ids)
{
	struct to_body *from = get_from(msg), *to = get_to(msg);
	cpm_buf_t b[5] = {{0}}; /* From, To, Route, lines, body */
	str v[M_N] = {{NULL, 0}};
	cpm_strs_t *t = NULL;
	bool bad = false;

	cpm_hdr_name_addr(&b[0], from->display, from->uri);
	cpm_hdr_name_addr(&b[1], to->display, to->uri);
	cpm_routes_below(msg, &b[2]);
	headers(&b[3], msg, service, ids);
	body(&b[4], text, cpim);
	v[M_CALL_ID] = msg->callid->body;
	v[M_FROM] = cpm_buf_get(&b[0]);
	v[M_TO] = cpm_buf_get(&b[1]);
	v[M_ROUTES] = cpm_buf_get(&b[2]);
	v[M_HEADERS] = cpm_buf_get(&b[3]);
	v[M_BODY] = cpm_buf_get(&b[4]);
	if(b[2].len == 0)
		v[M_NEXT_HOP] =
				msg->dst_uri.len > 0 ? msg->dst_uri : cpm_conf.outbound_proxy;
	for(int i = 0; i < 5; i++)
		bad = bad || b[i].bad;
	if(!bad)
		t = cpm_strs_new(v, M_N);
	for(int i = 0; i < 5; i++)
		cpm_buf_free(&b[i]);
	return t;
}

/* ---- their life ---- */

cpm_direct_t *cpm_direct_new(
		sip_msg_t *msg, struct slice text, enum icsi service, str ids)
{
	cpm_direct_who_t *who = cpm_direct_who(msg, CPM_CAN_MSG);
	cpm_direct_t *d = NULL;
	struct cpim cpim;

	if(who == NULL)
		return NULL;
	/* a report about a message is not one that other clients would show */
	if(cpim_parse(text, &cpim) == 0
			&& !slice_ieq(
					mime_type(cpim.content_type), SLICE("message/imdn+xml")))
		d = shm_malloc(sizeof(*d));
	if(d) {
		d->who = who;
		d->sock = msg->rcv.bind_address;
		d->texts = texts(msg, text, &cpim, service, ids);
		if(d->texts)
			return d;
		LM_ERR("no memory for the copies of Call-ID %.*s\n",
				STR_FMT(&msg->callid->body));
		shm_free(d);
	}
	cpm_direct_who_free(who);
	return NULL;
}

void cpm_direct_free(cpm_direct_t *d)
{
	if(d == NULL)
		return;
	cpm_direct_who_free(d->who);
	cpm_strs_free(&d->texts);
	shm_free(d);
}

static void copy_done(struct cell *t, int type, struct tmcb_params *ps)
{
	(void)t;
	(void)type;
	cpm_stat_inc(ps->code >= 200 && ps->code < 300 ? CPM_STAT_DIRECT_OK
												   : CPM_STAT_DIRECT_FAILED);
	if(ps->code >= 300)
		LM_INFO("a copy for a sender's other client was answered with %d\n",
				ps->code);
}

static void send_one(const cpm_direct_t *d, const cpm_rcpts_t *r, unsigned i)
{
	str own = cpm_rcpts_routes(r, i), hop = cpm_rcpts_next_hop(r, i);
	bool direct = own.len > 0 || hop.len > 0;
	cpm_once_t o = {.method = "MESSAGE",
			.ruri = cpm_rcpts_uri(r, i),
			.from = cpm_strs_get(d->texts, M_FROM),
			.to = cpm_strs_get(d->texts, M_TO),
			.routes = direct ? own : cpm_strs_get(d->texts, M_ROUTES),
			.next_hop = direct ? hop : cpm_strs_get(d->texts, M_NEXT_HOP),
			.sock = r->v[i].sock ? r->v[i].sock : d->sock,
			.body = cpm_strs_get(d->texts, M_BODY),
			.marked = true};
	str call_id = cpm_strs_get(d->texts, M_CALL_ID);
	cpm_buf_t lines = {0};
	int rc = -1;

	cpm_buf_str(&lines, cpm_strs_get(d->texts, M_HEADERS));
	cpm_buf_str(&lines, cpm_rcpts_headers(r, i));
	o.headers = cpm_buf_get(&lines);
	if(!lines.bad)
		rc = cpm_once_send(&o, copy_done, NULL);
	cpm_buf_free(&lines);
	cpm_stat_inc(CPM_STAT_DIRECT);
	if(rc == 0) {
		LM_INFO("copy of Call-ID %.*s to %.*s\n", STR_FMT(&call_id),
				STR_FMT(&o.ruri));
		return;
	}
	cpm_stat_inc(CPM_STAT_DIRECT_FAILED);
	LM_NOTICE("no copy of Call-ID %.*s to %.*s: not sent (%d)\n",
			STR_FMT(&call_id), STR_FMT(&o.ruri), rc);
}

void cpm_direct_send(cpm_direct_t *d)
{
	cpm_rcpts_t *r = cpm_direct_choose(d->who);

	for(unsigned i = 0; r && i < r->n; i++)
		send_one(d, r, i);
	cpm_rcpts_free(&r);
	cpm_direct_free(d);
}

/* ---- of a message that is relayed ---- */

/* A final answer goes to the sender; who takes the pointer sends. */
static void answered(struct cell *t, int type, struct tmcb_params *ps)
{
	cpm_direct_t *d;

	(void)t;
	(void)type;
	if(ps->code < 200 || ps->code >= 300)
		return;
	d = __atomic_exchange_n(ps->param, NULL, __ATOMIC_ACQ_REL);
	if(d)
		cpm_direct_send(d);
}

static void release(void *param)
{
	cpm_direct_free(param);
}

void cpm_direct_on_answer(sip_msg_t *msg, struct slice text, str ids)
{
	cpm_direct_t *d =
			cpm_direct_new(msg, text, cpm_service_choose(msg, ICSI_MSG), ids);

	if(d == NULL)
		return;
	if(cpm_tm.register_tmcb(msg, NULL, TMCB_RESPONSE_OUT, answered, d, release)
			> 0)
		return;
	LM_ERR("no memory for the copies of Call-ID %.*s\n",
			STR_FMT(&msg->callid->body));
	cpm_direct_free(d);
}
