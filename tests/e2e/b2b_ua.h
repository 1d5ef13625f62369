/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A peer for tests that need what no decent SIP stack would do: lose an ACK,
 * fork a 200, cross a CANCEL, answer twice in one burst. It plays the SIP core
 * on its address, so both sides of a call pass through one UDP socket. Not a
 * user agent: no retransmission, no state but what a test asks for.
 *
 * What comes in is kept in order of arrival; ua_wait() takes the first that
 * fits and leaves the rest, so tests need not know in which order the two
 * sides are served. Everything lives until the test's process ends.
 */
#ifndef E2E_B2B_UA_H
#define E2E_B2B_UA_H

#include <stdbool.h>
#include <stddef.h>

struct ua;

/* One message received. */
struct sip
{
	char *text;       /* whole, NUL-terminated */
	int code;         /* 0: a request */
	char method[16];  /* of the request line, or of CSeq */
	unsigned long at; /* ms since the socket was opened */
	bool taken;
	bool again; /* the same bytes have come before: a retransmission */
	struct sip *next;
};

/* One dialog as the test sees it. */
struct call
{
	struct ua *ua;
	const char *call_id, *local, *remote; /* From and To with tags */
	const char *target;                   /* R-URI of further requests */
	const char *route;                    /* Route lines or "" */
	const char *branch;                   /* of the INVITE sent */
	const char *invite;                   /* the INVITE sent */
	struct sip *in;                       /* the INVITE received */
	const char *tag;                      /* ours as callee */
	int cseq;
};

/* Bind to ip:5060 and talk to pf_ip:5060. Fails the test. */
struct ua *ua_open(const char *ip, const char *pf_ip);

/* Send text; every \n becomes CRLF. */
void ua_send(struct ua *ua, const char *text);

/* Send bytes as they are. */
void ua_put(struct ua *ua, const void *p, size_t n);

/* Its own address and the PF's. */
const char *ua_ip(const struct ua *ua);
const char *ua_pf_ip(const struct ua *ua);

/**
 * Take the first message that fits.
 *
 * @param what    "INVITE", "BYE", "200/INVITE", "487/INVITE", "2xx/BYE";
 *                with a Request-URI, "INVITE sip:bob@cpm.test", call_id is
 *                not looked at
 * @param call_id only of that dialog; NULL any
 *
 * @return the message; NULL after the time
 */
struct sip *ua_poll(
		struct ua *ua, const char *what, const char *call_id, int timeout_ms);

/* The same, and the test fails when nothing comes. */
struct sip *ua_wait(
		struct ua *ua, const char *what, const char *call_id, int timeout_ms);

/* How many fitting messages have come so far, taken or not: retransmissions
 * count once, since a machine under load brings them; _all: each counts. */
int ua_count(struct ua *ua, const char *what, const char *call_id);
int ua_count_all(struct ua *ua, const char *what, const char *call_id);

/* Read what there is for so long, answering nothing. */
void ua_idle(struct ua *ua, int ms);

/* Value of a header, "" when it is not there; body of a message. */
const char *sip_hdr(const struct sip *m, const char *name);
const char *sip_body(const struct sip *m);

/* ---- originator ------------------------------------------------------------
 */

/* What differs from a plain large-message INVITE; empty fields are plain. */
struct invite_opt
{
	const char *headers; /* further header lines, each with \n */
	const char *without; /* name of a header to leave out */
	const char *sdp;     /* instead of the usual one; "" none at all */
	const char *type;    /* Content-Type of it */
	const char *to;      /* R-URI and To, "sip:bob@cpm.test" */
	const char *half;    /* user of our Route: "orig" or "term" */
	const char *next;    /* the Route below the PF\'s, "sip:core;lr" */
};

/* Send an INVITE to the PF as the core does after its originating trigger. */
struct call *call_invite(struct ua *ua, const struct invite_opt *opt);

/* Send the very same INVITE again. */
void call_invite_again(struct call *c);

/* Take the PF's 200: the dialog stands (no ACK yet). */
struct sip *call_answered(struct call *c, int timeout_ms);
void call_ack(struct call *c);
void call_cancel(struct call *c);
/* ACK of a refusal: of the INVITE's own transaction. */
void call_ack_refusal(struct call *c, const struct sip *refusal);

/* A request within the dialog, of either side; headers with \n each. */
void call_request(struct call *c, const char *method, const char *headers,
		const char *body);

/**
 * A pager MESSAGE as text for ua_send(); each with a new Call-ID.
 *
 * @param headers lines in front, of which the usual ones then are left out
 * @param body    instead of a small CPIM
 */
const char *pager_text(struct ua *ua, const char *headers, const char *body);
const char *pager_cpim(void);

/* ---- recipient ------------------------------------------------------------
 */

/* Take the PF's INVITE. */
struct call *call_incoming(struct ua *ua, int timeout_ms);

/* The same of ua_wait()'s `what`: "INVITE sip:bob@cpm.test". */
struct call *call_incoming_as(struct ua *ua, const char *what, int timeout_ms);

/* Answer it; from 101 on with our tag and, unless headers has one, a Contact.
 * tag NULL: the usual one. */
void call_reply(struct call *c, int code, const char *tag, const char *headers,
		const char *body);

/* A 200 with a usual SDP answer; the dialog stands for call_request(). */
void call_accept(struct call *c);

/* Answer any request with that code. */
void ua_answer(
		struct ua *ua, const struct sip *req, int code, const char *headers);

/* The usual SDP, with a setup attribute or none (NULL). */
const char *sdp_offer(const char *setup);
const char *sdp_answer(const char *setup);

/* An answer of somebody who listens there, with that session id. */
const char *sdp_answer_at(int port, const char *id);

/* An offer with another session id in its path. */
const char *sdp_offer_path(const char *id);

/* Bytes of a body on the wire, where each \n is CRLF. */
size_t sdp_length(const char *body);

#endif
