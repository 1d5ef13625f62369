/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The receiving side of large messages: rings, answers, writes what comes over
 * MSRP to a file that goes to cl_receive.c when it is whole. Called by cl_sip.c
 * with events. RFC 3264, RFC 4975, RFC 6135.
 */
#include <errno.h>
#include <fcntl.h>
#include <sofia-sip/sip_header.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cl_out.h"
#include "cl_in.h"
#include "cl_receive.h"

static struct cl_in *all;

static void tmp_drop(struct cl_in *in)
{
	if(in->fd >= 0)
		close(in->fd);
	in->fd = -1;
	if(in->tmp)
		unlink(in->tmp);
	free(in->tmp);
	free(in->id);
	in->tmp = in->id = NULL;
}

/* The only way out of a dialog; counts for --count. */
void cl_in_free(struct cl_in *in)
{
	struct client *c = in->c;
	struct cl_in **at = &all;

	while(*at != in)
		at = &(*at)->next;
	*at = in->next;
	peer_session_close(&in->msrp);
	if(in->listen_fd >= 0)
		close(in->listen_fd);
	tmp_drop(in);
	nua_handle_bind(in->nh, NULL);
	nua_handle_destroy(in->nh);
	json_decref(in->e);
	free(in->sdp);
	free(in);
	cl_receive_counted(c);
}

void cl_in_failed(struct cl_in *in, const char *why)
{
	json_t *e = json_deep_copy(in->e);

	cl_event_text(e, "event", "receive_failed");
	cl_event_text(e, "reason", why);
	cl_event_print(e);
}

static int on_accept(void *arg, const struct peer_msg *m)
{
	struct cl_in *in = arg;
	struct client *c = in->c;
	uint64_t from = m->has_range ? m->range.start - 1 : 0;

	if(c->o.msrp_code && from >= c->o.msrp_code_at)
		return c->o.msrp_code;
	if(!slice_istarts(m->content_type, SLICE("message/cpim")))
		return 415;
	if(c->o.max_bytes && m->has_range && m->range.total != PEER_ANY
			&& m->range.total > c->o.max_bytes)
		return 413;
	return 200;
}

static int on_data(void *arg, const char *id, uint64_t offset, struct slice d)
{
	struct cl_in *in = arg;
	struct client *c = in->c;

	if(c->o.max_bytes && offset + d.n > c->o.max_bytes)
		return -EFBIG;
	if(c->o.drop_at && offset + d.n >= c->o.drop_at) {
		cl_in_failed(in, "--drop-at");
		in->bye_at_ms = peer_now_ms() + CL_IN_LINGER_MS;
		peer_session_close(&in->msrp);
		return 0;
	}
	if(in->fd < 0) {
		char unique[17];

		peer_random_id(unique, 16);
		if(asprintf(&in->tmp, "%s/.incoming-%s", c->o.out, unique) < 0
				|| !(in->id = strdup(id)))
			abort();
		in->fd = open(in->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if(in->fd < 0) {
			cl_warn("cannot write to %s: %s", c->o.out, strerror(errno));
			return -EIO;
		}
	}
	while(d.n > 0) {
		ssize_t n = pwrite(in->fd, d.p, d.n, (off_t)offset);

		if(n < 0 && errno != EINTR)
			return -errno;
		if(n > 0) {
			offset += (uint64_t)n;
			d = slice_skip(d, (size_t)n);
		}
	}
	return 0;
}

static int on_received(void *arg, const struct peer_incoming *m)
{
	struct cl_in *in = arg;
	json_t *e = json_deep_copy(in->e), *head = cl_event_new("received");
	void *p = NULL;
	int rc = -EBADMSG;

	json_object_update(e, head);
	json_decref(head);
	if(in->fd >= 0 && m->bytes > 0)
		p = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, in->fd, 0);
	if(p && p != MAP_FAILED) {
		rc = cl_receive_entity(
				in->c, e, slice_of(p, m->bytes), true, slice_str(m->id));
		munmap(p, m->bytes);
	}
	cl_event_text(e, "msrp_message_id", m->id);
	json_object_set_new(e, "chunks", json_integer(m->chunks));
	tmp_drop(in);
	if(rc != 0) {
		json_decref(e);
		cl_in_failed(in, rc == -EBADMSG ? "not message/cpim" : strerror(-rc));
		return rc == -EBADMSG ? 400 : 413;
	}
	in->received = true;
	cl_event_print(e);
	return 200;
}

static void on_aborted(void *arg, const char *id)
{
	struct cl_in *in = arg;

	(void)id;
	tmp_drop(in);
}

