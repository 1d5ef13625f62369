/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The objects of one worker thread: sessions, their legs, the messages that
 * pass, and the MSRP connections. Private to session/; relay.h is the public
 * side. Everything here is touched by its worker's thread alone.
 *
 * Owners: worker > session > leg, message > spool; a leg's queue > delivery,
 * transaction. Legs live until their session ends, so that pointers to them
 * need no counts. A connection is owned by the loop and knows its legs; a leg
 * forgets its connection in leg_detach.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <uthash.h>

#include "msrp/parse.h"
#include "net/conn.h"
#include "session/claim.h"
#include "session/relay.h"
#include "session/spool.h"
#include "session/worker.h"

#define LEG_ID_LEN 26 /* 128 random bits, 5 a character */
#define TID_LEN 12    /* 60 random bits */

/* SENDs of one leg without a response yet; the leg pauses at the limit. */
#define LEG_TXNS_MAX 512

/* Messages that one leg has begun and not ended. */
#define LEG_MESSAGES_MAX 8

/* Deliveries per leg whose success REPORT is awaited; the oldest is given up.
 */
#define LEG_REPORTS_MAX 256

/* Frames with a definite range up to here are taken as a whole. */
#define MSRP_WHOLE_MAX (64 * 1024)

/* Largest chunk that is cut from content still arriving, so that responses
 * get their turn. */
#define CHUNK_STREAM_MAX (256 * 1024)

/* Complete messages of one leg without an answer yet; its reader stops. */
#define LEG_PENDING_MAX 1024

/* Longest To-Path or From-Path that is accepted. */
#define PATHS_MAX 2048

/* Kept messages of one session. */
#define SESSION_KEPT_MAX 8

/* Longer ones (a long Content-Type) are written for each leg anew. */
#define HEAD_REST_MAX 192

/* A session whose legs were not all started ends after so long. */
#define SESSION_SETUP_MS (300 * 1000)

enum report_want
{
	REPORT_NO,
	REPORT_PARTIAL,
	REPORT_YES
};

struct msrp_conn;
struct leg;
struct session;
struct delivery;

/* The part of a SEND's head that a message's legs share, as it was written
 * last: they mostly get the same chunks. */
struct head_rest
{
	struct msrp_range range; /* start 0: nothing is there */
	size_t n;
	char text[HEAD_REST_MAX];
};

/* A message from the inbound leg. Freed by message_settle. */
struct message
{
	struct message *next, **pprev; /* of the inbound leg, newest first */
	struct leg *in;
	struct delivery *deliveries;
	struct spool spool;     /* what it consists of */
	struct head_rest *rest; /* NULL: it has at most one leg */
	char id[MSRP_IDENT_MAX + 1];
	char held[MSRP_IDENT_MAX + 1]; /* transaction whose answer waits, or "" */
	char *content_type;
	char *wrapped;       /* type of the payload in CPIM; NULL: not known */
	char *wrapper;       /* kept: the text in front of the payload, as far as
						  * it is here; NULL: none */
	size_t wrapper_n;    /* bytes of that */
	bool wrapper_known;  /* it is all here, or there is none */
	uint64_t chunk_at;   /* ms: when its latest chunk began */
	uint64_t received;   /* bytes, without gaps from 1 */
	uint64_t total;      /* announced; valid with total_known */
	uint64_t chunk_n;    /* bytes of its sender's chunks, where that is known */
	uint64_t chunk_from; /* byte at which the one that arrives began */
	bool total_known;
	bool complete; /* the last chunk is here */
	bool aborted;  /* it will never be */
	bool answered; /* the sender knows how it ended */
	bool in_chunk; /* a chunk of it is arriving */
	bool reported; /* success REPORT sent */
	bool had_leg;  /* there was a delivery at some time */
	enum report_want failure_report;
	bool success_report;
	int n_open;           /* deliveries not decided */
	int n_copy;           /* of them to legs that do not count for the sender */
	int n_ok;             /* deliveries acknowledged whole, without copies */
	int n_await;          /* deliveries that wait for a success REPORT */
	int status;           /* of the failure, once all deliveries have failed */
	uint64_t complete_at; /* ms */
	struct claim *claim;  /* it is being stored, or has been; NULL */
};

