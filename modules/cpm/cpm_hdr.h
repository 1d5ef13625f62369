/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Building and reading of header fields: a bounded text buffer in private
 * memory, look-up by name, copies of whole fields, and the small parsers for
 * headers that Kamailio's core does not know (RFC 4028, Warning agent, ICSI
 * feature tags).
 */
#ifndef CPM_HDR_H
#define CPM_HDR_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/parser/msg_parser.h"
#include "../../core/str.h"
#include "proto/slice.h"

#define CPM_BUF_MAX 32768 /* bytes of one buffer; more makes it bad */

/* Text that grows. Errors are remembered: check bad once, at the end. */
typedef struct cpm_buf
{
	char *s;  /* private memory */
	int len;  /* bytes used */
	int size; /* bytes there */
	bool bad; /* out of memory or over CPM_BUF_MAX */
} cpm_buf_t;

void cpm_buf_add(cpm_buf_t *b, const char *s, int len);
void cpm_buf_str(cpm_buf_t *b, str s);
void cpm_buf_lit(cpm_buf_t *b, const char *s);
void cpm_buf_fmt(cpm_buf_t *b, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
void cpm_buf_free(cpm_buf_t *b);

/* What is in it, borrowed. */
static inline str cpm_buf_get(const cpm_buf_t *b)
{
	return (str){b->s, b->len};
}

/* Text of the parsers in proto/ as Kamailio's, and the other way round. */
static inline str cpm_str_of(struct slice s)
{
	return (str){(char *)s.p, (int)s.n};
}

static inline struct slice cpm_slice_of(str s)
{
	return slice_of(s.s, s.len > 0 ? (size_t)s.len : 0);
}

/* A literal as a Kamailio str. */
#define CPM_STR(lit) ((str){(char *)(lit), sizeof(lit) - 1})

/* The next field of that name after `after` (NULL: the first), or NULL. The
 * message's headers must have been parsed to the end. */
hdr_field_t *cpm_hdr_next(
		sip_msg_t *msg, const char *name, const hdr_field_t *after);

/* Value of the first field of that name without blanks around; empty: none. */
str cpm_hdr_get(sip_msg_t *msg, const char *name);

/* Append a value; a folded one has line breaks in it: they become blanks. */
void cpm_hdr_add_value(cpm_buf_t *b, str v);

/* Copy every field of that name, each on a line of its own; their number. */
int cpm_hdr_copy(cpm_buf_t *b, sip_msg_t *msg, const char *name);

/**
 * Copy what an application server hands on to a request of its own that takes
 * the place of one it received (OL-11, OP-17, OP-20, OP-21, 8.2.1.2 7.a-f;
 * 3GPP TS 24.229 5.7.3 and 5.7.5): who sends, about what, and what the network
 * needs for charging and access. P-Asserted-Identity and other fields of the
 * network come from trusted peers only (cpm_trust.h).
 *
 * Not among them, since each caller has its own rule: Accept-Contact, Contact,
 * Expires and Message-Expires, Conversation-ID and Contribution-ID,
 * P-Asserted-Service, Max-Forwards.
 */
void cpm_hdr_copy_service(cpm_buf_t *b, sip_msg_t *msg);

/* Copy the field of that name; without one, write it with a new id: senders of
 * the older SIMPLE IM have none, receivers insist on them. */
void cpm_hdr_copy_or_make(cpm_buf_t *b, sip_msg_t *msg, const char *name);

/* ---- a request that is relayed ---- */

/**
 * Add complete lines behind its headers.
 *
 * @param lines taken over; empty: nothing to do
 *
 * @return 0 or -1 (no memory)
 */
int cpm_hdr_insert(sip_msg_t *msg, cpm_buf_t *lines);

/* Take every field of that name out: 0 or -1 (no memory). */
int cpm_hdr_remove(sip_msg_t *msg, const char *name);

/* Is the token in one of the fields of that name (comma lists)? */
bool cpm_hdr_has_token(sip_msg_t *msg, const char *name, const char *token);

/* Bytes that must never get into a header: CR, LF, NUL. */
bool cpm_str_clean(str s);

bool cpm_str_ieq(str s, const char *lit);

/* Who refreshes, in Session-Expires. */
typedef enum cpm_refresher
{
	CPM_REFRESHER_NONE, /* no parameter */
	CPM_REFRESHER_UAC,
	CPM_REFRESHER_UAS
} cpm_refresher_t;

/* What a message says about RFC 4028. */
typedef struct cpm_timer_hdr
{
	uint32_t expires_s; /* Session-Expires, 0 none */
	uint32_t min_se_s;  /* Min-SE, 0 none */
	cpm_refresher_t refresher;
	bool supported; /* Supported: timer */
	bool update;    /* Allow has UPDATE */
} cpm_timer_hdr_t;

/* Read them: 0; -1 a value breaks the grammar. */
int cpm_hdr_timer(sip_msg_t *msg, cpm_timer_hdr_t *out);

/* A name-addr value without its header parameters: `"Bob" <sip:bob@x>`. */
void cpm_hdr_name_addr(cpm_buf_t *b, str display, str uri);

/* Feature parameters of the Contact that go with our own (those that begin
 * with "+g." or "+"; the instance and GRUUs stay behind): ";+g...=..." */
void cpm_hdr_contact_features(cpm_buf_t *b, sip_msg_t *msg);

/* URI and isfocus of the first Contact: 0; -1 there is none that parses. */
int cpm_hdr_contact(sip_msg_t *msg, str *uri, bool *isfocus);

/* "User-Agent: ..." and "Server: ..." with the release token (appendix D of
 * the CPM conversation functions), unless the core writes them. */
void cpm_hdr_agent(cpm_buf_t *b);
void cpm_hdr_server(cpm_buf_t *b);

#define CPM_ALLOW "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, MESSAGE"

#endif
