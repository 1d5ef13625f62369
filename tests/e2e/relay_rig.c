/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon of relay_rig.h and its control socket.
 */
#include "relay_rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

#define LINE_MAX_BYTES 70000

void rig_write_conf(struct rig *r, const char *options)
{
	FILE *f = fopen(r->conf, "w");

	cr_assert(f != NULL);
	fprintf(f,
			"listen_address = %s\ncontrol_socket = %s\nhttp_address = %s\n"
			"max_connections = 4000\n%s\n",
			r->ip, r->sock, r->ip, options);
	if(strstr(options, "workers") == NULL)
		fprintf(f, "workers = 1\n");
	if(strstr(options, "spool_dir") == NULL)
		fprintf(f, "spool_dir = %s\n", r->spool);
	if(strstr(options, "store_dir") == NULL)
		fprintf(f, "store_dir = %s\n", r->store);
	if(strstr(options, "control_clients") == NULL)
		fprintf(f, "control_clients = 64\n");
	fclose(f);
}

void rig_spawn(struct rig *r)
{
	const char *bin = getenv("CPM_BIN");
	const char *argv[] = {fmt("%s/msrp-relay", bin ? bin : "build/gcc"), "-f",
			"-c", r->conf, NULL};
	int fd = -1;

	r->relay = proc_start("relay", argv);
	for(int i = 0; i < 200 && fd < 0; i++) {
		if(proc_ended(r->relay))
			cr_assert_fail("the relay ended: %s", proc_stderr(r->relay));
		sleep_ms(25);
		fd = ctl_open(r);
	}
	cr_assert(fd >= 0, "the relay does not start: %s", proc_stderr(r->relay));
	close(fd);
}

struct rig *rig_start(const char *options)
{
	struct rig *r = e2e_alloc(sizeof(*r));
	char cwd[1024];

	r->lab = lab_own("LAB_WITHOUT=core cpm relay isf", NULL);
	r->ip = r->lab->pf_ip;
	r->conf = test_path("relay.conf");
	r->sock = r->lab->relay_sock;
	r->spool = r->lab->dir[0] == '/'
			? fmt("%s/spool", r->lab->dir)
			: fmt("%s/%s/spool", getcwd(cwd, sizeof(cwd)), r->lab->dir);
	r->store = fmt("%.*sstore", (int)strlen(r->spool) - 5, r->spool);
	r->cert = test_path("relay.pem");
	r->key = test_path("relay.key");
	if(strstr(options, "tls_port"))
		rig_certificate(r, "first");
	rig_write_conf(r, options);
	rig_spawn(r);
	return r;
}

void rig_certificate(struct rig *r, const char *name)
{
	const char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec",
			"-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
			"-subj", fmt("/CN=%s", name), "-keyout", r->key, "-out", r->cert,
			NULL};

	cr_assert_eq(proc_run("openssl", 10000, argv), 0);
}

long long rig_rss(const struct rig *r)
{
	const char *text = file_text(fmt("/proc/%d/status", proc_pid(r->relay)));
	const char *at = strstr(text, "VmRSS:");

	return at ? strtoll(at + 6, NULL, 10) * 1024 : -1;
}

long long rig_growth(void)
{
	const char *bin = getenv("CPM_BIN");

	return (bin && strstr(bin, "asan") ? 400ll : 4ll) << 20;
}

long long rig_stat(const struct rig *r, const char *name)
{
	int fd = ctl_hello_fd(r);
	json_t *a = ctl_call(fd, "stats", "{}");
	json_t *v = json_object_get(json_object_get(a, "result"), name);

	cr_assert(v != NULL, "no statistic %s", name);
	close(fd);
	return json_integer_value(v);
}

