/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What users are told of their deferred messages: NOTIFY within the dialog of a
 * subscription (RFC 6665 4.2.2), MESSAGE to clients with the feature tag
 * (OMA-TS-CPM_Conv_Fnct 8.3.2.1.1 errors 2, TL-18).
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_conf.h"
#include "cpm_notice_int.h"
#include "cpm_once.h"
#include "cpm_stats.h"
#include "proto/deferred_list.h"
#include "proto/icsi.h"

/* ---- NOTIFY ---- */

int cpm_notify_take(cpm_sub_t *s, uint64_t now, cpm_notify_t *out)
{
	out->d.dlg = cpm_strs_copy(s->dlg);
	if(out->d.dlg == NULL)
		return -ENOMEM;
	out->d.sock = s->sock;
	out->d.cseq = ++s->cseq;
	out->id = s->id;
	out->over = s->over;
	out->left_s = s->expires_at > now
			? (uint32_t)((s->expires_at - now + 999) / 1000)
			: 0;
	return 0;
}

/* Answers that end a subscription (RFC 6665 4.2.2). */
static bool is_over(int code)
{
	static const short codes[] = {404, 405, 408, 410, 416, 480, 481, 482, 483,
			484, 485, 489, 501, 604};

	for(size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if(codes[i] == code)
			return true;
	return false;
}

static void forget(uint64_t id, int code)
{
	cpm_told_t *e;
	cpm_sub_t *s = cpm_sub_lock(id, &e);

	if(s == NULL)
		return;
	cpm_sub_unlink(e, s);
	cpm_told_unlock(e);
	cpm_sub_free(s);
	LM_INFO("a subscription to deferred messages is over: NOTIFY was answered"
			" with %d\n",
			code);
}

static void notify_done(struct cell *t, int type, struct tmcb_params *ps)
{
	(void)t;
	(void)type;
	if(is_over(ps->code))
		forget(cpm_id_of(*ps->param), ps->code);
}

void cpm_notify_send(cpm_notify_t *n, str body)
{
	str event = cpm_strs_get(n->d.dlg, CPM_SUB_EVENT);
	str call_id = cpm_strs_get(n->d.dlg, CPM_D_CALL_ID);
	cpm_buf_t h = {0};
	int rc = -ENOMEM;

	cpm_buf_fmt(&h, "Event: %.*s\r\n", STR_FMT(&event));
	if(n->over)
		cpm_buf_lit(&h, "Subscription-State: terminated;reason=timeout\r\n");
	else
		cpm_buf_fmt(&h, "Subscription-State: active;expires=%u\r\n", n->left_s);
	cpm_buf_fmt(&h, "Contact: <%.*s>\r\nMax-Forwards: 70\r\n",
			STR_FMT(&cpm_conf.contact));
	cpm_hdr_agent(&h);
	if(body.len > 0)
		cpm_buf_lit(&h, "Content-Type: " DEFERRED_LIST_TYPE "\r\n");
	if(!h.bad)
		rc = cpm_dialog_send(&n->d, "NOTIFY", cpm_buf_get(&h), body,
				TMCB_LOCAL_COMPLETED, notify_done,
				cpm_id_param(n->id, CPM_NOTICE_LEG), NULL, NULL);
	if(rc < 0)
		LM_NOTICE("NOTIFY for Call-ID %.*s could not be sent (%d)\n",
				STR_FMT(&call_id), rc);
	else
		cpm_stat_inc(CPM_STAT_NOTIFIED);
	cpm_buf_free(&h);
	cpm_dialog_drop(&n->d);
}

/* ---- MESSAGE ---- */

static void message_done(struct cell *t, int type, struct tmcb_params *ps)
{
	(void)t;
	(void)type;
	if(ps->code >= 300)
		LM_INFO("a notification of deferred messages was answered with %d\n",
				ps->code);
}

/* Who tells it: the function that keeps them. */
static str function(void)
{
	return cpm_conf.deferred_uri.len > 0 ? cpm_conf.deferred_uri
										 : cpm_conf.contact;
}

static void headers(cpm_buf_t *b, str lines)
{
	str from = function();

	cpm_buf_fmt(b,
			"Max-Forwards: 70\r\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A3gpp-service."
			"ims.icsi.oma.cpm.deferred\"\r\n"
			"P-Asserted-Identity: <%.*s>\r\n"
			"P-Asserted-Service: %.*s\r\n",
			STR_FMT(&from), SLICE_ARG(ICSI_URN_DEFERRED));
	cpm_buf_str(b, lines);
	cpm_hdr_agent(b);
	cpm_buf_lit(b, "Content-Type: " DEFERRED_LIST_TYPE "\r\n");
}

static void send_one(const cpm_clients_t *c, unsigned i, str body)
{
	cpm_buf_t from = {0}, to = {0}, lines = {0};
	str uri = function();
	cpm_target_t t;
	int rc = cpm_client_target(c, i, &t);
	cpm_once_t o = {
			.method = "MESSAGE", .ruri = t.ruri, .body = body, .marked = true};

	cpm_buf_fmt(&from, "<%.*s>", STR_FMT(&uri));
	cpm_buf_fmt(&to, "<%.*s>", STR_FMT(&c->user));
	headers(&lines, t.lines);
	o.from = cpm_buf_get(&from);
	o.to = cpm_buf_get(&to);
	o.headers = cpm_buf_get(&lines);
	if(t.direct) {
		o.routes = t.routes;
		o.next_hop = t.next_hop;
		o.sock = t.sock;
	} else { /* as what is kept goes out itself */
		o.routes = cpm_conf.push_route;
		o.next_hop = cpm_conf.outbound_proxy;
	}
	if(rc == 0 && (from.bad || to.bad || lines.bad))
		rc = -ENOMEM;
	if(rc == 0)
		rc = cpm_once_send(&o, message_done, NULL);
	if(rc < 0)
		LM_NOTICE("notification of deferred messages to %.*s could not be sent"
				  " (%d)\n",
				STR_FMT(&t.ruri), rc);
	else
		cpm_stat_inc(CPM_STAT_NOTIFIED);
	cpm_buf_free(&from);
	cpm_buf_free(&to);
	cpm_buf_free(&lines);
	cpm_client_target_free(&t);
}

void cpm_notice_message(str name, str body)
{
	cpm_clients_t *c = NULL;

	if(cpm_clients_get(&name, &c) < 0)
		return;
	cpm_clients_choose(c, CPM_CAN_DEFERRED, 0, NULL);
	for(unsigned i = 0; i < c->n; i++)
		if(c->v[i].chosen)
			send_one(c, i, body);
	cpm_clients_free(&c);
}
