/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader of MSRP session descriptions (RFC 4566, RFC 4975 section 8). One
 * pass over the lines; attributes are kept for the session and for the media
 * that is being read, and judged when that media ends. sdp_print.c writes.
 */
#include "sdp.h"
#include "msrp_uri.h"

#include <errno.h>

/* The description while it is read. */
struct reader
{
	struct sdp sdp; /* values of the media at hand, or of the chosen one */
	struct slice session_conn; /* c= before the first m= */
	struct slice media_conn;
	struct slice session_fingerprint;
	bool session_has_dir;
	enum sdp_dir session_dir;
	enum sdp_setup session_setup;
	enum sdp_connection session_connection;
	bool in_ours;      /* the lines belong to our media */
	bool chosen;       /* our media has been read and is fine */
	bool seen_version; /* v= */
	bool has_dir;
	enum sdp_error best; /* why the media lines so far were no use */
};

static struct slice word(struct slice *rest)
{
	struct slice w;

	while(rest->n > 0 && rest->p[0] == ' ')
		*rest = slice_skip(*rest, 1);
	w = slice_cut(*rest, ' ', rest);
	return w;
}

static bool text_ok(struct slice v)
{
	for(size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if((c < ' ' && c != '\t') || c == 127)
			return false;
	}
	return true;
}

