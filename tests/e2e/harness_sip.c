/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Users of the lab: the CPM client, SIPp, and what tshark saw of both.
 */
#include "internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define ARGS_MAX 96

/* The users of docs/lab.md; a device is "name#2", "name#3". */
static const struct
{
	const char *name;
	int n;
} users[] = {{"alice", 1}, {"bob", 2}, {"carol", 3}, {"dave", 4}, {"erin", 5},
		{"frank", 6}, {"mallory", 9}};

/* Last number of the address: 100 + user, 20 more for each further device. */
static int user_host(const char *user, char *name, size_t size)
{
	const char *hash = strchr(user, '#');
	int device = hash ? (int)strtol(hash + 1, NULL, 10) : 1;

	snprintf(name, size, "%.*s", hash ? (int)(hash - user) : (int)strlen(user),
			user);
	for(size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if(strcmp(users[i].name, name) == 0)
			return 100 + users[i].n + 20 * (device - 1);
	cr_assert_fail("no user %s in the lab", user);
	return 0;
}

static const char *bin(const char *program)
{
	const char *dir = getenv("CPM_BIN");

	return fmt("%s/%s", dir ? dir : fmt("%s/build/gcc", e2e_root()), program);
}

static int has_arg(const char *const argv[], const char *arg)
{
	for(int i = 0; argv[i]; i++)
		if(strcmp(argv[i], arg) == 0)
			return 1;
	return 0;
}

static struct proc *client_start(struct lab *lab, const char *command,
		const char *user, const char *out, va_list ap)
{
	const char *argv[ARGS_MAX] = {bin("cpm-client"), command}, *arg;
	char name[32];
	int host = user_host(user, name, sizeof(name)), n = 2;

	argv[n++] = "--user";
	argv[n++] = fmt("%s", name);
	argv[n++] = "--password";
	argv[n++] = fmt("%s-secret", name);
	argv[n++] = "--domain";
	argv[n++] = "cpm.test";
	argv[n++] = "--proxy";
	argv[n++] = lab->core_ip;
	if(out) {
		argv[n++] = "--out";
		argv[n++] = out;
	}
	while((arg = va_arg(ap, const char *)) != NULL && n < ARGS_MAX - 3)
		argv[n++] = arg;
	argv[n] = NULL;
	if(!has_arg(argv, "--local")) {
		/* a sender may run beside the same user's receiver */
		argv[n++] = "--local";
		argv[n++] = lab_addr(lab, out ? host : host + 100);
	}
	argv[n] = NULL;
	return proc_start(fmt("%s-%s", command, user), argv);
}

/* Where each receiver writes, found again by its process. */
static struct
{
	struct proc *p;
	const char *dir;
} receivers[64];
static int n_receivers;

static struct proc *receiver(
		struct lab *lab, const char *command, const char *user, va_list ap)
{
	const char *out = test_path(fmt("received-%d-%s", n_receivers, user));
	struct proc *p;

	cr_assert(n_receivers < 64);
	mkdir(out, 0755);
	p = client_start(lab, command, user, out, ap);
	receivers[n_receivers].p = p;
	receivers[n_receivers++].dir = out;
	return p;
}

struct proc *client_receive(struct lab *lab, const char *user, ...)
{
	struct proc *p;
	va_list ap;

	va_start(ap, user);
	p = receiver(lab, "receive", user, ap);
	va_end(ap);
	json_decref(proc_event(p, "registered", 10000));
	return p;
}

struct proc *client_fetch(struct lab *lab, const char *user, ...)
{
	struct proc *p;
	va_list ap;

	va_start(ap, user);
	p = receiver(lab, "fetch", user, ap);
	va_end(ap);
	return p;
}

struct proc *client_send(struct lab *lab, const char *user, ...)
{
	struct proc *p;
	va_list ap;

	va_start(ap, user);
	p = client_start(lab, "send", user, NULL, ap);
	va_end(ap);
	return p;
}

const char *client_out_dir(struct proc *receiver)
{
	for(int i = 0; i < n_receivers; i++)
		if(receivers[i].p == receiver)
			return receivers[i].dir;
	cr_assert_fail("not a receiver");
	return NULL;
}

static json_t *event_at(json_t *event, const char *path)
{
	char key[128];

	while(event && *path) {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		if(json_is_array(event))
			event = json_array_get(event, (size_t)strtol(key, NULL, 10));
		else
			event = json_object_get(event, key);
		path += n + (path[n] == '.');
	}
	return event;
}

const char *event_text(json_t *event, const char *path)
{
	return json_string_value(event_at(event, path));
}

long long event_number(json_t *event, const char *path)
{
	json_t *v = event_at(event, path);

	return json_is_integer(v) ? json_integer_value(v) : -1;
}

const char *event_header(json_t *event, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(event, "headers"), key, value)
	{
		if(strcasecmp(key, name) == 0)
			return json_string_value(value);
	}
	return NULL;
}

