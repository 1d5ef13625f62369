/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client's output: one JSON object a line on stdout for each event, words
 * for people on stderr. Called by every other part.
 */
#include "client.h"

#include <stdarg.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void cl_warn(const char *fmt, ...)
{
	va_list ap;

	fputs("cpm-client: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

json_t *cl_event_new(const char *name)
{
	struct timespec ts;
	json_t *e = json_object();

	clock_gettime(CLOCK_REALTIME, &ts);
	json_object_set_new(e, "event", json_string(name));
	json_object_set_new(
			e, "time", json_real((double)ts.tv_sec + (double)ts.tv_nsec / 1e9));
	return e;
}

void cl_event_print(json_t *event)
{
	if(json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(14)) != 0
			|| fputc('\n', stdout) == EOF || fflush(stdout) != 0)
		cl_warn("cannot write to stdout");
	json_decref(event);
}

/* Text that is not UTF-8 is shown with its odd bytes as "?". */
void cl_event_str(json_t *event, const char *key, struct slice v)
{
	json_t *s;

	if(!v.p)
		return;
	s = json_stringn(v.p, v.n);
	if(!s) {
		char *t = malloc(v.n + 1);

		if(!t)
			abort();
		for(size_t i = 0; i < v.n; i++)
			t[i] = (unsigned char)v.p[i] < 0x80 && v.p[i] ? v.p[i] : '?';
		s = json_stringn(t, v.n);
		free(t);
	}
	json_object_set_new(event, key, s);
}

void cl_event_text(json_t *event, const char *key, const char *v)
{
	cl_event_str(event, key, slice_str(v));
}

/* A field that comes again is added to the first one with a comma. */
static void header_add(json_t *all, const char *name, const char *value)
{
	const char *old = json_string_value(json_object_get(all, name));
	char *both;

	if(!old) {
		cl_event_text(all, name, value);
		return;
	}
	if(asprintf(&both, "%s, %s", old, value) < 0)
		abort();
	cl_event_text(all, name, both);
	free(both);
}

static void header_print(json_t *all, const sip_header_t *h)
{
	char buf[8192];
	msg_hclass_t *hc = h->sh_class;
	const char *name = hc->hc_name;
	ssize_t n;

	if(hc->hc_hash == sip_payload_hash || hc->hc_hash == sip_separator_hash
			|| hc->hc_hash == sip_request_hash
			|| hc->hc_hash == sip_status_hash)
		return;
	if(hc->hc_hash == sip_unknown_hash || hc->hc_hash == sip_error_hash) {
		if(h->sh_unknown->un_name)
			header_add(all, h->sh_unknown->un_name,
					h->sh_unknown->un_value ? h->sh_unknown->un_value : "");
		return;
	}
	n = sip_header_field_e(buf, sizeof(buf) - 1, h, 0);
	if(n < 0 || (size_t)n >= sizeof(buf))
		return;
	buf[n] = '\0';
	header_add(all, name ? name : "?", buf);
}

const char *cl_sip_header(const sip_t *sip, const char *name)
{
	for(const sip_unknown_t *u = sip ? sip->sip_unknown : NULL; u;
			u = u->un_next)
		if(u->un_name && strcasecmp(u->un_name, name) == 0)
			return u->un_value;
	return NULL;
}

void cl_event_sip(json_t *event, const sip_t *sip)
{
	static const struct
	{
		const char *key, *header;
	} keys[] = {{"conversation_id", "Conversation-ID"},
			{"contribution_id", "Contribution-ID"},
			{"in_reply_to_contribution_id", "InReplyTo-Contribution-ID"},
			{"message_expires", "Message-Expires"},
			{"message_uid", "Message-UID"}};
	json_t *all = json_object();
	const sip_header_t *h;

	h = sip->sip_request ? (sip_header_t *)sip->sip_request
						 : (sip_header_t *)sip->sip_status;
	for(; h; h = (const sip_header_t *)h->sh_succ)
		header_print(all, h);
	for(size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *v = cl_sip_header(sip, keys[i].header);
		if(v)
			cl_event_text(event, keys[i].key, v);
	}
	if(sip->sip_request) {
		cl_event_text(event, "method", sip->sip_request->rq_method_name);
		char *url = url_as_string(NULL, sip->sip_request->rq_url);
		cl_event_text(event, "ruri", url);
		su_free(NULL, url);
	}
	if(sip->sip_call_id)
		cl_event_text(event, "call_id", sip->sip_call_id->i_id);
	json_object_set_new(event, "headers", all);
}

void cl_event_status(
		json_t *event, int status, const char *phrase, const sip_t *sip)
{
	json_object_set_new(event, "status", json_integer(status));
	cl_event_text(event, "phrase", phrase);
	if(!sip)
		return;
	cl_event_sip(event, sip);
	if(sip->sip_warning) {
		char *w = sip_header_as_string(NULL, (sip_header_t *)sip->sip_warning);
		if(w)
			cl_event_text(event, "warning", w);
		su_free(NULL, w);
	}
}
