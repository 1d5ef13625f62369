/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The module's parameters: defaults, the table for the core, and the checks
 * that refuse to start on a value that cannot work. doc/cpm_admin.xml says
 * what each one means to an operator.
 */
#include "cpm_conf.h"

#include <limits.h>
#include <sys/un.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_rr.h"
#include "../../core/parser/parse_uri.h"
#include "proto/ctl.h"
#include "proto/reginfo.h"
#include "proto/rlist.h"

cpm_conf_t cpm_conf = {
		.relay_socket = str_init("/run/msrp-relay/control.sock"),
		.relay_owner = str_init("cpm"),
		.relay_timeout = 4000,
		.relay_reconnect_min = 100,
		.relay_reconnect_max = 1000,
		.relay_queue = 8192,
		.server_token = str_init("CPM-serv/OMA2.2"),
		.orig_user = str_init("orig"),
		.term_user = str_init("term"),
		.loop_header = str_init("X-CPM-PF"),
		.hash_size = 4096,
		.session_expires = 900,
		.min_se = 90,
		.ring_timeout = 60000,
		.switch_timeout = 25000,
		.max_message = 104857600,
		.pager_limit = 1300,
		.authorised = 1,
		.error_info = str_init("sip:version-not-supported@invalid"),
		.anonymity = 1,
		.list_anonymity = 1,
		.interworking = 1,
		.defer = 1,
		.max_recipients = 100,
		.exploder_parallel = 50,
		.exploder_window = 500,
		.exploder_answer = str_init("accept"),
		.exploder_wait = 8000,
		.rewrite_cpim_to = 1,
		.direct_delivery = 1,
		.defer_notify = str_init("both"),
		.notify_list_max = 20,
		.subscribe_default = 3600,
		.subscribe_min = 60,
		.subscribe_max = 86400,
		.isf_mode = str_init("direct"),
		.contacts = str_init("none"),
		.contacts_unknown = 1,
		.usrloc_table = str_init("location"),
		.contacts_max_users = 1000000,
		.contacts_max_clients = 64,
		.reg_expires = 600000,
		.reg_wait = 1000,
		.reg_retry = 5,
		.fork_wait = 8000,
		.defer_lifetime = 604800,
		.imdn_lifetime = 86400,
		.push = 1,
		.push_settle = 2000,
		.push_parallel = 200,
		.push_lease = 60000,
		.push_permanent = 3,
		.push_retries = str_init("60 300 900 3600"),
		.msrp_transport = str_init("tcp"),
		.msrp_idle = 30000,
};

