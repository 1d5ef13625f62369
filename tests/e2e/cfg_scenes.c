/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scenes: small messages that together touch every line of the routing
 * script. What the module does with them in detail is tested elsewhere.
 */
#include "cfg_scenes.h"

#include <string.h>
#include <unistd.h>

#include "b2b_ua.h"
#include "chain.h"

#define EXPLODER "sip:exploder@cpm.test"

json_t *scene_alice(struct stage *s, int code, const char *const o[10])
{
	struct proc *p = client_send(s->lab, "alice", o[0], o[1], o[2], o[3], o[4],
			o[5], o[6], o[7], o[8], o[9], NULL);

	sender_ends(p, code, 20000);
	return proc_event(p, code == SENT ? "sent" : "failed", 100);
}

/* bob got one more, with this content. */
static json_t *bob_has(struct stage *s, const char *file)
{
	int nth = s->bob_got++;

	cr_assert_str_eq(file_sha256(received_file(s->bob, nth)), file_sha256(file),
			"what bob got differs");
	return received(s->bob, nth);
}

void scene_refused(json_t *failed, const char *warning)
{
	cr_assert_eq(event_number(failed, "status"), 403);
	header_has(failed, "Warning", warning);
}

static void too_many(json_t *failed)
{
	cr_assert_eq(event_number(failed, "status"), 486);
	header_has(failed, "Warning", "102 Too many recipients");
}

/* ---- pager ----------------------------------------------------------------
 */

static void pager_to_one(struct stage *s)
{
	const char *text = test_file("hello", 200, true);
	json_t *got;

	cr_assert_eq(
			event_number(ALICE(s, SENT, "--to", BOB, "--file", text), "status"),
			200);
	got = bob_has(s, text);
	cr_assert_str_eq(event_text(got, "mode"), "pager");
	header_is(got, "P-Asserted-Service",
			"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg");
	header_has(got, "P-Asserted-Identity", "sip:alice@cpm.test");
}

static void pager_answer_is_passed_on(struct stage *s)
{
	cr_assert_eq(event_number(ALICE(s, REFUSED, "--to", "sip:code-486@cpm.test",
									  "--text", "x"),
						 "status"),
			486);
}

static void barred(struct stage *s)
{
	struct proc *p =
			client_send(s->lab, "mallory", "--to", BOB, "--text", "x", NULL);

	sender_ends(p, REFUSED, 15000);
	scene_refused(proc_event(p, "failed", 100), "127 Service not authorised");
}

static void anonymity(struct stage *s)
{
	struct proc *p = client_send(
			s->lab, "bob", "--to", CAROL, "--text", "x", "--anonymous", NULL);

	sender_ends(p, REFUSED, 15000);
	scene_refused(proc_event(p, "failed", 100), "119 Anonymity not allowed");
}

static void version(struct stage *s)
{
	/* the step's own refusal, not that of cpm_originating() behind it */
	const char *step = "refused: 132";

	scene_refused(ALICE(s, REFUSED, "--to", BOB, "--text", "x", "--user-agent",
						  "CPM-client/OMA1.0"),
			"132 Version not supported");
	cr_assert_eq(lab_log_count(s->lab, "cpm", step) > 0, s->by_steps);
}

const struct scene scenes_pager[] = {{"a text arrives", pager_to_one},
		{"the final answer is the recipient's", pager_answer_is_passed_on},
		{"a barred user is refused with 127", barred},
		{"who may not hide is refused with 119", anonymity},
		{"an old client is refused with 132", version}, {NULL, NULL}};

/* ---- lists and the gateway, pager ------------------------------------------
 */

static void list_to_two(struct stage *s)
{
	const char *text = test_file("all", 100, true);
	struct proc *carol = client_receive(s->lab, "carol", "--count", "1", NULL);

	cr_assert_eq(
			event_number(ALICE(s, SENT, "--exploder", EXPLODER, "--to", BOB,
								 "--to", "tel:+15550103", "--file", text),
					"status"),
			202);
	header_has(bob_has(s, text), "P-Asserted-Identity", "sip:alice@cpm.test");
	cr_assert_str_eq(file_sha256(received_file(carol, 0)), file_sha256(text));
	cr_assert_eq(proc_wait(carol, 10000), 0);
}

static void list_too_long(struct stage *s)
{
	struct proc *p = client_send(s->lab, "alice", "--exploder", EXPLODER,
			"--to", "sip:1@cpm.test", "--to", "sip:2@cpm.test", "--to",
			"sip:3@cpm.test", "--to", "sip:4@cpm.test", "--to",
			"sip:5@cpm.test", "--to", "sip:6@cpm.test", "--to",
			"sip:7@cpm.test", "--to", "sip:8@cpm.test", "--to",
			"sip:9@cpm.test", "--to", "sip:10@cpm.test", "--to",
			"sip:11@cpm.test", "--text", "x", NULL);

	sender_ends(p, REFUSED, 15000);
	too_many(proc_event(p, "failed", 100));
}

