/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's log (msrp-relay/log): levels, bytes from the network, limits.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"

static int saved = -1;
static FILE *file;

/* stderr into a file from here on. */
static void capture(void)
{
	file = tmpfile();
	cr_assert(file != NULL);
	saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
}

/* What was written; stderr is as before. */
static char *captured(void)
{
	static char text[65536];
	size_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for(; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

Test(log, a_level_shows_itself_and_what_is_worse)
{
	char *text;

	capture();
	log_open(LOG_T_STDERR, LOG_L_WARNING, "test");
	log_error("one %d", 1);
	log_warning("two");
	log_notice("three");
	log_debug("four");
	log_set_level(LOG_L_DEBUG);
	log_debug("five");
	text = captured();
	cr_assert(strstr(text, "Z error: one 1\n"));
	cr_assert(strstr(text, "Z warning: two\n"));
	cr_assert(strstr(text, "Z debug: five\n"));
	cr_assert_eq(count(text, "\n"), 3, "%s", text);
}

Test(log, what_a_peer_sends_cannot_forge_a_line)
{
	char *text;

	capture();
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	log_info("session %s", "a\r\n2026-01-01 error: forged\x1b[2J\x7f");
	text = captured();
	cr_assert(strstr(text, "session a??2026-01-01 error: forged?[2J?\n"), "%s",
			text);
}

Test(log, a_long_line_is_cut_and_still_ends)
{
	char *text, big[3 * LOG_LINE_MAX];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	capture();
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	log_info("%s", big);
	log_info("next\n");
	text = captured();
	cr_assert_eq(count(text, "\n"), 2);
	cr_assert_lt(strlen(text), LOG_LINE_MAX + 200u);
	cr_assert(strstr(text, "info: next\n"));
}

Test(log, a_line_that_peers_provoke_is_limited_and_counted)
{
	struct log_limit l = {0};
	char *text;

	capture();
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	for(int i = 0; i < 1000; i++)
		log_write_limited(&l, LOG_L_INFO, "bad peer");
	/* The period is over. */
	l.start_ms -= LOG_LIMIT_PERIOD_MS;
	log_write_limited(&l, LOG_L_INFO, "bad peer");
	text = captured();
	cr_assert_eq(count(text, "bad peer"), LOG_LIMIT_BURST + 1);
	cr_assert(strstr(text, "bad peer (and 990 like it)\n"), "%s", text);
}

Test(log, the_journal_gets_levels_and_another_file_does_not)
{
	struct stat st;
	char stream[64];
	char *text;

	setenv("JOURNAL_STREAM", "1:2", 1);
	capture();
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	log_warning("not the journal");
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	log_warning("the journal");
	text = captured();
	cr_assert(strstr(text, "Z warning: not the journal\n"));
	cr_assert(strstr(text, "\n<4>the journal\n"), "%s", text);
}

Test(log, logging_leaves_errno_alone)
{
	capture();
	log_open(LOG_T_STDERR, LOG_L_INFO, "test");
	errno = E2BIG;
	log_info("x");
	int is = errno;
	captured();
	cr_assert_eq(is, E2BIG);
}
