/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every refusal of the module in one table: status, phrase and Warning text
 * (warn-code 399, texts of OMA-TS-CPM_Conv_Fnct 8.2.1 and appendix). Used by
 * the checks, by the B2BUA after the transaction was suspended, and by
 * scripts as cpm_reject("127").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/counters.h"
#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_uri.h"
#include "../sl/sl.h"
#include "cpm_b2b.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_notice.h"
#include "cpm_req.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "proto/deferred_list.h"

/* Status, phrase and Warning of a row may be changed by modparam refusal. */
struct refusal
{
	const char *name;
	int code;
	const char *phrase;
	const char *warning; /* NULL: no Warning */
	const char *header;  /* a further complete line, or NULL */
};

#define RETRY "Retry-After: 10\r\n"

static char error_info[512]; /* a line, from the modparam */

static struct refusal table[] = {
		{"102", 486, "Busy Here", "102 Too many recipients", NULL},
		{"119", 403, "Forbidden", "119 Anonymity not allowed", NULL},
		{"122", 403, "Forbidden", "122 Function not allowed", NULL},
		{"127", 403, "Forbidden", "127 Service not authorised", NULL},
		{"129", 403, "Forbidden", "129 No destinations", NULL},
		{"132", 403, "Forbidden", "132 Version not supported", error_info},
		{"133", 403, "Forbidden", "133 Size exceeded", NULL},
		{"accept", 406, "Not Acceptable", NULL,
				"Accept: " DEFERRED_LIST_TYPE "\r\n"},
		{"bad-request", 400, "Bad Request", "Malformed request", NULL},
		{"bad-sdp", 400, "Bad Session Description", "Malformed SDP", NULL},
		{"brief", 423, "Interval Too Brief", NULL, NULL},
		{"content", 415, "Unsupported Media Type", NULL,
				"Accept: application/sdp, message/cpim, multipart/mixed\r\n"},
		{"cseq", 500, "Server Internal Error", "CSeq out of order",
				"Retry-After: 2\r\n"},
		{"defer-full", 503, "Service Unavailable", "Message store is full",
				RETRY},
		{"defer-quota", 413, "Request Entity Too Large",
				"Storage of the recipient is full", RETRY},
		{"defer-size", 413, "Request Entity Too Large", "133 Size exceeded",
				NULL},
		{"defer-store", 503, "Service Unavailable",
				"Message store not available", RETRY},
		{"dialog", 481, "Call/Transaction Does Not Exist", NULL, NULL},
		{"event", 489, "Bad Event", NULL,
				"Allow-Events: " CPM_NOTICE_EVENT "\r\n"},
		{"expired", 480, "Temporarily Unavailable", "Message has expired",
				NULL},
		{"extension", 420, "Bad Extension", NULL, NULL},
		{"glare", 491, "Request Pending", NULL, NULL},
		{"interval", 422, "Session Interval Too Small", NULL, NULL},
		{"loop", 483, "Too Many Hops", NULL, NULL},
		{"memory", 503, "Service Unavailable", "Out of memory", RETRY},
		{"method", 405, "Method Not Allowed", NULL, "Allow: " CPM_ALLOW "\r\n"},
		{"msrp", 480, "Temporarily Unavailable", "MSRP failed", NULL},
		{"msrp-400", 400, "Bad Request", "MSRP 400", NULL},
		{"msrp-403", 403, "Forbidden", "122 Function not allowed", NULL},
		{"msrp-413", 413, "Request Entity Too Large", "133 Size exceeded",
				NULL},
		{"msrp-415", 415, "Unsupported Media Type", "MSRP 415", NULL},
		{"offline", 480, "Temporarily Unavailable", "No client is registered",
				NULL},
		{"pending", 500, "Server Internal Error", "INVITE in progress",
				"Retry-After: 5\r\n"},
		{"quota", 480, "Temporarily Unavailable",
				"No room for deferred messages", NULL},
		{"ref", 404, "Not Found", "No such deferred message", NULL},
		{"relay", 503, "Service Unavailable", "Media relay not available",
				RETRY},
		{"ring", 408, "Request Timeout", NULL, NULL},
		{"sdp", 488, "Not Acceptable Here", "Session description not usable",
				NULL},
		{"store", 503, "Service Unavailable", "Message store not available",
				RETRY},
		{"subscriptions", 503, "Service Unavailable", "Too many subscriptions",
				RETRY},
		{"too-large", 413, "Request Entity Too Large", "133 Size exceeded",
				NULL},
		{"too-long", 513, "Message Too Large", NULL, NULL},
		{"unavailable", 480, "Temporarily Unavailable", NULL, NULL},
		{"unreachable", 503, "Service Unavailable", "Next hop not reachable",
				RETRY},
		{"uri", 416, "Unsupported URI Scheme", NULL, NULL},
};

