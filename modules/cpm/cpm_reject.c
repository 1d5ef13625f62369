/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every refusal of the module in one table: status, phrase and Warning text
 * (warn-code 399, texts of OMA-TS-CPM_Conv_Fnct 8.2.1 and appendix). Used by
 * the checks, by the B2BUA after the transaction was suspended, and by
 * scripts as cpm_reject("127").
 */
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../sl/sl.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_sip.h"
#include "cpm_stats.h"

struct refusal
{
	const char *name;
	int code;
	const char *phrase;
	const char *warning; /* NULL: no Warning */
	const char *header;  /* a further complete line, or NULL */
};

#define RETRY "Retry-After: 10\r\n"

static const struct refusal table[] = {
		{"102", 486, "Busy Here", "102 Too many recipients", NULL},
		{"119", 403, "Forbidden", "119 Anonymity not allowed", NULL},
		{"122", 403, "Forbidden", "122 Function not allowed", NULL},
		{"127", 403, "Forbidden", "127 Service not authorised", NULL},
		{"129", 403, "Forbidden", "129 No destinations", NULL},
		{"132", 403, "Forbidden", "132 Version not supported",
				"Error-Info: <sip:version-not-supported@invalid>\r\n"},
		{"133", 403, "Forbidden", "133 Size exceeded", NULL},
		{"bad-request", 400, "Bad Request", "Malformed request", NULL},
		{"bad-sdp", 400, "Bad Session Description", "Malformed SDP", NULL},
		{"content", 415, "Unsupported Media Type", NULL,
				"Accept: application/sdp, message/cpim, multipart/mixed\r\n"},
		{"cseq", 500, "Server Internal Error", "CSeq out of order",
				"Retry-After: 2\r\n"},
		{"dialog", 481, "Call/Transaction Does Not Exist", NULL, NULL},
		{"expired", 480, "Temporarily Unavailable", "Message has expired",
				NULL},
		{"extension", 420, "Bad Extension", NULL, NULL},
		{"glare", 491, "Request Pending", NULL, NULL},
		{"interval", 422, "Session Interval Too Small", NULL, NULL},
		{"loop", 483, "Too Many Hops", NULL, NULL},
		{"memory", 503, "Service Unavailable", "Out of memory", RETRY},
		{"method", 405, "Method Not Allowed", NULL, "Allow: " CPM_ALLOW "\r\n"},
		{"pending", 500, "Server Internal Error", "INVITE in progress",
				"Retry-After: 5\r\n"},
		{"relay", 503, "Service Unavailable", "Media relay not available",
				RETRY},
		{"ring", 408, "Request Timeout", NULL, NULL},
		{"sdp", 488, "Not Acceptable Here", "Session description not usable",
				NULL},
		{"too-large", 413, "Request Entity Too Large", "133 Size exceeded",
				NULL},
		{"too-long", 513, "Message Too Large", NULL, NULL},
		{"unreachable", 503, "Service Unavailable", "Next hop not reachable",
				RETRY},
		{"uri", 416, "Unsupported URI Scheme", NULL, NULL},
};

static const struct refusal *find(const char *name, size_t n)
{
	for(size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if(strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
			return &table[i];
	return NULL;
}

/* A detail is ours or a table's text, never the peer's: no quoting. */
static void add_lines(cpm_buf_t *b, const struct refusal *r, const char *detail)
{
	const char *text = detail ? detail : r->warning;

	cpm_hdr_server(b);
	if(text)
		cpm_buf_fmt(b, "Warning: 399 %.*s \"%s\"\r\n",
				STR_FMT(&cpm_conf.warn_agent), text);
	if(r->header)
		cpm_buf_lit(b, r->header);
}

/* Module sl, when it is loaded: answers without a transaction. */
static sl_api_t sl;

void cpm_reject_init(void)
{
	if(find_export("bind_sl", 0, 0) == NULL || sl_load_api(&sl) < 0)
		memset(&sl, 0, sizeof(sl));
}

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
		sip_msg_t *msg, const struct refusal *r, const char *detail, str extra)
{
	cpm_buf_t b = {0};
	bool stateful = true;
	int rc;

	if(msg->REQ_METHOD == METHOD_ACK)
		return 0;
	if(!has_transaction()) {
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
	add_lines(&b, r, detail);
	cpm_buf_str(&b, extra);
	if(b.bad
			|| (b.len > 0
					&& add_lump_rpl(msg, b.s, b.len, LUMP_RPL_HDR) == NULL))
		LM_ERR("no memory for the headers of a %d\n", r->code);
	cpm_buf_free(&b);
	LM_INFO("refused %.*s, Call-ID %.*s: %d, %s%s%s\n",
			STR_FMT(&msg->first_line.u.request.method),
			msg->callid ? msg->callid->body.len : 1,
			msg->callid ? msg->callid->body.s : "-", r->code, r->name,
			detail ? ": " : "", detail ? detail : "");
	if(stateful)
		rc = cpm_tm.t_reply(msg, (unsigned)r->code, (char *)r->phrase);
	else
		rc = stateless_reply(msg, r->code, r->phrase);
	return rc < 0 ? -1 : 0;
}

int cpm_reject(sip_msg_t *msg, const char *name, const char *detail, str extra)
{
	const struct refusal *r = find(name, strlen(name));

	if(r == NULL) {
		LM_BUG("no refusal named %s\n", name);
		return -1;
	}
	return refuse(msg, r, detail, extra);
}

int ki_cpm_reject(sip_msg_t *msg, str *reason)
{
	const struct refusal *r = find(reason->s, (size_t)reason->len);

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
	const struct refusal *r = find(name, strlen(name));
	cpm_strs_t *answer;
	cpm_buf_t b = {0};
	str v[CPM_A_N] = {{NULL, 0}};

	if(r == NULL) {
		LM_BUG("no refusal named %s\n", name);
		*code = 500;
		return NULL;
	}
	*code = r->code;
	add_lines(&b, r, detail);
	v[CPM_A_REASON] = (str){(char *)r->phrase, (int)strlen(r->phrase)};
	if(!b.bad)
		v[CPM_A_HEADERS] = cpm_buf_get(&b);
	answer = cpm_strs_new(v, CPM_A_N);
	cpm_buf_free(&b);
	return answer;
}
