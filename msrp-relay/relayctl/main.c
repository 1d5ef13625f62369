/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-relayctl: the table of commands and the options before them.
 */
#include "relayctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ctl.h"
#include "slice.h"

static const struct command
{
	const char *name; /* one word or two */
	const char *args;
	const char *help;
	relayctl_run *run;
} commands[] = {
		{"ping", "", "is the daemon there?", relayctl_ping},
		{"stats", "[name...]", "all statistics, or those named",
				relayctl_stats},
		{"sessions", "[-o owner]", "list the sessions", relayctl_sessions},
		{"show", "session", "one session with its legs", relayctl_show},
		{"session open", "[options]",
				"open a session by hand; prints its paths as JSON",
				relayctl_open},
		{"session close", "[-a] session",
				"end a session; -a drops what is "
				"queued",
				relayctl_close},
		{"session show", "session", "the same as show", relayctl_show},
		{"session list", "[-o owner]", "the same as sessions",
				relayctl_sessions},
		{"deferred list", "[-u user] [-S state] [-n limit]",
				"list the deferred messages, the oldest first",
				relayctl_deferred_list},
		{"deferred show", "ref", "one of them", relayctl_deferred_show},
		{"deferred count", "[-u user]", "how many there are",
				relayctl_deferred_count},
		{"deferred hold", "ref...", "neither deliver nor expire them",
				relayctl_deferred_hold},
		{"deferred release", "ref...", "held ones: deliver them now",
				relayctl_deferred_release},
		{"deferred requeue", "ref...", "as if they had never been tried",
				relayctl_deferred_requeue},
		{"deferred delete", "ref...", "remove them; nobody is told",
				relayctl_deferred_delete},
		{"deferred flush", "[-u user]", "all that is stored is due now",
				relayctl_deferred_flush},
		{"events", "owner", "print the events of an owner's sessions",
				relayctl_events},
		{"log-level", "level", "error, warning, notice, info or debug",
				relayctl_log_level},
		{"reload", "", "read certificates and log level again",
				relayctl_reload},
		{"drain", "", "no new sessions; end when the last one has ended",
				relayctl_drain},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fputs("usage: msrp-relayctl [-j] [-s socket] [-w seconds] command ...\n"
		  "  -j  print answers as JSON, one a line\n"
		  "  -s  control socket, default " RELAYCTL_SOCKET
		  " or $MSRP_RELAY_SOCKET\n"
		  "  -w  seconds to wait for an answer, default 10\n",
			to);
	for(size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-16s %-12s %s\n", commands[i].name, commands[i].args,
				commands[i].help);
}

int relayctl_usage(const char *name)
{
	for(size_t i = 0; i < N_COMMANDS; i++)
		if(strcmp(commands[i].name, name) == 0)
			fprintf(stderr, "usage: msrp-relayctl %s %s\n", name,
					commands[i].args);
	return RC_USAGE;
}

/* The command's own words; *used says how many there are. */
static const struct command *find(int argc, char **argv, int *used)
{
	char two[64] = "";

	if(argc > 1)
		snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
	for(size_t i = 0; i < N_COMMANDS; i++) {
		*used = strchr(commands[i].name, ' ') ? 2 : 1;
		if(strcmp(commands[i].name, *used == 2 ? two : argv[0]) == 0)
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct relayctl rc = {.timeout_s = 10, .fd = -1};
	const struct command *cmd;
	uint64_t seconds;
	int opt, used = 0, status;

	rc.socket_path = getenv("MSRP_RELAY_SOCKET");
	if(rc.socket_path == NULL)
		rc.socket_path = RELAYCTL_SOCKET;
	while((opt = getopt(argc, argv, "+hjs:w:V")) != -1) {
		switch(opt) {
			case 'j':
				rc.json = true;
				break;
			case 's':
				rc.socket_path = optarg;
				break;
			case 'w':
				if(!slice_u64(slice_str(optarg), 3600, &seconds)
						|| seconds == 0) {
					fprintf(stderr, "-w: not a number of 1 to 3600\n");
					return RC_USAGE;
				}
				rc.timeout_s = (int)seconds;
				break;
			case 'V':
				puts("msrp-relayctl " CPM_VERSION);
				return RC_OK;
			case 'h':
				usage(stdout);
				return RC_OK;
			default:
				usage(stderr);
				return RC_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if(argc == 0) {
		usage(stderr);
		return RC_USAGE;
	}
	cmd = find(argc, argv, &used);
	if(cmd == NULL) {
		fprintf(stderr,
				"msrp-relayctl: unknown command \"%s\"; -h lists them\n",
				argv[0]);
		return RC_USAGE;
	}
	/* getopt starts again behind the command's last word. */
	argv[used - 1] = (char *)(uintptr_t)cmd->name;
	optind = 0;
	rc.in = malloc(CTL_LINE_MAX);
	if(rc.in == NULL)
		abort();
	status = cmd->run(&rc, argc - used + 1, argv + used - 1);
	relayctl_disconnect(&rc);
	free(rc.in);
	if(fflush(stdout) != 0 && status == RC_OK)
		status = RC_UNREACHED;
	return status;
}
