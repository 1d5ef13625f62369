/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client asks for one stored message: an INVITE to the deferred messages
 * function (modparam deferred_uri) with the message's reference as parameter
 * ref. Its owner gets it on that session: we answer sendonly, and hang up when
 * he has all of it; then the relay has removed it. To everybody else there is
 * no such message (404). OMA-TS-CPM_Conv_Fnct 8.3.2.3, TL-18.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_check.h"
#include "cpm_clients.h"
#include "cpm_conf.h"
#include "cpm_deferred.h"
#include "cpm_media.h"
#include "cpm_push.h"
#include "cpm_req.h"
#include "cpm_stats.h"
#include "cpm_term_int.h"
#include "cpm_trust.h"
#include "proto/addr.h"
#include "proto/ctl.h"

#define REF_MAX 64      /* bytes of a reference */
#define LEASE_MS 60000  /* the relay renews it while the session lives */
#define ANSWER_MS 60000 /* the client is answered by then */
#define NAMES_MAX 16    /* identities of one user */

static char function[CPM_USER_BUF]; /* canonical; empty: there is none */

int cpm_fetch_init(void)
{
	str uri = cpm_conf.deferred_uri;

	function[0] = '\0';
	if(uri.len <= 0 || cpm_user_name(uri, function) >= 0)
		return 0;
	LM_ERR("modparam deferred_uri is no address: %.*s\n", STR_FMT(&uri));
	return -1;
}

bool cpm_fetch_wanted(sip_msg_t *msg)
{
	char name[CPM_USER_BUF];
	/* whatever its parameters are */
	struct slice uri = slice_cut(cpm_slice_of(*GET_RURI(msg)), ';', NULL);

	return function[0] && cpm_user_name(cpm_str_of(uri), name) > 0
			&& strcmp(name, function) == 0;
}

static bool name_ok(struct slice s)
{
	char text[REF_MAX + 1];

	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return ctl_name_ok(text, REF_MAX);
}

/* Its reference, as far as it can be one; empty: none. */
static str reference(sip_msg_t *msg)
{
	sip_uri_t uri;
	struct slice v;

	if(parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) < 0
			|| !addr_param(cpm_slice_of(uri.params), SLICE("ref"), &v)
			|| v.n == 0 || v.n > REF_MAX || !name_ok(v))
		return (str){NULL, 0};
	return cpm_str_of(v);
}

/* ---- whose it may be ---- */

static bool has_name(struct slice all, const char *name)
{
	while(all.n > 0)
		if(slice_eq(slice_cut(all, ' ', &all), slice_str(name)))
			return true;
	return false;
}

/* His names, one behind the other with blanks, in private memory. */
static void add_name(cpm_buf_t *b, str uri)
{
	char name[CPM_USER_BUF];
	int n = uri.len > 0 ? cpm_user_name(uri, name) : -1;

	if(n <= 0 || has_name(cpm_slice_of(cpm_buf_get(b)), name))
		return;
	cpm_buf_lit(b, b->len ? " " : "");
	cpm_buf_add(b, name, n);
}

static void owner_names(sip_msg_t *msg, cpm_buf_t *b)
{
	str own = cpm_identity_uri(msg);
	cpm_clients_t *c = NULL;

	add_name(b, own);
	add_name(b, cpm_identity_tel(msg));
	if(cpm_clients_get(&own, &c) < 0)
		return;
	for(unsigned i = 0; i < c->n_ids; i++)
		add_name(b, c->ids[i]);
	cpm_clients_free(&c);
}

static json_t *names_json(str names)
{
	struct slice rest = cpm_slice_of(names);
	json_t *a = json_array();

	while(rest.n > 0 && json_array_size(a) < NAMES_MAX)
		json_array_append_new(
				a, cpm_media_text(cpm_str_of(slice_cut(rest, ' ', &rest))));
	return a;
}

/* ---- the claim ---- */

static void give_up(uint64_t id, const char *refusal)
{
	int code;
	cpm_strs_t *answer = cpm_reject_answer(refusal, NULL, &code);

	cpm_uas_final(id, code, answer);
	cpm_b2b_end(id, CPM_END_REFUSED, CPM_IN, (str){NULL, 0});
}

