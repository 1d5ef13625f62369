/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * msrp-relay: command line and configuration; daemon/daemon.c runs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "log/log.h"

enum exit_code
{
	EXIT_OK = 0,
	EXIT_START = 1, /* could not start; the log says why */
	EXIT_CONF = 2   /* wrong option or configuration: a restart will not help */
};

static void usage(FILE *to)
{
	fputs("usage: msrp-relay [-fhTtV] [-c file]\n"
		  "  -c file  configuration, default " CONF_FILE_DEFAULT "\n"
		  "  -t       check the configuration and exit\n"
		  "  -T       the same, and print what is in force\n"
		  "  -f       log to stderr, whatever log_target says\n"
		  "  -V       print the version and exit\n"
		  "  -h       this text\n",
			to);
}

int main(int argc, char **argv)
{
	const char *file = CONF_FILE_DEFAULT;
	bool check = false, print = false, to_stderr = false;
	struct conf conf;
	int opt, rc;

	while((opt = getopt(argc, argv, "c:fhTtV")) != -1) {
		switch(opt) {
			case 'c':
				file = optarg;
				break;
			case 'f':
				to_stderr = true;
				break;
			case 'T':
				print = true;
				check = true;
				break;
			case 't':
				check = true;
				break;
			case 'V':
				puts("msrp-relay " CPM_VERSION);
				return EXIT_OK;
			case 'h':
				usage(stdout);
				return EXIT_OK;
			default:
				usage(stderr);
				return EXIT_CONF;
		}
	}
	if(optind < argc) {
		usage(stderr);
		return EXIT_CONF;
	}
	if(conf_load(file, &conf, stderr) < 0)
		return EXIT_CONF;
	if(print)
		conf_print(&conf, stdout);
	if(check) {
		if(!print)
			fprintf(stderr, "%s: in order\n", file);
		conf_free(&conf);
		return EXIT_OK;
	}
	log_open(to_stderr ? LOG_T_STDERR : (enum log_target)conf.log_target,
			(enum log_level)conf.log_level, "msrp-relay");
	rc = daemon_run(&conf, file);
	if(rc < 0)
		log_error("cannot start: %s", strerror(-rc));
	conf_free(&conf);
	return rc < 0 ? EXIT_START : EXIT_OK;
}
