/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link between Kamailio and the relay when the relay misbehaves
 * (fake_relay.h): silence, garbage, lost connections, restarts, a full queue;
 * and what operators see of it. The core is played by the test (b2b_ua.h).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "b2b_flow.h"
#include "fake_relay.h"

E2E_SUITE(link);

static struct lab *lab;
static struct ua *ua;

/* A lab whose relay the test plays; commands have a second. */
static void begin_without(const char *parts, const char *cfg)
{
	lab = lab_own(fmt("LAB_WITHOUT=%s", parts),
			fmt("LAB_CPM_CFG_EXTRA=modparam(\"cpm\", \"relay_timeout\", 1000)\n"
				"modparam(\"cpm\", \"relay_reconnect_min\", 20)\n"
				"modparam(\"cpm\", \"relay_reconnect_max\", 200)\n%s",
					cfg ? cfg : ""),
			NULL);
	ua = ua_open(lab->core_ip, lab->pf_ip);
}

static void begin(const char *cfg)
{
	begin_without("core isf relay", cfg);
}

static long long stat(const char *name)
{
	return lab_stat(lab, name);
}

/* Wait until a statistic has at least that value. */
static void stat_reaches(const char *name, long long least)
{
	for(int i = 0; i < 80 && stat(name) < least; i++)
		sleep_ms(50);
	cr_assert_geq(stat(name), least, "%s is %lld", name, stat(name));
}

/* Wait until a statistic is zero: what ends a call is still on its way when its
 * answer is here. */
static void stat_empties(const char *name)
{
	for(int i = 0; i < 80 && stat(name) > 0; i++)
		sleep_ms(50);
	cr_assert_eq(stat(name), 0, "%s is %lld", name, stat(name));
}

/* A call is set up and refused by the callee: the link works both ways. */
static void expect_service(void)
{
	struct call *a, *b;

	stat_reaches("link_up", 1);
	a = call_invite(ua, NULL);
	b = call_incoming(ua, 4000);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 3000);
}

/* An INVITE is refused for want of the relay. */
static void expect_503(int timeout_ms)
{
	struct call *a = call_invite(ua, NULL);

	ua_wait(ua, "503/INVITE", a->call_id, timeout_ms);
}

E2E_TEST(link, a_relay_that_starts_later_is_found, "no order of starting")
{
	struct fake *f;
	json_t *hello;

	begin(NULL);
	expect_503(3000);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.relays"), "state: waiting"));
	f = fake_start(lab, NULL);
	hello = fake_wait(f, "hello", 0, 3000);
	cr_assert_eq(json_integer_value(json_object_get(hello, "version")), 1);
	cr_assert(json_is_true(json_object_get(hello, "events")));
	cr_assert_str_eq(json_string_value(json_object_get(hello, "owner")),
			fmt("pf%d", lab->n));
	expect_service();
	fake_wait(f, "session.close", 0, 3000);
	fake_stop(f);
}

E2E_TEST(link, a_command_without_its_answer_is_sent_again_after_reconnection,
		"the same command with the same parameters")
{
	struct fake *f;
	struct call *a, *b;
	json_t *first, *again;

	begin(NULL);
	f = fake_start(lab, NULL);
	stat_reaches("link_up", 1);
	fake_set(f, "session.create", FAKE_CLOSE);
	a = call_invite(ua, NULL);
	first = fake_wait(f, "session.create", 0, 3000);
	fake_set(f, "session.create", FAKE_OK);
	again = fake_wait(f, "session.create", 1, 3000);
	cr_assert(json_equal(first, again));
	b = call_incoming(ua, 3000);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 3000);
	cr_assert_geq(stat("link_resent"), 1);
	cr_assert_eq(stat("link_restarts"), 0);
	fake_stop(f);
}

E2E_TEST(link, unreadable_input_costs_the_connection_and_nothing_else,
		"no JSON, a batch, a line without end, half an answer")
{
	static const struct
	{
		enum fake_how how;
		const char *log;
		bool garbage;
	} cases[] = {
			{FAKE_NOT_JSON, "not JSON", true},
			{FAKE_BATCH, "connection lost \\(input of 5 bytes", true},
			{FAKE_LONG, "line of more than 65536 bytes", true},
			{FAKE_HALF, "closed by the relay", false},
	};
	struct fake *f;
	long long garbage = 0;

	begin(NULL);
	f = fake_start(lab, NULL);
	expect_service();
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fake_set(f, "session.create", cases[i].how);
		expect_503(4000);
		lab_log_wait(lab, "cpm", cases[i].log, 3000);
		if(cases[i].garbage)
			cr_assert_gt(stat("link_garbage"), garbage);
		garbage = stat("link_garbage");
		fake_set(f, "session.create", FAKE_OK);
		expect_service();
	}
	stat_empties("link_pending");
	fake_stop(f);
}

