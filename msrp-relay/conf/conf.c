/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads msrp-relay.conf with inih. Every error is told with its line, an
 * unknown option is one, and nothing is used from a file that has any. Called
 * by main.c at start, with -t, and again on SIGHUP.
 */
#include "conf.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct reading
{
	const char *file;
	FILE *in, *errors;
	struct conf *conf;
	int line; /* the current one */
	int n_errors;
	uint64_t seen; /* bit n: option n was given */
};

static void complain(struct reading *r, int line, const char *fmt, ...)
		__attribute__((format(printf, 3, 4)));

static void complain(struct reading *r, int line, const char *fmt, ...)
{
	va_list ap;

	r->n_errors++;
	if(line > 0)
		fprintf(r->errors, "%s:%d: ", r->file, line);
	else
		fprintf(r->errors, "%s: ", r->file ? r->file : "defaults");
	va_start(ap, fmt);
	vfprintf(r->errors, fmt, ap);
	va_end(ap);
	fputc('\n', r->errors);
}

/* inih's reader: counts lines, since Debian's inih does not tell them, and
 * catches those that inih would cut in two. */
static char *read_line(char *buf, int size, void *arg)
{
	struct reading *r = arg;
	char *got = fgets(buf, size, r->in);

	if(got == NULL)
		return NULL;
	r->line++;
	if(strchr(got, '\n') == NULL && !feof(r->in)) {
		int c;

		complain(r, r->line, "line longer than %d bytes", CONF_LINE_MAX);
		while((c = fgetc(r->in)) != EOF && c != '\n')
			;
		buf[0] = '\0';
	} else if(strspn(got, " \t") > 0 && got[strspn(got, " \t\r\n")] != '\0') {
		/* Else inih would take it as more of the option before. */
		memmove(got, got + strspn(got, " \t"),
				strlen(got + strspn(got, " \t")) + 1);
	}
	return buf;
}

static int take(
		void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	char why[160];

	if(*section != '\0') {
		complain(r, r->line, "sections such as [%s] are not used", section);
		return 1;
	}
	for(size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];

		if(strcmp(o->name, name) != 0)
			continue;
		if(r->seen & UINT64_C(1) << i)
			complain(r, r->line, "%s is given twice", name);
		r->seen |= UINT64_C(1) << i;
		if(conf_set(r->conf, o, value, why, sizeof(why)) < 0)
			complain(r, r->line, "%s: \"%s\": %s", name, value, why);
		return 1;
	}
	complain(r, r->line, "unknown option \"%s\"", name);
	return 1;
}

static bool is_wildcard(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* What no single option can be blamed for. */
static void check_together(struct reading *r, const struct conf *c)
{
	const struct relay_conf *m = &c->relay;

	if(m->advertise_host == NULL && m->listen_host
			&& is_wildcard(m->listen_host))
		complain(r, 0,
				"listen_address %s needs advertise_address: the host in our "
				"MSRP URIs",
				m->listen_host);
	if(m->tls_port != 0 && (m->tls_cert == NULL || m->tls_key == NULL))
		complain(r, 0, "tls_port needs tls_certificate and tls_key");
	if(m->tls_verify && m->tls_ca == NULL)
		complain(r, 0, "tls_verify needs tls_ca");
	if(m->listen_port + m->workers - 1 > 65535
			|| (m->tls_port && m->tls_port + m->workers - 1 > 65535))
		complain(r, 0, "not enough ports for %d workers", m->workers);
	if(m->tls_port != 0 && m->tls_port < m->listen_port + m->workers
			&& m->listen_port < m->tls_port + m->workers)
		complain(r, 0,
				"the ports of listen_port and tls_port overlap for %d "
				"workers",
				m->workers);
	if(m->spool_dir && m->spool_dir[0] != '/')
		complain(r, 0, "spool_dir %s: not an absolute path", m->spool_dir);
	if(c->store.backend == STORE_SQLITE
			&& (c->store.dir == NULL || c->store.dir[0] != '/'))
		complain(r, 0, "store sqlite needs store_dir, an absolute path");
	if(c->store.backend == STORE_PGSQL && c->store.url == NULL)
		complain(r, 0, "store postgresql needs store_url");
	if(c->store.lifetime_s > c->store.lifetime_max_s)
		complain(r, 0, "defer_lifetime is more than defer_lifetime_max");
	if(c->control_socket == NULL)
		complain(r, 0, "control_socket must not be empty");
	else if(strlen(c->control_socket) > 107)
		complain(r, 0, "control_socket: longer than 107 bytes");
}

static void set_defaults(struct conf *c)
{
	char why[160];

	memset(c, 0, sizeof(*c));
	for(size_t i = 0; i < conf_n_options; i++)
		if(conf_set(
				   c, &conf_options[i], conf_options[i].value, why, sizeof(why))
				< 0)
			abort();
}

static int read_file(struct reading *r)
{
	int rc;

	r->in = fopen(r->file, "re");
	if(r->in == NULL) {
		rc = -errno;
		complain(r, 0, "%s", strerror(-rc));
		return rc;
	}
	rc = ini_parse_stream(read_line, r, take, r);
	if(rc > 0)
		complain(r, rc, "neither an option nor a comment");
	else if(rc < 0)
		complain(r, 0, "out of memory");
	if(ferror(r->in))
		complain(r, 0, "%s", strerror(EIO));
	fclose(r->in);
	return 0;
}

int conf_load(const char *file, struct conf *out, FILE *errors)
{
	struct conf c;
	struct reading r = {.file = file, .errors = errors, .conf = &c};
	int rc = 0;

	set_defaults(&c);
	if(file)
		rc = read_file(&r);
	if(rc == 0 && r.n_errors == 0)
		check_together(&r, &c);
	if(rc == 0 && r.n_errors > 0)
		rc = -EINVAL;
	if(rc < 0)
		conf_free(&c);
	else
		*out = c;
	return rc;
}

void conf_free(struct conf *c)
{
	for(size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		const char **at = (void *)((char *)c + o->offset);

		if(o->type != CONF_STRING && o->type != CONF_ADDRESS)
			continue;
		free((void *)*at);
		*at = NULL;
	}
}

void conf_print(const struct conf *c, FILE *to)
{
	char value[512];

	for(size_t i = 0; i < conf_n_options; i++) {
		conf_format(c, &conf_options[i], value, sizeof(value));
		fprintf(to, "%s =%s%s\n", conf_options[i].name, *value ? " " : "",
				value);
	}
}
