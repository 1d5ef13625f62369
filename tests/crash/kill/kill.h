/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * `make crash`: the daemon is killed again and again while threads store and
 * deliver messages; the book knows what was promised.
 *   kill_main.c  starts all of it
 *   kill_ctl.c   its control socket, blocking
 *   kill_feed.c  threads that store: deferred.put, and MSRP with session.defer
 *   kill_take.c  threads that deliver
 *   kill_life.c  one life of the daemon and its end
 *   kill_drain.c what is left is delivered, or named
 *   kill_book.c  the accountant
 */
#ifndef CRASH_KILL_H
#define CRASH_KILL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KILL_IP "127.0.0.1"
#define USERS 24

struct world
{
	char dir[256], sock[300], conf[300], log[300];
	int http_port, msrp_port;
	bool files; /* large bodies are files, not rows */
	uint64_t seed;
	int abandoned; /* claims whose owner has died */
	volatile bool feeding, taking;
};
extern struct world world;

/* ---- book -------------------------------------------------------------- */

/* A new message: its number. */
int book_new(bool large);
/* All of its bytes, to be freed: a wrapper with its number. */
char *book_body(int n, size_t *len);
void book_acked(int n);
/* Bytes have come to a client; `ref` only for the log. */
void book_delivered(const char *body, size_t len, const char *ref);
/* Prints the figures; true: everything is there. */
bool book_close(const char *what, int kills);
/* Acknowledged and not delivered yet. */
int book_open(void);

/* ---- control socket ---------------------------------------------------- */

struct ctl
{
	int fd; /* -1 */
	char owner[32];
	char *in;
	size_t len;
	long last;
	json_t *events; /* array of what came */
};

void ctl_init(struct ctl *c, const char *owner);
/* Result (new reference), or NULL: refused (*code) or no connection (0). */
json_t *ctl_ask(struct ctl *c, const char *method, json_t *params, int *code);
/* Wait for an event of a session; NULL: no connection, or ms are over. */
json_t *ctl_event(struct ctl *c, const char *type, const char *session, int ms);
void ctl_drop(struct ctl *c);

void nap(int ms);
/* A connected socket with time limits, or -1. */
int tcp_connect(const char *host, int port);
/* Read until the buffer ends with a complete MSRP message; its bytes, 0: the
 * connection is gone. */
size_t msrp_read(int fd, char *to, size_t cap, size_t *have);

/* ---- threads ----------------------------------------------------------- */

void *feed_pager(void *arg);
void *feed_large(void *arg);
void *take(void *arg);

/* ---- life -------------------------------------------------------------- */

/* Number `turn`: until a point kills the daemon, or after so long we do. 1;
 * -1: it ended otherwise. */
int life(const char *program, uint64_t *rng, int turn);
/* Prints where it was killed; true: at every point, if there were enough lives
 * for that. */
bool life_report(const char *what, int lives);

/* ---- drain ------------------------------------------------------------- */

/* The daemon, which ends at this point (NULL: at none); its process. */
pid_t daemon_start(const char *program, const char *at);
/* No more kills: wait until everything that was acknowledged is delivered. 0;
 * -1: the daemon does not start, or what is left has been named on stderr. */
int drain(pid_t daemon, const char *what);

#endif
