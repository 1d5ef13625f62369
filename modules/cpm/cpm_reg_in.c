/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Third-party REGISTERs of the core (cpm_reg.h; 3GPP TS 24.229 5.4.1.7 and
 * 5.7.1.1): answered, kept what they tell, followed by a subscription. With
 * IncludeRegisterRequest the client's own REGISTER is their body, and has the
 * feature tags that some registrars do not notify.
 */
#include <string.h>

#include "../../core/data_lump_rpl.h"
#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_to.h"
#include "cpm_b2b.h"
#include "cpm_b2b_in.h"
#include "cpm_conf.h"
#include "cpm_exploder.h"
#include "cpm_hdr.h"
#include "cpm_reg.h"
#include "cpm_sip.h"
#include "cpm_stats.h"
#include "cpm_trust.h"
#include "proto/addr.h"
#include "proto/multipart.h"
#include "proto/sipfrag.h"

#define DEFAULT_EXPIRES_S 600000

/* Expires of the request, else of its Contact. */
static uint32_t expires_of(sip_msg_t *msg)
{
	struct slice list = cpm_slice_of(cpm_hdr_get(msg, "Contact")), v;
	struct addr a;
	uint64_t s;

	v = cpm_slice_of(cpm_hdr_get(msg, "Expires"));
	if(slice_u64(slice_trim(v), UINT32_MAX, &s))
		return (uint32_t)s;
	if(addr_next(&list, &a) == 1 && addr_param(a.params, SLICE("expires"), &v)
			&& slice_u64(v, UINT32_MAX, &s))
		return (uint32_t)s;
	return DEFAULT_EXPIRES_S;
}

/* The first URI of a header. */
static str first_uri(sip_msg_t *msg, const char *name)
{
	struct slice list = cpm_slice_of(cpm_hdr_get(msg, name));
	struct addr a;

	return addr_next(&list, &a) == 1 ? cpm_str_of(a.uri) : (str){NULL, 0};
}

/* What is kept of the request; NULL without memory. */
static cpm_strs_t *ims_of(sip_msg_t *msg)
{
	cpm_buf_t charging = {0}, icid = {0}, path = {0};
	str v[CPM_REG_IMS_N] = {{NULL, 0}};
	hdr_field_t *h = NULL;
	cpm_strs_t *out = NULL;

	cpm_hdr_copy(&charging, msg, "P-Charging-Function-Addresses");
	cpm_hdr_copy(&icid, msg, "P-Charging-Vector");
	while((h = cpm_hdr_next(msg, "Path", h)) != NULL) {
		cpm_buf_lit(&path, path.len ? ", " : "");
		cpm_buf_str(&path, h->body);
	}
	v[CPM_REG_SCSCF] = first_uri(msg, "Contact");
	v[CPM_REG_CHARGING] = cpm_buf_get(&charging);
	v[CPM_REG_ICID] = cpm_buf_get(&icid);
	v[CPM_REG_PATH] = cpm_buf_get(&path);
	if(!charging.bad && !icid.bad && !path.bad)
		out = cpm_strs_new(v, CPM_REG_IMS_N);
	cpm_buf_free(&charging);
	cpm_buf_free(&icid);
	cpm_buf_free(&path);
	return out;
}

/* Feature tags of the REGISTER in the body. */
static unsigned tags_of(sip_msg_t *msg, uint32_t expires_s, cpm_tag_t *tags)
{
	struct multipart_part part;
	struct slice rest, ua = {NULL, 0};
	struct sipfrag_field f;
	unsigned n = 0;

	if(cpm_body(msg).n == 0
			|| multipart_find(cpm_slice_of(cpm_hdr_get(msg, "Content-Type")),
					   cpm_body(msg), SLICE("message/sip"), &part)
					< 0)
		return 0;
	rest = part.body;
	if(!slice_starts(sipfrag_start(&rest), SLICE("REGISTER ")))
		return 0; /* the answer to it has the contacts of others, too */
	while(sipfrag_next(&rest, &f))
		if(slice_ieq(f.name, SLICE("User-Agent")))
			ua = f.value;
	rest = part.body;
	sipfrag_start(&rest);
	while(sipfrag_next(&rest, &f))
		if(slice_ieq(f.name, SLICE("Contact")) || slice_ieq(f.name, SLICE("m")))
			n = cpm_tags_read(f.value, expires_s, ua, tags, n);
	return n;
}

