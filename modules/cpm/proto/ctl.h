/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control protocol between the Kamailio module, msrp-relay and
 * msrp-relayctl as lines of text: JSON-RPC 2.0, one object a line
 * (docs/control-protocol.md). Both ends encode and decode here; sockets,
 * deadlines and what a method means are elsewhere.
 */
#ifndef CPM_CTL_H
#define CPM_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_VERSION 1      /* the protocol version spoken by this code */
#define CTL_LINE_MAX 65536 /* bytes of a line, its '\n' included */
#define CTL_ID_MAX 64      /* bytes of a session id or owner, and of an id */
#define CTL_LEG_MAX 32     /* bytes of a leg's name */
#define CTL_METHOD_MAX 64  /* bytes of a method's name */

/* Codes of error objects. */
enum ctl_code
{
	CTL_E_PARSE = -32700,    /* not JSON, or the line is too long */
	CTL_E_REQUEST = -32600,  /* not a request object */
	CTL_E_METHOD = -32601,   /* unknown method */
	CTL_E_PARAMS = -32602,   /* a parameter is missing or wrong */
	CTL_E_INTERNAL = -32603, /* the log has the reason */
	CTL_E_CONFLICT = -32001, /* exists with other parameters */
	CTL_E_UNKNOWN = -32002,  /* no such session, leg or deferred message */
	CTL_E_LIMIT = -32003,    /* a limit is reached */
	CTL_E_DRAINING = -32004, /* the daemon takes no new sessions */
	CTL_E_STATE = -32005,    /* not allowed in the leg's state */
	CTL_E_LATE = -32006,     /* too late for a further leg */
	CTL_E_OFFSET = -32007,   /* the content does not go on there */
	CTL_E_HELLO = -32010,    /* hello first */
	CTL_E_VERSION = -32011,  /* no protocol version in common */
	CTL_E_QUOTA = -32020,    /* the user's quota is used up */
	CTL_E_FULL = -32021,     /* the store is full */
	CTL_E_STORE = -32022,    /* there is no store, or it is not reachable */
	CTL_E_CLAIM = -32023     /* the claim is lost, or an illegal state */
};

/* What a line can be. */
enum ctl_kind
{
	CTL_REQUEST, /* method, params, an id to answer to */
	CTL_RESULT,  /* the answer to a request */
	CTL_ERROR,   /* the refusal of a request */
	CTL_EVENT    /* method without id: a notification of the daemon */
};

/* One decoded line. Everything but root is borrowed from root. */
struct ctl_msg
{
	enum ctl_kind kind;
	json_t *root;        /* owned; released by ctl_msg_clear */
	json_t *id;          /* integer or string; NULL with an event, and with
							an error that answers an unreadable request */
	const char *method;  /* request, event; else NULL */
	json_t *params;      /* request, event: an object, or NULL for none */
	json_t *result;      /* result: any JSON value; else NULL */
	int code;            /* error: the code; else 0 */
	const char *message; /* error: text for people; else NULL */
	json_t *data;        /* error: more about it, may be NULL */
};

/**
 * Decode and validate one line.
 *
 * @param line  without its '\n'; need not be NUL-terminated; borrowed
 * @param n     bytes
 * @param out   filled on success. On CTL_E_REQUEST out->root and out->id are
 *              set when the object had a usable id, so that the refusal can
 *              name it. ctl_msg_clear is due in every case
 *
 * @return 0; CTL_E_PARSE not JSON (or too long, or a member occurs twice);
 *         CTL_E_REQUEST JSON of another shape: a batch, no "jsonrpc":"2.0",
 *         an id that is neither integer nor short string, params that is no
 *         object, result together with error
 */
int ctl_decode(const char *line, size_t n, struct ctl_msg *out)
		__attribute__((warn_unused_result));

/* Release what ctl_decode holds; safe on a zeroed struct and twice. */
void ctl_msg_clear(struct ctl_msg *m);

/**
 * Encode one line, '\n' included. The caller frees it with free().
 *
 * @param params  object or NULL; borrowed
 * @param id      borrowed; NULL = null (the request had no usable id)
 * @param result  borrowed
 * @param message text for people; NULL = the usual text of the code
 * @param data    more about the error, e.g. the name of the parameter; NULL =
 *                none; borrowed
 * @param n       bytes, filled on success only; there is a NUL behind them
 *
 * @return the line; NULL with errno E2BIG when it would be longer than
 *         CTL_LINE_MAX, EINVAL when a value is no JSON, ENOMEM
 */
char *ctl_encode_request(
		uint64_t id, const char *method, const json_t *params, size_t *n);
char *ctl_encode_result(const json_t *id, const json_t *result, size_t *n);
char *ctl_encode_error(const json_t *id, int code, const char *message,
		const json_t *data, size_t *n);
char *ctl_encode_event(const char *method, const json_t *params, size_t *n);

/* The usual text of an error code; "error" for one that is not ours. */
const char *ctl_code_text(int code);

/* 1 to max of A-Z a-z 0-9 . _ - : session ids, owners, names of legs. */
bool ctl_name_ok(const char *s, size_t max);

#endif
