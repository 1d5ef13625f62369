/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The command `match`: which objects fetched from a message store are copies of
 * messages that this client has sent or received over SIP. By Message-UID where
 * the network told it, else by Table 2 (cl_match.c). Called by main.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cl_match.h"

#define OBJECT_MAX (1024 * 1024) /* bytes that are read: headers come first */

static struct slice text_of(json_t *e, const char *key)
{
	json_t *v = json_object_get(e, key);

	return slice_of(json_string_value(v), json_string_length(v));
}

/* All "sent" and "received" events of a file, as an array. */
static json_t *events_load(const char *path)
{
	FILE *f = fopen(path, "r");
	json_t *all = json_array(), *e;
	char *line = NULL;
	size_t cap = 0;

	if(!f) {
		cl_warn("%s: %s", path, strerror(errno));
		json_decref(all);
		return NULL;
	}
	while(getline(&line, &cap, f) > 0) {
		struct slice name;

		e = json_loads(line, 0, NULL);
		name = text_of(e, "event");
		if(slice_eq(name, SLICE("sent")) || slice_eq(name, SLICE("received")))
			json_array_append(all, e);
		json_decref(e);
	}
	free(line);
	fclose(f);
	return all;
}

static void seen_of(json_t *e, struct cl_seen *out)
{
	json_t *parties = json_object_get(e, "parties"), *p;
	size_t i;

	*out = (struct cl_seen){.group = json_is_true(json_object_get(e, "group")),
			.conversation_id = text_of(e, "conversation_id"),
			.contribution_id = text_of(e, "contribution_id"),
			.in_reply_to = text_of(e, "in_reply_to_contribution_id"),
			.imdn_id = text_of(e, "imdn_message_id")};
	json_array_foreach(parties, i, p)
	{
		if(out->parties < CL_PARTIES_MAX)
			out->party[out->parties++] =
					slice_of(json_string_value(p), json_string_length(p));
	}
}

/* "4711.eml" is the object with UID 4711. */
static struct slice uid_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slice_cut(slice_str(slash ? slash + 1 : path), '.', NULL);
}

static void match_one(const struct cl_opts *o, json_t *events, const char *path,
		struct slice object)
{
	struct cl_stored stored;
	const char *by = NULL;
	json_t *e, *found = NULL, *out;
	struct cl_seen a;
	size_t i;

	cl_stored_read(object, slice_str(o->folder), &stored);
	json_array_foreach(events, i, e)
	{
		struct slice uid = text_of(e, "message_uid");

		seen_of(e, &a);
		if(cl_same_message(&a, &stored))
			by = "ids";
		if(uid.n > 0 && slice_eq(uid, uid_of(path))
				&& slice_eq(a.contribution_id, stored.contribution_id))
			by = "uid";
		if(by) {
			found = e;
			break;
		}
	}
	out = cl_event_new(found ? "duplicate" : "new");
	cl_event_text(out, "object", path);
	if(found) {
		cl_event_text(out, "by", by);
		cl_event_str(out, "contribution_id", a.contribution_id);
	}
	cl_event_print(out);
}

int cl_sync_match(const struct cl_opts *o)
{
	json_t *events = events_load(o->events);
	char *text = malloc(OBJECT_MAX);
	int rc = events && text ? CL_OK : CL_INTERNAL;

	for(int i = 0; i < o->n_files && rc == CL_OK; i++) {
		FILE *f = fopen(o->file[i].path, "r");
		size_t n;

		if(!f) {
			cl_warn("%s: %s", o->file[i].path, strerror(errno));
			rc = CL_INTERNAL;
			break;
		}
		n = fread(text, 1, OBJECT_MAX, f);
		fclose(f);
		match_one(o, events, o->file[i].path, slice_of(text, n));
	}
	free(text);
	json_decref(events);
	return rc;
}
