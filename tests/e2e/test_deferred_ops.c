/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an operator does with deferred messages: msrp-relayctl deferred, as
 * table and as JSON, and the RPC of the module.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
