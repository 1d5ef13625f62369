/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One dialog on which a large message comes: the sender's INVITE (cl_accept.c)
 * or our own for a deferred message (cl_fetch.c).
 */
#ifndef CL_IN_H
#define CL_IN_H

#include "client.h"

#define CL_IN_LINGER_MS 2000 /* for a BYE after the connection broke */

enum in_state
{
	IN_RINGING,  /* no final answer yet */
	IN_ANSWERED, /* 200 sent, ACK awaited */
	IN_OPEN,     /* the MSRP session is being used */
	IN_LEAVING   /* we sent BYE, or the dialog is gone */
};

struct cl_in
{
	struct cl_handle h; /* first: nua's hmagic points here */
	struct cl_in *next;
	struct client *c;
	nua_handle_t *nh;
	enum in_state state;
	json_t *e; /* the INVITE as an event */
	struct cl_sdp offer, answer;
	char *sdp;
	int listen_fd;
	int64_t answer_at_ms, bye_at_ms; /* 0 = never */
	struct peer_session *msrp;
	int fd; /* of the entity's file; -1 = none yet */
	char *tmp, *id;
	bool received;
};

/** A dialog more; handle is bound to it. */
struct cl_in *cl_in_new(struct client *c, nua_handle_t *nh);
/** Start MSRP: offer is the peer's description, answer is ours. */
int cl_in_start(struct cl_in *in);
/** Event receive_failed. */
void cl_in_failed(struct cl_in *in, const char *why);
/** The only way out; counts for --count. */
void cl_in_free(struct cl_in *in);

/* ---- cl_fetch.c */
/** An answer to the INVITE of cl_fetch_start(). */
void cl_fetch_answered(
		struct cl_in *in, int status, const char *phrase, const sip_t *sip);

#endif
