/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sends messages: the header fields of OMA CPM 7.2.1.1 and 7.2.1.2, the list
 * body of RFC 5365, and what becomes of the request. Called by main, by
 * cl_sip.c with events, and by cl_imdn.c for reports.
 */
#include "cl_out.h"

#include <sofia-sip/sip_header.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_body.h"

#define ICSI "urn:urn-7:3gpp-service.ims.icsi.oma.cpm."
#define ICSI_ENCODED "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."

static struct cl_out *all;

void cl_out_failed(struct cl_out *o, enum cl_exit result, const char *stage,
		const char *fmt, ...)
{
	va_list ap;

	if(o->result != CL_OK)
		return;
	o->result = result;
	o->stage = stage;
	va_start(ap, fmt);
	vsnprintf(o->why, sizeof(o->why), fmt, ap);
	va_end(ap);
}

/* Header fields that sofia-sip has no tag for, as one text. */
static char *extra_headers(const struct client *c, const struct cl_out *o)
{
	const struct cl_message *m = o->m;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		abort();
	fprintf(f, "P-Preferred-Service: " ICSI "%s%s\r\n",
			o->large ? "largemsg" : "msg", m->group ? ".group" : "");
	if(c->o.identity || c->o.anonymous)
		fprintf(f, "P-Preferred-Identity: <%s>\r\n",
				c->o.identity ? c->o.identity : c->aor);
	fprintf(f, "Conversation-ID: %s\r\nContribution-ID: %s\r\n",
			m->conversation_id, m->contribution_id);
	if(m->in_reply_to)
		fprintf(f, "InReplyTo-Contribution-ID: %s\r\n", m->in_reply_to);
	if(c->o.reply_to && !m->is_imdn)
		fprintf(f, "Reply-To: <%s>\r\n", c->o.reply_to);
	if(c->o.expires && o->large && !m->is_imdn)
		fprintf(f, "Message-Expires: %s\r\n", c->o.expires);
	for(int i = 0; i < c->o.n_headers && !m->is_imdn; i++)
		fprintf(f, "%s\r\n", c->o.header[i]);
	if(fclose(f) != 0)
		abort();
	return text;
}

/* The request's body: the entity alone, or with the resource list. */
static char *request_body(const struct cl_out *o, struct slice entity,
		const char *type, char **out_type, size_t *len)
{
	struct cl_part list = {"application/resource-lists+xml", "recipient-list",
			NULL, slice_of(o->m->list, o->m->list_len)};
	struct cl_part main_part = {
			type, o->large ? "session" : NULL, NULL, entity};
	struct cl_part part[2];
	struct cl_multipart multi;
	char boundary[33], *body;

	if(!o->m->list) {
		*out_type = strdup(type);
		*len = entity.n;
		body = malloc(entity.n + 1);
		if(!body || !*out_type)
			abort();
		memcpy(body, entity.p, entity.n);
		return body;
	}
	/* RFC 5366 and RFC 5365 show this order: SDP first, message last. */
	part[0] = o->large ? main_part : list;
	part[1] = o->large ? list : main_part;
	peer_random_id(boundary, 24);
	cl_multipart_build(&multi, "mixed", boundary, part, 2);
	*out_type = strdup(multi.type);
	*len = multi.bytes;
	body = cl_multipart_join(&multi);
	cl_multipart_free(&multi);
	return body;
}

static char *entity_join(const struct cl_message *m)
{
	char *p = malloc(m->bytes + 1), *q = p;

	if(!p)
		abort();
	for(int i = 0; i < m->body.parts; i++) {
		if(m->body.part[i].iov_len > 0)
			memcpy(q, m->body.part[i].iov_base, m->body.part[i].iov_len);
		q += m->body.part[i].iov_len;
	}
	return p;
}

