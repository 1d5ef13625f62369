/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scenes of the terminating half (cfg_scenes.h): what the operator's tables
 * say of a recipient, what is kept for somebody who is away, and how he gets
 * it.
 */
#include <string.h>

#include "cfg_scenes.h"
#include "chain.h"

#define DAVE "sip:dave@cpm.test"
#define FUNCTION "sip:deferred@cpm.test"

static const char *text, *photo; /* what dave gets later */

static void blocked(struct stage *s)
{
	const char *pair = BOB "|sip:alice@cpm.test";

	lab_rpc(s->lab, "cpm", fmt("htable.sets cpm_blocked %s 1", pair));
	scene_refused(ALICE(s, REFUSED, "--to", BOB, "--text", "x"),
			"127 Service not authorised");
	/* the step's own refusal, not that of cpm_terminating() behind it */
	cr_assert_eq(lab_log_count(s->lab, "cpm", "refused: 127") > 0, s->by_steps);
	/* spelled in another way he is the same */
	scene_refused(ALICE(s, REFUSED, "--to", "sip:bob@cpm.test;x=y", "--file",
						  test_file("photo", 20000, false)),
			"127 Service not authorised");
	lab_rpc(s->lab, "cpm", fmt("htable.delete cpm_blocked %s", pair));
}

static void rules_of_a_recipient(struct stage *s)
{
	scene_rule(s, "bob", "to_authorised=0");
	scene_refused(ALICE(s, REFUSED, "--to", BOB, "--text", "x"),
			"127 Service not authorised");
	scene_rule(s, "bob", "authorised=0;to_anonymity=0");
	scene_refused(ALICE(s, REFUSED, "--to", BOB, "--text", "x", "--anonymous"),
			"119 Anonymity not allowed");
	scene_rule(s, "bob", "to_max_message=100;to_min_version=3.0");
	scene_refused(ALICE(s, REFUSED, "--to", BOB, "--text", "x"),
			"132 Version not supported");
	scene_rule(s, "bob", "to_max_message=100");
	scene_refused(
			ALICE(s, REFUSED, "--to", BOB, "--text", "x"), "133 Size exceeded");
	/* what is said of him as a sender is not about what he gets */
	scene_rule(s, "bob", "authorised=0");
	ALICE(s, SENT, "--to", BOB, "--text", "x");
	received(s->bob, s->bob_got++);
	scene_rule(s, "bob", "");
}

static void not_kept(struct stage *s)
{
	scene_rule(s, "dave", "defer=0");
	cr_assert_eq(event_number(ALICE(s, REFUSED, "--to", DAVE, "--text", "x"),
						 "status"),
			480);
	cr_assert_eq(event_number(ALICE(s, REFUSED, "--to", DAVE, "--file",
									  test_file("photo", 20000, false)),
						 "status"),
			480);
	scene_rule(s, "dave", "");
}

static void kept(struct stage *s)
{
	text = test_file("later", 200, true);
	photo = test_file("photo-later", 50000, false);
	cr_assert_eq(event_number(ALICE(s, SENT, "--to", DAVE, "--file", text),
						 "status"),
			202);
	cr_assert_eq(event_number(ALICE(s, SENT, "--to", "tel:+15550104", "--file",
									  photo),
						 "msrp_status"),
			200);
}

static void listed_fetched_and_pushed(struct stage *s)
{
	/* a client that is told, and takes nothing by itself */
	struct proc *dave = client_receive(s->lab, "dave", "--tags", "deferred",
			"--subscribe", FUNCTION, NULL);
	json_t *refs = json_object_get(proc_event(dave, "notify", 10000), "refs");
	struct proc *p;

	cr_assert_eq(json_array_size(refs), 2);
	p = client_fetch(s->lab, "dave", "--local", lab_addr(s->lab, 204), "--ref",
			json_string_value(json_array_get(refs, 1)), NULL);
	cr_assert_str_eq(file_sha256(received_file(p, 0)), file_sha256(photo));
	cr_assert_eq(proc_wait(p, 10000), 0);
	p = client_receive(s->lab, "dave#2", "--count", "1", NULL);
	cr_assert_str_eq(file_sha256(received_file(p, 0)), file_sha256(text));
	cr_assert_eq(proc_wait(p, 10000), 0);
	proc_signal(dave, 15);
	proc_wait(dave, 10000);
}

static void copies(struct stage *s)
{
	struct proc *tablet =
			client_receive(s->lab, "alice#2", "--count", "1", NULL);
	const char *copied = test_file("copied", 100, true);

	scene_rule(s, "alice", "direct_delivery=0");
	ALICE(s, SENT, "--to", BOB, "--text", "of this there is no copy");
	received(s->bob, s->bob_got++);
	scene_rule(s, "alice", "");
	ALICE(s, SENT, "--to", BOB, "--file", copied);
	received(s->bob, s->bob_got++);
	cr_assert_str_eq(
			file_sha256(received_file(tablet, 0)), file_sha256(copied));
	cr_assert_str_eq(
			event_text(received(tablet, 0), "cpim.Message-Direction"), "sent");
	cr_assert_eq(proc_wait(tablet, 10000), 0);
}

const struct scene scenes_term[] = {
		{"a sender whom the recipient has blocked is refused with 127",
				blocked},
		{"rules of a recipient", rules_of_a_recipient},
		{"a rule against deferral: 480", not_kept},
		{"messages for somebody who is away are kept", kept},
		{"he is told, fetches one, gets the other when he registers",
				listed_fetched_and_pushed},
		{"a rule for copies to the sender's other clients", copies},
		{NULL, NULL}};
