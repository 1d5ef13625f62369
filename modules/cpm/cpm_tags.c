/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Feature tags of clients by instance or Contact URI (cpm_tags.h): RFC 3840,
 * RFC 5626 section 4.1.
 */
#include "cpm_tags.h"

#include <ctype.h>
#include <string.h>

#include "../../core/mem/shm_mem.h"
#include "cpm_clients_src.h"
#include "cpm_id.h"
#include "cpm_session.h"
#include "proto/addr.h"
#include "proto/reginfo.h"

#define GRACE_MS 3600000 /* kept beyond the lifetime asked for */
#define EXPIRES_MAX 31536000
#define KEY_MAX 512

static uint64_t hash_of(struct slice s)
{
	char lower[KEY_MAX];
	size_t n = s.n < KEY_MAX ? s.n : KEY_MAX;

	for(size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)s.p[i]);
	return n ? cpm_id_hash(lower, n) : 0;
}

static struct slice instance_in(struct slice params)
{
	struct slice v;

	if(!addr_param(params, SLICE("+sip.instance"), &v))
		return SLICE("");
	v = slice_trim(v);
	if(v.n >= 2 && v.p[0] == '<' && v.p[v.n - 1] == '>')
		v = slice_of(v.p + 1, v.n - 2);
	return v;
}


unsigned cpm_tags_read(struct slice contact, uint32_t expires_s,
		struct slice ua, cpm_tag_t *out, unsigned n)
{
	struct addr a;
	struct slice v;
	uint64_t s;

	while(n < CPM_TAGS_MAX && addr_next(&contact, &a) == 1) {
		cpm_tag_t *t = &out[n++];

		s = expires_s;
		if(addr_param(a.params, SLICE("expires"), &v)
				&& !slice_u64(v, EXPIRES_MAX, &s))
			s = EXPIRES_MAX;
		t->instance = hash_of(instance_in(a.params));
		t->uri = hash_of(a.uri);
		t->until_ms = s ? cpm_now_ms() + s * 1000 + GRACE_MS : 0;
		t->tags = (uint16_t)(reginfo_services(a.params) | CPM_CAN_KNOWN);
		t->ua_n = (uint16_t)(ua.n < CPM_TAGS_UA ? ua.n : CPM_TAGS_UA);
		if(t->ua_n > 0)
			memcpy(t->ua, ua.p, t->ua_n);
	}
	return n;
}

/* A client is its instance; where one of the two sides does not know it, its
 * address. */
static bool same(const cpm_tag_t *t, uint64_t instance, uint64_t uri)
{
	return t->instance && instance ? t->instance == instance : t->uri == uri;
}

cpm_tags_t *cpm_tags_new(unsigned room)
{
	cpm_tags_t *set = shm_malloc(sizeof(*set) + room * sizeof(cpm_tag_t));

	if(set)
		set->n = 0;
	return set;
}

unsigned cpm_tags_room(unsigned room, unsigned n)
{
	room = room ? 2 * room : n + 2; /* few have more devices */
	return room < CPM_TAGS_MAX ? room : CPM_TAGS_MAX;
}

bool cpm_tags_merge(const cpm_tags_t *old, const cpm_tag_t *newer, unsigned n,
		cpm_tags_t *set, unsigned room)
{
	uint64_t now = cpm_now_ms();
	unsigned have = 0;

	for(unsigned i = 0; i < n; i++)
		if(newer[i].until_ms > now && have < room)
			set->v[have++] = newer[i];
	for(unsigned i = 0; old && i < old->n; i++) {
		bool replaced = old->v[i].until_ms <= now;

		for(unsigned j = 0; j < n && !replaced; j++)
			replaced = same(&newer[j], old->v[i].instance, old->v[i].uri);
		if(replaced)
			continue;
		if(have == room && room < CPM_TAGS_MAX)
			return false;
		if(have == room)
			break;
		set->v[have++] = old->v[i];
	}
	set->n = have;
	return true;
}

void cpm_tags_apply(const cpm_tags_t *set, cpm_client_t *c, cpm_clients_t *of)
{
	uint64_t instance = hash_of(cpm_slice_of(c->instance));
	uint64_t uri = hash_of(cpm_slice_of(c->uri));

	for(unsigned i = 0; set && i < set->n; i++) {
		const cpm_tag_t *t = &set->v[i];

		if(!same(t, instance, uri))
			continue;
		if(!(c->tags & CPM_CAN_KNOWN))
			c->tags = t->tags;
		if(c->ua.len == 0)
			c->ua = cpm_clients_text(of, (str){(char *)t->ua, t->ua_n});
		return;
	}
}
