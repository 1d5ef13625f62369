/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link: one process that holds the control connection to msrp-relay for
 * all SIP workers (docs/control-protocol.md). Workers queue commands through
 * a pipe and never wait; answers and events are handed to callbacks that run
 * in the link process, where all of tm's API may be used.
 */
#ifndef CPM_LINK_H
#define CPM_LINK_H

#include <jansson.h>
#include <stdint.h>

/* How a command ended. */
typedef enum cpm_link_rc
{
	CPM_LINK_OK = 0,       /* the relay answered with a result */
	CPM_LINK_ERROR = -1,   /* the relay answered with an error object */
	CPM_LINK_TIMEOUT = -2, /* no answer within the deadline */
	CPM_LINK_DOWN = -3     /* no connection within the deadline */
} cpm_link_rc_t;

/**
 * An answer, in the link process.
 *
 * @param rc      how the command ended
 * @param code    the error object's code with CPM_LINK_ERROR, else 0
 * @param result  the answer's result with CPM_LINK_OK, else NULL; borrowed,
 *                gone when the callback returns
 * @param session the session id given with the command (cpm_session_t's id)
 * @param leg     the leg number given with the command
 */
typedef void (*cpm_link_reply_f)(cpm_link_rc_t rc, int code,
		const json_t *result, uint64_t session, int leg);

/**
 * An event of the relay, in the link process.
 *
 * @param type   "leg.bound", "leg.failed", ...
 * @param params the event's parameters; borrowed
 */
typedef void (*cpm_link_event_f)(const char *type, const json_t *params);

/**
 * The connection came up (again), in the link process.
 *
 * @param new_boot 1 when the relay has been restarted since: every session
 *                 that it held is gone
 */
typedef void (*cpm_link_up_f)(int new_boot);

/**
 * Queue one command. May be called by every process after the fork.
 * The command is sent again after a reconnect until its deadline (all
 * commands are idempotent).
 *
 * @param method      name of the method
 * @param params      the parameters; the reference is stolen, also on failure
 * @param deadline_ms milliseconds from now; 0 = modparam relay_timeout
 * @param reply       called exactly once; may be NULL
 * @param session     handed to reply
 * @param leg         handed to reply
 *
 * @return 0; else the reply is not called: -EAGAIN the queue is full;
 *         -ENOTCONN the relay has been away for longer than relay_timeout, so
 *         waiting for it would help nobody; -ENOMEM; -E2BIG over 64 KiB
 */
int cpm_link_send(const char *method, json_t *params, int deadline_ms,
		cpm_link_reply_f reply, uint64_t session, int leg);

/* 1 when the connection is up (a flag in shared memory, may be a moment old).
 */
int cpm_link_is_up(void);

/* Commands queued or waiting for their answer now. */
int cpm_link_pending(void);

/* Register the receivers of events and of reconnections; before the fork. */
void cpm_link_on_event(cpm_link_event_f f);
void cpm_link_on_up(cpm_link_up_f f);

/* What cpm.relays shows. Times are of the monotonic clock, 0 = never. */
typedef enum cpm_link_state
{
	CPM_LINK_S_WAITING, /* for the next attempt to connect */
	CPM_LINK_S_HELLO,   /* connected, hello not yet answered */
	CPM_LINK_S_UP       /* in service */
} cpm_link_state_t;

typedef struct cpm_link_info
{
	cpm_link_state_t state;
	int64_t since_ms;  /* in service, or out of it, since */
	int64_t heard_ms;  /* last input from the relay */
	int64_t retry_ms;  /* next attempt, when waiting */
	unsigned attempts; /* failed ones in a row */
	int version;       /* of the protocol, in force */
	int workers;       /* of the relay */
	int pid;           /* of the link process */
	char server[64];   /* what the relay calls itself */
	char boot[40];     /* changes with each start of the relay */
	char error[96];    /* why it was last lost; empty = never */
} cpm_link_info_t;

/* A copy of the link's state; any process. */
void cpm_link_info_get(cpm_link_info_t *out);

/* The clock of cpm_link_info_t and of the deadlines, milliseconds. */
int64_t cpm_link_now_ms(void);

/* Hooks for cpm_mod.c: 0 or -1. */
int cpm_link_mod_init(void);
int cpm_link_child_init(int rank);
void cpm_link_destroy(void);

#endif
