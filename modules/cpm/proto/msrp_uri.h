/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP URIs and paths: RFC 4975 section 6 and its ABNF, with RFC 6714's
 * looser session matching. Used by the module (a=path) and by the relay
 * (To-Path, From-Path). No allocation: everything points into the caller's
 * text.
 */
#ifndef CPM_MSRP_URI_H
#define CPM_MSRP_URI_H

#include "slice.h"

#define MSRP_DEFAULT_PORT                                                      \
	2855                  /* when the URI has none (RFC 4975 section 15.4) */
#define MSRP_URI_MAX 1024 /* bytes of one URI that we accept */
#define MSRP_PATH_HOPS_MAX 16 /* URIs of one path that we accept */

/* One URI. All slices are borrowed from the text that was parsed. */
struct msrp_uri
{
	struct slice all;       /* the whole URI as written */
	struct slice host;      /* name or address, without brackets */
	struct slice session;   /* session id; n is 0 when there is none */
	struct slice transport; /* "tcp", as written */
	struct slice params;    /* what follows the transport: ";a=b;c" or empty */
	bool secure;            /* msrps */
	bool ipv6;              /* the host stood in brackets */
	uint16_t port;          /* 0 when the URI has none */
};

/**
 * Parse one MSRP URI that is the whole slice.
 *
 * @param in  no blanks around it; borrowed
 * @param out filled on success only
 *
 * @return 0; -EBADMSG broken grammar, or userinfo, which a path never has
 *         (RFC 4975 section 6); -E2BIG longer than MSRP_URI_MAX
 */
int msrp_uri_parse(struct slice in, struct msrp_uri *out)
		__attribute__((warn_unused_result));

/**
 * Equality by RFC 4975 section 6.1: scheme, host, port (absent differs from
 * any explicit port), session id and transport; parameters do not count.
 */
bool msrp_uri_eq(const struct msrp_uri *a, const struct msrp_uri *b);

/**
 * Equality of what a middlebox leaves alone: scheme, session id and transport
 * (session matching; RFC 6714 section 4.1 and "sessmatch").
 */
bool msrp_uri_eq_session(const struct msrp_uri *a, const struct msrp_uri *b);

/* The port to connect to. */
static inline uint16_t msrp_uri_port(const struct msrp_uri *u)
{
	return u->port ? u->port : MSRP_DEFAULT_PORT;
}

/**
 * Take the next URI of a path (URIs separated by blanks).
 *
 * @param rest what is left of the path; moved on by success
 * @param out  filled on success only
 *
 * @return 1 a URI; 0 the path is at its end; -EBADMSG, -E2BIG as
 *         msrp_uri_parse
 */
int msrp_path_next(struct slice *rest, struct msrp_uri *out)
		__attribute__((warn_unused_result));

/**
 * Check a whole path.
 *
 * @param path  one or more URIs; borrowed
 * @param first the leftmost URI: the next hop; may be NULL
 * @param last  the rightmost URI: the endpoint itself; may be NULL
 *
 * @return number of URIs, at least 1; -EBADMSG; -E2BIG a URI is too long or
 *         there are more than MSRP_PATH_HOPS_MAX
 */
int msrp_path_parse(struct slice path, struct msrp_uri *first,
		struct msrp_uri *last) __attribute__((warn_unused_result));

/**
 * Write "msrp://host:port/session;tcp".
 *
 * @param buf     at least size bytes; NUL-terminated when size > 0
 * @param secure  msrps instead of msrp
 * @param host    name or address; an IPv6 address gets its brackets here
 * @param port    0 = none
 * @param session session id; empty = none
 *
 * @return length as with snprintf: what it would be with room enough, so a
 *         value of size or more says that the text was cut
 */
int msrp_uri_print(char *buf, size_t size, bool secure, struct slice host,
		unsigned port, struct slice session);

#endif
