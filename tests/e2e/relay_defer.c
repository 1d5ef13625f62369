/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay_defer.h: deferred messages by hand.
 */
#include "relay_defer.h"

#include "internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ctl_serving(const struct rig *r)
{
	int fd = ctl_open(r);
	json_t *a = ctl_call(fd, "hello",
			"{'version':1,'owner':'test','events':true,'deferred':true}");

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	return fd;
}

const char *pager_body(const char *more, const char *text)
{
	return fmt("From: <" ALICE ">\r\nTo: <" BOB ">\r\n"
			   "DateTime: 2026-11-21T11:00:00Z\r\n%s\r\n"
			   "Content-type: text/plain\r\n\r\n%s",
			more, text);
}

json_t *put_pager(int ctl, const char *user, const char *key, const char *body,
		const char *more)
{
	size_t n = strlen(body);
	char *text = malloc(n / 3 * 4 + 8);
	json_t *a;

	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)body, (int)n);
	a = ctl_call(ctl, "deferred.put",
			fmt("{'key':'%s','user':'%s','sender':'" ALICE "',"
				"'envelope':{'from':'" ALICE "','n':[1,2]},"
				"'type':'message/cpim','data':'%s'%s}",
					key, user, text, more));
	free(text);
	return a;
}

const char *stored_pager(int ctl, const char *user, const char *key)
{
	json_t *a = put_pager(ctl, user, key, pager_body("", key), "");

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	return event_text(a, "result.ref");
}

json_t *next_of(int ctl, const char *user, const char *more)
{
	return ctl_call(
			ctl, "deferred.next", fmt("{'users':['%s']%s}", user, more));
}

const char *next_data(json_t *answer)
{
	const char *text = event_text(answer, "result.message.data");
	size_t n = strlen(text);
	char *body = e2e_alloc(n + 1);
	int got = EVP_DecodeBlock(
			(unsigned char *)body, (const unsigned char *)text, (int)n);

	cr_assert(got >= 0);
	for(; n > 0 && text[n - 1] == '='; n--)
		got--;
	body[got] = '\0';
	return body;
}

json_t *settle(int ctl, const char *ref, long long fence, const char *more)
{
	return ctl_call(ctl, "deferred.settle",
			fmt("{'ref':'%s','fence':%lld,%s}", ref, fence, more));
}

long long stored_count(int ctl)
{
	json_t *a = ctl_call(ctl, "deferred.count", "{'users':['" BOB "']}");

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	return event_number(a, "result.messages");
}

void stored_count_wait(int ctl, long long n)
{
	for(int i = 0; i < 400 && stored_count(ctl) != n; i++)
		sleep_ms(25);
	cr_assert_eq(stored_count(ctl), n);
}

json_t *defer(int ctl, const char *more)
{
	return ctl_call(ctl, "session.defer",
			fmt("{'session':'k1','user':'" BOB "','sender':'" ALICE
				"','key':'call1','envelope':{'n':7}%s}",
					more));
}

char *large_make(size_t n, const char *headers)
{
	const char *head = fmt("From: <" ALICE ">\r\nTo: <" BOB ">\r\n%s\r\n"
						   "Content-type: application/octet-stream\r\n\r\n",
			headers);
	size_t k = strlen(head);
	char *text = malloc(n + 1);

	cr_assert(text != NULL && n > k);
	memcpy(text, head, k);
	for(size_t i = k; i < n; i++)
		text[i] = (char)('A' + (i * 31 + i / 26) % 58);
	text[n] = '\0';
	return text;
}

void large_send(struct raw *in, const struct pair *p, const char *mid,
		const char *text, size_t chunk)
{
	size_t n = strlen(text);

	for(size_t at = 0; at < n; at += chunk) {
		size_t k = n - at < chunk ? n - at : chunk;
		bool last = at + k == n;
		const char *tid = last ? "last0" : fmt("tid%zu", at / chunk);

		raw_say(in,
				"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				"Message-ID: %s\r\nByte-Range: %zu-%zu/%zu\r\n"
				"Content-Type: message/cpim\r\n\r\n",
				tid, p->in_path, p->in_peer, mid, at + 1, at + k, n);
		raw_put(in, text + at, k);
		raw_say(in, "\r\n-------%s%c\r\n", tid, last ? '$' : '+');
		if(!last)
			cr_assert_eq(raw_status(in, tid, 10000), 200);
	}
}

json_t *stored_session(
		int ctl, const char *id, const char *ref, long long fence)
{
	return stored_session_with(ctl, id, ref, fence, "");
}

json_t *stored_session_with(int ctl, const char *id, const char *ref,
		long long fence, const char *more)
{
	return ctl_call(ctl, "session.create",
			fmt("{'session':'%s','content':{'deferred':'%s','fence':%lld%s}}",
					id, ref, fence, more));
}

void fetch_large(const struct rig *r, int ctl, const char *user,
		const char *text, size_t n)
{
	json_t *a = next_of(ctl, user, ",'any':true"), *e;
	const char *ref = event_text(a, "result.message.ref");
	struct out o;

	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	cr_assert_eq(event_number(a, "result.message.size"), (long long)n);
	a = stored_session(
			ctl, "fetch", ref, event_number(a, "result.message.fence"));
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	o = out_add(r, ctl, "fetch", "1");
	out_takes(&o, text, n);
	e = ctl_event(ctl, "leg.delivered", 10000);
	cr_assert_str_eq(event_text(e, "ref"), ref);
	cr_assert(json_object_get(e, "settled") == NULL);
	cr_assert_eq(
			ctl_code(ctl_call(ctl, "deferred.show", fmt("{'ref':'%s'}", ref))),
			-32002);
	ctl_call(ctl, "session.close", "{'session':'fetch'}");
	out_free(&o);
}
