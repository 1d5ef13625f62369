/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A stored large message on its way to clients: a session without an
 * originator, whose content is at the relay already (docs/control-protocol.md,
 * "session.create with a deferred message"). One INVITE for each client with
 * what the sender's had (OMA-TS-CPM_Conv_Fnct 8.3.2.3, TL-18). Who pushes, and
 * when, is cpm_push.c's business.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_hdr.h"
#include "cpm_link.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"

#define HOPS 70
#define RING_SPARE_MS 32000

static void (*pushed)(const cpm_term_pushed_t *result);

void cpm_term_on_pushed(void (*f)(const cpm_term_pushed_t *result))
{
	pushed = f;
}

/* The time of this transmission; that of the message is in its wrapper. */
static void date_line(cpm_buf_t *b)
{
	char text[64];
	time_t now = time(NULL);
	struct tm tm;
	size_t n = 0;

	if(gmtime_r(&now, &tm))
		n = strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if(n > 0)
		cpm_buf_fmt(b, "Date: %s\r\n", text);
}

/* The sender's lines, and those of this request. */
static void headers(cpm_buf_t *b, const cpm_term_push_t *m)
{
	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", HOPS);
	cpm_buf_fmt(b,
			"Contact: <%.*s>;+g.3gpp.icsi-ref=\"urn%%3Aurn-7%%3A3gpp-service."
			"ims.icsi.oma.cpm.largemsg\"\r\n",
			STR_FMT(&cpm_conf.contact));
	cpm_buf_str(b, m->headers);
	date_line(b);
	if(m->left_s)
		cpm_buf_fmt(b, "Message-Expires: %" PRIu32 "\r\n", m->left_s);
	cpm_buf_lit(b, "Supported: timer\r\nAllow: " CPM_ALLOW "\r\n");
	cpm_hdr_agent(b);
}

static cpm_strs_t *texts(const cpm_term_push_t *m)
{
	str v[CPM_T_N] = {{NULL, 0}};
	cpm_buf_t b = {0};
	cpm_strs_t *t = NULL;

	headers(&b, m);
	v[CPM_T_HEADERS] = cpm_buf_get(&b);
	v[CPM_T_FROM] = m->from;
	v[CPM_T_TO] = m->to;
	v[CPM_T_TARGET] = m->user;
	v[CPM_T_TYPES] = m->types;
	v[CPM_T_WRAPPED] = m->wrapped;
	v[CPM_T_CONTENT_TYPE] = m->type;
	v[CPM_T_MESSAGE_ID] = m->message_id;
	v[CPM_T_ROUTES] = cpm_conf.push_route;
	if(cpm_conf.push_route.len == 0)
		v[CPM_T_NEXT_HOP] = cpm_conf.outbound_proxy;
	if(!b.bad)
		t = cpm_strs_new(v, CPM_T_N);
	cpm_buf_free(&b);
	return t;
}

/* No transaction of tm's is behind it: any name that is free. */
static uint64_t new_id(void)
{
	char hex[CPM_HEX_BUF];
	uint64_t h;

	cpm_id_random(hex);
	h = cpm_id_hash(hex, strlen(hex));
	return cpm_id_make((unsigned)(h >> 32), (unsigned)h);
}

static cpm_session_t *build(const cpm_term_push_t *m, cpm_rcpts_t *rcpts)
{
	cpm_session_t *s = cpm_session_new(new_id(), rcpts->n);
	str v[CPM_DT_N] = {{NULL, 0}};

	if(s == NULL)
		return NULL;
	v[CPM_DT_USER] = m->user;
	v[CPM_DT_REF] = m->ref;
	s->kind = CPM_UAS_STORE;
	s->term = true;
	s->uas_done = true; /* nobody waits for an answer */
	s->received = true;
	s->fence = m->fence;
	s->push_tag = m->tag;
	s->sized = true;
	s->bytes = m->size;
	s->msg = texts(m);
	s->defer_text = cpm_strs_new(v, CPM_DT_N);
	cpm_leg_move(s, &s->legs[CPM_IN], CPM_L_DOWN);
	if(s->msg == NULL || s->defer_text == NULL) {
		cpm_session_free(s);
		return NULL;
	}
	s->rcpts = rcpts;
	cpm_b2b_legs_init(s);
	s->ring_at =
			s->created_ms + (uint64_t)cpm_conf.ring_timeout + RING_SPARE_MS;
	return s;
}

int cpm_term_push(const cpm_term_push_t *m, cpm_rcpts_t *rcpts)
{
	cpm_session_t *s = build(m, rcpts);
	uint64_t id;
	int rc;

	if(s == NULL) {
		cpm_rcpts_free(&rcpts);
		return -ENOMEM;
	}
	id = s->id;
	LM_INFO("session " CPM_ID_FMT " begins: %.*s, %" PRIu64
			" bytes for %.*s, %u clients\n",
			CPM_ID_ARG(id), STR_FMT(&m->ref), m->size, STR_FMT(&m->user),
			rcpts->n);
	rc = cpm_session_add(s);
	if(rc < 0) {
		cpm_session_free(s);
		return rc;
	}
	rc = cpm_media_create(id);
	if(rc < 0)
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, CPM_IN, (str){NULL, 0});
	return 0;
}

/* Have all of them refused the message for good? One that was away, or has not
 * answered, may take it yet. */
static bool all_lasting(const cpm_session_t *s)
{
	for(unsigned i = 0; i < s->n_dlv; i++)
		if(s->dlv[i].state != CPM_V_FAILED
				|| !cpm_fanout_lasting(s->dlv[i].code))
			return false;
	return s->n_dlv > 0;
}

void cpm_push_tell(uint64_t id, bool over)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_term_pushed_t r = {.session = id, .over = over};
	bool tell = s && s->kind == CPM_UAS_STORE;

	if(tell) {
		r.tag = s->push_tag;
		r.delivered = s->n_done > 0;
		r.left = over && s->push_left;
		r.code = s->fail_code;
		r.lasting = all_lasting(s);
	}
	if(s)
		cpm_session_unlock(s);
	if(tell && pushed)
		pushed(&r);
}

/* Does a client receive it, or is about to? */
static bool is_received(cpm_session_t *s)
{
	for(unsigned i = 0; i < s->n_dlv; i++) {
		const cpm_leg_t *l = cpm_session_leg(s, s->dlv[i].leg);

		if(l && s->dlv[i].state == CPM_V_PENDING && l->state != CPM_L_INVITED
				&& l->state != CPM_L_RINGING)
			return true;
	}
	return false;
}

cpm_term_left_t cpm_term_push_leave(uint64_t session)
{
	cpm_session_t *s = cpm_session_lock(session);
	cpm_term_left_t how = CPM_LEFT_OVER;

	if(s == NULL)
		return how;
	if(s->state != CPM_S_CLOSING) {
		how = is_received(s) ? CPM_LEFT_NOT : CPM_LEFT;
		s->push_left |= how == CPM_LEFT;
	}
	cpm_session_unlock(s);
	return how;
}
