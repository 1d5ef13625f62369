/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The end of a frame's content: CRLF "-------" tid flag CRLF, where a line
 * with another transaction id or another flag is content (RFC 4975 section
 * 7.1). Content is arbitrary bytes; what could be the begin of an end-line
 * stays with the caller until more has arrived.
 */
#include <errno.h>

#include "msrp/parse.h"

#define DASHES "\r\n-------"
#define DASHES_N 9

/* Bytes of an end-line at p; 0 it may become one; -1 it is none. Without
 * `crlf` the line's own CRLF stands before p. */
static int end_at(
		const char *p, size_t n, struct slice tid, bool crlf, char *flag)
{
	const char *dashes = &DASHES[crlf ? 0 : 2];
	size_t dashes_n = crlf ? DASHES_N : DASHES_N - 2;
	size_t k = n < dashes_n ? n : dashes_n;
	char f;

	if(memcmp(p, dashes, k) != 0)
		return -1;
	p += k;
	n -= k;
	if(n == 0)
		return 0;
	k = n < tid.n ? n : tid.n;
	if(memcmp(p, tid.p, k) != 0)
		return -1;
	p += k;
	n -= k;
	if(n == 0)
		return 0;
	f = p[0];
	if(f != MSRP_FLAG_END && f != MSRP_FLAG_MORE && f != MSRP_FLAG_ABORT)
		return -1;
	if(n > 1 && p[1] != '\r')
		return -1;
	if(n > 2 && p[2] != '\n')
		return -1;
	if(n < 3)
		return 0;
	*flag = f;
	return (int)(dashes_n + tid.n + 3);
}

int msrp_content_at(
		const char *p, size_t n, struct slice tid, uint64_t len, char *flag)
{
	int rc;

	if(len >= n)
		return 0;
	rc = end_at(p + len, n - (size_t)len, tid, true, flag);
	return rc < 0 ? -EBADMSG : rc;
}

int msrp_content_scan(const char *p, size_t n, struct slice tid, bool first,
		size_t *content, char *flag)
{
	size_t end_n = DASHES_N + tid.n + 3;
	const char *at = p, *end = p + n, *limit;
	int rc;

	/* Empty content: the head's blank line may be the end-line's CRLF. */
	if(first) {
		rc = end_at(p, n, tid, false, flag);
		if(rc >= 0) {
			*content = 0;
			return rc;
		}
	}
	while(at < end && (at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
		rc = end_at(at, (size_t)(end - at), tid, true, flag);
		if(rc > 0) {
			*content = (size_t)(at - p);
			return rc;
		}
		if(rc == 0)
			break;
		at++;
	}
	/* Keep what may become an end-line and one byte before it. */
	limit = n > end_n ? end - end_n : p;
	if(at && at < end && at - 1 < limit)
		limit = at > p ? at - 1 : p;
	*content = (size_t)(limit - p);
	return 0;
}
