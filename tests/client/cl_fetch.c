/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command fetch: an INVITE to the deferred messages function for one
 * message, which comes on that session's MSRP (recvonly). What arrives is taken
 * as in cl_accept.c, which calls this file with the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl_in.h"
#include "cl_out.h"

#define LARGE "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg"

static int offer_make(struct cl_in *in)
{
	struct client *c = in->c;
	struct cl_sdp *s = &in->answer; /* our description */
	bool v6 = strchr(c->local_host, ':') != NULL;
	char id[25];

	*s = (struct cl_sdp){.port = 9,
			.tls = c->o.tls,
			.direction = 'r',
			.setup = c->o.setup,
			.cema = !c->o.no_cema,
			.max_size = c->o.max_bytes};
	snprintf(s->host, sizeof(s->host), "%s", c->local_host);
	snprintf(s->accept_types, sizeof(s->accept_types), "message/cpim");
	snprintf(s->accept_wrapped, sizeof(s->accept_wrapped), "*");
	snprintf(s->fingerprint, sizeof(s->fingerprint), "%s",
			c->o.tls ? c->fingerprint : "");
	if(c->o.setup != CL_SETUP_ACTIVE) {
		int port = 0;

		in->listen_fd = peer_listen(c->local_host, &port);
		if(in->listen_fd < 0)
			return in->listen_fd;
		s->port = port;
	}
	peer_random_id(id, 24);
	snprintf(s->path, sizeof(s->path), "msrp%s://%s%s%s:%d/%s;tcp",
			c->o.tls ? "s" : "", v6 ? "[" : "", c->local_host, v6 ? "]" : "",
			s->port, id);
	in->sdp = cl_sdp_write(s, (uint64_t)time(NULL) + 2208988800u, NULL);
	return 0;
}

void cl_fetch_start(struct client *c)
{
	char *uri, *to, *contact = cl_sip_contact(c, LARGE);
	nua_handle_t *nh;
	struct cl_in *in;

	if(asprintf(&uri, "%s;ref=%s", c->o.to[0], c->o.ref) < 0
			|| asprintf(&to, "<%s>", uri) < 0)
		abort();
	nh = nua_handle(c->nua, NULL, NUTAG_URL(uri), SIPTAG_TO_STR(to),
			SIPTAG_FROM_STR(c->o.from ? c->o.from : c->aor), TAG_END());
	in = cl_in_new(c, nh);
	in->e = cl_event_new("received");
	cl_event_text(in->e, "mode", "large");
	if(offer_make(in) != 0) {
		cl_in_failed(in, "no port");
		cl_in_free(in);
		cl_stop(c, CL_INTERNAL);
		free(uri);
		free(to);
		free(contact);
		return;
	}
	nua_invite(nh, SIPTAG_CONTACT_STR(contact),
			SIPTAG_ACCEPT_CONTACT_STR("*;+g.3gpp.icsi-ref=\"" LARGE "\""),
			SIPTAG_CONTENT_TYPE_STR("application/sdp"),
			SIPTAG_PAYLOAD_STR(in->sdp), TAG_END());
	free(uri);
	free(to);
	free(contact);
}

/* There will be no message; the client ends. */
static void give_up(struct cl_in *in, enum cl_exit code, const char *why)
{
	struct client *c = in->c;

	cl_in_failed(in, why);
	cl_in_free(in);
	cl_stop(c, code);
}

void cl_fetch_answered(
		struct cl_in *in, int status, const char *phrase, const sip_t *sip)
{
	struct client *c = in->c;
	struct slice sdp = cl_sdp_of(sip);
	json_t *e;

	if(status < 200
			|| ((status == 401 || status == 407)
					&& cl_sip_authenticate(c, in->nh, &in->h, sip)))
		return;
	e = cl_event_new(status < 300 ? "answered" : "failed");
	cl_event_status(e, status, phrase, sip);
	cl_event_print(e);
	if(status >= 300) {
		give_up(in, CL_REJECTED, phrase);
		return;
	}
	cl_event_sip(in->e, sip);
	cl_event_str(in->e, "sdp", sdp);
	if(cl_sdp_parse(sdp, NULL, &in->offer) != 0 || in->offer.port == 0) {
		nua_bye(in->nh, TAG_END());
		cl_in_failed(in, "no usable SDP in the answer");
		return;
	}
	/* RFC 6135: without an answer of "active" the offerer connects. */
	in->answer.setup = in->offer.setup == CL_SETUP_ACTIVE ? CL_SETUP_PASSIVE
														  : CL_SETUP_ACTIVE;
	in->answer.cema = in->answer.cema && in->offer.cema;
	in->state = IN_OPEN;
	if(cl_in_start(in) != 0) {
		nua_bye(in->nh, TAG_END());
		cl_in_failed(in, "MSRP does not start");
	}
}
