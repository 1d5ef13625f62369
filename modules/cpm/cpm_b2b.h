/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The back-to-back user agent, inside: what the files cpm_b2b_*, cpm_uas,
 * cpm_media*, cpm_ack and cpm_timer call of each other. All functions take a
 * session's id, may be called in any process, hold no lock on entry or return,
 * and do nothing when the session is gone.
 *
 *   INVITE in  -> cpm_b2b_in     checks, session, session.create
 *   relay      -> cpm_media      paths  -> cpm_b2b_dlv, cpm_b2b_out  INVITE out
 *   180, 200   -> cpm_b2b_reply  ACK by cpm_ack, leg.start by cpm_media
 *   4xx-6xx    -> cpm_b2b_dlv    ISF, or the delivery has failed
 *   relay      -> cpm_media      -> cpm_uas  200 to the originator
 *   delivered  -> cpm_b2b_dlv    BYE to a recipient who has all of it
 *   ACK, BYE   -> cpm_b2b_dialog -> cpm_b2b_end
 */
#ifndef CPM_B2B_H
#define CPM_B2B_H

#include "../../core/parser/msg_parser.h"
#include "cpm_hdr.h"
#include "cpm_leg.h"
#include "cpm_session.h"

#define CPM_ACK_WAIT_MS 32000    /* 64*T1: our 200 waits for its ACK */
#define CPM_MEDIA_GRACE_MS 15000 /* silence after the relay lost a leg */
#define CPM_STORE_WAIT_MS 30000  /* for the relay's word that it is stored */

/* Why a session ends; one row each in cpm_b2b_end.c. */
typedef enum cpm_end
{
	CPM_END_BYE,        /* one side hung up */
	CPM_END_CANCEL,     /* the originator cancelled */
	CPM_END_REFUSED,    /* the recipient's side answered 3xx to 6xx */
	CPM_END_RING,       /* nobody answered in time */
	CPM_END_ACK,        /* the originator never acknowledged our 200 */
	CPM_END_TIMER,      /* a session timer ran out */
	CPM_END_GONE,       /* a peer does not know the dialog any more */
	CPM_END_RELAY_AWAY, /* no answer from the relay */
	CPM_END_RELAY_NO,   /* the relay refused */
	CPM_END_RELAY_LOST, /* the relay was restarted */
	CPM_END_MEDIA,      /* MSRP failed and nobody hung up */
	CPM_END_IDLE,       /* no byte for too long */
	CPM_END_DELIVERED,  /* delivered and nobody hung up */
	CPM_END_SERVED,   /* every recipient is decided, the originator has gone */
	CPM_END_DEFERRED, /* no client took it, it is stored */
	CPM_END_NOBODY,   /* there is no client, and it is not to be stored */
	CPM_END_STORE,    /* nor is there a store now */
	CPM_END_FULL,     /* nor room in it */
	CPM_END_EARLY,    /* the originator hung up before all was received */
	CPM_END_SDP,      /* the answer cannot be used */
	CPM_END_SEND,     /* the INVITE could not be sent */
	CPM_END_MEMORY,   /* out of shared memory */
	CPM_END_WATCHDOG, /* stuck */
	CPM_END_KILLED,   /* by the operator */
	CPM_END_N
} cpm_end_t;

/**
 * End a session: the first caller wins, later ones change nothing. Answers
 * the originator when he has no final answer, cancels or hangs up the legs
 * that are left, closes the relay's session.
 *
 * @param by     leg whose doing it is, for the log; its own state is the
 *               caller's to set
 * @param reason Reason header value for the BYEs; empty: from the table
 */
void cpm_b2b_end(uint64_t id, cpm_end_t why, unsigned by, str reason);

/* End all legs from that one on whose dialogs stand or are being set up: some
 * at once, the rest by the timer process, so that nobody is kept from his
 * work by a thousand BYEs. */
void cpm_legs_end(uint64_t id, unsigned from);

/* ---- deliveries (cpm_b2b_dlv.c) ---- */

/* Why a delivery fails. */
typedef struct cpm_failure
{
	cpm_end_t why;
	int code;           /* of the answer, as the originator would be told */
	cpm_strs_t *answer; /* CPM_A_*, shared memory, taken over; may be NULL */
	bool isf;           /* it is one that interworking may follow */
} cpm_failure_t;

/* Register with the queue of requests; in mod_init. */
void cpm_dlv_init(void);

/* No further INVITEs: the session ends. */
void cpm_dlv_stop(uint64_t id);

/* The INVITE of leg n is answered, or over: the next one may go. */
void cpm_dlv_unpace(uint64_t id, unsigned n);

/* The relay has given the path of leg n: its INVITE goes out, but for those of
 * a list, whose first legs wait for each other. */
void cpm_dlv_ready(uint64_t id, unsigned n);

/* The relay knows all legs of the list, so that it does not think that nobody
 * is left when a few have failed: their INVITEs go out as the pace allows. */
void cpm_dlv_all_ready(uint64_t id);

/* A leg to the ISF takes the place of leg n of this delivery. Under the
 * session's lock; the number of the new leg, 0: no memory. */
unsigned cpm_dlv_replace(cpm_session_t *s, cpm_dlv_t *d, unsigned n);

/* (cpm_b2b_judge.c) If all deliveries are decided: what follows for all of them
 * together. */
