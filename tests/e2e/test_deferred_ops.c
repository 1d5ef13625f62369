/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an operator does with deferred messages: msrp-relayctl deferred, as
 * table and as JSON, and the RPC of the module.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "relay_defer.h"

E2E_SUITE(deferred_ops);

#define CAROL "sip:carol@example.com"

/* Run msrp-relayctl [-j] deferred ...; its output in *p. */
static int run(const struct rig *r, bool json, struct proc **p, const char *a,
		const char *b, const char *c)
{
	const char *bin = getenv("CPM_BIN") ? getenv("CPM_BIN") : "build/gcc";
	const char *argv[12] = {fmt("%s/msrp-relayctl", bin), "-s", r->sock,
			json ? "-j" : "-w", json ? "deferred" : "10"};
	int n = 5;

	if(!json)
		argv[n++] = "deferred";
	argv[n++] = a;
	argv[n++] = b;
	argv[n] = b ? c : NULL;
	*p = proc_start("relayctl", argv);
	return proc_wait(*p, 15000);
}

static json_t *json_of(
		const struct rig *r, const char *a, const char *b, const char *c)
{
	struct proc *p;
	json_t *o;

	cr_assert_eq(run(r, true, &p, a, b, c), 0, "%s", proc_stderr(p));
	o = json_loads(proc_stdout(p), JSON_DISABLE_EOF_CHECK, NULL);
	cr_assert_not_null(o, "%s", proc_stdout(p));
	return o;
}

/* Does a claim of this user find something? */
static bool claimed(int ctl, const char *user, const char *more)
{
	json_t *r = json_object_get(next_of(ctl, user, more), "result"), *m;

	m = json_object_get(r, "message");
	cr_assert_not_null(m);
	return json_is_object(m);
}

static int lines(const char *text)
{
	int n = 0;

	for(; *text; text++)
		n += *text == '\n';
	return n;
}

E2E_TEST(deferred_ops, messages_are_held_released_requeued_and_deleted,
		"the operator's orders, each seen in list and show")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);
	const char *ref = stored_pager(ctl, BOB, "k1"),
			   *other = stored_pager(ctl, CAROL, "k2");
	struct proc *p;
	json_t *o;

	cr_assert_eq(run(r, false, &p, "list", NULL, NULL), 0);
	cr_assert_eq(lines(proc_stdout(p)), 3, "%s", proc_stdout(p));
	cr_assert_not_null(strstr(proc_stdout(p), "register"));
	cr_assert_eq(run(r, true, &p, "list", "-u", CAROL), 0);
	cr_assert_eq(lines(proc_stdout(p)), 1);
	cr_assert_not_null(strstr(proc_stdout(p), other));

	o = json_of(r, "hold", ref, NULL);
	cr_assert_str_eq(event_text(o, "state"), "held");
	cr_assert_not(claimed(ctl, BOB, ",'any':true"));
	cr_assert_eq(run(r, true, &p, "list", "-S", "held"), 0);
	cr_assert_eq(lines(proc_stdout(p)), 1);
	cr_assert_eq(event_number(json_of(r, "count", NULL, NULL), "messages"), 2);
	cr_assert_eq(run(r, false, &p, "show", ref, NULL), 0);
	cr_assert_not_null(strstr(proc_stdout(p), "held"));
	cr_assert_not_null(strstr(proc_stdout(p), BOB));

	o = json_of(r, "release", ref, NULL);
	cr_assert_str_eq(event_text(o, "state"), "stored");
	o = json_of(r, "requeue", ref, NULL);
	cr_assert_str_eq(event_text(o, "state"), "stored");
	/* both, and the first of them is no more */
	cr_assert_eq(run(r, false, &p, "delete", ref, NULL), 0);
	cr_assert_not_null(strstr(proc_stdout(p), "deleted"));
	cr_assert_eq(run(r, false, &p, "delete", ref, other), 1);
	cr_assert_not_null(strstr(proc_stderr(p), ref));
	cr_assert_not_null(strstr(proc_stdout(p), other));
	cr_assert_eq(event_number(json_of(r, "count", NULL, NULL), "messages"), 0);
}

E2E_TEST(deferred_ops, a_flush_makes_all_of_a_user_due,
		"one user's messages, then everybody's")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);

	stored_pager(ctl, BOB, "k1");
	stored_pager(ctl, BOB, "k2");
	stored_pager(ctl, CAROL, "k3");
	cr_assert_eq(event_number(json_of(r, "flush", "-u", BOB), "messages"), 2);
	cr_assert(claimed(ctl, BOB, ""));
	cr_assert_geq(event_number(json_of(r, "flush", NULL, NULL), "messages"), 1);
	cr_assert(claimed(ctl, CAROL, ""));
}

E2E_TEST(deferred_ops, a_second_flush_is_told_as_soon_as_the_first,
		"and not only when what nobody took is told again, after 5 s")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);

	stored_pager(ctl, BOB, "k1");
	json_of(r, "flush", NULL, NULL);
	ctl_event(ctl, "deferred.due", 10000);
	json_of(r, "flush", NULL, NULL);
	ctl_event(ctl, "deferred.due", 4500);
}

