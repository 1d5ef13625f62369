/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pseudo-variable $cpm(name): the policy of the request at hand, to read
 * and to write (cpm_req.h), and what can only be read: the state of the module
 * and what it has found out about the request.
 */
#include "cpm_pv.h"

#include <string.h>

#include "../../core/dprint.h"
#include "../../core/ut.h"
#include "cpm_case.h"
#include "cpm_clients.h"
#include "cpm_deferred.h"
#include "cpm_fanout.h"
#include "cpm_link.h"
#include "cpm_loop.h"
#include "cpm_req.h"
#include "cpm_sip.h"
#include "cpm_trust.h"

#define READ_ONLY 1000 /* names below are fields of cpm_req.h */

/* What can only be read. Texts are borrowed from the message or static. */
static int get_relay(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return pv_get_sintval(msg, param, res, cpm_link_is_up());
}

static int get_sessions(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return pv_get_uintval(msg, param, res, cpm_session_count());
}

static int get_mode(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	str mode = {"", 0};

	if(msg->first_line.type == SIP_REQUEST) {
		if(msg->REQ_METHOD == METHOD_MESSAGE && ki_cpm_is_pager(msg) > 0)
			mode = (str){"pager", 5};
		else if(msg->REQ_METHOD == METHOD_INVITE && ki_cpm_is_large(msg) > 0)
			mode = (str){"large", 5};
	}
	return pv_get_strval(msg, param, res, &mode);
}

/* A text that is found in the message; null when it is not there. */
static int get_found(sip_msg_t *msg, pv_param_t *param, pv_value_t *res,
		str (*find)(sip_msg_t *))
{
	str v = {NULL, 0};

	if(parse_headers(msg, HDR_EOH_F, 0) == 0)
		v = find(msg);
	return v.len > 0 ? pv_get_strval(msg, param, res, &v)
					 : pv_get_null(msg, param, res);
}

static int get_served_user(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return get_found(msg, param, res, cpm_case_served_user);
}

/* However it is spelled: the key of whoever has rules for users. */
static str name_of(str uri, char buf[CPM_USER_BUF])
{
	int n = uri.len > 0 ? cpm_user_name(uri, buf) : -1;

	return n > 0 ? (str){buf, n} : uri;
}

static str user_name(sip_msg_t *msg)
{
	static char buf[CPM_USER_BUF];

	return name_of(cpm_case_served_user(msg), buf);
}

static int get_user(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return get_found(msg, param, res, user_name);
}

static str sender_name(sip_msg_t *msg)
{
	static char buf[CPM_USER_BUF];

	return name_of(cpm_identity_uri(msg), buf);
}

static int get_sender(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return get_found(msg, param, res, sender_name);
}

static int get_asserted_tel(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return get_found(msg, param, res, cpm_identity_tel);
}

static int get_refusal(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	const char *name = cpm_req(msg)->refusal;
	str v = {(char *)name, name ? (int)strlen(name) : 0};

	return name ? pv_get_strval(msg, param, res, &v)
				: pv_get_null(msg, param, res);
}

static int get_trusted(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	return pv_get_sintval(msg, param, res, cpm_trusted(msg));
}

static int get_looped(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_case_t c = (cpm_case_t)cpm_req(msg)->session_case;

	return pv_get_sintval(msg, param, res,
			parse_headers(msg, HDR_EOH_F, 0) == 0
					&& cpm_loop_seen(msg, c ? c : CPM_CASE_ORIG));
}

/* In event_route[cpm:recipient-failed]. */
static int get_recipient(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_fan_failure_t f;

	return cpm_fanout_failure(&f) ? pv_get_strval(msg, param, res, &f.uri)
								  : pv_get_null(msg, param, res);
}

static int get_recipient_code(
		sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_fan_failure_t f;

	return cpm_fanout_failure(&f) ? pv_get_sintval(msg, param, res, f.code)
								  : pv_get_null(msg, param, res);
}

static int get_recipient_call_id(
		sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_fan_failure_t f;

	return cpm_fanout_failure(&f) ? pv_get_strval(msg, param, res, &f.call_id)
								  : pv_get_null(msg, param, res);
}

/* In event_route[cpm:deferred], [cpm:delivered] and [cpm:expired]. */
static int get_news(sip_msg_t *msg, pv_param_t *param, pv_value_t *res,
		str (*text)(const cpm_deferred_news_t *))
{
	cpm_deferred_news_t n;
	str v;

	if(!cpm_deferred_news(&n))
		return pv_get_null(msg, param, res);
	v = text(&n);
	return pv_get_strval(msg, param, res, &v);
}

