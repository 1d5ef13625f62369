/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy for the request at hand (cpm_req.h), and one table of its fields
 * for reading and writing by name.
 */
#include "cpm_req.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dprint.h"
#include "../../core/parser/parse_uri.h"
#include "cpm_conf.h"
#include "cpm_trust.h"
#include "proto/addr.h"

/* How a field is read and written. */
typedef enum field_type
{
	F_NUMBER,
	F_VERSION,
	F_CASE,
	F_URI
} field_type_t;

static const struct field
{
	const char *name; /* as in $cpm(name) */
	field_type_t type;
	size_t offset; /* of its int in cpm_req_t */
	int min, max;
} fields[] = {
		{"authorised", F_NUMBER, offsetof(cpm_req_t, authorised), 0, 1},
		{"anonymity", F_NUMBER, offsetof(cpm_req_t, anonymity), 0, 1},
		{"list_anonymity", F_NUMBER, offsetof(cpm_req_t, list_anonymity), 0, 1},
		{"interworking", F_NUMBER, offsetof(cpm_req_t, interworking), 0, 1},
		{"direct_delivery", F_NUMBER, offsetof(cpm_req_t, direct_delivery), 0,
				1},
		{"defer", F_NUMBER, offsetof(cpm_req_t, defer), 0, 1},
		{"max_recipients", F_NUMBER, offsetof(cpm_req_t, max_recipients), 0,
				INT_MAX},
		{"max_message", F_NUMBER, offsetof(cpm_req_t, max_message), 0, INT_MAX},
		{"pager_limit", F_NUMBER, offsetof(cpm_req_t, pager_limit), 1, 65535},
		{"min_version", F_VERSION, 0, 0, 0},
		{"case", F_CASE, offsetof(cpm_req_t, session_case), 0, 0},
		{"asserted", F_URI, offsetof(cpm_req_t, asserted_len), 0, 0},
};

#define FIELDS ((int)(sizeof(fields) / sizeof(*fields)))

static const char *const cases[] = {[CPM_CASE_NONE] = "",
		[CPM_CASE_ORIG] = "orig",
		[CPM_CASE_TERM] = "term"};

static cpm_req_t defaults;

/* The one request that this process is working on, as the core numbers it. */
static struct
{
	bool used;
	unsigned int id;
	int pid;
	cpm_req_t req;
} now;

static int set_version(cpm_req_t *r, str text)
{
	product_version v = 0;

	if(text.len >= CPM_REQ_VERSION_BUF)
		return -1;
	if(text.len > 0
			&& product_version_parse(slice_of(text.s, (size_t)text.len), &v)
					< 0)
		return -1;
	r->min_version = v;
	if(text.len > 0)
		memcpy(r->min_version_text, text.s, (size_t)text.len);
	r->min_version_text[text.len] = '\0';
	return 0;
}

int cpm_req_init(void)
{
	defaults = (cpm_req_t){
			.authorised = cpm_conf.authorised,
			.anonymity = cpm_conf.anonymity,
			.list_anonymity = cpm_conf.list_anonymity,
			.interworking = cpm_conf.interworking,
			.direct_delivery = cpm_conf.direct_delivery,
			.defer = cpm_conf.defer,
			.max_recipients = cpm_conf.max_recipients,
			.max_message = cpm_conf.max_message,
			.pager_limit = cpm_conf.pager_limit,
	};
	if(set_version(&defaults, cpm_conf.min_client_version) == 0)
		return 0;
	LM_ERR("modparam min_client_version is no version: \"%.*s\"\n",
			STR_FMT(&cpm_conf.min_client_version));
	return -1;
}

cpm_req_t *cpm_req(sip_msg_t *msg)
{
	if(!now.used || now.id != msg->id || now.pid != msg->pid) {
		now.used = true;
		now.id = msg->id;
		now.pid = msg->pid;
		now.req = defaults;
	}
	return &now.req;
}

static int *number_of(cpm_req_t *r, const struct field *f)
{
	return (int *)(void *)((char *)r + f->offset);
}

int cpm_req_field(const str *name)
{
	for(int i = 0; i < FIELDS; i++)
		if((int)strlen(fields[i].name) == name->len
				&& memcmp(fields[i].name, name->s, (size_t)name->len) == 0)
			return i;
	return -1;
}