/* What an event tells of its message. */
static void event_ids(json_t *e, const struct cl_message *m)
{
	cl_event_text(e, "conversation_id", m->conversation_id);
	cl_event_text(e, "contribution_id", m->contribution_id);
	if(m->in_reply_to)
		cl_event_text(e, "in_reply_to_contribution_id", m->in_reply_to);
	cl_event_text(e, "imdn_message_id", m->imdn_id);
	if(m->is_imdn)
		cl_event_text(e, "imdn", m->imdn_kind);
}

static void announce(const struct cl_out *o)
{
	const struct cl_message *m = o->m;
	json_t *e = cl_event_new(m->is_imdn ? "imdn_sending" : "sending");

	cl_event_text(e, "mode", o->large ? "large" : "pager");
	cl_event_text(e, "ruri", m->ruri);
	event_ids(e, m);
	json_object_set_new(e, "bytes", json_integer((json_int_t)m->bytes));
	cl_event_print(e);
}

static void request_send(struct client *c, struct cl_out *o)
{
	const struct cl_message *m = o->m;
	bool user = !m->is_imdn, anonymous = user && c->o.anonymous;
	const char *icsi = o->large ? "largemsg" : "msg";
	char *extra = extra_headers(c, o), *entity = NULL, *body, *type, *to,
		 *accept_contact, *contact = NULL;
	size_t len;
	sip_payload_t *pl;
	su_home_t home[1] = {SU_HOME_INIT(home)};

	if(!o->large)
		entity = entity_join(m);
	body = request_body(o,
			o->large ? slice_str(o->sdp) : slice_of(entity, m->bytes),
			o->large ? "application/sdp" : "message/cpim", &type, &len);
	if(asprintf(&to, "<%s>", m->ruri) < 0
			|| asprintf(&accept_contact, "*;+g.3gpp.icsi-ref=\"%s%s\"",
					   ICSI_ENCODED, icsi)
					< 0)
		abort();
	if(o->large)
		contact = cl_sip_contact(c, ICSI_ENCODED "largemsg");
	su_home_init(home);
	pl = sip_payload_create(home, body, (isize_t)len);
	o->nh = nua_handle(c->nua, (nua_hmagic_t *)&o->h, NUTAG_URL(m->ruri),
			SIPTAG_TO_STR(to),
			SIPTAG_FROM_STR(anonymous   ? "\"Anonymous\" "
										  "<sip:anonymous@anonymous.invalid>"
							: c->o.from ? c->o.from
										: c->aor),
			TAG_END());
	(o->large ? nua_invite : nua_message)(o->nh,
			SIPTAG_ACCEPT_CONTACT_STR(accept_contact),
			TAG_IF(o->large, SIPTAG_CONTACT_STR(contact)),
			TAG_IF(anonymous, SIPTAG_PRIVACY_STR("id")),
			TAG_IF(user && c->o.expires && !o->large,
					SIPTAG_EXPIRES_STR(c->o.expires)),
			TAG_IF(user && c->o.subject, SIPTAG_SUBJECT_STR(c->o.subject)),
			TAG_IF(m->list,
					SIPTAG_REQUIRE_STR(o->large ? "recipient-list-invite"
												: "recipient-list-message")),
			SIPTAG_DATE(sip_date_create(home, sip_now())),
			SIPTAG_HEADER_STR(extra), SIPTAG_CONTENT_TYPE_STR(type),
			SIPTAG_PAYLOAD(pl), TAG_END());
	su_home_deinit(home);
	free(extra);
	free(entity);
	free(body);
	free(type);
	free(to);
	free(accept_contact);
	free(contact);
}

void cl_send_message(struct client *c, struct cl_message *m, bool large)
{
	struct cl_out *o = calloc(1, sizeof(*o));

	if(!o)
		abort();
	o->h.kind = CL_H_OUT;
	o->c = c;
	o->m = m;
	o->large = large;
	o->listen_fd = -1;
	o->started_ms = peer_now_ms();
	if(c->o.cancel_after_ms >= 0 && !m->is_imdn)
		o->cancel_at_ms = o->started_ms + c->o.cancel_after_ms;
	o->next = all;
	all = o;
	if(m->is_imdn)
		c->reports_running++;
	else
		c->running++;
	announce(o);
	if(large && cl_large_offer(o) != 0) {
		cl_out_failed(o, CL_INTERNAL, "local", "no port to listen on");
		cl_out_finish(o);
		return;
	}
	request_send(c, o);
}

