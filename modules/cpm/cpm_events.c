/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the relay tells without being asked: events of its legs, and that the
 * connection is there (again). After each connection both sides' sessions are
 * compared page by page: the relay's that nobody here knows are closed (this
 * server was restarted), ours that the relay does not know are ended (it was).
 * Everything here runs in the link process.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_direct.h"
#include "cpm_link.h"
#include "cpm_notice.h"
#include "cpm_push.h"
#include "cpm_switch.h"
#include "cpm_term_int.h"
#include "proto/slice.h"

#define PAGE 200        /* sessions in one session.list */
#define SETTLE_MS 10000 /* younger sessions may not be listed yet */

/* Of the comparison that runs; a new connection begins a new one. */
static struct
{
	uint64_t round;  /* which comparison the answers belong to */
	uint64_t began;  /* cpm_now_ms() */
	json_int_t next; /* offset of the next page */
} compare;

static int leg_of(const json_t *params, unsigned *n)
{
	const char *name = json_string_value(json_object_get(params, "leg"));
	uint64_t v;

	if(name == NULL)
		return -1;
	if(strcmp(name, "in") == 0) {
		*n = CPM_IN;
		return 0;
	}
	if(!slice_u64(slice_str(name), CPM_LEGS_MAX, &v) || v == 0)
		return -1;
	*n = (unsigned)v;
	return 0;
}

static void on_delivered(uint64_t id, unsigned n, json_int_t bytes)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;

	if(l) {
		l->delivered = true;
		if(bytes > 0 && !cpm_session_is_copy(s, n))
			s->bytes = (uint64_t)bytes;
	}
	if(s)
		cpm_session_unlock(s);
	if(l) {
		cpm_direct_begin(id);
		cpm_dlv_done(id, n);
	}
}

static void on_failed(
		uint64_t id, unsigned n, json_int_t status, const char *error)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_leg_t *l = s ? cpm_session_leg(s, n) : NULL;
	/* who has sent or got all of it may go as he likes */
	bool fetched = s && s->kind == CPM_UAS_FETCH;
	bool news = l && !l->failed && !l->delivered && s->state != CPM_S_CLOSING
			&& !(n == CPM_IN && s->keep && s->received && !fetched);
	bool all = news && (n == CPM_IN || cpm_session_in_pair(s, n));

	if(news)
		l->failed = true;
	/* the sender learns it by MSRP and hangs up; if he does not... */
	if(all && s->media_at == 0)
		s->media_at = cpm_now_ms() + CPM_MEDIA_GRACE_MS;
	if(s)
		cpm_session_unlock(s);
	if(!news)
		return;
	LM_NOTICE("session " CPM_ID_FMT " leg %u: MSRP failed: %d %s\n",
			CPM_ID_ARG(id), n, (int)status, error ? error : "");
	if(fetched)
		cpm_b2b_end(id, CPM_END_MEDIA, CPM_IN, (str){NULL, 0});
	else if(!all)
		cpm_dlv_media_failed(id, n, (int)status);
}

static void on_received(uint64_t id, bool whole)
{
	cpm_session_t *s = cpm_session_lock(id);

	if(s == NULL)
		return;
	if(whole)
		s->received = true;
	else if(!s->received && s->media_at == 0)
		s->media_at = cpm_now_ms() + CPM_MEDIA_GRACE_MS;
	cpm_session_unlock(s);
	if(whole) {
		cpm_switch_received(id);
		cpm_dlv_left(id, false);
	}
}

static void on_leg(const char *type, const json_t *params, uint64_t id)
{
	const char *error = json_string_value(json_object_get(params, "error"));
	unsigned n;

	if(leg_of(params, &n) < 0)
		return;
	if(strcmp(type, "leg.delivered") == 0)
		on_delivered(
				id, n, json_integer_value(json_object_get(params, "bytes")));
	else if(strcmp(type, "leg.failed") == 0)
		on_failed(id, n, json_integer_value(json_object_get(params, "status")),
				error);
}

/* The relay has closed it for want of media. */
static void on_idle(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool delivered, message;

	if(s == NULL)
		return;
	delivered = cpm_session_delivered(s);
	message = s->kind == CPM_UAS_MESSAGE;
	if(s->relay == CPM_R_OPEN)
		s->relay = CPM_R_CLOSED;
	cpm_session_unlock(s);
	if(message && !delivered) {
		int code;
		cpm_strs_t *answer =
				cpm_reject_answer(cpm_switch_refusal(0), NULL, &code);

		cpm_uas_final(id, code, answer);
	}
	cpm_b2b_end(id, delivered ? CPM_END_DELIVERED : CPM_END_IDLE, CPM_IN,
			(str){NULL, 0});
}

