/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The steps of a large message between the client and a test
 * (clientnet_flow.h).
 */
#include "clientnet_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void flow_answer(struct flow *f, const char *headers)
{
	f->listener = net_msrp_listen(&f->port);
	net_reply(f->n, f->invite, "200 OK", headers,
			net_sdp(f->port, "passive", NULL));
	net_take(f->n, "ACK", 5000);
}

/* Take the connection and its binding SEND. */
void flow_bind(struct flow *f)
{
	struct net_frame *b;

	f->fd = net_msrp_accept(f->listener, 5000);
	b = net_frame(f->fd, 5000);
	cr_assert(b && strstr(b->head, " SEND\r\n"));
	cr_assert_eq(b->body_len, 0, "the first SEND is empty");
	cr_assert_str_eq(net_header(b->head, "Content-Type"), "");
	cr_assert_str_eq(net_header(b->head, "To-Path"),
			fmt("msrp://127.0.0.1:%d/netsession;tcp", f->port));
	net_frame_answer(f->fd, b, 200);
}

/* Read all chunks, answering each with 200. */
void flow_take_content(struct flow *f)
{
	f->content = calloc(1, 2 * FLOW_BYTES);
	for(;;) {
		struct net_frame *c = net_frame(f->fd, 5000);

		cr_assert(c, "no chunk");
		cr_assert_lt(f->len + c->body_len, (size_t)2 * FLOW_BYTES);
		memcpy(f->content + f->len, c->body, c->body_len);
		f->len += c->body_len;
		f->chunks++;
		net_frame_answer(f->fd, c, 200);
		if(c->flag == '$')
			return;
	}
}

void flow_finish(struct flow *f, int exit_code)
{
	f->bye = net_take(f->n, "BYE", 5000);
	net_reply(f->n, f->bye, "200 OK", NULL, NULL);
	cr_assert_eq(proc_wait(f->p, 5000), exit_code, "%s", proc_stderr(f->p));
	free(f->content);
}

const char *flow_received_file(const char *reply_to)
{
	const char *path = test_path("received.jsonl");
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fprintf(f,
			"{\"event\":\"received\",\"originator\":\"sip:carol@cpm.test\","
			"%s\"conversation_id\":\"conv-1\","
			"\"contribution_id\":\"contr-1\"}\n",
			reply_to);
	fclose(f);
	return path;
}
