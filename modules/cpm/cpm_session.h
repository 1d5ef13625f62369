/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table of sessions. One session carries one message: leg 0 is the
 * inbound leg (we are UAS of its INVITE), legs 1 to n-1 are outbound (UAC).
 *
 * Rules: a cpm_session_t pointer is good between cpm_session_lock() and
 * cpm_session_unlock() and nowhere else. Under the lock nothing of tm, of the
 * link or of the log's slow path is called: decide, copy what is needed, set
 * the new state, unlock, act. A session whose last leg is down and whose
 * relay session is closed is freed by cpm_session_unlock(). Whoever comes
 * later with its id finds nothing, and that is fine.
 */
#ifndef CPM_SESSION_H
#define CPM_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/ip_addr.h"
#include "../../core/str.h"
#include "cpm_id.h"
#include "cpm_strs.h"

#define CPM_LEGS_MAX 64 /* legs of one session; fits a tag's two hex digits */
#define CPM_FORKS_MAX 4 /* further 200s of one forked INVITE remembered */

#define CPM_IN 0 /* the inbound leg */

/* Life of a session. */
typedef enum cpm_session_state
{
	CPM_S_SETUP,    /* session.create is at the relay */
	CPM_S_CALLING,  /* INVITE is out, no final answer */
	CPM_S_STARTING, /* a callee has answered 200; leg.start is at the relay */
	CPM_S_ANSWERED, /* our 200 is out, the ACK has not been seen */
	CPM_S_UP,       /* both dialogs stand, media may flow */
	CPM_S_CLOSING,  /* over; waits for answers to BYE and session.close */
	CPM_S_NSTATES
} cpm_session_state_t;

/* Life of a leg: one dialog. */
typedef enum cpm_leg_state
{
	CPM_L_IDLE,      /* nothing sent */
	CPM_L_INVITED,   /* INVITE sent (out) or received (in), no 1xx */
	CPM_L_RINGING,   /* a 1xx other than 100 has passed */
	CPM_L_CANCELLED, /* out: we gave up, the final answer is awaited */
	CPM_L_ANSWERED,  /* in: 200 is out, ACK awaited */
	CPM_L_UP,        /* the dialog stands */
	CPM_L_BYE,       /* our BYE is out, its answer is awaited */
	CPM_L_DOWN,      /* the dialog is over; final */
	CPM_L_NSTATES
} cpm_leg_state_t;

/* How far the relay is with our session. */
typedef enum cpm_relay_state
{
	CPM_R_NONE,     /* nothing asked for yet */
	CPM_R_CREATING, /* session.create sent */
	CPM_R_OPEN,     /* the relay has it */
	CPM_R_CLOSING,  /* session.close sent */
	CPM_R_CLOSED    /* gone there, or given up; final */
} cpm_relay_state_t;

/* Texts of a leg's dialog: cpm_leg_t.dlg. */
enum
{
	CPM_D_CALL_ID,
	CPM_D_LOCAL_TAG,
	CPM_D_REMOTE_TAG, /* empty until the first answer */
	CPM_D_LOCAL,      /* From or To value of ours without the tag */
	CPM_D_REMOTE,     /* the peer's */
	CPM_D_TARGET,     /* the peer's Contact URI */
	CPM_D_ROUTES,     /* route set as one header value, in sending order */
	CPM_D_NEXT_HOP,   /* outbound proxy's URI, may be empty */
	CPM_D_N
};

/* Texts of the peer's SDP: cpm_leg_t.peer. */
enum
{
	CPM_P_PATH,
	CPM_P_HOST, /* of the connection address, where CEMA is in force */
	CPM_P_TYPES,
	CPM_P_WRAPPED,
	CPM_P_FINGERPRINT,
	CPM_P_N
};

/* Texts of our own media: cpm_leg_t.local. */
enum
{
	CPM_M_PATH,
	CPM_M_HOST,
	CPM_M_FINGERPRINT,
	CPM_M_SDP, /* as last sent, for refreshing re-INVITEs */
	CPM_M_N
};

/* Texts of the message itself: cpm_session_t.msg. */
enum
{
	CPM_T_HEADERS, /* what the outgoing INVITE carries, but for its own */
	CPM_T_TYPES,   /* a=accept-types value */
	CPM_T_WRAPPED, /* a=accept-wrapped-types value */
	CPM_T_OFFER,   /* the offer itself when it has other m= lines, which the
					* answer must refuse; else empty */
	CPM_T_N
};

/* Texts of the final answer to the originator: cpm_session_t.answer. */
enum
{
	CPM_A_REASON,
	CPM_A_HEADERS,
	CPM_A_BODY,
	CPM_A_N
};