E2E_TEST(deferred_ops, what_cannot_be_done_is_told, "exit codes and words")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);
	const char *ref = stored_pager(ctl, BOB, "k1");
	struct proc *p;

	next_of(ctl, BOB, ",'any':true");
	cr_assert_eq(run(r, false, &p, "hold", ref, NULL), 1);
	cr_assert_not_null(strstr(proc_stderr(p), ref));
	cr_assert_eq(run(r, false, &p, "show", "d-00000000000000000000000000000000",
						 NULL),
			1);
	cr_assert_eq(run(r, false, &p, "show", "nonsense", NULL), 1);
	cr_assert_eq(run(r, false, &p, "show", NULL, NULL), 2);
	cr_assert_eq(run(r, false, &p, "list", "-S", "nonsense"), 1);
	cr_assert_eq(run(r, false, &p, "list", "-n", "0"), 2);
	cr_assert_eq(run(r, false, &p, "hold", NULL, NULL), 2);
	cr_assert_eq(run(r, false, &p, "nonsense", NULL, NULL), 2);
}

E2E_TEST(deferred_ops, more_than_a_page_is_listed_in_order,
		"300 messages, oldest first; -n cuts")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);
	const char *first = stored_pager(ctl, BOB, "k0");
	const char *text;
	struct proc *p;

	for(int i = 1; i < 300; i++)
		stored_pager(ctl, BOB, fmt("k%d", i));
	cr_assert_eq(run(r, true, &p, "list", NULL, NULL), 0);
	text = proc_stdout(p);
	cr_assert_eq(lines(text), 300);
	cr_assert_leq(strstr(text, first), strchr(text, '\n'));
	cr_assert_eq(run(r, true, &p, "list", "-n", "7"), 0);
	cr_assert_eq(lines(proc_stdout(p)), 7);
}

E2E_TEST(deferred_ops, the_module_tells_what_it_pushes, "cpm.deferred")
{
	struct lab *lab = lab_shared();

	cr_assert_eq(lab_rpc_number(lab, "cpm.deferred", "pushing"), 0);
	cr_assert_geq(lab_rpc_number(lab, "cpm.deferred", "stored"), 0);
	cr_assert_eq(
			lab_rpc_number(lab, "cpm.deferred sip:bob@cpm.test", "pushing"), 0);
}

/* A metric of deferred messages, as Prometheus reads it. */
static long long metric(const struct rig *r, const char *name)
{
	const char *text = rig_http(r, "GET /metrics HTTP/1.0\r\n\r\n");
	const char *at = strstr(text, fmt("\nmsrp_relay_deferred_%s ", name));

	cr_assert_not_null(at, "no metric %s", name);
	return strtoll(strchr(at, ' ') + 1, NULL, 10);
}

static void metric_reaches(const struct rig *r, const char *name, long long n)
{
	for(int i = 0; i < 200 && metric(r, name) < n; i++)
		sleep_ms(50);
	cr_assert_geq(metric(r, name), n, "%s", name);
}

E2E_TEST(deferred_ops, metrics_follow_what_is_stored_delivered_and_expires,
		"stored, delivered, expired, failed, deleted, retries, bytes, age of "
		"the oldest; all that the manual lists are there")
{
	struct rig *r = rig_start("store = sqlite");
	int ctl = ctl_serving(r);
	const char *body = pager_body("", "hello"), *ref;
	const char *man =
			file_text(fmt("%s/msrp-relay/doc/msrp-relay.8", e2e_root()));
	long long size = (long long)strlen(body);
	char name[64];
	json_t *a;

	ref = event_text(put_pager(ctl, BOB, "k1", body, ""), "result.ref");
	put_pager(ctl, CAROL, "k2", body, ",'lifetime_s':1");
	cr_assert_eq(metric(r, "stored_total"), 2);
	cr_assert_eq(metric(r, "messages"), 2);
	cr_assert_eq(metric(r, "bytes"), 2 * size);
	cr_assert_eq(metric(r, "available"), 1);
	metric_reaches(r, "expired_total", 1);
	metric_reaches(r, "oldest_seconds", 1);
	cr_assert_eq(metric(r, "messages"), 1);
	a = next_of(ctl, BOB, ",'any':true");
	settle(ctl, ref, event_number(a, "result.message.fence"),
			"'outcome':'retry','retry_ms':0");
	cr_assert_eq(metric(r, "retries_total"), 1);
	a = next_of(ctl, BOB, ",'any':true");
	settle(ctl, ref, event_number(a, "result.message.fence"),
			"'outcome':'delivered'");
	cr_assert_eq(metric(r, "claims_total"), 2);
	cr_assert_eq(metric(r, "delivered_total"), 1);
	cr_assert_eq(metric(r, "bytes"), 0);
	ref = stored_pager(ctl, BOB, "k3");
	a = next_of(ctl, BOB, ",'any':true");
	settle(ctl, ref, event_number(a, "result.message.fence"),
			"'outcome':'failed'");
	cr_assert_eq(metric(r, "failed_total"), 1);
	ref = stored_pager(ctl, BOB, "k4");
	ctl_call(ctl, "deferred.delete", fmt("{'ref':'%s'}", ref));
	cr_assert_eq(metric(r, "deleted_total"), 1);
	cr_assert_eq(metric(r, "messages"), 0);
	man = strstr(man, ".It Cm deferred_");
	for(; man; man = strstr(man + 1, ".It Cm deferred_")) {
		cr_assert_eq(sscanf(man, ".It Cm deferred_%63[a-z_]", name), 1);
		metric(r, name);
	}
}
