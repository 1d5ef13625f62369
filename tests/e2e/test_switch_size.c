/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a pager message that becomes large may contain: sizes up to what UDP and
 * TCP carry, any bytes, payloads of several parts; and what is refused.
 * OMA-TS-CPM_Conv_Fnct 8.2.1.1 step 8 and 8B.d.vi (OP-11, OP-41).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switch_flow.h"

E2E_SUITE(switch_size);

static struct lab *lab;
static struct ua *ua;

/* Sent and delivered; what arrived. */
static struct sink *passes(const struct big_opt *opt)
{
	struct sink *s = sink_open();
	struct big *b = big_send(ua, opt);
	struct call *c = call_incoming(ua, 6000);

	cr_assert_eq(strcmp(sdp_attr(sip_body(c->in), "file-selector"),
						 fmt("size:%zu", b->body_n)),
			0);
	sink_all(s, c, b);
	big_ends(b, 200, 6000);
	return s;
}

/* Any bytes there are, line ends and NULs among them. */
static char *all_bytes(size_t n)
{
	char *p = malloc(n);
	unsigned v = 4711;

	for(size_t i = 0; i < n; i++) {
		v = v * 1103515245u + 12345u;
		p[i] = (char)(v >> 16);
	}
	return p;
}

E2E_TEST(switch_size, sixty_kilobytes_in_one_datagram,
		"OP-41: more than one chunk, all of it arrives, as bytes of any value")
{
	struct sink *s;
	size_t n;
	char *bytes = all_bytes(60000);
	const char *body;

	lab = switch_lab(&ua, NULL);
	s = passes(&(struct big_opt){.n = 60000});
	cr_assert_str_eq(s->type, "message/cpim");
	body = big_wrap("application/octet-stream", bytes, 60000, &n);
	passes(&(struct big_opt){.body = body, .n = n});
	free(bytes);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_size, chunks_have_the_size_that_is_set,
		"OP-41: chunk_bytes of the relay, To-Path of the answer in each, "
		"Byte-Range with the total")
{
	struct lab *l = lab_own("LAB_WITHOUT=core isf",
			"LAB_RELAY_CONF_EXTRA=chunk_bytes = 10240", NULL);
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;
	size_t before = 0;

	ua = ua_open(l->core_ip, l->pf_ip);
	b = big_send(ua, &(struct big_opt){.n = 50000});
	c = call_incoming(ua, 6000);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	while(!s->complete) {
		const struct frame *f = sink_next(s, 6000);

		cr_assert_not_null(f);
		cr_assert_str_eq(
				s->to_path, fmt("msrp://127.0.0.1:%d/%s;tcp", s->port, s->id));
		cr_assert_leq(s->n - before, 10240);
		cr_assert_eq(strncmp(s->range, fmt("%zu-", before + 1),
							 strlen(fmt("%zu-", before + 1))),
				0);
		cr_assert(strstr(s->range, "/50000") != NULL);
		before = s->n;
		raw_answer(s->c, f, 200);
	}
	cr_assert_geq(s->chunks, 5);
	cr_assert_str_eq(s->got, b->body);
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
}

E2E_TEST(switch_size, tcp_carries_what_udp_cannot,
		"OP-11 OP-41: 200 KB in a MESSAGE over TCP")
{
	lab = switch_lab(&ua, NULL);
	passes(&(struct big_opt){.n = 5000, .tcp = true});
	passes(&(struct big_opt){.n = 200000, .tcp = true});
	switch_clean(lab, 8000);
}

E2E_TEST(switch_size, text_of_any_script_counts_in_bytes,
		"OP-11: UTF-8; the limit is one of bytes")
{
	struct sink *s;
	char text[3 * 500 + 1] = "";
	const char *body;
	size_t n;

	lab = switch_lab(&ua, NULL);
	for(int i = 0; i < 500; i++)
		memcpy(text + 3 * i, "\xe2\x82\xac", 4);
	body = big_wrap("text/plain;charset=UTF-8", text, 1500, &n);
	s = passes(&(struct big_opt){.body = body, .n = n});
	cr_assert(strstr(s->got, "\xe2\x82\xac\xe2\x82\xac") != NULL);
}

#define PARTS                                                                  \
	"--frontier\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nlook\r\n"     \
	"--frontier\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--frontier--\r\n"

/* A wrapper around two parts; lines: further CPIM headers. */
static struct big *send_parts(const char *lines)
{
	char *jpeg = calloc(1, 1800);
	const char *body;

	memset(jpeg, 'j', 1799);
	body = fmt(
			"From: <sip:alice@cpm.test>\r\nTo: <sip:bob@cpm.test>\r\n%s"
			"\r\nContent-Type: multipart/mixed;boundary=frontier\r\n\r\n" PARTS,
			lines, jpeg);
	free(jpeg);
	return big_send(ua, &(struct big_opt){.body = body});
}

/* What arrives of it. */
static struct sink *arrives(struct big *b, size_t n)
{
	struct sink *s = sink_open();
	struct call *c = call_incoming(ua, 6000);

