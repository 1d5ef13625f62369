/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The core's side of registrations, played by the test: third-party REGISTER,
 * the answer to SUBSCRIBE, NOTIFY with any body; and what the PF knows then.
 */
#ifndef E2E_REG_FLOW_H
#define E2E_REG_FLOW_H

#include "b2b_ua.h"
#include "harness.h"

/* A lab without a core whose PF believes the test's peer; cfg: lines added to
 * its configuration, or NULL. */
struct lab *reg_lab(struct ua **ua, const char *cfg);

/**
 * Send a third-party REGISTER and take its answer.
 *
 * @param headers further lines, each with \n
 * @param body    may be ""
 *
 * @return the answer, which is 200
 */
struct sip *reg_register(struct ua *ua, const char *user, int expires,
		const char *headers, const char *body);

/* One subscription of the PF as the notifier sees it. */
struct watch
{
	struct ua *ua;
	struct sip *sub; /* the SUBSCRIBE that began it */
	const char *tag; /* ours */
	int cseq;        /* of the last NOTIFY */
};

/* Take the PF's SUBSCRIBE for that user ("sip:bob@cpm.test") that begins a
 * dialog; unanswered. */
struct watch reg_subscribe(struct ua *ua, const char *user, int timeout_ms);

/* Answer it, or a refresh of it: 200 with that expiry. */
void reg_accept(struct watch *w, const struct sip *sub, int expires);

/* Send a NOTIFY in the dialog; state: value of Subscription-State. The answer
 * must have that code. */
void reg_notify(struct watch *w, const char *state, const char *body, int code);

/* The same with a header changed: lines take the place of Event and
 * Content-Type. */
void reg_notify_with(struct watch *w, const char *lines, const char *state,
		const char *body, int code);

/* Documents; contacts as of reg_contact(). */
const char *reg_doc(int version, const char *state, const char *contacts);
/* services: "msg,largemsg"; "": none; NULL: nothing is told. */
const char *reg_contact(const char *id, const char *state, const char *event,
		const char *uri, const char *instance, const char *services);

/* What cpm.clients says of a user: wait until it has this number of clients,
 * or this text. */
void reg_clients(struct lab *lab, const char *user, int n);
void reg_says(struct lab *lab, const char *user, const char *text);

#endif
