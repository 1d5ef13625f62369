/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads and checks the parameters of commands (docs/control-protocol.md,
 * error -32602). Called by the ctl_session.c, ctl_leg.c and ctl_admin.c.
 */
#include "ctl_param.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"

#define TYPES_MAX 64       /* entries of an accept-types list */
#define TYPE_BYTES_MAX 127 /* bytes of one */

void params_fault(struct params *p, const char *name, const char *why)
{
	struct param_fault *f = p->fault;

	if(f->name[0] != '\0')
		return;
	snprintf(f->name, sizeof(f->name), "%s%.40s", p->prefix, name);
	snprintf(f->why, sizeof(f->why), "%s", why);
}

void params_begin(struct params *p, json_t *object, const char *prefix,
		struct param_fault *fault)
{
	memset(p, 0, sizeof(*p));
	p->fault = fault;
	if(json_is_object(object)) {
		p->object = object;
	} else {
		/* Tell it by the name of the whole, without the dot. */
		char name[48];

		snprintf(name, sizeof(name), "%s", *prefix ? prefix : "params");
		name[strcspn(name, ".")] = '\0';
		params_fault(p, name, "not an object");
	}
	snprintf(p->prefix, sizeof(p->prefix), "%s", prefix);
}

bool params_end(struct params *p)
{
	const char *key;
	json_t *v;

	json_object_foreach(p->object, key, v)
	{
		bool known = false;

		for(int i = 0; i < p->n_asked; i++)
			known = known || strcmp(p->asked[i], key) == 0;
		if(!known)
			params_fault(p, key, "unknown parameter");
	}
	return p->fault->name[0] == '\0';
}

/* The value, or NULL with a fault when it must be there. null counts as
 * absent. */
static json_t *get(struct params *p, const char *name, enum param_need need)
{
	json_t *v = json_object_get(p->object, name);

	if(p->n_asked < PARAM_NAMES_MAX)
		p->asked[p->n_asked++] = name;
	if(json_is_null(v))
		v = NULL;
	if(v == NULL && need == PARAM_REQUIRED)
		params_fault(p, name, "missing");
	return v;
}

const char *params_name(
		struct params *p, const char *name, enum param_need need, size_t max)
{
	json_t *v = get(p, name, need);

	if(v == NULL)
		return "";
	if(!json_is_string(v) || !ctl_name_ok(json_string_value(v), max)) {
		char why[80];

		snprintf(why, sizeof(why),
				"not a string of 1 to %zu of A-Z a-z 0-9 . _ -", max);
		params_fault(p, name, why);
		return "";
	}
	return json_string_value(v);
}

/* Everything that is put into a header or a line of the log. */
static bool is_printable(const char *s, bool blanks)
{
	for(; *s; s++)
		if((unsigned char)*s < (blanks ? 0x20 : 0x21) || *s == 0x7f)
			return false;
	return true;
}

static const char *text(struct params *p, const char *name,
		enum param_need need, size_t max, bool blanks)
{
	json_t *v = get(p, name, need);

	if(v == NULL)
		return NULL;
	if(!json_is_string(v)) {
		params_fault(p, name, "not a string");
		return NULL;
	}
	if(json_string_length(v) == 0 || json_string_length(v) > max) {
		params_fault(p, name, "empty or too long");
		return NULL;
	}
	if(!is_printable(json_string_value(v), blanks)) {
		params_fault(p, name, "has blanks or control characters");
		return NULL;
	}
	return json_string_value(v);
}

const char *params_str(
		struct params *p, const char *name, enum param_need need, size_t max)
{
	return text(p, name, need, max, false);
}

const char *params_words(
		struct params *p, const char *name, enum param_need need, size_t max)
{
	return text(p, name, need, max, true);
}

int params_choice(struct params *p, const char *name, enum param_need need,
		const char *const *choices, int def)
{
	json_t *v = get(p, name, need);
	const char *s = json_string_value(v);
	char why[96];
	size_t n = 0;

	if(v == NULL)
		return def;
	for(int i = 0; s && choices[i]; i++)
		if(strcmp(choices[i], s) == 0)
			return i;
	n = (size_t)snprintf(why, sizeof(why), "not one of");
	for(int i = 0; choices[i] && n < sizeof(why); i++)
		n += (size_t)snprintf(why + n, sizeof(why) - n, " %s", choices[i]);
	params_fault(p, name, why);
	return def;
}

uint64_t params_u64(struct params *p, const char *name, enum param_need need,
		uint64_t min, uint64_t max, uint64_t def)
{
	json_t *v = get(p, name, need);
	json_int_t n = json_integer_value(v);
	char why[80];

	if(v == NULL)
		return def;
	if(!json_is_integer(v) || n < 0 || (uint64_t)n < min || (uint64_t)n > max) {
		snprintf(why, sizeof(why), "not an integer of %" PRIu64 " to %" PRIu64,
				min, max);
		params_fault(p, name, why);
		return def;
	}
	return (uint64_t)n;
}

bool params_bool(
		struct params *p, const char *name, enum param_need need, bool def)
{
	json_t *v = get(p, name, need);

	if(v == NULL)
		return def;
	if(!json_is_boolean(v)) {
		params_fault(p, name, "neither true nor false");
		return def;
	}
	return json_is_true(v);
}

json_t *params_object(struct params *p, const char *name, enum param_need need)
{
	json_t *v = get(p, name, need);

	if(v && !json_is_object(v)) {
		params_fault(p, name, "not an object");
		return NULL;
	}
	return v;
}

json_t *params_array(struct params *p, const char *name, enum param_need need,
		size_t min, size_t max)
{
	json_t *v = get(p, name, need);
	char why[80];

	if(v == NULL)
		return NULL;
	if(!json_is_array(v) || json_array_size(v) < min
			|| json_array_size(v) > max) {
		snprintf(why, sizeof(why), "not an array of %zu to %zu", min, max);
		params_fault(p, name, why);
		return NULL;
	}
	return v;
}

char *params_join(struct params *p, const char *name)
{
	const char *star = json_string_value(json_object_get(p->object, name));
	json_t *v, *one;
	size_t i, n = 0, size = TYPES_MAX * (TYPE_BYTES_MAX + 1);
	char *joined;
	bool any = false;

	if(star && strcmp(star, "*") == 0) {
		get(p, name, PARAM_OPTIONAL);
		return NULL;
	}
	v = params_array(p, name, PARAM_OPTIONAL, 1, TYPES_MAX);
	if(v == NULL)
		return NULL;
	joined = malloc(size);
	if(joined == NULL)
		abort();
	json_array_foreach(v, i, one)
	{
		const char *s = json_string_value(one);

		if(s == NULL || *s == '\0' || strlen(s) > TYPE_BYTES_MAX
				|| !is_printable(s, false)) {
			params_fault(p, name, "not an array of media types");
			free(joined);
			return NULL;
		}
		any = any || strcmp(s, "*") == 0;
		n += (size_t)snprintf(joined + n, size - n, "%s%s", i ? " " : "", s);
	}
	if(any) {
		free(joined);
		return NULL;
	}
	return joined;
}