static const char *why_not(cpm_link_rc_t rc, int code)
{
	if(rc != CPM_LINK_ERROR)
		return "relay";
	return code == CTL_E_STORE                              ? "store"
			: code == CTL_E_UNKNOWN || code == CTL_E_PARAMS ? "ref"
															: "relay";
}

/* Its lifetime is: its sender is being told. */
static bool is_over(const json_t *m)
{
	const char *state = json_string_value(json_object_get(m, "state"));

	return state && strcmp(state, "expiring") == 0;
}

static str text_of(const json_t *m, const char *key)
{
	const char *v = json_string_value(json_object_get(m, key));

	return v ? (str){(char *)v, (int)strlen(v)} : (str){NULL, 0};
}

/* What was claimed is noted, for whoever wants to know that it is gone. */
static void note(cpm_session_t *s, const json_t *m)
{
	const json_t *imdn = json_object_get(json_object_get(m, "imdn"), "is");
	str v[CPM_DT_N] = {[CPM_DT_USER] = text_of(m, "user"),
			[CPM_DT_SENDER] = text_of(m, "sender"),
			[CPM_DT_REF] = text_of(m, "ref"),
			[CPM_DT_KIND] = text_of(m, "kind"),
			[CPM_DT_IMDN] = json_is_true(imdn) ? CPM_STR("1") : CPM_STR("")};
	cpm_strs_t *t = cpm_strs_new(v, CPM_DT_N);

	if(t == NULL)
		return;
	cpm_strs_free(&s->defer_text);
	s->defer_text = t;
}

static void on_claimed(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t id, int leg)
{
	const json_t *m = json_object_get(result, "message");
	json_int_t size = json_integer_value(json_object_get(m, "size"));
	json_int_t fence = json_integer_value(json_object_get(m, "fence"));
	cpm_session_t *s;
	bool go = false;

	(void)leg;
	if(rc != CPM_LINK_OK) {
		if(code != CTL_E_UNKNOWN)
			cpm_media_log(id, "deferred.next", rc, code);
		give_up(id, why_not(rc, code));
		return;
	}
	/* somebody is getting it now, or an operator holds it */
	if(!json_is_object(m)) {
		give_up(id, "unavailable");
		return;
	}
	s = cpm_session_lock(id);
	if(s) {
		s->fence = (uint64_t)fence;
		s->bytes = (uint64_t)size;
		note(s, m);
		go = s->state != CPM_S_CLOSING;
		cpm_session_unlock(s);
	}
	if(!go)
		cpm_fetch_over(id); /* cancelled meanwhile */
	else if(is_over(m))
		give_up(id, "ref");
	else if(cpm_media_create(id) < 0)
		cpm_b2b_end(id, CPM_END_RELAY_AWAY, CPM_IN, (str){NULL, 0});
}

int cpm_fetch_claim(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_strs_t *t;
	json_t *p;

	if(s == NULL)
		return -ENOENT;
	t = cpm_strs_copy(s->defer_text);
	cpm_session_unlock(s);
	p = t ? json_pack("{s:o,s:o,s:i}", "ref",
				cpm_media_text(cpm_strs_get(t, CPM_DT_REF)), "users",
				names_json(cpm_strs_get(t, CPM_DT_USER)), "lease_ms", LEASE_MS)
		  : NULL;
	cpm_strs_drop(t);
	if(p == NULL)
		return -ENOMEM;
	return cpm_link_send("deferred.next", p, 0, on_claimed, id, 0);
}

/* He has it, and the relay has removed it. */
static void fetched(const cpm_strs_t *t, uint64_t size)
{
	cpm_deferred_tell(CPM_DEFERRED_DELIVERED,
			&(cpm_deferred_news_t){.ref = cpm_strs_get(t, CPM_DT_REF),
					.user = cpm_strs_get(t, CPM_DT_USER),
					.sender = cpm_strs_get(t, CPM_DT_SENDER),
					.kind = slice_eq(cpm_slice_of(cpm_strs_get(t, CPM_DT_KIND)),
									SLICE("pager"))
							? "pager"
							: "large",
					.size = size,
					.imdn = cpm_strs_get(t, CPM_DT_IMDN).len > 0});
}