#define ROWS (sizeof(table) / sizeof(*table))

/* What belongs to each row, too. */
static counter_handle_t counters[ROWS];
static char names[ROWS][32];  /* of the counters */
static int instead_2xx[ROWS]; /* for a MESSAGE alone; 0: none */

static struct refusal *find(const char *name, size_t n)
{
	for(size_t i = 0; i < ROWS; i++)
		if(strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
			return &table[i];
	return NULL;
}

/* A detail is ours or a table's text, never the peer's: no quoting. */
static void add_lines(cpm_buf_t *b, struct refusal *r, const char *detail)
{
	const char *text = detail ? detail : r->warning;

	cpm_hdr_server(b);
	if(text)
		cpm_buf_fmt(b, "Warning: 399 %.*s \"%s\"\r\n",
				STR_FMT(&cpm_conf.warn_agent), text);
	if(r->header)
		cpm_buf_lit(b, r->header);
}

/* ---- modparams and counters ---- */

/* A phrase or a Warning's text: no quote, no control byte. */
static bool text_ok(const char *s)
{
	for(; *s; s++)
		if((unsigned char)*s < ' ' || *s == 0x7f || *s == '"' || *s == '\\')
			return false;
	return true;
}

/* "name=code phrase;warning": each part behind the code may be left out. */
static int override(char *value)
{
	char *code = strchr(value, '='), *phrase, *warning, *end;
	struct refusal *r;
	long n;

	if(code == NULL || !text_ok(value))
		return -1;
	*code++ = '\0';
	r = find(value, strlen(value));
	warning = strchr(code, ';');
	if(warning)
		*warning++ = '\0';
	n = strtol(code, &end, 10);
	phrase = end + strspn(end, " ");
	if(r == NULL || end == code || (*end != ' ' && *end != '\0')
			|| !((n >= 200 && n < 203) || (n >= 300 && n < 700)))
		return -1;
	if(n < 300) {
		instead_2xx[r - table] = (int)n;
		return 0;
	}
	r->code = (int)n;
	if(*phrase)
		r->phrase = phrase;
	if(warning)
		r->warning = *warning ? warning : NULL;
	return 0;
}

int cpm_reject_param(modparam_t type, void *value)
{
	char *copy = strdup(value); /* kept: the rows point into it */
	int rc = copy ? override(copy) : -1;

	(void)type;
	if(rc < 0) {
		LM_ERR("modparam refusal is not \"name=code phrase;warning\": %s\n",
				(char *)value);
		free(copy);
	}
	return rc;
}

int cpm_reject_register(void)
{
	for(size_t i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "refused_%s", table[i].name);
		for(char *c = names[i]; *c; c++)
			if(*c == '-')
				*c = '_';
		if(counter_register(&counters[i], "cpm", names[i], 0, NULL, NULL,
				   "requests refused for that reason", 0)
				< 0)
			return -1;
	}
	return 0;
}

int cpm_reject_info(unsigned i, cpm_reject_info_t *out)
{
	if(i >= ROWS)
		return -1;
	*out = (cpm_reject_info_t){.name = table[i].name,
			.counter = names[i],
			.code = table[i].code,
			.phrase = table[i].phrase,
			.warning = table[i].warning,
			.count = counter_get_val(counters[i])};
	return 0;
}

/* Module sl, when it is loaded: answers without a transaction. */
static sl_api_t sl;

int cpm_reject_init(void)
{
	str uri = cpm_conf.error_info;

	if(find_export("bind_sl", 0, 0) == NULL || sl_load_api(&sl) < 0)
		memset(&sl, 0, sizeof(sl));
	if(uri.len <= 0)
		return 0;
	if(uri.len > 400 || !text_ok(uri.s) || strpbrk(uri.s, "<> ") != NULL) {
		LM_ERR("modparam error_info is no URI: %.*s\n", STR_FMT(&uri));
		return -1;
	}
	snprintf(error_info, sizeof(error_info), "Error-Info: <%.*s>\r\n",
			STR_FMT(&uri));
	return 0;
}