typedef struct cpm_leg
{
	uint8_t n;            /* own number */
	uint8_t state;        /* cpm_leg_state_t */
	bool peer_timer;      /* peer supports RFC 4028 */
	bool peer_update;     /* peer allows UPDATE */
	bool refresh_us;      /* we are the refresher */
	bool refresh_pending; /* our UPDATE or re-INVITE is out */
	bool tls;             /* MSRP over TLS */
	bool peer_cema;       /* a=msrp-cema in the peer's SDP */
	bool connect;         /* the relay opens the connection */
	bool started;         /* leg.start was answered */
	bool bye_due;         /* in: BYE as soon as the ACK has come */
	bool delivered;       /* the relay saw the peer take all of it */
	bool failed;          /* the relay lost this leg */
	bool acked;           /* an ACK for the 200 has been sent */
	bool placed;          /* tindex and tlabel are known */
	uint8_t n_forks;      /* in forks[] */
	uint8_t bye_tries;    /* BYEs that could not be sent */
	uint16_t peer_port;   /* of the connection address */
	uint16_t local_port;  /* ours */
	uint32_t cseq;        /* last of our requests in this dialog */
	uint32_t peer_cseq;   /* last of the peer's */
	uint32_t expires_s;   /* session timer's interval, 0 none */
	uint32_t min_se_s;    /* asked for by a 422, 0 none */
	uint32_t sdp_version; /* o= line */
	unsigned tindex;      /* INVITE transaction at tm (out) */
	unsigned tlabel;      /* */
	uint64_t peer_max;    /* a=max-size of the peer, 0 none */
	uint64_t timer_at;    /* refresh due or session expired, ms; 0 none */
	uint64_t refresh_by;  /* our refresh must have been answered, ms */
	uint64_t answered_by; /* hash of the To-tag whose 200 counts, 0 none */
	uint64_t forks[CPM_FORKS_MAX]; /* hashes of To-tags sent away */
	struct socket_info *sock;      /* to send from; NULL: the core's choice */
	cpm_strs_t *dlg;               /* CPM_D_*, owned */
	cpm_strs_t *peer;              /* CPM_P_*, owned */
	cpm_strs_t *local;             /* CPM_M_*, owned */
} cpm_leg_t;

typedef struct cpm_session
{
	struct cpm_session *next; /* in the slot */
	uint64_t id;
	uint8_t state;       /* cpm_session_state_t */
	uint8_t relay;       /* cpm_relay_state_t */
	uint8_t n_legs;      /* in use */
	uint8_t max_legs;    /* room */
	uint8_t winner;      /* the leg whose 200 we passed on; 0 none yet */
	bool uas_busy;       /* somebody replies on the inbound transaction */
	bool uas_done;       /* a final answer was given */
	bool uas_held;       /* our second reference to it exists */
	bool sized;          /* the offer announced bytes */
	uint8_t offer_setup; /* enum sdp_setup of the originator's offer */
	bool stay;           /* under construction: unlock must not free it */
	uint16_t want_1xx;   /* to be sent, 0 none */
	uint16_t want_final; /* likewise */
	uint64_t bytes;      /* announced size, 0 unknown */
	int max_bytes;       /* more than that is stopped; 0: the relay's own */
	uint64_t created_ms, state_ms;
	uint64_t ring_at;   /* the callee has to answer, 0 none */
	uint64_t ack_at;    /* the originator has to ACK, 0 none */
	uint64_t media_at;  /* both ends are given up after, 0 none */
	uint64_t end_at;    /* BYE both: set where it cannot be done, 0 none */
	uint64_t watch_at;  /* stuck in this state */
	uint64_t seen_ms;   /* the relay listed it */
	cpm_strs_t *msg;    /* CPM_T_*, owned */
	cpm_strs_t *answer; /* CPM_A_*, owned */
	cpm_strs_t *reason; /* one text: Reason value for our BYEs, owned */
	cpm_leg_t legs[];   /* max_legs */
} cpm_session_t;

/* Make the table in shared memory, before the fork: 0 or -ENOMEM. */
int cpm_session_init(unsigned slots);

/* Free the table and all in it. */
void cpm_session_exit(void);

/* Monotonic milliseconds, the same in all processes. */
uint64_t cpm_now_ms(void);

/**
 * Allocate a session that is in no table yet: leg 0 and room for more.
 *
 * @return the session for cpm_session_add() or cpm_session_free(), or NULL
 */
cpm_session_t *cpm_session_new(uint64_t id, unsigned max_legs);

/* Free a session that was never added. */
void cpm_session_free(cpm_session_t *s);

/* Hand it to the table: 0; -EEXIST the id is taken (it stays the caller's). */
int cpm_session_add(cpm_session_t *s);

/* The session, its slot locked; NULL when there is none (nothing locked). */
cpm_session_t *cpm_session_lock(uint64_t id);

/* Unlock; frees the session when it is over. The pointer is dead. */
void cpm_session_unlock(cpm_session_t *s);

/* The leg, or NULL when the session has no such one. */
cpm_leg_t *cpm_session_leg(cpm_session_t *s, unsigned n);

/* A further outbound leg; NULL when there is no room. */
cpm_leg_t *cpm_session_leg_add(cpm_session_t *s);

/* Move; an illegal move is refused and logged: 0 or -EINVAL. */
int cpm_session_move(cpm_session_t *s, cpm_session_state_t to);
int cpm_leg_move(cpm_session_t *s, cpm_leg_t *l, cpm_leg_state_t to);

const char *cpm_session_state_name(unsigned state);
const char *cpm_leg_state_name(unsigned state);

/**
 * Ids of sessions for which something is due. Call with *slot == 0 first;
 * slots are locked one at a time.
 *
 * @param now  cpm_now_ms()
 * @param slot where to go on; set to the number of slots at the end
 * @param ids  filled
 * @param max  room in ids
 *
 * @return ids filled in; 0 at the end of the table
 */
unsigned cpm_session_due(
		uint64_t now, unsigned *slot, uint64_t *ids, unsigned max);

/* Ids of all sessions, in the same manner. */
unsigned cpm_session_ids(unsigned *slot, uint64_t *ids, unsigned max);

#endif
