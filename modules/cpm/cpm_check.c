/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The originating role's checks (cpm_check.h), one function each. RFC 3323 and
 * 3325 (Privacy), RFC 3428 section 8 (Expires with Date), RFC 4028 section 9.
 */
#include "cpm_check.h"

#include <time.h>

#include "../../core/parser/parse_from.h"
#include "cpm_conf.h"
#include "cpm_exploder.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "cpm_sip.h"
#include "cpm_trust.h"
#include "proto/multipart.h"
#include "proto/product.h"
#include "proto/sdp.h"

static struct slice hdr_slice(sip_msg_t *msg, const char *name)
{
	str v = cpm_hdr_get(msg, name);

	return slice_of(v.s, (size_t)v.len);
}

/* ---- 1: may he (OP-01, OL-01) ---- */

static const char *check_authorised(sip_msg_t *msg)
{
	return cpm_req(msg)->authorised && cpm_identity_known(msg) ? NULL : "127";
}

/* ---- 2: User-Agent (OP-02, OL-02) ---- */

bool cpm_check_agent(struct slice user_agent, product_version min)
{
	product_version v;

	if(min == 0)
		return true;
	/* no token: nothing is known against it */
	if(product_find(user_agent, PRODUCT_CPM_CLIENT, &v) != 0)
		return !cpm_conf.version_required;
	return v >= min;
}

static const char *check_version(sip_msg_t *msg)
{
	struct slice agent = hdr_slice(msg, "User-Agent");
	product_version v, min = cpm_req(msg)->min_version;

	/* what comes from another Participating Function names that one (TL-02) */
	if(min && cpm_req(msg)->session_case == CPM_CASE_TERM
			&& product_find(agent, PRODUCT_CPM_SERVER, &v) == 0)
		return v >= min ? NULL : "132";
	return cpm_check_agent(agent, min) ? NULL : "132";
}

/* ---- 3: Privacy (OP-03, OL-03) ---- */

static bool anonymous_from(sip_msg_t *msg)
{
	static const struct slice host = {"@anonymous.invalid", 18};
	struct slice uri;
	size_t at;

	if(parse_from_header(msg) < 0)
		return false;
	uri = slice_of(get_from(msg)->uri.s, (size_t)get_from(msg)->uri.len);
	uri = slice_cut(uri, ';', NULL);
	at = uri.n > host.n ? uri.n - host.n : 0;
	return slice_ieq(slice_skip(uri, at), host);
}

bool cpm_check_anonymous(sip_msg_t *msg)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, "Privacy", h)) != NULL) {
		struct slice rest = slice_of(h->body.s, (size_t)h->body.len);

		while(rest.n > 0) {
			struct slice one = slice_trim(slice_cut(rest, ';', &rest));

			if(slice_ieq(one, SLICE("id")) || slice_ieq(one, SLICE("user"))
					|| slice_ieq(one, SLICE("header")))
				return true;
		}
	}
	return anonymous_from(msg);
}

static const char *check_anonymity(sip_msg_t *msg)
{
	return cpm_req(msg)->anonymity || !cpm_check_anonymous(msg) ? NULL : "119";
}

/* ---- 4: lifetime (OP-04, OL-04) ---- */

/* RFC 3261 20.17: always GMT. */
static bool read_date(str v, time_t *out)
{
	char buf[64];
	struct tm tm = {0};
	const char *end;

	if(v.len <= 0 || v.len >= (int)sizeof(buf))
		return false;
	memcpy(buf, v.s, (size_t)v.len);
	buf[v.len] = '\0';
	end = strptime(buf, "%a, %d %b %Y %H:%M:%S", &tm);
	if(end == NULL)
		return false;
	*out = timegm(&tm);
	return true;
}

/* The sender's limit, s; false: he has set none. */
static bool read_lifetime(sip_msg_t *msg, uint64_t *delta)
{
	struct slice v = hdr_slice(msg,
			msg->REQ_METHOD == METHOD_MESSAGE ? "Expires" : "Message-Expires");

	return slice_u64(
			slice_trim(slice_cut(v, ';', NULL)), UINT32_MAX - 1, delta);
}

/* Counts from Date; without one from now. Zero means "now or never" and is
 * tried. */
static const char *check_expires(sip_msg_t *msg)
{
	uint64_t delta;
	time_t date;

	if(!read_lifetime(msg, &delta) || delta == 0
			|| !read_date(cpm_hdr_get(msg, "Date"), &date))
		return NULL;
	return time(NULL) <= date + (time_t)delta + cpm_conf.clock_skew ? NULL
																	: "expired";
}

uint32_t cpm_check_lifetime(sip_msg_t *msg)
{
	time_t date, now = time(NULL);
	uint64_t delta;

	if(!read_lifetime(msg, &delta))
		return UINT32_MAX;
	/* a clock that is ahead of ours does not make it longer */
	if(delta == 0 || !read_date(cpm_hdr_get(msg, "Date"), &date) || date >= now)
		return (uint32_t)delta;
	/* within clock_skew of its end it has been let pass */
	return date + (time_t)delta > now ? (uint32_t)(date + (time_t)delta - now)
									  : 1;
}

/* ---- 5: session timer of an INVITE (OL-05) ---- */

const char *cpm_check_timer(sip_msg_t *msg, cpm_timer_hdr_t *out)
{
	cpm_timer_hdr_t t;

	if(cpm_hdr_timer(msg, &t) < 0)
		return "bad-request";
	/* 122 is for a client's own request; who sends to ours may leave it to us
	 * (TL-04, RFC 4028 section 9) */
	if(t.refresher == CPM_REFRESHER_UAS
			&& cpm_req(msg)->session_case != CPM_CASE_TERM)
		return "122";
	if(t.expires_s && t.expires_s < (uint32_t)cpm_conf.min_se)
		return "interval"; /* RFC 4028 section 6 */
	if(out)
		*out = t;
	return NULL;
}