static void on_failed(void *arg, int rc, const char *why)
{
	struct cl_in *in = arg;

	(void)rc;
	if(in->received || in->state != IN_OPEN)
		return;
	cl_in_failed(in, why);
	in->bye_at_ms = peer_now_ms() + CL_IN_LINGER_MS;
}

static const struct peer_session_ops ops = {.accept = on_accept,
		.data = on_data,
		.received = on_received,
		.aborted = on_aborted,
		.failed = on_failed};

static void respond(struct cl_in *in, int status, const char *phrase)
{
	struct client *c = in->c;
	char *contact;

	if(status < 200 || status >= 300) {
		cl_receive_respond(c, in->nh, status, phrase);
		return;
	}
	contact = cl_sip_contact(
			c, "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg");
	nua_respond(in->nh, status, phrase ? phrase : "OK",
			SIPTAG_CONTACT_STR(contact),
			SIPTAG_CONTENT_TYPE_STR("application/sdp"),
			SIPTAG_PAYLOAD_STR(in->sdp), TAG_END());
	free(contact);
}

/* Our answer to the offer. @return NULL, or why there is none */
static const char *answer_make(struct cl_in *in)
{
	struct client *c = in->c;
	struct cl_sdp *a = &in->answer;
	const struct cl_sdp *o = &in->offer;
	char id[25];
	bool v6 = strchr(c->local_host, ':') != NULL;

	if(o->port == 0 || o->direction == 'r' || o->direction == 'i'
			|| o->setup == CL_SETUP_HOLDCONN)
		return "the offer sends nothing";
	if(o->tls && !c->tls)
		return "no TLS";
	if(c->o.max_bytes && o->file_size > c->o.max_bytes)
		return "too large";
	*a = (struct cl_sdp){.port = 9,
			.tls = o->tls,
			.direction = 'r',
			.setup = cl_setup_answer(
					o->setup, c->o.setup_given ? c->o.setup : CL_SETUP_ACTIVE),
			.cema = o->cema && !c->o.no_cema,
			.max_size = c->o.max_bytes,
			.chunk_size = c->o.chunk_attr ? c->o.chunk : 0};
	snprintf(a->host, sizeof(a->host), "%s", c->local_host);
	snprintf(a->accept_types, sizeof(a->accept_types), "message/cpim");
	snprintf(a->accept_wrapped, sizeof(a->accept_wrapped), "*");
	if(o->tls)
		snprintf(a->fingerprint, sizeof(a->fingerprint), "%s", c->fingerprint);
	if(a->setup == CL_SETUP_PASSIVE) {
		int port = 0;

		in->listen_fd = peer_listen(c->local_host, &port);
		if(in->listen_fd < 0)
			return "no port";
		a->port = port;
	}
	peer_random_id(id, 24);
	snprintf(a->path, sizeof(a->path), "msrp%s://%s%s%s:%d/%s;tcp",
			o->tls ? "s" : "", v6 ? "[" : "", c->local_host, v6 ? "]" : "",
			a->port, id);
	in->sdp = cl_sdp_write(
			a, (uint64_t)time(NULL) + 2208988800u, c->o.chunk_attr);
	return NULL;
}

int cl_in_start(struct cl_in *in)
{
	struct client *c = in->c;
	char host[128] = "";
	struct peer_session_conf sc = {.loop = &c->loop,
			.local_path = in->answer.path,
			.remote_path = in->offer.path,
			.active = in->answer.setup == CL_SETUP_ACTIVE,
			.host = host,
			.bind_host = c->local_host,
			.listen_fd = in->listen_fd,
			.tls = in->offer.tls ? c->tls : NULL,
			.fingerprint =
					in->offer.fingerprint[0] ? in->offer.fingerprint : NULL,
			.ops = &ops,
			.arg = in};
	int rc;

	in->listen_fd = -1; /* the session's from now on */
	if(sc.active
			&& !cl_sdp_target(
					&in->offer, in->answer.cema, host, sizeof(host), &sc.port))
		return -EDESTADDRREQ;
	rc = peer_session_start(&sc, &in->msrp);
	if(rc == 0)
		peer_session_read_rate(in->msrp, c->o.rate);
	return rc;
}

