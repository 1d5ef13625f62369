/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Makes messages: addresses by the rules of cl_reply.c, new ids, the CPIM
 * wrapper (OMA CPM 7.2.1.1, 7.2.1.2, 7.2.1.3) and the reports of RFC 5438.
 * Called by cl_send.c and cl_imdn.c.
 */
#include "cl_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "cl_body.h"
#include "cl_cpim.h"
#include "cl_payload.h"
#include "cl_reply.h"

#define ANONYMOUS "sip:anonymous@anonymous.invalid"

char *cl_now_text(void)
{
	char buf[40];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return strdup(buf);
}

/* 128 random bits as a UUID (Appendix C.1: globally unique). */
static char *uuid_new(void)
{
	unsigned char b[16];
	char *s;

	if(getrandom(b, sizeof(b), 0) != sizeof(b))
		abort();
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	if(asprintf(&s,
			   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
			   "%02x%02x%02x%02x%02x%02x",
			   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
			   b[10], b[11], b[12], b[13], b[14], b[15])
			< 0)
		abort();
	return s;
}

static char *dup_or_new(const char *given)
{
	char *s = given ? strdup(given) : uuid_new();

	if(!s)
		abort();
	return s;
}

/* The last "received" event of a file that `receive` printed. */
static json_t *event_load(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	json_t *last = NULL, *e;

	if(!f)
		return NULL;
	while(getline(&line, &cap, f) > 0) {
		const char *name;

		e = json_loads(line, 0, NULL);
		name = json_string_value(json_object_get(e, "event"));
		if(name && strcmp(name, "received") == 0) {
			json_decref(last);
			last = e;
		} else {
			json_decref(e);
		}
	}
	free(line);
	fclose(f);
	return last;
}

static const char *text_of(json_t *e, const char *key)
{
	return json_string_value(json_object_get(e, key));
}

