/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The list of a user's deferred messages, as the relay has it, one name of his
 * after the other (deferred.list, docs/control-protocol.md). What is written so
 * far waits in shared memory between an answer and the next question.
 */
#include <errno.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/mem/shm_mem.h"
#include "cpm_conf.h"
#include "cpm_link.h"
#include "cpm_notice_int.h"
#include "proto/cpim.h"
#include "proto/deferred_list.h"

struct job
{
	struct deferred_list list;
	unsigned n_ids, next; /* names in all; the one to be asked next */
	char name[CPM_USER_BUF];
	char ids[CPM_CLIENTS_IDS][CPM_USER_BUF];
	char body[CPM_NOTICE_BODY_MAX];
};

static int ask(struct job *j);

static struct slice text(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return slice_of(json_string_value(v), json_string_length(v));
}

static int64_t number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

/* Who has sent it is what he has written in the wrapper: his asserted identity
 * may be one that he has asked to hide (RFC 3325). */
static void add(struct job *j, const json_t *m)
{
	const json_t *cpim = json_object_get(m, "cpim");
	struct deferred_item item = {.ref = text(m, "ref"),
			.size = (uint64_t)number(m, "size"),
			.received_at = number(m, "received_at"),
			.expires_at = number(m, "expires_at"),
			.from = cpim_uri(text(cpim, "from")),
			.to = cpim_uri(text(cpim, "to")),
			.subject = text(cpim, "subject")};

	/* it cannot be had any more, or not now */
	if(slice_eq(text(m, "state"), SLICE("expiring"))
			|| slice_eq(text(m, "state"), SLICE("held")))
		return;
	if(j->list.items < (unsigned)cpm_conf.notify_list_max)
		deferred_list_add(&j->list, &item);
}

static void finish(struct job *j, int rc)
{
	str name = {j->name, (int)strlen(j->name)}, body = {NULL, 0};

	if(rc == 0) {
		body.len = (int)deferred_list_end(&j->list);
		body.s = j->body;
	} else {
		LM_NOTICE("no list of the deferred messages of %s (%d)\n", j->name, rc);
	}
	cpm_told_list(name, rc, body, j->list.items);
	shm_free(j);
}

static void on_list(
		cpm_link_rc_t rc, int code, const json_t *result, uint64_t job, int leg)
{
	struct job *j = (struct job *)(uintptr_t)job;
	json_t *list = json_object_get(result, "messages"), *one;
	int err;
	size_t i;

	(void)leg;
	if(rc != CPM_LINK_OK) {
		finish(j, rc == CPM_LINK_ERROR ? code : -ENOTCONN);
		return;
	}
	json_array_foreach(list, i, one) add(j, one);
	if(j->next == j->n_ids || j->list.full) {
		finish(j, 0);
		return;
	}
	err = ask(j);
	if(err < 0)
		finish(j, err);
}

static int ask(struct job *j)
{
	json_t *p = json_pack("{s:s,s:i}", "user", j->ids[j->next++], "limit",
			cpm_conf.notify_list_max);

	if(p == NULL)
		return -ENOMEM;
	return cpm_link_send(
			"deferred.list", p, 0, on_list, (uint64_t)(uintptr_t)j, 0);
}

static void set(char out[CPM_USER_BUF], str s)
{
	int n = s.len < CPM_USER_BUF ? s.len : CPM_USER_BUF - 1;

	memcpy(out, s.s, (size_t)n);
	out[n] = '\0';
}

int cpm_list_ask(str name, const cpm_strs_t *ids, unsigned n)
{
	struct job *j = shm_malloc(sizeof(*j));
	int rc;

	if(j == NULL)
		return -ENOMEM;
	j->n_ids = j->next = 0;
	set(j->name, name);
	for(unsigned i = 0; i < n && j->n_ids < CPM_CLIENTS_IDS; i++)
		set(j->ids[j->n_ids++], cpm_strs_get(ids, i));
	if(j->n_ids == 0)
		set(j->ids[j->n_ids++], name);
	deferred_list_begin(&j->list, j->body, sizeof(j->body));
	rc = ask(j);
	if(rc < 0)
		shm_free(j);
	return rc;
}
