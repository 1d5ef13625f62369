// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the messages of msrp-load are made of: a CPIM header that names session
 * and message, then bytes of a fixed random pattern at a place that depends on
 * session, message and offset. So a byte that is lost, repeated, moved or
 * belongs elsewhere is found by memcmp alone. Used by generator and sink.
 */
#include <string.h>

#include "load.h"

#define PATTERN 262139u /* a prime: no power of two is a multiple of it */

static char pattern[2 * PATTERN];

static const char head_text[] =
		"From: <sip:alice@cpm.test>\r\n"
		"To: <sip:bob@cpm.test>\r\n"
		"DateTime: 2026-11-21T06:00:00Z\r\n"
		"NS: imdn <urn:ietf:params:imdn>\r\n"
		"imdn.Message-ID: SSSSSSSSQQQQQQQQ\r\n"
		"imdn.Disposition-Notification: positive-delivery\r\n"
		"\r\n"
		"Content-Type: application/octet-stream\r\n"
		"\r\n";
const size_t content_head_len = sizeof(head_text) - 1;
static size_t id_at;

void hex_put(char *out, uint64_t v, int digits)
{
	while(digits-- > 0) {
		out[digits] = "0123456789abcdef"[v & 15];
		v >>= 4;
	}
}

size_t dec_put(char *out, uint64_t v)
{
	char t[20];
	size_t n = 0;

	do {
		t[sizeof(t) - ++n] = (char)('0' + v % 10);
		v /= 10;
	} while(v);
	memcpy(out, t + sizeof(t) - n, n);
	return n;
}

void content_init(void)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for(size_t i = 0; i < PATTERN; i++) { /* xorshift64* */
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		pattern[i] = (char)((x * 0x2545f4914f6cdd1du) >> 56);
	}
	/* What a scanner for end-lines stumbles over: beginnings of one. */
	for(size_t i = 1000; i + 32 < PATTERN; i += 4099)
		memcpy(pattern + i, i & 1 ? "\r\n-------" : "\r\n-------b0000$\r\n",
				i & 1 ? 9 : 17);
	memcpy(pattern + PATTERN, pattern, PATTERN);
	id_at = (size_t)(strstr(head_text, "SSSSSSSS") - head_text);
}

void content_head(char *out, uint32_t sess, uint32_t seq)
{
	memcpy(out, head_text, content_head_len);
	hex_put(out + id_at, sess, 8);
	hex_put(out + id_at + 8, seq, 8);
}

const char *content_run(uint32_t sess, uint32_t seq, uint64_t off, uint64_t *n)
{
	uint64_t at = (sess * 7919ull + seq * 104729ull + off) % PATTERN;

	if(*n > 2 * PATTERN - at)
		*n = 2 * PATTERN - at;
	return pattern + at;
}

bool content_check(
		uint32_t sess, uint32_t seq, uint64_t off, const char *data, size_t n)
{
	if(off < content_head_len) {
		char head[sizeof(head_text)];
		size_t k = content_head_len - off;

		if(k > n)
			k = n;
		content_head(head, sess, seq);
		if(memcmp(head + off, data, k) != 0)
			return false;
		off += k;
		data += k;
		n -= k;
	}
	while(n > 0) {
		uint64_t k = n;
		const char *p = content_run(sess, seq, off, &k);

		if(memcmp(p, data, k) != 0)
			return false;
		off += k;
		data += k;
		n -= k;
	}
	return true;
}