/* The time for the final answer has come. */
static void answer(struct cl_in *in)
{
	struct client *c = in->c;
	const char *fault;
	json_t *e;

	in->answer_at_ms = 0;
	if(c->o.answer_code >= 300) {
		respond(in, c->o.answer_code, c->o.answer_reason);
		fault = "--answer-code";
	} else {
		fault = answer_make(in);
		if(!fault) {
			in->state = IN_ANSWERED;
			respond(in, 200, NULL);
			return;
		}
		respond(in, 488, NULL);
	}
	e = json_deep_copy(in->e);
	cl_event_text(e, "event", "refused");
	cl_event_text(e, "reason", fault);
	cl_event_print(e);
	cl_in_free(in);
}

struct cl_in *cl_in_new(struct client *c, nua_handle_t *nh)
{
	struct cl_in *in = calloc(1, sizeof(*in));

	if(!in)
		abort();
	in->h.kind = CL_H_IN;
	in->c = c;
	in->nh = nh;
	in->fd = in->listen_fd = -1;
	in->next = all;
	all = in;
	nua_handle_bind(nh, (nua_hmagic_t *)&in->h);
	return in;
}

void cl_accept_invite(struct client *c, nua_handle_t *nh, struct cl_handle *h,
		const sip_t *sip)
{
	struct cl_in *in = cl_in_new(c, nh);
	struct slice sdp = cl_sdp_of(sip);
	json_t *e;

	(void)h;
	in->e = cl_event_new("received");
	cl_event_text(in->e, "mode", "large");
	cl_event_sip(in->e, sip);
	cl_receive_sender(in->e);
	cl_event_str(in->e, "sdp", sdp);
	e = json_deep_copy(in->e);
	cl_event_text(e, "event", "invited");
	cl_event_print(e);
	if(c->o.no_answer)
		return;
	if(cl_sdp_parse(sdp, c->o.chunk_attr, &in->offer) != 0) {
		respond(in, 488, NULL);
		cl_in_failed(in, "no usable SDP in the INVITE");
		cl_in_free(in);
		return;
	}
	if(c->o.ring_ms > 0)
		respond(in, 180, NULL);
	if(c->o.ring_ms > 0 || c->o.answer_after_ms > 0) {
		in->answer_at_ms = peer_now_ms() + c->o.ring_ms + c->o.answer_after_ms;
		return;
	}
	answer(in);
}

static void ended(struct cl_in *in, const char *event, const sip_t *sip)
{
	json_t *e = cl_event_new(event);

	if(sip) {
		cl_event_sip(e, sip);
		if(sip->sip_reason) {
			char *r =
					sip_header_as_string(NULL, (sip_header_t *)sip->sip_reason);
			cl_event_text(e, "reason", r);
			su_free(NULL, r);
		}
	}
	cl_event_str(e, "invite_call_id",
			slice_str(json_string_value(json_object_get(in->e, "call_id"))));
	cl_event_print(e);
}

void cl_accept_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip)
{
	struct cl_in *in = (struct cl_in *)h;
	int rc;

	switch(event) {
		case nua_r_invite:
			cl_fetch_answered(in, status, phrase, sip);
			break;
		case nua_i_invite:
			/* A session refresh: the same description again. */
			if(in->state != IN_RINGING && in->sdp)
				respond(in, 200, NULL);
			break;
		case nua_i_ack:
			if(in->state != IN_ANSWERED)
				break;
			in->state = IN_OPEN;
			rc = cl_in_start(in);
			if(rc != 0)
				on_failed(in, rc, strerror(-rc));
			break;
		case nua_i_cancel:
			ended(in, "cancelled", sip);
			break;
		case nua_i_bye:
			cl_receive_respond(c, in->nh, 200, NULL);
			ended(in, "bye", sip);
			cl_in_free(in);
			break;
		case nua_r_bye:
			if(status < 200
					|| ((status == 401 || status == 407)
							&& cl_sip_authenticate(c, in->nh, &in->h, sip)))
				break;
			cl_in_free(in);
			break;
		case nua_i_terminated:
			cl_in_free(in);
			break;
		default:
			break;
	}
}

int cl_accept_tick(struct client *c)
{
	struct cl_in *next;
	int64_t now = peer_now_ms();
	int n = 0;

	(void)c;
	for(struct cl_in *in = all; in; in = next) {
		next = in->next;
		n++;
		if(in->msrp)
			peer_session_tick(in->msrp);
		if(in->answer_at_ms && now >= in->answer_at_ms) {
			answer(in);
		} else if(in->bye_at_ms && now >= in->bye_at_ms) {
			in->bye_at_ms = 0;
			in->state = IN_LEAVING;
			nua_bye(in->nh,
					SIPTAG_REASON_STR("SIP;cause=480;"
									  "text=\"Transmission Failed\""),
					TAG_END());
		}
	}
	return n;
}
