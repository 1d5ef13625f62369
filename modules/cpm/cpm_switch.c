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
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_b2b_text.h"
#include "cpm_check.h"
#include "cpm_conf.h"
#include "cpm_req.h"
#include "cpm_stats.h"
#include "proto/payload.h"

#define HEADERS_MAX 16384 /* bytes of the MESSAGE in front of its body */

/* What the recipient gets: the wrapper, and perhaps lines put into it. */
struct content
{
	struct slice cpim;
	size_t at; /* where in it the lines go */
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

/* CPM_T_* of the session. */
static cpm_strs_t *texts(sip_msg_t *msg, const struct content *c)
{
	char id[CPM_HEX_BUF];
	cpm_buf_t headers = {0};
	str v[CPM_T_N] = {{NULL, 0}};
	cpm_strs_t *m = NULL;

	cpm_id_random(id);
	cpm_switch_headers(&headers, msg);
	cpm_buf_lit(&headers, "Content-Type: application/sdp\r\n");
	v[CPM_T_HEADERS] = cpm_buf_get(&headers);
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
		const struct content *c, cpm_rcpts_t *rcpts)
{
	cpm_session_t *s = cpm_session_new(id, rcpts ? rcpts->n : 1);

	if(s == NULL) {
		cpm_rcpts_free(&rcpts);
		return NULL;
	}
	s->kind = CPM_UAS_MESSAGE;
	s->rcpts = rcpts;
	s->interworking = cpm_req(msg)->interworking;
	s->sized = true;
	s->bytes = s->content_n = (uint32_t)content_size(c);
	s->content = copy_content(c);
	s->msg = texts(msg, c);
	s->legs[CPM_IN].dlg = names(msg, id);
	if(s->content && s->msg && s->legs[CPM_IN].dlg)
		return s;
	cpm_session_free(s);
	return NULL;
}

/* Checked, and no retransmission: the transaction is there. */
static const char *begin(
		sip_msg_t *msg, const struct content *c, cpm_rcpts_t *rcpts)
{
	struct cell *t = cpm_tm.t_gett();
	uint64_t id = cpm_id_make(t->hash_index, t->label);
	unsigned n = rcpts ? rcpts->n : 1;
	cpm_session_t *s = build(msg, id, c, rcpts);

	if(s)
		LM_INFO("session " CPM_ID_FMT " begins, Call-ID %.*s: MESSAGE of %zu"
				" bytes from %.*s to %.*s, %u recipients\n",
				CPM_ID_ARG(id), STR_FMT(&msg->callid->body), content_size(c),
				STR_FMT(&get_from(msg)->uri), STR_FMT(GET_RURI(msg)), n);
	if(s == NULL
			|| cpm_b2b_begin(msg, s, (unsigned)cpm_conf.switch_timeout) < 0) {
		LM_ERR("session " CPM_ID_FMT ": out of memory\n", CPM_ID_ARG(id));
		cpm_stat_inc(CPM_STAT_F_MEMORY);
		return "memory";
	}
	cpm_stat_inc(CPM_STAT_SWITCHED);
	return NULL;
}

const char *cpm_switch(sip_msg_t *msg, struct slice cpim, cpm_rcpts_t *rcpts,
		const char **detail)
{
	struct content c = {.at = 0};
	const char *no = NULL;
	int rc;

	if(get_body(msg) - msg->buf > HEADERS_MAX)
		no = "too-long";
	if(no == NULL)
		no = read_content(msg, cpim, &c, detail);
	if(no == NULL && rcpts == NULL
			&& !cpm_text_next_hop_resolves(msg, *GET_RURI(msg)))
		no = "unreachable";
	if(no) {
		cpm_rcpts_free(&rcpts);
		return no;
	}
	rc = cpm_tm.t_newtran(msg);
	if(rc > 0)
		return begin(msg, &c, rcpts);
	cpm_rcpts_free(&rcpts);
	return rc == 0 ? NULL /* a retransmission: absorbed */ : "memory";
}