void scene_rule(struct stage *s, const char *user, const char *value)
{
	lab_rpc(s->lab, "cpm",
			*value ? fmt(
					"htable.sets cpm_rules sip:%s@cpm.test %s", user, value)
				   : fmt("htable.delete cpm_rules sip:%s@cpm.test", user));
}

static void rule_for_lists(struct stage *s)
{
	scene_rule(s, "alice", "interworking=1;max_recipients=1");
	too_many(ALICE(s, REFUSED, "--exploder", EXPLODER, "--to", BOB, "--to",
			CAROL, "--text", "x"));
	scene_rule(s, "alice", "");
}

static void gateway_after_404(struct stage *s)
{
	json_t *got;

	cr_assert_eq(event_number(ALICE(s, SENT, "--to", "sip:code-404@cpm.test",
									  "--text", "to the gateway"),
						 "status"),
			200);
	got = lab_isf_received(s->lab, s->isf_got++, 5000);
	header_is(got, "X-ISF-URI", "sip:code-404@cpm.test");
	header_has(got, "P-Asserted-Identity", "sip:alice@cpm.test");
}

static void rule_against_the_gateway(struct stage *s)
{
	scene_rule(s, "alice", "interworking=0");
	cr_assert_eq(event_number(ALICE(s, REFUSED, "--to", "sip:code-404@cpm.test",
									  "--text", "x"),
						 "status"),
			404);
	scene_rule(s, "alice", "");
}

static void barred_from_the_gateway(struct stage *s)
{
	struct proc *p = client_send(s->lab, "mallory", "--to",
			"mailto:ann@example.com", "--text", "x", NULL);

	sender_ends(p, REFUSED, 15000);
	scene_refused(proc_event(p, "failed", 100), "127 Service not authorised");
}

static void gateway_by_scheme(struct stage *s)
{
	json_t *got;

	cr_assert_eq(event_number(ALICE(s, SENT, "--to", "mailto:ann@example.com",
									  "--text", "a mail"),
						 "status"),
			200);
	got = lab_isf_received(s->lab, s->isf_got++, 5000);
	header_has(got, "To", "mailto:ann@example.com");
}

const struct scene scenes_list[] = {
		{"a text to two arrives at both", list_to_two},
		{"too many recipients are refused with 102", list_too_long},
		{"a rule says how many one user may have", rule_for_lists},
		{"404 sends a text to the gateway", gateway_after_404},
		{"a rule keeps one user's texts from it", rule_against_the_gateway},
		{"a mail address leads to the gateway", gateway_by_scheme},
		{"but not for a barred user", barred_from_the_gateway}, {NULL, NULL}};

/* ---- large ----------------------------------------------------------------
 */

static void large_to_one(struct stage *s)
{
	const char *file = test_file("photo", 100000, false);
	json_t *sent = ALICE(s, SENT, "--to", BOB, "--file", file);

	cr_assert_eq(event_number(sent, "msrp_status"), 200);
	cr_assert_eq(event_number(sent, "bye_status"), 200);
	cr_assert_str_eq(event_text(bob_has(s, file), "mode"), "large");
}

static void large_refused(struct stage *s)
{
	const char *file = test_file("photo", 20000, false);
	struct proc *p =
			client_send(s->lab, "mallory", "--to", BOB, "--file", file, NULL);

	sender_ends(p, REFUSED, 15000);
	scene_refused(proc_event(p, "failed", 100), "127 Service not authorised");
}

static void cancelled(struct stage *s)
{
	const char *file = test_file("photo", 20000, false);
	struct proc *carol =
			client_receive(s->lab, "carol", "--ring", "6000", NULL);

	ALICE(s, GIVEN_UP, "--to", CAROL, "--file", file, "--cancel-after", "300");
	proc_event(carol, "cancelled", 5000);
	proc_signal(carol, 15);
	proc_wait(carol, 5000);
}

static void large_to_two(struct stage *s)
{
	const char *file = test_file("album", 150000, false);
	struct proc *carol = client_receive(s->lab, "carol", "--count", "1", NULL);

	cr_assert_eq(event_number(ALICE(s, SENT, "--exploder", EXPLODER, "--to",
									  BOB, "--to", CAROL, "--file", file),
						 "msrp_status"),
			200);
	bob_has(s, file);
	cr_assert_str_eq(file_sha256(received_file(carol, 0)), file_sha256(file));
	cr_assert_eq(proc_wait(carol, 10000), 0);
}

