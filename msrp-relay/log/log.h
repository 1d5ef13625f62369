/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's log: one line for each event, to stderr (under systemd: the
 * journal, with its level) or to syslog. Every thread may log. A message
 * names ids (session, leg, peer address) and never carries a body.
 */
#ifndef RELAY_LOG_H
#define RELAY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE_MAX 1024 /* bytes of a line; what is longer is cut */

enum log_level
{
	LOG_L_ERROR,   /* the daemon cannot do what it should */
	LOG_L_WARNING, /* an operator should look at it */
	LOG_L_NOTICE,  /* start, stop, reload, drain */
	LOG_L_INFO,    /* a session or a peer, once */
	LOG_L_DEBUG,   /* for developers */
	LOG_L_COUNT
};

enum log_target
{
	LOG_T_STDERR,
	LOG_T_SYSLOG
};

/* At most `burst` lines in `period_ms`; the rest is counted, and the count is
 * told with the first line of the next period. One for each place in the code
 * that a peer can provoke. */
struct log_limit
{
	uint64_t start_ms; /* of the current period */
	uint32_t in_period;
	uint32_t suppressed;
};

#define LOG_LIMIT_BURST 10
#define LOG_LIMIT_PERIOD_MS 10000

/**
 * Choose target and level; stderr and notice until then.
 *
 * @param ident  name of the program; must stay valid
 */
void log_open(enum log_target target, enum log_level level, const char *ident);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "error", "warning", "notice", "info", "debug"; -1 for anything else. */
int log_level_of(const char *name);
const char *log_level_name(enum log_level level);

/* Would a message of this level be written? */
bool log_enabled(enum log_level level);

/* Write one line; a '\n' at the end is not needed. Bytes below 0x20 and 0x7f
 * that came from a peer are written as '?'. */
void log_write(enum log_level level, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));

/* As log_write, but not more than the limit allows. `l` is shared by threads.
 */
void log_write_limited(struct log_limit *l, enum log_level level,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(...) log_write(LOG_L_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_L_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_L_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                       \
		if(log_enabled(LOG_L_DEBUG))                                           \
			log_write(LOG_L_DEBUG, __VA_ARGS__);                               \
	} while(0)

/* For what a peer can provoke as often as it likes: each place in the code
 * has a limit of its own. */
#define log_limited(level, ...)                                                \
	do {                                                                       \
		static struct log_limit limit_;                                        \
		if(log_enabled(level))                                                 \
			log_write_limited(&limit_, level, __VA_ARGS__);                    \
	} while(0)

#endif
