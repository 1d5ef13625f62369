/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A large message of the client on its way through the hands of a test: what
 * the tests of clientnet.h have in common.
 */
#ifndef E2E_CLIENTNET_FLOW_H
#define E2E_CLIENTNET_FLOW_H

#include "clientnet.h"

/* One large message. */
struct flow
{
	struct net *n;
	struct proc *p;
	struct net_msg *invite, *bye;
	int listener, port, fd;
	char *content; /* of the chunks so far */
	size_t len;
	int chunks;
};

#define FLOW_BYTES 20000

/* `cpm-client send` of FLOW_BYTES bytes to bob with these options, its INVITE
 * taken. */
#define FLOW(f_, ...)                                                          \
	struct flow f_ = {.n = net_open()};                                        \
	f_.p = net_client(f_.n, "send", "--to", "sip:bob@cpm.test", "--file",      \
			test_file("payload.txt", FLOW_BYTES, true), ##__VA_ARGS__, NULL);  \
	f_.invite = net_take(f_.n, "INVITE", 5000)

/* 200 with a passive MSRP peer's SDP; the ACK is awaited. */
void flow_answer(struct flow *f, const char *headers);
/* Take the connection and check and answer its binding SEND. */
void flow_bind(struct flow *f);
/* Read all chunks into content, answering each with 200. */
void flow_take_content(struct flow *f);
/* Take the BYE, answer it, expect this exit code. */
void flow_finish(struct flow *f, int exit_code);

/**
 * A file with a "received" event as `receive` prints it: from carol, with the
 * ids conv-1 and contr-1.
 *
 * @param reply_to "\"reply_to\":\"sip:desk@cpm.test\"," or ""
 */
const char *flow_received_file(const char *reply_to);

#endif
