/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes and reads the session descriptions of large messages. Called by
 * cl_large.c and cl_accept.c. RFC 4566, RFC 4975 section 8, RFC 5547, RFC 6135,
 * RFC 6714.
 */
#include "cl_sdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer_msg.h"

static const char *const setup_name[] = {[CL_SETUP_NONE] = NULL,
		[CL_SETUP_ACTPASS] = "actpass",
		[CL_SETUP_ACTIVE] = "active",
		[CL_SETUP_PASSIVE] = "passive",
		[CL_SETUP_HOLDCONN] = "holdconn"};

enum cl_setup cl_setup_of(struct slice name)
{
	for(int i = CL_SETUP_ACTPASS; i <= CL_SETUP_HOLDCONN; i++)
		if(slice_eq(name, slice_str(setup_name[i])))
			return (enum cl_setup)i;
	return CL_SETUP_NONE;
}

enum cl_setup cl_setup_answer(enum cl_setup offer, enum cl_setup wanted)
{
	if(offer == CL_SETUP_ACTIVE || offer == CL_SETUP_NONE)
		return CL_SETUP_PASSIVE; /* no setup: RFC 4975, the offerer connects */
	if(offer == CL_SETUP_PASSIVE)
		return CL_SETUP_ACTIVE;
	return wanted == CL_SETUP_PASSIVE ? CL_SETUP_PASSIVE : CL_SETUP_ACTIVE;
}

char *cl_sdp_write(
		const struct cl_sdp *s, uint64_t session, const char *chunk_attr)
{
	const char *family = strchr(s->host, ':') ? "IP6" : "IP4";
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if(!f)
		abort();
	fprintf(f,
			"v=0\r\no=- %llu %llu IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
			(unsigned long long)session, (unsigned long long)session, family,
			s->host, family, s->host);
	fprintf(f, "m=message %d %s *\r\n", s->port,
			s->tls ? "TCP/TLS/MSRP" : "TCP/MSRP");
	fprintf(f, "a=%s\r\n",
			s->direction == 's'           ? "sendonly"
					: s->direction == 'r' ? "recvonly"
										  : "sendrecv");
	fprintf(f, "a=accept-types:%s\r\na=accept-wrapped-types:%s\r\n",
			s->accept_types, s->accept_wrapped);
	if(s->setup != CL_SETUP_NONE)
		fprintf(f, "a=setup:%s\r\n", setup_name[s->setup]);
	fprintf(f, "a=path:%s\r\n", s->path);
	if(s->cema)
		fputs("a=msrp-cema\r\n", f);
	if(s->file_size)
		fprintf(f, "a=file-selector:size:%llu\r\n",
				(unsigned long long)s->file_size);
	if(s->max_size)
		fprintf(f, "a=max-size:%llu\r\n", (unsigned long long)s->max_size);
	if(s->chunk_size && chunk_attr)
		fprintf(f, "a=%s:%llu\r\n", chunk_attr,
				(unsigned long long)s->chunk_size);
	if(s->fingerprint[0])
		fprintf(f, "a=fingerprint:%s\r\n", s->fingerprint);
	if(fclose(f) != 0)
		abort();
	return text;
}

static bool copy(char *out, size_t cap, struct slice in)
{
	if(in.n >= cap)
		return false;
	memcpy(out, in.p, in.n);
	out[in.n] = '\0';
	return true;
}

/* "message 2855 TCP/MSRP *" */
static bool media_line(struct slice v, struct cl_sdp *s)
{
	struct slice word, rest;
	uint64_t port;

	word = slice_cut(v, ' ', &rest);
	if(!slice_ieq(word, SLICE("message")))
		return false;
	word = slice_cut(rest, ' ', &rest);
	if(!slice_u64(slice_cut(word, '/', NULL), 65535, &port))
		return false;
	s->port = (int)port;
	word = slice_cut(rest, ' ', NULL);
	s->tls = slice_ieq(word, SLICE("TCP/TLS/MSRP"));
	return s->tls || slice_ieq(word, SLICE("TCP/MSRP"));
}