void rig_stat_wait(const struct rig *r, const char *name, long long value)
{
	long long is = -1;

	for(int i = 0; i < 100; i++) {
		is = rig_stat(r, name);
		if(is == value)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("%s is %lld, not %lld", name, is, value);
}

const char *rig_http(const struct rig *r, const char *request)
{
	struct raw *c = raw_connect(r->ip, 9090);
	char *text = e2e_alloc(65536);
	size_t n = 0;
	ssize_t k;

	raw_put(c, request, strlen(request));
	while(n < 65535 && poll(&(struct pollfd){c->fd, POLLIN, 0}, 1, 15000) > 0
			&& (k = recv(c->fd, text + n, 65535 - n, 0)) > 0)
		n += (size_t)k;
	text[n] = '\0';
	raw_close(c);
	return text;
}

int ctl_open(const struct rig *r)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", r->sock);
	if(connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

int ctl_hello_fd(const struct rig *r)
{
	int fd = ctl_open(r);

	cr_assert(fd >= 0);
	json_t *a =
			ctl_call(fd, "hello", "{'version':1,'owner':'test','events':true}");
	cr_assert_eq(ctl_code(a), 0);
	return fd;
}

void ctl_put(int fd, const char *text)
{
	size_t n = strlen(text);

	while(n > 0) {
		ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

		if(k < 0)
			return; /* the daemon may have closed it: the test will see */
		text += k;
		n -= (size_t)k;
	}
}

/* A byte at a time: what follows the line stays in the socket. */
json_t *ctl_line(int fd, int timeout_ms)
{
	char *line = e2e_alloc(LINE_MAX_BYTES);
	struct pollfd p = {fd, POLLIN, 0};
	size_t n = 0;

	for(;;) {
		ssize_t k, want;
		char *end;

		if(poll(&p, 1, timeout_ms) <= 0)
			cr_assert_fail("no line on the control socket in time");
		k = recv(fd, line + n, LINE_MAX_BYTES - 1 - n, MSG_PEEK);
		if(k <= 0)
			return NULL;
		end = memchr(line + n, '\n', (size_t)k);
		want = end ? end + 1 - (line + n) : k;
		cr_assert_eq(recv(fd, line + n, (size_t)want, 0), want);
		n += (size_t)want;
		cr_assert(n < LINE_MAX_BYTES - 1, "a line that does not end");
		if(end == NULL)
			continue;
		json_t *o = json_loadb(line, n, 0, NULL);
		cr_assert(o != NULL, "no JSON: %.*s", (int)n, line);
		return o;
	}
}

json_t *ctl_answer(int fd, int timeout_ms)
{
	json_t *o;

	do
		o = ctl_line(fd, timeout_ms);
	while(o && json_object_get(o, "method"));
	return o;
}

json_t *ctl_event(int fd, const char *type, int timeout_ms)
{
	for(;;) {
		json_t *o = ctl_line(fd, timeout_ms), *p;

		cr_assert(o != NULL, "the control connection was closed");
		p = json_object_get(o, "params");
		if(p
				&& strcmp(json_string_value(json_object_get(p, "type")), type)
						== 0)
			return p;
	}
}

json_t *ctl_call(int fd, const char *method, const char *params)
{
	static int id;
	char *quoted = strdup(params);

	for(char *q = quoted; *q; q++)
		if(*q == '\'')
			*q = '"';
	ctl_put(fd,
			fmt("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\","
				"\"params\":%s}\n",
					++id, method, quoted));
	free(quoted);
	for(;;) {
		json_t *a = ctl_answer(fd, 15000);

		cr_assert(a != NULL, "%s: closed without an answer", method);
		if(json_integer_value(json_object_get(a, "id")) == id)
			return a;
	}
}

long long ctl_code(const json_t *answer)
{
	return json_integer_value(
			json_object_get(json_object_get(answer, "error"), "code"));
}

static struct pair open_over(const char *transport, int ctl, const char *id,
		const char *more, const char *peer)
{
	const char *scheme = strcmp(transport, "tls") == 0 ? "msrps" : "msrp";
	struct pair p = {.id = id};
	json_t *a, *legs;

	p.in_peer = fmt("%s://127.0.0.1:7001/%s-sender;tcp", scheme, id);
	p.out_peer = fmt("%s://127.0.0.1:7002/%s-recipient;tcp", scheme, id);
	a = ctl_call(ctl, "session.create",
			fmt("{'session':'%s',%s'legs':["
				"{'leg':'in','direction':'recv','transport':'%s',"
				"'connect':false,'peer':{'path':'%s'}},"
				"{'leg':'out','direction':'send','transport':'%s',"
				"'connect':false,'peer':{'path':'%s'%s}}]}",
					id, more, transport, p.in_peer, transport, p.out_peer,
					peer));
	cr_assert_eq(ctl_code(a), 0, "%s", json_dumps(a, 0));
	legs = json_object_get(json_object_get(a, "result"), "legs");
	p.in_path =
			json_string_value(json_object_get(json_array_get(legs, 0), "path"));
	p.out_path =
			json_string_value(json_object_get(json_array_get(legs, 1), "path"));
	p.in_port = (int)json_integer_value(
			json_object_get(json_array_get(legs, 0), "port"));
	p.out_port = (int)json_integer_value(
			json_object_get(json_array_get(legs, 1), "port"));
	p.in_fingerprint = json_string_value(
			json_object_get(json_array_get(legs, 0), "fingerprint"));
	return p;
}

struct pair pair_open(
		int ctl, const char *id, const char *more, const char *peer)
{
	return open_over("tcp", ctl, id, more, peer);
}

struct pair pair_open_tls(int ctl, const char *id)
{
	return open_over("tls", ctl, id, "", "");
}
