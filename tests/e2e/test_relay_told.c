/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events of deferred messages (msrp-relay/ctl/ctl_deferred_watch.c): who is
 * told what is due, what waits for a registration and what has expired.
 */
#include <string.h>
#include <unistd.h>

#include "relay_defer.h"

E2E_SUITE(relay_told);

#define NEGATIVE                                                               \
	"NS: q <urn:ietf:params:imdn>\r\nq.Message-ID: Xa8f\r\n"                   \
	"q.Disposition-Notification: negative-delivery\r\n"

E2E_TEST(relay_told, what_is_due_is_told_until_somebody_takes_it, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), first = ctl_serving(r), second = ctl_serving(r);
	json_t *a = put_pager(
			ctl, BOB, "k1", pager_body("", "hello"), ",'next_ms':300");
	json_t *e;

	cr_assert_eq(ctl_code(a), 0);
	/* Stored, which is told at once, and due, which is told when it is: each
	 * time to both, for one alone may know where he is. */
	for(int i = 0; i < 4; i++) {
		e = ctl_event(i % 2 ? second : first, "deferred.due", 10000);
		cr_assert_str_eq(event_text(e, "user"), BOB);
	}
	a = next_of(first, BOB, "");
	cr_assert_str_eq(event_text(a, "result.message.user"), BOB);
	a = next_of(second, BOB, "");
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
}

E2E_TEST(relay_told, who_comes_is_told_of_users_that_wait, "TL-18")
{
	struct rig *r = rig_start("");
	int ctl = ctl_hello_fd(r), module;
	json_t *a;

	for(int i = 0; i < 230; i++) {
		a = put_pager(ctl, fmt("sip:u%03d@example.com", i), "k",
				pager_body("", "hello"),
				i == 3 || i == 225 ? "" : ",'next_ms':600000");
		cr_assert_eq(ctl_code(a), 0);
	}
	module = ctl_serving(r);
	a = ctl_event(module, "deferred.due", 10000);
	cr_assert_str_eq(event_text(a, "user"), "sip:u003@example.com");
	a = ctl_event(module, "deferred.due", 10000);
	cr_assert_str_eq(event_text(a, "user"), "sip:u225@example.com");
	/* Users' events are for all, and nobody is told twice. */
	close(module);
	module = ctl_serving(r);
	a = ctl_event(module, "deferred.due", 10000);
	cr_assert_str_eq(event_text(a, "user"), "sip:u003@example.com");
}

E2E_TEST(relay_told, an_expired_message_is_claimed_by_name_or_removed, "")
{
	struct rig *r = rig_start("");
	int ctl = ctl_serving(r);
	const char *wanted, *other;
	json_t *a, *e, *f;

	a = put_pager(ctl, BOB, "k1", pager_body(NEGATIVE, "x"), ",'lifetime_s':1");
	wanted = event_text(a, "result.ref");
	a = put_pager(ctl, BOB, "k2", pager_body("", "y"), ",'lifetime_s':1");
	other = event_text(a, "result.ref");
	e = ctl_event(ctl, "deferred.expired", 10000);
	f = ctl_event(ctl, "deferred.expired", 10000);
	if(json_is_true(json_object_get(e, "claim"))) {
		json_t *swap = e;
		e = f;
		f = swap;
	}
	cr_assert_str_eq(event_text(e, "ref"), other);
	cr_assert_str_eq(event_text(e, "user"), BOB);
	cr_assert_str_eq(event_text(e, "sender"), ALICE);
	cr_assert_str_eq(event_text(e, "kind"), "pager");
	cr_assert_str_eq(event_text(f, "ref"), wanted);
	cr_assert(json_is_true(json_object_get(f, "claim")));
	/* Nobody gets it to deliver any more. */
	a = next_of(ctl, BOB, ",'any':true");
	cr_assert(json_is_null(
			json_object_get(json_object_get(a, "result"), "message")));
	a = ctl_call(ctl, "deferred.next", fmt("{'ref':'%s'}", wanted));
	cr_assert_str_eq(event_text(a, "result.message.state"), "expiring");
	cr_assert_str_eq(event_text(a, "result.message.imdn.id"), "Xa8f");
	a = settle(ctl, wanted, event_number(a, "result.message.fence"),
			"'outcome':'expired'");
	cr_assert_str_eq(event_text(a, "result.state"), "expired");
	cr_assert_eq(stored_count(ctl), 0);
}