/* ---- answers ---- */

static int stateless_reply(sip_msg_t *msg, int code, const char *phrase)
{
	str reason = {(char *)phrase, (int)strlen(phrase)};

	return sl.freply ? sl.freply(msg, code, &reason) : -1;
}

static bool has_transaction(void)
{
	struct cell *t = cpm_tm.t_gett();

	return t != NULL && t != T_UNDEFINED;
}

static int refuse(
		sip_msg_t *msg, struct refusal *r, const char *detail, str extra)
{
	cpm_buf_t b = {0};
	const char *phrase = r->phrase;
	sip_uri_t uri;
	/* tm makes no transaction for a Request-URI that it cannot read */
	bool stateful = parse_uri(GET_RURI(msg)->s, GET_RURI(msg)->len, &uri) == 0;
	int rc, code = r->code;

	if(msg->REQ_METHOD == METHOD_ACK)
		return 0;
	if(stateful && !has_transaction()) {
		rc = cpm_tm.t_newtran(msg);
		if(rc == 0)
			return 0;      /* a retransmission, absorbed */
		stateful = rc > 0; /* tm has no memory: at least an answer */
		/* later releases of tm drop a transaction without a branch and with
		 * it the retransmission of this answer */
		if(stateful && msg->REQ_METHOD == METHOD_INVITE)
			cpm_tm.t_addblind();
	}
	cpm_stat_inc(CPM_STAT_REFUSED);
	counter_inc(counters[r - table]);
	cpm_req(msg)->refusal = r->name;
	if(instead_2xx[r - table] && msg->REQ_METHOD == METHOD_MESSAGE) {
		code = instead_2xx[r - table];
		phrase = code == 202 ? "Accepted" : "OK";
		cpm_hdr_server(&b);
	} else {
		add_lines(&b, r, detail);
		cpm_check_lines(msg, r->name, &b);
	}
	cpm_buf_str(&b, extra);
	if(b.bad
			|| (b.len > 0
					&& add_lump_rpl(msg, b.s, b.len, LUMP_RPL_HDR) == NULL))
		LM_ERR("no memory for the headers of a %d\n", code);
	cpm_buf_free(&b);
	LM_INFO("refused %.*s, Call-ID %.*s: %d, %s%s%s\n",
			STR_FMT(&msg->first_line.u.request.method),
			msg->callid ? msg->callid->body.len : 1,
			msg->callid ? msg->callid->body.s : "-", code, r->name,
			detail ? ": " : "", detail ? detail : "");
	if(stateful)
		rc = cpm_tm.t_reply(msg, (unsigned)code, (char *)phrase);
	else
		rc = stateless_reply(msg, code, phrase);
	return rc < 0 ? -1 : 0;
}

int cpm_reject(sip_msg_t *msg, const char *name, const char *detail, str extra)
{
	struct refusal *r = find(name, strlen(name));

	if(r == NULL) {
		LM_BUG("no refusal named %s\n", name);
		return -1;
	}
	return refuse(msg, r, detail, extra);
}

int ki_cpm_reject(sip_msg_t *msg, str *reason)
{
	struct refusal *r = find(reason->s, (size_t)reason->len);

	if(r == NULL) {
		LM_ERR("cpm_reject: no reason named %.*s\n", STR_FMT(reason));
		return -1;
	}
	if(parse_headers(msg, HDR_EOH_F, 0) < 0)
		return -1;
	return refuse(msg, r, NULL, (str){NULL, 0});
}

cpm_strs_t *cpm_reject_answer(const char *name, const char *detail, int *code)
{
	struct refusal *r = find(name, strlen(name));
	cpm_strs_t *answer;
	cpm_buf_t b = {0};
	str v[CPM_A_N] = {{NULL, 0}};

	if(r == NULL) {
		LM_BUG("no refusal named %s\n", name);
		*code = 500;
		return NULL;
	}
	*code = r->code;
	counter_inc(counters[r - table]);
	add_lines(&b, r, detail);
	v[CPM_A_REASON] = (str){(char *)r->phrase, (int)strlen(r->phrase)};
	if(!b.bad)
		v[CPM_A_HEADERS] = cpm_buf_get(&b);
	answer = cpm_strs_new(v, CPM_A_N);
	cpm_buf_free(&b);
	return answer;
}
