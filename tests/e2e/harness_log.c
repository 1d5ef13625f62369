/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Logs of a lab's parts: what came since the test began, which lines it
 * declared, which are errors.
 */
#include "harness_log.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_MAX 32

/* A line that must not be there: Kamailio's and the relay's levels, and the
 * sanitizers' reports. */
/* What a stock Kamailio writes in half of its shutdowns: its TCP main process
 * sees the others end before it is told to. */
#define STOCK_LINE "core/pass_fd.c:[0-9]+\\]: receive_fd\\(\\): EOF on"
#define BAD_LINE                                                               \
	"(^|[^A-Za-z])(ERROR|CRITICAL|ALERT|BUG|EMERG):|Z error[: ]|"              \
	"[^a-z]error: |Sanitizer|runtime error|Segmentation|core dumped"

/* The first four are under test; the others' logs are only kept. */
static const char *const parts[] = {
		"cpm", "relay", "cpm2", "relay2", "core", "isf", "iwf"};
#define N_PARTS 7
#define N_TESTED 4

/* One test has at most a shared lab and an own one. */
static struct
{
	struct lab *lab;
	long long from[N_PARTS];
} marks[2];

static struct
{
	struct lab *lab;
	const char *part;
	regex_t re;
} expected[EXPECTED_MAX];
static int n_expected;

static const char *log_path(const struct lab *lab, const char *part)
{
	return fmt("%s/log/%s.log", lab->dir, part);
}

static int part_index(const char *part)
{
	for(int i = 0; i < N_PARTS; i++)
		if(strcmp(part, parts[i]) == 0)
			return i;
	cr_assert_fail("no part %s", part);
	return 0;
}

static int mark_of(const struct lab *lab)
{
	for(int i = 0; i < 2; i++)
		if(marks[i].lab == lab)
			return i;
	return marks[0].lab == NULL ? 0 : 1;
}

void logs_begin(struct lab *lab)
{
	int m = mark_of(lab);

	marks[m].lab = lab;
	for(int i = 0; i < N_PARTS; i++) {
		long long size = file_size(log_path(lab, parts[i]));
		/* an own lab's log is the test's from its first line */
		marks[m].from[i] = size > 0 && lab == marks[m].lab ? size : 0;
	}
}

static const char *log_since(struct lab *lab, int part)
{
	const char *text = file_text(log_path(lab, parts[part]));
	long long from = marks[mark_of(lab)].from[part];

	/* a part that was restarted may have begun a new file */
	return (long long)strlen(text) >= from ? text + from : text;
}

static void compile(regex_t *re, const char *regex)
{
	char why[200];
	int rc = regcomp(re, regex, REG_EXTENDED | REG_NOSUB);

	if(rc != 0) {
		regerror(rc, re, why, sizeof(why));
		cr_assert_fail("%s: %s", regex, why);
	}
}

void lab_expect_log(struct lab *lab, const char *part, const char *regex)
{
	cr_assert(n_expected < EXPECTED_MAX);
	expected[n_expected].lab = lab;
	expected[n_expected].part = parts[part_index(part)];
	compile(&expected[n_expected].re, regex);
	n_expected++;
}

static bool is_expected(
		const struct lab *lab, const char *part, const char *line)
{
	static regex_t stock;
	static bool compiled;

	if(!compiled)
		compile(&stock, STOCK_LINE);
	compiled = true;
	if(regexec(&stock, line, 0, NULL, 0) == 0)
		return true;
	for(int i = 0; i < n_expected; i++)
		if(expected[i].lab == lab && strcmp(expected[i].part, part) == 0
				&& regexec(&expected[i].re, line, 0, NULL, 0) == 0)
			return true;
	return false;
}

/* Lines that match, one at a time; `rest` starts as the text. */
static char *next_line(char **rest)
{
	char *line = *rest, *nl;

	if(*line == '\0')
		return NULL;
	nl = strchr(line, '\n');
	if(nl)
		*nl = '\0';
	*rest = nl ? nl + 1 : line + strlen(line);
	return line;
}

int lab_log_count(struct lab *lab, const char *part, const char *regex)
{
	char *text = strdup(log_since(lab, part_index(part))), *rest = text, *line;
	regex_t re;
	int n = 0;

	compile(&re, regex);
	while((line = next_line(&rest)) != NULL)
		n += regexec(&re, line, 0, NULL, 0) == 0;
	regfree(&re);
	free(text);
	return n;
}

void lab_log_wait(
		struct lab *lab, const char *part, const char *regex, int timeout_ms)
{
	for(int t = 0; t < timeout_ms; t += 50) {
		if(lab_log_count(lab, part, regex) > 0)
			return;
		sleep_ms(50);
	}
	cr_assert_fail("no line of %s matches \"%s\" after %d ms",
			log_path(lab, part), regex, timeout_ms);
}

static json_t *isf_event(char *rest, int nth)
{
	char *line;

	while((line = next_line(&rest)) != NULL) {
		json_t *e = strncmp(line, "{\"event\":\"received\"", 19) == 0
				? json_loads(line, 0, NULL)
				: NULL;

		if(e && nth-- == 0)
			return e;
		json_decref(e);
	}
	return NULL;
}

json_t *lab_isf_received(struct lab *lab, int nth, int timeout_ms)
{
	for(int t = 0; t <= timeout_ms; t += 50) {
		char *text = strdup(log_since(lab, part_index("iwf")));
		json_t *e = isf_event(text, nth);

		free(text);
		if(e)
			return e;
		sleep_ms(50);
	}
	cr_assert_fail("the gateway has not taken message %d after %d ms; see %s",
			nth, timeout_ms, log_path(lab, "iwf"));
	return NULL;
}

static void keep_log(const char *part, const char *text)
{
	FILE *f = fopen(test_path(fmt("%s.log", part)), "w");

	if(f) {
		fputs(text, f);
		fclose(f);
	}
}

void logs_keep(struct lab *lab)
{
	for(int i = 0; i < N_PARTS; i++) {
		const char *text = log_since(lab, i);

		if(*text)
			keep_log(parts[i], text);
	}
}

void logs_check(struct lab *lab)
{
	regex_t bad;
	const char *first = NULL, *first_part = NULL;
	int n = 0;

	compile(&bad, BAD_LINE);
	logs_keep(lab);
	for(int i = 0; i < N_TESTED; i++) {
		char *text = strdup(log_since(lab, i)), *rest = text, *line;

		while((line = next_line(&rest)) != NULL) {
			if(regexec(&bad, line, 0, NULL, 0) != 0
					|| is_expected(lab, parts[i], line))
				continue;
			if(n++ == 0) {
				first = fmt("%s", line);
				first_part = parts[i];
			}
		}
		free(text);
	}
	regfree(&bad);
	if(n > 0)
		cr_assert_fail("%d unexpected error lines in the logs, the first in "
					   "%s.log: %s",
				n, first_part, first);
}

const char *logs_sanitizer(struct lab *lab)
{
	char *rest = strdup(file_text(log_path(lab, "relay"))), *line;

	while((line = next_line(&rest)) != NULL)
		if(strstr(line, "Sanitizer") || strstr(line, "runtime error:"))
			return line;
	return NULL;
}
