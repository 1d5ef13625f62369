/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The list of a user's deferred messages as his clients are told of them:
 * application/vnd.oma.im.deferred-list+xml, namespace
 * urn:oma:xml:im:history-list (OMA IM 1.0, the predecessor of CPM, which names
 * no format of its own). Writes only; no allocation.
 */
#ifndef CPM_DEFERRED_LIST_H
#define CPM_DEFERRED_LIST_H

#include "slice.h"

#define DEFERRED_LIST_TYPE "application/vnd.oma.im.deferred-list+xml"
/* bytes of a subject; the rest is cut off */
#define DEFERRED_LIST_SUBJECT_MAX 256

/* One deferred message. Texts may hold any bytes: what XML or UTF-8 does not
 * allow is replaced. */
struct deferred_item
{
	struct slice ref;     /* history-reference */
	uint64_t size;        /* bytes */
	int64_t received_at;  /* s since 1970; 0 unknown */
	int64_t expires_at;   /* likewise */
	struct slice from;    /* URI; may be empty */
	struct slice to;      /* likewise */
	struct slice subject; /* likewise */
};

/* A list that is being written. */
struct deferred_list
{
	char *buf;
	size_t size; /* of buf */
	size_t n;    /* bytes written */
	unsigned items;
	bool full; /* an item had no room */
};

/* Begin: room for the end is kept from the start. size is 256 or more. */
void deferred_list_begin(struct deferred_list *l, char *buf, size_t size);

/* Append a message, or nothing of it when it has no room (full is set):
 * true, it is in. */
bool deferred_list_add(
		struct deferred_list *l, const struct deferred_item *item);

/* End: the document's bytes, without a NUL. */
size_t deferred_list_end(struct deferred_list *l);

#endif
