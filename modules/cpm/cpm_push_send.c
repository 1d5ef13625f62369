/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A claimed message goes out to every client of its owner that can take it
 * (cpm_push.h): who they are, what the MESSAGE or INVITE carries, and what the
 * entry remembers of it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../core/dprint.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_push_int.h"
#include "cpm_term.h"
#include "cpm_term_rcpts.h"
#include "proto/product.h"

static product_version min_version;

/* ---- his clients ---- */

/* Those that can take it: 0, *out NULL when there is none; -ENOMEM. */
static int find_rcpts(const str *owner, bool large, cpm_rcpts_t **out)
{
	cpm_clients_t *c = NULL;
	int rc = 0;

	*out = NULL;
	if(cpm_clients_get(owner, &c) < 0)
		return 0; /* not known in time, or nobody knows: not registered */
	if(cpm_clients_choose(
			   c, large ? CPM_CAN_LARGE : CPM_CAN_MSG, min_version, NULL)
			> 0)
		rc = cpm_term_rcpts(c, out);
	cpm_clients_free(&c);
	return rc;
}

bool cpm_push_reachable(const str *owner, bool large)
{
	cpm_clients_t *c = NULL;
	bool yes = cpm_clients_get(owner, &c) == 0
			&& cpm_clients_choose(c, large ? CPM_CAN_LARGE : CPM_CAN_MSG,
					   min_version, NULL)
					> 0;

	cpm_clients_free(&c);
	return yes;
}

/* ---- sending ---- */

static void pager_headers(
		cpm_buf_t *b, const cpm_deferred_msg_t *m, const cpm_envelope_t *e)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	cpm_buf_lit(b, "Max-Forwards: 70\r\n");
	cpm_buf_str(b, e->headers);
	/* the time of this transmission; that of the message is in its wrapper */
	cpm_buf_fmt(b, "Date: %s\r\nExpires: %u\r\n", date, m->lifetime_s);
	cpm_hdr_agent(b);
	cpm_buf_fmt(b, "Content-Type: %.*s\r\n", STR_FMT(&m->type));
}

static int send_pager(const cpm_deferred_msg_t *m, const cpm_envelope_t *e,
		cpm_rcpts_t **rcpts, uint64_t tag)
{
	cpm_buf_t lines = {0};
	str v[CPM_F_N] = {{NULL, 0}};
	int rc = -ENOMEM;

	pager_headers(&lines, m, e);
	v[CPM_F_CALL_ID] = m->ref;
	v[CPM_F_FROM] = e->from;
	v[CPM_F_TO] = e->to;
	v[CPM_F_ROUTES] = cpm_conf.push_route;
	if(cpm_conf.push_route.len == 0)
		v[CPM_F_NEXT_HOP] = cpm_conf.outbound_proxy;
	v[CPM_F_HEADERS] = cpm_buf_get(&lines);
	v[CPM_F_HEAD] = m->data;
	if(!lines.bad)
		rc = cpm_fanout_begin(CPM_FAN_PUSH, tag, rcpts, v);
	cpm_buf_free(&lines);
	return rc;
}

static int send_large(const cpm_deferred_msg_t *m, const cpm_envelope_t *e,
		cpm_rcpts_t **rcpts, uint64_t tag)
{
	const cpm_term_push_t push = {.tag = tag,
			.ref = m->ref,
			.fence = m->fence,
			.user = m->user,
			.from = e->from,
			.to = e->to,
			.headers = e->headers,
			.types = e->types,
			.wrapped = e->wrapped,
			.type = m->type,
			.message_id = m->message_id,
			.size = m->size,
			.left_s = m->lifetime_s};
	cpm_rcpts_t *r = *rcpts;

	*rcpts = NULL; /* taken over, also on failure */
	return cpm_term_push(&push, r);
}

/* Note what was claimed, under a tag of its own; false: the entry is gone. */
static bool note(uint64_t *tag, const cpm_deferred_msg_t *m,
		const cpm_envelope_t *e, bool send)
{
	str v[CPM_PU_N] = {[CPM_PU_USER] = m->user,
			[CPM_PU_SENDER] = m->sender,
			[CPM_PU_IMDN_ID] = m->imdn_id,
			[CPM_PU_TO] = m->cpim_to,
			[CPM_PU_DATE] = m->cpim_date,
			[CPM_PU_HEADERS] = e->headers};
	cpm_strs_t *texts = cpm_strs_new(v, CPM_PU_N);
	cpm_push_t *p = cpm_push_lock(*tag);

	if(p == NULL) {
		cpm_strs_free(&texts);
		return false;
	}
	*tag = cpm_push_retag(p);
	cpm_strs_free(&p->texts);
	p->texts = texts;
	memcpy(p->ref, m->ref.s, (size_t)m->ref.len);
	p->ref[m->ref.len] = '\0';
	p->fence = m->fence;
	p->size = m->size;
	p->session = 0;
	p->large = m->large;
	p->negative = m->imdn_negative;
	p->imdn = m->imdn_is;
	p->attempts = m->attempts;
	p->permanents = m->permanent;
	p->over = p->permanent = p->reclaimed = false;
	if(send) {
		p->state = CPM_PU_SENDING;
		p->at = cpm_now_ms() + (uint64_t)cpm_conf.push_lease / 3;
	} else {
		cpm_push_settle_as(p, CPM_OUT_WAIT, 0);
	}
	cpm_push_unlock(p);
	return true;
}

void cpm_push_send(const cpm_deferred_msg_t *m, uint64_t tag)
{
	char room[ENVELOPE_MAX];
	cpm_envelope_t e = {.from = {NULL, 0}};
	cpm_rcpts_t *rcpts = NULL;
	bool readable = cpm_envelope_read(m->envelope, room, &e) == 0;
	bool some;
	int rc = find_rcpts(&m->user, m->large, &rcpts);

	some = rcpts != NULL;
	if(!note(&tag, m, &e, some || rc < 0 || !readable)) {
		cpm_rcpts_free(&rcpts);
		return;
	}
	if(!readable) {
		LM_ERR("%.*s: its envelope cannot be read\n", STR_FMT(&m->ref));
		cpm_rcpts_free(&rcpts);
		cpm_push_answered(tag, false, true, 400, true);
		return;
	}
	if(rc == 0 && !some) {
		LM_INFO("%.*s waits: %.*s is not registered\n", STR_FMT(&m->ref),
				STR_FMT(&m->user));
		cpm_push_settle(tag);
		return;
	}
	if(rc == 0)
		rc = m->large ? send_large(m, &e, &rcpts, tag)
					  : send_pager(m, &e, &rcpts, tag);
	cpm_rcpts_free(&rcpts);
	if(rc < 0) {
		LM_ERR("%.*s could not be sent: %s\n", STR_FMT(&m->ref), strerror(-rc));
		cpm_push_answered(tag, false, true, 503, false);
	}
}

int cpm_push_send_init(void)
{
	struct slice v = cpm_slice_of(cpm_conf.min_client_version);

	return v.n > 0 && product_version_parse(v, &min_version) < 0 ? -1 : 0;
}
