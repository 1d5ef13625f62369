/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The module as Kamailio sees it: exports for the native script and KEMI, and
 * the hooks of the module's life. No logic here: SIP is behind cpm_sip.h, the
 * relay behind cpm_link.h, pseudo-variables are in cpm_pv.c.
 */
#include "../../core/sr_module.h"
#include "../../core/dprint.h"
#include "../../core/kemi.h"
#include "../../core/mod_fix.h"
#include "../../core/rpc_lookup.h"
#include "cpm_conf.h"
#include "cpm_evroute.h"
#include "cpm_link.h"
#include "cpm_notice.h"
#include "cpm_pv.h"
#include "cpm_rpc.h"
#include "cpm_sip.h"
#include "cpm_term.h"
#include "cpm_stats.h"

MODULE_VERSION

/* ---- native script functions -----------------------------------------------
 */

#define WRAP(name)                                                             \
	static int w_##name(sip_msg_t *msg, char *p1, char *p2)                    \
	{                                                                          \
		(void)p1;                                                              \
		(void)p2;                                                              \
		return ki_##name(msg);                                                 \
	}

WRAP(cpm_originating)
WRAP(cpm_terminating)
WRAP(cpm_in_dialog)
WRAP(cpm_subscribe)
WRAP(cpm_cancel)
WRAP(cpm_is_pager)
WRAP(cpm_is_large)
WRAP(cpm_is_exploder)
WRAP(cpm_explode)
WRAP(cpm_to_isf)
WRAP(cpm_to_large)
WRAP(cpm_trusted)
WRAP(cpm_session_case)
WRAP(cpm_check)
WRAP(cpm_check_authorised)
WRAP(cpm_check_version)
WRAP(cpm_check_anonymity)
WRAP(cpm_check_expires)
WRAP(cpm_check_timer)
WRAP(cpm_check_require)
WRAP(cpm_check_size)
WRAP(cpm_service_header)
WRAP(cpm_third_party_register)

static int w_cpm_reject(sip_msg_t *msg, char *p1, char *p2)
{
	str reason;

	(void)p2;
	if(fixup_get_svalue(msg, (gparam_t *)p1, &reason) < 0) {
		LM_ERR("cpm_reject: the reason cannot be evaluated\n");
		return -1;
	}
	return ki_cpm_reject(msg, &reason);
}

static int w_cpm_register_tags(sip_msg_t *msg, char *p1, char *p2)
{
	str identities = {NULL, 0};

	(void)p2;
	if(p1 && fixup_get_svalue(msg, (gparam_t *)p1, &identities) < 0) {
		LM_ERR("cpm_register_tags: the identities cannot be evaluated\n");
		return -1;
	}
	return ki_cpm_register_tags(msg, &identities);
}

/* Functions that send or end a request; and tests, usable on any request. */
#define ROUTES_ACT REQUEST_ROUTE
#define ROUTES_TEST (REQUEST_ROUTE | FAILURE_ROUTE | BRANCH_ROUTE)

