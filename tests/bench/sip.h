/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sip-load: SIP load for a server under test. Plays the SIP/IP core on both
 * sides of it: sends CPM MESSAGEs or large-message INVITEs from the core's
 * address and answers what comes back to the core's next Route. One thread
 * each; plain UDP, so that the tools take a small part of the machine.
 */
#ifndef BENCH_SIP_H
#define BENCH_SIP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "load.h"

#define SIP_MAX 65000 /* one datagram */
#define T1_MS 500     /* RFC 3261 17.1.1.1 */

enum sip_kind
{
	SIP_MESSAGE,
	SIP_LIST, /* a MESSAGE to the EXPLODER-URI */
	SIP_CALLS
};

struct sip_opts
{
	enum sip_kind kind;
	const char *host;        /* the core: we send from here, port 5060 */
	int port, back_port;     /* back_port: where the mark in Route leads to */
	const char *target_host; /* the server under test */
	int target_port;
	uint32_t count;       /* requests or calls */
	uint32_t outstanding; /* closed loop: at most so many at once */
	double rate;          /* open loop, per second; 0 = closed */
	uint32_t recipients;  /* of a list */
	int body_bytes;       /* text of a MESSAGE */
	int give_up_ms;
	bool rewritten; /* a CPM server: P-Asserted-Service must be in what comes */
	const char *gap_file; /* of gap.h; NULL: none */
	int n_pids;
	pid_t pids[PIDS_MAX];
};

/* One request or call of the generator. */
enum sip_state
{
	S_FREE,
	S_REQUEST,
	S_BYE,
	S_DONE
};
struct sip_call
{
	enum sip_state state;
	uint32_t number;
	uint64_t began, sent; /* ns; sent: of the last transmission */
	int wait_ms;          /* until the next one; 0 = provisional seen */
	char *contact, *to;   /* of the 200, for ACK and BYE; owned */
};

struct sip_load
{
	const struct sip_opts *o;
	char run[9]; /* tells this run's Call-IDs from others' */
	int fd, uas_fd;
	struct sip_call *calls; /* slots */
	uint32_t slots, begun;
	_Atomic uint32_t done;
	uint32_t ok, failed, retransmitted;
	int first_failure; /* status, 408 = none came */
	uint64_t *latency; /* ns, by completion */
	uint64_t start, end;
	_Atomic bool stop;
	_Atomic uint64_t uas_requests, uas_messages, uas_invites, uas_byes;
	_Atomic uint64_t uas_bad; /* not what we expect from a CPM server */
};

/* sip_text.c: messages. Each returns the length, 0 when out has no room. */
size_t sip_put_message(const struct sip_load *l, char *out, uint32_t number);
size_t sip_put_list(const struct sip_load *l, char *out, uint32_t number);
size_t sip_put_invite(const struct sip_load *l, char *out, uint32_t number);
size_t sip_put_ack_bye(const struct sip_load *l, char *out,
		const struct sip_call *c, bool bye);
/* Answer to a request: its dialog headers copied; sdp: with an SDP answer. */
size_t sip_put_answer(char *out, const char *req, size_t n, const char *status,
		const char *contact, const char *sdp);
/* First header of the name: its value, p == NULL when there is none. */
struct slice_b sip_header(
		const char *msg, size_t n, const char *name, char compact);
int sip_status(const char *msg, size_t n);
/* The number in a Call-ID of this run; -1 when it is not one. */
long sip_number(const struct sip_load *l, const char *msg, size_t n);

/* sip_gen.c, sip_uas.c: run until all is done, or l->stop. */
int sip_gen_run(struct sip_load *l);
void *sip_uas_run(void *load);
int sip_socket(const char *host, int port);

#endif
