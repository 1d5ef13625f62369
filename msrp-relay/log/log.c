/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's log: formats a line, makes bytes from the network harmless and
 * hands it to stderr or syslog in one write. Called by every thread; the only
 * shared state is the level and the limits, which are atomic.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char *const names[LOG_L_COUNT] = {
		"error", "warning", "notice", "info", "debug"};
static const int priorities[LOG_L_COUNT] = {
		LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};

static atomic_int current_level = LOG_L_NOTICE;
static enum log_target current_target = LOG_T_STDERR;
static bool in_journal; /* stderr goes to the journal: no time, but a level */

/* systemd says which file is the journal's; a child of a service may have the
 * variable and another stderr (sd-journal's documentation of JOURNAL_STREAM).
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2
			&& fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev
			&& st.st_ino == ino;
}

void log_open(enum log_target target, enum log_level level, const char *ident)
{
	current_target = target;
	in_journal = stderr_is_journal();
	log_set_level(level);
	if(target == LOG_T_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(
			&current_level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return level <= log_get_level();
}

int log_level_of(const char *name)
{
	for(int i = 0; i < LOG_L_COUNT; i++)
		if(strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

const char *log_level_name(enum log_level level)
{
	return names[level];
}

static size_t timestamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(buf, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			tm.tm_sec, now.tv_nsec / 1000000);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static void write_line(enum log_level level, char *text)
{
	char line[LOG_LINE_MAX + 64];
	size_t n = 0;
	int k;

	for(unsigned char *p = (unsigned char *)text; *p; p++)
		if(*p < 0x20 || *p == 0x7f)
			*p = '?';
	if(current_target == LOG_T_SYSLOG) {
		syslog(priorities[level], "%s: %s", names[level], text);
		return;
	}
	if(!in_journal)
		n = timestamp(line, sizeof(line));
	k = in_journal
			? snprintf(line, sizeof(line), "<%d>%s\n", priorities[level], text)
			: snprintf(
					line + n, sizeof(line) - n, "%s: %s\n", names[level], text);
	if(k < 0)
		return;
	n += (size_t)k;
	if(n >= sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* One write: lines of several threads do not mix. A log that cannot be
	 * written must not stop the relay. */
	while(write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
}

static void format_line(enum log_level level, uint32_t suppressed,
		const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

static void format_line(
		enum log_level level, uint32_t suppressed, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX];
	size_t n;
	int k = vsnprintf(text, sizeof(text), fmt, ap);

	if(k < 0)
		return;
	n = strlen(text);
	while(n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if(suppressed > 0)
		snprintf(text + n, sizeof(text) - n, " (and %u like it)", suppressed);
	write_line(level, text);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	int keep = errno;
	va_list ap;

	if(!log_enabled(level))
		return;
	va_start(ap, fmt);
	format_line(level, 0, fmt, ap);
	va_end(ap);
	errno = keep;
}

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Threads may race for the first line of a period: a line more or less is of
 * no importance, a torn value would be, hence the atomic accesses. */
static bool limit_take(struct log_limit *l, uint32_t *suppressed)
{
	uint64_t now = monotonic_ms();
	uint64_t start = __atomic_load_n(&l->start_ms, __ATOMIC_RELAXED);

	*suppressed = 0;
	if((start == 0 || now - start >= LOG_LIMIT_PERIOD_MS)
			&& __atomic_compare_exchange_n(&l->start_ms, &start, now, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_store_n(&l->in_period, 0, __ATOMIC_RELAXED);
		*suppressed = __atomic_exchange_n(&l->suppressed, 0, __ATOMIC_RELAXED);
	}
	if(__atomic_fetch_add(&l->in_period, 1, __ATOMIC_RELAXED) < LOG_LIMIT_BURST)
		return true;
	__atomic_fetch_add(&l->suppressed, 1, __ATOMIC_RELAXED);
	return false;
}

void log_write_limited(
		struct log_limit *l, enum log_level level, const char *fmt, ...)
{
	int keep = errno;
	uint32_t suppressed;
	va_list ap;

	if(!log_enabled(level) || !limit_take(l, &suppressed))
		return;
	va_start(ap, fmt);
	format_line(level, suppressed, fmt, ap);
	va_end(ap);
	errno = keep;
}
