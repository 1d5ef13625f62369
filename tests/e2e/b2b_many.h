/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One large message to many recipients by hand: the INVITE with its list, the
 * media of the sender and of each recipient. Beside b2b_flow.h.
 */
#ifndef E2E_B2B_MANY_H
#define E2E_B2B_MANY_H

#include "b2b_flow.h"
#include "list_flow.h"
#include "relay_legs.h"

/* A multipart body of a list and an offer, and its Content-Type. */
enum list_order
{
	SDP_FIRST,
	LIST_FIRST,
	WITH_MESSAGE /* SDP, list, and a message/cpim part behind */
};
const char *many_body(const char *xml, enum list_order order);
extern const char many_type[];

/* INVITE to the EXPLODER-URI for these recipients ("sip:bob@cpm.test
 * tel:+1555"); headers may be NULL. */
struct call *many_invite(struct ua *ua, const char *uris, const char *headers);

/* Take the INVITE for that recipient. */
struct call *many_incoming(struct ua *ua, const char *uri);

/* 180, 200, ACK of one recipient. */
void many_accept(struct call *b);

/* The relay's side of a recipient's media, by the offer he got; connected. */
struct out many_media(struct lab *lab, struct call *b);

/* The sender's connection, by the 200 he got. */
struct raw *many_sender(struct lab *lab, const struct sip *ok, struct pair *p);

/* One chunk of a message/cpim, bytes from to to-1 of total; the last one's
 * transaction is "last0", its answer is not waited for. */
void many_send(struct raw *in, const struct pair *p, const char *body,
		size_t from, size_t to, size_t total);

#endif
