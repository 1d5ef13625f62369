/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about the daemon itself: ping, stats, events, log-level, reload,
 * drain.
 */
#include "relayctl.h"

#include <stdio.h>
#include <string.h>

/* A method whose answer says nothing but that it was done. */
static int simple(struct relayctl *rc, int argc, char **argv,
		const char *method, const char *done)
{
	json_t *result;
	int status;

	if(relayctl_args(argc, argv, "", NULL, 0) < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, method, NULL, &result);
	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(result);
	else
		puts(done);
	json_decref(result);
	return RC_OK;
}

int relayctl_ping(struct relayctl *rc, int argc, char **argv)
{
	json_t *result;
	int status;

	if(relayctl_args(argc, argv, "", NULL, 0) < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, "ping", NULL, &result);
	if(status != RC_OK)
		return status;
	json_decref(result);
	if(rc->json)
		relayctl_print(rc->hello);
	else
		printf("%s is there, boot %s\n",
				json_string_value(json_object_get(rc->hello, "server")),
				json_string_value(json_object_get(rc->hello, "boot")));
	return RC_OK;
}

int relayctl_reload(struct relayctl *rc, int argc, char **argv)
{
	return simple(rc, argc, argv, "reload", "reloaded");
}

int relayctl_drain(struct relayctl *rc, int argc, char **argv)
{
	return simple(rc, argc, argv, "drain", "draining");
}

int relayctl_log_level(struct relayctl *rc, int argc, char **argv)
{
	json_t *result;
	int status, at = relayctl_args(argc, argv, "", NULL, 1);

	if(at < 0)
		return RC_USAGE;
	status = relayctl_ask(
			rc, "log.level", json_pack("{s:s}", "level", argv[at]), &result);
	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(result);
	else
		printf("log level %s\n",
				json_string_value(json_object_get(result, "level")));
	json_decref(result);
	return RC_OK;
}

static void print_stat(const char *name, const json_t *v)
{
	printf("%-32s ", name);
	if(json_is_string(v))
		puts(json_string_value(v));
	else
		relayctl_print(v);
}

static int print_named(json_t *stats, int argc, char **argv)
{
	for(int i = 1; i < argc; i++) {
		json_t *v = json_object_get(stats, argv[i]);

		if(v == NULL) {
			fprintf(stderr, "msrp-relayctl: no statistic \"%s\"\n", argv[i]);
			return RC_REFUSED;
		}
		print_stat(argv[i], v);
	}
	return RC_OK;
}

int relayctl_stats(struct relayctl *rc, int argc, char **argv)
{
	json_t *stats, *v;
	const char *name;
	int status = relayctl_ask(rc, "stats", NULL, &stats);

	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(stats);
	else if(argc > 1)
		status = print_named(stats, argc, argv);
	else
		json_object_foreach(stats, name, v) print_stat(name, v);
	json_decref(stats);
	return status;
}

int relayctl_events(struct relayctl *rc, int argc, char **argv)
{
	int status, at = relayctl_args(argc, argv, "", NULL, 1);

	if(at < 0)
		return RC_USAGE;
	status = relayctl_connect(rc, argv[at], true);
	while(status == RC_OK) {
		json_t *event;

		status = relayctl_event(rc, &event);
		if(status != RC_OK)
			break;
		relayctl_print(event);
		fflush(stdout);
		json_decref(event);
	}
	return status;
}
