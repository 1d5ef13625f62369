/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The mark on what we have sent and its recognition (cpm_loop.h):
 *   X-CPM-PF: <instance>;case=orig;t=<seconds>;mac=<16 hex digits>
 * Max-Forwards ends whatever loop the mark does not see.
 */
#include "cpm_loop.h"

#include <string.h>
#include <time.h>

#include "../../core/dprint.h"
#include "../../core/dset.h"
#include "../../core/mem/mem.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_b2b.h"
#include "cpm_conf.h"
#include "cpm_exploder.h"
#include "cpm_stats.h"
#include "cpm_trust.h"
#include "proto/addr.h"

#define INSTANCE_BUF 24
#define SKEW_S 5 /* clocks of two nodes with the same instance */

static char instance_buf[INSTANCE_BUF];
static str instance;
static uint64_t key[2];

static bool token_ok(str s)
{
	for(int i = 0; i < s.len; i++)
		if(strchr("\"\\<>,;= \t\r\n", s.s[i]) != NULL)
			return false;
	return s.len > 0 && s.len <= 64;
}

int cpm_loop_init(void)
{
	static const uint64_t zero[2];
	str secret = cpm_conf.loop_secret, name = cpm_conf.loop_header;
	sip_uri_t uri;
	uint64_t h;

	if(name.len > 0 && (!token_ok(name) || memchr(name.s, ':', name.len))) {
		LM_ERR("modparam loop_header is no header name: \"%.*s\"\n",
				STR_FMT(&name));
		return -1;
	}
	instance = cpm_conf.instance;
	if(instance.len > 0 && !token_ok(instance)) {
		LM_ERR("modparam instance is no token: \"%.*s\"\n", STR_FMT(&instance));
		return -1;
	}
	if(instance.len == 0) {
		if(parse_uri(cpm_conf.contact.s, cpm_conf.contact.len, &uri) < 0)
			return -1;
		h = cpm_id_hash_with(zero, uri.host.s, (size_t)uri.host.len)
				+ uri.port_no;
		instance.s = instance_buf;
		instance.len =
				snprintf(instance_buf, sizeof(instance_buf), "%016" PRIx64, h);
	}
	if(secret.len > 0) {
		key[0] = cpm_id_hash_with(zero, secret.s, (size_t)secret.len);
		key[1] = cpm_id_hash_with(key, secret.s, (size_t)secret.len);
	} else {
		cpm_id_key(key);
	}
	return 0;
}

str cpm_loop_instance(void)
{
	return instance;
}

static const char *case_name(cpm_case_t c)
{
	return c == CPM_CASE_TERM ? "term" : "orig";
}

/* What the mark is about. */
struct of
{
	str call_id, identity, privacy, body;
};

static uint64_t mac_of(const struct of *of, cpm_case_t c, uint64_t t)
{
	uint64_t v[6] = {(uint64_t)c, t,
			cpm_id_hash_with(key, of->call_id.s, (size_t)of->call_id.len),
			cpm_id_hash_with(key, of->identity.s, (size_t)of->identity.len),
			cpm_id_hash_with(key, of->privacy.s, (size_t)of->privacy.len),
			cpm_id_hash_with(key, of->body.s, (size_t)of->body.len)};

	return cpm_id_hash_with(key, v, sizeof(v));
}

static void print(cpm_buf_t *b, const struct of *of, cpm_case_t c)
{
	uint64_t t = (uint64_t)time(NULL);

	if(cpm_conf.loop_header.len <= 0)
		return;
	cpm_buf_fmt(b, "%.*s: %.*s;case=%s;t=%" PRIu64 ";mac=%016" PRIx64 "\r\n",
			STR_FMT(&cpm_conf.loop_header), STR_FMT(&instance), case_name(c), t,
			mac_of(of, c, t));
}

/* The first URI of a value: what a core may change is the rest of it. */
static str first_uri(str v)
{
	struct slice list = slice_of(v.s, (size_t)v.len);
	struct addr a;

	if(addr_next(&list, &a) != 1)
		return (str){NULL, 0};
	return (str){(char *)a.uri.p, (int)a.uri.n};
}

