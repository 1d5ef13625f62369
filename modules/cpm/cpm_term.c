/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The terminating role's way in (cpm_term.h): checks, the served user, his
 * clients; then INVITE and MESSAGE go their ways. OMA-TS-CPM_Conv_Fnct
 * 8.3.2.1.1 steps 1 to 6.
 */
#include "cpm_term.h"

#include <errno.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_to.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_case.h"
#include "cpm_check.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_loop.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"
#include "cpm_trust.h"

const char *cpm_term_check(sip_msg_t *msg)
{
	cpm_req(msg)->session_case = CPM_CASE_TERM;
	return cpm_check(msg);
}

/* A copy for one device alone is no message for the user's store. */
static bool is_gruu(sip_msg_t *msg)
{
	sip_uri_t uri;

	return parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) == 0
			&& uri.gr_val.len > 0;
}

/* How long it may be kept: the least of the sender's limit and ours. */
static uint32_t lifetime(sip_msg_t *msg)
{
	uint32_t s = cpm_check_lifetime(msg);
	uint32_t max = (uint32_t)cpm_conf.defer_lifetime;

	return s < max ? s : max;
}

/* Whose it is and who sends it, and how long it may be kept. */
static const char *find_user(sip_msg_t *msg, cpm_term_req_t *req,
		char owner[CPM_USER_BUF], char sender[CPM_USER_BUF])
{
	int n = cpm_user_name(cpm_case_served_user(msg), owner);

	if(n < 0)
		return "bad-request";
	req->user = (str){owner, n};
	/* an address of another kind stays what it is */
	n = cpm_user_name(cpm_identity_uri(msg), sender);
	req->sender = n > 0 ? (str){sender, n} : cpm_identity_uri(msg);
	req->lifetime_s = lifetime(msg);
	req->defer = cpm_req(msg)->defer && req->lifetime_s > 0 && !is_gruu(msg);
	return NULL;
}

static const char *choose(sip_msg_t *msg, cpm_term_req_t *req)
{
	cpm_term_whom_t w = {.user = req->user,
			.ruri = *GET_RURI(msg),
			.what = msg->REQ_METHOD == METHOD_MESSAGE ? CPM_CAN_MSG
													  : CPM_CAN_LARGE,
			.version = cpm_req(msg)->min_version};
	int rc = cpm_term_choose(&w, &req->rcpts);

	req->unknown = rc == -EAGAIN;
	req->version = w.version;
	return rc == 0 || rc == -EAGAIN ? NULL
			: rc == -EBADMSG        ? "bad-request"
									: "memory";
}

int ki_cpm_terminating(sip_msg_t *msg)
{
	char owner[CPM_USER_BUF], sender[CPM_USER_BUF];
	cpm_term_req_t req = {.rcpts = NULL};
	const char *no;
	bool message = msg->REQ_METHOD == METHOD_MESSAGE;
	int rc;

	if(msg->REQ_METHOD != METHOD_INVITE && !message)
		return -1;
	if(cpm_b2b_parse(msg) < 0 || get_to(msg)->tag_value.len > 0)
		return -1;
	if(!message && cpm_fetch_wanted(msg))
		return cpm_fetch(msg);
	if(!cpm_service_wanted(msg, message ? ICSI_MSG : ICSI_LARGEMSG))
		return -1;
	if(cpm_loop_seen(msg, CPM_CASE_TERM))
		return cpm_loop_relay(msg);
	no = cpm_term_check(msg);
	if(no == NULL)
		no = find_user(msg, &req, owner, sender);
	if(no == NULL)
		no = choose(msg, &req);
	if(no)
		rc = cpm_reject(msg, no, NULL, (str){NULL, 0});
	else
		rc = message ? cpm_term_message(msg, &req) : cpm_term_invite(msg, &req);
	cpm_rcpts_free(&req.rcpts);
	return rc < 0 ? -1 : 0;
}
