/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The relay as its operators see it: worker threads that carry MSRP sessions,
 * driven from the main thread. Everything here is called on the main loop's
 * thread and answers there; how commands reach the worker that owns a session
 * is nobody's business but relay.c's. docs/control-protocol.md says what each
 * command means.
 */
#ifndef MSRP_RELAY_H
#define MSRP_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define RELAY_ID_MAX 64       /* bytes of a session id or owner, without NUL */
#define RELAY_LEG_MAX 32      /* bytes of a leg name, without NUL */
#define RELAY_LEGS_MAX 64     /* legs of one session in one create */
#define RELAY_LEGS_LIMIT 4096 /* legs of one session in all */
#define RELAY_TYPE_MAX 255    /* bytes of a Content-Type */
#define RELAY_PUT_MAX (32 * 1024) /* bytes of one piece of content */
#define RELAY_PATH_MAX 1024       /* bytes of an a=path */

struct relay;
struct stats;
struct store;

/* What the relay needs to run; filled by conf/, borrowed for the process. */
struct relay_conf
{
	int workers;                /* threads, 1 to 64 */
	const char *listen_host;    /* numeric address to listen on */
	const char *advertise_host; /* host in our paths; NULL = listen_host */
	int listen_port;            /* of the first worker; one more for each */
	int tls_port;               /* likewise; 0 = no TLS */
	const char *tls_cert, *tls_key, *tls_ca; /* PEM files */
	bool tls_verify;            /* check the peer's chain against tls_ca */
	uint64_t max_message_bytes; /* more gets 413 */
	uint64_t chunk_bytes;       /* largest chunk we send; 0 = as received */
	uint64_t leg_buffer_bytes;  /* bytes queued to a leg before its source stops
								 */
	int max_sessions;
	int max_connections;
	int inactivity_ms;
	int transaction_ms; /* no response to a SEND: 408 (RFC 4975, 30 s) */
	int connect_ms;     /* TCP and TLS set-up */
	int bind_ms;        /* connection without a first valid request */
	int drain_ms;
	const char *spool_dir;     /* of kept messages; NULL = memory only */
	uint64_t spool_memory;     /* bytes of a kept message in memory */
	uint64_t spool_max_memory; /* of all of them; then to disk at once */
	uint64_t spool_max_bytes;  /* in all files together */
};

enum relay_rc
{
	RELAY_OK = 0,
	RELAY_CONFLICT = -32001,
	RELAY_UNKNOWN = -32002,
	RELAY_LIMIT = -32003,
	RELAY_DRAINING = -32004,
	RELAY_STATE = -32005,
	RELAY_LATE = -32006,
	RELAY_OFFSET = -32007,
	RELAY_NO_STORE = -32022,
	RELAY_INTERNAL = -32603
};

enum relay_direction
{
	RELAY_RECV,
	RELAY_SEND
};
enum relay_transport
{
	RELAY_TCP,
	RELAY_TLS
};

enum relay_leg_state
{
	RELAY_LEG_NEW,        /* the peer is not known yet */
	RELAY_LEG_WAITING,    /* passive, the peer is known */
	RELAY_LEG_CONNECTING, /* active, not yet bound */
	RELAY_LEG_BOUND,      /* connection up, first SEND answered or seen */
	RELAY_LEG_DONE,       /* a complete message passed and was acknowledged */
	RELAY_LEG_FAILED,     /* refused, lost, silent, or an MSRP error */
	RELAY_LEG_CLOSED      /* closed by command */
};

/* The peer of a leg, from its SDP. Strings are borrowed for the call. */
struct relay_peer
{
	const char *path; /* a=path, complete */
	const char *host; /* where to connect; NULL = from the path */
	int port;         /* 0 = from the path */
	bool connect;     /* we open the connection */
	bool match_full;  /* compare the whole From-Path, not the session id */
	const char *accept_types;         /* blank separated, NULL = any */
	const char *accept_wrapped_types; /* likewise */
	const char *fingerprint;          /* "SHA-256 AB:..", NULL = unchecked */
	uint64_t max_bytes;               /* 0 = none */
	uint64_t chunk_bytes;             /* 0 = configuration */
};

struct relay_leg_params
{
	const char *leg;
	enum relay_direction direction;
	enum relay_transport transport;
	const char *cpim_to;  /* URI for the CPIM To on this leg; NULL = as sent */
	const char *cpim_add; /* header line for the CPIM wrapper; NULL = none */
	bool copy;            /* does not count for the sender's answer */
	const struct relay_peer *peer; /* NULL: relay_leg_start follows */
};

/* When the sender's last chunk is answered 200. */
enum relay_answer
{
	RELAY_ANSWER_ALL,  /* every leg has decided */
	RELAY_ANSWER_FIRST /* one leg has taken all of the message */
};

/* A message that comes over the control socket instead of from a sender. */
struct relay_content
{
	const char *type;       /* Content-Type */
	const char *message_id; /* an MSRP ident */
	uint64_t bytes;         /* of all of it */
	const char *ref;        /* of a stored message; NULL: by content.put */
	uint64_t fence;         /* of the claim on that */
	int lease_ms;           /* of the claim, each time it is renewed */
};

/* session.defer */
struct relay_defer
{
	const char *user, *sender, *key, *envelope;
	int64_t lifetime_ms; /* 0 = configuration */
	int64_t next_ms;     /* negative: it waits for a registration */
	int wait_ms;
	bool now;
};

