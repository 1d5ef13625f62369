/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sessions as the operator sees them (cpm.sessions): copies made under the
 * slot's lock, handed out without it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cpm_b2b.h"
#include "cpm_rcpts.h"
#include "cpm_sip.h"

static void cut(char *out, size_t size, str v)
{
	size_t n = v.len > 0 ? (size_t)v.len : 0;

	if(n >= size)
		n = size - 1;
	if(n > 0)
		memcpy(out, v.s, n);
	out[n] = '\0';
}

static void cut_name(char *out, size_t size, const char *name)
{
	cut(out, size, (str){(char *)name, (int)strlen(name)});
}

static const char *media_word(const cpm_leg_t *l)
{
	if(l->delivered)
		return "delivered";
	if(l->failed)
		return "failed";
	if(l->started)
		return "started";
	return l->local ? "ready" : "none";
}

static void fill_leg(const cpm_session_t *s, const cpm_leg_t *l, uint64_t now,
		struct cpm_leg_info *out)
{
	out->n = l->n;
	out->isf = l->isf;
	cut_name(out->state, sizeof(out->state), cpm_leg_state_name(l->state));
	cut(out->call_id, sizeof(out->call_id),
			cpm_strs_get(l->dlg, CPM_D_CALL_ID));
	if(l->dlg)
		cut(out->peer, sizeof(out->peer), cpm_strs_get(l->dlg, CPM_D_REMOTE));
	else if(s->rcpts && l->n != CPM_IN)
		cut(out->peer, sizeof(out->peer), cpm_rcpts_uri(s->rcpts, l->dlv));
	cut_name(out->media, sizeof(out->media), media_word(l));
	out->expires_s = l->expires_s;
	out->left_s =
			l->timer_at > now ? (unsigned)((l->timer_at - now) / 1000) : 0;
	out->refresher_is_us = l->refresh_us;
}

/* How many legs are in which state. */
static void fill_counts(const cpm_session_t *s, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for(unsigned i = 0; i < CPM_L_NSTATES && n < size; i++)
		if(s->n_in[i])
			n += (size_t)snprintf(out + n, size - n, "%s%s %u", n ? ", " : "",
					cpm_leg_state_name(i), s->n_in[i]);
}

static int fill(uint64_t id, struct cpm_session_info *out)
{
	uint64_t now = cpm_now_ms();
	cpm_session_t *s;

	memset(out, 0, sizeof(*out));
	s = cpm_session_lock(id);
	if(s == NULL)
		return -ENOENT;
	cpm_id_print(id, out->id);
	cut_name(out->state, sizeof(out->state), cpm_session_state_name(s->state));
	out->age_s = (unsigned)((now - s->created_ms) / 1000);
	out->state_s = (unsigned)((now - s->state_ms) / 1000);
	out->bytes = s->bytes;
	cut_name(out->request, sizeof(out->request),
			s->kind == CPM_UAS_MESSAGE         ? "MESSAGE"
					: s->kind == CPM_UAS_STORE ? "-"
											   : "INVITE");
	out->recipients = s->n_dlv;
	out->delivered = s->n_done;
	out->failed = s->n_failed;
	out->legs_all = s->n_legs;
	/* of a pair nobody decides but the originator: the relay's word */
	if(cpm_session_is_pair(s))
		out->delivered = cpm_session_delivered(s);
	fill_counts(s, out->counts, sizeof(out->counts));
	for(unsigned i = 0; i < s->n_legs && i < CPM_INFO_LEGS; i++)
		fill_leg(s, &s->legs[i], now, &out->legs[out->n_legs++]);
	cpm_session_unlock(s);
	return 0;
}

unsigned cpm_session_each(cpm_session_info_f f, void *arg)
{
	struct cpm_session_info info;
	uint64_t ids[256];
	unsigned slot = 0, n, done = 0;

	while((n = cpm_session_ids(&slot, ids, 256)) > 0) {
		for(unsigned i = 0; i < n; i++) {
			if(fill(ids[i], &info) < 0)
				continue;
			done++;
			if(f(&info, arg) != 0)
				return done;
		}
	}
	return done;
}

int cpm_session_info_get(const str *id, struct cpm_session_info *out)
{
	uint64_t n;

	if(cpm_id_parse(id->s, (size_t)id->len, &n) < 0)
		return -ENOENT;
	return fill(n, out);
}
