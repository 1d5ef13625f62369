/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Header fields of the INVITE that takes the place of a MESSAGE
 * (OMA-TS-CPM_Conv_Fnct 8.2.1.1 8B.a, OP-25 to OP-35): what is exchanged, what
 * is copied and what is new. Session-Expires and the SDP offer are those of any
 * outbound leg (cpm_b2b_out.c). Called by cpm_switch.c.
 */
#include <string.h>

#include "../../core/mem/mem.h"
#include "cpm_conf.h"
#include "cpm_service.h"
#include "cpm_switch.h"

#define OF_A_DEVICE SLICE("+sip.instance")

/* One field, folded lines made one, the service exchanged; true: the service
 * is named in it. */
static bool add_accept_contact(cpm_buf_t *b, str v)
{
	int room = 3 * v.len + 64, n = -1;
	char *flat = v.len > 0 ? pkg_malloc((size_t)v.len) : NULL;
	char *out = flat ? pkg_malloc((size_t)room) : NULL;
	bool named = false;

	if(v.len > 0 && out == NULL)
		b->bad = true;
	for(int i = 0; out && i < v.len; i++)
		flat[i] = v.s[i] == '\r' || v.s[i] == '\n' ? ' ' : v.s[i];
	if(out)
		n = icsi_header_swap(slice_of(flat, (size_t)v.len), ICSI_MSG,
				ICSI_LARGEMSG, OF_A_DEVICE, out, (size_t)room);
	if(n > 0) {
		cpm_buf_fmt(b, "Accept-Contact: %.*s\r\n", n, out);
		named = icsi_in_header(
				slice_of(out, (size_t)n), icsi_urn(ICSI_LARGEMSG));
	}
	if(out)
		pkg_free(out);
	if(flat)
		pkg_free(flat);
	return named;
}

/* OP-26. Where the only field that names the service also names a device, and
 * so is left out, the service alone remains. */
static void add_accept_contacts(cpm_buf_t *b, sip_msg_t *msg)
{
	struct slice large = icsi_urn_encoded(ICSI_LARGEMSG);
	hdr_field_t *h = NULL;
	bool named = false;

	while((h = cpm_hdr_next(msg, "Accept-Contact", h)) != NULL)
		named = add_accept_contact(b, h->body) || named;
	if(!named)
		cpm_buf_fmt(b, "Accept-Contact: *;+g.3gpp.icsi-ref=\"%.*s\"\r\n",
				SLICE_ARG(large));
}

/* OP-27: the service of the MESSAGE in its large form; another one of CPM's
 * stays what it is. */
static struct slice asserted(sip_msg_t *msg)
{
	enum icsi i = cpm_service_choose(msg, ICSI_MSG);

	if(i == ICSI_NONE)
		i = cpm_service_choose(msg, ICSI_NONE);
	if(i == ICSI_MSG)
		i = ICSI_LARGEMSG;
	else if(i == ICSI_MSG_GROUP)
		i = ICSI_LARGEMSG_GROUP;
	return icsi_urn(i != ICSI_NONE ? i : ICSI_LARGEMSG);
}

/* OP-32: the same lifetime. It counts from Date, which is copied, or from now,
 * which is the same for both. */
static void add_lifetime(cpm_buf_t *b, sip_msg_t *msg)
{
	str v = cpm_hdr_get(msg, "Expires");
	uint64_t s;

	if(slice_u64(slice_trim(slice_cut(slice_of(v.s, (size_t)v.len), ';', NULL)),
			   UINT32_MAX, &s))
		cpm_buf_fmt(b, "Message-Expires: %u\r\n", (unsigned)s);
}

void cpm_switch_headers(cpm_buf_t *b, sip_msg_t *msg)
{
	struct slice large = icsi_urn_encoded(ICSI_LARGEMSG), urn = asserted(msg);

	cpm_buf_fmt(b, "Max-Forwards: %d\r\n", cpm_service_hops(msg));
	/* a MESSAGE has no Contact whose features could be carried over */
	cpm_buf_fmt(b, "Contact: <%.*s>;+g.3gpp.icsi-ref=\"%.*s\"\r\n",
			STR_FMT(&cpm_conf.contact), SLICE_ARG(large));
	add_accept_contacts(b, msg);
	cpm_hdr_copy_service(b, msg); /* OP-28, OP-30, OP-35 */
	add_lifetime(b, msg);
	cpm_hdr_copy_or_make(b, msg, "Conversation-ID");
	cpm_hdr_copy_or_make(b, msg, "Contribution-ID");
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	cpm_buf_lit(b, "Supported: timer\r\nAllow: " CPM_ALLOW "\r\n");
	cpm_hdr_agent(b);
}
