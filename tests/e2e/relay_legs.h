/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Recipients and content for tests of sessions that keep their message:
 * legs that are added one by one, each with a raw connection of its own, and
 * content.put by hand. Beside relay_rig.h.
 */
#ifndef E2E_RELAY_LEGS_H
#define E2E_RELAY_LEGS_H

#include "relay_rig.h"

/* One recipient. */
struct out
{
	const char *leg, *path, *peer;
	int port;
	struct raw *c;
	char *body; /* what out_take has received so far; NUL-terminated */
	size_t n;
	size_t cap;
	int chunks;
	char type[80], flag; /* of the latest chunk */
	char message_id[40];
	bool success_report;
};

/* n bytes that differ everywhere; to be freed. */
char *content_make(size_t n);

/* session.create with a passive receiving leg that is started, and no other;
 * more: further members, "'answer':'first'," or "". */
struct pair keep_open(int ctl, const char *id, const char *more);

/* session.create with content of n bytes and no leg. */
json_t *content_open(int ctl, const char *id, size_t n, const char *more);

/* content.put; the answer. */
json_t *content_put(int ctl, const char *id, size_t offset, const void *p,
		size_t n, bool last);
/* All of it in pieces. */
void content_put_all(
		int ctl, const char *id, const char *p, size_t n, size_t piece);

/* leg.add alone; leg.start of a passive leg with further members of the peer.
 */
struct out out_new(int ctl, const char *id, const char *leg);
/* The same with further members of the leg, ",'copy':true". */
struct out out_new_with(
		int ctl, const char *id, const char *leg, const char *more);
void out_start(int ctl, const char *id, struct out *o, const char *peer);
/* Connect and bind. */
void out_connect(const struct rig *r, struct out *o);
/* All of these. */
struct out out_add(
		const struct rig *r, int ctl, const char *id, const char *leg);

/* Receive chunks, each answered 200, until the end of a message or until so
 * many bytes are there (0 = no limit); fails when ranges are not in order. */
void out_take(struct out *o, size_t limit);
/* out_take, and the message is this. */
void out_takes(struct out *o, const char *p, size_t n);
void out_free(struct out *o);

/* A whole message as chunks of so many bytes, each chunk's 200 awaited but
 * the last one's, whose transaction id is "last0". */
void in_send(struct raw *in, const struct pair *p, const char *mid,
		const char *body, size_t n, size_t chunk);

#endif
