/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-relay.conf: one table says what every option is called, what it may
 * be and what it does; reading, checking, printing, the manual page and the
 * commented example all follow it.
 */
#ifndef RELAY_CONF_H
#define RELAY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "session/relay.h"
#include "store/store.h"

#define CONF_FILE_DEFAULT "/etc/msrp-relay.conf"
#define CONF_LINE_MAX 199 /* bytes; inih's limit */

/* The effective configuration. Strings are owned by the struct. */
struct conf
{
	struct relay_conf relay;
	struct store_conf store;    /* of deferred messages */
	const char *control_socket; /* path */
	const char *control_users;  /* names or numbers, comma separated; NULL */
	const char *control_groups; /* likewise */
	int control_clients;        /* most connections */
	const char *http_address;   /* numeric */
	int http_port;              /* 0 = no HTTP server */
	int log_target;             /* enum log_target */
	int log_level;              /* enum log_level */
};

enum conf_type
{
	CONF_STRING,
	CONF_ADDRESS,  /* numeric IPv4 or IPv6 */
	CONF_INT,      /* int */
	CONF_SIZE,     /* uint64_t, bytes; units KiB, MiB, GiB, kB, MB, GB */
	CONF_DURATION, /* int, milliseconds; units ms, s, min, h */
	CONF_LIFETIME, /* int, seconds; units s, min, h, d */
	CONF_BOOL,     /* bool; yes, no */
	CONF_CHOICE    /* int; one of a list */
};

struct conf_option
{
	const char *name;
	enum conf_type type;
	size_t offset;     /* in struct conf */
	const char *value; /* default, as written in the file; "" = unset */
	uint64_t min, max; /* numbers only, in the unit of the field */
	const char *const *choices; /* CONF_CHOICE: NULL-terminated */
	const char *help;           /* one line */
};

extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

/**
 * Read and check a configuration file.
 *
 * @param file    path; NULL = defaults only
 * @param out     filled on success only; conf_free is due then
 * @param errors  gets a line "file:line: what is wrong" for every error
 *
 * @return 0; -EINVAL when there were errors; -ENOENT, -EACCES, ... when the
 *         file cannot be read (told to `errors` too)
 */
int conf_load(const char *file, struct conf *out, FILE *errors)
		__attribute__((warn_unused_result));

/* Release the strings. Safe to call twice. */
void conf_free(struct conf *c);

/* Write every option with its value in force, readable by conf_load. */
void conf_print(const struct conf *c, FILE *to);

/**
 * Read one value by its option's type and limits into the struct.
 *
 * @param why  what is wrong with it, on failure
 * @return 0 or -EINVAL
 */
int conf_set(struct conf *c, const struct conf_option *o, const char *value,
		char *why, size_t why_size);

/* The value in force, in the shortest form the file accepts. */
void conf_format(const struct conf *c, const struct conf_option *o, char *buf,
		size_t size);

#endif