/* a=file-selector:name:"x" size:123 hash:... (RFC 5547 section 6) */
static uint64_t selector_size(struct slice v)
{
	uint64_t n;
	bool quoted = false;

	for(size_t i = 0; i < v.n; i++) {
		if(v.p[i] == '"')
			quoted = !quoted;
		if(quoted || (i > 0 && v.p[i - 1] != ' '))
			continue;
		if(slice_istarts(slice_skip(v, i), SLICE("size:"))
				&& slice_u64(slice_cut(slice_skip(v, i + 5), ' ', NULL),
						UINT64_MAX, &n))
			return n;
	}
	return 0;
}

static void attribute(struct slice v, const char *chunk_attr, struct cl_sdp *s)
{
	struct slice value, name = slice_cut(v, ':', &value);

	value = slice_trim(value);
	if(slice_eq(name, SLICE("sendonly")))
		s->direction = 's';
	else if(slice_eq(name, SLICE("recvonly")))
		s->direction = 'r';
	else if(slice_eq(name, SLICE("inactive")))
		s->direction = 'i';
	else if(slice_eq(name, SLICE("msrp-cema")))
		s->cema = true;
	else if(slice_eq(name, SLICE("setup")))
		s->setup = cl_setup_of(value);
	else if(slice_eq(name, SLICE("path")))
		copy(s->path, sizeof(s->path), value);
	else if(slice_eq(name, SLICE("accept-types")))
		copy(s->accept_types, sizeof(s->accept_types), value);
	else if(slice_eq(name, SLICE("accept-wrapped-types")))
		copy(s->accept_wrapped, sizeof(s->accept_wrapped), value);
	else if(slice_eq(name, SLICE("fingerprint")))
		copy(s->fingerprint, sizeof(s->fingerprint), value);
	else if(slice_eq(name, SLICE("max-size")))
		slice_u64(value, UINT64_MAX, &s->max_size);
	else if(slice_eq(name, SLICE("file-selector")))
		s->file_size = selector_size(value);
	else if(chunk_attr && slice_eq(name, slice_str(chunk_attr)))
		slice_u64(value, UINT64_MAX, &s->chunk_size);
}

int cl_sdp_parse(struct slice in, const char *chunk_attr, struct cl_sdp *out)
{
	struct cl_sdp s = {.direction = 'b'};
	struct slice line, rest = in, v;
	bool media = false, ours = false;

	while(rest.n > 0) {
		line = slice_trim(slice_cut(rest, '\n', &rest));
		if(line.n < 2 || line.p[1] != '=')
			continue;
		v = slice_skip(line, 2);
		if(line.p[0] == 'm') {
			if(ours)
				break;
			media = true;
			ours = media_line(v, &s);
		} else if(line.p[0] == 'c' && (!media || ours)) {
			slice_cut(v, ' ', &v);
			slice_cut(v, ' ', &v);
			copy(s.host, sizeof(s.host), slice_cut(v, '/', NULL));
		} else if(line.p[0] == 'a' && (!media || ours)) {
			attribute(v, chunk_attr, &s);
		}
	}
	if(!ours)
		return -EBADMSG;
	if(s.path[0] == '\0')
		return -ENOENT;
	*out = s;
	return 0;
}

bool cl_sdp_target(
		const struct cl_sdp *s, bool cema, char *host, size_t cap, int *port)
{
	struct peer_uri u;

	if(cema && s->host[0] && s->port > 0) {
		*port = s->port;
		return copy(host, cap, slice_str(s->host)) && *port != 9;
	}
	if(peer_uri_parse(peer_path_first(slice_str(s->path)), &u) != 0)
		return false;
	*port = u.port ? u.port : 2855;
	return copy(host, cap, u.host) && *port != 9;
}
