/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands about sessions that exist: sessions, show, session close.
 */
#include "relayctl.h"

#include <stdio.h>
#include <string.h>

#define PAGE 200 /* sessions asked for at a time */

static const char *str(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "-";
}

static json_int_t num(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static void print_row(const json_t *s)
{
	json_t *leg;
	size_t i;

	printf("%-32s %-16s %-8s %8.1fs %8.1fs", str(s, "session"), str(s, "owner"),
			str(s, "state"), (double)num(s, "age_ms") / 1000,
			(double)num(s, "idle_ms") / 1000);
	json_array_foreach(json_object_get(s, "legs"), i, leg)
	{
		printf(" %s=%s/%" JSON_INTEGER_FORMAT, str(leg, "leg"),
				str(leg, "state"), num(leg, "bytes"));
	}
	putchar('\n');
}

static void print_session(const json_t *s)
{
	json_t *leg;
	size_t i;

	printf("session %s of %s: %s, worker %" JSON_INTEGER_FORMAT
		   ", age %.1f s, silent for %.1f s\n",
			str(s, "session"), str(s, "owner"), str(s, "state"),
			num(s, "worker"), (double)num(s, "age_ms") / 1000,
			(double)num(s, "idle_ms") / 1000);
	printf("  received %" JSON_INTEGER_FORMAT " bytes%s\n", num(s, "received"),
			json_is_true(json_object_get(s, "keep")) ? ", kept" : "");
	json_array_foreach(json_object_get(s, "legs"), i, leg)
	{
		printf("  leg %s (%s, %s): %s\n    path   %s\n    peer   %s\n"
			   "    passed %" JSON_INTEGER_FORMAT
			   " bytes, %" JSON_INTEGER_FORMAT
			   " messages; queued %" JSON_INTEGER_FORMAT
			   " bytes; status %" JSON_INTEGER_FORMAT "\n",
				str(leg, "leg"), str(leg, "direction"), str(leg, "transport"),
				str(leg, "state"), str(leg, "path"), str(leg, "peer_path"),
				num(leg, "bytes"), num(leg, "messages"), num(leg, "queued"),
				num(leg, "status"));
		if(json_object_get(leg, "error"))
			printf("    error  %s\n", str(leg, "error"));
	}
}

/* All pages. Sessions that come and go meanwhile may be missed or be there
 * twice; a page without sessions is the end. */
static int list_all(struct relayctl *rc, const char *owner)
{
	json_int_t offset = 0;
	int status = RC_OK;

	if(!rc->json)
		printf("%-32s %-16s %-8s %9s %9s legs\n", "session", "owner", "state",
				"age", "silent");
	while(status == RC_OK) {
		json_t *params = json_pack("{s:I, s:i, s:s*}", "offset", offset,
				"limit", PAGE, "owner", owner);
		json_t *result, *s;
		size_t i, n;

		status = relayctl_call(rc, "session.list", params, &result);
		if(status != RC_OK)
			break;
		json_array_foreach(json_object_get(result, "sessions"), i, s)
		{
			if(rc->json)
				relayctl_print(s);
			else
				print_row(s);
		}
		n = json_array_size(json_object_get(result, "sessions"));
		offset += (json_int_t)n;
		bool last = n == 0 || offset >= num(result, "total");

		json_decref(result);
		if(last)
			break;
	}
	return status;
}

int relayctl_sessions(struct relayctl *rc, int argc, char **argv)
{
	const char *owner;
	int status;

	if(relayctl_args(argc, argv, "o:", &owner, 0) < 0)
		return RC_USAGE;
	status = relayctl_connect(rc, RELAYCTL_OWNER, false);
	return status == RC_OK ? list_all(rc, owner) : status;
}

/* The legs that did not fit into the first answer; a session that ends
 * meanwhile is shown as far as it was known. */
static void more_legs(struct relayctl *rc, const char *name, json_t *session)
{
	json_t *legs = json_object_get(session, "legs"), *page;
	size_t n = 0;

	while(json_array_size(legs) > n
			&& (json_int_t)json_array_size(legs) < num(session, "n_legs")) {
		n = json_array_size(legs);
		if(relayctl_call(rc, "session.show",
				   json_pack("{s:s, s:I}", "session", name, "offset",
						   (json_int_t)n),
				   &page)
				!= RC_OK)
			return;
		json_array_extend(legs, json_object_get(page, "legs"));
		json_decref(page);
	}
}

int relayctl_show(struct relayctl *rc, int argc, char **argv)
{
	json_t *result;
	int status, at = relayctl_args(argc, argv, "", NULL, 1);

	if(at < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, "session.show",
			json_pack("{s:s}", "session", argv[at]), &result);
	if(status != RC_OK)
		return status;
	more_legs(rc, argv[at], result);
	if(rc->json)
		relayctl_print(result);
	else
		print_session(result);
	json_decref(result);
	return RC_OK;
}

int relayctl_close(struct relayctl *rc, int argc, char **argv)
{
	json_t *result;
	const char *abort_it;
	int status, at = relayctl_args(argc, argv, "a", &abort_it, 1);

	if(at < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, "session.close",
			json_pack("{s:s, s:b}", "session", argv[at], "abort",
					abort_it != NULL),
			&result);
	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(result);
	else if(json_is_true(json_object_get(result, "gone")))
		printf("session %s: there is none\n", argv[at]);
	else
		print_session(result);
	json_decref(result);
	return RC_OK;
}
