/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Steps of b2b_many.h.
 */
#include "b2b_many.h"

#include <stdlib.h>
#include <string.h>

#define SENDER_PATH "msrp://127.0.0.1:40000/s1a2b3c4d5;tcp"
#define RECIPIENT_PATH "msrp://127.0.0.1:41000/r1a2b3c4d5;tcp"

const char many_type[] = "multipart/mixed;boundary=" LIST_BOUNDARY;

const char *many_body(const char *xml, enum list_order order)
{
	const char *sdp =
			fmt("Content-Type: application/sdp\n\n%s", sdp_offer("actpass"));
	const char *list = list_part(xml);

	return list_body(order == LIST_FIRST ? list : sdp,
			order == LIST_FIRST ? sdp : list,
			order == WITH_MESSAGE ? cpim_part(list_cpim()) : NULL, NULL);
}

struct call *many_invite(struct ua *ua, const char *uris, const char *headers)
{
	return call_invite(ua,
			&(struct invite_opt){.to = EXPLODER,
					.headers = headers ? headers
									   : "Require: recipient-list-invite\n",
					.type = many_type,
					.sdp = many_body(list_xml(list_entries(uris)), SDP_FIRST)});
}

struct call *many_incoming(struct ua *ua, const char *uri)
{
	return call_incoming_as(ua, fmt("INVITE %s", uri), 6000);
}

void many_accept(struct call *b)
{
	call_accept(b);
	ua_wait(b->ua, "ACK", b->call_id, 6000);
}

/* Value of an SDP line. */
static const char *line_of(const char *body, const char *name)
{
	const char *at = strstr(body, name);

	cr_assert(at != NULL, "no %s in %s", name, body);
	at += strlen(name);
	return fmt("%.*s", (int)strcspn(at, "\r\n"), at);
}

struct out many_media(struct lab *lab, struct call *b)
{
	struct rig r = {.ip = lab->pf_ip};
	const char *sdp = sip_body(b->in);
	struct out o = {.leg = b->tag,
			.peer = RECIPIENT_PATH,
			.path = line_of(sdp, "a=path:"),
			.port = (int)strtol(line_of(sdp, "m=message "), NULL, 10)};

	out_connect(&r, &o);
	return o;
}

struct raw *many_sender(struct lab *lab, const struct sip *ok, struct pair *p)
{
	const char *sdp = sip_body(ok);
	struct raw *c;

	cr_assert(strstr(sdp, "a=path:") != NULL, "no path in the answer: %s",
			ok->text);
	*p = (struct pair){.in_path = line_of(sdp, "a=path:"),
			.in_peer = SENDER_PATH,
			.in_port = (int)strtol(line_of(sdp, "m=message "), NULL, 10)};
	c = raw_connect(lab->pf_ip, p->in_port);
	return c;
}

void many_send(struct raw *in, const struct pair *p, const char *body,
		size_t from, size_t to, size_t total)
{
	const char *tid = to == total ? "last0" : fmt("tid%zu", from);

	raw_say(in,
			"MSRP %s SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
			"Message-ID: mid-1\r\nByte-Range: %zu-%zu/%zu\r\n"
			"Content-Type: message/cpim\r\n\r\n",
			tid, p->in_path, p->in_peer, from + 1, to, total);
	raw_put(in, body + from, to - from);
	raw_say(in, "\r\n-------%s%c\r\n", tid, to == total ? '$' : '+');
	if(to < total)
		cr_assert_eq(raw_status(in, tid, 10000), 200);
}