void cl_send_next(struct client *c)
{
	struct cl_message *m;

	while(!c->stopping && c->running < c->o.parallel
			&& c->started < c->o.count) {
		m = cl_message_new(c);
		if(!m) {
			cl_stop(c, CL_USAGE);
			return;
		}
		c->started++;
		cl_send_message(c, m,
				c->o.mode == CL_LARGE
						|| (c->o.mode == CL_AUTO && m->bytes > CL_PAGER_MAX));
	}
}

static void print_outcome(struct cl_out *o)
{
	const struct cl_message *m = o->m;
	json_t *e =
			cl_event_new(m->is_imdn ? o->result ? "imdn_failed" : "imdn_sent"
							: o->result ? "failed"
										: "sent");

	if(o->answer)
		json_object_update(e, o->answer);
	json_decref(o->answer);
	o->answer = NULL;
	cl_event_text(e, "mode", o->large ? "large" : "pager");
	cl_event_text(e, "to", m->to);
	event_ids(e, m);
	json_object_set_new(e, "group", json_boolean(m->group));
	json_object_set_new(e, "parties", json_pack("[s]", m->to));
	json_object_set_new(e, "bytes", json_integer((json_int_t)m->bytes));
	json_object_set_new(e, "status", json_integer(o->status));
	json_object_set_new(e, "ms", json_integer(peer_now_ms() - o->started_ms));
	if(o->msrp_status)
		json_object_set_new(e, "msrp_status", json_integer(o->msrp_status));
	if(o->bye_status)
		json_object_set_new(e, "bye_status", json_integer(o->bye_status));
	if(o->msrp && peer_session_sender(o->msrp)) {
		const struct peer_send *s = peer_session_sender(o->msrp);
		json_object_set_new(e, "chunks", json_integer(peer_send_chunks(s)));
		json_object_set_new(
				e, "acked", json_integer((json_int_t)peer_send_acked(s)));
	}
	if(o->result) {
		cl_event_text(e, "stage", o->stage);
		cl_event_text(e, "reason", o->why);
	}
	cl_event_print(e);
}

void cl_out_finish(struct cl_out *o)
{
	struct client *c = o->c;
	struct cl_out **at = &all;
	bool report = o->m->is_imdn;
	enum cl_exit result = o->result;

	if(o->state == OUT_DONE)
		return;
	o->state = OUT_DONE;
	print_outcome(o);
	if(result != CL_OK && !report)
		cl_warn("message to %s failed: %s", o->m->to, o->why);
	while(*at != o)
		at = &(*at)->next;
	*at = o->next;
	cl_large_close(o);
	if(o->nh) {
		nua_handle_bind(o->nh, NULL);
		nua_handle_destroy(o->nh);
	}
	cl_message_free(&o->m);
	free(o->sdp);
	free(o);
	if(report) {
		c->reports_running--;
		return;
	}
	c->running--;
	c->finished++;
	if(result != CL_OK && c->exit_code == CL_OK)
		c->exit_code = result;
	if(c->finished == c->o.count || (c->stopping && c->running == 0))
		cl_stop(c, c->exit_code);
	else
		cl_send_next(c);
}

/* A final answer to the MESSAGE or INVITE that is not 2xx. */
static void refused(struct cl_out *o, int status, const char *phrase)
{
	o->status = status;
	if(o->cancelled)
		cl_out_failed(o, CL_CANCELLED, "cancelled", "given up; %d %s", status,
				phrase);
	else
		cl_out_failed(o,
				status == 401 || status == 407 || status == CL_NO_CREDENTIALS
						? CL_AUTH
						: status == 408 ? CL_TIMEOUT
										: CL_REJECTED,
				"sip", "%d %s", status, phrase);
	cl_out_finish(o);
}

