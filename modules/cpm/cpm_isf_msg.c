/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Relayed requests on their way to the ISF: one that has to go there at once
 * (OP-12), and one whose recipient the core did not reach (OP-23): then tm's
 * failure callback adds the ISF as a further branch, without a failure_route
 * in the script. The ISF's final answer is the sender's (OP-24).
 */
#include <string.h>

#include "../../core/data_lump.h"
#include "../../core/dprint.h"
#include "../../core/dset.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_rr.h"
#include "cpm_b2b.h"
#include "cpm_b2b_text.h"
#include "cpm_conf.h"
#include "cpm_isf.h"
#include "cpm_req.h"
#include "cpm_sip.h"
#include "cpm_stats.h"

/* tm's script function t_drop_replies(): answers that came before a further
 * branch was added do not compete with its own. */
static cmd_function drop_replies;

int cpm_isf_msg_init(void)
{
	drop_replies = find_export("t_drop_replies", 0, 0);
	if(drop_replies)
		return 0;
	LM_ERR("module tm has no t_drop_replies()\n");
	return -1;
}

/* Route: nothing of what was there, but what `routes` says. */
static int set_routes(sip_msg_t *msg, cpm_buf_t *routes)
{
	cpm_buf_t line = {0};

	for(hdr_field_t *h = msg->headers; h; h = h->next)
		if(h->type == HDR_ROUTE_T
				&& del_lump(msg, (int)(h->name.s - msg->buf), h->len,
						   HDR_ROUTE_T)
						== NULL)
			return -1;
	cpm_buf_lit(&line, "Route: ");
	cpm_buf_str(&line, cpm_buf_get(routes));
	cpm_buf_lit(&line, "\r\n");
	return cpm_hdr_insert(msg, &line);
}

/* Next hop: the ISF, or the core where it is to be passed first. */
static int set_next_hop(sip_msg_t *msg, str core)
{
	str next = cpm_isf_uri();
	rr_t *first = NULL;
	int rc;

	if(cpm_conf.isf_by == CPM_ISF_CORE && core.len > 0) {
		if(parse_rr_body(core.s, core.len, &first) < 0)
			return -1;
		next = first->nameaddr.uri;
	}
	rc = set_dst_uri(msg, &next);
	if(first)
		free_rr(&first);
	return rc < 0 ? -1 : 0;
}

static int set_targets(sip_msg_t *msg, str core)
{
	str dest = *GET_RURI(msg), uri;
	cpm_buf_t ruri = {0}, routes = {0};
	int rc = cpm_isf_target(dest, core, &ruri, &routes);

	if(rc == 0)
		rc = set_routes(msg, &routes);
	uri = cpm_buf_get(&ruri);
	if(rc == 0 && cpm_isf_scheme(dest))
		rc = rewrite_uri(msg, &uri) < 0 ? -1 : 0;
	if(rc == 0)
		rc = set_next_hop(msg, core);
	cpm_buf_free(&ruri);
	cpm_buf_free(&routes);
	return rc;
}

int cpm_isf_apply(sip_msg_t *msg)
{
	cpm_buf_t core = {0};
	int rc = -1;

	if(!cpm_isf_is_there() || parse_headers(msg, HDR_EOH_F, 0) < 0)
		return -1;
	cpm_routes_below(msg, &core);
	if(!core.bad)
		rc = set_targets(msg, cpm_buf_get(&core));
	cpm_buf_free(&core);
	if(rc == 0)
		ruri_mark_new(); /* a failure's branch would not be sent else */
	return rc;
}

int ki_cpm_to_isf(sip_msg_t *msg)
{
	return cpm_isf_apply(msg) < 0 ? -1 : 1;
}

/* ---- answers ---- */

static void answered(struct cell *t, int type, struct tmcb_params *ps)
{
	(void)t;
	(void)type;
	if(ps->code >= 200 && ps->code < 300)
		cpm_stat_inc(CPM_STAT_ISF_OK);
}

void cpm_isf_tried(sip_msg_t *msg, struct cell *t)
{
	cpm_stat_inc(CPM_STAT_ISF_TRIED);
	if(cpm_tm.register_tmcb(msg, t, TMCB_RESPONSE_OUT, answered, NULL, NULL)
			<= 0)
		LM_ERR("no memory to count the ISF's answer\n");
}

/* The parameter says whether it was tried: NULL not yet. */
static char tried;

/* tm holds the transaction's reply lock, as it does for a failure_route. */
static void failed(struct cell *t, int type, struct tmcb_params *ps)
{
	sip_msg_t *msg = ps->req;

	(void)type;
	if(*ps->param == &tried || !cpm_isf_code(ps->code))
		return;
	*ps->param = &tried;
	if(cpm_isf_apply(msg) < 0 || cpm_tm.t_relay(msg, NULL, NULL) < 0) {
		LM_ERR("Call-ID %.*s: answered with %d, not to be sent to the ISF\n",
				STR_FMT(&msg->callid->body), ps->code);
		return;
	}
	LM_INFO("Call-ID %.*s: answered with %d, goes to the ISF\n",
			STR_FMT(&msg->callid->body), ps->code);
	drop_replies(msg, NULL, NULL);
	cpm_isf_tried(msg, t);
}

int cpm_isf_on_failure(sip_msg_t *msg)
{
	if(!cpm_req(msg)->interworking || !cpm_isf_is_there())
		return 0;
	return cpm_tm.register_tmcb(msg, NULL, TMCB_ON_FAILURE, failed, NULL, NULL)
					> 0
			? 0
			: -1;
}
