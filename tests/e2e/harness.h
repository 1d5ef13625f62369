/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What end-to-end tests are made of: labs (tests/lab), processes with a time
 * limit, the CPM client and SIPp, the control interfaces of both programs,
 * logs and captures. README.md beside this file shows how to add a test.
 *
 * Everything here fails the running test (cr_assert_fail) when it cannot do its
 * work, and nothing it starts outlives the test. What it returns lives until
 * the test ends and need not be freed.
 */
#ifndef E2E_HARNESS_H
#define E2E_HARNESS_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds that one test may take before it is killed. */
#define E2E_TIMEOUT_S 90

/* A suite of tests over the lab; further Criterion settings may follow. */
#define E2E_SUITE(name_, ...)                                                  \
	TestSuite(name_, .init = e2e_setup, .fini = e2e_teardown,                  \
			.timeout = E2E_TIMEOUT_S, ##__VA_ARGS__)

/* A test with its clauses and what it shows, for the conformance table:
 * E2E_TEST(large, photo_arrives, "OL-06 OL-24: text") { ... } */
#define E2E_TEST(suite_, name_, clauses_, ...)                                 \
	static void suite_##_##name_##_body(void);                                 \
	Test(suite_, name_, .description = clauses_, ##__VA_ARGS__)                \
	{                                                                          \
		suite_##_##name_##_body();                                             \
		e2e_finish();                                                          \
	}                                                                          \
	static void suite_##_##name_##_body(void)

void e2e_setup(void);
/* What a test must leave behind: nothing. Within the test, for Criterion does
 * not count what fails after it. */
void e2e_finish(void);
void e2e_teardown(void);

/* ---- labs -------------------------------------------------------------- */

struct lab
{
	int n;         /* addresses 127.20.n.x */
	char dir[512]; /* logs, sockets, capture */
	char core_ip[20], pf_ip[20], isf_ip[20], peer_ip[20];
	char cpm_ctl[600]; /* kamcmd's socket of the PF */
	char core_ctl[600];
	char relay_sock[600];
};

/**
 * The lab that tests share, in the usual settings but for LAB_TRIGGERS=orig and
 * LAB_DIRECT=0:
 * what the originating half does is not hidden behind the other one. Started by
 * the first test that asks. A test that stops a part, changes settings or is
 * about the terminating half takes lab_own().
 */
struct lab *lab_shared(void);

/**
 * A lab for this test alone, stopped at its end.
 *
 * @param ... "NAME=value" settings of tests/lab (LAB_WITHOUT=relay,
 *            LAB_PCAP=1), NULL at the end
 */
struct lab *lab_own(const char *setting, ...) __attribute__((sentinel));

/* The second node of a lab of LAB_NODES=2: pf_ip and the sockets are its own,
 * for lab_rpc(), lab_stat(), lab_relayctl(). Logs and parts (cpm2, relay2) are
 * those of the lab itself. */
struct lab *lab_node2(const struct lab *lab);

/* start, stop, restart or kill one part: core, cpm, relay, isf, pg. */
void lab_part(struct lab *lab, const char *command, const char *part);

/* "127.20.n.host". */
const char *lab_addr(const struct lab *lab, int host);

/**
 * Declare a line that the test provokes in a log: lines of ERROR or worse
 * that no declaration covers fail the test.
 *
 * @param part  cpm, relay or core
 * @param regex extended regular expression, searched for in the line
 */
void lab_expect_log(struct lab *lab, const char *part, const char *regex);

/* Count the lines of a part's log since the test began that match. */
int lab_log_count(struct lab *lab, const char *part, const char *regex);

/* Wait until such a line is there; fails the test after the time. */
void lab_log_wait(
		struct lab *lab, const char *part, const char *regex, int timeout_ms);

/* Wait for the nth message (from 0) that the gateway to legacy networks (ISF)
 * has taken since the test began: what cpm-client prints of it, an event
 * "received". X-ISF-URI in its headers is the Request-URI as it came. */
json_t *lab_isf_received(struct lab *lab, int nth, int timeout_ms);

/* ---- control ----------------------------------------------------------- */

/* Output of `kamcmd <command>` on the PF ("cpm" may be "core"). */
const char *lab_rpc(struct lab *lab, const char *part, const char *command);

/* The number behind "key:" in the answer of an RPC; -1 when it is not there. */
long long lab_rpc_number(struct lab *lab, const char *command, const char *key);

/* One value of cpm.stats of the PF: "sessions", "messages_large"; -1 = none. */
long long lab_stat(struct lab *lab, const char *name);

/* Shared memory in use by the PF, bytes. */
long long lab_shm_used(struct lab *lab);

/* Wait until no more than this is in use (what lab_shm_used() said before; tm
 * keeps what is done for its wt_timer, 5 s). Fails after half a minute. */
void lab_shm_back(struct lab *lab, long long before);

/* `msrp-relayctl -j <args>`: the parsed answer. NULL ends the arguments. */
json_t *lab_relayctl(struct lab *lab, const char *arg, ...)
		__attribute__((sentinel));

/* Wait until the PF and the relay hold no session. Fails after the time. */
void lab_idle(struct lab *lab, int timeout_ms);

/* ---- processes --------------------------------------------------------- */

struct proc;

/**
 * Start a program; stdout and stderr go to files in the test's directory.
 *
 * @param name  for files and messages
 * @param argv  NULL at the end; [0] is looked up in PATH
 */
struct proc *proc_start(const char *name, const char *const argv[]);

/* Exit code; 128 + n for a signal. Fails the test after the time. */
int proc_wait(struct proc *p, int timeout_ms);

/* Has it ended? */
bool proc_ended(struct proc *p);

void proc_signal(struct proc *p, int sig);
int proc_pid(const struct proc *p);

/**
 * Stop a Kamailio that the test has started at the PF's address; its exit code.
 * It is told when all of its processes run: one that is being forked does not
 * know yet that it is not the main one and ignores SIGTERM, and Kamailio waits
 * for it for a minute.
 *
 * @param last the process it forks last: "CPM PUSH", with TCP "tcp main"
 */
int lab_stop_kamailio(
		struct lab *lab, struct proc *p, const char *last, int timeout_ms);

/* What it has written so far. */
const char *proc_stdout(struct proc *p);
const char *proc_stderr(struct proc *p);

/* Run to the end; the exit code. */
int proc_run(const char *name, int timeout_ms, const char *const argv[]);

/* All JSON lines of the output so far with this "event"; NULL = all events. */
json_t *proc_events(struct proc *p, const char *event);

/* Wait for the first such line; the nth with proc_event_n (from 0). */
json_t *proc_event(struct proc *p, const char *event, int timeout_ms);
json_t *proc_event_n(
		struct proc *p, const char *event, int nth, int timeout_ms);

/* ---- files ------------------------------------------------------------- */

/* "<directory of this test>/name"; the directory exists. */
const char *test_path(const char *name);

/* Write n random bytes (seed 0: always the same) of "letters only" or binary;
 * the path. */
const char *test_file(const char *name, size_t n, bool text);

/* SHA-256 of a file in hex. */
const char *file_sha256(const char *path);
long long file_size(const char *path);
/* The whole file, NUL-terminated; "" when it is not there. */
const char *file_text(const char *path);

/* printf into memory of the test. */
const char *fmt(const char *format, ...) __attribute__((format(printf, 1, 2)));

void sleep_ms(int ms);

/* ---- clients ----------------------------------------------------------- */

/**
 * Start `cpm-client receive` for a user and wait until it is registered.
 *
 * @param user  alice, bob, ...; "bob#2" is bob's second device
 * @param ...   further options, NULL at the end
 */
struct proc *client_receive(struct lab *lab, const char *user, ...)
		__attribute__((sentinel));

/* Start `cpm-client send`; add "--to", "bob", "--text", "hello", ... */
struct proc *client_send(struct lab *lab, const char *user, ...)
		__attribute__((sentinel));

/* Start `cpm-client fetch`: add "--ref", "d-...". */
struct proc *client_fetch(struct lab *lab, const char *user, ...)
		__attribute__((sentinel));

/* The files a receiver wrote go here: --out is given by client_receive() and
 * client_fetch(). */
const char *client_out_dir(struct proc *receiver);

/* Text or number in an event by "headers.P-Asserted-Service"; NULL, -1. */
const char *event_text(json_t *event, const char *path);
long long event_number(json_t *event, const char *path);

/* The path of a header field in "headers", whatever its case; NULL. */
const char *event_header(json_t *event, const char *name);

/* ---- SIPp -------------------------------------------------------------- */

/**
 * Start SIPp.
 *
 * @param scenario file in tests/sipp
 * @param local    last number of its address, 100 and up
 * @param remote   "ip:port" to call, or NULL for a server scenario
 * @param ...      further options ("-key", "name", "value"), NULL at the end;
 *                 -m 1 unless given
 */
struct proc *sipp_start(struct lab *lab, const char *scenario, int local,
		const char *remote, ...) __attribute__((sentinel));

/* Wait for SIPp's end: fails the test with SIPp's own errors unless it is 0. */
void sipp_ok(struct proc *p, int timeout_ms);

/* ---- captures ---------------------------------------------------------- */

/**
 * Fields of packets in the lab's capture (needs LAB_PCAP=1): one line for each
 * packet, fields separated by tabs.
 *
 * @param filter display filter
 * @param ...    fields, NULL at the end
 */
const char *pcap_fields(struct lab *lab, const char *filter, ...)
		__attribute__((sentinel));

#endif