/* One message on its way to one leg. */
struct delivery
{
	struct delivery *next;    /* of the leg's queue, or of its awaiting list */
	struct delivery *sibling; /* of the message */
	struct message *m;
	struct leg *leg;
	struct spool_reader reader;
	size_t queued;        /* of the leg's */
	uint64_t sent, acked; /* content bytes */
	uint64_t reported;    /* bytes 1 to .. in success REPORTs */
	struct buf *head;     /* what stands in place of the content's first */
	size_t head_for;      /* so many bytes; NULL: nothing */
	size_t head_sent;     /* bytes of it */
	int n_txns;
	bool begun;  /* something has been sent */
	bool last;   /* its end has been sent */
	bool closed; /* decided */
	bool await;  /* on the awaiting list */
	bool broken; /* what it has to send cannot be read any more */
};

/* A SEND that waits for its response. */
struct txn
{
	struct txn *next;
	struct delivery *d; /* NULL: the binding SEND, or nobody cares */
	uint64_t n;         /* content bytes */
	uint64_t sent_at;   /* ms */
	bool bind;
	char tid[TID_LEN];
};

struct leg
{
	UT_hash_handle hh; /* by id */
	char id[LEG_ID_LEN + 1];
	char name[RELAY_LEG_MAX + 1];
	uint8_t name_n;
	struct session *session;
	struct leg *next; /* of the session */
	enum relay_direction direction;
	enum relay_transport transport;
	enum relay_leg_state state;
	int status;
	const char *error; /* static text or NULL */
	uint64_t bytes, messages;

	/* ours and the peer's side, from the command */
	char *path;
	char *cpim_to;   /* URI; NULL: the To goes as it is */
	char *cpim_add;  /* header line for the wrapper; NULL: none */
	bool copy;       /* does not count for the sender's answer */
	char *peer_path; /* NULL: not known */
	char *peer_host;
	int peer_port;
	bool connect, match_full;
	char *accept_types, *accept_wrapped_types, *fingerprint;
	uint64_t peer_max_bytes, chunk_bytes;
	char *paths; /* of our requests, formatted */
	size_t paths_n;
	char *answer; /* paths of his responses, as most peers write them */
	size_t answer_n;

	/* connection */
	struct msrp_conn *mc;    /* NULL: none */
	struct leg *mc_next;     /* of the connection */
	bool bound;              /* requests may be sent */
	char *req_to, *req_from; /* paths of the peer's latest request */
	size_t req_to_n, req_from_n;
	char *reply; /* paths of our responses, formatted */
	size_t reply_n;

	/* inbound */
	struct message *messages_list;
	unsigned n_messages;                /* on the list */
	unsigned n_unfinished;              /* of them begun and not ended */
	bool report_failures;               /* the latest message asked for it */
	char failed_id[MSRP_IDENT_MAX + 1]; /* a message that was refused, */
	int failed_status; /* and what its further chunks are answered */
	bool stopped;      /* its connection is not read for a slow leg */

	/* outbound */
	struct delivery *queue, *queue_tail;
	struct delivery *await, *await_tail;
	int n_await;
	size_t queued; /* content bytes that hold up the sender, with their cost */
	struct txn *txns, *txns_tail;
	int n_txns;
	uint64_t acked; /* conn_progress at the transaction timer's last look */
	uint64_t idle_acked; /* likewise, of the session's timer */
	struct wheel_timer timer;
	bool ready; /* on its connection's ready list */
	struct leg *ready_next;
};

/* session.defer: what becomes of a message that no leg takes. */
struct deferral
{
	char *user, *sender, *key, *envelope;
	int64_t lifetime_ms, next_ms;
	int wait_ms; /* after it is complete */
	bool now;    /* whatever legs do */
};

struct session
{
	UT_hash_handle hh; /* by name */
	char name[RELAY_ID_MAX + 1];
	char owner[RELAY_ID_MAX + 1];
	uint8_t name_n, owner_n;
	struct worker *w;
	struct leg *legs; /* in the order of the command */
	struct leg *in;
	int n_legs;
	uint64_t max_bytes;
	int idle_ms, setup_ms;
	bool keep;    /* messages are held until the end, for legs that come */
	bool started; /* a peer has acknowledged a part of a message */
	bool content; /* `in` has no peer: the message comes by content.put */
	enum relay_answer answer;
	struct deferral *deferral;      /* NULL: nothing is stored */
	struct stored *stored;          /* the message comes out of the store */
	struct claim *claim;            /* on that */
	uint64_t created_at, active_at; /* ms of the loop */
	uint64_t leg_at;                /* ms: when its latest leg was added */
	bool closing;
	bool ending;         /* nothing was left to do: see to it, and end */
	uint64_t close_by;   /* ms: closing ends at the latest */
	struct job *closers; /* commands that wait for the end */
	struct job *puts;    /* content.put that wait for room */
	struct wheel_timer timer;
};

