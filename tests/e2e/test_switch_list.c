/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pager messages with a recipient list that become large ones: to the
 * EXPLODER-URI, a large message for each recipient; to a Controlling Function,
 * one INVITE that carries the list on. OMA-TS-CPM_Conv_Fnct 8.2.1.1 step
 * 8B.a.iv, xiii and xiv (OP-29, OP-33, OP-34).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switch_flow.h"

E2E_SUITE(switch_list);

#define EXPLODER "sip:exploder@cpm.test"
#define CONFERENCE "sip:conference@cpm.test"
#define PF_LIST                                                                \
	"modparam(\"cpm\", \"exploder_uri\", \"" EXPLODER "\")\n"                  \
	"modparam(\"cpm\", \"interworking\", 0)\n"
#define AGGREGATE "modparam(\"cpm\", \"exploder_answer\", \"aggregate\")\n"
#define PEOPLE 3

static struct lab *lab;
static struct ua *ua;

static const char *const people[PEOPLE] = {
		"sip:bob@cpm.test", "tel:+15550103", "sip:dave@cpm.test"};

/* A MESSAGE with this list and a wrapper of that size. */
static struct big *send_entries(
		const char *to, const char *entries, const char *headers, size_t bytes)
{
	return big_send(ua,
			&(struct big_opt){.to = to,
					.headers = fmt("Require: recipient-list-message\n%s%s",
							strstr(headers, "Content-Type")
									? ""
									: "Content-Type: multipart/mixed;"
									  "boundary=outer\n",
							headers),
					.body = fmt("--outer\r\n"
								"Content-Type: application/resource-lists+xml"
								"\r\nContent-Disposition: recipient-list\r\n"
								"\r\n<?xml version=\"1.0\"?>\r\n"
								"<resource-lists xmlns=\"urn:ietf:params:xml:ns"
								":resource-lists\" xmlns:cp=\"urn:ietf:params:"
								"xml:ns:copycontrol\"><list>\r\n%s"
								"</list></resource-lists>\r\n--outer\r\n"
								"Content-Type: message/cpim\r\n\r\n%s\r\n"
								"--outer--\r\n",
							entries, big_cpim(bytes))});
}

static const char *entry(const char *uri)
{
	return fmt("<entry uri=\"%s\" cp:copyControl=\"to\"/>\r\n", uri);
}

/* For the first n people. */
static struct big *send_list(
		const char *to, int n, const char *headers, size_t bytes)
{
	const char *entries = "";

	for(int i = 0; i < n; i++)
		entries = fmt("%s%s", entries, entry(people[i]));
	return send_entries(to, entries, headers, bytes);
}

/* To the EXPLODER-URI, for these, NULL at the end. */
static struct big *send_list_of(const char *const uris[], size_t bytes)
{
	const char *entries = "";

	for(; *uris; uris++)
		entries = fmt("%s%s", entries, entry(*uris));
	return send_entries(EXPLODER, entries, "", bytes);
}

/* The INVITE for one of them, in whatever order they come. */
static struct call *invite_for(const char *uri)
{
	static struct call *kept[PEOPLE];

	for(int i = 0; i < 2 * PEOPLE; i++) {
		struct call **at = &kept[i % PEOPLE], *c = *at;

		if(c == NULL && i >= PEOPLE)
			c = call_incoming(ua, 6000);
		*at = c;
		if(c
				&& strncmp(c->in->text, fmt("INVITE %s ", uri), 8 + strlen(uri))
						== 0) {
			*at = NULL;
			return c;
		}
	}
	cr_assert_fail("no INVITE for %s", uri);
	return NULL;
}

/* The wrapper of that size as it was sent, but to whom the INVITE is. */
static const char *own_cpim(const struct call *c, size_t bytes)
{
	const char *all = big_cpim(bytes), *to = strstr(all, "\r\nTo: ") + 2;

	return fmt("%.*sTo: %s%s", (int)(to - all), all, sip_hdr(c->in, "To"),
			strstr(to, "\r\n"));
}

/* Takes all of it; it must be this, and as long as the offer said. */
static void takes_text(struct call *c, const char *text)
{
	struct sink *s = sink_open();

	cr_assert_str_eq(sdp_attr(sip_body(c->in), "file-selector"),
			fmt("size:%zu", strlen(text)));
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	cr_assert_eq(s->n, strlen(text));
	cr_assert_str_eq(s->got, text);
	raw_close(s->c);
	flow_bye_comes(c, 6000);
}

/* Takes all of it; the content must be the wrapper alone, to him. */
static void takes(struct call *c, size_t bytes)
{
	takes_text(c, own_cpim(c, bytes));
}

static void refuses(struct call *c, int code)
{
	call_reply(c, code, NULL, "", "");
	ua_wait(ua, "ACK", c->call_id, 6000);
}