static bool is_number(struct slice s)
{
	for(size_t i = 0; i < s.n; i++)
		if(s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

/* o=<user> <sess-id> <sess-version> <nettype> <addrtype> <address> */
static enum sdp_error read_origin(struct reader *r, struct slice v)
{
	struct slice rest = v, user = word(&rest), id = word(&rest),
				 version = word(&rest), net = word(&rest), type = word(&rest),
				 addr = word(&rest);

	if(r->sdp.origin.p != NULL || user.n == 0 || !is_number(id)
			|| !is_number(version) || !slice_ieq(net, SLICE("IN"))
			|| type.n == 0 || addr.n == 0)
		return SDP_BAD_ORIGIN;
	r->sdp.origin = v;
	r->sdp.sess_id = id;
	r->sdp.sess_version = version;
	return SDP_OK;
}

/* c=IN IP4 <address>, "/ttl" of a multicast address refused. */
static enum sdp_error read_conn(struct slice v, struct slice *host, bool *ipv6)
{
	struct slice rest = v, net = word(&rest), type = word(&rest),
				 addr = word(&rest);

	if(!slice_ieq(net, SLICE("IN")) || addr.n == 0 || slice_trim(rest).n != 0
			|| memchr(addr.p, '/', addr.n) != NULL)
		return SDP_BAD_CONN;
	if(slice_ieq(type, SLICE("IP6")))
		*ipv6 = true;
	else if(slice_ieq(type, SLICE("IP4")))
		*ipv6 = false;
	else
		return SDP_BAD_CONN;
	*host = addr;
	return SDP_OK;
}

/* m=message <port> TCP/MSRP * */
static enum sdp_error read_media(struct reader *r, struct slice v)
{
	struct slice rest = v, media = word(&rest), port = word(&rest),
				 transport = word(&rest), format = word(&rest);
	uint64_t n;

	if(!slice_ieq(media, SLICE("message")))
		return SDP_NO_MEDIA;
	if(port.n == 0 || transport.n == 0 || format.n == 0)
		return SDP_BAD_MEDIA;
	if(slice_ieq(transport, SLICE("TCP/TLS/MSRP")))
		r->sdp.secure = true;
	else if(slice_ieq(transport, SLICE("TCP/MSRP")))
		r->sdp.secure = false;
	else
		return SDP_BAD_TRANSPORT;
	if(!slice_u64(port, 65535, &n))
		return SDP_BAD_PORT;
	if(n == 0)
		return SDP_REFUSED;
	r->sdp.port = (uint16_t)n;
	return SDP_OK;
}

static bool read_setup(struct slice v, enum sdp_setup *out)
{
	if(slice_ieq(v, SLICE("active")))
		*out = SDP_SETUP_ACTIVE;
	else if(slice_ieq(v, SLICE("passive")))
		*out = SDP_SETUP_PASSIVE;
	else if(slice_ieq(v, SLICE("actpass")))
		*out = SDP_SETUP_ACTPASS;
	else if(slice_ieq(v, SLICE("holdconn")))
		*out = SDP_SETUP_HOLDCONN;
	else
		return false;
	return true;
}

static bool read_dir(struct slice name, enum sdp_dir *out)
{
	if(slice_ieq(name, SLICE("sendonly")))
		*out = SDP_SENDONLY;
	else if(slice_ieq(name, SLICE("recvonly")))
		*out = SDP_RECVONLY;
	else if(slice_ieq(name, SLICE("sendrecv")))
		*out = SDP_SENDRECV;
	else if(slice_ieq(name, SLICE("inactive")))
		*out = SDP_INACTIVE;
	else
		return false;
	return true;
}

/* RFC 5547: size:N among name:"x" type:y hash:.. ; blanks within quotes. */
static enum sdp_error read_file_selector(struct reader *r, struct slice v)
{
	bool quoted = false;
	size_t start = 0;

	if(v.n == 0)
		return SDP_OK;
	r->sdp.file_selector = v;
	for(size_t i = 0; i <= v.n; i++) {
		if(i < v.n && v.p[i] == '"')
			quoted = !quoted;
		if(i < v.n && (v.p[i] != ' ' || quoted))
			continue;
		struct slice sel = slice_of(v.p + start, i - start);
		start = i + 1;
		if(!slice_istarts(sel, SLICE("size:")))
			continue;
		if(r->sdp.has_file_size
				|| !slice_u64(slice_skip(sel, 5), INT64_MAX, &r->sdp.file_size))
			return SDP_BAD_SIZE;
		r->sdp.has_file_size = true;
	}
	return SDP_OK;
}

static enum sdp_error read_path(struct reader *r, struct slice v)
{
	struct msrp_uri last;

	if(r->sdp.path.p != NULL)
		return SDP_BAD_ATTR;
	if(msrp_path_parse(v, NULL, &last) < 1 || last.secure != r->sdp.secure
			|| last.session.n == 0 || !slice_ieq(last.transport, SLICE("tcp")))
		return SDP_BAD_PATH;
	r->sdp.path = v;
	return SDP_OK;
}

/* An attribute of our media. */
static enum sdp_error read_attr(
		struct reader *r, struct slice name, struct slice v)
{
	struct sdp *s = &r->sdp;

	if(slice_ieq(name, SLICE("path")))
		return read_path(r, v);
	if(slice_ieq(name, SLICE("accept-types"))) {
		s->accept_types = v;
	} else if(slice_ieq(name, SLICE("accept-wrapped-types"))) {
		s->accept_wrapped_types = v;
	} else if(slice_ieq(name, SLICE("setup"))) {
		if(!read_setup(v, &s->setup))
			return SDP_BAD_SETUP;
	} else if(slice_ieq(name, SLICE("msrp-cema"))) {
		s->cema = true;
	} else if(slice_ieq(name, SLICE("file-selector"))) {
		return read_file_selector(r, v);
	} else if(slice_ieq(name, SLICE("max-size"))) {
		if(!slice_u64(v, INT64_MAX, &s->max_size))
			return SDP_BAD_SIZE;
	} else if(slice_ieq(name, SLICE("fingerprint"))) {
		/* several hashes may be offered; SHA-256 is what we check */
		if(s->fingerprint.p == NULL || slice_istarts(v, SLICE("sha-256 ")))
			s->fingerprint = v;
	} else if(slice_ieq(name, SLICE("connection"))) {
		if(slice_ieq(v, SLICE("new")))
			s->connection = SDP_CONN_NEW;
		else if(slice_ieq(v, SLICE("existing")))
			s->connection = SDP_CONN_EXISTING;
		else
			return SDP_BAD_ATTR;
	} else if(read_dir(name, &s->dir)) {
		r->has_dir = true;
	}
	return SDP_OK;
}

/* An attribute before the first m= line: some hold for all media. */
static enum sdp_error read_session_attr(
		struct reader *r, struct slice name, struct slice v)
{
	if(slice_ieq(name, SLICE("setup"))) {
		if(!read_setup(v, &r->session_setup))
			return SDP_BAD_SETUP;
	} else if(slice_ieq(name, SLICE("fingerprint"))) {
		if(r->session_fingerprint.p == NULL
				|| slice_istarts(v, SLICE("sha-256 ")))
			r->session_fingerprint = v;
	} else if(read_dir(name, &r->session_dir)) {
		r->session_has_dir = true;
	}
	return SDP_OK;
}

/* Our media has ended: is it complete? */
static enum sdp_error finish_media(struct reader *r)
{
	struct sdp *s = &r->sdp;
	enum sdp_error e;

	if(!r->in_ours)
		return SDP_OK;
	r->in_ours = false;
	if(s->path.p == NULL)
		return SDP_NO_PATH;
	if(r->media_conn.p == NULL)
		r->media_conn = r->session_conn;
	e = read_conn(r->media_conn, &s->host, &s->ipv6);
	if(e != SDP_OK)
		return e;
	if(s->setup == SDP_SETUP_NONE)
		s->setup = r->session_setup;
	if(s->fingerprint.p == NULL)
		s->fingerprint = r->session_fingerprint;
	if(!r->has_dir && r->session_has_dir)
		s->dir = r->session_dir;
	r->chosen = true;
	return SDP_OK;
}

/* m=: the media before has ended; is this one ours? */
static enum sdp_error begin_media(struct reader *r, struct slice v)
{
	enum sdp_error e = finish_media(r);

	if(e != SDP_OK)
		return e;
	r->sdp.media_count++;
	if(r->chosen)
		return SDP_OK;
	e = read_media(r, v);
	if(e == SDP_OK) {
		r->in_ours = true;
		r->sdp.media_index = r->sdp.media_count - 1;
	} else if(e != SDP_NO_MEDIA && r->best == SDP_NO_MEDIA) {
		r->best = e;
	}
	return SDP_OK;
}

static enum sdp_error read_line(struct reader *r, char letter, struct slice v)
{
	struct slice name, attr;

	switch(letter) {
		case 'v':
			r->seen_version = slice_eq(slice_trim(v), SLICE("0"));
			return r->seen_version ? SDP_OK : SDP_BAD_LINE;
		case 'o':
			return read_origin(r, v);
		case 'c':
			if(r->sdp.media_count == 0)
				r->session_conn = v;
			else if(r->in_ours && r->media_conn.p == NULL)
				r->media_conn = v;
			return SDP_OK;
		case 'm':
			return begin_media(r, v);
		case 'a':
			name = slice_trim(slice_cut(v, ':', &attr));
			attr = slice_trim(attr);
			if(r->sdp.media_count == 0)
				return read_session_attr(r, name, attr);
			return r->in_ours ? read_attr(r, name, attr) : SDP_OK;
		default:
			return SDP_OK;
	}
}

enum sdp_error sdp_parse(struct slice in, struct sdp *out)
{
	struct reader r = {.best = SDP_NO_MEDIA};
	enum sdp_error e;

	if(in.n == 0 || in.n > SDP_MAX)
		return SDP_EMPTY;
	while(in.n > 0) {
		struct slice line = slice_cut(in, '\n', &in);

		if(line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if(slice_trim(line).n == 0)
			continue;
		if(line.n < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z'
				|| !text_ok(line) || (!r.seen_version && line.p[0] != 'v'))
			return SDP_BAD_LINE;
		e = read_line(&r, line.p[0], slice_skip(line, 2));
		if(e != SDP_OK)
			return e;
	}
	if(!r.seen_version)
		return SDP_EMPTY;
	e = finish_media(&r);
	if(e != SDP_OK)
		return e;
	if(r.sdp.origin.p == NULL)
		return SDP_BAD_ORIGIN;
	if(!r.chosen)
		return r.best;
	*out = r.sdp;
	return SDP_OK;
}
