/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket of the real daemon (docs/control-protocol.md): hello,
 * idempotence, events, and everything a broken or hostile client can do.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay_rig.h"

E2E_SUITE(relay_ctl);

#define LEGS                                                                   \
	"'legs':[{'leg':'in','direction':'recv','transport':'tcp'},"               \
	"{'leg':'out','direction':'send','transport':'tcp'}]"

#define CONTENT(bytes, id)                                                     \
	"'content':{'type':'text/plain','bytes':" bytes ",'message_id':'" id "'}"

E2E_TEST(relay_ctl, hello_comes_first, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_open(r);
	json_t *a, *b;

	cr_assert_eq(ctl_code(ctl_call(fd, "ping", "{}")), -32010);
	cr_assert_eq(ctl_code(ctl_call(fd, "hello", "{'version':0,'owner':'a'}")),
			-32011);
	cr_assert_eq(ctl_code(ctl_call(fd, "hello", "{'version':1,'owner':'a b'}")),
			-32602);
	cr_assert_eq(ctl_code(ctl_call(fd, "hello", "{'version':1}")), -32602);
	cr_assert_eq(ctl_code(ctl_call(fd, "ping", "{}")), -32010);
	a = ctl_call(fd, "hello", "{'version':7,'owner':'pf1'}");
	cr_assert_eq(event_number(a, "result.version"), 1);
	cr_assert_eq(event_number(a, "result.workers"), 1);
	cr_assert_eq(ctl_code(ctl_call(fd, "ping", "{}")), 0);
	/* The same boot on another connection. */
	b = ctl_call(ctl_open(r), "hello", "{'version':1,'owner':'pf1'}");
	cr_assert_str_eq(
			event_text(a, "result.boot"), event_text(b, "result.boot"));
}

