/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One large message to a thousand recipients, who all live in this test: one
 * SIP socket, one MSRP listener to which the relay connects for each. Nothing
 * waits for the last of them, and nothing of it stays behind.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "b2b_many.h"

E2E_SUITE(explode_many);

#define N 1000
#define BYTES 20000

struct crowd
{
	struct lab *lab;
	struct ua *ua;
	struct call *a;
	char *body;
	int listener, port;
	struct raw *conn[N], *in;
	int conns;
	struct pair p;
	int invited, acked, served, hung_up;
	int invited_at_200; /* when the sender had his answer */
	bool got[N];
};

static void answer_invites(struct crowd *w)
{
	struct sip *m;

	while((m = ua_poll(w->ua, "INVITE", NULL, 1)) != NULL) {
		struct call b = {.ua = w->ua, .in = m};

		b.call_id = sip_hdr(m, "Call-ID");
		b.tag = fmt("b%d", w->invited);
		call_reply(&b, 200, NULL, "",
				sdp_answer_at(w->port, fmt("r%04d", w->invited++)));
	}
}

static void take_requests(struct crowd *w)
{
	struct sip *m;

	while((m = ua_poll(w->ua, "ACK", NULL, 1)) != NULL)
		w->acked++;
	while((m = ua_poll(w->ua, "BYE", NULL, 1)) != NULL) {
		cr_assert(strstr(sip_hdr(m, "Reason"), "cause=200") != NULL);
		ua_answer(w->ua, m, 200, "");
		w->hung_up++;
	}
}

/* The sender is answered: he sends all of it and goes. */
static void be_sender(struct crowd *w)
{
	struct sip *ok = w->in ? NULL : ua_poll(w->ua, "200/INVITE", NULL, 1);

	if(ok == NULL)
		return;
	w->invited_at_200 = w->invited;
	w->a->remote = sip_hdr(ok, "To");
	w->a->target = fmt("sip:pf@%s:5060", w->lab->pf_ip);
	call_ack(w->a);
	w->in = many_sender(w->lab, ok, &w->p);
	many_send(w->in, &w->p, w->body, 0, BYTES, BYTES);
}

static void take_chunk(struct crowd *w, struct raw *c, const struct frame *f)
{
	const char *id = strrchr(frame_header(f, "To-Path"), '/');
	long n = id ? strtol(id + 2, NULL, 10) : -1;

	if(f->status > 0)
		return;
	raw_answer(c, f, 200);
	if(f->n == 0)
		return;
	cr_assert(n >= 0 && n < N && !w->got[n], "%s", id);
	cr_assert(f->n == BYTES && memcmp(f->body, w->body, BYTES) == 0);
	w->got[n] = true;
	w->served++;
}

static void be_recipients(struct crowd *w)
{
	struct pollfd p = {.fd = w->listener, .events = POLLIN};
	const struct frame *f;

	while(w->conns < N && poll(&p, 1, 0) > 0)
		w->conn[w->conns++] = raw_accept(w->listener, 100);
	for(int i = 0; i < w->conns; i++)
		while((f = raw_ready(w->conn[i], 0)) != NULL)
			take_chunk(w, w->conn[i], f);
}

static void serve(struct crowd *w, const char *uris)
{
	w->a = many_invite(w->ua, uris, NULL);
	for(int i = 0; i < 3000 && (w->hung_up < N || w->acked < N); i++) {
		answer_invites(w);
		be_sender(w);
		be_recipients(w);
		take_requests(w);
	}
	cr_assert_eq(w->invited, N, "%d INVITEs", w->invited);
	cr_assert_eq(w->acked, N, "%d ACKs", w->acked);
	cr_assert_eq(w->served, N, "%d have got it", w->served);
	cr_assert_eq(w->hung_up, N, "%d BYEs", w->hung_up);
	cr_assert_eq(raw_status(w->in, "last0", 1000), 200);
	call_request(w->a, "BYE", "", "");
	ua_wait(w->ua, "200/BYE", NULL, 5000);
	raw_close(w->in);
	for(int i = 0; i < w->conns; i++)
		raw_close(w->conn[i]);
}

/* Their addresses, with blanks between them. */
static char *thousand(void)
{
	char *uris = calloc(N, 24);
	size_t at = 0;

	for(int i = 0; i < N; i++)
		at += (size_t)snprintf(uris + at, N * 24 - at, "%ssip:u%04d@cpm.test",
				i ? " " : "", i);
	return uris;
}

E2E_TEST(explode_many, a_thousand_recipients,
		"OL-10 OL-25 OL-31: each gets all of it and a BYE, the sender's 200 "
		"comes while most have not even been asked, memory is given back")
{
	struct crowd w = {.body = content_make(BYTES)};
	char *uris = thousand();
	long long before;

	w.lab = lab_own(
			"LAB_WITHOUT=core isf", fmt("LAB_MAX_RECIPIENTS=%d", N), NULL);
	w.ua = ua_open(w.lab->core_ip, w.lab->pf_ip);
	w.listener = raw_listen("127.0.0.1", &w.port);
	cr_assert_eq(listen(w.listener, N), 0);
	before = lab_shm_used(w.lab);
	serve(&w, uris);
	lab_idle(w.lab, 10000);
	cr_assert_lt(w.invited_at_200, N / 2, "%d were invited before the 200",
			w.invited_at_200);
	lab_shm_back(w.lab, before);
	free(w.body);
	free(uris);
}

/* ---- chaos -----------------------------------------------------------------
 */

#define LISTS 100
#define EACH 10

/* Every fifth refuses, rings for ever, is unknown, answers at once, rings and
 * answers; none has any media. */
