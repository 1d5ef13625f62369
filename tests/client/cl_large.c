/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sending side of a large message after its INVITE: SDP offer, MSRP
 * session, BYE with its Reason (OMA CPM 7.2.1.2 #19 and "On receiving a SIP 200
 * OK"). Called by cl_send.c.
 */
#include <errno.h>
#include <sofia-sip/sip_header.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cl_body.h"
#include "cl_cpim.h"
#include "cl_out.h"

#define PORT_ACTIVE 9 /* RFC 4145: a port that is never listened on */
#define CHUNK_MIN 2048

int cl_large_offer(struct cl_out *o)
{
	struct client *c = o->c;
	struct cl_sdp *s = &o->offer;
	char id[25];
	bool v6 = strchr(c->local_host, ':') != NULL;

	*s = (struct cl_sdp){.port = PORT_ACTIVE,
			.tls = c->o.tls,
			.direction = 's',
			.setup = c->o.setup,
			.cema = !c->o.no_cema,
			.file_size = o->m->bytes,
			.chunk_size = c->o.chunk_attr ? c->o.chunk : 0};
	snprintf(s->host, sizeof(s->host), "%s", c->local_host);
	snprintf(s->accept_types, sizeof(s->accept_types), "message/cpim");
	snprintf(s->accept_wrapped, sizeof(s->accept_wrapped), "*");
	snprintf(s->fingerprint, sizeof(s->fingerprint), "%s",
			c->o.tls ? c->fingerprint : "");
	if(c->o.setup != CL_SETUP_ACTIVE) {
		int port = 0;

		o->listen_fd = peer_listen(c->local_host, &port);
		if(o->listen_fd < 0)
			return o->listen_fd;
		s->port = port;
	}
	peer_random_id(id, 24);
	snprintf(s->path, sizeof(s->path), "msrp%s://%s%s%s:%d/%s;tcp",
			c->o.tls ? "s" : "", v6 ? "[" : "", c->local_host, v6 ? "]" : "",
			s->port, id);
	o->sdp_id = (uint64_t)time(NULL) + 2208988800u; /* NTP time */
	o->sdp = cl_sdp_write(s, o->sdp_id, c->o.chunk_attr);
	return 0;
}

static void give_up(struct cl_out *o, const char *why)
{
	cl_out_failed(o, CL_MSRP, "msrp", "%s", why);
	cl_large_bye(o);
}

static void on_bound(void *arg)
{
	struct cl_out *o = arg;
	struct client *c = o->c;
	struct peer_send_conf sc = {.chunk_bytes = c->o.chunk,
			.exact_range = c->o.exact_range,
			.success_report = c->o.success_report ? "yes" : "no"};

	/* Chunks keep to the smaller of both sides' sizes (OMA CPM 5.2.1). */
	if(o->remote.chunk_size && c->o.chunk_attr
			&& (!sc.chunk_bytes || o->remote.chunk_size < sc.chunk_bytes))
		sc.chunk_bytes = o->remote.chunk_size < CHUNK_MIN
				? CHUNK_MIN
				: o->remote.chunk_size;
	peer_session_send(o->msrp, &o->m->body, &sc);
}

static void on_progress(void *arg, uint64_t acked, uint64_t total)
{
	struct cl_out *o = arg;
	json_t *e;

	if(!o->c->o.progress)
		return;
	e = cl_event_new("progress");
	cl_event_text(e, "contribution_id", o->m->contribution_id);
	json_object_set_new(e, "acked", json_integer((json_int_t)acked));
	json_object_set_new(e, "total", json_integer((json_int_t)total));
	cl_event_print(e);
}

static void on_sent(void *arg, int status)
{
	struct cl_out *o = arg;

	if(o->state != OUT_OPEN)
		return;
	o->msrp_status = status;
	if(status != 200)
		cl_out_failed(o, CL_MSRP, "msrp", "MSRP answered %d", status);
	cl_large_bye(o);
}

/* RFC 4975 section 7.1.2: a failure REPORT ends the message as a response
 * would; a success REPORT is only told. */
static void on_report(void *arg, const struct peer_msg *m)
{
	struct cl_out *o = arg;
	struct slice code, rest;
	uint64_t status = 0;
	json_t *e = cl_event_new("report");

	slice_cut(m->status_header, ' ', &rest);
	code = slice_cut(rest, ' ', NULL);
	slice_u64(code, 999, &status);
	json_object_set_new(e, "status", json_integer((json_int_t)status));
	cl_event_str(e, "message_id", m->message_id);
	cl_event_str(e, "status_header", m->status_header);
	if(m->has_range)
		json_object_set_new(
				e, "range_end", json_integer((json_int_t)m->range.end));
	cl_event_print(e);
	if(status >= 300 && o->state == OUT_OPEN) {
		o->msrp_status = (int)status;
		peer_session_abort(o->msrp);
		cl_out_failed(o, CL_MSRP, "msrp", "MSRP reported %d", (int)status);
		cl_large_bye(o);
	}
}

static void on_failed(void *arg, int rc, const char *why)
{
	struct cl_out *o = arg;

	(void)rc;
	if(o->state == OUT_OPEN)
		give_up(o, why);
}

static int on_accept(void *arg, const struct peer_msg *m)
{
	(void)arg;
	(void)m;
	return 403; /* the session is sendonly */
}

static const struct peer_session_ops ops = {.bound = on_bound,
		.progress = on_progress,
		.sent = on_sent,
		.accept = on_accept,
		.report = on_report,
		.failed = on_failed};

/* The SDP of an answer, alone or within multipart. */
static void sdp_part(void *arg, struct slice head, struct slice body)
{
	struct slice *out = arg;

	if(slice_istarts(
			   cl_header_get(head, "Content-Type"), SLICE("application/sdp")))
		*out = body;
}

struct slice cl_sdp_of(const sip_t *sip)
{
	struct slice body, type, sdp = {0};

	if(!sip || !sip->sip_payload || !sip->sip_content_type
			|| !sip->sip_content_type->c_type)
		return sdp;
	body = slice_of(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
	if(strcasecmp(sip->sip_content_type->c_type, "application/sdp") == 0)
		return body;
	if(strncasecmp(sip->sip_content_type->c_type, "multipart/", 10) == 0) {
		char *t = sip_header_as_string(
				NULL, (sip_header_t *)sip->sip_content_type);
		type = slice_str(t);
		cl_multipart_each(type, body, sdp_part, &sdp);
		su_free(NULL, t);
	}
	return sdp;
}

/* Why the answer cannot be used; NULL = it can. */
static const char *answer_fault(const struct cl_out *o)
{
	const struct cl_sdp *r = &o->remote;

	if(r->port == 0)
		return "the answer refuses the MSRP stream";
	if(r->tls != o->offer.tls)
		return "the answer has another transport";
	if(r->direction == 's' || r->direction == 'i')
		return "the answer does not receive";
	if(r->max_size && r->max_size < o->m->bytes)
		return "the message is over the answer's max-size";
	if(r->setup == CL_SETUP_HOLDCONN
			|| (r->setup == CL_SETUP_PASSIVE
					&& o->offer.setup == CL_SETUP_PASSIVE)
			|| (r->setup == CL_SETUP_ACTIVE
					&& o->offer.setup == CL_SETUP_ACTIVE))
		return "the answer's setup does not fit the offer";
	return NULL;
}

static void announce(
		const struct cl_out *o, bool active, const sip_t *sip, struct slice sdp)
{
	json_t *e = cl_event_new("answered");

	cl_event_status(e, o->status, "OK", sip);
	cl_event_text(e, "contribution_id", o->m->contribution_id);
	cl_event_str(e, "sdp", sdp);
	cl_event_text(e, "role", active ? "active" : "passive");
	cl_event_print(e);
}

void cl_large_answered(struct cl_out *o, const sip_t *sip)
{
	struct client *c = o->c;
	struct slice sdp = cl_sdp_of(sip);
	struct peer_session_conf sc = {.loop = &c->loop,
			.local_path = o->offer.path,
			.remote_path = o->remote.path,
			.bind_host = c->local_host,
			.listen_fd = o->listen_fd,
			.tls = c->o.tls ? c->tls : NULL,
			.ops = &ops,
			.arg = o};
	char host[128];
	const char *fault;
	int rc;

	o->state = OUT_OPEN;
	if(o->cancelled) {
		/* The 200 crossed the CANCEL: the dialog exists and must end. */
		cl_out_failed(o, CL_CANCELLED, "cancelled", "given up");
		cl_large_bye(o);
		return;
	}
	if(cl_sdp_parse(sdp, c->o.chunk_attr, &o->remote) != 0) {
		give_up(o, "no usable SDP in the answer");
		return;
	}
	fault = answer_fault(o);
	if(fault) {
		give_up(o, fault);
		return;
	}
	/* RFC 6135: without an answer of "active" the offerer connects. */
	sc.active = o->remote.setup != CL_SETUP_ACTIVE;
	announce(o, sc.active, sip, sdp);
	if(sc.active
			&& !cl_sdp_target(&o->remote, o->offer.cema && o->remote.cema, host,
					sizeof(host), &sc.port)) {
		give_up(o, "the answer has no address to connect to");
		return;
	}
	sc.host = host;
	if(o->remote.fingerprint[0])
		sc.fingerprint = o->remote.fingerprint;
	o->listen_fd = -1; /* the session's from now on */
	rc = peer_session_start(&sc, &o->msrp);
	if(rc != 0)
		give_up(o, strerror(-rc));
}

void cl_large_bye(struct cl_out *o)
{
	if(o->state == OUT_LEAVING)
		return;
	o->state = OUT_LEAVING;
	nua_bye(o->nh,
			SIPTAG_REASON_STR(o->result == CL_OK
							? "SIP;cause=200;text=\"Call completed\""
							: "SIP;cause=480;text=\"Transmission Failed\""),
			TAG_END());
}

void cl_large_close(struct cl_out *o)
{
	peer_session_close(&o->msrp);
	if(o->listen_fd >= 0)
		close(o->listen_fd);
	o->listen_fd = -1;
}
