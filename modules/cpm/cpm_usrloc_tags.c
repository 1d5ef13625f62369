/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What usrloc does not keep of its users: the feature tags of their clients,
 * and their further identities, as cpm_register_tags() is told in the REGISTER
 * route. A hash in shared memory, a lock for each slot; an entry ends with its
 * last client's registration.
 */
#include <errno.h>
#include <string.h>

#include "../../core/atomic_ops.h"
#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/parser/parse_expires.h"
#include "../../core/parser/parse_to.h"
#include "cpm_alias.h"
#include "cpm_clients_src.h"
#include "cpm_conf.h"
#include "cpm_id.h"
#include "cpm_session.h"
#include "cpm_sip.h"
#include "cpm_strs.h"
#include "cpm_tags.h"

#define SLOTS 4096
#define SLOTS_A_TICK 64
#define DEFAULT_EXPIRES_S 3600

struct entry
{
	struct entry *next;
	cpm_tags_t *tags; /* owned; never NULL in the table */
	cpm_strs_t *ids;  /* further identities, owned; may be NULL */
	uint16_t len;
	char name[];
};

static struct table
{
	atomic_t n;
	struct slot
	{
		gen_lock_t lock;
		struct entry *first;
	} slots[SLOTS];
} * table;

int cpm_ultags_init(void)
{
	table = shm_malloc(sizeof(*table));
	if(table == NULL)
		return -1;
	memset(table, 0, sizeof(*table));
	for(unsigned i = 0; i < SLOTS; i++)
		if(lock_init(&table->slots[i].lock) == NULL)
			return -1;
	return cpm_alias_init();
}

static struct slot *slot_of(str name)
{
	return &table->slots[cpm_id_hash(name.s, (size_t)name.len) % SLOTS];
}

static struct entry **find_unsafe(struct slot *s, str name)
{
	struct entry **at = &s->first;

	while(*at
			&& ((*at)->len != name.len
					|| memcmp((*at)->name, name.s, (size_t)name.len) != 0))
		at = &(*at)->next;
	return at;
}

static void entry_free(struct entry *e)
{
	if(e == NULL)
		return;
	if(e->tags)
		shm_free(e->tags);
	cpm_strs_free(&e->ids);
	shm_free(e);
}

static struct entry *entry_new(str name)
{
	struct entry *e;