struct relay_session_params
{
	const char *session, *owner;
	uint64_t max_bytes; /* 0 = configuration */
	int idle_ms;        /* 0 = configuration */
	int setup_ms;       /* 0 = usual */
	bool keep;          /* hold messages for legs that come later */
	enum relay_answer answer;
	const struct relay_content *content; /* NULL: a leg receives */
	int n_legs;
	const struct relay_leg_params *legs;
};

/* One leg as reported. Strings live until the callback returns. */
struct relay_leg_info
{
	const char *leg;
	enum relay_direction direction;
	enum relay_transport transport;
	enum relay_leg_state state;
	const char *path; /* ours */
	const char *host; /* ours, for c= and m= */
	int port;
	const char *fingerprint; /* ours, NULL without TLS */
	const char *peer_path;   /* NULL when not known */
	uint64_t bytes;          /* content bytes passed */
	uint64_t messages;       /* complete messages passed */
	uint64_t queued;         /* bytes waiting for this peer */
	int status;              /* last MSRP status that mattered, 0 = none */
	const char *error;       /* NULL unless failed */
};

struct relay_session_info
{
	const char *session, *owner;
	const char *state; /* "open" or "closing" */
	bool keep;
	uint64_t received; /* content bytes of the sender or of content.put */
	uint64_t age_ms, idle_ms;
	int worker;
	const char *defer_state; /* NULL without session.defer */
	const char *ref;         /* of the stored message; NULL */
	int n_legs;
	const struct relay_leg_info *legs;
};

/**
 * An answer. Runs on the main loop, never before the command has returned.
 *
 * @param rc   RELAY_OK or the error code for the control protocol
 * @param info the session (leg.add, leg.start, leg.close: with that leg alone);
 *             NULL when rc is an error or a close found nothing
 */
typedef void relay_done_cb(
		void *arg, int rc, const struct relay_session_info *info);

enum relay_event_type
{
	RELAY_EV_LEG_BOUND,
	RELAY_EV_MESSAGE_STARTED,
	RELAY_EV_MESSAGE_RECEIVED,
	RELAY_EV_MESSAGE_ABORTED,
	RELAY_EV_LEG_DELIVERED,
	RELAY_EV_LEG_FAILED,
	RELAY_EV_SESSION_IDLE,
	RELAY_EV_MESSAGE_DEFERRED,
	RELAY_EV_MESSAGE_REFUSED
};

struct relay_event
{
	enum relay_event_type type;
	const char *owner, *session;
	const char *leg;        /* NULL for SESSION_IDLE, and for content */
	const char *message_id; /* NULL when not of a message */
	uint64_t bytes;
	int status;
	const char *error;
	const char *ref; /* of a stored message; NULL */
	bool settled;    /* LEG_DELIVERED with ref: it is out of the store */
	bool duplicate;  /* MESSAGE_DEFERRED: it was there before */
	int code;        /* MESSAGE_REFUSED: negative errno of the store */
};

typedef void relay_event_cb(void *arg, const struct relay_event *ev);

/**
 * Start the workers and listen.
 *
 * @param loop  the main loop; callbacks run on it
 * @param store of deferred messages; NULL: there is none. Must live until
 *              relay_stop
 * @return 0, or a negative errno (the log says which address or file)
 */
int relay_start(uv_loop_t *loop, const struct relay_conf *conf,
		struct store *store, relay_event_cb *on_event, void *arg,
		struct relay **out);

/* The commands of docs/control-protocol.md. Parameters are copied. */
void relay_session_create(struct relay *r, const struct relay_session_params *p,
		relay_done_cb *cb, void *arg);
void relay_leg_add(struct relay *r, const char *session,
		const struct relay_leg_params *p, relay_done_cb *cb, void *arg);
/* A piece of the content of a session that has no receiving leg. */
struct relay_put
{
	uint64_t offset;  /* bytes before it */
	const char *data; /* borrowed for the call */
	size_t n;
	bool last;
};
void relay_content_put(struct relay *r, const char *session,
		const struct relay_put *put, relay_done_cb *cb, void *arg);
void relay_session_defer(struct relay *r, const char *session,
		const struct relay_defer *p, relay_done_cb *cb, void *arg);
void relay_leg_start(struct relay *r, const char *session, const char *leg,
		const struct relay_peer *peer, relay_done_cb *cb, void *arg);
void relay_leg_close(struct relay *r, const char *session, const char *leg,
		relay_done_cb *cb, void *arg);
void relay_session_close(struct relay *r, const char *session, bool abort,
		relay_done_cb *cb, void *arg);
void relay_session_show(
		struct relay *r, const char *session, relay_done_cb *cb, void *arg);

/**
 * List sessions in a stable order.
 *
 * @param owner  NULL = of all owners
 * @param cb     called once with all sessions of the page
 */
typedef void relay_list_cb(void *arg, int n,
		const struct relay_session_info *list, uint64_t total);
void relay_session_list(struct relay *r, const char *owner, uint64_t offset,
		int limit, relay_list_cb *cb, void *arg);

/* Read certificates again; new connections use them. 0 or a negative errno. */
int relay_tls_reload(struct relay *r);

/* No new sessions; on_empty runs when the last has ended, at most after
 * drain_ms. Safe to call twice. */
void relay_drain(struct relay *r, void (*on_empty)(void *arg), void *arg);

/* Sum of all workers' counters (stats/stats.h). */
void relay_stats_sum(struct relay *r, struct stats *sum);

/* Stop the workers, close everything, free. *r becomes NULL. */
void relay_stop(struct relay **r);

#endif