/* A SEND whose content is being read. */
struct chunk
{
	struct leg *leg;   /* NULL: nobody takes it */
	struct message *m; /* NULL: content is dropped */
	uint64_t at;       /* byte that comes next, counted from 1 */
	bool definite;     /* end is announced */
	uint64_t end;
	bool answered; /* the response has been sent */
	enum report_want failure_report;
	bool empty_ok; /* no content: a keep-alive */
	bool any;      /* content has arrived */
};

struct msrp_conn
{
	struct conn net; /* first member */
	struct worker *w;
	struct leg *legs; /* that use it */
	struct leg *last; /* that the last request was for */
	struct leg *ready, *ready_tail;
	struct leg *waits; /* not read until this leg has been started */
	struct msrp_conn *waits_next;
	bool waited;     /* long enough */
	bool valid;      /* a request for one of our legs was here */
	bool in_content; /* of the frame with this transaction id */
	bool first;      /* nothing of the content was taken yet */
	uint8_t tid_n;
	size_t scanned; /* bytes of a whole frame that hold no end-line */
	char tid[MSRP_IDENT_MAX];
	struct chunk chunk;
};

/* ---- session.c: sessions and what commands do to them ---- */
void session_activity(struct session *s);
void session_end(struct session *s);
/* There is room for content: answer those who have waited. */
void session_put_more(struct session *s);
/* When a closing session has nothing left to write, it ends. */
void session_check_end(struct session *s);
void session_event(struct session *s, enum relay_event_type type,
		struct leg *leg, const char *message_id, uint64_t bytes, int status,
		const char *error);

/* ---- event.c ---- */
/* Texts are copied, but for error, which is static. */
void worker_event(struct worker *w, const struct relay_event *ev);

/* ---- defer.c: messages on their way into the store ---- */
/* session.defer: RELAY_OK or why not. */
int session_defer(struct session *s, const struct relay_defer *p);
/* Something has changed: is it time to store the message? */
void defer_check(struct message *m);
/* More of it is in the spool's file. */
void defer_spooled(struct message *m);
/* A message is with the store: the session shall not end yet. */
bool defer_is_under_way(const struct session *s);
/* A message is stored and no leg may take it any more. */
bool defer_is_over(const struct session *s);
void defer_describe(const struct session *s, struct relay_session_info *to);
void defer_free(struct session *s);

/* ---- stored.c: messages that come out of the store ---- */
void stored_begin(struct session *s, const struct relay_content *c);
/* There may be room for more of it. */
void stored_more(struct session *s);
/* Somebody else has claimed it. */
void stored_lost(struct session *s);
void stored_end(struct session *s);
/* The worker has ended. */
void stored_free_all(struct worker *w);

/* ---- leg.c ---- */
struct leg *leg_new(struct session *s, const struct relay_leg_params *p);
/* The source of content that comes over the control socket: no peer, not one
 * of the session's legs. */
struct leg *leg_source(struct session *s);
void leg_free(struct leg *l);
bool leg_peer_ok(const struct relay_peer *p);
void leg_start(struct leg *l, const struct relay_peer *p);
/* Was the leg made by this command, or one like it? */
bool leg_same(const struct leg *l, const struct relay_leg_params *p);
bool leg_peer_same(const struct leg *l, const struct relay_peer *p);
struct leg *leg_find(struct worker *w, struct slice id);
void leg_attach(struct leg *l, struct msrp_conn *mc);
void leg_bound(struct leg *l);
/* The leg is of no more use; its deliveries fail, its messages are aborted. */
void leg_fail(struct leg *l, int status, const char *error);
void leg_detach(struct leg *l);
void leg_close(struct leg *l);
/* The session is closing: nobody will come for what waits here. */
void leg_give_up(struct leg *l);
void leg_ready(struct leg *l);
/* Remember the paths of a request for answers. */
void leg_paths_seen(struct leg *l, struct slice to, struct slice from);

/* ---- msrp_conn.c ---- */
void msrp_conn_accept(
		struct worker *w, int fd, const struct sockaddr *peer, bool tls);
struct msrp_conn *msrp_conn_open(
		struct worker *w, const struct sockaddr *peer, bool tls, int *err);
/* No leg uses it any more. */
void msrp_conn_unused(struct msrp_conn *mc);
/* A leg that connections may wait for has been started, or is gone. */
void msrp_conn_leg_changed(struct worker *w, struct leg *l);
void msrp_conn_answer(
		struct msrp_conn *mc, const struct msrp_head *h, int status);
void leg_answer(struct leg *l, struct slice tid, int status);