	e = shm_malloc(sizeof(*e) + (size_t)name.len);
	if(e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->len = (uint16_t)name.len;
	memcpy(e->name, name.s, (size_t)name.len);
	return e;
}

/* A private copy of what is known of the user: 0 or -ENOENT. */
static int copy_out(str name, cpm_tags_t **tags, cpm_strs_t **ids)
{
	struct slot *s = slot_of(name);
	struct entry *e;
	size_t size;

	*tags = NULL;
	*ids = NULL;
	lock_get(&s->lock);
	e = *find_unsafe(s, name);
	if(e) {
		size = sizeof(cpm_tags_t) + e->tags->n * sizeof(cpm_tag_t);
		*tags = pkg_malloc(size);
		if(*tags)
			memcpy(*tags, e->tags, size);
		*ids = cpm_strs_copy(e->ids);
	}
	lock_release(&s->lock);
	return e ? 0 : -ENOENT;
}

void cpm_ultags_apply(cpm_clients_t *c)
{
	cpm_tags_t *tags;
	cpm_strs_t *ids;

	if(copy_out(c->user, &tags, &ids) < 0)
		return;
	for(unsigned i = 0; tags && i < c->n; i++)
		cpm_tags_apply(tags, &c->v[i], c);
	for(unsigned i = 0; ids && i < ids->n && c->n_ids < CPM_CLIENTS_IDS; i++)
		c->ids[c->n_ids++] = cpm_clients_text(c, cpm_strs_get(ids, i));
	if(tags)
		pkg_free(tags);
	cpm_strs_drop(ids);
}

/* The entry, with newer tags; ids replace the old ones when there are some.
 * What has to be freed is left in *old. Merged under the lock: two devices may
 * register at once, and neither may be lost. 0; -EAGAIN its set has not enough
 * room; -ENOENT nothing is left, and it is not in the table; -ENOSPC there are
 * too many users to add one. */
static int put_unsafe(struct slot *s, struct entry *fresh, unsigned room,
		const cpm_tag_t *v, unsigned n, cpm_strs_t **ids, struct entry **old)
{
	str name = {fresh->name, fresh->len};
	struct entry **at = find_unsafe(s, name), *e = *at;

	if(e == NULL && atomic_get(&table->n) >= cpm_conf.contacts_max_users)
		return -ENOSPC;
	if(!cpm_tags_merge(e ? e->tags : NULL, v, n, fresh->tags, room))
		return -EAGAIN;
	fresh->ids = e ? e->ids : NULL;
	if(*ids) {
		cpm_strs_t *was = fresh->ids;

		fresh->ids = *ids;
		*ids = was;
	}
	if(e) {
		*at = e->next;
		e->ids = NULL;
		atomic_dec(&table->n);
	}
	*old = e;
	if(fresh->tags->n == 0)
		return -ENOENT;
	fresh->next = s->first;
	s->first = fresh;
	atomic_inc(&table->n);
	return 0;
}

static void learn(
		str name, const cpm_tag_t *v, unsigned n, const str *ids, unsigned nids)
{
	struct slot *s = slot_of(name);
	struct entry *fresh = entry_new(name), *old = NULL;
	cpm_strs_t *texts = nids ? cpm_strs_new(ids, nids) : NULL;
	unsigned room = 0;
	int rc = fresh ? -EAGAIN : -ENOMEM;

	while(rc == -EAGAIN) {
		room = cpm_tags_room(room, n);
		if(fresh->tags)
			shm_free(fresh->tags);
		fresh->tags = cpm_tags_new(room);
		if(fresh->tags == NULL)
			break; /* what is known stays */
		lock_get(&s->lock);
		rc = put_unsafe(s, fresh, room, v, n, &texts, &old);
		lock_release(&s->lock);
	}
	if(rc == -ENOSPC)
		LM_WARN("%.*s: more users than contacts_max_users (%d), his feature"
				" tags are not kept\n",
				STR_FMT(&name), cpm_conf.contacts_max_users);
	entry_free(old);
	cpm_strs_free(&texts);
	if(rc < 0)
		entry_free(fresh);
}

void cpm_ultags_tick(void)
{
	static unsigned next; /* of the timer process alone */
	uint64_t now = cpm_now_ms();

	cpm_alias_tick();
	for(unsigned i = 0; i < SLOTS_A_TICK; i++, next = (next + 1) % SLOTS) {
		struct slot *s = &table->slots[next];
		struct entry **at, *gone = NULL, *e;

		if(s->first == NULL) /* a glance without the lock */
			continue;
		lock_get(&s->lock);
		for(at = &s->first; (e = *at) != NULL;) {
			bool live = false;

			for(unsigned j = 0; j < e->tags->n && !live; j++)
				live = e->tags->v[j].until_ms > now;
			if(live) {
				at = &e->next;
				continue;
			}
			*at = e->next;
			e->next = gone;
			gone = e;
			atomic_dec(&table->n);
		}
		lock_release(&s->lock);
		while(gone) {
			e = gone;
			gone = e->next;
			entry_free(e);
		}
	}
}

/* ---- the script function ---- */

static uint32_t expires_of(sip_msg_t *msg)
{
	uint64_t s;

	return slice_u64(slice_trim(cpm_slice_of(cpm_hdr_get(msg, "Expires"))),
				   UINT32_MAX, &s)
			? (uint32_t)s
			: DEFAULT_EXPIRES_S;
}

/* The identities of a comma list, canonical, and known as this user's. */
static unsigned read_ids(
		str list, str name, uint32_t ttl_s, char room[][CPM_USER_BUF], str *ids)
{
	struct slice rest = cpm_slice_of(list);
	unsigned n = 0;

	while(rest.n > 0 && n < CPM_CLIENTS_IDS - 1) {
		struct slice one = slice_trim(slice_cut(rest, ',', &rest));
		int len = cpm_user_name(cpm_str_of(one), room[n]);

		if(len < 0) {
			if(one.n > 0)
				LM_WARN("cpm_register_tags: \"%.*s\" is no address\n",
						SLICE_ARG(one));
			continue;
		}
		ids[n] = (str){room[n], len};
		cpm_alias_set(ids[n], name, ttl_s);
		n++;
	}
	return n;
}

int ki_cpm_register_tags(sip_msg_t *msg, str *identities)
{
	char name_buf[CPM_USER_BUF], room[CPM_CLIENTS_IDS][CPM_USER_BUF];
	cpm_tag_t tags[CPM_TAGS_MAX];
	str ids[CPM_CLIENTS_IDS], name;
	hdr_field_t *h = NULL;
	unsigned n = 0, n_ids;
	uint64_t longest = 0;

	if(cpm_conf.contacts_by != CPM_CONTACTS_USRLOC) {
		LM_ERR("cpm_register_tags: modparam contacts is not usrloc\n");
		return -1;
	}
	if(parse_headers(msg, HDR_EOH_F, 0) < 0
			|| msg->REQ_METHOD != METHOD_REGISTER || parse_to_header(msg) < 0)
		return -1;
	name.s = name_buf;
	name.len = cpm_user_name(get_to(msg)->uri, name_buf);
	if(name.len < 0)
		return -1;
	while((h = cpm_hdr_next(msg, "Contact", h)) != NULL)
		n = cpm_tags_read(cpm_slice_of(h->body), expires_of(msg),
				cpm_slice_of(cpm_hdr_get(msg, "User-Agent")), tags, n);
	for(unsigned i = 0; i < n; i++)
		if(tags[i].until_ms > longest)
			longest = tags[i].until_ms;
	if(n > 0) {
		longest -= longest > 0 ? cpm_now_ms() : 0;
		n_ids = read_ids(
				*identities, name, (uint32_t)(longest / 1000), room, ids);
		learn(name, tags, n, ids, n_ids);
	}
	cpm_clients_work();
	return 1;
}