static void grown_too_large(struct stage *s)
{
	const char *file = test_file("grown", 4000, true);
	struct proc *carol = client_receive(s->lab, "carol", "--count", "2", NULL);

	ALICE(s, SENT, "--to", BOB, "--mode", "pager", "--file", file);
	cr_assert_str_eq(event_text(bob_has(s, file), "mode"), "large");
	ALICE(s, SENT, "--exploder", EXPLODER, "--to", BOB, "--to", CAROL, "--mode",
			"pager", "--file", file);
	cr_assert_str_eq(event_text(bob_has(s, file), "mode"), "large");
	ALICE(s, SENT, "--to", CAROL, "--mode", "pager", "--file", file);
	cr_assert_str_eq(file_sha256(received_file(carol, 1)), file_sha256(file));
	cr_assert_eq(proc_wait(carol, 10000), 0);
}

static void large_to_the_gateway(struct stage *s)
{
	static const char *const to[] = {
			"sip:code-488@cpm.test", "mailto:ann@example.com"};
	const char *file = test_file("mms", 50000, false);

	for(int i = 0; i < 2; i++) {
		ALICE(s, SENT, "--to", to[i], "--file", file);
		json_t *got = lab_isf_received(s->lab, s->isf_got++, 5000);

		cr_assert_str_eq(
				file_sha256(event_text(got, "file")), file_sha256(file));
		header_has(got, "To", to[i]);
	}
}

const struct scene scenes_large[] = {
		{"a photo arrives, BYE ends", large_to_one},
		{"a barred user is refused with 127", large_refused},
		{"a photo to two arrives at both", large_to_two},
		{"a MESSAGE over 1300 bytes arrives as a large message",
				grown_too_large},
		{"what the core refuses, and a mail address: the gateway gets it",
				large_to_the_gateway},
		{"CANCEL reaches the recipient", cancelled}, {NULL, NULL}};

/* ---- the script itself ------------------------------------------------------
 */

/* A stranger's request gets this answer; none for 0. */
static struct sip *stranger(struct stage *s, struct ua *ua, const char *method,
		const char *tag, const char *more, int code)
{
	static unsigned n;
	const char *id = fmt("cfg%d.%u", (int)getpid(), ++n);
	struct sip *m;

	ua_send(ua,
			fmt("%s sip:%s:5060 SIP/2.0\n"
				"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s\n"
				"%sFrom: <sip:alice@cpm.test>;tag=1\n"
				"To: <sip:bob@cpm.test>%s\nCall-ID: %s\nCSeq: 1 %s\n"
				"Content-Length: 0\n\n",
					method, s->lab->pf_ip, lab_addr(s->lab, 150), id, more, tag,
					id, method));
	if(code == 0) {
		ua_idle(ua, 200);
		cr_assert_eq(ua_count(ua, fmt("481/%s", method), id), 0);
		return NULL;
	}
	m = ua_poll(ua, fmt("%d/%s", code, method), id, 3000);
	cr_assert(m != NULL, "%s of a stranger is not answered with %d", method,
			code);
	return m;
}

static void strangers(struct stage *s)
{
	struct ua *ua = ua_open(lab_addr(s->lab, 150), s->lab->pf_ip);
	const char *mf = "Max-Forwards: 70\n";
	struct sip *m;

	stranger(s, ua, "OPTIONS", "", mf, 200);
	stranger(s, ua, "SUBSCRIBE", "", mf, 403);
	stranger(s, ua, "BYE", ";tag=none", mf, 481);
	stranger(s, ua, "CANCEL", "", mf, 481);
	stranger(s, ua, "MESSAGE", "", "Max-Forwards: 0\n", 483);
	m = stranger(s, ua, "MESSAGE", "",
			"Max-Forwards: 70\nP-Asserted-Identity: <sip:alice@cpm.test>\n"
			"Accept-Contact: *;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service"
			".ims.icsi.oma.cpm.msg\"\nRoute: <sip:orig@PF;lr>\n",
			403);
	cr_assert(strstr(sip_hdr(m, "Warning"), "127 Service not authorised"));
	stranger(s, ua, "ACK", "", mf, 0);
	stranger(s, ua, "ACK", ";tag=none", mf, 0);
}

const struct scene scenes_script[] = {
		{"strangers get answers and nothing else", strangers}, {NULL, NULL}};

void scenes_play(const char *script, const struct scene *list)
{
	struct stage s = {.lab = lab_own(fmt("LAB_SCRIPT=%s", script),
							  "LAB_SETTLE_MS=200", NULL),
			.by_steps = strcmp(script, "steps") == 0};

	s.bob = client_receive(s.lab, "bob", NULL);
	for(; list->name; list++) {
		cr_log_info("%s: %s", script, list->name);
		list->play(&s);
	}
	lab_idle(s.lab, 5000);
}
