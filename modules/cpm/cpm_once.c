/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A single request by way of tm (cpm_once.h). RFC 3261 8.1.
 */
#include "cpm_once.h"

#include <errno.h>
#include <string.h>

#include "../../core/parser/parse_rr.h"
#include "cpm_conf.h"
#include "cpm_leg.h"
#include "cpm_loop.h"

/* Hand it to tm: 0 or a negative errno. */
static int hand_over(const cpm_once_t *o, str call_id, str headers,
		transaction_cb cb, void *param)
{
	str method = {(char *)o->method, (int)strlen(o->method)};
	str lines = headers, body = o->body;
	char tag[CPM_HEX_BUF];
	struct cell *saved = cpm_tm.t_gett();
	int saved_branch = cpm_tm.t_gett_branch(), rc;
	uac_req_t req;
	dlg_t dlg;

	memset(&dlg, 0, sizeof(dlg));
	cpm_id_random(tag);
	dlg.id.call_id = call_id;
	dlg.id.loc_tag = (str){tag, (int)strlen(tag)};
	dlg.loc_uri = o->from;
	dlg.rem_uri = o->to;
	dlg.rem_target = o->ruri;
	dlg.dst_uri = o->routes.len > 0 ? (str){NULL, 0} : o->next_hop;
	dlg.loc_seq.value = 1;
	dlg.loc_seq.is_set = 1;
	dlg.state = DLG_CONFIRMED;
	dlg.send_sock = o->sock;
	if(o->routes.len > 0
			&& parse_rr_body(o->routes.s, o->routes.len, &dlg.route_set) < 0)
		return -EINVAL;
	set_uac_req(&req, &method, &lines, &body, &dlg,
			cb ? TMCB_LOCAL_COMPLETED : 0, cb, param);
	rc = cpm_tm.t_uac_with_ids(&req, NULL, NULL);
	cpm_tm.t_sett(saved, saved_branch);
	if(dlg.route_set)
		free_rr(&dlg.route_set);
	return rc < 0 ? -EIO : 0;
}

int cpm_once_send(const cpm_once_t *o, transaction_cb cb, void *param)
{
	cpm_buf_t id = {0}, lines = {0};
	char hex[CPM_HEX_BUF];
	int rc = -ENOMEM;

	cpm_id_random(hex);
	cpm_buf_fmt(&id, "%s@%.*s", hex, STR_FMT(&cpm_conf.warn_agent));
	cpm_buf_str(&lines, o->headers);
	if(o->marked) {
		cpm_loop_add(
				&lines, CPM_CASE_ORIG, o->headers, cpm_buf_get(&id), o->body);
		cpm_loop_add(
				&lines, CPM_CASE_TERM, o->headers, cpm_buf_get(&id), o->body);
	}
	if(!id.bad && !lines.bad)
		rc = hand_over(o, cpm_buf_get(&id), cpm_buf_get(&lines), cb, param);
	cpm_buf_free(&id);
	cpm_buf_free(&lines);
	return rc;
}
