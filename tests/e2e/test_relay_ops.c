/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon as its operators run it: start and refusal to start, drain, kill
 * and restart, reload, socket permissions, HTTP pages, systemd's protocol, and
 * msrp-relayctl.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay_rig.h"

E2E_SUITE(relay_ops);

static const char *program(const char *name)
{
	const char *bin = getenv("CPM_BIN");

	return fmt("%s/%s", bin ? bin : "build/gcc", name);
}

/* Run msrp-relay with a configuration; its exit code. */
static int relay_exit(const char *conf, const char *option)
{
	const char *argv[] = {
			program("msrp-relay"), "-f", "-c", conf, option, NULL};

	return proc_run("msrp-relay", 10000, argv);
}

static const char *conf_file(const char *name, const char *text)
{
	const char *path = test_path(name);
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL);
	fputs(text, f);
	fclose(f);
	return path;
}

/* Run msrp-relayctl -j; its exit code, and its output. */
static int relayctl(const struct rig *r, const char **out, const char *a,
		const char *b, const char *c)
{
	const char *argv[] = {
			program("msrp-relayctl"), "-j", "-s", r->sock, a, b, c, NULL};
	struct proc *p = proc_start("relayctl", argv);
	int code = proc_wait(p, 10000);

	if(out)
		*out = proc_stdout(p);
	return code;
}

E2E_TEST(relay_ops, a_wrong_configuration_is_refused_with_exit_code_2, "")
{
	cr_assert_eq(
			relay_exit(conf_file("bad.conf", "workers = 0\nfoo = 1\n"), "-t"),
			2);
	cr_assert_eq(relay_exit(conf_file("bad.conf", "workers = 0\n"), NULL), 2);
	cr_assert_eq(relay_exit("/nonexistent", "-t"), 2);
	cr_assert_eq(relay_exit(conf_file("good.conf", "workers = 3\n"), "-t"), 0);
	cr_assert_eq(relay_exit("msrp-relay/etc/msrp-relay.conf", "-t"), 0);
}

E2E_TEST(relay_ops, a_second_daemon_on_the_same_socket_is_refused, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_hello_fd(r);

	cr_assert_eq(relay_exit(r->conf, NULL), 1);
	/* And has not harmed the first. */
	cr_assert_eq(ctl_code(ctl_call(fd, "ping", "{}")), 0);
	close(ctl_hello_fd(r));
}

E2E_TEST(relay_ops, a_port_that_is_taken_is_refused, "")
{
	struct rig *r = rig_start("");

	cr_assert_eq(relay_exit(conf_file("second.conf",
									fmt("listen_address = %s\nhttp_port = 0\n"
										"control_socket = %s.second\n",
											r->ip, r->sock)),
						 NULL),
			1);
	cr_assert_neq(access(fmt("%s.second", r->sock), F_OK), 0,
			"its socket is left behind");
	unlink(fmt("%s.second.lock", r->sock));
}

E2E_TEST(relay_ops, kill_9_leaves_nothing_that_stops_the_next_start, "")
{
	struct rig *r = rig_start("");
	int fd = ctl_open(r);
	const char *boot = event_text(
			ctl_call(fd, "hello", "{'version':1,'owner':'t'}"), "result.boot");

	proc_signal(r->relay, SIGKILL);
	cr_assert_eq(proc_wait(r->relay, 5000), 128 + SIGKILL);
	cr_assert_eq(access(r->sock, F_OK), 0);
	cr_assert_eq(ctl_open(r), -1);
	rig_spawn(r);
	fd = ctl_open(r);
	cr_assert_str_neq(
			event_text(ctl_call(fd, "hello", "{'version':1,'owner':'t'}"),
					"result.boot"),
			boot);
}

