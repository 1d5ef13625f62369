/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-relay.conf (msrp-relay/conf): values, units and limits, every error
 * with its line, and that the table, the commented example and what is printed
 * agree.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

/* Load a text; *told gets the errors (to be freed). */
static int load(const char *text, struct conf *c, char **told)
{
	char file[] = "/tmp/conf-XXXXXX";
	int fd = mkstemp(file), rc;
	size_t size = 0;
	FILE *errors = open_memstream(told, &size);

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = conf_load(file, c, errors);
	fclose(errors);
	unlink(file);
	return rc;
}

static int load_ok(const char *text, struct conf *c)
{
	char *told = NULL;
	int rc = load(text, c, &told);

	cr_expect_str_eq(told, "");
	free(told);
	return rc;
}

Test(conf, an_empty_file_gives_the_defaults)
{
	struct conf c;

	cr_assert_eq(load_ok("# nothing\n\n; either\n", &c), 0);
	cr_assert_str_eq(c.relay.listen_host, "127.0.0.1");
	cr_assert_null(c.relay.advertise_host);
	cr_assert_eq(c.relay.listen_port, 2855);
	cr_assert_eq(c.relay.max_message_bytes, 100u << 20);
	cr_assert_eq(c.relay.transaction_ms, 30000);
	cr_assert_eq(c.relay.tls_port, 0);
	cr_assert_not(c.relay.tls_verify);
	cr_assert_eq(c.http_port, 9090);
	conf_free(&c);
	conf_free(&c); /* safe twice */
}

static const struct
{
	const char *option, *value, *printed; /* NULL: refused */
} values[] = {
		{"max_message_bytes", "1", "1"},
		{"max_message_bytes", "1024", "1KiB"},
		{"max_message_bytes", "1500", "1500"},
		{"max_message_bytes", "64KiB", "64KiB"},
		{"max_message_bytes", "64 KiB", "64KiB"},
		{"max_message_bytes", "1MB", "1000000"},
		{"max_message_bytes", "2GiB", "2GiB"},
		{"max_message_bytes", "0", NULL},
		{"max_message_bytes", "-1", NULL},
		{"max_message_bytes", "64kib", NULL},
		{"max_message_bytes", "64 K", NULL},
		{"max_message_bytes", "", NULL},
		{"max_message_bytes", "18446744073709551616", NULL},
		{"max_message_bytes", "99999999999999GiB", NULL},
		{"chunk_bytes", "0", "0"},
		{"defer_lifetime_max", "2592000", "30d"},
		{"defer_lifetime_max", "8d", "8d"},
		{"defer_lifetime_max", "0", NULL},
		{"defer_lifetime_max", "10ms", NULL},
		{"store", "postgres", NULL},
		{"inactivity_timeout", "10", "10s"},
		{"inactivity_timeout", "10s", "10s"},
		{"inactivity_timeout", "1500ms", "1500ms"},
		{"inactivity_timeout", "90s", "90s"},
		{"inactivity_timeout", "120s", "2min"},
		{"inactivity_timeout", "24h", "24h"},
		{"inactivity_timeout", "25h", NULL},
		{"inactivity_timeout", "10 parsecs", NULL},
		{"drain_timeout", "0", "0"},
		{"workers", "64", "64"},
		{"workers", "0", NULL},
		{"workers", "65", NULL},
		{"workers", "two", NULL},
		{"workers", "1KiB", NULL},
		{"tls_verify", "no", "no"},
		{"tls_verify", "true", NULL},
		{"log_level", "debug", "debug"},
		{"log_level", "Debug", NULL},
		{"listen_address", "192.0.2.1", "192.0.2.1"},
		{"listen_address", "2001:db8::1", "2001:db8::1"},
		{"listen_address", "localhost", NULL},
		{"listen_address", "", NULL},
		{"control_groups", "", ""},
		{"control_groups", "kamailio", "kamailio"},
};

Test(conf, values_are_read_with_units_and_limits_and_printed_short)
{
	for(size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[128], printed[128] = "";
		struct conf c;
		char *told = NULL;
		int rc;

		snprintf(text, sizeof(text), "%s = %s\n", values[i].option,
				values[i].value);
		rc = load(text, &c, &told);
		if(values[i].printed == NULL) {
			cr_expect_eq(rc, -EINVAL, "%s", text);
			cr_expect(strstr(told, ":1: "), "%s: %s", text, told);
		} else if(rc != 0) {
			cr_expect_fail("%s: %s", text, told);
		} else {
			for(size_t k = 0; k < conf_n_options; k++)
				if(strcmp(conf_options[k].name, values[i].option) == 0)
					conf_format(&c, &conf_options[k], printed, sizeof(printed));
			cr_expect_str_eq(printed, values[i].printed, "%s", text);
			conf_free(&c);
		}
		free(told);
	}
}