/* The method, its parameters, and the parameter that the refusal names. */
static const struct
{
	const char *method, *params, *data;
} wrong[] = {
		{"ping", "{'x':1}", "x"},
		{"session.create", "{}", "session"},
		{"session.create", "{'session':7," LEGS "}", "session"},
		{"session.create", "{'session':''," LEGS "}", "session"},
		{"session.create", "{'session':'a/b'," LEGS "}", "session"},
		{"session.create", "{'session':'a'}", "legs"},
		{"session.create", "{'session':'a','legs':{}}", "legs"},
		{"session.create", "{'session':'a','legs':[]}", "legs"},
		{"session.create", "{'session':'a','legs':[7]}", "legs[0]"},
		{"session.create",
				"{'session':'a','legs':[{'leg':'x','direction':'recv',"
				"'transport':'udp'}]}",
				"legs[0].transport"},
		{"session.create",
				"{'session':'a','legs':[{'leg':'x','direction':'send',"
				"'transport':'tcp'}]}",
				"legs"},
		{"session.create",
				"{'session':'a','legs':[{'leg':'x','direction':'recv',"
				"'transport':'tcp'},{'leg':'x','direction':'send',"
				"'transport':'tcp'}]}",
				"legs"},
		{"session.create", "{'session':'a','max_bytes':-1," LEGS "}",
				"max_bytes"},
		{"session.create", "{'session':'a','max_bytes':1.5," LEGS "}",
				"max_bytes"},
		{"session.create", "{'session':'a','idle_ms':'10'," LEGS "}",
				"idle_ms"},
		{"session.create", "{'session':'a','max_byte':1," LEGS "}", "max_byte"},
		{"leg.start", "{'session':'a','leg':'1','connect':true}", "peer"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':1,'peer':{"
				"'path':'msrp://a:1/x;tcp'}}",
				"connect"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'peer':{"
				"'path':'http://a:1/x;tcp'}}",
				"peer.path"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'peer':{"
				"'path':'msrp://a:1/x;tcp\\r\\nX: y'}}",
				"peer.path"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'peer':{"
				"'path':'msrp://a:1/x;tcp','port':70000}}",
				"peer.port"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'peer':{"
				"'path':'msrp://a:1/x;tcp','fingerprint':'SHA-256 AB'}}",
				"peer.fingerprint"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'peer':{"
				"'path':'msrp://a:1/x;tcp','accept_types':[1]}}",
				"peer.accept_types"},
		{"leg.start",
				"{'session':'a','leg':'1','connect':true,'match':'x',"
				"'peer':{'path':'msrp://a:1/x;tcp'}}",
				"match"},
		{"leg.add",
				"{'session':'a','leg':{'leg':'x','direction':'recv',"
				"'transport':'tcp'}}",
				"leg.direction"},
		{"session.create", "{'session':'a','keep':1," LEGS "}", "keep"},
		{"session.create", "{'session':'a','answer':'none'," LEGS "}",
				"answer"},
		{"session.create", "{'session':'a','setup_ms':1," LEGS "}", "setup_ms"},
		{"session.create", "{'session':'a'," CONTENT("1", "msg1") "," LEGS "}",
				"legs"},
		{"session.create",
				"{'session':'a','keep':false," CONTENT("1", "msg1") "}",
				"keep"},
		{"session.create",
				"{'session':'a','max_bytes':9," CONTENT("10", "msg1") "}",
				"content.bytes"},
		{"session.create", "{'session':'a'," CONTENT("0", "msg1") "}",
				"content.bytes"},
		{"session.create", "{'session':'a'," CONTENT("1", "abc") "}",
				"content.message_id"},
		{"session.create", "{'session':'a'," CONTENT("1", "ab/cd") "}",
				"content.message_id"},
		{"session.create",
				"{'session':'a','content':{'bytes':1,'message_id':'msg1'}}",
				"content.type"},
		{"session.create",
				"{'session':'a','content':{'type':'text/plain\\r\\nX: y',"
				"'bytes':1,'message_id':'msg1'}}",
				"content.type"},
		{"content.put", "{'session':'a','data':'QQ=='}", "offset"},
		{"content.put", "{'session':'a','offset':-1,'data':'QQ=='}", "offset"},
		{"content.put", "{'session':'a','offset':0}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':''}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'QQ='}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'QR=='}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'Q=Q='}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'QQ==QQ=='}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'QQ ='}", "data"},
		{"content.put", "{'session':'a','offset':0,'data':'QQ==','last':'yes'}",
				"last"},
		{"session.list", "{'limit':201}", "limit"},
		{"session.list", "{'limit':0}", "limit"},
		{"log.level", "{'level':'loud'}", "level"},
};

E2E_TEST(relay_ctl, a_wrong_parameter_is_refused_by_name, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);

	for(size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_t *a = ctl_call(fd, wrong[i].method, wrong[i].params);

		cr_expect_eq(
				ctl_code(a), -32602, "%s %s", wrong[i].method, wrong[i].params);
		cr_expect_str_eq(event_text(a, "error.data"), wrong[i].data, "%s %s",
				wrong[i].method, wrong[i].params);
	}
	cr_assert_eq(ctl_code(ctl_call(fd, "sessions", "{}")), -32601);
	cr_assert_eq(ctl_code(ctl_call(fd, "ping", "{}")), 0);
	cr_assert_eq(rig_stat(r, "sessions"), 0);
}

static const struct
{
	const char *line;
	int code;
} malformed[] = {
		{"this is not JSON\n", -32700},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\n", -32700},
		{"\xff\xfe\n", -32700},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]\n", -32600},
		{"{\"id\":1,\"method\":\"ping\"}\n", -32600},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n", -32600},
		{"7\n", -32600},
		{"null\n", -32700}, /* no text for jansson outside an object */
};

E2E_TEST(relay_ctl, malformed_lines_are_refused_and_the_next_is_taken, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);

	for(size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		json_t *a;
		long long code;

		ctl_put(fd, malformed[i].line);
		a = ctl_answer(fd, 5000);
		code = ctl_code(a);
		/* A bare value is either, by the JSON library's taste. */
		cr_expect(code == malformed[i].code
						|| (malformed[i].line[0] != '{' && code < -32599),
				"%s: %lld", malformed[i].line, code);
		cr_expect_eq(ctl_code(ctl_call(fd, "ping", "{}")), 0);
	}
	ctl_put(fd, "\n\r\n\n"); /* empty lines are nothing */
	cr_expect_eq(ctl_code(ctl_call(fd, "ping", "{}")), 0);
}

E2E_TEST(relay_ctl, a_line_over_64_KiB_ends_the_connection, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r), other = ctl_hello_fd(r);
	char *big = malloc(70001);
	json_t *a;

	memset(big, 'x', 70000);
	big[70000] = '\0';
	ctl_put(fd, big);
	a = ctl_answer(fd, 5000);
	cr_assert_eq(ctl_code(a), -32700);
	cr_assert_null(ctl_line(fd, 5000));
	cr_assert_eq(ctl_code(ctl_call(other, "ping", "{}")), 0);
	free(big);
}

E2E_TEST(relay_ctl, half_a_line_and_silence_is_cut_off_and_no_hello_too, "")
{
	struct rig *r = rig_start("");
	int half = ctl_hello_fd(r), mute = ctl_open(r), good = ctl_hello_fd(r);
	struct pollfd p[] = {{half, POLLIN, 0}, {mute, POLLIN, 0}};

	ctl_put(half, "{\"jsonrpc\":\"2.0\",");
	cr_assert_null(ctl_line(half, 13000));
	cr_assert_eq(poll(&p[1], 1, 3000), 1);
	cr_assert_null(ctl_line(mute, 1000));
	/* Silence between lines is what a healthy link looks like. */
	cr_assert_eq(ctl_code(ctl_call(good, "ping", "{}")), 0);
}

E2E_TEST(relay_ctl, a_command_in_single_bytes_is_understood, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);
	const char *line =
			"{\"jsonrpc\":\"2.0\",\"id\":\"slow\",\"method\":\"ping\"}\n";

	for(const char *at = line; *at; at++) {
		cr_assert_eq(send(fd, at, 1, 0), 1);
		if((at - line) % 8 == 0)
			sleep_ms(1);
	}
	cr_assert_str_eq(event_text(ctl_answer(fd, 5000), "id"), "slow");
}