struct proc *sipp_start(struct lab *lab, const char *scenario, int local,
		const char *remote, ...)
{
	const char *argv[ARGS_MAX] = {"sipp"}, *arg;
	const char *base = fmt("%s-%d", scenario, local);
	int n = 1;
	va_list ap;

	if(remote)
		argv[n++] = remote;
	argv[n++] = "-sf";
	argv[n++] = fmt("%s/tests/sipp/%s", e2e_root(), scenario);
	argv[n++] = "-i";
	argv[n++] = lab_addr(lab, local);
	va_start(ap, remote);
	while((arg = va_arg(ap, const char *)) != NULL && n < ARGS_MAX - 20)
		argv[n++] = arg;
	va_end(ap);
	argv[n] = NULL;
	if(!has_arg(argv, "-p")) {
		argv[n++] = "-p";
		argv[n++] = "5060";
	}
	argv[n] = NULL;
	if(!has_arg(argv, "-m")) {
		argv[n++] = "-m";
		argv[n++] = "1";
	}
	argv[n] = NULL;
	if(!has_arg(argv, "-timeout")) {
		argv[n++] = "-timeout";
		argv[n++] = "40s";
	}
	argv[n++] = "-timeout_error";
	argv[n++] = "-nostdin";
	argv[n++] = "-trace_err";
	argv[n++] = "-error_file";
	argv[n++] = test_path(fmt("%s.errors", base));
	argv[n++] = "-trace_msg";
	argv[n++] = "-message_file";
	argv[n++] = test_path(fmt("%s.messages", base));
	argv[n] = NULL;
	return proc_start(fmt("sipp-%s", base), argv);
}

void sipp_ok(struct proc *p, int timeout_ms)
{
	int code = proc_wait(p, timeout_ms);

	if(code != 0)
		cr_assert_fail("SIPp failed (%d); see the .errors and .messages files "
					   "in %s",
				code, test_path(""));
}

const char *pcap_fields(struct lab *lab, const char *filter, ...)
{
	const char *argv[ARGS_MAX] = {"tshark", "-n", "-r",
			fmt("%s/lab.pcap", lab->dir), "-T", "fields", "-Y", filter},
			   *arg;
	struct proc *p;
	int n = 8;
	va_list ap;

	/* the MSRP ports of the relay and of the clients are no well-known ones */
	argv[n++] = "-o";
	argv[n++] = "tcp.try_heuristic_first:TRUE";
	va_start(ap, filter);
	while((arg = va_arg(ap, const char *)) != NULL && n < ARGS_MAX - 3) {
		argv[n++] = "-e";
		argv[n++] = arg;
	}
	va_end(ap);
	argv[n] = NULL;
	sleep_ms(200); /* the capture is written packet by packet */
	p = proc_start("tshark", argv);
	if(proc_wait(p, 30000) != 0)
		cr_assert_fail("tshark failed: %s", proc_stderr(p));
	return proc_stdout(p);
}
