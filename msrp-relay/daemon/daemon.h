/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The process: what is started in which order, signals, reload, drain, and
 * the end. Called by main.c with a checked configuration.
 */
#ifndef RELAY_DAEMON_H
#define RELAY_DAEMON_H

struct conf;

/**
 * Run until SIGTERM, SIGINT or the command drain have ended it.
 *
 * @param conf in force until the end
 * @param file where it came from, read again on SIGHUP; NULL = defaults
 *
 * @return 0 when it had run; a negative errno when it could not start
 */
int daemon_run(const struct conf *conf, const char *file);

#endif
