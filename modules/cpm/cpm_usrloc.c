/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Registered clients where this Kamailio is the registrar: contacts are read
 * from usrloc when somebody asks. usrloc's callbacks run with its slot locked,
 * so they only note who has changed; the notes are worked off by the script
 * function in the REGISTER route, else before pushes begin by the clock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../../core/dprint.h"
#include "../../core/locking.h"
#include "../../core/mem/mem.h"
#include "../../core/mem/shm_mem.h"
#include "../../core/sr_module.h"
#include "../usrloc/usrloc.h"
#include "cpm_alias.h"
#include "cpm_clients_src.h"
#include "cpm_conf.h"
#include "cpm_hdr.h"
#include "proto/slice.h"

#define NOTES_MAX                                                              \
	100000 /* more are lost: those users are told at their next                \
			* refresh */

/* A user who has changed. */
struct note
{
	struct note *next;
	bool again;
	int len;
	char user[];
};

static usrloc_api_t ul;
static udomain_t *domain;

static struct notes
{
	gen_lock_t lock;
	struct note *first, **last;
	unsigned n;
} * notes;

/* ---- names ---- */

/* "sip:user@domain" of an address as usrloc has it. */
static int user_of(str aor, char out[CPM_USER_BUF])
{
	char uri[CPM_USER_BUF];
	bool has_domain = aor.len > 0 && memchr(aor.s, '@', (size_t)aor.len);
	int n = has_domain
			? snprintf(uri, sizeof(uri), "sip:%.*s", STR_FMT(&aor))
			: snprintf(uri, sizeof(uri), "sip:%.*s@%.*s", STR_FMT(&aor),
					STR_FMT(&cpm_conf.contacts_domain));

	if(n < 0 || n >= (int)sizeof(uri))
		return -EBADMSG;
	return cpm_user_name((str){uri, n}, out);
}

/* The address as usrloc has it, of a canonical user: a part of it. */
static bool aor_of(const str *who, str *out)
{
	struct slice u = cpm_slice_of(*who), host;

	if(!slice_starts(u, SLICE("sip:")))
		return false;
	u = slice_skip(u, 4);
	if(!ul.use_domain) {
		u = slice_cut(u, '@', &host);
		if(!slice_ieq(host, cpm_slice_of(cpm_conf.contacts_domain)))
			return false;
	}
	*out = cpm_str_of(u);
	return u.n > 0;
}

/* ---- reading ---- */

/* usrloc takes a URI with a folded line in it: nobody can be reached by that,
 * and what it says must get into no request. */
static bool is_usable(const ucontact_t *c, time_t now)
{
	return VALID_CONTACT(c, now) && cpm_str_clean(c->c)
			&& cpm_str_clean(c->received) && cpm_str_clean(c->path);
}

static unsigned measure(const ucontact_t *c, time_t now, size_t *texts)
{
	unsigned n = 0;

	for(; c && n < CPM_CLIENTS_MAX; c = c->next) {
		if(!is_usable(c, now))
			continue;
		n++;
		*texts += (size_t)(c->c.len + c->received.len + c->path.len
				+ c->user_agent.len + 2 * c->instance.len);
	}
	return n;
}

/* usrloc keeps what the client wrote: "<urn:...>", with its quotes at times.
 * What could not stand in a URI (RFC 5627 section 3.2) is none. */
static struct slice instance_of(const ucontact_t *c)
{
	struct slice s = cpm_slice_of(c->instance);

	while(s.n > 0 && (s.p[0] == '"' || s.p[0] == '<'))
		s = slice_skip(s, 1);
	while(s.n > 0 && (s.p[s.n - 1] == '"' || s.p[s.n - 1] == '>'))
		s.n--;
	for(size_t i = 0; i < s.n; i++)
		if((unsigned char)s.p[i] <= ' ' || strchr("\"<>;?@\x7f", s.p[i]))
			return slice_of(NULL, 0);
	return s;
}

/* RFC 5627 section 3.2, as Kamailio's registrar makes it: the address and its
 * instance. */
static str gruu_of(cpm_clients_t *out, const str *who, struct slice instance)
{
	str gruu = cpm_clients_text(out, *who), rest;

	rest = cpm_clients_text(out, CPM_STR(";gr="));
	rest = cpm_clients_text(out, cpm_str_of(instance));
	if(rest.len == 0)
		return (str){NULL, 0};
	gruu.len = (int)(out->text - gruu.s);
	return gruu;
}

static void copy(cpm_clients_t *out, const ucontact_t *c, const str *who)
{
	cpm_client_t *one = &out->v[out->n++];
	struct slice instance = instance_of(c);

	one->uri = cpm_clients_text(out, c->c);
	one->received = cpm_clients_text(out, c->received);
	one->path = cpm_clients_text(out, c->path);
	one->ua = cpm_clients_text(out, c->user_agent);
	one->instance = cpm_clients_text(out, cpm_str_of(instance));
	if(one->instance.len > 0)
		one->gruu = gruu_of(out, who, instance);
	one->sock = c->sock;
}

