/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A relay that is told how to misbehave: it listens on the lab's control
 * socket (start the lab with LAB_WITHOUT=relay), speaks enough of
 * docs/control-protocol.md for calls to be set up, and carries no media.
 */
#ifndef E2E_FAKE_RELAY_H
#define E2E_FAKE_RELAY_H

#include "harness.h"

/* What it does with a request of some method. */
enum fake_how
{
	FAKE_OK,       /* answers as a good relay does */
	FAKE_MUTE,     /* never answers */
	FAKE_ERROR,    /* error -32003, limit reached */
	FAKE_NOT_JSON, /* a line that is no JSON */
	FAKE_BATCH,    /* JSON, but not an object */
	FAKE_LONG,     /* a line without end */
	FAKE_HALF,     /* half an answer, then closes */
	FAKE_STRANGE,  /* answers to ids nobody asked, then the right one */
	FAKE_CLOSE     /* closes without a word */
};

struct fake;

/* Listen and serve in a thread of the test. boot NULL: a usual one. */
struct fake *fake_start(struct lab *lab, const char *boot);

/* From now on requests of this method are treated so. */
void fake_set(struct fake *f, const char *method, enum fake_how how);

/* Sessions that session.list reports besides; comma separated. */
void fake_list(struct fake *f, const char *sessions);

/* Close the connection, go on listening. */
void fake_drop(struct fake *f);

/* Close the connection and the socket. */
void fake_stop(struct fake *f);

/* Send one line to the client. */
void fake_send(struct fake *f, const char *line);

/* Requests of this method so far; and parameters of the nth, from 0. */
int fake_count(struct fake *f, const char *method);
json_t *fake_wait(struct fake *f, const char *method, int nth, int timeout_ms);

#endif
