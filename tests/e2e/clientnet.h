/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The network as the CPM client sees it, played by the test itself: a SIP proxy
 * on one port of UDP and TCP and an MSRP peer, both on bare sockets, so that a
 * test reads what the client really sent, byte by byte. Requests are taken in
 * order; a retransmission is answered like its first copy and not shown again.
 * Everything lives until the test's process ends.
 */
#ifndef E2E_CLIENTNET_H
#define E2E_CLIENTNET_H

#include "harness.h"

struct net;

/* One SIP message from the client. */
struct net_msg
{
	char *text;       /* whole, NUL-terminated */
	const char *body; /* within text */
	char method[16];  /* of the request line, or of CSeq */
	int status;       /* 0: a request */
	bool tcp;
};

/* Listen on a free port of 127.0.0.1. */
struct net *net_open(void);
/* "127.0.0.1:port". */
const char *net_addr(struct net *n);

/* Start `cpm-client COMMAND` as alice of cpm.test with the net as proxy. */
struct proc *net_client(struct net *n, const char *command, ...)
		__attribute__((sentinel));

/* The next request of this method ("" = any); fails the test after the time. */
struct net_msg *net_take(struct net *n, const char *method, int timeout_ms);
/* The same, NULL when none comes. */
struct net_msg *net_poll(struct net *n, const char *method, int timeout_ms);
/* The final response to a request of ours. */
struct net_msg *net_response(struct net *n, const char *method, int timeout_ms);

/**
 * Answer a request.
 *
 * @param status  "200 OK"
 * @param headers further lines, each with CRLF; NULL = none
 * @param sdp     body; NULL = none
 */
void net_reply(struct net *n, const struct net_msg *req, const char *status,
		const char *headers, const char *sdp);

/* A request of ours within the dialog of the client's INVITE. */
void net_request(struct net *n, const struct net_msg *invite,
		const char *method, int cseq, const char *headers);

/**
 * A request of ours out of any dialog, to a client that listens.
 *
 * @param port    where it listens on 127.0.0.1, by UDP
 * @param method  MESSAGE, INVITE, ...; its Call-ID is new each time
 * @param headers further lines, each with CRLF; NULL = none
 * @param type    Content-Type of body; NULL = neither
 */
void net_send(struct net *n, int port, const char *method, const char *headers,
		const char *type, const char *body);

/* Bytes as they are to a client that listens on port, by UDP. */
void net_text(struct net *n, int port, const char *text);

/* Value of a header field, "" when it is not there; its nth occurrence. */
const char *net_header(const char *text, const char *name);
int net_header_count(const char *text, const char *name);
/* Value of a CPIM header or of the payload's headers in a message/cpim. */
const char *net_cpim(const char *entity, const char *name);
/* Text between two marks, "" when they are not there. */
const char *net_between(const char *text, const char *from, const char *to);

/* ---- MSRP -------------------------------------------------------------- */

/* One frame. */
struct net_frame
{
	char *head; /* start line and headers */
	char *body; /* NUL-terminated */
	size_t body_len;
	char flag; /* '$', '+', '#' */
	char tid[40];
	int status; /* 0: a request */
};

/* Listen on a free port; *port is filled in. */
int net_msrp_listen(int *port);
/* The SDP answer of a passive MSRP peer; more: further lines with CRLF. */
const char *net_sdp(int port, const char *setup, const char *more);
/* Accept the client's connection; fails the test after the time. */
int net_msrp_accept(int listener, int timeout_ms);
int net_msrp_connect(const char *host, int port);
/* Read one frame; NULL when the other side closed or the time is over. */
struct net_frame *net_frame(int fd, int timeout_ms);
/* Answer a SEND. */
void net_frame_answer(int fd, const struct net_frame *f, int status);

#endif
