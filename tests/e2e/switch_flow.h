/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tests of pager messages that become large ones have in common: MESSAGEs
 * of any size and content, and the MSRP side of a recipient made by hand.
 */
#ifndef E2E_SWITCH_FLOW_H
#define E2E_SWITCH_FLOW_H

#include "b2b_flow.h"
#include "relay_rig.h"

/* ---- the sender -----------------------------------------------------------
 */

/* One MESSAGE of ours. */
struct big
{
	struct ua *ua;
	const char *call_id;
	const char *wire; /* whole, for a retransmission */
	size_t wire_n;
	const char *body; /* as sent */
	size_t body_n;
	int tcp; /* connection; 0: by UDP */
};

/* What differs from a plain pager message; empty fields are plain. */
struct big_opt
{
	const char *headers; /* further lines, each with \n; a name replaces the
						  * usual ones */
	const char *to;      /* R-URI and To; "sip:bob@cpm.test" */
	const char *body;    /* with \r\n; else a CPIM of n bytes */
	size_t n;            /* bytes of the body */
	bool tcp;            /* over a connection of its own */
};

/* A message/cpim of exactly n bytes with a text payload, CRLF included. */
const char *big_cpim(size_t n);

/* A wrapper around a payload of that type, which may hold NULs; its length. */
const char *big_wrap(
		const char *type, const char *payload, size_t n, size_t *out_n);

/* Send it to the PF as the core does after its originating trigger. */
struct big *big_send(struct ua *ua, const struct big_opt *opt);

/* Send the very same again. */
void big_again(const struct big *b);

/* Take the final answer (NULL over TCP, where the connection is then closed);
 * fails the test unless it has this code. */
struct sip *big_ends(const struct big *b, int code, int timeout_ms);

/* ---- the recipient's media ------------------------------------------------
 */

struct sink
{
	int listener, port;
	const char *id;      /* session id of our path */
	struct raw *c;       /* NULL: not connected */
	char *got;           /* content so far */
	size_t n;            /* bytes of it */
	unsigned chunks;     /* SENDs with content */
	const char *type;    /* Content-Type of the last one */
	const char *to_path; /* of the last one */
	const char *range;   /* Byte-Range of the last one */
	const char *headers; /* all lines of the last one */
	bool complete;       /* the last one had '$' */
};

/* Listen on a free port of 127.0.0.1. */
struct sink *sink_open(void);

/* Our SDP answer, with a setup attribute or none (NULL). */
const char *sink_sdp(const struct sink *s, const char *setup);

/* The relay connects to us. */
void sink_accept(struct sink *s, int timeout_ms);

/* We connect to the path of the PF's offer and bind with an empty SEND. */
void sink_connect(struct sink *s, const struct call *c);

/* Read SENDs and answer each 200 until the message is complete. */
void sink_take(struct sink *s, int timeout_ms);

/* Read one SEND with content; false: the relay closed the connection. */
const struct frame *sink_next(struct sink *s, int timeout_ms);

/* 200 with this SDP, dialog stands; the ACK is taken. */
void sink_answer(const struct sink *s, struct call *c, const char *setup,
		const char *headers);

/* Everything as it should be: connect as the offer asks, take all, check that
 * it is what was sent, answer the BYE. */
void sink_all(struct sink *s, struct call *c, const struct big *b);

/* One attribute of an SDP ("path"), "" when it is not there. */
const char *sdp_attr(const char *sdp, const char *name);

/* One header of a CPIM, "" when it is not there. */
const char *cpim_hdr(const char *cpim, const char *name);

/* A lab without core and ISF, as flow_lab(), with what shared memory holds. */
struct lab *switch_lab(struct ua **ua, const char *cfg);

/* No session is left at PF and relay, shared memory is back where it was once
 * tm has let go of its transactions. Fails after the time. */
void switch_clean(struct lab *lab, int timeout_ms);

#endif
