/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ACK for every 2xx to an INVITE of ours, the retransmitted and the forked ones
 * too (RFC 3261 13.2.2.4). tm does it only while its transaction lives, in
 * later releases only once, and gives a forked 2xx the first one's ACK. So the
 * module asks tm not to (TMCB_DONT_ACK) and sees each reply before tm does
 * (exports.response_f). The ACK is built from the reply alone; the From-tag
 * proves that it answers a request of ours.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_cseq.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "proto/slice.h"

/* What a 2xx is to its leg. */
enum kind
{
	FIRST,      /* the one that counts, first time seen */
	AGAIN,      /* the same, retransmitted */
	FORK,       /* another dialog: ACK and BYE */
	FORK_AGAIN, /* the same fork, retransmitted */
	TOO_MANY    /* more forks than we follow: ignored */
};

static enum kind kind_of(uint64_t id, unsigned n, str to_tag)
{
	uint64_t tag = cpm_id_hash(to_tag.s, (size_t)to_tag.len) | 1;
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	enum kind k = FORK; /* of a leg or session that is gone */

	/* after tm has given up (a timeout, a refusal that was quicker) nobody
	 * waits for it any more: it is hung up like a fork */
	if(l && l->answered_by == 0 && l->state != CPM_L_DOWN)
		l->answered_by = tag;
	if(l && l->answered_by == tag) {
		k = l->acked ? AGAIN : FIRST;
		l->acked = true;
	} else if(l) {
		for(unsigned i = 0; i < l->n_forks; i++)
			if(l->forks[i] == tag)
				k = FORK_AGAIN;
		if(k == FORK && l->n_forks < CPM_FORKS_MAX)
			l->forks[l->n_forks++] = tag;
		else if(k == FORK)
			k = TOO_MANY;
	}
	if(s)
		cpm_session_unlock(s);
	return k;
}

/* Where the ACK goes when the 2xx has no Contact: as the INVITE did. */
static str known_target(uint64_t id, unsigned n, cpm_strs_t **keep)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	*keep = l ? cpm_strs_copy(l->dlg) : NULL;
	if(s)
		cpm_session_unlock(s);
	return cpm_strs_get(*keep, CPM_D_TARGET);
}

/* The dialog as the reply tells it. */
static cpm_strs_t *dialog_from(sip_msg_t *rpl, uint64_t id, unsigned n)
{
	struct to_body *from = get_from(rpl), *to = get_to(rpl);
	cpm_buf_t local = {0}, remote = {0};
	cpm_strs_t *d = NULL, *shm, *keep = NULL;
	str v[CPM_D_N] = {{NULL, 0}};
	bool isfocus;

	cpm_hdr_name_addr(&local, from->display, from->uri);
	cpm_hdr_name_addr(&remote, to->display, to->uri);
	v[CPM_D_CALL_ID] = rpl->callid->body;
	v[CPM_D_LOCAL_TAG] = from->tag_value;
	v[CPM_D_REMOTE_TAG] = to->tag_value;
	v[CPM_D_LOCAL] = cpm_buf_get(&local);
	v[CPM_D_REMOTE] = cpm_buf_get(&remote);
	if(cpm_hdr_contact(rpl, &v[CPM_D_TARGET], &isfocus) < 0) {
		v[CPM_D_TARGET] = known_target(id, n, &keep);
		if(v[CPM_D_TARGET].len <= 0)
			v[CPM_D_TARGET] = to->uri;
	}
	if(rpl->record_route
			&& print_rr_body(rpl->record_route, &v[CPM_D_ROUTES], 1, NULL) < 0)
		v[CPM_D_ROUTES] = (str){NULL, 0};
	if(!local.bad && !remote.bad) {
		shm = cpm_strs_new(v, CPM_D_N);
		d = cpm_strs_copy(shm);
		cpm_strs_free(&shm);
	}
	if(v[CPM_D_ROUTES].s)
		pkg_free(v[CPM_D_ROUTES].s);
	cpm_buf_free(&local);
	cpm_buf_free(&remote);
	cpm_strs_drop(keep);
	return d;
}

static void send_bye(cpm_dialog_t *d)
{
	cpm_buf_t h = {0};

	d->cseq++;
	cpm_hdr_agent(&h);
	cpm_buf_lit(&h,
			"Reason: SIP;cause=200;text=\"Call completed elsewhere\""
			"\r\n");
	if(!h.bad)
		cpm_dialog_send(d, "BYE", cpm_buf_get(&h), (str){NULL, 0}, 0, NULL,
				NULL, NULL, NULL);
	cpm_buf_free(&h);
}

static void acknowledge(sip_msg_t *rpl, uint64_t id, unsigned n, enum kind k)
{
	cpm_dialog_t d = {.sock = rpl->rcv.bind_address};
	str num = get_cseq(rpl)->number;
	cpm_buf_t h = {0};
	bool failed = false;
	uint64_t cseq;

	if(!slice_u64(slice_of(num.s, (size_t)num.len), INT32_MAX, &cseq))
		return;
	d.cseq = (uint32_t)cseq;
	d.dlg = dialog_from(rpl, id, n);
	cpm_hdr_agent(&h);
	if(d.dlg == NULL || h.bad
			|| cpm_dialog_send(&d, "ACK", cpm_buf_get(&h), (str){NULL, 0}, 0,
					   NULL, NULL, NULL, NULL)
					< 0)
		failed = true;
	else if(k == FORK)
		send_bye(&d);
	if(failed && (k == FIRST || k == FORK)) /* not for each retransmission */
		LM_WARN("session " CPM_ID_FMT " leg %u: the ACK could not be sent\n",
				CPM_ID_ARG(id), n);
	cpm_buf_free(&h);
	cpm_dialog_drop(&d);
}

int cpm_sip_on_reply(sip_msg_t *rpl)
{
	unsigned code = rpl->first_line.u.reply.statuscode, n;
	struct to_body *from;
	uint64_t id;
	enum kind k;

	if(code < 200 || code > 299)
		return 1;
	if(parse_headers(rpl, HDR_CSEQ_F | HDR_FROM_F, 0) < 0 || rpl->cseq == NULL
			|| rpl->from == NULL || get_cseq(rpl)->method_id != METHOD_INVITE
			|| parse_from_header(rpl) < 0)
		return 1;
	from = get_from(rpl);
	if(cpm_tag_parse(&from->tag_value, &id, &n) < 0)
		return 1;
	if(cpm_b2b_parse(rpl) < 0 || get_to(rpl)->tag_value.len <= 0) {
		LM_WARN("session " CPM_ID_FMT
				" leg %u: a 2xx without To-tag or Call-ID is ignored\n",
				CPM_ID_ARG(id), n);
		return 0;
	}
	k = kind_of(id, n, get_to(rpl)->tag_value);
	if(k == TOO_MANY)
		return 0;
	if(k == AGAIN || k == FORK_AGAIN)
		cpm_stat_inc(CPM_STAT_REACKED);
	if(k == FORK) {
		cpm_stat_inc(CPM_STAT_FORKED);
		LM_NOTICE("session " CPM_ID_FMT
				  " leg %u: further 2xx, Call-ID %.*s: ACK and BYE\n",
				CPM_ID_ARG(id), n, STR_FMT(&rpl->callid->body));
	}
	acknowledge(rpl, id, n, k);
	/* tm needs the first one only; of a fork it would think it is ours */
	return k == FORK || k == FORK_AGAIN ? 0 : 1;
}