param_export_t cpm_params[] = {
		{"relay_socket", PARAM_STR, &cpm_conf.relay_socket},
		{"relay_owner", PARAM_STR, &cpm_conf.relay_owner},
		{"relay_timeout", PARAM_INT, &cpm_conf.relay_timeout},
		{"relay_reconnect_min", PARAM_INT, &cpm_conf.relay_reconnect_min},
		{"relay_reconnect_max", PARAM_INT, &cpm_conf.relay_reconnect_max},
		{"relay_queue", PARAM_INT, &cpm_conf.relay_queue},
		{"event_callback", PARAM_STR, &cpm_conf.event_callback},
		{"contact", PARAM_STR, &cpm_conf.contact},
		{"server_token", PARAM_STR, &cpm_conf.server_token},
		{"outbound_proxy", PARAM_STR, &cpm_conf.outbound_proxy},
		{"warn_agent", PARAM_STR, &cpm_conf.warn_agent},
		{"trusted_peers", PARAM_STR, &cpm_conf.trusted_peers},
		{"orig_user", PARAM_STR, &cpm_conf.orig_user},
		{"term_user", PARAM_STR, &cpm_conf.term_user},
		{"loop_header", PARAM_STR, &cpm_conf.loop_header},
		{"loop_secret", PARAM_STR, &cpm_conf.loop_secret},
		{"instance", PARAM_STR, &cpm_conf.instance},
		{"hash_size", PARAM_INT, &cpm_conf.hash_size},
		{"session_expires", PARAM_INT, &cpm_conf.session_expires},
		{"min_se", PARAM_INT, &cpm_conf.min_se},
		{"ring_timeout", PARAM_INT, &cpm_conf.ring_timeout},
		{"ring_spare", PARAM_INT, &cpm_conf.ring_spare},
		{"switch_timeout", PARAM_INT, &cpm_conf.switch_timeout},
		{"max_message", PARAM_INT, &cpm_conf.max_message},
		{"pager_limit", PARAM_INT, &cpm_conf.pager_limit},
		{"min_client_version", PARAM_STR, &cpm_conf.min_client_version},
		{"authorised", PARAM_INT, &cpm_conf.authorised},
		{"version_required", PARAM_INT, &cpm_conf.version_required},
		{"clock_skew", PARAM_INT, &cpm_conf.clock_skew},
		{"error_info", PARAM_STR, &cpm_conf.error_info},
		{"refusal", PARAM_STRING | PARAM_USE_FUNC, cpm_reject_param},
		{"anonymity", PARAM_INT, &cpm_conf.anonymity},
		{"list_anonymity", PARAM_INT, &cpm_conf.list_anonymity},
		{"interworking", PARAM_INT, &cpm_conf.interworking},
		{"defer", PARAM_INT, &cpm_conf.defer},
		{"deferred_uri", PARAM_STR, &cpm_conf.deferred_uri},
		{"max_recipients", PARAM_INT, &cpm_conf.max_recipients},
		{"exploder_uri", PARAM_STR, &cpm_conf.exploder_uri},
		{"exploder_parallel", PARAM_INT, &cpm_conf.exploder_parallel},
		{"exploder_window", PARAM_INT, &cpm_conf.exploder_window},
		{"exploder_answer", PARAM_STR, &cpm_conf.exploder_answer},
		{"exploder_wait", PARAM_INT, &cpm_conf.exploder_wait},
		{"rewrite_cpim_to", PARAM_INT, &cpm_conf.rewrite_cpim_to},
		{"direct_delivery", PARAM_INT, &cpm_conf.direct_delivery},
		{"direction_prefix", PARAM_STR, &cpm_conf.direction_prefix},
		{"defer_notify", PARAM_STR, &cpm_conf.defer_notify},
		{"notify_list_max", PARAM_INT, &cpm_conf.notify_list_max},
		{"subscribe_default", PARAM_INT, &cpm_conf.subscribe_default},
		{"subscribe_min", PARAM_INT, &cpm_conf.subscribe_min},
		{"subscribe_max", PARAM_INT, &cpm_conf.subscribe_max},
		{"isf_uri", PARAM_STR, &cpm_conf.isf_uri},
		{"isf_mode", PARAM_STR, &cpm_conf.isf_mode},
		{"contacts", PARAM_STR, &cpm_conf.contacts},
		{"contacts_unknown", PARAM_INT, &cpm_conf.contacts_unknown},
		{"contacts_domain", PARAM_STR, &cpm_conf.contacts_domain},
		{"usrloc_table", PARAM_STR, &cpm_conf.usrloc_table},
		{"contacts_max_users", PARAM_INT, &cpm_conf.contacts_max_users},
		{"contacts_max_clients", PARAM_INT, &cpm_conf.contacts_max_clients},
		{"reg_route", PARAM_STR, &cpm_conf.reg_route},
		{"reg_expires", PARAM_INT, &cpm_conf.reg_expires},
		{"reg_wait", PARAM_INT, &cpm_conf.reg_wait},
		{"reg_retry", PARAM_INT, &cpm_conf.reg_retry},
		{"client_target", PARAM_STR, &cpm_conf.client_target},
		{"fork_wait", PARAM_INT, &cpm_conf.fork_wait},
		{"defer_lifetime", PARAM_INT, &cpm_conf.defer_lifetime},
		{"imdn_lifetime", PARAM_INT, &cpm_conf.imdn_lifetime},
		{"push", PARAM_INT, &cpm_conf.push},
		{"push_settle", PARAM_INT, &cpm_conf.push_settle},
		{"push_parallel", PARAM_INT, &cpm_conf.push_parallel},
		{"push_lease", PARAM_INT, &cpm_conf.push_lease},
		{"push_permanent", PARAM_INT, &cpm_conf.push_permanent},
		{"push_retries", PARAM_STR, &cpm_conf.push_retries},
		{"push_route", PARAM_STR, &cpm_conf.push_route},
		{"imdn_route", PARAM_STR, &cpm_conf.imdn_route},
		{"msrp_transport", PARAM_STR, &cpm_conf.msrp_transport},
		{"msrp_idle", PARAM_INT, &cpm_conf.msrp_idle}, {NULL, 0, NULL}};

