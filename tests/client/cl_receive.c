/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Received pager messages, and what pager and large messages have in common:
 * the "received" event with every header field, the payload's file, reports
 * about other messages. Called by cl_sip.c and cl_accept.c. RFC 3428, 3862,
 * 5438.
 */
#include "cl_receive.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cl_body.h"
#include "cl_imdn.h"
#include "cl_message.h"

/* A pager message whose answer --answer-after puts off. */
struct late
{
	struct late *next;
	nua_handle_t *nh;
	nua_saved_event_t saved[1];
	int status;
	int64_t at_ms;
};
static struct late *lates;

void cl_sha256(struct slice in, char out[65])
{
	unsigned char d[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if(!EVP_Digest(in.p ? in.p : "", in.n, d, &n, EVP_sha256(), NULL))
		abort();
	for(unsigned i = 0; i < n && i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", d[i]);
}

static int write_all(int fd, struct slice s)
{
	while(s.n > 0) {
		ssize_t n = write(fd, s.p, s.n > 1 << 20 ? 1 << 20 : s.n);

		if(n < 0 && errno == EINTR)
			continue;
		if(n < 0)
			return -errno;
		s = slice_skip(s, (size_t)n);
	}
	return 0;
}

/* A name from the network as a file name: letters, digits, "-" and "_". */
static void name_clean(char *out, size_t cap, struct slice in)
{
	size_t k = 0;

	for(size_t i = 0; i < in.n && k + 1 < cap && k < 64; i++) {
		unsigned char ch = (unsigned char)in.p[i];
		bool ok = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
				|| (ch >= 'A' && ch <= 'Z') || ch == '-' || ch == '_';
		out[k++] = ok ? (char)ch : '_';
	}
	out[k] = '\0';
}

/* Write a payload under a new name in --out. @return name to be freed */
static char *payload_write(struct client *c, struct slice id,
		struct slice content, const char *ending, int *rc)
{
	char clean[80], *path, *tmp;
	int fd;

	name_clean(clean, sizeof(clean), id);
	for(int i = 0; i < 1000; i++) {
		char more[16] = "";

		if(i > 0)
			snprintf(more, sizeof(more), "-%d", i);
		if(asprintf(&path, "%s/%s%s.%s", c->o.out, clean[0] ? clean : "message",
				   more, ending)
						< 0
				|| asprintf(&tmp, "%s.part", path) < 0)
			abort();
		fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if(fd >= 0 && access(path, F_OK) == 0) {
			unlink(tmp);
			close(fd);
			fd = -1;
			errno = EEXIST;
		}
		if(fd >= 0)
			break;
		*rc = -errno;
		free(path);
		free(tmp);
		path = tmp = NULL;
		if(*rc != -EEXIST)
			return NULL;
	}
	if(!path)
		return NULL;
	*rc = write_all(fd, content);
	if(close(fd) != 0 && *rc == 0)
		*rc = -errno;
	if(*rc == 0 && rename(tmp, path) != 0)
		*rc = -errno;
	if(*rc != 0)
		unlink(tmp);
	free(tmp);
	if(*rc != 0) {
		free(path);
		path = NULL;
	}
	return path;
}

static void cpim_headers(json_t *event, const struct cl_cpim *cpim)
{
	json_t *h = json_object(), *mime = json_object();

	for(int i = 0; i < cpim->n; i++) {
		char *name = strndup(cpim->h[i].raw.p, cpim->h[i].raw.n);
		json_t *at = cpim->h[i].mime ? mime : h;
		const char *old = json_string_value(json_object_get(at, name));

		if(!name)
			abort();
		if(old) {
			char *both;

			if(asprintf(&both, "%s, %.*s", old, SLICE_ARG(cpim->h[i].value))
					< 0)
				abort();
			cl_event_text(at, name, both);
			free(both);
		} else {
			cl_event_str(at, name, cpim->h[i].value);
		}
		free(name);
	}
	json_object_set_new(event, "cpim", h);
	json_object_set_new(event, "payload", mime);
}

/* The address in a header field of the event; NULL when it is not there. */
static void event_address(json_t *e, const char *key, const char *header)
{
	json_t *all = json_object_get(e, "headers");
	const char *name;
	json_t *v;

	json_object_foreach(all, name, v)
	{
		if(strcasecmp(name, header) == 0) {
			cl_event_str(e, key, cl_address(slice_str(json_string_value(v))));
			return;
		}
	}
}

/* Addresses of the sender: all that the network asserts, else From. */
static void parties(json_t *e)
{
	json_t *all = json_object_get(e, "headers"), *out = json_array(), *v;
	struct slice list = {0}, one;
	const char *name;

	json_object_foreach(all, name, v)
	{
		if(strcasecmp(name, "P-Asserted-Identity") == 0)
			list = slice_str(json_string_value(v));
		if(strcasecmp(name, "P-Asserted-Service") == 0) {
			struct slice s = slice_str(json_string_value(v));
			bool group = s.n > 6
					&& slice_eq(slice_skip(s, s.n - 6), SLICE(".group"));
			json_object_set_new(e, "group", json_boolean(group));
		}
	}
	/* A comma within an address cannot come unquoted, and a quoted display
	 * name with one yields a piece without an address. */
	while(list.n > 0) {
		one = cl_address(slice_cut(list, ',', &list));
		if(one.n > 0 && memchr(one.p, ':', one.n))
			json_array_append_new(out, json_stringn(one.p, one.n));
	}
	if(json_array_size(out) == 0 && json_object_get(e, "from"))
		json_array_append(out, json_object_get(e, "from"));
	json_object_set_new(e, "parties", out);
}

void cl_receive_sender(json_t *e)
{
	event_address(e, "reply_to", "Reply-To");
	event_address(e, "asserted", "P-Asserted-Identity");
	event_address(e, "from", "From");
	event_address(e, "to", "To");
	json_object_set(e, "originator",
			json_object_get(
					e, json_object_get(e, "asserted") ? "asserted" : "from"));
	parties(e);
}

/* The text between <element> and </element>; good enough for a test client's
 * report about a report. */
static struct slice element(struct slice xml, const char *name)
{
	char *tag;
	const char *p;
	struct slice rest;

	if(asprintf(&tag, "%s>", name) < 0)
		abort();
	p = xml.n ? memmem(xml.p, xml.n, tag, strlen(tag)) : NULL;
	rest = p ? slice_cut(slice_skip(xml, (size_t)(p - xml.p) + strlen(tag)),
				   '<', NULL)
			 : slice_of(NULL, 0);
	free(tag);
	return slice_trim(rest);
}

static void imdn_event(json_t *e, struct slice xml)
{
	static const char *const status[] = {"delivered", "displayed", "failed",
			"forbidden", "error", "processed", "stored", "legacy-sms",
			"legacy-mms"};

	cl_event_text(e, "event", "imdn");
	cl_event_str(e, "about", element(xml, "message-id"));
	cl_event_str(e, "recipient_uri", element(xml, "recipient-uri"));
	for(size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		char tag[32];
		int n = snprintf(tag, sizeof(tag), "%s/>", status[i]);

		if(memmem(xml.p, xml.n, tag, (size_t)n)) {
			cl_event_text(e, "imdn", status[i]);
			return;
		}
	}
}

int cl_receive_entity(struct client *c, json_t *e, struct slice entity,
		bool cpim_expected, struct slice id)
{
	struct cl_cpim *cpim = calloc(1, sizeof(*cpim));
	struct slice type, given;
	char sum[65], *path;
	int rc = cpim ? cl_cpim_parse(entity, cpim) : -ENOMEM;

	if(rc != 0 || !cpim_expected) {
		free(cpim);
		return rc != 0 ? rc : -EBADMSG;
	}
	cpim_headers(e, cpim);
	given = cl_cpim_get(cpim, CL_NS_IMDN, "Message-ID");
	if(given.n > 0)
		cl_event_str(e, "imdn_message_id", given);
	type = cl_cpim_mime(cpim, "Content-Type");
	cl_event_str(e, "content_type", type);
	json_object_set_new(e, "bytes", json_integer((json_int_t)cpim->content.n));
	json_object_set_new(e, "entity_bytes", json_integer((json_int_t)entity.n));
	cl_sha256(cpim->content, sum);
	cl_event_text(e, "sha256", sum);
	if(slice_istarts(type, SLICE("message/imdn+xml"))) {
		imdn_event(e, cpim->content);
	} else {
		path = payload_write(c, given.n > 0 ? given : id,
				c->o.raw ? entity : cpim->content,
				c->o.raw ? "cpim" : cl_ending_of_type(type), &rc);
		if(path)
			cl_event_text(e, "file", path);
		else
			cl_warn("cannot write to %s: %s", c->o.out, strerror(-rc));
		free(path);
		if(rc == 0)
			cl_imdn_answer(c, e, cpim);
	}
	free(cpim);
	return rc;
}

void cl_receive_counted(struct client *c)
{
	c->received++;
	if((c->o.command == CL_RECEIVE || c->o.command == CL_FETCH)
			&& c->o.count > 0 && c->received >= c->o.count)
		c->done = true; /* the tick stops when all is quiet */
}

static char *answer_extra(const struct client *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		abort();
	for(int i = 0; i < c->o.n_headers; i++)
		fprintf(f, "%s\r\n", c->o.header[i]);
	if(fclose(f) != 0)
		abort();
	return text;
}

void cl_receive_respond(
		struct client *c, nua_handle_t *nh, int status, const char *phrase)
{
	char *extra = answer_extra(c);

	if(!phrase)
		phrase = sip_status_phrase(status);
	nua_respond(nh, status, phrase ? phrase : "Refused",
			NUTAG_WITH_THIS(c->nua), TAG_IF(extra[0], SIPTAG_HEADER_STR(extra)),
			TAG_END());
	free(extra);
}

static void put_off(struct client *c, nua_handle_t *nh, int status)
{
	struct late *l = calloc(1, sizeof(*l));

	if(!l)
		abort();
	*l = (struct late){.next = lates,
			.nh = nh,
			.status = status,
			.at_ms = peer_now_ms() + c->o.answer_after_ms};
	nua_save_event(c->nua, l->saved);
	lates = l;
	c->reports_running++; /* as busy as with a report */
}

void cl_receive_tick(struct client *c)
{
	struct late **at = &lates, *l;

	while((l = *at) != NULL) {
		const char *phrase = sip_status_phrase(l->status);

		if(peer_now_ms() < l->at_ms && !c->stopping) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		nua_respond(l->nh, l->status, phrase ? phrase : "Refused",
				NUTAG_WITH_SAVED(l->saved), TAG_END());
		nua_destroy_event(l->saved);
		nua_handle_destroy(l->nh);
		free(l);
		c->reports_running--;
	}
}

void cl_receive_message(struct client *c, nua_handle_t *nh, const sip_t *sip)
{
	json_t *e = cl_event_new("received");
	const char *type =
			sip->sip_content_type ? sip->sip_content_type->c_type : NULL;
	struct slice body = {0};
	int status = 200, rc;

	if(sip->sip_payload)
		body = slice_of(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
	cl_event_text(e, "mode", "pager");
	cl_event_sip(e, sip);
	cl_receive_sender(e);
	if(c->o.answer_code >= 300) {
		status = c->o.answer_code;
		cl_event_text(e, "event", "refused");
		json_object_set_new(e, "answered", json_integer(status));
	} else if(cl_watch_is_list(sip)) {
		cl_event_text(e, "event", "deferred_list");
		cl_watch_list(e, sip);
	} else if(!type || strcasecmp(type, "message/cpim") != 0) {
		status = 415;
		cl_event_text(e, "event", "refused");
		json_object_set_new(e, "answered", json_integer(status));
	} else {
		if(c->o.answer_code)
			status = c->o.answer_code;
		rc = cl_receive_entity(c, e, body, true, SLICE("message"));
		if(rc != 0) {
			status = rc == -EBADMSG || rc == -E2BIG ? 400 : 500;
			cl_event_text(e, "event", "refused");
			json_object_set_new(e, "answered", json_integer(status));
		}
	}
	if(!c->o.no_answer && c->o.answer_after_ms > 0)
		put_off(c, nh, status);
	else if(!c->o.no_answer)
		cl_receive_respond(c, nh, status,
				status == c->o.answer_code ? c->o.answer_reason : NULL);
	cl_event_print(e);
	if(!c->o.no_answer && c->o.answer_after_ms == 0)
		nua_handle_destroy(nh);
	cl_receive_counted(c);
}
