/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Notifications of failure (cpm_imdn.h): a MESSAGE on behalf of the user who
 * did not get the message, to its sender, through the core like any other.
 */
#include "cpm_imdn.h"

#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_conf.h"
#include "cpm_fanout.h"
#include "cpm_hdr.h"
#include "cpm_stats.h"
#include "proto/imdn.h"

#define URI_MAX 255

/* Who waits; the tag of the fan-out. */
struct waiting
{
	cpm_imdn_sent_f f;
	uint64_t id;
};

bool cpm_imdn_is(const struct cpim *c)
{
	return mime_type_is(c->content_type, SLICE(IMDN_TYPE));
}

/* Status that says: later, perhaps. */
static bool passing(int code)
{
	return code == 0 || code == 408 || code == 430 || code == 480
			|| code >= 500;
}

static void on_news(const cpm_fan_news_t *news)
{
	struct waiting *w = (struct waiting *)(uintptr_t)news->tag, one = *w;
	bool ok = news->ok > 0 || !passing(news->code);

	shm_free(w); /* one recipient: told once */
	if(news->ok == 0)
		LM_NOTICE(
				"a notification of failure was answered with %d\n", news->code);
	else
		cpm_stat_inc(CPM_STAT_IMDN_SENT);
	if(one.f)
		one.f(ok, one.id);
}

/* The recipient as the sender knows him: the CPIM To, unless it hides him. */
static struct slice recipient(const cpm_imdn_t *m)
{
	struct slice to = cpim_uri(cpm_slice_of(m->to));
	sip_uri_t uri;

	if(to.n > 0 && to.n <= URI_MAX
			&& parse_uri((char *)to.p, (int)to.n, &uri) == 0
			&& !(uri.host.len == 17
					&& strncasecmp(uri.host.s, "anonymous.invalid", 17) == 0))
		return to;
	return cpm_slice_of(m->user);
}

static int write_body(const cpm_imdn_t *m, char *body)
{
	char id[CPM_HEX_BUF];

	cpm_id_random(id);
	return imdn_failed_write(
			&(struct imdn_failed){.message_id = cpm_slice_of(m->message_id),
					.datetime = cpm_slice_of(m->datetime),
					.recipient = recipient(m),
					.sender = cpm_slice_of(m->sender),
					.id = slice_str(id),
					.now = time(NULL)},
			body, IMDN_TEXT_MAX);
}

/* The message's own ids: clients find what it is about by them. */
static void add_ids(cpm_buf_t *b, str headers)
{
	struct slice rest = cpm_slice_of(headers);

	while(rest.n > 0) {
		struct slice line = slice_cut(rest, '\n', &rest), name, v;

		name = slice_trim(slice_cut(line, ':', &v));
		if(slice_ieq(name, SLICE("Conversation-ID"))
				|| slice_ieq(name, SLICE("Contribution-ID"))) {
			v = slice_trim(v);
			cpm_buf_fmt(b, "%.*s: %.*s\r\n", SLICE_ARG(name), SLICE_ARG(v));
		}
	}
}

static const str *on_behalf(const cpm_imdn_t *m)
{
	return m->asserted.len > 0 ? &m->asserted : &m->user;
}

static void headers(cpm_buf_t *b, const cpm_imdn_t *m)
{
	struct slice feature = icsi_urn_encoded(ICSI_MSG), urn = icsi_urn(ICSI_MSG);

	cpm_buf_lit(b, "Max-Forwards: 70\r\n");
	cpm_buf_fmt(b, "Accept-Contact: *;+g.3gpp.icsi-ref=\"%.*s\"\r\n",
			SLICE_ARG(feature));
	cpm_buf_fmt(b, "P-Asserted-Identity: <%.*s>\r\n", STR_FMT(on_behalf(m)));
	cpm_buf_fmt(b, "P-Asserted-Service: %.*s\r\n", SLICE_ARG(urn));
	add_ids(b, m->headers);
	cpm_hdr_agent(b);
	cpm_buf_lit(b, "Content-Type: message/cpim\r\n");
}

static int begin(const cpm_imdn_t *m, str body, uint64_t tag)
{
	const cpm_rcpt_in_t to = {.uri = m->sender};
	cpm_rcpts_t *rcpts = cpm_rcpts_make(&to, 1);
	cpm_buf_t lines = {0}, from = {0}, dest = {0};
	str v[CPM_F_N] = {{NULL, 0}};
	int rc = -ENOMEM;

	headers(&lines, m);
	cpm_buf_fmt(&from, "<%.*s>", STR_FMT(on_behalf(m)));
	cpm_buf_fmt(&dest, "<%.*s>", STR_FMT(&m->sender));
	v[CPM_F_CALL_ID] = m->message_id;
	v[CPM_F_FROM] = cpm_buf_get(&from);
	v[CPM_F_TO] = cpm_buf_get(&dest);
	v[CPM_F_ROUTES] = cpm_conf.imdn_route;
	if(cpm_conf.imdn_route.len == 0)
		v[CPM_F_NEXT_HOP] = cpm_conf.outbound_proxy;
	v[CPM_F_HEADERS] = cpm_buf_get(&lines);
	v[CPM_F_HEAD] = body;
	if(rcpts && !lines.bad && !from.bad && !dest.bad)
		rc = cpm_fanout_begin(CPM_FAN_IMDN, tag, &rcpts, v);
	if(rc < 0)
		cpm_rcpts_free(&rcpts);
	cpm_buf_free(&lines);
	cpm_buf_free(&from);
	cpm_buf_free(&dest);
	return rc;
}

int cpm_imdn_failed(const cpm_imdn_t *m, cpm_imdn_sent_f f, uint64_t id)
{
	struct waiting *w = shm_malloc(sizeof(*w));
	char *body = pkg_malloc(IMDN_TEXT_MAX);
	int n = -ENOMEM, rc;

	if(w && body)
		n = write_body(m, body);
	rc = n;
	if(n > 0) {
		*w = (struct waiting){f, id};
		rc = begin(m, (str){body, n}, (uint64_t)(uintptr_t)w);
	}
	if(rc < 0 && w)
		shm_free(w);
	if(body)
		pkg_free(body);
	return rc < 0 ? rc : 0;
}

void cpm_imdn_of_list(str wrapper, str sender, str uri, str headers)
{
	struct cpim c;
	int rc;

	if(sender.len == 0 || cpim_parse(cpm_slice_of(wrapper), &c) < 0
			|| !(c.disposition & CPIM_DN_NEGATIVE_DELIVERY)
			|| c.imdn_message_id.n == 0 || cpm_imdn_is(&c))
		return;
	rc = cpm_imdn_failed(&(cpm_imdn_t){.user = uri,
								 .sender = sender,
								 .message_id = cpm_str_of(c.imdn_message_id),
								 .to = uri,
								 .datetime = cpm_str_of(c.datetime),
								 .headers = headers,
								 .asserted = cpm_conf.contact},
			NULL, 0);
	if(rc < 0)
		LM_ERR("%.*s is not told that %.*s failed\n", STR_FMT(&sender),
				STR_FMT(&uri));
}

void cpm_imdn_init(void)
{
	cpm_fanout_register(CPM_FAN_IMDN, on_news);
}
