/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Session descriptions of MSRP sessions: RFC 4566 with what RFC 4975 (path,
 * accept-types, max-size), RFC 4145 and 6135 (setup, connection), RFC 6714
 * (msrp-cema), RFC 5547 (file-selector) and RFC 8122 (fingerprint) add. Reads
 * what clients really send (LF only, m=MESSAGE, no setup, no file-selector,
 * attributes in any order) and writes what the standards say. No allocation.
 */
#ifndef CPM_SDP_H
#define CPM_SDP_H

#include "slice.h"

#define SDP_MAX 65536 /* bytes of a description that we read */

/* Why a description is no use. SDP_OK is 0; sdp_error_text names each. */
enum sdp_error
{
	SDP_OK = 0,
	SDP_EMPTY,         /* no text, or too much of it */
	SDP_BAD_LINE,      /* a line is not <letter>=<value>, or no v=0 first */
	SDP_BAD_ORIGIN,    /* o= missing or broken */
	SDP_BAD_CONN,      /* c= broken, or none that holds for the media */
	SDP_NO_MEDIA,      /* no message media line at all */
	SDP_BAD_MEDIA,     /* the message media line breaks the grammar */
	SDP_BAD_TRANSPORT, /* message media, but not (TLS/)MSRP over TCP */
	SDP_BAD_PORT,      /* port is no number, or over 65535 */
	SDP_REFUSED,       /* port 0: the media is turned off (in an answer: no) */
	SDP_NO_PATH,       /* MSRP media without a=path */
	SDP_BAD_PATH,      /* a=path is no MSRP path, or fits not the transport */
	SDP_BAD_SETUP,     /* a=setup has an unknown value */
	SDP_BAD_SIZE,      /* file-selector size or max-size is no number */
	SDP_BAD_ATTR,      /* another attribute of ours is broken or twice */
	SDP_N_ERRORS
};

/* a=setup (RFC 4145). SDP_SETUP_NONE: not there, which by RFC 4975 means that
 * the offerer is active. */
enum sdp_setup
{
	SDP_SETUP_NONE,
	SDP_SETUP_ACTIVE,
	SDP_SETUP_PASSIVE,
	SDP_SETUP_ACTPASS,
	SDP_SETUP_HOLDCONN
};

/* Direction of the media; sendrecv when nothing is said (RFC 4566). */
enum sdp_dir
{
	SDP_SENDRECV,
	SDP_SENDONLY,
	SDP_RECVONLY,
	SDP_INACTIVE
};

/* a=connection (RFC 4145); SDP_CONN_NONE means new. */
enum sdp_connection
{
	SDP_CONN_NONE,
	SDP_CONN_NEW,
	SDP_CONN_EXISTING
};

/* An MSRP session description. Slices are borrowed from the text parsed, or,
 * for writing, from the caller. */
struct sdp
{
	/* session */
	struct slice origin;       /* o= value as written */
	struct slice sess_id;      /* of o=; digits */
	struct slice sess_version; /* of o=; digits */
	/* the MSRP media */
	bool secure;       /* TCP/TLS/MSRP */
	uint16_t port;     /* of m= */
	struct slice host; /* address of the c= line in force */
	bool ipv6;         /* IN IP6 */
	struct slice path; /* a=path value: one or more MSRP URIs, checked */
	struct slice accept_types;         /* "" when not there */
	struct slice accept_wrapped_types; /* "" when not there */
	enum sdp_setup setup;
	enum sdp_dir dir;
	enum sdp_connection connection;
	bool cema;                  /* a=msrp-cema */
	bool has_file_size;         /* file-selector has a size */
	uint64_t file_size;         /* bytes */
	struct slice file_selector; /* whole value, "" when not there */
	uint64_t max_size;          /* a=max-size, bytes; 0 = none */
	struct slice fingerprint;   /* "SHA-256 AB:..": media's, else session's */
	/* the rest of the description */
	int media_index; /* which m= line it is, from 0 */
	int media_count; /* m= lines in all: the answer has as many */
};

/**
 * Read a session description; the first m=message line that is usable as MSRP
 * counts, others are counted only.
 *
 * @param in  the body; borrowed by out's slices
 * @param out filled on success only
 *
 * @return SDP_OK or why not
 */
enum sdp_error sdp_parse(struct slice in, struct sdp *out)
		__attribute__((warn_unused_result));

/* A short English phrase for the log and for a Warning; never NULL. */
const char *sdp_error_text(enum sdp_error e);

/**
 * Which end opens the connection once offer and answer are known (RFC 6135
 * section 4.2): true when the answerer does.
 *
 * @param offer  a=setup of the offer; none = active
 * @param answer a=setup of the answer; none = passive, but active when the
 *               offer was passive
 */
bool sdp_answerer_connects(enum sdp_setup offer, enum sdp_setup answer);

/**
 * The a=setup to answer with: passive, unless the offer is passive.
 *
 * @return SDP_SETUP_PASSIVE, SDP_SETUP_ACTIVE, or SDP_SETUP_HOLDCONN when the
 *         offer is holdconn (to be refused)
 */
enum sdp_setup sdp_setup_answer(enum sdp_setup offer);

/**
 * Write a description. Uses origin, or when that is empty "- sess_id
 * sess_version IN IP4|IP6 host"; port, host, secure, path, accept types,
 * setup (none is left out), dir, connection, cema, file_size, max_size,
 * fingerprint. An empty accept_types is written as "*".
 *
 * With media_count over 1 every other media line is refused (port 0): give
 * the offer as `offer`, so that each gets its type and transport back.
 *
 * @param buf   NUL-terminated when size > 0
 * @param s     values; not checked for CR or LF beyond what sdp_parse gives
 * @param offer the description that this answers; empty for an offer
 *
 * @return length as with snprintf: size or more says that it was cut;
 *         -EINVAL a value has a control character
 */
int sdp_print(char *buf, size_t size, const struct sdp *s, struct slice offer)
		__attribute__((warn_unused_result));

#endif