static int answer(sip_msg_t *msg, uint32_t expires_s)
{
	cpm_buf_t b = {0};
	int rc = cpm_tm.t_newtran(msg);

	if(rc <= 0)
		return rc; /* a retransmission, or no memory */
	cpm_buf_fmt(&b, "Expires: %u\r\n", expires_s);
	cpm_hdr_server(&b);
	if(!b.bad)
		add_lump_rpl(msg, b.s, b.len, LUMP_RPL_HDR);
	cpm_buf_free(&b);
	if(cpm_tm.t_reply(msg, 200, "OK") < 0)
		LM_ERR("a third-party REGISTER got no answer\n");
	return 1;
}

/* Under the lock: what the request has told takes the old one's place. True:
 * the core is to be asked. */
static bool keep(
		cpm_reg_t *r, uint32_t expires_s, cpm_strs_t **ims, cpm_tags_t **tags)
{
	cpm_strs_t *was = r->ims;
	cpm_tags_t *were = r->tags;

	r->wanted_ms = expires_s ? cpm_now_ms() + (uint64_t)expires_s * 1000 : 0;
	if(*ims) {
		r->ims = *ims;
		*ims = was;
	}
	if(*tags) {
		r->tags = *tags;
		*tags = were;
	}
	if(expires_s == 0 || r->state == CPM_REG_ACTIVE)
		return false; /* a NOTIFY says what remains, or has come */
	r->failures = 0;
	return true;
}

/* The record, locked, and the set that takes its tags' place; *tags NULL: they
 * stay as they are. The set's room is taken before the lock, and what two
 * devices tell at once is merged under it: neither is lost. */
static cpm_reg_t *lock_merged(const str *who, bool make, const cpm_tag_t *newer,
		unsigned n, cpm_tags_t **tags)
{
	unsigned room = cpm_tags_room(0, n);
	cpm_reg_t *r;

	for(;; room = cpm_tags_room(room, n)) {
		*tags = n > 0 ? cpm_tags_new(room) : NULL;
		r = cpm_reg_lock(who, make);
		if(r == NULL || *tags == NULL
				|| cpm_tags_merge(r->tags, newer, n, *tags, room))
			return r;
		cpm_reg_unlock(r);
		shm_free(*tags);
	}
}

static void learn(sip_msg_t *msg, const str *who, uint32_t expires_s)
{
	cpm_tag_t newer[CPM_TAGS_MAX];
	unsigned n = tags_of(msg, expires_s, newer);
	cpm_strs_t *ims = ims_of(msg);
	cpm_tags_t *tags;
	cpm_reg_t *r = lock_merged(who, expires_s > 0, newer, n, &tags);
	uint64_t id = 0;
	bool ask, known;

	if(r == NULL) {
		cpm_strs_free(&ims);
		if(tags)
			shm_free(tags);
		return;
	}
	ask = keep(r, expires_s, &ims, &tags);
	if(msg->rcv.bind_address)
		r->sock = (struct socket_info *)msg->rcv.bind_address;
	known = r->known;
	id = r->id;
	cpm_reg_unlock(r);
	cpm_strs_free(&ims);
	if(tags)
		shm_free(tags);
	if(ask)
		cpm_reg_ask(id);
	if(expires_s > 0 && known)
		cpm_clients_changed(who, true);
}

int ki_cpm_third_party_register(sip_msg_t *msg)
{
	char name[CPM_USER_BUF];
	uint32_t expires_s;
	str who = {name, 0};

	if(msg->REQ_METHOD != METHOD_REGISTER)
		return -1;
	if(cpm_conf.contacts_by != CPM_CONTACTS_REG) {
		LM_ERR("cpm_third_party_register: modparam contacts is not reg\n");
		return -1;
	}
	/* it says where the user's clients are, and who is to be asked for them */
	if(!cpm_trusted(msg)) {
		cpm_reject(msg, "127", NULL, (str){NULL, 0});
		return 0;
	}
	if(cpm_b2b_parse(msg) < 0
			|| (who.len = cpm_user_name(get_to(msg)->uri, name)) < 0) {
		cpm_reject(msg, "bad-request", NULL, (str){NULL, 0});
		return 0;
	}
	expires_s = expires_of(msg);
	if(answer(msg, expires_s) <= 0)
		return 0;
	cpm_stat_inc(CPM_STAT_REG_REGISTERS);
	learn(msg, &who, expires_s);
	return 0;
}
