/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The operator's commands about deferred messages: deferred list, show, count,
 * hold, release, requeue, delete and flush.
 */
#include "relayctl.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "slice.h"

#define PAGE 200 /* messages asked for at a time */
#define SPAN 24  /* bytes of a duration as text */

static const char *str(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && *s ? s : "-";
}

static json_int_t num(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* "59s", "12m", "3h", "2d": what fits into a column. */
static const char *span(char out[SPAN], json_int_t seconds)
{
	static const struct
	{
		json_int_t s;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while(i < 3 && seconds < 2 * units[i].s)
		i++;
	snprintf(out, SPAN, "%lld%c", (long long)(seconds / units[i].s),
			units[i].unit);
	return out;
}

/* When something will happen to it, as far as anybody knows. */
static const char *next(char out[SPAN], const json_t *m)
{
	const json_t *ms = json_object_get(m, "next_ms");

	if(strcmp(str(m, "state"), "stored") != 0)
		return "-";
	if(ms == NULL)
		return "register";
	if(json_integer_value(ms) == 0)
		return "now";
	return span(out, (json_integer_value(ms) + 999) / 1000);
}

static void print_row(const json_t *m)
{
	char age[SPAN], left[SPAN], due[SPAN];
	json_int_t now = (json_int_t)time(NULL);

	printf("%-34s %-10s %-5s %9" JSON_INTEGER_FORMAT
		   " %5s %5s %8s %5" JSON_INTEGER_FORMAT " %4" JSON_INTEGER_FORMAT
		   " %s %s\n",
			str(m, "ref"), str(m, "state"), str(m, "kind"), num(m, "size"),
			span(age, now - num(m, "received_at")),
			span(left, num(m, "lifetime_s")), next(due, m), num(m, "attempts"),
			num(m, "last_code"), str(m, "user"), str(m, "sender"));
}

/* ---- list -------------------------------------------------------------- */

struct list_args
{
	const char *user, *state;
	uint64_t limit; /* 0 = all */
};

/* One page; *after is where the next one begins, "" at the end. */
static int list_page(struct relayctl *rc, const struct list_args *a,
		char after[64], uint64_t *left)
{
	json_int_t limit = *left < PAGE ? (json_int_t)*left : PAGE;
	json_t *result, *m;
	size_t i;
	int status = relayctl_call(rc, "deferred.list",
			json_pack("{s:I, s:s*, s:s*, s:s*}", "limit", limit, "user",
					a->user, "state", a->state, "after", *after ? after : NULL),
			&result);

	if(status != RC_OK)
		return status;
	json_array_foreach(json_object_get(result, "messages"), i, m)
	{
		if(rc->json)
			relayctl_print(m);
		else
			print_row(m);
	}
	*left -= i;
	snprintf(after, 64, "%s",
			json_object_get(result, "after") ? str(result, "after") : "");
	json_decref(result);
	return RC_OK;
}

int relayctl_deferred_list(struct relayctl *rc, int argc, char **argv)
{
	struct list_args a = {0};
	uint64_t left = UINT64_MAX;
	char after[64] = "";
	int opt, status;

	while((opt = getopt(argc, argv, "u:S:n:")) != -1) {
		if(opt == 'u')
			a.user = optarg;
		else if(opt == 'S')
			a.state = optarg;
		else if(opt != 'n'
				|| !slice_u64(slice_str(optarg), UINT32_MAX, &a.limit)
				|| a.limit == 0)
			return relayctl_usage(argv[0]);
	}
	if(optind != argc)
		return relayctl_usage(argv[0]);
	if(a.limit > 0)
		left = a.limit;
	status = relayctl_connect(rc, RELAYCTL_OWNER, false);
	if(status == RC_OK && !rc->json)
		printf("%-34s %-10s %-5s %9s %5s %5s %8s %5s %4s %s\n", "ref", "state",
				"kind", "bytes", "age", "left", "next", "tries", "code",
				"recipient sender");
	while(status == RC_OK) {
		status = list_page(rc, &a, after, &left);
		if(*after == '\0' || left == 0)
			break;
	}
	return status;
}

/* ---- show, count ------------------------------------------------------- */

static void print_time(const char *what, json_int_t at)
{
	time_t t = (time_t)at;
	struct tm tm;
	char text[32] = "-";

	if(gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("  %-11s %s\n", what, text);
}

static void print_message(const json_t *m)
{
	static const struct
	{
		const char *title, *in, *name;
	} texts[] = {{"recipient", NULL, "user"}, {"sender", NULL, "sender"},
			{"type", NULL, "type"}, {"Message-ID", NULL, "message_id"},
			{"IMDN id", "imdn", "id"}, {"From", "cpim", "from"},
			{"To", "cpim", "to"}, {"DateTime", "cpim", "date"},
			{"Subject", "cpim", "subject"}, {"key", NULL, "key"},
			{"node", NULL, "node"}};
	char due[SPAN];

	printf("message %s: %s, %s, %" JSON_INTEGER_FORMAT " bytes\n",
			str(m, "ref"), str(m, "state"), str(m, "kind"), num(m, "size"));
	for(size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const json_t *o = texts[i].in ? json_object_get(m, texts[i].in) : m;

		if(*str(o, texts[i].name) != '-' || i < 2)
			printf("  %-11s %s\n", texts[i].title, str(o, texts[i].name));
	}
	print_time("received", num(m, "received_at"));
	print_time("expires", num(m, "expires_at"));
	printf("  %-11s %s\n", "next try",
			strcmp(next(due, m), "register") == 0
					? "when the recipient registers"
					: next(due, m));
	printf("  %-11s %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
		   " refused for good; last status %" JSON_INTEGER_FORMAT "\n",
			"tries", num(m, "attempts"), num(m, "permanent"),
			num(m, "last_code"));
	if(json_is_true(json_object_get(json_object_get(m, "imdn"), "negative")))
		puts("  its sender is told when it fails or expires");
}

int relayctl_deferred_show(struct relayctl *rc, int argc, char **argv)
{
	json_t *result;
	int status, at = relayctl_args(argc, argv, "", NULL, 1);

	if(at < 0)
		return RC_USAGE;
	status = relayctl_ask(
			rc, "deferred.show", json_pack("{s:s}", "ref", argv[at]), &result);
	if(status != RC_OK)
		return status;
	if(rc->json) {
		relayctl_print(result);
	} else {
		const json_t *inner = json_object_get(result, "message");

		print_message(inner ? inner : result);
	}
	json_decref(result);
	return RC_OK;
}

int relayctl_deferred_count(struct relayctl *rc, int argc, char **argv)
{
	static const char *const names[] = {"messages", "bytes", "oldest_s"};
	const char *user;
	json_t *result;
	int status;

	if(relayctl_args(argc, argv, "u:", &user, 0) < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, "deferred.count",
			user ? json_pack("{s:[s]}", "users", user) : json_object(),
			&result);
	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(result);
	for(size_t i = 0; !rc->json && i < sizeof(names) / sizeof(names[0]); i++)
		if(json_object_get(result, names[i]))
			printf("%-10s %" JSON_INTEGER_FORMAT "\n", names[i],
					num(result, names[i]));
	json_decref(result);
	return RC_OK;
}

/* ---- orders ------------------------------------------------------------ */

/* All of them are tried; the first refusal is the exit status. */
static int order(struct relayctl *rc, int argc, char **argv, const char *method)
{
	int status, worst = RC_OK;

	if(getopt(argc, argv, "") != -1 || optind == argc)
		return relayctl_usage(argv[0]);
	status = relayctl_connect(rc, RELAYCTL_OWNER, false);
	if(status != RC_OK)
		return status;
	for(int i = optind; i < argc; i++) {
		json_t *result;

		status = relayctl_call(
				rc, method, json_pack("{s:s}", "ref", argv[i]), &result);
		if(status != RC_OK) {
			fprintf(stderr, "msrp-relayctl: %s was left as it is\n", argv[i]);
			worst = worst == RC_OK ? status : worst;
			if(status == RC_UNREACHED)
				break;
			continue;
		}
		if(rc->json)
			relayctl_print(result);
		else
			printf("%s %s\n", argv[i], str(result, "state"));
		json_decref(result);
	}
	return worst;
}

int relayctl_deferred_hold(struct relayctl *rc, int argc, char **argv)
{
	return order(rc, argc, argv, "deferred.hold");
}

int relayctl_deferred_release(struct relayctl *rc, int argc, char **argv)
{
	return order(rc, argc, argv, "deferred.release");
}

int relayctl_deferred_requeue(struct relayctl *rc, int argc, char **argv)
{
	return order(rc, argc, argv, "deferred.requeue");
}

int relayctl_deferred_delete(struct relayctl *rc, int argc, char **argv)
{
	return order(rc, argc, argv, "deferred.delete");
}

int relayctl_deferred_flush(struct relayctl *rc, int argc, char **argv)
{
	const char *user;
	json_t *result;
	int status;

	if(relayctl_args(argc, argv, "u:", &user, 0) < 0)
		return RC_USAGE;
	status = relayctl_ask(rc, "deferred.flush",
			user ? json_pack("{s:s}", "user", user) : json_object(), &result);
	if(status != RC_OK)
		return status;
	if(rc->json)
		relayctl_print(result);
	else
		printf("%" JSON_INTEGER_FORMAT " messages are due now\n",
				num(result, "messages"));
	json_decref(result);
	return RC_OK;
}