void cpm_dlv_decide(uint64_t id);

/* Leg n cannot serve its delivery: a leg to the ISF takes its place (once, and
 * where policy allows), or it has failed. Ends the leg. */
void cpm_dlv_failed(uint64_t id, unsigned n, const cpm_failure_t *f);

/* MSRP with peer n has failed before he had all of it.
 * @param status of his answer; 0: connection refused or lost */
void cpm_dlv_media_failed(uint64_t id, unsigned n, int status);

/* Peer n has all of the message, by the relay's word: BYE to him, but for a
 * pair, where the originator hangs up. */
void cpm_dlv_done(uint64_t id, unsigned n);

/* Our BYE to peer n has been answered; code 0: it could not be sent. */
void cpm_dlv_hung_up(uint64_t id, unsigned n, int code);

/* The relay has let leg n go: everything that it had to tell has been heard. */
void cpm_dlv_leg_gone(uint64_t id, unsigned n);

/* Peer n has hung up (his leg is down): was it before he had all of it? */
void cpm_dlv_bye(uint64_t id, unsigned n);

/* The originator has hung up (leg 0 is down) in a session with several
 * recipients. asked: the relay has told all it knows. */
void cpm_dlv_left(uint64_t id, bool asked);

/* ---- inbound leg (cpm_uas.c) ---- */

/* Pass on a provisional answer. */
void cpm_uas_provisional(uint64_t id, int code);

/**
 * Give the originator his final answer, once. A 2xx to an INVITE is held until
 * its ACK; any answer to a MESSAGE takes leg 0 down.
 *
 * @param answer CPM_A_*, shared memory, taken over; may be NULL for 4xx-6xx
 */
void cpm_uas_final(uint64_t id, int code, cpm_strs_t *answer);

/* The ACK has come or will not come any more: let tm's transaction go. */
void cpm_uas_release(uint64_t id);

/* ---- outbound legs (cpm_b2b_out.c, cpm_b2b_reply.c) ---- */

/* Send the INVITE of a leg whose path is known. */
void cpm_out_invite(uint64_t id, unsigned n);

/* CPM_M_* with another SDP, in shared memory; NULL without. It is kept for
 * re-INVITEs of both sides. */
cpm_strs_t *cpm_local_with_sdp(const cpm_strs_t *local, str sdp);

/* The first 200 to it: cpm_b2b_answer.c. */
void cpm_out_answered(uint64_t id, unsigned n, sip_msg_t *rpl);

/* tm's callback for it. */
void cpm_out_reply(struct cell *t, int type, struct tmcb_params *ps);

/* ---- the relay (cpm_media.c, cpm_events.c) ---- */

/* session.create with the inbound leg (or content) and leg 1; further legs
 * follow by leg.add: 0, or the caller ends the session. */
int cpm_media_create(uint64_t id);

/* leg.add; what fails is told to the delivery. */
void cpm_media_add(uint64_t id, unsigned n);

/* leg.start, in any state but closing. */
void cpm_media_start(uint64_t id, unsigned n);

/* leg.close, once; then cpm_dlv_leg_gone(). */
void cpm_media_leg_close(uint64_t id, unsigned n);

/* Ask the relay whether it has the whole message; then cpm_dlv_left(). */
void cpm_media_ask_received(uint64_t id);

/* session.close; with abort what is queued is dropped. */
void cpm_media_close(uint64_t id, bool abort);

/* Register for events and reconnections; before the fork. */
void cpm_events_init(void);

/* ---- session timers, watchdog (cpm_timer.c) ---- */

/* Make the timer process: in mod_init and in child_init(PROC_MAIN). */
int cpm_timer_mod_init(void);
int cpm_timer_child_init(int rank);

/* Set when the next refresh (ours) or the end (theirs) of a leg is due. */
void cpm_timer_arm(cpm_leg_t *l);

/* ---- one table of refusals (cpm_reject.c) ---- */

/* Bind module sl if it is there; in mod_init: 0, or -1 for a modparam. */
int cpm_reject_init(void);

/* A counter for each row; with cpm_stats_register(): 0 or -1. */
int cpm_reject_register(void);

/* A row as it is in force, for the operator. */
typedef struct cpm_reject_info
{
	const char *name;    /* "127" */
	const char *counter; /* "refused_127" */
	int code;            /* */
	const char *phrase;  /* */
	const char *warning; /* NULL: none */
	long count;          /* times refused */
} cpm_reject_info_t;

/* Row i from 0: 0; -1 there is none. */
int cpm_reject_info(unsigned i, cpm_reject_info_t *out);

/**
 * Refuse a request whose transaction may or may not exist yet.
 *
 * @param name   of the row: "127", "sdp", "relay", ...
 * @param detail text for the Warning instead of the row's, or NULL
 * @param extra  complete header lines, may be empty
 *
 * @return 0 sent; -1 no such row, or tm could not
 */
int cpm_reject(sip_msg_t *msg, const char *name, const char *detail, str extra);

/**
 * The same as CPM_A_* for cpm_uas_final().
 *
 * @param code filled with the status
 *
 * @return the answer in shared memory, NULL without memory
 */
cpm_strs_t *cpm_reject_answer(const char *name, const char *detail, int *code);

#endif
