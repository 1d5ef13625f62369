/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket as main.c sees it: start, events out, stop. What can be
 * asked over it is docs/control-protocol.md.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include <jansson.h>
#include <stdint.h>
#include <uv.h>
#include "session/relay.h"

struct conf;
struct ctl_server;
struct store;

/* What the commands need of the process around them. */
struct ctl_host
{
	void *arg;
	int (*reload)(void *arg);    /* as SIGHUP; 0 or a negative errno */
	void (*drain)(void *arg);    /* as SIGTERM */
	json_t *(*stats)(void *arg); /* a new reference */
	const char *boot;            /* changes with each start */
};

/**
 * Take the control socket; commands are refused until ctl_server_serve.
 * A socket that nobody listens on is removed; one that is in use is not.
 *
 * @return 0; -EADDRINUSE another daemon has it; another negative errno. The
 *         log has the reason
 */
int ctl_server_open(uv_loop_t *loop, const struct conf *conf,
		const struct ctl_host *host, struct ctl_server **out);

/* Listen, and carry out commands with this relay and this store (NULL: there
 * is none). 0 or a negative errno. */
int ctl_server_serve(
		struct ctl_server *s, struct relay *relay, struct store *store);
/* The store is about to be closed: answers of it do not come any more. */
void ctl_server_leave_store(struct ctl_server *s);

/* The store is there (again): what other nodes have told meanwhile was not
 * heard. */
void ctl_server_store_back(struct ctl_server *s);

/* This user's deferred messages have changed; `due`: one may be due. */
void ctl_server_user(struct ctl_server *s, const char *user, bool due);

/* Pass an event on to the connections of the session's owner. */
void ctl_server_event(struct ctl_server *s, const struct relay_event *ev);

/* Number of open connections. */
int ctl_server_clients(const struct ctl_server *s);

/* Close the socket and all connections; remove the socket file. Answers that
 * are still due are dropped, so the relay must have been stopped before.
 * *s becomes NULL at once, the memory is freed as the loop goes on. */
void ctl_server_close(struct ctl_server **s);

#endif