/* It is as it was before: it will be pushed, or fetched another time. */
static void not_fetched(uint64_t id, const cpm_strs_t *t, uint64_t fence)
{
	json_t *p = json_pack("{s:o,s:I,s:s,s:i}", "ref",
			cpm_media_text(cpm_strs_get(t, CPM_DT_REF)), "fence",
			(json_int_t)fence, "outcome", cpm_conf.push ? "retry" : "wait",
			"retry_ms", (int)cpm_push_retry_ms(1, (uint32_t)id));

	if(p == NULL || cpm_link_send("deferred.settle", p, 0, NULL, 0, 0) < 0)
		LM_NOTICE("session " CPM_ID_FMT ": the claim ends with its lease\n",
				CPM_ID_ARG(id));
}

void cpm_fetch_over(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	cpm_strs_t *t = NULL;
	uint64_t fence = 0, size = 0;
	bool delivered = false;

	if(s && s->kind == CPM_UAS_FETCH && s->fence) {
		t = cpm_strs_copy(s->defer_text);
		delivered = s->legs[CPM_IN].delivered;
		fence = s->fence;
		size = s->bytes;
		s->fence = 0;
	}
	if(s)
		cpm_session_unlock(s);
	if(t && delivered) {
		str owner = cpm_strs_get(t, CPM_DT_USER);

		fetched(t, size);
		/* it may have been the one for whose time the others waited */
		cpm_push_user(&owner, false, 0);
	} else if(t)
		not_fetched(id, t, fence);
	cpm_strs_drop(t);
}

/* ---- the way in ---- */

/* He must be willing to receive. */
static const char *check(sip_msg_t *msg, cpm_invite_t *in)
{
	const char *no = cpm_check(msg);

	if(no == NULL)
		no = cpm_check_timer(msg, &in->timer);
	if(no == NULL && reference(msg).len == 0)
		no = "ref";
	if(no == NULL)
		no = cpm_invite_check_media(msg, in);
	if(no == NULL && in->sdp.dir != SDP_RECVONLY
			&& in->sdp.dir != SDP_SENDRECV) {
		in->detail = "A session in which you receive is required";
		no = "sdp";
	}
	return no;
}

static cpm_session_t *build(
		sip_msg_t *msg, uint64_t id, cpm_invite_t *in, str names, str ref)
{
	cpm_session_t *s;
	str v[CPM_DT_N] = {{NULL, 0}};

	in->term = true; /* no recipient */
	s = cpm_invite_build(msg, id, in, *GET_RURI(msg));
	if(s == NULL)
		return NULL;
	v[CPM_DT_USER] = names;
	v[CPM_DT_REF] = ref;
	s->kind = CPM_UAS_FETCH;
	s->term = s->sized = false;
	s->defer_text = cpm_strs_new(v, CPM_DT_N);
	if(s->defer_text)
		return s;
	cpm_session_free(s);
	return NULL;
}

static int begin(sip_msg_t *msg, cpm_invite_t *in)
{
	struct cell *t = cpm_tm.t_gett();
	uint64_t id = cpm_id_make(t->hash_index, t->label);
	str ref = reference(msg);
	cpm_buf_t names = {0};
	cpm_session_t *s = NULL;

	owner_names(msg, &names);
	if(!names.bad)
		s = build(msg, id, in, cpm_buf_get(&names), ref);
	LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: %.*s fetches %.*s\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), names.len,
			names.s ? names.s : "", STR_FMT(&ref));
	cpm_buf_free(&names);
	return s && cpm_b2b_begin(msg, s, ANSWER_MS) == 0 ? 0 : -1;
}

int cpm_fetch(sip_msg_t *msg)
{
	cpm_invite_t in = {.detail = NULL};
	const char *no = check(msg, &in);
	int rc;

	if(no)
		return cpm_reject(msg, no, in.detail, (str){NULL, 0}) < 0 ? -1 : 0;
	rc = cpm_tm.t_newtran(msg);
	if(rc == 0) {
		cpm_stat_inc(CPM_STAT_RETRANSMITS);
	} else if(rc < 0 || begin(msg, &in) < 0) {
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		cpm_reject(msg, "memory", NULL, (str){NULL, 0});
	}
	return 0;
}
