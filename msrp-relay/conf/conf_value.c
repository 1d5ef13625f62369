/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One value of msrp-relay.conf: text to field and back, with units and
 * limits. Called by conf.c for each line of the file.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "slice.h"

struct unit
{
	const char *name;
	uint64_t factor;
};

/* Largest first: formatting takes the first that divides. The decimal ones
 * are read and never written. */
static const struct unit sizes[] = {{"GiB", UINT64_C(1) << 30},
		{"MiB", UINT64_C(1) << 20}, {"KiB", UINT64_C(1) << 10}, {"", 1},
		{"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {NULL, 0}};
static const struct unit durations[] = {{"h", 3600000}, {"min", 60000},
		{"s", 1000}, {"ms", 1}, {"", 1000}, {NULL, 0}};
static const struct unit lifetimes[] = {
		{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}, {"", 1}, {NULL, 0}};

static void *field(const struct conf *c, const struct conf_option *o)
{
	return (char *)c + o->offset;
}

/* Digits and, right behind them or after blanks, a unit. */
static int number(const char *value, const struct unit *units, uint64_t *out)
{
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits;
	uint64_t v;

	if(!slice_u64(slice_of(value, digits), UINT64_MAX, &v))
		return -EINVAL;
	unit += strspn(unit, " ");
	for(; units->name; units++) {
		if(strcmp(units->name, unit) != 0)
			continue;
		if(v > UINT64_MAX / units->factor)
			return -EINVAL;
		*out = v * units->factor;
		return 0;
	}
	return -EINVAL;
}

static void format_number(
		uint64_t v, const struct unit *units, char *buf, size_t size)
{
	while(v % units->factor != 0 || (v == 0 && units->factor != 1))
		units++;
	snprintf(buf, size, "%" PRIu64 "%s", v / units->factor,
			v == 0 ? "" : units->name);
}

static int set_number(struct conf *c, const struct conf_option *o,
		const char *value, char *why, size_t why_size)
{
	static const struct unit none[] = {{"", 1}, {NULL, 0}};
	const struct unit *units = o->type == CONF_SIZE ? sizes
			: o->type == CONF_DURATION              ? durations
			: o->type == CONF_LIFETIME              ? lifetimes
													: none;
	char low[32], high[32];
	uint64_t v;

	if(number(value, units, &v) < 0) {
		snprintf(why, why_size, "not a %s",
				o->type == CONF_SIZE               ? "size (such as 64KiB)"
						: o->type == CONF_DURATION ? "duration (such as 10s)"
						: o->type == CONF_LIFETIME ? "lifetime (such as 7d)"
												   : "number");
		return -EINVAL;
	}
	if(v < o->min || v > o->max) {
		format_number(o->min, units, low, sizeof(low));
		format_number(o->max, units, high, sizeof(high));
		snprintf(why, why_size, "out of range, %s to %s", low, high);
		return -EINVAL;
	}
	if(o->type == CONF_SIZE)
		*(uint64_t *)field(c, o) = v;
	else
		*(int *)field(c, o) = (int)v;
	return 0;
}

static int set_string(struct conf *c, const struct conf_option *o,
		const char *value, char *why, size_t why_size)
{
	const char **at = field(c, o);
	unsigned char ip[16];

	if(o->type == CONF_ADDRESS && inet_pton(AF_INET, value, ip) != 1
			&& inet_pton(AF_INET6, value, ip) != 1) {
		snprintf(why, why_size, "not a numeric IPv4 or IPv6 address");
		return -EINVAL;
	}
	free((void *)*at);
	*at = NULL;
	if(*value != '\0') {
		*at = strdup(value);
		if(*at == NULL)
			abort();
	}
	return 0;
}

static int set_choice(struct conf *c, const struct conf_option *o,
		const char *value, char *why, size_t why_size)
{
	for(int i = 0; o->choices[i]; i++) {
		if(strcmp(o->choices[i], value) == 0) {
			*(int *)field(c, o) = i;
			return 0;
		}
	}
	snprintf(why, why_size, "not one of: %s", o->help);
	return -EINVAL;
}

int conf_set(struct conf *c, const struct conf_option *o, const char *value,
		char *why, size_t why_size)
{
	switch(o->type) {
		case CONF_STRING:
		case CONF_ADDRESS:
			return set_string(c, o, value, why, why_size);
		case CONF_INT:
		case CONF_SIZE:
		case CONF_DURATION:
		case CONF_LIFETIME:
			return set_number(c, o, value, why, why_size);
		case CONF_BOOL:
			if(strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
				snprintf(why, why_size, "neither yes nor no");
				return -EINVAL;
			}
			*(bool *)field(c, o) = strcmp(value, "yes") == 0;
			return 0;
		case CONF_CHOICE:
			return set_choice(c, o, value, why, why_size);
	}
	return -EINVAL;
}

void conf_format(const struct conf *c, const struct conf_option *o, char *buf,
		size_t size)
{
	const void *at = field(c, o);
	const char *s;

	switch(o->type) {
		case CONF_STRING:
		case CONF_ADDRESS:
			s = *(const char *const *)at;
			snprintf(buf, size, "%s", s ? s : "");
			break;
		case CONF_INT:
			snprintf(buf, size, "%d", *(const int *)at);
			break;
		case CONF_SIZE:
			format_number(*(const uint64_t *)at, sizes, buf, size);
			break;
		case CONF_DURATION:
			format_number((uint64_t) * (const int *)at, durations, buf, size);
			break;
		case CONF_LIFETIME:
			format_number((uint64_t) * (const int *)at, lifetimes, buf, size);
			break;
		case CONF_BOOL:
			snprintf(buf, size, "%s", *(const bool *)at ? "yes" : "no");
			break;
		case CONF_CHOICE:
			snprintf(buf, size, "%s", o->choices[*(const int *)at]);
			break;
	}
}