E2E_TEST(switch_list, each_recipient_gets_a_large_message,
		"OP-29 OP-33: 202 at once, an INVITE for each address of the list, "
		"without the list; the wrapper alone is the content")
{
	struct call *c[PEOPLE];
	struct big *b;

	lab = switch_lab(&ua, PF_LIST);
	b = send_list(EXPLODER, PEOPLE, "", 2000);
	big_ends(b, 202, 6000);
	for(int i = 0; i < PEOPLE; i++) {
		c[i] = call_incoming(ua, 6000);
		cr_assert_str_eq(sip_hdr(c[i]->in, "Content-Type"), "application/sdp");
		cr_assert_str_eq(sip_hdr(c[i]->in, "Require"), "");
		cr_assert_str_eq(sip_hdr(c[i]->in, "Conversation-ID"), "conv-1");
	}
	for(int i = 0; i < PEOPLE; i++) {
		int found = 0;

		for(int j = 0; j < PEOPLE; j++)
			found += strncmp(c[j]->in->text, fmt("INVITE %s ", people[i]),
							 8 + strlen(people[i]))
					== 0;
		cr_assert_eq(found, 1, "%s", people[i]);
	}
	for(int i = 0; i < PEOPLE; i++)
		takes(c[i], 2000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), PEOPLE);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, wrapper_may_keep_the_lists_address,
		"OP-33 OP-36: rewrite_cpim_to 0: all recipients get what was sent")
{
	struct big *b;

	lab = switch_lab(
			&ua, PF_LIST "modparam(\"cpm\", \"rewrite_cpim_to\", 0)\n");
	b = send_list(EXPLODER, PEOPLE, "", 2000);
	big_ends(b, 202, 6000);
	for(int i = 0; i < PEOPLE; i++)
		takes_text(call_incoming(ua, 6000), big_cpim(2000));
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, limit_counts_the_wrapper_alone,
		"OP-11 OP-29: 1300 bytes beside a list stay a MESSAGE, 1301 do not")
{
	struct big *b;

	lab = switch_lab(&ua, PF_LIST);
	b = send_list(EXPLODER, 1, "", 1300);
	big_ends(b, 202, 6000);
	ua_answer(ua, ua_wait(ua, "MESSAGE", NULL, 6000), 200, "");
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
	b = send_list(EXPLODER, 1, "", 1301);
	big_ends(b, 202, 6000);
	takes(call_incoming(ua, 6000), 1301);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, one_that_fails_disturbs_nobody,
		"OP-33: the others get all of it, late ones too")
{
	struct big *b;
	struct call *late;

	lab = switch_lab(&ua, PF_LIST);
	b = send_list(EXPLODER, PEOPLE, "", 30000);
	big_ends(b, 202, 6000);
	refuses(invite_for(people[1]), 486);
	late = invite_for(people[2]);
	call_reply(late, 180, NULL, "", "");
	takes(invite_for(people[0]), 30000);
	takes(late, 30000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, gateway_takes_whom_the_core_does_not_reach,
		"OP-37 OP-44: an address that is neither SIP nor TEL, one with 404 and "
		"one that refuses the content, beside one who takes it")
{
	struct sink *s = sink_open();
	struct ua *isf;
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua,
			"modparam(\"cpm\", \"exploder_uri\", \"" EXPLODER
			"\")\n" AGGREGATE);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
	b = send_list_of((const char *const[]){people[0], people[1],
							 "mailto:joe@example.com", people[2], NULL},
			2000);
	c = call_incoming(isf, 6000);
	cr_assert(strstr(sip_hdr(c->in, "To"), "mailto:joe@example.com") != NULL);
	takes(c, 2000);
	refuses(invite_for(people[1]), 404);
	c = call_incoming(isf, 6000);
	cr_assert(strstr(sip_hdr(c->in, "To"), people[1]) != NULL);
	takes(c, 2000);
	c = invite_for(people[2]);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	raw_answer(s->c, sink_next(s, 6000), 415);
	flow_bye_comes(c, 6000);
	c = call_incoming(isf, 6000);
	cr_assert(strstr(sip_hdr(c->in, "To"), people[2]) != NULL);
	takes(c, 2000);
	cr_assert_eq(ua_count(ua, "200/MESSAGE", NULL), 0);
	takes(invite_for(people[0]), 2000);
	big_ends(b, 200, 6000);
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 3);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, policy_may_forbid_the_gateway,
		"OP-37: no interworking: 416 for the address that only the ISF "
		"reaches, "
		"the others are served; alone it is refused at once")
{
	struct ua *isf;
	struct big *b;

	lab = switch_lab(&ua, PF_LIST AGGREGATE);
	isf = ua_open(lab->isf_ip, lab->pf_ip);
	b = send_list_of(
			(const char *const[]){"mailto:joe@example.com", people[0], NULL},
			2000);
	takes(invite_for(people[0]), 2000);
	big_ends(b, 202, 6000);
	b = send_list_of(
			(const char *const[]){"mailto:joe@example.com", NULL}, 2000);
	big_ends(b, 416, 6000);
	b = big_send(
			ua, &(struct big_opt){.to = "mailto:joe@example.com", .n = 2000});
	big_ends(b, 416, 6000);
	cr_assert_eq(ua_count(isf, "INVITE", NULL), 0);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, answer_may_be_the_sum,
		"OP-29 OP-43: exploder_answer aggregate: 200 when all have it, 202 "
		"when "
		"some, the lowest failure when nobody")
{
	struct big *b;

	lab = switch_lab(&ua, PF_LIST AGGREGATE);
	b = send_list(EXPLODER, 2, "", 2000);
	takes(invite_for(people[0]), 2000);
	cr_assert_eq(ua_count(ua, "200/MESSAGE", NULL), 0);
	takes(invite_for(people[1]), 2000);
	big_ends(b, 200, 6000);
	b = send_list(EXPLODER, 2, "", 2000);
	refuses(invite_for(people[0]), 486);
	takes(invite_for(people[1]), 2000);
	big_ends(b, 202, 6000);
	b = send_list(EXPLODER, 2, "", 2000);
	refuses(invite_for(people[0]), 486);
	refuses(invite_for(people[1]), 480);
	big_ends(b, 480, 6000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, sum_that_takes_too_long_is_202,
		"OP-29: after exploder_wait; the rest goes on")
{
	struct big *b;
	struct call *c;

	lab = switch_lab(&ua,
			PF_LIST AGGREGATE "modparam(\"cpm\", \"exploder_wait\", 1500)");
	b = send_list(EXPLODER, 2, "", 2000);
	takes(invite_for(people[0]), 2000);
	c = invite_for(people[1]);
	big_ends(b, 202, 4000);
	takes(c, 2000);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, list_is_checked_as_any,
		"OP-29: 403 with 119, 486 with 102, 403 with 129, 400 for a broken one")
{
	static const struct
	{
		const char *headers, *warning;
		int people, code;
	} cases[] = {{"Privacy: id\n", "119 Anonymity not allowed", 2, 403},
			{"", "102 Too many recipients", 3, 486},
			{"", "129 No destinations", 0, 403},
			{"Content-Type: multipart/mixed;boundary=other\n",
					"Malformed multipart", 2, 400}};

	lab = switch_lab(&ua,
			PF_LIST "modparam(\"cpm\", \"list_anonymity\", 0)\n"
					"modparam(\"cpm\", \"max_recipients\", 2)");
	for(size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct big *b =
				send_list(EXPLODER, cases[i].people, cases[i].headers, 2000);
		struct sip *m = big_ends(b, cases[i].code, 6000);

		cr_assert(strstr(sip_hdr(m, "Warning"), cases[i].warning) != NULL, "%s",
				sip_hdr(m, "Warning"));
		cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
		cr_assert_eq(ua_count(ua, "MESSAGE", NULL), 0);
	}
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, list_for_a_group_goes_on_with_the_invite,
		"OP-34: Request-URI of a Controlling Function: SDP and list in one "
		"body")
{
	struct sink *s = sink_open();
	struct big *b;
	struct call *c;
	const char *body;

	lab = switch_lab(&ua, PF_LIST);
	b = send_list(CONFERENCE, 2, "", 2000);
	c = call_incoming(ua, 6000);
	cr_assert_eq(strncmp(c->in->text, "INVITE " CONFERENCE " ", 31), 0);
	cr_assert_eq(
			strncmp(sip_hdr(c->in, "Content-Type"), "multipart/mixed", 15), 0);
	cr_assert_str_eq(sip_hdr(c->in, "Require"), "recipient-list-invite");
	body = sip_body(c->in);
	cr_assert(strstr(body, "Content-Type: application/sdp\r\n") != NULL);
	cr_assert_str_eq(sdp_attr(body, "file-selector"), "size:2000");
	cr_assert(strstr(body,
					  "Content-Type: application/resource-lists+xml\r\n"
					  "Content-Disposition: recipient-list\r\n")
			!= NULL);
	cr_assert(
			strstr(body, "<entry uri=\"tel:+15550103\" cp:copyControl=\"to\"/>")
			!= NULL);
	cr_assert(strstr(body, "message/cpim\r\n\r\n") == NULL);
	sink_answer(s, c, "passive", NULL);
	sink_accept(s, 6000);
	sink_take(s, 6000);
	cr_assert_str_eq(s->got, big_cpim(2000));
	flow_bye_comes(c, 6000);
	big_ends(b, 200, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 1);
	switch_clean(lab, 8000);
}

E2E_TEST(switch_list, small_message_to_a_group_goes_on_as_it_is,
		"OP-11: 1300 bytes beside the list of an ad-hoc group: the MESSAGE, "
		"its "
		"list in it")
{
	struct big *b;
	struct sip *m;

	lab = switch_lab(&ua, PF_LIST);
	b = send_list(CONFERENCE, 2, "", 1300);
	m = ua_wait(ua, "MESSAGE", NULL, 6000);
	cr_assert_str_eq(sip_body(m), b->body);
	ua_answer(ua, m, 200, "");
	big_ends(b, 200, 6000);
	cr_assert_eq(ua_count(ua, "INVITE", NULL), 0);
}
