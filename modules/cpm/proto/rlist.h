/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipient lists: XML resource lists (RFC 4826 section 3) as bodies of
 * requests to an EXPLODER-URI (RFC 5365, RFC 5366), with copy control (RFC
 * 5364). Nested lists become one, references (external, entry-ref) are never
 * followed, each recipient is there once. Read with libxml2: no network, no
 * entities, a DOCTYPE is refused.
 */
#ifndef CPM_RLIST_H
#define CPM_RLIST_H

#include "rcpt_uri.h"
#include "slice.h"

#define RLIST_BYTES_MAX (1 << 20) /* bytes of a document */
#define RLIST_DEPTH_MAX 16        /* lists within lists */
#define RLIST_ENTRIES_MAX 32767   /* entries of a document, duplicates too */

/* cp:copyControl of an entry. */
enum rlist_copy
{
	RLIST_COPY_NONE,
	RLIST_COPY_TO,
	RLIST_COPY_CC,
	RLIST_COPY_BCC
};

struct rlist_entry
{
	struct rcpt_uri uri; /* text is the list's */
	enum rlist_copy copy;
	bool anonymize; /* cp:anonymize */
};

struct rlist
{
	struct rlist_entry *v; /* in the document's order, each recipient once */
	size_t n;
	size_t seen; /* entries in the document, duplicates and skipped too */
	char *text;  /* what the entries point to */
};

enum rlist_error
{
	RLIST_OK,
	RLIST_TOO_LONG, /* over RLIST_BYTES_MAX or RLIST_ENTRIES_MAX */
	RLIST_XML,      /* not well-formed, empty */
	RLIST_DOCTYPE,  /* has a document type declaration */
	RLIST_ROOT,     /* well-formed, but no resource-lists */
	RLIST_DEPTH,    /* nested too deeply */
	RLIST_URI,      /* an entry has no URI or a broken one */
	RLIST_MEMORY
};

/* What it means, for a Warning: "Malformed resource list". */
const char *rlist_error_text(enum rlist_error e);

/* Once in each program before the first list; safe before a fork. */
void rlist_init(void);

/**
 * Read a list.
 *
 * @param xml    the document; borrowed for the call only
 * @param skip   keys (struct rcpt_uri) of addresses that are no recipients:
 *               the EXPLODER-URI itself, whatever its parameters
 * @param n_skip how many
 * @param out    for rlist_free(); filled on success only. n may be 0.
 *
 * @return RLIST_OK or what is wrong
 */
enum rlist_error rlist_parse(struct slice xml, const struct slice *skip,
		size_t n_skip, struct rlist *out) __attribute__((warn_unused_result));

/* Free what rlist_parse() made; safe to call twice. */
void rlist_free(struct rlist *l);

#endif