E2E_TEST(relay_ctl, a_thousand_connections_are_served_or_turned_away, "")
{
	enum
	{
		N = 1000,
		LIMIT = 200
	};
	struct rig *r = rig_start("control_clients = 200\n");
	int fds[N], served = 0, away = 0;
	long long before = rig_rss(r);

	for(int i = 0; i < N; i++) {
		fds[i] = ctl_open(r);
		cr_assert(fds[i] >= 0);
	}
	for(int i = 0; i < N; i++) {
		json_t *a;

		ctl_put(fds[i],
				"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\","
				"\"params\":{\"version\":1,\"owner\":\"many\"}}\n");
		a = ctl_line(fds[i], 5000);
		if(a && ctl_code(a) == 0)
			served++;
		else if(a && ctl_code(a) == -32003)
			away++;
	}
	/* The connection that saw the start of the daemon may still count. */
	cr_assert(served == LIMIT || served == LIMIT - 1, "%d", served);
	cr_assert_eq(away, N - served);
	cr_assert_lt(rig_rss(r) - before, rig_growth());
	for(int i = 0; i < N; i++)
		close(fds[i]);
	sleep_ms(200);
	cr_assert_eq(ctl_code(ctl_call(ctl_hello_fd(r), "ping", "{}")), 0);
}

E2E_TEST(relay_ctl, a_client_that_does_not_read_is_cut_off, "")
{
	struct rig *r = rig_start("");
	int deaf = ctl_hello_fd(r), good = ctl_hello_fd(r);
	long long before = rig_rss(r), after;
	char line[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats\"}\n";
	bool gone = false;

	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for(int i = 0; i < 200000 && !gone; i++) {
		ssize_t k = send(deaf, line, sizeof(line) - 1, MSG_NOSIGNAL);
		struct pollfd p = {deaf, POLLOUT, 0};

		if(k < 0)
			gone = poll(&p, 1, 2000) > 0 && (p.revents & (POLLHUP | POLLERR));
	}
	after = rig_rss(r);
	cr_assert(gone, "4 MiB of unread answers and still connected");
	cr_assert_lt(after - before, 4 * rig_growth());
	cr_assert_eq(ctl_code(ctl_call(good, "ping", "{}")), 0);
}

E2E_TEST(relay_ctl, the_same_command_again_gets_the_same_answer, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r), again = ctl_hello_fd(r);
	json_t *a, *b;

	a = ctl_call(fd, "session.create", "{'session':'i1'," LEGS "}");
	cr_assert_eq(ctl_code(a), 0);
	b = ctl_call(again, "session.create", "{'session':'i1'," LEGS "}");
	cr_assert(json_equal(
			json_object_get(a, "result"), json_object_get(b, "result")));
	b = ctl_call(
			fd, "session.create", "{'session':'i1','max_bytes':10," LEGS "}");
	cr_assert_eq(ctl_code(b), -32001);
	for(int i = 0; i < 2; i++) {
		a = ctl_call(fd, "leg.start",
				"{'session':'i1','leg':'out','connect':false,'peer':"
				"{'path':'msrp://127.0.0.1:7/abcd;tcp'}}");
		cr_assert_str_eq(event_text(a, "result.state"), "waiting");
	}
	a = ctl_call(fd, "leg.close", "{'session':'i1','leg':'nobody'}");
	cr_assert(json_is_true(
			json_object_get(json_object_get(a, "result"), "gone")));
	cr_assert_eq(
			ctl_code(ctl_call(fd, "session.close", "{'session':'i1'}")), 0);
	a = ctl_call(fd, "session.close", "{'session':'i1'}");
	cr_assert(json_is_true(
			json_object_get(json_object_get(a, "result"), "gone")));
	cr_assert_eq(
			ctl_code(ctl_call(fd, "session.show", "{'session':'i1'}")), -32002);
	cr_assert_eq(rig_stat(r, "sessions"), 0);
}

