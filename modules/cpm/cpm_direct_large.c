/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Direct delivery of large messages: further deliveries of the session, one
 * INVITE for each other client of the sender, from the moment at which the
 * first part of the message has been acknowledged (OMA-TS-CPM_Conv_Fnct 8.2.1.2
 * direct delivery A to E). The relay keeps the message for them from its first
 * byte; what becomes of them is nothing to its sender.
 */
#include "../../core/dprint.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_stats.h"

void cpm_direct_prepare(cpm_session_t *s, sip_msg_t *msg)
{
	s->direct = cpm_direct_who(msg, CPM_CAN_LARGE);
}

/* Take what is known of the clients; NULL: it has begun, or there are none. */
static cpm_direct_who_t *take(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_direct_who_t *w = NULL;

	if(s && s->direct && s->state != CPM_S_CLOSING && s->relay == CPM_R_OPEN) {
		w = s->direct;
		s->direct = NULL;
		s->copies_begin = true; /* so that it does not end meanwhile */
	}
	if(s)
		cpm_session_unlock(s);
	return w;
}

/* Their deliveries and legs; the first leg, 0: none. */
static unsigned add(uint64_t id, cpm_rcpts_t **rcpts, unsigned *n)
{
	cpm_session_t *s = cpm_session_lock(id);
	unsigned first = 0;

	if(s == NULL)
		return 0;
	s->copies_begin = false;
	if(*rcpts && s->state != CPM_S_CLOSING)
		first = cpm_session_copies_add(s, *rcpts);
	if(first)
		*rcpts = NULL;
	*n = first ? s->n_copies : 0;
	for(unsigned i = first; first && i < first + *n; i++) {
		cpm_leg_t *l = &s->legs[i];
		struct socket_info *sock = s->copies->v[i - first].sock;

		l->sock = sock ? sock : s->legs[CPM_IN].sock;
		l->tls = cpm_conf.transport == CPM_TRANSPORT_TLS;
		l->expires_s = (uint32_t)cpm_conf.session_expires;
	}
	cpm_session_unlock(s);
	return first;
}

void cpm_direct_begin(uint64_t id)
{
	cpm_direct_who_t *w = take(id);
	cpm_rcpts_t *rcpts;
	unsigned first, n = 0;

	if(w == NULL)
		return;
	rcpts = cpm_direct_choose(w);
	cpm_direct_who_free(w);
	first = add(id, &rcpts, &n);
	cpm_rcpts_free(&rcpts);
	if(first == 0) {
		cpm_dlv_decide(id);
		return;
	}
	LM_INFO("session " CPM_ID_FMT ": copies for %u other clients of its"
			" sender\n",
			CPM_ID_ARG(id), n);
	cpm_stat_add(CPM_STAT_DIRECT, (int)n);
	for(unsigned i = first; i < first + n; i++)
		cpm_media_add(id, i);
}
