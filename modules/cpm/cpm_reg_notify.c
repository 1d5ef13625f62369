/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NOTIFYs of the reg event package (cpm_reg.h): checks by RFC 6665 4.1.3, the
 * document into the user's state (RFC 3680), what a subscription's end means.
 * The dialog may begin with the NOTIFY, before the 200 to our SUBSCRIBE.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_cseq.h"
#include "../../core/parser/parse_from.h"
#include "cpm_alias.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_hdr.h"
#include "cpm_id.h"
#include "cpm_reg.h"
#include "cpm_exploder.h"
#include "cpm_stats.h"
#include "proto/addr.h"

#define MERGES_MAX 3        /* another NOTIFY was quicker, so often */
#define SHORT_LIFE_MS 10000 /* a subscription that ends so soon */
#define REJECTED_S 300      /* asked again after reason=rejected */

/* What Subscription-State says. */
struct sub_state
{
	bool terminated, pending;
	bool has_expires;
	uint32_t expires_s, retry_s;
	struct slice reason;
};

/* One NOTIFY being worked on. */
struct notify
{
	sip_msg_t *msg;
	uint64_t id;
	uint32_t cseq;
	struct sub_state sub;
	struct reginfo doc;
	bool has_doc;
	struct regstate_news news;
	char name[CPM_USER_BUF];
	int len;
};

static uint32_t number(struct slice params, const char *name)
{
	struct slice v;
	uint64_t s;

	return addr_param(params, slice_str(name), &v)
					&& slice_u64(v, UINT32_MAX, &s)
			? (uint32_t)s
			: 0;
}

static bool read_sub_state(sip_msg_t *msg, struct sub_state *out)
{
	struct slice v = cpm_slice_of(cpm_hdr_get(msg, "Subscription-State"));
	struct slice params, what = slice_trim(slice_cut(v, ';', &params));

	memset(out, 0, sizeof(*out));
	if(what.n == 0)
		return false;
	out->terminated = slice_ieq(what, SLICE("terminated"));
	out->pending = slice_ieq(what, SLICE("pending"));
	out->has_expires = addr_param(params, SLICE("expires"), NULL);
	out->expires_s = number(params, "expires");
	out->retry_s = number(params, "retry-after");
	addr_param(params, SLICE("reason"), &out->reason);
	return true;
}

/* ---- checks ---- */

static int answer(sip_msg_t *msg, unsigned code, char *phrase)
{
	cpm_buf_t b = {0};

	cpm_hdr_server(&b);
	if(code == 489)
		cpm_buf_lit(&b, "Allow-Events: reg\r\n");
	if(!b.bad && b.len > 0)
		add_lump_rpl(msg, b.s, b.len, LUMP_RPL_HDR);
	cpm_buf_free(&b);
	if(cpm_tm.t_reply(msg, code, phrase) < 0)
		LM_ERR("NOTIFY got no %u\n", code);
	return 0;
}

static bool is_event(sip_msg_t *msg, struct slice name)
{
	struct slice v = cpm_slice_of(cpm_hdr_get(msg, "Event"));

	if(v.n == 0)
		v = cpm_slice_of(cpm_hdr_get(msg, "o"));
	return slice_ieq(slice_trim(slice_cut(v, ';', NULL)), name);
}

/* The document: 0 and it is read or there is none; else the refusing code. */
static unsigned read_doc(struct notify *n)
{
	struct slice body = cpm_body(n->msg), type;
	enum reginfo_error e;

	if(body.n == 0)
		return 0;
	type = cpm_slice_of(cpm_hdr_get(n->msg, "Content-Type"));
	if(!slice_ieq(slice_trim(slice_cut(type, ';', NULL)),
			   SLICE("application/reginfo+xml")))
		return 415;
	e = reginfo_parse(body, &n->doc);
	if(e == REGINFO_OK) {
		n->has_doc = true;
		return 0;
	}
	cpm_stat_inc(CPM_STAT_REG_BAD);
	LM_WARN("registration state of %.*s: NOTIFY of %zu bytes refused: %s\n",
			n->len, n->name, body.n, reginfo_error_text(e));
	return e == REGINFO_TOO_LONG ? 413 : e == REGINFO_MEMORY ? 500 : 400;
}

