/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients and content of relay_legs.h.
 */
#include "relay_legs.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *content_make(size_t n)
{
	char *p = malloc(n + 1);

	cr_assert(p != NULL);
	for(size_t i = 0; i < n; i++)
		p[i] = (char)((i * 2654435761u ^ i >> 9) >> 11);
	p[n] = '\0';
	return p;
}

struct pair keep_open(int ctl, const char *id, const char *more)
{
	struct pair p = {.id = id,
			.in_peer = fmt("msrp://127.0.0.1:7001/%s-sender;tcp", id)};
	json_t *a = ctl_call(ctl, "session.create",
			fmt("{'session':'%s','keep':true,%s'legs':["
				"{'leg':'in','direction':'recv','transport':'tcp',"
				"'connect':false,'peer':{'path':'%s'}}]}",
					id, more, p.in_peer));
	json_t *leg;

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	leg = json_array_get(
			json_object_get(json_object_get(a, "result"), "legs"), 0);
	p.in_path = event_text(leg, "path");
	p.in_port = (int)event_number(leg, "port");
	return p;
}

json_t *content_open(int ctl, const char *id, size_t n, const char *more)
{
	return ctl_call(ctl, "session.create",
			fmt("{'session':'%s',%s'content':{'type':'message/cpim',"
				"'bytes':%zu,'message_id':'mid-%s'}}",
					id, more, n, id));
}

json_t *content_put(int ctl, const char *id, size_t offset, const void *p,
		size_t n, bool last)
{
	char *text = malloc(n / 3 * 4 + 8);
	json_t *a;

	EVP_EncodeBlock((unsigned char *)text, p, (int)n);
	a = ctl_call(ctl, "content.put",
			fmt("{'session':'%s','offset':%zu,'data':'%s'%s}", id, offset, text,
					last ? ",'last':true" : ""));
	free(text);
	return a;
}

void content_put_all(
		int ctl, const char *id, const char *p, size_t n, size_t piece)
{
	for(size_t at = 0; at < n; at += piece) {
		size_t k = n - at < piece ? n - at : piece;
		json_t *a = content_put(ctl, id, at, p + at, k, at + k == n);

		cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
		cr_assert_eq(event_number(a, "result.received"), (long long)(at + k));
	}
}

struct out out_new(int ctl, const char *id, const char *leg)
{
	return out_new_with(ctl, id, leg, "");
}

struct out out_new_with(
		int ctl, const char *id, const char *leg, const char *more)
{
	struct out o = {
			.leg = leg, .peer = fmt("msrp://127.0.0.1:7002/%s;tcp", leg)};
	json_t *a = ctl_call(ctl, "leg.add",
			fmt("{'session':'%s','leg':{'leg':'%s','direction':'send',"
				"'transport':'tcp'%s}}",
					id, leg, more));

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	o.path = event_text(a, "result.path");
	o.port = (int)event_number(a, "result.port");
	return o;
}

void out_start(int ctl, const char *id, struct out *o, const char *peer)
{
	json_t *a = ctl_call(ctl, "leg.start",
			fmt("{'session':'%s','leg':'%s','connect':false,"
				"'peer':{'path':'%s'%s}}",
					id, o->leg, o->peer, peer));

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
}

void out_connect(const struct rig *r, struct out *o)
{
	o->c = raw_connect(r->ip, o->port);
	/* The message may come before the answer: out_take skips answers. */
	raw_send(o->c, o->path, o->peer, "bind", "bind", NULL, NULL, 0, '$');
}

struct out out_add(
		const struct rig *r, int ctl, const char *id, const char *leg)
{
	struct out o = out_new(ctl, id, leg);

	out_start(ctl, id, &o, "");
	out_connect(r, &o);
	return o;
}

static void keep_bytes(struct out *o, const struct frame *f)
{
	if(o->n + f->n + 1 > o->cap) {
		o->cap = 2 * (o->n + f->n) + 1;
		o->body = realloc(o->body, o->cap);
		cr_assert(o->body != NULL);
	}
	memcpy(o->body + o->n, f->body, f->n);
	o->n += f->n;
	o->body[o->n] = '\0';
}

/* The next SEND that is of a message: one without content may be its end. */
static const struct frame *next_send(struct out *o)
{
	const struct frame *f;

	while((f = raw_frame(o->c, 10000)) != NULL) {
		if(f->status > 0)
			continue;
		cr_assert_str_eq(f->method, "SEND");
		if(*frame_header(f, "Byte-Range"))
			return f;
		raw_answer(o->c, f, 200);
	}
	return NULL;
}

void out_take(struct out *o, size_t limit)
{
	const struct frame *f;

	do {
		long long start = 0;

		f = next_send(o);
		cr_assert(f != NULL, "leg %s: closed after %zu bytes", o->leg, o->n);
		sscanf(frame_header(f, "Byte-Range"), "%lld-", &start);
		cr_assert_eq(start, (long long)o->n + 1, "leg %s: %s after %zu bytes",
				o->leg, frame_header(f, "Byte-Range"), o->n);
		snprintf(o->type, sizeof(o->type), "%s",
				frame_header(f, "Content-Type"));
		snprintf(o->message_id, sizeof(o->message_id), "%s",
				frame_header(f, "Message-ID"));
		o->success_report =
				strcmp(frame_header(f, "Success-Report"), "yes") == 0;
		o->flag = f->flag;
		o->chunks++;
		keep_bytes(o, f);
		raw_answer(o->c, f, 200);
	} while(o->flag == '+' && (limit == 0 || o->n < limit));
}

void out_takes(struct out *o, const char *p, size_t n)
{
	out_take(o, 0);
	cr_assert_eq(o->flag, '$', "leg %s: flag %c", o->leg, o->flag);
	cr_assert_eq(o->n, n, "leg %s: %zu bytes, not %zu", o->leg, o->n, n);
	for(size_t i = 0; i < n; i++)
		if(o->body[i] != p[i])
			cr_assert_fail("leg %s: byte %zu is another", o->leg, i);
}

void out_free(struct out *o)
{
	if(o->c)
		raw_close(o->c);
	free(o->body);
	o->body = NULL;
}

void in_send(struct raw *in, const struct pair *p, const char *mid,
		const char *body, size_t n, size_t chunk)
{
	for(size_t at = 0; at < n; at += chunk) {
		size_t k = n - at < chunk ? n - at : chunk;
		bool last = at + k == n;
		const char *tid = last ? "last0" : fmt("tid%zu", at / chunk);

		raw_send(in, p->in_path, p->in_peer, tid, mid,
				fmt("%zu-%zu/%zu", at + 1, at + k, n), body + at, k,
				last ? '$' : '+');
		if(!last)
			cr_assert_eq(raw_status(in, tid, 10000), 200);
	}
}
