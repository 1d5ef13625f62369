/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writing MSRP frames (RFC 4975 section 9): heads and end-lines as text into
 * the caller's room. Nothing is checked but the room: what the relay writes
 * has been parsed or made by itself.
 */
#ifndef MSRP_WRITE_H
#define MSRP_WRITE_H

#include "msrp/parse.h"

/* Bytes that every head may need besides paths, content type and comment. */
#define MSRP_WRITE_OVERHEAD 320

/* A SEND. `paths` is "To-Path: ..CRLFFrom-Path: ..CRLF". */
struct msrp_send
{
	struct slice tid, paths, message_id;
	struct slice content_type;           /* n == 0: no content, no blank line */
	struct msrp_range range;             /* start 0 = no Byte-Range */
	bool success_report, failure_report; /* write "yes" */
};

/**
 * Write start line and header fields; with content also the blank line.
 *
 * @return bytes written; 0 when room is too small
 */
size_t msrp_write_send(char *to, size_t room, const struct msrp_send *s);

/* The same in two parts, for a chunk that goes to many peers: start line and
 * paths are each one's own, the rest is the same for all. */
size_t msrp_write_send_start(
		char *to, size_t room, struct slice tid, struct slice paths);
size_t msrp_write_send_rest(char *to, size_t room, const struct msrp_send *s);

/* The end-line, with the CRLF before it when content preceded. */
size_t msrp_write_end(
		char *to, size_t room, struct slice tid, char flag, bool content);

/* A whole response. comment may be empty. */
size_t msrp_write_response(char *to, size_t room, struct slice tid, int status,
		struct slice comment, struct slice paths);

/* A whole REPORT. */
size_t msrp_write_report(char *to, size_t room, struct slice tid,
		struct slice paths, struct slice message_id, struct msrp_range range,
		int status, struct slice comment);

/* The usual words for a status; empty when there are none. */
struct slice msrp_status_text(int status);

/* "To-Path: to CRLF From-Path: from CRLF"; bytes, or 0 without room. */
size_t msrp_write_paths(
		char *to, size_t room, struct slice to_path, struct slice from_path);

#endif