/* ---- the dialog ---- */

/* The dialog with what the NOTIFY says of the other side. */
static cpm_strs_t *dialog_of(const cpm_strs_t *old, sip_msg_t *msg, str tag)
{
	str v[CPM_D_N], uri;
	cpm_buf_t routes = {0};
	bool isfocus;
	hdr_field_t *h = NULL;
	cpm_strs_t *fresh;

	for(unsigned i = 0; i < CPM_D_N; i++)
		v[i] = cpm_strs_get(old, i);
	if(cpm_hdr_contact(msg, &uri, &isfocus) == 0) {
		v[CPM_D_TARGET] = uri;
		v[CPM_D_NEXT_HOP] = (str){NULL, 0};
	}
	if(v[CPM_D_REMOTE_TAG].len == 0) {
		v[CPM_D_REMOTE_TAG] = tag;
		while((h = cpm_hdr_next(msg, "Record-Route", h)) != NULL) {
			cpm_buf_lit(&routes, routes.len ? ", " : "");
			cpm_buf_str(&routes, h->body);
		}
		v[CPM_D_ROUTES] = routes.bad ? (str){NULL, 0} : cpm_buf_get(&routes);
	}
	fresh = cpm_strs_new(v, CPM_D_N);
	cpm_buf_free(&routes);
	return fresh;
}

static bool same(str a, str b)
{
	return a.len == b.len && memcmp(a.s, b.s, (size_t)a.len) == 0;
}

/* Is it of this dialog, and the next one: 0; else the refusing code. Under the
 * lock; the CSeq is taken. */
static unsigned in_order(cpm_reg_t *r, const struct notify *n, str tag)
{
	str known = cpm_strs_get(r->dlg, CPM_D_REMOTE_TAG);
	str call_id = n->msg->callid->body;

	if(r->state != CPM_REG_ASKING && r->state != CPM_REG_ACTIVE)
		return 481;
	if(!same(call_id, cpm_strs_get(r->dlg, CPM_D_CALL_ID))
			|| (known.len > 0 && !same(known, tag)))
		return 481; /* a fork that we do not want: RFC 6665 4.1.2.4 */
	if(r->notified && n->cseq <= r->peer_cseq)
		return 500;
	r->notified = true;
	r->peer_cseq = n->cseq;
	return 0;
}

static unsigned enter(struct notify *n)
{
	str tag = get_from(n->msg)->tag_value;
	cpm_strs_t *old, *fresh;
	cpm_reg_t *r = cpm_reg_lock_id(n->id);
	unsigned code;

	if(r == NULL)
		return 481;
	code = in_order(r, n, tag);
	n->len = r->len;
	memcpy(n->name, r->name, r->len);
	old = code == 0 ? cpm_strs_copy(r->dlg) : NULL;
	cpm_reg_unlock(r);
	if(code)
		return code;
	fresh = old ? dialog_of(old, n->msg, tag) : NULL;
	cpm_strs_drop(old);
	if(fresh == NULL)
		return 500;
	r = cpm_reg_lock_id(n->id);
	if(r) {
		str known = cpm_strs_get(r->dlg, CPM_D_REMOTE_TAG);

		if(known.len == 0 || same(known, tag)) {
			cpm_strs_t *was = r->dlg;

			r->dlg = fresh;
			fresh = was;
		}
		r->state = CPM_REG_ACTIVE;
		if(n->msg->rcv.bind_address)
			r->sock = (struct socket_info *)n->msg->rcv.bind_address;
		cpm_reg_unlock(r);
	}
	cpm_strs_free(&fresh);
	return r ? 0 : 481;
}

/* ---- the state ---- */

static struct regstate *copy_of(const struct regstate *s)
{
	struct regstate *c = s ? malloc(s->size) : NULL;

	if(c)
		memcpy(c, s, s->size);
	return c;
}