static const struct
{
	const char *text, *told;
} faults[] = {
		{"\nlisten_prot = 1\n", ":2: unknown option \"listen_prot\""},
		{"workers = 1\n\nworkers = 2\n", ":3: workers is given twice"},
		{"workers\n", ":1: neither an option nor a comment"},
		{"[net]\nworkers = 1\n", ":2: sections such as [net] are not used"},
		{"workers = 1\n   http_port = x\n", ":2: http_port: \"x\""},
		{"listen_address = 0.0.0.0\n", "needs advertise_address"},
		{"tls_port = 2955\n", "needs tls_certificate and tls_key"},
		{"tls_verify = yes\n", "tls_verify needs tls_ca"},
		{"listen_port = 65535\nworkers = 2\n", "not enough ports"},
		{"control_socket =\n", "control_socket must not be empty"},
		{"tls_port=2856\ntls_certificate=a\ntls_key=b\n", "overlap"},
};

Test(conf, each_fault_is_told_with_its_line)
{
	for(size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct conf c;
		char *told = NULL;

		cr_expect_eq(
				load(faults[i].text, &c, &told), -EINVAL, "%s", faults[i].text);
		cr_expect(strstr(told, faults[i].told), "%s: %s", faults[i].text, told);
		free(told);
	}
}

Test(conf, all_faults_of_a_file_are_told_at_once)
{
	struct conf c;
	char *told = NULL;

	cr_assert_eq(load("a = 1\nworkers = 0\nb = 2\n", &c, &told), -EINVAL);
	cr_assert(strstr(told, ":1: "));
	cr_assert(strstr(told, ":2: "));
	cr_assert(strstr(told, ":3: "));
	free(told);
}

Test(conf, a_line_that_is_too_long_is_an_error_and_not_two_options)
{
	char text[600] = "control_users = ";
	struct conf c;
	char *told = NULL;

	memset(text + strlen(text), 'a', 400);
	snprintf(text + 416, sizeof(text) - 416, "\nworkers = 3\n");
	cr_assert_eq(load(text, &c, &told), -EINVAL);
	cr_assert(strstr(told, ":1: line longer than"), "%s", told);
	cr_assert_null(strstr(told, ":2: "), "%s", told);
	free(told);
}

Test(conf, a_file_that_is_not_there_is_told)
{
	struct conf c;
	char *told = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&told, &size);

	cr_assert_eq(conf_load("/nonexistent/x.conf", &c, errors), -ENOENT);
	fclose(errors);
	cr_assert(strstr(told, "/nonexistent/x.conf: No such file"));
	free(told);
}

Test(conf, what_is_printed_can_be_loaded_and_is_the_same)
{
	struct conf c, again;
	char *printed = NULL, *twice = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&printed, &size);

	cr_assert_eq(load_ok("workers = 7\nchunk_bytes = 3MiB\n"
						 "bind_timeout = 1500ms\ncontrol_users = a,b\n",
						 &c),
			0);
	conf_print(&c, f);
	fclose(f);
	cr_assert_eq(load_ok(printed, &again), 0);
	f = open_memstream(&twice, &size);
	conf_print(&again, f);
	fclose(f);
	cr_assert_str_eq(printed, twice);
	cr_assert(strstr(printed, "workers = 7\n"));
	free(printed);
	free(twice);
	conf_free(&c);
	conf_free(&again);
}

/* The example: every option once, in the table's order, with its default. */
Test(conf, the_commented_example_and_the_table_agree)
{
	FILE *f = fopen("msrp-relay/etc/msrp-relay.conf", "r");
	char line[256], value[256], is[256], why[160];
	struct conf c;
	size_t k = 0;

	cr_assert_not_null(f);
	cr_assert_eq(load_ok("", &c), 0);
	while(fgets(line, sizeof(line), f)) {
		char *eq = strstr(line, " =");

		line[strcspn(line, "\n")] = '\0';
		if(line[0] == '\0' || strcmp(line, "#") == 0
				|| strncmp(line, "# ", 2) == 0 || strncmp(line, "##", 2) == 0)
			continue;
		cr_assert(line[0] == '#' && eq, "\"%s\" is no commented option", line);
		cr_assert_lt(k, conf_n_options, "too many options: %s", line);
		*eq = '\0';
		cr_assert_str_eq(line + 1, conf_options[k].name);
		conf_format(&c, &conf_options[k], is, sizeof(is));
		eq += 2 + strspn(eq + 2, " ");
		cr_assert_eq(conf_set(&c, &conf_options[k], eq, why, sizeof(why)), 0);
		conf_format(&c, &conf_options[k], value, sizeof(value));
		cr_assert_str_eq(value, is, "%s", line);
		k++;
	}
	cr_assert_eq(k, conf_n_options, "the example lacks %s",
			k < conf_n_options ? conf_options[k].name : "nothing");
	fclose(f);
	conf_free(&c);
}

/* The manual page names every option. */
Test(conf, the_manual_page_has_every_option)
{
	FILE *f = fopen("msrp-relay/doc/msrp-relay.conf.5", "r");
	char text[65536], item[96];
	size_t n;

	cr_assert_not_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	for(size_t i = 0; i < conf_n_options; i++) {
		snprintf(item, sizeof(item), ".It Cm %s\n", conf_options[i].name);
		if(strstr(text, item) == NULL) {
			snprintf(item, sizeof(item), ".It Cm %s Ns", conf_options[i].name);
			cr_expect(
					strstr(text, item), "%s is missing", conf_options[i].name);
		}
	}
}
