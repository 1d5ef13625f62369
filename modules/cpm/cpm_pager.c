/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager mode, originating: a MESSAGE is checked, its service header rewritten,
 * missing ids added, and tm relays it; the final response received is the final
 * response given. One to the EXPLODER-URI goes to cpm_fanout_in.c, one over the
 * pager limit to cpm_switch.c (OMA-TS-CPM_Conv_Fnct 8.2.1.1, OP-02 to OP-24).
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/dset.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_exploder.h"
#include "cpm_fanout.h"
#include "cpm_isf.h"
#include "cpm_loop.h"
#include "cpm_pager.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "cpm_switch.h"
#include "cpm_trust.h"
#include "proto/cpim.h"

/* What both kinds of pager message carry: not over the policy's limit, and a
 * wrapper that can be read. */
static const char *check_cpim(sip_msg_t *msg, struct slice text,
		struct cpim *out, const char **detail)
{
	const char *no = cpm_check_bytes(msg, text.n);

	if(no == NULL && cpim_parse(text, out) < 0) {
		*detail = "Malformed CPIM";
		no = "bad-request";
	}
	return no;
}

/* The whole body, or beside the list of an ad-hoc group (RFC 5365), which is
 * the Controlling Function's business. */
static const char *check_body(
		sip_msg_t *msg, struct slice *text, const char **detail)
{
	str v = cpm_hdr_get(msg, "Content-Type");
	struct slice type = mime_type(slice_of(v.s, (size_t)v.len));
	struct cpim cpim;
	const char *no;

	if(!slice_ieq(type, SLICE("message/cpim"))
			&& !slice_istarts(type, SLICE("multipart/")))
		return "content";
	no = cpm_exploder_cpim(msg, text, detail);
	return no ? no : check_cpim(msg, *text, &cpim, detail);
}

/* OP-11: is it a large message? */
static bool is_large(sip_msg_t *msg, struct slice text)
{
	return text.n > (size_t)cpm_req(msg)->pager_limit;
}

/* Receivers insist on the ids that older senders do not have.
 * @param made the lines that were added; they live as long as the request */
static int add_ids(sip_msg_t *msg, str *made)
{
	static const char *const names[] = {"Conversation-ID", "Contribution-ID"};
	cpm_buf_t b = {0};

	for(int i = 0; i < 2; i++) {
		char hex[CPM_HEX_BUF];

		if(cpm_hdr_next(msg, names[i], NULL))
			continue;
		cpm_id_random(hex);
		cpm_buf_fmt(&b, "%s: %s\r\n", names[i], hex);
	}
	*made = cpm_buf_get(&b);
	return cpm_hdr_insert(msg, &b);
}

/* A recipient whom only the ISF reaches (OP-12); all others are tried in the
 * core first. */
static const char *direct(sip_msg_t *msg)
{
	sip_uri_t uri;

	if(!cpm_isf_scheme(*GET_RURI(msg)))
		return parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) < 0
				? "bad-request"
				: cpm_isf_on_failure(msg) < 0 ? "memory"
											  : NULL;
	if(!cpm_req(msg)->interworking || !cpm_isf_is_there())
		return "uri";
	if(cpm_isf_apply(msg) < 0)
		return "memory";
	cpm_isf_tried(msg, NULL);
	return NULL;
}

static void relay(sip_msg_t *msg)
{
	/* loose_route() in the script has set the next hop when there is one */
	if(msg->dst_uri.len <= 0 && cpm_conf.outbound_proxy.len > 0)
		set_dst_uri(msg, &cpm_conf.outbound_proxy);
	if(cpm_tm.t_relay(msg, NULL, NULL) < 0) {
		LM_NOTICE("pager message could not be relayed, Call-ID %.*s\n",
				STR_FMT(&msg->callid->body));
		cpm_reject(msg, "unreachable", NULL, (str){NULL, 0});
		return;
	}
	cpm_stat_inc(CPM_STAT_PAGER);
}

int cpm_pager(sip_msg_t *msg)
{
	const char *detail = NULL;
	const char *no = cpm_check(msg);
	str ids = {NULL, 0};
	struct slice text;

	if(no == NULL && ki_cpm_service_header(msg) < 0)
		no = "127"; /* OP-10 */
	if(no == NULL && cpm_is_exploder(msg))
		return ki_cpm_explode(msg);
	if(no == NULL)
		no = check_body(msg, &text, &detail);
	if(no == NULL && is_large(msg, text)) {
		no = cpm_switch(msg, text, NULL, &detail); /* OP-25 */
		if(no == NULL)
			return 0;
	}
	if(no == NULL
			&& (add_ids(msg, &ids) < 0 || cpm_trust_apply(msg) < 0
					|| cpm_loop_mark(msg, CPM_CASE_ORIG) < 0))
		no = "memory";
	if(no == NULL)
		no = direct(msg);
	if(no) {
		cpm_reject(msg, no, detail, (str){NULL, 0});
	} else {
		cpm_direct_on_answer(msg, text, ids); /* OP-48 */
		relay(msg);
	}
	return 0;
}

int ki_cpm_to_large(sip_msg_t *msg)
{
	const char *detail = NULL, *no;
	struct slice text;

	if(msg->REQ_METHOD != METHOD_MESSAGE || cpm_b2b_parse(msg) < 0
			|| cpm_is_exploder(msg))
		return -1;
	no = check_body(msg, &text, &detail);
	if(no == NULL && !is_large(msg, text))
		return -1;
	if(no == NULL)
		no = cpm_switch(msg, text, NULL, &detail);
	if(no)
		cpm_reject(msg, no, detail, (str){NULL, 0});
	return 0;
}

/* ---- one message to many ---- */

static const char *check_list(
		sip_msg_t *msg, cpm_list_message_t *m, const char **detail)
{
	const char *no = cpm_exploder_check(msg, &m->rcpts, detail);

	if(no == NULL)
		no = cpm_exploder_cpim(msg, &m->text, detail);
	if(no == NULL)
		no = check_cpim(msg, m->text, &m->cpim, detail);
	if(no)
		return no;
	m->service = cpm_service_choose(msg, ICSI_MSG);
	return m->service == ICSI_NONE ? "127" : NULL; /* OP-10 */
}

int ki_cpm_explode(sip_msg_t *msg)
{
	cpm_list_message_t m = {.rcpts = NULL};
	const char *detail = NULL, *no;

	if(msg->REQ_METHOD != METHOD_MESSAGE || cpm_b2b_parse(msg) < 0
			|| !cpm_is_exploder(msg))
		return -1;
	no = check_list(msg, &m, &detail);
	if(no == NULL && !is_large(msg, m.text))
		return cpm_fanout_message(msg, &m);
	if(no)
		cpm_rcpts_free(&m.rcpts);
	else
		no = cpm_switch(msg, m.text, m.rcpts, &detail); /* takes the list */
	if(no == NULL)
		return 0;
	cpm_reject(msg, no, detail, (str){NULL, 0});
	return 0;
}