/* Put the new state in the old one's place: 0; -EAGAIN another NOTIFY was
 * quicker; -ENOENT; -ENOMEM. */
static int put_state(struct notify *n, const struct regstate *s, uint32_t gen)
{
	struct regstate *block = shm_malloc(s->size);
	cpm_reg_t *r;
	int rc = -EAGAIN;

	if(block == NULL)
		return -ENOMEM;
	memcpy(block, s, s->size);
	r = cpm_reg_lock_id(n->id);
	if(r == NULL) {
		shm_free(block);
		return -ENOENT;
	}
	if(r->gen == gen) {
		struct regstate *was = r->regs;

		r->regs = block;
		block = was;
		r->gen++;
		/* what came in between did not find them */
		n->news.refreshed |= !r->known && s->n_contacts > 0;
		r->known = true;
		if(cpm_now_ms() - r->since_ms > SHORT_LIFE_MS)
			r->failures = 0;
		rc = 0;
	}
	cpm_reg_unlock(r);
	if(block)
		shm_free(block);
	return rc;
}

/* Their further identities lead to this user as long as we are told. */
static void set_aliases(const struct notify *n, const struct regstate *s,
		const struct regstate *old, uint32_t ttl_s)
{
	const struct regstate *all[] = {old, s};
	char buf[CPM_USER_BUF];

	for(int k = 0; k < 2; k++)
		for(unsigned i = 0; all[k] && i < all[k]->n_regs; i++) {
			struct slice aor =
					regstate_get(all[k], regstate_regs(all[k])[i].aor);
			int len = cpm_user_name(cpm_str_of(aor), buf);

			if(len > 0)
				cpm_alias_set((str){buf, len}, (str){(char *)n->name, n->len},
						k ? ttl_s : 0);
		}
}

static int merge_once(struct notify *n)
{
	struct regstate *old, *s = NULL;
	cpm_reg_t *r = cpm_reg_lock_id(n->id);
	uint32_t gen, ttl_s;
	int rc;

	if(r == NULL)
		return -ENOENT;
	/* what an earlier dialog has told is no base for a part of this one */
	old = copy_of(r->known || n->doc.full ? r->regs : NULL);
	gen = r->gen;
	ttl_s = (uint32_t)cpm_conf.reg_expires;
	cpm_reg_unlock(r);
	rc = regstate_merge(old, &n->doc, (unsigned)cpm_conf.contacts_max_clients,
			&s, &n->news);
	if(rc == 0)
		rc = put_state(n, s, gen);
	if(rc == 0)
		set_aliases(n, s, old, ttl_s);
	free(s);
	free(old);
	return rc;
}

static int merge(struct notify *n)
{
	int rc = -EAGAIN;

	for(int i = 0; i < MERGES_MAX && rc == -EAGAIN; i++)
		rc = merge_once(n);
	return rc;
}

/* ---- the subscription ---- */

/* The end of it, by its reason; under the lock. True: ask again now. */
static bool terminated(cpm_reg_t *r, const struct notify *n)
{
	const struct sub_state *s = &n->sub;
	bool nobody = r->regs == NULL || r->regs->n_regs == 0;

	if((r->known && nobody) || slice_ieq(s->reason, SLICE("noresource"))) {
		if(r->regs)
			shm_free(r->regs);
		r->regs = NULL;
		r->gen++;
		cpm_reg_over(r, true);
		return false;
	}
	r->state = CPM_REG_RETRY;
	/* what it has told is good until the next one should have told */
	r->until_ms = cpm_now_ms() + 64000;
	if(slice_ieq(s->reason, SLICE("rejected"))) {
		r->known = false;
		cpm_reg_fail(r, REJECTED_S);
		return false;
	}
	if(slice_ieq(s->reason, SLICE("probation"))
			|| slice_ieq(s->reason, SLICE("giveup"))) {
		cpm_reg_fail(r, s->retry_s);
		return false;
	}
	/* deactivated, timeout, or no word: at once, but not in a circle */
	if(cpm_now_ms() - r->since_ms < SHORT_LIFE_MS || r->failures > 0) {
		cpm_reg_fail(r, s->retry_s);
		return false;
	}
	return true;
}

