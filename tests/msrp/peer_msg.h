/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP frames as the tests' own endpoint reads and writes them. Shares nothing
 * with the relay's parser, so that a fault there cannot hide behind the same
 * fault here. Pure: no I/O, no allocation. RFC 4975 sections 7 and 9.
 */
#ifndef PEER_MSG_H
#define PEER_MSG_H

#include <sys/types.h>

#include "slice.h"

#define PEER_TID_MAX 32     /* bytes of a transaction id */
#define PEER_HEAD_MAX 16384 /* bytes of start line and headers */
#define PEER_PATH_MAX 1024  /* bytes of an a=path, with NUL */
#define PEER_ANY UINT64_MAX /* "*" in a Byte-Range */

/* Byte-Range, counted from 1; end and total may be PEER_ANY. */
struct peer_range
{
	uint64_t start, end, total;
};

/* One frame without its body. Slices point into the text that was parsed. */
struct peer_msg
{
	struct slice tid;
	bool response;
	struct slice method;  /* of a request: SEND, REPORT, ... */
	int status;           /* of a response: 200, ... */
	struct slice comment; /* of a response; may be empty */
	struct slice to_path, from_path, message_id, content_type;
	struct slice success_report, failure_report, status_header;
	bool has_range;
	struct peer_range range;
	bool has_body;        /* a blank line follows the headers */
	struct slice headers; /* all header lines as they came */
};

/* An MSRP URI's parts, borrowed from it. */
struct peer_uri
{
	bool tls;
	struct slice host; /* without the brackets of an IPv6 literal */
	int port;          /* 0: none given */
	struct slice session;
};

/**
 * Parse "start-end/total" (RFC 4975 section 7.1.1).
 *
 * @return 0; -EBADMSG when it breaks the grammar or contradicts itself
 */
int peer_range_parse(struct slice in, struct peer_range *out);

/** Parse one URI of a path. @return 0; -EBADMSG */
int peer_uri_parse(struct slice in, struct peer_uri *out);

/** The first (leftmost) URI of a path; empty when there is none. */
struct slice peer_path_first(struct slice path);

/** True when both URIs name the same session: scheme, session id. */
bool peer_uri_same_session(struct slice a, struct slice b);

/**
 * Parse a complete start line with its headers.
 *
 * @param in   from "MSRP " to the end of the last header line, its CRLF
 *             included, without the blank line or the end-line
 * @param out  filled on success only; has_body is left false
 *
 * @return 0; -EBADMSG
 */
int peer_head_parse(struct slice in, struct peer_msg *out);

/* What peer_frame_next found. */
enum peer_item_type
{
	PEER_MORE, /* nothing yet: read more */
	PEER_HEAD, /* start line and headers */
	PEER_BODY, /* a piece of the body */
	PEER_END   /* the end-line */
};

struct peer_item
{
	enum peer_item_type type;
	struct peer_msg msg; /* PEER_HEAD */
	struct slice body;   /* PEER_BODY */
	char flag;           /* PEER_END: '$', '+' or '#' */
};

/* Where the reader of one connection stands. All zero = at a frame's start. */
struct peer_frame
{
	bool in_body, at_body_start, want_end;
	char tid[PEER_TID_MAX + 1];
	size_t tid_len;
};

/**
 * Take the next item from the bytes of a connection.
 *
 * @param f   the reader's state
 * @param in  unconsumed bytes; what is not consumed must be given again, with
 *            more behind it
 * @param out what was found; borrowed from in
 *
 * @return bytes consumed (0 or more); -EBADMSG; -E2BIG
 */
ssize_t peer_frame_next(
		struct peer_frame *f, struct slice in, struct peer_item *out);

/* What peer_write_send needs. */
struct peer_send_head
{
	const char *tid, *to_path, *from_path, *message_id;
	struct peer_range range; /* total 0 and start 0: no Byte-Range */
	const char *success_report, *failure_report; /* NULL: header left out */
	const char *content_type;                    /* NULL: no body */
};

/* All of them write text with a NUL into out and return its length; -E2BIG
 * when it does not fit. */
int peer_write_send(char *out, size_t cap, const struct peer_send_head *h);
int peer_write_end(char *out, size_t cap, const char *tid, char flag);
int peer_write_response(char *out, size_t cap, const struct peer_msg *req,
		int status, const char *comment);
int peer_write_report(char *out, size_t cap, const char *tid,
		const struct peer_msg *req, struct slice message_id,
		struct peer_range range, int status);

/** Fill out with n random letters and digits and a NUL. */
void peer_random_id(char *out, size_t n);

#endif