/* ---- 8: size ---- */

const char *cpm_check_bytes(sip_msg_t *msg, uint64_t bytes)
{
	int max = cpm_req(msg)->max_message;

	return max == 0 || bytes <= (uint64_t)max ? NULL : "133";
}

/* What a file-selector announces; other faults of the offer are not ours. */
static const char *check_size(sip_msg_t *msg)
{
	struct multipart_part part;
	struct sdp sdp;

	if(msg->REQ_METHOD == METHOD_MESSAGE)
		return cpm_check_bytes(msg, cpm_body(msg).n);
	if(multipart_find(hdr_slice(msg, "Content-Type"), cpm_body(msg),
			   SLICE("application/sdp"), &part)
					< 0
			|| sdp_parse(part.body, &sdp) != SDP_OK || !sdp.has_file_size)
		return NULL;
	return cpm_check_bytes(msg, sdp.file_size);
}

/* ---- extensions (RFC 3261 8.2.2.3) ---- */

static bool token_ok(struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f
				|| strchr("\"(),/:;<=>?@[\\]{}", s.p[i]) != NULL)
			return false;
	return true;
}

static bool known(struct slice option)
{
	/* the lists: RFC 5365 section 5, RFC 5366 section 5.1 */
	return option.n == 0 || slice_ieq(option, SLICE("timer"))
			|| slice_ieq(option, SLICE("recipient-list-message"))
			|| slice_ieq(option, SLICE("recipient-list-invite"));
}

/* Option tags that we do not know go to *out, when there is one. */
static const char *check_require(sip_msg_t *msg, cpm_buf_t *out)
{
	hdr_field_t *h = NULL;
	const char *no = NULL;

	while((h = cpm_hdr_next(msg, "Require", h)) != NULL) {
		struct slice rest = slice_of(h->body.s, (size_t)h->body.len);

		while(rest.n > 0) {
			struct slice one = slice_trim(slice_cut(rest, ',', &rest));

			if(known(one))
				continue;
			if(!token_ok(one))
				return "bad-request";
			no = "extension";
			if(out == NULL)
				continue;
			cpm_buf_lit(out, out->len ? ", " : "Unsupported: ");
			cpm_buf_add(out, one.p, (int)one.n);
		}
	}
	return no;
}

void cpm_check_lines(sip_msg_t *msg, const char *refusal, cpm_buf_t *b)
{
	cpm_buf_t list = {0};

	if(strcmp(refusal, "interval") == 0) {
		cpm_buf_fmt(b, "Min-SE: %d\r\n", cpm_conf.min_se);
	} else if(strcmp(refusal, "extension") == 0) {
		check_require(msg, &list);
		if(list.len > 0) {
			cpm_buf_str(b, cpm_buf_get(&list));
			cpm_buf_lit(b, "\r\n");
		}
		cpm_buf_free(&list);
	}
}

/* ---- all of it ---- */

/* No NUL and no CR without its LF in the headers: what one parser takes for
 * part of a value is a line's end to the next one. */
static const char *check_bytes(sip_msg_t *msg)
{
	const char *end = msg->unparsed, *p = msg->buf;

	if(memchr(p, '\0', (size_t)(end - p)) != NULL)
		return "bad-request";
	while((p = memchr(p, '\r', (size_t)(end - p))) != NULL)
		if(++p == end || *p != '\n')
			return "bad-request";
	return NULL;
}

static const char *check_hops(sip_msg_t *msg)
{
	return cpm_service_hops(msg) < 0 ? "loop" : NULL;
}

static const char *check_invite(sip_msg_t *msg)
{
	return msg->REQ_METHOD == METHOD_INVITE ? cpm_check_timer(msg, NULL) : NULL;
}

static const char *check_extensions(sip_msg_t *msg)
{
	return check_require(msg, NULL);
}

const char *cpm_check(sip_msg_t *msg)
{
	static const char *(*const steps[])(sip_msg_t *) = {check_bytes, check_hops,
			check_authorised, check_version, check_anonymity, check_expires,
			check_invite, check_extensions};
	const char *no = NULL;

	for(size_t i = 0; i < sizeof(steps) / sizeof(*steps) && no == NULL; i++)
		no = steps[i](msg);
	cpm_req(msg)->refusal = no;
	return no;
}

/* ---- the steps for scripts ---- */

static int step(sip_msg_t *msg, const char *(*check)(sip_msg_t *))
{
	const char *no = "bad-request";

	if(parse_headers(msg, HDR_EOH_F, 0) == 0)
		no = check(msg);
	cpm_req(msg)->refusal = no;
	return no ? -1 : 1;
}

int ki_cpm_check(sip_msg_t *msg)
{
	return step(msg, cpm_check);
}

int ki_cpm_check_authorised(sip_msg_t *msg)
{
	return step(msg, check_authorised);
}

int ki_cpm_check_version(sip_msg_t *msg)
{
	return step(msg, check_version);
}

int ki_cpm_check_anonymity(sip_msg_t *msg)
{
	return step(msg, check_anonymity);
}

int ki_cpm_check_expires(sip_msg_t *msg)
{
	return step(msg, check_expires);
}

int ki_cpm_check_timer(sip_msg_t *msg)
{
	return step(msg, check_invite);
}

int ki_cpm_check_require(sip_msg_t *msg)
{
	return step(msg, check_extensions);
}

int ki_cpm_check_size(sip_msg_t *msg)
{
	return step(msg, check_size);
}
