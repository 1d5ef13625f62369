/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The back-to-back user agent, inside: what the files cpm_b2b_*, cpm_uas,
 * cpm_media, cpm_ack and cpm_timer call of each other. All functions take a
 * session's id, may be called in any process, hold no lock on entry or return,
 * and do nothing when the session is gone.
 *
 *   INVITE in  -> cpm_b2b_in     checks, session, session.create
 *   relay      -> cpm_media      paths  -> cpm_b2b_out  INVITE out
 *   180, 200   -> cpm_b2b_reply  ACK by cpm_ack, leg.start by cpm_media
 *   relay      -> cpm_media      -> cpm_uas  200 to the originator
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
	CPM_END_SDP,        /* the answer cannot be used */
	CPM_END_SEND,       /* the INVITE could not be sent */
	CPM_END_MEMORY,     /* out of shared memory */
	CPM_END_WATCHDOG,   /* stuck */
	CPM_END_KILLED,     /* by the operator */
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

/* ---- inbound leg (cpm_uas.c) ---- */

/* Pass on a provisional answer. */
void cpm_uas_provisional(uint64_t id, int code);

/**
 * Give the originator his final answer, once. A 2xx is held until its ACK.
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

/* session.create with the inbound leg and leg 1: 0, or the caller ends it. */
int cpm_media_create(uint64_t id);

/* leg.start of the inbound leg and of leg n. */
void cpm_media_start(uint64_t id, unsigned n);

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