/* Words of --imdn as the values of imdn.Disposition-Notification. */
static char *disposition_of(const char *words)
{
	static const struct
	{
		const char *word, *value;
	} map[] = {{"delivered", "positive-delivery"},
			{"delivery", "positive-delivery"}, {"failed", "negative-delivery"},
			{"displayed", "display"}, {"interworked", "interworking"},
			{"processed", "processing"}};
	struct slice rest = slice_str(words), w;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int n = 0;

	if(!f)
		abort();
	while(rest.n > 0) {
		w = slice_trim(slice_cut(rest, ',', &rest));
		for(size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
			if(slice_ieq(w, slice_str(map[i].word)))
				w = slice_str(map[i].value);
		fprintf(f, "%s%.*s", n++ ? ", " : "", SLICE_ARG(w));
	}
	if(fclose(f) != 0)
		abort();
	return text;
}

static void body_lay_out(struct cl_message *m, const struct iovec *iov, int n)
{
	m->body.content_type = "message/cpim";
	m->body.part[0] = (struct iovec){m->head, m->head_len};
	m->body.parts = 1;
	for(int i = 0; i < n; i++)
		m->body.part[m->body.parts++] = iov[i];
	m->bytes = 0;
	for(int i = 0; i < m->body.parts; i++)
		m->bytes += m->body.part[i].iov_len;
}

static void wrap(struct client *c, struct cl_message *m)
{
	char *disposition = c->o.imdn ? disposition_of(c->o.imdn) : NULL;
	struct cl_cpim_out out = {.from = m->from,
			.to = m->to,
			.datetime = m->datetime,
			.subject = c->o.subject,
			.message_id = m->imdn_id,
			.disposition = disposition,
			.payload_types = c->payload->types,
			.content_type = c->payload->type};

	m->head = cl_cpim_head(&out, c->payload->bytes, &m->head_len);
	body_lay_out(m, c->payload->iov, c->payload->n);
	free(disposition);
}

struct cl_message *cl_message_new(struct client *c)
{
	struct cl_received received = {0};
	struct cl_wish wish = {.to = c->o.to,
			.n_to = c->o.n_to,
			.reply_address = c->o.reply_address,
			.exploder = c->o.exploder,
			.conference = c->o.conference,
			.group = c->o.group};
	struct cl_target *t = calloc(1, sizeof(*t));
	struct cl_message *m = NULL;
	json_t *event = NULL;
	int rc;

	if(!t)
		abort();
	if(c->o.reply_from) {
		event = event_load(c->o.reply_from);
		if(!event) {
			cl_warn("%s: no received message in it", c->o.reply_from);
			free(t);
			return NULL;
		}
		received = (struct cl_received){text_of(event, "reply_to"),
				text_of(event, "originator"), text_of(event, "conversation_id"),
				text_of(event, "contribution_id")};
		wish.reply = &received;
	}
	rc = cl_target_choose(&wish, t);
	if(rc != 0) {
		cl_warn(rc == -EINVAL ? "several --to need --exploder or --conference"
						: rc == -E2BIG ? "too many recipients"
									   : "nobody to send to: give --to");
		json_decref(event);
		free(t);
		return NULL;
	}
	m = calloc(1, sizeof(*m));
	if(!m)
		abort();
	/* With anonymity the wrapper must not tell what Privacy: id hides. */
	m->from = strdup(c->o.anonymous ? ANONYMOUS
					: c->o.identity ? c->o.identity
									: c->aor);
	m->to = strdup(t->ruri);
	m->ruri = strdup(t->ruri);
	m->group = t->group;
	if(t->n_list > 0)
		m->list = cl_resource_list(t->list, t->n_list, &m->list_len);
	m->datetime = cl_now_text();
	m->conversation_id =
			dup_or_new(c->o.conversation_id ? c->o.conversation_id
											: received.conversation_id);
	m->contribution_id = dup_or_new(c->o.contribution_id);
	if(c->o.in_reply_to || received.contribution_id)
		m->in_reply_to = dup_or_new(
				c->o.in_reply_to ? c->o.in_reply_to : received.contribution_id);
	m->imdn_id = dup_or_new(c->o.imdn_id);
	wrap(c, m);
	json_decref(event);
	free(t);
	return m;
}

struct cl_message *cl_message_imdn(struct client *c, const char *imdn_to,
		const char *about, const char *kind, const char *recipient,
		const char *conversation_id, const char *in_reply_to, const char *route)
{
	bool displayed = strcmp(kind, "displayed") == 0;
	const char *element =
			displayed ? "display-notification" : "delivery-notification";
	struct cl_message *m = calloc(1, sizeof(*m));
	struct cl_cpim_out out;
	size_t len = 0;
	FILE *f;

	if(!m || !(f = open_memstream(&m->list, &len)))
		abort();
	m->is_imdn = true;
	m->imdn_kind = kind;
	m->datetime = cl_now_text();
	/* RFC 5438 section 7.2 and its schema in section 11.1.9 */
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n"
		  "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">\r\n<message-id>",
			f);
	cl_xml_escape(f, about);
	fprintf(f, "</message-id>\r\n<datetime>%s</datetime>\r\n<recipient-uri>",
			m->datetime);
	cl_xml_escape(f, c->aor);
	fputs("</recipient-uri>\r\n<original-recipient-uri>", f);
	cl_xml_escape(f, recipient);
	fprintf(f,
			"</original-recipient-uri>\r\n"
			"<%s><status><%s/></status></%s>\r\n</imdn>\r\n",
			element, kind, element);
	if(fclose(f) != 0)
		abort();
	m->xml = m->list;
	m->list = NULL;
	m->from = strdup(c->aor);
	m->to = strdup(imdn_to);
	m->ruri = strdup(imdn_to);
	m->conversation_id = dup_or_new(conversation_id);
	m->contribution_id = uuid_new();
	if(in_reply_to)
		m->in_reply_to = dup_or_new(in_reply_to);
	m->imdn_id = uuid_new();
	out = (struct cl_cpim_out){.from = m->from,
			.to = m->to,
			.datetime = m->datetime,
			.message_id = m->imdn_id,
			.imdn_route = route,
			.content_type = "message/imdn+xml",
			.content_disposition = "notification"};
	m->head = cl_cpim_head(&out, len, &m->head_len);
	body_lay_out(m, &(struct iovec){m->xml, len}, 1);
	return m;
}

void cl_message_free(struct cl_message **mp)
{
	struct cl_message *m = *mp;

	if(!m)
		return;
	free(m->from);
	free(m->to);
	free(m->ruri);
	free(m->list);
	free(m->xml);
	free(m->conversation_id);
	free(m->contribution_id);
	free(m->in_reply_to);
	free(m->imdn_id);
	free(m->head);
	free(m->datetime);
	free(m);
	*mp = NULL;
}