#define NEWS(name, value)                                                      \
	static str news_##name(const cpm_deferred_news_t *n)                       \
	{                                                                          \
		return value;                                                          \
	}                                                                          \
	static int get_deferred_##name(                                            \
			sip_msg_t *msg, pv_param_t *param, pv_value_t *res)                \
	{                                                                          \
		return get_news(msg, param, res, news_##name);                         \
	}

NEWS(ref, n->ref)
NEWS(user, n->user)
NEWS(sender, n->sender)
NEWS(kind, ((str){(char *)n->kind, (int)strlen(n->kind)}))

static int get_deferred_size(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_deferred_news_t n;

	return cpm_deferred_news(&n) ? pv_get_sintval(msg, param, res, (long)n.size)
								 : pv_get_null(msg, param, res);
}

static int get_deferred_code(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	cpm_deferred_news_t n;

	return cpm_deferred_news(&n) ? pv_get_sintval(msg, param, res, n.code)
								 : pv_get_null(msg, param, res);
}

static const struct
{
	const char *name;
	int (*get)(sip_msg_t *msg, pv_param_t *param, pv_value_t *res);
} readable[] = {
		{"relay", get_relay},
		{"sessions", get_sessions},
		{"mode", get_mode},
		{"recipient", get_recipient},
		{"recipient_code", get_recipient_code},
		{"recipient_call_id", get_recipient_call_id},
		{"deferred_ref", get_deferred_ref},
		{"deferred_user", get_deferred_user},
		{"deferred_sender", get_deferred_sender},
		{"deferred_kind", get_deferred_kind},
		{"deferred_size", get_deferred_size},
		{"deferred_code", get_deferred_code},
		{"served_user", get_served_user},
		{"user", get_user},
		{"sender", get_sender},
		{"asserted_tel", get_asserted_tel},
		{"trusted", get_trusted},
		{"looped", get_looped},
		{"refusal", get_refusal},
};

#define READABLE ((int)(sizeof(readable) / sizeof(*readable)))

static int pv_get_cpm(sip_msg_t *msg, pv_param_t *param, pv_value_t *res)
{
	int n = param->pvn.u.isname.name.n;
	cpm_req_value_t v;

	if(n >= READ_ONLY)
		return readable[n - READ_ONLY].get(msg, param, res);
	if(cpm_req_get(msg, n, &v) < 0)
		return pv_get_null(msg, param, res);
	if(v.kind == CPM_REQ_INT)
		return pv_get_sintval(msg, param, res, v.num);
	return pv_get_strval(msg, param, res, &v.text);
}

static int pv_set_cpm(
		sip_msg_t *msg, pv_param_t *param, int op, pv_value_t *val)
{
	int n = param->pvn.u.isname.name.n;
	str text;

	(void)op;
	if(n >= READ_ONLY) {
		LM_ERR("$cpm(%s) can only be read\n", readable[n - READ_ONLY].name);
		return -1;
	}
	if(val == NULL || (val->flags & PV_VAL_NULL))
		return cpm_req_set(msg, n, NULL);
	/* a whole number, or a text that is one */
	if(val->flags & PV_TYPE_INT) {
		text.s = sint2str(val->ri, &text.len);
		return cpm_req_set(msg, n, &text);
	}
	if(!(val->flags & PV_VAL_STR))
		return -1;
	text = val->rs;
	return cpm_req_set(msg, n, &text);
}

static int pv_parse_cpm_name(pv_spec_p sp, str *in)
{
	int n = cpm_req_field(in);

	for(int i = 0; i < READABLE && n < 0; i++)
		if((int)strlen(readable[i].name) == in->len
				&& memcmp(readable[i].name, in->s, (size_t)in->len) == 0)
			n = READ_ONLY + i;
	if(n < 0) {
		LM_ERR("there is no $cpm(%.*s)\n", STR_FMT(in));
		return -1;
	}
	sp->pvp.pvn.u.isname.name.n = n;
	sp->pvp.pvn.type = PV_NAME_INTSTR;
	sp->pvp.pvn.u.isname.type = 0;
	return 0;
}

pv_export_t cpm_pvs[] = {{{"cpm", sizeof("cpm") - 1}, PVT_OTHER, pv_get_cpm,
								 pv_set_cpm, pv_parse_cpm_name, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0}};
