/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The checks of a large-message INVITE in the order of OMA-TS-CPM_Conv_Fnct
 * 8.2.1.2 steps 1 to 7: what every request is checked for, session timer,
 * service, destination, offer. Nothing is changed or sent here. Called by
 * cpm_b2b_in.c.
 */
#include <errno.h>
#include <string.h>

#include "../../core/parser/parse_uri.h"
#include "cpm_b2b_in.h"
#include "cpm_check.h"
#include "cpm_exploder.h"
#include "cpm_isf.h"
#include "cpm_req.h"
#include "cpm_service.h"
#include "proto/multipart.h"

#define INVITE_MAX 24576 /* bytes of a request that we copy texts of */
#define OFFER_MAX 16384  /* bytes of its offer */

/* Malformed text is 400, a description of something else 488. */
static const char *check_sdp(sip_msg_t *msg, cpm_invite_t *in)
{
	str type = cpm_hdr_get(msg, "Content-Type");
	struct slice body = cpm_body(msg);
	struct multipart_part part;
	enum sdp_error e;
	int rc;

	if(body.n == 0 || type.len <= 0) {
		in->detail = "An MSRP offer is required";
		return "sdp";
	}
	rc = multipart_find(slice_of(type.s, (size_t)type.len), body,
			SLICE("application/sdp"), &part);
	if(rc == -ENOENT)
		return "content";
	if(rc < 0) {
		in->detail = "Malformed multipart body";
		return "bad-request";
	}
	in->sdp_text = part.body;
	e = sdp_parse(part.body, &in->sdp);
	if(e == SDP_OK && in->sdp.setup == SDP_SETUP_HOLDCONN) {
		in->detail = "setup:holdconn is not supported";
		return "sdp";
	}
	if(e == SDP_OK)
		return in->sdp.has_file_size ? cpm_check_bytes(msg, in->sdp.file_size)
									 : NULL;
	in->detail = sdp_error_text(e);
	switch(e) {
		case SDP_EMPTY:
		case SDP_BAD_LINE:
		case SDP_BAD_ORIGIN:
		case SDP_BAD_MEDIA:
		case SDP_BAD_PORT:
			return "bad-sdp";
		default:
			return "sdp";
	}
}

/* Whom it is for: the recipients of a list (OL-07 to OL-10), else one address;
 * one that is neither sip nor tel only the ISF can reach (OL-18). */
static const char *check_destination(sip_msg_t *msg, cpm_invite_t *in)
{
	str dest = *GET_RURI(msg);
	sip_uri_t uri;

	if(cpm_is_exploder(msg))
		return cpm_exploder_check(msg, &in->rcpts, &in->detail);
	in->to_isf = cpm_isf_scheme(dest);
	if(in->to_isf)
		return cpm_req(msg)->interworking && cpm_isf_is_there() ? NULL : "uri";
	return parse_uri(dest.s, dest.len, &uri) < 0 ? "bad-request" : NULL;
}

const char *cpm_invite_check_media(sip_msg_t *msg, cpm_invite_t *in)
{
	const char *no;
	bool isfocus;
	str target;

	if(cpm_hdr_contact(msg, &target, &isfocus) < 0) {
		in->detail = "Contact is missing or broken";
		return "bad-request";
	}
	no = check_sdp(msg, in);
	return no ? no : in->sdp_text.n > OFFER_MAX ? "too-long" : NULL;
}

const char *cpm_invite_check(sip_msg_t *msg, cpm_invite_t *in)
{
	struct slice body = cpm_body(msg);
	const char *no;

	/* a list may be long, it is read where it stands */
	if(msg->len - (cpm_is_exploder(msg) ? body.n : 0) > INVITE_MAX)
		return "too-long";
	no = cpm_check(msg);
	if(no == NULL)
		no = cpm_check_timer(msg, &in->timer);
	if(no == NULL)
		no = check_destination(msg, in);
	if(no)
		return no;
	in->service = cpm_service_choose(msg, ICSI_LARGEMSG);
	if(in->service == ICSI_NONE)
		return "127"; /* OL-12 */
	return cpm_invite_check_media(msg, in);
}

const char *cpm_invite_check_term(sip_msg_t *msg, cpm_invite_t *in)
{
	const char *no;

	if(msg->len > INVITE_MAX)
		return "too-long";
	no = cpm_check_timer(msg, &in->timer);
	if(no)
		return no;
	in->term = true;
	in->service = cpm_service_choose(msg, ICSI_LARGEMSG);
	if(in->service == ICSI_NONE)
		return "127";
	return cpm_invite_check_media(msg, in);
}