/* ---- inbound.c: SENDs of peers ---- */
/* The connection's certificate is the one of the leg's SDP (RFC 8122). */
bool leg_certified(const struct leg *l, const struct msrp_conn *mc);
/* 0 go on; 1 not now: the connection waits for the leg to be started */
int inbound_begin(struct msrp_conn *mc, const struct msrp_head *h);
void inbound_content(
		struct msrp_conn *mc, struct buf *b, const char *p, size_t n);
void inbound_end(struct msrp_conn *mc, struct slice tid, char flag);

/* ---- message.c ---- */
struct message *message_new(struct leg *in, const struct msrp_head *h);
struct message *message_find(struct leg *in, struct slice id);
void message_append(struct message *m, struct buf *b, const char *p, size_t n);
void message_chunk_end(struct message *m);
void message_fail(struct message *m, int status);
void message_abort(struct message *m);
/* The last of it has arrived. */
void message_complete(struct message *m);
/* Deliveries that may still become a 200 for the sender. */
static inline int message_hopes(const struct message *m)
{
	return m->n_open - m->n_copy;
}
/* A kept message needs a file; false: there is nowhere to put it. */
bool message_spool(struct message *m);
/* Much of a kept message waits for the disk. */
bool message_full(const struct message *m);
/* Answer, report, free: whatever has become possible. */
void message_settle(struct message *m);
void message_free(struct message *m);

/* ---- content.c: messages that come over the control socket ---- */
void content_begin(struct session *s, const struct relay_content *c);
/* The session was created with the same content object. */
bool content_same(const struct session *s, const struct relay_content *c);
/* RELAY_OK with *full: more of it has to wait for the disk. */
int content_put(struct session *s, const struct relay_put *put, bool *full);

/* ---- accept.c: what a peer takes ---- */
/* Media type without parameters against a blank-separated list; NULL = any. */
bool message_type_accepted(const char *list, struct slice type);
/* As far as it is known what is in the message. */
bool message_accepted(const struct message *m, const struct leg *l);
/* Content from the first byte on until its wrapper is known: what is in it? */
void message_learn(struct message *m, const char *p, size_t n);
/* No more of it comes. */
void message_learn_end(struct message *m);

/* ---- delivery.c ---- */
void delivery_start(struct message *m, struct leg *l);
/* n bytes more have arrived for it, in a piece of their own or not; only where
 * nothing is kept. */
void delivery_arrived(struct delivery *d, size_t n, bool piece);
/* Would content that arrives now have to wait? */
bool delivery_waits(const struct delivery *d);
/* The content from byte `at` on as far as it lies in one place. */
bool delivery_view(struct delivery *d, uint64_t at, struct spool_view *v);
/* n bytes have been handed to the connection. */
void delivery_sent(struct delivery *d, size_t n);
/* A block that its reader waited for is there, or the disk has failed: the
 * leg's turn will see it. */
void delivery_block(struct spool_reader *r, int err);
/* What comes next may have to be read from the spool: see to it. */
void delivery_fetch(struct delivery *d);
/* A leg that came late takes part from the first byte: 0, or -1 it cannot. */
int delivery_join(struct leg *l);
/* The leg's peer has become known: what it does not accept fails. */
void delivery_recheck(struct leg *l);
void delivery_unqueue(struct delivery *d);
void delivery_free(struct worker *w, struct delivery *d);
/* Decided: 200, or the status of the failure. error is static text; NULL: the
 * caller tells the rest. */
void delivery_close(struct delivery *d, int status, const char *error);
void delivery_await_end(struct delivery *d);

/* ---- outbound.c: SENDs to peers ---- */
bool outbound_emit(struct leg *l);
void outbound_bind(struct leg *l);
void outbound_response(struct leg *l, struct slice tid, int status);
void outbound_forget(struct leg *l);
/* The sender may be read again, when that was stopped. */
void outbound_wait_less(struct leg *l);

/* ---- retarget.c ---- */
/* Before the first chunk: give a delivery its own wrapper. 0; 1 not enough of
 * the message is here; or the status with which it fails. */
int retarget_begin(struct delivery *d);
/* Is the wrapper still to be sent? */
bool retarget_pending(const struct delivery *d);
/* Bytes sent, and bytes that the whole message has more, as the peer counts. */
uint64_t retarget_sent(const struct delivery *d);
int64_t retarget_extra(const struct delivery *d);
/* Queue n bytes of the wrapper. */
void retarget_write(struct delivery *d, struct conn *c, size_t n);

/* ---- report.c ---- */
void report_received(struct leg *l, const struct msrp_head *h);
void report_send(struct message *m, int status, uint64_t bytes);

#endif
