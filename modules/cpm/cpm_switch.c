/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The way from a MESSAGE into a session (cpm_switch.h): its content with what
 * MSRP asks of the wrapper, the texts of the INVITE, and the session of the
 * B2BUA, whose leg 0 is the MESSAGE's transaction. From there the relay's
 * answer goes on as with any large message. Called by cpm_pager.c.
 */
#include "cpm_switch.h"

#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_from.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_exploder.h"
#include "cpm_isf.h"
#include "cpm_req.h"
#include "cpm_stats.h"
#include "proto/multipart.h"
#include "proto/payload.h"

#define HEADERS_MAX 16384 /* bytes of the MESSAGE in front of its body */
#define LIST_MAX 24576    /* bytes of a list that goes on with the INVITE */

/* What the recipient gets: the wrapper, and perhaps lines put into it. */
struct content
{
	struct slice cpim;
	struct slice list; /* for the INVITE: part with its headers, or empty */
	size_t at;         /* where in it the lines go */
	size_t to_bytes;   /* of its To */
	int n_lines;
	char lines[PAYLOAD_TEXT_MAX];
	int n_wrapped;
	char wrapped[PAYLOAD_TEXT_MAX]; /* a=accept-wrapped-types */
};

static size_t content_size(const struct content *c)
{
	return c->cpim.n + (size_t)c->n_lines;
}

static const char *read_content(sip_msg_t *msg, struct slice cpim,
		struct content *c, const char **detail)
{
	struct cpim parsed;

	if(cpim_parse(cpim, &parsed) < 0) {
		*detail = "Malformed CPIM";
		return "bad-request";
	}
	c->cpim = cpim;
	c->to_bytes = cpim_to_bytes(&parsed);
	c->n_wrapped = payload_wrapped(&parsed, c->wrapped, sizeof(c->wrapped));
	/* OP-41: the types of a multipart payload are said in the wrapper */
	c->n_lines = payload_type_lines(
			cpim, &parsed, &c->at, c->lines, sizeof(c->lines));
	if(c->n_wrapped < 0 || c->n_lines < 0) {
		*detail = "Malformed payload";
		return "bad-request";
	}
	return cpm_check_bytes(msg, content_size(c)); /* again: it has grown */
}

static char *copy_content(const struct content *c)
{
	char *to = shm_malloc(content_size(c));
	size_t lines = (size_t)c->n_lines;

	if(to == NULL)
		return NULL;
	memcpy(to, c->cpim.p, c->at);
	memcpy(to + c->at, c->lines, lines);
	memcpy(to + c->at + lines, c->cpim.p + c->at, c->cpim.n - c->at);
	return to;
}

/* OP-34: the list of an ad-hoc group as a part of the INVITE's body. */
static const char *read_list(sip_msg_t *msg, struct slice *list)
{
	str type = cpm_hdr_get(msg, "Content-Type");
	struct multipart_part part;

	*list = slice_of(NULL, 0);
	if(multipart_find(slice_of(type.s, (size_t)type.len), cpm_body(msg),
			   SLICE("application/resource-lists+xml"), &part)
			!= 0)
		return NULL;
	/* headers, the empty line and the body lie behind each other */
	*list = slice_of(part.headers.p,
			(size_t)(part.body.p + part.body.n - part.headers.p));
	return list->n > LIST_MAX ? "too-long" : NULL;
}

/* CPM_T_* of the session. */
static cpm_strs_t *texts(sip_msg_t *msg, const struct content *c, str dest)
{
	char id[CPM_HEX_BUF];
	cpm_buf_t headers = {0};
	str v[CPM_T_N] = {{NULL, 0}};
	cpm_strs_t *m = NULL;

	cpm_id_random(id);
	cpm_switch_headers(&headers, msg);
	v[CPM_T_HEADERS] = cpm_buf_get(&headers);
	v[CPM_T_LIST] = (str){(char *)c->list.p, (int)c->list.n};
	v[CPM_T_TARGET] = dest;
	v[CPM_T_TYPES] = CPM_STR("message/cpim");
	v[CPM_T_WRAPPED] = (str){(char *)c->wrapped, c->n_wrapped};
	v[CPM_T_CONTENT_TYPE] = CPM_STR("message/cpim");
	v[CPM_T_MESSAGE_ID] = (str){id, (int)strlen(id)};
	if(!headers.bad)
		m = cpm_text_session(msg, v);
	cpm_buf_free(&headers);
	return m;
}

/* CPM_D_* of leg 0: no dialog, but its names. */
static cpm_strs_t *names(sip_msg_t *msg, uint64_t id)
{
	char tag[CPM_TAG_BUF];
	str v[CPM_D_N] = {{NULL, 0}};

	v[CPM_D_CALL_ID] = msg->callid->body;
	v[CPM_D_LOCAL_TAG] = (str){tag, cpm_tag_print(id, CPM_IN, tag)};
	v[CPM_D_REMOTE_TAG] = get_from(msg)->tag_value;
	v[CPM_D_REMOTE] = get_from(msg)->uri;
	return cpm_strs_new(v, CPM_D_N);
}