static void be_anybody(struct ua *ua, int n, struct sip *m)
{
	struct call b = {.ua = ua, .in = m};

	b.call_id = sip_hdr(m, "Call-ID");
	b.tag = fmt("c%d", n);
	switch(n % 5) {
		case 0:
			call_reply(&b, 486, NULL, "", "");
			break;
		case 1:
			call_reply(&b, 180, NULL, "", "");
			break;
		case 2:
			call_reply(&b, 404, NULL, "", "");
			break;
		case 3:
			call_reply(&b, 180, NULL, "", "");
			/* fallthrough */
		default:
			call_accept(&b);
	}
}

/* Answer what comes; the INVITE that a CANCEL means is one of the list's. */
static void be_all_of_them(struct ua *ua, int *n)
{
	struct sip *m;

	while((m = ua_poll(ua, "INVITE", NULL, 1)) != NULL)
		be_anybody(ua, (*n)++, m);
	while((m = ua_poll(ua, "CANCEL", NULL, 1)) != NULL) {
		struct call b = {.ua = ua, .in = m, .tag = "c"};
		const char *cseq = sip_hdr(m, "CSeq");

		ua_answer(ua, m, 200, "");
		b.call_id = sip_hdr(m, "Call-ID");
		ua_send(ua,
				fmt("SIP/2.0 487 Test\nVia: %s\nFrom: %s\nTo: %s;tag=c\n"
					"Call-ID: %s\nCSeq: %.*s INVITE\n"
					"Content-Length: 0\n\n",
						sip_hdr(m, "Via"), sip_hdr(m, "From"), sip_hdr(m, "To"),
						b.call_id, (int)strcspn(cseq, " "), cseq));
	}
	while((m = ua_poll(ua, "BYE", NULL, 1)) != NULL)
		ua_answer(ua, m, 200, "");
	while(ua_poll(ua, "ACK", NULL, 1) != NULL)
		;
}

/* A third of the senders hangs up as soon as he is answered, a third gives up
 * before that, the rest waits to be hung up. */
static void be_senders(struct ua *ua, struct call *a[LISTS], int turn)
{
	if(turn % 10 == 9 && turn / 10 < LISTS / 3)
		call_cancel(a[3 * (turn / 10)]);
	for(int i = 0; i < LISTS; i++) {
		struct sip *ok;

		if(a[i]->target)
			continue;
		ok = ua_poll(ua, "200/INVITE", a[i]->call_id, 0);
		if(ok == NULL)
			continue;
		a[i]->remote = sip_hdr(ok, "To");
		a[i]->target = fmt("sip:pf@%s:5060", ua_pf_ip(ua));
		call_ack(a[i]);
		if(i % 3 == 1)
			call_request(a[i], "BYE", "", "");
	}
}

E2E_TEST(explode_many, a_hundred_lists_at_once_in_disorder,
		"OL-10 OL-24 OL-30/part: refusals, silence, CANCEL and BYE at any "
		"time, "
		"nothing is left behind")
{
	struct lab *lab = lab_own("LAB_WITHOUT=core isf",
			"LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"interworking\", 0)\n"
			"modparam(\"cpm\", \"ring_timeout\", 4000)\n"
			"modparam(\"cpm\", \"msrp_idle\", 2000)",
			NULL);
	struct ua *ua = ua_open(lab->core_ip, lab->pf_ip);
	struct call *a[LISTS];
	long long before = lab_shm_used(lab);
	const char *uris = "";
	int n = 0;

	for(int i = 0; i < EACH; i++)
		uris = fmt("%s sip:u%d@cpm.test", uris, i);
	for(int i = 0; i < LISTS; i++) {
		a[i] = many_invite(ua, uris, NULL);
		if(i % 10 == 9)
			be_all_of_them(ua, &n);
	}
	for(int i = 0; i < 2000 && lab_stat(lab, "sessions") > 0; i++) {
		be_all_of_them(ua, &n);
		be_senders(ua, a, i);
	}
	cr_assert_geq(n, LISTS * EACH / 2, "only %d INVITEs", n);
	lab_idle(lab, 20000);
	lab_shm_back(lab, before);
}

E2E_TEST(explode_many, too_little_memory_for_all_of_them,
		"OL-10 OL-06: a thousand recipients and 9 MB of shared memory: some "
		"fail, the server goes on and gives all of it back")
{
	struct lab *lab = lab_own("LAB_WITHOUT=core isf", "LAB_CPM_SHM=9",
			fmt("LAB_MAX_RECIPIENTS=%d", N),
			"LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"interworking\", 0)\n"
			"modparam(\"cpm\", \"ring_timeout\", 3000)\n"
			"modparam(\"cpm\", \"msrp_idle\", 2000)",
			NULL);
	struct ua *ua = ua_open(lab->core_ip, lab->pf_ip);
	char *uris = thousand();
	struct call *a, *b;
	long long before = lab_shm_used(lab);
	int n = 0;

	lab_expect_log(lab, "cpm", "mem|fragment|CANCEL|ACK request|message");
	a = many_invite(ua, uris, NULL);
	for(int i = 0; i < 3000 && (i < 10 || lab_stat(lab, "sessions") > 0); i++)
		be_all_of_them(ua, &n);
	cr_assert_gt(ua_count(ua, "2xx/INVITE", a->call_id)
					+ ua_count(ua, "503/INVITE", a->call_id),
			0);
	lab_idle(lab, 20000);
	lab_shm_back(lab, before);
	a = flow_establish(ua, &b);
	flow_hang_up(a, b);
	free(uris);
}