/* Under usrloc's lock: memory of this process alone is touched. */
static cpm_clients_t *read_record(urecord_t *r, const str *who)
{
	time_t now = time(NULL);
	size_t texts = (size_t)who->len;
	unsigned n = r ? measure(r->contacts, now, &texts) : 0;
	cpm_clients_t *out = cpm_clients_new(
			n, texts + n * ((size_t)who->len + 4) + CPM_ULTAGS_TEXTS);

	if(out == NULL)
		return NULL;
	out->user = cpm_clients_text(out, *who);
	out->ids[out->n_ids++] = out->user;
	for(ucontact_t *c = n ? r->contacts : NULL; c && out->n < n; c = c->next)
		if(is_usable(c, now))
			copy(out, c, who);
	return out;
}

static int get(const str *who, bool ask, cpm_clients_t **out)
{
	urecord_t *r = NULL;
	cpm_clients_t *c;
	char primary[CPM_USER_BUF];
	str aor, name = *who;
	int n = cpm_alias_get(name, primary);

	(void)ask; /* all is known */
	if(n > 0)
		name = (str){primary, n};
	if(!aor_of(&name, &aor)) {
		c = read_record(NULL, &name);
	} else {
		ul.lock_udomain(domain, &aor);
		if(ul.get_urecord(domain, &aor, &r) != 0)
			r = NULL;
		c = read_record(r, &name);
		if(r)
			ul.release_urecord(r);
		ul.unlock_udomain(domain, &aor);
	}
	if(c == NULL) {
		LM_ERR("no private memory for the clients of %.*s\n", STR_FMT(who));
		return -ENOMEM;
	}
	cpm_ultags_apply(c);
	*out = c;
	return 0;
}

/* ---- changes ---- */

static void on_contact(ucontact_t *c, int type, void *param)
{
	struct note *note;

	(void)param;
	if(c->aor == NULL || c->domain == NULL
			|| str_strcmp(c->domain, &cpm_conf.usrloc_table) != 0)
		return;
	note = shm_malloc(sizeof(*note) + (size_t)c->aor->len);
	if(note == NULL)
		return; /* shm_malloc has logged it */
	note->next = NULL;
	note->again = type == UL_CONTACT_UPDATE;
	note->len = c->aor->len;
	memcpy(note->user, c->aor->s, (size_t)note->len);
	lock_get(&notes->lock);
	if(notes->n < NOTES_MAX) {
		*notes->last = note;
		notes->last = &note->next;
		notes->n++;
		note = NULL;
	}
	lock_release(&notes->lock);
	if(note)
		shm_free(note);
}

static void work_off(void)
{
	struct note *n, *next;
	char who[CPM_USER_BUF];

	if(notes->n == 0) /* a glance without the lock: the next turn sees it */
		return;
	lock_get(&notes->lock);
	n = notes->first;
	notes->first = NULL;
	notes->last = &notes->first;
	notes->n = 0;
	lock_release(&notes->lock);
	for(; n; n = next) {
		int len = user_of((str){n->user, n->len}, who);

		if(len > 0)
			cpm_clients_changed(&(str){who, len}, n->again);
		next = n->next;
		shm_free(n);
	}
}

/* ---- life ---- */

static int init(void)
{
	bind_usrloc_t bind =
			(bind_usrloc_t)(void *)find_export("ul_bind_usrloc", 1, 0);

	if(bind == NULL || bind(&ul) < 0) {
		LM_ERR("modparam contacts is usrloc: module usrloc has to be loaded"
			   " before cpm\n");
		return -1;
	}
	if(!ul.use_domain && cpm_conf.contacts_domain.len < 1) {
		LM_ERR("usrloc's use_domain is 0: modparam contacts_domain is"
			   " required\n");
		return -1;
	}
	if(ul.register_udomain(cpm_conf.usrloc_table.s, &domain) < 0) {
		LM_ERR("usrloc has no table \"%.*s\"\n",
				STR_FMT(&cpm_conf.usrloc_table));
		return -1;
	}
	notes = shm_malloc(sizeof(*notes));
	if(notes == NULL || lock_init(&notes->lock) == NULL)
		return -1;
	notes->first = NULL;
	notes->last = &notes->first;
	notes->n = 0;
	if(cpm_ultags_init() < 0)
		return -1;
	if(ul.register_ulcb(UL_CONTACT_INSERT | UL_CONTACT_UPDATE, on_contact, NULL)
			< 0)
		return -1;
	return 0;
}


const cpm_clients_src_t cpm_usrloc_src = {
		.init = init,
		.get = get,
		.tick = work_off,
		.slow_tick = cpm_ultags_tick,
};
