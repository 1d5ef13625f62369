/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests to the EXPLODER-URI (cpm_exploder.h): the one validation for the
 * pager fan-out, for the pager message that becomes large, and for INVITE.
 */
#include "cpm_exploder.h"

#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_content.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_conf.h"
#include "cpm_req.h"
#include "cpm_check.h"
#include "cpm_service.h"
#include "cpm_sip.h"
#include "proto/multipart.h"

#define URIS_MAX 8 /* EXPLODER-URIs */
#define LIST_TYPE SLICE("application/resource-lists+xml")
#define CPIM_TYPE SLICE("message/cpim")

/* Our own addresses: keys of rcpt_uri.h. */
static struct slice uris[URIS_MAX];
static size_t n_uris;

static int add_uri(struct slice text)
{
	struct rcpt_uri u;
	char *buf;

	if(n_uris == URIS_MAX || text.n > RCPT_URI_MAX)
		return -1;
	buf = pkg_malloc(RCPT_URI_ROOM(text.n));
	if(buf == NULL)
		return -1;
	if(rcpt_uri_parse(text, buf, RCPT_URI_ROOM(text.n), &u) < 0
			|| (u.kind != RCPT_SIP && u.kind != RCPT_SIPS)) {
		pkg_free(buf);
		return -1;
	}
	uris[n_uris++] = u.key;
	return 0;
}

int cpm_exploder_init(void)
{
	struct slice rest = cpm_slice_of(cpm_conf.exploder_uri);

	rlist_init();
	while(rest.n > 0) {
		struct slice one = slice_trim(slice_cut(rest, ',', &rest));

		if(one.n > 0 && add_uri(one) < 0) {
			LM_ERR("modparam exploder_uri: not up to %d SIP URIs: \"%.*s\"\n",
					URIS_MAX, SLICE_ARG(one));
			return -1;
		}
	}
	return 0;
}

bool cpm_is_exploder(sip_msg_t *msg)
{
	struct slice text = cpm_slice_of(*GET_RURI(msg));
	char buf[RCPT_URI_ROOM(RCPT_URI_MAX)];
	struct rcpt_uri u;

	if(n_uris == 0 || text.n > RCPT_URI_MAX
			|| rcpt_uri_parse(text, buf, sizeof(buf), &u) < 0)
		return false;
	for(size_t i = 0; i < n_uris; i++)
		if(rcpt_key_same_user(u.key, uris[i]))
			return true;
	return false;
}

int ki_cpm_is_exploder(sip_msg_t *msg)
{
	return cpm_is_exploder(msg) ? 1 : -1;
}

/* ---- body ---- */

struct slice cpm_body(sip_msg_t *msg)
{
	char *body = get_body(msg);
	struct slice s = {NULL, 0};
	long declared;

	if(body == NULL || msg->buf + msg->len <= body)
		return s;
	s = slice_of(body, (size_t)(msg->buf + msg->len - body));
	if(msg->content_length) {
		declared = get_content_length(msg);
		if(declared >= 0 && (size_t)declared < s.n)
			s.n = (size_t)declared;
	}
	return s;
}

/* "recipient-list", with or without parameters. */
static bool is_recipient_list(struct slice disposition)
{
	return slice_ieq(mime_type(disposition), SLICE("recipient-list"));
}

/* The list among the parts, wherever it stands. RFC 5365 section 6 wants its
 * disposition; where a client has left it out, a lone list is meant. */