static int check_range(const char *name, int value, int min, int max)
{
	if(value >= min && value <= max)
		return 0;
	LM_ERR("modparam %s is %d, must be %d to %d\n", name, value, min, max);
	return -1;
}

static int check_uri(const char *name, str *uri, sip_uri_t *out)
{
	if(parse_uri(uri->s, uri->len, out) == 0
			&& (out->type == SIP_URI_T || out->type == SIPS_URI_T)
			&& out->host.len > 0)
		return 0;
	LM_ERR("modparam %s is not a SIP URI: \"%.*s\"\n", name, uri->len, uri->s);
	return -1;
}

/* A Route header's value, or nothing: what tm could not parse would fail each
 * request that is to go that way. */
static int check_route(const char *name, str *v)
{
	rr_t *routes = NULL;
	sip_uri_t uri;
	int rc = v->len > 0 ? parse_rr_body(v->s, v->len, &routes) : 0;

	for(rr_t *r = routes; r && rc == 0; r = r->next)
		rc = parse_uri(r->nameaddr.uri.s, r->nameaddr.uri.len, &uri);
	free_rr(&routes);
	if(rc < 0)
		LM_ERR("modparam %s is no Route, as \"<sip:host;lr>\": \"%.*s\"\n",
				name, STR_FMT(v));
	return rc < 0 ? -1 : 0;
}