E2E_TEST(relay_ctl, events_go_to_the_owner_alone_and_are_numbered, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r), other = ctl_open(r);
	struct pair p = pair_open(fd, "e1", "", "");
	struct raw *in, *out;
	json_t *e;

	ctl_call(other, "hello", "{'version':1,'owner':'else','events':true}");
	pair_connect(r, &p, &in, &out);
	e = ctl_event(fd, "leg.bound", 5000);
	cr_assert_eq(event_number(e, "seq"), 1);
	cr_assert_str_eq(event_text(e, "leg"), "out");
	e = ctl_event(fd, "leg.bound", 5000);
	cr_assert_eq(event_number(e, "seq"), 2);
	/* The first thing the other owner hears is its own answer. */
	ctl_put(other, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}\n");
	e = ctl_line(other, 5000);
	cr_assert_eq(event_number(e, "id"), 5);
	/* A peer that goes away is told. */
	raw_close(out);
	e = ctl_event(fd, "leg.failed", 5000);
	cr_assert_str_eq(event_text(e, "leg"), "out");
	cr_assert_eq(event_number(e, "status"), 0);
}

E2E_TEST(relay_ctl, a_thousand_sessions_are_listed_page_by_page, "")
{
	enum
	{
		N = 1000
	};
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);
	size_t offset = 0;
	char seen[N] = {0};

	for(int i = 0; i < N; i++)
		cr_assert_eq(ctl_code(ctl_call(fd, "session.create",
							 fmt("{'session':'n%d'," LEGS "}", i))),
				0);
	while(offset < N) {
		json_t *a = ctl_call(fd, "session.list", fmt("{'offset':%zu}", offset));
		json_t *list = json_object_get(
					   json_object_get(a, "result"), "sessions"),
			   *one;
		size_t i;

		cr_assert_eq(event_number(a, "result.total"), N);
		cr_assert_gt(json_array_size(list), 0u);
		json_array_foreach(list, i, one)
		{
			int k = (int)strtol(event_text(one, "session") + 1, NULL, 10);

			cr_assert_eq(seen[k]++, 0, "n%d twice", k);
		}
		offset += json_array_size(list);
	}
	cr_assert_eq(rig_stat(r, "sessions"), N);
	/* All of them are gone with an abort, and their memory is used again. */
	for(int i = 0; i < N; i++)
		ctl_call(fd, "session.close", fmt("{'session':'n%d','abort':true}", i));
	cr_assert_eq(rig_stat(r, "sessions"), 0);
}

static int create_line(char *line, size_t size, int i)
{
	return snprintf(line, size,
			"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"session.create\","
			"\"params\":{\"session\":\"n%d\",\"legs\":[{\"leg\":\"in\","
			"\"direction\":\"recv\",\"transport\":\"tcp\"}]}}\n",
			i, i);
}

E2E_TEST(relay_ctl, five_thousand_commands_at_once_are_all_answered, "")
{
	enum
	{
		N = 5000
	};
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);
	char *all = malloc(N * 256), seen[N] = {0};
	size_t n = 0;
	pid_t writer;

	for(int i = 0; i < N; i++)
		n += (size_t)create_line(all + n, 256, i);
	/* More than the daemon has open at a time: it reads on as it answers. */
	writer = fork();
	if(writer == 0) {
		ctl_put(fd, all);
		_exit(0);
	}
	for(int i = 0; i < N; i++) {
		json_t *a = ctl_answer(fd, 5000);
		long long id = event_number(a, "id");

		cr_assert(a && ctl_code(a) == 0 && id >= 0 && id < N);
		cr_assert_eq(seen[id]++, 0);
		json_decref(a);
	}
	cr_assert_eq(waitpid(writer, NULL, 0), writer);
	cr_assert_eq(rig_stat(r, "sessions"), N);
	free(all);
}

E2E_TEST(relay_ctl, a_client_that_has_said_all_still_gets_its_answers, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_open(r);

	/* As `printf ... | socat - UNIX:...` does. */
	ctl_put(fd,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\","
			"\"params\":{\"version\":1,\"owner\":\"pipe\"}}\n"
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
			"\"session.list\"}\n");
	shutdown(fd, SHUT_WR);
	cr_assert_eq(event_number(ctl_line(fd, 5000), "id"), 1);
	cr_assert_eq(event_number(ctl_line(fd, 5000), "id"), 2);
	cr_assert_null(ctl_line(fd, 5000));
}
