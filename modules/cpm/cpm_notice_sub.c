/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * SUBSCRIBE to the event package "deferred-messages" (RFC 6665 4.2.1): a user
 * subscribes to his own deferred messages and to nobody else's. A refresh, an
 * end (Expires: 0) and a single look (a first SUBSCRIBE with Expires: 0) each
 * get a NOTIFY with the whole list.
 */
#include <errno.h>
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_cseq.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_conf.h"
#include "cpm_notice_int.h"
#include "cpm_trust.h"
#include "proto/addr.h"
#include "proto/deferred_list.h"

#define EVENT_MAX 128 /* bytes of an Event value that is given back */

static const str none = {NULL, 0};

/* ---- what is asked for ---- */

static bool is_ours(sip_msg_t *msg, struct slice *event)
{
	*event = slice_trim(cpm_slice_of(cpm_hdr_get(msg, "Event")));
	if(event->n == 0) {
		hdr_field_t *h = cpm_hdr_next(msg, "o", NULL);

		if(h)
			*event = slice_trim(cpm_slice_of(h->body));
	}
	return slice_ieq(slice_trim(slice_cut(*event, ';', NULL)),
				   SLICE(CPM_NOTICE_EVENT))
			&& event->n <= EVENT_MAX && cpm_str_clean(cpm_str_of(*event));
}

/* RFC 3261 20.1, 13.3.1.3: without Accept the package's own type. */
static bool accepts(sip_msg_t *msg)
{
	hdr_field_t *h = NULL;
	bool any = false;

	while((h = cpm_hdr_next(msg, "Accept", h)) != NULL) {
		struct slice rest = cpm_slice_of(h->body);

		any = true;
		while(rest.n > 0) {
			struct slice one = slice_cut(rest, ',', &rest);
			struct slice type = slice_trim(slice_cut(one, ';', NULL));

			if(slice_ieq(type, SLICE(DEFERRED_LIST_TYPE))
					|| slice_eq(type, SLICE("*/*"))
					|| slice_ieq(type, SLICE("application/*")))
				return true;
		}
	}
	return !any;
}

/* The name of the refusal or NULL; *s is the time granted. */
static const char *read_expires(sip_msg_t *msg, uint32_t *s, cpm_buf_t *lines)
{
	str v = cpm_hdr_get(msg, "Expires");
	uint64_t n = (uint64_t)cpm_conf.subscribe_default;

	if(v.len > 0 && !slice_u64(slice_trim(cpm_slice_of(v)), UINT32_MAX, &n))
		return "bad-request";
	if(n > 0 && n < (uint64_t)cpm_conf.subscribe_min) {
		cpm_buf_fmt(lines, "Min-Expires: %d\r\n", cpm_conf.subscribe_min);
		return "brief";
	}
	if(n > (uint64_t)cpm_conf.subscribe_max)
		n = (uint64_t)cpm_conf.subscribe_max;
	*s = (uint32_t)n;
	return NULL;
}

/* The subscriber as the network has asserted him. */
struct subscriber
{
	char name[CPM_USER_BUF]; /* his SIP name */
	int len;
	char tel[CPM_USER_BUF];
	int tel_len;
	cpm_clients_t *c; /* NULL: not known */
};

static bool is_name(const struct subscriber *w, str uri)
{
	char name[CPM_USER_BUF];
	int n = cpm_user_name(uri, name);

	if(n < 0)
		return false;
	if((n == w->len && memcmp(name, w->name, (size_t)n) == 0)
			|| (n == w->tel_len && memcmp(name, w->tel, (size_t)n) == 0))
		return true;
	for(unsigned i = 0; w->c && i < w->c->n_ids; i++)
		if(w->c->ids[i].len == n
				&& memcmp(w->c->ids[i].s, name, (size_t)n) == 0)
			return true;
	return false;
}

/* The function's own address, whatever its parameters. */
static bool is_function(str uri)
{
	char a[CPM_USER_BUF], b[CPM_USER_BUF];
	int n = cpm_user_name(uri, a), m;

	if(n < 0 || cpm_conf.deferred_uri.len == 0)
		return false;
	m = cpm_user_name(cpm_conf.deferred_uri, b);
	return n == m && memcmp(a, b, (size_t)n) == 0;
}

/* Only he himself: by what a trusted peer asserts, or the script has found out.
 */
static const char *check_user(sip_msg_t *msg, struct subscriber *w)
{
	str who = cpm_identity_uri(msg), tel = cpm_identity_tel(msg);

	if(!cpm_identity_known(msg))
		return "127";
	w->len = cpm_user_name(who, w->name);
	w->tel_len = tel.len > 0 ? cpm_user_name(tel, w->tel) : 0;
	if(w->len < 0)
		return "127";
	if(cpm_clients_get(&who, &w->c) < 0)
		w->c = NULL;
	return is_function(*GET_RURI(msg)) || is_name(w, *GET_RURI(msg)) ? NULL
																	 : "127";
}

/* ---- answers ---- */

