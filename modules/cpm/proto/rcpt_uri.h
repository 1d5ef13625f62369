/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * URIs of recipients as they stand in lists: what of them may become a
 * Request-URI, and a key by which two of them are the same recipient. SIP and
 * SIPS by RFC 3261 section 19.1, tel by RFC 3966, anything else by RFC 3986.
 * No allocation.
 */
#ifndef CPM_RCPT_URI_H
#define CPM_RCPT_URI_H

#include "slice.h"

#define RCPT_URI_MAX 1024 /* bytes of a URI */

enum rcpt_kind
{
	RCPT_SIP,
	RCPT_SIPS,
	RCPT_TEL,
	RCPT_OTHER /* mailto:, im:, ...: for the gateway to other networks */
};

struct rcpt_uri
{
	enum rcpt_kind kind;
	struct slice uri; /* to be sent: scheme in lower case, no visual separators
					   * in a telephone number, no header fields, no method */
	struct slice key; /* equal for URIs of one recipient; never to be sent */
};

/* Bytes that rcpt_uri_parse() needs for a URI of n bytes. */
#define RCPT_URI_ROOM(n) (2 * (n) + 16)

/**
 * Read a URI.
 *
 * The key has its escapes of unreserved characters decoded, the others in
 * upper case; host and parameters in lower case, parameters in order; no
 * user=phone. A global telephone number is the same with tel: and with sip:
 * and user=phone.
 *
 * @param text blanks around it are ignored; borrowed for the call only
 * @param buf  RCPT_URI_ROOM(text.n) bytes, to which out points
 * @param out  filled on success only
 *
 * @return 0; -EBADMSG no URI: broken grammar, or bytes that have no place in
 *         one (control characters, escaped ones too, blanks, < > ", bytes over
 *         126); -E2BIG over RCPT_URI_MAX, or the buffer is too small
 */
int rcpt_uri_parse(struct slice text, char *buf, size_t size,
		struct rcpt_uri *out) __attribute__((warn_unused_result));

/* Do two keys name the same user and host, whatever the URI's parameters? */
bool rcpt_key_same_user(struct slice a, struct slice b);

#endif
