/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-relayctl: a blocking client of the control protocol, and what its
 * commands share.
 */
#ifndef RELAYCTL_H
#define RELAYCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define RELAYCTL_SOCKET "/run/msrp-relay/control.sock"
#define RELAYCTL_OWNER "msrp-relayctl"

/* Exit status of the program. */
enum relayctl_exit
{
	RC_OK = 0,
	RC_REFUSED = 1,  /* the daemon answered with an error */
	RC_USAGE = 2,    /* wrong arguments */
	RC_UNREACHED = 3 /* no connection, or no answer in time */
};

struct relayctl
{
	const char *socket_path;
	int timeout_s;
	bool json; /* -j: the answer as the daemon gave it */
	int fd;
	uint64_t last_id;
	char *in; /* CTL_LINE_MAX bytes */
	size_t in_len;
	json_t *hello; /* the daemon's answer to it */
};

/**
 * Connect and say hello.
 *
 * @param owner  of the sessions created, and of the events asked for
 * @return RC_OK, or another exit status; stderr has the reason
 */
int relayctl_connect(struct relayctl *rc, const char *owner, bool events);
void relayctl_disconnect(struct relayctl *rc);

/**
 * One command.
 *
 * @param params  the reference is taken; NULL = none
 * @param result  a new reference, set with RC_OK only
 * @return RC_OK, or another exit status; stderr has the reason
 */
int relayctl_call(struct relayctl *rc, const char *method, json_t *params,
		json_t **result);

/* The same on a connection made for it: all that most commands do. */
int relayctl_ask(struct relayctl *rc, const char *method, json_t *params,
		json_t **result);

/**
 * Read the arguments of a command that has one option at most.
 *
 * @param option as for getopt: "", "a" or "o:"
 * @param value  NULL when it is not given, "" for one without a value
 * @param n      how many arguments follow
 *
 * @return index of the first in argv; -1: wrong, the usage has been printed
 */
int relayctl_args(
		int argc, char **argv, const char *option, const char **value, int n);

/* Wait for the next event without limit; *params a new reference. */
int relayctl_event(struct relayctl *rc, json_t **params);

/* Print a value as one line of JSON. */
void relayctl_print(const json_t *v);

/* A command of the table: argv[0] is its name. Returns an exit status. */
typedef int relayctl_run(struct relayctl *rc, int argc, char **argv);
relayctl_run relayctl_ping, relayctl_stats, relayctl_sessions, relayctl_show,
		relayctl_open, relayctl_close, relayctl_drain, relayctl_reload,
		relayctl_log_level, relayctl_events;
relayctl_run relayctl_deferred_list, relayctl_deferred_show,
		relayctl_deferred_count, relayctl_deferred_hold,
		relayctl_deferred_release, relayctl_deferred_requeue,
		relayctl_deferred_delete, relayctl_deferred_flush;

/* The command's own usage to stderr; returns RC_USAGE. */
int relayctl_usage(const char *name);

#endif
