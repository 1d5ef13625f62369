/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Subscriptions to the reg event package (cpm_reg.h): SUBSCRIBE in a new
 * dialog or as refresh, what its answers mean, and when it is tried again.
 * RFC 3680, RFC 6665 section 4.1, 3GPP TS 24.229 5.7.1.2.
 */
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/contact/parse_contact.h"
#include "../../core/parser/parse_to.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/mem/mem.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_hdr.h"
#include "cpm_id.h"
#include "cpm_reg.h"
#include "cpm_stats.h"

#define NOTIFY_WAIT_MS 32000 /* 64*T1: the first NOTIFY after a 2xx */
#define WATCH_MS 64000       /* tm always answers; if it did not */
#define RETRY_MAX_S 300      /* the longest pause between attempts */
#define LONG_S 1200          /* 24.229: refreshed 600 s before their end */
#define KNOWN_NONE_MS 60000  /* so long "nobody is registered" is believed */
#define EXPIRES_MAX_S 2592000U

/* ---- state ---- */

void cpm_reg_fail(cpm_reg_t *r, uint32_t after_s)
{
	uint64_t now = cpm_now_ms(), s = after_s;

	if(s == 0) {
		s = (uint64_t)cpm_conf.reg_retry << (r->failures < 8 ? r->failures : 8);
		if(s > RETRY_MAX_S)
			s = RETRY_MAX_S;
	}
	if(r->failures < 255)
		r->failures++;
	if(r->state != CPM_REG_ACTIVE || r->until_ms <= now)
		r->state = CPM_REG_RETRY;
	/* a fifth of it is drawn, so that users do not come together */
	r->due_at = now + s * 1000 - r->id * 2654435761U % (s * 200 + 1);
}

void cpm_reg_over(cpm_reg_t *r, bool known)
{
	r->state = CPM_REG_OVER;
	r->known = known;
	r->failures = 0;
	r->due_at = cpm_now_ms() + KNOWN_NONE_MS;
}

/* 24.229 5.7.1.2: 600 s before the end, of a short one at half time. */
static void granted(cpm_reg_t *r, uint32_t s)
{
	uint64_t now = cpm_now_ms();

	r->granted_s = s;
	r->until_ms = now + (uint64_t)s * 1000;
	r->due_at = now + (uint64_t)(s > LONG_S ? s - 600 : s / 2) * 1000;
	if(!r->known && r->due_at > now + NOTIFY_WAIT_MS)
		r->due_at = now + NOTIFY_WAIT_MS;
}

/* ---- the answer ---- */

static uint32_t delta(sip_msg_t *rpl, const char *name, uint32_t otherwise)
{
	struct slice v = cpm_slice_of(cpm_hdr_get(rpl, name));
	uint64_t s;

	v = slice_trim(slice_cut(slice_cut(v, ';', NULL), '(', NULL));
	if(!slice_u64(v, UINT32_MAX, &s))
		return otherwise;
	return s > EXPIRES_MAX_S ? EXPIRES_MAX_S : (uint32_t)s;
}

/* The dialog as the 2xx makes it, where no NOTIFY has made it before. */
static cpm_strs_t *confirmed(const cpm_strs_t *old, sip_msg_t *rpl, str tag)
{
	str v[CPM_D_N], routes = {NULL, 0}, uri;
	cpm_strs_t *fresh;
	bool isfocus;

	for(unsigned i = 0; i < CPM_D_N; i++)
		v[i] = cpm_strs_get(old, i);
	v[CPM_D_REMOTE_TAG] = tag;
	if(cpm_hdr_contact(rpl, &uri, &isfocus) == 0) {
		v[CPM_D_TARGET] = uri;
		if(rpl->record_route == NULL
				|| print_rr_body(rpl->record_route, &routes, 1, NULL) < 0)
			routes = (str){NULL, 0};
		v[CPM_D_ROUTES] = routes;
		v[CPM_D_NEXT_HOP] = (str){NULL, 0};
	}
	fresh = cpm_strs_new(v, CPM_D_N);
	if(routes.s)
		pkg_free(routes.s);
	return fresh;
}

/* A 2xx: the answer's texts have to be put in place under the lock, the block
 * they go to is made before. */
