/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which service a request is about (cpm_service.h): OMA-TS-CPM_Conv_Fnct
 * 8.2.1.1 step 7, 8.2.1.2 step 7.e, 3GPP TS 24.229 7.2A.8, RFC 6050. Called by
 * cpm_b2b_in.c, cpm_pager.c and scripts.
 */
#include "cpm_service.h"

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "cpm_req.h"
#include "cpm_sip.h"
#include "cpm_trust.h"

#define MAX_FORWARDS_DEFAULT 70

static struct slice hdr_slice(sip_msg_t *msg, const char *name)
{
	str v = cpm_hdr_get(msg, name);

	return slice_of(v.s, (size_t)v.len);
}

static bool accepts(sip_msg_t *msg, enum icsi service)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, "Accept-Contact", h)) != NULL)
		if(icsi_in_header(
				   slice_of(h->body.s, (size_t)h->body.len), icsi_urn(service)))
			return true;
	return false;
}

/* Script and module ask the same of each request several times. A request is
 * known by the core's number for it; its length tells a rewritten one. */
bool cpm_service_wanted(sip_msg_t *msg, enum icsi service)
{
	static struct
	{
		unsigned int id, len;
		int pid;
		unsigned int asked, yes; /* bits by service */
	} last;
	const unsigned int bit = 1u << service;

	if(last.id != msg->id || last.pid != msg->pid || last.len != msg->len) {
		last.id = msg->id;
		last.pid = msg->pid;
		last.len = msg->len;
		last.asked = last.yes = 0;
	}
	if(!(last.asked & bit)) {
		last.asked |= bit;
		if(accepts(msg, service))
			last.yes |= bit;
	}
	return (last.yes & bit) != 0;
}

/* The first service named in a header that may hold a list. */
static enum icsi named(
		sip_msg_t *msg, const char *header, enum icsi wanted, bool *any)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, header, h)) != NULL) {
		struct slice rest = slice_of(h->body.s, (size_t)h->body.len);

		*any = true;
		while(rest.n > 0) {
			enum icsi i = icsi_from_urn(slice_cut(rest, ',', &rest));

			if(i != ICSI_NONE
					&& (wanted == ICSI_NONE || icsi_base(i) == wanted))
				return i;
		}
	}
	return ICSI_NONE;
}

enum icsi cpm_service_choose(sip_msg_t *msg, enum icsi wanted)
{
	bool preferred = false, asserted = false;
	enum icsi i = named(msg, "P-Preferred-Service", wanted, &preferred);

	if(i != ICSI_NONE)
		return i;
	if(cpm_trusted(msg))
		i = named(msg, "P-Asserted-Service", wanted, &asserted);
	if(i != ICSI_NONE)
		return i;
	return asserted ? ICSI_NONE : wanted;
}

int cpm_service_hops(sip_msg_t *msg)
{
	/* module maxfwd has counted this hop, in the text itself, when it has
	 * left its value here */
	bool counted = msg->maxforwards && msg->maxforwards->parsed != NULL;
	uint64_t n;

	if(!slice_u64(hdr_slice(msg, "Max-Forwards"), 255, &n))
		return MAX_FORWARDS_DEFAULT;
	return counted ? (int)n : (int)n - 1;
}

/* ---- the steps for scripts ---- */

static bool parsed(sip_msg_t *msg)
{
	return parse_headers(msg, HDR_EOH_F, 0) == 0;
}

int ki_cpm_is_pager(sip_msg_t *msg)
{
	return parsed(msg) && cpm_service_wanted(msg, ICSI_MSG) ? 1 : -1;
}

int ki_cpm_is_large(sip_msg_t *msg)
{
	return parsed(msg) && cpm_service_wanted(msg, ICSI_LARGEMSG) ? 1 : -1;
}

/* 0 or -1 */
static int assert_service(sip_msg_t *msg, enum icsi service)
{
	struct slice urn = icsi_urn(service);
	cpm_buf_t b = {0};

	cpm_buf_fmt(&b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	return cpm_hdr_insert(msg, &b);
}

int ki_cpm_service_header(sip_msg_t *msg)
{
	bool preferred = false, asserted = false, trusted = cpm_trusted(msg);
	enum icsi service;

	if(!parsed(msg))
		return -1;
	/* the script has called it already: what is read below is still there */
	if(cpm_req(msg)->service_set)
		return 1;
	service = named(msg, "P-Preferred-Service", ICSI_NONE, &preferred);
	if(service == ICSI_NONE && trusted) {
		/* OP-10 */
		service = named(msg, "P-Asserted-Service", ICSI_NONE, &asserted);
		if(!asserted || service != ICSI_NONE)
			return 1;
		cpm_req(msg)->refusal = "127";
		return -1;
	}
	/* OP-09: what was asserted before is about something else; and from a
	 * stranger it is nobody's assertion (RFC 6050 section 4.2) */
	if(cpm_hdr_remove(msg, "P-Asserted-Service") < 0)
		return -1;
	cpm_req(msg)->service_set = true;
	if(service == ICSI_NONE)
		return 1;
	return cpm_hdr_remove(msg, "P-Preferred-Service") < 0
					|| assert_service(msg, service) < 0
			? -1
			: 1;
}

void cpm_service_copy_accept(cpm_buf_t *b, sip_msg_t *msg)
{
	hdr_field_t *h = NULL;

	while((h = cpm_hdr_next(msg, "Accept-Contact", h)) != NULL) {
		int len = h->body.len, room = 3 * len + 64, n = 0;
		char *flat = len > 0 ? pkg_malloc((size_t)len) : NULL;
		char *out = flat ? pkg_malloc((size_t)room) : NULL;

		if(len > 0 && out == NULL)
			b->bad = true;
		for(int i = 0; out && i < len; i++)
			flat[i] = h->body.s[i] == '\r' || h->body.s[i] == '\n'
					? ' '
					: h->body.s[i];
		if(out)
			n = icsi_header_swap(slice_of(flat, (size_t)len), ICSI_MSG,
					ICSI_MSG, SLICE("+sip.instance"), out, (size_t)room);
		if(n > 0)
			cpm_buf_fmt(b, "Accept-Contact: %.*s\r\n", n, out);
		if(out)
			pkg_free(out);
		if(flat)
			pkg_free(flat);
	}
}
