/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages through the whole chain (client, core, PF, relay, client): the
 * steps that the tests of main job, media and failures have in common.
 */
#ifndef E2E_CHAIN_H
#define E2E_CHAIN_H

#include "harness.h"

#define BOB "sip:bob@cpm.test"
#define CAROL "sip:carol@cpm.test"

/* Exit codes of cpm-client. */
enum
{
	SENT = 0,
	NOT_REGISTERED = 3,
	REFUSED = 4,
	NO_ANSWER = 5,
	BROKE_OFF = 6,
	GIVEN_UP = 7
};

/* Wait for a sender's end and expect this exit code. */
void sender_ends(struct proc *sender, int code, int timeout_ms);

/* The nth "received" event of a receiver, and the file it names. */
json_t *received(struct proc *receiver, int nth);
const char *received_file(struct proc *receiver, int nth);

/* How many of the files that a receiver has taken have this content; wait until
 * one has. */
int received_copies(struct proc *receiver, const char *file);
void gets_file(struct proc *receiver, const char *file);

/* alice sends a file to bob with options for each; it must arrive intact.
 * Lists end with NULL. The "received" event. */
json_t *pass_file(struct lab *lab, const char *file,
		const char *const alice_opts[], const char *const bob_opts[]);

/* A line of an SDP is there? */
bool sdp_has(json_t *event, const char *line);

/* A header of an event equals, contains, or is not there: or the test fails. */
void header_is(json_t *event, const char *name, const char *value);
void header_has(json_t *event, const char *name, const char *part);
void header_absent(json_t *event, const char *name);

/* Messages that the relay's store has; wait until there are so many. */
long long chain_stored(struct lab *lab);
void chain_stored_wait(struct lab *lab, long long n);

/* Memory of the relay in KiB: "VmRSS" now, "VmHWM" at its highest. */
long relay_memory(struct lab *lab, const char *what);

/* Were the programs built with a sanitizer? Their memory says nothing then. */
bool under_sanitizer(void);

#endif