static void accepted(uint64_t id, unsigned try_n, sip_msg_t *rpl)
{
	cpm_strs_t *old = NULL, *fresh = NULL;
	cpm_reg_t *r;
	str tag = {NULL, 0};
	uint32_t s;

	if(parse_headers(rpl, HDR_EOH_F, 0) < 0 || parse_to_header(rpl) < 0)
		return;
	tag = get_to(rpl)->tag_value;
	r = cpm_reg_lock_id(id);
	if(r == NULL)
		return;
	old = cpm_strs_copy(r->dlg);
	cpm_reg_unlock(r);
	if(old && cpm_strs_get(old, CPM_D_REMOTE_TAG).len == 0)
		fresh = confirmed(old, rpl, tag);
	cpm_strs_drop(old);
	r = cpm_reg_lock_id(id);
	if(r && r->out && r->try_n == try_n) {
		r->out = r->unheard = false;
		s = delta(rpl, "Expires", r->expires_s);
		if(fresh && cpm_strs_get(r->dlg, CPM_D_REMOTE_TAG).len == 0) {
			cpm_strs_t *was = r->dlg;

			r->dlg = fresh;
			fresh = was;
		}
		if(r->state == CPM_REG_ASKING)
			r->state = CPM_REG_ACTIVE;
		if(r->state == CPM_REG_ACTIVE)
			granted(r, s);
		if(r->known)
			r->failures = 0;
	}
	if(r)
		cpm_reg_unlock(r);
	cpm_strs_free(&fresh);
}

/* What a failure means: is it to be tried again now? */
static bool failed(cpm_reg_t *r, int code, sip_msg_t *rpl)
{
	uint32_t min;

	switch(code) {
		case 423:
			min = rpl ? delta(rpl, "Min-Expires", 0) : 0;
			if(min > r->expires_s) {
				r->expires_s = min;
				return true;
			}
			break;
		case 481:
			/* our dialog is gone, what it told is still the best we have */
			r->state = CPM_REG_RETRY;
			r->until_ms = cpm_now_ms() + WATCH_MS;
			if(r->failures++ == 0)
				return true;
			break;
		case 404:
		case 480:
		case 604:
			/* the core has nobody of that name, or he is not registered */
			if(r->regs)
				shm_free(r->regs);
			r->regs = NULL;
			r->gen++;
			cpm_reg_over(r, true);
			return false;
		default:
			break;
	}
	cpm_reg_fail(r, rpl && code == 503 ? delta(rpl, "Retry-After", 0) : 0);
	return false;
}

static void refused(uint64_t id, unsigned try_n, int code, sip_msg_t *rpl)
{
	cpm_reg_t *r = cpm_reg_lock_id(id);
	char name[CPM_USER_BUF];
	bool again, warn;
	int n;

	if(r == NULL)
		return;
	if(!r->out || r->try_n != try_n) {
		cpm_reg_unlock(r);
		return;
	}
	r->out = false;
	r->unheard = code == 408 || (code >= 500 && code < 600);
	again = failed(r, code, rpl);
	/* once for each row of failures */
	warn = !again && r->state != CPM_REG_OVER && r->failures == 1;
	n = snprintf(name, sizeof(name), "%.*s", (int)r->len, r->name);
	if(again)
		cpm_reg_unlock(r);
	else
		cpm_reg_tell(r);
	if(!again)
		cpm_stat_inc(CPM_STAT_REG_FAILED);
	if(warn)
		LM_WARN("registration state of %.*s: SUBSCRIBE failed with %d\n", n,
				name, code);
	if(again)
		cpm_reg_ask(id);
}

static void on_answer(struct cell *t, int type, struct tmcb_params *ps)
{
	uint64_t id = cpm_id_of(*ps->param);
	unsigned try_n = cpm_id_leg(*ps->param);
	sip_msg_t *rpl = ps->rpl;

	(void)t;
	if(type == TMCB_DESTROY) {
		refused(id, try_n, 408, NULL); /* no answer at all */
		return;
	}
	if(rpl == FAKED_REPLY)
		rpl = NULL;
	if(ps->code >= 200 && ps->code < 300 && rpl) {
		accepted(id, try_n, rpl);
		return;
	}
	if(rpl && parse_headers(rpl, HDR_EOH_F, 0) < 0)
		rpl = NULL;
	refused(id, try_n, ps->code, rpl);
}

/* ---- the request ---- */

static str next_hop(const cpm_strs_t *ims)
{
	str scscf = cpm_strs_get(ims, CPM_REG_SCSCF);

	if(cpm_conf.reg_route.len > 0)
		return cpm_conf.reg_route;
	return scscf.len > 0 ? scscf : cpm_conf.outbound_proxy;
}

/* The texts of a new dialog with that id; NULL without memory. */
static cpm_strs_t *new_dialog(uint64_t id, str who, const cpm_strs_t *ims)
{
	char random[CPM_HEX_BUF], call_id[CPM_HEX_BUF + 256], tag[CPM_TAG_BUF];
	char local[512], remote[CPM_USER_BUF + 2];
	str v[CPM_D_N] = {{NULL, 0}};

	cpm_id_random(random);
	v[CPM_D_CALL_ID] = (str){call_id,
			snprintf(call_id, sizeof(call_id), "%s@%.*s", random,
					STR_FMT(&cpm_conf.warn_agent))};
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, CPM_REG_LEG, tag)};
	v[CPM_D_LOCAL] = (str){local,
			snprintf(local, sizeof(local), "<%.*s>",
					STR_FMT(&cpm_conf.contact))};
	v[CPM_D_REMOTE] = (str){
			remote, snprintf(remote, sizeof(remote), "<%.*s>", STR_FMT(&who))};
	v[CPM_D_TARGET] = who;
	v[CPM_D_NEXT_HOP] = next_hop(ims);
	if(v[CPM_D_CALL_ID].len >= (int)sizeof(call_id)
			|| v[CPM_D_LOCAL].len >= (int)sizeof(local))
		return NULL;
	return cpm_strs_new(v, CPM_D_N);
}

