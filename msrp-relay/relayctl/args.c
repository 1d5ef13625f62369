/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the commands of msrp-relayctl have in common: their arguments, and one
 * question on a connection of its own.
 */
#include "relayctl.h"

#include <getopt.h>

int relayctl_args(
		int argc, char **argv, const char *option, const char **value, int n)
{
	int opt;

	if(value)
		*value = NULL;
	while((opt = getopt(argc, argv, option)) != -1) {
		if(value == NULL || opt != option[0]) {
			relayctl_usage(argv[0]);
			return -1;
		}
		*value = optarg ? optarg : "";
	}
	if(argc - optind != n) {
		relayctl_usage(argv[0]);
		return -1;
	}
	return optind;
}

int relayctl_ask(struct relayctl *rc, const char *method, json_t *params,
		json_t **result)
{
	int status = relayctl_connect(rc, RELAYCTL_OWNER, false);

	if(status == RC_OK)
		return relayctl_call(rc, method, params, result);
	json_decref(params);
	return status;
}
