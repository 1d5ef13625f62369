/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One message on its way out: shared by cl_send.c (requests, outcome) and
 * cl_large.c (the INVITE's SDP and MSRP session).
 */
#ifndef CL_OUT_H
#define CL_OUT_H

#include "cl_message.h"

enum cl_out_state
{
	OUT_REQUESTED, /* MESSAGE or INVITE sent, no final answer yet */
	OUT_OPEN,      /* 200 to the INVITE: the MSRP session is being used */
	OUT_LEAVING,   /* BYE sent, its answer awaited */
	OUT_DONE       /* the outcome has been printed */
};

struct cl_out
{
	struct cl_handle h; /* first: nua's hmagic points here */
	struct cl_out *next;
	struct client *c;
	nua_handle_t *nh;
	struct cl_message *m;
	bool large;
	enum cl_out_state state;
	int64_t started_ms, cancel_at_ms; /* 0 = never */

	/* the outcome so far */
	enum cl_exit result;
	const char *stage; /* where it failed: sip, msrp, cancelled, timeout */
	char why[256];
	int status, msrp_status, bye_status;
	json_t *answer; /* the final SIP answer as an event's keys */
	bool cancelled;

	/* large mode */
	struct cl_sdp offer, remote;
	uint64_t sdp_id;
	char *sdp; /* the offer */
	int listen_fd;
	struct peer_session *msrp;
};

/* ---- cl_send.c */
/** Print the outcome and forget the message. */
void cl_out_finish(struct cl_out *o);
/** Note why it failed, the first time. */
void __attribute__((format(printf, 4, 5))) cl_out_failed(struct cl_out *o,
		enum cl_exit result, const char *stage, const char *fmt, ...);

/* ---- cl_large.c */
/** Listen if need be and write the offer. @return 0; negative errno */
int cl_large_offer(struct cl_out *o);
/** A 2xx to the INVITE. */
void cl_large_answered(struct cl_out *o, const sip_t *sip);
/** End the dialog with the Reason that the outcome asks for. */
void cl_large_bye(struct cl_out *o);
/** The SDP of a message: its body or a part of it; empty when there is none. */
struct slice cl_sdp_of(const sip_t *sip);
void cl_large_close(struct cl_out *o);

#endif
