/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages that are never delivered: their senders are told where they asked
 * for it (cpm_imdn.h), and only then does the message leave the store. Given
 * up by the push (every client refuses it), or its lifetime is over: the relay
 * says so (deferred.expired), and what has to be told is claimed for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_imdn.h"
#include "cpm_push_int.h"

#define TELL_MAX 8 /* attempts to tell a sender */

/* ---- given up ---- */

static void on_told(bool ok, uint64_t tag)
{
	cpm_push_t *p = cpm_push_lock(tag);
	bool last;

	if(p == NULL)
		return;
	if(p->state != CPM_PU_TELLING) {
		cpm_push_unlock(p);
		return;
	}
	last = p->attempts >= TELL_MAX;
	cpm_push_settle_as(p, ok || last ? CPM_OUT_FAILED : CPM_OUT_RETRY, p->code);
	p->over = true;
	p->permanent = !ok && !last;
	p->retry_ms = cpm_push_retry_ms(p->attempts + 1, (uint32_t)random());
	cpm_push_unlock(p);
	cpm_push_settle(tag);
}

/* Texts of the entry, copied: they go with it. */
static cpm_strs_t *texts_of(uint64_t tag, bool *wanted)
{
	cpm_push_t *p = cpm_push_lock(tag);
	cpm_strs_t *copy;

	if(p == NULL)
		return NULL;
	*wanted = p->negative && !p->imdn;
	copy = cpm_strs_copy(p->texts);
	cpm_push_unlock(p);
	return copy;
}

void cpm_push_give_up(uint64_t tag)
{
	bool wanted = false;
	cpm_strs_t *t = texts_of(tag, &wanted);
	cpm_imdn_t m = {.user = cpm_strs_get(t, CPM_PU_USER),
			.sender = cpm_strs_get(t, CPM_PU_SENDER),
			.message_id = cpm_strs_get(t, CPM_PU_IMDN_ID),
			.to = cpm_strs_get(t, CPM_PU_TO),
			.datetime = cpm_strs_get(t, CPM_PU_DATE),
			.headers = cpm_strs_get(t, CPM_PU_HEADERS)};

	if(!wanted || m.message_id.len == 0)
		on_told(true, tag);
	else if(cpm_imdn_failed(&m, on_told, tag) < 0)
		on_told(false, tag);
	cpm_strs_drop(t);
}

/* ---- expired ---- */

/* A claimed message whose sender is being told. */
struct expiry
{
	uint64_t fence, size;
	unsigned attempts;
	bool large, imdn;
	char ref[CPM_DEFERRED_REF_BUF], user[CPM_USER_BUF], sender[CPM_USER_BUF];
};

static void put_text(char *to, size_t size, str s)
{
	size_t n = s.len > 0 ? (size_t)s.len : 0;

	n = n < size ? n : size - 1;
	memcpy(to, s.s ? s.s : "", n);
	to[n] = '\0';
}

static void tell_script(const struct expiry *x)
{
	cpm_deferred_tell(CPM_DEFERRED_EXPIRED,
			&(cpm_deferred_news_t){.ref = {(char *)x->ref, (int)strlen(x->ref)},
					.user = {(char *)x->user, (int)strlen(x->user)},
					.sender = {(char *)x->sender, (int)strlen(x->sender)},
					.kind = x->large ? "large" : "pager",
					.size = x->size,
					.imdn = x->imdn});
}

static void expiry_told(bool ok, uint64_t id)
{
	struct expiry *x = (struct expiry *)(uintptr_t)id;
	bool over = ok || x->attempts >= TELL_MAX;
	const cpm_deferred_settle_t s = {.ref = {x->ref, (int)strlen(x->ref)},
			.fence = x->fence,
			.outcome = over ? CPM_OUT_EXPIRED : CPM_OUT_RETRY,
			.retry_ms = cpm_push_retry_ms(x->attempts + 1, (uint32_t)random())};

	/* lost: the claim ends by itself, and the relay says so again */
	if(cpm_deferred_settle(&s, NULL, 0, 0) < 0)
		LM_NOTICE("%s has expired and was not settled\n", x->ref);
	else if(over)
		tell_script(x);
	shm_free(x);
}

static void on_claimed(const cpm_deferred_found_t *r, uint64_t id, int n)
{
	const cpm_deferred_msg_t *m = r->msg;
	char room[ENVELOPE_MAX];
	cpm_envelope_t e = {.from = {NULL, 0}};
	struct expiry *x;
	cpm_imdn_t imdn;

	(void)id;
	(void)n;
	if(m == NULL)
		return; /* another node has it */
	x = shm_malloc(sizeof(*x));
	if(x == NULL) {
		LM_ERR("%.*s: no memory to tell its sender\n", STR_FMT(&m->ref));
		return;
	}
	memset(x, 0, sizeof(*x));
	x->fence = m->fence;
	x->size = m->size;
	x->attempts = m->attempts;
	x->large = m->large;
	x->imdn = m->imdn_is;
	put_text(x->ref, sizeof(x->ref), m->ref);
	put_text(x->user, sizeof(x->user), m->user);
	put_text(x->sender, sizeof(x->sender), m->sender);
	if(cpm_envelope_read(m->envelope, room, &e) < 0)
		LM_NOTICE("%.*s: its envelope cannot be read\n", STR_FMT(&m->ref));
	imdn = (cpm_imdn_t){.user = m->user,
			.sender = m->sender,
			.message_id = m->imdn_id,
			.to = m->cpim_to,
			.datetime = m->cpim_date,
			.headers = e.headers};
	if(!m->imdn_negative || m->imdn_is || m->imdn_id.len == 0)
		expiry_told(true, (uint64_t)(uintptr_t)x);
	else if(cpm_imdn_failed(&imdn, expiry_told, (uint64_t)(uintptr_t)x) < 0)
		expiry_told(false, (uint64_t)(uintptr_t)x);
}

static str text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	const char *s = json_string_value(v);

	return (str){(char *)(s ? s : ""), s ? (int)json_string_length(v) : 0};
}

void cpm_push_expired(const json_t *params)
{
	str ref = text_of(params, "ref"), kind = text_of(params, "kind");
	json_int_t bytes = json_integer_value(json_object_get(params, "bytes"));

	if(ref.len <= 0 || ref.len >= CPM_DEFERRED_REF_BUF)
		return;
	if(!json_is_true(json_object_get(params, "claim"))) {
		cpm_deferred_tell(CPM_DEFERRED_EXPIRED,
				&(cpm_deferred_news_t){.ref = ref,
						.user = text_of(params, "user"),
						.sender = text_of(params, "sender"),
						.kind = kind.len == 5
								? (kind.s[0] == 'l' ? "large" : "pager")
								: "pager",
						.size = bytes > 0 ? (uint64_t)bytes : 0});
		return;
	}
	if(cpm_deferred_claim(ref, (unsigned)cpm_conf.push_lease, on_claimed, 0, 0)
			< 0)
		LM_NOTICE("%.*s: its sender is told later\n", STR_FMT(&ref));
}