int cpm_req_get(sip_msg_t *msg, int field, cpm_req_value_t *out)
{
	cpm_req_t *r = cpm_req(msg);
	const char *text;

	if(field < 0 || field >= FIELDS)
		return -1;
	if(fields[field].type == F_NUMBER) {
		out->kind = CPM_REQ_INT;
		out->num = *number_of(r, &fields[field]);
		return 0;
	}
	if(fields[field].type == F_URI) {
		if(parse_headers(msg, HDR_EOH_F, 0) < 0)
			return -1;
		out->kind = CPM_REQ_TEXT;
		out->text = cpm_identity_uri(msg);
		return out->text.len > 0 ? 0 : -1;
	}
	text = fields[field].type == F_CASE ? cases[r->session_case]
										: r->min_version_text;
	out->kind = CPM_REQ_TEXT;
	out->text = (str){(char *)text, (int)strlen(text)};
	return 0;
}

/* "yes" and the like for what is 0 or 1: as people write it in tables. */
static bool read_word(struct slice text, uint64_t *out)
{
	static const struct
	{
		const char *word;
		uint64_t value;
	} words[] = {{"yes", 1}, {"true", 1}, {"on", 1}, {"no", 0}, {"false", 0},
			{"off", 0}};

	for(size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if(slice_ieq(text, slice_str(words[i].word))) {
			*out = words[i].value;
			return true;
		}
	}
	return false;
}

static int set_number(cpm_req_t *r, const struct field *f, str text)
{
	struct slice in = slice_trim(slice_of(text.s, (size_t)text.len));
	uint64_t n;

	if(f->max == 1 && read_word(in, &n)) {
		*number_of(r, f) = (int)n;
		return 0;
	}
	if(!slice_u64(in, (uint64_t)f->max, &n) || n < (uint64_t)f->min)
		return -1;
	*number_of(r, f) = (int)n;
	return 0;
}

static int set_case(cpm_req_t *r, str text)
{
	for(int i = 0; i < (int)(sizeof(cases) / sizeof(*cases)); i++)
		if((int)strlen(cases[i]) == text.len
				&& memcmp(cases[i], text.s ? text.s : "", (size_t)text.len)
						== 0) {
			r->session_case = i;
			return 0;
		}
	return -1;
}

/* It goes into a header of ours: nothing but a URI. */
static int set_asserted(cpm_req_t *r, str text)
{
	struct slice list = slice_of(text.s, (size_t)text.len);
	sip_uri_t uri;
	struct addr a;

	if(text.len == 0) {
		r->asserted_len = 0;
		return 0;
	}
	if(addr_next(&list, &a) != 1 || list.n > 0 || a.uri.n >= sizeof(r->asserted)
			|| parse_uri((char *)a.uri.p, (int)a.uri.n, &uri) < 0)
		return -1;
	memcpy(r->asserted, a.uri.p, a.uri.n);
	r->asserted_len = (int)a.uri.n;
	return 0;
}

static void reset(cpm_req_t *r, const struct field *f)
{
	if(f->type == F_URI) {
		r->asserted_len = 0;
	} else if(f->type == F_VERSION) {
		r->min_version = defaults.min_version;
		memcpy(r->min_version_text, defaults.min_version_text,
				sizeof(r->min_version_text));
	} else {
		*number_of(r, f) = *number_of(&defaults, f);
	}
}

int cpm_req_set(sip_msg_t *msg, int field, const str *text)
{
	cpm_req_t *r = cpm_req(msg);
	const struct field *f;
	int rc = -1;

	if(field < 0 || field >= FIELDS)
		return -1;
	f = &fields[field];
	if(text == NULL) {
		reset(r, f);
		return 0;
	}
	switch(f->type) {
		case F_NUMBER:
			rc = set_number(r, f, *text);
			break;
		case F_VERSION:
			rc = set_version(r, *text);
			break;
		case F_CASE:
			rc = set_case(r, *text);
			break;
		case F_URI:
			rc = set_asserted(r, *text);
			break;
	}
	if(rc < 0)
		LM_ERR("$cpm(%s) cannot be \"%.*s\"\n", f->name, STR_FMT(text));
	return rc;
}
