/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The writer of MSRP session descriptions, the rules of offer and answer for
 * a=setup (RFC 4145 section 4.1, RFC 6135 section 4.2), and the words for what
 * the reader refuses.
 */
#include "sdp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *sdp_error_text(enum sdp_error e)
{
	static const char *const text[SDP_N_ERRORS] = {
			[SDP_OK] = "fine",
			[SDP_EMPTY] = "no session description",
			[SDP_BAD_LINE] = "a line is no SDP",
			[SDP_BAD_ORIGIN] = "origin (o=) missing or broken",
			[SDP_BAD_CONN] = "connection data (c=) missing or broken",
			[SDP_NO_MEDIA] = "no message media",
			[SDP_BAD_MEDIA] = "message media line (m=) broken",
			[SDP_BAD_TRANSPORT] = "transport is not MSRP over TCP or TLS",
			[SDP_BAD_PORT] = "port of the message media is no port",
			[SDP_REFUSED] = "message media refused (port 0)",
			[SDP_NO_PATH] = "MSRP path (a=path) missing",
			[SDP_BAD_PATH] = "MSRP path (a=path) broken",
			[SDP_BAD_SETUP] = "unknown connection role (a=setup)",
			[SDP_BAD_SIZE] = "size is no number",
			[SDP_BAD_ATTR] = "attribute broken or repeated",
	};

	return (unsigned)e < SDP_N_ERRORS && text[e] ? text[e] : "unknown error";
}

bool sdp_answerer_connects(enum sdp_setup offer, enum sdp_setup answer)
{
	if(answer == SDP_SETUP_ACTIVE)
		return true;
	if(answer == SDP_SETUP_PASSIVE)
		return false;
	return offer == SDP_SETUP_PASSIVE;
}

enum sdp_setup sdp_setup_answer(enum sdp_setup offer)
{
	switch(offer) {
		case SDP_SETUP_PASSIVE:
			return SDP_SETUP_ACTIVE;
		case SDP_SETUP_HOLDCONN:
			return SDP_SETUP_HOLDCONN;
		default:
			return SDP_SETUP_PASSIVE;
	}
}

/* Text that grows in a buffer of fixed size; what does not fit is counted. */
struct out
{
	char *buf;
	size_t size;
	size_t n; /* as if there were room enough */
};

__attribute__((format(printf, 2, 3))) static void put(
		struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	if(o->n < o->size)
		n = vsnprintf(o->buf + o->n, o->size - o->n, fmt, ap);
	else
		n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if(n > 0)
		o->n += (size_t)n;
}

/* As strict as the reader: no line ends, no other control characters. */
static bool printable(struct slice v)
{
	for(size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if((c < ' ' && c != '\t') || c == 127)
			return false;
	}
	return true;
}

static void put_attr(struct out *o, const char *name, struct slice v)
{
	if(v.n)
		put(o, "a=%s:%.*s\r\n", name, SLICE_ARG(v));
}

static void put_media(struct out *o, const struct sdp *s)
{
	static const char *const dir[] = {
			[SDP_SENDRECV] = "sendrecv",
			[SDP_SENDONLY] = "sendonly",
			[SDP_RECVONLY] = "recvonly",
			[SDP_INACTIVE] = "inactive",
	};
	static const char *const setup[] = {
			[SDP_SETUP_ACTIVE] = "active",
			[SDP_SETUP_PASSIVE] = "passive",
			[SDP_SETUP_ACTPASS] = "actpass",
			[SDP_SETUP_HOLDCONN] = "holdconn",
	};

	put(o, "m=message %u TCP/%sMSRP *\r\n", s->port, s->secure ? "TLS/" : "");
	put(o, "a=%s\r\n", dir[s->dir]);
	put_attr(o, "accept-types",
			s->accept_types.n ? s->accept_types : SLICE("*"));
	put_attr(o, "accept-wrapped-types", s->accept_wrapped_types);
	if(s->setup != SDP_SETUP_NONE)
		put(o, "a=setup:%s\r\n", setup[s->setup]);
	if(s->connection != SDP_CONN_NONE)
		put(o, "a=connection:%s\r\n",
				s->connection == SDP_CONN_NEW ? "new" : "existing");
	put_attr(o, "path", s->path);
	put_attr(o, "fingerprint", s->fingerprint);
	if(s->cema)
		put(o, "a=msrp-cema\r\n");
	if(s->has_file_size)
		put(o, "a=file-selector:size:%" PRIu64 "\r\n", s->file_size);
	if(s->max_size)
		put(o, "a=max-size:%" PRIu64 "\r\n", s->max_size);
}

/* "m=audio 49170 RTP/AVP 0" with the port 0: refused. */
static void put_refused(struct out *o, struct slice m)
{
	struct slice rest, media = slice_cut(m, ' ', &rest), port;

	port = slice_cut(slice_trim(rest), ' ', &rest);
	(void)port;
	put(o, "m=%.*s 0 %.*s\r\n", SLICE_ARG(media), SLICE_ARG(slice_trim(rest)));
}

/* Our media at its place among those of the offer. */
static void put_all_media(
		struct out *o, const struct sdp *s, struct slice offer)
{
	int index = 0;

	while(offer.n > 0) {
		struct slice line = slice_trim(slice_cut(offer, '\n', &offer));

		if(!slice_starts(line, SLICE("m=")))
			continue;
		if(index++ == s->media_index)
			put_media(o, s);
		else
			put_refused(o, slice_skip(line, 2));
	}
	if(index <= s->media_index)
		put_media(o, s);
}

int sdp_print(char *buf, size_t size, const struct sdp *s, struct slice offer)
{
	const struct slice values[] = {s->origin, s->sess_id, s->sess_version,
			s->host, s->path, s->accept_types, s->accept_wrapped_types,
			s->fingerprint};
	const char *family = s->ipv6 ? "IP6" : "IP4";
	struct out o = {buf, size, 0};

	for(size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if(!printable(values[i]))
			return -EINVAL;
	put(&o, "v=0\r\n");
	if(s->origin.n)
		put(&o, "o=%.*s\r\n", SLICE_ARG(s->origin));
	else
		put(&o, "o=- %.*s %.*s IN %s %.*s\r\n", SLICE_ARG(s->sess_id),
				SLICE_ARG(s->sess_version), family, SLICE_ARG(s->host));
	put(&o, "s=-\r\nc=IN %s %.*s\r\nt=0 0\r\n", family, SLICE_ARG(s->host));
	put_all_media(&o, s, s->media_count > 1 ? offer : slice_of(NULL, 0));
	return (int)o.n;
}
