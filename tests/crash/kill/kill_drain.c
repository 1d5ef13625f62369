/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * After the last kill: everything that was acknowledged has to be delivered
 * within a stated time. What is not is a fault, and is told with its state and
 * with the session that holds it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kill.h"

/* Of the backlog, of which there is little (BACKLOG), and of claims whose
 * owner was killed: lease and drain_timeout are a few seconds. */
#define DRAIN_MS 60000
#define START_MS 20000

/* Does it answer? -1: it has ended. */
static int daemon_answers(struct ctl *c, pid_t pid)
{
	json_t *r = NULL;
	int code;

	for(int i = 0; i < START_MS / 20 && r == NULL; i++) {
		if(waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		r = ctl_ask(c, "deferred.count", json_object(), &code);
	}
	json_decref(r);
	return r ? 0 : -1;
}

/* All that a command lists, a line each. */
static void tell(struct ctl *c, const char *method, const char *list)
{
	int code;
	json_t *r = ctl_ask(c, method, json_pack("{s:i}", "limit", 20), &code);
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(r, list), i, one)
	{
		char *text = json_dumps(one, JSON_COMPACT);

		fprintf(stderr, "%s: %s\n", method, text);
		free(text);
	}
	json_decref(r);
}

int drain(pid_t daemon, const char *what)
{
	struct ctl c;
	int rc;

	ctl_init(&c, "main");
	rc = daemon_answers(&c, daemon);
	if(rc != 0)
		fprintf(stderr, "%s: the daemon does not start again, see %s\n", what,
				world.log);
	for(int ms = 0; rc == 0 && book_open() > 0 && ms < DRAIN_MS; ms += 20)
		nap(20);
	if(rc == 0 && book_open() > 0) {
		fprintf(stderr, "%s: %d not delivered after %d s:\n", what, book_open(),
				DRAIN_MS / 1000);
		tell(&c, "deferred.list", "messages");
		tell(&c, "session.list", "sessions");
		rc = -1;
	}
	ctl_drop(&c);
	free(c.in);
	json_decref(c.events);
	return rc;
}