	cr_assert_str_eq(
			sdp_attr(sip_body(c->in), "file-selector"), fmt("size:%zu", n));
	cr_assert_str_eq(sdp_attr(sip_body(c->in), "accept-wrapped-types"),
			"multipart/mixed text/plain image/jpeg");
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	cr_assert_eq(s->n, n);
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
	return s;
}

E2E_TEST(switch_size, types_of_a_multipart_payload_are_said,
		"OP-41: cpm.Payload-Type in the order of the parts, its namespace, the "
		"second Content-Type and the disposition request as they were; OP-11: "
		"they count for the largest message")
{
	static const char *const imdn =
			"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m-1\r\n"
			"imdn.Disposition-Notification: display\r\n";
	static const char *const added =
			"NS: cpm <http://www.openmobilealliance.org/cpm/>\r\n"
			"cpm.Payload-Type: text/plain, image/jpeg\r\n";
	struct big *b;
	struct sink *s;
	const char *at;

	lab = switch_lab(&ua, NULL);
	b = send_parts(imdn);
	s = arrives(b, b->body_n + strlen(added));
	at = strstr(s->got, added);
	cr_assert_not_null(at, "%.400s", s->got);
	cr_assert_eq(
			strncmp(at + strlen(added), "\r\nContent-Type: multipart/", 25), 0);
	cr_assert_str_eq(
			cpim_hdr(s->got, "imdn.Disposition-Notification"), "display");
	/* all but those lines is the client's */
	cr_assert_eq(memcmp(s->got, b->body, (size_t)(at - s->got)), 0);
	cr_assert_str_eq(at + strlen(added), b->body + (at - s->got));
	/* where the client has said them they stay as they are */
	b = send_parts("NS: c <http://www.openmobilealliance.org/cpm/>\r\n"
				   "c.Payload-Type: text/plain, image/jpeg\r\n");
	s = arrives(b, b->body_n);
	cr_assert_str_eq(s->got, b->body);
	/* they count for the largest message */
	b = send_parts("");
	s = arrives(b, b->body_n + strlen(added));
	lab_rpc(lab, "cpm",
			fmt("htable.sets cpm_rules sip:alice@cpm.test max_message=%zu",
					s->n - 1));
	big_ends(send_parts(""), 403, 6000);
	switch_clean(lab, 8000);
}

/* Refused at once, nothing sent on. */
static struct sip *refused(int code, const struct big_opt *opt)
{
	struct big *b = big_send(ua, opt);
	struct sip *m = big_ends(b, code, 6000);

	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	return m;
}

E2E_TEST(switch_size, bad_bodies_are_refused,
		"OP-11: malformed wrapper and payload 400, another type 415; no memory "
		"stays behind")
{
	char *x = calloc(1, 2001);
	static const char *const head = "From: <sip:a@x>\r\n\r\nContent-Type: ";

	lab = switch_lab(&ua, NULL);
	memset(x, 'x', 2000);
	refused(400, &(struct big_opt){.body = x});
	refused(400,
			&(struct big_opt){
					.body = fmt("%smultipart/mixed\r\n\r\n%s", head, x)});
	refused(400,
			&(struct big_opt){.body = fmt("%smultipart/mixed;boundary=b"
										  "\r\n\r\n--b\r\n\r\n%s",
									  head, x)});
	refused(400,
			&(struct big_opt){.body = fmt("%stext/\r\n a=path:msrp://x"
										  "\r\n\r\n%s",
									  head, x)});
	refused(415,
			&(struct big_opt){
					.headers = "Content-Type: text/plain\n", .body = x});
	free(x);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_size, checks_come_before_the_size,
		"OP-11: 403 for a sender without an identity, 480 for an expired "
		"message, 420 for an unknown extension: no INVITE")
{
	lab = switch_lab(&ua, NULL);
	refused(403,
			&(struct big_opt){
					.headers = "P-Asserted-Service: urn:urn-7:3gpp-service."
							   "ims.icsi.mmtel\nP-Preferred-Service:\n",
					.n = 2000});
	refused(480,
			&(struct big_opt){.headers = "Expires: 60\nDate: Sat, 13 Nov 2010 "
										 "23:29:00 GMT\n",
					.n = 2000});
	refused(420, &(struct big_opt){.headers = "Require: 100rel\n", .n = 2000});
	refused(483, &(struct big_opt){.headers = "Max-Forwards: 0\n", .n = 2000});
	switch_clean(lab, 8000);
}

E2E_TEST(switch_size, largest_message_is_one_of_the_policy,
		"OP-11: 403 with Warning 133 over max_message")
{
	struct sip *m;

	lab = switch_lab(&ua, "modparam(\"cpm\", \"max_message\", 20000)");
	passes(&(struct big_opt){.n = 20000});
	m = big_ends(big_send(ua, &(struct big_opt){.n = 20001}), 403, 6000);
	cr_assert(strstr(sip_hdr(m, "Warning"), "\"133 Size exceeded\"") != NULL);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1);
	switch_clean(lab, 8000);
}