E2E_TEST(relay_ops, a_file_in_the_sockets_place_is_not_removed, "")
{
	struct rig *r = rig_start("");

	proc_signal(r->relay, SIGTERM);
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
	cr_assert_neq(access(r->sock, F_OK), 0, "the socket is left behind");
	close(open(r->sock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_assert_eq(relay_exit(r->conf, NULL), 1);
	cr_assert_eq(access(r->sock, F_OK), 0);
	unlink(r->sock);
}

E2E_TEST(relay_ops, the_socket_is_for_owner_and_group, "")
{
	struct rig *r = rig_start("control_groups = 65534\n");
	struct stat st;

	cr_assert_eq(stat(r->sock, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660u);
	if(getuid() == 0)
		cr_assert_eq(st.st_gid, 65534u);
}

/* In a child with another identity: hello's error code, 1 = served. */
static int as_user(const struct rig *r, uid_t uid, gid_t gid)
{
	int status;
	pid_t pid = fork();

	if(pid == 0) {
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		char buf[512] = "";
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		const char *hello = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
							"\"hello\",\"params\":{\"version\":1,\"owner\":"
							"\"u\"}}\n";

		if(setgid(gid) != 0 || setuid(uid) != 0)
			_exit(9);
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", r->sock);
		if(connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0)
			_exit(2);
		send(fd, hello, strlen(hello), MSG_NOSIGNAL);
		if(recv(fd, buf, sizeof(buf) - 1, 0) <= 0)
			_exit(3);
		_exit(strstr(buf, "\"result\"") ? 1 : 4);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

E2E_TEST(relay_ops, who_may_connect_is_checked_by_the_daemon_too, "")
{
	struct rig *r;

	if(getuid() != 0)
		cr_skip_test("needs root");
	r = rig_start("control_users = 12345\ncontrol_groups = 12346\n");
	/* Open the file to all: what is left is the check of the peer. */
	cr_assert_eq(chmod(r->sock, 0666), 0);
	if(as_user(r, 12345, 99) == 2)
		cr_skip_test("the tree is closed to other users");
	cr_assert_eq(as_user(r, 12345, 99), 1);
	cr_assert_eq(as_user(r, 99, 12346), 1);
	cr_assert_eq(as_user(r, 99, 99), 4);
}

E2E_TEST(relay_ops, sigterm_lets_a_message_finish_and_takes_no_more, "")
{
	struct rig *r = rig_start("drain_timeout = 20s\n");
	int ctl = ctl_hello_fd(r);
	struct pair p = pair_open(ctl, "s1", "", "");
	const struct frame *f;
	struct raw *in, *out;

	pair_connect(r, &p, &in, &out);
	raw_send(in, p.in_path, p.in_peer, "half", "msg1", "1-3/6", "abc", 3, '+');
	f = raw_request(out, 5000);
	raw_answer(out, f, 200);
	proc_signal(r->relay, SIGTERM);
	for(int i = 0; i < 100 && rig_stat(r, "draining") != 1; i++)
		sleep_ms(20);
	cr_assert_eq(ctl_code(ctl_call(ctl, "session.create",
						 "{'session':'late','legs':[{'leg':'in','direction':"
						 "'recv','transport':'tcp'}]}")),
			-32004);
	cr_assert(strstr(rig_http(r, "GET /readyz HTTP/1.0\r\n\r\n"), " 503 "));
	cr_assert(strstr(rig_http(r, "GET /healthz HTTP/1.0\r\n\r\n"), " 200 "));
	raw_send(in, p.in_path, p.in_peer, "rest", "msg1", "4-6/6", "def", 3, '$');
	f = raw_request(out, 5000);
	cr_assert_str_eq(f->body, "def");
	raw_answer(out, f, 200);
	cr_assert_eq(raw_status(in, "rest", 5000), 200);
	cr_assert(!proc_ended(r->relay));
	ctl_call(ctl, "session.close", "{'session':'s1'}");
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
}

E2E_TEST(relay_ops, drain_ends_after_its_time_and_a_second_sigterm_at_once, "")
{
	struct rig *r = rig_start("drain_timeout = 1s\n");

	pair_open(ctl_hello_fd(r), "s1", "", "");
	cr_assert_eq(relayctl(r, NULL, "drain", NULL, NULL), 0);
	sleep_ms(300);
	cr_assert(!proc_ended(r->relay));
	cr_assert_eq(proc_wait(r->relay, 3000), 0);

	rig_write_conf(r, "drain_timeout = 1h\n");
	rig_spawn(r);
	pair_open(ctl_hello_fd(r), "s1", "", "");
	proc_signal(r->relay, SIGTERM);
	sleep_ms(300);
	cr_assert(!proc_ended(r->relay));
	proc_signal(r->relay, SIGTERM);
	cr_assert_eq(proc_wait(r->relay, 3000), 0);

	rig_spawn(r);
	pair_open(ctl_hello_fd(r), "s1", "", "");
	proc_signal(r->relay, SIGINT);
	cr_assert_eq(proc_wait(r->relay, 3000), 0);
}

E2E_TEST(relay_ops, sighup_takes_the_log_level_and_names_what_needs_a_restart,
		"")
{
	struct rig *r = rig_start("");

	rig_write_conf(r, "log_level = debug\nworkers = 3\n");
	proc_signal(r->relay, SIGHUP);
	for(int i = 0; i < 100 && !strstr(proc_stderr(r->relay), "log level debug");
			i++)
		sleep_ms(20);
	cr_assert(strstr(proc_stderr(r->relay), "workers has changed"));
	cr_assert(strstr(proc_stderr(r->relay), "log level debug"));
	/* A file with an error changes nothing. */
	rig_write_conf(r, "log_level = loud\n");
	cr_assert_eq(relayctl(r, NULL, "reload", NULL, NULL), 1);
	cr_assert(strstr(proc_stderr(r->relay), "what is in force stays"));
	cr_assert_eq(relayctl(r, NULL, "ping", NULL, NULL), 0);
}

E2E_TEST(relay_ops, http_pages_and_their_refusals, "")
{
	static const struct
	{
		const char *request, *answer;
	} pages[] = {
			{"GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
			{"GET /readyz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
			{"GET /metrics HTTP/1.0\r\n\r\n", "\nmsrp_relay_sessions 0\n"},
			{"HEAD /metrics HTTP/1.0\r\n\r\n", "text/plain; version=0.0.4"},
			{"GET /other HTTP/1.0\r\n\r\n", "HTTP/1.1 404 "},
			{"DELETE /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 405 "},
			{"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
					"HTTP/1.1 501 "},
			{"nonsense\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n",
					"Connection: close"},
			/* two on one connection */
			{"GET /healthz HTTP/1.1\r\n\r\nGET /none HTTP/1.0\r\n\r\n",
					"HTTP/1.1 404 "},
	};
	struct rig *r = rig_start("");
	char *big = malloc(9001);

	for(size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		cr_expect(strstr(rig_http(r, pages[i].request), pages[i].answer), "%s",
				pages[i].request);
	memset(big, 'a', 9000);
	big[9000] = '\0';
	/* More than is read: the answer may be lost with the connection. */
	rig_http(r, big);
	cr_assert_eq(relayctl(r, NULL, "ping", NULL, NULL), 0);
	free(big);
}

E2E_TEST(relay_ops, systemd_is_told_of_readiness_watchdog_and_end, "")
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct rig *r = rig_start("");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), pings = 0;
	bool ready = false, stopping = false;

	proc_signal(r->relay, SIGTERM);
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s.notify", r->sock);
	unlink(un.sun_path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	rig_spawn(r);
	for(int i = 0; i < 200 && !stopping; i++) {
		struct pollfd p = {fd, POLLIN, 0};
		char text[512] = "";

		if(poll(&p, 1, 100) > 0 && recv(fd, text, sizeof(text) - 1, 0) > 0) {
			ready = ready || strstr(text, "READY=1");
			pings += strstr(text, "WATCHDOG=1") != NULL;
			stopping = strstr(text, "STOPPING=1") != NULL;
		}
		if(pings == 3)
			proc_signal(r->relay, SIGTERM);
	}
	cr_assert(ready);
	cr_assert_geq(pings, 3);
	cr_assert(stopping);
	unlink(un.sun_path);
	close(fd);
}

/* A thread of the daemon that is not its first: a worker, or one of libuv's
 * or OpenSSL's that has nothing to do. Their ids, at most n. */
static bool has_name(const char *dir, const char *tid, const char *name)
{
	FILE *f = fopen(fmt("%s/%s/comm", dir, tid), "r");
	char line[32] = "";
	bool same = f && fgets(line, sizeof(line), f)
			&& strcmp(line, fmt("%s\n", name)) == 0;

	if(f)
		fclose(f);
	return same;
}

/* Threads of the relay that carry that name. */
static int threads_of(const struct rig *r, const char *name, pid_t *tids, int n)
{
	const char *dir = fmt("/proc/%d/task", proc_pid(r->relay));
	DIR *d = opendir(dir);
	struct dirent *e;
	int found = 0;

	cr_assert(d != NULL);
	while((e = readdir(d)) != NULL && found < n)
		if(has_name(dir, e->d_name, name))
			tids[found++] = (pid_t)strtol(e->d_name, NULL, 10);
	closedir(d);
	return found;
}

E2E_TEST(relay_ops, a_worker_that_hangs_is_seen_by_healthz, "")
{
	struct rig *r = rig_start("workers = 2\n");
	pid_t tids[2];
	/* not the store's: one that is stopped while it holds a lock stops all */
	int n = threads_of(r, "worker", tids, 2);
	const char *get = "GET /healthz HTTP/1.0\r\n\r\n";

	cr_assert_eq(n, 2);
	cr_assert(strstr(rig_http(r, get), " 200 "));
	for(int i = 0; i < n; i++)
		if(ptrace(PTRACE_SEIZE, tids[i], NULL, NULL) < 0
				|| ptrace(PTRACE_INTERRUPT, tids[i], NULL, NULL) < 0)
			cr_skip_test("this system does not let threads be stopped");
	rig_http(r, get); /* asks the workers */
	sleep_ms(3300);
	cr_assert(strstr(rig_http(r, get), " 503 "));
	for(int i = 0; i < n; i++) {
		waitpid(tids[i], NULL, __WALL);
		ptrace(PTRACE_DETACH, tids[i], NULL, NULL);
	}
	for(int i = 0; i < 100 && !strstr(rig_http(r, get), " 200 "); i++)
		sleep_ms(20);
	cr_assert(strstr(rig_http(r, get), " 200 "));
}

E2E_TEST(relay_ops, relayctl_opens_shows_and_closes_sessions, "")
{
	struct rig *r = rig_start("");
	const char *out;
	json_t *o;

	cr_assert_eq(relayctl(r, &out, "session", "open", "--id=byhand"), 0);
	o = json_loads(out, 0, NULL);
	cr_assert_str_eq(event_text(o, "session"), "byhand");
	o = json_array_get(json_object_get(o, "legs"), 1);
	cr_assert(strstr(event_text(o, "path"), "msrp://"));
	cr_assert(strstr(event_text(o, "peer_path"), "msrp://"));
	cr_assert_eq(relayctl(r, &out, "sessions", NULL, NULL), 0);
	cr_assert(strstr(out, "\"byhand\""));
	cr_assert_eq(relayctl(r, &out, "show", "byhand", NULL), 0);
	cr_assert(strstr(out, "\"waiting\""));
	cr_assert_eq(relayctl(r, &out, "session", "close", "byhand"), 0);
	cr_assert_eq(relayctl(r, &out, "show", "byhand", NULL), 1);
	cr_assert_eq(relayctl(r, &out, "stats", NULL, NULL), 0);
	cr_assert_eq(event_number(json_loads(out, 0, NULL), "sessions_total"), 1);
	cr_assert_eq(relayctl(r, &out, "stats", "nonsense", NULL), 0);
	cr_assert_eq(relayctl(r, NULL, "nonsense", NULL, NULL), 2);
	cr_assert_eq(relayctl(r, NULL, "session", "open", "--nonsense"), 2);
	proc_signal(r->relay, SIGTERM);
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
	cr_assert_eq(relayctl(r, NULL, "ping", NULL, NULL), 3);
}

/* The same for people: no -j. */
static const char *relayctl_text(
		const struct rig *r, const char *a, const char *b, const char *c)
{
	const char *argv[] = {
			program("msrp-relayctl"), "-s", r->sock, a, b, c, NULL};
	struct proc *p = proc_start("relayctl", argv);

	cr_assert_eq(proc_wait(p, 10000), 0, "%s", proc_stderr(p));
	return proc_stdout(p);
}

E2E_TEST(relay_ops, relayctl_prints_for_people_too, "")
{
	struct rig *r = rig_start("");

	pair_open(ctl_hello_fd(r), "s1", "", "");
	cr_assert(strstr(relayctl_text(r, "ping", NULL, NULL), "is there, boot "));
	cr_assert(strstr(relayctl_text(r, "sessions", NULL, NULL),
			"in=waiting/0 out=waiting/0"));
	cr_assert_null(strstr(relayctl_text(r, "sessions", "-o", "nobody"), "s1"));
	cr_assert(strstr(relayctl_text(r, "session", "show", "s1"),
			"leg out (send, tcp): waiting"));
	cr_assert(strstr(
			relayctl_text(r, "stats", "sessions", "draining"), "sessions  "));
	cr_assert(
			strstr(relayctl_text(r, "stats", NULL, NULL), "cpu_seconds_total"));
	cr_assert(strstr(relayctl_text(r, "log-level", "info", NULL), "info"));
	cr_assert(strstr(relayctl_text(r, "session", "close", "s1"), "session s1"));
	cr_assert(strstr(
			relayctl_text(r, "session", "close", "s1"), "there is none"));
	cr_assert(strstr(relayctl_text(r, "drain", NULL, NULL), "draining"));
	cr_assert_eq(proc_wait(r->relay, 5000), 0);
}

E2E_TEST(relay_ops, relayctl_prints_events_as_they_happen, "")
{
	struct rig *r = rig_start("");
	const char *argv[] = {
			program("msrp-relayctl"), "-s", r->sock, "events", "test", NULL};
	struct proc *p = proc_start("events", argv);
	struct pair pair;
	struct raw *in, *out;

	rig_stat_wait(r, "control_clients", 2); /* that one, and who asks */
	/* connected is not yet subscribed: the first events may be too early */
	for(int i = 0; i < 10 && !strstr(proc_stdout(p), "leg.bound"); i++) {
		pair = pair_open(ctl_hello_fd(r), fmt("s%d", i), "", "");
		pair_connect(r, &pair, &in, &out);
		for(int j = 0; j < 50 && !strstr(proc_stdout(p), "leg.bound"); j++)
			sleep_ms(20);
	}
	cr_assert(strstr(proc_stdout(p), "\"type\":\"leg.bound\",\"session\":\"s"));
	proc_signal(r->relay, SIGINT);
	cr_assert_eq(proc_wait(p, 5000), 3);
}