static const char *find_list(
		sip_msg_t *msg, struct multipart_part *out, const char **detail)
{
	struct slice type = cpm_slice_of(cpm_hdr_get(msg, "Content-Type"));
	struct multipart_part p, bare = {0};
	struct multipart it;
	int rc = multipart_init(&it, type, cpm_body(msg)), lists = 0, bares = 0;

	*detail = "Malformed multipart body";
	if(rc == -EINVAL) {
		*detail = "A recipient list and a message are required";
		return "bad-request";
	}
	if(rc < 0)
		return "bad-request";
	while((rc = multipart_next(&it, &p)) == 1) {
		if(!mime_type_is(p.content_type, LIST_TYPE))
			continue;
		if(is_recipient_list(p.content_disposition)) {
			*out = p;
			lists++;
		} else if(p.content_disposition.n == 0) {
			bare = p;
			bares++;
		}
	}
	if(rc < 0)
		return "bad-request";
	if(lists == 0 && bares == 1) {
		*out = bare;
		lists = 1;
	}
	*detail = lists ? "More than one recipient list" : "No recipient list";
	return lists == 1 ? NULL : "bad-request";
}

const char *cpm_exploder_cpim(
		sip_msg_t *msg, struct slice *out, const char **detail)
{
	struct slice type = cpm_slice_of(cpm_hdr_get(msg, "Content-Type"));
	struct multipart_part p;
	int rc = multipart_find(type, cpm_body(msg), CPIM_TYPE, &p);

	if(rc == 0 && !mime_is_identity(p.content_transfer_encoding))
		return "content";
	if(rc == 0) {
		*out = p.body;
		return NULL;
	}
	*detail = rc == -ENOENT ? "No message/cpim in the request"
							: "Malformed multipart body";
	return "bad-request";
}

/* ---- list ---- */

/* The parser has seen to the grammar; tm must be able to use them too. */
static bool usable(const struct rlist *l)
{
	for(size_t i = 0; i < l->n; i++) {
		struct slice u = l->v[i].uri.uri;
		sip_uri_t uri;

		if(l->v[i].uri.kind != RCPT_OTHER
				&& parse_uri((char *)u.p, (int)u.n, &uri) < 0)
			return false;
	}
	return true;
}

static const char *take(
		const struct rlist *l, int max, cpm_rcpts_t **out, const char **detail)
{
	if(!usable(l)) {
		*detail = rlist_error_text(RLIST_URI);
		return "bad-request";
	}
	if(l->n > (size_t)max)
		return "102"; /* OP-14, OL-08 */
	if(l->n == 0)
		return "129"; /* OP-15, OL-09 */
	*out = cpm_rcpts_new(l);
	return *out ? NULL : "memory";
}

static const char *parse_list(
		struct slice xml, int max, cpm_rcpts_t **out, const char **detail)
{
	struct rlist l;
	enum rlist_error e = rlist_parse(xml, uris, n_uris, &l);
	const char *no;

	switch(e) {
		case RLIST_OK:
			no = take(&l, max, out, detail);
			rlist_free(&l);
			return no;
		case RLIST_MEMORY:
			return "memory";
		case RLIST_TOO_LONG:
			return "too-long";
		default:
			*detail = rlist_error_text(e);
			return "bad-request";
	}
}

const char *cpm_exploder_check(
		sip_msg_t *msg, cpm_rcpts_t **out, const char **detail)
{
	const cpm_req_t *req = cpm_req(msg);
	struct multipart_part part = {0};
	const char *no;
	char *buf;
	int n;

	if(!req->list_anonymity && cpm_check_anonymous(msg))
		return "119"; /* OP-13, OL-07 */
	no = find_list(msg, &part, detail);
	if(no)
		return no;
	*detail = NULL;
	if(mime_is_identity(part.content_transfer_encoding))
		return parse_list(part.body, req->max_recipients, out, detail);
	/* nothing gets longer by decoding */
	buf = pkg_malloc(part.body.n + 1);
	if(buf == NULL)
		return "memory";
	n = mime_decode(
			part.content_transfer_encoding, part.body, buf, part.body.n + 1);
	if(n == -ENOTSUP)
		no = "content";
	else if(n < 0)
		no = "bad-request";
	else
		no = parse_list(
				slice_of(buf, (size_t)n), req->max_recipients, out, detail);
	pkg_free(buf);
	return no;
}