E2E_TEST(link, answers_that_nobody_waits_for_are_counted_and_passed_over,
		"wrong ids, unknown notifications, late answers")
{
	struct fake *f;

	begin(NULL);
	f = fake_start(lab, NULL);
	fake_set(f, "session.create", FAKE_STRANGE);
	expect_service();
	cr_assert_geq(stat("link_stray"), 3);
	fake_send(f,
			"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":1,"
			"\"type\":\"leg.bound\",\"session\":\"no-such\",\"leg\":\"1\"}}");
	fake_send(f, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{}}");
	fake_send(f, "{\"jsonrpc\":\"2.0\",\"method\":\"event\"}");
	stat_reaches("link_events", 3);
	expect_service();
	cr_assert_eq(stat("link_connects"), 1);
	cr_assert_eq(stat("link_garbage"), 0);
	fake_stop(f);
}

E2E_TEST(link, a_silent_relay_is_given_up_and_found_again,
		"commands end at their deadline, then 503 at once")
{
	struct fake *f;

	begin(NULL);
	f = fake_start(lab, NULL);
	expect_service();
	stat_empties("sessions");
	fake_set(f, "session.create", FAKE_MUTE);
	fake_set(f, "session.close", FAKE_MUTE);
	fake_set(f, "hello", FAKE_MUTE);
	fake_set(f, "ping", FAKE_MUTE);
	expect_503(2000);
	cr_assert_eq(stat("link_timeouts"), 1);
	lab_log_wait(lab, "cpm", "connection lost \\(silent for", 1000);
	cr_assert_eq(stat("link_up"), 0);
	sleep_ms(1200); /* away for longer than relay_timeout: no waiting */
	expect_503(300);
	cr_assert_geq(stat("link_refused"), 1);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.relays"), "state: hello")
			|| strstr(lab_rpc(lab, "cpm", "cpm.relays"), "state: waiting"));
	fake_set(f, "session.create", FAKE_OK);
	fake_set(f, "session.close", FAKE_OK);
	fake_set(f, "hello", FAKE_OK);
	expect_service();
	fake_stop(f);
}

E2E_TEST(link, an_idle_relay_is_pinged, "a hang is noticed before a call")
{
	struct fake *f;

	begin(NULL);
	f = fake_start(lab, NULL);
	stat_reaches("link_up", 1);
	fake_wait(f, "ping", 0, 7000);
	cr_assert_eq(stat("link_connects"), 1);
	fake_set(f, "ping", FAKE_MUTE);
	lab_log_wait(lab, "cpm", "connection lost \\(silent for", 8000);
	stat_reaches("link_connects", 2);
	fake_stop(f);
}

E2E_TEST(link, hello_in_another_version_is_not_accepted,
		"an error to hello; the reason is in cpm.relays")
{
	struct fake *f;

	begin(NULL);
	f = fake_start(lab, NULL);
	fake_set(f, "hello", FAKE_ERROR);
	fake_drop(f);
	lab_log_wait(lab, "cpm", "not in service|connection lost", 3000);
	fake_wait(f, "hello", 3, 3000);
	cr_assert(strstr(lab_rpc(lab, "cpm", "cpm.relays"),
					  "last_error: hello refused: limit reached")
			!= NULL);
	expect_503(3000);
	fake_set(f, "hello", FAKE_OK);
	expect_service();
	fake_stop(f);
}

E2E_TEST(link, a_full_queue_refuses_at_once_and_recovers,
		"bounded, 503, nothing leaks")
{
	struct fake *f;
	int refused = 0;
	long long connects;

	/* time enough to see who is refused before the others are given up */
	begin("modparam(\"cpm\", \"relay_queue\", 16)\n"
		  "modparam(\"cpm\", \"relay_timeout\", 3000)");
	f = fake_start(lab, NULL);
	expect_service();
	connects = stat("link_connects");
	fake_set(f, "session.create", FAKE_MUTE);
	for(int i = 0; i < 24; i++)
		call_invite(ua, NULL);
	ua_idle(ua, 400);
	refused = ua_count(ua, "503/INVITE", NULL);
	cr_assert(refused >= 7 && refused <= 9, "%d of 24 refused", refused);
	for(int i = 0; i < 200 && ua_count(ua, "503/INVITE", NULL) < 24; i++)
		ua_idle(ua, 50);
	/* the deadline of the others; the fake said nothing all the time */
	cr_assert_geq(ua_count(ua, "503/INVITE", NULL), 24);
	fake_set(f, "session.create", FAKE_OK);
	/* the silent connection has been given up for a new one */
	stat_reaches("link_connects", connects + 1);
	expect_service();
	stat_empties("sessions");
	fake_stop(f);
}

