/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A recipient that comes later than the content: what the relay has queued
 * arrives as it was sent, however the sender's bytes were cut into reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

E2E_SUITE(msrp_late);

#define TOTAL 300000

E2E_TEST(msrp_late, content_queued_in_pieces_of_any_size_arrives_unchanged, "")
{
	/* One big read, then small ones: the big one ends in bytes that may be the
	 * begin of an end-line and stay back. */
	static const size_t cuts[][4] = {{60000, 288, 100, 1},
			{40000, 28, 29, 5000}, {90000, 27, 40000, 300},
			{120000, 20000, 20000, 20000}, {1000, 60000, 288, 30000}};
	struct rig *rig = rig_start("");
	int ctl = ctl_hello_fd(rig);
	char *body = malloc(TOTAL), *got = malloc(2 * TOTAL);

	cr_assert(body && got);
	for(size_t i = 0; i < TOTAL; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	for(size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
		struct pair p = pair_open(ctl, fmt("late%zu", k), "", "");
		struct raw *in = raw_connect(rig->ip, p.in_port), *out;
		size_t sent = 0, n = 0;
		const struct frame *f;

		pair_bind(in, p.in_path, p.in_peer);
		raw_say(in,
				"MSRP late%04zu SEND\r\nTo-Path: %s\r\nFrom-Path: %s\r\n"
				"Message-ID: late%zu\r\nByte-Range: 1-*/%d\r\n"
				"Content-Type: message/cpim\r\n\r\n",
				k, p.in_path, p.in_peer, k, TOTAL);
		for(int i = 0; i < 4; i++) {
			raw_put(in, body + sent, cuts[k][i]);
			sent += cuts[k][i];
			sleep_ms(30); /* so that each piece is a read of its own */
		}
		out = raw_connect(rig->ip, p.out_port);
		raw_send(out, p.out_path, p.out_peer, "bind", "bind", NULL, NULL, 0,
				'$');
		raw_put(in, body + sent, TOTAL - sent);
		raw_say(in, "\r\n-------late%04zu$\r\n", k);
		do {
			f = raw_request(out, 5000);
			cr_assert(f != NULL, "cut %zu: the relay closed", k);
			cr_assert_leq(n + f->n, (size_t)TOTAL);
			memcpy(got + n, f->body, f->n);
			n += f->n;
			raw_answer(out, f, 200);
		} while(f->flag != '$');
		cr_assert_eq(n, (size_t)TOTAL);
		for(size_t i = 0; i < TOTAL; i++)
			if(got[i] != body[i])
				cr_assert_fail("cut %zu: byte %zu is another", k, i);
		raw_close(in);
		raw_close(out);
	}
	free(body);
	free(got);
}