static void request_event(struct cl_out *o, nua_event_t event, int status,
		const char *phrase, const sip_t *sip)
{
	json_t *e;

	if(o->state != OUT_REQUESTED)
		return; /* the answer to a session refresh */
	if(status < 200) {
		if(status == 100 || !sip)
			return;
		e = cl_event_new("provisional");
		cl_event_status(e, status, phrase, sip);
		cl_event_print(e);
		return;
	}
	if((status == 401 || status == 407)
			&& cl_sip_authenticate(o->c, o->nh, &o->h, sip))
		return;
	json_decref(o->answer);
	o->answer = json_object();
	cl_event_status(o->answer, status, phrase, sip);
	o->h.auth_tries = 0;
	if(status >= 300) {
		refused(o, status, phrase);
		return;
	}
	o->status = status;
	if(event == nua_r_message)
		cl_out_finish(o);
	else
		cl_large_answered(o, sip);
}

static void bye_event(struct cl_out *o, int status, const sip_t *sip)
{
	const char *uid = cl_sip_header(sip, "Message-UID");

	if(status < 200)
		return;
	if((status == 401 || status == 407)
			&& cl_sip_authenticate(o->c, o->nh, &o->h, sip))
		return;
	o->bye_status = status;
	/* OMA CPM 7.2.1.2: where a stored message's UID is told */
	if(uid && o->answer)
		cl_event_text(o->answer, "message_uid", uid);
	cl_out_finish(o);
}

void cl_send_event(struct client *c, struct cl_handle *h, nua_event_t event,
		int status, const char *phrase, const sip_t *sip)
{
	struct cl_out *o = (struct cl_out *)h;

	if(o->state == OUT_DONE)
		return;
	switch(event) {
		case nua_r_message:
		case nua_r_invite:
			request_event(o, event, status, phrase, sip);
			break;
		case nua_r_bye:
			bye_event(o, status, sip);
			break;
		case nua_i_bye:
			nua_respond(o->nh, 200, "OK", NUTAG_WITH_THIS(c->nua), TAG_END());
			if(o->msrp_status != 200)
				cl_out_failed(o, CL_MSRP, "msrp",
						"the other side ended the dialog early");
			cl_out_finish(o);
			break;
		case nua_i_terminated:
			/* a session timer ran out, or a request met a dead dialog */
			cl_out_failed(o, CL_TIMEOUT, "timeout", "the dialog is gone");
			cl_out_finish(o);
			break;
		default:
			break;
	}
}

static void cancel(struct cl_out *o)
{
	o->cancelled = true;
	o->cancel_at_ms = 0;
	if(!o->large) {
		/* A MESSAGE cannot be cancelled: only the waiting ends. */
		if(o->c->exit_code == CL_TIMEOUT)
			cl_out_failed(o, CL_TIMEOUT, "timeout", "no answer in time");
		else
			cl_out_failed(o, CL_CANCELLED, "cancelled", "given up");
		cl_out_finish(o);
	} else if(o->state == OUT_REQUESTED) {
		nua_cancel(o->nh, TAG_END());
	} else if(o->state == OUT_OPEN) {
		cl_out_failed(o, CL_CANCELLED, "cancelled", "given up");
		if(o->msrp)
			peer_session_abort(o->msrp);
		cl_large_bye(o);
	}
}

void cl_send_cancel_all(struct client *c)
{
	struct cl_out *next;

	(void)c;
	for(struct cl_out *o = all; o; o = next) {
		next = o->next;
		if(!o->cancelled)
			cancel(o);
	}
}

void cl_send_tick(struct client *c)
{
	struct cl_out *next;
	int64_t now = peer_now_ms();

	(void)c;
	for(struct cl_out *o = all; o; o = next) {
		next = o->next;
		if(o->cancel_at_ms && now >= o->cancel_at_ms)
			cancel(o);
		else if(o->msrp)
			peer_session_tick(o->msrp);
	}
}
