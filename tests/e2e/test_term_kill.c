/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pager message whose put into the store has happened, while the PF does not
 * know it yet: whoever dies then, its sender gets a true answer, and the
 * message is there once.
 */
#include <signal.h>
#include <string.h>

#include "ctl_tap.h"
#include "keep_flow.h"

E2E_SUITE(term_kill);

static struct own o;
static struct tap *tap;

/* m1 for bob has been stored, and nobody was told. Its Call-ID, and the text
 * for its retransmission. */
static const char *stored_unknown(const char **text)
{
	const char *call_id;

	keep_start(&o, NULL);
	lab_expect_log(o.lab, "cpm", "relay");
	tap = tap_start(o.lab);
	own_restart(&o);
	tap_hold(tap, "deferred.put");
	*text = req_text(o.ua,
			&REQ(.body = keep_body("m1", NULL),
					.route = fmt("<sip:term@%s:5060;lr>, "
								 "<sip:mark@%s:5060;lr;d=term>",
							o.lab->pf_ip, o.lab->core_ip)),
			&call_id);
	ua_send(o.ua, *text);
	keep_count(&o, 1);
	cr_assert(ua_poll(o.ua, "202/MESSAGE", call_id, 200) == NULL);
	return call_id;
}

/* It is there once, and bob gets it once. */
static void is_one(void)
{
	keep_answer(&o, keep_send(&o, NULL, keep_body("m1", NULL)), 202);
	keep_count(&o, 1);
	term_register(&o, PHONE);
	ua_answer(o.ua, keep_at(&o, PHONE), 200, "");
	keep_count(&o, 0);
	cr_assert_eq(keep_sent(&o), 1);
}

E2E_TEST(term_kill, kamailio_between_the_commit_and_the_202,
		"TL-17: the retransmission gets the 202; one copy is stored, one is "
		"delivered")
{
	const char *text, *call_id = stored_unknown(&text);

	kill(-proc_pid(o.pf), SIGKILL);
	proc_wait(o.pf, 5000);
	tap_stop(tap);
	own_again(&o);
	ua_send(o.ua, text);
	keep_answer(&o, call_id, 202);
	is_one();
}

E2E_TEST(term_kill, relay_between_the_commit_and_its_answer,
		"TL-17: the PF asks again and answers 202 when it knows; one copy is "
		"stored, one is delivered")
{
	const char *text, *call_id = stored_unknown(&text);

	lab_part(o.lab, "kill", "relay");
	tap_stop(tap);
	lab_part(o.lab, "start", "relay");
	keep_answer(&o, call_id, 202);
	is_one();
}