static void answer(sip_msg_t *msg, str tag, uint32_t expires_s)
{
	struct cell *t = NULL, *saved = cpm_tm.t_gett();
	int branch = cpm_tm.t_gett_branch();
	str reason = CPM_STR("OK"), body = {NULL, 0}, lines;
	cpm_buf_t b = {0};

	cpm_hdr_server(&b);
	cpm_buf_fmt(&b, "Expires: %u\r\nContact: <%.*s>\r\n", expires_s,
			STR_FMT(&cpm_conf.contact));
	lines = cpm_buf_get(&b);
	if(b.bad || cpm_tm.t_lookup_ident(&t, saved->hash_index, saved->label) <= 0
			|| cpm_tm.t_reply_with_body(t, 200, &reason, &body, &lines, &tag)
					< 0)
		LM_ERR("a SUBSCRIBE got no answer, Call-ID %.*s\n",
				STR_FMT(&msg->callid->body));
	cpm_tm.t_sett(saved, branch);
	cpm_buf_free(&b);
}

static void refuse(sip_msg_t *msg, const char *no, cpm_buf_t *lines)
{
	cpm_reject(msg, no, NULL, cpm_buf_get(lines));
}

/* ---- a first SUBSCRIBE ---- */

/* The dialog with the event, of which we are the UAS. */
static cpm_strs_t *dialog(sip_msg_t *msg, uint64_t id, struct slice event)
{
	char tag[CPM_TAG_BUF];
	cpm_strs_t *in = cpm_text_in_dialog(msg, id), *d;
	str v[CPM_D_N + 1];

	if(in == NULL)
		return NULL;
	for(unsigned i = 0; i < CPM_D_N; i++)
		v[i] = cpm_strs_get(in, i);
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, CPM_NOTICE_LEG, tag)};
	v[CPM_SUB_EVENT] = cpm_str_of(event);
	d = cpm_strs_new(v, CPM_D_N + 1);
	cpm_strs_free(&in);
	return d;
}

/* All his names: those that the request asserts and those registered with
 * them. */
static cpm_strs_t *names(const struct subscriber *w)
{
	str v[CPM_STRS_MAX];
	unsigned n = 0;

	v[n++] = (str){(char *)w->name, w->len};
	if(w->tel_len > 0)
		v[n++] = (str){(char *)w->tel, w->tel_len};
	for(unsigned i = 0; w->c && i < w->c->n_ids && n < CPM_STRS_MAX; i++) {
		bool twice = false;

		for(unsigned j = 0; j < n; j++)
			twice = twice
					|| (v[j].len == w->c->ids[i].len
							&& memcmp(v[j].s, w->c->ids[i].s, (size_t)v[j].len)
									== 0);
		if(!twice)
			v[n++] = w->c->ids[i];
	}
	return cpm_strs_new(v, n);
}

static uint32_t cseq_of(sip_msg_t *msg)
{
	str num = get_cseq(msg)->number;
	uint64_t v = 0;

	slice_u64(cpm_slice_of(num), INT32_MAX, &v);
	return (uint32_t)v;
}

/* The name of the refusal or NULL; *tag is the subscription's. */
static const char *subscribe(sip_msg_t *msg, const struct subscriber *w,
		struct slice event, uint32_t expires_s, char tag[CPM_TAG_BUF])
{
	str name = {(char *)w->name, w->len};
	cpm_sub_t *s = shm_malloc(sizeof(*s));
	cpm_strs_t *ids = names(w), *old;
	cpm_told_t *e;
	const char *no = "memory";
	uint64_t id;

	if(s == NULL || ids == NULL) {
		if(s)
			shm_free(s);
		cpm_strs_free(&ids);
		return no;
	}
	memset(s, 0, sizeof(*s));
	s->sock = msg->rcv.bind_address;
	s->peer_cseq = cseq_of(msg);
	s->expires_at = cpm_now_ms() + (uint64_t)expires_s * 1000;
	s->due = true;
	s->over = expires_s == 0;
	id = s->id = cpm_sub_new_id(name);
	s->dlg = dialog(msg, id, event);
	e = s->dlg ? cpm_told_lock(name, true) : NULL;
	if(e) {
		no = e->n_subs < CPM_SUBS_MAX ? NULL : "subscriptions";
		if(no == NULL) {
			cpm_sub_add(e, s);
			s = NULL;
			old = e->ids;
			e->ids = ids;
			ids = old;
			e->next_at = 0; /* the first NOTIFY does not wait */
		}
		cpm_told_unlock(e);
	}
	cpm_strs_free(&ids);
	if(s)
		cpm_sub_free(s);
	cpm_tag_print(id, CPM_NOTICE_LEG, tag);
	return no;
}

static const char *check(sip_msg_t *msg, struct subscriber *w,
		uint32_t *expires_s, cpm_buf_t *lines)
{
	const char *no = check_user(msg, w);
	bool isfocus;
	str contact;

	if(no == NULL && !accepts(msg))
		no = "accept";
	if(no == NULL)
		no = read_expires(msg, expires_s, lines);
	if(no == NULL && cpm_hdr_contact(msg, &contact, &isfocus) < 0)
		no = "bad-request";
	if(no == NULL && !cpm_text_next_hop_resolves(msg, contact))
		no = "bad-request";
	return no;
}

