// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sending side of sip-load: keeps so many requests or calls going (closed
 * loop) or begins each at its time (open loop), retransmits by RFC 3261's
 * timers E and A, acknowledges, ends calls with BYE and counts what comes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sip.h"

int sip_socket(const char *host, int port)
{
	struct sockaddr_in sa = {
			.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int big = 8 << 20;

	if(fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	if(inet_pton(AF_INET, host, &sa.sin_addr) != 1
			|| bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = -errno;
		fprintf(stderr, "sip-load: cannot use %s:%d: %s\n", host, port,
				strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

static void transmit(struct sip_load *l, struct sip_call *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
			.sin_port = htons((uint16_t)l->o->target_port)};
	char out[SIP_MAX];
	size_t n;

	if(c->state == S_BYE)
		n = sip_put_ack_bye(l, out, c, true);
	else if(l->o->kind == SIP_MESSAGE)
		n = sip_put_message(l, out, c->number);
	else if(l->o->kind == SIP_LIST)
		n = sip_put_list(l, out, c->number);
	else
		n = sip_put_invite(l, out, c->number);
	inet_pton(AF_INET, l->o->target_host, &to.sin_addr);
	if(n)
		(void)!sendto(l->fd, out, n, 0, (struct sockaddr *)&to, sizeof(to));
	c->sent = now_ns();
}

static void send_ack(struct sip_load *l, const struct sip_call *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
			.sin_port = htons((uint16_t)l->o->target_port)};
	char out[SIP_MAX];
	size_t n = sip_put_ack_bye(l, out, c, false);

	inet_pton(AF_INET, l->o->target_host, &to.sin_addr);
	if(n)
		(void)!sendto(l->fd, out, n, 0, (struct sockaddr *)&to, sizeof(to));
}

static void begin(struct sip_load *l, struct sip_call *c, uint64_t at)
{
	c->number = l->begun++;
	c->state = S_REQUEST;
	c->began = at;
	c->wait_ms = T1_MS;
	transmit(l, c);
}

static void finish(struct sip_load *l, struct sip_call *c, int status)
{
	uint32_t i = atomic_load(&l->done);

	if(status >= 200 && status < 300) {
		l->latency[l->ok++] = now_ns() - c->began;
	} else {
		l->failed++;
		if(!l->first_failure)
			l->first_failure = status;
	}
	free(c->contact);
	free(c->to);
	c->contact = c->to = NULL;
	c->state = S_FREE;
	l->end = now_ns();
	atomic_store(&l->done, i + 1);
	if(l->o->rate <= 0 && l->begun < l->o->count)
		begin(l, c, now_ns());
}

static char *dup_slice(struct slice_b s)
{
	return strndup(s.p, s.n);
}

/* The 200 to an INVITE: dialog noted, ACK, BYE. */
static void answered(
		struct sip_load *l, struct sip_call *c, const char *m, size_t n)
{
	struct slice_b contact = sip_header(m, n, "Contact", 'm');
	struct slice_b to = sip_header(m, n, "To", 't');
	const char *lt, *gt;

	lt = contact.p ? memchr(contact.p, '<', contact.n) : NULL;
	gt = lt ? memchr(lt, '>', (size_t)(contact.p + contact.n - lt)) : NULL;
	if(!gt || !to.p) {
		finish(l, c, 999);
		return;
	}
	c->contact = dup_slice((struct slice_b){lt + 1, (size_t)(gt - lt - 1)});
	c->to = dup_slice(to);
	send_ack(l, c);
	c->state = S_BYE;
	c->wait_ms = T1_MS;
	transmit(l, c);
}

static struct sip_call *find(struct sip_load *l, uint32_t number)
{
	for(uint32_t i = 0; i < l->slots; i++) /* the usual place first */
	{
		struct sip_call *c = &l->calls[(number + i) % l->slots];
		if(c->state != S_FREE && c->number == number)
			return c;
	}
	return NULL;
}

static void reply(struct sip_load *l, const char *m, size_t n)
{
	int status = sip_status(m, n);
	long number = sip_number(l, m, n);
	struct slice_b cseq = sip_header(m, n, "CSeq", 0);
	struct sip_call *c;
	bool bye;

	if(!status || number < 0 || !cseq.p)
		return;
	bye = cseq.n > 3 && memcmp(cseq.p + cseq.n - 3, "BYE", 3) == 0;
	c = find(l, (uint32_t)number);
	if(!c)
		return; /* a retransmission of what has ended */
	if(status < 200) {
		if(!bye && c->state == S_REQUEST)
			c->wait_ms = l->o->kind == SIP_CALLS ? 0 : 4000;
		return;
	}
	if(c->state == S_REQUEST && !bye) {
		if(l->o->kind == SIP_CALLS && status < 300)
			answered(l, c, m, n);
		else
			finish(l, c, status);
	} else if(c->state == S_BYE && bye) {
		finish(l, c, status);
	} else if(c->state == S_BYE && status < 300) {
		send_ack(l, c); /* its 200 came again */
	}
}

static void timers(struct sip_load *l)
{
	uint64_t now = now_ns();

	for(uint32_t i = 0; i < l->slots; i++) {
		struct sip_call *c = &l->calls[i];

		if(c->state == S_FREE)
			continue;
		if(now - c->began > (uint64_t)l->o->give_up_ms * 1000000u) {
			finish(l, c, 408);
		} else if(c->wait_ms
				&& now - c->sent > (uint64_t)c->wait_ms * 1000000u) {
			c->wait_ms *= 2;
			l->retransmitted++;
			transmit(l, c);
		}
	}
}

/* Open loop: begin what is due; ms until the next one. */
static int begin_due(struct sip_load *l)
{
	uint64_t now = now_ns();

	while(l->begun < l->o->count) {
		uint64_t at =
				l->start + (uint64_t)((double)l->begun * 1e9 / l->o->rate);
		struct sip_call *c;

		if(at > now)
			return at - now > 2000000 ? (int)((at - now) / 1000000) : 0;
		c = &l->calls[l->begun % l->slots];
		if(c->state != S_FREE) { /* the window is full: too slow a server */
			finish(l, c, 408);
		}
		begin(l, c, at);
	}
	return 50;
}

/* A list is done when all its recipients have been sent theirs. */
static void await_recipients(struct sip_load *l)
{
	uint64_t all = (uint64_t)l->ok * l->o->recipients;
	uint64_t until = now_ns() + (uint64_t)l->o->give_up_ms * 1000000u;

	while(atomic_load(&l->uas_messages) < all && now_ns() < until)
		usleep(1000);
	l->end = now_ns();
}

int sip_gen_run(struct sip_load *l)
{
	char in[SIP_MAX + 1];
	uint64_t next_timers = 0;

	l->start = now_ns();
	if(l->o->rate <= 0)
		for(uint32_t i = 0; i < l->slots && l->begun < l->o->count; i++)
			begin(l, &l->calls[i], now_ns());
	while(atomic_load(&l->done) < l->o->count) {
		struct pollfd pf = {.fd = l->fd, .events = POLLIN};
		int wait = l->o->rate > 0 ? begin_due(l) : 50;

		if(poll(&pf, 1, wait) > 0) {
			for(int i = 0; i < 64; i++) {
				ssize_t n = recv(l->fd, in, SIP_MAX, MSG_DONTWAIT);
				if(n <= 0)
					break;
				in[n] = 0;
				reply(l, in, (size_t)n);
			}
		}
		if(now_ns() > next_timers) {
			timers(l);
			next_timers = now_ns() + 50000000;
		}
	}
	if(l->o->kind == SIP_LIST)
		await_recipients(l);
	return 0;
}