static void shorten(cpm_reg_t *r, uint32_t s)
{
	uint64_t now = cpm_now_ms(), until = now + (uint64_t)s * 1000;

	if(r->out) /* its answer says it better */
		return;
	r->until_ms = until;
	r->due_at = now + (uint64_t)(s > 1200 ? s - 600 : s / 2) * 1000;
}

/* After the answer: who waits, who wants to know, what is asked next. */
static void effects(struct notify *n, int merged)
{
	cpm_reg_t *r = cpm_reg_lock_id(n->id);
	str who = {n->name, n->len};
	bool ask = merged == -ESTALE, known = false;

	if(r == NULL)
		return;
	if(n->cseq != r->peer_cseq) {
		/* a later one is being worked on, or has been: its word counts */
	} else if(n->sub.terminated) {
		ask = terminated(r, n);
	} else if(n->sub.has_expires && n->sub.expires_s > 0) {
		shorten(r, n->sub.expires_s);
	} else if(r->due_at == 0 && !r->out) {
		shorten(r, r->expires_s);
	}
	known = r->known || n->sub.terminated;
	if(known)
		cpm_reg_tell(r);
	else
		cpm_reg_unlock(r);
	if(merged == 0 && n->news.added)
		cpm_clients_changed(&who, false);
	else if(merged == 0 && n->news.refreshed)
		cpm_clients_changed(&who, true);
	if(ask)
		cpm_reg_ask(n->id);
}

static void take(struct notify *n)
{
	int rc = n->has_doc && !n->sub.pending ? merge(n) : -ENODATA;

	if(rc == -E2BIG) {
		cpm_stat_inc(CPM_STAT_REG_BAD);
		LM_WARN("registration state of %.*s: NOTIFY refused: more contacts"
				" than contacts_max_clients (%d)\n",
				n->len, n->name, cpm_conf.contacts_max_clients);
		answer(n->msg, 413, "Too Many Contacts");
		return;
	}
	if(rc == -ENOMEM || rc == -EAGAIN) {
		answer(n->msg, 500, "Out Of Memory");
		return;
	}
	if(rc == -ESTALE)
		LM_NOTICE("registration state of %.*s: NOTIFY %u is not the next one,"
				  " all is asked for again\n",
				n->len, n->name, n->doc.version);
	answer(n->msg, 200, "OK");
	effects(n, rc);
}

int cpm_reg_notify(sip_msg_t *msg)
{
	struct notify n = {.msg = msg};
	str tag = get_to(msg)->tag_value, num = get_cseq(msg)->number;
	unsigned leg, code;
	uint64_t cseq;
	int rc;

	if(msg->REQ_METHOD != METHOD_NOTIFY || cpm_tag_parse(&tag, &n.id, &leg) < 0
			|| leg != CPM_REG_LEG
			|| !slice_u64(cpm_slice_of(num), INT32_MAX, &cseq))
		return -1;
	n.cseq = (uint32_t)cseq;
	rc = cpm_tm.t_newtran(msg);
	if(rc <= 0)
		return 0; /* no memory, or a retransmission */
	cpm_stat_inc(CPM_STAT_REG_NOTIFIES);
	if(!is_event(msg, SLICE("reg")))
		return answer(msg, 489, "Bad Event");
	if(!read_sub_state(msg, &n.sub))
		return answer(msg, 400, "Subscription-State Missing");
	code = enter(&n);
	if(code == 481)
		return answer(msg, 481, "Subscription Does Not Exist");
	if(code)
		return answer(msg, code, "Out Of Order");
	code = read_doc(&n);
	if(code) {
		answer(msg, code,
				code == 415           ? "Unsupported Media Type"
						: code == 413 ? "Request Entity Too Large"
									  : "Registration Information Unreadable");
		effects(&n, -ENODATA);
		return 0;
	}
	take(&n);
	if(n.has_doc)
		reginfo_free(&n.doc);
	return 0;
}
