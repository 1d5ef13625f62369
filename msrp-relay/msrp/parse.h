/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MSRP frames (RFC 4975 sections 7 and 9), read incrementally: no allocation,
 * no state between calls, all slices point into the caller's buffer. A frame
 * is a head (start line and header fields), then content, then the end-line;
 * head and content are parsed by separate calls so that content of any size
 * can be passed on as it arrives.
 */
#ifndef MSRP_PARSE_H
#define MSRP_PARSE_H

#include "slice.h"

#define MSRP_HEAD_MAX 8192 /* bytes of start line and header fields */
#define MSRP_IDENT_MIN 4   /* RFC 4975: ident = ALPHANUM 3*31ident-char */
#define MSRP_IDENT_MAX 32
#define MSRP_HEADERS_MAX 64 /* header fields of one frame */

/* "\r\n-------" tid flag "\r\n" */
#define MSRP_END_MAX (2 + 7 + MSRP_IDENT_MAX + 1 + 2)

enum msrp_method
{
	MSRP_RESPONSE, /* no request: status is set */
	MSRP_SEND,
	MSRP_REPORT,
	MSRP_AUTH,
	MSRP_NICKNAME,
	MSRP_OTHER
};

enum msrp_flag
{
	MSRP_FLAG_NONE = 0, /* the end-line has not been seen yet */
	MSRP_FLAG_END = '$',
	MSRP_FLAG_MORE = '+',
	MSRP_FLAG_ABORT = '#'
};

/* A head. Absent fields have p == NULL. */
struct msrp_head
{
	enum msrp_method method;
	int status;           /* of a response, 0 to 999 */
	struct slice tid;     /* transaction id */
	struct slice name;    /* method as written */
	struct slice to_path; /* values without blanks around them */
	struct slice from_path;
	struct slice message_id;
	struct slice byte_range;
	struct slice content_type;
	struct slice success_report;
	struct slice failure_report;
	struct slice report_status; /* the Status field of a REPORT */
	bool twice;                 /* a field that must be single is there twice */
	bool content;               /* content and an end-line follow */
	char flag; /* of the end-line when no content follows, else NONE */
};

/* Byte-Range; bytes count from 1. */
struct msrp_range
{
	uint64_t start;
	uint64_t end;   /* start - 1 = empty; 0 with end_any */
	uint64_t total; /* 0 with total_any */
	bool end_any, total_any;
};

/**
 * Parse a head: with `content` up to and with the blank line, without it up
 * to and with the end-line.
 *
 * @param p,n what has been read so far
 * @param out filled when the answer is above 0
 *
 * @return bytes of the head; 0 more is needed; -EBADMSG the stream cannot be
 *         understood any more; -E2BIG longer than MSRP_HEAD_MAX
 */
int msrp_head_parse(const char *p, size_t n, struct msrp_head *out)
		__attribute__((warn_unused_result));

/**
 * Look for the end-line in content.
 *
 * @param p,n     content that has not been passed on yet
 * @param tid     of the frame
 * @param first   p is the first byte behind the head
 * @param content bytes at p that are content for certain; always set
 * @param flag    of the end-line; set when the answer is above 0
 *
 * @return bytes of the end-line behind the content; 0 not there yet: come
 *         again with what follows p + *content. At least one byte of content
 *         is kept back then, so that the end-line never comes alone (but for
 *         an empty content).
 */
int msrp_content_scan(const char *p, size_t n, struct slice tid, bool first,
		size_t *content, char *flag) __attribute__((warn_unused_result));

/**
 * Is there an end-line at the very place where the Byte-Range says?
 *
 * @param p,n  from the first byte of content
 * @param len  announced bytes of content
 *
 * @return bytes of the end-line; 0 more is needed; -EBADMSG something else is
 *         there
 */
int msrp_content_at(const char *p, size_t n, struct slice tid, uint64_t len,
		char *flag) __attribute__((warn_unused_result));

/**
 * Parse a Byte-Range value, "start-end/total".
 *
 * @param in   header value without surrounding blanks; borrowed
 * @param out  filled on success only
 *
 * @return 0; -EBADMSG when it breaks the grammar or contradicts itself
 *
 * RFC 4975 section 7.1.1
 */
int msrp_range_parse(struct slice in, struct msrp_range *out)
		__attribute__((warn_unused_result));

/**
 * Parse the Status field of a REPORT, "000 200 OK".
 *
 * @return 0; -EBADMSG; -ENOTSUP another namespace than 000
 */
int msrp_status_parse(struct slice in, int *status)
		__attribute__((warn_unused_result));

/* Is it an ident (transaction id, Message-ID)? */
bool msrp_ident_ok(struct slice s);

#endif