/* The list is taken over, also without memory. */
static cpm_session_t *build(sip_msg_t *msg, uint64_t id,
		const struct content *c, cpm_rcpts_t *rcpts, str dest)
{
	cpm_session_t *s = cpm_session_new(id, rcpts ? rcpts->n : 1);

	if(s == NULL) {
		cpm_rcpts_free(&rcpts);
		return NULL;
	}
	s->kind = CPM_UAS_MESSAGE;
	s->rcpts = rcpts;
	s->interworking = cpm_req(msg)->interworking && cpm_isf_is_there();
	s->sized = true;
	s->bytes = s->content_n = (uint32_t)content_size(c);
	s->content = copy_content(c);
	s->retarget = rcpts && cpm_conf.rewrite_cpim_to;
	s->to_bytes = (uint32_t)c->to_bytes;
	s->msg = texts(msg, c, dest);
	s->legs[CPM_IN].dlg = names(msg, id);
	if(s->content && s->msg && s->legs[CPM_IN].dlg)
		return s;
	cpm_session_free(s);
	return NULL;
}

/* How long the sender may wait. The sum of many has a time of its own. */
static unsigned wait_ms(const cpm_rcpts_t *rcpts)
{
	return (unsigned)(rcpts && cpm_conf.answer == CPM_ANSWER_AGGREGATE
					? cpm_conf.exploder_wait
					: cpm_conf.switch_timeout);
}

/* Checked, and no retransmission: the transaction is there. */
static const char *begin(
		sip_msg_t *msg, const struct content *c, cpm_rcpts_t *rcpts, str dest)
{
	struct cell *t = cpm_tm.t_gett();
	uint64_t id = cpm_id_make(t->hash_index, t->label);
	unsigned n = rcpts ? rcpts->n : 0, wait = wait_ms(rcpts);
	cpm_session_t *s = build(msg, id, c, rcpts, dest);

	LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: MESSAGE of %zu bytes"
			" from %.*s to %.*s, %u recipients\n",
			CPM_ID_ARG(id), STR_FMT(&msg->callid->body), content_size(c),
			STR_FMT(&get_from(msg)->uri), STR_FMT(&dest), n ? n : 1);
	if(s == NULL || cpm_b2b_begin(msg, s, wait) < 0) {
		LM_ERR("session " CPM_ID_FMT ": out of memory\n", CPM_ID_ARG(id));
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		return "memory";
	}
	cpm_stat_inc(CPM_STAT_SWITCHED);
	if(n > 0) {
		cpm_stat_inc(CPM_STAT_EXPLODED);
		cpm_stat_add(CPM_STAT_EXPLODED_RCPTS, (int)n);
	}
	return NULL;
}

/* In a transaction of its own; the destination's text must outlive that of the
 * request, which may be rewritten. */
static const char *take(
		sip_msg_t *msg, const struct content *c, cpm_rcpts_t *rcpts)
{
	const char *no = "memory";
	cpm_buf_t dest = {0};
	int rc;

	cpm_buf_str(&dest, *GET_RURI(msg));
	rc = dest.bad ? -1 : cpm_b2b_newtran(msg);
	if(rc > 0)
		no = begin(msg, c, rcpts, cpm_buf_get(&dest));
	else
		cpm_rcpts_free(&rcpts);
	cpm_buf_free(&dest);
	return rc == 0 ? NULL /* a retransmission: absorbed */ : no;
}

/* OP-37: only the ISF reaches some; where the others go has to be known. */
static const char *check_way(sip_msg_t *msg)
{
	str dest = *GET_RURI(msg);
	sip_uri_t uri;

	if(cpm_isf_scheme(dest)) {
		if(!cpm_req(msg)->interworking || !cpm_isf_is_there())
			return "uri";
		dest = cpm_isf_uri();
	} else if(parse_uri(dest.s, dest.len, &uri) < 0) {
		return "bad-request";
	}
	return cpm_text_next_hop_resolves(msg, dest) ? NULL : "unreachable";
}

const char *cpm_switch(sip_msg_t *msg, struct slice cpim, cpm_rcpts_t *rcpts,
		const char **detail)
{
	struct content c = {.at = 0};
	const char *no = NULL;

	if(get_body(msg) - msg->buf > HEADERS_MAX)
		no = "too-long";
	if(no == NULL)
		no = read_content(msg, cpim, &c, detail);
	if(no == NULL && rcpts == NULL)
		no = read_list(msg, &c.list);
	if(no == NULL && rcpts == NULL)
		no = check_way(msg);
	if(no == NULL)
		return take(msg, &c, rcpts);
	cpm_rcpts_free(&rcpts);
	return no;
}

/* ---- to many: when the sender is answered ---- */

void cpm_switch_received(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool accept = s && s->kind == CPM_UAS_MESSAGE && s->rcpts
			&& cpm_conf.answer == CPM_ANSWER_ACCEPT;

	if(s)
		cpm_session_unlock(s);
	if(accept)
		cpm_uas_final(id, 202, NULL);
}

bool cpm_switch_waited(uint64_t id)
{
	cpm_session_t *s = cpm_session_lock(id);
	bool some = s && s->kind == CPM_UAS_MESSAGE && s->rcpts && s->received
			&& s->state != CPM_S_CLOSING;

	if(s)
		cpm_session_unlock(s);
	if(some)
		cpm_uas_final(id, 202, NULL);
	return some;
}