/* Is the next SUBSCRIBE one of a new dialog? Then that, for *fresh_id. */
static cpm_strs_t *dialog_for(uint64_t id, uint64_t *fresh_id)
{
	cpm_reg_t *r = cpm_reg_lock_id(id);
	char name[CPM_USER_BUF];
	cpm_strs_t *ims, *dlg;
	bool wanted;
	str who;

	if(r == NULL)
		return NULL;
	wanted = !r->out && r->state != CPM_REG_ACTIVE;
	memcpy(name, r->name, r->len);
	who = (str){name, r->len};
	ims = wanted ? cpm_strs_copy(r->ims) : NULL;
	cpm_reg_unlock(r);
	if(!wanted)
		return NULL;
	*fresh_id = cpm_reg_next_id(id);
	dlg = new_dialog(*fresh_id, who, ims);
	cpm_strs_drop(ims);
	return dlg;
}

static void headers(cpm_buf_t *b, uint32_t expires_s, const cpm_strs_t *ims)
{
	cpm_buf_fmt(b,
			"Event: reg\r\nAccept: application/reginfo+xml\r\nExpires: %u\r\n"
			"Contact: <%.*s>\r\nP-Asserted-Identity: <%.*s>\r\n",
			expires_s, STR_FMT(&cpm_conf.contact), STR_FMT(&cpm_conf.contact));
	cpm_buf_str(b, cpm_strs_get(ims, CPM_REG_ICID));
	cpm_buf_str(b, cpm_strs_get(ims, CPM_REG_CHARGING));
	cpm_hdr_agent(b);
}

/* Everything for one SUBSCRIBE, copied under the lock. */
struct out
{
	cpm_dialog_t d;
	cpm_strs_t *ims;
	uint64_t id;
	unsigned try_n;
	uint32_t expires_s;
};

/* The record begins that dialog; *dlg is the old one's texts. */
static void begin_dialog(cpm_reg_t *r, uint64_t id, cpm_strs_t **dlg)
{
	cpm_strs_t *was = r->dlg;

	r->id = id;
	r->dlg = *dlg;
	*dlg = was;
	r->cseq = 0;
	r->notified = false;
	r->since_ms = cpm_now_ms();
	r->state = CPM_REG_ASKING;
}

/* Under the lock: 0, -1 nothing to be sent, -2 no memory. */
static int prepare(
		cpm_reg_t *r, uint64_t fresh_id, cpm_strs_t **fresh, struct out *o)
{
	if(r->out)
		return -1;
	if(r->state != CPM_REG_ACTIVE) {
		if(*fresh == NULL)
			return -2;
		begin_dialog(r, fresh_id, fresh);
	} else if(cpm_strs_get(r->dlg, CPM_D_REMOTE_TAG).len == 0) {
		return -1;
	}
	o->d.dlg = cpm_strs_copy(r->dlg);
	if(o->d.dlg == NULL)
		return -2;
	o->ims = cpm_strs_copy(r->ims);
	o->d.sock = r->sock;
	o->d.cseq = ++r->cseq;
	o->id = r->id;
	o->try_n = ++r->try_n;
	o->expires_s = r->expires_s;
	r->out = true;
	r->due_at = cpm_now_ms() + WATCH_MS;
	return 0;
}

void cpm_reg_ask(uint64_t id)
{
	uint64_t fresh_id = 0;
	cpm_strs_t *fresh = dialog_for(id, &fresh_id); /* before the lock */
	cpm_reg_t *r = cpm_reg_lock_id(id);
	struct out o = {.try_n = 0};
	cpm_buf_t b = {0};
	int rc = -1;

	if(r) {
		rc = prepare(r, fresh_id, &fresh, &o);
		if(rc == -2)
			cpm_reg_fail(r, 0);
		cpm_reg_unlock(r);
	}
	cpm_strs_free(&fresh);
	if(rc < 0)
		return;
	headers(&b, o.expires_s, o.ims);
	cpm_stat_inc(CPM_STAT_REG_SUBSCRIBES);
	rc = b.bad ? -1
			   : cpm_dialog_send(&o.d, "SUBSCRIBE", cpm_buf_get(&b),
					   (str){NULL, 0}, TMCB_LOCAL_COMPLETED | TMCB_DESTROY,
					   on_answer, cpm_id_param(o.id, o.try_n), NULL, NULL);
	cpm_buf_free(&b);
	cpm_dialog_drop(&o.d);
	cpm_strs_drop(o.ims);
	if(rc < 0)
		refused(o.id, o.try_n, 503, NULL);
}
