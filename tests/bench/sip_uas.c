// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The answering side of sip-load, a thread: what the server under test sends
 * back to the core. MESSAGE: 200 once it looks as a CPM server must have made
 * it. INVITE: 200 with an SDP answer (setup:active, so that no media connection
 * is opened). BYE: 200. Answers are made from the request alone; a
 * retransmission gets the same answer again.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sip.h"

static size_t answer(struct sip_load *l, char *out, const char *m, size_t n)
{
	const struct sip_opts *o = l->o;
	char contact[100], sdp[600];
	struct slice_b id;

	atomic_fetch_add(&l->uas_requests, 1);
	if(n > 8 && memcmp(m, "MESSAGE ", 8) == 0) {
		atomic_fetch_add(&l->uas_messages, 1);
		if(o->rewritten && !sip_header(m, n, "P-Asserted-Service", 0).p)
			atomic_fetch_add(&l->uas_bad, 1);
		return sip_put_answer(out, m, n, "200 OK", NULL, NULL);
	}
	if(n > 4 && memcmp(m, "BYE ", 4) == 0) {
		atomic_fetch_add(&l->uas_byes, 1);
		return sip_put_answer(out, m, n, "200 OK", NULL, NULL);
	}
	if(n > 7 && memcmp(m, "INVITE ", 7) == 0) {
		atomic_fetch_add(&l->uas_invites, 1);
		id = sip_header(m, n, "Call-ID", 'i');
		if(!id.p || !memmem(m, n, "a=path:msrp", 11)
				|| !sip_header(m, n, "P-Asserted-Service", 0).p) {
			atomic_fetch_add(&l->uas_bad, 1);
			return sip_put_answer(
					out, m, n, "488 Not Acceptable Here", NULL, NULL);
		}
		snprintf(contact, sizeof(contact), "<sip:bob@%s:%d>", o->host,
				o->back_port);
		snprintf(sdp, sizeof(sdp),
				"v=0\r\no=- 1 1 IN IP4 127.20.38.101\r\ns=-\r\n"
				"c=IN IP4 127.20.38.101\r\nt=0 0\r\n"
				"m=message 9 TCP/MSRP *\r\na=recvonly\r\n"
				"a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\n"
				"a=path:msrp://127.20.38.101:9/%.*s;tcp\r\n"
				"a=setup:active\r\na=msrp-cema\r\n",
				(int)(strcspn(id.p, "@\r") > 40 ? 40 : strcspn(id.p, "@\r")),
				id.p);
		return sip_put_answer(out, m, n, "200 OK", contact, sdp);
	}
	if(n > 4 && memcmp(m, "ACK ", 4) == 0)
		return 0;
	if(n > 7 && memcmp(m, "UPDATE ", 7) == 0)
		return sip_put_answer(out, m, n, "200 OK", NULL, NULL);
	atomic_fetch_add(&l->uas_bad, 1);
	return 0;
}

void *sip_uas_run(void *load)
{
	struct sip_load *l = load;
	char in[SIP_MAX + 1], out[SIP_MAX];

	while(!atomic_load(&l->stop)) {
		struct pollfd pf = {.fd = l->uas_fd, .events = POLLIN};

		if(poll(&pf, 1, 50) <= 0)
			continue;
		for(;;) {
			struct sockaddr_in from;
			socklen_t sl = sizeof(from);
			size_t k;
			ssize_t n = recvfrom(l->uas_fd, in, SIP_MAX, MSG_DONTWAIT,
					(struct sockaddr *)&from, &sl);
			if(n <= 0)
				break;
			in[n] = 0;
			k = answer(l, out, in, (size_t)n);
			if(k)
				(void)!sendto(
						l->uas_fd, out, k, 0, (struct sockaddr *)&from, sl);
		}
	}
	return NULL;
}
