/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the files of ctl/ share: a client is one control connection, a request
 * is one command of it that has not been answered yet.
 */
#ifndef CTL_PRIV_H
#define CTL_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>
#include "conf/conf.h"
#include "ctl.h"
#include "ctl_server.h"

/* A session as JSON must fit into one line together with the answer's frame;
 * bytes. */
#define CTL_SESSION_MAX (CTL_LINE_MAX - 1024)

#define CTL_OUT_MAX (4 * 1024 * 1024) /* unread bytes; more: disconnected */
#define CTL_PENDING_MAX 1024 /* unanswered commands; more: not read on */
#define CTL_LIST_WEIGHT 128  /* a list counts as so many of them */
#define CTL_SILENT_MS 10000  /* for hello, and for the rest of a line */
#define CTL_MEMBERS_MAX 64   /* control_users, control_groups */

struct ctl_client
{
	struct ctl_client *prev, *next; /* in server->clients */
	struct ctl_server *server;
	uv_pipe_t pipe;
	uv_timer_t silence;
	unsigned number; /* for the log */
	uid_t uid;
	pid_t pid;
	char owner[CTL_ID_MAX + 1]; /* "" until hello */
	bool events;
	bool deferred; /* serves deferred messages */
	bool reading;
	bool in_lines; /* lines are being carried out: no recursion */
	bool eof;      /* it says no more, but may wait for answers */
	bool ending;   /* last line is out, closed when it is written */
	uv_shutdown_t shutdown;
	int handles_open; /* pipe and timer; freed at 0 without requests */
	uint64_t seq;     /* of the last event */
	struct ctl_request *requests;
	int n_requests;
	int weight; /* of all of them */
	char *in;   /* what was read and not yet used */
	size_t in_len, in_cap;
};

struct ctl_request
{
	struct ctl_request *prev, *next; /* in client->requests */
	struct ctl_client *client;
	json_t *id;
	int weight;
	char name[CTL_ID_MAX + 1]; /* session, for the answer to a close */
	char leg[CTL_LEG_MAX + 1];
	int offset;      /* of a session's legs; of a list: its limit */
	bool any;        /* of deferred.next */
	json_t *content; /* of session.create with a stored message */
};

struct ctl_server
{
	uv_loop_t *loop;
	uv_pipe_t listener;
	int lock_fd;
	char *path;
	struct ctl_host host;
	struct relay *relay;
	struct store *store;           /* NULL: there is none */
	struct store_port *store_port; /* likewise */
	struct ctl_watch *watch;       /* ctl_deferred_watch.c */
	int n_workers;
	bool tls; /* legs may be of transport tls */
	int max_clients;
	uid_t users[CTL_MEMBERS_MAX];
	gid_t groups[CTL_MEMBERS_MAX];
	int n_users, n_groups;
	struct ctl_client *clients;
	int n_clients;
	unsigned last_number;
	bool closing;
	bool listener_open;
};

/* ctl_client.c */
void ctl_client_accept(struct ctl_server *s);
void ctl_client_close(struct ctl_client *c, const char *why);
/* Take an encoded line and write it; NULL: it could not be encoded. */
void ctl_client_send(struct ctl_client *c, char *line, size_t n);
/* A request is done: read on when that had been stopped, free what is over. */
void ctl_client_resume(struct ctl_client *c);
/* The last line of this connection. */
void ctl_client_send_last(struct ctl_client *c, char *line, size_t n);
/* Free the server when nothing of it is open any more. */
void ctl_server_release(struct ctl_server *s);

/* ctl_dispatch.c */
void ctl_dispatch(struct ctl_client *c, const char *line, size_t n);

/* ctl_request.c: each request is answered exactly once, which frees it. */
struct ctl_request *ctl_request_new(struct ctl_client *c, json_t *id);
void ctl_request_free(struct ctl_request *rq);
/* It makes much work and a long answer: few of them at a time. */
void ctl_request_is_list(struct ctl_request *rq);
void ctl_answer(struct ctl_request *rq, json_t *result); /* steals result */
void ctl_refuse(struct ctl_request *rq, int code, const char *message,
		const char *param);

/* The commands: params is an object, never NULL. */
typedef void ctl_method(struct ctl_request *rq, json_t *params);
ctl_method ctl_hello;
ctl_method ctl_session_create, ctl_session_close, ctl_session_list,
		ctl_session_show;
ctl_method ctl_content_put;
ctl_method ctl_leg_add, ctl_leg_start, ctl_leg_close;
ctl_method ctl_session_defer;
ctl_method ctl_deferred_put, ctl_deferred_next, ctl_deferred_settle,
		ctl_deferred_renew;
ctl_method ctl_deferred_list, ctl_deferred_show, ctl_deferred_count,
		ctl_deferred_hold, ctl_deferred_release, ctl_deferred_requeue,
		ctl_deferred_delete, ctl_deferred_flush;
ctl_method ctl_ping, ctl_stats, ctl_log_level, ctl_reload, ctl_drain;

/* ctl_deferred_watch.c: the clock of deferred messages */
void ctl_watch_start(struct ctl_server *s);
void ctl_watch_stop(struct ctl_server *s);
/* Something of this user's may be due. */
void ctl_watch_user(struct ctl_server *s, const char *user);

/* Notices of what was stored may have been missed: by the store, or by who
 * serves deferred messages. */
void ctl_watch_missed(struct ctl_server *s);

/* His messages are others than before: all who serve deferred messages hear of
 * it, at once and then at most once a second. */
void ctl_watch_changed(struct ctl_server *s, const char *user);

/* All users' messages are due, and are told as if nothing had been told. */
void ctl_watch_flushed(struct ctl_server *s);

/* A message of his was claimed: when one is due again it is told at once. */
void ctl_watch_taken(struct ctl_server *s, const char *user);

/* ctl_json.c: what relay.h reports, as JSON; a new reference. */
/* With as many legs, from this one on (from 0), as fit into max bytes. */
json_t *ctl_json_session(
		const struct relay_session_info *info, int from, size_t max);
json_t *ctl_json_leg(const struct relay_leg_info *leg);     /* show */
json_t *ctl_json_address(const struct relay_leg_info *leg); /* create, add */
json_t *ctl_json_event(const struct relay_event *ev, uint64_t seq);
const char *ctl_json_state(enum relay_leg_state state);

#endif