/* Value of the first line of that name in lines that we have written. */
static str line_of(str headers, struct slice name)
{
	struct slice rest = slice_of(headers.s, (size_t)headers.len), v;

	while(rest.n > 0) {
		struct slice n = slice_cut(slice_cut(rest, '\n', &rest), ':', &v);

		if(slice_ieq(n, name)) {
			v = slice_trim(v);
			return (str){(char *)v.p, (int)v.n};
		}
	}
	return (str){NULL, 0};
}

void cpm_loop_add(
		cpm_buf_t *b, cpm_case_t c, str headers, str call_id, str body)
{
	struct of of = {.call_id = call_id,
			.identity =
					first_uri(line_of(headers, SLICE("P-Asserted-Identity"))),
			.privacy = line_of(headers, SLICE("Privacy")),
			.body = body};

	print(b, &of, c);
}

/* What the mark is about, as it is in the message. */
static void of_message(sip_msg_t *msg, struct of *of)
{
	memset(of, 0, sizeof(*of));
	of->call_id = msg->callid->body;
	of->identity = cpm_identity_uri(msg);
	of->privacy = cpm_hdr_get(msg, "Privacy");
	if(msg->REQ_METHOD == METHOD_MESSAGE) {
		struct slice body = cpm_body(msg);

		of->body = (str){(char *)body.p, (int)body.n};
	}
}

int cpm_loop_mark(sip_msg_t *msg, cpm_case_t c)
{
	cpm_buf_t b = {0};
	struct of of;

	if(cpm_conf.loop_header.len <= 0)
		return 0;
	of_message(msg, &of);
	print(&b, &of, c);
	return cpm_hdr_insert(msg, &b);
}

/* One value of the header against the message. */
static bool ours(struct slice value, const struct of *of, cpm_case_t c)
{
	struct slice params, v;
	struct slice name = slice_trim(slice_cut(value, ';', &params));
	uint64_t t, now = (uint64_t)time(NULL);
	char mac[20];

	if(!slice_eq(name, slice_of(instance.s, (size_t)instance.len))
			|| !addr_param(params, SLICE("case"), &v)
			|| !slice_eq(v, slice_str(case_name(c)))
			|| !addr_param(params, SLICE("t"), &v)
			|| !slice_u64(v, UINT32_MAX, &t) || t > now + SKEW_S
			|| now > t + CPM_LOOP_VALID_S
			|| !addr_param(params, SLICE("mac"), &v))
		return false;
	snprintf(mac, sizeof(mac), "%016" PRIx64, mac_of(of, c, t));
	return slice_eq(v, slice_str(mac));
}

bool cpm_loop_seen(sip_msg_t *msg, cpm_case_t c)
{
	hdr_field_t *h = NULL;
	char name[65];
	struct of of;

	if(cpm_conf.loop_header.len <= 0 || msg->callid == NULL)
		return false;
	memcpy(name, cpm_conf.loop_header.s, (size_t)cpm_conf.loop_header.len);
	name[cpm_conf.loop_header.len] = '\0';
	if(cpm_hdr_next(msg, name, NULL) == NULL || !cpm_trusted(msg))
		return false;
	of_message(msg, &of);
	while((h = cpm_hdr_next(msg, name, h)) != NULL) {
		struct slice rest = slice_of(h->body.s, (size_t)h->body.len);

		while(rest.n > 0)
			if(ours(slice_cut(rest, ',', &rest), &of, c))
				return true;
	}
	return false;
}

int cpm_loop_relay(sip_msg_t *msg)
{
	cpm_stat_inc(CPM_STAT_LOOPED);
	LM_INFO("%.*s was here before, Call-ID %.*s: passed on as it is\n",
			STR_FMT(&msg->first_line.u.request.method),
			STR_FMT(&msg->callid->body));
	/* loose_route() in the script has set the next hop when there is one */
	if(msg->dst_uri.len <= 0 && cpm_conf.outbound_proxy.len > 0)
		set_dst_uri(msg, &cpm_conf.outbound_proxy);
	if(cpm_tm.t_relay(msg, NULL, NULL) < 0)
		cpm_reject(msg, "unreachable", NULL, (str){NULL, 0});
	return 0;
}
