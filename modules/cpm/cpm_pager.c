/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager mode, 1-1, originating: a MESSAGE is checked, its service header
 * rewritten, missing ids added, and tm relays it; the final response received
 * is the final response given (OMA-TS-CPM_Conv_Fnct 8.2.1.1, OP-02 to OP-24).
 */
#include <errno.h>
#include <string.h>

#include "../../core/data_lump.h"
#include "../../core/dprint.h"
#include "../../core/dset.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_loop.h"
#include "cpm_pager.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "cpm_trust.h"
#include "proto/cpim.h"

static const char *check_body(sip_msg_t *msg, const char **detail)
{
	str type = cpm_hdr_get(msg, "Content-Type");
	char *body = get_body(msg);
	int n = body ? (int)(msg->buf + msg->len - body) : 0;
	struct cpim cpim;

	if(!mime_type_is(slice_of(type.s, (size_t)type.len), SLICE("message/cpim")))
		return "content";
	if(cpm_check_bytes(msg, (uint64_t)n))
		return "133";
	if(n > cpm_req(msg)->pager_limit)
		return "too-large"; /* large message mode one day (OP-25) */
	if(n <= 0 || cpim_parse(slice_of(body, (size_t)n), &cpim) < 0) {
		*detail = "Malformed CPIM";
		return "bad-request";
	}
	return NULL;
}

/* Receivers insist on the ids that older senders do not have. */
static int add_ids(sip_msg_t *msg)
{
	static const char *const names[] = {"Conversation-ID", "Contribution-ID"};
	cpm_buf_t b = {0};
	struct lump *anchor;

	for(int i = 0; i < 2; i++) {
		char hex[CPM_HEX_BUF];

		if(cpm_hdr_next(msg, names[i], NULL))
			continue;
		cpm_id_random(hex);
		cpm_buf_fmt(&b, "%s: %s\r\n", names[i], hex);
	}
	if(b.len == 0 && !b.bad)
		return 0;
	anchor = anchor_lump(msg, (int)(msg->unparsed - msg->buf), 0, 0);
	if(!b.bad && anchor && insert_new_lump_after(anchor, b.s, b.len, 0))
		return 0; /* the lump has taken the text over */
	cpm_buf_free(&b);
	return -1;
}

int cpm_pager(sip_msg_t *msg)
{
	const char *detail = NULL;
	const char *no = cpm_check(msg);
	sip_uri_t uri;

	if(no == NULL && ki_cpm_service_header(msg) < 0)
		no = "127"; /* OP-10 */
	if(no == NULL)
		no = check_body(msg, &detail);
	if(no == NULL && parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) < 0)
		no = "uri"; /* to the ISF one day (OP-12) */
	if(no == NULL
			&& (add_ids(msg) < 0 || cpm_trust_apply(msg) < 0
					|| cpm_loop_mark(msg, CPM_CASE_ORIG) < 0))
		no = "memory";
	if(no) {
		cpm_reject(msg, no, detail, (str){NULL, 0});
		return 0;
	}
	/* loose_route() in the script has set the next hop when there is one */
	if(msg->dst_uri.len <= 0 && cpm_conf.outbound_proxy.len > 0)
		set_dst_uri(msg, &cpm_conf.outbound_proxy);
	if(cpm_tm.t_relay(msg, NULL, NULL) < 0) {
		LM_NOTICE("pager message could not be relayed, Call-ID %.*s\n",
				STR_FMT(&msg->callid->body));
		cpm_reject(msg, "unreachable", NULL, (str){NULL, 0});
		return 0;
	}
	cpm_stat_inc(CPM_STAT_PAGER);
	return 0;
}