E2E_TEST(link, failures_leave_no_shared_memory_behind,
		"timeouts, lost connections, errors, restarts")
{
	static const enum fake_how how[] = {
			FAKE_MUTE, FAKE_ERROR, FAKE_CLOSE, FAKE_NOT_JSON, FAKE_HALF};
	struct fake *f;
	long long base;

	begin("modparam(\"tm\", \"wt_timer\", 1000)");
	f = fake_start(lab, NULL);
	expect_service();
	for(int i = 0; i < 80 && stat("sessions") > 0; i++)
		sleep_ms(100);
	sleep_ms(2500);
	base = lab_shm_used(lab);
	for(size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
		fake_set(f, "session.create", how[i]);
		for(int n = 0; n < 10; n++)
			call_invite(ua, NULL);
		stat_reaches("failed_relay", 10 * (long long)(i + 1));
		fake_set(f, "session.create", FAKE_OK);
		stat_reaches("link_up", 1);
	}
	expect_service();
	lab_shm_back(lab, base);
	fake_stop(f);
}

E2E_TEST(link, sessions_of_an_earlier_life_are_closed,
		"Kamailio was restarted under a running relay")
{
	struct fake *f;
	json_t *p;

	begin(NULL);
	f = fake_start(lab, NULL);
	expect_service();
	fake_list(f, "0badcafe-000000000001,older");
	lab_part(lab, "restart", "cpm");
	fake_wait(f, "hello", 1, 3000);
	for(int i = 0; i < 2; i++) {
		static const char *const old[] = {"0badcafe-000000000001", "older"};
		bool closed = false;

		for(int t = 0; t < 100 && !closed; t++) {
			for(int n = 0; n < fake_count(f, "session.close"); n++) {
				p = fake_wait(f, "session.close", n, 0);
				closed |=
						strcmp(json_string_value(json_object_get(p, "session")),
								old[i])
						== 0;
			}
			sleep_ms(10);
		}
		cr_assert(closed, "%s was not closed", old[i]);
	}
	fake_list(f, "");
	expect_service();
	fake_stop(f);
}

/* ---- the real daemon
 * --------------------------------------------------------- */

static void signal_relay(int sig)
{
	long pid = 0;

	sscanf(file_text(fmt("%s/run/relay.pid", lab->dir)), "%ld", &pid);
	cr_assert_gt(pid, 1);
	cr_assert_eq(kill((pid_t)pid, sig), 0);
}

E2E_TEST(link, a_stopped_daemon_is_noticed_and_service_resumes,
		"SIGSTOP, then SIGCONT; it has kept its sessions")
{
	struct call *a, *b;

	begin_without("core isf", NULL);
	a = flow_establish(ua, &b);
	sleep_ms(300);
	signal_relay(SIGSTOP);
	expect_503(2500);
	for(int i = 0; i < 40 && stat("link_up") != 0; i++)
		sleep_ms(50);
	cr_assert_eq(stat("link_up"), 0);
	signal_relay(SIGCONT);
	stat_reaches("link_up", 1);
	cr_assert_eq(stat("link_restarts"), 0);
	flow_hang_up(a, b);
	expect_service();
	lab_idle(lab, 8000);
}

E2E_TEST(link, a_killed_daemon_is_found_again_when_it_is_back,
		"SIGKILL while a call waits for it; the call goes through")
{
	struct call *a, *b;

	begin_without("core isf", "modparam(\"cpm\", \"relay_timeout\", 8000)");
	expect_service();
	lab_part(lab, "kill", "relay");
	a = call_invite(ua, NULL);
	ua_idle(ua, 200);
	cr_assert_eq(ua_count(ua, "503/INVITE", a->call_id), 0);
	lab_part(lab, "start", "relay");
	b = call_incoming(ua, 6000);
	call_reply(b, 486, NULL, "", "");
	ua_wait(ua, "486/INVITE", a->call_id, 3000);
	cr_assert_eq(stat("link_restarts"), 1);
	lab_idle(lab, 8000);
}