static int check_numbers(void)
{
	int bad = 0;

	bad |= check_range("relay_timeout", cpm_conf.relay_timeout, 10, 60000);
	bad |= check_range(
			"relay_reconnect_min", cpm_conf.relay_reconnect_min, 10, 60000);
	bad |= check_range("relay_reconnect_max", cpm_conf.relay_reconnect_max,
			cpm_conf.relay_reconnect_min, 600000);
	bad |= check_range("relay_queue", cpm_conf.relay_queue, 16, 131072);
	bad |= check_range("hash_size", cpm_conf.hash_size, 2, 1 << 20);
	bad |= check_range("min_se", cpm_conf.min_se, 90, 86400);
	bad |= check_range("session_expires", cpm_conf.session_expires,
			cpm_conf.min_se, 1799); /* below 1800: OL-14 */
	bad |= check_range("ring_timeout", cpm_conf.ring_timeout, 100, 180000);
	bad |= check_range("ring_spare", cpm_conf.ring_spare, 0, 60000);
	/* timer F of the sender is 32 s */
	bad |= check_range("switch_timeout", cpm_conf.switch_timeout, 1000, 30000);
	bad |= check_range("version_required", cpm_conf.version_required, 0, 1);
	bad |= check_range("clock_skew", cpm_conf.clock_skew, 0, 86400);
	bad |= check_range("max_message", cpm_conf.max_message, 0, INT_MAX);
	bad |= check_range("pager_limit", cpm_conf.pager_limit, 1, 65535);
	bad |= check_range("authorised", cpm_conf.authorised, 0, 1);
	bad |= check_range("anonymity", cpm_conf.anonymity, 0, 1);
	bad |= check_range("list_anonymity", cpm_conf.list_anonymity, 0, 1);
	bad |= check_range("interworking", cpm_conf.interworking, 0, 1);
	bad |= check_range("defer", cpm_conf.defer, 0, 1);
	bad |= check_range(
			"max_recipients", cpm_conf.max_recipients, 1, RLIST_ENTRIES_MAX);
	bad |= check_range(
			"exploder_parallel", cpm_conf.exploder_parallel, 1, 10000);
	bad |= check_range("exploder_window", cpm_conf.exploder_window, 1, 100000);
	bad |= check_range("exploder_wait", cpm_conf.exploder_wait, 100, 30000);
	bad |= check_range("rewrite_cpim_to", cpm_conf.rewrite_cpim_to, 0, 1);
	bad |= check_range("contacts_unknown", cpm_conf.contacts_unknown, 0, 1);
	bad |= check_range("notify_list_max", cpm_conf.notify_list_max, 1, 200);
	bad |= check_range("subscribe_min", cpm_conf.subscribe_min, 1, 3600);
	bad |= check_range("subscribe_max", cpm_conf.subscribe_max,
			cpm_conf.subscribe_min, 604800);
	bad |= check_range("subscribe_default", cpm_conf.subscribe_default,
			cpm_conf.subscribe_min, cpm_conf.subscribe_max);
	bad |= check_range("direct_delivery", cpm_conf.direct_delivery, 0, 1);
	bad |= check_range(
			"contacts_max_users", cpm_conf.contacts_max_users, 1, 100000000);
	bad |= check_range("contacts_max_clients", cpm_conf.contacts_max_clients, 1,
			REGINFO_CONTACTS_MAX);
	bad |= check_range("reg_expires", cpm_conf.reg_expires, 60, 2592000);
	bad |= check_range("reg_wait", cpm_conf.reg_wait, 0, 30000);
	bad |= check_range("reg_retry", cpm_conf.reg_retry, 1, 3600);
	/* timer F of the sender is 32 s */
	bad |= check_range("fork_wait", cpm_conf.fork_wait, 100, 25000);
	bad |= check_range(
			"defer_lifetime", cpm_conf.defer_lifetime, 1, 366 * 86400);
	bad |= check_range("imdn_lifetime", cpm_conf.imdn_lifetime, 1, 366 * 86400);
	bad |= check_range("push", cpm_conf.push, 0, 1);
	bad |= check_range("push_settle", cpm_conf.push_settle, 0, 60000);
	bad |= check_range("push_parallel", cpm_conf.push_parallel, 1, 100000);
	bad |= check_range("push_lease", cpm_conf.push_lease, 3000, 600000);
	bad |= check_range("push_permanent", cpm_conf.push_permanent, 1, 1000);
	bad |= check_range("msrp_idle", cpm_conf.msrp_idle, 100, 86400000);
	if(cpm_conf.hash_size & (cpm_conf.hash_size - 1)) {
		LM_ERR("modparam hash_size is %d, must be a power of two\n",
				cpm_conf.hash_size);
		bad = -1;
	}
	return bad;
}

/* Which of two words a parameter is: 0 or 1; -1 neither. */
static int check_words(
		const char *name, str value, const char *first, const char *second)
{
	const char *const words[] = {first, second};

	for(int i = 0; i < 2; i++)
		if((int)strlen(words[i]) == value.len
				&& memcmp(words[i], value.s, (size_t)value.len) == 0)
			return i;
	LM_ERR("modparam %s is \"%.*s\", must be %s or %s\n", name, STR_FMT(&value),
			first, second);
	return -1;
}

/* Messages to many, and interworking. */
static int check_words_all(void)
{
	int answer = check_words(
			"exploder_answer", cpm_conf.exploder_answer, "accept", "aggregate");
	int mode = check_words("isf_mode", cpm_conf.isf_mode, "direct", "core");

	if(answer < 0 || mode < 0)
		return -1;
	cpm_conf.answer = answer ? CPM_ANSWER_AGGREGATE : CPM_ANSWER_ACCEPT;
	cpm_conf.isf_by = mode ? CPM_ISF_CORE : CPM_ISF_DIRECT;
	return 0;
}

