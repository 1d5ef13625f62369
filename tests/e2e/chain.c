/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Common steps of the tests that send real messages through the whole chain.
 */
#include "chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sender_ends(struct proc *sender, int code, int timeout_ms)
{
	int got = proc_wait(sender, timeout_ms);

	if(got != code)
		cr_assert_fail("the sender ended with %d instead of %d: %s", got, code,
				proc_stderr(sender));
}

json_t *received(struct proc *receiver, int nth)
{
	return proc_event_n(receiver, "received", nth, 30000);
}

const char *received_file(struct proc *receiver, int nth)
{
	const char *file = event_text(received(receiver, nth), "file");

	cr_assert(file != NULL, "the receiver has written no file");
	return file;
}

/* The command line of a client: what it always has, then the test's options.
 */
static struct proc *start(
		struct lab *lab, bool send, const char *file, const char *const o[])
{
	const char *a[12];
	int n = 0;

	while(o && o[n] && n < 12) {
		a[n] = o[n];
		n++;
	}
	while(n < 12)
		a[n++] = NULL;
	if(send)
		return client_send(lab, "alice", "--to", BOB, "--file", file, a[0],
				a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10],
				a[11], NULL);
	return client_receive(lab, "bob", "--count", "1", a[0], a[1], a[2], a[3],
			a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], NULL);
}

int received_copies(struct proc *receiver, const char *file)
{
	json_t *all = proc_events(receiver, "received"), *e;
	const char *sum = file_sha256(file);
	size_t i;
	int n = 0;

	json_array_foreach(all, i, e)
	{
		n += strcmp(file_sha256(event_text(e, "file")), sum) == 0;
	}
	return n;
}

void gets_file(struct proc *receiver, const char *file)
{
	for(int n = 0; n < 20; n++) {
		proc_event_n(receiver, "received", n, 30000);
		if(received_copies(receiver, file) > 0)
			return;
	}
	cr_assert_fail("%s is not among what the client got", file);
}

json_t *pass_file(struct lab *lab, const char *file,
		const char *const alice_opts[], const char *const bob_opts[])
{
	struct proc *bob = start(lab, false, NULL, bob_opts);
	struct proc *alice = start(lab, true, file, alice_opts);

	sender_ends(alice, SENT, 60000);
	cr_assert_str_eq(file_sha256(received_file(bob, 0)), file_sha256(file));
	cr_assert_eq(proc_wait(bob, 15000), 0);
	return received(bob, 0);
}

bool sdp_has(json_t *event, const char *line)
{
	const char *sdp = event_text(event, "sdp");

	cr_assert(sdp != NULL, "no SDP in the event");
	for(const char *at = sdp; (at = strstr(at, line)) != NULL; at++)
		if((at == sdp || at[-1] == '\n')
				&& (at[strlen(line)] == '\r' || at[strlen(line)] == '\n'))
			return true;
	return false;
}

void header_is(json_t *event, const char *name, const char *value)
{
	const char *got = event_header(event, name);

	cr_assert(got != NULL && strcmp(got, value) == 0,
			"%s is \"%s\" instead of \"%s\"", name, got ? got : "(absent)",
			value);
}

void header_has(json_t *event, const char *name, const char *part)
{
	const char *got = event_header(event, name);

	cr_assert(got != NULL && strstr(got, part) != NULL,
			"%s is \"%s\", without \"%s\"", name, got ? got : "(absent)", part);
}

void header_absent(json_t *event, const char *name)
{
	const char *got = event_header(event, name);

	cr_assert(got == NULL, "%s should be absent, but is \"%s\"", name, got);
}

long relay_memory(struct lab *lab, const char *what)
{
	long pid = strtol(file_text(fmt("%s/run/relay.pid", lab->dir)), NULL, 10);
	const char *at;

	FILE *f = fopen(fmt("/proc/%ld/status", pid), "r");
	char text[8192] = "";

	cr_assert(pid > 1 && f != NULL, "no process of the relay");
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	at = strstr(text, what);
	cr_assert(at != NULL, "no %s", what);
	return strtol(at + strlen(what) + 1, NULL, 10);
}

long long chain_stored(struct lab *lab)
{
	return event_number(
			lab_relayctl(lab, "deferred", "count", NULL), "messages");
}

void chain_stored_wait(struct lab *lab, long long n)
{
	for(int i = 0; i < 300; i++) {
		if(chain_stored(lab) == n)
			return;
		sleep_ms(100);
	}
	cr_assert_fail(
			"%lld messages in the store, %lld awaited", chain_stored(lab), n);
}

bool under_sanitizer(void)
{
	const char *bin = getenv("CPM_BIN");

	return bin && strstr(bin, "asan") != NULL;
}