static cmd_export_t cmds[] = {
		{"cpm_originating", w_cpm_originating, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_terminating", w_cpm_terminating, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_in_dialog", w_cpm_in_dialog, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_subscribe", w_cpm_subscribe, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_cancel", w_cpm_cancel, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_is_pager", w_cpm_is_pager, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_is_large", w_cpm_is_large, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_trusted", w_cpm_trusted, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_session_case", w_cpm_session_case, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_is_exploder", w_cpm_is_exploder, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_explode", w_cpm_explode, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_to_isf", w_cpm_to_isf, 0, NULL, NULL, ROUTES_ACT | FAILURE_ROUTE},
		{"cpm_to_large", w_cpm_to_large, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_check", w_cpm_check, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_check_authorised", w_cpm_check_authorised, 0, NULL, NULL,
				ROUTES_TEST},
		{"cpm_check_version", w_cpm_check_version, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_check_anonymity", w_cpm_check_anonymity, 0, NULL, NULL,
				ROUTES_TEST},
		{"cpm_check_expires", w_cpm_check_expires, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_check_timer", w_cpm_check_timer, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_check_require", w_cpm_check_require, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_check_size", w_cpm_check_size, 0, NULL, NULL, ROUTES_TEST},
		{"cpm_service_header", w_cpm_service_header, 0, NULL, NULL, ROUTES_ACT},
		{"cpm_third_party_register", w_cpm_third_party_register, 0, NULL, NULL,
				ROUTES_ACT},
		{"cpm_register_tags", w_cpm_register_tags, 0, NULL, NULL,
				REQUEST_ROUTE},
		{"cpm_register_tags", w_cpm_register_tags, 1, fixup_spve_null,
				fixup_free_spve_null, REQUEST_ROUTE},
		{"cpm_reject", w_cpm_reject, 1, fixup_spve_null, fixup_free_spve_null,
				ROUTES_ACT | FAILURE_ROUTE},
		{NULL, NULL, 0, NULL, NULL, 0}};

/* ---- KEMI: KSR.cpm.x() ------------------------------------------------------
 */

/* clang-format off */
#define KEMI(name) {str_init("cpm"), str_init(#name), SR_KEMIP_INT, ki_cpm_##name, \
	{SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE}}

static sr_kemi_t kemi_exports[] = {
	KEMI(originating),
	KEMI(terminating),
	KEMI(in_dialog),
	KEMI(subscribe),
	KEMI(cancel),
	KEMI(is_pager),
	KEMI(is_large),
	KEMI(is_exploder),
	KEMI(explode),
	KEMI(to_isf),
	KEMI(to_large),
	KEMI(trusted),
	KEMI(session_case),
	KEMI(check),
	KEMI(check_authorised),
	KEMI(check_version),
	KEMI(check_anonymity),
	KEMI(check_expires),
	KEMI(check_timer),
	KEMI(check_require),
	KEMI(check_size),
	KEMI(service_header),
	KEMI(third_party_register),
	{str_init("cpm"), str_init("register_tags"), SR_KEMIP_INT, ki_cpm_register_tags,
		{SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE}},
	{str_init("cpm"), str_init("reject"), SR_KEMIP_INT, ki_cpm_reject,
		{SR_KEMIP_STR, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE, SR_KEMIP_NONE}},
	{{0, 0}, {0, 0}, 0, NULL, {0, 0, 0, 0, 0, 0}}
};
/* clang-format on */

/* ---- life -------------------------------------------------------------------
 */

static int mod_init(void)
{
	if(cpm_conf_check() < 0)
		return -1;
	cpm_evroute_init();
	if(cpm_link_mod_init() < 0)
		return -1;
	return cpm_sip_mod_init();
}

static int child_init(int rank)
{
	if(cpm_link_child_init(rank) < 0)
		return -1;
	cpm_push_rpc_child_init(rank);
	return cpm_sip_child_init(rank);
}

static void mod_destroy(void)
{
	cpm_sip_destroy();
	cpm_link_destroy();
}

static int on_reply(sip_msg_t *msg)
{
	return cpm_sip_on_reply(msg);
}

struct module_exports exports = {
		.name = "cpm",
		.dlflags = DEFAULT_DLFLAGS,
		.cmds = cmds,
		.params = cpm_params,
		.pv_items = cpm_pvs,
		.response_f = on_reply,
		.init_mod_f = mod_init,
		.init_child_f = child_init,
		.destroy_mod_f = mod_destroy,
};

int mod_register(char *path, int *dlflags, void *p1, void *p2);
int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path;
	(void)dlflags;
	(void)p1;
	(void)p2;
	if(rpc_register_array(cpm_rpc_cmds) != 0 || cpm_stats_register() < 0)
		return -1;
	sr_kemi_modules_add(kemi_exports);
	return 0;
}