int ki_cpm_subscribe(sip_msg_t *msg)
{
	struct subscriber w = {.len = 0};
	struct slice event;
	char tag[CPM_TAG_BUF];
	cpm_buf_t lines = {0};
	const char *no;
	uint32_t expires_s = 0;
	int rc;

	if(msg->REQ_METHOD != METHOD_SUBSCRIBE
			|| !(cpm_conf.notify_by & CPM_NOTIFY_NOTIFY)
			|| cpm_b2b_parse(msg) < 0 || get_to(msg)->tag_value.len > 0
			|| !is_ours(msg, &event))
		return -1;
	no = check(msg, &w, &expires_s, &lines);
	rc = no ? 1 : cpm_tm.t_newtran(msg);
	if(rc < 0)
		no = "memory";
	if(no == NULL && rc > 0)
		no = subscribe(msg, &w, event, expires_s, tag);
	if(no)
		refuse(msg, no, &lines);
	else if(rc > 0) {
		LM_INFO("%s subscribes to his deferred messages for %u s\n", w.name,
				expires_s);
		answer(msg, (str){tag, (int)strlen(tag)}, expires_s);
		cpm_told_ask((str){w.name, w.len});
	}
	cpm_clients_free(&w.c);
	cpm_buf_free(&lines);
	return 0;
}

/* ---- within its dialog ---- */

static bool same(str a, str b)
{
	return a.len == b.len && memcmp(a.s, b.s, (size_t)a.len) == 0;
}

/* The subscription of this dialog, locked. */
static cpm_sub_t *find(sip_msg_t *msg, uint64_t id, cpm_told_t **e)
{
	cpm_sub_t *s = cpm_sub_lock(id, e);

	if(s == NULL)
		return NULL;
	if(!s->over && same(cpm_strs_get(s->dlg, CPM_D_CALL_ID), msg->callid->body)
			&& same(cpm_strs_get(s->dlg, CPM_D_REMOTE_TAG),
					get_from(msg)->tag_value))
		return s;
	cpm_told_unlock(*e);
	return NULL;
}

/* The dialog with another target (RFC 6665 4.2.1.4: Contact of a refresh). */
static cpm_strs_t *retargeted(sip_msg_t *msg, const cpm_strs_t *old)
{
	str v[CPM_D_N + 1], uri;
	bool isfocus;

	if(old == NULL || cpm_hdr_contact(msg, &uri, &isfocus) < 0)
		return NULL;
	for(unsigned i = 0; i <= CPM_SUB_EVENT; i++)
		v[i] = cpm_strs_get(old, i);
	if(same(v[CPM_D_TARGET], uri))
		return NULL;
	v[CPM_D_TARGET] = uri;
	return cpm_strs_new(v, CPM_D_N + 1);
}

static const char *refresh(sip_msg_t *msg, const cpm_at_t *at,
		uint32_t expires_s, char name[CPM_USER_BUF], int *len)
{
	cpm_told_t *e;
	cpm_sub_t *s = find(msg, at->id, &e);
	cpm_strs_t *old, *made;

	if(s == NULL)
		return "dialog";
	if(at->cseq <= s->peer_cseq) {
		cpm_told_unlock(e);
		return "cseq";
	}
	s->peer_cseq = at->cseq;
	old = cpm_strs_copy(s->dlg);
	cpm_told_unlock(e);
	made = retargeted(msg, old);
	cpm_strs_drop(old);
	s = find(msg, at->id, &e);
	if(s == NULL) {
		cpm_strs_free(&made);
		return "dialog";
	}
	if(made) {
		old = s->dlg;
		s->dlg = made;
		made = old;
	}
	s->expires_at = cpm_now_ms() + (uint64_t)expires_s * 1000;
	s->over = expires_s == 0;
	s->due = true;
	*len = e->len < CPM_USER_BUF ? e->len : 0;
	memcpy(name, e->name, (size_t)*len);
	cpm_told_unlock(e);
	cpm_strs_free(&made);
	return NULL;
}

int cpm_notice_in_dialog(sip_msg_t *msg, const cpm_at_t *at)
{
	char name[CPM_USER_BUF];
	cpm_buf_t lines = {0};
	uint32_t expires_s = 0;
	const char *no = NULL;
	struct slice event;
	int len = 0, rc;

	if(msg->REQ_METHOD == METHOD_ACK)
		return 0;
	rc = cpm_tm.t_newtran(msg);
	if(rc < 0)
		cpm_reject(msg, "memory", NULL, none);
	if(rc <= 0)
		return 0;
	if(msg->REQ_METHOD != METHOD_SUBSCRIBE)
		no = "method";
	else if(!is_ours(msg, &event))
		no = "event";
	else
		no = read_expires(msg, &expires_s, &lines);
	if(no == NULL)
		no = refresh(msg, at, expires_s, name, &len);
	if(no) {
		refuse(msg, no, &lines);
	} else {
		answer(msg, get_to(msg)->tag_value, expires_s);
		cpm_told_ask((str){name, len});
	}
	cpm_buf_free(&lines);
	return 0;
}