static int check_notify(void)
{
	static const struct
	{
		const char *word;
		unsigned by;
	} words[] = {{"none", 0}, {"message", CPM_NOTIFY_MESSAGE},
			{"notify", CPM_NOTIFY_NOTIFY},
			{"both", CPM_NOTIFY_MESSAGE | CPM_NOTIFY_NOTIFY}};
	str v = cpm_conf.defer_notify;

	for(size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if(v.len != (int)strlen(words[i].word)
				|| memcmp(v.s, words[i].word, (size_t)v.len) != 0)
			continue;
		cpm_conf.notify_by = words[i].by;
		return 0;
	}
	LM_ERR("modparam defer_notify is \"%.*s\", must be none, message, notify"
		   " or both\n",
			STR_FMT(&v));
	return -1;
}

/* Registered clients: where from, and how they are reached. */
static int check_contacts(void)
{
	static const char *const sources[] = {"none", "usrloc", "reg"};
	int target = -1;

	for(int i = 0; i < 3; i++)
		if(cpm_conf.contacts.len == (int)strlen(sources[i])
				&& memcmp(cpm_conf.contacts.s, sources[i],
						   (size_t)cpm_conf.contacts.len)
						== 0)
			target = i;
	if(target < 0) {
		LM_ERR("modparam contacts is \"%.*s\", must be none, usrloc or reg\n",
				STR_FMT(&cpm_conf.contacts));
		return -1;
	}
	cpm_conf.contacts_by = (cpm_contacts_t)target;
	cpm_conf.target = cpm_conf.contacts_by == CPM_CONTACTS_USRLOC
			? CPM_TARGET_CONTACT
			: CPM_TARGET_GRUU;
	if(cpm_conf.client_target.len < 1)
		return 0;
	target = check_words(
			"client_target", cpm_conf.client_target, "gruu", "contact");
	if(target < 0)
		return -1;
	cpm_conf.target = target ? CPM_TARGET_CONTACT : CPM_TARGET_GRUU;
	return 0;
}

int cpm_conf_check(void)
{
	sip_uri_t uri;
	int bad = check_numbers() | check_words_all() | check_contacts()
			| check_notify() | check_route("push_route", &cpm_conf.push_route)
			| check_route("imdn_route", &cpm_conf.imdn_route);

	if(cpm_conf.relay_socket.len < 1
			|| cpm_conf.relay_socket.len
					>= (int)sizeof(((struct sockaddr_un *)0)->sun_path)) {
		LM_ERR("modparam relay_socket is empty or too long for a socket\n");
		bad = -1;
	}
	if(!ctl_name_ok(cpm_conf.relay_owner.s, CTL_ID_MAX)) {
		LM_ERR("modparam relay_owner must be 1 to %d of A-Z a-z 0-9 . _ -\n",
				CTL_ID_MAX);
		bad = -1;
	}
	if(cpm_conf.contact.len < 1) {
		LM_ERR("modparam contact is required: the SIP URI by which the core"
			   " reaches this server\n");
		return -1;
	}
	if(check_uri("contact", &cpm_conf.contact, &uri) < 0)
		return -1;
	if(cpm_conf.warn_agent.len < 1)
		cpm_conf.warn_agent = uri.host;
	if(cpm_conf.outbound_proxy.len > 0
			&& check_uri("outbound_proxy", &cpm_conf.outbound_proxy, &uri) < 0)
		bad = -1;
	if(cpm_conf.reg_route.len > 0
			&& check_uri("reg_route", &cpm_conf.reg_route, &uri) < 0)
		bad = -1;
	if(str_strcmp(&cpm_conf.msrp_transport, &(str)str_init("tcp")) == 0) {
		cpm_conf.transport = CPM_TRANSPORT_TCP;
	} else if(str_strcmp(&cpm_conf.msrp_transport, &(str)str_init("tls"))
			== 0) {
		cpm_conf.transport = CPM_TRANSPORT_TLS;
	} else {
		LM_ERR("modparam msrp_transport is \"%.*s\", must be tcp or tls\n",
				cpm_conf.msrp_transport.len, cpm_conf.msrp_transport.s);
		bad = -1;
	}
	return bad ? -1 : 0;
}
