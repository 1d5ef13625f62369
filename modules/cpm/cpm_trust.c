/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Trusted peers and what only they may assert (cpm_trust.h): RFC 3325 section
 * 9.1, RFC 5502, RFC 6050, RFC 7315.
 */
#include "cpm_trust.h"

#include <string.h>
#include <strings.h>

#include "../../core/dprint.h"
#include "../../core/ip_addr.h"
#include "../../core/mem/mem.h"
#include "cpm_conf.h"
#include "cpm_req.h"
#include "cpm_sip.h"
#include "proto/addr.h"

#define PEERS_MAX 256
#define PAI "P-Asserted-Identity"
#define PAS "P-Asserted-Service"

static struct net peers[PEERS_MAX];
static int n_peers;

static const char *const guarded[] = {PAI, PAS, "P-Served-User",
		"P-Charging-Vector", "P-Charging-Function-Addresses",
		"P-Access-Network-Info", "P-Visited-Network-ID",
		"P-Private-Network-Indication", "P-Profile-Key", "P-User-Database",
		"Attestation-Info", "Origination-Id"};

#define GUARDED (sizeof(guarded) / sizeof(*guarded))

int cpm_trust_init(void)
{
	str all = cpm_conf.trusted_peers;
	struct slice rest = slice_of(all.s, (size_t)all.len);

	while(rest.n > 0) {
		struct slice one = slice_trim(slice_cut(rest, ',', &rest));
		str text = {(char *)one.p, (int)one.n};

		if(one.n == 0)
			continue;
		if(n_peers == PEERS_MAX) {
			LM_ERR("modparam trusted_peers: more than %d\n", PEERS_MAX);
			return -1;
		}
		if(mk_net_str(&peers[n_peers++], &text) < 0) {
			LM_ERR("modparam trusted_peers: \"%.*s\" is neither address nor"
				   " network\n",
					STR_FMT(&text));
			return -1;
		}
	}
	if(n_peers == 0)
		LM_WARN("modparam trusted_peers is not set: whoever sends a request"
				" is believed who he says he is\n");
	return 0;
}

bool cpm_trusted(sip_msg_t *msg)
{
	for(int i = 0; i < n_peers; i++)
		if(matchnet(&msg->rcv.src_ip, &peers[i]) == 1)
			return true;
	return n_peers == 0;
}

bool cpm_trust_guards(const char *name)
{
	for(size_t i = 0; i < GUARDED; i++)
		if(strcasecmp(guarded[i], name) == 0)
			return true;
	return false;
}

/* ---- identity ---- */

static str served_user(sip_msg_t *msg)
{
	str v = cpm_hdr_get(msg, "P-Served-User");
	struct slice list = slice_of(v.s, (size_t)v.len);
	struct addr a;

	return addr_next(&list, &a) == 1 ? cpm_str_of(a.uri) : (str){NULL, 0};
}

bool cpm_identity_known(sip_msg_t *msg)
{
	if(cpm_req(msg)->asserted_len > 0)
		return true;
	return cpm_trusted(msg)
			&& (cpm_hdr_next(msg, PAI, NULL) != NULL
					|| served_user(msg).len > 0);
}

/* The first URI of all P-Asserted-Identity values, or the first tel URI. */
static str asserted(sip_msg_t *msg, bool tel)
{
	hdr_field_t *h = NULL;
	struct addr a;

	while((h = cpm_hdr_next(msg, PAI, h)) != NULL) {
		struct slice list = slice_of(h->body.s, (size_t)h->body.len);

		while(addr_next(&list, &a) == 1)
			if(!tel || slice_istarts(a.uri, SLICE("tel:")))
				return cpm_str_of(a.uri);
	}
	return (str){NULL, 0};
}

str cpm_identity_uri(sip_msg_t *msg)
{
	cpm_req_t *r = cpm_req(msg);
	str uri = {r->asserted, r->asserted_len};

	if(uri.len > 0)
		return uri;
	if(!cpm_trusted(msg))
		return (str){NULL, 0};
	uri = asserted(msg, false);
	return uri.len > 0 ? uri : served_user(msg);
}

str cpm_identity_tel(sip_msg_t *msg)
{
	cpm_req_t *r = cpm_req(msg);

	if(r->asserted_len > 4)
		return strncasecmp(r->asserted, "tel:", 4) == 0
				? (str){r->asserted, r->asserted_len}
				: (str){NULL, 0};
	return cpm_trusted(msg) ? asserted(msg, true) : (str){NULL, 0};
}

void cpm_identity_lines(cpm_buf_t *b, sip_msg_t *msg)
{
	str uri;

	if(cpm_req(msg)->asserted_len == 0 && cpm_trusted(msg)
			&& cpm_hdr_copy(b, msg, PAI) > 0)
		return;
	uri = cpm_identity_uri(msg);
	if(uri.len > 0)
		cpm_buf_fmt(b, PAI ": <%.*s>\r\n", STR_FMT(&uri));
}

/* ---- a request that is relayed ---- */

static int add_identity(sip_msg_t *msg)
{
	cpm_buf_t b = {0};

	cpm_identity_lines(&b, msg);
	return cpm_hdr_insert(msg, &b);
}

int cpm_trust_apply(sip_msg_t *msg)
{
	bool trusted = cpm_trusted(msg);
	bool own = cpm_req(msg)->asserted_len > 0;

	for(size_t i = 0; i < GUARDED && !trusted; i++)
		if(strcmp(guarded[i], PAS) != 0 && cpm_hdr_remove(msg, guarded[i]) < 0)
			return -1;
	if(trusted && own && cpm_hdr_remove(msg, PAI) < 0)
		return -1;
	if(own || (trusted && cpm_hdr_next(msg, PAI, NULL) == NULL))
		return add_identity(msg);
	return 0;
}

int ki_cpm_trusted(sip_msg_t *msg)
{
	return cpm_trusted(msg) ? 1 : -1;
}
