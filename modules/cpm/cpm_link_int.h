/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Private to the link: what its three files share. cpm_link.c owns the queue,
 * the process and the calls back; cpm_link_conn.c the connection;
 * cpm_link_reqs.c the table of commands.
 */
#ifndef CPM_LINK_INT_H
#define CPM_LINK_INT_H

#include <stdbool.h>

#include "../../core/locking.h"
#include "cpm_link.h"
#include "cpm_link_reqs.h"

/* One command, a single block of shared memory. Made by a worker, owned by the
 * link process from the moment its pointer is in the pipe. */
typedef struct cpm_link_task
{
	cpm_link_req_t req; /* must be first */
	cpm_link_reply_f reply;
	uint64_t session;
	int leg;
	int64_t queued_us;
	uint32_t n;  /* bytes of line */
	char line[]; /* the request as it goes out, '\n' included */
} cpm_link_task_t;

/* In shared memory, for all processes. */
typedef struct cpm_link_shared
{
	uint64_t next_id;     /* atomic; ids of requests */
	int pending;          /* atomic; tasks that exist */
	int up;               /* atomic; 1 in service */
	int64_t down_ms;      /* atomic; out of service since; 0 = in service */
	int64_t heard_ms;     /* atomic; last input from the relay */
	gen_lock_t lock;      /* of info */
	cpm_link_info_t info; /* written by the link process only */
} cpm_link_shared_t;

extern cpm_link_shared_t *cpm_link_shared;

/* The table of commands of the link process. */
extern cpm_reqs_t cpm_link_reqs;

int64_t cpm_link_now_us(void);

/* ---- cpm_link.c, called by the connection ------------------------------- */

/* An answer has come: call back and free. */
void cpm_link_task_done(
		cpm_link_task_t *t, cpm_link_rc_t rc, int code, const json_t *result);

/* An event has come. */
void cpm_link_event(const char *type, const json_t *params);

/* The hello was answered, and the state in shared memory is up. */
void cpm_link_came_up(bool new_boot);

/* The connection is gone. was_up: it had been in service. */
void cpm_link_went_down(bool was_up);

/* ---- cpm_link_conn.c, called by the loop --------------------------------- */

/**
 * Create the connection's epoll entry and start the first attempt.
 *
 * @param epfd    the loop's epoll
 * @return 0 or a negative errno
 */
int cpm_link_conn_init(int epfd);

/* The socket, -1 when there is none. */
int cpm_link_conn_fd(void);

/* epoll reported these events for the socket. */
void cpm_link_conn_ready(uint32_t events);

/* Send what can be sent of the table. Safe to call at any time. */
void cpm_link_conn_flush(void);

/* A sent command, queued at queued_ms, was not answered in time: a relay that
 * has not said a word since then hangs, and the connection is given up. */
void cpm_link_conn_suspect(int64_t queued_ms);

/* Attempts, hello and keep-alive that are due. */
void cpm_link_conn_tick(int64_t now_ms);

/* When cpm_link_conn_tick is due next. */
int64_t cpm_link_conn_next_ms(void);

bool cpm_link_conn_is_up(void);

#endif