static void on_event(const char *type, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "session"));
	uint64_t id;

	if(strncmp(type, "deferred.", 9) == 0) {
		cpm_push_event(type, params);
		return;
	}
	if(name == NULL || cpm_id_parse(name, strlen(name), &id) < 0)
		return; /* of an earlier life: the comparison closes it */
	if(strcmp(type, "session.idle") == 0)
		on_idle(id);
	else if(strcmp(type, "message.started") == 0)
		cpm_direct_begin(id);
	else if(strcmp(type, "message.received") == 0)
		on_received(id, true);
	else if(strcmp(type, "message.aborted") == 0)
		on_received(id, false);
	else if(strcmp(type, "message.deferred") == 0
			|| strcmp(type, "message.refused") == 0)
		cpm_defer_event(id, type, params);
	else
		on_leg(type, params, id);
}

/* ---- comparison ---- */

static void close_stranger(const char *name)
{
	json_t *p = json_pack("{s:s,s:b}", "session", name, "abort", 1);

	if(p)
		cpm_link_send("session.close", p, 0, NULL, 0, 0);
}

/* Mark one listed session as seen; false: nobody here knows it. */
static bool mark(const char *name)
{
	cpm_session_t *s;
	uint64_t id;

	if(cpm_id_parse(name, strlen(name), &id) < 0)
		return false;
	s = cpm_session_lock(id);
	if(s == NULL)
		return false;
	s->seen_ms = cpm_now_ms();
	cpm_session_unlock(s);
	return true;
}

/* The relay has lost the session: the timer process will end it. */
static bool give_up(uint64_t id, bool all)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool lost;

	if(s == NULL)
		return false;
	lost = s->relay == CPM_R_OPEN && s->end_at == 0 && s->state != CPM_S_CLOSING
			&& (all
					|| (s->seen_ms < compare.began
							&& s->created_ms + SETTLE_MS < compare.began));
	if(lost) {
		s->relay = CPM_R_CLOSED;
		s->end_at = cpm_now_ms();
	}
	cpm_session_unlock(s);
	return lost;
}

static void give_up_lost(bool all)
{
	uint64_t ids[256];
	unsigned slot = 0, n, lost = 0;

	while((n = cpm_session_ids(&slot, ids, 256)) > 0)
		for(unsigned i = 0; i < n; i++)
			lost += give_up(ids[i], all);
	if(lost)
		LM_WARN("%u sessions are gone at the relay and will be ended\n", lost);
}

static void ask_page(void);

static void on_page(cpm_link_rc_t rc, int code, const json_t *result,
		uint64_t round, int leg)
{
	json_t *list = json_object_get(result, "sessions"), *one;
	size_t i, n = json_array_size(list), strangers = 0;
	json_int_t total;

	(void)leg;
	if(round != compare.round)
		return;
	if(rc != CPM_LINK_OK) {
		LM_NOTICE("session.list: no answer (%d, %d)\n", rc, code);
		return;
	}
	total = json_integer_value(json_object_get(result, "total"));
	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "session"));

		if(name && !mark(name)) {
			close_stranger(name);
			strangers++;
		}
	}
	if(strangers)
		LM_NOTICE("%zu sessions of an earlier life closed at the relay\n",
				strangers);
	/* those closed make the ones behind them move up */
	compare.next += (json_int_t)(n - strangers);
	/* a page may be short of its limit: answers have a largest size */
	if(n > 0 && compare.next < total - (json_int_t)strangers)
		ask_page();
	else
		give_up_lost(false);
}

static void ask_page(void)
{
	json_t *p = json_pack("{s:s#,s:I,s:i}", "owner", cpm_conf.relay_owner.s,
			cpm_conf.relay_owner.len, "offset", compare.next, "limit", PAGE);

	if(p)
		cpm_link_send("session.list", p, 0, on_page, compare.round, 0);
}

static void on_up(int new_boot)
{
	if(new_boot)
		give_up_lost(true);
	cpm_notice_changed((str){NULL, 0}); /* what was told meanwhile is lost */
	compare.round++;
	compare.began = cpm_now_ms();
	compare.next = 0;
	ask_page();
}

void cpm_events_init(void)
{
	cpm_link_on_event(on_event);
	cpm_link_on_up(on_up);
}
